"""The rules: what fires, what it says, and what it does to the verdict."""

import json
import math
import os
import random
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emosieve.judge.conditions import Reason
from emosieve.judge.fields import Value
from emosieve.judge.labels import CLASSES
from emosieve.judge.result import Frames, Result, read_result
from emosieve.judge.rules import DEFAULT_ACTIONS, Choice, Limits
from emosieve.judge.ruleset import Evidence, Finding, OnMissing, OwnRule, RuleSet, Verdict, evaluate, judge

DOMINANT = {"happy": 0.9, "neutral": 0.1}
COUNT = 100_000 if os.environ.get("FULL") == "1" else 2_000


def judged(
    confidence: float | None = 0.9,
    scores: Mapping[str, float] = DOMINANT,
    emotion: str | None = "happy",
    rules: RuleSet | None = None,
) -> Verdict:
    """The verdict over one result."""
    return judge(Evidence(Result(emotion, confidence, scores)), rules or RuleSet())


def fired(verdict: Verdict) -> list[str]:
    """The names of the rules that fired, in order."""
    return [finding.rule for finding in verdict.findings]


def only(verdict: Verdict) -> Finding:
    """The one finding of a verdict."""
    (finding,) = verdict.findings
    return finding


def test_a_clear_result_is_normal() -> None:
    """A result that no rule minds is normal and has no findings."""
    assert Verdict("normal", ()) == judged()


def test_the_defaults_are_those_of_the_mission() -> None:
    """Without settings the limits are 0.6, 0.05 and 0.3, and the three rules reject."""
    limits = RuleSet().limits
    assert (0.6, 0.05, 0.3) == (limits.min_confidence, limits.min_gap, limits.min_top)
    rejecting = ["low_confidence", "ambiguous", "no_dominant_emotion", "scores_missing"]
    assert rejecting == [rule.name for rule in RuleSet().all if rule.action == "reject"]


# low_confidence


@pytest.mark.parametrize("confidence", [0.0, 0.41, 0.599, 0.599999998])
def test_a_confidence_below_the_limit_is_low(confidence: float) -> None:
    """Main confidence strictly below min_confidence fires low_confidence."""
    verdict = judged(confidence, {"happy": confidence, "sad": 0.0}, rules=RuleSet(Limits(0.6, 0.0, 0.0)))
    assert fired(verdict) == ["low_confidence"]


@pytest.mark.parametrize(
    "confidence", [0.6, math.nextafter(0.6, 0), math.nextafter(0.6, 1), 0.5999999999, 1.0]
)
def test_a_confidence_at_the_limit_is_not_low(confidence: float) -> None:
    """Equal to the limit, or different from it beyond the ninth digit, does not fire."""
    assert fired(judged(confidence, {"happy": confidence, "sad": 0.0})) == []


def test_low_confidence_looks_at_the_main_confidence() -> None:
    """The confidence of the file is judged, not the highest score."""
    assert "low_confidence" in fired(judged(0.5, {"happy": 0.9}))
    assert "low_confidence" not in fired(judged(0.9, {"happy": 0.5}))


def test_low_confidence_says_what_it_saw() -> None:
    """The finding carries the confidence, the limit and an English message."""
    because = (Reason("confidence", "<", "min_confidence", 0.41, 0.6),)
    message = "main confidence 0.410 is below 0.6"
    expected = Finding("low_confidence", "reject", 0.41, 0.6, message, because)
    assert expected == only(judged(0.41, {"happy": 0.41}))


def test_without_a_confidence_nothing_is_low() -> None:
    """A result that has no confidence is left to scores_missing."""
    assert fired(judged(None, {})) == ["scores_missing"]


# ambiguous


@pytest.mark.parametrize(("top1", "top2"), [(0.5, 0.5), (0.41, 0.38), (0.5, 0.451), (0.5, 0.450000002)])
def test_close_scores_are_ambiguous(top1: float, top2: float) -> None:
    """The first two scores less than min_gap apart fire ambiguous."""
    verdict = judged(0.9, {"happy": top1, "sad": top2})
    assert "ambiguous" in fired(verdict)


