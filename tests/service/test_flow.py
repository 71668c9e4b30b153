"""The flow: what one step does, and what it does when it cannot."""

import errno
import itertools
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from conftest import FakeTime, MakeTask, names_in, read_log, result_bytes
from emosieve.intake import LOCK_GAP_SECONDS, Done, Intake, NotDone
from emosieve.judge.keys import OwnKeys
from emosieve.record import report_rebuild
from emosieve.record.decisions import DecisionLog
from emosieve.record.report import Report
from emosieve.service import flow as flow_module
from emosieve.service.flow import Flow
from emosieve.service.sweep import sweep
from emosieve.settings import Settings


@pytest.fixture
def time(make_task: MakeTask) -> FakeTime:
    """A clock far enough in the future for everything on the disk to be quiet."""
    del make_task
    import time as real

    return FakeTime(real.time() + 60)


def flow_of(root: Path, time: FakeTime, **settings: Any) -> Flow:
    """An opened flow that has listed its root."""
    flow = Flow(str(root), Settings(**settings), clock=time.clock)
    flow.open()
    flow.scan()
    return flow


def test_a_step_files_a_bounded_batch(
    root: Path,
    make_task: MakeTask,
    time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many tasks stand, one commit holds so many, oldest first."""
    monkeypatch.setattr(flow_module, "BATCH", 2)
    for number in range(5):
        make_task(f"outputs_{number}")
    flow = flow_of(root, time)

    assert [2, 2, 1, 0] == [len(flow.step()) for _ in range(4)]
    assert [f"outputs_{number}" for number in range(5)] == [event["task"] for event in read_log(root)]
    assert flow.due_in() is None


def test_a_batch_holds_a_bounded_number_of_files(
    root: Path, make_task: MakeTask, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many files stand in each task, one commit remembers only so many of them, and one task at least."""
    monkeypatch.setattr(flow_module, "FILE_LIMIT", 5)
    for number in range(4):
        make_task(f"outputs_{number}", files={"a": b"", "b": b""})
    make_task("outputs_4", files={f"{number}": b"" for number in range(9)})
    flow = flow_of(root, time)

    assert [2, 2, 1, 0] == [len(flow.step()) for _ in range(4)]


def test_a_stop_is_heard_between_two_looks(root: Path, make_task: MakeTask, time: FakeTime) -> None:
    """Judging stops at once; what was judged by then is filed."""
    for number in range(5):
        make_task(f"outputs_{number}")

    assert 1 == len(flow_of(root, time).step(lambda: True))


def test_looks_are_bounded_as_well(
    root: Path,
    time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many pending tasks that are due do not keep the loop from its other duties."""
    monkeypatch.setattr(flow_module, "_LOOKS", 2)
    for number in range(3):
        (root / f"outputs_{number}").mkdir()
    flow = flow_of(root, time)
    flow.step()

    assert 2 == len(flow.settling.waiting)
    assert 0.0 == flow.due_in()


def test_a_log_that_cannot_be_written_blocks_all_and_is_told_once(
    root: Path,
    make_task: MakeTask,
    time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing moves, the wait grows, one line says why; when there is room all is filed once."""
    make_task()
    flow = flow_of(root, time)
    waits = []

    def refuse(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "decisions.jsonl")

    with capture_logs() as events:
        monkeypatch.setattr(DecisionLog, "append", refuse)
        for _ in range(3):
            flow.step()
            waits.append(flow.blocked_for())
            assert [] == flow.step()
            time.pass_(120)
        monkeypatch.undo()
        flow.step()

    assert [1.0, 2.0, 4.0] == waits
    assert ["watch.blocked", "watch.unblocked", "task.filed"] == [event["event"] for event in events]
    assert "ENOSPC: No space left on device: decisions.jsonl" == events[0]["cause"]
    assert 1 == len(read_log(root))


def test_a_folder_that_will_not_do_blocks_with_its_words(
    root: Path, make_task: MakeTask, time: FakeTime
) -> None:
    """A destination that became a symlink is waited out, not fatal to a running daemon."""
    make_task()
    flow = flow_of(root, time)
    (root / "normal").rmdir()
    (root / "normal").symlink_to("/nowhere")
    with capture_logs() as events:
        flow.step()

    assert "is a symlink to /nowhere" in events[0]["cause"]


def test_a_task_that_cannot_be_moved_waits_alone(
    root: Path,
    make_task: MakeTask,
    time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its failure is told once, and it is tried again later without keeping the others."""
    make_task("outputs_1")
    make_task("outputs_2")
    flow = flow_of(root, time)
    rename = os.rename

    def deny(source: str, destination: str, **more: Any) -> None:
        if source == "outputs_1":
            raise PermissionError(errno.EPERM, "Operation not permitted")
        rename(source, destination, **more)

    with capture_logs() as events:
        monkeypatch.setattr(os, "rename", deny)
        outcomes = flow.step()
        time.pass_(60)
        flow.step()
        monkeypatch.undo()
        time.pass_(60)
        (last,) = flow.step()

    assert [True, False] == [isinstance(one, NotDone) for one in outcomes]
    assert isinstance(last, Done)
    assert ["task.failed", "task.filed", "task.filed"] == [event["event"] for event in events]
    assert ["outputs_1", "outputs_2"] == names_in(root / "normal")
    assert 1 == flow.counts.failed


def test_a_task_that_vanishes_before_its_move_is_forgotten(
    root: Path,
    make_task: MakeTask,
    time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A task deleted by a cron job is not tried again."""
    task = make_task()
    flow = flow_of(root, time)
    commit = Intake.commit

    def delete_and_commit(intake: Intake, proposals: Any, should_stop: Any) -> Any:
        (task / "result.json").unlink()
        task.rmdir()
        return commit(intake, proposals, should_stop)

    monkeypatch.setattr(Intake, "commit", delete_and_commit)
    flow.step()

    assert 0 == flow.settling.pending_count


def test_a_fault_in_one_task_is_told_and_the_others_go_on(
    root: Path,
    make_task: MakeTask,
    time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bug that one result brings out does not stop the loop."""
    make_task("outputs_1", b'{"poison": 1}')
    make_task("outputs_2")
    flow = flow_of(root, time)
    read_result = __import__("emosieve.watch.inbox", fromlist=["read_result"]).read_result

    def stumble(data: bytes, own: OwnKeys) -> Any:
        if b"poison" in data:
            raise ZeroDivisionError
        return read_result(data, own)

    monkeypatch.setattr("emosieve.watch.inbox.read_result", stumble)
    with capture_logs() as events:
        flow.step()

    assert ["internal.error", "task.filed"] == [event["event"] for event in events]


def test_a_dry_run_counts_and_writes_nothing(root: Path, make_task: MakeTask, time: FakeTime) -> None:
    """It goes through the same code, and leaves no trace."""
    make_task("outputs_1", result_bytes(0.3))
    make_task("outputs_2")
    before = sorted(str(path) for path in root.rglob("*"))
    flow = Flow(str(root), Settings(), dry_run=True, clock=time.clock)
    flow.scan()
    flow.step()

    assert (1, 1) == (flow.counts.tally.normal, flow.counts.tally.low_quality)
    assert before == sorted(str(path) for path in root.rglob("*"))


def test_a_filed_task_that_cannot_be_looked_at_keeps_late_files_waiting(
    root: Path,
    make_task: MakeTask,
    time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error while looking for the task of late files leaves them where they are, told once."""
    make_task("outputs_1")
    flow = flow_of(root, time, settle={"quiet_seconds": 1, "give_up_seconds": 2})
    flow.step()
    (root / "outputs_1").mkdir()
    flow.scan()

    def fail(*_arguments: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(flow_module, "adopt", fail)
    with capture_logs() as events:
        flow.step()
        time.pass_(100)
        flow.step()

    assert ["task.overdue"] == [event["event"] for event in events]


def test_new_settings_reach_every_part(root: Path, make_task: MakeTask, time: FakeTime) -> None:
    """Rules, settling, log and report follow a reload."""
    flow = flow_of(root, time)
    flow.apply(Settings.model_validate({"rules": {"min_confidence": 0.95}, "settle": {"quiet_seconds": 5}}))
    make_task()
    flow.scan()
    flow.step()

    assert ["outputs_20240104_223000"] == names_in(root / "low_quality")
    assert 5 == flow.settling.policy.quiet_seconds


def test_keys_of_ones_own_follow_a_reload(root: Path, make_task: MakeTask, time: FakeTime) -> None:
    """A result under keys that the settings come to name is read by them."""
    flow = flow_of(root, time)
    make_task("outputs_1", b'{"emotion": "happy", "confidence": 0.9, "vector": {"happy": 0.6, "sad": 0.4}}')
    flow.apply(Settings.model_validate({"results": {"score_keys": ["vector"]}}))
    flow.scan()
    flow.step()

    assert {"happy": 0.6, "sad": 0.4} == read_log(root)[0]["scores"]


def test_how_long_a_task_has_stood(root: Path, make_task: MakeTask, time: FakeTime) -> None:
    """A task that stood long before a listing found it tells of deaf events; one that is gone tells nothing."""
    make_task()
    flow = flow_of(root, time)

    assert flow.has_stood(["outputs_20240104_223000"], 2)
    assert not flow.has_stood(["outputs_20240104_223000"], 1000)
    assert not flow.has_stood(["outputs_gone"], 2)


def test_a_task_that_may_not_be_read_is_told_of_once(
    root: Path,
    make_task: MakeTask,
    time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its silence would look like work: one line says that it stays, and why."""
    make_task()
    flow = flow_of(root, time)
    real = os.open

    def deny(path: Any, *arguments: Any, **more: Any) -> int:
        if path == "result.json":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, "open", deny)
    with capture_logs() as events:
        for _ in range(3):
            flow.step()
            time.pass_(60)

    assert [("task.unreadable", "cannot be read: Permission denied")] == [
        (event["event"], event["cause"]) for event in events
    ]


def test_one_decision_that_cannot_be_logged_does_not_keep_the_others(
    root: Path,
    make_task: MakeTask,
    time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fault that one task brings out in the middle of a batch is found and set back, and told."""
    for number in range(3):
        make_task(f"outputs_{number}")
    flow = flow_of(root, time)
    append = DecisionLog.append

    def stumble(log: DecisionLog, events: Any) -> None:
        if any(event["task"] == "outputs_1" for event in events):
            message = "Integer exceeds 64-bit range"
            raise TypeError(message)
        append(log, events)

    monkeypatch.setattr(DecisionLog, "append", stumble)
    with capture_logs() as events:
        flow.step()

    assert ["outputs_0", "outputs_2"] == names_in(root / "normal")
    assert ["internal.error"] == [event["event"] for event in events if event["event"] != "task.filed"]


def test_a_report_that_could_not_be_written_is_mended_without_a_task(
    root: Path,
    make_task: MakeTask,
    time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is tried again in a while, though nothing else is to do; until then the trouble is told, then it is past."""
    make_task()
    flow = flow_of(root, time)

    def refuse(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "report")

    with monkeypatch.context() as patch, capture_logs() as events:
        patch.setattr(Report, "project", refuse)
        flow.step()
        assert [] == flow.step()
        time.pass_(flow.due_in() or 0)
        flow.step()
    assert flow.trouble is not None
    assert ("ENOSPC", True) == (flow.trouble.code, flow.trouble.retry_at is not None)
    time.pass_(flow.due_in() or 0)
    flow.step()

    assert ["report.failing"] == [event["event"] for event in events if event["event"].startswith("report")]
    assert "[outputs_" in (root / "quality_report.txt").read_text("utf-8")
    assert (None, None) == (flow.trouble.retry_at, flow.due_in())


def test_a_block_ends_when_its_last_task_is_gone(
    root: Path,
    make_task: MakeTask,
    time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A task that was deleted while it waited leaves nobody blocked."""
    task = make_task()
    flow = flow_of(root, time)
    with monkeypatch.context() as patch:
        patch.setattr(
            DecisionLog, "append", _fails_with(OSError(errno.ENOSPC, "No space left on device", "log"))
        )
        flow.step()
    assert flow.is_blocked
    shutil.rmtree(task)
    time.pass_(flow.due_in() or 0)
    flow.step()
    flow.step()

    assert (False, None) == (flow.is_blocked, flow.due_in())


def test_a_move_that_fails_is_told_once_though_nothing_can_be_noted(
    root: Path,
    make_task: MakeTask,
    time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While log and checkpoint cannot be written either, the cause of a failed move is still told once."""
    make_task()
    flow = flow_of(root, time)
    read_only = OSError(errno.EROFS, "Read-only file system")
    with monkeypatch.context() as patch, capture_logs() as events:
        patch.setattr(os, "rename", _fails_with(read_only))
        patch.setattr(flow.intake, "_log_quietly", lambda _body: None)
        for _ in range(3):
            flow.step()
            time.pass_(60)

    assert 1 == [event["event"] for event in events].count("task.failed")


def _fails_with(error: OSError) -> Callable[..., None]:
    def fail(*_arguments: object, **_more: object) -> None:
        raise error

    return fail


def test_tasks_are_filed_beside_a_report_that_is_rebuilt(
    root: Path, make_task: MakeTask, time: FakeTime
) -> None:
    """Another language waits for nobody: a task is filed at once, and stands in the report when that is whole."""
    for number in range(5):
        make_task(f"outputs_{number}")
    flow_of(root, time, language="zh").step()
    before = (root / "quality_report.txt").read_bytes()
    flow = Flow(str(root), Settings(language="en"), clock=time.clock)
    flow.intake.report._monotonic = itertools.count().__next__
    flow.open()
    make_task("outputs_5")
    flow.scan()
    assert ["outputs_5"] == [done.task if isinstance(done, NotDone) else done.source for done in flow.step()]
    assert before == (root / "quality_report.txt").read_bytes()
    assert "reporting" == getattr(flow.work, "kind", None)
    steps = 0
    while flow.has_more:
        assert LOCK_GAP_SECONDS == flow.due_in()
        assert [] == flow.step()
        steps += 1

    assert 4 == steps
    assert (None, None) == (flow.due_in(), flow.work)
    assert 6 == (root / "quality_report.txt").read_text().count("[outputs_")


@pytest.mark.parametrize("slices", [0, 2])
def test_a_sweep_ends_the_rebuild_unless_it_is_stopped(
    root: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch, slices: int
) -> None:
    """There is no later batch that would go on with it; the next sweep goes on after a stop."""
    for number in range(5):
        make_task(f"outputs_{number}")
    quick: dict[str, Any] = {"settle": {"quiet_seconds": 0.01}}
    sweep(str(root), Settings(language="zh", **quick))
    before = (root / "quality_report.txt").read_bytes()
    monkeypatch.setattr(report_rebuild, "SLICE_SECONDS", 0.0)
    if slices:
        left = iter(range(slices))
        go_on = Flow.go_on

        def stopped(flow: Flow, should_stop: Callable[[], bool]) -> None:
            go_on(flow, should_stop)
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGTERM)

        with monkeypatch.context() as patch:
            patch.setattr(Flow, "go_on", stopped)
            assert signal.SIGTERM == sweep(str(root), Settings(language="en", **quick)).stopped_by
        assert before == (root / "quality_report.txt").read_bytes()
    sweep(str(root), Settings(language="en", **quick))

    assert 5 == (root / "quality_report.txt").read_text().count("Emotion: ")
    assert not (root / ".emosieve" / "rebuild").exists()


def test_a_rebuild_that_fails_waits_for_its_turn(
    root: Path, make_task: MakeTask, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be written is not tried again slice by slice, but in a while."""
    make_task()
    flow_of(root, time, language="zh").step()
    flow = Flow(str(root), Settings(language="en"), clock=time.clock)
    flow.intake.report._monotonic = itertools.count().__next__
    make_task("outputs_2")
    flow.scan()
    flow.step()
    had_more = flow.has_more
    monkeypatch.setattr(Report, "project", _fails)
    flow.step()

    assert (True, False) == (had_more, flow.has_more)
    assert flow.settling.policy.rescan_seconds == flow.due_in()


def _fails(*_arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
