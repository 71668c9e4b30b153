"""The daemon may not: a root, a task or a destination without permissions, or that nobody may change."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aftermath import assert_all_is_accounted_for
from conftest import MakeTask, names_in, result_bytes, standing
from process import Watch
from troubles import HeldToModes, assert_it_waits, assert_the_trouble_is_past, immutable, wait_for_status


@pytest.fixture
def watch(root: Path) -> Iterator[Watch]:
    """A daemon that is at work and heeds permissions."""
    with HeldToModes(root, watch__rescan_seconds=0.5) as watch:
        watch.wait_for("watch.ready")
        yield watch


def assert_all_is_filed(watch: Watch, root: Path, tasks: list[str]) -> None:
    """The same process files everything."""
    watch.wait_until(lambda: not standing(root))
    assert 0 == watch.stop()
    assert_all_is_accounted_for(root, tasks)


def assert_told(watch: Watch, root: Path, task: str, code: str, path: Path) -> None:
    """The log says once why a task is not moved, by the path that is in the way, and so does the status."""
    told = watch.wait_for("task.failed", task=task)
    assert told["hint"]
    assert told["cause"].startswith(f"{code}: ")
    assert str(path) in {told["path"], told["cause"].rpartition(": ")[2]}
    cause = f"{task}: {told['cause']}"
    status = wait_for_status(watch, root, state="watching", cause=cause, code=code, reasons={"not_moved": 1})
    assert cause == status["daemon"]["last_error"]["cause"]


def test_a_root_without_permissions_is_waited_for(root: Path, watch: Watch, make_task: MakeTask) -> None:
    """A root that may no longer be entered ends no daemon; it says so, and goes on when it may be entered again."""
    tasks = [make_task("outputs_1").name]
    watch.wait_for("task.filed")
    root.chmod(0)
    told = watch.wait_for("watch.blocked")
    assert told["cause"].startswith(f"EACCES: Permission denied: {root}")
    last = wait_for_status(watch, root, state="blocked")["daemon"]["last_error"]
    assert "Permission denied" in last["cause"]
    assert str(root) in last["cause"]
    assert last["retry"] is not None

    root.chmod(0o755)
    tasks.append(make_task("outputs_2").name)
    watch.wait_for("task.filed", task="outputs_2")
    assert_the_trouble_is_past(watch, root)
    assert_all_is_filed(watch, root, tasks)
    causes = [event["cause"] for event in watch.events if event["event"] == "watch.blocked"]
    assert sorted(set(causes)) == sorted(causes)


def test_a_log_that_may_not_be_written_holds_all_back(root: Path, watch: Watch, make_task: MakeTask) -> None:
    """Without the right to write the log nothing moves; with it all is filed."""
    tasks = [make_task("outputs_1").name]
    watch.wait_for("task.filed")
    (root / "decisions.jsonl").chmod(0o444)
    tasks.append(make_task("outputs_2").name)
    assert_it_waits(watch, root, "EACCES", root / "decisions.jsonl")

    (root / "decisions.jsonl").chmod(0o644)
    watch.wait_for("watch.unblocked")
    assert_all_is_filed(watch, root, tasks)


def test_a_task_that_may_not_be_read_keeps_nobody_waiting(
    root: Path, watch: Watch, make_task: MakeTask
) -> None:
    """Beside a task that may not be entered the others are filed; it is filed when it may."""
    tasks = [f"outputs_{number}" for number in range(3)]
    make_task(tasks[1]).chmod(0)
    for name in (tasks[0], tasks[2]):
        make_task(name)
    assert "Permission denied" in watch.wait_for("task.unreadable", task=tasks[1])["cause"]
    watch.wait_until(lambda: [tasks[0], tasks[2]] == names_in(root / "normal"))
    (pending,) = wait_for_status(watch, root, state="watching", pending=1)["daemon"]["oldest"]
    assert ("unreadable", "cannot be read: Permission denied") == (pending["reason"], pending["message"])

    (root / tasks[1]).chmod(0o755)
    assert_all_is_filed(watch, root, tasks)


def test_a_task_that_may_not_be_moved_keeps_nobody_waiting(
    root: Path, watch: Watch, make_task: MakeTask
) -> None:
    """Beside a task that may be read but not moved the others are filed; it is moved when it may, not decided anew."""
    tasks = [f"outputs_{number}" for number in range(3)]
    make_task(tasks[1]).chmod(0o555)
    for name in (tasks[0], tasks[2]):
        make_task(name)
    assert_told(watch, root, tasks[1], "EACCES", root / tasks[1])
    watch.wait_until(lambda: [tasks[0], tasks[2]] == names_in(root / "normal"))

    (root / tasks[1]).chmod(0o755)
    assert_all_is_filed(watch, root, tasks)


def test_a_destination_that_may_not_be_written_holds_its_own_tasks_back(
    root: Path, watch: Watch, make_task: MakeTask
) -> None:
    """While one destination may not be written the tasks of the others are filed; then its own are, too."""
    (root / "normal").chmod(0o555)
    tasks = [make_task("outputs_1").name, make_task("outputs_2", result_bytes(0.3)).name]
    assert_told(watch, root, "outputs_1", "EACCES", root / "normal")
    watch.wait_until(lambda: ["outputs_2"] == names_in(root / "low_quality"))

    (root / "normal").chmod(0o755)
    assert_all_is_filed(watch, root, tasks)


def test_an_immutable_task_keeps_nobody_waiting(root: Path, watch: Watch, make_task: MakeTask) -> None:
    """Beside a task that not even root may move the others are filed; it is moved when it may be."""
    make_task("outputs_1")
    with immutable(root / "outputs_1"):
        make_task("outputs_2")
        assert_told(watch, root, "outputs_1", "EPERM", root / "outputs_1")
        watch.wait_until(lambda: ["outputs_2"] == names_in(root / "normal"))

    assert_all_is_filed(watch, root, ["outputs_1", "outputs_2"])


def test_an_immutable_destination_holds_its_own_tasks_back(
    root: Path, watch: Watch, make_task: MakeTask
) -> None:
    """While one destination is immutable the tasks of the others are filed; then its own are, too."""
    with immutable(root / "normal"):
        tasks = [make_task("outputs_1").name, make_task("outputs_2", result_bytes(0.3)).name]
        assert_told(watch, root, "outputs_1", "EPERM", root / "normal")
        watch.wait_until(lambda: ["outputs_2"] == names_in(root / "low_quality"))

    assert_all_is_filed(watch, root, tasks)


def test_an_immutable_log_holds_all_back(root: Path, watch: Watch, make_task: MakeTask) -> None:
    """While not even root may write the log nothing moves; then all is filed."""
    tasks = [make_task("outputs_1").name]
    watch.wait_for("task.filed")
    with immutable(root / "decisions.jsonl"):
        tasks.append(make_task("outputs_2").name)
        assert_it_waits(watch, root, "EPERM", root / "decisions.jsonl")

    watch.wait_for("watch.unblocked")
    assert_all_is_filed(watch, root, tasks)
