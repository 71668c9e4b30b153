"""The disk is full, fails or turns read-only under the running daemon; then the cause goes."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from aftermath import assert_all_is_accounted_for
from conftest import MakeTask, Mount, names_in, read_log, standing
from process import Watch
from steps import command
from troubles import assert_it_waits, assert_the_trouble_is_past, fill, injecting, remount, wait_for_status

FAST: dict[str, object] = {"watch__rescan_seconds": 0.5}


@pytest.fixture
def disk(tmp_path: Path, mounted: Mount) -> Path:
    """A file system of 16 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted("-t", "tmpfs", "-o", "size=16m", "tmpfs", disk)
    return disk


@pytest.fixture
def root(disk: Path) -> Path:
    """A root on the small disk."""
    root = disk / "outputs"
    root.mkdir()
    return root


@pytest.fixture
def watch(root: Path) -> Iterator[Watch]:
    """A daemon that is at work there."""
    with Watch(root, **FAST) as watch:
        watch.wait_for("watch.ready")
        yield watch


def assert_all_is_filed(watch: Watch, root: Path, tasks: list[str]) -> None:
    """The same process files everything, and says of the trouble that it is over."""
    watch.wait_until(lambda: not standing(root))
    assert_the_trouble_is_past(watch, root)
    assert 0 == watch.stop()
    assert_all_is_accounted_for(root, tasks, FAST)


def test_a_full_disk_is_waited_out(disk: Path, root: Path, make_task: MakeTask) -> None:
    """While the log finds no room nothing moves and nothing of it stays; with room all is filed, decided once."""
    tasks = [make_task(f"outputs_{number:02}").name for number in range(40)]
    ballast = fill(disk, leave=4 * 4096)  # for the locks, and for half of the first batch's lines
    with Watch(root, **FAST) as watch:
        assert_it_waits(watch, root, "ENOSPC", root / "decisions.jsonl")
        assert ([], []) == (read_log(root), names_in(root / "normal"))

        ballast.unlink()
        assert_all_is_filed(watch, root, tasks)
        assert (1, 1) == (watch.count_of("watch.blocked"), watch.count_of("watch.unblocked"))


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_log_whose_disk_fails_holds_all_back(
    root: Path, watch: Watch, make_task: MakeTask, call: str
) -> None:
    """While the log cannot be written or forced to the disk nothing moves; then all is filed, decided once."""
    with injecting(watch, call, "error=EIO", root / "decisions.jsonl"):
        tasks = [make_task(f"outputs_{number}").name for number in range(3)]
        assert_it_waits(watch, root, "EIO", root / "decisions.jsonl")
        assert [] == names_in(root / "normal")

    assert_all_is_filed(watch, root, tasks)


@pytest.mark.parametrize(
    ("file", "told"),
    [("quality_report.txt", "report.failing"), (".emosieve/checkpoint", "checkpoint.unwritable")],
)
def test_what_follows_the_log_is_mended_without_another_task(
    root: Path, watch: Watch, make_task: MakeTask, file: str, told: str
) -> None:
    """While report or checkpoint cannot be written filing goes on, and by itself they are brought up later."""
    make_task("outputs_1")
    watch.wait_for("task.filed")
    written = root / (f"{file}.new" if file.endswith("checkpoint") else file)
    with injecting(watch, "write", "error=ENOSPC", written):
        make_task("outputs_2")
        cause = f"ENOSPC: No space left on device: {root}/{file}"
        watch.wait_for(told, cause=cause)
        watch.wait_for("task.filed", task="outputs_2")
        wait_for_status(watch, root, state="watching", cause=cause, code="ENOSPC")

    assert_the_trouble_is_past(watch, root)
    assert 2 == (root / "quality_report.txt").read_text("utf-8").count("[outputs_")
    assert_all_is_filed(watch, root, ["outputs_1", "outputs_2"])
    assert 1 == watch.count_of(told)


def test_a_status_without_room_is_told_later(
    tmp_path: Path, root: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch, mounted: Mount
) -> None:
    """Where the status cannot be written filing goes on, and with room it is told, though nothing else happens."""
    place = tmp_path / "run"
    place.mkdir()
    mounted("-t", "tmpfs", "-o", "size=64k", "tmpfs", place)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    # Folders that stand already are no event: no status gives its room back while the disk is filled.
    assert 0 == command(["sweep", str(root)]).status
    with Watch(root, **FAST) as watch:
        watch.wait_for("watch.ready")
        wait_for_status(watch, root, state="watching", pending=0)
        ballast = fill(place)
        make_task("outputs_1")
        # The event of the task changes the status as well, so either may come first.
        watch.wait_until(lambda: watch.count_of("task.filed") and watch.count_of("status.unwritable"))
        ballast.unlink()
        wait_for_status(watch, root, decided={"normal": 1, "low_quality": 0, "quarantined": 0})
        assert 0 == watch.stop()


