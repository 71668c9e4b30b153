"""Across file systems: the making of a copy, whole and on the disk, in a hidden directory.

All of it goes by descriptors. A path is walked anew at each call, and whoever
may write in a folder on the way can put a symlink in it meanwhile.
"""

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from emosieve.errors import CopyStopped, naming_whole
from emosieve.record.lines import write_all
from emosieve.watch.filesystem import file_system_of
from emosieve.watch.identity import READ_DIRECTORY
from emosieve.watch.survey import DEPTH_LIMIT, FILE_LIMIT, FileStat, survey_directory

_BLOCK_BYTES: Final = 1 << 22
"""A stop is heard between two blocks of a file, and between two files."""

_REPLACED: Final = "was replaced by another directory while a copy was made"

ShouldStop = Callable[[], bool]

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ITSELF: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_NOFOLLOW | os.O_CLOEXEC
_SET_IDS: Final = stat.S_ISUID | stat.S_ISGID
_NOT_KEPT: Final = frozenset(
    {errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOTSUP, errno.ENODATA, errno.ENOSYS}
)
"""What a file system, or a user without privileges, answers to an owner or attribute that it cannot have."""


# The hidden directory.


def open_staging(folder: int, name: str) -> int:
    """Make the hidden directory of a copy anew, and return its descriptor.

    Args:
        folder: descriptor of the folder that it lies in.
        name: of the hidden directory.

    Raises:
        OSError: it cannot be made, or is not the one that was made.
    """
    remove_staging(folder, name)
    try:
        os.mkdir(name, 0o700, dir_fd=folder)  # nobody else may look into what is not yet known to be whole
    except FileExistsError:
        raise OSError(errno.EBUSY, _REPLACED, name) from None
    descriptor = os.open(name, READ_DIRECTORY, dir_fd=folder)
    # Who may write in the folder can put another directory in its place.
    if os.fstat(descriptor).st_dev != os.fstat(folder).st_dev or os.listdir(descriptor):
        os.close(descriptor)
        raise OSError(errno.EBUSY, _REPLACED, name)
    return descriptor


def remove_staging(folder: int, name: str) -> None:
    """Remove the hidden directory of a copy; a symlink in its place is refused, not followed.

    Raises:
        OSError: it cannot be removed.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "is not a directory; move it away", name)
        shutil.rmtree(name, dir_fd=folder)


def empty(directory: int) -> None:
    """Remove all that stands in an open directory, wherever it was moved to.

    Raises:
        OSError: something cannot be removed.
    """
    for name in os.listdir(directory):
        try:
            os.unlink(name, dir_fd=directory)
        except (IsADirectoryError, PermissionError):
            shutil.rmtree(name, dir_fd=directory)


# The copy.


def refuse_uncopyable(path: str, files: tuple[FileStat, ...]) -> None:
    """Refuse a task that no copy can be made of.

    Raises:
        OSError: it holds too much, nests too deep, or holds a FIFO, socket or device.
    """
    if len(files) > FILE_LIMIT:
        raise OSError(
            errno.EFBIG, f"holds more than {FILE_LIMIT} files, which is too many to be copied", path
        )
    for file in files:
        if stat.S_ISDIR(file.mode) and file.name.count("/") >= DEPTH_LIMIT:
            raise OSError(
                errno.EFBIG, f"is nested deeper than {DEPTH_LIMIT} levels, too deep to be copied", path
            )
        _refuse_special(f"{path}/{file.name}", file.mode)


def _refuse_special(path: str, mode: int) -> None:
    """Refuse what a copy would open and never come to the end of."""
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
        raise OSError(errno.ENOTSUP, "is a FIFO, socket or device, which cannot be copied", path)


def open_entry(folder: int, name: str, path: str) -> int:
    """Open a directory, a plain file, or a symlink itself, and return its descriptor.

    Args:
        folder: descriptor of the directory that it stands in.
        name: there.
        path: for errors.

    Raises:
        OSError: it is gone, is a FIFO, socket or device, or cannot be opened.
    """
    with naming_whole(path):
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        _refuse_special(path, mode)
        kinds = {stat.S_IFDIR: READ_DIRECTORY, stat.S_IFLNK: _ITSELF}
        descriptor = os.open(name, kinds.get(stat.S_IFMT(mode), _READ), dir_fd=folder)
    now = os.fstat(descriptor).st_mode
    if stat.S_IFMT(now) != stat.S_IFMT(mode):
        os.close(descriptor)
        raise OSError(errno.EBUSY, "changed while it was copied", path)
    return descriptor


def look_at(descriptor: int) -> tuple[FileStat, ...]:
    """Return all that stands in an open directory; for a file or symlink the thing itself, without a name.

    Raises:
        OSError: it cannot be listed.
    """
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode):
        return survey_directory(".", "", descriptor).files
    numbers = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_mode)
    return (FileStat("", *numbers),)


def outline(files: tuple[FileStat, ...]) -> dict[str, tuple[int, int]]:
    """Return kind and size by name; a directory's size means nothing on another file system."""
    return {
        file.name: (stat.S_IFMT(file.mode), 0 if stat.S_ISDIR(file.mode) else file.size) for file in files
    }


