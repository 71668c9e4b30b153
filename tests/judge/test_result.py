"""Every known form of result.json, and every reason to refuse one."""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emosieve.errors import BadResult
from emosieve.judge.document import LENIENT_SIZE_LIMIT, SIZE_LIMIT
from emosieve.judge.labels import CLASSES
from emosieve.judge.result import FRAME_KEYS, Frames, Result, read_result
from emosieve.judge.ruleset import Evidence, RuleSet, judge
from emosieve.text import escape

SAMPLES = Path(__file__).parent.parent / "samples"
LABELS = [
    "生气/angry",
    "厌恶/disgusted",
    "恐惧/fearful",
    "开心/happy",
    "中立/neutral",
    "其他/other",
    "难过/sad",
]
LABELS += ["吃惊/surprised", "<unk>"]

MANUAL = (0.012, 0.008, 0.015, 0.853, 0.045, 0.023, 0.018, 0.021, 0.005)
SALES = (0.031, 0.012, 0.028, 0.724, 0.115, 0.042, 0.026, 0.017, 0.005)
SAD = (
    0.003793130163103342,
    0.0005500566912814975,
    0.0008670409442856908,
    0.1217915266752243,
    0.00022425848874263465,
    6.993473562033614e-06,
    0.8683823943138123,
    0.004384305793792009,
    2.399044376488746e-07,
)
ZH6 = (
    0.00010033947182819247,
    0.0018021559808403254,
    0.0001216967502841726,
    1.0616841791488696e-05,
    0.991152822971344,
    1.213764426211128e-05,
    0.006745313759893179,
    5.416709609562531e-05,
    6.601738391509571e-07,
)
SATURATED = (
    1.0,
    4.307079432691596e-12,
    7.651620656523583e-12,
    1.8212416297291867e-10,
    7.213059316502068e-11,
    1.3731805914519914e-14,
    9.798530042903764e-11,
    8.913316751346656e-10,
    5.704816692153179e-21,
)
FIVE = {
    "angry": 0.00010053956793854013,
    "happy": 1.0638013009156566e-05,
    "neutral": 0.993129312992096,
    "sad": 0.00675876485183835,
    "unknown": 6.614902758883545e-07,
}
FRAMES_MEAN = (0.134, 0.04875, 0.04875, 0.14075, 0.43275, 0.04875, 0.04875, 0.04875, 0.04875)


def nine(scores: tuple[float, ...]) -> dict[str, float]:
    """Scores of the nine classes in the model's order."""
    return dict(zip(CLASSES, scores, strict=True))


def read(document: Any) -> Result:
    """Read a document as a writer of result.json would have written it."""
    return read_result(json.dumps(document, ensure_ascii=False).encode())


def reason(document: Any) -> str:
    """Why a document, or the bytes of one, is refused."""
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(BadResult) as refusal:
        read_result(data)
    return str(refusal.value)


class Fact(NamedTuple):
    """How one sample reads, and which rules fire."""

    name: str
    verdict: str
    emotion: str
    confidence: float
    scores: dict[str, float]
    rules: list[str]


SAMPLE_FACTS = [
    Fact("01_webui_utterance_manual", "normal", "happy", 0.853, nine(MANUAL), []),
    Fact("02_webui_utterance_iso_timestamp", "normal", "happy", 0.853, nine(MANUAL), []),
    Fact("03_webui_utterance_sales_0.724", "normal", "happy", 0.724, nine(SALES), []),
    Fact(
        "04_webui_scores_subset",
        "normal",
        "happy",
        0.85,
        {"happy": 0.85, "neutral": 0.03, "surprised": 0.1},
        [],
    ),
    Fact(
        "05_webui_frame_results_list",
        "low_quality",
        "neutral",
        0.43275,
        nine(FRAMES_MEAN),
        ["low_confidence"],
    ),
    Fact("06_webui_frame_same_shape_as_utterance", "normal", "sad", 0.8683823943138123, nine(SAD), []),
    Fact("07_funasr_raw_9class_neutral", "normal", "neutral", 0.991152822971344, nine(ZH6), []),
    Fact("08_funasr_raw_saturated_1.0", "normal", "angry", 1.0, nine(SATURATED), []),
    Fact("10_modelscope_pipeline_5class", "normal", "neutral", 0.993129312992096, FIVE, []),
    Fact("11_funasr_granularity_frame_raw", "normal", "sad", 0.8683823943138123, nine(SAD), []),
    Fact("17_confidence_percent_number", "normal", "happy", 0.853, nine(MANUAL), []),
    Fact("18_emotion_as_index", "low_quality", "happy", 0.85, {}, ["scores_missing"]),
    Fact(
        "19_flat_scores_rounded3",
        "normal",
        "neutral",
        0.991,
        nine((0.0, 0.002, 0.0, 0.0, 0.991, 0.0, 0.007, 0.0, 0.0)),
        [],
    ),
]


def test_every_sample_has_its_facts() -> None:
    """No sample file stands here without being tested, and none is tested that is missing."""
    assert sorted(fact.name for fact in SAMPLE_FACTS) == sorted(path.stem for path in SAMPLES.glob("*.json"))


