"""The rows of an export: the columns of a decision, and where its task is now."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from emosieve.commands.output import KINDS
from emosieve.judge.labels import CLASSES
from emosieve.judge.rules import finding_words
from emosieve.proposals import digest_at
from emosieve.record.lineage import is_about
from emosieve.record.lines import Event
from emosieve.record.selection import findings_of, source_of, verdict_of
from emosieve.record.standing import Standing
from emosieve.text import Language, escape
from emosieve.watch.identity import DirectoryId, identity_at

GONE: Final = "gone"
"""Stands for the path of a task that stands nowhere any more."""
MEASURES: Final = (
    *("duration_seconds", "speech_seconds", "silence_ratio", "snr_db"),
    *("clipping_ratio", "rms_dbfs", "audio_problem"),
)
"""What is exported of the audio, in the units of the fields of rules."""
COLUMNS: Final = (
    *("time", "task", "source", "event", "verdict", "rules", "reasons", "flags"),
    *("emotion", "confidence", "top1", "top2", "gap"),
    *(f"score_{name}" for name in CLASSES),
    *MEASURES,
    *("path", "profile"),
)
"""Columns of a table; the lists and objects of ``Row`` are spread over them."""

Cell = str | float | None


@dataclass(frozen=True, slots=True)
class Row:
    """A decision that stands, as plain values; every text is escaped.

    Attributes:
        time: when it was decided, as logged.
        source: name of the recording, where it is known.
        event: what gave the task its verdict: decided, quarantined, restored or reclassified.
        rules: names of the rules with a finding.
        reasons: why it was rejected or quarantined, or who restored it, in the operator's language.
        flags: what was flagged, the same way.
        confidence: share 0-1, as top1, top2, gap and the scores are.
        audio: what was measured of it, by the names of the fields of rules.
        path: where the task stands now, absolute, or ``gone``.
    """

    time: str
    task: str
    source: str | None
    event: str
    verdict: str
    rules: list[str]
    reasons: list[str]
    flags: list[str]
    emotion: str | None
    confidence: float | None
    top1: float | None
    top2: float | None
    gap: float | None
    scores: dict[str, float]
    audio: dict[str, Cell] | None
    path: str
    profile: str | None

    def as_dict(self) -> dict[str, Any]:
        """Every value under its name, for JSON."""
        return asdict(self)

    def cells(self) -> list[Cell]:
        """The values in the order of ``COLUMNS``; texts of a list stand behind each other in one cell."""
        joined = ("; ".join(texts) for texts in (self.rules, self.reasons, self.flags))
        numbers = (self.confidence, self.top1, self.top2, self.gap)
        audio = self.audio or {}
        return [
            *(self.time, self.task, self.source, self.event, self.verdict, *joined),
            *(self.emotion, *numbers),
            *map(self.scores.get, CLASSES),
            *map(audio.get, MEASURES),
            *(self.path, self.profile),
        ]


def row_of(standing: Standing, root: str, language: Language) -> Row:
    """The row of a decision.

    Args:
        standing: the decision.
        root: the root, absolute.
        language: of reasons and flags.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: its line is not as we write it.
    """
    event = standing.event
    findings = findings_of(event)
    reasons = [finding_words(one, language) for one in findings if one["action"] == "reject"]
    if event["event"] == "quarantined":
        reasons = [_text(event.get("reason")) or ""]
    elif event["event"] == "restored":
        reasons = [KINDS["restored"]().text(language)]
    path = path_of(standing, root)
    return Row(
        time=_known(standing.time),
        task=_known(event["task"]),
        source=_text(source_of(event)),
        event=event["event"],
        verdict=verdict_of(event) or "",
        rules=[_known(one["rule"]) for one in findings],
        reasons=[_known(reason) for reason in reasons],
        flags=[_known(finding_words(one, language)) for one in findings if one["action"] != "reject"],
        emotion=_text(event.get("emotion")),
        confidence=_number(event.get("confidence")),
        top1=_number(event.get("top1")),
        top2=_number(event.get("top2")),
        gap=_number(event.get("gap")),
        scores={_known(name): score for name, score in _numbers(event.get("scores")).items()},
        audio=_measures(event.get("audio")),
        path=GONE if path is None else _known(path),
        profile=_text(event.get("profile")),
    )


def path_of(standing: Standing, root: str) -> str | None:
    """Where the task of a decision stands now, absolute; ``None`` where it stands nowhere.

    Another task may stand in its place by now, and it may still stand in the inbox.
    """
    logged = DirectoryId.from_dict(standing.event)
    if standing.place is not None:
        path = os.path.join(root, standing.place)
        found = _stands(path)
        if found and (logged is None or found is True or _may_be(standing.event, logged, found, path)):
            return path
    path = os.path.join(root, str(standing.event["task"]))
    found = logged is not None and _stands(path)
    return path if isinstance(found, DirectoryId) and logged and logged.is_same(found) else None


def _may_be(event: Event, logged: DirectoryId, found: DirectoryId, path: str) -> bool:
    """Whether what stands there may be the task of an event; a copy on another file system is believed to be."""
    if logged.device != found.device or logged.may_be(found):
        return True
    return is_about(event, found, lambda: digest_at(path))


def _stands(path: str) -> DirectoryId | bool:
    """Which directory stands at a path; whether anything does, where this user may not ask which."""
    try:
        return identity_at(path) or False
    except PermissionError:
        return True
    except (OSError, ValueError):  # ValueError: a place of an edited line
        return False


def _known(text: str) -> str:
    return escape(text, len(text))


def _text(value: Any) -> str | None:
    return _known(value) if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _numbers(scores: Any) -> Mapping[str, float]:
    found = scores.items() if isinstance(scores, dict) else ()
    return {name: score for name, value in found if (score := _number(value)) is not None}


def _measures(audio: Any) -> dict[str, Cell] | None:
    """What was measured; ``None`` where nothing was."""
    measures = {name: _cell(audio.get(name)) for name in MEASURES} if isinstance(audio, dict) else {}
    return measures if any(value is not None for value in measures.values()) else None


def _cell(value: Any) -> Cell:
    return _text(value) if isinstance(value, str) else _number(value)
