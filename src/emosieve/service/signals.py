"""Signals that ask for an end in order, or for a new look at the settings."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def heeded(stop: Callable[[int], None], reload: Callable[[], None] | None = None) -> Iterator[None]:
    """SIGTERM and SIGINT ask to stop, and regain their own meaning with the first of them; SIGHUP asks to reload.

    The entry point keeps SIGHUP waiting until here, and from here on: it is to kill no daemon
    that cannot, or need not, read its settings anew.

    Args:
        stop: called with the number of the first signal that asks for an end, at any moment.
        reload: called for each SIGHUP; ``None`` leaves SIGHUP as it is.
    """

    def first(number: int, _frame: FrameType | None) -> None:
        for again in (signal.SIGTERM, signal.SIGINT):
            signal.signal(again, signal.SIG_DFL)
        stop(number)

    handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]] = {
        signal.SIGTERM: first,
        signal.SIGINT: first,
    }
    if reload is not None:
        handlers[signal.SIGHUP] = lambda _number, _frame: reload()
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