@pytest.mark.parametrize("fact", SAMPLE_FACTS, ids=[fact.name for fact in SAMPLE_FACTS])
def test_a_real_form_reads_as_known(fact: Fact) -> None:
    """A form seen in the wild gives its emotion, confidence, scores and verdict."""
    result = read_result((SAMPLES / f"{fact.name}.json").read_bytes())
    judged = judge(Evidence(result), RuleSet())
    assert fact.emotion == result.emotion
    assert pytest.approx(fact.confidence, abs=1e-12) == result.confidence
    assert pytest.approx(fact.scores, abs=1e-12) == dict(result.scores)
    assert (fact.verdict, fact.rules) == (judged.name, [finding.rule for finding in judged.findings])


@pytest.mark.parametrize(
    ("name", "granularity", "timestamp"),
    [
        ("01_webui_utterance_manual", "utterance", "2024-01-04 22:30:00"),
        ("02_webui_utterance_iso_timestamp", "utterance", "2024-01-04T22:30:00"),
        ("05_webui_frame_results_list", "frame", None),
        ("06_webui_frame_same_shape_as_utterance", "frame", "2026-04-07 10:00:00"),
        ("08_funasr_raw_saturated_1.0", None, None),
    ],
)
def test_granularity_and_timestamp_stay_text(
    name: str, granularity: str | None, timestamp: str | None
) -> None:
    """Granularity and timestamp come through as the file has them, or not at all."""
    result = read_result((SAMPLES / f"{name}.json").read_bytes())
    assert (granularity, timestamp) == (result.granularity, result.timestamp)


# The five keys and their relatives


def test_label_stands_in_for_emotion() -> None:
    """`label` names the emotion where `emotion` is absent or null."""
    absent, null = read({"label": "sad"}), read({"emotion": None, "label": "sad"})
    assert (absent.emotion, null.emotion) == ("sad", "sad")


def test_emotion_beats_label() -> None:
    """Where both are given, `emotion` is the main emotion."""
    assert read({"emotion": "happy", "label": "sad"}).emotion == "happy"


@pytest.mark.parametrize("index", [3, 3.0, "3"])
def test_an_index_names_the_emotion(index: Any) -> None:
    """An index for the emotion, as a number or a text, is mapped to its class."""
    assert read({"emotion": index, "confidence": 0.85}).emotion == "happy"


@pytest.mark.parametrize("index", [-1, 9, 300])
def test_an_index_out_of_range_is_refused(index: int) -> None:
    """An index that names no class is refused, with the range."""
    assert reason({"emotion": index}) == f"emotion is {index}, not an index from 0 to 8"


@pytest.mark.parametrize(
    ("emotion", "kind"),
    [(True, "a boolean"), (3.5, "a number"), (["happy", "sad"], "a list"), ({}, "an object")],
)
def test_an_emotion_that_is_no_label_is_refused(emotion: Any, kind: str) -> None:
    """A boolean, a fraction, a list or an object cannot name an emotion."""
    assert reason({"emotion": emotion}) == f"emotion is {kind}, not a label"


def test_a_placeholder_as_the_emotion_is_unknown() -> None:
    """A main emotion of `unuse_N` is the class unknown."""
    assert read({"emotion": "unuse_3"}).emotion == "unknown"


def test_an_absent_confidence_is_the_highest_score() -> None:
    """Without a confidence the highest score is the confidence, and its class the emotion."""
    result = read({"scores": {"sad": 0.7, "happy": 0.2}})
    assert (result.emotion, result.confidence) == ("sad", 0.7)


def test_a_null_confidence_is_the_highest_score() -> None:
    """A null confidence counts as absent."""
    assert read({"confidence": None, "scores": {"sad": 0.7}}).confidence == 0.7


def test_of_equal_scores_the_first_class_is_the_emotion() -> None:
    """Where no emotion is named and scores tie, the model's order decides, not the file's."""
    assert read({"scores": {"sad": 0.5, "angry": 0.5}}).emotion == "angry"


def test_a_given_confidence_is_kept_beside_the_scores() -> None:
    """A confidence in the file is never replaced by the highest score."""
    assert read({"confidence": 0.5, "scores": {"sad": 0.7}}).confidence == 0.5


@pytest.mark.parametrize("document", [{}, [], {"scores": {}}, {"scores": [], "labels": []}, {"note": 1}, [1]])
def test_a_file_in_which_nothing_is_known_is_no_result(document: Any) -> None:
    """What was not understood is never judged: it is refused, and not taken for a result without scores."""
    assert reason(document).startswith(("has the keys ", "holds no scores, no emotion and no confidence"))


def test_unknown_extra_keys_are_fine() -> None:
    """Keys that nobody knows change nothing, whatever they hold."""
    plain = {"emotion": "happy", "confidence": 0.8, "scores": {"happy": 0.8}}
    extra = {"model": "large", "other": "remark", "3": 5, "nested": {"a": [None, True]}}
    assert read(plain) == read(plain | extra)


