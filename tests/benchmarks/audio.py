"""How well and how fast audio is measured: ``python -m tests.benchmarks audio --accuracy``; prints four tables.

Twelve pieces of real speech get white, pink and babble noise of known strength and
padding of known length, or are clipped; the same clips go to webrtcvad and to
librosa's split. The truth of silence is that of the clean piece: frames more than
32 dB below its 95th percentile. That is a truth by energy, which favours all who go
by it; padding is a truth of its own.
"""

import argparse
import importlib.util
import io
import math
import os
import statistics
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from glob import glob
from typing import Any

PACKAGES = {
    "alsa-utils": "/usr/share/sounds/alsa/Front_Center.wav",
    "pocketsphinx-testdata": "/usr/share/pocketsphinx/test/data/cards/001.wav",
    "asterisk-core-sounds-en-wav": "/usr/share/asterisk/sounds/en_US_f_Allison/demo-congrats.wav",
    "asterisk-core-sounds-es-wav": "/usr/share/asterisk/sounds/es_MX_f_Allison/demo-congrats.wav",
    "asterisk-core-sounds-fr-wav": "/usr/share/asterisk/sounds/fr_CA_f_June/demo-congrats.wav",
    "asterisk-core-sounds-it-wav": "/usr/share/asterisk/sounds/it_IT_m_Carlo/demo-congrats.wav",
    "asterisk-core-sounds-ru-wav": "/usr/share/asterisk/sounds/ru_RU_f_IvrvoiceRU/demo-congrats.wav",
}
"""Debian packages, and a file of each."""
MODULES = {"numpy": "numpy", "librosa": "librosa", "webrtcvad": "webrtcvad-wheels"}


def _require() -> None:
    """Say what has to be installed, and end."""
    debian = [name for name, file in PACKAGES.items() if not os.path.exists(file)]
    python = [name for module, name in MODULES.items() if importlib.util.find_spec(module) is None]
    needed = [f"apt-get install {' '.join(debian)}"] * bool(debian)
    needed += [f"{sys.executable} -m pip install {' '.join(python)}"] * bool(python)
    if needed:
        sys.exit("something to compare with is missing:\n  " + "\n  ".join(needed))


_require()

import numpy as np  # noqa: E402 - after saying what is missing
from numpy.typing import NDArray  # noqa: E402 - the same

from audio_floor import bare  # noqa: E402 - the same
from emosieve.judge.audio import measure  # noqa: E402 - the same

librosa: Any = importlib.import_module("librosa")
webrtcvad: Any = importlib.import_module("webrtcvad")

Floats = NDArray[np.float64]
SECONDS = 10
RATIOS = (20, 10, 5, 0)
NOISES = ("white", "pink", "babble")
TRUTH_DB = 32
HEARD_HZ = 20
"""Pink noise begins here: without a bound half of its power would be where nobody hears it."""
SPEECH = (
    *(f"/usr/share/asterisk/sounds/{voice}_*/demo-congrats.wav" for voice in ("en", "es", "fr", "it", "ru")),
    *(f"/usr/share/asterisk/sounds/{voice}_*/priv-callee-options.wav" for voice in ("it", "ru")),
    "/usr/share/pocketsphinx/test/data/librivox/*-0870.wav",
    "/usr/share/pocketsphinx/test/data/librivox/*-08[89]0.wav",
    "/usr/share/pocketsphinx/test/data/librivox/*-09[23]0.wav",
    "/usr/share/pocketsphinx/test/data/cards/*.wav",
    "/usr/share/sounds/alsa/*_*.wav",
)
"""Twelve pieces: files of a pattern are played one after the other."""
TALKERS = (
    *(f"/usr/share/asterisk/sounds/{voice}_*/demo-instruct.wav" for voice in ("en", "es", "fr", "it", "ru")),
    *(f"/usr/share/asterisk/sounds/{voice}_*/conf-adminmenu-18.wav" for voice in ("es", "fr", "ru")),
)
"""Eight that babble, in sentences that are not among the speech."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Samples with what is known about them."""

    samples: Floats
    rate: int
    silence: float
    ratio: float | None = None
    noise: str = ""

    @property
    def pcm(self) -> bytes:
        """The samples as 16 bit integers."""
        return (np.clip(self.samples, -1, 32767 / 32768) * 32768).round().astype("<i2").tobytes()


