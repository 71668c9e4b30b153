"""Results in the forms of other writers than the WebUI: read by what their words mean, or refused with them."""

import codecs
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emosieve.errors import BadResult
from emosieve.judge.keys import WORDS, OwnKeys, roles_of
from emosieve.judge.labels import CLASSES
from emosieve.judge.result import Frames, Result, read_result
from emosieve.judge.ruleset import Evidence, RuleSet, judge

SCORES = {"neutral": 0.74, "sad": 0.2, "happy": 0.06}
PAIRS = [{"label": label, "score": score} for label, score in SCORES.items()]
LABELS, NUMBERS = list(SCORES), list(SCORES.values())
CHINESE = {"中性": 0.74, "悲伤": 0.2, "快乐": 0.06}
WEBUI = {"emotion": "neutral", "confidence": 0.74, "scores": SCORES}
SCORE_KEYS = (
    *(
        "emotion_scores",
        "emotionScores",
        "Scores",
        "SCORES",
        "all_scores",
        "raw_scores",
        "probs",
        "probabilities",
    ),
    *("softmax", "emotions", "all_emotions", "emotion_probabilities", "emotion_distribution", "class_probs"),
    *("label_scores", "likelihoods", "confidences", "predictions", "distribution", "details"),
)
TWO_FILES = "holds the results of 2 recordings (a.wav, b.wav)"


def read(document: Any, own: OwnKeys = OwnKeys()) -> Result:  # noqa: B008 - frozen
    """Read a document as a writer of result.json would have written it."""
    return read_result(json.dumps(document, ensure_ascii=False).encode(), own)


def reason(document: Any) -> str:
    """Why a document is refused."""
    with pytest.raises(BadResult) as refusal:
        read(document)
    return str(refusal.value)


def under(key: str, value: Any) -> dict[str, Any]:
    """Scores under a key of their own, beside an emotion and its confidence."""
    return {"emotion": "neutral", "confidence": 0.74, key: value}


SAME_SCORES: list[Any] = [
    # Pipelines of transformers, and lists of pairs in other words
    PAIRS,
    [PAIRS],
    {"scores": PAIRS},
    [{"emotion": label, "confidence": score} for label, score in SCORES.items()],
    [{"name": label, "value": score} for label, score in SCORES.items()],
    [{"label": label, "score": score, "rank": 1} for label, score in SCORES.items()],
    [[label, score] for label, score in SCORES.items()],
    [[score, label] for label, score in SCORES.items()],
    [{label: score} for label, score in SCORES.items()],
    {"emotions": [{"emotion": label, "probability": score} for label, score in SCORES.items()]},
    {
        "label": "neutral",
        "confidences": [{"label": one, "confidence": score} for one, score in SCORES.items()],
    },
    # Lists side by side
    {"labels": LABELS, "scores": NUMBERS},
    {"label": LABELS, "score": NUMBERS},
    {"classes": LABELS, "probabilities": NUMBERS},
    {"LABELS": LABELS, "SCORES": NUMBERS},
    {"labels": [LABELS], "scores": [NUMBERS]},
    {"pred_label": "neutral", "pred_score": 0.74, "topk_labels": LABELS, "topk_scores": NUMBERS},
    under("scores", {"labels": LABELS, "values": NUMBERS}),
    # Other keys
    *(under(key, SCORES) for key in SCORE_KEYS),
    *(
        under(key, PAIRS)
        for key in ("all_scores", "predictions", "topk", "top_k", "top3", "top_emotions", "candidates")
    ),
    {"emotion": "neutral", "confidence": SCORES},
    {"emotion": SCORES},
    {"dominant_emotion": "neutral", "dominant_emotion_confidence": 0.74, "all_emotions": SCORES},
    {"EMOTION": "neutral", "AVG_CONF": 0.74, "SCORES": SCORES},
    {"emotion": {"neutral": 74.0, "sad": 20.0, "happy": 6.0}, "dominant_emotion": "neutral"},
    {"probabilities": {label: {"score": score} for label, score in SCORES.items()}},
    {"情感": "中性", "置信度": 0.74, "得分": CHINESE},
    {"情绪": "中性", "概率": 0.74, "各情绪概率": CHINESE},
    {"主要情感": "中性", "置信度": "74%", "情感得分": {"中性": "74%", "悲伤": "20%", "快乐": "6%"}},
    {"标签": list(CHINESE), "得分": NUMBERS},
    {label: str(score) for label, score in SCORES.items()},
    # Wrappers
    {"code": 0, "message": "ok", "data": WEBUI},
    {"code": 200, "data": {"result": WEBUI}},
    {"success": True, "data": [WEBUI]},
    {"success": True, "data": PAIRS},
    {"status": "success", "error": None, "output": WEBUI},
    {"result": WEBUI},
    {"results": [{"key": "a", "labels": LABELS, "scores": NUMBERS}]},
    {"output": [PAIRS]},
    {"data": [{"label": "neutral", "confidences": PAIRS}], "duration": 1.2},
    {"结果": {"情感": "中性", "置信度": 0.74, "得分": CHINESE}},
    {"result": "neutral", "confidence": 0.74, "scores": SCORES},
    {"call_0001.wav": WEBUI},
    {"response": {"choices": [WEBUI]}},
    under("unheard_of", SCORES),
]


