"""Which decisions of the log are asked for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

DECISIONS: Final = frozenset({"decided", "quarantined", "restored", "reclassified"})
"""The events by which a task gets its place."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a decision must be, all of it; ``None`` leaves it open.

    Attributes:
        verdict: normal, low_quality or quarantined; of a change of sides the new one.
        rule: name of a rule that must be among the findings.
        emotion: the class of the emotion.
        max_confidence: share 0-1, the highest confidence that is taken; a decision without one is not.
        source: a shell pattern for the recording's name; a decision without one is not taken.
    """

    verdict: str | None = None
    rule: str | None = None
    emotion: str | None = None
    max_confidence: float | None = None
    source: str | None = None

    def takes(self, event: Mapping[str, Any]) -> bool:
        """Whether an event is a decision that was asked for."""
        return (
            event["event"] in DECISIONS
            and self.verdict in (None, verdict_of(event))
            and self.emotion in (None, event.get("emotion"))
            and (self.rule is None or self.rule in {finding["rule"] for finding in findings_of(event)})
            and (self.source is None or is_of_source(event, self.source))
            and (self.max_confidence is None or _at_most(event.get("confidence"), self.max_confidence))
        )


def verdict_of(event: Mapping[str, Any]) -> str | None:
    """The verdict that a task has after a decision; ``None`` for one that went back to be judged anew."""
    verdict = "quarantined" if event["event"] == "quarantined" else event.get("verdict")
    return verdict if isinstance(verdict, str) else None


def source_of(event: Mapping[str, Any]) -> str | None:
    """The name of the recording that a decision is about; ``None`` where it is not known."""
    source = event.get("source")
    return source if isinstance(source, str) else None


def is_of_source(event: Mapping[str, Any], glob: str) -> bool:
    """Whether a decision is about a recording whose name matches a shell pattern, in the same case."""
    source = source_of(event)
    return source is not None and fnmatchcase(source, glob)


def findings_of(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The findings of a decision, without what somebody's editor made of some."""
    findings = event.get("findings")
    if not isinstance(findings, list):
        return []
    return [one for one in findings if isinstance(one, dict) and isinstance(one.get("rule"), str)]


def _at_most(confidence: Any, limit: float) -> bool:
    return isinstance(confidence, int | float) and confidence <= limit
