"""What a move that no rename makes keeps, records, and finishes; and who can lead it nowhere."""

import errno
import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeTask, Mount, names_in
from emosieve import copies, copying
from emosieve.filing import NAME_BYTES, Folders, Mover
from emosieve.record import copy_records
from emosieve.record.copy_records import COPIES, CopyRecord, load_copies, save_copies
from emosieve.record.syncing import sync_path
from emosieve.service.preflight import examine
from emosieve.settings import Settings
from emosieve.watch.filesystem import Project, project_of

NAME = "outputs_20240104_223000"
FILES = {"processed_audio.wav": b"RIFF", "embedding.npy": b"npy"}


class Killed(BaseException):
    """Stands for a SIGKILL: nothing after it is done."""


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    path = Path(tempfile.mkdtemp(prefix="emosieve-test-", dir="/dev/shm"))
    if path.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("the temporary directory lies in /dev/shm itself")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def folders(root: Path, shelf: Path) -> Folders:
    """The normal folder on the shelf, the others under the root."""
    made = Folders(str(root), {"normal": str(shelf), "low_quality": "low_quality"})
    made.make()
    return made


def move(folders: Folders) -> None:
    """Move the task to the shelf."""
    with Mover(folders) as mover:
        mover.move(NAME, f"{folders.by_verdict['normal']}/{NAME}", None)


def recover(folders: Folders) -> OSError | None:
    """What a next run does first; gives why it could not."""
    with Mover(folders) as mover:
        mover.finish_copies()
        return mover.left_over


def die_after_landing(folders: Folders, patch: pytest.MonkeyPatch) -> CopyRecord:
    """Let a run die when the copy has its name, and nothing of the original is removed; gives its record."""

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with patch.context() as patched:
        patched.setattr(copies.Copies, "_remove", die)
        patched.setattr(copies.Copies, "_drop", die)
        with pytest.raises(Killed):
            move(folders)
    return load_copies(folders.root)[NAME]


def write_record(root: Path, record: CopyRecord) -> None:
    """Put another record in its place."""
    save_copies(str(root), [record])


# What a copy keeps.


