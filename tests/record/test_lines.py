"""One line of the decision log, and the lines of one open file."""

import tempfile

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emosieve.record.lines import (
    blocks_backwards,
    event_time,
    events_backwards,
    line_of,
    lines_forwards,
    parse_line,
)


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


@given(
    st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=30),
    st.integers(1, 40),
)
def test_blocks_lose_no_line(lines: list[bytes], size: int) -> None:
    """Whatever the size of a block, all lines come back whole, the newest block first."""
    data = b"".join(line + b"\n" for line in lines)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        blocks = list(blocks_backwards(file.fileno(), len(data), size))

    assert data == b"".join(reversed(blocks))
    assert [] == [block for block in blocks if block and not block.endswith(b"\n")]


def test_only_lines_with_a_needle_are_events() -> None:
    """A search gives each line once, newest first, however often it holds a needle, and no torn one."""
    with tempfile.TemporaryFile() as file:
        file.write(
            b'{"event":"decided","task":"a","a":1}\n{"event":"swept"}\n{"event":"restored","task":"a"}\n'
        )
        file.write(b'{"event":"failed","task":"a"}')
        file.flush()
        found = [event["event"] for event in events_backwards(file.fileno(), [b'"task":"a"', b'"a":1'])]

    assert ["restored", "decided"] == found


@pytest.mark.parametrize("over", [0, 1])
@pytest.mark.parametrize("size", [1, 3, 20])
def test_a_line_longer_than_any_of_ours_is_left_out_either_way(
    monkeypatch: pytest.MonkeyPatch, over: int, size: int
) -> None:
    """Forwards and backwards, in blocks within the limit, a line at the limit is given and a longer one is not."""
    monkeypatch.setattr("emosieve.record.lines.LINE_LIMIT", 20)
    long = b"x" * (19 + over) + b"\n"
    data = long + b"a\n" + long + long + b"\nb\n" + long
    expected = [line for line in data.splitlines(keepends=True) if len(line) <= 20]
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        assert expected == list(lines_forwards(file))
        blocks = blocks_backwards(file.fileno(), len(data), size)
        assert expected == b"".join(reversed(list(blocks))).splitlines(keepends=True)
