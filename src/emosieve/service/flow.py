"""The flow of one root: listing, settling, judging, intake. The daemon feeds it for ever, a sweep once."""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import structlog

from emosieve.debts import inbox_of
from emosieve.errors import SetupError, cause_of, code_of, next_step
from emosieve.intake import LOCK_GAP_SECONDS, Done, Intake, NotDone
from emosieve.patterns import matcher
from emosieve.proposals import Proposal, adopt, refuse
from emosieve.record.decisions import LOG_NAME
from emosieve.record.long_work import Work
from emosieve.record.statistics import Tally
from emosieve.service.judging import Alone, Judges, Look
from emosieve.service.liveness import Trouble
from emosieve.service.meter import Meter
from emosieve.settings import Settings
from emosieve.text import escape
from emosieve.watch.filesystem import file_system_of
from emosieve.watch.process_log import ProcessLog
from emosieve.watch.settle import Clock, Outcome, Settling, Waiting
from emosieve.watch.survey import FILE_LIMIT
from emosieve.watch.wholeness import Lack, Malformed, NoResult, Policy, Settled

BATCH: Final = 256
"""Tasks to one commit: one fdatasync for all of them, and no long wait for a signal."""
_LOOKS: Final = 1024
"""Looks to one step, so that thousands of pending tasks do not keep the loop from its other duties."""
_STEP_SECONDS: Final = 1.0
"""After so long what is ready is filed: much audio keeps neither other tasks nor signs of life waiting."""
_LOCK_PATIENCE_SECONDS: Final = 2.0
"""How long a batch waits for restore, reclassify or rebuild to give the log back; then it is tried again."""
_LONGEST_BLOCK_SECONDS: Final = 60.0

log = structlog.get_logger()


@dataclass
class Counts:
    """What one flow has done since it was made."""

    tally: Tally = field(default_factory=Tally)
    joined: int = 0
    failed: int = 0


