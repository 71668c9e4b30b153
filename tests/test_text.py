"""Escaping of outside strings, phrases in two languages, and the words of findings."""

import importlib
import pkgutil
import re
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emosieve
from emosieve.text import (
    TEXT_LIMIT,
    Language,
    Phrase,
    escape,
    exact_number,
    number,
    plain_number,
    point,
    telling_digits,
    waiting_words,
)

UNSAFE = [
    *range(0x20),
    *range(0x7F, 0xA0),
    0x061C,
    0x200E,
    0x200F,
    0x2028,
    0x2029,
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
    0xD800,
    0xDBFF,
    0xDC80,
    0xDFFF,
]


@pytest.mark.parametrize("code", UNSAFE, ids=hex)
def test_a_dangerous_character_is_escaped(code: int) -> None:
    """C0, DEL, C1, U+2028/9, bidirectional marks and lone surrogates become visible text."""
    assert f"a\\u{code:04x}b" == escape(f"a{chr(code)}b")


@pytest.mark.parametrize("text", ["", "plain", "开心/happy", "😊 85.3%", "a b", "é", "\\u001b", "\u00a0"])
def test_ordinary_text_is_left_alone(text: str) -> None:
    """Chinese, emoji, accents, backslashes and spaces are nobody's danger."""
    assert text == escape(text)


def test_a_long_text_is_cut_and_marked() -> None:
    """Beyond the limit a text ends in an ellipsis; at the limit it is whole."""
    assert [escape("x" * TEXT_LIMIT), escape("x" * (TEXT_LIMIT + 1))] == ["x" * 200, "x" * 200 + "…"]


def test_the_limit_can_be_given() -> None:
    """Another limit cuts at another length."""
    assert escape("abcdef", 3) == "abc…"


@given(st.text(max_size=400) | st.text(st.sampled_from([chr(code) for code in UNSAFE]), max_size=400))
@settings(deadline=None)
def test_escaped_text_can_be_shown_anywhere(text: str) -> None:
    """Whatever the text, its escaped form has no dangerous character, encodes, and is escaped only once."""
    shown = escape(text, 1000)
    assert not {ord(one) for one in shown} & set(UNSAFE)
    assert shown == shown.encode().decode()
    assert shown == escape(shown, 10_000)


@given(st.text())
@settings(deadline=None)
def test_a_printable_name_needs_no_escaping(name: str) -> None:
    """Whatever passes as printable is the same after escaping."""
    assert not name.isprintable() or name == escape(name, 10_000)


@pytest.mark.parametrize(("value", "expected"), [(0.41, "0.410"), (0.0, "0.000"), (1, "1.000"), (None, "-")])
def test_a_figure_has_three_digits(value: float | None, expected: str) -> None:
    """Figures of the report have three digits, and a dash stands for none."""
    assert expected == number(value)


def test_a_figure_can_have_other_digits() -> None:
    """The number of digits can be chosen."""
    assert number(12.345, 1) == "12.3"


def finding(rule: str, observed: float | None = None, **more: Any) -> dict[str, Any]:
    """A finding as the decision log has it."""
    return {"rule": rule, "observed": observed, **more}


def reason_codes() -> set[str]:
    """Every reason for which the source lets a task wait; rules that can hold a task back among them."""
    source = Path(emosieve.__path__[0])
    texts = [
        (source / name).read_text() for name in ("watch/wholeness.py", "watch/settle.py", "service/flow.py")
    ]
    given = re.compile(r"(?:Lack\(|Waiting\(name, |defer\((?:\w|\.|\[0\])+, |reason, message = )\"(\w+)\"")
    truncated = re.compile(r'\bkind = "(\w+)" .* else "(\w+)"')
    found = {code for text in texts for code in given.findall(text)}
    return found | {
        f"{kind}_truncated" for text in texts for pair in truncated.findall(text) for kind in pair
    }


def test_the_reason_codes_are_found() -> None:
    """The search reaches all the places where a reason is given."""
    assert {"quiet", "malformed", "still_open", "audio_truncated", "blocked", "internal"} < reason_codes()


@pytest.mark.parametrize("reason", sorted(reason_codes()))
def test_every_reason_to_wait_is_said_in_chinese(reason: str) -> None:
    """No pending task is explained to a Chinese operator by its English message alone."""
    assert re.search(r"[\u4e00-\u9fff]", waiting_words(reason, "detail", "zh"))


