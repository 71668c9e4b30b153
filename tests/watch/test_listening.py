"""The audio of a settled task: which wav is opened, how deep, and what becomes of one that cannot be."""

import os
from pathlib import Path

import numpy as np
import pytest

from conftest import MakeTask
from emosieve.judge.audio import Audio, Depth
from emosieve.watch.listening import listen
from emosieve.watch.survey import Survey, survey_directory
from wavs import wav_of

RATE = 16_000
NOISE = np.random.default_rng(1).normal(0, 0.1, RATE // 2)
SECOND = wav_of(np.concatenate([NOISE / 100, NOISE]))


def survey_of(task: Path) -> Survey:
    """What stands in a task."""
    return survey_directory(str(task), task.name)


def heard(task: Path, depth: Depth | None = "samples") -> Audio | None:
    """What is known of a task's audio."""
    return listen(str(task), survey_of(task), depth)


def test_the_audio_of_the_webui_is_measured(make_task: MakeTask) -> None:
    """Of several wavs it is processed_audio.wav that the result is about; all are counted."""
    task = make_task(files={"a.wav": b"no wav", "processed_audio.wav": SECOND, "z.WAV": b""})
    audio = heard(task)

    assert audio is not None
    assert audio.measures is not None
    assert (3, 1.0, None) == (audio.files, audio.measures.duration_seconds, audio.measures.state)
    assert {"audio_files": 3, "unreadable_audio_files": 0}.items() <= audio.as_dict().items()


def test_any_wav_will_do_where_that_is_missing(make_task: MakeTask) -> None:
    """Another writer may call it otherwise."""
    audio = heard(make_task(files={"clip.wav": SECOND}))

    assert audio is not None
    assert audio.measures is not None
    assert 1.0 == audio.measures.duration_seconds


def test_nothing_is_opened_where_nobody_asks(make_task: MakeTask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a rule over audio there is none; a rule over the number of wavs opens no file."""
    task = make_task(files={"processed_audio.wav": SECOND})
    survey = survey_of(task)
    monkeypatch.setattr(os, "open", lambda *_args, **_more: pytest.fail("opened"))

    assert None is listen(str(task), survey, None)
    assert Audio(1) == listen(str(task), survey, "files")


def test_the_header_is_enough_where_rules_ask_for_no_more(make_task: MakeTask) -> None:
    """Length, rate and channels are known, no sample is."""
    audio = heard(make_task(files={"processed_audio.wav": SECOND}), "header")

    assert audio is not None
    assert audio.measures is not None
    assert (1.0, RATE, 1, "header_only", None) == (
        audio.measures.duration_seconds,
        audio.measures.sample_rate,
        audio.measures.channels,
        audio.measures.state,
        audio.measures.snr_db,
    )


def test_a_task_without_a_wav_has_no_audio(make_task: MakeTask) -> None:
    """It is none that cannot be read, but none at all."""
    assert Audio(0) == heard(make_task())


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is empty"), (b"ID3\x1b[31m", "is not a wav"), (SECOND[:40], "ends after 40 bytes")],
)
def test_a_wav_that_is_none_says_why(make_task: MakeTask, content: bytes, reason: str) -> None:
    """The reason stands in the log, with nothing raw in it."""
    audio = heard(make_task(files={"processed_audio.wav": content}))

    assert audio is not None
    assert audio.unreadable is not None
    assert f"processed_audio.wav {reason}" in audio.unreadable
    assert audio.unreadable.isprintable()
    assert 1 == audio.as_dict()["unreadable_audio_files"]


@pytest.mark.parametrize("kind", ["symlink", "fifo"])
def test_nothing_but_a_file_is_opened(make_task: MakeTask, tmp_path: Path, kind: str) -> None:
    """A symlink is not followed, and a pipe keeps nobody waiting."""
    (tmp_path / "elsewhere.wav").write_bytes(SECOND)
    task = make_task()
    path = task / "processed_audio.wav"
    path.symlink_to(tmp_path / "elsewhere.wav") if kind == "symlink" else os.mkfifo(path)

    assert Audio(1, unreadable="processed_audio.wav is no plain file") == heard(task)


@pytest.mark.parametrize("change", ["content", "gone", "symlink"])
def test_a_wav_that_changed_is_looked_at_again(make_task: MakeTask, tmp_path: Path, change: str) -> None:
    """What stood there when the task was found whole is measured, or nothing."""
    task = make_task(files={"processed_audio.wav": SECOND})
    path, survey = task / "processed_audio.wav", survey_of(task)
    path.unlink() if change != "content" else path.write_bytes(SECOND + SECOND)
    if change == "symlink":
        (tmp_path / "elsewhere.wav").write_bytes(SECOND)
        path.symlink_to(tmp_path / "elsewhere.wav")

    with pytest.raises(OSError, match=r"changed|No such file|symbolic links"):
        listen(str(task), survey, "samples")