@pytest.mark.parametrize("document", SAME_SCORES, ids=[json.dumps(one)[:70] for one in SAME_SCORES])
def test_the_same_scores_read_alike_however_they_are_written(document: Any) -> None:
    """Emotion, confidence and scores are the same in each form."""
    result = read(document)
    assert ("neutral", 0.74) == (result.emotion, result.confidence)
    assert pytest.approx(SCORES) == dict(result.scores)
    assert None is result.frames


@pytest.mark.parametrize(
    "document",
    [
        [{"label": "neutral", "score": 0.74}],
        {"label": "neutral", "score": 0.74},
        {"LABEL": "Neutral", "SCORE": "74%"},
        {"output": {"emotion": {"label": "neutral", "score": 0.74}}},
        {"out_prob": [[0.74, 0.26]], "score": [0.74], "index": [0], "text_lab": ["neu"]},
    ],
)
def test_a_label_with_its_score_is_a_score(document: Any) -> None:
    """What only tells its best class has that score."""
    assert Result("neutral", 0.74, {"neutral": 0.74}) == read(document)


@pytest.mark.parametrize(
    ("document", "emotion"),
    [
        ({"emotion": "neutral", "confidence": 0.9}, "neutral"),
        ({"data": {"label": "neutral", "confidence": 0.9}}, "neutral"),
        ({"emotion": "frustrated", "confidence": 0.9, "scores": {}}, "frustrated"),
        ({"text": "…", "emotion": "NEUTRAL", "confidence": 0.9, "event": "Speech"}, "neutral"),
        ({"emotion": "W", "confidence": 0.9}, "angry"),
        ({"emotion": ["neutral"], "confidence": "90%"}, "neutral"),
    ],
)
def test_an_emotion_with_a_confidence_needs_no_scores(document: Any, emotion: str) -> None:
    """A file that says an emotion and its confidence was understood: that it has no scores is for a rule to say."""
    result = read(document)
    assert Result(emotion, 0.9, {}) == result
    assert ["scores_missing"] == [one.rule for one in judge(Evidence(result), RuleSet()).findings]


def test_a_known_emotion_alone_was_understood() -> None:
    """A file that names one of the nine classes and no number at all has no scores."""
    assert Result("happy", None, {}) == read({"text": "…", "emotion": "HAPPY", "event": "Speech"})


# What is refused


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"__error__": "Soundfile is malformed"}, "reports an error: Soundfile is malformed"),
        ({"error": {"code": 1, "message": "bad audio"}}, "reports an error: bad audio"),
        ({"error": "timeout", **WEBUI}, "reports an error: timeout"),
        ({"code": 500, "message": "busy", "data": None}, "reports an error: busy (code 500)"),
        ({"success": False, "message": "no speech"}, "reports an error: no speech"),
        ({"success": False, **WEBUI}, "reports an error"),
        ({"status": "failed", "detail": "oom"}, "reports an error: oom"),
        ({"data": {"error": "x"}}, "reports an error: x"),
        ({"错误": "音频损坏"}, "reports an error: 音频损坏"),
    ],
)
def test_an_error_is_no_result(document: Any, words: str) -> None:
    """What reports an error is refused with its text, whatever stands beside it."""
    assert words == reason(document)


