"""The parts of the measures that whole files do not show."""

from itertools import groupby

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emosieve.judge import speech

STEPS = round(1 / speech.CEILING_STEP)
"""Of the ceiling, in full scale."""
HALF = STEPS // 2
levels = st.builds(int.__add__, st.sampled_from([HALF, STEPS - 3]), st.integers(-3, 3)) | st.just(0)
runs = st.lists(st.tuples(levels, st.sampled_from([1, -1]), st.integers(1, 5)), min_size=1, max_size=6)
blocks = runs.map(lambda some: [sign * level for level, sign, length in some for _ in range(length)])
parts_of_a_recording = st.lists(blocks.filter(lambda block: len(block) >= 3), min_size=1, max_size=5)


def in_runs(sound: list[int]) -> int:
    """By definition: samples in runs of three or more within a step of the highest, if that is loud."""
    top = max(map(abs, sound))
    if top < HALF:
        return 0
    runs = [(at_top, len(list(run))) for at_top, run in groupby(sound, lambda one: abs(one) >= top - 1)]
    return sum(length for at_top, length in runs if at_top and length >= 3)


@example([[HALF] * 3, [HALF] * 3], np.int16)
@example([[HALF - 1] * 3], np.int16)
@example([[HALF - 1] * 3, [HALF, 0, 0]], np.int16)
@example([[HALF] * 3, [HALF + 1, 0, 0], [HALF + 1] * 3], np.float32)
@example([[HALF] * 3, [HALF + 2, 0, 0]], np.float32)
@given(parts_of_a_recording, st.sampled_from([np.int16, np.int32, np.float32, np.float64]))
def test_runs_at_the_ceiling_are_counted_while_it_grows(parts: list[list[int]], kind: type) -> None:
    """However blocks cut the runs and the maximum grows, the count is that of the whole recording at once."""
    ceiling = speech._Ceiling()
    for part in parts:
        steps = np.array(part, np.float64) / STEPS
        scale = 1.0 if np.dtype(kind).kind == "f" else -float(np.iinfo(kind).min)
        ceiling.take(np.clip(steps * scale, -scale, scale if scale == 1 else scale - 1).astype(kind))

    whole = [one for part in parts for one in part]
    if np.dtype(kind).kind == "i":
        whole = [min(one, STEPS - 1) for one in whole]  # an integer's upper end is a hair below full scale
    assert in_runs(whole) == ceiling.count


@pytest.mark.parametrize(
    ("powers", "state"),
    [
        ([1e-3] * 4, "short"),
        ([1e-9] * 90 + [1e-3] * 4, "digital_silence"),
        ([1.1e-9] * 5, "flat"),
        ([1e-4] * 50 + [10**-3.41] * 50, "flat"),
        ([1e-4] * 50 + [10**-3.39] * 50, None),
    ],
)
def test_what_cannot_be_told_apart_has_a_state(powers: list[float], state: str | None) -> None:
    """Under five frames, under five above -90 dB, or less than 6 dB of dynamics is no ground for a ratio."""
    told = speech.tell_apart(np.array(powers))

    assert (state, state is None) == (told.state, told.snr_db is not None)


@pytest.mark.parametrize(
    ("frames", "active"),
    [
        ("....#.....", 0),
        ("...##.....", 4),
        ("..#.#.....", 3),
        ("..#..#....", 2),
        ("#........#", 0),
        ("##......##", 7),
    ],
)
def test_a_click_is_dropped_and_a_stop_is_bridged(frames: str, active: int) -> None:
    """A frame is active where two of the five around it are loud."""
    powers = np.array([1e-3 if one == "#" else 1e-6 for one in frames.ljust(30, ".")] + [1e-3] * 10)

    assert active == (speech.tell_apart(powers).active_frames or 0) - 11


@pytest.mark.parametrize(
    ("quiet", "loud", "limit"),
    [
        pytest.param([-60] * 40, [-20] * 50, -52, id="a fifth of the way up"),
        pytest.param([-80] * 40, [-20] * 50, -55, id="35 dB below the loud"),
        pytest.param([-40] * 40, [-30] * 50, -37, id="3 dB above the quiet"),
        pytest.param([-60] * 12, [-20] * 78, -52, id="the quiet tenth"),
        pytest.param([-60] * 84, [-20] * 6, -52, id="the loud twentieth"),
    ],
)
def test_a_frame_is_loud_above_the_limit(quiet: list[int], loud: list[int], limit: int) -> None:
    """The limit stands between the 10th and the 95th percentile: ten frames just above it count, just below not."""
    above, below = (
        speech.tell_apart(10 ** (np.array([*quiet, *[limit + by] * 10, *loud]) / 10)).active_frames
        for by in (0.1, -0.1)
    )

    assert 10 == (above or 0) - (below or 0)


@pytest.mark.parametrize(("pause", "told"), [(1, False), (2, True)])
def test_speech_without_a_pause_has_no_ratio(pause: int, told: bool) -> None:  # noqa: FBT001 - a parameter
    """Where fewer than three frames are noise there is nothing to compare with."""
    found = speech.tell_apart(np.array([1e-3, 1e-6] * 25 + [1e-6] * pause))

    assert (49, None, told) == (found.active_frames, found.state, found.snr_db is not None)


def test_noise_as_strong_as_speech_is_bounded() -> None:
    """Where the active frames hold no more than the noise, the ratio is -20 dB."""
    clicks = np.array([1e-2, *[1e-6] * 9] * 2 + [1e-4, 1e-6] * 15)

    assert pytest.approx(-20.0) == speech.tell_apart(clicks).snr_db
