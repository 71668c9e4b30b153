"""Where the heartbeat of a daemon lies, and who is trusted to have written it.

``emosieve health`` reads it every few seconds, for ever. So this module imports
only what starts fast: neither typing nor dataclasses, and no tempfile.
"""

import os
import stat
import time

TYPE_CHECKING = False  # a type checker takes it for typing's own
if TYPE_CHECKING:
    from collections.abc import Iterator

HEARTBEAT_SECONDS = 5.0
"""The file is touched at least so often while the working loop turns."""
STALE_SECONDS = 4 * HEARTBEAT_SECONDS
"""Without a heartbeat for so long the daemon was killed, hangs, or copies a very large task."""
_SIZE_LIMIT = 1 << 20
_SERVICES = "/run/emosieve"
"""Where systemd makes a directory for each service: that of a unit belongs to the unit's user."""
_SHARED_PLACES = (_SERVICES, f"{_SERVICES}/*", "/run/user/*")
_SEARCH = getattr(os, "O_PATH", os.O_RDONLY)
"""Enough of a directory to open a file of a known name in it; macOS has no such mode."""

Identity = tuple[int, int]


def name_of(identity: Identity) -> str:
    """The file's name, by device and inode of the root."""
    return "emosieve-{:x}-{:x}.json".format(*identity)


def is_of(status_root: str, status_state: object, root: str) -> bool:
    """Return whether a status named by a root's device and inode is of this very root.

    Another folder may get the inode of one that was deleted. A root keeps its path, or, seen from another
    mount or container, the directory of emosieve's own files.

    Args:
        status_root: the path of the root as the daemon sees it.
        status_state: device and inode of ``.emosieve`` under that root, as a list or tuple; else ``None``.
        root: the path that was asked for, absolute, without symlinks.
    """
    if status_root == root:
        return True
    try:
        state = os.lstat(f"{root}/.emosieve")
    except OSError:
        return False
    return isinstance(status_state, list | tuple) and (state.st_dev, state.st_ino) == tuple(status_state)


def own_place() -> str:
    """Return the directory for a daemon's status, one that nobody but this user and root may write.

    It is systemd's runtime directory or the user's, if it belongs to this user. In a directory that others
    may write, as the temp directory, it is one with a random name, which is found again by its owner. A
    directory that a third user could replace by another is not used at all.

    Raises:
        OSError: there is no such place.
    """
    named, shared = [*_named_places()], [*_temporary_folders()]
    for folder in [*named, *shared]:
        real = os.path.realpath(folder)
        if _is_safe(folder):
            if folder in named and is_private(os.lstat(real)):
                return real
            if os.access(real, os.W_OK | os.X_OK):
                return _private_in(real)
    raise PermissionError(1, "no safe directory for the status; set RUNTIME_DIRECTORY", shared[0])


def open_own(place: str) -> int:
    """Open the directory of one's own status; the caller closes the descriptor.

    Raises:
        OSError: it cannot be opened, is a symlink, or others may write it by now.
    """
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not is_private(os.fstat(descriptor)):
        os.close(descriptor)
        raise PermissionError(1, "belongs to another user, or others may write it", place)
    return descriptor


def is_private(status: os.stat_result) -> bool:
    """Return whether only this user and root may write a directory."""
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.geteuid()
        and not status.st_mode & _WRITABLE_BY_OTHERS
    )


_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def _is_safe(folder: str) -> bool:
    """Return whether nobody but this user and root decides where a path leads.

    Each part of it belongs to one of them, symlinks as well, and in the parts above the folder itself
    nobody else may rename what belongs to them.
    """
    # In a user namespace root's files belong to a user without a name here, as / does.
    trusted = {0, os.geteuid(), os.stat("/").st_uid}
    for path in (folder, os.path.realpath(folder)):
        part, below = path, ""
        while part != below:
            try:
                status = os.lstat(part)
            except OSError:
                return False
            is_loose = stat.S_ISDIR(status.st_mode) and status.st_mode & _WRITABLE_BY_OTHERS
            if status.st_uid not in trusted or (is_loose and below and not status.st_mode & stat.S_ISVTX):
                return False
            part, below = os.path.dirname(part), part
    return True