@pytest.mark.parametrize(
    ("top1", "top2"),
    [
        (0.35, 0.30),
        (0.3, 0.25),
        (0.9, 0.85),
        (0.55, 0.5),
        (0.5, math.nextafter(0.45, 1)),
        (0.5, 0.4500000001),
    ],
)
def test_scores_exactly_the_gap_apart_are_not_ambiguous(top1: float, top2: float) -> None:
    """A gap of 0.05 is not below 0.05, whatever binary subtraction makes of it."""
    assert "ambiguous" not in fired(judged(0.9, {"happy": top1, "sad": top2}))


def test_ambiguous_looks_at_the_two_highest() -> None:
    """The gap is between the two highest scores, wherever they stand."""
    assert "ambiguous" not in fired(judged(0.5, {"angry": 0.2, "happy": 0.5, "neutral": 0.2, "sad": 0.1}))
    assert "ambiguous" in fired(judged(0.5, {"angry": 0.1, "happy": 0.45, "neutral": 0.1, "sad": 0.42}))


def test_ambiguous_says_what_it_saw() -> None:
    """The finding carries the gap rounded to nine digits and the limit."""
    message = "the first two scores are 0.030 apart, below 0.05"
    because = (Reason("gap", "<", "min_gap", 0.03, 0.05),)
    expected = Finding("ambiguous", "reject", 0.03, 0.05, message, because)
    assert expected == only(judged(0.63, {"happy": 0.63, "sad": 0.6}))


def test_a_single_score_is_ambiguous_only_below_the_gap() -> None:
    """With one class the gap is its score."""
    assert "ambiguous" not in fired(judged(0.9, {"happy": 0.05}))
    assert "ambiguous" in fired(judged(0.9, {"happy": 0.04}))


# no_dominant_emotion


@pytest.mark.parametrize("top", [0.0, 0.28, 0.299, 0.299999998])
def test_low_scores_have_no_dominant_emotion(top: float) -> None:
    """Every score strictly below min_top fires no_dominant_emotion."""
    assert "no_dominant_emotion" in fired(judged(0.9, {"happy": top, "sad": 0.0}))


@pytest.mark.parametrize("top", [0.3, math.nextafter(0.3, 0), math.nextafter(0.3, 1), 0.2999999999, 0.9])
def test_one_score_at_the_limit_is_dominant(top: float) -> None:
    """A single score at the limit is enough."""
    assert "no_dominant_emotion" not in fired(judged(0.9, {"happy": top, "sad": 0.0}))


def test_no_dominant_emotion_says_what_it_saw() -> None:
    """The finding carries the highest score and the limit."""
    message = "no score reaches 0.3; the highest is 0.280"
    because = (Reason("top1_score", "<", "min_top", 0.28, 0.3),)
    expected = Finding("no_dominant_emotion", "reject", 0.28, 0.3, message, because)
    assert expected == judged(0.28, {"happy": 0.28, "sad": 0.1}).findings[1]


# All of them


def test_all_rules_run_and_all_findings_are_kept() -> None:
    """One result can fire every rule over scores at once, in the order of the report."""
    verdict = judged(0.41, {"happy": 0.28, "sad": 0.27})
    expected = ["low_confidence", "ambiguous", "no_dominant_emotion", "scores_inconsistent"]
    assert ("low_quality", expected) == (verdict.name, fired(verdict))


@pytest.mark.parametrize("confidence", [None, 0.85])
def test_no_scores_at_all_are_missing(confidence: float | None) -> None:
    """A result without scores is rejected, and no rule over scores fires."""
    verdict = judged(confidence, {})
    found = only(verdict)
    assert ("low_quality", "scores_missing", "reject") == (verdict.name, found.rule, found.action)
    assert "the result has no scores" == found.message


