"""Keeping the watch on a root: armed, healed, given up, and each of that told once."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from emosieve.settings import Settings
from emosieve.text import Message, Phrase
from emosieve.watch.wakeups import Wakeups

_DIED: Final = Phrase("the watch died, and is armed again soon", "监视意外终止，稍后会重新建立")
_ABSENT: Final = Phrase("the root cannot be watched now", "输出目录目前无法监视")
_DEAF: Final = Phrase(
    "a listing found a task that no event had announced", "列目录时发现了没有事件通知的任务"
)

log = structlog.get_logger()


@contextmanager
def telling_of_threads() -> Iterator[None]:
    """A thread that dies is told of in the log, instead of by a traceback in the midst of it."""

    def tell(dead: threading.ExceptHookArgs) -> None:
        cause = f"{dead.exc_type.__name__}: {dead.exc_value}"
        log.error("internal.error", thread=type(dead.thread).__name__, cause=cause)

    before, threading.excepthook = threading.excepthook, tell
    try:
        yield
    finally:
        threading.excepthook = before


class Lookout:
    """The watch on one root, as the daemon keeps it; listings find every task whatever becomes of it.

    Args:
        wakeups: the watch itself.
        settings: of the root.
    """

    def __init__(self, wakeups: Wakeups, settings: Settings) -> None:
        self._wakeups = wakeups
        self._settings = settings
        self._root: str | None = None
        self._lacks_events = False
        self._refusal: Message | None = None
        self._next_arming = 0.0
        self._next_overflow = 0.0

    def arm(self, root: str) -> bool:
        """Watch this root; where the kernel refuses, that is told once for each cause, and tried again later.

        Returns:
            whether it was not refused.
        """
        self._wakeups.arm(root, self._settings.watch.mode)
        self._root = root
        self._lacks_events = self._wakeups.was_refused
        self._next_arming = time.monotonic() + self._settings.watch.rescan_seconds
        refusal = self._wakeups.reason if self._wakeups.was_refused else None
        if refusal is not None and refusal != self._refusal:
            log.warning("watch.degraded", reason=str(refusal))
        self._refusal = refusal
        return not self._lacks_events

    def heal(self) -> bool:
        """Arm a watch again that died or was refused, at most once per rescan; until then listings do.

        Returns:
            whether the root is to be listed at once.
        """
        died = not self._wakeups.is_alive()
        if died:
            self._wakeups.poll(_DIED())
            self._lacks_events = True
        if self._root is None or not self._lacks_events or time.monotonic() < self._next_arming:
            return died
        if not self.arm(self._root):
            return died
        log.warning("watch.healed", mode=self._wakeups.mode, reason=str(self._wakeups.reason))
        return True

    def leave(self) -> None:
        """The root is gone, or is closed."""
        self._root, self._lacks_events = None, False
        self._wakeups.poll(_ABSENT())

    def call_deaf(self) -> None:
        """A listing found what no event announced: this file system gives none."""
        self._wakeups.poll(_DEAF())
        log.warning("watch.deaf", path=self._root, hint="polling from now on")

    def tell_overflow(self) -> None:
        """Events were lost. A burst that goes on loses them again and again; one line in a while is enough."""
        if time.monotonic() >= self._next_overflow:
            self._next_overflow = time.monotonic() + self._settings.watch.rescan_seconds
            log.warning("watch.overflow", path=self._root, hint="the root is listed anew")

    def apply(self, settings: Settings) -> None:
        """Take new settings; another mode is armed at once."""
        mode_changed = settings.watch.mode != self._settings.watch.mode
        self._settings = settings
        if mode_changed and self._root is not None:
            self.arm(self._root)
