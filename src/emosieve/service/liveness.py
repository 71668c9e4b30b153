"""Whether an emosieve lives, and what it is about: a small file outside the root, for ``status``.

The disk of the root may be the one that fails, so the file lies in the runtime
directory. Its change time is the heartbeat. Whoever may read it needs no right
on the root, and the daemon is asked nothing.
"""

import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from glob import escape, glob
from typing import Annotated, Final, Literal, get_args

import structlog
from pydantic import Field, TypeAdapter

from emosieve.record.lines import json_bytes
from emosieve.record.locking import myself
from emosieve.text import Language

HEARTBEAT_SECONDS: Final = 5.0
"""The file is touched at least so often while the working loop turns."""
STALE_SECONDS: Final = 4 * HEARTBEAT_SECONDS
"""Without a heartbeat for so long the daemon was killed, hangs, or copies a very large task."""
_WRITE_SECONDS: Final = 1.0
_SIZE_LIMIT: Final = 1 << 20
_SERVICES: Final = "/run/emosieve"
"""Where systemd makes a directory for each service, and root alone may: what lies there is the service's."""
_SHARED_PLACES: Final = (_SERVICES, f"{_SERVICES}/*", "/run/user/*")

log = structlog.get_logger()

Identity = tuple[int, int]
State = Literal["watching", "blocked", "waiting"]
FolderVerdict = Literal["normal", "low_quality", "quarantined"]
WallSeconds = Annotated[float, Field(ge=-1e10, le=1e11)]
"""Seconds since the epoch, of a year that every calendar knows: 1653 to 5138."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A pending task: why, since when it is still, and when waiting for it ends (wall seconds)."""

    task: str
    reason: str
    message: str
    changed_at: WallSeconds
    gives_up_at: WallSeconds


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error that kept tasks from being filed, or report or checkpoint from being written.

    Attributes:
        cause: in words, with the path.
        time: wall seconds when it was last met.
        retry_at: wall seconds of the next try; ``None`` for a trouble of one task, or one that is over.
        code: the system's name of the error, as ``ENOSPC``, where it has one.
    """

    cause: str
    time: WallSeconds
    retry_at: WallSeconds | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What a daemon says of itself. Times are wall seconds since the epoch.

    Attributes:
        pid_namespace: what ``pid`` counts in; a reader in another container cannot ask for the process.
        state: watching; blocked, when nothing can be filed; waiting, for a root that is gone.
        mode: native or polling, with ``mode_reason`` in words of each language.
        tells_writers: whether the kernel tells who writes a task's files; ``None`` before the first.
        decided: how many of each verdict since the start.
        last_hint_at: when the file system last announced something.
        trouble: the last error.
        pending: how many stand in the inbox, and ``reasons`` how many wait for what.
        oldest: those that have been still for longest.
    """

    version: str
    root: str
    host: str
    pid: Annotated[int, Field(gt=0, lt=1 << 31)]
    pid_namespace: int | None
    state: State
    mode: str
    mode_reason: Annotated[Mapping[Language, str], Field(min_length=len(get_args(Language)))]
    tells_writers: bool | None
    profile: str
    rules_digest: str
    started_at: WallSeconds
    decided: Annotated[Mapping[FolderVerdict, int], Field(min_length=len(get_args(FolderVerdict)))]
    joined: int
    failed: int
    last_hint_at: WallSeconds | None
    trouble: Trouble | None
    pending: int
    reasons: Mapping[str, int]
    oldest: tuple[Pending, ...]


@dataclass(frozen=True, slots=True)
class _Document:
    schema: Literal[1]
    status: Status