def recordings(pattern: str) -> tuple[Floats, int]:
    """All files of a pattern, one after the other."""
    parts, rate = [], 0
    for name in sorted(glob(pattern)):
        with wave.open(name) as file:
            rate = file.getframerate()
            parts.append(np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768)
    return np.concatenate(parts), rate


def piece(pattern: str) -> Clip:
    """Ten seconds of speech at -23 dB, or what there is."""
    samples, rate = recordings(pattern)
    samples = samples[: SECONDS * rate] - samples[: SECONDS * rate].mean()
    samples = samples * 10 ** (-23 / 20) / math.sqrt((samples**2).mean())
    return Clip(samples, rate, 1 - float(active(samples, rate).mean()))


def active(samples: Floats, rate: int) -> NDArray[np.bool_]:
    """Which frames of a clean piece are speech."""
    frame = rate // 50
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    decibels = 10 * np.log10(frames.var(axis=1) + 1e-12)
    return np.asarray(decibels > np.percentile(decibels, 95) - TRUTH_DB)


def noise(kind: str, count: int, rate: int, chance: np.random.Generator) -> Floats:
    """So many samples of one kind of noise, of no particular strength."""
    if kind == "babble":
        return sum((talker(pattern, count, rate, chance) for pattern in TALKERS), np.zeros(count))
    white = chance.standard_normal(count)
    if kind == "white":
        return white
    spectrum, tones = np.fft.rfft(white), np.fft.rfftfreq(count, 1 / rate)
    return np.fft.irfft(np.where(tones < HEARD_HZ, 0, spectrum / np.sqrt(np.maximum(tones, 1))), count)


def talker(pattern: str, count: int, rate: int, chance: np.random.Generator) -> Floats:
    """One who babbles, from somewhere in the recording on, at the rate of the piece."""
    samples, own = recordings(pattern)
    samples = np.roll(samples, chance.integers(len(samples)))
    samples = np.interp(np.arange(count) * own / rate, np.arange(len(samples)), samples)
    return samples / math.sqrt((samples**2).mean())


