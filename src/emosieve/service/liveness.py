"""Whether an emosieve lives, and what it is about: a small file outside the root, for ``status``.

The disk of the root may be the one that fails, so the file lies in the runtime
directory. Its change time is the heartbeat. Whoever may read it needs no right
on the root, and the daemon is asked nothing.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from stat import S_ISREG
from typing import Annotated, Any, Final, Literal, get_args

import structlog
from pydantic import Field, TypeAdapter

from emosieve.record.lines import json_bytes
from emosieve.record.long_work import Work
from emosieve.service.heartbeat import (
    HEARTBEAT_SECONDS,
    STALE_SECONDS,
    Identity,
    is_gone,
    is_of,
    name_of,
    open_own,
    own_place,
    private_beginning,
    statuses,
)
from emosieve.text import Language

_WRITE_SECONDS: Final = 1.0
_LEFTOVER_SECONDS: Final = 86400.0
"""A status without a heartbeat for so long is nobody's any more; a daemon that only slept writes it anew."""

log = structlog.get_logger()

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
class Failing:
    """What cannot be filed, though it is tried again and again.

    Attributes:
        since: wall seconds; from then on there was no moment at which all that was ready could be filed.
        cause: of the present failure, in words.
    """

    since: WallSeconds
    cause: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where the settings in force came from.

    Attributes:
        config: absolute path of the settings file; ``None`` where there is none.
        origins: for each dotted key that is no default: the file's name, the profile, environment or command line.
    """

    config: str | None = None
    origins: Mapping[str, str] = field(default_factory=dict)


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
        failing: what cannot be filed, of all or of one task; ``None`` while nothing fails.
        state_directory: device and inode of ``.emosieve``, by which the root is known from another mount.
        settings: those in force that concern the root, by section; ``None`` from a version that told none.
        source: where they came from.
        work: long work over the decision log that is under way; tasks are filed beside a report that is rebuilt.
        refused: why the last reload left the old settings in force, and when; ``None`` after a good one.
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
    failing: Failing | None = None
    state_directory: Identity | None = None
    settings: Mapping[str, Any] | None = None
    source: Source = Source()
    work: Work | None = None
    refused: Trouble | None = None


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
        owner: the user who wrote it.
    """

    status: Status
    age: float
    is_killed: bool = False
    owner: int = 0

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
        self._place: str | None = None
        self._name = name_of(identity)
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
        if self._place is None:
            return False
        try:
            with _opened(self._place) as directory:
                os.utime(self._name, dir_fd=directory, follow_symlinks=False)
        except OSError:
            return False
        return True

    def remove(self) -> None:
        """A clean end leaves no status behind."""
        if self._place is not None:
            with suppress(OSError), _opened(self._place) as directory:
                os.unlink(self._name, dir_fd=directory)
            if os.path.basename(self._place).startswith(private_beginning()):
                with suppress(OSError):  # another daemon of this user has its status there
                    os.rmdir(self._place)
        self._place = None

    def _is_written(self, status: Status) -> bool:
        data = json_bytes(_DOCUMENT.dump_python(_Document(1, status), mode="python"))
        try:
            self._write(data)
        except OSError as error:
            self._touch()  # the old one; that the daemon lives is the first thing to know
            if not self._told:
                self._told = True
                path = f"{self._place}/{self._name}" if self._place else error.filename
                log.warning("status.unwritable", path=path, cause=error.strerror)
            return False
        self._told = False
        return True

    def _write(self, data: bytes) -> None:
        """Write to the place of the last time; where that is gone or no longer ours, to another.

        Raises:
            OSError: it cannot be written.
        """
        if self._place is not None:
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                with _opened(self._place) as directory:
                    _replace(directory, self._name, data)
                return
        self._place = own_place()
        with _opened(self._place) as directory:
            _remove_leftovers(directory)
            _replace(directory, self._name, data)


def read_heartbeat(root: str) -> Heartbeat | None:
    """The newest status of a daemon on this root; ``None`` when there is none that can be trusted.

    Args:
        root: an absolute path without symlinks. While it is gone, or its mount dead, nobody knows by which
            identity the status was named: then that of a daemon which waits for this path is taken.
    """
    try:
        folder = os.stat(root)
    except OSError:
        found = [one for one in _found(None, {0, os.geteuid()}) if one.status.root == root]
    else:
        named = _found(name_of((folder.st_dev, folder.st_ino)), {0, os.geteuid(), folder.st_uid})
        found = [one for one in named if is_of(one.status.root, one.status.state_directory, root)]
    return min(found, key=lambda one: one.age, default=None)


def _found(name: str | None, owners: set[int]) -> Iterator[Heartbeat]:
    """All statuses of that name, or of any, which one of these users wrote."""
    for content, age, owner in statuses(name, owners):
        with suppress(ValueError):
            status = _DOCUMENT.validate_json(content, strict=True).status  # another version's is none
            is_killed = is_gone(status.host, status.pid_namespace, status.pid)
            yield Heartbeat(status, age, is_killed, owner)


@contextmanager
def _opened(place: str) -> Iterator[int]:
    """The directory of one's own status, for as long as one operation takes: an open one would pin its mount."""
    directory = open_own(place)
    try:
        yield directory
    finally:
        os.close(directory)


def _replace(directory: int, name: str, data: bytes) -> None:
    aside = f"{name}.{os.getpid()}"
    with suppress(FileNotFoundError):
        os.unlink(aside, dir_fd=directory)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with open(os.open(aside, flags, 0o644, dir_fd=directory), "wb") as file:
            file.write(data)
        os.rename(aside, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        with suppress(OSError):
            os.unlink(aside, dir_fd=directory)
        raise


def _remove_leftovers(directory: int) -> None:
    """Remove what daemons of this user that were killed left behind, half-written files among it."""
    for name in os.listdir(directory):
        if not (name.startswith("emosieve-") and ".json" in name):
            continue
        with suppress(OSError):
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            is_own = S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
            if is_own and time.time() - status.st_mtime >= _LEFTOVER_SECONDS:
                os.unlink(name, dir_fd=directory)
