"""What is changed after the fact: restore, by a person, and reclassify, by today's rules.

Both may run beside the daemon: they commit through the same intake, under the log's lock.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Final

import orjson

from emosieve.debts import REVIEWS_NAME
from emosieve.errors import SetupError
from emosieve.intake import Done, Intake, NotDone
from emosieve.judge.ruleset import RuleSet
from emosieve.proposals import Proposal, decide, digest_at, evidence_in
from emosieve.record.decisions import LOG_NAME
from emosieve.record.evidence import differing, evidence_of, fuller, has_evidence
from emosieve.record.files import STATE_DIRECTORY, open_plain
from emosieve.record.lineage import is_about, place_of
from emosieve.record.lines import Event
from emosieve.text import Phrase
from emosieve.watch.inbox import Inbox
from emosieve.watch.listening import listen
from emosieve.watch.survey import Survey, survey_directory
from emosieve.watch.wholeness import Policy, Settled, assess

BATCH: Final = 256
_AS_IT_STANDS: Final = Policy(require=())
"""A filed task is judged by what is there: which files it had to wait for is past."""
_OTHER_SIDE: Final = {"normal": "low_quality", "low_quality": "normal"}

_UNPRINTABLE = Phrase(
    "{path}: its name cannot be shown or logged; give it another",
    "{path}：名称含有无法显示或记录的字符；请改名",
)
_NOT_FILED = Phrase(
    "{path} is not a filed task; give one in normal/, low_quality/ or quarantine/",
    "{path} 不是已归档的任务；请给出 normal/、low_quality/ 或 quarantine/ 里的任务",
)
_NO_TASK = Phrase(
    "{path}: there is no such task; check the path",
    "{path}：没有这个任务；请检查路径",
)
_CANNOT_BE_SEEN = Phrase(
    "{path}: cannot be looked at: {cause}; give the directory of a task that this user may read",
    "{path}：无法查看：{cause}；请给出当前用户有权读取的任务目录",
)


def root_of(path: str) -> str | None:
    """The root that a task's path belongs to: the nearest parent with a decision log, else with a state directory.

    A state directory without a log may have been left by a start on the wrong folder.
    """
    parent, begun = os.path.dirname(os.path.abspath(path)), None
    while True:
        if os.path.lexists(f"{parent}/{LOG_NAME}"):
            return os.path.realpath(parent)
        if begun is None and os.path.isdir(f"{parent}/{STATE_DIRECTORY}"):
            begun = parent
        above = os.path.dirname(parent)
        if above == parent:
            return os.path.realpath(begun) if begun else None
        parent = above


def restore(intake: Intake, paths: Iterable[str]) -> list[Done | NotDone]:
    """Move filed tasks to the other side, and quarantined ones back to the inbox to be judged anew.

    Raises:
        SetupError: a path is no filed task; nothing was moved.
        OSError: the log cannot be written; nothing was moved.
    """
    intake.folders.check()
    return intake.commit([_restoration(intake, path) for path in paths])


def _restoration(intake: Intake, path: str) -> Proposal:
    location = intake.folders.location_of(path)
    verdict = intake.folders.verdict_at(location)
    if not location.isprintable():
        raise SetupError(_UNPRINTABLE(path=path))
    if verdict is None:
        raise SetupError(_NOT_FILED(path=path))
    try:
        survey = survey_directory(path, os.path.basename(path))
    except FileNotFoundError:
        raise SetupError(_NO_TASK(path=path)) from None
    except OSError as error:
        raise SetupError(_CANNOT_BE_SEEN(path=path, cause=error.strerror)) from None
    event: Event = intake.log.last_about(location) or {}
    if event and not is_about(event, survey.identity, lambda: digest_at(path)):
        event = {}  # it was filed by somebody else, under the name of one that was taken away
    other = _OTHER_SIDE.get(verdict)
    body: dict[str, Any] = {
        "event": "restored",
        **_origin(event, survey, location, verdict),
        "verdict": other,
        **{key: event.get(key) for key in ("emotion", "confidence", "top1", "top2", "gap", "scores")},
        **{
            key: event[key]
            for key in ("granularity", "frames", "source", "audio", "oddities")
            if key in event
        },
        "result_digest": event.get("result_digest"),
    }
    return Proposal(body, location, other or "", survey)


def _origin(event: Event, survey: Survey, location: str, verdict: str) -> dict[str, Any]:
    return {
        "task": event.get("task", survey.name),
        **survey.identity.as_dict(),
        "from": location,
        "to": None,
        "was": verdict,
        "was_findings": event.get("findings") or [],
        "decided": event.get("decided") or event.get("time"),
    }


@dataclass(frozen=True, slots=True)
class Reclassification:
    """A filed task on which today's rules decide otherwise, and why it is left alone, if it is."""

    proposal: Proposal
    left_alone: str | None = None