def test_an_idle_daemon_lets_the_disk_be_remounted_read_only(
    disk: Path, root: Path, watch: Watch, make_task: MakeTask
) -> None:
    """The kernel remounts the disk at once, since no file is held open for writing; writable again, all is filed."""
    make_task("outputs_1")
    watch.wait_for("task.filed")
    make_task("outputs_2").rename(root / "coming")
    (root / "coming").rename(root / "outputs_2")
    remount(disk, "ro")
    assert_it_waits(watch, root, "EROFS", root / "decisions.jsonl")

    remount(disk, "rw")
    assert_all_is_filed(watch, root, ["outputs_1", "outputs_2"])


def test_a_daemon_at_work_lets_the_disk_be_remounted_read_only(
    disk: Path, root: Path, make_task: MakeTask
) -> None:
    """In the midst of thousands of moves the disk can be remounted; writable again, all are filed, decided once."""
    tasks = [make_task(f"outputs_{number:04}").name for number in range(2000)]
    with Watch(root, **FAST) as watch:
        watch.wait_for("task.filed")
        command = ["mount", "-o", "remount,ro", str(disk)]
        # Only in the midst of a write does the kernel find the disk busy.
        watch.wait_until(lambda: subprocess.run(command, check=False, capture_output=True).returncode == 0)
        assert any(name in tasks for name in names_in(root))
        watch.wait_until(lambda: any("EROFS" in str(event.get("cause")) for event in watch.events))
        wait_for_status(watch, root, code="EROFS")

        remount(disk, "rw")
        assert_all_is_filed(watch, root, tasks)
        failures = [event["task"] for event in watch.events if event["event"] == "task.failed"]
        assert sorted(set(failures)) == sorted(failures)


def test_a_root_that_cannot_be_listed_is_waited_for(root: Path, watch: Watch, make_task: MakeTask) -> None:
    """While the root's listing fails the daemon stays and says so; then it goes on by itself."""
    with injecting(watch, "getdents64", "error=EIO", root):
        tasks = [make_task(f"outputs_{number}").name for number in range(3)]
        assert_it_waits(watch, root, "EIO", root)

    assert_all_is_filed(watch, root, tasks)


def test_a_result_that_cannot_be_read_keeps_nobody_waiting(
    root: Path, watch: Watch, make_task: MakeTask
) -> None:
    """Beside a result on a bad sector the others are filed; once it can be read it is filed, too."""
    bad = root / "outputs_1"
    with injecting(watch, "read", "error=EIO", bad / "result.json"):
        tasks = [make_task(f"outputs_{number}").name for number in range(3)]
        told = watch.wait_for("task.unreadable", task="outputs_1")
        assert "Input/output error" in told["cause"]
        watch.wait_until(lambda: [tasks[0], tasks[2]] == names_in(root / "normal"))
        status = wait_for_status(watch, root, state="watching", pending=1)
        (pending,) = status["daemon"]["oldest"]
        assert ("outputs_1", "unreadable") == (pending["task"], pending["reason"])

    watch.wait_for("task.filed", task="outputs_1")
    assert 0 == watch.stop()
    assert_all_is_accounted_for(root, tasks, FAST)


def test_a_failing_rename_is_told_of_its_task_alone(root: Path, watch: Watch, make_task: MakeTask) -> None:
    """While renames fail each task is told of once and nothing is lost; then all are moved, not decided anew."""
    with injecting(watch, "rename,renameat,renameat2", "error=EIO", root / "normal"):
        tasks = [make_task(f"outputs_{number}").name for number in range(3)]
        watch.wait_until(lambda: watch.count_of("task.failed") == 3)
        wait_for_status(watch, root, state="watching", code="EIO", reasons={"not_moved": 3})

    watch.wait_until(lambda: tasks == names_in(root / "normal"))
    assert 0 == watch.stop()
    assert_all_is_accounted_for(root, tasks, FAST)
    assert 3 == watch.count_of("task.failed")
