"""What check finds on other mounts: real ones, made for each test."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeTask, Mount
from emosieve.errors import SetupError
from emosieve.service.preflight import Line, examine, examine_all, heed
from emosieve.service.preflight.circumstances import room_lines
from emosieve.settings import Settings, load
from watching import bound


def line_of(root: Path, subject: str, **settings: Any) -> Line:
    """The one line about a subject that a start sees."""
    (line,) = (line for line in examine(str(root), Settings(**settings)) if line.subject == subject)
    return line


def space_of(root: Path) -> list[Line]:
    """What the whole check says of the room."""
    return [line for line in examine_all(str(root), load()) if line.subject == "space"]


def test_a_folder_on_another_file_system_is_a_warning(root: Path, mounted: Mount) -> None:
    """Copying instead of renaming is possible, and said."""
    (root / "normal").mkdir()
    mounted("-t", "tmpfs", "none", root / "normal")
    line = line_of(root, "filing.normal")

    assert "warning" == line.level
    assert f"{root}/normal lies on another file system" in str(line.message)


def test_a_bind_mount_of_the_same_file_system_is_a_warning(
    root: Path, tmp_path: Path, make_task: MakeTask, mounted: Mount
) -> None:
    """Two mounts of one disk have one device number, and still no rename crosses them: the mount is named."""
    task = make_task()
    (tmp_path / "shelf").mkdir()
    (root / "normal").mkdir()
    mounted("--bind", tmp_path / "shelf", root / "normal")
    line = line_of(root, "filing.normal")

    assert (root / "normal").stat().st_dev == root.stat().st_dev
    with pytest.raises(OSError, match=f"Errno {errno.EXDEV}"):
        task.rename(root / "normal" / "moved")
    assert "warning" == line.level
    assert f"another mount ({root}/normal) of the root's file system" in str(line.message)
    assert "ok" == line_of(root, "filing.low_quality").level


def test_a_folder_elsewhere_on_the_same_mount_is_ok(root: Path, tmp_path: Path) -> None:
    """An absolute destination that a rename reaches is as good as one under the root."""
    assert "ok" == line_of(root, "filing.normal", filing={"normal": f"{tmp_path}/kept"}).level


def test_a_read_only_root_is_an_error(root: Path, mounted: Mount) -> None:
    """A disk mounted read-only is told as such, once, instead of as a lack of permission."""
    mounted("-t", "tmpfs", "none", root)
    (root / "outputs_1").mkdir()
    mounted("-o", "remount,ro", root)
    lines = examine(str(root), Settings())

    assert ["permission"] == [line.subject for line in lines if line.level == "error"]
    assert f"{root} lies on a disk mounted read-only; mount it writable" in " ".join(
        f"{line.message}; {line.hint}" for line in lines
    )


def test_a_start_waits_for_a_disk_to_become_writable(root: Path, mounted: Mount) -> None:
    """A disk that is read-only is a passing failure; a sandbox's own wall is not."""
    mounted("-t", "tmpfs", "none", root)
    mounted("-o", "remount,ro", root)
    with pytest.raises(OSError, match="Read-only file system") as passing:
        heed(examine(str(root), Settings()))
    mounted("-o", "remount,rw", root)
    mounted("-o", "remount,bind,ro", root)
    with pytest.raises(SetupError, match="lies on a disk mounted read-only; mount it writable"):
        heed(examine(str(root), Settings()))

    assert (errno.EROFS, str(root)) == (passing.value.errno, passing.value.filename)


def test_a_read_only_destination_is_an_error(root: Path, mounted: Mount) -> None:
    """A destination alone may be read-only."""
    (root / "normal").mkdir()
    mounted("-t", "tmpfs", "-o", "ro", "none", root / "normal")

    assert "error" == line_of(root, "filing.normal").level


def fill(folder: Path, leave: int) -> None:
    """Write until so many bytes are left on a file system."""
    room = os.statvfs(folder)
    (folder / "filler").write_bytes(bytes(room.f_bavail * room.f_frsize - leave))


