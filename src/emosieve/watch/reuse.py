"""Who wrote a task's files, by their birth and modification times, and by how much sound they are about.

The WebUI names a directory by the second in which a recognition starts, and a second one in the same second
writes over the files of the first. Writing over keeps the birth time of a file, and moves its modification
time. What is copied is made anew, one file after the other in any order, and each file is written once.
"""

from typing import Final

from emosieve.watch.filesystem import MOMENT_NS
from emosieve.watch.survey import FileStat

_CERTAIN_NS: Final = 150_000_000
"""What wav and result together must be beyond their births, for a processor that is rationed in periods of 100 ms
may hold up the writing of one of them for that long."""
_RESULT_NS_PER_BYTE: Final = 1000
"""The JSON of Python takes about 100 ns for each byte, and others may hold its lock meanwhile."""
_STREAM_NS_PER_BYTE: Final = 50
"""20 MB/s, which a slow disk still takes."""
_ONE_CALL_BYTES: Final = 1 << 16
"""A result up to this length is written by one call, or comes in one piece over a network."""
_NAMES_DIFFER_NS: Final = 1_500_000_000
"""A second, after which the WebUI's names differ, and the writing of a wav: what takes longer is a slow upload."""

_FRAME_RATES: Final = (50, 100)
"""Frames a second, as the model makes them and as twice as many."""
_FEWEST_FRAMES: Final = 20
"""A list that is shorter may be of parts of any length."""
_IMPOSSIBLE_RATES: Final = ((55, 90), (110, 10**9))
"""Between and beyond the two rates, where no list of frames of that audio lies; below may be longer parts."""


def written_over_ns(file: FileStat, born_ns: int, *, is_result: bool = False) -> int:
    """Return by how much a file was last written later than it was born; 0 where one write takes as long.

    Args:
        file: as it stands.
        born_ns: its birth time; 0 where that is not known.
        is_result: whether it is the result, which is put together while it is written.
    """
    if not born_ns:
        return 0
    later = file.mtime_ns - born_ns
    allowed = MOMENT_NS + file.size * (_RESULT_NS_PER_BYTE if is_result else _STREAM_NS_PER_BYTE)
    return later if later > allowed else 0


def reused_ns(by_wavs: int, by_result: int, result: FileStat, most_ns: float) -> int:
    """Return how long after they were made the files were written over by another recognition; 0 for none.

    A wav that took more than a second may as well have been uploaded slowly. A result is changed by people, too.

    Args:
        by_wavs: by how much a wav was written over, the most of them, see ``written_over_ns``.
        by_result: by how much the result was.
        result: as it stands.
        most_ns: no recognition ends so long after another one that began in the same second.
    """
    if by_wavs > _NAMES_DIFFER_NS:
        by_wavs = 0
    if by_result > (most_ns if result.size <= _ONE_CALL_BYTES else _NAMES_DIFFER_NS):
        by_result = 0
    return max(by_wavs, by_result) if by_wavs + by_result > _CERTAIN_NS else 0


def is_copied_after(file: FileStat, born_ns: int, other: FileStat) -> bool:
    """Return whether a file is newer than another one for no other reason than that it was copied after it.

    It is so when it was made after the other one was last written, and when it was written in one go:
    a recognition writes over the file that is there. A copy that keeps times tells nothing.
    """
    if not born_ns or file.mtime_ns < born_ns:
        return False
    return born_ns >= other.mtime_ns or not written_over_ns(file, born_ns)


def frames_off_seconds(frames: int, seconds: float, *, is_reused: bool) -> float:
    """Return by how much audio and frames differ in length; 0 where they may be of one recognition.

    Args:
        frames: how many there are.
        seconds: length of the audio.
        is_reused: whether two recognitions wrote here, so that any other number of frames tells.
    """
    if frames < _FEWEST_FRAMES or seconds <= 0:
        return 0.0
    off = min(abs(frames / rate - seconds) for rate in _FRAME_RATES)
    if off <= 0.1 + 0.02 * seconds:
        return 0.0
    is_impossible = any(low < frames / seconds < high for low, high in _IMPOSSIBLE_RATES)
    return round(off, 6) if is_reused or is_impossible else 0.0