def test_a_set_id_bit_stands_for_its_owner_alone(
    root: Path, folders: Folders, shelf: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept where the copy has the owner and the group of the original, and taken off where it has not."""
    task = make_task(files=FILES)
    if os.geteuid() == 0:
        for path in (task, *task.iterdir()):
            os.chown(path, 65534, 65533)
    (task / "embedding.npy").chmod(0o6755)
    move(folders)
    status = (shelf / NAME / "embedding.npy").stat()
    assert 0o6755 == stat.S_IMODE(status.st_mode)

    shutil.rmtree(shelf / NAME)
    task = make_task(files=FILES)
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(task / "embedding.npy", 65534, 65533)
    (task / "embedding.npy").chmod(0o6755)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "fchown", refuse)
    move(folders)
    status = (shelf / NAME / "embedding.npy").stat()
    assert (0, 0o755) == (status.st_uid, stat.S_IMODE(status.st_mode))
    assert names_in(root) == ["low_quality"] or not (root / NAME).exists()


def test_a_copy_keeps_what_directories_and_symlinks_have(
    folders: Folders, shelf: Path, make_task: MakeTask
) -> None:
    """The modes of directories, and the times of all arrive, those of symlinks included."""
    task = make_task(files=FILES)
    (task / "more").mkdir(mode=0o750)
    (task / "more").chmod(0o2750)
    (task / "link").symlink_to("/nowhere")
    for name in ("link", "more", "."):
        os.utime(task / name, ns=(10**18, 10**18 + 1), follow_symlinks=False)
    move(folders)
    there = shelf / NAME
    assert [10**18 + 1] * 3 == [(there / name).lstat().st_mtime_ns for name in ("link", "more", ".")]
    assert 0o2750 == stat.S_IMODE((there / "more").stat().st_mode)


def test_a_symlink_keeps_its_owner(folders: Folders, shelf: Path, make_task: MakeTask) -> None:
    """The symlink itself is given to the owner of the original, and never what it leads to."""
    task = make_task()
    victim = task.parent.parent / "victim"
    victim.write_bytes(b"")
    (task / "link").symlink_to(victim)
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(task / "link", 65534, 65533, follow_symlinks=False)
    move(folders)
    status = (shelf / NAME / "link").lstat()
    assert (65534, 65533) == (status.st_uid, status.st_gid)
    assert 0 == victim.stat().st_uid


def test_a_copy_of_names_that_are_no_utf_8_is_finished_after_a_crash(
    folders: Folders, shelf: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record takes any file name that the kernel does."""
    task = make_task()
    Path(os.fsdecode(os.fsencode(task) + b"/odd\xff\xfe.npy")).write_bytes(b"1")
    die_after_landing(folders, monkeypatch)
    assert recover(folders) is None
    assert not task.exists()
    assert [b"odd\xff\xfe.npy", b"result.json"] == sorted(os.listdir(os.fsencode(shelf / NAME)))


def test_nobody_else_may_look_into_an_unfinished_copy(
    folders: Folders, shelf: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hidden directory is the owner's alone, whatever the umask, while a copy is made."""
    make_task()
    seen = []
    fill = copying.Copier.fill

    def look(copier: copying.Copier, *args: Any) -> None:
        seen.append(stat.S_IMODE((shelf / folders.staging).stat().st_mode))
        fill(copier, *args)

    monkeypatch.setattr(copying.Copier, "fill", look)
    before = os.umask(0)
    try:
        move(folders)
    finally:
        os.umask(before)
    assert {0o700} == set(seen)


# What is on the disk when.


class Steps:
    """The real calls that name or force something on the disk, in their order, by the paths they are about."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.seen: list[str] = []
        for name in ("fsync", "rename", "unlink", "rmdir"):
            patch.setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name: str, real: Callable[..., None]) -> Callable[..., None]:
        def step(what: int | str, *more: Any, **keywords: Any) -> None:
            folder = keywords.get("dst_dir_fd", keywords.get("dir_fd"))
            if isinstance(what, int):
                path = os.readlink(f"/proc/self/fd/{what}")
            else:
                last = more[0] if name == "rename" else what
                path = os.path.join(os.readlink(f"/proc/self/fd/{folder}") if folder else "", last)
            self.seen.append(f"{name} {path}")
            real(what, *more, **keywords)

        return step


def test_a_copy_is_on_the_disk_before_its_name_and_its_name_before_the_original_goes(
    root: Path, folders: Folders, shelf: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record, all files and directories, then the name are forced to the disk; only then anything is removed."""
    task = make_task(files=FILES)
    (task / "more").mkdir()
    hidden = shelf / folders.staging / NAME
    with monkeypatch.context() as patch:
        steps = Steps(patch)
        move(folders)
    seen = steps.seen
    named = len(seen) - 1 - seen[::-1].index(f"rename {shelf}/{NAME}")  # the first was a try
    recorded = seen.index(f"rename {root}/{COPIES}")
    for path in (*(hidden / name for name in [*FILES, "result.json", "more"]), hidden, hidden.parent):
        assert recorded < seen.index(f"fsync {path}") < named
    assert f"fsync {root}/{COPIES}.new" in seen[:recorded]
    assert f"fsync {root}/.emosieve" in seen[recorded:named]
    first_removal = next(at for at, step in enumerate(seen) if step.startswith(f"unlink {task}/"))
    assert named < seen.index(f"fsync {shelf}") < first_removal
    removed = [step.rpartition("/")[2] for step in seen if step.startswith((f"unlink {task}/", "rmdir"))]
    assert ["processed_audio.wav", "more", "embedding.npy", "result.json", NAME, folders.staging] == removed


def test_a_batch_forces_its_folders_to_the_disk(
    root: Path, folders: Folders, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both folders of a rename are forced to the disk when the batch is."""
    make_task()
    with Mover(folders) as mover:
        mover.move(NAME, f"low_quality/{NAME}", None)
        with monkeypatch.context() as patch:
            steps = Steps(patch)
            mover.sync()
    assert sorted([f"fsync {root}", f"fsync {root}/low_quality"]) == sorted(steps.seen)


def test_what_is_forced_to_the_disk_is_no_symlink(tmp_path: Path) -> None:
    """A symlink in the place of what is to be forced to the disk is refused."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    sync_path(str(tmp_path / "file"))
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        sync_path(str(tmp_path / "link"))


# What a crash left.


def test_only_the_recorded_copy_is_ours(
    root: Path, folders: Folders, shelf: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task of the same bytes that took the copy's place after the crash is another, and the original stays."""
    task = make_task(files=FILES)
    die_after_landing(folders, monkeypatch)
    shutil.move(shelf / NAME, shelf / "moved_on")
    shutil.copytree(shelf / "moved_on", shelf / NAME)
    assert recover(folders) is None
    assert [*sorted(FILES), "result.json"] == sorted(names_in(task))
    with pytest.raises(FileExistsError):
        move(folders)
    assert not (root / COPIES).exists()


@pytest.mark.parametrize("differ", ["nothing", "a late file", "the result", "a size", "a name"])
def test_without_birth_times_a_copy_is_known_by_names_sizes_and_its_result(
    folders: Folders, shelf: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch, differ: str
) -> None:
    """Whatever its number, which a FUSE file system gives anew; another result, size or name makes it another's."""
    monkeypatch.setattr(copy_records, "birth_time_ns", lambda _: 0)
    task = make_task(files=FILES)
    record = die_after_landing(folders, monkeypatch)
    write_record(Path(folders.root), replace(record, copy=replace(record.copy, inode=1)))
    copy = shelf / NAME
    if differ == "a late file":
        (copy / "notes.txt").write_bytes(b"")
    elif differ == "the result":
        (copy / "result.json").write_bytes(bytes((copy / "result.json").stat().st_size))
    elif differ == "a size":
        (copy / "embedding.npy").write_bytes(b"")
    elif differ == "a name":
        (copy / "embedding.npy").rename(copy / "other.npy")
    assert recover(folders) is None
    assert (differ in {"nothing", "a late file"}) == (not task.exists())
    if task.exists():
        assert [*sorted(FILES), "result.json"] == sorted(names_in(task))


def test_with_birth_times_a_number_given_anew_is_no_matter(
    root: Path, folders: Folders, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The birth time alone, with all names and sizes, names a copy whose inode has another number by now."""
    task = make_task(files=FILES)
    record = die_after_landing(folders, monkeypatch)
    write_record(root, replace(record, copy=replace(record.copy, inode=1)))
    assert recover(folders) is None
    assert not task.exists()


def test_a_copy_that_has_not_got_its_name_is_none(
    root: Path, folders: Folders, shelf: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it stands in the hidden directory, what stands at the destination is another's, even to the last number."""
    task = make_task(files=FILES)
    record = die_after_landing(folders, monkeypatch)
    (root.parent / "x").mkdir()
    hidden = shelf / folders.staging / NAME
    hidden.mkdir(parents=True)
    assert record.staging == str(hidden)
    assert recover(folders) is None
    assert [*sorted(FILES), "result.json"] == sorted(names_in(task))
    assert names_in(shelf) == [NAME]


def test_while_the_copy_is_out_of_reach_what_is_left_of_the_original_stays(
    root: Path, folders: Folders, shelf: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an original whose copy is gone, as with an unmounted disk, is not moved as though it were the whole."""
    task = make_task(files=FILES)
    die_after_landing(folders, monkeypatch)
    (task / "embedding.npy").unlink()
    (shelf / NAME).rename(shelf / "away")
    error = recover(folders)
    assert error is not None
    assert "which is not there now" in str(error)
    with pytest.raises(OSError, match="which is not there now"):
        move(folders)
    assert ["processed_audio.wav", "result.json"] == sorted(names_in(task))
    (shelf / "away").rename(shelf / NAME)
    assert recover(folders) is None
    assert (["low_quality"], [NAME]) == (sorted(set(names_in(root)) - {".emosieve"}), names_in(shelf))


def test_a_whole_original_whose_copy_is_gone_is_moved_again(
    folders: Folders, shelf: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it was removed, so that nothing can be lost."""
    task = make_task(files=FILES)
    die_after_landing(folders, monkeypatch)
    shutil.rmtree(shelf / NAME)
    move(folders)
    assert not task.exists()
    assert [*sorted(FILES), "result.json"] == sorted(names_in(shelf / NAME))


def test_a_new_task_of_the_same_name_is_not_the_original(
    folders: Folders, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory of the same bytes that stands where the original stood keeps all of its files, and its folders."""
    task = make_task(files=FILES)
    (task / "more").mkdir()
    die_after_landing(folders, monkeypatch)
    task.rename(task.with_name("old"))
    shutil.copytree(task.with_name("old"), task)
    assert recover(folders) is None
    assert sorted([*FILES, "more", "result.json"]) == sorted(names_in(task))


def test_an_empty_directory_of_the_same_name_is_not_removed(
    folders: Folders, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that has just made its directory anew finds it where it made it."""
    task = make_task(files=FILES)
    die_after_landing(folders, monkeypatch)
    task.rename(task.with_name("old"))
    task.mkdir()
    assert recover(folders) is None
    assert task.is_dir()


def test_one_original_that_cannot_be_removed_keeps_no_other_waiting(
    root: Path, folders: Folders, shelf: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again with every batch, without a second copy, and told of when its own move is tried."""
    task = make_task(files=FILES)
    other = make_task("outputs_2")
    with monkeypatch.context() as patch:
        unlink = os.unlink

        def refuse(path: str, *, dir_fd: int | None = None) -> None:
            if path == "processed_audio.wav":
                raise OSError(errno.EPERM, "Operation not permitted", path)
            unlink(path, dir_fd=dir_fd)

        patch.setattr(os, "unlink", refuse)
        for _ in range(3):
            with pytest.raises(OSError, match="not permitted") as caught:
                move(folders)
            assert f"{task}/processed_audio.wav" == caught.value.filename
        assert isinstance(recover(folders), PermissionError)
        with Mover(folders) as mover:
            mover.move("outputs_2", f"{shelf}/outputs_2", None)
        assert [NAME] == list(load_copies(str(root)))
    assert ["outputs_2", NAME] == sorted(names_in(shelf))
    assert not other.exists()
    move(folders)
    assert not task.exists()
    assert not (root / COPIES).exists()


def test_a_task_that_could_not_be_removed_is_not_copied(
    root: Path, folders: Folders, shelf: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a directory of it may not be written the error names that, and no copy is made."""
    task = make_task(files=FILES)
    (task / "more").mkdir()
    access = os.access

    def deny(path: str, mode: int, **keywords: Any) -> bool:
        return path != "more" and access(path, mode, **keywords)

    monkeypatch.setattr(os, "access", deny)
    with pytest.raises(PermissionError) as caught:
        move(folders)
    assert f"{task}/more" == caught.value.filename
    assert ([], False) == (names_in(shelf), (root / COPIES).exists())


def test_without_a_record_nothing_is_copied(
    folders: Folders, shelf: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the record cannot be written the move fails, and is tried again."""
    task = make_task(files=FILES)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(copy_records, "write_all", refuse)
        with pytest.raises(OSError, match="No space left") as caught:
            move(folders)
    assert f"{folders.root}/{COPIES}" == caught.value.filename
    assert ([], True) == (names_in(shelf), task.is_dir())
    move(folders)
    assert [NAME] == names_in(shelf)


@pytest.mark.parametrize(
    "forge",
    [
        lambda record, out: replace(record, source=f"../{out.name}"),
        lambda record, out: replace(record, source=str(out)),
        lambda record, _: replace(record, source="low_quality/../../victim"),
        lambda record, _: replace(record, source=".."),
        lambda record, _: replace(
            record, files=tuple(replace(file, name=f"../../victim/{file.name}") for file in record.files)
        ),
        lambda record, out: replace(record, staging=f"{out}/.emosieve-staging-1/x"),
        lambda record, _: replace(record, staging="outputs_2/x"),
        lambda record, out: replace(record, destination=f"{out}/a/b/c"),
    ],
)
def test_a_forged_record_leads_nowhere(
    root: Path,
    folders: Folders,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
    forge: Callable[[CopyRecord, Path], CopyRecord],
) -> None:
    """Who may write in the state directory has nothing removed outside of the inbox and the folders."""
    task = make_task(files=FILES)
    record = die_after_landing(folders, monkeypatch)
    out = root.parent / "victim"
    task.rename(out)
    make_task("outputs_2", files={"x": b""})
    (out / ".emosieve-staging-1").mkdir()
    write_record(root, forge(record, out))
    recover(folders)
    assert [".emosieve-staging-1", *sorted([*FILES, "result.json"])] == sorted(names_in(out))
    assert ["result.json", "x"] == sorted(names_in(root / "outputs_2"))


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "[" * 100_000, '{"schema":2,"copies":[]}', '{"schema":1,"copies":[{}]}'),
        *('{"schema":1,"copies":[1]}', '{"schema":1,"copies":{"source":1}}', '{"schema":1}'),
    ],
)
def test_a_file_that_is_no_record_of_ours_is_none(root: Path, folders: Folders, text: str) -> None:
    """Whatever stands in it, nothing is finished by it."""
    save_copies(str(root), [])
    (root / COPIES).write_text(text)
    assert {} == load_copies(str(root))
    assert recover(folders) is None


@pytest.mark.parametrize("key", ["source", "original", "files", "digest"])
def test_a_record_of_other_types_is_none(
    root: Path, folders: Folders, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """A number for a text, or a text for a number, makes it none of ours."""
    make_task()
    die_after_landing(folders, monkeypatch)
    document = json.loads((root / COPIES).read_text())
    wrong = {"source": 1, "original": ["1", "2"], "files": [["x", "1", 2, 3, 4, 5]], "digest": 1}
    document["copies"][0][key] = wrong[key]
    (root / COPIES).write_text(json.dumps(document))
    assert {} == load_copies(str(root))


@pytest.mark.parametrize("kind", ["fifo", "symlink"])
def test_a_record_is_a_plain_file(root: Path, folders: Folders, kind: str) -> None:
    """A FIFO is not waited for, and a symlink not followed."""
    save_copies(str(root), [])
    if kind == "fifo":
        os.mkfifo(root / COPIES)
    else:
        (root / COPIES).symlink_to("/etc/hostname")
    assert recover(folders) is None


# Who may write in the folder.


def test_a_symlink_for_the_hidden_directory_is_not_followed(
    root: Path, folders: Folders, shelf: Path, make_task: MakeTask
) -> None:
    """It is an error that names the place, not a taken destination, and nothing behind it is touched."""
    task = make_task(files=FILES)
    (root.parent / "victim" / NAME).mkdir(parents=True)
    (shelf / folders.staging).symlink_to(root.parent / "victim")
    with pytest.raises(OSError, match="is not a directory; move it away") as caught:
        move(folders)
    assert not isinstance(caught.value, FileExistsError)
    assert [NAME] == names_in(root.parent / "victim")
    assert task.is_dir()


def _before_opening(patch: pytest.MonkeyPatch, name: str, act: Callable[[], object]) -> None:
    """Act between the making of a directory and its opening."""
    mkdir = os.mkdir

    def make_and_act(path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        mkdir(path, mode, dir_fd=dir_fd)
        if path == name:
            act()

    patch.setattr(os, "mkdir", make_and_act)


@pytest.mark.parametrize("stands", ["a directory with files", "a symlink"])
def test_a_hidden_directory_that_is_replaced_is_not_used(
    folders: Folders, shelf: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch, stands: str
) -> None:
    """What takes its place the moment it is made gets no file, owner or mode of the task's."""
    task = make_task(files=FILES)
    victim = shelf / "victim"
    victim.mkdir(mode=0o700)
    (victim / "secret").write_bytes(b"")

    def swap() -> None:
        (shelf / folders.staging).rename(shelf / "away")
        if stands == "a symlink":
            (shelf / folders.staging).symlink_to(victim)
        else:
            victim.rename(shelf / folders.staging)

    with monkeypatch.context() as patch:
        _before_opening(patch, folders.staging, swap)
        with pytest.raises(OSError, match=r"replaced|symbolic|Not a directory"):
            move(folders)
    place = victim if stands == "a symlink" else shelf / folders.staging
    assert (["secret"], 0o700) == (names_in(place), stat.S_IMODE(place.stat().st_mode))
    assert task.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_in_a_hidden_directory_of_anothers_no_owner_is_kept(
    folders: Folders, shelf: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty directory of another user's that took its place gets the bytes, and gives nothing away."""
    task = make_task(files=FILES)
    os.chown(task / "embedding.npy", 65534, 65534)

    def swap() -> None:
        (shelf / folders.staging).rmdir()
        (shelf / folders.staging).mkdir()
        os.chown(shelf / folders.staging, 1000, 1000)

    _before_opening(monkeypatch, folders.staging, swap)
    move(folders)
    assert 0 == (shelf / NAME / "embedding.npy").stat().st_uid


def test_a_hidden_directory_that_is_moved_away_is_emptied_where_it_is(
    root: Path, folders: Folders, shelf: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy goes on by descriptors: nothing is written, changed or removed in what took the place."""
    make_task(files=FILES)
    victim = root.parent / "victim"
    (victim / NAME).mkdir(parents=True)
    (victim / NAME / "result.json").write_bytes(b"theirs")
    (victim / NAME / "result.json").chmod(0o600)
    fill = copying.Copier.fill

    def swap(copier: copying.Copier, *args: Any) -> None:
        fill(copier, *args)
        if not (shelf / "away").exists():
            (shelf / folders.staging).rename(shelf / "away")
            (shelf / folders.staging).symlink_to(victim)

    monkeypatch.setattr(copying.Copier, "fill", swap)
    move(folders)
    assert b"theirs" == (victim / NAME / "result.json").read_bytes()
    assert 0o600 == stat.S_IMODE((victim / NAME / "result.json").stat().st_mode)
    assert [NAME] == sorted(set(names_in(shelf)) - {"away", folders.staging})
    assert [] == names_in(shelf / "away")


# Renames that are none, and names that are too long.


def test_a_rename_of_a_part_is_taken_back_and_the_task_copied(
    root: Path, folders: Folders, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system of several disks that renames what lies on one of them has the task copied whole."""
    task = make_task(files=FILES)
    _rename_in_part(monkeypatch, task)
    with Mover(folders) as mover:
        mover.move(NAME, f"low_quality/{NAME}", None)
        assert mover.has_copied
    assert not task.exists()
    assert [*sorted(FILES), "result.json"] == sorted(names_in(root / "low_quality" / NAME))


def test_a_rename_of_a_part_that_cannot_be_taken_back_is_an_error(
    root: Path, folders: Folders, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, and is no success; nothing is lost."""
    task = make_task(files=FILES)
    _rename_in_part(monkeypatch, task, takes_back=False)
    with Mover(folders) as mover, pytest.raises(OSError, match="in part only: it lies on several disks"):
        mover.move(NAME, f"low_quality/{NAME}", None)
    assert ["embedding.npy"] == names_in(root / "low_quality" / NAME)
    assert ["processed_audio.wav", "result.json"] == sorted(names_in(task))


def _rename_in_part(patch: pytest.MonkeyPatch, task: Path, *, takes_back: bool = True) -> None:
    """The rename of a task leaves what lies on another disk behind; back, it brings the parts together."""
    rename = os.rename

    def in_part(source: str, to: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        there = Path(os.readlink(f"/proc/self/fd/{dst_dir_fd}")) / to
        here = Path(os.readlink(f"/proc/self/fd/{src_dir_fd}")) / source
        if here == task:
            there.mkdir()
            (there / "embedding.npy").write_bytes((here / "embedding.npy").read_bytes())
            (here / "embedding.npy").unlink()
        elif there == task:
            if not takes_back:
                raise OSError(errno.ENOTEMPTY, "Directory not empty")
            (there / "embedding.npy").write_bytes((here / "embedding.npy").read_bytes())
            (here / "embedding.npy").unlink()
            here.rmdir()
        else:
            rename(source, to, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    patch.setattr(os, "rename", in_part)


def test_a_new_directory_at_the_source_is_no_half_rename(
    root: Path, folders: Folders, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that makes its directory anew the moment it is moved has nothing taken back."""
    task = make_task(files=FILES)
    rename = os.rename

    def and_anew(*arguments: Any, **keywords: Any) -> None:
        rename(*arguments, **keywords)
        task.mkdir()

    monkeypatch.setattr(os, "rename", and_anew)
    with Mover(folders) as mover:
        mover.move(NAME, f"low_quality/{NAME}", None)
        assert not mover.has_copied
    assert [*sorted(FILES), "result.json"] == sorted(names_in(root / "low_quality" / NAME))


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(143, 143), (NAME_BYTES, NAME_BYTES), (1530, NAME_BYTES), (0, NAME_BYTES), (-1, NAME_BYTES)],
)
def test_a_name_fits_the_folder_that_it_goes_to(
    root: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch, limit: int, expected: int
) -> None:
    """The end is cut off, with a suffix or without, where the folder's own file system takes less than Linux does."""
    monkeypatch.setattr(os, "fpathconf", lambda _descriptor, _name: limit)
    name = "outputs_" + "x" * (NAME_BYTES - 8)
    taken: set[str] = set()
    with Mover(folders) as mover:
        chosen = [os.path.basename(mover.choose("low_quality", name, taken)) for _ in range(2)]
    assert [name[:expected], f"{name[: expected - 2]}.2"] == chosen
    assert (root / "low_quality").is_dir()


def test_where_no_limit_is_told_it_is_that_of_linux(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that has no answer, and a folder that is not made yet, are taken to have 255 bytes."""

    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, "no")

    monkeypatch.setattr(os, "fpathconf", refuse)
    with Mover(folders) as mover:
        assert f"low_quality/{'x' * 255}" == mover.choose("low_quality", "x" * 300, set())
        assert f"missing/{'x' * 255}" == mover.choose("missing", "x" * 300, set())


def test_names_that_are_one_at_the_destination_are_no_taken_destination(
    root: Path, folders: Folders, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that knows no case has the task stay, with the cause, instead of diverting it for ever."""
    make_task(files=FILES)

    def same(original: int, folder: int, name: str) -> int:
        if name == "embedding.npy":
            raise FileExistsError(errno.EEXIST, "File exists", name)
        return make_like(original, folder, name)

    make_like = copying.make_like
    monkeypatch.setattr(copying, "make_like", same)
    with pytest.raises(OSError, match="names that are one name") as caught:
        move(folders)
    assert errno.EINVAL == caught.value.errno
    assert (root / NAME).is_dir()


def test_no_batch_without_copies_opens_the_record(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no copy is unfinished, looking for one costs one lstat."""
    save_copies(str(root), [])
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", None)
        assert {} == load_copies(str(root))


def test_user_attributes_arrive(
    folders: Folders, tmp_path: Path, mounted: Mount, make_task: MakeTask
) -> None:
    """What somebody noted of a file in its extended attributes is kept, where both file systems have them."""
    point = formatted(tmp_path, mounted, "mkfs.ext4")
    task = make_task(files=FILES)
    os.setxattr(task / "result.json", "user.origin", b"webui")
    there = Folders(folders.root, {"normal": f"{point}/normal"})
    there.make()
    move(there)
    assert b"webui" == os.getxattr(point / "normal" / NAME / "result.json", "user.origin")


def test_a_task_crosses_quota_projects(tmp_path: Path, mounted: Mount, make_task: MakeTask) -> None:
    """A folder of another project takes no rename: the task is copied there, once, and its original goes."""
    point = formatted(tmp_path, mounted, "mkfs.xfs")
    root = point / "outputs"
    shutil.copytree(make_task(files=FILES), root / NAME)
    within = Folders(str(root), {"normal": "normal"})
    within.make()
    subprocess.run(["xfs_io", "-c", "chproj 42", "-c", "chattr +P", root / "normal"], check=True)
    assert Project(42, is_inherited=True) == project_of(str(root / "normal"))
    assert Project(0, is_inherited=False) == project_of(str(root / NAME))
    with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
        os.rename(root / NAME, root / "normal" / NAME)
    (told,) = (line for line in examine(str(root), Settings()) if line.subject == "moves")
    assert f"{root}/normal belongs to project 42" in str(told.message)
    assert "1 standing tasks do not" in str(told.message)
    with Mover(within) as mover:
        mover.move(NAME, f"normal/{NAME}", None)
    assert ([NAME], False) == (names_in(root / "normal"), (root / NAME).exists())


def formatted(tmp_path: Path, mounted: Mount, program: str, options: str = "rw") -> Path:
    """A file system of its own in a file."""
    image, point = tmp_path / "image", tmp_path / "point"
    with image.open("wb") as file:
        file.truncate(512 << 20)
    point.mkdir()
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    subprocess.run([program, "-q", image], check=True)
    mounted("-o", f"loop,{options}", image, point)
    return point