def test_a_low_confidence_without_scores_is_both() -> None:
    """The confidence is judged even where the scores are missing."""
    assert fired(judged(0.5, {})) == ["low_confidence", "scores_missing"]


# scores_inconsistent


@pytest.mark.parametrize("confidence", [0.8, 0.78, 0.82, 0.7800000001, 0.8199999999])
def test_rounding_is_no_inconsistency(confidence: float) -> None:
    """Main confidence may differ from the highest score by 0.02."""
    assert fired(judged(confidence, {"happy": 0.8, "sad": 0.1})) == []


@pytest.mark.parametrize("confidence", [0.779, 0.821, 0.820000002, 0.9, 1.0])
def test_a_confidence_off_the_scores_is_flagged(confidence: float) -> None:
    """More than 0.02 between main confidence and highest score is flagged, and stays normal."""
    verdict = judged(confidence, {"happy": 0.8, "sad": 0.1})
    assert (
        verdict.name,
        only(verdict).rule,
        only(verdict).action,
    ) == ("normal", "scores_inconsistent", "flag")


def test_a_confidence_off_the_scores_says_by_how_much() -> None:
    """The finding carries the difference and how much is allowed."""
    found = only(judged(0.9, {"happy": 0.8}))
    words = "the emotion is happy, with confidence 0.900 and score 0.800; the highest score is 0.800 (happy)"
    assert ("scores_inconsistent", 0.1, 0.02, words) == (
        found.rule,
        found.observed,
        found.limit,
        found.message,
    )


def test_an_emotion_that_is_not_the_highest_is_flagged() -> None:
    """Naming another class than the highest score's is inconsistent, and says both."""
    found = only(judged(0.7, {"happy": 0.7, "sad": 0.2}, "sad"))
    words = "the emotion is sad, with confidence 0.700 and score 0.200; the highest score is 0.700 (happy)"
    assert ("scores_inconsistent", 0.5, 0, words) == (found.rule, found.observed, found.limit, found.message)


@pytest.mark.parametrize("emotion", ["sad", None])
def test_an_emotion_without_a_score_is_flagged(emotion: str | None) -> None:
    """An emotion that the scores do not know counts as 0 there."""
    assert only(judged(0.7, {"happy": 0.7}, emotion)).observed == 0.7


def test_a_foreign_emotion_is_no_contradiction_by_its_spelling() -> None:
    """A word that is none of the nine classes may stand in the scores under another spelling."""
    assert fired(judged(0.7, {"excited": 0.7, "happy": 0.2}, "兴奋")) == []
    assert only(judged(0.9, {"excited": 0.7, "happy": 0.2}, "兴奋")).rule == "scores_inconsistent"


@pytest.mark.parametrize("emotion", ["happy", "sad"])
def test_either_of_two_highest_is_consistent(emotion: str) -> None:
    """Where two scores tie, naming either is right."""
    assert fired(judged(0.5, {"happy": 0.5, "sad": 0.5}, emotion, RuleSet(Limits(0, 0, 0)))) == []


def test_without_a_confidence_the_emotion_alone_is_compared() -> None:
    """Scores with no main confidence beside them are inconsistent only by the emotion."""
    assert fired(judged(None, {"happy": 0.7})) == []
    assert fired(judged(None, {"happy": 0.7, "sad": 0.1}, "sad")) == ["scores_inconsistent"]


# Actions, oddities, profiles


def test_a_flag_leaves_the_verdict_normal() -> None:
    """A rule whose action is flag still gives its finding, but does not reject."""
    verdict = judged(0.5, {"happy": 0.5}, rules=RuleSet(actions={"low_confidence": "flag"}))
    assert (verdict.name, only(verdict).action) == ("normal", "flag")


def test_any_rule_can_be_made_to_reject() -> None:
    """A rule that flags by default rejects when the settings say so."""
    rules = RuleSet(actions={"scores_inconsistent": "reject"})
    assert judged(0.9, {"happy": 0.8}, rules=rules).name == "low_quality"


