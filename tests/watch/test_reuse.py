"""What birth and modification times tell of who wrote a task, and what the number of frames tells."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import MakeTask, result_bytes
from emosieve.commands.simulated_webui import npy_bytes, write_wav
from emosieve.judge.result import read_result
from emosieve.watch.filesystem import birth_time_ns
from emosieve.watch.inbox import Contents, Inbox
from emosieve.watch.reuse import frames_off_seconds, is_copied_after, reused_ns, written_over_ns
from emosieve.watch.survey import FileStat, Survey
from emosieve.watch.wholeness import Lack, Policy, Settled, assess

MS = 1_000_000
MADE = 10**18
"""When the directory of a made-up task was made, in ns since the epoch."""
KB, MB = 1000, 1_000_000
WAV, RESULT, NPY = "processed_audio.wav", "result.json", "embedding.npy"

Times = tuple[int, int]
"""Milliseconds after the making of the directory: when a file was made, and when it was last written."""


def file_of(name: str, written_ms: float, size: int = 300) -> FileStat:
    """A file that was last written so long after its directory was made."""
    changed = MADE + int(written_ms * MS)
    return FileStat(name, size, changed, changed, 7, 0o100644)


def outcome_of(
    files: dict[str, Times], age: float = 2.5, *, tells: bool = True, **more: object
) -> Settled | Lack:
    """What a task of these files is so many seconds after its last change."""
    stats = tuple(file_of(name, written) for name, (_, written) in sorted(files.items()))
    survey = Survey("outputs_1", (1, 2), stats, MADE, MADE, MADE if tells else 0)
    born = {name: MADE + made * MS for name, (made, _) in files.items()} if tells else {}
    contents = replace(Contents(read_result(result_bytes()), "d", {}, (), born), **more)  # type: ignore[arg-type]
    outcome = assess(survey, contents, age, Policy())
    assert isinstance(outcome, Settled | Lack)
    return outcome


def oddities_of(files: dict[str, Times], *, tells: bool = True, **more: object) -> dict[str, float]:
    """What is odd about a task of these files when waiting has ended."""
    outcome = outcome_of(files, 600.0, tells=tells, **more)
    assert isinstance(outcome, Settled)
    return dict(outcome.oddities)


# One file


@pytest.mark.parametrize(
    ("written_ms", "size", "is_result", "expected_ms"),
    [
        (50, 0, False, 0),
        (50.001, 0, False, 50.001),
        (100, MB, False, 0),
        (100.001, MB, False, 100.001),
        (150, 100 * KB, True, 0),
        (150.001, 100 * KB, True, 150.001),
        (-1000, 0, False, 0),
    ],
)
def test_a_file_is_written_over_when_one_write_takes_less(
    written_ms: float, size: int, expected_ms: float, *, is_result: bool
) -> None:
    """50 ms, with a second for every 20 MB of a stream and every MB of a result; times that were kept tell nothing."""
    file = file_of(WAV, written_ms, size)

    assert expected_ms * MS == written_over_ns(file, MADE, is_result=is_result)
    assert 0 == written_over_ns(file, 0, is_result=is_result)


@pytest.mark.parametrize(
    ("wav_ms", "result_ms", "size", "expected_ms"),
    [
        (60, 0, 300, 0),
        (80, 80, 300, 80),
        (75, 75, 300, 0),
        (151, 0, 300, 151),
        (150, 0, 300, 0),
        (0, 151, 300, 151),
        (1500, 0, 300, 1500),
        (1501, 0, 300, 0),
        (1501, 200, 300, 200),
        (0, 30_000, 300, 30_000),
        (0, 30_001, 300, 0),
        (0, 1500, 65_537, 1500),
        (0, 1501, 65_537, 0),
        (0, 1501, 65_536, 1501),
    ],
)
def test_a_directory_is_reused_when_its_files_were_certainly_written_over(
    wav_ms: int, result_ms: int, size: int, expected_ms: int
) -> None:
    """By more than 150 ms in all: a wav within the second of its name, a result before any recognition has ended."""
    by_result = result_ms if result_ms > 50 else 0

    result = file_of(RESULT, result_ms, size)
    assert expected_ms * MS == reused_ns(wav_ms * MS, by_result * MS, result, 30_000 * MS)


@pytest.mark.parametrize(
    ("born_ms", "written_ms", "expected"),
    [(100, 5000, True), (99, 149, True), (99, 150, False), (200, 199, False), (0, 101, False)],
)
def test_a_file_is_copied_after_another_when_it_was_made_after_it_or_written_once(
    born_ms: int, written_ms: int, *, expected: bool
) -> None:
    """One that was there before and was written over is no copy, and kept times tell nothing."""
    file, other = file_of(WAV, written_ms, 0), file_of(RESULT, 100)

    assert expected is is_copied_after(file, MADE + born_ms * MS, other)
    assert not is_copied_after(file, 0, other)


# Tasks


WEBUI = {WAV: (3, 20), RESULT: (900, 901), NPY: (903, 904)}


def test_a_clean_task_is_settled_without_delay() -> None:
    """Each file was written once, and in the WebUI's order."""
    outcome = outcome_of(WEBUI)
    assert isinstance(outcome, Settled)
    assert {} == outcome.oddities