def digest_of(directory: int, name: str) -> str | None:
    """Return the SHA-256 of a plain file's bytes, in hex; ``None`` where there is none that can be read."""
    try:
        with open(os.open(name, _READ, dir_fd=directory), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


class Copier:
    """Copies one directory, file or symlink into a hidden directory.

    Args:
        staging: descriptor of the hidden directory.
        should_stop: asked between files, and within large ones.
    """

    def __init__(self, staging: int, should_stop: ShouldStop) -> None:
        self._should_stop = should_stop
        # In a hidden directory that others may write in, a name may lead to a file of theirs by now.
        status = os.fstat(staging)
        self._keeps_owners = status.st_uid == os.geteuid() and not status.st_mode & 0o077

    def fill(
        self, original: int, target: int, at: tuple[int, str], paths: tuple[str, str], depth: int = 0
    ) -> None:
        """Copy what ``make_like`` began, with modes, times and owners, and force it to the disk.

        Args:
            original: descriptor.
            target: descriptor of the copy.
            at: descriptor of the directory that the copy stands in, and its name there.
            paths: of original and copy, for errors.
            depth: levels below the task.

        Raises:
            CopyStopped: it should stop; the copy is worth nothing then.
            OSError: it cannot be copied; the copy is worth nothing then.
        """
        status = os.fstat(original)
        if stat.S_ISLNK(status.st_mode):
            with naming_whole(paths[1]):
                self._keep_link(status, at)
            return
        if stat.S_ISDIR(status.st_mode):
            self._fill_directory(original, target, paths, depth)
        else:
            self._fill_file(original, target, paths)
        with naming_whole(paths[1]):
            self._keep(status, original, target)
            os.fsync(target)

    def _fill_directory(self, source: int, target: int, paths: tuple[str, str], depth: int) -> None:
        if depth > DEPTH_LIMIT:
            raise OSError(errno.EBUSY, "changed while it was copied", paths[0])
        for name in os.listdir(source):
            below = (f"{paths[0]}/{name}", f"{paths[1]}/{name}")
            with closing_descriptor(open_entry(source, name, below[0])) as original:
                with naming_whole(below[1]):
                    child = make_like(original, target, name)
                with closing_descriptor(child):
                    self.fill(original, child, (target, name), below, depth + 1)
            self._heed_stop(below[0])

    def _fill_file(self, source: int, target: int, paths: tuple[str, str]) -> None:
        while True:
            with naming_whole(paths[0]):
                block = os.read(source, _BLOCK_BYTES)
            if not block:
                break
            with naming_whole(paths[1]):
                write_all(target, block)
            if len(block) == _BLOCK_BYTES:
                self._heed_stop(paths[0])
        self._heed_stop(paths[0])  # before it is forced to the disk, which may take long

    def _heed_stop(self, path: str) -> None:
        if self._should_stop():
            raise CopyStopped(path)

    def _keep(self, status: os.stat_result, source: int, target: int) -> None:
        """Give an open copy the attributes, mode, times and owner of its original, as far as this process may.

        The owner comes last: to a file that is another's by then only a privileged process may do the rest.
        """
        _keep_attributes(source, target)
        os.fchmod(target, stat.S_IMODE(status.st_mode) & ~_SET_IDS)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        if self._keeps_owners:
            with _tolerant():
                os.fchown(target, status.st_uid, status.st_gid)
        # A set-id bit stands for the owner and the group that it was given by, and for no other.
        kept = os.fstat(target)
        bits = stat.S_ISUID * (kept.st_uid == status.st_uid) | stat.S_ISGID * (kept.st_gid == status.st_gid)
        if status.st_mode & bits:
            with _tolerant():
                os.fchmod(target, stat.S_IMODE(status.st_mode) & (~_SET_IDS | bits))

    def _keep_link(self, status: os.stat_result, at: tuple[int, str]) -> None:
        folder, name = at
        os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=folder, follow_symlinks=False)
        if self._keeps_owners:
            with _tolerant():
                os.chown(name, status.st_uid, status.st_gid, dir_fd=folder, follow_symlinks=False)


