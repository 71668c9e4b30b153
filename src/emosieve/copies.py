"""Moves that no rename can make: a copy, then the removal of the original, and what of it a crash left undone.

A record is on the disk before the copy gets its name, and until the original
is gone. Whatever stands at a destination is another's unless a record names it.
"""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Final

from emosieve.copying import (
    Copier,
    ShouldStop,
    digest_of,
    empty,
    inode_at,
    look_at,
    make_like,
    open_entry,
    open_staging,
    outline,
    refuse_uncopyable,
    remove_staging,
    rename_whole,
)
from emosieve.errors import naming_whole
from emosieve.record.copy_records import COPIES, CopyRecord, Identity, load_copies, save_copies
from emosieve.removing import remove_empty, remove_file, remove_files
from emosieve.watch.survey import RESULT_NAMES, FileStat

STAGING_PREFIX: Final = ".emosieve-staging-"
"""How the names of the hidden directories begin in which copies are made."""


class Copies:
    """The copies of one root, in the length of one batch; use it only while the log is locked.

    Args:
        root: an absolute path without symlinks.
        places: the folders that originals and copies stand in, as locations; empty for the inbox.
        path: gives the absolute path of a location.
        folder: gives the descriptor of a folder that is held open for this batch.
        should_stop: asked within a copy, which may take long.
    """

    def __init__(
        self,
        root: str,
        places: frozenset[str],
        path: Callable[[str], str],
        folder: Callable[[str], int],
        should_stop: ShouldStop,
    ) -> None:
        self._root = root
        self._places = places
        self._path = path
        self._folder = folder
        self._should_stop = should_stop
        self._loaded: dict[str, CopyRecord] | None = None
        self.left_over: OSError | None = None
        """Why something is still to be finished or cleaned, if it is."""

    @property
    def unfinished(self) -> dict[str, CopyRecord]:
        """The records of copies whose originals are not removed yet, by source."""
        if self._loaded is None:
            self._loaded = {
                source: record
                for source, record in load_copies(self._root).items()
                if _is_within(record, self._places)
            }
        return self._loaded

    def finish(self, record: CopyRecord) -> bool:
        """Go on where a run that died, or an error, broke a copy off.

        Where the copy has got its name, the original is removed; where it has not, it is forgotten.

        Returns:
            whether the copy stands at its destination.

        Raises:
            OSError: the original cannot be removed, or the copy is not where it was; the record stands.
        """
        with ExitStack() as stack:
            copy = self._open_landed(record)
            if copy is not None:
                stack.callback(os.close, copy)
            original = self._open_original(record)
            if original is not None:
                stack.callback(os.close, original)
                if copy is None:
                    self._refuse_begun(record, original)
                else:
                    is_known = bool(record.original.born_ns) and Identity.of(original) == record.original
                    self._remove(record, original, copy, is_known=is_known)
        hidden = os.path.dirname(record.staging)
        with suppress(FileNotFoundError, PermissionError):  # it may be another user's, and is in nobody's way
            remove_staging(self._parent(hidden), os.path.basename(hidden))
        self._drop(record)
        return copy is not None

    def make(self, source: str, destination: str, staging: str) -> None:
        """Copy a task or a file, give the copy its name, and remove the original.

        Args:
            source: location of the original.
            destination: location that the copy gets.
            staging: location of the hidden directory that it is made in.

        Raises:
            CopyStopped: it should stop; no part of the copy is left.
            FileExistsError: the destination is taken by now.
            OSError: it cannot be copied; no part of the copy is left. Or the original cannot be removed;
                the record stands.
        """
        path, copy_path = self._path(source), self._path(destination)
        with ExitStack() as stack:
            original = open_entry(self._parent(source), os.path.basename(source), path)
            stack.callback(os.close, original)
            files = look_at(original)
            refuse_uncopyable(path, files)
            _refuse_unremovable(path, original, files)
            name = os.path.basename(source)
            try:
                # Said of the place that the operator knows, not of the hidden copy.
                with naming_whole(copy_path):
                    directory = open_staging(self._parent(staging), os.path.basename(staging))
                    stack.callback(os.close, directory)
                    stack.callback(self._clear, staging, directory)
                    copy = make_like(original, directory, name)
                    stack.callback(os.close, copy)
                record = CopyRecord(
                    source=source,
                    destination=destination,
                    staging=f"{staging}/{name}",
                    original=Identity.of(original),
                    copy=Identity.of(copy),
                    files=files,
                    digest=_digest(original, files, self._parent(source), name),
                )
                begun = stack.enter_context(ExitStack())
                begun.callback(self._drop, record)
                self._save(record)
                Copier(directory, self._should_stop).fill(
                    original, copy, (directory, name), (path, copy_path)
                )
                os.fsync(directory)
                if inode_at(self._parent(source), name) is None:
                    raise FileNotFoundError(errno.ENOENT, "is gone", path)
                if look_at(original) != files:
                    raise OSError(errno.EBUSY, "changed while it was copied", path)
                if outline(look_at(copy)) != outline(files):
                    raise OSError(errno.EIO, "was not copied whole", path)
            except FileExistsError:
                cause = "holds names that are one name on the file system that it goes to"
                raise OSError(errno.EINVAL, cause, path) from None
            self._land(record, directory, copy)
            begun.pop_all()  # from here on it is the record by which the copy is known
            try:
                self._remove(record, original, copy, is_known=True)
            except OSError as error:
                self.left_over = error  # without its files it may be no task that is looked at again
                raise
        self._drop(record)

    def _land(self, record: CopyRecord, directory: int, copy: int) -> None:
        """Give a whole copy its name."""
        destination = self._path(record.destination)
        hidden, name = os.path.basename(record.staging), os.path.basename(record.destination)
        folder = self._parent(record.destination)
        with naming_whole(destination):
            inode = os.fstat(copy).st_ino
            if inode_at(directory, hidden) != inode:
                raise OSError(errno.EBUSY, "was replaced while it was copied", self._path(record.source))
            if inode_at(folder, name) is not None:
                raise FileExistsError(errno.EEXIST, "is taken by now", destination)
            rename_whole((directory, hidden), (folder, name), inode)

    def _remove(self, record: CopyRecord, original: int, copy: int, *, is_known: bool) -> None:
        """Force the copy's name to the disk, then remove what was copied, and its directory if that is empty.

        Args:
            record: of the copy.
            original: descriptor.
            copy: descriptor.
            is_known: whether the original is known to be what was copied, whatever changed in it.
        """
        folder, name = self._parent(record.source), os.path.basename(record.source)
        path = self._path(record.source)
        with naming_whole(self._path(os.path.dirname(record.destination))):
            os.fsync(self._parent(record.destination))
        if record.is_file:
            copied = (self._parent(record.destination), os.path.basename(record.destination))
            with naming_whole(path), suppress(FileNotFoundError):
                remove_file(folder, name, record.files[0], copied if is_known else None)
            return
        has_removed = remove_files(original, record.files, copy if is_known else None, path)
        if not (has_removed or Identity.of(original) == record.original or is_known):
            return
        with naming_whole(path), suppress(FileNotFoundError):
            if inode_at(folder, name) == os.fstat(original).st_ino:
                remove_empty(folder, name)

    def _open_landed(self, record: CopyRecord) -> int | None:
        """Open the copy at its destination; ``None`` where it has not got its name, or is gone again."""
        if self._is_staged(record):
            return None
        try:
            folder = self._parent(record.destination)
            copy = open_entry(folder, os.path.basename(record.destination), self._path(record.destination))
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENOTSUP}:
                return None
            raise
        if self._is_copy(record, copy):
            return copy
        os.close(copy)
        return None

    def _is_staged(self, record: CopyRecord) -> bool:
        hidden, name = os.path.split(record.staging)
        with suppress(FileNotFoundError, NotADirectoryError):
            return inode_at(self._parent(hidden), f"{os.path.basename(hidden)}/{name}") is not None
        return False

    def _is_copy(self, record: CopyRecord, standing: int) -> bool:
        """Whether what stands at the destination is the copy: by birth time, else by all that is known of it.

        A FUSE file system may number its files anew whenever it is mounted.
        """
        found = Identity.of(standing)
        if record.copy.born_ns and found.born_ns:
            if record.copy.born_ns != found.born_ns:
                return False
            if record.copy.inode == found.inode:
                return True
        files = look_at(standing)
        parent, name = self._parent(record.destination), os.path.basename(record.destination)
        is_whole = outline(record.files).items() <= outline(files).items()
        return is_whole and record.digest in {None, _digest(standing, files, parent, name)}

    def _open_original(self, record: CopyRecord) -> int | None:
        path = self._path(record.source)
        with suppress(FileNotFoundError):
            original = open_entry(self._parent(record.source), os.path.basename(record.source), path)
            if record.is_file == (not stat.S_ISDIR(os.fstat(original).st_mode)):
                return original
            os.close(original)
        return None

    def _refuse_begun(self, record: CopyRecord, original: int) -> None:
        """Keep an original of which a part is gone from being moved as though it were the whole."""
        if self._is_staged(record):
            return
        copied = {file for file in record.files if not stat.S_ISDIR(file.mode)}
        standing = copied.intersection(look_at(original))
        if standing and standing != copied:
            cause = (
                f"was copied to {self._path(record.destination)}, which is not there now: "
                f"bring that back, or remove {COPIES}"
            )
            raise OSError(errno.EBUSY, cause, self._path(record.source))

    def _parent(self, location: str) -> int:
        return self._folder(os.path.dirname(location))

    def _save(self, record: CopyRecord) -> None:
        save_copies(self._root, {**self.unfinished, record.source: record}.values())
        self.unfinished[record.source] = record

    def _drop(self, record: CopyRecord) -> None:
        self.unfinished.pop(record.source, None)
        try:
            save_copies(self._root, self.unfinished.values())
        except OSError as error:
            self.left_over = error

    def _clear(self, staging: str, directory: int) -> None:
        """Remove an open hidden directory with all that is in it, and nothing that took its place."""
        folder, name = self._parent(staging), os.path.basename(staging)
        try:
            with naming_whole(self._path(staging)):
                empty(directory)
                if inode_at(folder, name) == os.fstat(directory).st_ino:
                    os.rmdir(name, dir_fd=folder)
        except OSError as error:
            self.left_over = error


