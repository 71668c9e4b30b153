"""Which rules change no verdict: the closed form against the rules themselves."""

from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emosieve.judge.labels import CLASSES
from emosieve.judge.redundancy import Redundancy, redundancies
from emosieve.judge.result import Result
from emosieve.judge.rules import DEFAULT_ACTIONS, Action, Limits
from emosieve.judge.ruleset import Evidence, RuleSet, judge

UNIT = 10**9
THREE = ("low_confidence", "ambiguous", "no_dominant_emotion")
shares = st.integers(0, UNIT).map(lambda units: units / UNIT) | st.sampled_from(
    [0.0, 1 / 9, 0.111111112, 0.3, 0.5, 0.525, 0.6, 1.0]
)
all_limits = st.builds(Limits, shares, shares, shares)


def rule_set(limits: Limits, **actions: Action) -> RuleSet:
    """Rules of these limits."""
    return RuleSet(limits, {**DEFAULT_ACTIONS, **actions})


def firing(units: list[int], limits: Limits) -> set[str]:
    """The names of the three rules that fire on scores given in units of the ninth decimal."""
    assert sum(units) == UNIT
    scores = {name: one / UNIT for name, one in zip(CLASSES, units, strict=True)}
    best = max(scores, key=scores.__getitem__)
    verdict = judge(Evidence(Result(best, scores[best], scores)), rule_set(limits))
    return {finding.rule for finding in verdict.findings} & set(THREE)


def spread(top1: int, top2: int) -> list[int]:
    """Nine scores with these two at their head, the rest spread evenly below them."""
    rest, more = divmod(UNIT - top1 - top2, 7)
    return [top1, top2, *(rest + (number < more) for number in range(7))]


@st.composite
def normalised(draw: st.DrawFn) -> list[int]:
    """Nine scores that sum to exactly one; often with little between the first two, or between all."""
    if draw(st.booleans()):
        top1 = draw(st.integers(UNIT // 9 + 1, UNIT))
        least, most = -(-(UNIT - top1) // 8), min(top1, UNIT - top1)
        return spread(top1, draw(st.integers(least, most) | st.just(least) | st.just(most)))
    cuts = sorted(draw(st.lists(st.integers(0, UNIT), min_size=8, max_size=8)))
    return [after - before for before, after in pairwise([0, *cuts, UNIT])]


@given(all_limits, normalised())
@example(Limits(0.525, 0.05, 0.0), spread(524_999_999, 475_000_001))
@example(Limits(0.6, 0.05, 0.3), spread(111_111_112, 111_111_111))
@settings(deadline=None)
def test_no_result_contradicts_it(limits: Limits, units: list[int]) -> None:
    """Whatever the limits and the scores, a rule that is called redundant never rejects by itself."""
    fired = firing(units, limits)

    for one in redundancies(rule_set(limits)):
        assert one.rule not in fired or one.implied_by in fired, one


def witnesses(limits: Limits) -> list[list[int]]:
    """The results that must betray a rule, if any can: next to every border, with the least and the greatest gap."""
    confidence, gap, top = (
        round(one * UNIT) for one in (limits.min_confidence, limits.min_gap, limits.min_top)
    )
    borders = (confidence, top, (UNIT + gap) // 2, (UNIT + 8 * gap) // 9, UNIT // 9, UNIT // 2)
    near = {border + step for border in borders for step in range(-3, 4)}
    found = []
    for top1 in near:
        if UNIT // 9 < top1 <= UNIT:
            least, most = -(-(UNIT - top1) // 8), min(top1, UNIT - top1)
            found += [spread(top1, least), spread(top1, most)]
    return found


def is_at_a_border(limits: Limits) -> bool:
    """Whether two borders lie so close together that nine decimals leave no room for a witness."""
    confidence, gap, top = (
        round(one * UNIT) for one in (limits.min_confidence, limits.min_gap, limits.min_top)
    )
    places = (confidence, top, (UNIT + gap) / 2, (UNIT + 8 * gap) / 9, UNIT / 9)
    return any(0 < abs(one - other) <= 2 for one in places for other in places)


@given(all_limits)
@example(Limits(0.525 - 3e-9, 0.05, 0.0))
@example(Limits(0.0, 0.05, (1 + 0.4) / 9 + 3e-9))
@example(Limits(0.0, 0.0, 0.111111115))
@settings(deadline=None)
def test_whatever_is_not_redundant_decides_alone_somewhere(limits: Limits) -> None:
    """Beyond the borders there is a result that the rule alone rejects, so the closed form leaves none out."""
    if is_at_a_border(limits):
        return
    alone = {
        rule for units in witnesses(limits) if len(fired := firing(units, limits)) == 1 for rule in fired
    }

    assert set(THREE) - alone == {one.rule for one in redundancies(rule_set(limits))}


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((0.6, 0.05, 0.3), {"ambiguous": "low_confidence", "no_dominant_emotion": "low_confidence"}),
        ((0.525, 0.05, 0.0), {"ambiguous": "low_confidence", "no_dominant_emotion": None}),
        ((0.524999998, 0.05, 0.0), {"no_dominant_emotion": None}),
        ((0.3, 0.05, 0.4), {"low_confidence": "no_dominant_emotion"}),
        ((0.0, 0.05, 0.525), {"low_confidence": None, "ambiguous": "no_dominant_emotion"}),
        ((0.0, 0.05, 0.1555), {"low_confidence": None, "no_dominant_emotion": "ambiguous"}),
        (
            (0.5, 0.5, 0.5),
            {"low_confidence": "ambiguous", "no_dominant_emotion": "low_confidence"},
        ),
        (
            (0.4, 0.0, 0.4),
            {
                "low_confidence": "no_dominant_emotion",
                "ambiguous": None,
                "no_dominant_emotion": "low_confidence",
            },
        ),
        ((0.5, 0.05, 1 / 9), {"no_dominant_emotion": None}),
        ((0.5, 0.05, 0.112), {"no_dominant_emotion": "low_confidence"}),
        ((1 / 9, 0.05, 0.3), {"low_confidence": None}),
    ],
)
def test_the_borders(limits: tuple[float, float, float], expected: Mapping[str, str | None]) -> None:
    """At each border the rule is implied; just beyond it is not."""
    found = redundancies(rule_set(Limits(*limits)))

    assert expected == {one.rule: one.implied_by for one in found}
    assert all((one.kind == "never_fires") == (one.implied_by is None) for one in found)


def test_the_numbers_are_told() -> None:
    """The limits and the border come with the name, as shares of 1."""
    ambiguous, dominant = redundancies(RuleSet())

    assert ambiguous == Redundancy("ambiguous", "never_alone", 0.05, 0.525, "low_confidence", 0.6)
    assert dominant == Redundancy("no_dominant_emotion", "never_alone", 0.3, 0.3, "low_confidence", 0.6)


def test_a_rule_that_flags_is_neither_asked_nor_an_excuse() -> None:
    """With low_confidence as a mere flag the other two decide; flagged themselves they are not asked."""
    assert () == redundancies(rule_set(Limits(), low_confidence="flag"))
    assert () == redundancies(rule_set(Limits(), ambiguous="flag", no_dominant_emotion="flag"))