def make_like(original: int, folder: int, name: str) -> int:
    """Make an empty directory or file for nobody else to see, or the same symlink; return its descriptor.

    Args:
        original: descriptor of what it is like.
        folder: descriptor of the directory that it is made in.
        name: there.

    Raises:
        OSError: it cannot be made.
    """
    mode = os.fstat(original).st_mode
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink("", dir_fd=original), name, dir_fd=folder)
        return os.open(name, _ITSELF, dir_fd=folder)
    if stat.S_ISDIR(mode):
        os.mkdir(name, 0o700, dir_fd=folder)
        return os.open(name, READ_DIRECTORY, dir_fd=folder)
    return os.open(name, _WRITE_NEW, 0o600, dir_fd=folder)


@contextmanager
def closing_descriptor(descriptor: int) -> Iterator[int]:
    """Close a descriptor at the end."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _keep_attributes(source: int, target: int) -> None:
    """Copy the extended attributes that the file system has and that this process may set."""
    if not hasattr(os, "listxattr"):
        return
    with _tolerant():
        for name in os.listxattr(source):
            with _tolerant():
                os.setxattr(target, name, os.getxattr(source, name))


@contextmanager
def _tolerant() -> Iterator[None]:
    """Pass over what a file system or a user without privileges cannot keep."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NOT_KEPT:
            raise


# Renames.


def inode_at(folder: int, name: str) -> int | None:
    """Return the inode number of what stands in an open folder under a name; ``None`` when nothing does."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return None


def rename_whole(source: tuple[int, str], destination: tuple[int, str], inode: int) -> None:
    """Rename something between two open folders, and see that all of it went.

    A file system that is made of several disks, such as mergerfs, may rename what lies on one of them
    alone, and claim success.

    Args:
        source: descriptor of the folder, and the name there.
        destination: the same; nothing stands there.
        inode: number of what is renamed.

    Raises:
        OSError: it cannot be renamed: with EXDEV where the folders lie on two file systems, and where
            only a part was renamed and that was taken back.
    """
    _rename(source, destination)
    left = inode_at(*source)
    # What has another number is what a writer made anew, unless the file system numbers anew at every look.
    if left is None or (left != inode and file_system_of(f"/proc/self/fd/{source[0]}").is_local):
        return
    with suppress(OSError):
        _rename(destination, source)
    if inode_at(*destination) is None:
        raise OSError(errno.EXDEV, "can be renamed in part only: it lies on several disks", source[1])
    raise OSError(errno.ENOTSUP, "was renamed in part only: it lies on several disks", source[1])


def _rename(source: tuple[int, str], destination: tuple[int, str]) -> None:
    os.rename(source[1], destination[1], src_dir_fd=source[0], dst_dir_fd=destination[0])
