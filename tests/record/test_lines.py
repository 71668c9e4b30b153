"""One line of the decision log, and the lines of one open file."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emosieve.record.lines import event_time, line_of, parse_line


@given(st.text(st.characters(codec=None)))
def test_no_raw_control_reaches_the_log(text: str) -> None:
    """Whatever text an event carries, its line is valid JSON without control or bidi characters."""
    line = line_of({"event": "decided", "task": text, "nested": [{text: text}]})

    shown = line.decode()[:-1]
    assert not set("\x00\x1b\x7f\x9b\u2028\u202e\u2066\n") & set(shown)
    assert "decided" == orjson.loads(line)["event"]


@pytest.mark.parametrize("line", [b"{}\n", b"[]\n", b"nonsense\n", b'{"event":1}\n', b'{"event":"decided"}'])
def test_a_line_that_is_no_event_is_passed_over(line: bytes) -> None:
    """Foreign, torn and empty lines are no events."""
    assert parse_line(line) is None


@pytest.mark.parametrize("time", [None, 3, "yesterday"])
def test_an_event_without_a_time_is_of_the_epoch(time: object) -> None:
    """A time that cannot be read does not stop a rotation."""
    assert 0 == event_time({"time": time}).timestamp()


def test_a_time_without_offset_is_utc() -> None:
    """A naive time of a log edited by hand is read as UTC."""
    assert "2024-01-04T00:00:00+00:00" == event_time({"time": "2024-01-04T00:00:00"}).isoformat()