def test_scores_are_never_renormalised() -> None:
    """Scores that sum to much less than one stay as they are."""
    assert dict(read({"scores": {"happy": 0.2, "sad": 0.1}}).scores) == {"happy": 0.2, "sad": 0.1}


def test_scores_stand_in_the_order_of_the_model() -> None:
    """Scores come out in the model's order, foreign classes after the known."""
    result = read({"scores": {"excited": 0.1, "sad": 0.2, "angry": 0.3}})
    assert list(result.scores) == ["angry", "sad", "excited"]


def test_scores_cannot_be_changed() -> None:
    """The scores of a result are read-only."""
    scores: Any = read({"scores": {"sad": 0.2}}).scores
    with pytest.raises(TypeError):
        scores["sad"] = 0.9


def test_a_byte_order_mark_is_ignored() -> None:
    """A file that starts with a BOM reads as without it."""
    data = b'{"emotion": "sad", "confidence": 0.8}'
    assert read_result(data) == read_result(b"\xef\xbb\xbf" + data)


# FunASR's list, flat scores, labels


def test_reversed_labels_read_alike() -> None:
    """FunASR's list reads the same with `angry/生气` for `生气/angry`."""
    reverse = ["/".join(reversed(label.split("/"))) for label in LABELS]
    plain, reversed_ = ([{"key": "k", "labels": some, "scores": list(ZH6)}] for some in (LABELS, reverse))
    assert read(plain) == read(reversed_)


def test_styles_of_labels_may_be_mixed() -> None:
    """Chinese, English, bilingual, numbered and empty labels in one file are each their class."""
    document = [
        {"labels": ["生气", "Happy", "难过/sad", "4/neutral", ""], "scores": [0.1, 0.2, 0.3, 0.15, 0.25]}
    ]
    expected = {"angry": 0.1, "happy": 0.2, "neutral": 0.15, "sad": 0.3, "unknown": 0.25}
    assert expected == dict(read(document).scores)


def test_placeholders_are_ignored_with_their_values() -> None:
    """`unuse_N` takes no part, whatever stands in its place."""
    document = [{"labels": ["生气/angry", "unuse_0", "unuse_1"], "scores": [0.7, 99, None]}]
    assert dict(read(document).scores) == {"angry": 0.7}


def test_labels_of_one_class_are_added() -> None:
    """Scores whose labels mean the same class are added up."""
    result = read({"scores": {"happy": 0.5, "开心": 0.25, "Happiness": 0.125}})
    assert dict(result.scores) == {"happy": 0.875}


def test_labels_may_be_indices() -> None:
    """Indices for labels, as numbers or as keys, count in the model's order."""
    numbers, keys = read([{"labels": [3, 6], "scores": [0.8, 0.1]}]), read({"scores": {"3": 0.8, "6": 0.1}})
    assert {"happy": 0.8, "sad": 0.1} == dict(numbers.scores) == dict(keys.scores)


def test_one_object_of_the_raw_form_needs_no_list() -> None:
    """FunASR's labels and scores read the same without the list around them."""
    raw = {"key": "k", "labels": LABELS, "scores": list(SAD)}
    assert read([raw]) == read(raw)


def test_nine_scores_without_labels_are_the_nine_classes() -> None:
    """A bare list of nine scores is in the model's order."""
    assert nine(MANUAL) == dict(read({"scores": list(MANUAL)}).scores)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"scores": [0.9, 0.1]}, "scores has 2 numbers and no labels"),
        ({"labels": ["sad"], "scores": [0.9, 0.1]}, "scores has 2 numbers and 1 labels"),
        ({"labels": "sad", "scores": [0.9, 0.1]}, "scores has 2 numbers and no labels"),
        ({"labels": [True], "scores": [0.9]}, "labels holds a boolean"),
        ({"labels": [None], "scores": [0.9]}, "labels holds null"),
        ({"scores": "high"}, "scores is a text, not an object or a list"),
        ({"scores": False}, "scores is a boolean, not an object or a list"),
    ],
)
def test_scores_that_do_not_fit_their_labels_are_refused(document: Any, expected: str) -> None:
    """Numbers without exactly one label each are refused with both counts, or with what stands there."""
    assert expected == reason(document)


def test_a_dict_of_labels_is_the_scores() -> None:
    """A dict whose keys are labels, in any style, is the scores themselves."""
    assert dict(read({"快乐 (Happy)": 0.8, "难过/sad": 0.2}).scores) == {"happy": 0.8, "sad": 0.2}


def test_a_dict_of_labels_may_have_other_keys() -> None:
    """Beside label keys the rest of the five keys keep their meaning."""
    result = read({"label": "sad", "confidence": "70%", "sad": "70%", "happy": "30%", "timestamp": "t"})
    expected = Result("sad", 0.7, {"happy": 0.3, "sad": 0.7}, timestamp="t")
    assert expected == result


def test_index_keys_alone_are_no_scores() -> None:
    """A lone number as a key is an extra, not a class."""
    assert dict(read({"emotion": "sad", "3": 0.8}).scores) == {}