def test_one_rejection_among_flags_rejects() -> None:
    """Flags beside it do not outweigh a finding that rejects."""
    verdict = judged(0.5, {"happy": 0.9})
    assert (
        verdict.name,
        [finding.action for finding in verdict.findings],
    ) == ("low_quality", ["reject", "flag"])


ODDITIES = {
    "audio_newer_seconds": "mixed_task",
    "frames_off_seconds": "mixed_task",
    "written_over_seconds": "reused_directory",
    "audio_missing_bytes": "audio_truncated",
    "embedding_older_seconds": "stale_embedding",
    "embedding_off_seconds": "stale_embedding",
    "embedding_missing_bytes": "embedding_truncated",
    "missing_files": "required_missing",
    "temporary_files": "transfer_unfinished",
    "open_files": "still_open",
}


@pytest.mark.parametrize(("field", "rule"), ODDITIES.items())
def test_an_oddity_of_settling_becomes_a_flag(field: str, rule: str) -> None:
    """What settling found odd gives the flag of its rule, with what was observed."""
    verdict = judge(Evidence(Result("happy", 0.9, DOMINANT), {field: 7}), RuleSet())
    found = only(verdict)
    assert ("normal", rule, "flag", 7) == (verdict.name, found.rule, found.action, found.observed)


def test_findings_over_scores_stand_before_oddities() -> None:
    """Findings keep the order of the report: the rules over scores first, then those over audio and settling."""
    measured: dict[str, Value] = {"open_files": 1, "snr_db": 3.0}
    verdict = judge(Evidence(Result("happy", 0.5, {"happy": 0.5}), measured), RuleSet())
    assert fired(verdict) == ["low_confidence", "noisy", "still_open"]


def test_the_limits_of_the_rule_set_are_the_limits() -> None:
    """Other limits judge the same result otherwise, and stand in the findings."""
    scores = {"happy": 0.65, "sad": 0.35}
    strict = only(judged(0.65, scores, rules=RuleSet(Limits(min_confidence=0.7))))
    assert (strict.observed, strict.limit) == (0.65, 0.7)
    assert fired(judged(0.65, scores)) == []


def test_a_finding_is_a_plain_table_in_the_log() -> None:
    """The decision log has rule, action, message, the first observed value and limit, and every comparison."""
    reason = Reason("gap", "<", "min_gap", 0.01, 0.05)
    expected = {"rule": "ambiguous", "action": "flag", "observed": 0.01, "limit": 0.05, "message": "close"}
    because = [{"left": "gap", "observed": 0.01, "operator": "<", "limit": 0.05}]
    assert {**expected, "because": because} == Finding(
        "ambiguous", "flag", 0.01, 0.05, "close", (reason,)
    ).as_dict()


def test_what_rules_see_and_say_is_frozen() -> None:
    """Neither evidence nor verdict can be changed once it is made."""
    frozen: list[Any] = [
        Evidence(Result(None, None, {})),
        judged(),
        RuleSet(),
        Limits(),
        Result(None, None, {}),
    ]
    for one in frozen:
        with pytest.raises(FrozenInstanceError):
            setattr(one, fields(one)[0].name, None)


def test_the_digest_changes_with_any_limit_or_action() -> None:
    """Each limit and each action shows in the digest, and so does all of a rule of one's own."""
    own = OwnRule("mine", "snr_db < 3", message="too loud")
    others = [replace(own, name="other"), replace(own, when="snr_db < 4"), replace(own, action="reject")]
    others += [replace(own, message="louder"), replace(own, on_missing="flag")]
    changed = [RuleSet(replace(Limits(), **{one.name: 0.123})) for one in fields(Limits)]
    for rule, action in DEFAULT_ACTIONS.items():
        other: Choice = "flag" if action == "reject" else "reject"
        changed.append(RuleSet(actions={rule: other}))
    changed += [RuleSet(own=(one,)) for one in (own, *others)]
    digests = {RuleSet().digest, *(rules.digest for rules in changed)}
    assert len(changed) + 1 == len(digests)


