"""What rules may look at: the table of fields, and the value of each for one task."""

import math
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emosieve.judge.fields import FIELDS, Field, Origin, entropy, values_of
from emosieve.judge.labels import CLASSES
from emosieve.judge.result import Frames, Result

NINE = {"happy": 0.5, "sad": 0.3, "neutral": 0.2}
QUIET = {name: 0 for name, field in FIELDS.items() if field.origin == "settling"}
"""What settling tells of a task that is as it should be."""
EVEN = dict.fromkeys(CLASSES, 1 / 9)


def test_the_fields_are_those_that_rules_know() -> None:
    """Names of fields are a contract: rules in people's settings stand on them."""
    expected = ["emotion", "confidence", "top1", "top1_score", "top2", "top2_score", "gap", "entropy"]
    expected += ["emotion_score", "scores.count", *(f"scores.{name}" for name in CLASSES)]
    expected += ["granularity", "source", "frames.count", "frames.agreement"]
    expected += [
        "audio_files",
        "unreadable_audio_files",
        "audio_problem",
        "duration_seconds",
        "sample_rate",
        "channels",
    ]
    expected += ["speech_seconds", "silence_ratio", "snr_db", "clipping_ratio", "rms_dbfs"]
    expected += ["audio_newer_seconds", "frames_off_seconds", "written_over_seconds"]
    expected += ["audio_missing_bytes", "embedding_older_seconds", "embedding_off_seconds"]
    expected += ["embedding_missing_bytes", "missing_files", "temporary_files", "open_files"]

    assert expected == list(FIELDS)


@pytest.mark.parametrize("field", FIELDS.values(), ids=list(FIELDS))
def test_a_field_is_explained(field: Field) -> None:
    """A number has a unit and perhaps a range, a text has neither; both say in two languages what they mean."""
    has_range = field.lowest is not None or field.highest is not None

    assert (field.kind == "number") is (field.unit is not None)
    assert field.kind == "number" or not has_range
    assert field.kind == "text" or not field.texts
    assert field.meaning.en.isascii()
    assert any("\u4e00" <= character for character in field.meaning.zh)
    assert field.origin in get_args(Origin)


def test_the_values_of_a_result() -> None:
    """Labels and scores are those of the result, the highest first."""
    values = values_of(Result("happy", 0.51, NINE, "utterance", source="call_1.wav"))
    known = {name: value for name, value in values.items() if value is not None}

    assert (
        QUIET
        | {
            "emotion": "happy",
            "confidence": 0.51,
            "top1": "happy",
            "top1_score": 0.5,
            "top2": "sad",
            "top2_score": 0.3,
            "gap": 0.2,
            "entropy": 0.468615282,
            "emotion_score": 0.5,
            "scores.count": 3,
            **{f"scores.{name}": NINE.get(name, 0.0) for name in CLASSES},
            "granularity": "utterance",
            "source": "call_1.wav",
        }
        == known
    )
    assert list(FIELDS) == list(values)


def test_a_result_without_scores_has_hardly_a_value() -> None:
    """Without scores all that stands on them is missing, but for their number, and nothing was odd."""
    known = {name: value for name, value in values_of(Result("sad", 0.9, {})).items() if value is not None}

    assert QUIET | {"emotion": "sad", "confidence": 0.9, "scores.count": 0} == known


@pytest.mark.parametrize(
    ("scores", "top1", "top2"),
    [
        ({"sad": 0.9}, ("sad", 0.9), (None, 0.0)),
        ({"angry": 0.4, "sad": 0.4, "happy": 0.2}, ("angry", 0.4), ("sad", 0.4)),
        ({"neutral": 0.1, "excited": 0.6}, ("excited", 0.6), ("neutral", 0.1)),
    ],
    ids=["one", "tie", "foreign"],
)
def test_the_first_two_are_by_score(scores: dict[str, float], top1: Any, top2: Any) -> None:
    """Of equal scores the first class comes first; a class that the model does not have may be highest."""
    values = values_of(Result(None, None, scores))

    assert (top1, top2) == ((values["top1"], values["top1_score"]), (values["top2"], values["top2_score"]))


@pytest.mark.parametrize(
    ("emotion", "expected"), [("sad", 0.3), ("angry", 0.0), (None, 0.0), ("frustrated", None)]
)
def test_the_main_emotion_has_its_own_score(emotion: str | None, expected: float | None) -> None:
    """An emotion that the scores do not name counts as 0 there; a foreign one may have another spelling in them."""
    assert expected == values_of(Result(emotion, 0.5, NINE))["emotion_score"]


def test_frames_have_their_fields() -> None:
    """Number and agreement of frames are those of the result, and missing where it has none."""
    values = values_of(Result("sad", 0.9, NINE, frames=Frames(250, 0.8)))
    without = values_of(Result("sad", 0.9, NINE))

    assert (250, 0.8) == (values["frames.count"], values["frames.agreement"])
    assert (None, None) == (without["frames.count"], without["frames.agreement"])


def test_what_was_measured_stands_beside_the_result() -> None:
    """Audio and settling give values by the names of their fields; whatever else they tell is left out."""
    values = values_of(Result("sad", 0.9, NINE), {"snr_db": 12.5, "open_files": 1, "peak": 0.9})

    assert (12.5, 1) == (values["snr_db"], values["open_files"])
    assert list(FIELDS) == list(values)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({"sad": 1.0}, 0.0),
        ({"sad": 0.2}, 0.0),
        ({"sad": 1.0, "happy": 0.0}, 0.0),
        (EVEN, 1.0),
        (dict.fromkeys(CLASSES, 0.7), 1.0),
        ({"sad": 0.5, "happy": 0.5}, math.log(2) / math.log(9)),
        ({"sad": 0.25, "happy": 0.25}, math.log(2) / math.log(9)),
        ({str(number): 0.01 for number in range(256)}, 1.0),
        ({str(number): float(number < 10) for number in range(20)}, math.log(10) / math.log(20)),
        ({"sad": 0.0}, None),
        ({}, None),
    ],
)
def test_entropy_is_a_share_of_the_greatest(scores: dict[str, float], expected: float | None) -> None:
    """Entropy is that of the scores over their sum, 1 for nine equal ones; without a sum there is none."""
    assert pytest.approx(expected, abs=1e-9) == entropy(scores)


@given(st.dictionaries(st.sampled_from(CLASSES), st.floats(0, 1), min_size=1))
@example({"sad": 5e-324, "happy": 1.0, "angry": 1.0})
@example({"sad": 5e-324})
@settings(deadline=None)
def test_every_value_is_within_its_range(scores: dict[str, float]) -> None:
    """Whatever the scores, no field is outside the range that the table gives it."""
    for name, value in values_of(Result("sad", 0.5, scores)).items():
        field = FIELDS[name]
        if isinstance(value, int | float):
            assert field.lowest is None or field.lowest <= value, name
            assert field.highest is None or value <= field.highest, name
