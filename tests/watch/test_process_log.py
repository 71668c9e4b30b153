"""process.log, read with the files of a task."""

import os
from pathlib import Path

import pytest
import structlog.testing

from conftest import MakeTask, result_bytes
from emosieve.errors import BadResult
from emosieve.judge.result import Result
from emosieve.watch.inbox import Contents, Inbox
from emosieve.watch.process_log import SIZE_LIMIT, ProcessLog

LOG = b"[INFO] input: /tmp/gradio/call_17.wav\n"


def contents_of(task: Path, *patterns: str) -> Contents:
    """What the files of a task say."""
    inbox = Inbox(str(task.parent), "*", frozenset(), ask_lease=False)
    inbox.process_log = ProcessLog(patterns)
    return inbox.read(inbox.survey(task.name))


def source_of(contents: Contents) -> str | None:
    """The recording, which result and contents name alike."""
    assert isinstance(contents.result, Result)
    assert contents.source == contents.result.source
    return contents.source


def test_the_log_tells_what_the_result_does_not(make_task: MakeTask) -> None:
    """A task's process.log names the recording."""
    assert source_of(contents_of(make_task(files={"process.log": LOG}))) == "call_17.wav"


def test_the_result_goes_before_the_log(make_task: MakeTask) -> None:
    """Where both name a recording that of result.json counts."""
    task = make_task(result=result_bytes(file="a.wav"), files={"process.log": LOG})

    assert source_of(contents_of(task)) == "a.wav"


def test_without_both_there_is_none(make_task: MakeTask) -> None:
    """A task of the WebUI as it comes."""
    assert source_of(contents_of(make_task(files={"other.log": LOG}))) is None


def test_a_pattern_of_ones_own_goes_first(make_task: MakeTask) -> None:
    """And where it finds nothing, the known ones are asked."""
    task = make_task(files={"process.log": b"job=7\n" + LOG})

    assert source_of(contents_of(task, "none=(.)", "job=(.)")) == "7"
    assert source_of(contents_of(task, "none=(.)")) == "call_17.wav"


def test_a_slow_pattern_is_told_of_once_and_used_no_more(make_task: MakeTask) -> None:
    """The others go on, for this task and those after it."""
    task = make_task(files={"process.log": b"a" * 200 + b"!\n" + LOG})
    process_log = ProcessLog(["(a|aa)+$"])
    data = (task / "process.log").read_bytes()
    with structlog.testing.capture_logs() as told:
        assert [process_log.source_in(data) for _ in range(2)] == ["call_17.wav"] * 2

    assert [("source.pattern_too_slow", "(a|aa)+$")] == [(one["event"], one["pattern"]) for one in told]


def test_only_its_beginning_is_read(make_task: MakeTask) -> None:
    """Whatever its size, 64 KiB are."""
    task = make_task(files={"process.log": b" " * SIZE_LIMIT + LOG})
    last = make_task("outputs_2", files={"process.log": b" " * 900 + b"\n" + LOG + b"\0" * (1 << 26)})

    assert source_of(contents_of(task)) is None
    assert source_of(contents_of(last)) == "call_17.wav"


@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory"])
def test_nothing_but_a_file_is_opened(make_task: MakeTask, tmp_path: Path, kind: str) -> None:
    """A symlink is not followed, and nothing waits for the writer of a FIFO."""
    task = make_task()
    path = task / "process.log"
    (tmp_path / "secret.log").write_bytes(LOG)
    match kind:
        case "symlink":
            path.symlink_to(tmp_path / "secret.log")
        case "fifo":
            os.mkfifo(path)
        case _:
            path.mkdir()
            (path / "process.log").write_bytes(LOG)

    assert source_of(contents_of(task)) is None


@pytest.mark.parametrize(
    ("result", "files", "expected"),
    [
        (b'{"file": "a.wav", "confidence": "none"}', {}, "a.wav"),
        (b'[{"file": "a.wav", "confidence": "none"}]', {}, "a.wav"),
        (b"[1,", {"process.log": LOG}, "call_17.wav"),
        (b"[1,", {}, None),
        (b'{"file": "a.wav", "confidence": "none"}' + b" " * (1 << 16), {}, None),
    ],
)
def test_a_result_that_cannot_be_read_has_its_recording(
    make_task: MakeTask, result: bytes, files: dict[str, bytes], expected: str | None
) -> None:
    """From the file as far as it is JSON and small, else from process.log."""
    contents = contents_of(make_task(result=result, files=files))

    assert isinstance(contents.result, BadResult)
    assert expected == contents.source
