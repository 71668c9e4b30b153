"""The rename and all its dangers: never overwrite, never nest, never follow.

``os.rename`` onto an empty directory replaces it in silence, ``shutil.move``
onto a directory nests, and a rename across file systems fails. So a taken name
gets a suffix, decided by lstat under the log's lock, every folder is opened
without following a symlink, and across file systems a hidden copy is made
whole before it gets its name.
"""

import errno
import os
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from emosieve import copying
from emosieve.errors import SetupError, naming
from emosieve.record.locking import STATE_DIRECTORY, make_state_directory
from emosieve.record.syncing import sync_path
from emosieve.text import Message, Phrase
from emosieve.watch.inbox import Survey, survey_directory

REMOVING: Final = f"{STATE_DIRECTORY}/removing"
NAME_BYTES: Final = 255
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
        return f".emosieve-staging-{self._identity}"

    @property
    def removing(self) -> str:
        """Name of the hidden directory of what is on its way out of a folder; see ``REMOVING`` for the inbox."""
        return f".emosieve-removing-{self._identity}"

    @property
    def _identity(self) -> str:
        # Another root may file into the same folder, under a lock of its own: names are told apart by root.
        status = os.stat(self.root)
        return f"{status.st_dev:x}-{status.st_ino:x}"

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

    def make(self) -> None:
        """Make the folders that are missing.

        Raises:
            SetupError: a folder is a symlink, no directory, or cannot be made.
        """
        places: dict[tuple[int, int], str] = {}
        for folder in self.by_verdict.values():
            problem = inside_problem(self.root, folder)
            if problem:
                raise SetupError(str(problem))
            self._make(folder)
            status = os.stat(self.path(folder))
            twin = places.setdefault((status.st_dev, status.st_ino), folder)
            if twin != folder:
                raise SetupError(_ONE_FOLDER(first=twin, second=folder))

    def clean(self) -> None:
        """Remove what was left half copied or removed; call it only while the log is locked."""
        for folder in ("", *self.by_verdict.values()):
            for left in (self.staging, self.removing):
                shutil.rmtree(os.path.join(self.path(folder), left), ignore_errors=True)
        make_state_directory(self.root)  # never through a symlink
        shutil.rmtree(f"{self.root}/{REMOVING}", ignore_errors=True)

    def _make(self, folder: str) -> None:
        path = self.path(folder)
        try:
            with suppress(FileExistsError):
                os.mkdir(path)
        except OSError as error:
            raise SetupError(_CANNOT_BE_MADE(path=path, cause=error.strerror)) from None
        problem = folder_problem(path)
        if problem:
            raise SetupError(str(problem))


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

    def __init__(self, folders: Folders, should_stop: copying.ShouldStop = lambda: False) -> None:
        self._folders = folders
        self._should_stop = should_stop
        self._descriptors: dict[str, int] = {}
        self.has_copied = False
        """Whether any move of this batch went to another file system."""
        self.has_moved = False
        """Whether any move was begun, so that there may be something to force to the disk."""
        self.left_over: OSError | None = None
        """Why something stands on that was out of sight already; ``Folders.clean`` removes it."""

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
        candidate = os.path.join(folder, name)
        while candidate in taken or self.stat(candidate) is not None:
            copy += 1
            candidate = os.path.join(folder, _with_suffix(name, f".{copy}"))
        taken.add(candidate)
        return candidate

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
        status = self.stat(source)
        if status is None or (directory and (status.st_dev, status.st_ino) != directory):
            raise FileNotFoundError(errno.ENOENT, "is gone", self._folders.path(source))
        there = self.stat(destination)
        if there is None and self._is_renamed(source, destination):
            return
        path, copy = self._folders.path(source), self._folders.path(destination)
        survey = survey_directory(path, "")
        state = None if there is None else copying.compare_copy(survey, path, copy)
        if state == "foreign":
            raise FileExistsError(errno.EEXIST, "is taken", copy)
        if state == "outdated":
            self._remove(destination, survey_directory(copy, ""))
        if state != "finished":
            self._copy(source, destination, survey)
        self._remove(source, survey)

    def join(self, source: str, destination: str, files: tuple[str, ...]) -> None:
        """Move the files of a late directory into the filed task that they belong to.

        Raises:
            FileExistsError: the filed task has a file of that name by now.
            OSError: a file cannot be moved now; those before it are.
        """
        self.has_moved = True
        for name in files:
            come_from, go_to = f"{source}/{name}", f"{destination}/{name}"
            if self.stat(come_from) is None:
                continue
            path, copy = self._folders.path(come_from), self._folders.path(go_to)
            if self.stat(go_to) is not None:
                if not copying.is_finished_file(path, copy):
                    raise FileExistsError(errno.EEXIST, "is taken", copy)
                os.unlink(path)
            elif not self._is_renamed(come_from, go_to):
                copying.copy_file(path, copy, self._should_stop)
                os.unlink(path)
        self._forget(source)
        os.rmdir(self._folders.path(source))

    def sync(self) -> None:
        """Force the names in all folders of this batch to the disk."""
        for folder, descriptor in self._descriptors.items():
            with naming(self._folders.path(folder)):
                os.fsync(descriptor)

    def _folder(self, folder: str) -> int:
        if folder not in self._descriptors:
            self._descriptors[folder] = os.open(self._folders.path(folder), _FOLDER)
        return self._descriptors[folder]

    def _rename(self, source: str, destination: str) -> None:
        source_folder, source_name = os.path.split(source)
        folder, name = os.path.split(destination)
        come_from, go_to = self._folder(source_folder), self._folder(folder)
        try:
            os.rename(source_name, name, src_dir_fd=come_from, dst_dir_fd=go_to)
        except OSError as error:
            # Of the three directories that a rename writes, the kernel names none.
            paths = [self._folders.path(one) for one in (source, source_folder, folder)]
            barred = (path for path in paths if not os.access(path, os.W_OK))
            raise OSError(error.errno, error.strerror, next(barred, paths[0])) from None

    def _is_renamed(self, source: str, destination: str) -> bool:
        """Try to rename; False where that would cross file systems, or (in containers) mounts of one."""
        try:
            self._rename(source, destination)
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                # Somebody without our lock took the name a moment ago.
                raise FileExistsError(errno.EEXIST, "is taken", self._folders.path(destination)) from None
            if error.errno != errno.EXDEV:
                raise
            return False
        return True

    def _copy(self, source: str, destination: str, survey: Survey) -> None:
        """Across file systems: a hidden copy, whole and on the disk before it gets its name."""
        self.has_copied = True
        folder, name = os.path.split(destination)
        staging = os.path.join(folder, self._folders.staging)
        path, parent, hidden = map(self._folders.path, (source, folder, staging))
        shutil.rmtree(hidden, ignore_errors=True)
        try:
            os.mkdir(hidden, 0o700)  # nobody else may look into what is not yet known to be whole
            copying.copy_task(path, f"{hidden}/{name}", survey, self._should_stop)
            if self.stat(destination) is not None:
                raise FileExistsError(errno.EEXIST, "is taken by now", self._folders.path(destination))
            self._rename(f"{staging}/{name}", destination)
            sync_path(parent)
        except OSError as error:
            # Said of the place that the operator knows, not of the hidden copy.
            if isinstance(error.filename, str):
                error.filename = error.filename.replace(hidden, parent, 1)
            raise
        finally:
            self._clear(staging)

    def _remove(self, source: str, survey: Survey) -> None:
        """Out of sight by one rename, then deleted: a source is never seen half gone."""
        folder = os.path.dirname(source)
        bin_location = f"{folder}/{self._folders.removing}" if folder else REMOVING
        os.makedirs(self._folders.path(bin_location), exist_ok=True)
        gone = f"{bin_location}/{survey.directory[1]}"
        try:
            copying.refuse_changed(self._folders.path(source), survey)
            self._rename(source, gone)
        except FileNotFoundError:
            if self.stat(source) is not None:
                raise
            # Somebody deleted it meanwhile: it stands where it was copied to, and is gone here.
        self._clear(bin_location)

    def _clear(self, folder: str) -> None:
        self._forget(folder)
        try:
            with suppress(FileNotFoundError):
                shutil.rmtree(self._folders.path(folder))
        except OSError as error:
            self.left_over = error

    def _forget(self, folder: str) -> None:
        """Close a folder: a descriptor must not outlive what it stands for."""
        descriptor = self._descriptors.pop(folder, None)
        if descriptor is not None:
            os.close(descriptor)


def _with_suffix(name: str, suffix: str) -> str:
    """A name with a suffix, its end cut off where the file system would find it too long."""
    room = NAME_BYTES - len(suffix)
    return os.fsencode(name)[:room].decode(errors="ignore") + suffix
