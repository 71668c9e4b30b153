"""How long a wav or npy says it is: both formats carry their own length in the first bytes."""

import ast
import math
import re

HEAD_BYTES = 4096
"""Bytes from the start of a file that are enough for either header."""

_UNKNOWN_RIFF = frozenset({0, 8, 0xFFFFFFFF})
"""RIFF sizes that writers leave in the header until they close the file."""
_LONGEST = 1 << 62
"""Bytes; a header that declares more is not to be believed."""
_NPY_MAGIC = b"\x93NUMPY"
_NPY_ITEM = re.compile(r"[<>|=]?[a-zA-Z](\d+)")


def declared_length(name: str, head: bytes) -> int | None:
    """The length in bytes that a file's own header declares, ``None`` where it does not tell.

    Args:
        name: the file's name; only ``.wav`` and ``.npy`` declare anything.
        head: its first ``HEAD_BYTES``.
    """
    lower = name.lower()
    if lower.endswith(".wav"):
        return _riff_length(head)
    if lower.endswith(".npy"):
        return _npy_length(head)
    return None


def _riff_length(head: bytes) -> int | None:
    """RIFF: four bytes ``RIFF``, then the number of bytes that follow the first eight."""
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:12] != b"WAVE":  # noqa: PLR2004 - RIFF's layout
        return None
    size = int.from_bytes(head[4:8], "little")
    return None if size in _UNKNOWN_RIFF else size + 8


def _npy_length(head: bytes) -> int | None:
    """NEP 1: magic, version, header length, then a Python literal with descr and shape."""
    if len(head) < 12 or not head.startswith(_NPY_MAGIC):  # noqa: PLR2004 - the longest fixed part
        return None
    start = 10 if head[6] == 1 else 12
    header_length = int.from_bytes(head[8:start], "little")
    try:
        header = ast.literal_eval(head[start : start + header_length].decode("latin-1").strip())
        item = _NPY_ITEM.fullmatch(header["descr"])
        shape = tuple(int(side) for side in header["shape"])
    except (ValueError, SyntaxError, TypeError, KeyError, OverflowError, MemoryError, RecursionError):
        return None
    if item is None:
        return None
    width = int(item[1]) * (4 if "U" in item[0] else 1)
    length = start + header_length + width * math.prod(shape)
    return length if length < _LONGEST else None
