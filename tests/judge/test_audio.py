"""What is measured of a wav, from its bytes to the numbers of the log."""

import math
import struct
import subprocess
import sys
import tracemalloc
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import emosieve
from emosieve.errors import AudioStopped, BadAudio
from emosieve.judge.audio import AudioMeasures, finish, has_numpy, measure, measuring
from emosieve.judge.speech import BLOCK_SAMPLES
from wavs import FLOAT, PCM, WIDTHS, chunk, encoded, form, reader, riff, wav_of

Floats = NDArray[np.float64]
RATE = 16_000
FRAME = RATE // 50
BARE = """
import sys
from dataclasses import asdict
sys.path.insert(0, {source!r})
from emosieve.judge.audio import has_numpy, measure
data = bytes.fromhex({data!r})
print(has_numpy(), asdict(measure(lambda count, offset: data[offset : offset + count], len(data))))
"""
QUIET_START = """
import sys
import emosieve.commands.cli
import emosieve.judge.audio
print("numpy" in sys.modules)
"""


def measured(data: bytes) -> AudioMeasures:
    """The measures of a whole file in memory."""
    return measure(reader(data), len(data))


def white(frames: int, decibels: float, seed: int = 1) -> Floats:
    """White noise of so many frames, each of exactly that power in dB under full scale."""
    sound = np.random.default_rng(seed).standard_normal((frames, FRAME))
    sound -= sound.mean(axis=1, keepdims=True)
    sound /= np.sqrt((sound**2).mean(axis=1, keepdims=True))
    return np.asarray((sound * 10 ** (decibels / 20)).ravel())


def talk(ratio: float = 20.0, seed: int = 1, level: float = -26.0) -> Floats:
    """Ten seconds: 300 frames that speak and 200 that pause, by turns of 30 and 20, over steady noise."""
    speech = white(500, level, seed).reshape(10, 50, FRAME)
    speech[:, 30:] = 0
    return speech.ravel() + white(500, level - ratio, seed + 1)


def boom() -> Floats:
    """Two seconds of a deep voice, on and off, that somebody recorded too loud by half."""
    voice = np.sin(np.arange(100 * FRAME) * 2 * math.pi * 100 / RATE) * (
        np.arange(100 * FRAME) // FRAME % 20 < 12
    )
    return np.clip(1.35 * voice + white(100, -60), -0.9, 0.9)


@pytest.mark.parametrize("ratio", [20.0, 15.0, 10.0])
def test_a_known_ratio_is_found(ratio: float) -> None:
    """Steady speech over steady noise is measured to a third of a dB, and its pauses to a frame or two each."""
    found = measured(wav_of(talk(ratio)))

    assert pytest.approx(ratio, abs=0.35) == found.snr_db
    assert pytest.approx(0.4, abs=0.08) == found.silence_ratio
    assert pytest.approx(10.0 * (1 - (found.silence_ratio or 0)), abs=0.002) == found.speech_seconds
    assert found.state is None


def test_the_measures_of_one_wav() -> None:
    """All numbers of a wav that is known to the sample."""
    sound = np.concatenate([np.zeros(100 * FRAME), talk(20.0)])

    assert AudioMeasures(
        duration_seconds=12.0,
        sample_rate=RATE,
        channels=1,
        speech_seconds=6.4,
        silence_ratio=0.4667,
        snr_db=19.73,
        clipping_ratio=0.0,
        rms_dbfs=-28.94,
        state=None,
    ) == measured(wav_of(sound))


def test_frames_of_an_odd_rate_have_their_own_length() -> None:
    """At 11025 a second a frame is 220 samples, a little less than 20 ms, and speech is counted in those."""
    found = measured(wav_of(talk(), rate=11_025))

    frames = 500 * FRAME // 220
    active = round((1 - (found.silence_ratio or 0)) * frames)
    assert round(active * 220 / 11_025, 3) == found.speech_seconds