REUSED = [
    pytest.param({WAV: (3, 220), RESULT: (900, 901)}, id="the first has ended, the second infers"),
    pytest.param({WAV: (3, 20), RESULT: (900, 1400)}, id="both began at once"),
    pytest.param({WAV: (3, 220), RESULT: (900, 1400), NPY: (903, 1403)}, id="both have ended"),
]


@pytest.mark.parametrize("files", REUSED)
def test_a_reused_directory_is_waited_for_and_flagged(files: dict[str, Times]) -> None:
    """A second recognition makes no event while it infers: 30 s after the last change it has ended, or failed."""
    lack = outcome_of(files)
    assert isinstance(lack, Lack)
    assert ("reused", 27.5) == (lack.reason, lack.seconds)
    assert isinstance(outcome_of(files, 29.9), Lack)

    settled = outcome_of(files, 30.0)
    assert isinstance(settled, Settled)
    assert ["written_over_seconds"] == list(settled.oddities)


def test_the_reason_says_which_file_and_how_late() -> None:
    """As status and explain show it."""
    lack = outcome_of(REUSED[0].values[0])  # type: ignore[arg-type]
    assert isinstance(lack, Lack)
    words = (
        "processed_audio.wav was last written 0.217 s after it was made: another recognition may be at work"
    )
    assert words == lack.message


def test_waiting_for_a_reused_directory_ends_with_all_waiting() -> None:
    """A quiet time that is longer than give_up_seconds does not keep a task for ever."""
    survey = Survey("outputs_1", (1, 2), (file_of(RESULT, 500),), MADE, MADE, MADE)
    contents = Contents(read_result(result_bytes()), "d", {}, (), {RESULT: MADE})
    policy = Policy(give_up_seconds=10.0)
    lack = assess(survey, contents, 4.0, policy)

    assert isinstance(lack, Lack)
    assert 6.0 == lack.seconds
    assert isinstance(assess(survey, contents, 10.0, policy), Settled)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({WAV: (3, 8000), RESULT: (8003, 8003)}, id="then the result"),
        pytest.param({RESULT: (3, 3), WAV: (4, 8000)}, id="after the result"),
    ],
)
def test_a_slow_upload_is_one_write(files: dict[str, Times]) -> None:
    """A wav that took seconds is no second recognition; only more is waited, since that cannot be told before."""
    lack = outcome_of(files)
    assert isinstance(lack, Lack)
    assert "reused" == lack.reason
    assert {} == oddities_of(files)


def test_a_result_that_a_person_mends_is_no_recognition() -> None:
    """So late no recognition of the same second ends: neither is it waited for, nor flagged."""
    outcome = outcome_of({WAV: (3, 20), RESULT: (900, 700_000)})
    assert isinstance(outcome, Settled)
    assert {} == outcome.oddities


