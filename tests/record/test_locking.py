"""Locks: one intake per root, and a refusal that names who has it."""

import errno
import fcntl
import os
import socket
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from emosieve.errors import RootBusy
from emosieve.record import locking
from emosieve.record.locking import IntakeLock


def test_a_second_intake_is_refused_by_name(root: Path) -> None:
    """The refusal names root, host and pid of the holder."""
    first, second = IntakeLock(str(root)), IntakeLock(str(root))
    first.acquire()
    with pytest.raises(RootBusy) as refusal:
        second.acquire()
    first.release()

    for word in (str(root), f"host {socket.gethostname()}", f"pid {os.getpid()}"):
        assert word in str(refusal.value)


def test_a_released_intake_can_be_taken(root: Path) -> None:
    """The lock goes with its holder, and releasing twice does no harm."""
    first, second = IntakeLock(str(root)), IntakeLock(str(root))
    first.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_a_container_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A holder inside a container says so, for its pid means nothing outside."""
    exists = os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/.dockerenv" or exists(path))
    first, second = IntakeLock(str(root)), IntakeLock(str(root))
    first.acquire()
    with pytest.raises(RootBusy, match=f"container {socket.gethostname()}"):
        second.acquire()
    first.release()


@pytest.mark.parametrize("record", [b"{half", b'{"host":"old","container":null,"pid":999999}'])
def test_the_kernel_knows_the_holder_better_than_its_record(root: Path, record: bytes) -> None:
    """A record that is garbage, or still that of an earlier holder, does not make the refusal name another pid."""
    first = IntakeLock(str(root))
    first.acquire()
    (root / ".emosieve" / "intake.lock").write_bytes(record)
    with pytest.raises(RootBusy, match=f"host {socket.gethostname()}, pid {os.getpid()}"):
        IntakeLock(str(root)).acquire()
    first.release()


def test_a_holder_that_has_not_written_its_name_yet(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Garbage in the lock file does not hide the refusal where the kernel does not show the holder either."""
    first = IntakeLock(str(root))
    first.acquire()
    (root / ".emosieve" / "intake.lock").write_bytes(b"{half")
    monkeypatch.setattr(locking, "holding_pid", lambda _root, _likely: None)
    with pytest.raises(RootBusy, match="not written yet"):
        IntakeLock(str(root)).acquire()
    first.release()


def test_a_file_system_without_locks_is_warned_of(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where flock is not supported the intake goes on, and the log says what that means."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with capture_logs() as events:
        lock = IntakeLock(str(root))
        lock.acquire()
        lock.release()

    assert ["intake.no_locks"] == [event["event"] for event in events]


def test_any_other_failure_is_not_taken_for_a_missing_lock(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An input/output error of flock is raised, and the file is closed."""

    def fail(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="Input/output"):
        IntakeLock(str(root)).acquire()


def test_a_file_system_that_locks_only_files_open_for_writing(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """NFS refuses an exclusive lock on a descriptor for reading; the lock is then taken on one for writing."""
    flock = fcntl.flock

    def refuse_reading(descriptor: int, operation: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", refuse_reading)
    first = IntakeLock(str(root))
    first.acquire()
    with pytest.raises(RootBusy):
        IntakeLock(str(root)).acquire()
    first.release()


def test_a_lock_that_is_refused_either_way_is_an_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EBADF on both descriptors is raised, not taken for a lock."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="cannot be locked"):
        IntakeLock(str(root)).acquire()


def test_a_symlink_for_a_lock_is_refused(root: Path, tmp_path: Path) -> None:
    """A lock file is never made through a symlink."""
    (root / ".emosieve").mkdir()
    (root / ".emosieve" / "intake.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="Too many levels"):
        IntakeLock(str(root)).acquire()

    assert locking.INTAKE_LOCK == ".emosieve/intake.lock"
    assert not (tmp_path / "elsewhere").exists()


def test_a_lock_file_that_was_deleted_guards_nothing(root: Path) -> None:
    """The holder can tell that somebody else may have taken the root."""
    lock = IntakeLock(str(root))
    assert not lock.is_held()
    lock.acquire()
    assert lock.is_held()
    (root / ".emosieve" / "intake.lock").rename(root / "elsewhere")
    assert not lock.is_held()
    (root / ".emosieve" / "intake.lock").touch()
    assert not lock.is_held()
    lock.release()


def test_patience_has_an_end(root: Path) -> None:
    """A lock that another process does not give back is an error in the end, not a hang."""
    descriptor, locked = locking.take_lock(str(root), "lock")
    with pytest.raises(BlockingIOError, match="is held by another emosieve"):
        locking.take_lock(str(root), "lock", patience=0.05)
    os.close(descriptor)

    assert locked
    os.close(locking.take_lock(str(root), "lock", patience=0.05)[0])


def test_a_lock_file_that_another_process_made_a_moment_ago_is_taken(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that make the lock file at once both go on with it."""
    (root / "lock").touch()
    monkeypatch.setattr(os.path, "lexists", lambda _path: False)
    descriptor, locked = locking.take_lock(str(root), "lock")
    os.close(descriptor)

    assert locked
