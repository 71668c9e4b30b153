"""The middle of the house: settled tasks in, filed decisions out.

One commit is: log and flush, then rename, then report, then checkpoint, all
under the log's lock. A run that dies between two of these steps leaves a move
that is *owed*: logged, not made. It is found again from the checkpoint, or from
the log without one, and made without judging or logging twice.
"""

import errno
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from emosieve.conclusion import Conclusion
from emosieve.debts import Move, Recovery, covers, debt_of, diverted, inbox_of, of_survey
from emosieve.destinations import Destinations
from emosieve.errors import CopyStopped, cause_of, code_of
from emosieve.filing import Folders, Mover
from emosieve.proposals import Proposal
from emosieve.record.checkpoint import Checkpoint, Owed, load_checkpoint, save_checkpoint
from emosieve.record.decisions import SCHEMA, DecisionLog
from emosieve.record.evidence import EVIDENCE
from emosieve.record.lines import Event
from emosieve.record.long_work import Work
from emosieve.record.report import Report
from emosieve.settings import Settings
from emosieve.watch.survey import survey_directory

LOCK_GAP_SECONDS: Final = 0.05
"""Between two slices of long work the log's lock is free for so long: who waits for it asks ever again."""
GONE: Final = "is gone"
CHANGED: Final = "changed since it was looked at"
"""Causes of a move that was not made, beside what the system says."""

