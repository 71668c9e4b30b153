"""Settled tasks judged by several processes, in order: long audio keeps one of them busier than the disk.

Only judging is done elsewhere. Looking, logging and filing stay in one place, and
happen in the order in which the tasks were looked at, however many judge, but for
tasks with a long wav, which come when they are done. Each process has a pipe of its
own, and one portion of work at a time beside its long wavs, so that there is no lock
that a killed one could take along.
"""

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from typing import Final

from emosieve.errors import SetupError
from emosieve.judge.ruleset import RuleSet
from emosieve.proposals import Proposal
from emosieve.service.judging import SLICE_SECONDS, Judge, Judged, Look
from emosieve.text import Phrase
from emosieve.watch.wholeness import Lack, Settled

_PORTION: Final = 32
"""Tasks that go to a process at a time: a single one costs more to send than to judge without audio."""
_PATIENCE_SECONDS: Final = 0.1
"""How often a stop is asked for while others judge."""
_Answer = tuple[list[Proposal | Lack | None], Judged | None]
"""What a process sends for a portion: its judgements, and that of a task with a long wav that is done."""

_KILLED = Phrase(
    "a process that judged was ended from outside, perhaps for want of memory; run sweep again, with fewer --workers",
    "有一个判定进程被外部终止，可能是内存不足；请用更少的 --workers 重新执行 sweep",
)


@dataclass(frozen=True, slots=True)
class _Worker:
    number: int
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
        for number in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_work, args=(theirs, root, bare, self._stop, os.getpid()), daemon=True
            )
            process.start()
            theirs.close()  # so that it notices when ours is closed, however this process ends
            self._workers.append(_Worker(number, process, ours))
        self._idle = deque(self._workers)
        self._ahead: deque[tuple[list[Look], _Worker]] = deque()
        self._answered: dict[int, list[Proposal | Lack | None]] = {}
        self._ready: deque[Judged] = deque()
        self._later = [0] * workers

    @property
    def is_ahead(self) -> bool:
        """Whether there are judgements that are still to be given."""
        return bool(self._ahead or self._ready or any(self._later))

    def judged(
        self, looks: Iterator[Look], _rules: RuleSet, should_stop: Callable[[], bool]
    ) -> Iterator[Judged]:
        """Each look with its judgement, as far as there are any within a slice of time.

        Raises:
            SetupError: one of the processes was killed; what it had is looked at again by the next run.
        """
        try:
            while True:
                self._give(looks)
                if self._ready:
                    yield self._ready.popleft()
                elif self._ahead and self._ahead[0][1].number in self._answered:
                    self._take_portion()
                elif not self.is_ahead or not self._receive(should_stop):
                    return
        except (EOFError, ConnectionError):
            raise SetupError(_KILLED()) from None

    def _give(self, looks: Iterator[Look]) -> None:
        """Give each idle process a portion; none left, an empty one lets it go on with its long wavs."""
        for worker in tuple(self._idle):
            portion = list(islice(looks, _PORTION))
            if portion:
                self._ahead.append((portion, worker))
            elif not self._later[worker.number]:
                continue
            self._idle.remove(worker)
            worker.pipe.send(portion)

    def _take_portion(self) -> None:
        """The first portion is answered, and its process is idle."""
        portion, worker = self._ahead.popleft()
        for (outcome, _), judgement in zip(portion, self._answered.pop(worker.number), strict=True):
            self._later[worker.number] += judgement is None and isinstance(outcome, Settled)
            self._ready.append((outcome, judgement))
        self._idle.append(worker)

    def _receive(self, should_stop: Callable[[], bool]) -> bool:
        """Wait for an answer of any process; False when a stop comes first, or none comes within a slice."""
        until = time.monotonic() + SLICE_SECONDS
        pipes = {worker.pipe: worker for worker in self._workers}
        ends = [worker.process.sentinel for worker in self._workers]
        while not should_stop() and time.monotonic() < until:
            ready = wait([*pipes, *ends], _PATIENCE_SECONDS)
            workers = [worker for pipe, worker in pipes.items() if pipe in ready]
            for worker in workers:
                self._take_answer(worker, worker.pipe.recv())
            if workers:
                return True
            if ready:
                raise EOFError
        return False

    def _take_answer(self, worker: _Worker, answer: _Answer) -> None:
        judgements, done = answer
        if done is not None:
            self._ready.append(done)
            self._later[worker.number] -= 1
        if any(worker is busy for _, busy in self._ahead):
            self._answered[worker.number] = judgements
        else:
            self._idle.append(worker)

    def close(self) -> None:
        """End the processes; one that is in the middle of a wav stops there."""
        self._stop.set()
        for worker in self._workers:
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join()


def _work(pipe: "Connection", root: str, rules: RuleSet, stop: Event, giver: int) -> None:
    """What one of the processes does until nobody is there any more to do it for."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(
            number, signal.SIG_IGN
        )  # they go to the whole group; who gave the work tells when to stop

    def should_stop() -> bool:
        return stop.is_set() or os.getppid() != giver

    judge = Judge(root)
    with suppress(EOFError, ConnectionError):
        while True:
            portion: list[Look] = pipe.recv()
            judgements = [
                judge.judge(outcome, rules, should_stop, gives_up=gives_up)
                if isinstance(outcome, Settled)
                else None
                for outcome, gives_up in portion
            ]
            pipe.send((judgements, None if portion else judge.go_on(rules, should_stop)))