def reclassify(
    intake: Intake,
    rules: RuleSet,
    *,
    unlogged: bool = False,
    by_hand: bool = False,
    on_judged: Callable[[], object] = lambda: None,
) -> Iterator[Reclassification]:
    """Judge every filed task anew; gives those that change sides, without moving them.

    Args:
        intake: of the root.
        rules: today's rules.
        unlogged: also tasks that stand in a folder without an event.
        by_hand: also tasks that a person restored or reviewed.
        on_judged: called for each task that was judged, whatever came of it.

    Raises:
        SetupError: a folder will not do.
    """
    intake.folders.check()
    filed = list(_worth_a_look(intake, rules, on_judged))
    if not filed:
        return
    events = _last_events(intake, {one.location for one in filed})
    reviewed = _reviewed(intake.root)
    for one in filed:
        event = events.get(one.location) or {}
        if event and not is_about(event, one.settled.survey.identity, partial(str, one.settled.digest)):
            event = {}
        proposal = _judged_anew(one, event, rules)
        if proposal.folder == one.was:
            continue
        left_alone = None
        if not event and not unlogged:
            left_alone = "unlogged"
        elif event and not by_hand and (event["event"] == "restored" or str(event.get("task")) in reviewed):
            left_alone = "restored" if event["event"] == "restored" else "reviewed"
        survey = proposal.survey
        body = {key: value for key, value in proposal.body.items() if key != "destination"}
        body |= {"event": "reclassified", "was_evidence": differing(event, body) if event else {}}
        body |= _origin(event, survey, one.location, one.was)
        yield Reclassification(Proposal(body, one.location, proposal.folder, survey), left_alone)


def in_batches(proposals: Iterable[Proposal]) -> Iterator[list[Proposal]]:
    """Proposals in lists of at most ``BATCH``: the log's lock is never held for long."""
    iterator = iter(proposals)
    while batch := list(islice(iterator, BATCH)):
        yield batch


@dataclass(frozen=True, slots=True)
class _Filed:
    """A filed task as its files say it is."""

    location: str
    was: str
    settled: Settled
    audio: Mapping[str, Any] | None


def _worth_a_look(intake: Intake, rules: RuleSet, on_judged: Callable[[], object]) -> Iterator[_Filed]:
    """The filed tasks that today's rules put elsewhere, or that their files no longer tell all about."""
    # What only settling saw stands in the log alone, of any task.
    needs_log = any(rule.action == "reject" and rule.is_over_settling for rule in rules.in_force)
    for verdict in _OTHER_SIDE:
        folder = intake.folders.by_verdict[verdict]
        path = intake.folders.path(folder)
        if not os.path.isdir(path):
            continue
        inbox = Inbox(path, "*", frozenset(), ask_lease=False, result_keys=intake.result_keys)
        inbox.process_log = intake.process_log
        for name in inbox.list().tasks:
            filed = _look_at(inbox, name, f"{folder}/{name}", verdict, rules)
            if filed is None:
                continue
            on_judged()
            ruling = rules.over(evidence_in(filed.settled, filed.audio))
            if ruling.verdict != verdict or needs_log or ruling.cannot_tell:
                yield filed


def _look_at(inbox: Inbox, name: str, location: str, was: str, rules: RuleSet) -> _Filed | None:
    try:
        survey = inbox.survey(name)
        contents = inbox.read(survey)
        audio = listen(f"{inbox.root}/{name}", survey, rules.depth)
    except OSError:
        return None
    settled = assess(survey, contents, math.inf, _AS_IT_STANDS)
    if not isinstance(settled, Settled):
        return None
    return _Filed(location, was, settled, audio.as_dict() if audio else None)


def _judged_anew(filed: _Filed, event: Event, rules: RuleSet) -> Proposal:
    """By what its decision was about, where its result is still the same and was understood; else by what stands there.

    A wav that somebody deleted since, or that cannot be measured here, was measured then; how long
    a task was waited for, and what was still open, nobody can see any more.
    """
    settled, audio = filed.settled, filed.audio
    # Scores that were not found then, and are now, are of another reader or of another results.score_keys.
    is_understood = bool(event.get("scores")) or not settled.result.scores
    if event.get("result_digest") == settled.digest and has_evidence(event) and is_understood:
        result = evidence_of(event).result
        # Decisions of older versions do not say which recording they are about.
        result = replace(result, source=result.source or settled.result.source)
        settled = replace(settled, result=result, oddities=event.get("oddities") or {})
        audio = fuller(event.get("audio"), audio)
    return decide(settled, rules, audio)


def _last_events(intake: Intake, locations: set[str]) -> dict[str, Event]:
    """The newest event that put each task where it stands, by one pass over the log."""
    events: dict[str, Event] = {}
    for event in intake.log.read():
        location = place_of(event)
        if location in locations and event["event"] in {"decided", "restored", "reclassified"}:
            events[location] = event
        elif event["event"] == "diverted":
            moved = events.pop(str(event.get("from")), None)
            if location in locations:
                events[location] = moved or event
    return events


def _reviewed(root: str) -> set[str]:
    """Names of the tasks that a person reviewed."""
    try:
        with open(open_plain(f"{root}/{REVIEWS_NAME}", os.O_RDONLY), "rb") as file:
            documents = [orjson.loads(line) for line in file if line.strip()]
    except (OSError, orjson.JSONDecodeError):
        return set()
    return {
        str(document["task"]) for document in documents if isinstance(document, dict) and "task" in document
    }
