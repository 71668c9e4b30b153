"""The gate before the parser: what is no rule is refused where it stands, and told what to write instead."""

import random

import pytest

from emosieve.errors import RuleError, SetupError
from emosieve.judge.expression import compile_expression
from emosieve.judge.fields import FIELDS
from emosieve.judge.language import DEPTH_LIMIT, LENGTH_LIMIT, NODE_LIMIT
from emosieve.text import Language
from rule_texts import random_text

PARAMETERS = {"min_snr": 10.0}


def refused(text: str) -> RuleError:
    """The error over a text."""
    with pytest.raises(RuleError) as refusal:
        compile_expression(text, FIELDS, PARAMETERS)
    return refusal.value


def told(text: str) -> tuple[int | None, str]:
    """Column and problem of the error over a text, in English."""
    error = refused(text)
    first = str(error).split("\n")[0]
    return error.column, first.removeprefix(f"column {error.column}: ")


# Characters and words


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("（", "("),
        ("）", ")"),
        ("，", ","),
        ("、", ","),
        ("。", "."),
        ("＜", "<"),
        ("＞", ">"),
        ("≤", "<="),
        ("≥", ">="),
        ("≠", "!="),
        ("＝", "=="),
        ("=", "=="),
        ("“", '"'),
        ("”", '"'),
        ("‘", "'"),
        ("＂", '"'),
        ("!", "not"),
        ("！", "not"),
        ("&", "and"),
        ("＆", "and"),
        ("|", "or"),
        ("×", "*"),
        ("÷", "/"),
        ("−", "-"),
        ("６", "6"),
        ("ｃ", "c"),
        ("𝐠", "g"),
    ],
)
def test_a_character_for_another_is_told(typed: str, meant: str) -> None:
    """What a Chinese keyboard or another language gives for a sign is refused with the sign that is meant."""
    assert (5, f"write {meant} instead of {typed}") == told(f"gap {typed} 0.5")


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("gap < 5%", 8, "write a share instead of percent: 0.6 for 60 %"),
        ("gap < 5％", 8, "write a share instead of percent: 0.6 for 60 %"),
        ("gap < 1 # all", 9, "# has no meaning in a rule"),
        ("gap < 1;", 8, "; has no meaning in a rule"),
        ("gap < {1}", 7, "{ has no meaning in a rule"),
        ("gap @ 1", 5, "@ has no meaning in a rule"),
        ("gap\\ < 1", 4, "\\ has no meaning in a rule"),
        ("gap < 1\n", 8, "write the rule on one line"),
        ("gap <\r1", 6, "write the rule on one line"),
        ("gap\u3000< 1", 4, "write an ordinary space here"),
        ("gap\xa0< 1", 4, "write an ordinary space here"),
        ("gap < 1\x00", 8, "\\u0000 has no meaning in a rule"),
        ("差距 < 1", 1, "差 may stand within quotes alone; the fields have English names"),
        ("gap < é", 7, "é may stand within quotes alone; the fields have English names"),
        ("gap\ud800 < 1", 4, "\\ud800 may stand within quotes alone; the fields have English names"),
        ('top1 == "sad', 9, 'this " is never closed'),
        ("top1 == 'sad\"", 9, "this ' is never closed"),
        ('granularity == "a\\n"', 16, "\\ has no meaning in a rule"),
        ('granularity == "a\x1bb"', 16, "\\u001b cannot be shown; leave it out"),
        ('granularity == "a\u3000b"', 16, "\\u3000 cannot be shown; leave it out"),
        ('granularity == "a\u202eb"', 16, "\\u202e cannot be shown; leave it out"),
        ('granularity == "a\ud800b"', 16, "\\ud800 cannot be shown; leave it out"),
        ('granularity in ("a" "b")', 21, "a comma is missing before this text"),
        ('granularity in ("a""b")', 20, "a comma is missing before this text"),
        ('granularity == f"{gap}"', 16, "a text begins with its quote; leave f out"),
        ('granularity == b"x"', 16, "a text begins with its quote; leave b out"),
        ("granularity == rb'x'", 16, "a text begins with its quote; leave rb out"),
        ("gap < 1_000", 7, "write numbers as 0.6, 16000 or 1e-3"),
        ("gap < 0x1F", 7, "write numbers as 0.6, 16000 or 1e-3"),
        ("gap < 1j", 7, "write numbers as 0.6, 16000 or 1e-3"),
        ("gap < 1or gap > 2", 7, "write numbers as 0.6, 16000 or 1e-3"),
        ("gap < 1.2.3", 7, "write numbers as 0.6, 16000 or 1e-3"),
        ("gap < 1 AND gap > 0", 9, "write and instead of AND"),
        ("Not gap < 1", 1, "write not instead of Not"),
        ("gap < 1 if gap else 2", 9, "if is no word of rules; there are and, or, not, in, min, max, abs"),
        ("(lambda gap)", 2, "lambda is no word of rules; there are and, or, not, in, min, max, abs"),
        ("gap is None", 5, "is is no word of rules; there are and, or, not, in, min, max, abs"),
        ("gap < True", 7, "True is no word of rules; there are and, or, not, in, min, max, abs"),
    ],
)
def test_what_rules_do_not_know_is_refused_where_it_stands(text: str, column: int, problem: str) -> None:
    """A character, word or number that is none of a rule's is named with its column."""
    assert (column, problem) == told(text)