def test_the_digest_depends_on_numbers_not_on_names() -> None:
    """The same numbers by another profile or in another order have the same digest."""
    other = RuleSet(
        actions={rule: DEFAULT_ACTIONS[rule] for rule in sorted(DEFAULT_ACTIONS)}, profile="social_robot"
    )
    assert RuleSet().digest == other.digest


# Agreement with a check written anew


def independent_check(confidence: Any, scores: Mapping[str, Any], limits: Limits) -> list[str]:
    """The three rules in decimal arithmetic, from the numbers as the file writes them."""
    ninth = Decimal("1e-9")

    def exact(value: float) -> Decimal:
        return Decimal(repr(value))

    def below(value: Decimal, limit: float) -> bool:
        rounded = exact(limit).quantize(ninth, ROUND_HALF_EVEN)
        return value.quantize(ninth, ROUND_HALF_EVEN) < rounded

    ranked = sorted((exact(score) for score in scores.values()), reverse=True) or [Decimal(0)]
    main = ranked[0] if confidence is None else exact(confidence)
    names = []
    if (scores or confidence is not None) and below(main, limits.min_confidence):
        names.append("low_confidence")
    if scores and below(ranked[0] - (ranked[1] if len(ranked) > 1 else 0), limits.min_gap):
        names.append("ambiguous")
    if scores and all(below(score, limits.min_top) for score in ranked):
        names.append("no_dominant_emotion")
    return names


EDGES = [0.0, 0.05, 0.25, 0.28, 0.3, 0.35, 0.4, 0.45, 0.55, 0.6, 0.65, 0.7, 0.95, 1.0]
EDGES += [math.nextafter(edge, toward) for edge in EDGES for toward in (0.0, 1.0)]
EDGES += [
    edge + off for edge in (0.3, 0.35, 0.6, 0.65) for off in (-1e-9, -6e-10, -4e-10, 4e-10, 6e-10, 1e-9)
]
GAPS = [0.0, 0.05, 0.049, 0.051, *(0.05 + off for off in (-1e-9, -6e-10, -4e-10, 4e-10, 6e-10, 1e-9))]
PROFILES = [Limits(), Limits(min_confidence=0.7), Limits(min_confidence=0.5), Limits(0.65, 0.1, 0.35)]


def generate(dice: random.Random) -> tuple[float | None, dict[str, float]]:
    """A confidence, or none, and scores of some classes, with an edge in every third."""
    names = dice.sample(CLASSES, dice.choice([0, 1, 2, 3, 5, 9, 9, 9]))
    weights = [dice.random() ** dice.choice([1, 4, 16]) + 1e-12 for _ in names]
    digits = dice.choice([2, 3, 6, 17])
    scores = {name: round(weight / sum(weights), digits) for name, weight in zip(names, weights, strict=True)}
    if names and dice.random() < 0.4:
        scores = dict.fromkeys(names, 0.0) | {names[0]: dice.choice(EDGES)}
        if len(names) > 1:
            scores[names[1]] = max(0.0, scores[names[0]] - dice.choice(GAPS))
    kind = dice.random()
    if kind < 0.2 and scores:
        return None, scores
    if kind < 0.4:
        return dice.choice(EDGES), scores
    if kind < 0.5:
        return dice.random(), scores
    return max(scores.values(), default=0.85), scores


def test_generated_results_agree_with_an_independent_check() -> None:
    """Over generated results, edges included, the three rules fire as a check written anew says."""
    dice = random.Random(20240104)
    seen = dict.fromkeys(("low_confidence", "ambiguous", "no_dominant_emotion", "nothing"), 0)
    for _ in range(COUNT):
        confidence, scores = generate(dice)
        limits = dice.choice(PROFILES)
        document: dict[str, Any] = {"emotion": next(iter(scores), "happy"), "scores": scores}
        if confidence is not None:
            document["confidence"] = confidence
        expected = independent_check(confidence, scores, limits)
        verdict = judge(Evidence(read_result(json.dumps(document).encode())), RuleSet(limits))
        actual = [rule for rule in fired(verdict) if rule in seen]
        assert expected == actual, document
        rejected = bool(expected) or not scores
        assert ("low_quality" if rejected else "normal") == verdict.name, document
        for rule in expected or ["nothing"]:
            seen[rule] += 1
    # A generator that never reached a rule would prove nothing about it.
    assert min(seen.values()) > COUNT // 20, seen


