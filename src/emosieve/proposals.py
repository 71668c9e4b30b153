"""What should become of a task: pure proposals, which the intake logs and carries out."""

import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from emosieve.filing import Folders
from emosieve.judge.ruleset import Evidence, RuleSet, judge
from emosieve.record.decisions import DecisionLog
from emosieve.record.lineage import is_about
from emosieve.text import escape
from emosieve.watch.identity import identity_at
from emosieve.watch.inbox import Inbox, Survey, survey_directory
from emosieve.watch.wholeness import Malformed, NoResult, Settled


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
        "destination": None,
        "result_digest": malformed.digest,
    }
    return Proposal(body, survey.name, "quarantined", survey)


def adopt(late: NoResult, folders: Folders, log: DecisionLog) -> Proposal | None:
    """The joining of a late directory without a result to the filed task of its name.

    A writer that makes its directory anew after the move leaves one behind, with
    an embedding or nothing in it. It belongs to the filed task if there is
    exactly one of that name, this root filed it, and it has no file of those names.

    Raises:
        OSError: the filed task, or the log, cannot be read.
    """
    name = late.survey.name
    filed = [
        (verdict, f"{folder}/{name}")
        for verdict, folder in folders.by_verdict.items()
        if os.path.isdir(folders.path(f"{folder}/{name}"))
    ]
    if len(filed) != 1 or os.path.lexists(f"{folders.path(filed[0][1])}.2"):
        return None
    verdict, location = filed[0]
    theirs = {file.name for file in survey_directory(folders.path(location), name).files}
    files = [file.name for file in late.survey.files]
    if theirs.intersection(files) or any(stat.S_ISDIR(file.mode) for file in late.survey.files):
        return None
    if not is_filed_here(location, name, folders, log):
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
    return Proposal(body, name, verdict, late.survey)


def is_filed_here(location: str, task: str, folders: Folders, log: DecisionLog) -> bool:
    """Return whether what stands in a folder is a task that the log of this root put there.

    Another root may file into the same folder, and a person may put anything there.

    Args:
        location: where it stands.
        task: the name of the task as the WebUI gave it.
        folders: of the root.
        log: of the root.

    Raises:
        OSError: it, or the log, cannot be read.
    """
    path = folders.path(location)
    standing = identity_at(path)
    if standing is None:
        return False
    events = (event for event in reversed(log.about(task)) if event["event"] != "joined")
    return any(is_about(event, standing, lambda: digest_at(path)) for event in events)


def digest_at(path: str) -> str | None:
    """Return the digest of the result of the task at a path; ``None`` where it has none that can be read."""
    parent, name = os.path.split(path)
    inbox = Inbox(parent, "*", frozenset(), ask_lease=False)
    try:
        return inbox.read(inbox.survey(name)).digest
    except OSError:
        return None