# Grammar


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("gap <", 6),
        ("gap < 0.5 and", 14),
        ("gap < 0.5 and  ", 14),
        ("  gap < 0.5 and", 16),
        ("not", 4),
        ("gap 0.5", 5),
        ("  gap 0.5", 7),
        ("< 0.5", 1),
        ("gap < < 1", 7),
        ("gap . < 1", 7),
        ("min(gap,,1) < 1", 9),
        ("gap <> 1", 5),
        ("gap < 0777", 7),
        ('granularity == "整句" gap', 21),
    ],
)
def test_what_is_no_sentence_is_refused_where_it_breaks(text: str, column: int) -> None:
    """A rule that is cut off or lacks an operator is refused at that column, counted in characters."""
    expected = "something is missing or too much here; a rule reads as confidence < 0.6 and gap < 0.1"

    assert (column, expected) == told(text)


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("(gap < 1", 1, "this ( is never closed"),
        ("gap in [1, 2", 8, "this [ is never closed"),
        ("((gap < 1)", 1, "this ( is never closed"),
        ("gap < 1)", 8, "this ) closes nothing"),
        ("(gap < 1]", 9, "this ] closes nothing"),
        ("gap < 1) or (gap > 2", 8, "this ) closes nothing"),
    ],
)
def test_brackets_are_paired(text: str, column: int, problem: str) -> None:
    """A bracket without its other half is named."""
    assert (column, problem) == told(text)


@pytest.mark.parametrize("text", ["", " ", "\t  "])
def test_an_empty_rule_is_refused(text: str) -> None:
    """Nothing at all is no rule; the error says what one looks like."""
    assert (None, "it is empty; write a comparison, as confidence < 0.6") == told(text)


# Limits


def accepts(text: str) -> bool:
    """Whether a text is a rule."""
    return compile_expression(text, FIELDS).text == text


def test_a_rule_may_be_so_long_and_no_longer() -> None:
    """The length is limited, blanks included; at the limit a rule is still one."""
    rule = "gap < 1"
    assert accepts(rule.ljust(LENGTH_LIMIT))

    problem = f"it has {LENGTH_LIMIT + 1} characters; write at most {LENGTH_LIMIT}"
    assert (None, problem) == told(rule.ljust(LENGTH_LIMIT + 1))


def test_a_rule_may_have_so_many_parts_and_no_more() -> None:
    """Names, constants and operations together are limited: here a comparison, a field, a list and its members."""
    members = ",".join("1" * (NODE_LIMIT - 3))
    assert accepts(f"gap in ({members})")

    problem = f"it has more than {NODE_LIMIT} parts; write several rules instead"
    assert (None, problem) == told(f"gap in ({members},1)")


@pytest.mark.parametrize(
    ("before", "after", "levels"),
    [("(", ")", 0), ("not ", "", 2), ("(not ", ")", 2)],
    ids=["brackets", "not", "both"],
)
def test_a_rule_may_be_nested_so_deep_and_no_deeper(before: str, after: str, levels: int) -> None:
    """Brackets and the tree are limited alike; at the limit a rule is still one."""
    deepest = DEPTH_LIMIT - levels
    assert accepts(before * deepest + "gap < 1" + after * deepest)

    more = deepest + 1
    problem = f"it is nested deeper than {DEPTH_LIMIT} levels; write several rules instead"
    assert problem == told(before * more + "gap < 1" + after * more)[1]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 250 + ")" * 250,
        "[" * 500,
        "-" * 480 + "gap < 1",
        "not " * 120 + "gap < 1",
        "gap" + ".a" * 240,
        "gap < " + "+".join("1" * 240),
        "gap < " + "1," * 240,
        "gap < " + "9" * 490,
        "gap < " + "9" * 490 + ".0",
        "1<" * 240 + "gap",
    ],
    ids=lambda text: text[:12],
)
def test_no_text_is_too_much_for_the_parser(text: str) -> None:
    """Depth, breadth and digits that would be too much for Python's parser end in a refusal."""
    assert refused(text).rule == text


# How it is told


@pytest.mark.parametrize(
    ("language", "problem"),
    [
        ("en", "column 25: there is no field snr_bd; did you mean snr_db?"),
        ("zh", "第 25 列：没有字段 snr_bd；是否想写 snr_db？"),
    ],
)
def test_an_error_points_at_its_place(language: Language, problem: str) -> None:
    """Columns count characters, and the carets stand under the place even behind wide characters."""
    text = 'granularity == "整句" and snr_bd < 1'
    carets = "^^^^^^".rjust(
        2 + 24 + 2 + 6
    )  # the indent, what stands before, and two characters twice as wide

    assert f"{problem}\n  {text}\n{carets}" == refused(text).text(language)


def test_an_error_over_the_whole_has_no_carets() -> None:
    """A rule that is too long is not shown again."""
    assert 1 == len(str(refused("x" * 501)).split("\n"))


def test_a_control_character_of_a_rule_reaches_no_terminal() -> None:
    """What an error shows of the rule is escaped, and the caret still stands under its place."""
    expected = "column 4: \\u001b has no meaning in a rule\n  gap\\u001b < 1\n     ^^^^^^"

    assert expected == str(refused("gap\x1b < 1"))


def test_a_wrong_rule_is_an_error_of_set_up() -> None:
    """A rule error carries its parts, and ends the program like any other error of set-up."""
    error = refused("gap < sn")

    assert isinstance(error, SetupError)
    assert ("gap < sn", 7) == (error.rule, error.column)
    assert str(error.message) == str(error).split("\n")[0]


def test_every_error_is_said_in_chinese() -> None:
    """No text that is refused is refused in English alone."""
    chance, english = random.Random(11), set()
    for _ in range(2000):
        try:
            compile_expression(random_text(chance), FIELDS)
        except RuleError as error:
            if not any("\u4e00" <= character <= "\u9fff" for character in error.message.text("zh")):
                english.add(str(error))

    assert set() == english