COPIED = [
    pytest.param({RESULT: (3, 3), WAV: (4, 5)}, id="result first"),
    pytest.param({RESULT: (3, 3), WAV: (53, 90)}, id="result long before"),
    pytest.param({RESULT: (4, 5), WAV: (3, 9)}, id="both at once"),
    pytest.param({NPY: (3, 3), RESULT: (4, 4), WAV: (5, 9)}, id="audio last"),
    pytest.param({NPY: (3, 3), RESULT: (900, 900), WAV: (1800, 1809)}, id="over a slow line"),
]


@pytest.mark.parametrize("files", COPIED)
def test_a_copy_is_no_second_recognition(files: dict[str, Times]) -> None:
    """However the files of a task are ordered, each is made anew and written once."""
    outcome = outcome_of(files)
    assert isinstance(outcome, Settled)
    assert {} == outcome.oddities


AT_WORK = {RESULT: (900, 901), WAV: (3, 950)}


def test_audio_that_was_written_over_after_the_result_is_another_recognition_at_work() -> None:
    """It is waited for as long as anything is, then flagged."""
    lack = outcome_of(AT_WORK, 31.0)
    assert isinstance(lack, Lack)
    assert "mixed_task" == lack.reason
    assert {"audio_newer_seconds": 0.049, "written_over_seconds": 0.947} == oddities_of(AT_WORK)


def test_where_no_birth_is_told_the_times_alone_decide() -> None:
    """Audio newer than the result is taken for a recognition, an embedding only when it is older by 0.1 s."""
    copied = {NPY: (3, 3), RESULT: (4, 4), WAV: (5, 9)}
    assert {"audio_newer_seconds": 0.005} == oddities_of(copied, tells=False)
    later = {NPY: (3, 3), RESULT: (4, 200), WAV: (5, 103)}
    assert {} == oddities_of(later, tells=False)
    assert {"embedding_older_seconds": 0.101} == oddities_of({**later, WAV: (5, 104)}, tells=False)


def test_an_embedding_between_two_writings_of_the_audio_is_stale() -> None:
    """Whatever little it is older; one that was written after the audio is not."""
    files = {WAV: (3, 960), RESULT: (900, 2000), NPY: (903, 904)}
    assert {"written_over_seconds": 1.1, "embedding_older_seconds": 0.056} == oddities_of(files)
    assert {"written_over_seconds": 1.1} == oddities_of({**files, NPY: (1000, 1000)})


def test_an_embedding_that_is_older_than_the_directory_is_stale() -> None:
    """Its time was kept, so that it was not copied as the audio was."""
    files = {NPY: (3, -5000), WAV: (4, 20), RESULT: (900, 901)}
    assert {"embedding_older_seconds": 5.02} == oddities_of(files)


# Frames


@pytest.mark.parametrize(
    ("frames", "seconds", "is_reused", "expected"),
    [
        (99, 2.0, True, 0.0),
        (199, 2.0, True, 0.0),
        (50, 1.12, True, 0.0),
        (50, 1.13, True, 0.13),
        (100, 10.0, True, 8.0),
        (100, 10.0, False, 0.0),
        (300, 4.0, False, 1.0),
        (220, 4.0, False, 0.0),
        (221, 4.0, False, 0.42),
        (360, 4.0, False, 0.0),
        (359, 4.0, False, 0.41),
        (500, 2.0, False, 3.0),
        (440, 4.0, False, 0.0),
        (441, 4.0, False, 0.41),
        (19, 0.1, True, 0.0),
        (20, 0.09, True, 0.11),
        (500, 0.0, True, 0.0),
    ],
)
def test_frames_and_audio_fit_or_do_not(
    frames: int, seconds: float, expected: float, *, is_reused: bool
) -> None:
    """50 or 100 frames a second; other numbers may be of longer parts, unless two recognitions wrote here."""
    assert expected == frames_off_seconds(frames, seconds, is_reused=is_reused)


def frames_json(count: int) -> bytes:
    """A result of so many frames."""
    return json.dumps({"results": [{"scores": {"happy": 0.9, "sad": 0.1}}] * count}).encode()


def npy_of(*shape: int) -> bytes:
    """An embedding of that shape."""
    return (
        npy_bytes()[:10]
        + (f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}").encode().ljust(117)
        + b"\n"
        + bytes(4 * int(np.prod(shape)))
    )


