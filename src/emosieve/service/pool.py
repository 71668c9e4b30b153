"""Settled tasks judged by several processes, in order: long audio keeps one of them busier than the disk.

Only judging is done elsewhere. Looking, logging and filing stay in one place, and
happen in the order in which the tasks were looked at, however many judge. Each
process has a pipe of its own, and one portion of work at a time, so that there is
no lock that a killed one could take along.
"""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from typing import Final

from emosieve.errors import SetupError
from emosieve.judge.ruleset import RuleSet
from emosieve.service.judging import Judged, Look, judge_task
from emosieve.text import Phrase
from emosieve.watch.wholeness import Settled

_PORTION: Final = 32
"""Tasks that go to a process at a time: a single one costs more to send than to judge without audio."""
_PATIENCE_SECONDS: Final = 0.1
"""How often a stop is asked for while others judge."""

_KILLED = Phrase(
    "a process that judged was ended from outside, perhaps for want of memory; run sweep again, with fewer --workers",
    "有一个判定进程被外部终止，可能是内存不足；请用更少的 --workers 重新执行 sweep",
)


@dataclass(frozen=True, slots=True)
class _Worker:
    process: SpawnProcess
    pipe: "Connection"


class Pool:
    """Judges in processes of its own; they end with it, and with this process.

    Args:
        root: the folder that the tasks stand in.
        rules: in force from start to end.
        workers: how many processes.
    """

    def __init__(self, root: str, rules: RuleSet, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        # What the rules have compiled cannot be sent; it is compiled anew there.
        bare = replace(rules)
        self._workers = []
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_work, args=(theirs, root, bare, self._stop, os.getpid()), daemon=True
            )
            process.start()
            theirs.close()  # so that it notices when ours is closed, however this process ends
            self._workers.append(_Worker(process, ours))
        self._idle = deque(self._workers)
        self._ahead: deque[tuple[list[Look], _Worker]] = deque()
        self._ready: deque[Judged] = deque()

    @property
    def is_ahead(self) -> bool:
        """Whether looks were taken that are still to be given."""
        return bool(self._ahead or self._ready)

    def judged(
        self, looks: Iterator[Look], _rules: RuleSet, should_stop: Callable[[], bool]
    ) -> Iterator[Judged]:
        """Each look with its judgement.

        Raises:
            SetupError: one of the processes was killed; what it had is looked at again by the next run.
        """
        try:
            while True:
                while self._idle and (portion := list(islice(looks, _PORTION))):
                    worker = self._idle.popleft()
                    self._ahead.append((portion, worker))
                    worker.pipe.send(portion)
                if not self._ready:
                    if not self._ahead or not _has_answered(self._ahead[0][1], should_stop):
                        return
                    portion, worker = self._ahead.popleft()
                    outcomes = [outcome for outcome, _ in portion]
                    self._ready.extend(zip(outcomes, worker.pipe.recv(), strict=True))
                    self._idle.append(worker)
                else:
                    yield self._ready.popleft()
        except (EOFError, ConnectionError):
            raise SetupError(_KILLED()) from None

    def close(self) -> None:
        """End the processes; one that is in the middle of a wav stops there."""
        self._stop.set()
        for worker in self._workers:
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join()


def _has_answered(worker: _Worker, should_stop: Callable[[], bool]) -> bool:
    """Wait for an answer; False when a stop comes first."""
    while not should_stop():
        ready = wait([worker.pipe, worker.process.sentinel], _PATIENCE_SECONDS)
        if worker.pipe in ready:
            return True
        if ready:
            raise EOFError
    return False


def _work(pipe: "Connection", root: str, rules: RuleSet, stop: Event, giver: int) -> None:
    """What one of the processes does until nobody is there any more to do it for."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(
            number, signal.SIG_IGN
        )  # they go to the whole group; who gave the work tells when to stop

    def should_stop() -> bool:
        return stop.is_set() or os.getppid() != giver

    while True:
        try:
            portion: list[Look] = pipe.recv()
            pipe.send(
                [
                    judge_task(root, outcome, rules, should_stop, gives_up=gives_up)
                    if isinstance(outcome, Settled)
                    else None
                    for outcome, gives_up in portion
                ]
            )
        except (EOFError, ConnectionError):
            return