@pytest.mark.parametrize(
    ("document", "keys"),
    [
        ({"text": "…", "language": "zh"}, "text, language"),
        ({"valence": 0.3, "arousal": 0.4}, "valence, arousal"),
        ({"emotion": {"valence": 0.3, "arousal": 0.4}}, "valence, arousal"),
        ({"thresholds": {"happy": 0.5}}, "thresholds"),
        ({"emotion": "call_01"}, "emotion"),
        ({"code": 1001, "data": None}, "code, data"),
        ({"confidence": 0.9}, "confidence"),
        (
            {f"k{number}": 0 for number in range(15)},
            ", ".join(f"k{number}" for number in range(12)) + " and 3 more",
        ),
        ({"\x1b[2J": 1}, "\\u001b[2J"),
    ],
)
def test_a_file_of_unknown_words_is_refused_with_its_keys(document: Any, keys: str) -> None:
    """The reason shows the keys that are there, and the setting that may name one of them."""
    expected = f"has the keys {keys}, and among them no scores that emosieve knows; "
    assert f"{expected}if yours have a key of their own, name it in results.score_keys" == reason(document)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (
            under("weird", {"neutral": 0.4, "sad": 0.6}),
            "has scores under weird, a key that emosieve does not know",
        ),
        (
            under("weird", {"neutral": 0.74, "sad": 0.9}),
            "has scores under weird, a key that emosieve does not know",
        ),
        (under("weird", [["neutral", 0.7, 1], ["sad", 0.3, 1]]), "has scores under weird, "),
        (under("scores", {"valence": 0.3, "arousal": 0.4}), "scores holds no labels with numbers"),
        (under("probs", [0.74, 0.26]), "probs has 2 numbers and no labels"),
        (
            under("logits", {"neutral": 3.1, "sad": -1.0}),
            "holds logits, which are no scores; write their softmax",
        ),
        ({"logits": [3.1, -1.0], "labels": ["neutral", "sad"]}, "holds logits, "),
        (
            {"labels": ["happy", "sad"], "scores": [4.9, -1.2]},
            "scores.happy is 4.9, out of range 0 to 1; if these are l",
        ),
    ],
)
def test_scores_that_are_not_understood_are_not_missing(document: Any, words: str) -> None:
    """Where an emotion and its confidence stand beside what looks like scores, these are not passed over."""
    assert reason(document).startswith(words)


# Several recordings


@pytest.mark.parametrize(
    "document",
    [
        [
            {"key": "a.wav", "labels": LABELS, "scores": NUMBERS},
            {"key": "b.wav", "labels": LABELS, "scores": NUMBERS},
        ],
        {"data": [{"file": "a.wav", **WEBUI}, {"file": "b.wav", **WEBUI}]},
        {
            "results": [
                {"filename": "a.wav", "label": "sad", "score": 0.9},
                {"filename": "b.wav", "label": "sad", "score": 1},
            ]
        },
        [
            {"path": "a.wav", "emotion": "sad", "confidence": 0.9},
            {"path": "b.wav", "emotion": "sad", "confidence": 0.9},
        ],
        {"files": ["a.wav", "b.wav"], "emotions": ["happy", "sad"], "confidences": [0.9, 0.8]},
        {"a.wav": WEBUI, "b.wav": WEBUI},
        {"model": "large", "a.wav": SCORES, "b.wav": SCORES},
    ],
)
def test_several_recordings_are_not_averaged(document: Any) -> None:
    """The mean over recordings is a verdict about none of them; the names of all are in the reason."""
    assert reason(document).startswith(TWO_FILES)


def test_several_whole_results_are_several_recordings() -> None:
    """A list of results of whole utterances is no list of frames, though nothing names the recordings."""
    utterance = {**WEBUI, "granularity": "utterance"}
    assert reason([utterance, utterance]).startswith("holds 2 results of whole utterances")


def test_a_batch_of_lists_is_several_recordings() -> None:
    """Several lists of pairs in one list are what a pipeline writes for several files."""
    assert reason([PAIRS, PAIRS]).startswith("holds several lists of labels with scores, each of a recording")


@pytest.mark.parametrize(
    "document",
    [
        [{"label": "happy", "score": 0.9}, {"label": "sad", "score": 0.8}],
        [{"label": "happy", "score": 0.9}, {"label": "happy", "score": 0.8}],
        {"data": [{"emotion": "happy", "confidence": 0.9}, {"emotion": "happy", "confidence": 0.8}]},
        {"start": [0, 2], "labels": ["happy", "sad"], "scores": [0.5, 0.4]},
    ],
)
def test_labels_of_several_moments_are_no_scores_of_one(document: Any) -> None:
    """Labels that do not exclude each other, or stand there twice, are of several moments or files."""
    assert "several moments or recordings" in reason(document) or "for each of 2 times" in reason(document)


