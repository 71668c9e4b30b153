"""Hostile places: symlinks, pipes and mounts where emosieve's own files, its folders or a task should be."""

import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aftermath import contents_of
from conftest import MakeTask, names_in, read_log, result_bytes
from invariants import assert_can_be_shown
from process import Watch, overrides, run, run_as

FULL = bool(os.environ.get("FULL"))
RACE_SECONDS = 60 if FULL else 4
HOLE_BYTES = 10 << 30 if FULL else 300_000_000
NAME = "outputs_20240104_223000"
QUICK = {"settle__quiet_seconds": 0.05}

Plant = Callable[[Path, Path], object]
"""Puts something in the place of a path, given a tree outside the root."""


def _symlink_to_file(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "secret.txt")


def _symlink_to_folder(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def _fifo(path: Path, _outside: Path) -> None:
    os.mkfifo(path)


def _directory(path: Path, _outside: Path) -> None:
    path.mkdir()


def _file(path: Path, _outside: Path) -> None:
    path.write_bytes(b"")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A tree that is none of emosieve's business."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_bytes(b"hunter2")
    return folder


@pytest.mark.parametrize(
    ("name", "plant"),
    [
        (".emosieve", _symlink_to_folder),
        (".emosieve", _file),
        (".emosieve/intake.lock", _symlink_to_file),
        (".emosieve/intake.lock", _fifo),
        (".emosieve/log.lock", _symlink_to_file),
        (".emosieve/log.lock", _fifo),
        ("decisions.jsonl", _symlink_to_file),
        ("decisions.jsonl", _fifo),
        ("decisions.jsonl", _directory),
        ("decisions-20240101T000000.000000Z.jsonl", _fifo),
        ("normal", _symlink_to_folder),
        ("normal", _file),
        ("low_quality", _fifo),
    ],
)
def test_what_it_cannot_work_with_stops_it_at_once(
    root: Path, outside: Path, make_task: MakeTask, name: str, plant: Plant
) -> None:
    """Something else in the place of log, lock or folder is named with what to do, and nothing moves or changes."""
    make_task(NAME)
    (root / name).parent.mkdir(exist_ok=True)
    plant(root / name, outside)
    ended = run("watch", root, *overrides(**QUICK))
    assert 2 == ended.returncode, ended.stderr
    assert f"{root}/{name}" in ended.stderr
    assert NAME in names_in(root)
    assert {"secret.txt": b"hunter2"} == contents_of(outside)


@pytest.mark.parametrize("plant", [_symlink_to_file, _fifo])
def test_what_it_can_do_without_is_not_followed(
    root: Path, outside: Path, make_task: MakeTask, plant: Plant
) -> None:
    """Symlinks or pipes in place of checkpoint, report and reviews keep no task, and no command, waiting."""
    make_task(NAME)
    (root / ".emosieve").mkdir()
    for name in (".emosieve/checkpoint", ".emosieve/checkpoint.new", "quality_report.txt", "reviews.jsonl"):
        plant(root / name, outside)
    assert 0 == run("sweep", root, *overrides(**QUICK)).returncode
    assert 0 == run("reclassify", root, "--set", "rules.min_confidence=0.95").returncode
    assert 0 == run("report", "rebuild", root).returncode
    assert [NAME] == names_in(root / "low_quality")
    assert {"secret.txt": b"hunter2"} == contents_of(outside)


@pytest.mark.parametrize("plant", [_symlink_to_file, _fifo])
def test_a_status_planted_in_a_shared_place_is_replaced(
    root: Path,
    outside: Path,
    make_task: MakeTask,
    plant: Plant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the status goes, a symlink or pipe is neither followed nor waited for, and status answers."""
    place = root.parent / "run"
    place.mkdir(mode=0o777)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    status = root.stat()
    plant(place / f"emosieve-{status.st_dev:x}-{status.st_ino:x}.json", outside)
    make_task(NAME)
    with Watch(root) as watch:
        watch.wait_for("task.filed")
        watch.wait_until(lambda: all(stat.S_ISREG(path.lstat().st_mode) for path in place.iterdir()))
        assert "watching" in run("status", root).stdout
    assert {"secret.txt": b"hunter2"} == contents_of(outside)


def test_a_place_of_another_user_is_not_used(
    root: Path, tmp_path: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another user prepared, by any of the names, gets no status; health finds the daemon."""
    if os.geteuid() != 0:
        pytest.skip("giving a directory away needs root")
    planted = [tmp_path / name for name in ("emosieve-0", "emosieve-0-0123456789abcdef", "run")]
    for place in planted:
        place.mkdir(mode=0o755)
        os.chown(place, 4242, 4242)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with Watch(root) as watch:
        watch.wait_for("watch.ready")
        watch.wait_until(lambda: run("health", root).returncode == 0)
        make_task(NAME)
        watch.wait_for("task.filed")
        assert 0 == watch.count_of("status.unwritable")
        assert "watching" in run("status", root, XDG_RUNTIME_DIR="").stdout
    assert [[], [], []] == [names_in(place) for place in planted]


def test_a_root_whose_name_cannot_be_shown_is_worked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a root whose own name is no UTF-8 and holds controls all goes on, and the name is shown escaped."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    root = tmp_path / os.fsdecode(b"outputs\xff\x1b[2J\n\xc2\x9b")
    (root / NAME).mkdir(parents=True)
    (root / NAME / "result.json").write_bytes(result_bytes())
    with Watch(root) as watch:
        watch.wait_for("task.filed")
        watch.wait_until(lambda: any(tmp_path.glob("emosieve-*.json")))
        said = [path.read_bytes() for path in tmp_path.glob("emosieve-*.json")]
        for command in (
            ["status"],
            ["status", "--json"],
            ["check"],
            ["stats"],
            ["tail"],
            ["report", "rebuild"],
        ):
            ended = run(*command, root)
            assert 0 == ended.returncode, ended
            said += [(ended.stdout + ended.stderr).encode("utf-8", "surrogateescape")]
        assert 0 == watch.stop()
    assert 7 == len(said)
    for one in said:
        assert_can_be_shown(one.decode(), lines=True)


def test_a_directory_with_the_name_of_a_folder_is_no_task(root: Path, make_task: MakeTask) -> None:
    """Where every directory is a task, the folders and emosieve's own are still none, and stay."""
    make_task("normal")
    make_task(NAME)
    settings = {"watch__task_glob": "*", **QUICK}
    for _ in range(2):
        assert 0 == run("sweep", root, *overrides(**settings)).returncode
    assert [
        ".emosieve",
        "decisions.jsonl",
        "low_quality",
        "normal",
        "quality_report.txt",
        "quarantine",
    ] == names_in(root)
    assert [NAME, "result.json"] == names_in(root / "normal")
    assert [NAME] == [event["task"] for event in read_log(root) if event["event"] == "decided"]


def test_a_task_that_is_a_mount_point_stays_and_is_told(
    root: Path, make_task: MakeTask, mounted: Callable[..., None]
) -> None:
    """A task that a file system is mounted on is told of once, stays, and keeps none waiting."""
    (root / NAME).mkdir()
    mounted("-t", "tmpfs", "tmpfs", root / NAME)
    (root / NAME / "result.json").write_bytes(result_bytes())
    with Watch(root, watch__rescan_seconds=0.5) as watch:
        cause = watch.wait_for("task.failed", task=NAME)["cause"]
        assert cause.startswith("EBUSY: ")
        make_task("outputs_later")
        watch.wait_for("task.filed", task="outputs_later")
        assert 0 == watch.stop()
        assert 1 == len([event for event in watch.events if event["event"] == "task.failed"])
    assert ["result.json"] == names_in(root / NAME)
    assert ["outputs_later"] == names_in(root / "normal")


@pytest.mark.parametrize("mode", [0o000, 0o300, 0o400])
def test_a_task_that_may_not_be_read_stays_and_is_told(shared_root: Path, mode: int) -> None:
    """For a daemon that is not root, a task of its own without permissions to read or enter stays, and is told."""
    if os.geteuid() != 0:
        pytest.skip("acting as another user needs root")
    for name in (NAME, "outputs_later"):
        (shared_root / name).mkdir()
        (shared_root / name / "result.json").write_bytes(result_bytes())
        os.chown(shared_root / name, 4242, 4242)
        os.chown(shared_root / name / "result.json", 4242, 4242)
    (shared_root / NAME).chmod(mode)
    ended = run_as(4242, "sweep", shared_root, *overrides(log__format="json", **QUICK))
    assert 1 == ended.returncode, ended.stderr
    assert NAME in ended.stdout
    assert "Permission denied" in ended.stdout
    assert ["outputs_later"] == names_in(shared_root / "normal")
    assert NAME in names_in(shared_root)


def test_a_log_that_ends_in_a_hole_is_gone_on_with(root: Path, make_task: MakeTask) -> None:
    """A hole behind the log's last line costs no memory, and the next decision cuts them off."""
    make_task("outputs_before")
    assert 0 == run("sweep", root, *overrides(**QUICK)).returncode
    (root / ".emosieve" / "checkpoint").unlink()
    os.truncate(root / "decisions.jsonl", HOLE_BYTES)
    make_task(NAME)
    with Watch(root) as watch:
        watch.wait_for("task.filed", task=NAME)
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{watch.process.pid}/status").read_text("utf-8"))
        assert found
        assert 0 < int(found[1]) < 200_000
        assert 0 == watch.stop()
    assert ["outputs_before", NAME] == [one["task"] for one in read_log(root) if one["event"] == "decided"]


_SWAPPER = """
import ctypes, os, sys
os.chdir(sys.argv[1])
os.symlink(sys.argv[2], "other")
swap = ctypes.CDLL(None).renameat2
while True:
    swap(-100, b"result.json", -100, b"other", 2)  # each becomes the other at once
"""


def test_a_symlink_that_comes_and_goes_is_never_read(root: Path, tmp_path: Path) -> None:
    """While results turn into symlinks and back all the time, none is followed, and good tasks are filed."""
    secret = tmp_path / "secret.json"
    secret.write_bytes(result_bytes(0.9, "hunter2"))
    tasks = [root / f"outputs_swapped_{number}" for number in range(2)]
    for task in tasks:
        task.mkdir()
        (task / "result.json").write_bytes(b"{")
    swappers = [subprocess.Popen([sys.executable, "-c", _SWAPPER, task, secret]) for task in tasks]
    try:
        # The shortest quiet time lets the daemon read what has just changed; the longest race is its own.
        settings = {
            "settle__quiet_seconds": 0.000001,
            "settle__give_up_seconds": 600,
            "watch__rescan_seconds": 0.1,
        }
        with Watch(root, **settings) as watch:
            watch.wait_for("watch.ready")
            end = time.monotonic() + RACE_SECONDS
            number = 0
            while time.monotonic() < end:
                name = f"outputs_good_{number:06}"
                (root / name).mkdir()
                (root / name / "result.json").write_bytes(result_bytes())
                watch.wait_for("task.filed", task=name)
                number += 1
            assert 0 == watch.stop()
            assert [] == [event for event in watch.events if event["event"] == "internal.error"]
    finally:
        for swapper in swappers:
            swapper.kill()
            swapper.wait()
    assert number > 1
    assert [] == [event["task"] for event in read_log(root) if event["task"] in {task.name for task in tasks}]
    assert b"hunter2" not in (root / "decisions.jsonl").read_bytes()