def test_a_reason_to_wait_keeps_its_detail() -> None:
    """The English message stands beside the words where it says more than the code."""
    words = [waiting_words("malformed", "result.json is \x1b empty", one) for one in get_args(Language)]

    assert ["结果文件无法解析（result.json is \\u001b empty）", "result.json is \\u001b empty"] == words


def test_a_reason_without_words_shows_its_detail() -> None:
    """A reason that this version does not know is shown by its message, escaped."""
    assert waiting_words("later", "too \x1b loud", "zh") == "too \\u001b loud"


def phrases() -> dict[str, Phrase]:
    """Every phrase that any module of emosieve holds, in a table or by itself, under where it stands."""
    found: dict[str, Phrase] = {}
    for module in pkgutil.walk_packages(emosieve.__path__, "emosieve."):
        if module.name == "emosieve.__main__":
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            held = value.items() if isinstance(value, Mapping) else [("", value)]
            found |= {f"{module.name}.{name}.{key}": one for key, one in held if isinstance(one, Phrase)}
    return found


def placeholders(text: str) -> set[str]:
    """Names of the values that a text takes."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("place", phrases())
def test_both_languages_say_the_same_values(place: str) -> None:
    """A phrase takes the same values in Chinese as in English, and neither is empty."""
    phrase = phrases()[place]

    assert placeholders(phrase.en) == placeholders(phrase.zh)
    assert phrase.en
    assert phrase.zh


GREETING = Phrase("hello {who}", "你好 {who}")


def test_a_message_is_said_in_either_language() -> None:
    """One message, two languages; as str it is English."""
    message = GREETING(who="Ada")

    assert ("hello Ada", "你好 Ada", "hello Ada") == (message.text("en"), message.text("zh"), str(message))


def test_a_message_within_a_message_is_said_in_its_language() -> None:
    """A part of a message that is a message itself follows the language of the whole."""
    assert GREETING(who=GREETING(who="Ada")).text("zh") == "你好 你好 Ada"


def test_values_from_outside_are_escaped() -> None:
    """A control character in a value reaches nobody's terminal."""
    assert str(GREETING(who="\x1b[31m")) == "hello \\u001b[31m"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (1024, "1024"),
        (0.0, "0"),
        (0.6, "0.6"),
        (10.0, "10"),
        (9.12345, "9.123"),
        (-0.36, "-0.36"),
        (16000.0, "16000"),
        (2.5e-07, "2.5e-07"),
        (1e300, "1e+300"),
    ],
)
def test_a_plain_number_is_as_short_as_tells_it(value: float, shown: str) -> None:
    """Whole numbers stay whole, others have up to three digits, and very small or large ones an exponent."""
    assert shown == plain_number(value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.6004, "0.6004"),
        (16000.0, "16000"),
        (1234567.0, "1234567"),
        (1e-09, "1e-09"),
        (0.1 + 0.2, "0.3"),
        (0.123456789, "0.123456789"),
        (-20.5, "-20.5"),
        (1234567890123456.0, "1234567890123456"),
        (1e300, "1e+300"),
    ],
)
def test_an_exact_number_has_all_that_rules_see(value: float, shown: str) -> None:
    """A limit is shown with every digit that counts in a comparison, and none besides."""
    assert shown == exact_number(value)


@pytest.mark.parametrize(
    ("value", "others", "digits"),
    [
        (0.41, [0.6], 3),
        (0.6, [0.6], 3),
        (0.6004, [0.6], 4),
        (0.5999, [0.6], 4),
        (0.5998, [0.5999], 4),
        (0.6004, [0.6004], 4),
        (0.123456789012, [0.123456789013], 9),
        (0.60000001, [0.6], 8),
        (0.6004, [0.1, 0.6], 4),
        (0.6004, [], 3),
    ],
)
def test_digits_tell_a_value_from_a_limit(value: float, others: list[float], digits: int) -> None:
    """There are as many as show on which side of each limit it lies, three at least and nine at most."""
    assert digits == telling_digits(value, *others)


@pytest.mark.parametrize(
    ("text", "column", "width", "carets"),
    [
        ("gap < x", 7, 1, "        ^"),
        ("gap < xyz", 7, 3, "        ^^^"),
        ("差距 < x", 6, 1, "         ^"),
        ("< 差距", 3, 2, "    ^^^^"),
        ("\x1b < x", 5, 1, "           ^"),
        ("gap <", 6, 1, "       ^"),
    ],
)
def test_carets_stand_under_what_is_meant(text: str, column: int, width: int, carets: str) -> None:
    """Wide characters and escaped ones take the columns that they take on a terminal; the end can be pointed at."""
    assert carets == point(text, column, width)[1]
