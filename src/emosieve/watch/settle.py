"""When is a task whole? Pending tasks wait in a heap of due times until they are settled or overdue.

No single sign proves that nobody writes any more: a parsed result says nothing
of its sibling files, a close may be followed by an open, a stable size may be a
writer at rest, a lease does not see a file that is not yet created. Taken
together, with a quiet time by ctime (mtimes lie: copies keep them), they do.
"""

import heapq
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from emosieve.errors import BadResult
from emosieve.judge.result import Result
from emosieve.judge.ruleset import Observation
from emosieve.watch.inbox import RESULT_NAMES, Contents, FileStat, Inbox, Survey

YOUNG_SECONDS = 60.0
"""Up to this age a pending task is looked at once per quiet time, then ever more rarely."""
_CLOCK_STEP_SECONDS = 1.0
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall and monotonic time in seconds; injected, so that no test waits."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings of settling; seconds throughout.

    ``trust_ctime`` is for a local file system, whose change times are this machine's own.
    """

    quiet_seconds: float = 2.0
    give_up_seconds: float = 600.0
    rescan_seconds: float = 30.0
    require: tuple[str, ...] = ("result.json",)
    trust_ctime: bool = True


@dataclass(frozen=True, slots=True)
class Settled:
    """A whole task with a result that can be read, and what was odd when waiting ended in vain."""

    survey: Survey
    result: Result
    digest: str
    oddities: tuple[Observation, ...] = ()


@dataclass(frozen=True, slots=True)
class Malformed:
    """An overdue task whose result can never be read."""

    survey: Survey
    reason: str
    digest: str | None


@dataclass(frozen=True, slots=True)
class NoResult:
    """An overdue task without a result: it stays, unless its files belong to a filed task."""

    survey: Survey


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pending task: the reason code, words for people, and seconds until the next look is worth it."""

    name: str
    reason: str
    message: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Gone:
    """A task that no longer stands in the inbox."""

    name: str


Outcome = Settled | Malformed | NoResult | Waiting | Gone


@dataclass(frozen=True, slots=True)
class Lack:
    """What a quiet task still lacks: a reason code, and words for people."""

    reason: str
    message: str


def assess(
    survey: Survey, contents: Contents, age: float, policy: Policy
) -> Settled | Malformed | NoResult | Lack:
    """Judge the wholeness of a task that has been quiet.

    Args:
        survey: what stands in the task.
        contents: what its files say.
        age: seconds since its last change.
        policy: the settings.
    """
    overdue = age >= policy.give_up_seconds
    if contents.result is None:
        return NoResult(survey) if overdue else Lack("no_result", "no result yet")
    if isinstance(contents.result, BadResult):
        reason = str(contents.result)
        return Malformed(survey, reason, contents.digest) if overdue else Lack("malformed", reason)
    oddities = tuple(_oddities(survey, contents, policy))
    if oddities and not overdue:
        return Lack(oddities[0].rule, oddities[0].message)
    return Settled(survey, contents.result, contents.digest or "", oddities)


def _oddities(survey: Survey, contents: Contents, policy: Policy) -> Iterator[Observation]:
    present = {file.name for file in survey.files}
    missing = [name for name in policy.require if name not in present and name != RESULT_NAMES[0]]
    if missing:
        yield Observation("required_missing", f"{', '.join(missing)} is missing", len(missing), 0)
    for name, count in contents.short.items():
        rule = "audio_truncated" if name.lower().endswith(".wav") else "embedding_truncated"
        yield Observation(rule, f"{name} is {count} bytes shorter than its header says", count, 0)
    result_file = survey.result_file
    newest_wav = max((file.mtime_ns for file in survey.files if _is_wav(file)), default=0)
    if result_file and newest_wav > result_file.mtime_ns:
        # The WebUI reuses the directory for a second task within the same second: it is at work.
        seconds = (newest_wav - result_file.mtime_ns) / _SECOND_NS
        message = (
            f"the audio is {seconds:.3f} s newer than {result_file.name}: another recognition is at work"
        )
        yield Observation("mixed_task", message, round(seconds, 6), 0)
    if contents.open_files:
        names = ", ".join(contents.open_files)
        yield Observation("still_open", f"{names} is open for writing", len(contents.open_files), 0)


