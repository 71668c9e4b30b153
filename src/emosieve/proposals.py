"""What should become of a task: pure proposals, which the intake logs and carries out."""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from emosieve.filing import Folders
from emosieve.judge.ruleset import Evidence, RuleSet, judge
from emosieve.record.decisions import DecisionLog
from emosieve.record.lineage import is_about, place_of
from emosieve.record.lines import Event
from emosieve.text import escape
from emosieve.watch.identity import identity_at
from emosieve.watch.inbox import Inbox
from emosieve.watch.survey import Survey, survey_directory
from emosieve.watch.wholeness import Malformed, NoResult, Settled

_DECIDING: Final = frozenset({"decided", "quarantined"})
"""Events by which a task of the inbox gets its place."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A move to be logged, then made.

    Attributes:
        body: the event without schema, time and destination, in the log's order; ``event`` and
            ``task`` are in it.
        source: location where the task stands.
        folder: the verdict, or ``quarantined``, whose folder it goes to; empty for the inbox.
        survey: the task as it was looked at; it must still be so when the proposal is logged.
    """

    body: Mapping[str, Any]
    source: str
    folder: str
    survey: Survey


def decide(settled: Settled, rules: RuleSet, audio: Mapping[str, Any] | None = None) -> Proposal:
    """Judge one settled task: a function of the task and the rules alone.

    Args:
        settled: the task.
        rules: in force.
        audio: what was measured of its wav, as ``Audio.as_dict`` gives it; ``None`` where no rule asks.
    """
    survey = settled.survey
    verdict = judge(evidence_in(settled, audio), rules)
    body = {
        "event": "decided",
        "task": survey.name,
        **survey.identity.as_dict(),
        "verdict": verdict.name,
        "findings": [finding.as_dict() for finding in verdict.findings],
        **numbers_of(settled),
        "audio": audio,
        "destination": None,
        "profile": rules.profile,
        "rules_digest": rules.digest,
        "result_digest": settled.digest,
    }
    return Proposal(body, survey.name, verdict.name, survey)


def evidence_in(settled: Settled, audio: Mapping[str, Any] | None) -> Evidence:
    """All that rules may look at in a settled task; see ``decide`` for the audio."""
    return Evidence(settled.result, {**settled.oddities, **(audio or {})})


def numbers_of(settled: Settled) -> dict[str, Any]:
    """What the log keeps of a result, and of what was odd about its task; nothing where there was nothing."""
    result = settled.result
    numbers = {
        "emotion": result.emotion,
        "confidence": result.confidence,
        "top1": result.top1,
        "top2": result.top2,
        "gap": result.gap,
        "scores": dict(result.scores),
        "granularity": result.granularity,
    }
    if result.frames:
        numbers["frames"] = asdict(result.frames)
    if result.source is not None:
        numbers["source"] = result.source
    if settled.oddities:
        numbers["oddities"] = dict(settled.oddities)
    return numbers


def refuse(malformed: Malformed) -> Proposal:
    """The quarantine of a task whose result can never be read."""
    survey = malformed.survey
    body = {
        "event": "quarantined",
        "task": survey.name,
        **survey.identity.as_dict(),
        "reason": escape(malformed.reason),
        **({"source": malformed.source} if malformed.source is not None else {}),
        "destination": None,
        "result_digest": malformed.digest,
    }
    return Proposal(body, survey.name, "quarantined", survey)


def adopt(late: NoResult, folders: Folders, log: DecisionLog) -> Proposal | None:
    """The joining of a late directory without a result to the filed task of its name.

    A writer that makes its directory anew after the move leaves one behind, with
    an embedding or nothing in it. It belongs to the filed task if this root filed
    exactly one that still stands, which is the newest of that name, and which has no
    file of those names.

    Raises:
        OSError: the filed task, or the log, cannot be read.
    """
    name = late.survey.name
    if not _may_be_filed(name, folders):
        return None  # the log need not be searched
    location = _only_filed(name, folders, log.about(name))
    if location is None:
        return None
    theirs = {file.name for file in survey_directory(folders.path(location), name).files}
    files = [file.name for file in late.survey.files]
    if theirs.intersection(files) or any(stat.S_ISDIR(file.mode) for file in late.survey.files):
        return None
    body = {
        "event": "joined",
        "task": name,
        **late.survey.identity.as_dict(),
        "files": [escape(file) for file in files],
        "destination": location,
    }
    if body["files"] != files:
        return None
    return Proposal(body, name, folders.verdict_at(location) or "", late.survey)


def _may_be_filed(name: str, folders: Folders) -> bool:
    places = (f"{folder}/{name}{suffix}" for folder in folders.by_verdict.values() for suffix in ("", ".2"))
    return any(os.path.lexists(folders.path(place)) for place in places)


def _only_filed(name: str, folders: Folders, events: Sequence[Event]) -> str | None:
    """Where the only task of a name stands that the log put into a folder, if it is the newest of that name."""
    places = {place for event in events if (place := place_of(event)) is not None}
    # A person may have moved it by hand, without a line in the log.
    places |= {f"{folder}/{name}" for folder in folders.by_verdict.values()}
    filed = [place for place in places if folders.verdict_at(place) and _is_filed(place, folders, events)]
    return filed[0] if len(filed) == 1 and is_newest(filed[0], folders, events) else None


def _is_filed(location: str, folders: Folders, events: Sequence[Event]) -> bool:
    """Whether what stands in a folder is a task that events are about: another root may file there, too."""
    path = folders.path(location)
    standing = identity_at(path)
    if standing is None:
        return False
    moves = (event for event in events if event["event"] != "joined")
    return any(is_about(event, standing, lambda: digest_at(path)) for event in moves)


def is_newest(location: str, folders: Folders, events: Sequence[Event]) -> bool:
    """Return whether what stands at a location is the task that was decided about last.

    Args:
        location: in a folder.
        folders: of the root.
        events: all of the log about the tasks of this name, oldest first.

    Raises:
        OSError: it cannot be looked at.
    """
    last = next((event for event in reversed(events) if event["event"] in _DECIDING), None)
    return last is not None and _is_filed(location, folders, (last,))


def digest_at(path: str) -> str | None:
    """Return the digest of the result of the task at a path; ``None`` where it has none that can be read."""
    parent, name = os.path.split(path)
    inbox = Inbox(parent, "*", frozenset(), ask_lease=False)
    try:
        return inbox.read(inbox.survey(name)).digest
    except OSError:
        return None
