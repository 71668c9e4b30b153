"""The removal of what was copied to another file system: in place, file by file, and nothing that was not copied."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from emosieve.copying import digest_of
from emosieve.errors import naming_whole
from emosieve.watch.identity import READ_DIRECTORY
from emosieve.watch.survey import RESULT_NAMES, FileStat


def remove_files(source: int, files: tuple[FileStat, ...], copy: int | None, path: str) -> bool:
    """Remove, in place, what was copied and is still what was copied; the result goes last.

    What came or changed since stays, with the directories that it stands in.

    Args:
        source: descriptor of the original directory.
        files: all that stood in it when it was copied.
        copy: descriptor of the copy, where the directory is known to be the original: a file whose
            times or number changed goes if its bytes are those of the copy. ``None`` where it is not.
        path: of the original, for errors.

    Returns:
        whether anything was removed.

    Raises:
        OSError: something cannot be removed; what was removed before is.
    """
    last = [file for name in reversed(RESULT_NAMES) for file in files if file.name == name]
    # By name in reverse, what stands in a directory comes before the directory.
    others = sorted((file for file in files if file not in last), key=lambda file: file.name, reverse=True)
    has_removed = False
    for file in (*others, *last):
        with naming_whole(f"{path}/{file.name}"), suppress(FileNotFoundError, NotADirectoryError):
            has_removed |= _remove(source, file, copy)
    return has_removed


def remove_file(folder: int, name: str, file: FileStat, copied: tuple[int, str] | None) -> bool:
    """Remove one file that is still what was copied; tell whether it was.

    Args:
        folder: descriptor of the directory that it stands in.
        name: there.
        file: what was copied.
        copied: descriptor of the copy's directory and the copy's name, to compare bytes where times or
            number changed; ``None`` where only an unchanged file may go.

    Raises:
        OSError: it cannot be removed.
    """
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    now = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if now != (file.inode, file.size, file.mtime_ns, file.ctime_ns) and not (
        copied and _is_equal((folder, name), copied)
    ):
        return False
    os.unlink(name, dir_fd=folder)
    return True


def remove_empty(folder: int, name: str) -> bool:
    """Remove a directory in which nothing stands; tell whether it was.

    Raises:
        OSError: it cannot be removed.
    """
    try:
        os.rmdir(name, dir_fd=folder)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        return False
    return True


def _remove(source: int, file: FileStat, copy: int | None) -> bool:
    with _parent_of(source, file.name) as (folder, name):
        if stat.S_ISDIR(file.mode):
            if copy is None and os.stat(name, dir_fd=folder, follow_symlinks=False).st_ino != file.inode:
                return False
            return remove_empty(folder, name)
        if copy is None:
            return remove_file(folder, name, file, None)
        try:
            with _parent_of(copy, file.name) as copied:
                return remove_file(folder, name, file, copied)
        except (FileNotFoundError, NotADirectoryError):
            return remove_file(folder, name, file, None)  # the copy was moved on, or changed


@contextmanager
def _parent_of(directory: int, name: str) -> Iterator[tuple[int, str]]:
    """Open the directory in which a path below an open one ends, step by step: no step follows a symlink."""
    *parents, last = name.split("/")
    current = os.dup(directory)
    try:
        for parent in parents:
            below = os.open(parent, READ_DIRECTORY, dir_fd=current)
            os.close(current)
            current = below
        yield current, last
    finally:
        os.close(current)


def _is_equal(one: tuple[int, str], other: tuple[int, str]) -> bool:
    """Whether two plain files have the same bytes, or two symlinks the same target."""
    kinds = [
        stat.S_IFMT(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
        for folder, name in (one, other)
    ]
    if kinds == [stat.S_IFLNK] * 2:
        return os.readlink(one[1], dir_fd=one[0]) == os.readlink(other[1], dir_fd=other[0])
    if kinds != [stat.S_IFREG] * 2:
        return False
    digest = digest_of(*one)
    return digest is not None and digest == digest_of(*other)