def _is_wav(file: FileStat) -> bool:
    return file.name.lower().endswith(".wav")


@dataclass(slots=True)
class _Pending:
    """What is remembered of one pending task between two looks; instants are monotonic.

    ``since`` is when this signature was first seen, ``quiet_since`` when the task last changed, as of
    the last look at a task that was quiet.
    """

    signature: int
    since: float
    directory_changed_ns: int
    waiting: Waiting
    due: float
    quiet_since: float = math.inf
    failures: int = 0
    told: bool = False


@dataclass
class Settling:
    """All tasks of the inbox on their way to being settled.

    ``see`` takes what a listing showed, ``look`` gives the outcome of each look
    that is due, one at a time, so that a caller may stop or file in between.
    """

    inbox: Inbox
    policy: Policy
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self._fresh: deque[str] = deque()
        self._unseen: set[str] = set()
        self._known: set[str] = set()
        self._pending: dict[str, _Pending] = {}
        self._heap: list[tuple[float, str]] = []
        self._stepped_at: float | None = None
        self._wall_offset = self.clock.wall() - self.clock.monotonic()

    def see(self, names: Iterable[str]) -> list[str]:
        """Take the names of a listing: new ones become due, vanished ones are forgotten; gives the new."""
        names = list(names)
        standing = set(names)
        new = [name for name in names if name not in self._known]
        for name in self._known - standing:
            self.forget(name)
        self._known = standing
        self._fresh.extend(new)
        self._unseen.update(new)
        return new

    def forget(self, name: str) -> None:
        """A task is filed or gone; its name may appear again as a new task."""
        self._known.discard(name)
        self._unseen.discard(name)
        self._pending.pop(name, None)

    def defer(self, name: str, reason: str, message: str) -> Waiting:
        """A task could not be read or filed: look again later, ever more rarely."""
        now = self.clock.monotonic()
        pending = self._pending.get(name)
        failures = pending.failures + 1 if pending else 1
        seconds = min(self.policy.rescan_seconds, 2.0 ** min(failures - 1, 10))
        waiting = self._wait(name, None, Waiting(name, reason, message, seconds), now)
        self._pending[name].failures = failures
        return waiting

    def due_in(self) -> float | None:
        """Seconds until the next look is due; ``None`` when nothing is pending."""
        if self._fresh:
            return 0.0
        while self._heap:
            due, name = self._heap[0]
            pending = self._pending.get(name)
            if pending is not None and pending.due == due:
                return max(0.0, due - self.clock.monotonic())
            heapq.heappop(self._heap)
        return None

    def look(self) -> Iterator[Outcome]:
        """The outcomes of all looks that are due now; a task that only waits is pending again by itself."""
        self._notice_clock_step()
        while True:
            if self._fresh:
                name = self._fresh.popleft()
                if name in self._unseen:
                    self._unseen.discard(name)
                    yield self._look_at(name)
            elif self.due_in() == 0.0:
                name = heapq.heappop(self._heap)[1]
                # No second entry of the heap may lead to this task while the caller files it.
                self._pending[name].due = math.inf
                yield self._look_at(name)
            else:
                return

    @property
    def waiting(self) -> list[Waiting]:
        """Every pending task with what it waits for, as of its last look."""
        return [self._pending[name].waiting for name in sorted(self._pending)]

    @property
    def pending_count(self) -> int:
        """How many tasks stand in the inbox, looked at or not."""
        return len(self._known)

    def is_told(self, name: str) -> bool:
        """Whether a standing oddity of this task was reported; the first call says no."""
        pending = self._pending.get(name)
        told = pending is not None and pending.told
        if pending is not None:
            pending.told = True
        return told

    def _look_at(self, name: str) -> Outcome:
        now = self.clock.monotonic()
        try:
            return self._examine(name, self._pending.get(name), now)
        except FileNotFoundError:
            return self._gone_or_changing(name, now)
        except NotADirectoryError:
            self.forget(name)
            return Gone(name)
        except OSError as error:
            return self.defer(name, "unreadable", f"cannot be read: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one task, the others go on
            return self.defer(name, "internal", f"{type(error).__name__}: {error}")

    def _examine(self, name: str, pending: _Pending | None, now: float) -> Outcome:
        if pending and self._still_without_result(name, pending, now):
            seconds = self._pause(now - pending.quiet_since)
            return self._wait(name, None, replace(pending.waiting, seconds=seconds), now)
        survey = self.inbox.survey(name)
        age = self._age(survey, pending, now)
        if age < self.policy.quiet_seconds:
            seconds = self.policy.quiet_seconds - age
            return self._wait(name, survey, Waiting(name, "quiet", "changed a moment ago", seconds), now)
        outcome = assess(survey, self.inbox.read(survey), age, self.policy)
        if isinstance(outcome, Settled | Malformed):
            return outcome
        lack = outcome if isinstance(outcome, Lack) else Lack("overdue", "no result came")
        waiting = self._wait(name, survey, Waiting(name, lack.reason, lack.message, self._pause(age)), now)
        self._pending[name].quiet_since = now - age
        return waiting if lack is outcome else outcome

    def _still_without_result(self, name: str, pending: _Pending, now: float) -> bool:
        """Whether one stat is enough: no file came or went since a look that found no result."""
        is_overdue = now - pending.quiet_since >= self.policy.give_up_seconds
        match pending.waiting.reason:
            case "overdue":
                may_skip = is_overdue
            case "no_result":
                may_skip = pending.waiting.seconds > self.policy.quiet_seconds and not is_overdue
            case _:
                may_skip = False
        return may_skip and pending.directory_changed_ns == self.inbox.directory_changed_ns(name)

    def _gone_or_changing(self, name: str, now: float) -> Outcome:
        try:
            self.inbox.directory_changed_ns(name)
        except OSError:  # whatever it is, the next listing finds the task if it stands
            self.forget(name)
            return Gone(name)
        seconds = self.policy.quiet_seconds
        return self._wait(name, None, Waiting(name, "quiet", "changed while it was looked at", seconds), now)

    def _age(self, survey: Survey, pending: _Pending | None, now: float) -> float:
        """Seconds since the last change: by ctime where that can be trusted, else as observed."""
        changed = survey.changed_ns / _SECOND_NS
        observed = now - pending.since if pending and pending.signature == survey.signature else 0.0
        age = self.clock.wall() - changed
        if not self.policy.trust_ctime or age < 0:
            return observed
        if self._stepped_at is not None:
            # The wall clock jumped: no change can be proven older than the jump, but for what was observed.
            age = min(age, now - self._stepped_at)
        return max(age, observed)

    def _pause(self, age: float) -> float:
        """Seconds to the next look at a task that is quiet but not whole."""
        slow = age * self.policy.quiet_seconds / YOUNG_SECONDS
        return min(self.policy.rescan_seconds, max(self.policy.quiet_seconds, slow))

    def _wait(self, name: str, survey: Survey | None, waiting: Waiting, now: float) -> Waiting:
        """Remember a task until its next look, with what a look at all of its files saw."""
        pending = self._pending.get(name)
        due = now + waiting.seconds
        if pending is None:
            pending = self._pending[name] = _Pending(0, now, 0, waiting, due)
        if survey is not None:
            if survey.signature != pending.signature:
                pending.signature, pending.since, pending.told = survey.signature, now, False
            pending.directory_changed_ns = survey.directory_changed_ns
        pending.waiting, pending.due = waiting, due
        self._known.add(name)
        heapq.heappush(self._heap, (due, name))
        return waiting

    def _notice_clock_step(self) -> None:
        offset = self.clock.wall() - self.clock.monotonic()
        if abs(offset - self._wall_offset) > _CLOCK_STEP_SECONDS:
            self._stepped_at = self.clock.monotonic()
        self._wall_offset = offset

    def apply(self, policy: Policy) -> None:
        """Take new settings; every pending task is looked at again."""
        self.policy = replace(policy, trust_ctime=self.policy.trust_ctime)
        now = self.clock.monotonic()
        for name, pending in self._pending.items():
            pending.due = now
            heapq.heappush(self._heap, (now, name))