def test_a_dict_of_very_many_keys_is_not_searched() -> None:
    """An object with more than 256 keys is not taken for a dict of labels."""
    many = {"happy": 0.5} | {f"key {number}": 0 for number in range(256)}
    assert reason(many).startswith("has the keys happy, key 0, ")
    assert dict(read(many | {"scores": {"sad": 0.9}}).scores) == {"sad": 0.9}


def test_more_than_256_scores_are_refused() -> None:
    """A thousand labels are not a result."""
    scores = {f"class {number}": 0 for number in range(257)}
    assert reason({"scores": scores}) == "has 257 scores; more than 256 is not a result"


# Frames


@pytest.mark.parametrize("key", ["results", "frames", "frame_results", "segments"])
def test_frames_are_averaged(key: str) -> None:
    """Each known name of a list of frames gives the mean of the frames' scores."""
    result = read({key: [{"scores": {"happy": 1.0, "sad": 0.0}}, {"scores": {"happy": 0.5, "sad": 0.5}}]})
    expected = Result("happy", 0.75, {"happy": 0.75, "sad": 0.25}, "frame", frames=Frames(2, 1.0))
    assert expected == result


def test_a_class_that_a_frame_leaves_out_counts_as_nothing_there() -> None:
    """The mean is over all frames that have scores, not over those that name the class."""
    result = read({"frames": [{"scores": {"happy": 0.8}}, {"scores": {"sad": 0.4}}]})
    assert dict(result.scores) == {"happy": 0.4, "sad": 0.2}


def test_a_frame_without_scores_takes_no_part() -> None:
    """A frame that has no scores does not pull the mean down."""
    assert dict(read({"frames": [{"scores": {"sad": 0.8}}, {"start": 1}]}).scores) == {"sad": 0.8}


def test_frames_may_be_bare_lists() -> None:
    """A frame that is a list of nine numbers is in the model's order."""
    assert nine(MANUAL) == pytest.approx(dict(read({"frames": [list(MANUAL)] * 2}).scores))


def test_frames_may_be_flat() -> None:
    """A frame whose keys are the labels is a frame too."""
    frames = [{"start": 0, "happy": 0.8}, {"start": 20, "happy": 0.4}]
    assert pytest.approx(0.6) == read({"segments": frames}).scores["happy"]


def test_a_list_of_several_results_is_a_list_of_frames() -> None:
    """FunASR's list with more than one result is averaged over them."""
    raw = [{"labels": ["sad"], "scores": [0.5]}, {"labels": ["难过"], "scores": [1.0]}]
    assert Result("sad", 0.75, {"sad": 0.75}, "frame", frames=Frames(2, 1.0)) == read(raw)


@pytest.mark.parametrize(
    ("highest", "agreement"),
    [
        (["sad"], 1.0),
        (["sad", "happy", "sad", "angry"], 0.5),
        (["sad", "happy"], 0.5),
        (["neutral", "neutral", "sad"], 2 / 3),
    ],
)
def test_frames_agree_by_their_highest_scores(highest: list[str], agreement: float) -> None:
    """Agreement is the share of frames whose highest score is of the most frequent class."""
    frames = [{"scores": {name: 0.6, "unknown": 0.3}} for name in highest]
    assert Frames(len(highest), agreement) == read({"frames": frames}).frames


def test_the_frames_of_the_form_seen_are_counted() -> None:
    """The WebUI's list of frames tells how many there are and how many name the same emotion."""
    result = read_result((SAMPLES / "05_webui_frame_results_list.json").read_bytes())
    assert Frames(5, 0.6) == result.frames


def test_frames_without_scores_neither_count_nor_agree() -> None:
    """A frame that has no scores is no vote, and a list of only such frames tells nothing."""
    assert Frames(1, 1.0) == read({"frames": [{"scores": {"sad": 0.8}}, {"start": 1}]}).frames
    assert None is read({"emotion": "sad", "frames": [{"start": 1}]}).frames


@pytest.mark.parametrize("more", [{}, {"frames": [{"scores": {"happy": 0.9}}]}])
def test_scores_of_the_file_itself_have_no_frames(more: dict[str, Any]) -> None:
    """Where the scores are the file's own, no frame is looked at, not even one beside them."""
    assert None is read({"scores": {"sad": 0.9}, **more}).frames


def test_scores_beside_frames_win() -> None:
    """Where the file has its own scores the frames are not averaged."""
    document = {"scores": {"sad": 0.9}, "frames": [{"scores": {"happy": 0.9}}]}
    assert dict(read(document).scores) == {"sad": 0.9}


def test_empty_scores_beside_frames_give_way() -> None:
    """Where the file's own scores are empty the frames are averaged."""
    assert dict(read({"scores": {}, "frames": [{"scores": {"sad": 0.9}}]}).scores) == {"sad": 0.9}


def test_the_confidence_of_the_file_stands_above_its_frames() -> None:
    """An emotion and confidence beside the frames are the main ones."""
    result = read({"emotion": "sad", "confidence": 0.6, "frames": [{"scores": {"happy": 0.9}}]})
    assert (result.emotion, result.confidence) == ("sad", 0.6)


