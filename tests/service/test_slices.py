"""Tasks with a long wav are judged in slices, and nothing but the order of decisions tells."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import FakeTime, MakeTask, read_log, standing
from emosieve.judge.speech import BLOCK_SAMPLES
from emosieve.service import judging
from emosieve.service.flow import Flow
from emosieve.settings import Settings
from wavs import wav_of

SAMPLES = BLOCK_SAMPLES * 7 // 2
LONG = wav_of(np.random.default_rng(5).normal(0, 0.1, SAMPLES) * (np.arange(SAMPLES) % 9_000 > 6_000))
"""Four blocks, each of which is a slice here."""


@pytest.fixture
def time(root: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """A clock at which two tasks with a long wav and one without are quiet; a slice is one block."""
    for name in ("outputs_1", "outputs_2"):
        make_task(name, files={"processed_audio.wav": LONG})
    make_task("outputs_3")
    monkeypatch.setattr(judging, "LONG_BYTES", len(LONG))
    monkeypatch.setattr(judging, "SLICE_SECONDS", 0.0)
    return FakeTime(max(path.stat().st_ctime for path in root.glob("*/*")) + 60)


def flow_of(root: Path, time: FakeTime, **settings: Any) -> Flow:
    """An opened flow whose rules ask for the audio, and which has listed its root."""
    flow = Flow(str(root), Settings(**({"profile": "social_robot"} | settings)), clock=time.clock)
    flow.open()
    flow.scan()
    return flow


def decisions(root: Path) -> dict[str, dict[str, Any]]:
    """What was decided, by task, in the order of the log."""
    return {event["task"]: event for event in read_log(root)}


def test_what_is_short_is_filed_first(root: Path, time: FakeTime) -> None:
    """The others wait for one slice, and then for one of each step; the first one that is done is filed."""
    flow = flow_of(root, time)
    numbers = []
    while flow.due_in() is not None:
        assert 0.0 == flow.due_in()
        numbers.append(len(flow.step()))

    # Four blocks, then what they come to.
    assert [1, *[0] * 3, 1, *[0] * 4, 1] == numbers
    assert ["outputs_3", "outputs_1", "outputs_2"] == list(decisions(root))
    assert [] == standing(root)


def test_slices_measure_what_one_go_does(
    root: Path, time: FakeTime, monkeypatch: pytest.MonkeyPatch, make_task: MakeTask
) -> None:
    """Every bit of the evidence is the same."""
    flow = flow_of(root, time)
    while flow.due_in() is not None:
        flow.step()
    monkeypatch.setattr(judging, "LONG_BYTES", len(LONG) + 1)
    make_task("outputs_4", files={"processed_audio.wav": LONG})
    time.pass_(60)
    flow.scan()
    assert 1 == len(flow.step())

    decided = decisions(root)
    assert 8.0 < decided["outputs_4"]["audio"]["duration_seconds"]
    assert decided["outputs_4"]["audio"] == decided["outputs_1"]["audio"] == decided["outputs_2"]["audio"]


def test_one_that_is_measured_says_so(root: Path, time: FakeTime) -> None:
    """It is pending meanwhile, for a reason of its own, and no failure."""
    flow = flow_of(root, time)
    flow.step()
    time.pass_(3600)
    flow.step()

    assert {"measuring": 2} == flow.settling.reasons()
    assert None is flow.settling.failing()


def test_a_stop_is_heard_before_the_next_block(root: Path, time: FakeTime) -> None:
    """Nothing more is measured, and the tasks stay."""
    flow = flow_of(root, time)
    flow.step()
    assert [[]] * 9 == [flow.step(lambda: True) for _ in range(9)]

    assert ["outputs_1", "outputs_2"] == standing(root)
    assert flow.judges.is_ahead


def test_new_rules_begin_anew(root: Path, time: FakeTime) -> None:
    """What was measured for the old ones is not judged by them."""
    flow = flow_of(root, time)
    flow.step()
    new = Settings(profile="social_robot", rules={"min_snr": 11.0})
    flow.apply(new)
    while flow.due_in() is not None:
        flow.step()

    digests = {task: event["rules_digest"] for task, event in decisions(root).items()}
    assert (new.rule_set.digest, new.rule_set.digest) == (digests["outputs_1"], digests["outputs_2"])
    assert digests["outputs_1"] != digests["outputs_3"]


def test_one_that_changes_meanwhile_is_looked_at_again(root: Path, time: FakeTime) -> None:
    """It is not filed as it was, but as it is in the end."""
    flow = flow_of(root, time)
    flow.step()
    (root / "outputs_2" / "processed_audio.wav").write_bytes(LONG[:44] + bytes(8))
    while flow.due_in() is not None:
        flow.step()
        time.pass_(60)

    assert 0.0 == decisions(root)["outputs_2"]["audio"]["duration_seconds"] // 1


def test_what_is_remembered_is_bounded(root: Path, time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the tasks that wait hold too many files, the next one is judged at once."""
    monkeypatch.setattr(judging, "FILE_LIMIT", 3)
    flow = flow_of(root, time)

    assert 2 == len(flow.step())
    assert ["outputs_2", "outputs_3"] == list(decisions(root))
    while flow.due_in() is not None:
        flow.step()
    assert [] == standing(root)


def test_a_slice_takes_as_many_blocks_as_it_has_time_for(
    root: Path, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With time enough one slice measures a wav to its end, and that of the next task is the next one."""
    monkeypatch.setattr(judging, "SLICE_SECONDS", 600.0)
    flow = flow_of(root, time)

    assert [2, 1] == [len(flow.step()), len(flow.step())]
