"""The root goes, comes back, is another one, or its mount dies under the daemon: no restart is needed."""

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from aftermath import assert_all_is_accounted_for
from conftest import names_in, read_log
from emosieve.watch.filesystem import file_system_of
from process import Watch
from watching import assert_status_says, bound, status_of, write_task

TASKS = [f"outputs_20240104_2230{number:02}" for number in range(4)]
ABSENT = "the root cannot be watched now"


@pytest.fixture
def point(tmp_path: Path) -> Path:
    """A folder to mount on."""
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


def watching(root: Path) -> Watch:
    """The daemon on a root, with short times."""
    return Watch(root, watch__rescan_seconds=1)


def file_one(watch: Watch, root: Path, name: str) -> None:
    """Write a task and wait until it is filed."""
    write_task(root, name)
    watch.wait_for("task.filed", task=name)


def assert_is_waited_for(watch: Watch, root: Path, error: int) -> None:
    """The log and ``status`` say that the root is waited for, and why."""
    watch.wait_for("watch.root_changed")
    watch.wait_for("watch.waiting", cause=os.strerror(error))
    assert_status_says(watch, root, "polling", ABSENT, "waiting")
    assert f"{root}: {os.strerror(error)}" == status_of(root)["daemon"]["last_error"]["cause"]


def assert_is_native_again(watch: Watch, root: Path) -> None:
    """The new root is watched by events, which ``status`` says, and the log told of one change."""
    watch.wait_for("watch.ready", mode="native")
    assert_status_says(watch, root, "native", f"{file_system_of(str(root)).type} gives events")


def test_a_root_that_is_deleted_and_made_anew_is_served(root: Path) -> None:
    """What is written into the new root is filed there; in between the root is waited for."""
    with watching(root) as watch:
        watch.wait_for("watch.ready")
        file_one(watch, root, TASKS[0])
        shutil.rmtree(root)
        assert_is_waited_for(watch, root, errno.ENOENT)
        root.mkdir()
        write_task(root, TASKS[1])
        assert_is_native_again(watch, root)
        watch.wait_for("task.filed", task=TASKS[1])
        file_one(watch, root, TASKS[2])
        assert 0 == watch.stop()
        assert (1, 1) == (watch.count_of("watch.root_changed"), watch.count_of("watch.waiting"))

    assert_all_is_accounted_for(root, TASKS[1:3])


def test_a_root_that_is_renamed_away_and_back_is_served_again(root: Path) -> None:
    """What came while it was away is filed when it is back, and nothing is filed where it was."""
    away = root.with_name("away")
    with watching(root) as watch:
        watch.wait_for("watch.ready")
        file_one(watch, root, TASKS[0])
        root.rename(away)
        write_task(away, TASKS[1])
        assert_is_waited_for(watch, root, errno.ENOENT)
        assert [TASKS[0]] == names_in(away / "normal")
        away.rename(root)
        assert_is_native_again(watch, root)
        watch.wait_for("task.filed", task=TASKS[1])
        file_one(watch, root, TASKS[2])
        assert 0 == watch.stop()
        assert (1, 1) == (watch.count_of("watch.root_changed"), watch.count_of("watch.waiting"))

    assert_all_is_accounted_for(root, TASKS[:3])


def test_a_root_that_becomes_a_symlink_is_served_where_it_leads(root: Path) -> None:
    """Moved to another place with a symlink left behind, old and new tasks are filed there."""
    bigger = root.with_name("bigger")
    with watching(root) as watch:
        watch.wait_for("watch.ready")
        file_one(watch, root, TASKS[0])
        root.rename(bigger)
        root.symlink_to(bigger)
        write_task(root, TASKS[1])
        watch.wait_for("watch.root_changed")
        watch.wait_for("watch.ready", root=str(bigger), mode="native")
        watch.wait_for("task.filed", task=TASKS[1])
        assert_status_says(watch, root, "native", f"{file_system_of(str(root)).type} gives events")
        assert 0 == watch.stop()
        assert 1 == watch.count_of("watch.root_changed")

    assert_all_is_accounted_for(bigger, TASKS[:2])


def test_a_root_that_is_covered_by_a_mount_is_served_on_both(root: Path, tmp_path: Path) -> None:
    """Tasks of the mount are filed on it; those below it when it is gone, and each log knows its own."""
    below = tmp_path / "below"
    below.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    with watching(root) as watch:
        watch.wait_for("watch.ready")
        file_one(watch, root, TASKS[0])
        subprocess.run(["mount", "--bind", root, below], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", root], check=True)
        try:
            assert_is_native_again(watch, root)
            write_task(below, TASKS[1])
            file_one(watch, root, TASKS[2])
            logged = [event["task"] for event in read_log(root)]
            filed = names_in(root / "normal")
        finally:
            subprocess.run(["umount", "-l", root], check=True)
            subprocess.run(["umount", "-l", below], check=True)
        assert_is_native_again(watch, root)
        watch.wait_for("task.filed", task=TASKS[1])
        assert 0 == watch.stop()
        assert 2 == watch.count_of("watch.root_changed")

    assert ([TASKS[2]], [TASKS[2]]) == (logged, filed)
    assert_all_is_accounted_for(root, TASKS[:2])


def test_an_unmounted_root_is_waited_for(point: Path, tmp_path: Path) -> None:
    """A lazy unmount is noticed and lets the disk go; mounted again, what it holds is filed."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    image, root = tmp_path / "image", point / "outputs"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    mount = ["mount", "-o", "loop", str(image), str(point)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no loop devices here")
    try:
        root.mkdir()
        with watching(root) as watch:
            watch.wait_for("watch.ready")
            file_one(watch, root, TASKS[0])
            busy = subprocess.run(["umount", point], check=False, capture_output=True, text=True)
            assert "busy" in busy.stderr
            file_one(watch, root, TASKS[1])
            write_task(root, TASKS[2])
            subprocess.run(["umount", "-l", point], check=True)
            assert_is_waited_for(watch, root, errno.ENOENT)
            subprocess.run(["e2fsck", "-fn", image], check=True, capture_output=True)
            subprocess.run(mount, check=True)
            assert_is_native_again(watch, root)
            watch.wait_until(lambda: names_in(root / "normal") == TASKS[:3])
            file_one(watch, root, TASKS[3])
            assert 0 == watch.stop()
            assert (1, 1) == (watch.count_of("watch.root_changed"), watch.count_of("watch.waiting"))
        assert_all_is_accounted_for(root, TASKS)
    finally:
        subprocess.run(["umount", "-l", point], check=False)


def test_a_mount_that_died_is_waited_for(root: Path, tmp_path: Path) -> None:
    """When every call on the root fails because its FUSE server was killed, the next mount is served."""
    lower = tmp_path / "lower"
    lower.mkdir()
    with bound(lower, root) as server, watching(root) as watch:
        watch.wait_for("watch.ready", mode="polling")
        file_one(watch, root, TASKS[0])
        server.kill()
        server.wait()
        write_task(lower, TASKS[1])
        assert_is_waited_for(watch, root, errno.ENOTCONN)
        subprocess.run(["umount", "-l", root], check=True)
        with bound(lower, root):
            watch.wait_for("task.filed", task=TASKS[1])
            assert_status_says(watch, root, "polling", "fuse may be written without an event")
            assert 0 == watch.stop()

    assert_all_is_accounted_for(lower, TASKS[:2])