def test_a_granularity_beside_frames_is_kept() -> None:
    """Frames do not overwrite what the file says of its granularity."""
    assert read({"granularity": "20 ms", "frames": [{"sad": 0.9}]}).granularity == "20 ms"


@pytest.mark.parametrize("key", FRAME_KEYS)
def test_a_list_of_other_things_is_no_list_of_frames(key: str) -> None:
    """A list that holds no object and no list is an extra key."""
    assert dict(read({"emotion": "sad", "confidence": 0.9, key: ["a", 1, None]}).scores) == {}


@pytest.mark.parametrize(("frame", "kind"), [(7, "a number"), (None, "null"), ("x", "a text")])
def test_a_broken_frame_is_named(frame: Any, kind: str) -> None:
    """A frame that is no object and no list is refused by its place."""
    assert f"frame 1 is {kind}" == reason({"frames": [{"sad": 0.5}, frame]})


def test_a_bad_number_in_a_frame_is_named() -> None:
    """A number out of range is refused with the frame and the label it stands at."""
    document = {"frames": [{"scores": {"sad": 0.5}}, {"scores": {"sad": -0.5}}]}
    expected = "frame 1: scores.sad is -0.5, out of range 0 to 1; if these are logits, write their softmax"
    assert expected == reason(document)


# Percent


@pytest.mark.parametrize(
    ("confidence", "expected"),
    [
        ("85.3%", 0.853),
        (" 85.3 % ", 0.853),
        ("85.3％", 0.853),
        ("0.5%", 0.005),
        ("100%", 1.0),
        (85.3, 0.853),
        (1.51, 0.0151),
        (100, 1.0),
        ("85.3", 0.853),
        ("0.853", 0.853),
        (0.853, 0.853),
        (0, 0.0),
        (1, 1.0),
    ],
)
def test_a_confidence_may_be_percent(confidence: Any, expected: float) -> None:
    """A text with a percent sign, or a number above 1.5 and at most 100, is percent; the rest is a share."""
    assert pytest.approx(expected, abs=1e-15) == read({"emotion": "sad", "confidence": confidence}).confidence


@pytest.mark.parametrize("confidence", [1.0000001192, 1.002, 1.02])
def test_a_confidence_just_above_one_is_one(confidence: float) -> None:
    """Numbers in (1, 1.02] are rounding and are clamped to 1."""
    assert read({"emotion": "sad", "confidence": confidence}).confidence == 1.0


@pytest.mark.parametrize("score", [1.0000001192, 1.002, 1.02])
def test_a_score_just_above_one_is_one(score: float) -> None:
    """Scores in (1, 1.02] are clamped to 1 as the confidence is."""
    assert dict(read({"scores": {"sad": score}}).scores) == {"sad": 1.0}


def test_a_sum_just_above_one_is_one() -> None:
    """Labels of one class that add up to 1.002 are rounding too."""
    assert dict(read({"scores": {"sad": 0.501, "难过": 0.501}}).scores) == {"sad": 1.0}


@pytest.mark.parametrize("total", [80.0, 100.0, 120.0])
def test_scores_that_sum_to_about_a_hundred_are_percent(total: float) -> None:
    """Scores above 1.5 that sum to 80 to 120 are all percent, the small ones too."""
    result = read({"scores": {"sad": total - 60, "happy": 59.5, "angry": 0.5}})
    assert {"angry": 0.005, "happy": 0.595, "sad": (total - 60) / 100} == pytest.approx(dict(result.scores))


@pytest.mark.parametrize(
    ("sad", "happy"), [(61, 60), (1.6, 0.1), (90, 40), (4.9, 3.1), (250, 10), (5.1, -2.0)]
)
def test_numbers_that_cannot_be_percent_are_refused(sad: float, happy: float) -> None:
    """Above 1, neither a whole nor the highest of one, and no confidence to go by: logits, perhaps, or counts."""
    expected = f"scores.sad is {sad:g}, out of range 0 to 1; if these are logits, write their softmax"
    assert expected == reason({"scores": {"sad": sad, "happy": happy}})


def test_a_percent_sign_speaks_for_its_score_alone() -> None:
    """One score with a percent sign does not make the others percent."""
    assert dict(read({"scores": {"sad": "70%", "happy": 0.25}}).scores) == {"happy": 0.25, "sad": 0.7}


def test_a_single_percent_score_beyond_a_hundred_is_refused() -> None:
    """A score of more than 100 percent is refused even where the sum is right."""
    assert reason({"scores": {"sad": 110.0}}) == "scores.sad is 110, out of range 0 to 100"


# What is refused


@pytest.mark.parametrize("data", [b"NaN", b"Infinity", b"-Infinity"])
@pytest.mark.parametrize("text", [b'"plain"', b'"\\u0041"', b'"\\ud800"'])
def test_constants_that_are_no_numbers_are_refused(data: bytes, text: bytes) -> None:
    """NaN and Infinity are refused, whatever escapes stand elsewhere in the file."""
    assert "is not JSON" in reason(b'{"confidence": ' + data + b', "note": ' + text + b"}")


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "NaN%"])
def test_constants_as_text_are_refused(text: str) -> None:
    """A text that Python would read as NaN or infinity is no finite number."""
    assert reason({"confidence": text}) == "confidence is not a finite number"


