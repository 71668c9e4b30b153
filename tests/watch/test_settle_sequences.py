"""Any sequence of a writer's steps, looks and clock jumps: nothing settles early, and what is whole settles."""

import hashlib
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from conftest import LONG_AGO, FakeTime, result_bytes
from emosieve.watch.inbox import Inbox
from emosieve.watch.settle import YOUNG_SECONDS, Settling
from emosieve.watch.survey import Survey
from emosieve.watch.wholeness import Policy, Settled

QUIET = 2.0
RESULT, OTHERS = "result.json", ("process.log", "frames/0.bin")


class DatedInbox(Inbox):
    """An inbox whose change times are the mtimes, which a test may set."""

    def survey(self, name: str) -> Survey:
        """Look at a task, and take each mtime for the change time."""
        survey = super().survey(name)
        files = tuple(replace(file, ctime_ns=file.mtime_ns) for file in survey.files)
        directory_ns = os.stat(f"{self.root}/{name}").st_mtime_ns
        changed_ns = max([directory_ns, *(file.ctime_ns for file in files)])
        return replace(survey, files=files, changed_ns=changed_ns, directory_changed_ns=directory_ns)

    def directory_changed_ns(self, name: str) -> int:
        """The directory's mtime."""
        return os.stat(f"{self.root}/{name}").st_mtime_ns


class WriterAndSettling(RuleBasedStateMachine):
    """One writer, one task after the other, and settling that looks whenever it is due."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._root = Path(self._folder.name)
        self._time = FakeTime(LONG_AGO)
        inbox = DatedInbox(str(self._root), "outputs_*", frozenset(), ask_lease=True)
        policy = Policy(quiet_seconds=QUIET, give_up_seconds=1e9)
        self._settling = Settling(inbox, policy, self._time.clock)
        self._open: dict[str, tuple[BinaryIO, float]] = {}
        self._tasks = 0
        self._seen_within = QUIET
        self._begin()

    def _begin(self) -> None:
        self._tasks += 1
        self._task = self._root / f"outputs_{self._tasks}"
        (self._task / "frames").mkdir(parents=True)
        self._last_change = self._safe_from = self._time.monotonic
        self._date(self._task / "frames")
        self._settling.see([self._task.name])

    def _date(self, *paths: Path) -> None:
        """Give what changed, and the task's directory, the present change time."""
        self._last_change = self._time.monotonic
        for path in (*paths, self._task):
            os.utime(path, ns=(int(self._time.wall * 1e9),) * 2)

    @rule(name=st.sampled_from((RESULT, RESULT, *OTHERS)), truncate=st.booleans())
    def opens(self, name: str, *, truncate: bool) -> None:
        """Open a file, with a change or without."""
        path = self._task / name
        if name in self._open:
            return
        changes = truncate or not path.exists()
        file = path.open("wb" if changes else "r+b", buffering=0)
        self._open[name] = (file, self._time.monotonic)
        if changes:
            self._date(path)

    @rule(name=st.sampled_from((RESULT, RESULT, *OTHERS)), cut=st.sampled_from((None, None, 20)))
    def writes(self, name: str, cut: int | None) -> None:
        """Write a whole result, or half of one, through a file that is open."""
        if name in self._open:
            file, _ = self._open[name]
            file.seek(0)
            file.truncate()
            file.write(result_bytes(round(self._time.wall % 0.8 + 0.1, 3))[:cut])
            self._date(self._task / name)

    @precondition(lambda self: self._open)
    @rule()
    def closes(self) -> None:
        """Close the file that was opened first, which changes nothing."""
        name = next(iter(self._open))
        file, opened_at = self._open.pop(name)
        file.close()
        rested = self._time.monotonic - max(opened_at, self._last_change)
        if rested > self._seen_within:
            self._safe_from = self._time.monotonic  # too long to go unseen

    @precondition(lambda self: not self._open)
    @rule()
    def writes_at_once(self) -> None:
        """A whole result, open for no longer than it takes."""
        self.opens(RESULT, truncate=True)
        self.writes(RESULT, None)
        self.closes()

    @rule(seconds=st.sampled_from((0.1, 1.9, 2.1, 12.0)))
    def rests(self, seconds: float) -> None:
        """Let time pass, and look whenever a look is due."""
        end = self._time.monotonic + seconds
        while (due := self._settling.due_in()) is not None and self._time.monotonic + due <= end:
            self._time.pass_(due)
            self._look()
        self._time.pass_(end - self._time.monotonic)

    @rule(seconds=st.sampled_from((-7200.0, 0.9, 7200.0)))
    def jumps(self, seconds: float) -> None:
        """The wall clock jumps, and a tick of the daemon reads it, as one does every few seconds."""
        self._time.wall += seconds
        if seconds < 0:
            # Change times lie in the future now, so that a quiet time begins when a look sees the change.
            self._seen_within = 2 * QUIET
        self._look()

    def _look(self) -> None:
        for outcome in self._settling.look():
            if isinstance(outcome, Settled):
                self._settles(outcome)

    def _settles(self, settled: Settled) -> None:
        now = self._time.monotonic
        assert not self._open
        assert now - self._last_change >= QUIET - 1e-6
        if now - self._last_change < YOUNG_SECONDS:
            assert now - self._safe_from >= QUIET - 1e-6
        assert hashlib.sha256((self._task / RESULT).read_bytes()).hexdigest()[:32] == settled.digest
        self._settling.forget(self._task.name)
        self._begin()

    def teardown(self) -> None:
        """In the end a whole result settles within a few quiet times."""
        while self._open:
            self.closes()
        (self._task / RESULT).write_bytes(result_bytes())
        self._date(self._task / RESULT)
        tasks = self._tasks
        self.rests(self._settling.policy.rescan_seconds + 3 * QUIET)
        assert self._tasks == tasks + 1
        self._folder.cleanup()


WriterAndSettling.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestAnySequence = WriterAndSettling.TestCase
