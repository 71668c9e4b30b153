"""What stands in the way of a start: what passes by itself is waited out, and one task decides nothing."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aftermath import assert_all_is_accounted_for
from conftest import MakeTask, Mount, names_in, standing
from process import Watch, overrides, run, until
from troubles import (
    HeldToModes,
    assert_it_waits,
    assert_the_trouble_is_past,
    immutable,
    remount,
    wait_for_status,
)
from watching import bound, write_task

QUICK = overrides(settle__quiet_seconds=0.05)
Relieve = Callable[[], object]
Barred = tuple[str, Path, Relieve]


def without_inodes(disk: Path, mounted: Mount) -> Barred:
    """A disk without a free inode."""
    mounted("-t", "tmpfs", "-o", "size=16m,nr_inodes=40", "tmpfs", disk)
    write_root(disk)
    files = disk / "files"
    files.mkdir()
    for number in range(40):
        with contextlib.suppress(OSError):
            (files / str(number)).touch()
    return "ENOSPC", disk / "outputs" / ".emosieve", lambda: shutil.rmtree(files)


def without_bytes(disk: Path, mounted: Mount) -> Barred:
    """A disk without a free block, on which no directory can be made."""
    image = disk.with_name("image")
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    mounted("-o", "loop", image, disk)
    write_root(disk)
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 16, 1024, 1024):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
            with contextlib.suppress(OSError):
                os.fsync(file.fileno())  # what was only promised is given now, and something may be left
    return "ENOSPC", disk / "outputs" / ".emosieve", ballast.unlink


def read_only(disk: Path, mounted: Mount) -> Barred:
    """A disk that the kernel turned read-only."""
    mounted("-t", "tmpfs", "-o", "size=16m", "tmpfs", disk)
    write_root(disk)
    remount(disk, "ro")
    return "EROFS", disk / "outputs", lambda: remount(disk, "rw")


def write_root(disk: Path) -> None:
    """A root with one task, on which no emosieve ever worked."""
    (disk / "outputs").mkdir()
    write_task(disk / "outputs", "outputs_1")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Where a small disk is mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    return disk


@pytest.mark.parametrize("barred", [without_inodes, without_bytes, read_only])
class TestAtTheVeryFirstStart:
    """The disk is full or read-only before any emosieve was there."""

    def test_it_is_waited_out(
        self, disk: Path, mounted: Mount, barred: Callable[[Path, Mount], Barred]
    ) -> None:
        """The daemon says once what to do, shows that it is blocked, and files all when the cause is gone."""
        code, path, relieve = barred(disk, mounted)
        with Watch(disk / "outputs") as watch:
            assert_it_waits(watch, disk / "outputs", code, path)
            relieve()
            watch.wait_for("task.filed")
            assert_the_trouble_is_past(watch, disk / "outputs")
            assert 0 == watch.stop()
            assert 1 == watch.count_of("watch.blocked")
        assert_all_is_accounted_for(disk / "outputs", ["outputs_1"])

    def test_a_sweep_is_to_be_run_again(
        self, disk: Path, mounted: Mount, barred: Callable[[Path, Mount], Barred]
    ) -> None:
        """It ends with 1, says what to do, and the next one files all."""
        _, path, relieve = barred(disk, mounted)
        ended = run("sweep", disk / "outputs", *QUICK)
        told = ended.stderr.splitlines()[-1]
        relieve()

        assert 1 == ended.returncode
        assert f"emosieve: {path}: " in told
        assert "make room on that disk" in told or "mount that disk writable again" in told
        assert "owner" not in told
        assert 0 == run("sweep", disk / "outputs", *QUICK).returncode
        assert ["outputs_1"] == names_in(disk / "outputs" / "normal")


def test_a_root_that_goes_while_it_is_opened_is_waited_for(root: Path, make_task: MakeTask) -> None:
    """A root that is replaced again and again during the start ends no daemon."""
    make_task()
    with Watch(root) as watch:
        for _ in range(20):
            root.rename(root.with_name("away"))
            root.with_name("away").rename(root)
        watch.wait_for("task.filed")
        assert 0 == watch.stop()


class TestOneTask:
    """A task that cannot be moved is alone in the inbox when the daemon starts."""

    def test_that_may_not_be_moved_is_told_of_and_tried_again(self, root: Path, make_task: MakeTask) -> None:
        """The daemon starts, tells of it, files others, and files it as soon as it may."""
        make_task("outputs_1").chmod(0o555)
        with HeldToModes(root, watch__rescan_seconds=0.5) as watch:
            assert "1 of 1 standing tasks cannot be moved" in watch.wait_for("check.warning")["message"]
            watch.wait_for("watch.ready")
            watch.wait_for("task.failed", task="outputs_1")
            make_task("outputs_2")
            watch.wait_for("task.filed", task="outputs_2")
            (root / "outputs_1").chmod(0o755)
            watch.wait_for("task.filed", task="outputs_1")
            assert 0 == watch.stop()
        assert_all_is_accounted_for(root, ["outputs_1", "outputs_2"])

    def test_that_is_immutable_keeps_no_sweep_from_the_others(self, root: Path, make_task: MakeTask) -> None:
        """What cannot be moved stays, and is said to."""
        make_task("outputs_1")
        with immutable(root / "outputs_1"):
            assert 1 == run("sweep", root, *QUICK).returncode
            make_task("outputs_2")
            assert 1 == run("sweep", root, *QUICK).returncode
            assert ["outputs_2"] == names_in(root / "normal")
        assert 0 == run("sweep", root, *QUICK).returncode

    def test_that_may_not_be_read_is_told_of(self, root: Path, make_task: MakeTask) -> None:
        """The daemon starts beside a task that it may not enter."""
        make_task("outputs_1").chmod(0)
        with HeldToModes(root, watch__rescan_seconds=0.5) as watch:
            watch.wait_for("watch.ready")
            watch.wait_for("task.unreadable", task="outputs_1")
            (root / "outputs_1").chmod(0o755)
            watch.wait_for("task.filed", task="outputs_1")
            assert 0 == watch.stop()

    @pytest.mark.parametrize("sticky", [False, True])
    def test_that_is_a_dead_mount_is_told_of(
        self,
        root: Path,
        tmp_path: Path,
        make_task: MakeTask,
        sticky: bool,  # noqa: FBT001 - a parameter of the test
    ) -> None:
        """The daemon starts beside a folder whose server has ended, and files the others."""
        (tmp_path / "lower").mkdir()
        (root / "outputs_1").mkdir()
        if sticky:
            root.chmod(0o1777)
        with bound(tmp_path / "lower", root / "outputs_1") as server:
            server.kill()
            server.wait()
            until(lambda: not os.path.exists(root / "outputs_1"))  # the kernel remembers it for a second
            assert 0 == run("check", root).returncode
            with Watch(root, watch__rescan_seconds=0.5) as watch:
                watch.wait_for("watch.ready")
                make_task("outputs_2")
                watch.wait_for("task.filed", task="outputs_2")
                wait_for_status(watch, root, state="watching", pending=1)
                assert 0 == watch.stop()


@pytest.fixture
def rclone(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a root with one task by rclone, in one of its cache modes."""
    if shutil.which("rclone") is None:
        pytest.skip("rclone is not installed")
    point = tmp_path / "mount"
    servers = []

    def mount(mode: str) -> Path:
        write_root_of(tmp_path / "store")
        point.mkdir()
        cache = ("--cache-dir", str(tmp_path / "cache"), "--config", os.devnull)
        command = [
            "rclone",
            "mount",
            *cache,
            "--vfs-cache-mode",
            mode,
            f":local:{tmp_path}/store",
            str(point),
        ]
        servers.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        until(lambda: point.is_mount() or servers[0].poll() is not None)
        if servers[0].poll() is not None:
            pytest.skip("rclone cannot mount here")
        return point / "outputs"

    yield mount
    subprocess.run(["umount", "-l", point], check=False, capture_output=True)
    for server in servers:
        server.kill()
        server.wait()