def noisy(clip: Clip, kind: str, ratio: float, chance: np.random.Generator) -> Clip:
    """The piece with noise; the ratio is that of its active frames."""
    frame = clip.rate // 50
    speech = clip.samples[: len(clip.samples) // frame * frame].reshape(-1, frame)
    power = float((speech[active(clip.samples, clip.rate)] ** 2).mean())
    sound = noise(kind, len(clip.samples), clip.rate, chance)
    sound *= math.sqrt(power / 10 ** (ratio / 10) / float((sound**2).mean()))
    return Clip(clip.samples + sound, clip.rate, clip.silence, ratio, kind)


def padded(clip: Clip, share: float, ratio: float | None, chance: np.random.Generator) -> Clip:
    """The piece with so much padding before and after it, zeros or (with the piece) white noise."""
    missing = int(len(clip.samples) * share / (1 - share))
    zeros = [np.zeros(missing // 2), np.zeros(missing - missing // 2)]
    whole = Clip(
        np.concatenate([zeros[0], clip.samples, zeros[1]]), clip.rate, share + (1 - share) * clip.silence
    )
    return whole if ratio is None else noisy(whole, "white", ratio, chance)


Answer = tuple[float | None, float | None]
"""Share of silence and ratio of speech to noise in dB, of one clip."""


def by_emosieve(clip: Clip) -> Answer:
    """What the daemon measures, from the bytes of a wav."""
    data = wav(clip)
    found = measure(lambda count, at: data[at : at + count], len(data))
    return found.silence_ratio, found.snr_db


def by_webrtcvad(mode: int, clip: Clip) -> Answer:
    """The voice detector of WebRTC; the ratio by power inside and outside of what it found."""
    vad, pcm, size = webrtcvad.Vad(mode), clip.pcm, clip.rate // 50 * 2
    speech = [vad.is_speech(pcm[at : at + size], clip.rate) for at in range(0, len(pcm) - size + 1, size)]
    return ratio_of(clip, np.repeat(np.array(speech), size // 2))


def by_librosa(top_db: int, clip: Clip) -> Answer:
    """What librosa's split keeps; the ratio by power inside and outside of it."""
    mask = np.zeros(len(clip.samples), bool)
    for begin, end in librosa.effects.split(clip.samples, top_db=top_db):
        mask[begin:end] = True
    return ratio_of(clip, mask)


def ratio_of(clip: Clip, mask: NDArray[np.bool_]) -> Answer:
    """Silence and ratio from a mask of speech."""
    samples = clip.samples[: len(mask)]
    silence = 1 - float(mask.mean())
    if not 0 < silence < 1:
        return silence, None
    floor = float((samples[~mask] ** 2).mean()) + 1e-12
    return silence, 10 * math.log10(max(float((samples[mask] ** 2).mean()) - floor, floor / 100) / floor)


WAYS: dict[str, Callable[[Clip], Answer]] = {
    "**emosieve**": by_emosieve,
    "webrtcvad 2": partial(by_webrtcvad, 2),
    "webrtcvad 3": partial(by_webrtcvad, 3),
    "librosa split 30 dB": partial(by_librosa, 30),
    "librosa split 60 dB": partial(by_librosa, 60),
}


def wav(clip: Clip) -> bytes:
    """The clip as a file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(clip.rate)
        file.writeframes(clip.pcm)
    return buffer.getvalue()


def row(*cells: str) -> None:
    """Print one line of a table."""
    print(f"| {' | '.join(cells)} |")


def heading(*cells: str) -> None:
    """Print the head of a table."""
    print()
    row(*cells)
    row(*["---"] * len(cells))


def error(errors: list[float | None]) -> str:
    """Mean error without sign, (with sign), and how many had no answer."""
    known = [one for one in errors if one is not None]
    if not known:
        return "no answer"
    missing = f", {len(errors) - len(known)} without" if len(known) < len(errors) else ""
    digits = 3 if max(map(abs, known)) <= 1 else 2
    return f"{statistics.fmean(map(abs, known)):.{digits}f} ({statistics.fmean(known):+.{digits}f}{missing})"


def off(found: float | None, true: float | None) -> float | None:
    """How far an answer is from the truth."""
    return None if found is None or true is None else found - true


def show_noise(pieces: list[Clip], chance: np.random.Generator) -> None:
    """Ratio and silence, by strength and by kind of noise."""
    clips = [noisy(one, kind, ratio, chance) for ratio in RATIOS for kind in NOISES for one in pieces]
    answers = {name: [way(clip) for clip in clips] for name, way in WAYS.items()}
    groups: list[tuple[str, Callable[[Clip], bool]]] = [
        *((f"{ratio} dB", lambda clip, ratio=ratio: clip.ratio == ratio) for ratio in RATIOS),
        *((kind, lambda clip, kind=kind: clip.noise == kind) for kind in NOISES),
    ]
    print(f"\nSNR, mean error in dB (bias), {len(clips)} clips")
    heading("", *(name for name, _ in groups))
    for name, found in answers.items():
        pairs = list(zip(clips, found, strict=True))
        row(name, *(error([off(ans[1], clip.ratio) for clip, ans in pairs if of(clip)]) for _, of in groups))
    print("\nShare of silence, mean error (bias), the same clips")
    heading("", "clean", *(name for name, _ in groups))
    for name, found in answers.items():
        pairs = list(zip(clips, found, strict=True))
        clean = error([off(WAYS[name](one)[0], one.silence) for one in pieces])
        row(
            name,
            clean,
            *(error([off(ans[0], clip.silence) for clip, ans in pairs if of(clip)]) for _, of in groups),
        )


def show_padding(pieces: list[Clip], chance: np.random.Generator) -> None:
    """Silence with padding of known length."""
    kinds = {"zeros": None, "30 dB": 30.0, "10 dB": 10.0}
    print(f"\nShare of silence with padding, mean error (bias), {len(pieces)} clips each")
    heading("", *(f"{share:.0%} {kind}" for kind in kinds for share in (0.25, 0.5, 0.75)))
    sets = [
        [padded(one, share, ratio, chance) for one in pieces]
        for ratio in kinds.values()
        for share in (0.25, 0.5, 0.75)
    ]
    for name, way in WAYS.items():
        row(name, *(error([off(way(clip)[0], clip.silence) for clip in clips]) for clips in sets))


def show_clipping(pieces: list[Clip], chance: np.random.Generator) -> None:
    """How many clipped clips are found, and how many others are mistaken for one."""
    print("\nClipping, by `clipping_ratio` over 0.02 (least-most)")
    heading("clips", "found", "clipping_ratio")
    sets = {
        "clean": pieces,
        "noisy, 5 dB": [noisy(one, kind, 5, chance) for kind in NOISES for one in pieces],
        "clipped at full scale": [louder(one, 4) for one in pieces],
        "the same, then 4 dB softer": [softer(louder(one, 4)) for one in pieces],
    }
    for name, clips in sets.items():
        found = [clipping(clip) for clip in clips]
        row(name, f"{sum(one > 0.02 for one in found)} of {len(found)}", f"{min(found):.3f}-{max(found):.3f}")


def clipping(clip: Clip) -> float:
    """What is measured."""
    data = wav(clip)
    return measure(lambda count, at: data[at : at + count], len(data)).clipping_ratio or 0.0


def louder(clip: Clip, percent: float) -> Clip:
    """So loud that so many percent of its samples are beyond full scale."""
    gain = 1 / float(np.percentile(np.abs(clip.samples), 100 - percent))
    return Clip(np.clip(clip.samples * gain, -1, 1), clip.rate, clip.silence)


def softer(clip: Clip) -> Clip:
    """Turned down after it was clipped."""
    return Clip(clip.samples * 10 ** (-4 / 20), clip.rate, clip.silence)


def measured(path: str) -> None:
    """The whole way from a file's name to its measures."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        measure(partial(os.pread, descriptor), os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


def show_times(clip: Clip, rounds: int) -> None:
    """Milliseconds for one clip of ten seconds at 16 kHz, all ways in each round."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "processed_audio.wav")
        with open(path, "wb") as file:
            file.write(wav(clip))
        ways: dict[str, Callable[[], object]] = {
            "the wav read, and the bare numpy calls": partial(bare, path),
            "**emosieve**, all measures, the wav read": partial(measured, path),
            "webrtcvad 3, nothing read": partial(by_webrtcvad, 3, clip),
            "librosa.effects.split, nothing read": partial(
                librosa.effects.split, clip.samples.astype(np.float32)
            ),
        }
        for way in ways.values():
            way()
        found = [[timed(way) for way in ways.values()] for _ in range(rounds)]
    print(f"\nMilliseconds for {len(clip.samples) / clip.rate:g} s at {clip.rate} Hz, {rounds} rounds")
    heading("", "median", "least-most", "times the first")
    for place, name in enumerate(ways):
        mine = [one[place] for one in found]
        times = statistics.median(one[place] / one[0] for one in found)
        row(name, f"{statistics.median(mine):.2f}", f"{min(mine):.2f}-{max(mine):.2f}", f"{times:.2f}")


def timed(way: Callable[[], object]) -> float:
    """Milliseconds that it takes."""
    began = time.perf_counter()
    way()
    return (time.perf_counter() - began) * 1000


def main() -> None:
    """Make the clips, ask everybody, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="how often each is timed")
    given = parser.parse_args()
    chance = np.random.default_rng(7)
    pieces = [piece(pattern) for pattern in SPEECH]
    show_noise(pieces, chance)
    show_padding(pieces, chance)
    show_clipping(pieces, chance)
    sixteen = next(one for one in pieces if one.rate == 16_000)
    whole = np.resize(sixteen.samples, SECONDS * sixteen.rate)
    show_times(Clip(whole, sixteen.rate, sixteen.silence), given.rounds)


if __name__ == "__main__":
    main()
