"""The rename and all its dangers: never overwrite, never nest, never follow.

``os.rename`` onto an empty directory replaces it in silence, ``shutil.move``
onto a directory nests, and a rename across file systems fails. So a taken name
gets a suffix, decided by lstat under the log's lock, every folder is opened
without following a symlink, and across file systems a hidden copy is made
whole before it gets its name.
"""

import errno
import filecmp
import os
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from emosieve.errors import SetupError
from emosieve.record.decisions import sync_directory
from emosieve.record.locking import STATE_DIRECTORY
from emosieve.watch.filesystem import file_system_of
from emosieve.watch.inbox import Survey, survey_directory

REMOVING: Final = f"{STATE_DIRECTORY}/removing"
_STAGING: Final = ".emosieve-staging"
_REMOVING_ELSEWHERE: Final = ".emosieve-removing"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folders:
    """Where things are: locations are paths under the root, or absolute, as the log writes them.

    Args:
        root: an absolute path without symlinks.
        by_verdict: verdict, or ``quarantined``, to folder: a name under the root, or an absolute path.
    """

    def __init__(self, root: str, by_verdict: Mapping[str, str]) -> None:
        self.root = root
        self.by_verdict = dict(by_verdict)

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
        inside = os.path.relpath(real, self.root)
        folder = real if inside.startswith("..") else inside
        return f"{folder}/{name}"

    def make(self) -> None:
        """Make the folders that are missing.

        Raises:
            SetupError: a folder is a symlink, no directory, or cannot be made.
        """
        for folder in self.by_verdict.values():
            problem = inside_problem(self.root, folder)
            if problem:
                raise SetupError(problem)
            self._make(folder)

    def clean(self) -> None:
        """Remove what a run that died left half copied or removed; call it only while the log is locked."""
        for folder in ("", *self.by_verdict.values()):
            for left in (_STAGING, _REMOVING_ELSEWHERE):
                shutil.rmtree(os.path.join(self.path(folder), left), ignore_errors=True)
        shutil.rmtree(f"{self.root}/{REMOVING}", ignore_errors=True)

    def _make(self, folder: str) -> None:
        path = self.path(folder)
        try:
            with suppress(FileExistsError):
                os.mkdir(path)
        except OSError as error:
            raise SetupError(f"{path}: cannot be made: {error.strerror}; make it, or allow it") from None
        problem = folder_problem(path)
        if problem:
            raise SetupError(problem)


def inside_problem(root: str, folder: str) -> str | None:
    """Why an absolute destination will not do for this root: it must lie elsewhere."""
    if not os.path.isabs(folder) or os.path.commonpath([root, folder]) != root:
        return None
    return f"{folder}: lies inside the root; write a single name such as {os.path.basename(folder)!r} in [filing]"


