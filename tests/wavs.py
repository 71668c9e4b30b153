"""Wavs made by hand, and readers of bytes that stand for an open file."""

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emosieve.judge.audio import SAMPLE_LIMIT
from emosieve.judge.wav import Read

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
WIDTHS = [(PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64)]
"""Every format tag with every number of bits."""


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    """One chunk, padded to an even length."""
    return name + struct.pack("<I", len(body) if size is None else size) + body + bytes(len(body) % 2)


def form(tag: int = PCM, channels: int = 1, rate: int = 16_000, bits: int = 16) -> bytes:
    """The format chunk of sixteen bytes."""
    step = (bits + 7) // 8 * channels
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * step, step, bits))


def extensible(tag: int, channels: int, rate: int, bits: int, valid: int) -> bytes:
    """The format chunk of forty bytes, whose tag stands in a GUID."""
    short = form(EXTENSIBLE, channels, rate, bits)[8:]
    return chunk(b"fmt ", short + struct.pack("<HHIH", 22, valid, 0, tag) + GUID_TAIL)


def riff(*chunks: bytes, size: int | None = None, magic: bytes = b"RIFF") -> bytes:
    """A whole file of these chunks."""
    body = b"WAVE" + b"".join(chunks)
    return magic + struct.pack("<I", len(body) if size is None else size) + body


def encoded(samples: NDArray[Any], tag: int, bits: int) -> bytes:
    """Samples of full scale 1.0 in one of the ``WIDTHS``."""
    if tag == FLOAT:
        return samples.astype(f"<f{bits // 8}").tobytes()
    whole = np.clip(np.round(samples * 2.0 ** (bits - 1)), -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1)
    if bits == 8:
        return (whole + 128).astype(np.uint8).tobytes()
    return whole.astype("<i4").view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()


def wav_of(
    samples: NDArray[Any] | Sequence[float], rate: int = 16_000, tag: int = PCM, bits: int = 16
) -> bytes:
    """A wav of samples of full scale 1.0; two dimensions are samples and channels."""
    values = np.asarray(samples, np.float64)
    channels = 1 if values.ndim == 1 else values.shape[1]
    return riff(form(tag, channels, rate, bits), chunk(b"data", encoded(values.ravel(), tag, bits)))


def reader(data: bytes, at_most: int | None = None) -> Read:
    """Gives bytes as ``os.pread`` does from an open file, not more than so many at once."""

    def read(count: int, offset: int) -> bytes:
        return data[offset : offset + (count if at_most is None else min(count, at_most))]

    return read


def write_hours(path: Path) -> None:
    """A wav of silence with as many samples as are measured at most; on the disk it takes next to nothing."""
    head = riff(form(PCM, 1, 768_000, 8), chunk(b"data", b"", 0xFFFFFFFF))
    path.write_bytes(head)
    os.truncate(path, len(head) + SAMPLE_LIMIT)
