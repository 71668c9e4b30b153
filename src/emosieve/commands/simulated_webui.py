"""A stand-in for the WebUI that writes as the real one does; the demo and the tests feed emosieve with it.

Measured on a real Gradio over real FunASR code: the directory first, then the
wav with a RIFF size of 8 that is mended at close, a pause for inference, then
result.json truncated and written without a rename, then sometimes embedding.npy.
"""

import json
import math
import os
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from emosieve.judge.labels import CLASSES

RATE = 16_000
"""Samples a second of processed_audio.wav, which is mono and 16 bits wide."""
_EMBEDDING_LENGTH = 1024


@dataclass(frozen=True)
class Recognition:
    """What the simulated model says of one clip.

    Attributes:
        scores: class to score; they sum to about 1.
        seconds: length of the clip.
        embedding: whether embedding.npy is asked for.
        in_pieces: whether result.json reaches the disk in two writes.
    """

    scores: dict[str, float]
    seconds: float = 1.5
    embedding: bool = False
    in_pieces: bool = False

    @property
    def emotion(self) -> str:
        """The main emotion."""
        return max(self.scores, key=self.scores.__getitem__)

    def result_json(self) -> bytes:
        """The WebUI's five keys."""
        document = {
            "emotion": self.emotion,
            "confidence": self.scores[self.emotion],
            "scores": self.scores,
            "granularity": "utterance",
            "timestamp": "2024-01-04 22:30:00",
        }
        return json.dumps(document, indent=2).encode()


def scores_for(
    emotion: str, top: float, second: str | None = None, runner_up: float = 0.0
) -> dict[str, float]:
    """Nine scores, rounded to three digits as the WebUI's are, that sum to about 1."""
    fixed = {emotion: top} | ({second: runner_up} if second else {})
    rest = max(0.0, 1.0 - sum(fixed.values())) / (len(CLASSES) - len(fixed))
    return {name: round(fixed.get(name, rest), 3) for name in CLASSES}


def random_recognition(chance: random.Random) -> Recognition:
    """A clip as a call centre has them: mostly clear, some not."""
    first, second = chance.sample(CLASSES, 2)
    top = min(0.995, chance.betavariate(5, 1.6))
    runner_up = (1 - top) * chance.uniform(0.3, 0.95)
    scores = scores_for(first, round(top, 3), second, round(runner_up, 3))
    return Recognition(scores, chance.uniform(0.8, 4.0), chance.random() < 0.5, chance.random() < 0.3)  # noqa: PLR2004


def write_task(
    directory: str, recognition: Recognition, infer: Callable[[], None], pause: Callable[[], None]
) -> None:
    """Write one task as the WebUI does.

    Args:
        directory: the task's directory; it may exist, as when two tasks start in one second.
        recognition: what to write.
        infer: called between the wav and result.json.
        pause: called in the middle of a file that is written in pieces, and before the embedding.
    """
    os.makedirs(directory, exist_ok=True)
    write_wav(f"{directory}/processed_audio.wav", recognition.seconds, pause)
    infer()
    data = recognition.result_json()
    cut = len(data) // 2 if recognition.in_pieces else len(data)
    with open(f"{directory}/result.json", "wb") as file:
        file.write(data[:cut])
        if recognition.in_pieces:
            file.flush()
            pause()
            file.write(data[cut:])
    if recognition.embedding:
        pause()
        with open(f"{directory}/embedding.npy", "wb") as file:
            file.write(npy_bytes())


def write_wav(path: str, seconds: float, pause: Callable[[], None] = lambda: None) -> None:
    """A tone, written as soundfile does it: the RIFF size is 8 until the file is closed."""
    samples = _tone(int(RATE * seconds))
    with open(path, "wb") as file:
        file.write(_wav_header(8, 0))
        file.write(samples[: len(samples) // 2])
        file.flush()
        pause()
        file.write(samples[len(samples) // 2 :])
        file.seek(0)
        file.write(_wav_header(36 + len(samples), len(samples)))


@lru_cache(maxsize=1)
def _tone(count: int) -> bytes:
    """So many samples; kept, since calculating them would hold up who writes hundreds of tasks a second."""
    return struct.pack(
        f"<{count}h", *(int(9000 * math.sin(i / 9) * math.sin(i / 2500)) for i in range(count))
    )


def _wav_header(riff_size: int, data_size: int) -> bytes:
    layout = struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", riff_size, b"WAVE", b"fmt ", len(layout))
        + layout
        + struct.pack("<4sI", b"data", data_size)
    )


def npy_bytes(length: int = _EMBEDDING_LENGTH) -> bytes:
    """An utterance embedding of zeros, as numpy.save writes it."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({length},), }}"
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(4 * length)
