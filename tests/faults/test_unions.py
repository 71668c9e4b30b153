"""Roots on file systems that are made of several: an overlay, and what FUSE makes of disks and layers."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from aftermath import FOLDERS, assert_all_is_accounted_for
from conftest import Mount, names_in, result_bytes
from emosieve.service.preflight import Line, examine
from emosieve.settings import Settings
from process import until
from scenes import Scene, Stage, assert_no_death_matters, stage_in
from steps import command

NAME = "outputs_20240104_223000"
SETTINGS = {"settle__quiet_seconds": 0.001}
pytestmark = pytest.mark.timeout(600)


def write_task(folder: Path, name: str = NAME) -> None:
    """A whole task with a file beside its result."""
    (folder / name).mkdir(parents=True)
    (folder / name / "result.json").write_bytes(result_bytes())
    (folder / name / "embedding.npy").write_bytes(b"npy")


def moves(root: Path) -> list[Line]:
    """What the check says of moves."""
    return [line for line in examine(str(root), Settings()) if line.subject == "moves"]


def sweep_twice(root: Path) -> None:
    """File all, and see that a second sweep finds nothing to do."""
    for _ in range(2):
        ended = command(["sweep", str(root), "--set", "settle.quiet_seconds=0.001"])
        assert 0 == ended.status, ended.output
    assert_all_is_accounted_for(root, [NAME], SETTINGS, FOLDERS)


class Overlay:
    """An overlay whose lower layer has tasks, mounted anew at will."""

    def __init__(self, place: Path, mounted: Mount) -> None:
        self.place = place
        self.point = place / "merged"
        self.point.mkdir(parents=True)
        self._mounted = mounted
        self._is_mounted = False

    def mount(self, *options: str) -> Path:
        """Mount it with one task in the lower layer, and return the root."""
        if self._is_mounted:
            subprocess.run(["umount", self.point], check=True)
        for layer in ("lower", "upper", "work"):
            shutil.rmtree(self.place / layer, ignore_errors=True)
            (self.place / layer).mkdir()
        write_task(self.place / "lower" / "outputs")
        layers = [
            f"lowerdir={self.place}/lower,upperdir={self.place}/upper,workdir={self.place}/work",
            *options,
        ]
        if self._is_mounted:
            kind = ["mount", "-t", "overlay", "overlay", "-o", ",".join(layers), str(self.point)]
            subprocess.run(kind, check=True)
        else:
            self._mounted("-t", "overlay", "overlay", "-o", ",".join(layers), self.point)
        self._is_mounted = True
        return self.point / "outputs"


@pytest.fixture
def overlay(tmp_path: Path, mounted: Mount) -> Overlay:
    """An overlay that is not mounted yet; its layers lie in memory, where an overlay may be built on."""
    (tmp_path / "layers").mkdir()
    mounted("-t", "tmpfs", "-o", "size=32m", "tmpfs", tmp_path / "layers")
    return Overlay(tmp_path / "layers", mounted)


def test_a_task_in_a_lower_layer_is_copied_once(overlay: Overlay) -> None:
    """No rename takes its directory away: it is copied, its original goes in place, and one decision is logged."""
    root = overlay.mount()
    (root / "normal").mkdir()
    with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
        (root / NAME).rename(root / "normal" / NAME)
    (root / "normal").rmdir()
    sweep_twice(root)
    assert [NAME] == names_in(root / "normal")


def test_killed_at_each_step_of_a_copy_within_an_overlay_nothing_is_lost_or_doubled(overlay: Overlay) -> None:
    """However a sweep dies that has a task of a lower layer to copy, the next one finishes it."""

    def prepare(_: Stage) -> None:
        overlay.mount()

    overlay.mount()
    stage = stage_in(overlay.point / "outputs")
    assert_no_death_matters(stage, Scene(prepare, ["sweep"], {"normal": [NAME]}))


def test_the_check_tells_which_tasks_stand_in_a_lower_layer(overlay: Overlay) -> None:
    """A warning for those that no rename takes; none for tasks that came since, nor where the mount redirects."""
    root = overlay.mount()
    write_task(root, "outputs_2")
    (told,) = moves(root)
    assert "warning" == told.level
    assert f"1 standing tasks lie in a lower layer of the overlay at {overlay.point}" in str(told.message)
    assert f"({NAME})" in str(told.message)
    assert [] == moves(overlay.mount("redirect_dir=on"))


def test_with_redirected_directories_a_task_is_renamed(overlay: Overlay) -> None:
    """Where the mount has ``redirect_dir=on`` the same task is moved by a rename."""
    root = overlay.mount("redirect_dir=on")
    inode = (root / NAME).stat().st_ino
    sweep_twice(root)
    assert inode == (root / "normal" / NAME).stat().st_ino


def test_layers_that_cannot_be_seen_are_told_of_where_tasks_stand(
    overlay: Overlay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container: nobody can say which tasks stand in a lower layer; without tasks there is nothing to say."""
    root = overlay.mount()
    is_directory = os.path.isdir
    lower = str(overlay.place / "lower")
    monkeypatch.setattr(os.path, "isdir", lambda path: not str(path).startswith(lower) and is_directory(path))
    (told,) = moves(root)
    assert "its layers cannot be seen from here" in str(told.message)
    shutil.rmtree(root / NAME)
    assert [] == moves(root)


