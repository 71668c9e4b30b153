"""What stands in a task's directory, seen without opening a file of it, and the safe opening of its files."""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from emosieve.patterns import IGNORE, IsNamed, matcher
from emosieve.watch.filesystem import birth_time_ns
from emosieve.watch.identity import READ_DIRECTORY, DirectoryId

RESULT_NAMES = ("result.json", "result_frame.json")
"""Names of the result file, the first one present wins."""
AUDIO_NAME: Final = "processed_audio.wav"
"""What the WebUI calls the audio that a result is about; where there is none of that name, any wav will do."""
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
DEPTH_LIMIT = 16
"""Levels below a task that are looked at."""
FILE_LIMIT = 10_000
"""Files of one task that are looked at, which takes a fraction of a second; one with more is no task."""
_IS_IGNORED = matcher(IGNORE)


@dataclass(frozen=True, slots=True)
class FileStat:
    """One file of a task; ``name`` is its path within the task."""

    name: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    mode: int

    @property
    def is_regular(self) -> bool:
        """Whether it is a plain file: not a symlink, FIFO, socket or device."""
        return stat.S_ISREG(self.mode)


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look at a task's directory saw, without opening a file.

    Attributes:
        directory: device and inode.
        files: all that stands in it, by name; subdirectories stand for themselves and their files.
        changed_ns: the newest ctime of the directory and its own files, in ns since the epoch.
        directory_changed_ns: the directory's own ctime.
        born_ns: when the directory was made, in ns since the epoch; 0 where the file system does not tell.
        ignored: names of those files that are no part of the task, which are moved with it and nothing else.
    """

    name: str
    directory: tuple[int, int]
    files: tuple[FileStat, ...]
    changed_ns: int = field(compare=False)
    directory_changed_ns: int
    born_ns: int = 0
    ignored: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def own_files(self) -> tuple[FileStat, ...]:
        """The files without those that are ignored."""
        if not self.ignored:
            return self.files
        return tuple(file for file in self.files if file.name not in self.ignored)

    @property
    def identity(self) -> DirectoryId:
        """Which directory it is."""
        return DirectoryId(*self.directory, self.born_ns, self.directory_changed_ns)

    @property
    def is_crowded(self) -> bool:
        """Whether there are more files than are looked at."""
        return len(self.files) > FILE_LIMIT

    @property
    def signature(self) -> int:
        """A number that changes when any name, size, mtime or inode does."""
        return hash((self.directory, self.directory_changed_ns, self.own_files))

    def find(self, name: str) -> FileStat | None:
        """The file of that name."""
        return next((file for file in self.files if file.name == name), None)

    @property
    def result_file(self) -> FileStat | None:
        """The result file, under either of its names."""
        return next((file for file in map(self.find, RESULT_NAMES) if file), None)


def survey_directory(
    path: str, name: str, parent: int | None = None, *, is_ignored: IsNamed = _IS_IGNORED
) -> Survey:
    """Look at any task directory, filed or not, without opening a file.

    Args:
        path: of the directory.
        name: that the survey gets.
        parent: descriptor of the directory that a relative path starts from.
        is_ignored: which of its files are no part of the task.

    Raises:
        FileNotFoundError: it, or a part of it, is gone.
        NotADirectoryError: it is not a directory (any more).
    """
    descriptor = os.open(path, READ_DIRECTORY, dir_fd=parent)
    try:
        status, born = os.fstat(descriptor), birth_time_ns(descriptor)
        files = tuple(sorted(islice(_walk(descriptor, "", 0), FILE_LIMIT + 1), key=lambda file: file.name))
    finally:
        os.close(descriptor)
    ignored = frozenset([file.name for file in files if is_ignored(file.name)])
    changed = max([status.st_ctime_ns, *(file.ctime_ns for file in files if file.name not in ignored)])
    return Survey(name, (status.st_dev, status.st_ino), files, changed, status.st_ctime_ns, born, ignored)


def _walk(directory: int, prefix: str, depth: int) -> Iterator[FileStat]:
    with os.scandir(directory) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            yield FileStat(
                prefix + entry.name,
                status.st_size,
                status.st_mtime_ns,
                status.st_ctime_ns,
                status.st_ino,
                status.st_mode,
            )
            if stat.S_ISDIR(status.st_mode) and depth < DEPTH_LIMIT:
                try:
                    child = os.open(entry.name, READ_DIRECTORY, dir_fd=directory)
                except PermissionError:
                    continue  # what may not be seen is left to the quiet time of its directory
                try:
                    yield from _walk(child, f"{prefix}{entry.name}/", depth + 1)
                finally:
                    os.close(child)


def open_file(directory: int, file: FileStat, *, must: bool) -> int | None:
    """Open one file of a task; only the result must be readable, for the others reading is a courtesy.

    Step by step through its subdirectories: O_NOFOLLOW guards the last component of a path alone.
    """
    folders: list[int] = []
    try:
        *parents, name = file.name.split("/")
        for parent in parents:
            folders.append(os.open(parent, READ_DIRECTORY, dir_fd=folders[-1] if folders else directory))
        return os.open(name, _READ, dir_fd=folders[-1] if folders else directory)
    except PermissionError:
        if must:
            raise
        return None
    except NotADirectoryError:
        raise FileNotFoundError(errno.ESTALE, "changed while it was looked at", file.name) from None
    finally:
        for folder in folders:
            os.close(folder)
