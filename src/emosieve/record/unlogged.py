"""Which filed tasks the decision log does not know: filed by the article's script, or by hand."""

from collections.abc import Iterable
from typing import Final

import orjson

from emosieve.record.decisions import DecisionLog
from emosieve.record.lines import lines_forwards, parse_line

_KEYS: Final = (b'"destination":"', b'"to":"')
"""What stands before the place that an event names. Within a string the quotes would be escaped."""


def unlogged_among(log: DecisionLog, locations: Iterable[str]) -> set[str]:
    """Those of some locations to which no event ever moved a task.

    The log is searched, not parsed, and only as far back as it takes to find them all.

    Raises:
        OSError: the log cannot be read.
    """
    left = {orjson.dumps(location)[1:-1]: location for location in locations if location.isprintable()}
    for file in log.newest_first():
        if not left:
            break
        for line in lines_forwards(file):
            left.pop(_place_in(line), None)
    return set(left.values())


def _place_in(line: bytes) -> bytes:
    """The place that a line names, as JSON writes it; empty for a line that names none."""
    for key in _KEYS:
        start = line.find(key)
        if start >= 0:
            start += len(key)
            place = line[start : line.find(b'"', start)]
            return place if not place.endswith(b"\\") else _parsed_place(line)
    return b""


def _parsed_place(line: bytes) -> bytes:
    """The same, of a line whose place has quotes or backslashes in it."""
    event = parse_line(line) or {}
    return orjson.dumps(event.get("destination") or event.get("to"))[1:-1]
