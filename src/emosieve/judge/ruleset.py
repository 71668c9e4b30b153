"""The rules: evidence in, verdict out. All rules always run and all findings are kept."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from emosieve.judge.result import Result

Action = Literal["reject", "flag"]
VerdictName = Literal["normal", "low_quality"]
Outcome = Literal["fired", "passed", "not_evaluated"]

INCONSISTENT_BY: Final = 0.02
"""How far main confidence may differ from the highest score: rounding to three digits explains less."""

DEFAULT_ACTIONS: Final[Mapping[str, Action]] = MappingProxyType(
    {
        "low_confidence": "reject",
        "ambiguous": "reject",
        "no_dominant_emotion": "reject",
        "scores_missing": "reject",
        "scores_inconsistent": "flag",
        "mixed_task": "flag",
        "audio_truncated": "flag",
        "embedding_truncated": "flag",
        "required_missing": "flag",
        "still_open": "flag",
    },
)
"""Every rule name, in the order of the report; the last five come from settling."""
SETTLING_RULES: Final = tuple(DEFAULT_ACTIONS)[5:]
"""Rules that fire when waiting for a task ended in vain: settling observes them, no number of the result does."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers of the three rules, as shares of 1.

    The defaults are those of the one-shot script that users of the WebUI know.
    """

    min_confidence: float = 0.6
    min_gap: float = 0.05
    min_top: float = 0.3


@dataclass(frozen=True, slots=True)
class Observation:
    """What one rule saw, and the limit it held it against.

    ``observed`` and ``limit`` are shares of 1 for the rules over scores; for those
    from settling they are seconds, bytes or files, and ``message`` says which.
    A rule is not evaluated when the result lacks the number that it looks at.
    """

    rule: str
    message: str
    observed: float | int | None = None
    limit: float | int | None = None
    outcome: Outcome = "fired"


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the rules may look at: the result, and what settling found odd about the task."""

    result: Result
    oddities: tuple[Observation, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """An observation with the action that the settings give its rule."""

    rule: str
    action: Action
    observed: float | int | None
    limit: float | int | None
    message: str

    def as_dict(self) -> dict[str, Any]:
        """The finding as the decision log has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``low_quality`` when any finding rejects, else ``normal``."""

    name: VerdictName
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class RuleSet:
    """Limits and actions in force, with the profile they came by."""

    limits: Limits = Limits()
    actions: Mapping[str, Action] = field(default_factory=lambda: DEFAULT_ACTIONS)
    profile: str = "default"

    @property
    def digest(self) -> str:
        """Sixteen hex digits that change when any limit or action does."""
        effective = {"limits": asdict(self.limits), "actions": dict(self.actions)}
        return hashlib.sha256(json.dumps(effective, sort_keys=True).encode()).hexdigest()[:16]


def judge(evidence: Evidence, rules: RuleSet) -> Verdict:
    """Run every rule over the evidence of one task."""
    fired = [one for one in _over_scores(evidence.result, rules.limits) if one.outcome == "fired"]
    fired += evidence.oddities
    findings = tuple(
        Finding(one.rule, rules.actions[one.rule], one.observed, one.limit, one.message) for one in fired
    )
    rejected = any(finding.action == "reject" for finding in findings)
    return Verdict("low_quality" if rejected else "normal", findings)


def evaluate(evidence: Evidence, limits: Limits) -> list[Observation]:
    """What every rule saw, in the order of the report, whether it fired or not."""
    odd = {one.rule: one for one in evidence.oddities}
    settling = [odd.get(rule) or Observation(rule, "", outcome="passed") for rule in SETTLING_RULES]
    return [*_over_scores(evidence.result, limits), *settling]


def is_below(value: float, limit: float) -> bool:
    """Strictly below, after rounding to 9 digits: 0.35 - 0.30 is not 0.05 in binary."""
    return round(value, 9) < round(limit, 9)


def _over_scores(result: Result, limits: Limits) -> list[Observation]:
    return [
        _below(
            "low_confidence",
            "main confidence {0:.3f} is below {1:g}",
            result.confidence,
            limits.min_confidence,
        ),
        _below(
            "ambiguous", "the first two scores are {0:.3f} apart, below {1:g}", result.gap, limits.min_gap
        ),
        _below(
            "no_dominant_emotion",
            "no score reaches {1:g}; the highest is {0:.3f}",
            result.top1,
            limits.min_top,
        ),
        _scores_missing(result),
        _scores_inconsistent(result),
    ]


def _below(rule: str, words: str, value: float | None, limit: float) -> Observation:
    if value is None:
        return Observation(rule, "", None, limit, "not_evaluated")
    if is_below(value, limit):
        return Observation(rule, words.format(value, limit), value, limit)
    return Observation(rule, "", value, limit, "passed")


def _scores_missing(result: Result) -> Observation:
    if result.scores:
        return Observation("scores_missing", "", outcome="passed")
    return Observation("scores_missing", "the result has no scores")


def _scores_inconsistent(result: Result) -> Observation:
    rule = "scores_inconsistent"
    if result.top1 is None:
        return Observation(rule, "", limit=INCONSISTENT_BY, outcome="not_evaluated")
    off = round(abs((result.confidence or 0.0) - result.top1), 9)
    if result.confidence is not None and off > INCONSISTENT_BY:
        message = f"main confidence {result.confidence:.3f} differs from the highest score {result.top1:.3f}"
        return Observation(rule, message, off, INCONSISTENT_BY)
    named = result.scores.get(result.emotion or "", 0.0)
    if is_below(named, result.top1):
        best = max(result.scores, key=result.scores.__getitem__)
        message = f"the emotion is {result.emotion} ({named:.3f}), but {best} scores {result.top1:.3f}"
        return Observation(rule, message, round(result.top1 - named, 9), 0.0)
    return Observation(rule, "", off, INCONSISTENT_BY, "passed")
