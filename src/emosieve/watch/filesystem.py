"""What the file system under a folder can do: events, leases, honest change times."""

import ctypes
import fcntl
import os
import signal
import struct
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass

LOCAL_TYPES = frozenset(
    {"bcachefs", "btrfs", "erofs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "ramfs", "reiserfs"}
    | {"tmpfs", "xfs", "zfs"},
)
"""Types on which every writer is on this machine, so that inotify, leases and change times tell all.

Everything else (NFS, CIFS, 9p, FUSE, VirtualBox) may be written from behind the mount without an event.
"""

MOMENT_NS = 50_000_000
"""A recognition takes 1 to 31 ms for each of its files, and files are dated by ticks of up to 10 ms."""

_F_SETSIG = 10  # Linux's number; the fcntl module does not name it

# Of statx(2), which the os module does not have: numbers, and where struct statx has what is asked for.
_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800
_STATX_BYTES = 256
_FS_IOC_FSGETXATTR = 0x801C581F
_FS_XFLAG_PROJINHERIT = 0x200
_FSXATTR = struct.Struct("=IIIII8x")

_MASK_AND_BIRTH = struct.Struct("=I76xqI")


@dataclass(frozen=True, slots=True)
class FileSystem:
    """The mount that a path lies on.

    Attributes:
        type: as the kernel names it.
        mount_point: an absolute path.
        is_walled: whether the mount is read-only and its disk is not, as a sandbox makes it.
    """

    type: str
    mount_point: str
    is_walled: bool = False

    @property
    def is_local(self) -> bool:
        """Whether all of its writers are on this machine."""
        return self.type in LOCAL_TYPES


UNKNOWN = FileSystem("unknown", "/")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the mount table of this process's own mount namespace.

    Attributes:
        number: by which the kernel tells it from others while it exists.
        parent: number of the mount that its mount point stands on.
        has_master: whether it is a copy to which the original passes on what is mounted and unmounted there.
        file_system: what is mounted, and where.
    """

    number: int
    parent: int
    has_master: bool
    file_system: FileSystem

    @property
    def point(self) -> str:
        """The mount point, an absolute path."""
        return self.file_system.mount_point


def file_system_of(path: str, mountinfo: str = "/proc/self/mountinfo") -> FileSystem:
    """The file system a path lies on, from the kernel's mount table; ``unknown`` off Linux.

    ``os.statvfs`` has no type, and only the mount table tells ``fuse.sshfs`` from ``fuse.bindfs``.
    """
    way = mounts_to(path, read_mounts(mountinfo))
    return way[-1].file_system if way else UNKNOWN


def read_mounts(mountinfo: str = "/proc/self/mountinfo") -> list[Mount]:
    """Return the kernel's mount table; empty off Linux."""
    try:
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as table:
            return [_mount_of(line) for line in table]
    except OSError:
        return []


def mounts_to(path: str, mounts: Sequence[Mount]) -> list[Mount]:
    """Return the mounts that are crossed on the way from ``/`` to a path, as the kernel crosses them.

    The longest mount point is not always it: what is mounted over an outer folder hides what stood in it.
    """
    real = os.path.realpath(path)
    around = [one for one in mounts if real == one.point or real.startswith(one.point.rstrip("/") + "/")]
    numbers = {one.number for one in around}
    way: list[Mount] = []
    # The first one lies on nothing that can be seen from here; that of the whole machine lies on itself.
    next_ones = [one for one in around if one.parent not in numbers or one.parent == one.number]
    while next_ones:
        way.append(min(next_ones, key=lambda one: len(one.point)))
        next_ones = [one for one in around if one.parent == way[-1].number and one not in way]
    return way


def _mount_of(line: str) -> Mount:
    fields, _, source = line.partition(" - ")
    number, parent, _, _, point, options, *tags = fields.split()
    type_, *_, disk_options = source.split()
    is_walled = "ro" in options.split(",") and "ro" not in disk_options.split(",")
    has_master = any(tag.startswith("master:") for tag in tags)
    place = _unescape(point)
    return Mount(int(number), int(parent), has_master, FileSystem(type_, place, is_walled))


def room_of(status: os.statvfs_result, *, privileged: bool) -> tuple[int, int]:
    """The bytes that a user may still write on a file system, and all of its bytes.

    Args:
        status: what ``os.statvfs`` says of it.
        privileged: whether the blocks that are reserved for root count as free.
    """
    blocks = status.f_bfree if privileged else status.f_bavail
    return blocks * status.f_frsize, status.f_blocks * status.f_frsize


def _unescape(field: str) -> str:
    for octal, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(octal, character)
    return field


def is_open_for_writing(descriptor: int) -> bool | None:
    """Whether any process holds this file open for writing, a writable mmap included.

    Asks for a read lease and gives it back at once. ``None`` where the kernel
    does not tell: a file of another uid without CAP_LEASE, or a file system
    without leases. Only meaningful on a local file system: NFSv4 says "busy"
    whenever it has no delegation.
    """
    if sys.platform != "linux":
        return None
    try:
        # A writer that opens while we hold the lease makes the kernel signal us. The default signal,
        # SIGIO, kills a process; SIGURG is ignored unless somebody asks for it.
        fcntl.fcntl(descriptor, _F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return None
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


class _StatxBuffer(threading.local):
    """One buffer for each thread: ctypes gives up the interpreter lock while the kernel writes to it."""

    def __init__(self) -> None:
        self.bytes = ctypes.create_string_buffer(_STATX_BYTES)
        self.address = ctypes.addressof(self.bytes)


_statx = getattr(ctypes.CDLL(None), "statx", None)  # off Linux, and in an old C library, there is none
if _statx is not None:
    _statx.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)
_statx_buffer = _StatxBuffer()


def birth_time_ns(descriptor: int) -> int:
    """Return when an open file or directory was made, in ns since the epoch.

    A rename keeps it, nothing can set it, and a new file that gets the inode number of a
    deleted one has another. ``os.stat`` does not tell it on Linux.

    Returns:
        0 where the kernel, the C library or the file system does not tell.
    """
    if _statx is None:
        return 0
    buffer = _statx_buffer
    if _statx(descriptor, b"", _AT_EMPTY_PATH, _STATX_BTIME, buffer.address) != 0:
        return 0
    mask, seconds, nanoseconds = _MASK_AND_BIRTH.unpack_from(buffer.bytes)
    return int(seconds) * 1_000_000_000 + int(nanoseconds) if mask & _STATX_BTIME else 0


@dataclass(frozen=True, slots=True)
class Project:
    """The project of a disk quota that a directory belongs to.

    Attributes:
        number: 0 for none.
        is_inherited: whether all that is made in the directory belongs to it as well.
    """

    number: int
    is_inherited: bool


def project_of(path: str) -> Project | None:
    """Return the quota project of a directory; ``None`` where the file system (or the user) has no answer."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        answer = fcntl.ioctl(descriptor, _FS_IOC_FSGETXATTR, bytes(_FSXATTR.size))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    flags, _, _, number, _ = _FSXATTR.unpack(answer)
    return Project(number, bool(flags & _FS_XFLAG_PROJINHERIT))


def lower_layers(
    path: str,
    mountinfo: str = "/proc/self/mountinfo",
    parameter: str = "/sys/module/overlay/parameters/redirect_dir",
) -> tuple[str, ...] | None:
    """Return where a path of an overlay mount lies in the lower layers, from which no rename takes a directory.

    Args:
        path: on an overlay.
        mountinfo: the kernel's mount table.
        parameter: the kernel's file that says what ``redirect_dir`` is where a mount does not say.

    Returns:
        one path for each layer; none where the mount renames directories of lower layers, too (with
        ``redirect_dir=on``). ``None`` where the layers cannot be seen from here, as in a container.
    """
    real = os.path.realpath(path)
    point = file_system_of(real, mountinfo).mount_point
    with open(mountinfo, encoding="utf-8", errors="surrogateescape") as table:
        lines = [line for line in table if _unescape(line.split()[4]) == point]
    fields, _, source = lines[-1].partition(" - ")
    # A comma in a path is written as an escape of the overlay's own, which is left as it is: not seen.
    options = [_unescape(option).partition("=") for option in source.split()[-1].split(",")]
    redirect = next((value for key, _, value in options if key == "redirect_dir"), None)
    if redirect == "on" or (redirect is None and _is_on(parameter)):
        return ()
    layers = [
        layer for key, _, value in options if key in {"lowerdir", "lowerdir+"} for layer in value.split(":")
    ]
    if not layers or not all(os.path.isabs(layer) and os.path.isdir(layer) for layer in layers):
        return None
    below = os.path.normpath(f"/{_unescape(fields.split()[3])}/{os.path.relpath(real, point)}")
    return tuple(f"{layer.rstrip('/')}{below}" for layer in layers)


def _is_on(parameter: str) -> bool:
    try:
        with open(parameter, encoding="ascii") as file:
            return file.read().strip() == "Y"
    except OSError:
        return False
