"""The sweep: the whole inbox once, oldest first, in bounded batches, then the end."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import structlog

from emosieve.intake import LOCK_GAP_SECONDS
from emosieve.record.files import STATE_DIRECTORY
from emosieve.record.locking import IntakeLock
from emosieve.record.statistics import Tally
from emosieve.service.flow import Flow
from emosieve.service.preflight import examine, heed, try_appending
from emosieve.service.signals import heeded
from emosieve.settings import Settings
from emosieve.watch.settle import Waiting
from emosieve.watch.wakeups import Mailbox, Wake

log = structlog.get_logger()

_PASSING = frozenset({"quiet", "blocked"})
"""Reasons that a few seconds may end; no result, or half of one, is the WebUI's business."""


@dataclass(frozen=True)
class Swept:
    """What a sweep did.

    Attributes:
        root: without symlinks.
        tally: the numbers of what was filed, or would be.
        joined: late directories that went to the filed task of their name.
        left: tasks that still stand, with reasons.
        seconds: how long it took.
        flow: what did it.
        dry_run: whether it only said what would be done.
        stopped_by: the signal that ended it early; ``None`` for none.
    """

    root: str
    tally: Tally
    joined: int
    left: list[Waiting]
    seconds: float
    flow: Flow
    dry_run: bool
    stopped_by: int | None = None


def _no_progress(_done: int, _total: int) -> None:
    pass


def sweep(  # noqa: PLR0913 - one parameter an option
    root: str,
    settings: Settings,
    *,
    wait: float | None = None,
    dry_run: bool = False,
    workers: int = 1,
    progress: Callable[[int, int], object] = _no_progress,
) -> Swept:
    """File all settled tasks of a root, and wait for those that are only too young.

    SIGTERM and SIGINT end it in order: what is logged is filed. A second one ends the process at once.

    Args:
        root: as the operator gave it.
        settings: of this root.
        wait: seconds to wait for tasks that may still settle; quiet time + 3 when not given.
        dry_run: say what would be done; takes no lock and writes nothing at all.
        workers: processes that judge; worth it where audio is measured.
        progress: called with the number of tasks done and of those known.

    Raises:
        SetupError: the root cannot be worked on as things are set up.
        RootBusy: a daemon or another sweep has the intake of this root.
        OSError: the log cannot be read or written.
    """
    heed(examine(root, settings))
    real = os.path.realpath(root)
    lock = IntakeLock(real)
    flow = Flow(real, settings, dry_run=dry_run)
    if not os.path.lexists(f"{real}/{STATE_DIRECTORY}") and not flow.inbox.list().tasks:
        # No emosieve was ever here and no task is: perhaps it is no root at all, so nothing is made in it.
        log.warning("check.warning", subject="root", message=f"no {settings.watch.task_glob} in {real}")
        flow.dry_run = True
    seconds = settings.settle.quiet_seconds + 3 if wait is None else wait
    stop = _Stop()
    with heeded(stop.hear):
        if not flow.dry_run:
            lock.acquire()
        try:
            if not flow.dry_run:
                try_appending(real)
            with _judging(flow, settings, workers):
                swept = _run(flow, seconds, progress, stop, dry_run=dry_run)
        finally:
            lock.release()
    return replace(swept, stopped_by=stop.number)


@contextmanager
def _judging(flow: Flow, settings: Settings, workers: int) -> Iterator[None]:
    """Let so many processes judge meanwhile."""
    if workers == 1:
        yield
        return
    from emosieve.service.pool import Pool  # noqa: PLC0415 - few ask for more than one process

    pool = Pool(flow.root, settings.rule_set, workers)
    flow.judges = pool
    try:
        yield
    finally:
        pool.close()


class _Stop:
    """Whether a signal asked for the end, by its number."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._mailbox = Mailbox()

    def hear(self, number: int) -> None:
        """As a signal's handler."""
        self.number = number
        self._mailbox.post(Wake.STOP)

    def came(self) -> bool:
        """Whether it came."""
        return self.number is not None

    def wait(self, seconds: float) -> None:
        """Wait for it, up to some seconds."""
        if not self.came():
            self._mailbox.wait(seconds)


def _run(
    flow: Flow, wait: float, progress: Callable[[int, int], object], stop: _Stop, *, dry_run: bool
) -> Swept:
    started, began = flow.intake.now(), time.monotonic()
    if not flow.dry_run:
        flow.open(stop.came)
    flow.scan()
    total = flow.settling.pending_count
    deadline = None
    while not stop.came():
        flow.step(stop.came)
        progress(total - flow.settling.pending_count, total)
        due = flow.due_in()
        if due == 0.0:
            continue
        # The waiting begins when all that stood here has been looked at once.
        deadline = deadline or time.monotonic() + wait
        worth_it = any(one.reason in _PASSING for one in flow.settling.waiting)
        if due is None or not worth_it or time.monotonic() + due > deadline:
            break
        stop.wait(due)
    tally = flow.counts.tally
    if not flow.dry_run and (tally.total or tally.quarantined):
        flow.intake.note({"event": "swept", "started": started, "tally": tally.as_dict()})
    while flow.has_more and not stop.came():
        stop.wait(LOCK_GAP_SECONDS)
        flow.go_on(stop.came)
    seconds = time.monotonic() - began
    return Swept(flow.root, tally, flow.counts.joined, flow.settling.waiting, seconds, flow, dry_run)
