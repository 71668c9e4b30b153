"""The built-in rules, written in the language, decide as they are meant to."""

import math
from dataclasses import asdict, fields
from typing import Any, get_args

import pytest

from emosieve.judge.conditions import Reason
from emosieve.judge.fields import FIELDS
from emosieve.judge.rules import BUILT_IN, DEFAULT_ACTIONS, BuiltIn, Limits, finding_words
from emosieve.judge.template import compile_message
from emosieve.text import Language

NAMED = {rule.name: rule for rule in BUILT_IN}


def test_the_new_rules_never_reject_by_default() -> None:
    """Only what the mission rejects is rejected until someone asks for more; all rules over audio mark alone."""
    rejecting = ["low_confidence", "ambiguous", "no_dominant_emotion", "scores_missing"]
    assert rejecting == [rule.name for rule in BUILT_IN if rule.action == "reject"]
    assert ["audio_missing"] == [rule.name for rule in BUILT_IN if rule.action == "auto"]


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
    ("no_speech", "speech_seconds", [0.0], [0.02, 3.0]),
    ("mostly_silence", "silence_ratio", [0.801, 1.0], [0.8, just(0.8, 1), 0.0]),
    ("noisy", "snr_db", [-3.0, 9.99], [10.0, just(10, -1), 40.0]),
    ("clipped", "clipping_ratio", [0.021, 1.0], [0.02, just(0.02, 1), 0.0]),
    ("audio_unreadable", "unreadable_audio_files", [1, 2], [0]),
    ("audio_missing", "audio_files", [0], [1, 2]),
    ("reused_directory", "written_over_seconds", [0.101, 3.5], [0.0]),
    ("audio_truncated", "audio_missing_bytes", [1, 2**62], [0]),
    ("embedding_truncated", "embedding_missing_bytes", [1, 2**62], [0]),
    ("required_missing", "missing_files", [1, 3], [0]),
    ("transfer_unfinished", "temporary_files", [1, 3], [0]),
    ("still_open", "open_files", [1, 3], [0]),
]


@pytest.mark.parametrize(("rule", "field", "within", "without"), SIDES, ids=[side[0] for side in SIDES])
def test_a_rule_fires_on_one_side_of_its_limit(
    rule: str, field: str, within: list[Any], without: list[Any]
) -> None:
    """Beyond its limit a rule fires, at the limit and on the other side it does not, and not without evidence."""
    expression = NAMED[rule].compile(Limits())

    assert [True] * len(within) == [expression.evaluate({field: value}) for value in within]
    assert [False] * len(without) == [expression.evaluate({field: value}) for value in without]
    assert (None, (field,)) == (expression.evaluate({}), expression.missing({}))


@pytest.mark.parametrize(
    ("rule", "one", "other"),
    [
        ("mixed_task", "audio_newer_seconds", "frames_off_seconds"),
        ("stale_embedding", "embedding_older_seconds", "embedding_off_seconds"),
    ],
)
def test_what_does_not_belong_together_tells_by_its_times_or_by_its_length(
    rule: str, one: str, other: str
) -> None:
    """Either of the two is enough, however small, and neither is not."""
    expression = NAMED[rule].compile(Limits())

    assert [True, True, False] == [
        expression.evaluate({one: first, other: second}) for first, second in ((0.001, 0), (0, 0.001), (0, 0))
    ]


@pytest.mark.parametrize(
    ("confidence", "emotion_score", "expected"),
    [
        (0.82, 0.8, []),
        (0.7800000001, 0.8, []),
        (0.9, 0.8, [Reason("abs(confidence - top1_score)", ">", "0.02", 0.1, 0.02)]),
        (0.8, 0.3, [Reason("top1_score - emotion_score", ">", "0", 0.5, 0)]),
        (None, 0.3, [Reason("top1_score - emotion_score", ">", "0", 0.5, 0)]),
    ],
)
def test_scores_are_inconsistent_in_two_ways(
    confidence: float | None, emotion_score: float, expected: list[Reason]
) -> None:
    """The confidence off the highest score, or an emotion that has another score, and the reason says which."""
    values = {"confidence": confidence, "top1_score": 0.8, "emotion_score": emotion_score}
    expression = NAMED["scores_inconsistent"].compile(Limits())

    assert bool(expected) == expression.evaluate(values)
    assert expected == (list(expression.reasons(values)) if expected else [])


