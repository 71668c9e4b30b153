"""How answers look."""

from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from emosieve.commands.output import columns, moment, span, styled, wrapped
from emosieve.text import Language


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    """Chinese takes two places a character, numbers stand to the right, and no line ends in spaces."""
    rows = [["规则", "12", "x"], ["ambiguous", "3", ""]]

    assert ["规则       12  x", "ambiguous   3"] == columns(rows, right={1})


def test_no_rows_are_no_lines() -> None:
    """An empty table is empty."""
    assert [] == columns([])


@pytest.mark.parametrize(
    ("seconds", "language", "expected"),
    [
        (0, "en", "0 s"),
        (-3, "en", "0 s"),
        (0.2, "en", "1 s"),
        (59.2, "en", "1 min"),
        (61, "en", "1 min 1 s"),
        (7380, "zh", "2 小时 3 分钟"),
        (86400, "zh", "1 天"),
        (86400 + 59, "en", "1 d"),
    ],
)
def test_a_span_has_at_most_two_units(seconds: float, language: Language, expected: str) -> None:
    """The largest unit and the one below, in whole seconds rounded up."""
    assert expected == span(seconds, language)


@pytest.mark.parametrize("time", ["2024-01-04T22:31:20.123456+08:00", 1704407480.5])
def test_a_moment_is_shown_to_the_second(time: str | float) -> None:
    """An event's time in its own offset, wall seconds in a zone."""
    assert moment(time, UTC) == "2024-01-04 22:31:20"


def test_colours_can_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR a text has no colour, without it the colour of its verdict."""
    assert "\x1b[" in styled("x", "normal")
    monkeypatch.setenv("NO_COLOR", "1")
    assert styled("x", "normal") == "x"


@given(st.text("ab 测试，。/-", max_size=80), st.integers(10, 40))
@settings(deadline=None)
def test_wrapping_loses_nothing(text: str, width: int) -> None:
    """Only spaces go where a line is broken, and a line is too long only for a single word."""
    lines = wrapped(text, width)

    assert text.replace(" ", "") == "".join(lines).replace(" ", "")
    assert [] == [line for line in lines if cell_len(line) > width and " " in line.strip()]