def test_a_number_beyond_floats_is_refused() -> None:
    """A number that overflows is refused by either parser."""
    assert "infinity" in reason(b'{"confidence": 1e999}')
    assert reason(b'{"a": "\\ud800", "confidence": 1e999}') == "confidence is not a finite number"
    many = b"9" * 400
    assert reason(b'{"a": "\\ud800", "confidence": ' + many + b"}") == "confidence is not a finite number"


@pytest.mark.parametrize(
    ("value", "kind"), [(True, "a boolean"), (False, "a boolean"), ([], "a list"), ({}, "an object")]
)
def test_a_confidence_that_is_no_number_is_refused(value: Any, kind: str) -> None:
    """Booleans are no numbers, nor are lists and objects."""
    assert f"confidence is {kind}, not a number" == reason({"confidence": value})


@pytest.mark.parametrize(("value", "kind"), [(True, "a boolean"), (None, "null")])
def test_a_score_that_is_no_number_is_refused(value: Any, kind: str) -> None:
    """A boolean or null for a score is refused by the label it stands at."""
    assert f"scores.sad is {kind}, not a number" == reason({"scores": {"happy": 0.5, "sad": value}})


def test_a_boolean_in_a_dict_of_labels_is_refused() -> None:
    """A boolean among flat scores is refused as one anywhere else."""
    assert reason({"happy": 0.5, "sad": True}) == "sad is a boolean, not a number"


@pytest.mark.parametrize("text", ["high", "", "%", "0,85"])
def test_a_text_that_is_no_number_is_refused(text: str) -> None:
    """A text for a number must be one."""
    assert f"confidence is {text!r}, not a number" == reason({"confidence": text})


@pytest.mark.parametrize("confidence", [1.0200001, 1.03, 1.5, 100.1, -0.01, -85, 1e300])
def test_a_confidence_out_of_range_is_refused(confidence: float) -> None:
    """Neither a share, nor rounding, nor percent: refused with the range."""
    assert f"confidence is {confidence:g}, out of range 0 to 1" == reason({"confidence": confidence})


@pytest.mark.parametrize("percent", ["101%", "-1%"])
def test_percent_out_of_range_is_refused(percent: str) -> None:
    """Percent goes from 0 to 100."""
    assert f"confidence is {percent.rstrip('%')}, out of range 0 to 100" == reason({"confidence": percent})


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"null", "null"), (b"true", "a boolean"), (b"1", "a number"), (b'"' + b"[" * 100 + b'"', "a text")],
)
def test_a_document_that_is_no_object_or_list_is_refused(data: bytes, kind: str) -> None:
    """A bare value is not a result."""
    assert f"holds {kind}, not an object or a list" == reason(data)


@pytest.mark.parametrize(
    "data",
    [b"{", b'{"emotion": "sad"} more', b"\x00" * 40, b"{'a': 1}", '{"emotion": "快'.encode()[:-1]],
)
def test_what_is_not_json_is_refused(data: bytes) -> None:
    """Torn, doubled or binary files are refused as not JSON, also those torn in the middle of a character."""
    assert reason(data).startswith("is not JSON: ")


