"""Why a task stands where it stands: one task, looked at once, with all that the log knows of it. Writes nothing."""

import fnmatch
import math
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from emosieve.errors import BadResult, SetupError
from emosieve.judge.ruleset import Evidence, RuleSet, Verdict, judge
from emosieve.proposals import digest_at, evidence_in
from emosieve.record.checkpoint import Checkpoint, load_checkpoint
from emosieve.record.evidence import evidence_of, fuller, has_evidence
from emosieve.record.files import STATE_DIRECTORY
from emosieve.record.lineage import decision_in, is_about, lineage, place_of
from emosieve.record.lines import Event
from emosieve.record.outcomes import Row, rows_of
from emosieve.record.selection import source_of
from emosieve.revision import root_of
from emosieve.service.flow import Flow
from emosieve.service.liveness import Status, read_heartbeat
from emosieve.settings import Settings
from emosieve.text import Message, Phrase
from emosieve.watch.identity import identity_at
from emosieve.watch.inbox import Contents, Inbox
from emosieve.watch.listening import listen
from emosieve.watch.settle import FAILURES, Waiting
from emosieve.watch.survey import survey_directory
from emosieve.watch.wholeness import Malformed, NoResult, Settled, assess

State = Literal["filed", "unlogged", "quarantined", "pending", "left_alone", "gone"]

