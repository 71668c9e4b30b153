"""Pending tasks on their way to being settled: a heap of due times, and one look at a time.

Nothing waits for ever, nothing is looked at more often than it is worth, and
one bad task stops no other.
"""

import heapq
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from emosieve.watch.inbox import Inbox
from emosieve.watch.survey import Survey
from emosieve.watch.wholeness import Lack, Malformed, NoResult, Policy, Settled, assess

YOUNG_SECONDS = 60.0
"""Up to this age a pending task is looked at once per quiet time, then ever more rarely."""
FAILURES = frozenset({"unreadable", "not_moved", "blocked", "internal"})
"""Reasons that are given to ``defer``: the task could not be read or filed."""
_TOGETHER = 1 / 8
"""How much of its pause a task is looked at early, to spare a wake-up, once the pause exceeds the quiet time."""
_CLOCK_STEP_SECONDS = 0.1
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall and monotonic time in seconds; injected, so that no test waits."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pending task: the reason code, words for people, and seconds until the next look is worth it.

    ``age`` is the seconds since its last change, as far as a look could tell. Neither of these
    two makes one differ from another.
    """

    name: str
    reason: str
    message: str
    seconds: float = field(compare=False)
    age: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Gone:
    """A task that no longer stands in the inbox."""

    name: str


Outcome = Settled | Malformed | NoResult | Waiting | Gone


@dataclass(slots=True)
class _Pending:
    """What is remembered of one pending task between two looks; instants are monotonic.

    ``changed_at`` is when the task last changed, as of the look that first saw this signature, and
    ``was_open`` whether the last look found a file open for writing.
    """

    signature: int
    directory_changed_ns: int
    waiting: Waiting
    due: float
    changed_at: float
    was_open: bool = False
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
        self.changes = 0
        """Moves whenever ``waiting`` or ``pending_count`` would say something new."""

    def see(self, names: Iterable[str]) -> list[str]:
        """Take the names of a listing: new ones become due, vanished ones are forgotten; gives the new."""
        names = list(names)
        standing = set(names)
        new = [name for name in names if name not in self._known]
        for name in self._known - standing:
            self.forget(name)
        self._known = standing
        self.changes += bool(new)
        self._fresh.extend(new)
        self._unseen.update(new)
        return new

    def forget(self, name: str) -> None:
        """A task is filed or gone; its name may appear again as a new task."""
        self.changes += name in self._known
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

    def hold(self, name: str, reason: str, message: str) -> None:
        """A task is being judged: look at it no more until it is deferred or forgotten."""
        self.defer(name, reason, message)
        self._pending[name].due, self._pending[name].failures = math.inf, 0

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
        """The outcomes of all looks that are due, or nearly so; a task that only waits is pending again by itself."""
        self._read_clocks()
        while True:
            if self._fresh:
                name = self._fresh.popleft()
                if name in self._unseen:
                    self._unseen.discard(name)
                    yield self._look_at(name)
            elif self._is_next_worth_it():
                name = heapq.heappop(self._heap)[1]
                # No second entry of the heap may lead to this task while the caller files it.
                self._pending[name].due = math.inf
                yield self._look_at(name)
            else:
                return

    def _is_next_worth_it(self) -> bool:
        """Whether the next look is due, or so nearly due that it had better be taken while awake."""
        seconds = self.due_in()
        if seconds is None:
            return False
        pause = self._pending[self._heap[0][1]].waiting.seconds
        early = pause * _TOGETHER if pause > self.policy.quiet_seconds else 0.0
        return seconds <= early

    @property
    def waiting(self) -> list[Waiting]:
        """Every pending task with what it waits for, as of its last look; its age is the present one."""
        return [self._present(name) for name in sorted(self._pending)]

    def _present(self, name: str) -> Waiting:
        pending = self._pending[name]
        return replace(pending.waiting, age=self.clock.monotonic() - pending.changed_at)

    @property
    def pending_count(self) -> int:
        """How many tasks stand in the inbox, looked at or not."""
        return len(self._known)

    def oldest(self, count: int) -> list[Waiting]:
        """The pending tasks that have been still for longest."""
        names = heapq.nsmallest(count, self._pending, key=lambda name: self._pending[name].changed_at)
        return [self._present(name) for name in names]

    def failing(self) -> Waiting | None:
        """A pending task that could not be read or filed, the one that has been still for longest."""
        failing = [name for name, pending in self._pending.items() if pending.waiting.reason in FAILURES]
        oldest = min(failing, key=lambda name: self._pending[name].changed_at, default=None)
        return None if oldest is None else self._present(oldest)

    def reasons(self) -> Counter[str]:
        """How many tasks wait for which reason; those that were never looked at are not among them."""
        return Counter(pending.waiting.reason for pending in self._pending.values())

    def stillest(self) -> dict[str, float]:
        """By reason, for how many seconds the task that has been still for longest has been so."""
        since: dict[str, float] = {}
        for pending in self._pending.values():
            reason = pending.waiting.reason
            since[reason] = min(pending.changed_at, since.get(reason, math.inf))
        now = self.clock.monotonic()
        return {reason: now - changed_at for reason, changed_at in since.items()}

    def still_for(self, survey: Survey) -> float:
        """Seconds since the last change of a task as it was looked at, as far as a look could tell."""
        now, wall = self._read_clocks()
        return self._age(survey, self._pending.get(survey.name), now, wall)

    def tell_once(self, name: str) -> bool:
        """Whether an oddity of a pending task is still to be told; True once per state of its files."""
        pending = self._pending.get(name)
        if pending is None or pending.told:
            return False
        pending.told = True
        return True

    def _look_at(self, name: str) -> Outcome:
        now, wall = self._read_clocks()
        try:
            return self._examine(name, self._pending.get(name), now, wall)
        except FileNotFoundError:
            return self._gone_or_changing(name, now)
        except NotADirectoryError:
            self.forget(name)
            return Gone(name)
        except OSError as error:
            return self.defer(name, "unreadable", f"cannot be read: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one task, the others go on
            return self.defer(name, "internal", f"{type(error).__name__}: {error}")

    def _examine(self, name: str, pending: _Pending | None, now: float, wall: float) -> Outcome:
        if pending and self._still_without_result(name, pending, now):
            return self._wait(name, None, self._rest(pending, now), now)
        survey = self.inbox.survey(name)
        age = self._age(survey, pending, now, wall)
        if age < self.policy.quiet_seconds:
            seconds = self.policy.quiet_seconds - age
            return self._wait(name, survey, Waiting(name, "quiet", "changed a moment ago", seconds, age), now)
        if pending and self._still_malformed(survey, pending, age):
            waiting = replace(pending.waiting, seconds=self._pause(age), age=age)
            return self._wait(name, survey, waiting, now)
        contents = self.inbox.read(survey)
        is_open = bool(contents.open_files)
        outcome = assess(survey, contents, age, self.policy)
        match outcome:
            case Lack(reason, message, rest):
                waiting = Waiting(name, reason, message, self._pause(age) if rest is None else rest, age)
            case NoResult():
                waiting = Waiting(name, "overdue", "no result came", self._pause(age), age)
            case _ if pending and pending.was_open and not is_open:
                # A writer closed its file since the last look, perhaps just now, and perhaps without a
                # change that a stat could see: it may be about to open the next one.
                waiting = Waiting(name, "quiet", "closed a moment ago", self.policy.quiet_seconds, age)
            case _:
                return outcome
        self._wait(name, survey, waiting, now, is_open=is_open)
        return outcome if isinstance(outcome, NoResult) else waiting

    def _still_without_result(self, name: str, pending: _Pending, now: float) -> bool:
        """Whether one stat is enough: no file came or went since a look that found no result."""
        is_overdue = now - pending.changed_at >= self.policy.give_up_seconds
        match pending.waiting.reason:
            case "overdue":
                may_skip = is_overdue
            case "no_result":
                may_skip = pending.waiting.seconds > self.policy.quiet_seconds and not is_overdue
            case _:
                may_skip = False
        return may_skip and pending.directory_changed_ns == self.inbox.directory_changed_ns(name)

    def _rest(self, pending: _Pending, now: float) -> Waiting:
        """What a task goes on waiting for; once its pause grows no longer, that is the very same."""
        seconds = self._pause(now - pending.changed_at)
        waiting = pending.waiting
        return waiting if waiting.seconds == seconds else replace(waiting, seconds=seconds)

    def _still_malformed(self, survey: Survey, pending: _Pending, age: float) -> bool:
        """Whether reading again would only say the same: megabytes of torn JSON are parsed once."""
        unchanged = pending.signature == survey.signature and pending.waiting.reason == "malformed"
        return unchanged and age < self.policy.give_up_seconds

    def _gone_or_changing(self, name: str, now: float) -> Outcome:
        try:
            self.inbox.directory_changed_ns(name)
        except OSError:  # whatever it is, the next listing finds the task if it stands
            self.forget(name)
            return Gone(name)
        seconds = self.policy.quiet_seconds
        return self._wait(name, None, Waiting(name, "quiet", "changed while it was looked at", seconds), now)

    def _age(self, survey: Survey, pending: _Pending | None, now: float, wall: float) -> float:
        """Seconds since the last change: first by ctime where that can be trusted, from then on as observed."""
        if pending and pending.signature == survey.signature:
            return now - pending.changed_at
        if not self.policy.trust_ctime:
            return 0.0
        age = wall - survey.changed_ns / _SECOND_NS
        if self._stepped_at is not None:
            # The wall clock jumped: no change can be proven older than the jump.
            age = min(age, now - self._stepped_at)
        return max(age, 0.0)  # a change time in the future makes it negative

    def _pause(self, age: float) -> float:
        """Seconds to the next look at a task that is quiet but not whole."""
        slow = age * self.policy.quiet_seconds / YOUNG_SECONDS
        return min(self.policy.rescan_seconds, max(self.policy.quiet_seconds, slow))

    def _wait(
        self, name: str, survey: Survey | None, waiting: Waiting, now: float, *, is_open: bool = False
    ) -> Waiting:
        """Remember a task until its next look, with what a look at all of its files saw."""
        pending = self._pending.get(name)
        due = now + waiting.seconds
        if pending is None:
            pending = self._pending[name] = _Pending(0, 0, waiting, due, now)
            self.changes += 1
        if survey is not None:
            if survey.signature != pending.signature:
                pending.signature, pending.told = survey.signature, False
                pending.changed_at = now - waiting.age
                self.changes += 1
            pending.directory_changed_ns = survey.directory_changed_ns
            pending.was_open = is_open
        self.changes += waiting != pending.waiting
        pending.waiting, pending.due = waiting, due
        self._known.add(name)
        heapq.heappush(self._heap, (due, name))
        return waiting

    def _read_clocks(self) -> tuple[float, float]:
        """Monotonic and wall time; a wall clock that jumped since the last reading is noticed.

        Only forward: a clock that stepped back makes tasks look younger than they are, never older.
        """
        now, wall = self.clock.monotonic(), self.clock.wall()
        if wall - now - self._wall_offset > _CLOCK_STEP_SECONDS:
            # Read again: to be kept from the processor between the two looks like a jump, too.
            now, wall = self.clock.monotonic(), self.clock.wall()
        if wall - now - self._wall_offset > _CLOCK_STEP_SECONDS:
            self._stepped_at = now
        self._wall_offset = wall - now
        return now, wall

    def apply(self, policy: Policy) -> None:
        """Take new settings; every pending task is looked at again."""
        self.policy = replace(policy, trust_ctime=self.policy.trust_ctime)
        now = self.clock.monotonic()
        for name, pending in self._pending.items():
            pending.due = now
            heapq.heappush(self._heap, (now, name))