def test_scores_of_a_model_that_asks_for_each_class_are_read() -> None:
    """Scores that sum to more than a whole are read where they are a map, or the file names its emotion."""
    scores = {"happy": 0.93, "surprised": 0.91, "neutral": 0.2}
    pairs = [{"label": label, "score": score} for label, score in scores.items()]
    assert (
        scores
        == dict(read({"scores": scores}).scores)
        == dict(read({"emotion": "happy", "scores": pairs}).scores)
    )


def test_more_pairs_than_classes_are_refused() -> None:
    """A list of 257 labels is no list of frames."""
    pairs = [{"label": f"mood {number}", "score": 0.001} for number in range(1000)]
    assert "has 257 scores; more than 256 is not a result" == reason(pairs)


def test_rows_that_may_be_either_are_refused() -> None:
    """Rows of numbers are frames where the file says so, and otherwise as likely a batch."""
    rows = {"scores": [[0.1] * 9, [0.2] + [0.1] * 8]}
    assert reason(rows).startswith("scores has 2 rows, of frames or of several recordings")
    assert Frames(2, 1.0) == read({**rows, "granularity": "frame"}).frames


@pytest.mark.parametrize(
    "document",
    [
        [{"key": "a", "start": 0, **WEBUI}, {"key": "a", "start": 1, **WEBUI}],
        {"segments": [{"id": 0, "start": 0.0, **WEBUI}, {"id": 1, "start": 2.1, **WEBUI}]},
        {"timeline": [{"time": 0, "softmax": SCORES}, {"time": 1, "softmax": SCORES}]},
        {"chunks": [{"start": 0, "emotions": PAIRS}, {"start": 1, "emotions": PAIRS}]},
        {"frames": [PAIRS, PAIRS]},
        {"frame_scores": [SCORES, SCORES]},
        {"data": {"segments": [{"start": 0, "result": WEBUI}, {"start": 1, "result": WEBUI}]}},
        {"labels": LABELS, "frames": [{"scores": NUMBERS}, {"scores": NUMBERS}]},
    ],
)
def test_windows_of_one_recording_are_frames(document: Any) -> None:
    """Segments, windows and frames of one recording are averaged, in any of the forms of scores."""
    result = read(document)
    assert pytest.approx(SCORES) == dict(result.scores)
    assert ("frame", Frames(2, 1.0)) == (result.granularity, result.frames)


def test_windows_with_a_verdict_alone_have_its_confidence_for_a_score() -> None:
    """A window that names its emotion and confidence counts with these."""
    windows = [
        {"start": 0, "emotion": "happy", "confidence": 0.91},
        {"start": 2, "emotion": "sad", "confidence": 0.87},
    ]
    result = read({"segments": windows})
    assert Frames(2, 0.5) == result.frames
    assert {"happy": 0.455, "sad": 0.435} == pytest.approx(dict(result.scores))


# Units


