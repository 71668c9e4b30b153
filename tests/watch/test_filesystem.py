import fcntl
import mmap
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from emosieve.watch import filesystem
from emosieve.watch.filesystem import (
    UNKNOWN,
    FileSystem,
    birth_time_ns,
    file_system_of,
    is_open_for_writing,
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A mount table as the kernel writes it."""
    path = tmp_path / "mountinfo"
    path.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "30 22 0:40 / /srv/out rw,noatime - nfs4 server:/export rw\n"
        "31 30 0:41 / /srv/out/deep ro,noatime - tmpfs tmpfs rw\n"
        "36 30 0:41 / /srv/out/barred ro,noatime - ext4 /dev/sdc1 ro,errors=remount-ro\n"
        "32 22 0:42 / /srv/with\\040space\\134slash rw - fuse.sshfs user@host: rw\n"
        "33 22 0:43 / /srv/twice rw - ext4 /dev/sdb1 rw\n"
        "34 33 0:44 / /srv/twice rw - cifs //host/share rw\n",
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/x", FileSystem("ext4", "/")),
        ("/srv/out", FileSystem("nfs4", "/srv/out")),
        ("/srv/out/a/b", FileSystem("nfs4", "/srv/out")),
        ("/srv/output", FileSystem("ext4", "/")),
        ("/srv/out/deep/a", FileSystem("tmpfs", "/srv/out/deep", is_walled=True)),
        ("/srv/out/barred/a", FileSystem("ext4", "/srv/out/barred")),
        ("/srv/with space\\slash/a", FileSystem("fuse.sshfs", "/srv/with space\\slash")),
        ("/srv/twice", FileSystem("cifs", "/srv/twice")),
    ],
)
def test_a_path_lies_on_the_last_and_deepest_mount_around_it(
    table: Path, path: str, expected: FileSystem
) -> None:
    """The mount point that is the longest whole-component prefix wins, of two equal ones the later."""
    assert expected == file_system_of(path, str(table))


def test_without_a_mount_table_the_file_system_is_unknown_and_not_local(tmp_path: Path) -> None:
    """Where the kernel has no mount table, nothing is promised about the file system."""
    file_system = file_system_of("/", str(tmp_path / "missing"))
    assert file_system == UNKNOWN
    assert not file_system.is_local


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in ("ext4", "xfs", "btrfs", "overlay", "tmpfs")),
        *((name, False) for name in ("nfs4", "cifs", "9p", "fuse.sshfs", "virtiofs", "vboxsf")),
    ],
)
def test_only_file_systems_without_remote_writers_are_local(name: str, *, expected: bool) -> None:
    """Whatever may be written from another machine, or from behind a FUSE daemon, is not local."""
    assert expected == FileSystem(name, "/").is_local


HIDDEN = (
    "1 1 0:1 / / rw - rootfs rootfs rw",
    "22 1 8:1 / / rw - ext4 /dev/sda1 rw",
    "30 22 8:2 / /srv rw - xfs /dev/sdb1 rw",
    "31 30 8:2 /out /srv/out rw - xfs /dev/sdb1 rw",
)


def test_a_mount_over_an_outer_folder_hides_what_stood_in_it(tmp_path: Path) -> None:
    """The longest mount point counts only where the way to it leads there; the first mount lies on itself."""
    table = tmp_path / "mountinfo"
    table.write_text("\n".join((*HIDDEN, "")))
    assert "/srv/out" == file_system_of("/srv/out/a", str(table)).mount_point
    table.write_text("\n".join((*HIDDEN, "40 30 0:9 / /srv rw - nfs4 server:/export rw", "")))

    assert FileSystem("nfs4", "/srv") == file_system_of("/srv/out/a", str(table))


def test_what_is_put_beneath_a_mount_is_not_what_stands_there(tmp_path: Path) -> None:
    """The order of the lines does not tell which of two mounts at one place is the upper one."""
    table = tmp_path / "mountinfo"
    below = "40 22 0:9 / /srv rw - nfs4 server:/export rw"
    table.write_text("\n".join((*HIDDEN[:2], HIDDEN[2].replace("30 22", "30 40"), below, "")))

    assert FileSystem("xfs", "/srv") == file_system_of("/srv/a", str(table))


def test_in_a_changed_root_the_mounts_that_can_be_seen_count(tmp_path: Path) -> None:
    """There the mount of the root itself may be missing from the table."""
    table = tmp_path / "mountinfo"
    table.write_text("30 22 8:2 / /srv rw - xfs /dev/sdb1 rw\n")

    assert ("xfs", "unknown") == (
        file_system_of("/srv/a", str(table)).type,
        file_system_of("/a", str(table)).type,
    )


def test_a_symlinked_path_lies_where_its_target_does(tmp_path: Path, table: Path) -> None:
    """The file system is that of the real path, not of the symlink."""
    (tmp_path / "link").symlink_to("/srv/out")
    assert file_system_of(str(tmp_path / "link"), str(table)).mount_point == "/srv/out"


def test_the_real_mount_table_is_understood() -> None:
    """On this machine /proc is found to be what it is."""
    assert file_system_of("/proc/self/status") == FileSystem("proc", "/proc")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of a few bytes."""
    path = tmp_path / "file"
    path.write_bytes(b"0123")
    return path


def _ask(path: Path) -> bool | None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return is_open_for_writing(descriptor)
    finally:
        os.close(descriptor)


def test_a_file_that_nobody_writes_is_free_even_while_it_is_read(file: Path) -> None:
    """Readers do not count as writers."""
    with file.open("rb"):
        answer = _ask(file)
    assert answer is False


@pytest.mark.parametrize("mode", ["ab", "r+b"])
def test_a_file_open_for_writing_is_busy_until_it_is_closed(file: Path, mode: str) -> None:
    """An open write descriptor makes a file busy, without a single byte written; closing it frees it."""
    with file.open(mode):
        assert _ask(file) is True
    assert _ask(file) is False


def test_a_writable_mmap_counts_as_a_writer_after_its_file_is_closed(file: Path) -> None:
    """The lease sees a shared mapping that outlives its descriptor."""
    with file.open("r+b") as opened:
        mapping = mmap.mmap(opened.fileno(), 4)
    with mapping:
        assert _ask(file) is True


def test_where_the_kernel_has_no_leases_the_answer_is_unknown(tmp_path: Path) -> None:
    """A directory cannot be leased, so nothing is said about writers."""
    assert _ask(tmp_path) is None


def test_no_lease_stays_behind(file: Path) -> None:
    """The lease is given back at once: no writer ever waits for it."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        is_open_for_writing(descriptor)
        assert fcntl.fcntl(descriptor, fcntl.F_GETLEASE) == fcntl.F_UNLCK
    finally:
        os.close(descriptor)


def test_a_writer_that_comes_while_the_lease_is_held_cannot_kill_us(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel tells of such a writer by SIGURG, which is ignored by default, not by the deadly SIGIO."""
    received: list[int] = []
    ask_kernel = fcntl.fcntl

    def with_a_writer(descriptor: int, command: int, argument: int) -> int:
        answer = ask_kernel(descriptor, command, argument)
        if (command, argument) == (fcntl.F_SETLEASE, fcntl.F_RDLCK):
            with pytest.raises(BlockingIOError):
                os.open(file, os.O_WRONLY | os.O_NONBLOCK)
        return answer

    before = {
        number: signal.signal(number, lambda number, _frame: received.append(number))
        for number in (signal.SIGIO, signal.SIGURG)
    }
    try:
        with monkeypatch.context() as patch:
            patch.setattr(fcntl, "fcntl", with_a_writer)
            answer = _ask(file)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert answer is False
    assert received == [signal.SIGURG]


def test_off_linux_nobody_is_asked(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without leases the answer is unknown even for a file that is open."""
    with file.open("ab"), monkeypatch.context() as patch:
        patch.setattr("sys.platform", "darwin")
        answer = _ask(file)
    assert answer is None


# Birth times.


def _born(path: Path, flags: int = os.O_RDONLY) -> int:
    descriptor = os.open(path, flags)
    try:
        return birth_time_ns(descriptor)
    finally:
        os.close(descriptor)


def _born_by_stat(path: Path) -> str:
    """Seconds since the epoch as coreutils' stat tells them, with all nine digits; 0 where it knows none."""
    return subprocess.run(["stat", "-c", "%.9W", path], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_the_birth_time_is_the_one_that_stat_tells(tmp_path: Path, kind: str) -> None:
    """A file's and a directory's birth time is what the kernel tells other programs, to the nanosecond."""
    path = tmp_path / "new"
    path.mkdir() if kind == "directory" else path.write_bytes(b"")
    born = _born(path)
    assert f"{born // 10**9}.{born % 10**9:09}\n" == _born_by_stat(path)
    assert abs(born - time.time_ns()) < 10**11


def test_the_birth_time_stays_when_all_other_times_change(file: Path) -> None:
    """Neither a rename, nor a set time, nor new bytes change it; a file made anew under the name has another."""
    before = _born(file)
    file.write_bytes(b"other")
    os.utime(file, ns=(10**18, 10**18))
    file.rename(file.with_name("renamed"))
    assert before == _born(file.with_name("renamed"))
    assert before == _born(file.with_name("renamed"), os.O_PATH)
    file.write_bytes(b"anew")
    assert before < _born(file)


def test_where_no_birth_time_is_told_it_is_0(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without birth times, a closed descriptor, and a C library without statx give 0."""
    assert _born(Path("/proc/self/status")) == 0
    descriptor = os.open(file, os.O_RDONLY)
    os.close(descriptor)
    assert birth_time_ns(descriptor) == 0
    monkeypatch.setattr(filesystem, "_statx", None)
    assert _born(file) == 0


def test_threads_are_told_the_birth_times_of_their_own_files(tmp_path: Path) -> None:
    """Each of several threads that ask at once gets its own answer."""
    paths = [tmp_path / str(number) for number in range(4)]
    for path in paths:
        path.write_bytes(b"")
    answers: dict[Path, set[int]] = {path: set() for path in paths}

    def ask(path: Path) -> None:
        with path.open() as opened:
            answers[path].update(birth_time_ns(opened.fileno()) for _ in range(2000))

    threads = [threading.Thread(target=ask, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path: {_born(path)} for path in paths} == answers