@pytest.mark.parametrize("limit", [0.6, 0.05, 0.3])
@pytest.mark.parametrize("steps", [-2, -1, 0, 1, 2])
def test_neighbours_of_a_limit_agree_with_an_independent_check(limit: float, steps: int) -> None:
    """The floats on either side of each limit count as the limit itself."""
    value = limit
    for _ in range(abs(steps)):
        value = math.nextafter(value, math.copysign(1, steps))
    rules = RuleSet(Limits(limit, limit, limit))
    verdict = judged(value, {"happy": value, "sad": 0.0}, rules=rules)
    assert independent_check(value, {"happy": value, "sad": 0.0}, rules.limits) == fired(verdict) == []


# Properties

shares = st.floats(0, 1)
results = st.builds(
    Result,
    st.none() | st.sampled_from(CLASSES),
    st.none() | shares,
    st.dictionaries(st.sampled_from(CLASSES), shares),
)
limits = st.builds(Limits, shares, shares, shares)
actions = st.fixed_dictionaries({rule: st.sampled_from(("reject", "flag")) for rule in DEFAULT_ACTIONS})


@given(results, limits, actions)
@settings(deadline=None)
def test_low_quality_means_that_a_finding_rejects(
    result: Result, limits: Limits, actions: dict[str, Choice]
) -> None:
    """Whatever the rules, the verdict is low_quality exactly when some finding rejects."""
    verdict = judge(Evidence(result), RuleSet(limits, actions))
    rejects = "reject" in [actions[rule] for rule in fired(verdict)]
    assert ("low_quality" if rejects else "normal") == verdict.name


@given(results, limits, actions)
@settings(deadline=None)
def test_actions_never_change_what_fires(result: Result, limits: Limits, actions: dict[str, Choice]) -> None:
    """Actions decide the verdict, not the findings."""
    with_actions = judge(Evidence(result), RuleSet(limits, actions))
    assert fired(judge(Evidence(result), RuleSet(limits))) == fired(with_actions)


@given(results, limits, limits)
@settings(deadline=None)
def test_stricter_limits_never_lose_a_finding(result: Result, one: Limits, other: Limits) -> None:
    """Raising limits can only add findings of the three rules."""
    strict = Limits(
        max(one.min_confidence, other.min_confidence),
        max(one.min_gap, other.min_gap),
        max(one.min_top, other.min_top),
    )
    loose = judge(Evidence(result), RuleSet(one))
    assert set(fired(loose)) <= set(fired(judge(Evidence(result), RuleSet(strict))))


@given(results, limits)
@settings(deadline=None)
def test_a_finding_of_the_three_is_below_its_limit(result: Result, limits: Limits) -> None:
    """What the three rules observed is never at or above the limit they name."""
    three = ("low_confidence", "ambiguous", "no_dominant_emotion")
    for finding in judge(Evidence(result), RuleSet(limits)).findings:
        if finding.rule in three:
            assert isinstance(finding.observed, float)
            assert isinstance(finding.limit, float)
            assert finding.observed < finding.limit


# evaluate


def outcomes(evidence: Evidence) -> dict[str, str]:
    """What came of each rule."""
    return {one.rule: one.outcome for one in evaluate(evidence, RuleSet())}


def test_every_rule_is_accounted_for_in_order() -> None:
    """Evaluating names every rule in force once, in the order of the report."""
    in_force = [rule for rule, action in DEFAULT_ACTIONS.items() if action != "auto"]
    assert in_force == list(outcomes(Evidence(Result("happy", 0.9, DOMINANT))))


