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
"""Where systemd makes a directory for each service, and root alone may: what lies there is the service's."""
_SHARED_PLACES = (_SERVICES, f"{_SERVICES}/*", "/run/user/*")

Identity = tuple[int, int]


def name_of(identity: Identity) -> str:
    """The file's name, by device and inode of the root."""
    return "emosieve-{:x}-{:x}.json".format(*identity)


def own_place() -> str:
    """Where a daemon writes: systemd's runtime directory, the user's, else one of its own in the temp directory.

    Raises:
        OSError: it cannot be made, or is somebody else's.
    """
    for place in _named_places():
        if os.access(place, os.W_OK | os.X_OK):
            return place
    folders = [*_temporary_folders()]
    folder = next((one for one in folders if os.access(one, os.W_OK | os.X_OK)), folders[0])
    place = f"{folder}/emosieve-{os.geteuid()}"
    try:
        os.mkdir(place, 0o755)
    except FileExistsError:
        status = os.lstat(place)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise PermissionError(1, "is somebody else's; remove it", place) from None
    return place


def heartbeats(name: str | None) -> "Iterator[str]":
    """Paths of all files of this name, or of every heartbeat: a shell lacks the unit's variables."""
    temporary = (f"{folder}/emosieve-*" for folder in _temporary_folders())
    seen = set()
    for pattern in (*_named_places(), *_SHARED_PLACES, *temporary):
        for place in _matching(pattern) if pattern.endswith("*") else [pattern]:
            for path in [f"{place}/{name}"] if name else _matching(f"{place}/emosieve-*"):
                if path not in seen:
                    seen.add(path)
                    yield path


def read_trusted(path: str, owners: set[int]) -> tuple[bytes, float]:
    """The file's content, and the seconds since its last heartbeat.

    Args:
        path: of the file.
        owners: users who are believed: in a directory that is everybody's, anybody could write one. In a
            service's own directory that service's user is believed as well.

    Raises:
        OSError: it cannot be opened; a symlink is not followed.
        ValueError: it is no plain file of one of them.
    """
    place = os.path.dirname(path)
    if os.path.dirname(place) == _SERVICES:
        owners = owners | {os.stat(place).st_uid}
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid not in owners or status.st_size > _SIZE_LIMIT:
            raise ValueError(path)
        return file.read(), max(0.0, time.time() - status.st_mtime)


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
            yield place


def _temporary_folders() -> "Iterator[str]":
    """Where tempfile would look; in all of them, for a reader need not have the daemon's environment."""
    yield from filter(None, map(os.environ.get, ("TMPDIR", "TEMP", "TMP")))
    yield from ("/tmp", "/var/tmp")  # noqa: S108 - a daemon makes a folder of its own below it


def _matching(pattern: str) -> "Iterator[str]":
    """Paths of what a folder holds with this beginning; an asterisk ends the pattern."""
    folder, _, name = pattern.removesuffix("*").rpartition("/")
    try:
        names = os.listdir(folder)
    except OSError:
        return
    yield from (f"{folder}/{one}" for one in sorted(names) if one.startswith(name))