def test_each_rule_has_its_sides() -> None:
    """No built-in rule is without a test of both sides."""
    either = {"scores_inconsistent", "mixed_task", "stale_embedding"}
    assert [rule.name for rule in BUILT_IN if rule.name not in either] == [side[0] for side in SIDES]


# Words


@pytest.mark.parametrize("rule", BUILT_IN, ids=[rule.name for rule in BUILT_IN])
def test_a_built_in_rule_says_what_it_saw(rule: BuiltIn) -> None:
    """Its message is a template over fields and its own limits, and shows what the rule looks at."""
    message = compile_message(rule.message, FIELDS, asdict(Limits()))

    assert message.text.isascii()
    assert set(message.fields) <= {*rule.compile(Limits()).fields, "emotion", "top1", "audio_problem"}
    assert message.fields or rule.name in {"scores_missing", "no_speech", "audio_missing"}


@pytest.mark.parametrize("rule", BUILT_IN, ids=[rule.name for rule in BUILT_IN])
def test_a_built_in_rule_names_its_parameters(rule: BuiltIn) -> None:
    """Every parameter of a rule is in its text, and its meaning names the setting."""
    assert set(rule.parameters) == dict(rule.compile(Limits()).parameters).keys()
    assert set() == set(rule.parameters) & FIELDS.keys()
    assert all(
        f"rules.{name}" in text for name in rule.parameters for text in (rule.meaning.en, rule.meaning.zh)
    )


def test_every_limit_has_its_rule() -> None:
    """No limit is without a rule, and none has two."""
    assert [one.name for one in fields(Limits)] == [name for rule in BUILT_IN for name in rule.parameters]


def finding(rule: str, observed: Any = None, message: str = "") -> dict[str, Any]:
    """A finding as the log has it."""
    return {"rule": rule, "action": "reject", "observed": observed, "limit": None, "message": message}


@pytest.mark.parametrize(
    ("rule", "observed", "chinese", "english"),
    [
        ("low_confidence", 0.41, "主情感置信度低 (0.410)", "low main confidence (0.410)"),
        ("ambiguous", 0.03, "情感倾向模糊 (Top1-Top2差距=0.030)", "ambiguous (top1-top2 gap=0.030)"),
        ("no_dominant_emotion", 0.28, "无显著情感 (最高分=0.280)", "no dominant emotion (highest=0.280)"),
        ("scores_missing", 0, "缺少情感得分", "no scores"),
        ("too_short", 0.62, "音频过短 (0.620秒)", "audio too short (0.620 s)"),
        ("audio_truncated", 1024, "音频不完整 (缺1024字节)", "audio cut short (1024 bytes missing)"),
        (
            "mixed_task",
            1.5,
            "疑似两次识别混在同一目录 (音频与结果相差1.500秒)",
            "two recognitions in one directory (audio and result 1.500 s apart)",
        ),
        (
            "reused_directory",
            0.6,
            "至少 2 次识别写进了同一个目录，之前的结果已丢失 (创建0.600秒后被覆盖)",
            "at least 2 recognitions wrote here, the earlier results are gone (written over 0.600 s later)",
        ),
    ],
)
def test_a_finding_is_one_phrase(rule: str, observed: float | None, chinese: str, english: str) -> None:
    """A rule and what it observed make the report's phrase in either language."""
    words = [finding_words(finding(rule, observed), language) for language in get_args(Language)]
    assert [chinese, english] == words


@pytest.mark.parametrize("language", get_args(Language))
@pytest.mark.parametrize("rule", DEFAULT_ACTIONS)
def test_every_rule_has_a_phrase(rule: str, language: Language) -> None:
    """No rule that can fire is shown by its log message for want of words."""
    assert finding_words(finding(rule, 7, message="logged"), language) != "logged"


def test_a_rule_without_a_phrase_shows_its_message() -> None:
    """A rule that this version does not know is shown by the message in the log, escaped."""
    assert finding_words(finding("later", 1, message="too \x1b loud"), "zh") == "too \\u001b loud"


def test_an_observed_text_is_escaped() -> None:
    """What an edited line of the log puts in place of a number comes through escaped."""
    assert "\\u001b" in finding_words({**finding("ambiguous"), "observed": "\x1b"}, "en")


def test_a_rule_without_phrase_or_message_shows_its_name() -> None:
    """A finding with nothing to say is shown by its rule."""
    assert finding_words(finding("later"), "en") == "later"