@pytest.mark.parametrize(
    ("document", "confidence", "top1"),
    [
        ({"emotion": "happy", "confidence": 45.2, "scores": {"happy": 45.2, "neutral": 30.1}}, 0.452, 0.452),
        ({"scores": {"happy": 45.2, "neutral": 30.1}}, 0.452, 0.452),
        (
            {"emotion": "happy", "confidence": "45.2%", "scores": {"happy": "45.2%", "neutral": "30.1%"}},
            0.452,
            0.452,
        ),
        (
            {"emotion": "happy", "confidence": "0.853", "scores": {"happy": "0.853", "sad": "0.147"}},
            0.853,
            0.853,
        ),
        ({"emotion": "happy", "confidence": 1, "scores": {"happy": 1, "neutral": 1, "sad": 98}}, 0.01, 0.98),
        ({"emotion": "sad", "confidence": 1, "scores": {"happy": 1, "neutral": 1, "sad": 98}}, 0.01, 0.98),
        ({"emotion": "sad", "confidence": 0.95, "scores": {"happy": 1, "neutral": 1, "sad": 98}}, 0.95, 0.98),
        (
            {"emotion": "happy", "confidence": 0.9, "scores": {"happy": 90.0, "neutral": 9.6, "sad": 0.4}},
            0.9,
            0.9,
        ),
        ({"emotion": "happy", "confidence": 1.2, "scores": {"happy": 1.2, "sad": 98.8}}, 0.012, 0.988),
        ({"emotion": "happy", "confidence": 1, "scores": {"happy": 100, "sad": 0}}, 1.0, 1.0),
        ({"emotion": "happy", "confidence": 93, "scores": {"happy": 93, "surprised": 91}}, 0.93, 0.93),
        ({"emotion": "happy", "confidence": 0.93, "scores": {"happy": 93, "surprised": 91}}, 0.93, 0.93),
        ({"emotion": "happy", "confidence": 85.3, "scores": {"happy": 0.853, "sad": 0.147}}, 0.853, 0.853),
        ({"label": "happy", "score": 97}, 0.97, 0.97),
    ],
)
def test_a_file_has_one_unit(document: Any, confidence: float, top1: float) -> None:
    """Scores are percent where one is above 1 and all of them can be, and the confidence is in their unit."""
    result = read(document)
    assert pytest.approx((confidence, top1)) == (result.confidence, result.top1)


@pytest.mark.parametrize(
    "scores",
    [
        {"happy": 93, "surprised": 91},
        {"happy": 4.2},
        {"happy": 250, "sad": 10},
        {"happy": 4.9, "sad": 3.1, "angry": 0.2},
    ],
)
def test_numbers_that_are_no_unit_are_refused(scores: dict[str, float]) -> None:
    """Without anything that tells them from counts and logits, numbers above 1 are no percent."""
    assert reason({"scores": scores}).endswith(
        "out of range 0 to 1; if these are logits, write their softmax"
    )
    beside = {"emotion": "happy", "confidence": 0.5, "scores": scores}
    assert reason(beside).endswith("out of range 0 to 1; if these are logits, write their softmax")


def test_frames_have_one_unit() -> None:
    """A frame of small percent is percent as the others are, and one that is a whole of shares fits in no such file."""
    percent = [{"happy": 98, "sad": 2}, {"happy": 0.5, "sad": 99.5}, {"happy": 0, "sad": 0}]
    assert {"happy": 0.985 / 3, "sad": 1.015 / 3} == pytest.approx(dict(read({"frames": percent}).scores))
    assert reason({"frames": [percent[0], {"happy": 0.9, "sad": 0.1}]}).startswith(
        "frame 0: happy is 98, out of range"
    )


# Labels of other models


def test_labels_of_one_data_set_are_read_by_its_letters() -> None:
    """EMO-DB's W is anger beside its L; letters that mean one thing here and another there stay as they are."""
    berlin = read({"emotion": "W", "scores": {"W": 0.9, "L": 0.06, "A": 0.04}})
    assert ("angry", {"angry": 0.9, "fearful": 0.04, "boredom": 0.06}) == (
        berlin.emotion,
        dict(berlin.scores),
    )
    assert {"angry": 0.9, "sad": 0.1} == dict(read({"scores": {"A": 0.9, "S": 0.1}}).scores)
    assert {"a": 0.9, "n": 0.1} == dict(read({"scores": {"A": 0.9, "N": 0.1}}).scores)


def test_foreign_labels_beside_known_ones_are_taken_where_they_make_the_whole() -> None:
    """A dict of labels is read whole, though some are none of the nine; an extra number is left alone."""
    assert {"neutral": 0.7, "sad": 0.2, "excited": 0.1} == dict(
        read({"neutral": 0.7, "sad": 0.2, "excited": 0.1}).scores
    )
    assert {"neutral": 0.8, "sad": 0.2} == dict(read({"neutral": 0.8, "sad": 0.2, "speed": 0.3}).scores)


# Keys of one's own


OWN = OwnKeys(emotion=("mood_name",), confidence=("sure",), scores=("vector",))


def test_keys_of_ones_own_are_read() -> None:
    """Keys that the settings name are read, wherever in the file they stand."""
    document: dict[str, Any] = {"mood_name": "sad", "sure": 0.2, "vector": {"happy": 0.8, "sad": 0.2}}
    assert reason(document).startswith("has scores under vector, a key that emosieve does not know")
    assert Result("sad", 0.2, {"happy": 0.8, "sad": 0.2}) == read(document, OWN)
    assert Result("sad", 0.2, {"happy": 0.8, "sad": 0.2}) == read({"data": document}, OWN)