def _private_in(folder: str) -> str:
    """Return this user's own directory in one that others may write; it is made where there is none.

    Raises:
        OSError: the folder cannot be listed or written.
    """
    for place in _matching(f"{folder}/{private_beginning()}*"):
        try:
            if is_private(os.lstat(place)):
                return place
        except OSError:
            continue  # a daemon that ended just now took it along
    place = f"{folder}/{private_beginning()}{os.urandom(8).hex()}"
    os.mkdir(place, 0o755)
    return place


def private_beginning() -> str:
    """Return how the name of this user's own directory in a shared one begins."""
    return f"emosieve-{os.geteuid()}-"


def statuses(name: str | None, owners: set[int]) -> "Iterator[tuple[bytes, float, int]]":
    """All statuses of this name, or of any: a shell need not have the unit's variables.

    Args:
        name: as ``name_of`` gives it; ``None`` for those of all roots.
        owners: users who are believed: in a directory that is everybody's, anybody could write one. In a
            service's own directory that service's user is believed as well.

    Yields:
        the content, the seconds since its last heartbeat, and the user who wrote it.
    """
    for place in dict.fromkeys(_places()):
        yield from _statuses_in(place, name, owners)


def _places() -> "Iterator[str]":
    """Every directory in which a status may lie."""
    for folder in map(os.path.realpath, _named_places()):
        yield folder
        yield from _matching(f"{folder}/emosieve-*")
    for pattern in _SHARED_PLACES:
        yield from _matching(pattern) if pattern.endswith("*") else [pattern]
    for folder in _temporary_folders():
        yield from _matching(f"{folder}/emosieve-*")


def _statuses_in(place: str, name: str | None, owners: set[int]) -> list[tuple[bytes, float, int]]:
    try:
        flags = os.O_RDONLY if name is None else _SEARCH
        directory = os.open(place, flags | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        owner = os.fstat(directory).st_uid
        if os.path.dirname(place) == _SERVICES and _is_roots_own(_SERVICES):
            owners = owners | {owner}
        if owner not in owners:
            return []
        names = [name] if name else [one for one in sorted(os.listdir(directory)) if _is_name(one)]
        found = [_read(directory, one, owners) for one in names]
    except OSError:
        return []
    finally:
        os.close(directory)
    return [one for one in found if one is not None]


def _is_name(name: str) -> bool:
    return name.startswith("emosieve-") and name.endswith(".json")


def _is_roots_own(folder: str) -> bool:
    """Return whether root alone decides what lies in a folder: in a container it may be everybody's."""
    status = os.lstat(folder)
    return status.st_uid == 0 and not status.st_mode & _WRITABLE_BY_OTHERS


def _read(directory: int, name: str, owners: set[int]) -> tuple[bytes, float, int] | None:
    """Content, age and owner of one file; ``None`` when it is no plain file of one of the owners."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        with open(os.open(name, flags, dir_fd=directory), "rb") as file:
            status = os.fstat(file.fileno())
            if (
                not stat.S_ISREG(status.st_mode)
                or status.st_uid not in owners
                or status.st_size > _SIZE_LIMIT
            ):
                return None
            return file.read(), max(0.0, time.time() - status.st_mtime), status.st_uid
    except OSError:
        return None


def pid_namespace() -> int | None:
    """What the numbers of processes count in here; ``None`` off Linux."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return None


def is_gone(host: str, namespace: int | None, pid: int) -> bool:
    """Whether a process is certainly gone: only one of the same machine and namespace can be asked for."""
    if (host, namespace) != (os.uname().nodename, pid_namespace()):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _named_places() -> "Iterator[str]":
    for variable in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        place = os.environ.get(variable, "").partition(":")[0]
        if place:
            yield os.path.abspath(place)


def _temporary_folders() -> "Iterator[str]":
    """Where tempfile would look; in all of them, for a reader need not have the daemon's environment."""
    yield from map(os.path.abspath, filter(None, map(os.environ.get, ("TMPDIR", "TEMP", "TMP"))))
    yield from ("/tmp", "/var/tmp")  # noqa: S108 - a daemon makes a folder of its own below it


def _matching(pattern: str) -> "Iterator[str]":
    """Paths of what a folder holds with this beginning; an asterisk ends the pattern."""
    folder, _, name = pattern.removesuffix("*").rpartition("/")
    try:
        names = os.listdir(folder)
    except OSError:
        return
    yield from (f"{folder}/{one}" for one in sorted(names) if one.startswith(name))
