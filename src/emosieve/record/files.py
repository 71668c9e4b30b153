"""emosieve's own files and directories: never through a symlink, and owned by the user whom emosieve works for.

Commands that root types beside a daemon of another user must leave nothing
that the daemon cannot write. So what is made below a root gets the owner of
``.emosieve``, which itself gets the owner of the root.
"""

import errno
import os
import pwd
import shlex
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from emosieve.errors import SetupError, naming, naming_whole
from emosieve.record.lines import write_all
from emosieve.text import Message, Phrase

STATE_DIRECTORY: Final = ".emosieve"
"""emosieve's own directory under the root: locks, checkpoint, and what is on its way out."""

_STATE_MODE: Final = 0o700
_CAP_CHOWN: Final = 0
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_GIVEN: Final = frozenset({errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
"""What fchown says in a user namespace that lacks the uid, or on a file system without owners."""

_NO_DIRECTORY = Phrase(
    "{path}: is not a directory; move it away, emosieve keeps its locks there",
    "{path}：不是目录；emosieve 的锁文件要放在这里，请把它移走",
)
_ANOTHERS = Phrase(
    "{path} belongs to uid {owner}, as whom emosieve works here, and not to uid {uid}; {hint}",
    "{path} 属于 uid {owner}，emosieve 在此以该用户身份运行，而当前用户是 uid {uid}；{hint}",
)
_RUN_AS = Phrase(
    "run the command as that user: sudo -u {name} emosieve ...",
    "请以该用户身份运行：sudo -u {name} emosieve ...",
)
_RUN_AS_ROOT = Phrase(
    "run the command as root; or, if emosieve is to work as uid {uid}: chown -R {uid} {paths}",
    "请以 root 身份运行；如果 emosieve 应以 uid {uid} 运行，请执行：chown -R {uid} {paths}",
)


def open_plain(path: str, flags: int, mode: int = 0o644) -> int:
    """Open a file of emosieve's own: never through a symlink, and never a FIFO or device, which would hang.

    Raises:
        OSError: it cannot be opened, or is no plain file.
    """
    # O_NOFOLLOW guards the last component alone, and ``.emosieve`` may be another user's to replace.
    folder, name = os.path.split(path)
    with naming_whole(path):
        parent = os.open(folder or ".", _DIRECTORY)
        try:
            flags |= os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(name, flags, mode, dir_fd=parent)
        finally:
            os.close(parent)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is not a plain file; move it away", path)
    return descriptor


def create_plain(root: str, path: str, flags: int, mode: int = 0o644) -> int:
    """Create a file below a root, and give it to the owner of the root's state.

    Args:
        root: the root.
        path: of the file.
        flags: of ``os.open``; ``O_CREAT`` and ``O_EXCL`` are added.
        mode: its permissions, before the umask.

    Raises:
        FileExistsError: something has that name.
        OSError: it cannot be created, or not be given away; then it is removed again.
    """
    descriptor = open_plain(path, flags | os.O_CREAT | os.O_EXCL, mode)
    try:
        _give(descriptor, owner_of(root), path)
    except OSError:
        os.close(descriptor)
        with suppress(OSError):
            os.unlink(path)
        raise
    return descriptor


def open_or_create(root: str, path: str, flags: int, mode: int = 0o644) -> int:
    """Open a plain file below a root, or create it as ``create_plain`` does.

    Raises:
        OSError: it can be neither opened nor created, or is no plain file.
    """
    with suppress(FileNotFoundError):
        return open_plain(path, flags)
    with suppress(FileExistsError):
        return create_plain(root, path, flags, mode)
    return open_plain(path, flags)  # another process created it just now


def replace_file(root: str, path: str, data: bytes, *, sync: bool = False) -> None:
    """Write a file of emosieve's own aside and rename it into place, so that it is never torn.

    Args:
        root: the root.
        path: of the file.
        data: all of its bytes.
        sync: whether the bytes are forced to the disk before the rename.

    Raises:
        OSError: it cannot be written; the old file stays.
    """
    aside = f"{path}.new"
    with suppress(FileNotFoundError):
        os.unlink(aside)
    descriptor = create_plain(root, aside, os.O_WRONLY)
    try:
        with naming(path):
            write_all(descriptor, data)
            if sync:
                os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(aside, path)


def make_directory(root: str, path: str, mode: int = 0o777) -> None:
    """Make a directory for a root, and give it to the owner of the root's state.

    Args:
        root: the root.
        path: of the directory; it may lie elsewhere.
        mode: its permissions, before the umask.

    Raises:
        FileExistsError: something has that name.
        OSError: it cannot be made, or not be given away; then it is removed again.
    """
    os.mkdir(path, mode)
    try:
        owner = owner_of(root)
        if not _belongs(os.lstat(path), owner):
            _give_directory(path, owner)
    except OSError:
        with suppress(OSError):
            os.rmdir(path)
        raise


def make_state_directory(root: str) -> None:
    """Make ``.emosieve`` under the root if it is missing, and keep other users out of it.

    Who may open a lock file may take its lock, so that nobody else could work.

    Raises:
        SetupError: something else has its name (a symlink would lead emosieve out of the root); or it
            is another user's, to whom this process could not give what it makes.
        OSError: it cannot be made.
    """
    path = f"{root}/{STATE_DIRECTORY}"
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        with suppress(FileExistsError):
            make_directory(root, path, _STATE_MODE)
        status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        raise SetupError(_NO_DIRECTORY(path=path))
    if is_anothers(status):
        raise SetupError(anothers_words(path, status.st_uid))
    if status.st_mode & 0o077 or (status.st_uid == 0 and os.stat(root).st_uid != 0):
        _tighten(root, path)


def owner_of(root: str) -> tuple[int, int]:
    """User and group to whom new files below a root belong: those of ``.emosieve``, else those of the root.

    A state directory of uid 0 in a root of somebody else was made by a command of root's: it counts
    as missing.

    Raises:
        OSError: the root cannot be looked at.
    """
    folder = os.stat(root)
    with suppress(OSError):
        state = os.lstat(f"{root}/{STATE_DIRECTORY}")
        if stat.S_ISDIR(state.st_mode) and state.st_uid != 0:
            return state.st_uid, state.st_gid
    return folder.st_uid, folder.st_gid


def is_anothers(state: os.stat_result) -> bool:
    """Whether a state directory is another user's, to whom this process cannot give what it makes."""
    return state.st_uid != os.geteuid() and not _may_chown()


def anothers_words(path: str, owner: int, more: Sequence[str] = ()) -> Message:
    """What to say of a state directory that is another user's, and how to work beside that user.

    Args:
        path: of the state directory.
        owner: its uid.
        more: what else is not this user's, and would be in the way if that directory alone were.
    """
    uid = os.geteuid()
    if owner == 0:
        hint = _RUN_AS_ROOT(uid=uid, paths=shlex.join([path, *more]))
    else:
        try:
            hint = _RUN_AS(name=pwd.getpwuid(owner).pw_name)
        except KeyError:
            hint = _RUN_AS(name=f"'#{owner}'")  # a container's uid need not have a name
    return _ANOTHERS(path=path, owner=owner, uid=uid, hint=hint)


def _may_chown() -> bool:
    """Whether this process may give files away; off Linux only root may."""
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            line = next(line for line in file if line.startswith("CapEff:"))
    except (OSError, StopIteration):
        return os.geteuid() == 0
    return bool(int(line.split()[1], 16) >> _CAP_CHOWN & 1)


def _belongs(status: os.stat_result, owner: tuple[int, int]) -> bool:
    return (status.st_uid, status.st_gid) == owner


def _give(descriptor: int, owner: tuple[int, int], path: str) -> None:
    """Give a file away by its descriptor, where this process may.

    Raises:
        OSError: the disk fails, or the quota of that user is used up; it names the path.
    """
    if _belongs(os.fstat(descriptor), owner) or not _may_chown():
        return
    try:
        os.fchown(descriptor, *owner)
    except OSError as error:
        if error.errno not in _NOT_GIVEN:
            error.filename = path
            raise


def _give_directory(path: str, owner: tuple[int, int]) -> None:
    """Give a directory away that was made just now: not one that somebody put in its place."""
    descriptor = os.open(path, _DIRECTORY)
    try:
        if os.fstat(descriptor).st_uid == os.geteuid() and not os.listdir(descriptor):
            _give(descriptor, owner, path)
    finally:
        os.close(descriptor)


def _tighten(root: str, path: str) -> None:
    """Close an older state directory to others, and give one that root made to whom it should belong.

    Some file systems know neither modes nor owners; there this changes nothing, and is no error.
    """
    with suppress(OSError):
        descriptor = os.open(path, _DIRECTORY)
        try:
            os.fchmod(descriptor, _STATE_MODE)
            _give(descriptor, owner_of(root), path)
        finally:
            os.close(descriptor)
