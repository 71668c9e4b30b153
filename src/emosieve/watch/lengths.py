"""How long a wav or npy says it is: both formats carry their own length in the first bytes."""

import math
import re

from emosieve.judge.wav import is_unknown

HEAD_BYTES = 4096
"""Bytes from the start of a file that are enough for either header."""

_BARE_RIFF = 8
"""The RIFF size of a file that holds nothing yet, which libsndfile leaves in a pipe."""
_LONGEST = 1 << 62
"""Bytes; a header that declares more is not to be believed."""
_NPY_HEAD_BYTES = 256
"""As far as the header of a plain array reaches."""
_NPY_MAGIC = b"\x93NUMPY"
_NPY_ITEM = re.compile(r"""['"]descr['"]: *['"][<>|=]?([a-zA-Z])(\d{1,9})['"]""")
_NPY_SHAPE = re.compile(r"""['"]shape['"]: *\(((?:\d{1,19}L?, *)*(?:\d{1,19}L?)?)\)""")
"""Both as numpy writes them, also under Python 2: a header is no program, and is not read by Python's parser."""


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
    """RIFF: four bytes ``RIFF``, then the number of bytes that follow the first eight.

    In RF64 and BW64 (EBU Tech 3306) that number has 64 bits and stands in the chunk ``ds64``, the first one.
    """
    if len(head) < 12 or head[8:12] != b"WAVE":  # noqa: PLR2004 - RIFF's layout
        return None
    if head[:4] == b"RIFF":
        size = int.from_bytes(head[4:8], "little")
    elif head[:4] in {b"RF64", b"BW64"} and head[12:16] == b"ds64":
        size = int.from_bytes(head[20:28], "little")
    else:
        return None
    return None if size == _BARE_RIFF or is_unknown(size) or size >= _LONGEST else size + 8


def rows_of(head: bytes) -> int | None:
    """Return the first dimension of an npy of several, by its first ``HEAD_BYTES``; ``None`` for anything else."""
    shape = (
        _NPY_SHAPE.search(head[:_NPY_HEAD_BYTES].decode("latin-1")) if head.startswith(_NPY_MAGIC) else None
    )
    sizes = re.findall(r"\d+", shape[1]) if shape else []
    return int(sizes[0]) if len(sizes) > 1 else None


def _npy_length(head: bytes) -> int | None:
    """NEP 1: magic, version, header length, then a Python literal with descr and shape."""
    if len(head) < 12 or not head.startswith(_NPY_MAGIC):  # noqa: PLR2004 - the longest fixed part
        return None
    start = 10 if head[6] == 1 else 12
    header_length = int.from_bytes(head[8:start], "little")
    header = head[start : start + header_length].decode("latin-1")
    item, shape = _NPY_ITEM.search(header), _NPY_SHAPE.search(header)
    if len(header) < header_length or item is None or shape is None:
        return None
    width = int(item[2]) * (4 if item[1] == "U" else 1)
    length = start + header_length + width * math.prod(map(int, re.findall(r"\d+", shape[1])))
    return length if length < _LONGEST else None