def test_a_rule_that_passes_says_what_it_saw() -> None:
    """The observed value and the limit are there although nothing fired."""
    observed = {one.rule: one for one in evaluate(Evidence(Result("happy", 0.9, DOMINANT)), RuleSet())}
    shown = {name: (one.outcome, one.observed, one.limit) for name, one in observed.items()}

    assert ("passed", 0.9, 0.6) == shown["low_confidence"]
    assert ("passed", 0.8, 0.05) == shown["ambiguous"]
    assert ("confidence = 0.9 >= 0.6",) == tuple(map(str, observed["low_confidence"].reasons))


def test_a_rule_without_its_number_is_not_evaluated() -> None:
    """A result without scores or confidence leaves the rules over them open, and they do not fire."""
    found = outcomes(Evidence(Result(None, None, {})))

    assert found["scores_missing"] == "fired"
    unknown = ["low_confidence", "ambiguous", "no_dominant_emotion", "scores_inconsistent"]
    unknown += ["too_short", "no_speech", "mostly_silence", "noisy", "clipped", "audio_unreadable"]
    assert unknown == [rule for rule, outcome in found.items() if outcome == "not_evaluated"]


def test_what_settling_observed_is_among_the_outcomes() -> None:
    """An oddity makes its rule fire; the other rules over settling passed."""
    found = outcomes(Evidence(Result("happy", 0.9, DOMINANT), {"audio_missing_bytes": 8}))

    assert {"audio_truncated": "fired", "mixed_task": "passed"}.items() <= found.items()


@given(st.floats(0, 1), st.lists(st.floats(0, 1), max_size=9))
@settings(deadline=None)
def test_the_findings_are_what_fired(confidence: float, shares: list[float]) -> None:
    """Judging keeps exactly the outcomes that fired, whatever the numbers."""
    evidence = Evidence(Result("angry", confidence, dict(zip(CLASSES, shares, strict=False))))
    found = outcomes(evidence)

    assert fired(judge(evidence, RuleSet())) == [rule for rule in found if found[rule] == "fired"]


# Own rules

LOUD = OwnRule("loud", "snr_db < 8 and speech_seconds < 0.5", "reject", "{snr_db:.1f} dB，太吵")
HAPPY = Result("happy", 0.9, DOMINANT)
NOISY: dict[str, Value] = {"snr_db": 4.25, "speech_seconds": 0.3}


def own(verdict: Verdict, name: str) -> Finding:
    """The finding of one rule."""
    (found,) = (finding for finding in verdict.findings if finding.rule == name)
    return found


def test_an_own_rule_rejects_with_its_message_and_comparisons() -> None:
    """It stands behind the built-in ones, in its own words, with every comparison that held."""
    verdict = judge(Evidence(HAPPY, NOISY), RuleSet(own=(LOUD,)))
    found = own(verdict, "loud")

    assert ("low_quality", ["noisy", "loud"]) == (verdict.name, fired(verdict))
    assert ("reject", 4.25, 8, "4.2 dB，太吵") == (found.action, found.observed, found.limit, found.message)
    because = ["snr_db = 4.25 < 8", "speech_seconds = 0.3 < 0.5"]
    assert because == list(map(str, found.reasons))


def test_an_own_rule_without_a_message_says_its_comparisons() -> None:
    """What held is what it says."""
    verdict = judge(Evidence(HAPPY, NOISY), RuleSet(own=(replace(LOUD, message=""),)))
    assert "snr_db = 4.25 < 8, speech_seconds = 0.3 < 0.5" == own(verdict, "loud").message


def test_an_own_rule_may_name_a_limit() -> None:
    """The limits of the built-in rules are numbers that it can build on."""
    rule = OwnRule("near", "confidence < min_confidence + 0.05")
    found = own(
        judge(Evidence(Result("happy", 0.64, {"happy": 0.64, "sad": 0.36})), RuleSet(own=(rule,))), "near"
    )
    assert (0.64, 0.65) == (found.observed, found.limit)


