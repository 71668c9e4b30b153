import errno
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeTask, Mount, names_in, result_bytes
from emosieve import copies, copying
from emosieve.commands.simulated_webui import npy_bytes
from emosieve.errors import CopyStopped, SetupError
from emosieve.filing import Folders, Mover, folder_problem

NAME = "outputs_20240104_223000"
FILES = {"processed_audio.wav": b"RIFF", "embedding.npy": npy_bytes()}


@pytest.fixture
def folders(root: Path) -> Folders:
    """The three folders, made, under the root."""
    made = Folders(str(root), {"normal": "normal", "low_quality": "low_quality", "quarantined": "quarantine"})
    made.make()
    return made


def _mount(kind: list[str], point: Path) -> None:
    point.mkdir()
    subprocess.run(["mount", *kind, str(point)], check=True)


def _unmount(point: Path) -> None:
    subprocess.run(["umount", "--lazy", str(point)], check=True)


@pytest.fixture(params=["another file system", "another mount"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A directory to which no rename leads: a tmpfs, or a bind mount of the root's own file system."""
    if request.param == "another file system":
        path = Path(tempfile.mkdtemp(prefix="emosieve-test-", dir="/dev/shm"))
        if path.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("the temporary directory lies in /dev/shm itself")
        yield path
        shutil.rmtree(path)
        return
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    behind, point = tmp_path / "behind", tmp_path / "elsewhere"
    behind.mkdir()
    _mount(["--bind", str(behind)], point)
    try:
        yield point
    finally:
        _unmount(point)


@pytest.fixture
def apart(root: Path, elsewhere: Path) -> Folders:
    """The normal folder elsewhere, the others under the root."""
    by_verdict = {"normal": f"{elsewhere}/normal", "low_quality": "low_quality", "quarantined": "quarantine"}
    made = Folders(str(root), by_verdict)
    made.make()
    return made


def _content(folder: Path) -> dict[str, bytes | str]:
    """All that stands in a directory: content of files, target of symlinks, an empty text for directories."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else ""
    return found


def _directory(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _open_below(*roots: Path) -> list[str]:
    targets = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            targets.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return [target for target in targets if target.startswith(tuple(map(str, roots)))]


def _leftovers(*roots: Path) -> list[str]:
    """Whatever of emosieve's own a move has left behind."""
    return [
        str(path)
        for root in roots
        for path in root.rglob("*")
        if path.name.startswith((".emosieve-", "copies.json"))
    ]


# Locations.


@pytest.mark.parametrize(
    ("location", "path", "verdict"),
    [
        ("", "/r", None),
        (NAME, f"/r/{NAME}", None),
        (f"normal/{NAME}", f"/r/normal/{NAME}", "normal"),
        (f"/far/low/{NAME}", f"/far/low/{NAME}", "low_quality"),
        (f"other/{NAME}", f"/r/other/{NAME}", None),
    ],
)
def test_a_location_is_a_path_under_the_root_or_absolute(
    location: str, path: str, verdict: str | None
) -> None:
    """Its path and its verdict follow from the folder that it names."""
    folders = Folders("/r", {"normal": "normal", "low_quality": "/far/low"})
    assert path == folders.path(location)
    assert verdict == folders.verdict_at(location)


def test_the_location_of_a_path_is_written_as_the_log_writes_it(root: Path, tmp_path: Path) -> None:
    """Relative under the root, absolute elsewhere; parents are followed, the last component is not."""
    folders = Folders(str(root), {})
    (tmp_path / "link").symlink_to(root)
    (root / "normal").mkdir()
    (root / "normal" / NAME).symlink_to(tmp_path)
    assert folders.location_of(f"{root}/{NAME}") == NAME
    assert folders.location_of(f"{root}/normal/../{NAME}/") == NAME
    assert folders.location_of(f"{tmp_path}/link/normal/{NAME}") == f"normal/{NAME}"
    assert folders.location_of(f"{tmp_path}/far/{NAME}") == f"{tmp_path}/far/{NAME}"


# Folders.


def test_missing_folders_are_made_and_standing_ones_stay(root: Path, tmp_path: Path) -> None:
    """Folders are made under the root and elsewhere, and what stands in one that exists is kept."""
    (root / "normal").mkdir()
    (root / "normal" / "outputs_old").mkdir()
    Folders(str(root), {"normal": "normal", "low_quality": f"{tmp_path}/low"}).make()
    assert names_in(root / "normal") == ["outputs_old"]
    assert (tmp_path / "low").is_dir()


def test_a_symlinked_folder_is_refused_and_its_target_named(root: Path, tmp_path: Path) -> None:
    """A symlink in a folder's place is a set-up error that says where it leads and what to write instead."""
    target = tmp_path / "target"
    target.mkdir()
    (root / "normal").symlink_to(target)
    expected = f"{root}/normal: is a symlink to {target}; write {target} in [filing], or make it a directory"
    with pytest.raises(SetupError) as caught:
        Folders(str(root), {"normal": "normal"}).make()
    assert str(caught.value) == expected


def test_a_file_in_a_folders_place_is_refused(root: Path) -> None:
    """What is no directory is a set-up error that says so, and stays as it is."""
    (root / "normal").write_bytes(b"mine")
    with pytest.raises(SetupError, match=r"normal: is not a directory; move it away, or choose another name"):
        Folders(str(root), {"normal": "normal"}).make()
    assert (root / "normal").read_bytes() == b"mine"


def test_an_absolute_folder_inside_the_root_is_refused(root: Path) -> None:
    """Two ways to write one folder would be two locations in the log: the short one is asked for."""
    expected = f"{root}/deep/n: lies inside the root; write a single name such as 'n' in [filing]"
    with pytest.raises(SetupError) as caught:
        Folders(str(root), {"normal": f"{root}/deep/n"}).make()
    assert str(caught.value) == expected
    assert names_in(root) == []


def test_a_folder_that_cannot_be_made_is_a_set_up_error(root: Path, tmp_path: Path) -> None:
    """A missing parent is not made: it may be a disk that is not mounted."""
    folder = f"{tmp_path}/missing/normal"
    with pytest.raises(SetupError) as caught:
        Folders(str(root), {"normal": folder}).make()
    expected = f"{folder}: cannot be made: No such file or directory; make it, or allow it"
    assert str(caught.value) == expected


def test_a_folder_that_finds_no_room_is_no_fault_of_the_settings(tmp_path: Path, mounted: Mount) -> None:
    """On a disk without inodes the folders are made later; a folder that may not be made is another matter."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted("-t", "tmpfs", "-o", "size=1m,nr_inodes=2", "tmpfs", disk)
    (disk / "outputs").mkdir()
    folders = Folders(str(disk / "outputs"), {"normal": "normal"})
    with pytest.raises(OSError, match="No space left on device"):
        folders.make()
    missing = Folders(str(disk / "outputs"), {"normal": f"{tmp_path}/missing/normal"})
    with pytest.raises(SetupError, match="cannot be made: No such file or directory; make it"):
        missing.make()


def test_no_folder_is_made_where_another_will_not_do(root: Path, tmp_path: Path) -> None:
    """All of them are looked at before the first is made."""
    (root / "quarantine").symlink_to(tmp_path)
    with pytest.raises(SetupError, match="is a symlink"):
        Folders(str(root), {"normal": "normal", "quarantined": "quarantine"}).make()
    assert ["quarantine"] == names_in(root)


def test_a_folder_that_stands_or_can_be_made_is_no_problem(root: Path) -> None:
    """Nothing is said of a directory, nor of a path where nothing stands."""
    assert folder_problem(str(root)) is None
    assert folder_problem(str(root / "missing")) is None


def test_a_folder_that_became_a_symlink_is_not_entered(folders: Folders, root: Path, tmp_path: Path) -> None:
    """A symlink that takes a folder's place after it was made leads no task out of the root."""
    (root / NAME).mkdir()
    (root / "normal").rmdir()
    (root / "normal").symlink_to(tmp_path)
    with Mover(folders) as mover, pytest.raises(NotADirectoryError):
        mover.move(NAME, f"normal/{NAME}", None)
    assert not (tmp_path / NAME).exists()
    assert (root / NAME).is_dir()


def test_cleaning_takes_what_a_killed_run_left_and_nothing_else(apart: Folders, root: Path) -> None:
    """Half copies go in every folder; tasks, filed or not, stay."""
    normal = Path(apart.by_verdict["normal"])
    for left in (root / apart.staging, normal / apart.staging):
        (left / NAME).mkdir(parents=True)
        (left / NAME / "result.json").write_bytes(b"{}")
    for kept in (root / NAME, normal / NAME, root / "low_quality" / NAME):
        kept.mkdir()
    apart.clean()
    assert _leftovers(root, normal) == []
    assert names_in(normal) == [NAME]
    assert names_in(root) == [".emosieve", "low_quality", NAME, "quarantine"]


def test_cleaning_follows_no_symlink(folders: Folders, root: Path, tmp_path: Path) -> None:
    """A symlink in the place of our own hidden directories costs nobody a file."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_bytes(b"")
    (root / "normal" / folders.staging).symlink_to(tmp_path / "precious")
    folders.clean()
    assert names_in(tmp_path / "precious") == ["file"]


# Names.


def test_a_taken_name_gets_a_suffix(folders: Folders, root: Path) -> None:
    """.2, then .3: the first that is free, whatever it is that stands there, and in this batch."""
    (root / "normal" / NAME).mkdir()
    (root / "normal" / f"{NAME}.2").symlink_to(root / "nowhere")
    taken: set[str] = set()
    with Mover(folders) as mover:
        chosen = [mover.choose("normal", NAME, taken) for _ in range(2)]
        assert chosen == [f"normal/{NAME}.3", f"normal/{NAME}.4"]
        assert mover.choose("low_quality", NAME, taken) == f"low_quality/{NAME}"
        assert mover.choose("", NAME, taken) == NAME
    assert taken == {f"normal/{NAME}.3", f"normal/{NAME}.4", f"low_quality/{NAME}", NAME}


def test_in_a_folder_that_is_missing_every_name_is_free(root: Path) -> None:
    """A dry run makes no folder, and still knows where a task would go."""
    with Mover(Folders(str(root), {"normal": "normal"})) as mover:
        assert mover.stat(f"normal/{NAME}") is None
        assert mover.choose("normal", NAME, set()) == f"normal/{NAME}"


def test_a_stat_follows_no_symlink(folders: Folders, root: Path, tmp_path: Path) -> None:
    """What stands at a location is told as itself."""
    (root / NAME).symlink_to(tmp_path)
    with Mover(folders) as mover:
        status = mover.stat(NAME)
    assert status is not None
    assert stat.S_ISLNK(status.st_mode)


# One file system.


def test_a_move_is_one_rename(folders: Folders, root: Path, make_task: MakeTask) -> None:
    """The directory itself, same inode, stands at its destination, and nowhere else."""
    task = make_task(files=FILES)
    before, content = _directory(task), _content(task)
    with Mover(folders) as mover:
        mover.move(NAME, f"normal/{NAME}", before)
        mover.sync()
        assert not mover.has_copied
    filed = root / "normal" / NAME
    assert before == _directory(filed)
    assert content == _content(filed)
    assert not task.exists()


def _empty_directory(path: Path) -> None:
    path.mkdir()


def _full_directory(path: Path) -> None:
    path.mkdir()
    (path / "result.json").write_bytes(b"theirs")


def _same_task(path: Path) -> None:
    shutil.copytree(path.parent.parent / NAME, path)


def _file(path: Path) -> None:
    path.write_bytes(b"theirs")


def _symlink(path: Path) -> None:
    path.symlink_to(path.parent)


STANDING = [_empty_directory, _full_directory, _same_task, _file, _symlink]


@pytest.mark.parametrize("stand", STANDING)
def test_what_stands_at_the_destination_is_never_replaced_nor_nested_into(
    folders: Folders, root: Path, make_task: MakeTask, stand: Callable[[Path], None]
) -> None:
    """An empty directory, a full one, an equal one, a file or a symlink: all stays, on both sides."""
    task = make_task(files=FILES)
    destination = root / "normal" / NAME
    stand(destination)
    before = _directory(destination), _content(destination), _content(task)
    with Mover(folders) as mover, pytest.raises(FileExistsError):
        mover.move(NAME, f"normal/{NAME}", None)
    assert before == (_directory(destination), _content(destination), _content(task))


def test_a_directory_that_replaced_the_judged_one_is_not_moved(
    folders: Folders, root: Path, make_task: MakeTask
) -> None:
    """Another inode under the same name is another task, and stays."""
    task = make_task()
    judged = _directory(task)
    task.rename(root / "gone")
    make_task(result=b"{}")
    with Mover(folders) as mover, pytest.raises(FileNotFoundError):
        mover.move(NAME, f"normal/{NAME}", judged)
    assert (task / "result.json").read_bytes() == b"{}"
    assert names_in(root / "normal") == []


def test_a_task_that_is_gone_cannot_be_moved(folders: Folders) -> None:
    """A missing source is told as such."""
    with Mover(folders) as mover, pytest.raises(FileNotFoundError):
        mover.move(NAME, f"normal/{NAME}", None)


def test_a_rename_that_fails_leaves_all_as_it_was(folders: Folders, root: Path) -> None:
    """A cause that a copy would not cure goes up, and nothing is copied."""
    with Mover(folders) as mover, pytest.raises(OSError, match="Invalid argument"):
        mover.move("low_quality", "low_quality/inside", None)
    assert names_in(root / "low_quality") == []


def test_no_folder_stays_open_after_the_batch(
    apart: Folders, root: Path, elsewhere: Path, make_task: MakeTask
) -> None:
    """Every descriptor is closed at the end, whatever happened in between."""
    make_task()
    with suppress(FileNotFoundError), Mover(apart) as mover:
        mover.move(NAME, f"{elsewhere}/normal/{NAME}", None)
        mover.sync()
        assert _open_below(root, elsewhere) != []
        mover.move("outputs_missing", "low_quality/outputs_missing", None)
    assert _open_below(root, elsewhere) == []


# Across file systems.


def _rich_task(root: Path, make_task: MakeTask) -> Path:
    task = make_task(files=FILES)
    (task / "more" / "deep").mkdir(parents=True)
    (task / "more" / "deep" / "file.txt").write_bytes(b"deep")
    (task / "link").symlink_to("/nowhere")
    (task / "result.json").chmod(0o640)
    os.utime(task / "result.json", ns=(10**18, 10**18))
    assert root == task.parent
    return task


def test_across_file_systems_a_task_arrives_whole_and_its_source_goes(
    apart: Folders, root: Path, elsewhere: Path, make_task: MakeTask
) -> None:
    """Content, modes, times and symlinks arrive; source, staging copy and record are gone."""
    task = _rich_task(root, make_task)
    content = _content(task)
    with Mover(apart) as mover:
        mover.move(NAME, f"{elsewhere}/normal/{NAME}", _directory(task))
        mover.sync()
        assert mover.has_copied
    filed = elsewhere / "normal" / NAME
    assert content == _content(filed)
    assert (filed / "result.json").stat().st_mtime_ns == 10**18
    assert stat.S_IMODE((filed / "result.json").stat().st_mode) == 0o640
    assert not task.exists()
    assert _leftovers(root, elsewhere) == []


def test_a_copy_asks_after_each_file_whether_to_stop(
    apart: Folders, elsewhere: Path, make_task: MakeTask
) -> None:
    """Once when it is copied and once when it is on the disk: so often the watchdog is answered, too."""
    make_task(NAME, files={f"{number}.npy": b"" for number in range(20)})
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return False

    with Mover(apart, should_stop) as mover:
        mover.move(NAME, f"{elsewhere}/normal/{NAME}", None)
    assert asked >= 2 * 21


@pytest.mark.parametrize("files", [1, 21, 22, 42])
def test_a_stop_between_two_files_leaves_no_part_of_a_copy(
    apart: Folders, root: Path, elsewhere: Path, make_task: MakeTask, files: int
) -> None:
    """Whether they were being copied or forced to the disk; the task stands where it stood."""
    task = make_task(NAME, files={f"{number}.npy": b"" for number in range(20)})
    content, asked = _content(task), iter(range(1000))
    with Mover(apart, lambda: next(asked) >= files - 1) as mover, pytest.raises(CopyStopped):
        mover.move(NAME, f"{elsewhere}/normal/{NAME}", None)
    assert content == _content(task)
    assert names_in(elsewhere / "normal") == []
    assert _leftovers(root, elsewhere) == []


@pytest.mark.parametrize("destination", [NAME, f"low_quality/{NAME}"])
def test_a_task_comes_back_from_another_file_system(
    apart: Folders, root: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, destination: str
) -> None:
    """A restored task is staged beside its destination, arrives whole, and is gone where it was."""
    staged: list[Path] = []
    _after_copying(
        monkeypatch, lambda: staged.extend(path for path in (root / destination).parent.glob(".emosieve-*/*"))
    )
    source = elsewhere / "normal" / NAME
    source.mkdir()
    (source / "result.json").write_bytes(result_bytes())
    content = _content(source)
    with Mover(apart) as mover:
        mover.move(f"{elsewhere}/normal/{NAME}", destination, None)
    assert staged == [(root / destination).parent / apart.staging / NAME]
    assert content == _content(root / destination)
    assert names_in(elsewhere / "normal") == []
    assert _leftovers(root, elsewhere) == []


def test_many_moves_across_file_systems_hold_no_more_open_than_a_few(
    apart: Folders, root: Path, elsewhere: Path, make_task: MakeTask
) -> None:
    """A batch of any length keeps only its folders open."""
    names = [f"outputs_{number}" for number in range(20)]
    for name in names:
        make_task(name)
    with Mover(apart) as mover:
        for name in names:
            mover.move(name, f"{elsewhere}/normal/{name}", None)
        assert sorted(_open_below(root, elsewhere)) == sorted([str(root), f"{elsewhere}/normal"])
    assert names_in(elsewhere / "normal") == sorted(names)


@pytest.mark.parametrize("stand", [_empty_directory, _full_directory, _file, _symlink])
def test_across_file_systems_too_nothing_is_replaced(
    apart: Folders, elsewhere: Path, make_task: MakeTask, stand: Callable[[Path], None]
) -> None:
    """What stands at the destination, and is not this task's own copy, stays, and so does the task."""
    task = make_task(files=FILES)
    destination = elsewhere / "normal" / NAME
    stand(destination)
    before = _directory(destination), _content(destination), _content(task)
    with Mover(apart) as mover, pytest.raises(FileExistsError):
        mover.move(NAME, f"{elsewhere}/normal/{NAME}", None)
    assert before == (_directory(destination), _content(destination), _content(task))


def test_what_takes_the_destination_during_the_copy_is_not_replaced(
    apart: Folders, root: Path, elsewhere: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty directory that appears under the name while a copy is made stays, and the task stays whole."""
    task = make_task(files=FILES)
    content = _content(task)
    destination = elsewhere / "normal" / NAME
    _after_copying(monkeypatch, destination.mkdir)
    with Mover(apart) as mover, pytest.raises(FileExistsError):
        mover.move(NAME, f"{elsewhere}/normal/{NAME}", None)
    assert names_in(destination) == []
    assert content == _content(task)
    assert _leftovers(root, elsewhere) == []


def _after_copying(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Act when all is copied, and the copy has not got its name yet."""
    fill = copying.Copier.fill

    def fill_and_act(copier: copying.Copier, *args: Any) -> None:
        fill(copier, *args)
        if len(args) == 4:  # not of a part of the task
            act()

    monkeypatch.setattr(copying.Copier, "fill", fill_and_act)


def _after_landing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Act when the copy has got its name, and nothing of the original is removed yet."""
    land = copies.Copies._land

    def land_and_act(self: copies.Copies, *args: Any) -> None:
        land(self, *args)
        act()

    monkeypatch.setattr(copies.Copies, "_land", land_and_act)


def test_a_source_that_changed_while_it_was_copied_is_not_lost(
    apart: Folders, root: Path, elsewhere: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late bytes in the source call the move off: the source stands with them, and no copy is left."""
    task = make_task(files=FILES)

    _after_copying(monkeypatch, lambda: (task / "late.npy").write_bytes(b"late"))
    with Mover(apart) as mover, pytest.raises(OSError, match="changed while it was copied") as caught:
        mover.move(NAME, f"{elsewhere}/normal/{NAME}", None)
    assert caught.value.errno == errno.EBUSY
    assert (task / "late.npy").read_bytes() == b"late"
    assert names_in(elsewhere / "normal") == []
    assert _leftovers(root, elsewhere) == []


@pytest.mark.parametrize("late", ["late.npy", "more/late.npy"])
def test_a_file_that_comes_after_the_copy_got_its_name_stays(
    apart: Folders,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
    late: str,
) -> None:
    """Bytes that come when the copy has its name stay where they are, with their directories and nothing else."""
    task = _rich_task(Path(apart.root), make_task)
    content = _content(task)
    _after_landing(monkeypatch, lambda: (task / late).write_bytes(b"late"))
    with Mover(apart) as mover:
        mover.move(NAME, f"{apart.by_verdict['normal']}/{NAME}", None)
    assert content == _content(Path(apart.by_verdict["normal"], NAME))
    assert {late: b"late"} == {name: data for name, data in _content(task).items() if data}
    assert _leftovers(Path(apart.root), Path(apart.by_verdict["normal"])) == []


@pytest.mark.parametrize("changed", ["result.json", "embedding.npy", "more/deep/file.txt", "link"])
def test_a_file_that_changes_after_the_copy_got_its_name_stays(
    apart: Folders,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
    changed: str,
) -> None:
    """What was written over since it was copied is not removed, whatever its size and its set times; the rest is."""
    task = _rich_task(Path(apart.root), make_task)
    content = _content(task)
    before = (task / changed).lstat()

    def change() -> None:
        if changed == "link":
            (task / changed).unlink()
            (task / changed).symlink_to("/another")
            return
        (task / changed).write_bytes(bytes(before.st_size))
        os.utime(task / changed, ns=(before.st_atime_ns, before.st_mtime_ns))

    _after_landing(monkeypatch, change)
    with Mover(apart) as mover:
        mover.move(NAME, f"{apart.by_verdict['normal']}/{NAME}", None)
    assert content == _content(Path(apart.by_verdict["normal"], NAME))
    assert [changed] == [name for name, data in _content(task).items() if data]
    assert _leftovers(Path(apart.root), Path(apart.by_verdict["normal"])) == []


@pytest.mark.parametrize("touch", ["chmod", "hard link"])
def test_a_file_of_which_only_the_times_changed_goes(
    apart: Folders,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
    touch: str,
) -> None:
    """A file with the very bytes of its copy is removed though a chmod or another link gave it another ctime."""
    task = _rich_task(Path(apart.root), make_task)
    if touch == "hard link":
        (task / "twin.npy").hardlink_to(task / "embedding.npy")
    else:
        _after_landing(monkeypatch, lambda: (task / "embedding.npy").chmod(0o600))
    with Mover(apart) as mover:
        mover.move(NAME, f"{apart.by_verdict['normal']}/{NAME}", None)
    assert not task.exists()


def test_a_directory_that_takes_the_originals_place_stays(
    apart: Folders, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task of the same name and bytes that comes while the copy gets its name is not removed in its stead."""
    task = make_task(files=FILES)
    content = _content(task)

    def replace() -> None:
        task.rename(task.with_name("kept"))
        shutil.copytree(task.with_name("kept"), task)

    _after_landing(monkeypatch, replace)
    with Mover(apart) as mover:
        mover.move(NAME, f"{apart.by_verdict['normal']}/{NAME}", None)
    assert content == _content(task)


@pytest.mark.parametrize("stand", [_same_task, _empty_directory])
def test_an_equal_task_at_the_destination_is_another(
    apart: Folders, make_task: MakeTask, stand: Callable[[Path], None]
) -> None:
    """Without a record of our own no bytes make a copy ours: another root may have filed the same there."""
    task = make_task(files=FILES)
    content = _content(task)
    copy = Path(apart.by_verdict["normal"], NAME)
    if stand is _same_task:
        shutil.copytree(task, copy)
    else:
        stand(copy)
    before = _directory(copy), _content(copy)
    with Mover(apart) as mover, pytest.raises(FileExistsError):
        mover.move(NAME, f"{apart.by_verdict['normal']}/{NAME}", None)
    assert before == (_directory(copy), _content(copy))
    assert content == _content(task)


def _socket(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as one:
        one.bind(f"{folder}/s")
        os.rename(f"{folder}/s", path)


def _device(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))


@pytest.mark.parametrize("plant", [os.mkfifo, _socket, _device])
def test_what_would_never_end_is_not_copied(
    apart: Folders, root: Path, elsewhere: Path, make_task: MakeTask, plant: Callable[[Path], None]
) -> None:
    """A FIFO, socket or device in a task is opened by no copy: the task stays, and the error names it."""
    task = make_task()
    plant(task / "odd.wav")
    with Mover(apart) as mover, pytest.raises(OSError, match="FIFO, socket or device") as caught:
        mover.move(NAME, f"{elsewhere}/normal/{NAME}", None)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOTSUP, f"{task}/odd.wav")
    assert task.is_dir()
    assert _leftovers(root, elsewhere) == []


# Killed in the middle.


def _recover(folders: Folders) -> None:
    """What the next run does first."""
    with Mover(folders) as mover:
        mover.finish_copies()
    folders.clean()


def _is_killed(number: int, act: Callable[[], None]) -> bool:
    """Do something in a process that is killed before its ``number``-th call on the file system."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks in a process with threads
        child = os.fork()
    if child == 0:
        left = number

        def count(event: str, _: object) -> None:
            nonlocal left
            if event.startswith(("os.", "open", "shutil.")):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            act()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_a_move_killed_anywhere_is_finished_by_the_next_run(
    apart: Folders, root: Path, elsewhere: Path, make_task: MakeTask
) -> None:
    """At every instant one whole task stands in a place, with its result; the next run ends with one, and no trace."""
    filed = elsewhere / "normal" / NAME
    destination = f"{elsewhere}/normal/{NAME}"

    def move() -> None:
        with Mover(apart) as mover:
            mover.move(NAME, destination, None)

    kills = 0
    while True:
        task = make_task(files=FILES)
        (task / "more").mkdir()
        content = _content(task)
        killed = _is_killed(kills + 1, move)
        assert not filed.exists() or content == _content(filed), kills
        assert filed.exists() or content == _content(task), kills
        assert not task.exists() or names_in(task) == [] or "result.json" in names_in(task), kills
        _recover(apart)
        if task.exists():
            move()
        assert content == _content(filed), kills
        assert names_in(elsewhere / "normal") == [NAME], kills
        assert not task.exists(), kills
        assert _leftovers(root, elsewhere) == [], kills
        if not killed:
            break
        kills += 1
        shutil.rmtree(filed)
    assert kills > 20


# Late files.


def _late(root: Path, files: dict[str, bytes]) -> Path:
    late = root / NAME
    late.mkdir()
    for name, content in files.items():
        (late / name).write_bytes(content)
    return late


def _filed(folder: Path) -> Path:
    filed = folder / "normal" / NAME
    filed.mkdir(parents=True)
    (filed / "result.json").write_bytes(result_bytes())
    return filed


def test_late_files_join_their_filed_task(folders: Folders, root: Path) -> None:
    """The files stand in the filed task, and the late directory is gone."""
    late = _late(root, {"embedding.npy": b"1", "process.log": b"2"})
    filed = _filed(root)
    with Mover(folders) as mover:
        mover.join(NAME, f"normal/{NAME}", ("embedding.npy", "process.log"))
        mover.sync()
    expected = {"embedding.npy": b"1", "process.log": b"2", "result.json": result_bytes()}
    assert expected == _content(filed)
    assert not late.exists()


def test_an_empty_late_directory_only_goes(folders: Folders, root: Path) -> None:
    """A directory that a writer made anew and left empty leaves no trace."""
    late = _late(root, {})
    filed = _filed(root)
    with Mover(folders) as mover:
        mover.join(NAME, f"normal/{NAME}", ())
    assert names_in(filed) == ["result.json"]
    assert not late.exists()


def test_a_directory_that_comes_late_twice_in_one_batch_joins_twice(folders: Folders, root: Path) -> None:
    """What was held open of the first one is not taken for the second."""
    filed = _filed(root)
    with Mover(folders) as mover:
        for name in ("a.npy", "b.npy"):
            _late(root, {name: b"1"})
            mover.join(NAME, f"normal/{NAME}", (name,))
    assert names_in(filed) == ["a.npy", "b.npy", "result.json"]


def test_a_joining_that_was_broken_off_goes_on(folders: Folders, root: Path) -> None:
    """Files that joined already are passed over."""
    _late(root, {"b.npy": b"2"})
    filed = _filed(root)
    (filed / "a.npy").write_bytes(b"1")
    with Mover(folders) as mover:
        mover.join(NAME, f"normal/{NAME}", ("a.npy", "b.npy"))
    assert names_in(filed) == ["a.npy", "b.npy", "result.json"]


@pytest.mark.parametrize("theirs", [b"1", b"other"])
def test_a_file_of_the_filed_task_is_never_replaced(folders: Folders, root: Path, theirs: bytes) -> None:
    """A name that the filed task has got by now keeps the late file where it is, equal or not."""
    late = _late(root, {"a.npy": b"1"})
    filed = _filed(root)
    (filed / "a.npy").write_bytes(theirs)
    with Mover(folders) as mover, pytest.raises(FileExistsError):
        mover.join(NAME, f"normal/{NAME}", ("a.npy",))
    assert (filed / "a.npy").read_bytes() == theirs
    assert (late / "a.npy").read_bytes() == b"1"


def test_a_late_directory_that_got_more_files_stays(folders: Folders, root: Path) -> None:
    """What came after the decision to join is not deleted with the directory."""
    late = _late(root, {"a.npy": b"1", "later.npy": b"2"})
    _filed(root)
    with Mover(folders) as mover, pytest.raises(OSError, match="not empty"):
        mover.join(NAME, f"normal/{NAME}", ("a.npy",))
    assert names_in(late) == ["later.npy"]


def test_files_do_not_join_what_is_gone(folders: Folders, root: Path) -> None:
    """A filed task that somebody moved away in between gets nothing, and nothing is lost."""
    late = _late(root, {"a.npy": b"1"})
    with Mover(folders) as mover, pytest.raises(FileNotFoundError):
        mover.join(NAME, f"normal/{NAME}", ("a.npy",))
    assert names_in(late) == ["a.npy"]


def test_late_files_join_across_file_systems(apart: Folders, root: Path, elsewhere: Path) -> None:
    """Files and symlinks arrive whole under their own names, and the late directory is gone."""
    late = _late(root, {"a.npy": b"1"})
    (late / "link").symlink_to("/nowhere")
    filed = elsewhere / "normal" / NAME
    filed.mkdir()
    with Mover(apart) as mover:
        mover.join(NAME, f"{elsewhere}/normal/{NAME}", ("a.npy", "link"))
    assert _content(filed) == {"a.npy": b"1", "link": "/nowhere"}
    assert not late.exists()


def test_a_fifo_joins_nothing_across_file_systems(apart: Folders, root: Path, elsewhere: Path) -> None:
    """A copy would wait for ever for a FIFO's writer: it is refused, and stays."""
    late = _late(root, {})
    os.mkfifo(late / "pipe")
    (elsewhere / "normal" / NAME).mkdir()
    with Mover(apart) as mover, pytest.raises(OSError, match="FIFO, socket or device"):
        mover.join(NAME, f"{elsewhere}/normal/{NAME}", ("pipe",))
    assert names_in(late) == ["pipe"]


def test_a_joining_across_file_systems_replaces_nothing(apart: Folders, root: Path, elsewhere: Path) -> None:
    """A file of other bytes, or a symlink, under the name stays, and so does the late file."""
    late = _late(root, {"a.npy": b"1", "link": b"2"})
    filed = elsewhere / "normal" / NAME
    filed.mkdir()
    (filed / "a.npy").write_bytes(b"x")
    (filed / "link").symlink_to(late / "link")
    for name in ("a.npy", "link"):
        with Mover(apart) as mover, pytest.raises(FileExistsError):
            mover.join(NAME, f"{elsewhere}/normal/{NAME}", (name,))
    assert _content(filed) == {"a.npy": b"x", "link": str(late / "link")}
    assert _content(late) == {"a.npy": b"1", "link": b"2"}


def test_a_joining_killed_anywhere_is_finished_by_the_next_run(
    apart: Folders, root: Path, elsewhere: Path
) -> None:
    """No file is ever missing on both sides or half there, and the next run brings all of them over."""
    files = {"a.npy": b"1", "b.npy": npy_bytes()}
    filed = elsewhere / "normal" / NAME

    def join() -> None:
        with Mover(apart) as mover:
            mover.join(NAME, f"{elsewhere}/normal/{NAME}", tuple(files))

    kills = 0
    while True:
        late = _late(root, files)
        filed.mkdir()
        killed = _is_killed(kills + 1, join)
        here = _content(late) if late.exists() else {}
        there = {name: data for name, data in _content(filed).items() if name in files}
        assert files == {**here, **there}, kills
        _recover(apart)
        if late.exists():
            join()
        assert files == _content(filed), kills
        assert not late.exists(), kills
        if not killed:
            break
        kills += 1
        shutil.rmtree(filed)
    assert kills > 10


def test_a_copy_keeps_owners_and_modes(apart: Folders, elsewhere: Path, make_task: MakeTask) -> None:
    """What another user wrote stays his on another file system, as after a rename."""
    task = make_task(files=FILES)
    for path in (task, task / "result.json"):
        os.chown(path, 65534, 65534)
    (task / "result.json").chmod(0o640)
    with Mover(apart) as mover:
        mover.move(NAME, f"{elsewhere}/normal/{NAME}", None)
    there = elsewhere / "normal" / NAME

    assert [65534, 65534] == [there.stat().st_uid, (there / "result.json").stat().st_gid]
    assert 0o640 == (there / "result.json").stat().st_mode & 0o777


def test_a_destination_behind_a_symlink_is_known_by_its_path(root: Path, tmp_path: Path) -> None:
    """A folder whose parent is a symlink is found again from a path, as the settings name it."""
    (tmp_path / "disk" / "good").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    folders = Folders(str(root), {"normal": f"{tmp_path}/link/good"})
    location = folders.location_of(f"{tmp_path}/disk/good/{NAME}")

    assert (f"{tmp_path}/link/good/{NAME}", "normal") == (location, folders.verdict_at(location))


# What an attack found.


def test_two_roots_may_share_a_destination(tmp_path: Path, elsewhere: Path, root: Path) -> None:
    """Each root has hidden directories of its own there: cleaning one leaves the other's copy alone."""
    other = tmp_path / "other"
    other.mkdir()
    one, two = (Folders(str(path), {"normal": f"{elsewhere}/normal"}) for path in (root, other))
    one.make()
    unfinished = elsewhere / "normal" / one.staging / NAME
    unfinished.mkdir(parents=True)
    two.clean()

    assert unfinished.is_dir()


def test_a_copy_that_lost_a_file_is_not_filed(
    apart: Folders, elsewhere: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A staged copy that somebody tore is noticed before it gets its name, and the source stays whole."""
    task = make_task(files=FILES)
    content = _content(task)
    staged = elsewhere / "normal" / apart.staging / NAME
    _after_copying(monkeypatch, (staged / "result.json").unlink)
    with Mover(apart) as mover, pytest.raises(OSError, match="not copied whole"):
        mover.move(NAME, f"{elsewhere}/normal/{NAME}", None)

    assert content == _content(task)
    assert [] == names_in(elsewhere / "normal")


def test_a_state_directory_that_is_a_symlink_is_refused(folders: Folders, root: Path, tmp_path: Path) -> None:
    """Nothing is removed or written through ``.emosieve``; the error says what to do."""
    (tmp_path / "victim" / "precious").mkdir(parents=True)
    (root / ".emosieve").rmdir() if (root / ".emosieve").is_dir() else None
    (root / ".emosieve").symlink_to(tmp_path / "victim")
    with pytest.raises(SetupError, match="is not a directory; move it away"):
        folders.clean()

    assert ["precious"] == names_in(tmp_path / "victim")


def test_the_longest_name_there_is_gets_a_suffix_too(folders: Folders, root: Path) -> None:
    """A name of 255 bytes loses its end to the suffix instead of stopping everything."""
    name = "outputs_" + "快" * 82 + "x"
    assert 255 == len(name.encode())
    (root / "normal" / name).mkdir()
    with Mover(folders) as mover:
        location = mover.choose("normal", name, set())
        (root / location).mkdir()

    assert location.endswith(".2")
    assert 255 >= len(os.path.basename(location).encode())


def test_a_long_name_crosses_file_systems(apart: Folders, root: Path, elsewhere: Path) -> None:
    """A name near the limit leaves nothing behind where it was."""
    name = "outputs_" + "x" * 246
    (root / name).mkdir()
    with Mover(apart) as mover:
        mover.move(name, f"{elsewhere}/normal/{name}", None)

    assert ([name], False) == (names_in(elsewhere / "normal"), (root / name).exists())


def test_a_name_taken_without_our_lock_is_a_taken_name(
    folders: Folders, root: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another root's task that takes the name between look and rename is not overwritten."""
    make_task()
    stand = Mover.stat
    (root / "normal" / NAME / "theirs").mkdir(parents=True)
    monkeypatch.setattr(
        Mover, "stat", lambda mover, at: None if at.startswith("normal") else stand(mover, at)
    )
    with Mover(folders) as mover, pytest.raises(FileExistsError):
        mover.move(NAME, f"normal/{NAME}", None)

    assert ["theirs"] == names_in(root / "normal" / NAME)


def test_an_alias_of_the_root_is_no_place_elsewhere(root: Path, tmp_path: Path) -> None:
    """A destination that leads back into the root by a symlink, or to the same folder twice, is refused."""
    (tmp_path / "alias").symlink_to(root.parent)
    with pytest.raises(SetupError, match="lies inside the root"):
        Folders(str(root), {"normal": f"{tmp_path}/alias/{root.name}/x"}).make()
    (tmp_path / "good").mkdir()
    twice = {"normal": f"{tmp_path}/good", "low_quality": f"{tmp_path}/alias/good"}
    with pytest.raises(SetupError, match="are one folder"):
        Folders(str(root), twice).make()


@pytest.mark.parametrize("kind", ["deep", "crowded"])
def test_a_task_that_cannot_be_looked_at_whole_is_not_copied(
    apart: Folders, root: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What nests too deep, or holds too many files, stays whole where it is when a rename cannot take it."""
    task = make_task(NAME, files={"a": b"", "b": b""})
    if kind == "deep":
        (task / "/".join("d" * 17)).mkdir(parents=True)
    else:
        monkeypatch.setattr("emosieve.watch.survey.FILE_LIMIT", 2)
        monkeypatch.setattr(copying, "FILE_LIMIT", 2)
    with Mover(apart) as mover, pytest.raises(OSError, match=r"too deep|too many"):
        mover.move(NAME, f"{apart.by_verdict['normal']}/{NAME}", None)
    assert {"a", "b", "result.json"} <= {*names_in(root / NAME)}
    assert [] == names_in(Path(apart.by_verdict["normal"]))


@pytest.mark.parametrize("kind", ["symlink", "FIFO"])
def test_what_took_a_files_place_since_the_look_is_not_copied(
    apart: Folders, root: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A symlink or pipe that comes between the look at a file and its copy is neither followed nor waited for."""
    secret = root.parent / "secret"
    secret.write_bytes(b"hunter2")
    task = make_task(NAME, files={"a.wav": b"RIFF"})
    open_entry = copying.open_entry

    def swap_first(folder: int, name: str, at: str) -> int:
        if name == "a.wav":
            (task / "a.wav").unlink()
            (task / "a.wav").symlink_to(secret) if kind == "symlink" else os.mkfifo(task / "a.wav")
        return open_entry(folder, name, at)

    monkeypatch.setattr(copying, "open_entry", swap_first)
    with Mover(apart) as mover, pytest.raises(OSError, match=r"changed while|FIFO"):
        mover.move(NAME, f"{apart.by_verdict['normal']}/{NAME}", None)
    assert [] == names_in(Path(apart.by_verdict["normal"]))
    assert "result.json" in names_in(root / NAME)
