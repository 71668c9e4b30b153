"""The rules: evidence in, verdict out. All rules always run and all findings are kept."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from emosieve.judge.result import Result

Action = Literal["reject", "flag"]
VerdictName = Literal["normal", "low_quality"]

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
    """That a rule fired: what it saw and the limit it held it against.

    ``observed`` and ``limit`` are shares of 1 for the rules over scores; for those
    from settling they are seconds, bytes or files, and ``message`` says which.
    """

    rule: str
    message: str
    observed: float | int | None = None
    limit: float | int | None = None


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
    fired = [observation for rule in _RULES for observation in rule(evidence.result, rules.limits)]
    fired += evidence.oddities
    findings = tuple(
        Finding(one.rule, rules.actions[one.rule], one.observed, one.limit, one.message) for one in fired
    )
    rejected = any(finding.action == "reject" for finding in findings)
    return Verdict("low_quality" if rejected else "normal", findings)


def is_below(value: float, limit: float) -> bool:
    """Strictly below, after rounding to 9 digits: 0.35 - 0.30 is not 0.05 in binary."""
    return round(value, 9) < round(limit, 9)


def _low_confidence(result: Result, limits: Limits) -> Iterator[Observation]:
    value, limit = result.confidence, limits.min_confidence
    if value is not None and is_below(value, limit):
        yield Observation("low_confidence", f"main confidence {value:.3f} is below {limit:g}", value, limit)


def _ambiguous(result: Result, limits: Limits) -> Iterator[Observation]:
    value, limit = result.gap, limits.min_gap
    if value is not None and is_below(value, limit):
        yield Observation(
            "ambiguous", f"the first two scores are {value:.3f} apart, below {limit:g}", value, limit
        )


def _no_dominant_emotion(result: Result, limits: Limits) -> Iterator[Observation]:
    value, limit = result.top1, limits.min_top
    if value is not None and is_below(value, limit):
        message = f"no score reaches {limit:g}; the highest is {value:.3f}"
        yield Observation("no_dominant_emotion", message, value, limit)


def _scores_missing(result: Result, _limits: Limits) -> Iterator[Observation]:
    if not result.scores:
        yield Observation("scores_missing", "the result has no scores")


def _scores_inconsistent(result: Result, _limits: Limits) -> Iterator[Observation]:
    if result.top1 is None:
        return
    off = round(abs((result.confidence or 0.0) - result.top1), 9)
    if result.confidence is not None and off > INCONSISTENT_BY:
        message = f"main confidence {result.confidence:.3f} differs from the highest score {result.top1:.3f}"
        yield Observation("scores_inconsistent", message, off, INCONSISTENT_BY)
        return
    named = result.scores.get(result.emotion or "", 0.0)
    if is_below(named, result.top1):
        best = max(result.scores, key=result.scores.__getitem__)
        message = f"the emotion is {result.emotion} ({named:.3f}), but {best} scores {result.top1:.3f}"
        yield Observation("scores_inconsistent", message, round(result.top1 - named, 9), 0.0)


_RULES: Final[tuple[Callable[[Result, Limits], Iterator[Observation]], ...]] = (
    _low_confidence,
    _ambiguous,
    _no_dominant_emotion,
    _scores_missing,
    _scores_inconsistent,
)