class Flow:
    """One root's flow.

    Args:
        root: an absolute path without symlinks, which exists.
        settings: of this root.
        dry_run: judge and say where tasks would go, but write nothing at all.
        clock: wall and monotonic time.
        meter: is told what becomes of each batch.
    """

    def __init__(
        self,
        root: str,
        settings: Settings,
        *,
        dry_run: bool = False,
        clock: Clock | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.root = root
        self.dry_run = dry_run
        self.clock = clock or Clock()
        self._meter = meter or Meter()
        self.judges: Judges = Alone(root)
        self.intake = Intake(root, settings, self.clock.wall)
        self.intake.log.patience = _LOCK_PATIENCE_SECONDS
        self.rules = settings.rule_set
        self.counts = Counts()
        is_local = file_system_of(root).is_local
        self.inbox = inbox_of(root, settings, ask_lease=is_local)
        self.settling = Settling(self.inbox, policy_of(settings, trust_ctime=is_local), self.clock)
        self._told: set[str] = set()
        self._blocked_until = 0.0
        self._blocks = 0
        self._blocked_by: str | None = None
        self._mend_at = math.inf
        self.trouble: Trouble | None = None

    def apply(self, settings: Settings) -> None:
        """Take new settings of watch, results, rules, settling, log and report."""
        self.rules = settings.rule_set
        self.inbox.select(settings.watch.task_glob, settings.settle.ignore)
        self.inbox.result_keys = settings.results.own_keys
        self.inbox.process_log = ProcessLog(settings.source.patterns)
        self.settling.apply(policy_of(settings, trust_ctime=self.settling.policy.trust_ctime))
        self.intake.apply(settings)

    def open(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Make the folders and finish what a run that died left owed; see ``Intake.commit`` for the stop.

        Raises:
            SetupError: a folder will not do.
            OSError: the log cannot be read or written.
        """
        owed = self.intake.open(should_stop)
        if owed:
            log.info("intake.owed", tasks=owed)

    def catch_up(self) -> None:
        """Finish what a restore or reclassify that was killed left undone; what fails is left to the next try."""
        with suppress(OSError, SetupError):
            self.intake.catch_up()

    def scan(self) -> list[str]:
        """List the root; gives the names that were not known.

        Raises:
            OSError: the root cannot be listed.
        """
        listing = self.inbox.list()
        for name in listing.left_alone.keys() - self._told:
            log.warning("task.left_alone", name=escape(name), reason=str(listing.left_alone[name]))
        self._told = set(listing.left_alone)
        return self.settling.see(listing.tasks)

    def has_stood(self, names: list[str], seconds: float) -> bool:
        """Whether any of these tasks stood unchanged for that long, by its directory's own change time."""
        for name in names:
            with suppress(OSError):
                if self.clock.wall() - self.inbox.directory_changed_ns(name) / 1e9 > seconds:
                    return True
        return False

    def step(self, should_stop: Callable[[], bool] = lambda: False) -> list[Done | NotDone]:
        """Look at what is due, up to one batch, and commit what is ready."""
        if self.blocked_for() > 0:
            return []
        proposals: list[Proposal] = []
        files = 0  # of them all, whose surveys are held until they are filed
        until = self.clock.monotonic() + _STEP_SECONDS
        judged = self.judges.judged(self._looks(), self.rules, should_stop)
        for looks, (outcome, judgement) in enumerate(judged, start=1):
            proposal = self._propose(outcome, judgement)
            if proposal is not None:
                proposals.append(proposal)
                files += len(proposal.survey.files)
            is_full = len(proposals) >= BATCH or looks >= _LOOKS or files >= FILE_LIMIT
            if is_full or self.clock.monotonic() >= until or should_stop():
                break
        return self._commit(proposals, should_stop) if proposals or self._must_try() else []

    def _must_try(self) -> bool:
        """Whether a commit of nothing is due: no task would bring up again what is left to be mended."""
        if self._blocked_by is not None:
            return "blocked" not in self.settling.reasons()
        return self.has_more or self.clock.monotonic() >= self._mend_at

    @property
    def has_more(self) -> bool:
        """Whether the report is only part of the way: a commit of nothing brings it on by a slice."""
        return self.intake.report.pending is not None and self.intake.behind is None

    def go_on(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Bring the report on by a slice; see ``has_more``."""
        self._commit([], should_stop)

    @property
    def work(self) -> Work | None:
        """The long work that is under way, if any, and as far as it can be told."""
        with suppress(OSError):
            return self.intake.work
        return None

    @property
    def is_blocked(self) -> bool:
        """Whether the last try to file failed as a whole."""
        return self._blocked_by is not None

    def due_in(self) -> float | None:
        """Seconds until ``step`` has something to do; ``None`` when nothing is pending, nor to be mended."""
        due = 0.0 if self.judges.is_ahead else self.settling.due_in()
        mend = 0.0 if self.is_blocked and self._must_try() else self._mend_at - self.clock.monotonic()
        if self.has_more:
            mend = min(mend, LOCK_GAP_SECONDS)
        soonest = min(mend, math.inf if due is None else due)
        return None if soonest == math.inf else max(soonest, self.blocked_for())

    def blocked_for(self) -> float:
        """Seconds until filing is tried again after it failed as a whole; 0 when it works."""
        return max(0.0, self._blocked_until - self.clock.monotonic())

    def _propose(self, outcome: Outcome, judgement: Proposal | Lack | None) -> Proposal | None:
        """What should become of a task that was looked at, and judged if it is settled."""
        match judgement, outcome:
            case Proposal(), _:
                return judgement
            case Lack(reason, message), Settled(survey):
                self._tell(self.settling.defer(survey.name, reason, message))
            case None, Settled(survey):
                self.settling.hold(survey.name, "measuring", "its audio is measured")
            case _, Malformed():
                return refuse(outcome)
            case _, NoResult():
                return self._adopt(outcome)
            case _, Waiting():
                self._tell(outcome)
            case _:
                pass
        return None

    def _tell(self, waiting: Waiting) -> None:
        """Log once that a task cannot be read, or that the fault is our own."""
        if waiting.reason == "internal" and self.settling.tell_once(waiting.name):
            log.error("internal.error", task=waiting.name, cause=waiting.message)
        elif waiting.reason == "unreadable" and self.settling.tell_once(waiting.name):
            log.warning("task.unreadable", task=waiting.name, cause=waiting.message)

    def _looks(self) -> Iterator[Look]:
        for outcome in self.settling.look():
            yield outcome, isinstance(outcome, Settled) and self._gives_up(outcome.survey.changed_ns)

    def _gives_up(self, changed_ns: int) -> bool:
        return self.clock.wall() - changed_ns / 1e9 >= self.settling.policy.give_up_seconds

    def _adopt(self, late: NoResult) -> Proposal | None:
        name = late.survey.name
        try:
            proposal = adopt(late, self.intake.folders, self.intake.log)
        except OSError:
            proposal = None
        if proposal is None and self.settling.tell_once(name):
            log.warning("task.overdue", task=name, hint="no result came; it stays where it is")
        return proposal

    def _commit(self, proposals: list[Proposal], should_stop: Callable[[], bool]) -> list[Done | NotDone]:
        if self.dry_run:
            done = self.intake.preview(proposals)
            for one in done:
                self._count(one)
            return [*done]
        try:
            outcomes = self.intake.commit(proposals, should_stop)
        except (OSError, SetupError) as error:
            self._block(error, proposals)
            return []
        except Exception as error:  # noqa: BLE001 - whatever one task brings out, the others go on
            return self._commit_one_by_one(error, proposals, should_stop)
        self._unblock()
        self._heed_behind()
        self._meter.committed(proposals, outcomes, self.settling.still_for)
        for outcome in outcomes:
            if isinstance(outcome, Done):
                self._count(outcome)
            else:
                self._fail(outcome)
        return outcomes

    def _commit_one_by_one(
        self,
        error: Exception,
        proposals: list[Proposal],
        should_stop: Callable[[], bool],
    ) -> list[Done | NotDone]:
        """Find the one proposal that cannot even be logged, and set it back."""
        if len(proposals) > 1:
            return [done for proposal in proposals for done in self._commit([proposal], should_stop)]
        waiting = self.settling.defer(proposals[0].source, "internal", f"{type(error).__name__}: {error}")
        log.error("internal.error", task=waiting.name, cause=waiting.message)
        return []

    def _count(self, done: Done) -> None:
        self.settling.forget(done.source)
        event = done.event
        match event["event"]:
            # What is superseded was never counted here: it was not filed.
            case "decided":
                self.counts.tally.count({**event, "supersedes": None})
                _log_decision(event, done.destination)
            case "quarantined":
                self.counts.tally.count({**event, "supersedes": None})
                log.warning("task.quarantined", task=event["task"], reason=event.get("reason"))
            case "joined":
                self.counts.joined += 1
                log.info("task.joined", task=event["task"], destination=done.destination)
            case _:
                pass

    def _fail(self, failure: NotDone) -> None:
        if failure.gone:
            self.settling.forget(failure.source)
        else:
            self.settling.defer(failure.source, "not_moved", failure.cause)
        if failure.is_news:
            self.counts.failed += 1
            cause = f"{failure.task}: {failure.cause}"
            self.trouble = Trouble(cause, self.clock.wall(), code=failure.code)
            path, hint = self.intake.folders.path(failure.source), _hint(failure.code)
            log.error("task.failed", task=failure.task, path=path, cause=failure.cause, hint=hint)

    def _block(self, error: Exception, proposals: list[Proposal]) -> None:
        """The disk is full, read-only or gone. All of it is tried again; what is logged is found again then."""
        self._blocks += 1
        seconds = min(_LONGEST_BLOCK_SECONDS, 2.0 ** min(self._blocks - 1, 6))
        self._blocked_until = self.clock.monotonic() + seconds
        cause = cause_of(error, f"{self.root}/{LOG_NAME}")
        self.trouble = self._trouble(error, seconds)
        self._meter.failed("blocked", self.trouble.code)
        for proposal in proposals:
            self.settling.defer(proposal.source, "blocked", cause)
        if cause != self._blocked_by:
            self._blocked_by = cause
            log_block(self.root, error, cause, seconds)

    def _unblock(self) -> None:
        if self._blocked_by is not None:
            log.info("watch.unblocked", path=self.root)
            self._end_trouble()
        self._blocked_by, self._blocks = None, 0

    def _heed_behind(self) -> None:
        """Report and checkpoint that are behind are tried again in a while, whether tasks come or not."""
        behind, was_behind = self.intake.behind, self._mend_at != math.inf
        self._mend_at = math.inf
        if behind is not None:
            seconds = self.settling.policy.rescan_seconds
            self._mend_at = self.clock.monotonic() + seconds
            self.trouble = self._trouble(behind, seconds)
            self._meter.failed("behind", self.trouble.code)
        elif was_behind:
            self._end_trouble()

    def _trouble(self, error: Exception, seconds: float) -> Trouble:
        now = self.clock.wall()
        return Trouble(cause_of(error, f"{self.root}/{LOG_NAME}"), now, now + seconds, code_of(error))

    def _end_trouble(self) -> None:
        if self.trouble is not None:
            self.trouble = replace(self.trouble, time=self.clock.wall(), retry_at=None)


def policy_of(settings: Settings, *, trust_ctime: bool) -> Policy:
    """The settling policy of some settings."""
    return Policy(
        quiet_seconds=settings.settle.quiet_seconds,
        give_up_seconds=settings.settle.give_up_seconds,
        rescan_seconds=settings.watch.rescan_seconds,
        require=settings.settle.require,
        trust_ctime=trust_ctime,
        reused_quiet_seconds=settings.settle.reused_quiet_seconds,
        is_temporary=matcher(settings.settle.temporary),
    )


def _log_decision(event: Any, destination: str) -> None:
    log.info(
        "task.filed",
        task=event["task"],
        verdict=event["verdict"],
        emotion=event.get("emotion"),
        confidence=event.get("confidence"),
        findings=[finding["rule"] for finding in event.get("findings", ())],
        destination=destination,
    )


def log_block(root: str, error: Exception, cause: str, seconds: float) -> None:
    """Say that nothing can be filed, and what the operator can do about it."""
    log.error("watch.blocked", path=root, cause=cause, hint=_hint(code_of(error)), retry_seconds=seconds)


def _hint(code: str | None) -> str | None:
    step = next_step(code)
    return str(step) if step else None