def folder_problem(path: str) -> str | None:
    """Why a path will not do as a destination folder; ``None`` when it will, or does not exist yet."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(mode):
        target = os.path.realpath(path)
        return f"{path}: is a symlink to {target}; write {target} in [filing], or make it a directory"
    if not stat.S_ISDIR(mode):
        return f"{path}: is not a directory; move it away, or choose another name in [filing]"
    return None


class Mover:
    """Moves tasks between folders for the length of one batch, with every folder held open by descriptor."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._descriptors: dict[str, int] = {}
        self.has_copied = False
        """Whether any move of this batch went to another file system."""

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
        location = f"{folder}/{name}" if folder else name
        copy = 1
        candidate = location
        while candidate in taken or self.stat(candidate) is not None:
            copy += 1
            candidate = f"{location}.{copy}"
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
        status = self.stat(source)
        if status is None or (directory and (status.st_dev, status.st_ino) != directory):
            raise FileNotFoundError(errno.ENOENT, "is gone", self._folders.path(source))
        there = self.stat(destination)
        if there is None and self._is_renamed(source, destination):
            return
        survey = survey_directory(self._folders.path(source), "")
        if there is None:
            self._copy(source, destination, survey)
        elif not stat.S_ISDIR(there.st_mode) or not self._is_finished_copy(survey, source, destination):
            raise FileExistsError(errno.EEXIST, "is taken", self._folders.path(destination))
        self._remove(source, survey)

    def join(self, source: str, destination: str, files: tuple[str, ...]) -> None:
        """Move the files of a late directory into the filed task that they belong to.

        Raises:
            FileExistsError: the filed task has a file of that name by now.
            OSError: a file cannot be moved now; those before it are.
        """
        for name in files:
            come_from, go_to = f"{source}/{name}", f"{destination}/{name}"
            if self.stat(come_from) is None:
                continue
            path, copy = self._folders.path(come_from), self._folders.path(go_to)
            if self.stat(go_to) is not None:
                if not (_are_apart(path, copy) and _is_same_file(path, copy)):
                    raise FileExistsError(errno.EEXIST, "is taken", copy)
                os.unlink(path)
            elif not self._is_renamed(come_from, go_to):
                _copy_file(path, copy)
                os.unlink(path)
        self._forget(source)
        os.rmdir(self._folders.path(source))

    def sync(self) -> None:
        """Force the names in all folders of this batch to the disk."""
        for descriptor in self._descriptors.values():
            os.fsync(descriptor)

    def _folder(self, folder: str) -> int:
        if folder not in self._descriptors:
            self._descriptors[folder] = os.open(self._folders.path(folder), _FOLDER)
        return self._descriptors[folder]

    def _rename(self, source: str, destination: str) -> None:
        source_folder, source_name = os.path.split(source)
        folder, name = os.path.split(destination)
        os.rename(source_name, name, src_dir_fd=self._folder(source_folder), dst_dir_fd=self._folder(folder))

    def _is_renamed(self, source: str, destination: str) -> bool:
        """Try to rename; False where that would cross file systems, or (in containers) mounts of one."""
        try:
            self._rename(source, destination)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return False
        return True

    def _copy(self, source: str, destination: str, survey: Survey) -> None:
        """Across file systems: a hidden copy, whole and on the disk before it gets its name."""
        self.has_copied = True
        folder, name = os.path.split(destination)
        staging = os.path.join(folder, _STAGING)
        path, parent, hidden = map(self._folders.path, (source, folder, staging))
        for file in survey.files:
            _refuse_special(f"{path}/{file.name}", file.mode)
        shutil.rmtree(hidden, ignore_errors=True)
        os.mkdir(hidden)
        try:
            shutil.copytree(path, f"{hidden}/{name}", symlinks=True)
            _sync_tree(f"{hidden}/{name}")
            _refuse_changed(path, survey)
            if self.stat(destination) is not None:
                raise FileExistsError(errno.EEXIST, "is taken by now", self._folders.path(destination))
            self._rename(f"{staging}/{name}", destination)
            sync_directory(parent)
        finally:
            self._forget(staging)
            shutil.rmtree(hidden, ignore_errors=True)

    def _is_finished_copy(self, survey: Survey, source: str, destination: str) -> bool:
        """Whether a run that died had copied the task already, so that only the source must go."""
        path, copy = self._folders.path(source), self._folders.path(destination)
        outline = _outline(survey)
        plain = [name for name, kind, _ in outline if kind == stat.S_IFREG]
        return (
            _are_apart(path, copy)
            and outline == _outline(survey_directory(copy, ""))
            and filecmp.cmpfiles(path, copy, plain, shallow=False)[0] == plain
        )

    def _remove(self, source: str, survey: Survey) -> None:
        """Out of sight by one rename, then deleted: a source is never seen half gone."""
        folder, name = os.path.split(source)
        bin_location = f"{folder}/{_REMOVING_ELSEWHERE}" if folder else REMOVING
        os.makedirs(self._folders.path(bin_location), exist_ok=True)
        gone = f"{bin_location}/{name}.{survey.directory[1]}"
        _refuse_changed(self._folders.path(source), survey)
        self._rename(source, gone)
        shutil.rmtree(self._folders.path(gone), ignore_errors=True)
        self._forget(bin_location)
        with suppress(OSError):
            os.rmdir(self._folders.path(bin_location))

    def _forget(self, folder: str) -> None:
        """Close a folder: a descriptor must not outlive what it stands for."""
        descriptor = self._descriptors.pop(folder, None)
        if descriptor is not None:
            os.close(descriptor)


def _are_apart(path: str, copy: str) -> bool:
    """Whether a rename between two things fails, so that they may be one thing and its copy.

    Two mounts of one device have the same number, and still no rename crosses them.
    """
    if os.lstat(path).st_dev != os.lstat(copy).st_dev:
        return True
    return file_system_of(path).mount_point != file_system_of(copy).mount_point


def _outline(survey: Survey) -> list[tuple[str, int, int]]:
    """Names, kinds and sizes; a directory's size means nothing on another file system."""
    return [
        (file.name, stat.S_IFMT(file.mode), 0 if stat.S_ISDIR(file.mode) else file.size)
        for file in survey.files
    ]


def _is_same_file(path: str, copy: str) -> bool:
    both_plain = stat.S_ISREG(os.lstat(path).st_mode) and stat.S_ISREG(os.lstat(copy).st_mode)
    return both_plain and filecmp.cmp(path, copy, shallow=False)


def _refuse_special(path: str, mode: int) -> None:
    """A copy would open a FIFO or a device, and never end."""
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
        raise OSError(errno.ENOTSUP, "is a FIFO, socket or device, which cannot be copied", path)


def _refuse_changed(path: str, survey: Survey) -> None:
    if survey_directory(path, survey.name) != survey:
        raise OSError(errno.EBUSY, "changed while it was copied", path)


def _copy_file(path: str, copy: str) -> None:
    """Across file systems: a hidden copy, on the disk before it gets its name."""
    mode = os.lstat(path).st_mode
    _refuse_special(path, mode)
    folder, name = os.path.split(copy)
    hidden = f"{folder}/.{name}.emosieve"
    with suppress(FileNotFoundError):
        os.unlink(hidden)
    shutil.copy2(path, hidden, follow_symlinks=False)
    if stat.S_ISREG(mode):
        _sync_file(hidden)
    os.rename(hidden, copy)
    sync_directory(folder)


def _sync_file(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_tree(path: str) -> None:
    for parent, _, names in os.walk(path):
        for name in names:
            if stat.S_ISREG(os.lstat(f"{parent}/{name}").st_mode):
                _sync_file(f"{parent}/{name}")
        sync_directory(parent)