def write_root_of(store: Path) -> None:
    """What lies behind a mount."""
    store.mkdir()
    write_root(store)


class TestRclone:
    """A root that lies behind an rclone mount."""

    def test_without_a_write_cache_it_is_refused_before_anything_moves(
        self, rclone: Callable[[str], Path]
    ) -> None:
        """Watch and sweep name the option that is needed, and so does check."""
        root = rclone("off")
        told = " ".join(run("check", root).stdout.split())
        for command in ("sweep", "watch"):
            ended = run(command, root, *QUICK)
            assert 2 == ended.returncode
            assert f"{root}: no file on this mount (fuse.rclone) can be appended to" in ended.stderr
            assert "mount it with --vfs-cache-mode writes" in ended.stderr

        assert ["outputs_1"] == standing(root)
        assert "→ mount it with --vfs-cache-mode writes" in told
        assert "no inode is free" not in told

    @pytest.mark.parametrize("mode", ["minimal", "writes"])
    def test_with_a_cache_all_commands_work(self, rclone: Callable[[str], Path], mode: str) -> None:
        """Tasks are filed, restored and reported, and once it works check no longer warns of the cache."""
        root = rclone(mode)
        assert 0 == run("sweep", root, *QUICK, "--wait", "10").returncode
        assert 0 == run("restore", root / "normal" / "outputs_1").returncode
        assert 0 == run("report", "rebuild", root).returncode
        write_task(root, "outputs_2")
        assert 0 == run("sweep", root, *QUICK, "--wait", "10").returncode

        assert (["outputs_2"], ["outputs_1"]) == (names_in(root / "normal"), names_in(root / "low_quality"))
        assert "[outputs_2]" in (root / "quality_report.txt").read_text("utf-8")
        assert "vfs-cache-mode" not in run("check", root).stdout
        assert [] == [name for name in names_in(root / ".emosieve") if name == "probe"]
