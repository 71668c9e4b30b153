"""The built-in rules, written in the language, decide as they are meant to."""

import math
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emosieve.judge.conditions import Reason
from emosieve.judge.fields import FIELDS, values_of
from emosieve.judge.labels import CLASSES
from emosieve.judge.result import Result
from emosieve.judge.rules import BUILT_IN, BuiltIn
from emosieve.judge.ruleset import DEFAULT_ACTIONS, INCONSISTENT_BY, Evidence, Limits, RuleSet, judge
from emosieve.judge.template import compile_message

EXAMPLES = 5_000 if os.environ.get("FULL") == "1" else 150
NAMED = {rule.name: rule for rule in BUILT_IN}
OVER_SCORES = tuple(DEFAULT_ACTIONS)[:5]
NEW = ["too_short", "no_speech", "mostly_silence", "noisy", "clipped", "audio_unreadable", "audio_missing"]
NEW += ["stale_embedding"]


def fired(result: Result, limits: Limits) -> list[str]:
    """The rules over scores that fire, by the language."""
    numbers = {"min_confidence": limits.min_confidence, "min_gap": limits.min_gap, "min_top": limits.min_top}
    values = values_of(result)
    return [name for name in OVER_SCORES if NAMED[name].compile(numbers).evaluate(values)]


# Agreement with the rules as they are judged

shares = st.floats(0, 1)
edges = st.sampled_from([0.0, 0.02, 0.05, 0.25, 0.3, 0.35, 0.58, 0.6, 0.62, 1.0]).flatmap(
    lambda edge: st.sampled_from(
        [edge, *(abs(edge + off) for off in (1e-9, -1e-9, 6e-10, -6e-10, 4e-10, 1e-17))]
    ),
)
numbers = (shares | edges).map(lambda number: min(1.0, number))
results = st.builds(
    Result,
    st.none() | st.sampled_from([*CLASSES, "excited"]),
    st.none() | numbers,
    st.dictionaries(st.sampled_from([*CLASSES, "excited"]), numbers),
)
limits = st.builds(Limits, numbers, numbers, numbers)


@given(results, limits | st.just(Limits()))
@settings(deadline=None, max_examples=EXAMPLES)
def test_the_rules_over_scores_decide_as_they_are_judged(result: Result, limits: Limits) -> None:
    """Whatever result and limits, the language lets the same rules over scores fire."""
    verdict = judge(Evidence(result), RuleSet(limits))

    assert [finding.rule for finding in verdict.findings] == fired(result, limits)


@given(results, limits)
@settings(deadline=None)
def test_the_three_rules_see_what_they_are_judged_by(result: Result, limits: Limits) -> None:
    """A finding of one of the three has the observed value and limit of the language's only reason."""
    values = values_of(result)
    for finding in judge(Evidence(result), RuleSet(limits)).findings:
        if finding.rule in OVER_SCORES[:3]:
            rule = NAMED[finding.rule]
            own = {name: getattr(limits, name) for name in rule.parameters}
            (reason,) = rule.compile(own).reasons(values)
            assert (finding.observed, finding.limit) == (reason.observed, reason.limit)


def test_the_defaults_are_those_in_force() -> None:
    """Where a rule is judged today, its default action and its limits are those that judge it."""
    actions = {rule.name: rule.action for rule in BUILT_IN}
    parameters = {name: number for rule in BUILT_IN[:5] for name, number in rule.parameters.items()}
    three = {name: getattr(Limits(), name) for name in ("min_confidence", "min_gap", "min_top")}

    assert dict(DEFAULT_ACTIONS) == {name: actions[name] for name in DEFAULT_ACTIONS}
    assert {**three, "max_inconsistency": INCONSISTENT_BY} == parameters


def test_the_new_rules_never_reject_by_default() -> None:
    """Rules that judge nobody today leave every verdict as it is until someone asks for more."""
    assert NEW == [rule.name for rule in BUILT_IN if rule.name not in DEFAULT_ACTIONS]
    assert {"flag", "off"} == {NAMED[name].action for name in NEW}


# Both sides of each limit


def just(value: float, step: int) -> float:
    """A neighbour of a value, so near that it counts as the value itself."""
    return math.nextafter(value, math.copysign(math.inf, step))