@pytest.mark.parametrize(
    ("result", "rows", "expected"),
    [
        (frames_json(99), 99, {}),
        (frames_json(500), 99, {"frames_off_seconds": 3.0}),
        (result_bytes(), 500, {"embedding_off_seconds": 3.0}),
        (result_bytes(), 99, {}),
    ],
)
def test_the_length_of_the_audio_is_compared_with_what_was_recognised(
    root: Path, make_task: MakeTask, result: bytes, rows: int, expected: dict[str, float]
) -> None:
    """By the headers of wav and npy, and the frames of the result."""
    task = make_task(result=result)
    write_wav(str(task / WAV), 2.0)
    (task / NPY).write_bytes(npy_of(rows, 4))
    assert expected == settled(root, task).oddities


@pytest.mark.parametrize("wav", [b"no wav", None])
def test_without_audio_nothing_is_compared(root: Path, make_task: MakeTask, wav: bytes | None) -> None:
    """A wav that cannot be read, or none, tells no length."""
    task = make_task(result=frames_json(500), files={} if wav is None else {WAV: wav})
    assert {} == settled(root, task).oddities


# Real files


def settled(root: Path, task: Path) -> Settled:
    """A task when waiting for it has ended."""
    inbox = Inbox(str(root), "outputs_*", frozenset(), ask_lease=True)
    survey = inbox.survey(task.name)
    outcome = assess(survey, inbox.read(survey), 600.0, Policy())
    assert isinstance(outcome, Settled)
    return outcome


def tells_birth(path: Path) -> bool:
    """Whether the file system there tells when something was made."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return birth_time_ns(descriptor) > 0
    finally:
        os.close(descriptor)


def until_later_than(path: Path, milliseconds: float) -> None:
    """Wait until so long after the making of a directory."""
    while time.time_ns() - path.stat().st_mtime_ns < milliseconds * MS:
        time.sleep(0.001)


@pytest.fixture
def reused(root: Path, make_task: MakeTask) -> Path:
    """A task to whose files a second recognition wrote."""
    if not tells_birth(root):
        pytest.skip("this file system tells no birth times")
    task = make_task(files={WAV: b"first"})
    until_later_than(task, 200)
    (task / WAV).write_bytes(b"second")
    (task / RESULT).write_bytes(result_bytes(0.7))
    return task


def test_the_files_of_a_real_directory_tell_that_it_was_reused(root: Path, reused: Path) -> None:
    """Writing over keeps the birth time, which nothing can set."""
    assert ["written_over_seconds"] == list(settled(root, reused).oddities)


def test_a_real_copy_of_a_reused_directory_is_no_recognition(root: Path, reused: Path) -> None:
    """It is made anew, in whatever order, and says nothing of where it came from."""
    copy = root / "outputs_2"
    copy.mkdir()
    for name in (RESULT, WAV):
        shutil.copyfile(reused / name, copy / name)
        until_later_than(copy, 60)
    assert {} == settled(root, copy).oddities


def test_only_what_could_have_been_written_over_is_asked_for_its_birth(
    root: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was last written within a moment of its directory's making costs no call more."""
    if not tells_birth(root):
        pytest.skip("this file system tells no birth times")
    task = make_task(files={WAV: b"", "process.log": b""})
    inbox = Inbox(str(root), "outputs_*", frozenset(), ask_lease=True)
    survey = inbox.survey(task.name)
    asked: list[int] = []

    def birth_of(descriptor: int) -> int:
        asked.append(descriptor)
        return 5

    monkeypatch.setattr("emosieve.watch.inbox.birth_time_ns", birth_of)

    assert {WAV: survey.born_ns, RESULT: survey.born_ns} == inbox.read(survey).born_ns
    files = tuple(
        replace(file, mtime_ns=survey.born_ns + 50 * MS + (file.name == WAV)) for file in survey.files
    )
    later = replace(survey, files=tuple(file for file in files if file.name != RESULT))
    assert {WAV: 5} == inbox.read(later).born_ns
    assert 1 == len(asked)
    assert {} == inbox.read(replace(survey, born_ns=0)).born_ns