def test_zeros_do_not_touch_the_ratio() -> None:
    """Padding with digital silence counts as silence and not as noise."""
    plain = measured(wav_of(talk()))
    with_zeros = measured(wav_of(np.concatenate([np.zeros(500 * FRAME), talk()])))

    assert plain.snr_db == with_zeros.snr_db
    assert pytest.approx((1 + (plain.silence_ratio or 0)) / 2, abs=0.003) == with_zeros.silence_ratio


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from([12.0, 25.0]))
def test_all_widths_agree(seed: int, ratio: float) -> None:
    """The same sound measures the same in integers of 16 to 32 bits and in floats; 8 bits can hold less."""
    sound = np.round(talk(ratio, seed) * 2**15) / 2**15
    found = {width: measured(wav_of(sound, RATE, *width)) for width in WIDTHS}
    expected = found[PCM, 16]

    for width in set(WIDTHS) - {(PCM, 8)}:
        assert approximately(expected) == asdict(found[width])
    assert pytest.approx(expected.silence_ratio, abs=0.1) == found[PCM, 8].silence_ratio
    assert pytest.approx(expected.rms_dbfs, abs=0.1) == found[PCM, 8].rms_dbfs


def approximately(measures: AudioMeasures) -> Any:
    """The same but for the last digit of each number."""
    return {
        name: pytest.approx(value, abs=0.011) if isinstance(value, float) else value
        for name, value in asdict(measures).items()
    }


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.integers(0, 5), st.sampled_from([(FLOAT, 32), (FLOAT, 64), (PCM, 32)]))
def test_a_softer_recording_has_the_same_ratio(seed: int, halvings: int, width: tuple[int, int]) -> None:
    """Scaling moves the level by 6.02 dB for each halving, and neither ratio nor silence."""
    loud, soft = (measured(wav_of(talk(15.0, seed) / by, RATE, *width)) for by in (1, 2**halvings))

    assert pytest.approx(loud.snr_db, abs=0.011) == soft.snr_db
    assert loud.silence_ratio == soft.silence_ratio
    assert pytest.approx((loud.rms_dbfs or 0) - 6.0206 * halvings, abs=0.011) == soft.rms_dbfs


@settings(deadline=None, max_examples=15)
@given(
    block=st.integers(1, 40_000),
    at_most=st.integers(997, 90_000),
    channels=st.integers(1, 3),
    tail=st.integers(0, 400),
)
def test_the_size_of_blocks_and_reads_does_not_matter(
    block: int, at_most: int, channels: int, tail: int
) -> None:
    """However few bytes a read gives and however small the blocks are, the measures are the same."""
    sound = np.concatenate([boom(), boom()[:tail]])
    data = wav_of(np.stack([sound / (number + 1) for number in range(channels)], axis=1))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emosieve.judge.speech.BLOCK_SAMPLES", block)
        in_pieces = measure(reader(data, at_most), len(data))

    assert measured(data) == in_pieces
    assert (in_pieces.clipping_ratio or 0) > 0.01


@pytest.mark.parametrize(("tag", "bits"), WIDTHS)
def test_digital_silence_is_told(tag: int, bits: int) -> None:
    """Nothing but the midpoint, which is 128 in 8 bits, is silence of no level."""
    found = measured(wav_of(np.zeros(RATE), RATE, tag, bits))

    assert AudioMeasures(1.0, RATE, 1, 0.0, 1.0, None, 0.0, None, "digital_silence") == found


def test_dither_is_digital_silence() -> None:
    """The last bit of sixteen flickers in a recording of nothing."""
    flicker = np.random.default_rng(1).integers(-1, 2, RATE) / 2**15

    assert "digital_silence" == measured(wav_of(flicker)).state


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(white(100, -30), id="noise"),
        pytest.param(0.5 * np.sin(np.arange(100 * FRAME) * 2 * math.pi * 50 / RATE), id="hum"),
    ],
)
def test_sound_without_dynamics_is_no_speech(sound: Floats) -> None:
    """Noise or hum alone is flat: all silence, with a level, and no ratio."""
    found = measured(wav_of(sound))

    assert ("flat", 0.0, 1.0, None) == (found.state, found.speech_seconds, found.silence_ratio, found.snr_db)
    assert found.rms_dbfs is not None


def test_a_sine_at_full_scale_has_minus_three_db() -> None:
    """The level is that of the sound's power under a full-scale square, as meters have it."""
    sine = np.sin(np.arange(RATE) * 2 * math.pi * 1000 / RATE)

    assert -3.01 == measured(wav_of(sine, tag=FLOAT, bits=64)).rms_dbfs


