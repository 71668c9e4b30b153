"""Rules that can never decide alone, found from the limits in closed form. Pure.

What is known of every proper result: nine scores that sum to 1, and a main
confidence that is the highest of them. Then two of the three rules look at one
number, top1, and the third at top1 - top2, which top1 bounds on both sides:

    top2 <= 1 - top1        so that  gap >= 2 top1 - 1
    top2 >= (1 - top1) / 8  so that  gap <= (9 top1 - 1) / 8

Both bounds are reached, and both grow with top1. All limits are strict ("below
it"), so equality at a border still means implied: gap < g gives
top1 < (1 + g) / 2, and a min_confidence of just that fires on every such top1.
What follows is exact for scores of at most nine decimals, which is how the
rules compare.
"""

from dataclasses import dataclass
from typing import Final, Literal

from emosieve.judge.labels import CLASSES
from emosieve.judge.rules import Limits
from emosieve.judge.ruleset import RuleSet

Kind = Literal["never_fires", "never_alone"]

_SUM: Final = 10**9
"""The sum of all scores in units of the ninth decimal; whole numbers leave borders no doubt."""
_OVER_TOP1: Final = ("low_confidence", "no_dominant_emotion")
_OVER_GAP: Final = "ambiguous"


@dataclass(frozen=True, slots=True)
class Redundancy:
    """A rejecting rule that changes no verdict.

    Attributes:
        rule: its name.
        kind: whether it never fires at all, or only where ``implied_by`` fires and rejects as well.
        limit: of the rule, a share of 1.
        border: for ``never_fires`` the highest limit of the rule with which that is so; for
            ``never_alone`` the lowest limit of ``implied_by``.
        implied_by: name of the rule that decides in its stead; ``None`` for ``never_fires``.
        implied_by_limit: of that rule, a share of 1.
    """

    rule: str
    kind: Kind
    limit: float
    border: float
    implied_by: str | None = None
    implied_by_limit: float | None = None


def redundancies(rules: RuleSet) -> tuple[Redundancy, ...]:
    """The rejecting rules over scores that change no verdict, at most one reason for each, in their own order.

    A rule that only flags decides nothing, so it is neither asked nor an excuse for another.
    Two rules of which each implies the other are both named.
    """
    limits = _by_rule(rules.limits)
    rejecting = {rule: limit for rule, limit in limits.items() if rules.action_of(rule) == "reject"}
    found = [_redundancy(rule, rejecting) for rule in rejecting]
    return tuple(one for one in found if one)


def _by_rule(limits: Limits) -> dict[str, float]:
    return {
        "low_confidence": limits.min_confidence,
        "ambiguous": limits.min_gap,
        "no_dominant_emotion": limits.min_top,
    }


def _redundancy(rule: str, limits: dict[str, float]) -> Redundancy | None:
    limit = limits[rule]
    if _never_fires(rule, limit):
        highest = 1 / len(CLASSES) if rule in _OVER_TOP1 else 0.0
        return Redundancy(rule, "never_fires", limit, highest)
    for other, other_limit in limits.items():
        if other != rule and (border := _border(rule, limit, other)) <= _units(other_limit):
            return Redundancy(rule, "never_alone", limit, round(border / _SUM, 9), other, other_limit)
    return None


def _never_fires(rule: str, limit: float) -> bool:
    if rule == _OVER_GAP:
        return _units(limit) == 0
    return _units(limit) * len(CLASSES) <= _SUM


def _border(rule: str, limit: float, other: str) -> float:
    """The lowest limit of another rule, in units, with which it fires wherever this one does."""
    units = _units(limit)
    if rule == _OVER_GAP:
        return (_SUM + units) / 2
    if other == _OVER_GAP:
        return (len(CLASSES) * units - _SUM) / (len(CLASSES) - 1)
    return units


def _units(share: float) -> int:
    return round(share * _SUM)
