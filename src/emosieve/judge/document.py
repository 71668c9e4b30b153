"""The bytes of a result file as a JSON document, at a cost in memory and time that no file can raise. Pure."""

import codecs
import json
from types import MappingProxyType
from typing import Any, NoReturn

import orjson

from emosieve.errors import BadResult
from emosieve.text import escape

SIZE_LIMIT = 16 * 1024 * 1024
"""Bytes; a five-minute clip judged frame by frame is 4 MB of indented JSON."""
MEMORY_LIMIT = 130_000_000
"""Bytes that parsing may cost, reckoned before it: 16 MiB of ``{"a":{}},`` would take a gigabyte.

Ten minutes, judged every 20 ms with nine scores each, come to 100 million when indented.
"""
LENIENT_SIZE_LIMIT = 4 * 1024 * 1024
"""Bytes of a text with lone surrogates: the parser that takes them needs four times the memory."""
_COST = MappingProxyType({b"{": 240, b"[": 90, b",": 120})
"""Bytes that an object, a list and one more value take at most, parser included; measured."""
_BYTE_COST = 6
"""The same of one byte: as read, in the parser's copy, and as a text, where one sign may widen all to four."""
DEPTH_LIMIT = 64
"""Levels of nesting; the deepest known form has four."""
_BOM = b"\xef\xbb\xbf"
_BOM_ENCODINGS = MappingProxyType(
    {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
)
"""UTF-32 stands first, for its mark begins with that of UTF-16."""


def parse(data: bytes) -> Any:
    """The document.

    Raises:
        BadResult: it is no JSON in UTF-8, or would take too much to read.
    """
    if len(data) > SIZE_LIMIT:
        raise BadResult(f"is {len(data)} bytes long; more than {SIZE_LIMIT} is not a result")
    counts = {sign: data.count(sign) for sign in _COST}
    if len(data) * _BYTE_COST + sum(counts[sign] * cost for sign, cost in _COST.items()) > MEMORY_LIMIT:
        raise BadResult(
            f"has too many values: {counts[b'{']} objects, {counts[b'[']} lists and {counts[b',']} commas"
        )
    data = _as_utf8(data)
    if not data.strip():
        raise BadResult("is empty")
    document, trouble = _parse_strictly(data)
    if trouble is not None:
        _refuse_other_encodings(data)
        if "surrogate" not in trouble or len(data) > LENIENT_SIZE_LIMIT:
            raise BadResult(f"is not JSON: {escape(trouble)}")
        document = _parse_leniently(data)
    # Counting the brackets bounds the depth without a walk for every ordinary file.
    if counts[b"{"] + counts[b"["] > DEPTH_LIMIT:
        _check_depth(document)
    return document


def _as_utf8(data: bytes) -> bytes:
    """The text without a byte order mark, in UTF-8 whichever encoding the mark says."""
    for mark, encoding in _BOM_ENCODINGS.items():
        if data.startswith(mark):
            try:
                # A lone surrogate is left to the parser, which says where it stands.
                return data.decode(encoding, "surrogatepass").encode("utf-8", "surrogatepass")
            except UnicodeError:
                raise BadResult(
                    f"is not whole {encoding.upper()} text, as its byte order mark says"
                ) from None
    return data.removeprefix(_BOM)


def _parse_strictly(data: bytes) -> tuple[Any, str | None]:
    """The document, or why it is none: in words, for the error itself holds the whole text once more."""
    try:
        return orjson.loads(data), None
    except orjson.JSONDecodeError as error:
        return None, str(error)


def _refuse_other_encodings(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        # The end of a half-written file may cut a character in two; that is not another encoding.
        if error.end < len(data):
            raise BadResult("is not UTF-8 text (GBK, perhaps?); save it as UTF-8") from None


def _parse_leniently(data: bytes) -> Any:
    """Parse what orjson refuses: lone surrogates, which may stand in a text that does not matter."""
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadResult(f"is not JSON: {escape(str(error))}") from None


def _refuse_constant(constant: str) -> NoReturn:
    raise BadResult(f"is not JSON: {constant} is no number")


def _check_depth(document: Any) -> None:
    level: list[Any] = [document]
    for _ in range(DEPTH_LIMIT):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise BadResult(f"is nested deeper than {DEPTH_LIMIT} levels")