_DOCUMENT: Final = TypeAdapter(_Document)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A status that was found.

    Attributes:
        age: seconds since its daemon last gave a sign of life.
        is_killed: whether the process is known to be gone; a proper end removes the status.
    """

    status: Status
    age: float
    is_killed: bool = False

    @property
    def is_alive(self) -> bool:
        """Whether the daemon lives, as far as can be told."""
        return self.age < STALE_SECONDS and not self.is_killed


class Liveness:
    """The status file of one daemon.

    Args:
        identity: device and inode of the root, by which the file is named.
        monotonic: a clock in seconds.
    """

    def __init__(self, identity: Identity, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.identity = identity
        self._path: str | None = None
        self._name = _name_of(identity)
        self._monotonic = monotonic
        self._written: object = None
        self._written_at = self._touched_at = -_WRITE_SECONDS - HEARTBEAT_SECONDS
        self._told = False

    def beat(self, facts: object, make: Callable[[], Status]) -> float:
        """Give a sign of life, and write the status anew when its facts have changed.

        A status that cannot be written is told of once; nothing else depends on it.

        Args:
            facts: equal as long as the status says the same.
            make: gives the status; called only when it is written.

        Returns:
            seconds until the next beat is worth it.
        """
        now = self._monotonic()
        is_due = now - self._touched_at >= HEARTBEAT_SECONDS
        if facts != self._written or (is_due and not self._touch()):
            rest = self._written_at + _WRITE_SECONDS - now
            if rest > 0:
                return rest
            # What could not be written is written at the next beat, though its facts are the same.
            self._written_at = now
            self._written = facts if self._is_written(make()) else None
        elif not is_due:
            return self._touched_at + HEARTBEAT_SECONDS - now
        self._touched_at = now
        return HEARTBEAT_SECONDS

    def _touch(self) -> bool:
        """Move the change time; False where somebody cleaned the file up."""
        if self._path is None:
            return False
        try:
            os.utime(self._path)
        except OSError:
            return False
        return True

    def remove(self) -> None:
        """A clean end leaves no status behind."""
        if self._path is not None:
            with suppress(OSError):
                os.unlink(self._path)
        self._path = None

    def _is_written(self, status: Status) -> bool:
        try:
            self._path = self._path or os.path.join(_own_place(), self._name)
            _replace(self._path, json_bytes(_DOCUMENT.dump_python(_Document(1, status), mode="python")))
        except OSError as error:
            self._touch()  # the old one; that the daemon lives is the first thing to know
            if not self._told:
                self._told = True
                log.warning("status.unwritable", path=error.filename or self._path, cause=error.strerror)
            return False
        self._told = False
        return True


def read_heartbeat(root: str) -> Heartbeat | None:
    """The newest status of a daemon on this root; ``None`` when there is none that can be trusted.

    Args:
        root: an absolute path without symlinks. While it is gone, or its mount dead, nobody knows by which
            identity the status was named: then that of a daemon which waits for this path is taken.
    """
    try:
        folder = os.stat(root)
    except OSError:
        found = [one for one in _found("emosieve-*.json", {0, os.geteuid()}) if one.status.root == root]
    else:
        found = [*_found(_name_of((folder.st_dev, folder.st_ino)), {0, os.geteuid(), folder.st_uid})]
    return min(found, key=lambda one: one.age, default=None)


def _found(name: str, owners: set[int]) -> Iterator[Heartbeat]:
    """All statuses of that name, or pattern of names, which one of these users or a service wrote."""
    for path in dict.fromkeys(path for place in _places() for path in glob(f"{escape(place)}/{name}")):
        with suppress(OSError, ValueError):
            place = os.path.dirname(path)
            services = {os.stat(place).st_uid} if os.path.dirname(place) == _SERVICES else set()
            yield _read(path, owners | services)


def pid_namespace() -> int | None:
    """What the numbers of processes count in here; ``None`` off Linux."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return None


def _is_gone(status: Status) -> bool:
    """Whether the process is certainly gone: only one of the same machine and namespace can be asked for."""
    if (status.host, status.pid_namespace) != (myself().host, pid_namespace()):
        return False
    try:
        os.kill(status.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _replace(path: str, data: bytes) -> None:
    aside = f"{path}.{os.getpid()}"
    with suppress(FileNotFoundError):
        os.unlink(aside)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with open(os.open(aside, flags, 0o644), "wb") as file:
            file.write(data)
        os.rename(aside, path)
    except OSError:
        with suppress(OSError):
            os.unlink(aside)
        raise


def _read(path: str, owners: set[int]) -> Heartbeat:
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        # In a directory that is everybody's, anybody could write a status.
        if not stat.S_ISREG(status.st_mode) or status.st_uid not in owners or status.st_size > _SIZE_LIMIT:
            raise ValueError(path)
        found = _DOCUMENT.validate_json(file.read(), strict=True).status  # another version's is none
        return Heartbeat(found, max(0.0, time.time() - status.st_mtime), _is_gone(found))


def _name_of(identity: Identity) -> str:
    return "emosieve-{:x}-{:x}.json".format(*identity)


def _own_place() -> str:
    """Where a daemon writes: systemd's runtime directory, the user's, else one of its own in the temp directory.

    Raises:
        OSError: it cannot be made, or is somebody else's.
    """
    for variable in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        place = os.environ.get(variable, "").partition(":")[0]
        if place and os.access(place, os.W_OK | os.X_OK):
            return place
    place = _temporary_place()
    with suppress(FileExistsError):
        os.mkdir(place, 0o755)
    status = os.lstat(place)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise PermissionError(1, "is somebody else's; remove it", place)
    return place


def _temporary_place() -> str:
    return os.path.join(tempfile.gettempdir(), f"emosieve-{os.geteuid()}")


def _places() -> Iterator[str]:
    """Where readers look: a shell lacks the unit's variables, and may be another user's."""
    for variable in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        place = os.environ.get(variable, "").partition(":")[0]
        if place:
            yield place
    for pattern in (*_SHARED_PLACES, os.path.join(tempfile.gettempdir(), "emosieve-*")):
        yield from glob(pattern)