def test_frames_that_disagree_can_be_rejected() -> None:
    """A frame result is judged on its mean, and a rule can ask how far its frames agree."""
    rules = RuleSet(own=(OwnRule("torn", "frames.agreement < 0.5", "reject"),))
    torn, united = (replace(HAPPY, frames=Frames(100, share)) for share in (0.4, 0.5))

    assert ["low_quality", "normal"] == [judge(Evidence(one), rules).name for one in (torn, united)]


@pytest.mark.parametrize(("on_missing", "expected"), [("ignore", []), ("flag", ["loud"])])
def test_missing_evidence_is_ignored_or_flagged(on_missing: OnMissing, expected: list[str]) -> None:
    """What an own rule cannot tell of a task never rejects it; where that is asked for, it is flagged."""
    rules = RuleSet(own=(replace(LOUD, on_missing=on_missing),))
    verdict = judge(Evidence(HAPPY, {"speech_seconds": 0.3}), rules)

    assert ("normal", expected) == (verdict.name, fired(verdict))
    assert ["not evaluated for want of snr_db"] * len(expected) == [one.message for one in verdict.findings]


def test_actions_switch_own_rules_as_well() -> None:
    """The action by name beats the one that stands in the rule, as a profile needs."""
    evidence = Evidence(HAPPY, NOISY)
    off, flag = (
        judge(evidence, RuleSet(actions={"loud": choice}, own=(LOUD,))) for choice in ("off", "flag")
    )

    assert ["noisy"] == fired(off)
    assert ("normal", "flag") == (flag.name, own(flag, "loud").action)


# What is off, and how deep the audio is looked at


def test_a_rule_that_is_off_is_not_even_evaluated() -> None:
    """It neither fires nor stands among what was seen, but among all rules."""
    rules = RuleSet(actions={"low_confidence": "off"})

    assert [] == fired(judged(0.5, {"happy": 0.5}, rules=rules))
    assert "low_confidence" not in [one.rule for one in evaluate(Evidence(HAPPY), rules)]
    assert "low_confidence" in [rule.name for rule in rules.all]


OVER_AUDIO = ("too_short", "no_speech", "mostly_silence", "noisy", "clipped", "audio_unreadable")


@pytest.mark.parametrize("rule", OVER_AUDIO)
def test_missing_audio_is_told_where_a_rule_over_audio_rejects(rule: str) -> None:
    """By itself audio_missing is off, and it flags as soon as a rule rejects by the audio; a word for it decides."""
    evidence = Evidence(HAPPY, {"audio_files": 0})

    assert [] == fired(judge(evidence, RuleSet()))
    assert ["audio_missing"] == fired(judge(evidence, RuleSet(actions={rule: "reject"})))
    assert [] == fired(judge(evidence, RuleSet(actions={rule: "reject", "audio_missing": "off"})))


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ([], None),
        (["audio_missing"], "files"),
        (["audio_missing", "too_short"], "header"),
        (["audio_unreadable"], "header"),
        (["too_short", "noisy"], "samples"),
    ],
)
def test_audio_is_looked_at_as_deep_as_rules_ask(on: list[str], expected: str | None) -> None:
    """No file is opened for rules that are off, and no sample read for rules over length alone."""
    actions: dict[str, Choice] = dict.fromkeys((*OVER_AUDIO, "audio_missing"), "off")
    assert expected == RuleSet(actions=actions | dict.fromkeys(on, "flag")).depth


def test_an_own_rule_asks_for_audio_too() -> None:
    """It is the fields that count, not whose rule it is."""
    actions: dict[str, Choice] = dict.fromkeys(OVER_AUDIO, "off")
    assert "samples" == RuleSet(actions=actions, own=(OwnRule("deep", "rms_dbfs < -60"),)).depth
    assert None is RuleSet(actions=actions, own=(OwnRule("flat", "entropy > 0.9"),)).depth
