"""Several processes that judge: the same decisions in the same order, and none of them outlives its purpose."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import MakeTask, names_in, read_log, result_bytes, standing
from emosieve.service.judging import LONG_BYTES
from process import EMOSIEVE, overrides, run, until
from wavs import chunk, form, riff, wav_of, write_hours

QUICK = overrides(settle__quiet_seconds=0.05)
CHANCE = np.random.default_rng(3)


def make_tasks(make_task: MakeTask, count: int) -> None:
    """Tasks of every kind among each other, some of which only wait."""
    for number in range(count):
        loud = CHANCE.normal(0, 0.1, 8_000) * (np.arange(8_000) % 2_000 > number * 40)
        files = {"processed_audio.wav": wav_of(loud)} if number % 3 else {}
        result = b"{" if number % 10 == 9 else result_bytes(0.5 + number / 1000 + 0.2 * (number % 2))
        make_task(f"outputs_{number:03}", result, files=files)


def bodies(root: Path) -> list[dict[str, Any]]:
    """The decisions in their order, without what no two runs share."""
    left_out = ("time", "directory", "born")
    return [
        {key: value for key, value in event.items() if key not in left_out}
        for event in read_log(root)
        if event["event"] == "decided"
    ]


def test_two_decide_as_one(root: Path, tmp_path: Path, make_task: MakeTask) -> None:
    """The log of a sweep by two is that of a sweep by one, line for line."""
    make_tasks(make_task, 70)
    subprocess.run(["cp", "-a", root, tmp_path / "twin"], check=True)
    for folder, workers in ((root, "1"), (tmp_path / "twin", "2")):
        assert 1 == run("sweep", folder, *QUICK, "--workers", workers, "--profile", "social_robot").returncode

    alone, both = bodies(root), bodies(tmp_path / "twin")
    assert 63 == len(alone)
    assert alone == both
    assert standing(root) == standing(tmp_path / "twin")
    assert names_in(root / "normal") == names_in(tmp_path / "twin" / "normal")


def test_long_audio_keeps_no_process_from_the_others(root: Path, tmp_path: Path, make_task: MakeTask) -> None:
    """Two decide as one there, too; tasks with a long wav are decided last, in no certain order."""
    make_tasks(make_task, 40)
    for number in (1, 2, 3):
        path = make_task(f"outputs_{number:03}_long") / "processed_audio.wav"
        head = riff(form(bits=8), chunk(b"data", b"", 0xFFFFFFFF))
        path.write_bytes(head)
        os.truncate(path, len(head) + LONG_BYTES)
        os.utime(path, (1, 1))
    subprocess.run(["cp", "-a", root, tmp_path / "twin"], check=True)
    for folder, workers in ((root, "1"), (tmp_path / "twin", "2")):
        assert 1 == run("sweep", folder, *QUICK, "--workers", workers, "--profile", "social_robot").returncode

    alone, both = bodies(root), bodies(tmp_path / "twin")
    assert 39 == len(alone)
    assert alone[:-3] == both[:-3]
    assert alone[-3:] == sorted(both[-3:], key=lambda event: str(event["task"]))
    assert ["digital_silence"] * 3 == [event["audio"]["state"] for event in alone[-3:]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_none_outlives_the_sweep(root: Path, make_task: MakeTask, number: signal.Signals) -> None:
    """Told to stop it stops in the middle of hours of audio; killed it takes the others along."""
    for index in range(40):
        path = make_task(f"outputs_{index:02}") / "processed_audio.wav"
        write_hours(path)
        os.utime(path, (1, 1))
    sweep = subprocess.Popen(
        [*EMOSIEVE, "sweep", str(root), *QUICK, "--workers", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: len(workers_of(sweep.pid)) == 2)
    workers = workers_of(sweep.pid)
    until(lambda: any("numpy" in Path(f"/proc/{pid}/maps").read_text() for pid in workers))
    sweep.send_signal(number)

    expected = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}
    assert expected[number] == sweep.wait()
    until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in workers))
    assert [] == [name for name in standing(root) if not (root / name / "result.json").exists()]


def workers_of(pid: int) -> list[int]:
    """The children that judge, without multiprocessing's own tracker of resources."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]


def test_one_that_is_killed_is_told_and_loses_nothing(root: Path, make_task: MakeTask) -> None:
    """The sweep ends with what to do, and the next one files all that is left."""
    make_tasks(make_task, 70)
    sweep = subprocess.Popen(
        [*EMOSIEVE, "sweep", str(root), *QUICK, "--workers", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "EMOSIEVE_LANGUAGE": "en"},
    )
    until(lambda: workers_of(sweep.pid))
    os.kill(workers_of(sweep.pid)[0], signal.SIGKILL)
    said = sweep.communicate()[1]

    assert (2, True) == (sweep.returncode, "a process that judged was ended from outside" in said), said
    assert 1 == run("sweep", root, *QUICK).returncode
    assert 7 == len(standing(root))
    assert 63 == len(bodies(root))