@pytest.mark.parametrize("data", [b"", b" \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_said_to_be_empty(data: bytes) -> None:
    """A file that was opened and not yet written has a reason of its own."""
    assert reason(data) == "is empty"


@pytest.mark.parametrize("data", [b'{"a": "\xff"}', b'{"a": "\xff\\u0041"}', '{"a": "快乐"}'.encode("gbk")])
def test_another_encoding_is_said_to_be_one(data: bytes) -> None:
    """Text that is not UTF-8 is not taken for a torn file."""
    assert reason(data) == "is not UTF-8 text (GBK, perhaps?); save it as UTF-8"


def test_a_file_over_16_mib_is_refused() -> None:
    """One byte more than 16 MiB is refused by its size alone."""
    length = SIZE_LIMIT + 1
    assert f"is {length} bytes long; more than {16 * 1024 * 1024} is not a result" == reason(b" " * length)


def test_a_large_file_is_read() -> None:
    """A file of exactly 16 MiB is still a result."""
    data = b'{"emotion": "sad"}'
    assert read_result(data + b" " * (SIZE_LIMIT - len(data))).emotion == "sad"


def nested(depth: int) -> bytes:
    """A result that is nested so many levels deep in an extra key."""
    return b'{"emotion": "sad", "extra": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_64_levels_are_read() -> None:
    """Nesting of exactly 64 levels is no reason to refuse."""
    assert read_result(nested(64)).emotion == "sad"


def test_more_than_64_levels_are_refused() -> None:
    """A level more is refused as too deep."""
    assert reason(nested(65)) == "is nested deeper than 64 levels"


def test_many_brackets_side_by_side_are_not_deep() -> None:
    """Depth is what counts, not the number of brackets."""
    assert read({"emotion": "sad", "extra": [[{}]] * 100}).emotion == "sad"


@pytest.mark.parametrize("start", [b"", b'["\\u0041",'])
def test_absurd_nesting_is_refused_without_harm(start: bytes) -> None:
    """Hundreds of thousands of brackets exhaust neither parser."""
    assert reason(start + b"[" * 200_000 + b"]" * 200_000).startswith("is not JSON: ")


def test_too_many_digits_are_refused() -> None:
    """A number of thousands of digits is refused, not computed."""
    assert reason(b'{"confidence": ' + b"9" * 5000 + b', "a": "\\ud800"}').startswith("is not JSON: ")


# Text from outside


@pytest.mark.parametrize("key", ["timestamp", "granularity"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"\\ud800"', "\\ud800"),
        ('"\\u001b[2J\\u202e"', "\\u001b[2J\\u202e"),
        ("1704378600", "1704378600"),
        ("true", "true"),
        ('{"at": [1, "现在"]}', '{"at": [1, "现在"]}'),
        ("null", None),
    ],
)
def test_no_timestamp_or_granularity_is_a_reason_to_refuse(
    key: str, value: str, expected: str | None
) -> None:
    """Whatever stands there is kept as escaped text."""
    result = read_result(f'{{"emotion": "sad", "{key}": {value}}}'.encode())
    assert ("sad", expected) == (result.emotion, getattr(result, key))


def test_a_long_timestamp_is_cut() -> None:
    """No text of the file enters the log at any length."""
    assert read({"emotion": "sad", "timestamp": "x" * 100_000}).timestamp == "x" * 200 + "…"


def test_a_lone_surrogate_in_the_emotion_is_escaped() -> None:
    """An emotion that no encoding can write is a class of its own under its escaped text."""
    assert read_result(b'{"emotion": "\\ud800", "confidence": 0.9}').emotion == "\\ud800"


def test_a_label_in_a_reason_is_escaped() -> None:
    """A reason never carries a control sequence to the terminal."""
    assert (
        reason({"scores": {"\x1b[2J": 7}})
        == "scores.\\u001b[2J is 7, out of range 0 to 1; if these are logits, write their softmax"
    )


# The numbers that rules look at


def test_top_two_and_gap_come_from_the_scores() -> None:
    """Top1 and top2 are the two highest scores, whatever the emotion says."""
    result = read({"emotion": "sad", "scores": {"sad": 0.25, "happy": 0.5, "angry": 0.125}})
    assert (result.top1, result.top2, result.gap) == (0.5, 0.25, 0.25)


def test_a_single_score_stands_against_nothing() -> None:
    """With one class the second score is 0 and the gap the score itself."""
    result = read({"scores": {"sad": 0.4}})
    assert (result.top1, result.top2, result.gap) == (0.4, 0.0, 0.4)


def test_without_scores_there_is_no_gap() -> None:
    """Without scores there is neither top nor gap."""
    result = read({"emotion": "sad", "confidence": 0.9})
    assert (result.top1, result.top2, result.gap) == (None, None, None)


def test_the_gap_is_rounded_to_nine_digits() -> None:
    """0.35 - 0.30 is 0.05, though not in binary."""
    assert read({"scores": {"sad": 0.35, "happy": 0.30}}).gap == 0.05


# Properties

shares = st.floats(0, 1)
score_sets = st.dictionaries(st.sampled_from(CLASSES), shares, min_size=1)
ORDINARY = st.dictionaries(st.sampled_from(CLASSES), st.integers(1, 1000), min_size=2).map(
    lambda weights: {name: weight / sum(weights.values()) for name, weight in weights.items()}
)


@given(score_sets)
@settings(deadline=None)
def test_every_form_of_the_same_scores_reads_alike(scores: dict[str, float]) -> None:
    """Five keys, dict of labels, FunASR's list with both label styles: one result."""
    labels = dict(zip(CLASSES, LABELS, strict=True))
    forms: list[Any] = [
        {"scores": scores},
        scores,
        [{"key": "k", "labels": [labels[name] for name in scores], "scores": list(scores.values())}],
        {"labels": list(scores), "scores": list(scores.values())},
        {"scores": {labels[name]: score for name, score in scores.items()}},
    ]
    assert [dict(scores)] * len(forms) == [dict(read(form).scores) for form in forms]


@given(ORDINARY)
@settings(deadline=None)
def test_percent_in_either_spelling_reads_as_shares(scores: dict[str, float]) -> None:
    """Scores times a hundred, as numbers or with percent signs, are the scores."""
    numbers = read({"scores": {name: score * 100 for name, score in scores.items()}})
    signs = read({"scores": {name: f"{score * 100!r}%" for name, score in scores.items()}})
    assert pytest.approx(scores) == dict(numbers.scores)
    assert pytest.approx(scores) == dict(signs.scores)


@given(st.lists(score_sets, min_size=2, max_size=20))
@settings(deadline=None)
def test_the_mean_of_frames_is_the_mean(frames: list[dict[str, float]]) -> None:
    """Whatever the frames, each class has the mean of its scores over all of them."""
    named = {name for frame in frames for name in frame}
    expected = {name: sum(frame.get(name, 0.0) for frame in frames) / len(frames) for name in named}
    assert pytest.approx(expected) == dict(read({"frames": [{"scores": frame} for frame in frames]}).scores)


KEYS = ["emotion", "label", "confidence", "scores", "labels", "granularity", "timestamp", *FRAME_KEYS]
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-200, 200)
    | st.floats()
    | st.sampled_from(LABELS)
    | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=9)
        | st.dictionaries(st.sampled_from(KEYS + LABELS) | st.text(max_size=9), inner, max_size=9)
    ),
    max_leaves=30,
)


