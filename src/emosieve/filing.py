"""The rename and all its dangers: never overwrite, never nest, never follow.

``os.rename`` onto an empty directory replaces it in silence, ``shutil.move``
onto a directory nests, and a rename across file systems fails. So a taken name
gets a suffix, decided by lstat under the log's lock, every folder is opened
without following a symlink, and where no rename leads a hidden copy is made
whole before it gets its name.
"""

import errno
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from emosieve.copies import STAGING_PREFIX, Copies
from emosieve.copying import ShouldStop, closing_descriptor, remove_staging, rename_whole
from emosieve.errors import SetupError, is_passing, naming, naming_whole
from emosieve.record.files import make_directory, make_state_directory
from emosieve.text import Message, Phrase

NAME_BYTES: Final = 255
"""What a name may have at most, in bytes, on the file systems that Linux has of its own."""
_INSIDE = Phrase(
    "{folder}: lies inside the root; write a single name such as '{name}' in [filing]",
    "{folder}：位于输出目录之内；请在 [filing] 中只写一个名字，例如 '{name}'",
)
_SYMLINK = Phrase(
    "{path}: is a symlink to {target}; write {target} in [filing], or make it a directory",
    "{path}：是指向 {target} 的符号链接；请在 [filing] 中直接写 {target}，或改成真正的目录",
)
_NO_DIRECTORY = Phrase(
    "{path}: is not a directory; move it away, or choose another name in [filing]",
    "{path}：不是目录；请将它移走，或在 [filing] 中另选名字",
)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_ONE_FOLDER = Phrase(
    "{first} and {second} are one folder; write two different ones in [filing]",
    "{first} 与 {second} 是同一个目录；请在 [filing] 中写两个不同的目录",
)
_CANNOT_BE_MADE = Phrase(
    "{path}: cannot be made: {cause}; make it, or allow it",
    "{path}：无法创建：{cause}；请手动创建，或给予权限",
)


class Folders:
    """Where things are: locations are paths under the root, or absolute, as the log writes them.

    Args:
        root: an absolute path without symlinks.
        by_verdict: verdict, or ``quarantined``, to folder: a name under the root, or an absolute path.
    """

    def __init__(self, root: str, by_verdict: Mapping[str, str]) -> None:
        self.root = root
        self.by_verdict = dict(by_verdict)

    @property
    def staging(self) -> str:
        """Name of the hidden directory of unfinished copies, beside where they go."""
        # Another root may file into the same folder, under a lock of its own: names are told apart by root.
        status = os.stat(self.root)
        # What root left when a command of its died must not be in the way of a daemon of another user.
        return f"{STAGING_PREFIX}{status.st_dev:x}-{status.st_ino:x}-{os.geteuid()}"

    def path(self, location: str) -> str:
        """The absolute path of a location; the root's own for an empty one."""
        return os.path.join(self.root, location) if location else self.root

    def verdict_at(self, location: str) -> str | None:
        """The verdict whose folder a location lies in; ``None`` for one in the inbox."""
        folder = os.path.dirname(location)
        return next((verdict for verdict, one in self.by_verdict.items() if one == folder), None)

    def location_of(self, path: str) -> str:
        """The location of an absolute path; its last component is not followed."""
        parent, name = os.path.split(os.path.normpath(path))
        real = os.path.realpath(parent)
        if real == self.root:
            return name
        # The log writes a folder as the settings name it, whatever symlinks lead there.
        known = (folder for folder in self.by_verdict.values() if os.path.realpath(self.path(folder)) == real)
        inside = os.path.relpath(real, self.root)
        return f"{next(known, real if inside.startswith('..') else inside)}/{name}"

    def check(self) -> None:
        """Refuse folders that will not do, before anything is made.

        Raises:
            SetupError: a folder is a symlink or no directory, or lies inside the root.
        """
        for folder in self.by_verdict.values():
            problem = inside_problem(self.root, folder) or folder_problem(self.path(folder))
            if problem:
                raise SetupError(problem)

    def make(self) -> None:
        """Make the folders that are missing.

        Raises:
            SetupError: a folder is a symlink, no directory, or may not be made.
            OSError: a folder cannot be made now, as on a full disk.
        """
        self.check()
        places: dict[tuple[int, int], str] = {}
        for folder in self.by_verdict.values():
            self._make(self.path(folder))
            status = os.stat(self.path(folder))
            twin = places.setdefault((status.st_dev, status.st_ino), folder)
            if twin != folder:
                raise SetupError(_ONE_FOLDER(first=twin, second=folder))

    def clean(self) -> None:
        """Remove what was left half copied; call it only while the log is locked."""
        for folder in ("", *self.by_verdict.values()):
            with suppress(OSError), closing_descriptor(os.open(self.path(folder), _FOLDER)) as descriptor:
                remove_staging(descriptor, self.staging)
        make_state_directory(self.root)  # never through a symlink

    def _make(self, path: str) -> None:
        try:
            with suppress(FileExistsError):
                make_directory(self.root, path)
        except OSError as error:
            if is_passing(error):
                raise
            raise SetupError(_CANNOT_BE_MADE(path=path, cause=error.strerror)) from None


