"""What can be measured from a wav: how long, how loud, how much speech, how much noise.

The header alone gives length, rate and channels. All else needs numpy, which is
imported for the first wav that is measured and never before.
"""

import importlib.util
import math
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeVar

from emosieve.errors import AudioStopped
from emosieve.judge.wav import Read, read_header

State = Literal["digital_silence", "flat", "short", "header_only", "too_long"]
Depth = Literal["files", "header", "samples"]
"""How much of a wav is looked at: its name, its first bytes, all of it. See ``fields.Origin``."""

SAMPLE_LIMIT = 2**28
"""Samples of all channels together, which take some seconds: more would hold up the tasks behind it.

At 16 kHz that is 4 h 39 min of one channel.
"""
DURATION_LIMIT = 12 * 3600
"""Seconds of sound; each takes 50 powers to remember, whatever its rate."""


@dataclass(frozen=True, slots=True)
class AudioMeasures:
    """The measures of one wav, rounded once, so that what is logged is what was judged.

    Attributes:
        duration_seconds: of the sound that is in the file, whatever its header promises.
        sample_rate: samples a second of each channel.
        channels: how many; their powers are averaged, see ``speech.listen``.
        speech_seconds: in frames of 20 ms that stand out of the noise.
        silence_ratio: share, 0 to 1, of the frames that do not.
        snr_db: estimated power of speech over that of noise, -20 dB or more; ``None`` where one
            of the two is not there to be measured. Steady noise is what it knows: bursts and music count as speech.
        clipping_ratio: share, 0 to 1, of samples at the ceiling, of the channel that has most.
        rms_dbfs: level without any constant offset, in dB under full scale (a full sine has -3.01);
            ``None`` where nothing but zeros stands.
        state: ``None`` when all was measured; else why not: ``digital_silence`` (zeros, or as good as),
            ``flat`` (no dynamics: hum or noise alone), ``short`` (under five frames),
            ``header_only`` (no rule in force asks for more, or numpy is missing), ``too_long``
            (more than ``SAMPLE_LIMIT`` or ``DURATION_LIMIT``: the header alone is measured).
    """

    duration_seconds: float
    sample_rate: int
    channels: int
    speech_seconds: float | None = None
    silence_ratio: float | None = None
    snr_db: float | None = None
    clipping_ratio: float | None = None
    rms_dbfs: float | None = None
    state: State | None = "header_only"


@dataclass(frozen=True, slots=True)
class Audio:
    """What is known of the audio of one task.

    Attributes:
        files: how many wavs stand in it.
        measures: of the one that the result is about; ``None`` without one, or where it was not opened.
        unreadable: why that one cannot be read as audio; ``None`` where it can, or was not opened.
    """

    files: int
    measures: AudioMeasures | None = None
    unreadable: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As the decision log has it, as ``fields.values_of`` takes it: by the names of the fields."""
        known: dict[str, Any] = {"audio_files": self.files}
        if self.measures is not None:
            known |= {"unreadable_audio_files": 0, **asdict(self.measures)}
        elif self.unreadable is not None:
            known |= {"unreadable_audio_files": 1, "audio_problem": self.unreadable}
        return known


Answer = TypeVar("Answer")
Steps = Generator[None, None, Answer]
"""Work in steps of some milliseconds, of which a long wav takes thousands; what is returned is the answer."""


def finish(steps: Steps[Answer], should_stop: Callable[[], bool] = lambda: False) -> Answer:
    """Take all the steps at once.

    Args:
        steps: the work.
        should_stop: asked after each step.

    Raises:
        AudioStopped: it should stop.
    """
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
        if should_stop():
            steps.close()
            raise AudioStopped


def measure(read: Read, size: int, depth: Depth = "samples") -> AudioMeasures:
    """Measure a wav in one go, see ``measuring``."""
    return finish(measuring(read, size, depth))


def measuring(read: Read, size: int, depth: Depth = "samples") -> Steps[AudioMeasures]:
    """Measure a wav: read once from start to end, in blocks, so that hours take no more memory than seconds.

    Args:
        read: gives bytes of the file, as ``functools.partial(os.pread, descriptor)`` does.
        size: bytes of the file.
        depth: short of ``samples`` the header alone is read, and numpy not imported.

    Raises:
        BadAudio: it cannot be measured; the message says why.
        OSError: from ``read``.
    """
    header = read_header(read, size)
    duration = header.duration_seconds
    header_only = AudioMeasures(round(duration, 6), header.sample_rate, header.channels)
    if depth != "samples":
        return header_only
    try:
        from emosieve.judge import speech  # noqa: PLC0415 - numpy at the first wav, never at start
    except ImportError:
        return header_only
    if header.length // header.width > SAMPLE_LIMIT or duration > DURATION_LIMIT:
        return replace(header_only, state="too_long")
    sound = yield from speech.listen(read, header)
    told = speech.tell_apart(sound.powers)
    frames = len(sound.powers)
    power = float(sound.powers.mean()) if frames else 0.0
    active, frame_seconds = told.active_frames, sound.frame_samples / header.sample_rate
    return AudioMeasures(
        duration_seconds=round(sound.samples / header.sample_rate, 6),
        sample_rate=header.sample_rate,
        channels=header.channels,
        speech_seconds=None if active is None else round(active * frame_seconds, 3),
        silence_ratio=None if active is None else round(1 - active / frames, 4),
        snr_db=None if told.snr_db is None else round(told.snr_db, 2),
        clipping_ratio=round(sound.clipping_ratio, 6),
        rms_dbfs=round(10 * math.log10(power), 2) if power else None,
        state=told.state,
    )


def prepare() -> None:
    """Import numpy, where it is installed, for a wav that is to be measured soon."""
    with suppress(ImportError):
        from emosieve.judge import speech  # noqa: F401, PLC0415 - as in measuring


def has_numpy() -> bool:
    """Whether more than the header can be measured; looks for numpy without importing it."""
    return importlib.util.find_spec("numpy") is not None