_MOVE_NO_DECISION: Final = frozenset({"joined"})
"""Events that say nothing of a result, so that they neither supersede a decision nor are superseded."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Done:
    """A task that stands at its destination now."""

    event: Mapping[str, Any]
    source: str
    destination: str


@dataclass(frozen=True, slots=True)
class NotDone:
    """A task whose move failed: owed, to be tried again, unless it is gone.

    ``is_news`` tells whether the cause differs from that of the try before, ``code`` is the system's name
    of the error, where it has one.
    """

    task: str
    source: str
    cause: str
    gone: bool
    is_news: bool
    code: str | None = None


class Intake:
    """Commits proposals for one root.

    Args:
        root: an absolute path without symlinks.
        settings: of this root; report and log follow ``apply``, folders do not.
        wall: seconds since the epoch, for the times of events.
    """

    def __init__(self, root: str, settings: Settings, wall: Callable[[], float] = time.time) -> None:
        filing = settings.filing
        by_verdict = {
            "normal": filing.normal,
            "low_quality": filing.low_quality,
            "quarantined": filing.quarantine,
        }
        self.root = root
        self._wall = wall
        self.folders = Folders(root, by_verdict)
        self.log = DecisionLog(root)
        self.report = Report(root)
        self._destinations = Destinations(self.folders, self.log.has_filed_into)
        self._conclusion = Conclusion(self.log, self.report)
        self._causes: dict[str, str] = {}
        """Why moves failed, by source: while neither log nor checkpoint can be written, nothing else remembers."""
        self._unwritable: str | None = None
        self.apply(settings)

    @property
    def behind(self) -> OSError | None:
        """Why report, checkpoint or a removal are behind: the next commit, even one of nothing, goes on there."""
        return self._conclusion.behind

    @property
    def work(self) -> Work | None:
        """The long work that is under way, if any.

        Raises:
            OSError: the log cannot be looked at.
        """
        if self._recovery.reading is not None:
            return Work("replaying", self._recovery.reading.share)
        return None if self.report.pending is None else Work("reporting", self.report.pending)

    def apply(self, settings: Settings) -> None:
        """Take new settings of log, report and time zone."""
        self._zone = settings.zone
        inbox = inbox_of(self.root, settings, ask_lease=False)
        self.process_log = inbox.process_log
        self._recovery = Recovery(self.folders, self.log, inbox)
        self.result_keys = settings.results.own_keys
        self.log.rotate_bytes, self.log.sync = settings.decisions.rotate_bytes, settings.decisions.sync
        self.report.language = settings.language
        self.report.rotate_bytes, self.report.keep = settings.report.rotate_bytes, settings.report.keep

    def open(self, should_stop: Callable[[], bool] = lambda: False) -> int:
        """Make the folders, finish what a run that died left owed, bring the report up to date.

        Args:
            should_stop: see ``commit``.

        Returns:
            how many moves are still owed: their tasks settle again first.

        Raises:
            SetupError: a folder will not do.
            OSError: the log cannot be read, or a torn line not be cut off.
        """
        with self.log.locked():
            self.log.mend()
            self.report.clean(self.log, (load_checkpoint(self.root) or Checkpoint()).reported)
        self.commit([], should_stop)
        with self.log.locked():
            self.folders.clean()
        checkpoint = load_checkpoint(self.root)
        return len(checkpoint.owed) if checkpoint else 0

    def catch_up(self) -> None:
        """Finish what another process, killed in the middle of its commit, left owed or unreported.

        Raises:
            OSError: the log cannot be read, or is held by somebody who may well be at it.
            SetupError: a folder will not do.
        """
        checkpoint = load_checkpoint(self.root)
        if checkpoint is not None and checkpoint.filed != self.log.end():
            self.commit([])

    def commit(
        self,
        proposals: Sequence[Proposal],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> list[Done | NotDone]:
        """Log the proposals, make their moves, report, and write the checkpoint.

        A proposal for a task whose move is owed already, and whose result is the
        same, is moved without being logged again; if its result changed, the new
        decision says what it supersedes.

        Args:
            proposals: of tasks that were looked at just now.
            should_stop: asked after each move, and within a copy to another file system, which may take
                long; what is left then stays owed. Renames are never cut short.

        Raises:
            OSError: the log cannot be written; nothing was moved.
            SetupError: a folder will not do; nothing was logged.
        """
        with self.log.locked(), Mover(self.folders, should_stop) as mover:
            # First: where a destination is not mounted nobody can tell whether a copy of it is whole.
            self._destinations.verify()
            landed = mover.finish_copies()
            if self.behind:
                self.folders.clean()
            self.folders.make()
            self._destinations.remember()
            before = load_checkpoint(self.root) or Checkpoint()
            owed = self._recovery.pending(before, should_stop)
            if owed is None:
                return []
            for source in landed:
                owed.pop(source, None)
            standing, outcomes = self._still_standing(proposals)
            moves = self._log_all(standing, owed, mover)
            planned = {move.debt.source for move in moves}
            moves += [move for move in self._recovery.due(owed) if move.debt.source not in planned]
            with suppress(CopyStopped):
                for move in moves:
                    outcomes.append(self._make(move, owed, mover))
                    if should_stop() and mover.has_copied:
                        break
            self._conclusion.conclude(before, owed, mover)
        return outcomes

    def preview(self, proposals: Sequence[Proposal]) -> list[Done]:
        """Where the proposals would go; takes no lock and writes nothing."""
        done = []
        taken: set[str] = set()
        with Mover(self.folders) as mover:
            for proposal in proposals:
                folder = self._folder(proposal)
                name = os.path.basename(str(proposal.body["task"]))
                try:
                    destination = mover.choose(folder, name, taken)
                except FileNotFoundError:  # the folder is not made yet, so every name in it is free
                    destination = f"{folder}/{name}"
                done.append(Done({**proposal.body, "destination": destination}, proposal.source, destination))
        return done

    def note(self, body: Mapping[str, Any]) -> None:
        """Log an event that moves nothing, and project it.

        Raises:
            OSError: the log cannot be written.
        """
        with self.log.locked(), Mover(self.folders) as mover:
            before = load_checkpoint(self.root) or Checkpoint()
            owed = self._recovery.pending(before) or {}
            self.log.append([self._event(body)])
            self._conclusion.conclude(before, owed, mover)

    def rebuild_report(self) -> None:
        """Make the report anew from the whole log; a daemon files meanwhile.

        Raises:
            OSError: it cannot be written; the old one stands.
        """
        reported, anew = None, True
        while reported is None:
            if not anew:
                time.sleep(LOCK_GAP_SECONDS)
            with self.log.locked():
                before = load_checkpoint(self.root) or Checkpoint()
                reported = self.report.rebuild(self.log, before.reported, anew=anew)
                anew = False
                if reported is not None:
                    owed = self._recovery.pending(before) or {}
                    save_checkpoint(self.root, Checkpoint(self.log.end(), owed, reported))

    def now(self) -> str:
        """The present time as the log writes it: ISO 8601 with offset and microseconds."""
        moment = datetime.fromtimestamp(self._wall(), UTC)
        return moment.astimezone(self._zone).isoformat(timespec="microseconds")

    def _event(self, body: Mapping[str, Any]) -> Event:
        return {"schema": SCHEMA, "event": body["event"], "time": self.now(), **body}

    def _folder(self, proposal: Proposal) -> str:
        return self.folders.by_verdict[proposal.folder] if proposal.folder else ""

    def _still_standing(
        self,
        proposals: Sequence[Proposal],
    ) -> tuple[list[Proposal], list[Done | NotDone]]:
        """Under the lock, which may have been waited for: is each task still as it was judged?"""
        standing: list[Proposal] = []
        others: list[Done | NotDone] = []
        seen: set[tuple[int, int]] = set()
        for proposal in proposals:
            if proposal.survey.directory in seen:
                continue  # one task by two spellings of its path
            seen.add(proposal.survey.directory)
            path, survey = self.folders.path(proposal.source), proposal.survey
            try:
                unchanged, gone = survey_directory(path, survey.name) == survey, False
            except OSError as error:
                unchanged, gone = False, isinstance(error, FileNotFoundError) and not os.path.lexists(path)
            if unchanged:
                standing.append(proposal)
            else:
                cause = GONE if gone else CHANGED
                others.append(
                    NotDone(str(proposal.body["task"]), proposal.source, cause, gone, is_news=False)
                )
        return standing, others

    def _log_all(
        self,
        proposals: Sequence[Proposal],
        owed: dict[str, Owed],
        mover: Mover,
    ) -> list[Move]:
        """Append what is new in the proposals; gives the moves to make."""
        events: list[Event] = []
        moves: list[Move] = []
        taken: set[str] = set()
        for proposal in proposals:
            debt = of_survey(owed, proposal.source, proposal.survey)
            event = None
            if debt is None or not covers(debt, proposal.body):
                event = self._new_event(proposal, debt, mover, taken)
                debt = debt_of(event)
                events.append(event)
            moves.append(Move(debt, proposal.survey.directory, event))
        self.log.append(events)
        owed.update({move.debt.source: move.debt for move in moves})
        return moves

    def _new_event(self, proposal: Proposal, debt: Owed | None, mover: Mover, taken: set[str]) -> Event:
        body = dict(proposal.body)
        destination = body.get("destination") or mover.choose(
            self._folder(proposal),
            str(body["task"]),
            taken,
        )
        event = self._event(body)
        # Where somebody moves what was filed, the log says from and to.
        event["to" if "to" in event else "destination"] = destination
        if debt is not None and {debt.event, event["event"]}.isdisjoint(_MOVE_NO_DECISION):
            old = self.log.last_about(debt.destination) or {}
            verdict = "quarantined" if old.get("event") == "quarantined" else old.get("verdict")
            # All that was judged and counted, so that projections can take it back.
            numbers = {key: old[key] for key in ("time", *EVIDENCE) if old.get(key) is not None}
            event["supersedes"] = {**numbers, "verdict": verdict, "findings": old.get("findings") or []}
        return event

    def _make(self, move: Move, owed: dict[str, Owed], mover: Mover) -> Done | NotDone:
        """Make one move; a failure leaves it owed, and is logged once per change of cause."""
        debt = move.debt
        try:
            debt = self._move(debt, move.directory, owed, mover)
        except OSError as error:
            debt = owed.get(debt.source, debt)
            gone = error.errno == errno.ENOENT and mover.stat(debt.source) is None
            if gone:
                error = FileNotFoundError(errno.ENOENT, GONE)
            # The task's own path stands beside the cause wherever that is told.
            cause = cause_of(error).removesuffix(f": {self.folders.path(debt.source)}")
            is_news = cause not in {debt.cause, self._causes.get(debt.source)}
            owed[debt.source] = replace(debt, cause=cause)
            self._causes[debt.source] = cause
            if gone:
                del owed[debt.source], self._causes[debt.source]
            if is_news:
                self._log_quietly(
                    {"event": "failed", "task": debt.task, "source": debt.source, "cause": cause}
                )
            return NotDone(debt.task, debt.source, cause, gone, is_news, code_of(error))
        owed.pop(debt.source, None)
        self._causes.pop(debt.source, None)
        event = move.event
        if event is None and debt.event != "joined":
            event = self.log.last_about(debt.destination)
        return Done(event or {"event": debt.event, "task": debt.task}, debt.source, debt.destination)

    def _move(
        self,
        debt: Owed,
        directory: tuple[int, int] | None,
        owed: dict[str, Owed],
        mover: Mover,
    ) -> Owed:
        if debt.event == "joined":
            mover.join(debt.source, debt.destination, debt.files)
            return debt
        if not self._recovery.may_end(debt.destination):
            # The settings name another folder by now.
            debt = self._divert(debt, self.folders.by_verdict.get(debt.verdict or "", ""), owed, mover)
        try:
            mover.move(debt.source, debt.destination, directory)
        except FileExistsError:
            debt = self._divert(debt, os.path.dirname(debt.destination), owed, mover)
            mover.move(debt.source, debt.destination, directory)
        return debt

    def _divert(self, debt: Owed, folder: str, owed: dict[str, Owed], mover: Mover) -> Owed:
        """Log that a move goes elsewhere than logged; nothing was moved yet."""
        destination = mover.choose(folder, debt.task, set())
        self.log.append([self._event(diverted(debt, destination))])
        owed[debt.source] = replace(debt, destination=destination)
        return owed[debt.source]

    def _log_quietly(self, body: Mapping[str, Any]) -> None:
        """Log what is good to know but must not keep other tasks waiting."""
        before, self._unwritable = self._unwritable, None
        try:
            self.log.append([self._event(body)])
        except OSError as error:
            self._unwritable = cause_of(error)
            if before != self._unwritable:
                log.warning("decisions.unwritable", path=self.root, cause=self._unwritable)
