"""What writers of result.json call the nine classes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emosieve.judge.labels import CLASSES, class_of

CHINESE = ("生气", "厌恶", "恐惧", "开心", "中立", "其他", "难过", "吃惊", "未知")
PAIRS = list(zip(CLASSES, CHINESE, strict=True))

labels_of_a_class = st.sampled_from(PAIRS).flatmap(
    lambda pair: st.tuples(
        st.just(pair[0]),
        st.sampled_from(
            [
                pair[0],
                pair[1],
                f"{pair[1]}/{pair[0]}",
                f"{pair[0]}/{pair[1]}",
                f"{pair[1]} ({pair[0].title()})",
                f"{CLASSES.index(pair[0])}/{pair[0]}",
                f"😊 {pair[1]} ({pair[0]})",
            ],
        ),
    ),
)


def test_the_classes_stand_in_the_order_of_the_model() -> None:
    """An index for a label counts in the model's own order, angry first and unknown last."""
    expected = ("angry", "disgusted", "fearful", "happy", "neutral", "other", "sad", "surprised", "unknown")
    assert expected == CLASSES


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_either_language_alone_is_the_class(english: str, chinese: str) -> None:
    """The English and the Chinese word each mean the class on their own."""
    assert (english, english) == (class_of(english), class_of(chinese))


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_a_bilingual_label_is_the_class_in_either_order(english: str, chinese: str) -> None:
    """`生气/angry` and `angry/生气` mean the same class."""
    assert (english, english) == (class_of(f"{chinese}/{english}"), class_of(f"{english}/{chinese}"))


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("anger", "angry"),
        ("愤怒", "angry"),
        ("disgust", "disgusted"),
        ("fear", "fearful"),
        ("害怕", "fearful"),
        ("happiness", "happy"),
        ("快乐", "happy"),
        ("高兴", "happy"),
        ("中性", "neutral"),
        ("others", "other"),
        ("其它", "other"),
        ("sadness", "sad"),
        ("悲伤", "sad"),
        ("伤心", "sad"),
        ("surprise", "surprised"),
        ("惊讶", "surprised"),
    ],
)
def test_near_synonyms_are_the_class(label: str, expected: str) -> None:
    """Nouns and the other usual Chinese words mean the class too."""
    assert expected == class_of(label)


@pytest.mark.parametrize("label", ["<unk>", "unk", "", "   ", "8/<unk>", "<UNK>", "未知/<unk>", "8"])
def test_every_spelling_of_unknown_is_unknown(label: str) -> None:
    """`<unk>`, `unk`, the empty label and the numbered one are the class unknown."""
    assert class_of(label) == "unknown"


@pytest.mark.parametrize("label", ["unuse_0", "unuse_17", "UNUSE_3", "unuse", "1/unuse_0"])
def test_placeholders_of_the_model_mean_nothing(label: str) -> None:
    """`unuse_N`, in any case and numbered or not, is no class at all."""
    assert class_of(label) is None


@pytest.mark.parametrize("label", ["unused_1", "reunuse_1", "unuse_x"])
def test_only_the_exact_placeholder_is_ignored(label: str) -> None:
    """A label that merely resembles `unuse_N` is kept as a class of its own."""
    assert label == class_of(label)


@pytest.mark.parametrize(
    "label",
    [
        "快乐 (Happy)",
        "😊 快乐 (Happy)",
        "Happy 😊",
        "HAPPY",
        "  happy\t",
        " 开心 / Happy ",
        "ＨＡＰＰＹ",
        "开心／happy",
        "快乐（Happy）",
        "happy|开心",
        "[happy]",
        "3/happy",
    ],
)
def test_decoration_case_width_and_spaces_do_not_matter(label: str) -> None:
    """Emoji, brackets, full-width forms, capitals and spaces around leave happy what it is."""
    assert class_of(label) == "happy"


@pytest.mark.parametrize(("index", "expected"), list(enumerate(CLASSES)))
def test_an_index_counts_in_the_order_of_the_model(index: int, expected: str) -> None:
    """A digit for a label is the class at that place."""
    assert expected == class_of(str(index))


@pytest.mark.parametrize("label", ["9", "10", "33", "-1"])
def test_a_number_beyond_the_classes_is_a_class_of_its_own(label: str) -> None:
    """There are nine classes; a number that is no index is kept as it stands."""
    assert label == class_of(label)


@pytest.mark.parametrize("label", ["happy/sad", "生气 (sad)", "excited", "/"])
def test_a_label_of_no_class_or_of_two_is_a_class_of_its_own(label: str) -> None:
    """What names no known class, or two at once, is never guessed at."""
    assert label == class_of(label)


def test_a_foreign_label_is_escaped() -> None:
    """A terminal's control sequence in a label comes out as visible text."""
    assert class_of("\x1b[31mred\u202e") == "\\u001b[31mred\\u202e"


def test_a_very_long_label_is_cut() -> None:
    """A label longer than 64 characters is cut off and never compared with the known ones."""
    assert class_of("x" * 1_000_000) == "x" * 64 + "…"


@given(labels_of_a_class, st.sampled_from(["", " ", "\t", "\u3000"]), st.booleans())
@settings(deadline=None)
def test_every_known_style_is_its_class(style: tuple[str, str], space: str, upper: bool) -> None:  # noqa: FBT001 - hypothesis fills it
    """Any style of any class, with any space around and in any case, is that class."""
    expected, label = style
    assert expected == class_of(f"{space}{label.upper() if upper else label}{space}")


@given(st.text(max_size=100))
@settings(deadline=None)
def test_any_text_is_a_safe_label(label: str) -> None:
    """Whatever the text, what comes of it is short and printable, or a placeholder."""
    name = class_of(label)
    assert name is None or (len(name) <= 6 * 65 and not any(one in name for one in "\x00\x1b\n\x7f\u202e"))
