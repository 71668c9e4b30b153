"""Across file systems: a copy that is whole and on the disk before it gets its name."""

import errno
import filecmp
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Literal

from emosieve.errors import CopyStopped, naming
from emosieve.record.lines import write_all
from emosieve.record.locking import open_plain
from emosieve.record.syncing import sync_path
from emosieve.watch.filesystem import file_system_of
from emosieve.watch.inbox import DEPTH_LIMIT, FILE_LIMIT, Survey, survey_directory

_BLOCK_BYTES: Final = 1 << 22
"""A stop is heard between two blocks of a file, and between two files."""

ShouldStop = Callable[[], bool]
CopyState = Literal["finished", "outdated", "foreign"]


def copy_task(path: str, copy: str, survey: Survey, should_stop: ShouldStop) -> None:
    """Copy a task with its modes, times and owners, and force it to the disk.

    Args:
        path: the task's directory.
        copy: where the copy goes; nothing stands there.
        survey: the task as it was looked at just now.
        should_stop: asked between files, and within large ones.

    Raises:
        CopyStopped: it should; the copy is worth nothing then.
        OSError: it holds a FIFO, socket or device, changed meanwhile, or cannot be copied; the copy
            is worth nothing then.
    """
    if survey.is_crowded:
        raise OSError(
            errno.EFBIG, f"holds more than {FILE_LIMIT} files, which is too many to be copied", path
        )
    for file in survey.files:
        if stat.S_ISDIR(file.mode) and file.name.count("/") >= DEPTH_LIMIT:
            raise OSError(
                errno.EFBIG, f"is nested deeper than {DEPTH_LIMIT} levels, too deep to be copied", path
            )
        _refuse_special(f"{path}/{file.name}", file.mode)
    _copy_tree(path, copy, should_stop)
    _keep_owners(path, copy)
    _sync_tree(copy, should_stop)
    refuse_changed(path, survey)
    if _outline(survey) != _outline(survey_directory(copy, "")):
        raise OSError(errno.EIO, "was not copied whole", path)


def copy_file(path: str, copy: str, should_stop: ShouldStop) -> None:
    """Copy one file under a hidden name, force it to the disk, and give it its own name.

    Raises:
        CopyStopped: it should stop.
        OSError: it is a FIFO, socket or device, or cannot be copied.
    """
    mode = os.lstat(path).st_mode
    _refuse_special(path, mode)
    folder = os.path.dirname(copy)
    hidden = f"{folder}/.emosieve-{os.lstat(path).st_ino}"
    with suppress(FileNotFoundError):
        os.unlink(hidden)
    try:
        _copy_one(path, hidden, mode, should_stop)
        if stat.S_ISREG(mode):
            sync_path(hidden)
        os.rename(hidden, copy)
    except BaseException:
        with suppress(OSError):
            os.unlink(hidden)
        raise
    sync_path(folder)


def compare_copy(survey: Survey, path: str, copy: str) -> CopyState:
    """What a run that died left where a task's copy goes, by every byte of it.

    Returns:
        ``finished``: the task was copied whole, so that only the source must go. ``outdated``: it was,
        and more files came to the source since; all that stands in the copy stands there, so nothing is
        lost with it. ``foreign``: something else.
    """
    if not stat.S_ISDIR(os.lstat(copy).st_mode) or not _are_apart(path, copy):
        return "foreign"
    copied = survey_directory(copy, "")
    outline, whole = _outline(copied), _outline(survey)
    if not set(outline) <= set(whole) or not _is_equal(path, copy, outline):
        return "foreign"  # nor is a file compared with what is none, such as a symlink out of the task
    if outline == whole:
        return "finished"
    return "outdated" if copied.result_file is not None else "foreign"


def _is_equal(path: str, copy: str, outline: list[tuple[str, int, int]]) -> bool:
    """Whether all files of an outline have the same bytes in both, and all symlinks the same target."""
    plain = [name for name, kind, _ in outline if kind == stat.S_IFREG]
    links = [name for name, kind, _ in outline if kind == stat.S_IFLNK]
    same_links = all(os.readlink(f"{path}/{name}") == os.readlink(f"{copy}/{name}") for name in links)
    return same_links and filecmp.cmpfiles(path, copy, plain, shallow=False)[0] == plain


def is_finished_file(path: str, copy: str) -> bool:
    """Whether one file was copied whole, so that only its source must go."""
    both_plain = stat.S_ISREG(os.lstat(path).st_mode) and stat.S_ISREG(os.lstat(copy).st_mode)
    return both_plain and _are_apart(path, copy) and filecmp.cmp(path, copy, shallow=False)


def refuse_changed(path: str, survey: Survey) -> None:
    """Stop where something came between a look and now: what was not copied must not be removed.

    Raises:
        OSError: the task is not as the survey saw it.
    """
    if survey_directory(path, survey.name) != survey:
        raise OSError(errno.EBUSY, "changed while it was copied", path)


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


def _refuse_special(path: str, mode: int) -> None:
    """A copy would open a FIFO or a device, and never end."""
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
        raise OSError(errno.ENOTSUP, "is a FIFO, socket or device, which cannot be copied", path)


def _copy_tree(path: str, copy: str, should_stop: ShouldStop) -> None:
    """Not ``shutil.copytree``: that goes on after an error, hides its number, and hears no stop."""
    os.mkdir(copy)
    with os.scandir(path) as entries:
        for entry in entries:
            there = f"{copy}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                _copy_tree(entry.path, there, should_stop)
            else:
                _copy_one(entry.path, there, entry.stat(follow_symlinks=False).st_mode, should_stop)
            if should_stop():
                raise CopyStopped(entry.path)
    shutil.copystat(path, copy)


def _copy_one(path: str, copy: str, mode: int, should_stop: ShouldStop) -> None:
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(path), copy)
    else:
        _copy_plain(path, copy, should_stop)
    shutil.copystat(path, copy, follow_symlinks=False)


def _copy_plain(path: str, copy: str, should_stop: ShouldStop) -> None:
    """Copy one file: a symlink or FIFO that took its place since the look is neither followed nor waited for."""
    source = open_plain(path, os.O_RDONLY)
    try:
        target = open_plain(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            while block := _read(source, path):
                with naming(copy):
                    write_all(target, block)
                if len(block) == _BLOCK_BYTES and should_stop():
                    raise CopyStopped(path)
        finally:
            os.close(target)
    finally:
        os.close(source)


def _read(descriptor: int, path: str) -> bytes:
    with naming(path):
        return os.read(descriptor, _BLOCK_BYTES)


def _keep_owners(path: str, copy: str) -> None:
    """A rename keeps owners; a copy must see to it, as far as this process may."""
    for parent, folders, names in os.walk(path):
        there = os.path.join(copy, os.path.relpath(parent, path))
        for name in (".", *folders, *names):
            status = os.lstat(f"{parent}/{name}")
            with suppress(PermissionError):
                os.chown(f"{there}/{name}", status.st_uid, status.st_gid, follow_symlinks=False)


def _sync_tree(path: str, should_stop: ShouldStop) -> None:
    for parent, _, names in os.walk(path):
        for name in names:
            if stat.S_ISREG(os.lstat(f"{parent}/{name}").st_mode):
                sync_path(f"{parent}/{name}")
            if should_stop():
                raise CopyStopped(parent)
        sync_path(parent)