def _digest(descriptor: int, files: tuple[FileStat, ...], folder: int, name: str) -> str | None:
    """Return the digest of a task's result file, or of a single file."""
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        return digest_of(folder, name)
    names = {file.name for file in files}
    result = next((name for name in RESULT_NAMES if name in names), None)
    return digest_of(descriptor, result) if result else None


def _refuse_unremovable(path: str, original: int, files: tuple[FileStat, ...]) -> None:
    """Refuse, before anything is copied, a task that could not be removed afterwards."""
    if not stat.S_ISDIR(os.fstat(original).st_mode):
        return
    for name in (".", *(file.name for file in files if stat.S_ISDIR(file.mode))):
        if not os.access(name, os.W_OK | os.X_OK, dir_fd=original, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.path.join(path, name))


def _is_within(record: CopyRecord, places: frozenset[str]) -> bool:
    """Whether a record, which others may have written, stays within the inbox and the folders."""

    def is_name(name: str) -> bool:
        return name not in {"", ".", ".."} and not {"/", "\0"} & set(name)

    def is_task(location: str) -> bool:
        folder, name = os.path.split(location)
        return folder in places and is_name(name)

    def is_place(location: str) -> bool:
        parent, name = os.path.split(location)
        return is_name(name) and (parent in places or is_task(parent))

    hidden, name = os.path.split(record.staging)
    return (
        is_place(record.source)
        and is_place(record.destination)
        and is_name(name)
        and is_task(hidden)
        and os.path.basename(hidden).startswith(STAGING_PREFIX)
        and all(is_name(part) for file in record.files if file.name for part in file.name.split("/"))
        and (record.is_file or all(file.name for file in record.files))
    )