def test_a_constant_offset_is_no_sound() -> None:
    """An offset changes nothing: not the level, not the ratio, not the silence."""
    assert approximately(measured(wav_of(talk()))) == asdict(measured(wav_of(talk() + 0.25)))


@pytest.mark.parametrize("frames", [0, 0.5, 4.5])
def test_what_is_shorter_than_five_frames_is_not_told_apart(frames: float) -> None:
    """No sample, less than a frame and less than five have a length but neither speech nor silence."""
    found = measured(wav_of(white(5, -20)[: int(frames * FRAME)]))

    expected = ("short", frames * 0.02, None, None, None)
    shown = (found.state, found.duration_seconds, found.speech_seconds, found.silence_ratio, found.snr_db)
    assert expected == shown


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30, -1e18])
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("place", [0, 99_999, -1])
def test_a_float_that_is_no_sample_is_refused(bad: float, bits: int, place: int) -> None:
    """NaN, infinity and what no scale has are a reason, wherever they stand."""
    sound = np.append(talk(), 0.0)
    sound[place] = bad

    with pytest.raises(BadAudio, match="has samples that are not numbers, or far beyond full scale"):
        measured(wav_of(sound, RATE, FLOAT, bits))


def test_floats_beyond_full_scale_are_measured() -> None:
    """A writer may leave the integers' scale in floats: that moves the level by 90.31 dB, and nothing else."""
    plain = measured(wav_of(talk(), tag=FLOAT, bits=32))
    beyond = measured(wav_of(talk() * 2**15, tag=FLOAT, bits=32))

    level = {"rms_dbfs": pytest.approx((plain.rms_dbfs or 0) + 90.31, abs=0.011)}
    assert approximately(plain) | level == asdict(beyond)


def test_equal_channels_measure_as_one() -> None:
    """The same in both channels, even with opposite phase, is as loud and as clear as in one."""
    one = measured(wav_of(talk()))
    both = measured(wav_of(np.stack([talk(), -talk()], axis=1)))

    assert approximately(one) | {"channels": 2} == asdict(both)


def test_a_dead_channel_takes_only_level() -> None:
    """A channel of zeros costs 3 dB, and neither ratio nor silence."""
    one = measured(wav_of(talk()))
    both = measured(wav_of(np.stack([np.zeros(500 * FRAME), talk()], axis=1)))

    assert (one.snr_db, one.silence_ratio) == (both.snr_db, both.silence_ratio)
    assert pytest.approx((one.rms_dbfs or 0) - 3.01, abs=0.011) == both.rms_dbfs


def test_both_parties_of_a_call_are_heard() -> None:
    """Where each channel is one party, speech of either counts."""
    turn = np.repeat(np.arange(500) % 100 < 50, FRAME)
    call = np.stack(
        [np.where(turn, talk(), white(500, -60)), np.where(turn, white(500, -60), talk())], axis=1
    )

    assert (
        pytest.approx(measured(wav_of(talk())).silence_ratio, abs=0.02)
        == measured(wav_of(call)).silence_ratio
    )


def test_the_worst_channel_tells_the_clipping() -> None:
    """One clipped channel is not made half as bad by a clean one."""
    alone = measured(wav_of(boom())).clipping_ratio

    assert alone == measured(wav_of(np.stack([talk()[: 100 * FRAME], boom()], axis=1))).clipping_ratio
    assert (alone or 0) > 0.02


@pytest.mark.parametrize(("tag", "bits"), WIDTHS)
def test_clipping_is_found_in_every_width(tag: int, bits: int) -> None:
    """A sine that is cut off at three quarters of its height is clipped there for a known share of the time."""
    sine = np.sin(np.arange(RATE) * 2 * math.pi * 100 / RATE)

    found = measured(wav_of(np.clip(sine, -0.75, 0.75), RATE, tag, bits)).clipping_ratio

    assert pytest.approx(2 * math.acos(0.75) / math.pi, abs=0.03) == found


