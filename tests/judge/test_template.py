"""What a rule says: placeholders are fields and nothing else, and are checked when the settings are read."""

import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emosieve.errors import RuleError
from emosieve.judge.fields import FIELDS
from emosieve.judge.template import compile_message
from emosieve.text import escape

VALUES: dict[str, Any] = {
    "confidence": 0.41,
    "snr_db": 9.12345,
    "silence_ratio": 0.825,
    "audio_missing_bytes": 1024,
    "top1": "other",
    "granularity": "a\x1bb",
    "gap": 2.5e-07,
}
PARAMETERS = {"min_snr": 10.0, "min_gap": 0.0504}


def said(text: str) -> str:
    """What a message says over the values."""
    return compile_message(text, FIELDS, PARAMETERS).say(VALUES)


def told(text: str) -> tuple[int | None, str]:
    """Column and problem of the error over a message, in English."""
    with pytest.raises(RuleError) as refusal:
        compile_message(text, FIELDS, PARAMETERS)
    error = refusal.value
    return error.column, str(error.message).removeprefix(f"column {error.column}: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("太吵了 😊", "太吵了 😊"),
        ("{min_gap}", "0.0504"),
        ("太吵\u3000请重录", "太吵\u3000请重录"),
        ("信噪比 {snr_db} dB，低于 {min_snr}", "信噪比 9.123 dB，低于 10"),
        ("{confidence}{top1}", "0.41other"),
        ("{snr_db:.1f}|{snr_db:.0f}|{min_snr:.2f}", "9.1|9|10.00"),
        ("{silence_ratio:.0%}|{silence_ratio:.1%}", "82%|82.5%"),
        ("{audio_missing_bytes} bytes", "1024 bytes"),
        ("{gap}", "2.5e-07"),
        ("{granularity}", "a\\u001bb"),
        ("{scores.happy} {emotion}", "- -"),
        ("{{{top1}}}", "{other}"),
        ("{{top1}}", "{top1}"),
    ],
)
def test_a_message_shows_the_values(text: str, expected: str) -> None:
    """Fields and limits stand for their values, in as few or as many digits as asked; a dash for none."""
    assert expected == said(text)


BRACE = "write {confidence} for a field's value, and {{ or }} for a brace"


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("太吵 {snr}", 5, "there is no field snr; did you mean snr_db?"),
        ("{xyzzy}", 2, "there is no field xyzzy; the README lists them all"),
        ("{top1.__class__}", 2, "there is no field top1.__class__; the README lists them all"),
        ("{snr_db!r}", 2, "there is no field snr_db!r; did you mean snr_db?"),
        ("{snr_db[0]}", 2, "there is no field snr_db[0]; did you mean snr_db?"),
        ("{ snr_db}", 2, "there is no field  snr_db; did you mean snr_db?"),
        ("{0}", 2, "there is no field 0; the README lists them all"),
        ("{}", 2, BRACE),
        ("{:.1f}", 2, BRACE),
        ("{", 1, BRACE),
        ("a } b", 3, BRACE),
        ("{snr_db", 1, BRACE),
        ("{snr_db:{min_snr}}", 1, BRACE),
        ("{snr_db:>9}", 8, "write the digits after the point as {snr_db:.2f}, or percent as {snr_db:.0%}"),
        ("{snr_db:.99f}", 8, "write the digits after the point as {snr_db:.2f}, or percent as {snr_db:.0%}"),
        ("{snr_db:}", 8, "write the digits after the point as {snr_db:.2f}, or percent as {snr_db:.0%}"),
        ("{snr_db:.٣f}", 8, "write the digits after the point as {snr_db:.2f}, or percent as {snr_db:.0%}"),
        ("{top1:.1f}", 6, "top1 is a text; write it without digits"),
        ("one\ntwo", 4, "\\u000a cannot be shown; leave it out"),
        ("\u202e{gap}", 1, "\\u202e cannot be shown; leave it out"),
        ("a\u200bb", 2, "\\u200b cannot be shown; leave it out"),
        ("x" * 501, None, "it has 501 characters; write at most 500"),
    ],
)
def test_a_wrong_placeholder_is_told(text: str, column: int | None, problem: str) -> None:
    """Whatever is no plain placeholder is refused with its column and what to write instead."""
    assert (column, problem) == told(text)


def test_a_message_knows_what_it_shows() -> None:
    """Its fields are named once each, in the order of the text; limits are none of them."""
    compiled = compile_message("{snr_db} {min_snr} {gap} {snr_db:.1f}", FIELDS, PARAMETERS)

    assert ("snr_db", "gap") == compiled.fields


def test_a_message_error_points_at_its_place() -> None:
    """The caret stands under the placeholder, wide characters before it or not."""
    with pytest.raises(RuleError) as refusal:
        compile_message("太吵 {snr}", FIELDS)

    assert ["  太吵 {snr}", "        ^^^"] == str(refusal.value).split("\n")[1:]


@given(st.text(st.sampled_from("{}:.1f%!r[0]_ snrdbgap太") | st.characters(), max_size=40))
@example("{" * 40)
@example("{{}")
@settings(deadline=None)
def test_no_message_does_more_than_be_refused(text: str) -> None:
    """Whatever the text, it is refused by a rule error or says one line that any terminal can show."""
    try:
        compiled = compile_message(text, FIELDS, PARAMETERS)
    except RuleError:
        return
    for values in (VALUES, {}, {"gap": math.inf, "snr_db": -1e308}):
        line = compiled.say(values)
        assert line == escape(line, len(line))