def inside_problem(root: str, folder: str) -> Message | None:
    """Why an absolute destination will not do for this root: it must lie elsewhere."""
    if not os.path.isabs(folder):
        return None
    real = os.path.join(os.path.realpath(os.path.dirname(folder)), os.path.basename(folder))
    if os.path.commonpath([root, real]) != root:
        return None
    return _INSIDE(folder=folder, name=os.path.basename(folder))


def folder_problem(path: str) -> Message | None:
    """Why a path will not do as a destination folder; ``None`` when it will, or does not exist yet."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(mode):
        return _SYMLINK(path=path, target=os.path.realpath(path))
    if not stat.S_ISDIR(mode):
        return _NO_DIRECTORY(path=path)
    return None


class Mover:
    """Moves tasks between folders for the length of one batch, with every folder held open by descriptor.

    Args:
        folders: of the root.
        should_stop: asked within a copy to another file system, which may take long; a rename is never
            cut short.
    """

    def __init__(self, folders: Folders, should_stop: ShouldStop = lambda: False) -> None:
        self._folders = folders
        self._descriptors: dict[str, int] = {}
        self._name_bytes: dict[str, int] = {}
        places = frozenset({"", *folders.by_verdict.values()})
        self._copies = Copies(folders.root, places, folders.path, self._folder, should_stop)
        self.has_copied = False
        """Whether any move of this batch went to another file system."""
        self.has_moved = False
        """Whether any move was begun, so that there may be something to force to the disk."""

    @property
    def left_over(self) -> OSError | None:
        """Why something stands on that should be gone by now; the next batch goes on there."""
        return self._copies.left_over

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for folder in list(self._descriptors):
            self._forget(folder)

    def stat(self, location: str) -> os.stat_result | None:
        """lstat of what stands at a location; ``None`` when nothing does."""
        folder, name = os.path.split(location)
        try:
            return os.stat(name, dir_fd=self._folder(folder), follow_symlinks=False)
        except FileNotFoundError:
            return None

    def choose(self, folder: str, name: str, taken: set[str]) -> str:
        """A free location for a task in a folder: its own name, else with a suffix; added to ``taken``."""
        copy = 1
        candidate = os.path.join(folder, self._fitting(folder, name, ""))
        while candidate in taken or self.stat(candidate) is not None:
            copy += 1
            candidate = os.path.join(folder, self._fitting(folder, name, f".{copy}"))
        taken.add(candidate)
        return candidate

    def finish_copies(self) -> list[str]:
        """Finish the copies that a run that died, or an error, broke off; it costs an lstat where there are none.

        Call it before ``Folders.clean``, and only while the log is locked.

        Returns:
            the sources of those that stand at their destinations, so that their moves are made.
        """
        landed = []
        for record in list(self._copies.unfinished.values()):
            self.has_moved = True
            try:
                if self._copies.finish(record):
                    landed.append(record.source)
            except OSError as error:
                self._copies.left_over = error
        return landed

    def move(self, source: str, destination: str, directory: tuple[int, int] | None) -> None:
        """Give a task its place. On one file system it is one rename, and that is the commit.

        Args:
            source: where it stands.
            destination: where it goes; must be free.
            directory: device and inode it must have; ``None`` takes what is there.

        Raises:
            FileNotFoundError: the task is gone, or another one stands there.
            FileExistsError: the destination is taken by something else.
            OSError: it cannot be moved now.
        """
        self.has_moved = True
        if self._is_finished(source, destination):
            return
        status = self.stat(source)
        if status is None or (directory and (status.st_dev, status.st_ino) != directory):
            raise FileNotFoundError(errno.ENOENT, "is gone", self._folders.path(source))
        self._move(source, destination, status, os.path.dirname(destination))

    def join(self, source: str, destination: str, files: tuple[str, ...]) -> None:
        """Move the files of a late directory into the filed task that they belong to.

        Raises:
            FileExistsError: the filed task has a file of that name by now.
            OSError: a file cannot be moved now; those before it are.
        """
        self.has_moved = True
        for name in files:
            come_from, go_to = f"{source}/{name}", f"{destination}/{name}"
            if self._is_finished(come_from, go_to):
                continue
            status = self.stat(come_from)
            if status is not None:
                self._move(come_from, go_to, status, os.path.dirname(destination))
        self._forget(source)
        folder, name = os.path.split(source)
        with naming_whole(self._folders.path(source)):
            os.rmdir(name, dir_fd=self._folder(folder))

    def sync(self) -> None:
        """Force the names in all folders of this batch to the disk."""
        for folder, descriptor in self._descriptors.items():
            with naming(self._folders.path(folder)):
                os.fsync(descriptor)

    def _folder(self, folder: str) -> int:
        if folder not in self._descriptors:
            self._descriptors[folder] = os.open(self._folders.path(folder), _FOLDER)
        return self._descriptors[folder]

    def _fitting(self, folder: str, name: str, suffix: str) -> str:
        """A name with a suffix, its end cut off where the folder's file system would find it too long."""
        if folder not in self._name_bytes:
            self._name_bytes[folder] = self._limit(folder)
        room = self._name_bytes[folder] - len(suffix)
        return os.fsencode(name)[:room].decode(errors="ignore") + suffix

    def _limit(self, folder: str) -> int:
        """What a name in a folder may have, in bytes.

        Where a file system counts characters it tells more bytes than Linux has for a name: what fits in
        255 bytes fits there in any case.
        """
        try:
            limit = os.fpathconf(self._folder(folder), "PC_NAME_MAX")
        except (OSError, ValueError):  # the folder is not made yet, or its file system does not tell
            return NAME_BYTES
        return min(limit, NAME_BYTES) if limit > 0 else NAME_BYTES

    def _is_finished(self, source: str, destination: str) -> bool:
        """Finish the copy that was begun of a source, if one was; tell whether that was the move."""
        record = self._copies.unfinished.get(source)
        if record is None:
            return False
        return self._copies.finish(record) and record.destination == destination

    def _move(self, source: str, destination: str, status: os.stat_result, beside: str) -> None:
        """Move a task or a file: by a rename, else by a copy in a hidden directory in a folder of that mount."""
        if self.stat(destination) is not None:
            raise FileExistsError(errno.EEXIST, "is taken", self._folders.path(destination))
        if self._is_renamed(source, destination, status.st_ino):
            return
        self.has_copied = True
        self._copies.make(source, destination, os.path.join(beside, self._folders.staging))

    def _is_renamed(self, source: str, destination: str, inode: int) -> bool:
        """Try to rename; False where only a copy can: across file systems, mounts of one, or layers of an overlay."""
        source_folder, source_name = os.path.split(source)
        folder, name = os.path.split(destination)
        come_from, go_to = self._folder(source_folder), self._folder(folder)
        try:
            rename_whole((come_from, source_name), (go_to, name), inode)
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                # Somebody without our lock took the name a moment ago.
                raise FileExistsError(errno.EEXIST, "is taken", self._folders.path(destination)) from None
            if error.errno == errno.EXDEV:
                return False
            # Of the three directories that a rename writes, the kernel names none.
            paths = [self._folders.path(one) for one in (source, source_folder, folder)]
            barred = (path for path in paths if not os.access(path, os.W_OK))
            raise OSError(error.errno, error.strerror, next(barred, paths[0])) from None
        return True

    def _forget(self, folder: str) -> None:
        """Close a folder: a descriptor must not outlive what it stands for."""
        descriptor = self._descriptors.pop(folder, None)
        if descriptor is not None:
            os.close(descriptor)