SIDES: list[tuple[str, str, list[Any], list[Any]]] = [
    ("low_confidence", "confidence", [0.0, 0.599999998], [0.6, just(0.6, -1), 0.5999999999, 1.0]),
    ("ambiguous", "gap", [0.0, 0.049999998], [0.05, 0.35 - 0.30, 1.0]),
    ("no_dominant_emotion", "top1_score", [0.2, 0.299999998], [0.3, just(0.3, -1), 1.0]),
    ("scores_missing", "scores.count", [0], [1, 9]),
    ("too_short", "duration_seconds", [0.0, 0.999], [1.0, just(1, -1), 30.0]),
    ("no_speech", "speech_seconds", [0.0, 0.499], [0.5, 3.0]),
    ("mostly_silence", "silence_ratio", [0.801, 1.0], [0.8, just(0.8, 1), 0.0]),
    ("noisy", "snr_db", [-3.0, 9.99], [10.0, just(10, -1), 40.0]),
    ("clipped", "clipping_ratio", [0.021, 1.0], [0.02, just(0.02, 1), 0.0]),
    ("audio_unreadable", "unreadable_audio_files", [1, 2], [0]),
    ("audio_missing", "audio_files", [0], [1, 2]),
    ("mixed_task", "audio_newer_seconds", [0.001, 3.5], [0.0, -2.0]),
    ("audio_truncated", "audio_missing_bytes", [1, 2**62], [0]),
    ("stale_embedding", "embedding_older_seconds", [0.001, 3.5], [0.0, -2.0]),
    ("embedding_truncated", "embedding_missing_bytes", [1, 2**62], [0]),
    ("required_missing", "missing_files", [1, 3], [0]),
    ("still_open", "open_files", [1, 3], [0]),
]


@pytest.mark.parametrize(("rule", "field", "within", "without"), SIDES, ids=[side[0] for side in SIDES])
def test_a_rule_fires_on_one_side_of_its_limit(
    rule: str, field: str, within: list[Any], without: list[Any]
) -> None:
    """Beyond its limit a rule fires, at the limit and on the other side it does not, and not without evidence."""
    expression = NAMED[rule].compile()

    assert [True] * len(within) == [expression.evaluate({field: value}) for value in within]
    assert [False] * len(without) == [expression.evaluate({field: value}) for value in without]
    assert (None, (field,)) == (expression.evaluate({}), expression.missing({}))


@pytest.mark.parametrize(
    ("confidence", "emotion_score", "expected"),
    [
        (0.82, 0.8, []),
        (0.7800000001, 0.8, []),
        (0.9, 0.8, [Reason("abs(confidence - top1_score)", ">", "max_inconsistency", 0.1, 0.02)]),
        (0.8, 0.3, [Reason("emotion_score", "<", "top1_score", 0.3, 0.8)]),
        (None, 0.3, [Reason("emotion_score", "<", "top1_score", 0.3, 0.8)]),
    ],
)
def test_scores_are_inconsistent_in_two_ways(
    confidence: float | None, emotion_score: float, expected: list[Reason]
) -> None:
    """The confidence off the highest score, or an emotion that has another score, and the reason says which."""
    values = {"confidence": confidence, "top1_score": 0.8, "emotion_score": emotion_score}
    expression = NAMED["scores_inconsistent"].compile()

    assert bool(expected) == expression.evaluate(values)
    assert expected == (list(expression.reasons(values)) if expected else [])


def test_each_rule_has_its_sides() -> None:
    """No built-in rule is without a test of both sides."""
    assert [rule.name for rule in BUILT_IN] == [
        *(side[0] for side in SIDES[:4]),
        "scores_inconsistent",
        *(side[0] for side in SIDES[4:]),
    ]


# Words


@pytest.mark.parametrize("rule", BUILT_IN, ids=[rule.name for rule in BUILT_IN])
def test_a_built_in_rule_speaks_both_languages(rule: BuiltIn) -> None:
    """Its messages are templates over the same fields in either language, and over what it looks at."""
    english, chinese = (
        compile_message(text, FIELDS, rule.parameters) for text in (rule.message.en, rule.message.zh)
    )

    assert set(english.fields) == set(chinese.fields)
    assert english.text.isascii()
    assert not chinese.text.isascii()
    assert rule.name == "scores_missing" or rule.action == "off" or english.fields


@pytest.mark.parametrize("rule", BUILT_IN, ids=[rule.name for rule in BUILT_IN])
def test_a_built_in_rule_names_its_parameters(rule: BuiltIn) -> None:
    """Every parameter of a rule is in its text, and its meaning names the setting."""
    assert set(rule.parameters) == dict(rule.compile().parameters).keys()
    assert set() == set(rule.parameters) & FIELDS.keys()
    assert rule.name == "scores_inconsistent" or all(
        f"rules.{name}" in text for name in rule.parameters for text in (rule.meaning.en, rule.meaning.zh)
    )


@pytest.mark.parametrize(
    "result",
    [Result("happy", 0.41, {"happy": 0.28, "sad": 0.27}), Result("happy", 0.5999, {"happy": 0.2999})],
    ids=["both", "one"],
)
def test_the_messages_of_the_three_rules_are_those_of_the_log(result: Result) -> None:
    """What a finding of one of the three says in the log, the template says too."""
    findings = judge(Evidence(result), RuleSet()).findings[:3]
    values = values_of(result)
    rules = [NAMED[finding.rule] for finding in findings if finding.rule in OVER_SCORES[:3]]

    assert rules
    assert [finding.message for finding in findings if finding.rule in OVER_SCORES[:3]] == [
        compile_message(rule.message.en, FIELDS, rule.parameters).say(values) for rule in rules
    ]