def outcome(data: bytes) -> Result | str:
    """The result, or the reason why there is none."""
    try:
        return read_result(data)
    except BadResult as refusal:
        return str(refusal)


def is_sound(outcome: Result | str) -> bool:
    """Whether it is a result whose numbers are shares, or a reason that fits in one line."""
    if isinstance(outcome, str):
        return outcome != "" and outcome == escape(outcome, 10_000)
    numbers = [*outcome.scores.values(), *([] if outcome.confidence is None else [outcome.confidence])]
    return all(math.isfinite(number) and 0 <= number <= 1 for number in numbers)


@given(anything)
@settings(deadline=None)
def test_any_json_is_a_sound_result_or_refused(document: Any) -> None:
    """No document makes anything but shares or a reason that fits in one line."""
    assert is_sound(outcome(json.dumps(document, ensure_ascii=True).encode()))


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_a_sound_result_or_refused(data: bytes) -> None:
    """No bytes make anything but shares or a reason that fits in one line."""
    assert is_sound(outcome(data))


def test_frames_take_the_labels_beside_them() -> None:
    """Lists of scores under labels of another order are read by those labels."""
    document = {"labels": list(reversed(CLASSES)), "frames": [[0.9] + [0.0125] * 8]}

    assert "unknown" == read_result(json.dumps(document).encode()).emotion


def test_a_number_with_an_underscore_is_no_number() -> None:
    """Python would read "1_0" as ten; a result never means that."""
    with pytest.raises(BadResult, match="confidence is '1_0', not a number"):
        read_result(b'{"confidence": "1_0"}')


def test_too_many_values_are_refused_before_parsing() -> None:
    """A file within the size limit that would fill gigabytes of memory is refused by its commas and brackets."""
    expected = "has too many values: 0 objects, 1600002 lists and 1600000 commas"
    assert expected == reason(b"[" + b"[]," * 1_600_000 + b"[]]")


def test_more_frames_than_a_second_can_average_are_refused() -> None:
    """50,000 frames are read, and one more is refused."""
    frames = [{"sad": 0.9}] * 50_000
    assert read(frames).scores == {"sad": 0.9}
    assert "has 50001 frames; more than 50000 is not a result" == reason([*frames, {}])


@pytest.mark.parametrize("inside", [True, False])
def test_frames_that_each_have_other_labels_are_refused(inside: bool) -> None:  # noqa: FBT001 - a parameter
    """Labels without end are refused, within the scores of frames as beside them."""
    labels = [{f"unuse_{number}": 0.5} for number in range(1025)]
    frames = [{"scores": each} if inside else each for each in labels]
    assert reason(frames) == "has more than 1024 different labels"


def test_frames_of_too_many_classes_are_refused() -> None:
    """A class of its own for each frame is refused as soon as there are too many in all."""
    frames = [{"scores": {f"mood {number}": 0.5}} for number in range(257)]
    assert reason(frames) == "has more than 256 classes"


def test_a_large_file_with_lone_surrogates_is_refused() -> None:
    """The parser that takes lone surrogates gets nothing that it would need hundreds of megabytes for."""
    data = b'{"emotion": "sad", "extra": "\\ud800"}'
    room = LENIENT_SIZE_LIMIT - len(data)
    assert read_result(data + b" " * room).emotion == "sad"
    assert reason(data + b" " * (room + 1)).startswith("is not JSON: ")


def test_minus_zero_is_zero() -> None:
    """No figure of log or report has a sign that means nothing."""
    result = read_result(b'{"confidence": -0.0, "scores": {"sad": -0.0, "happy": "-0%"}}')
    assert ["0.0", "0.0", "0.0"] == [repr(number) for number in (result.confidence, result.top1, result.top2)]


def test_labels_that_are_null_are_no_labels() -> None:
    """Nine scores beside "labels": null are in the model's order."""
    scores = [0.0125] * 3 + [0.9] + [0.0125] * 5
    assert read_result(json.dumps([{"labels": None, "scores": scores}]).encode()).emotion == "happy"


def test_a_remark_under_other_is_no_score() -> None:
    """A text under the key "other" beside flat scores is an extra key."""
    result = read_result(b'{"happy": 0.9, "sad": 0.1, "other": "remark"}')
    assert dict(result.scores) == {"happy": 0.9, "sad": 0.1}
