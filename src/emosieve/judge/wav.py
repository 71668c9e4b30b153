"""The header of a wav: what its samples are and where they stand, from a few small reads.

RIFF/WAVE, with WAVE_FORMAT_EXTENSIBLE, and RF64 (EBU Tech 3306) for what is longer
than 4 GiB. A header is believed only as far as the file reaches, and no number in it
decides how much memory or time is spent.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from emosieve.errors import BadAudio

Read = Callable[[int, int], bytes]
"""Gives at most so many bytes from an offset on, as ``functools.partial(os.pread, descriptor)`` does."""
Kind = Literal["integer", "float"]

CHANNEL_LIMIT: Final = 64
"""Channels; with the highest rate this bounds what one frame takes."""
LOWEST_RATE: Final = 1_000
HIGHEST_RATE: Final = 768_000
"""Samples a second; telephones have 8000, studios up to 384000."""
CHUNK_LIMIT: Final = 1_000
"""Chunks before the sound; a hostile file could have one every eight bytes."""

_RIFF_HEAD = 12
_CHUNK_HEAD = 8
_LIMITS = (1 << 31, 1 << 32)
_NEAR = 1 << 13
"""Bytes by which a size of a stream may differ from a limit: for what stands around the sound, and to round it."""
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SHORT_FORMAT, _LONG_FORMAT = 16, 40
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
"""What follows the format tag in the GUID of an extensible format."""
_INTEGER_BITS = range(8, 33)
_FLOAT_BITS = (32, 64)
_COMPRESSIONS = {
    0x0002: "Microsoft ADPCM",
    0x0006: "A-law",
    0x0007: "mu-law",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0050: "MPEG audio",
    0x0055: "MP3",
}


@dataclass(frozen=True, slots=True)
class _Format:
    kind: Kind
    width: int
    channels: int
    sample_rate: int


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What the samples are, and where in the file they stand.

    Attributes:
        kind: two's complement integers (one byte wide: unsigned around 128) or IEEE floats, little-endian.
        width: bytes of one sample of one channel: 1 to 4, a float 4 or 8. Fewer valid bits than
            that stand at the upper end, as the format demands, so full scale is that of the width.
        channels: 1 to ``CHANNEL_LIMIT``, interleaved.
        sample_rate: samples a second of each channel.
        start: bytes before the first sample.
        length: bytes of sound that really are in the file, whole samples of all channels.
    """

    kind: Kind
    width: int
    channels: int
    sample_rate: int
    start: int
    length: int

    @property
    def step(self) -> int:
        """Bytes of one sample of all channels."""
        return self.width * self.channels

    @property
    def duration_seconds(self) -> float:
        """Seconds of sound that really are in the file."""
        return self.length / self.step / self.sample_rate


def read_header(read: Read, size: int) -> WavHeader:
    """Find format and sound of a wav.

    Args:
        read: gives bytes of the file.
        size: bytes of the file.

    Raises:
        BadAudio: not a wav, cut off before its sound, compressed, or with numbers that no recording has.
    """
    head = read(_RIFF_HEAD, 0)
    if not head:
        raise BadAudio("is empty")
    if len(head) < _RIFF_HEAD or head[:4] not in {b"RIFF", b"RF64", b"BW64"} or head[8:] != b"WAVE":
        raise BadAudio(f"is not a wav: it starts with {head!r}")
    whole = _number(head[4:8])
    form: _Format | None = None
    long_data: int | None = None
    at = _RIFF_HEAD
    for _ in range(CHUNK_LIMIT):
        chunk = read(_CHUNK_HEAD, at)
        if len(chunk) < _CHUNK_HEAD:
            raise BadAudio(f"ends after {size} bytes, before its sound")
        name, length = chunk[:4], _number(chunk[4:])
        at += _CHUNK_HEAD
        if name == b"ds64":
            sizes = read(16, at)
            whole, long_data = _number(sizes[:8]), _number(sizes[8:])
        elif name == b"fmt ":
            form = _read_format(read(min(length, _LONG_FORMAT), at))
        elif name == b"data":
            if form is None:
                raise BadAudio("has no format (fmt) before its sound")
            if is_unknown(length) and long_data is not None:
                length = long_data
            there = _there(length, max(size - at, 0), closed=whole + _CHUNK_HEAD == size)
            step = form.width * form.channels
            return WavHeader(form.kind, form.width, form.channels, form.sample_rate, at, there // step * step)
        at += length + length % 2
    raise BadAudio(f"has more than {CHUNK_LIMIT} chunks before its sound")


def _there(declared: int, there: int, *, closed: bool) -> int:
    """Bytes of sound; what looks like a size that was never filled in is one where the file's own size was."""
    return there if is_unknown(declared) and not closed else min(declared, there)


def is_unknown(size: int) -> bool:
    """Return whether this is a size that writers leave until they close the file, and for ever in a pipe.

    That is 0, or a number just about the highest one that fits into 31 or 32 bits: 0x7FFFF000 from SoX
    and espeak, 0x7FFFFFFF from arecord and opusdec, 0xFFFFFFFF from FFmpeg, each with what stands before
    the sound added for the file as a whole.
    """
    return size == 0 or any(abs(limit - size) <= _NEAR for limit in _LIMITS)


def _read_format(chunk: bytes) -> _Format:
    if len(chunk) < _SHORT_FORMAT:
        raise BadAudio(f"has a format (fmt) of {len(chunk)} bytes; {_SHORT_FORMAT} is the least")
    tag, channels, rate, _, step, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE:
        tag = _extended_tag(chunk)
    kind = _kind(tag, bits)
    if not 1 <= channels <= CHANNEL_LIMIT:
        raise BadAudio(f"says it has {channels} channels; 1 to {CHANNEL_LIMIT} can be measured")
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise BadAudio(
            f"says it has {rate} samples a second; {LOWEST_RATE} to {HIGHEST_RATE} can be measured"
        )
    width = (bits + 7) // 8
    if step != width * channels:
        raise BadAudio(
            f"contradicts itself: {channels} channels of {bits} bits take {width * channels} bytes, not {step}"
        )
    return _Format(kind, width, channels, rate)


def _extended_tag(chunk: bytes) -> int:
    if len(chunk) < _LONG_FORMAT or chunk[26:] != _GUID_TAIL:
        raise BadAudio("has an extensible format without a known sub-format")
    return _number(chunk[24:26])


def _kind(tag: int, bits: int) -> Kind:
    if tag == _PCM and bits in _INTEGER_BITS:
        return "integer"
    if tag == _FLOAT and bits in _FLOAT_BITS:
        return "float"
    if tag in {_PCM, _FLOAT}:
        raise BadAudio(f"has samples of {bits} bits; PCM of 8 to 32 and float of 32 or 64 can be measured")
    name = _COMPRESSIONS.get(tag, f"format {tag:#06x}")
    raise BadAudio(f"is compressed ({name}); only PCM and float can be measured")


def _number(little: bytes) -> int:
    return int.from_bytes(little, "little")
