"""The evidence of a decision, read back from its line in the log: what every later question judges again."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from emosieve.judge.result import Result
from emosieve.judge.ruleset import SETTLING_RULES, Action, Evidence, Observation


class _Finding(BaseModel):
    rule: str
    action: Action
    observed: float | None = None
    limit: float | None = None
    message: str


class _Numbers(BaseModel):
    emotion: str | None = None
    confidence: float | None = None
    scores: dict[str, float] | None = None
    granularity: str | None = None
    findings: list[_Finding] = []
    was_findings: list[_Finding] = []


def has_evidence(event: Mapping[str, Any]) -> bool:
    """Whether a decision's numbers and findings are what we write; an edited line, or another version's, may differ."""
    try:
        _Numbers.model_validate(event, strict=True)
    except ValidationError:
        return False
    return True


def evidence_of(event: Mapping[str, Any]) -> Evidence:
    """What the rules looked at when this was decided.

    The log keeps the result's numbers whole. What settling found odd is in the
    findings alone, so an oddity is known if its rule fired.

    Args:
        event: one that carries a result's numbers: decided, restored or reclassified.
    """
    result = Result(
        event.get("emotion"), event.get("confidence"), event.get("scores") or {}, event.get("granularity")
    )
    return Evidence(result, tuple(_oddities(event)))


def _oddities(event: Mapping[str, Any]) -> Iterator[Observation]:
    for finding in event.get("findings") or event.get("was_findings") or ():
        if finding["rule"] in SETTLING_RULES:
            yield Observation(
                finding["rule"], finding["message"], finding.get("observed"), finding.get("limit")
            )