def test_keys_of_ones_own_go_before_the_known() -> None:
    """Where a file has both, the key that the settings name is meant."""
    document = {"emotion": "angry", "confidence": 0.6, "scores": {"angry": 0.6}}
    own = {"mood_name": "sad", "sure": 0.7, "vector": {"sad": 0.7}}
    assert Result("sad", 0.7, {"sad": 0.7}) == read({**document, **own}, OWN)
    assert Result("angry", 0.6, {"angry": 0.6}) == read(document, OWN)


def test_a_key_of_ones_own_is_meant_exactly() -> None:
    """Case and number of a key that somebody names are as written."""
    with pytest.raises(BadResult, match="has the keys Vector, and among them no scores that emosieve knows"):
        read({"Vector": {"foreign": 0.8, "word": 0.2}}, OWN)
    assert dict(read({"vector": {"foreign": 0.8, "word": 0.2}}, OWN).scores) == {"foreign": 0.8, "word": 0.2}


# Words


@pytest.mark.parametrize("role", WORDS)
def test_every_word_has_its_role(role: Any) -> None:
    """Each word of the table is found under the role that it stands at, in any case."""
    words = WORDS[role].split()
    assert [] == [word for word in words if role not in roles_of(word) or role not in roles_of(word.upper())]


@pytest.mark.parametrize(
    "key",
    [
        "language",
        "model",
        "embedding",
        "no_speech_prob",
        "speech_prob",
        "text_emotions",
        "sample_rate",
        "audio_score",
    ],
)
def test_other_words_have_no_role(key: str) -> None:
    """A known word behind an unknown one is another thing: the probability of speech is no score."""
    assert () == roles_of(key)


def test_a_very_long_key_has_no_role() -> None:
    """No key that long is known, nor remembered."""
    assert () == roles_of("emotion_" * 9 + "score")


# Encodings


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF8, "utf-8"),
    ],
)
def test_a_byte_order_mark_tells_the_encoding(mark: bytes, encoding: str) -> None:
    """What PowerShell writes is read by its mark, line ends of Windows included."""
    text = '{"emotion": "happy",\r\n"confidence": 0.9, "scores": {"开心/happy": 0.9, "😢": 0.1}}\r\n'
    assert Result("happy", 0.9, {"happy": 0.9, "sad": 0.1}) == read_result(mark + text.encode(encoding))


@pytest.mark.parametrize("data", [codecs.BOM_UTF16_LE + b'{\x00"', codecs.BOM_UTF32_LE + b"\xff" * 4])
def test_half_of_a_character_is_no_text(data: bytes) -> None:
    """A file that ends within a character, or holds none, is refused by the encoding that its mark names."""
    with pytest.raises(BadResult, match=r"is not whole UTF-(16|32) text, as its byte order mark says"):
        read_result(data)


# Properties

words = st.sampled_from(
    [word for role in WORDS for word in WORDS[role].split()] + ["", "x", *CLASSES, "开心", "W"]
)
values = (
    st.none()
    | st.booleans()
    | st.integers(-3, 101)
    | st.floats(-1, 101)
    | words
    | st.sampled_from(["9%", "0.5"])
)
documents = st.recursive(
    values,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=5),
    max_leaves=25,
)


@given(documents)
@settings(deadline=None)
def test_any_document_of_known_words_is_a_sound_result_or_refused(document: Any) -> None:
    """Whatever stands under the words that are known, what comes of it are shares, the same each time, or a reason."""
    try:
        result = read(document)
    except BadResult:
        return
    numbers = [*result.scores.values(), *([] if result.confidence is None else [result.confidence])]
    assert all(0 <= number <= 1 for number in numbers)
    assert result.emotion is not None
    assert result == read(document)


@given(
    st.sampled_from(SAME_SCORES),
    st.lists(st.sampled_from(["data", "result", "output", "payload"]), max_size=5),
)
@settings(deadline=None)
def test_wrappers_around_wrappers_change_nothing(document: Any, wrappers: list[str]) -> None:
    """What is wrapped several times over reads as what is within."""
    wrapped = document
    for wrapper in wrappers:
        wrapped = {wrapper: wrapped, "code": 0}
    assert read(document) == read(wrapped)
