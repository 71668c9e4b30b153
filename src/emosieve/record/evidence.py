"""The evidence of a decision, read back from its line in the log: what every later question judges again."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from emosieve.judge.result import Frames, Result
from emosieve.judge.rules import Action
from emosieve.judge.ruleset import Evidence

EVIDENCE: Final = (
    *("emotion", "confidence", "gap", "scores"),
    *("granularity", "frames", "source", "audio", "oddities"),
)
"""Keys of an event that hold what rules look at, and what is counted; the last five may be missing."""


class _Reason(BaseModel):
    left: str
    observed: float | str
    operator: str
    limit: float | str | list[float | str]


class _Finding(BaseModel):
    rule: str
    action: Action
    observed: float | str | None = None
    limit: float | str | list[float | str] | None = None
    message: str
    because: list[_Reason] = []
    missing: list[str] = []


class _Frames(BaseModel):
    count: int
    agreement: float


class _Numbers(BaseModel):
    emotion: str | None = None
    confidence: float | None = None
    scores: dict[str, float] | None = None
    granularity: str | None = None
    frames: _Frames | None = None
    source: str | None = None
    audio: dict[str, float | str | None] | None = None
    oddities: dict[str, float] | None = None
    findings: list[_Finding] = []
    was_findings: list[_Finding] = []


def has_evidence(event: Mapping[str, Any]) -> bool:
    """Whether a decision's numbers and findings are what we write; an edited line, or another version's, may differ."""
    try:
        _Numbers.model_validate(event, strict=True)
    except ValidationError:
        return False
    return True


def differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The evidence of an older decision, as far as it is not that of a newer one."""
    return {key: old.get(key) for key in EVIDENCE if old.get(key) != new.get(key)}


def fuller(logged: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Of two measurements of the same audio the one that knows more; that of the log where both know as much."""
    known, seen = (sum(value is not None for value in (one or {}).values()) for one in (logged, now))
    return logged if known >= seen else now


def taken_back(event: Mapping[str, Any]) -> dict[str, Any]:
    """The decision that a restoration or reclassification takes back, with the numbers that it had.

    Raises:
        TypeError: the event is not as we write it.
    """
    return {**event, **(event.get("was_evidence") or {}), "verdict": event.get("was")}


def evidence_of(event: Mapping[str, Any]) -> Evidence:
    """What the rules looked at when this was decided: the log keeps it whole.

    Args:
        event: one that carries a result's numbers: decided, restored or reclassified.

    Raises:
        TypeError: frames are not what we write.
    """
    frames = event.get("frames")
    result = Result(
        event.get("emotion"),
        event.get("confidence"),
        event.get("scores") or {},
        event.get("granularity"),
        frames=Frames(**frames) if frames else None,
        source=event.get("source"),
    )
    return Evidence(result, {**(event.get("oddities") or {}), **(event.get("audio") or {})})