@pytest.fixture
def fuse() -> Iterator[list[Path]]:
    """Mount points of FUSE file systems, unmounted at the end."""
    points: list[Path] = []
    yield points
    for point in points:
        subprocess.run(["umount", "-l", point], check=False)


def start(fuse: list[Path], point: Path, *words: str | Path) -> None:
    """Start a FUSE file system."""
    if os.geteuid() != 0 or shutil.which(str(words[0])) is None or not os.path.exists("/dev/fuse"):
        pytest.skip(f"{words[0]} cannot be mounted here")
    point.mkdir()
    before = point.stat().st_dev
    subprocess.run([*words, point], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    fuse.append(point)
    until(lambda: point.stat().st_dev != before)


def test_a_task_in_a_lower_layer_of_fuse_overlayfs_is_copied_once(tmp_path: Path, fuse: list[Path]) -> None:
    """It refuses the rename as the kernel's overlay does; the check says that it may."""
    for layer in ("upper", "work"):
        (tmp_path / layer).mkdir()
    write_task(tmp_path / "lower" / "outputs")
    layers = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    start(fuse, tmp_path / "merged", "fuse-overlayfs", "-o", layers)
    root = tmp_path / "merged" / "outputs"
    (told,) = moves(root)
    assert "fuse.fuse-overlayfs, and its layers cannot be seen from here" in str(told.message)
    sweep_twice(root)
    assert [NAME] == names_in(root / "normal")


@pytest.mark.parametrize("lies", ["on another disk", "on both disks"])
def test_a_task_that_mergerfs_renames_in_part_or_not_at_all_is_copied_once(
    tmp_path: Path, fuse: list[Path], lies: str
) -> None:
    """A task on another disk than its folder, or with its files on two, ends whole in one place."""
    first, second = tmp_path / "first", tmp_path / "second"
    for disk in (first, second):
        (disk / "outputs").mkdir(parents=True)
    for folder in FOLDERS:
        (first / "outputs" / folder).mkdir()
    write_task(second / "outputs")
    if lies == "on both disks":
        (first / "outputs" / NAME).mkdir()
        (second / "outputs" / NAME / "embedding.npy").rename(first / "outputs" / NAME / "embedding.npy")
    start(fuse, tmp_path / "merged", "mergerfs", "-o", "category.create=epmfs", f"{first}:{second}")
    root = tmp_path / "merged" / "outputs"
    (told,) = moves(root)
    assert "fuse.mergerfs, made of several disks" in str(told.message)
    sweep_twice(root)
    assert ["embedding.npy", "result.json"] == sorted(names_in(root / "normal" / NAME))
    assert not any((disk / "outputs" / NAME).exists() for disk in (first, second))