NO_ROOT: Final = Phrase(
    "{path}: no parent holds decisions.jsonl; give the path of a task under a root, or a name with --set root=FOLDER",
    "{path}：上级目录里没有 decisions.jsonl；请给出输出目录下某个任务的路径，或用 --set root=目录 加任务名",
)
NO_TASK: Final = Phrase(
    "{path}: there is no such task, and the decision log knows none of that name; emosieve tail lists the last ones",
    "{path}：没有这个任务，判定日志里也没有这个名字；可用 emosieve tail 查看最近的判定",
)
NO_MATCH: Final = Phrase("it does not match watch.task_glob = {glob}", "名字不符合 watch.task_glob = {glob}")
NO_FOLDER: Final = Phrase(
    "it stands in no folder that filing.normal, filing.low_quality or filing.quarantine name;"
    " if it was filed there, give the settings of that time with --config",
    "它所在的目录不是 filing.normal、filing.low_quality 或 filing.quarantine 指定的目录；"
    "如果当时归档到这里，请用 --config 给出当时的配置文件",
)
FOREIGN: Final = Phrase(
    "the log line of its decision has another shape than emosieve writes; was it edited, or is it another version's?",
    "判定日志中对应的那一行格式不符，可能被手动改过，或来自其他版本",
)
HIDDEN: Final = Phrase(
    "{path} is closed to this user: whether a move is still to be made cannot be seen",
    "当前用户无权进入 {path}：无法得知是否有尚未完成的移动",
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is known of one task.

    Attributes:
        path: where it stands, absolute; where it stood last for one that is gone.
        state: how it stands there.
        verdict: of the folder that it stands in.
        evidence: what the rules look at; ``None`` when there is no result that can be read.
        rows: every rule, in the order of the report; empty without evidence.
        decision: the last event by which rules decided; ``None`` before.
        history: all events that led here, oldest first.
        today: what today's rules say; ``None`` without evidence.
        rules: today's.
        changed: whether result.json is another one than was decided about.
        waiting: for a pending task; its ``seconds`` are those until waiting ends, or ends for now.
        is_watched: whether a daemon lives that will look at a pending task.
        reason: why a quarantined or left-alone task is so, a decided one could not be moved, or a filed one
            cannot be explained.
        source: name of the recording, where it is known.
    """

    root: str
    task: str
    path: str
    state: State
    rules: RuleSet
    verdict: str | None = None
    evidence: Evidence | None = None
    rows: tuple[Row, ...] = ()
    decision: Event | None = None
    history: tuple[Event, ...] = ()
    today: Verdict | None = None
    changed: bool = False
    waiting: Waiting | None = None
    reason: str | Message | None = None
    is_watched: bool = False
    source: str | None = None

    @property
    def is_by_hand(self) -> bool:
        """Whether a person took the last word."""
        return bool(self.history) and self.history[-1]["event"] == "restored"

    @property
    def undecided(self) -> bool:
        """Whether a rule that could reject it today cannot tell, for the audio was never measured and is gone."""
        return self.evidence is not None and self.rules.over(self.evidence).cannot_tell

    @property
    def differs(self) -> bool:
        """Whether today's rules would put a filed task elsewhere."""
        return (
            self.state in {"filed", "unlogged"} and self.today is not None and self.today.name != self.verdict
        )


def explain(path: str, settings: Settings, root: str | None = None) -> Explanation:
    """Look at one task and at the log.

    Args:
        path: of a task, or of a file in it; a bare name is looked up under the root.
        settings: today's.
        root: as ``root_for`` gives it, where it is known already.

    Raises:
        SetupError: there is no such task, or no root to look it up in.
        OSError: the log, or the task, cannot be read.
    """
    return _Explainer(root or root_for(path, settings), settings).explain(path)


def root_for(path: str, settings: Settings) -> str:
    """Return the root that a task is looked up in, absolute, without symlinks.

    Raises:
        SetupError: there is none.
    """
    root = root_of(path) or _root_of_undecided(path, settings)
    if root is None:
        raise SetupError(NO_ROOT(path=path))
    return root


def _root_of_undecided(path: str, settings: Settings) -> str | None:
    """The setting; else, where nothing was decided yet, the folder that a task stands in."""
    if settings.root:
        return os.path.realpath(os.path.expanduser(settings.root))
    parent, name = os.path.split(os.path.abspath(path))
    is_task = os.path.isdir(path) and fnmatch.fnmatchcase(name, settings.watch.task_glob)
    return os.path.realpath(parent) if is_task else None


class _Explainer:
    def __init__(self, root: str, settings: Settings) -> None:
        self.root = root
        self.settings = settings
        self.flow = Flow(root, settings, dry_run=True)
        # One look cannot observe for how long a task is still; its change time is the best there is.
        self.flow.settling.policy = replace(self.flow.settling.policy, trust_ctime=True)
        self.folders = self.flow.intake.folders
        self.log = self.flow.intake.log
        self.rules = settings.rule_set

    def explain(self, path: str) -> Explanation:
        location = self._location(path)
        if not _stands(self.folders.path(location)):
            return self._of_moved(path, location)
        return self._of_standing(location)

    def _location(self, path: str) -> str:
        """The location of the task that a path names: the path of a file in it will do as well."""
        if "/" not in path and not os.path.lexists(path):
            places = ["", *self.folders.by_verdict.values()]
            found = [
                place for place in places if os.path.lexists(self.folders.path(os.path.join(place, path)))
            ]
            return os.path.join(found[0] if found else "", path)
        location = self.folders.location_of(os.path.abspath(path))
        names = location.split("/")
        tops = ["/".join(names[: count + 1]) for count in range(len(names))]
        folders = self.folders.by_verdict.values()
        filed = next((top for top in tops if os.path.dirname(top) in folders), None)
        if filed is not None or os.path.isabs(location):
            return filed or location
        # A folder of earlier settings is none of today's; the task in it is known by its name.
        named = (top for top in tops if self.flow.inbox.matches(os.path.basename(top)))
        return next(named, tops[0])

    def _of_moved(self, path: str, location: str) -> Explanation:
        """The WebUI's own log shows the old path of a task that was filed since."""
        events = self.log.about(os.path.basename(location))
        places = [place for one in events if one["event"] != "joined" and (place := place_of(one))]
        if not places:
            raise SetupError(NO_TASK(path=path))
        standing = [place for place in places if _stands(self.folders.path(place))]
        if standing:
            return self._of_standing(standing[-1], events)
        history = lineage(events, places[-1], lambda _event: True)
        return replace(self._of_event(places[-1], history), state="gone")

    def _of_standing(self, location: str, events: Sequence[Event] | None = None) -> Explanation:
        """A task at its place; its events are searched for in the log, if they are not known already."""
        verdict = self.folders.verdict_at(location)
        if verdict is None and "/" not in location:
            return self._of_inbox(location)
        found = self._events_of(location) if events is None else events
        history = lineage(found, location, self._is_about(location))
        if verdict is None:
            bare = self._of_event(location, history) if history else self._bare(location, "left_alone")
            return replace(bare, state="left_alone", today=None, reason=NO_FOLDER())
        if verdict == "quarantined":
            reason = next((str(one["reason"]) for one in reversed(history) if one.get("reason")), None)
            return self._bare(location, "quarantined", verdict=verdict, history=history, reason=reason)
        contents = self._contents(location)
        if not history:
            return self._of_contents(self._bare(location, "unlogged", verdict=verdict), contents)
        decided_about = (decision_in(history) or {}).get("result_digest")
        changed = bool(contents and decided_about and contents.digest != decided_about)
        return replace(self._of_event(location, history, may_listen=not changed), changed=changed)

    def _is_about(self, location: str) -> Callable[[Event], bool]:
        """Whether an event is about what stands at a location: the name may have been used before."""
        path = self.folders.path(location)
        standing = identity_at(path)
        return lambda event: standing is None or is_about(event, standing, lambda: digest_at(path))

    def _events_of(self, location: str) -> Sequence[Event]:
        """All events of the task that was last moved there: it may stand there under a suffix."""
        last = self.log.last_about(location)
        return self.log.about(str(last.get("task"))) if last else ()

    def _of_event(
        self, location: str, history: tuple[Event, ...], *, may_listen: bool = False
    ) -> Explanation:
        """A decided task: its evidence is that of the log, which is what was decided about.

        What today's rules ask of the audio, and nobody asked then, is measured now, as reclassify does.
        """
        verdict = self.folders.verdict_at(location)
        bare = self._bare(location, "filed", verdict=verdict, history=history)
        decision = decision_in(history)
        numbers = decision or history[-1]
        if not has_evidence(numbers):
            return replace(bare, reason=FOREIGN())
        if numbers.get("confidence") is None and not numbers.get("scores") and not numbers.get("findings"):
            return bare
        evidence = evidence_of(numbers)
        if may_listen and self.rules.depth and (numbers.get("audio") or {}).get("speech_seconds") is None:
            audio = fuller(numbers.get("audio"), self._audio(self.folders.path(location)))
            evidence = replace(evidence, measured={**evidence.measured, **(audio or {})})
        rows = rows_of(evidence, self.rules, decision)
        today = judge(evidence, self.rules)
        return replace(bare, evidence=evidence, rows=rows, decision=decision, today=today)

    def _of_contents(self, bare: Explanation, contents: Contents | None) -> Explanation:
        if contents is not None:
            bare = replace(bare, source=bare.source or contents.source)
        if contents is None or contents.result is None or isinstance(contents.result, BadResult):
            return replace(bare, reason=str(contents.result) if contents and contents.result else None)
        survey = survey_directory(bare.path, bare.task)
        settled = assess(survey, contents, math.inf, self.flow.settling.policy)
        if not isinstance(settled, Settled):
            return bare
        evidence = evidence_in(settled, self._audio(bare.path))
        rows = rows_of(evidence, self.rules, None)
        return replace(bare, evidence=evidence, rows=rows, today=judge(evidence, self.rules))

    def _of_inbox(self, name: str) -> Explanation:
        bare = self._bare(name, "pending")
        listing = self.flow.inbox.list()
        if name not in listing.tasks:
            reason = listing.left_alone.get(name) or NO_MATCH(glob=self.settings.watch.task_glob)
            return replace(bare, state="left_alone", reason=reason)
        explanation = self._of_contents(bare, self._contents(name))
        owed = (load_checkpoint(self.root) or Checkpoint()).owed.get(name)
        if owed is not None and not owed.is_of(identity_at(bare.path)):
            owed = None  # of an earlier task of this name
        history = lineage(self.log.about(name), owed.destination, lambda _event: True) if owed else ()
        decision = decision_in(history)
        heartbeat = read_heartbeat(self.root)
        watched = heartbeat.status if heartbeat and heartbeat.is_alive else None
        waiting = (watched and self._told_by_daemon(name, watched)) or self._look(name)
        return replace(
            explanation,
            waiting=waiting,
            is_watched=watched is not None,
            history=history,
            decision=decision if decision and has_evidence(decision) else None,
            reason=owed.cause if owed else self._hidden(),
        )

    def _hidden(self) -> Message | None:
        """What this user cannot see of a pending task, if it is so."""
        state = f"{self.root}/{STATE_DIRECTORY}"
        is_closed = os.path.isdir(state) and not os.access(state, os.X_OK)
        return HIDDEN(path=state) if is_closed else None

    def _look(self, name: str) -> Waiting:
        """One look at a pending task, with the seconds until waiting for it ends."""
        settling = self.flow.settling
        settling.see([name])
        outcome = next(settling.look())
        give_up = settling.policy.give_up_seconds
        match outcome:
            case Settled():
                return Waiting(name, "settled", "is whole", 0.0)
            case Malformed(reason=reason):
                return Waiting(name, "malformed", reason, 0.0)
            case NoResult():
                return next(one for one in settling.waiting if one.name == name)
            case Waiting(reason="quiet" | "reused"):
                return outcome
            case Waiting():
                return replace(outcome, seconds=max(0.0, give_up - outcome.age))
            case _:
                raise FileNotFoundError(2, "went away while it was looked at", self.folders.path(name))

    def _told_by_daemon(self, name: str, status: Status) -> Waiting | None:
        now = self.flow.clock.wall()
        told = (one for one in status.oldest if one.task == name and one.reason in FAILURES)
        found = next(told, None)
        return Waiting(name, found.reason, found.message, 0.0, now - found.changed_at) if found else None

    def _bare(self, location: str, state: State, **more: Any) -> Explanation:
        history = more.get("history") or ()
        task = str(history[-1]["task"]) if history else os.path.basename(location)
        known = (source for event in reversed(history) if (source := source_of(event)) is not None)
        more = {"source": next(known, None), **more}
        return Explanation(self.root, task, self.folders.path(location), state, self.rules, **more)

    def _audio(self, path: str) -> dict[str, Any] | None:
        """What is measured of a task's audio now, as the log would have it; ``None`` when it cannot be."""
        with suppress(OSError):
            audio = listen(path, survey_directory(path, os.path.basename(path)), self.rules.depth)
            return audio.as_dict() if audio else None
        return None

    def _contents(self, location: str) -> Contents | None:
        """What the task's files say now; ``None`` when they cannot be read."""
        path = self.folders.path(location)
        folder, name = os.path.split(path)
        with suppress(OSError):
            keys = self.settings.results.own_keys
            inbox = Inbox(folder, "*", frozenset(), ask_lease=False, result_keys=keys)
            inbox.process_log = self.flow.inbox.process_log
            return inbox.read(survey_directory(path, name))
        return None


def _stands(path: str) -> bool:
    """Whether something stands there; what this user may not see is not taken for gone.

    Raises:
        OSError: it cannot be looked at.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a place of an edited line
        return False
    return True
