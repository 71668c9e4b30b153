"""The sweep: the whole inbox once, oldest first, in bounded batches, then the end."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from emosieve.record.locking import STATE_DIRECTORY, IntakeLock
from emosieve.record.statistics import Tally
from emosieve.service.flow import Flow
from emosieve.service.preflight import examine, heed
from emosieve.settings import Settings
from emosieve.watch.settle import Waiting

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
    """

    root: str
    tally: Tally
    joined: int
    left: list[Waiting]
    seconds: float
    flow: Flow
    dry_run: bool


def _no_progress(_done: int, _total: int) -> None:
    pass


def sweep(
    root: str,
    settings: Settings,
    *,
    wait: float | None = None,
    dry_run: bool = False,
    progress: Callable[[int, int], object] = _no_progress,
) -> Swept:
    """File all settled tasks of a root, and wait for those that are only too young.

    Args:
        root: as the operator gave it.
        settings: of this root.
        wait: seconds to wait for tasks that may still settle; quiet time + 3 when not given.
        dry_run: say what would be done; takes no lock and writes nothing at all.
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
    if not flow.dry_run:
        lock.acquire()
    try:
        seconds = settings.settle.quiet_seconds + 3 if wait is None else wait
        return _run(flow, seconds, progress, dry_run=dry_run)
    finally:
        lock.release()


def _run(flow: Flow, wait: float, progress: Callable[[int, int], object], *, dry_run: bool) -> Swept:
    started, began = flow.intake.now(), time.monotonic()
    if not flow.dry_run:
        flow.open()
    flow.scan()
    total = flow.settling.pending_count
    deadline = None
    while True:
        flow.step()
        progress(total - flow.settling.pending_count, total)
        due = flow.due_in()
        if due == 0.0:
            continue
        # The waiting begins when all that stood here has been looked at once.
        deadline = deadline or time.monotonic() + wait
        worth_it = any(one.reason in _PASSING for one in flow.settling.waiting)
        if due is None or not worth_it or time.monotonic() + due > deadline:
            break
        time.sleep(due)
    tally = flow.counts.tally
    if not flow.dry_run and (tally.total or tally.quarantined):
        flow.intake.note({"event": "swept", "started": started, "tally": tally.as_dict()})
    seconds = time.monotonic() - began
    return Swept(flow.root, tally, flow.counts.joined, flow.settling.waiting, seconds, flow, dry_run)
