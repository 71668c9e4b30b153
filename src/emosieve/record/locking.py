"""Advisory locks, on file systems that have them."""

import errno
import fcntl
import os
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Final

import orjson
import structlog

from emosieve.errors import RootBusy
from emosieve.record.files import STATE_DIRECTORY, create_plain, make_state_directory, open_plain
from emosieve.text import Message, Phrase

INTAKE_LOCK: Final = f"{STATE_DIRECTORY}/intake.lock"

_LOCK_MODE: Final = 0o600
"""Who may open a lock file may hold its lock."""
_LOCK_PAUSE_SECONDS: Final = 0.01

log = structlog.get_logger()

_BUSY = Phrase(
    "{root}: another emosieve is at work on this root ({holder}); stop it first",
    "{root}：另一个 emosieve 正在处理这个输出目录（{holder}）；请先停止它",
)
_HOLDER = Phrase("host {host}, pid {pid}", "主机 {host}，进程 {pid}")
_HOLDER_IN_CONTAINER = Phrase(
    "host {host}, pid {pid}, container {container}",
    "主机 {host}，进程 {pid}，容器 {container}",
)
_UNKNOWN_HOLDER = Phrase("its name is not written yet", "对方尚未登记")

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})


def take_lock(root: str, name: str, *, patience: float = 0.0) -> tuple[int, bool]:
    """Open, or create, a lock file and lock it exclusively; the lock goes with the process, however that ends.

    The descriptor is open for reading alone: one that is open for writing would
    keep the file system from being remounted read-only.

    Args:
        root: the root.
        name: the lock file's path under it.
        patience: seconds to wait for a holder; flock itself would wait for ever, deaf to a stop.

    Returns:
        the descriptor, and whether it is locked: on a file system without locks it is not.

    Raises:
        BlockingIOError: somebody else holds it, and patience is at its end.
        OSError: it cannot be opened; a symlink in its place is refused.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return _try_lock(root, f"{root}/{name}")
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise BlockingIOError(errno.EAGAIN, "is held by another emosieve", f"{root}/{name}") from None
        time.sleep(_LOCK_PAUSE_SECONDS)


def _try_lock(root: str, path: str) -> tuple[int, bool]:
    # Created apart, and for writing, too: a FUSE such as rclone's creates no file that is opened for reading.
    if not os.path.lexists(path):
        with suppress(FileExistsError):
            os.close(create_plain(root, path, os.O_RDWR, _LOCK_MODE))
    # NFS makes of flock a lock for which the file must be open for writing, and says so with EBADF.
    for access in (os.O_RDONLY, os.O_RDWR):
        descriptor = open_plain(path, access)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return descriptor, False
            os.close(descriptor)
            if error.errno != errno.EBADF:
                raise
        else:
            return descriptor, True
    raise OSError(errno.EBADF, "cannot be locked", path)


class IntakeLock:
    """One intake per root: held by the daemon or a sweep for its whole life."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._path = f"{root}/{INTAKE_LOCK}"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock and write down who holds it.

        Raises:
            RootBusy: another process holds it; the message names host, container and pid.
            OSError: the lock file cannot be opened.
        """
        make_state_directory(self._root)
        try:
            self._descriptor, locked = take_lock(self._root, INTAKE_LOCK)
        except BlockingIOError:
            raise RootBusy(_busy(self._root)) from None
        if not locked:
            log.warning("intake.no_locks", path=self._path, hint="start no second emosieve on this root")
        # A full disk must not keep the daemon away.
        with suppress(OSError), open(open_plain(self._path, os.O_WRONLY | os.O_TRUNC), "wb") as file:
            file.write(orjson.dumps(asdict(myself())))

    def is_held(self) -> bool:
        """Whether the lock still guards the root: one whose file was deleted, or cannot be reached, does not."""
        if self._descriptor is None:
            return False
        try:
            held, there = os.fstat(self._descriptor), os.lstat(self._path)
        except OSError:
            return False
        return (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)

    def release(self) -> None:
        """Give the lock back; safe to call at any time."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):  # on a dead mount a close fails, too, and closes all the same
                os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who wrote itself into an intake lock; its record outlives it, so it may be long gone.

    Attributes:
        host: its name.
        container: the host's name once more, in a container; else ``None``.
        pid: as the holder itself sees it.
    """

    host: str
    container: str | None
    pid: int

    @property
    def words(self) -> Message:
        """By which an operator finds it."""
        if self.container:
            return _HOLDER_IN_CONTAINER(**asdict(self))
        return _HOLDER(host=self.host, pid=self.pid)


def myself() -> Holder:
    """This process."""
    host = socket.gethostname()
    return Holder(host, host if is_contained() else None, os.getpid())


def is_contained() -> bool:
    """Whether this process runs in a container, by the files that Docker and Podman leave in one."""
    return any(os.path.exists(sign) for sign in ("/.dockerenv", "/run/.containerenv"))


def read_holder(root: str) -> Holder | None:
    """Who last wrote itself into a root's intake lock; ``None`` when nobody did, or it cannot be read."""
    try:
        with open(open_plain(f"{root}/{INTAKE_LOCK}", os.O_RDONLY), "rb") as file:
            document = orjson.loads(file.read(4096))
        container = document["container"]
        return Holder(str(document["host"]), str(container) if container else None, int(document["pid"]))
    except (OSError, KeyError, TypeError, ValueError):
        return None


def holding_pid(root: str, likely: int | None) -> int | None:
    """The process that holds a root's intake lock now; the lock itself is left alone.

    The kernel's table of locks shows only this container's processes, and on some file
    systems another device than stat does.

    Args:
        root: the root.
        likely: the pid that the lock's record names, which then counts whatever the device.
    """
    try:
        status = os.lstat(f"{root}/{INTAKE_LOCK}")
        with open("/proc/locks", encoding="utf-8") as table:
            locks = [line.split() for line in table]
    except OSError:
        return None
    device = (os.major(status.st_dev), os.minor(status.st_dev))
    for _, kind, *_, pid, place, _, _ in locks:
        if kind != "FLOCK":
            continue  # "->" stands there for one that only waits
        major, minor, inode = place.split(":")
        same_device = (int(major, 16), int(minor, 16)) == device
        if int(inode) == status.st_ino and (same_device or int(pid) == likely):
            return int(pid)
    return None


def standing_holder(root: str, record: Holder | None) -> Holder | None:
    """Who holds a root's intake lock now, as the kernel shows it here; ``None`` when it shows nobody.

    The kernel knows better than the record, which for a moment is still that of the
    holder before, and names a number that may be anybody's in another pid namespace.

    Args:
        root: the root.
        record: what the lock's record says.
    """
    pid = holding_pid(root, record.pid if record else None)
    if pid is None:
        return None
    return replace(record if record and record.container else myself(), pid=pid)


def _busy(root: str) -> Message:
    """Who holds the intake lock, as far as can be told."""
    record = read_holder(root)
    holder = standing_holder(root, record) or record
    return _BUSY(root=root, holder=holder.words if holder else _UNKNOWN_HOLDER())