@pytest.mark.parametrize("tone", [20, 50, 100, 440])
def test_a_loud_tone_is_not_clipped(tone: int) -> None:
    """However long the waves of a hum stay near their height, it is less than the rule allows."""
    sine = 0.99 * np.sin(np.arange(3 * RATE) * 2 * math.pi * tone / RATE)

    assert (measured(wav_of(sine)).clipping_ratio or 0) < 0.015


def test_sound_is_read_once_and_in_order() -> None:
    """No byte of the sound is asked for twice."""
    data, ranges = wav_of(talk()), []

    def read(count: int, offset: int) -> bytes:
        ranges.append((offset, min(offset + count, len(data))))
        return data[offset : offset + count]

    measure(read, len(data))

    sound = [one for one in ranges if one[0] >= 44]
    assert [44, *(end for _, end in sound)] == [*(begin for begin, _ in sound), len(data)]


def test_hours_take_no_more_memory_than_seconds() -> None:
    """Half an hour in two channels of 32 bits, 460 MB, is measured in a few megabytes."""
    head = riff(form(FLOAT, 2, 32_000, 32), chunk(b"data", b"", 2**30))
    sound = encoded(np.stack([white(50, -26)] * 2, axis=1), FLOAT, 32) * 2
    size = len(head) + 1800 * 32_000 * 8

    def read(count: int, offset: int) -> bytes:
        return head[offset : offset + count] if offset < len(head) else sound[:count].ljust(count, b"\0")

    tracemalloc.start()
    try:
        found = measure(read, size)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert 1800.0 == found.duration_seconds
    assert peak < 24e6


def test_a_file_that_shrinks_is_as_long_as_what_was_read() -> None:
    """Bytes that are gone when their turn comes were never there."""
    data = wav_of(talk())
    half = reader(data[: 44 + len(data) // 2])

    assert pytest.approx(5.0, abs=0.01) == measure(half, len(data)).duration_seconds


@pytest.mark.parametrize(("rate", "size"), [(768_000, 2 * (2**28 + 1)), (1000, 2000 * 43_201)])
def test_what_is_too_long_is_measured_by_its_header(rate: int, size: int) -> None:
    """Of more samples than a few seconds can read, or of twelve hours, the length is known all the same."""
    head = riff(form(PCM, 1, rate, 16), chunk(b"data", b"", 0xFFFFFFFF))

    def read(count: int, offset: int) -> bytes:
        assert offset < len(head)
        return head[offset : offset + count]

    found = measure(read, len(head) + size)
    assert (round(size / 2 / rate, 6), "too_long", None) == (
        found.duration_seconds,
        found.state,
        found.speech_seconds,
    )


def test_a_stop_is_heard_within_a_long_wav() -> None:
    """Between two blocks it is asked for, so that neither a signal nor a sign of life waits for the end."""
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked == 3

    data = wav_of(np.zeros(BLOCK_SAMPLES * 4))
    with pytest.raises(AudioStopped):
        finish(measuring(reader(data), len(data)), should_stop)
    assert 3 == asked


def test_numpy_is_there() -> None:
    """The extra is installed where these tests run."""
    assert has_numpy()


def test_without_numpy_the_header_is_measured() -> None:
    """Without site-packages, hence without numpy: length, rate and channels, and the rest is unknown."""
    data = riff(form(PCM, 2, 8_000, 16), chunk(b"data", bytes(8_000)))
    source = str(Path(emosieve.__file__).parents[1])
    ended = subprocess.run(
        [sys.executable, "-ISc", BARE.format(source=source, data=data.hex())],
        capture_output=True,
        text=True,
        check=True,
    )

    assert f"False {asdict(AudioMeasures(0.25, 8_000, 2, state='header_only'))}\n" == ended.stdout


def test_numpy_waits_for_the_first_wav() -> None:
    """Neither the program's start nor the module of the measures imports numpy."""
    ended = subprocess.run([sys.executable, "-c", QUIET_START], capture_output=True, text=True, check=True)

    assert "False\n" == ended.stdout


def test_a_bad_header_is_refused_before_anything_is_measured() -> None:
    """The reader's reason is the reason."""
    data = riff(chunk(b"fmt ", struct.pack("<HHIIHH", 7, 1, 8000, 8000, 1, 8)), chunk(b"data", bytes(80)))

    with pytest.raises(BadAudio, match="is compressed"):
        measured(data)
