"""The least that measures a wav: ``python tests/benchmarks/audio_floor.py FOLDER`` for all below it."""

import sys
from glob import iglob

import numpy as np


def bare(path: str) -> None:
    """Read a wav and make the numpy calls that its measures need, with nothing around them."""
    with open(path, "rb") as file:
        samples = np.frombuffer(file.read()[44:], "<i2").astype(np.float32) / 32768
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    frames = frames - frames.mean(axis=1, keepdims=True)
    powers = (frames * frames).mean(axis=1)
    live = powers > 1e-9
    decibels = 10 * np.log10(powers[live])
    low, high = np.percentile(decibels, [10, 95])
    loud = np.zeros(len(powers))
    loud[live] = decibels > max(high - 35, low + max(3, 0.2 * (high - low)))
    speech = np.convolve(loud, np.ones(5), "same") >= 2
    powers[speech].mean(), powers[~speech & live].mean(), powers.mean()
    magnitudes = np.abs(samples)
    at_top = magnitudes >= magnitudes.max() - 2**-12
    np.count_nonzero(at_top[2:] & at_top[1:-1] & at_top[:-2])


if __name__ == "__main__":
    for name in iglob(f"{sys.argv[1]}/**/*.wav", recursive=True):
        bare(name)
