"""What one line of the decision log is, and how the lines of one open file are found, cut and written.

A line is whole when its newline is there; what stands after the last newline
is torn, and is nobody's until it is whole.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

import orjson

from emosieve.text import escape

Event = dict[str, Any]

LINE_LIMIT: Final = 1 << 22
"""Bytes; the longest line of ours has two decisions of 256 scores each, or the names of ten thousand files."""
_HEAD_BYTES = 4096
_TAIL_BYTES = 512
_BLOCK_BYTES = 1 << 16
_SEARCH_BYTES = 1 << 20
_EPOCH = datetime.fromtimestamp(0, UTC)
_JSON_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def parse_line(line: bytes) -> Event | None:
    """One line of the log; ``None`` for a torn or foreign one."""
    if not line.endswith(b"\n"):
        return None
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def line_of(event: Mapping[str, Any]) -> bytes:
    """A line of the log; strings are escaped where they come in, and once more here for certain."""
    return json_bytes(event, orjson.OPT_APPEND_NEWLINE)


def json_bytes(document: Any, option: int = 0) -> bytes:
    """A document as JSON that any terminal may be shown, whatever is in its strings.

    Args:
        document: of what JSON knows.
        option: of orjson.
    """
    try:
        text = orjson.dumps(document, option=option)
    except orjson.JSONEncodeError:
        text = orjson.dumps(_without_surrogates(document), option=option)
    return safe_json(text)


def safe_json(text: bytes) -> bytes:
    """JSON with what a terminal must not see escaped; what stood escaped already stays as it is."""
    if text.isascii() and b"\x7f" not in text:
        return text
    return _JSON_UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text.decode()).encode()


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return escape(value, len(value))
    if isinstance(value, Mapping):
        return {_without_surrogates(key): _without_surrogates(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(one) for one in value]
    return value


def event_time(event: Mapping[str, Any]) -> datetime:
    """The event's own time, with its offset; the epoch for one that has none, or one that no other zone has."""
    try:
        moment = datetime.fromisoformat(event["time"])
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if moment.astimezone(UTC) >= _EPOCH:
            return moment
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    return _EPOCH


def whole_size(descriptor: int) -> int:
    """Bytes up to the end of the last whole line."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - _BLOCK_BYTES)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def cut_torn_tail(descriptor: int) -> int:
    """Cut off what stands after the last whole line; gives the size that is left, in bytes."""
    whole = whole_size(descriptor)
    if whole < os.fstat(descriptor).st_size:
        os.ftruncate(descriptor, whole)
    return whole


def blocks_backwards(descriptor: int, end: int, size: int = _BLOCK_BYTES) -> Iterator[bytes]:
    """The whole lines before an offset in blocks, newest block first: memory is that of a block and a line.

    A line of more than ``LINE_LIMIT`` is none of ours, perhaps a hole in the file, and is left out.
    Plain reads, no mapping: a mapped page counts as memory, and dies with a file that is cut.

    Args:
        descriptor: of the open file.
        end: bytes from its start, the end of a line. When the file is cut below it meanwhile, there
            are no more blocks.
        size: bytes to read at once, at most ``LINE_LIMIT``.
    """
    pieces: list[bytes] = []  # of the line that begins further up, last piece first
    length = 0  # of that line as far as it is known, though its pieces may be dropped by then
    while end:
        start = max(0, end - size)
        block = os.pread(descriptor, end - start, start)
        if len(block) < end - start:
            return
        first = block.find(b"\n") + 1 if start else 0
        if first or not start:
            lines = block[first:]
            begun = len(lines) - lines.rfind(b"\n") - 1
            if length + begun <= LINE_LIMIT:
                yield b"".join((lines, *reversed(pieces)))
            else:
                yield lines[: len(lines) - begun]
            pieces, length = [], 0
        piece = block[:first] or block
        length += len(piece)
        pieces = [*pieces, piece] if length <= LINE_LIMIT else []
        end = start


def lines_forwards(file: BinaryIO) -> Iterator[bytes]:
    """The lines from where a file stands, oldest first, the torn one at its end included.

    After each the file stands at its end. What is longer than ``LINE_LIMIT`` is left out, as backwards.
    """
    is_rest = False
    while piece := file.readline(LINE_LIMIT):
        is_whole = piece.endswith(b"\n")
        if not is_rest and (is_whole or len(piece) < LINE_LIMIT):
            yield piece
        is_rest = not is_whole


def lines_backwards(descriptor: int, end: int) -> Iterator[bytes]:
    """The lines before an offset, newest first; see ``blocks_backwards``."""
    for block in blocks_backwards(descriptor, end):
        for line in reversed(block.split(b"\n")[:-1]):
            yield line + b"\n"


def last_line(descriptor: int) -> bytes:
    """The last whole line with its newline; empty when there is none."""
    return next(lines_backwards(descriptor, whole_size(descriptor)), b"")


def head_of(descriptor: int) -> str:
    """Digest of the first line, by which a file is known under any name; empty for an empty file."""
    start = os.pread(descriptor, _HEAD_BYTES, 0)
    return hashlib.sha256(start.partition(b"\n")[0]).hexdigest()[:16] if start else ""


def tail_of(descriptor: int, end: int) -> str:
    """Return a digest of the last bytes before an offset; empty for the start of the file."""
    start = max(0, end - _TAIL_BYTES)
    tail = os.pread(descriptor, end - start, start)
    return hashlib.sha256(tail).hexdigest()[:16] if tail else ""


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, however little the kernel takes at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def events_backwards(descriptor: int, needles: Sequence[bytes]) -> Iterator[Event]:
    """The events whose lines hold any of some bytes, newest first; no other line is parsed."""
    for block in blocks_backwards(descriptor, whole_size(descriptor), _SEARCH_BYTES):
        starts = {start for needle in needles for start in _lines_with(block, needle)}
        for start in sorted(starts, reverse=True):
            event = parse_line(block[start : block.find(b"\n", start) + 1])
            if event is not None:
                yield event


def _lines_with(block: bytes, needle: bytes) -> Iterator[int]:
    """Where in a block of whole lines those with a needle start; ``find`` is five times as fast as ``rfind``."""
    end = 0
    while (found := block.find(needle, end)) >= 0:
        yield block.rfind(b"\n", 0, found) + 1
        end = block.find(b"\n", found)