def test_a_full_disk_is_a_warning_that_says_so(root: Path, mounted: Mount) -> None:
    """Room is told in figures; little is a warning, and none another one: the daemon waits it out."""
    mounted("-t", "tmpfs", "-o", "size=4m", "none", root)
    (plenty,) = space_of(root)
    fill(root, 64 * 1024)
    (little,) = space_of(root)
    (root / "filler2").write_bytes(bytes(64 * 1024))
    (none,) = space_of(root)
    heed(examine(str(root), Settings()))

    assert ("ok", f"4.2 MB free of 4.2 MB on {root}") == (plenty.level, str(plenty.message))
    assert ("warning", "warning") == (little.level, none.level)
    assert f"nothing is free on {root}: nothing is filed until there is" == str(none.message)


def test_inodes_run_out_as_well(root: Path, mounted: Mount) -> None:
    """A disk with room but without inodes takes no file."""
    mounted("-t", "tmpfs", "-o", "size=4m,nr_inodes=5", "none", root)
    for number in range(4):
        (root / str(number)).touch()
    with pytest.raises(OSError, match="No space left"):
        (root / "more").touch()

    assert ["ok", "warning"] == [line.level for line in space_of(root)]
    assert "no inode is free" in str(space_of(root)[1].message)


def test_a_mount_that_counts_no_inodes_has_some(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A FUSE that says that none of a billion inodes is free does not count them; of a disk it is the truth."""
    (tmp_path / "lower").mkdir()
    with bound(tmp_path / "lower", root):
        room = os.statvfs(root)
        figures = (*room[:5], 10**9, 0, 0, *room[8:], 0)
        monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(figures))
        fuse = [str(line.message) for line in space_of(root)]
        disk = [str(line.message) for line in space_of(tmp_path)]

    assert [] == [line for line in fuse if "inode" in line]
    assert [f"no inode is free on {tmp_path}: nothing is filed until one is"] == [
        line for line in disk if "inode" in line
    ]


def test_each_file_system_is_told_of_once(root: Path, mounted: Mount) -> None:
    """Root and two destinations on one disk, the third on another: two lines."""
    for folder in ("normal", "low_quality", "quarantine"):
        (root / folder).mkdir()
    mounted("-t", "tmpfs", "-o", "size=4m", "none", root / "normal")

    assert [str(root), f"{root}/normal"] == [
        str(line.message).rpartition(" on ")[2] for line in space_of(root)
    ]


@pytest.mark.parametrize(
    ("blocks", "free", "available", "privileged", "level"),
    [
        (1_000_000, 60_000, 60_000, False, "ok"),
        (1_000_000, 49_999, 49_999, False, "warning"),
        (100_000_000, 250_000, 250_000, False, "ok"),
        (100_000_000, 244_140, 244_140, False, "warning"),
        (1_000_000, 60_000, 0, False, "warning"),
        (1_000_000, 60_000, 0, True, "ok"),
        (0, 0, 0, False, "ok"),
    ],
)
def test_the_borders_of_room(blocks: int, free: int, available: int, privileged: bool, level: str) -> None:  # noqa: FBT001 - a parameter of the test
    """Below 5 % or 1 GB, whichever is smaller; root's reserve is root's alone; zeros mean that nothing is known."""
    room = os.statvfs_result((4096, 4096, blocks, free, available, 0, 0, 0, 0, 255))

    assert [level] == [line.level for line in room_lines("/", room, privileged=privileged)]


@pytest.mark.parametrize(
    ("free", "levels"), [(10_000, ["ok"]), (9_999, ["ok", "warning"]), (0, ["ok", "warning"])]
)
def test_the_borders_of_inodes(free: int, levels: list[str]) -> None:
    """Below 5 % or 10,000, whichever is smaller."""
    room = os.statvfs_result((4096, 4096, 10**9, 10**9, 10**9, 10**7, free, free, 0, 255))

    assert levels == [line.level for line in room_lines("/", room, privileged=False)]
