"""How one root is: what its daemon says of itself, and what can be seen without asking it. Writes nothing."""

import os
from contextlib import suppress
from dataclasses import dataclass

from emosieve.debts import inbox_of
from emosieve.intake import Intake
from emosieve.record.decisions import DecisionLog
from emosieve.record.lines import Event, parse_line
from emosieve.record.loss import NOTHING_LOST, Loss, loss_of
from emosieve.record.unlogged import unlogged_among
from emosieve.service.liveness import Heartbeat, read_heartbeat
from emosieve.settings import Settings
from emosieve.text import escape
from emosieve.watch.filesystem import room_of


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system of a folder; bytes are those that this user may still write."""

    path: str
    free_bytes: int
    total_bytes: int
    read_only: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """One root as it is now.

    Attributes:
        heartbeat: what the daemon said last; ``None`` where none ever did, or it ended properly.
        standing: tasks in the inbox, by a listing.
        filed: how many stand in each folder, by verdict.
        unlogged: how many of the normal and low_quality ones the log does not know.
        last: the newest event of the log.
        unreadable: why the log, the root or a folder could not be read: who asks does so because something is wrong.
        disks: of the root, and of folders that lie elsewhere.
        loss: what is known to be missing in the log.
    """

    root: str
    heartbeat: Heartbeat | None
    standing: int
    filed: dict[str, int]
    unlogged: int
    last: Event | None
    disks: tuple[Disk, ...]
    unreadable: str | None = None
    loss: Loss = NOTHING_LOST

    @property
    def is_watched(self) -> bool:
        """Whether a daemon lives."""
        return self.heartbeat is not None and self.heartbeat.is_alive


def overview(root: str, settings: Settings) -> Overview:
    """Look at a root, its log and its daemon's status.

    Args:
        root: an absolute path without symlinks, which exists.
        settings: of this root.
    """
    intake = Intake(root, settings)
    folders = intake.folders.by_verdict
    names: dict[str, list[str]] = {}
    unreadable = None
    for verdict, folder in folders.items():
        path = intake.folders.path(folder)
        try:
            names[verdict] = _tasks_in(path)
        except OSError as error:
            names[verdict], unreadable = [], _cause(error, path)
    judged = {
        os.path.join(folders[verdict], name)
        for verdict in ("normal", "low_quality")
        for name in names[verdict]
    }
    standing = unlogged = 0
    last, loss = None, NOTHING_LOST
    try:
        standing = len(inbox_of(root, settings, ask_lease=False).list().tasks)
        last, loss = _last_event(intake.log), loss_of(intake.log)
        unlogged = len(unlogged_among(intake.log, judged))
    except OSError as error:
        unreadable = _cause(error, root)
    return Overview(
        root=root,
        heartbeat=read_heartbeat(root),
        standing=standing,
        filed={verdict: len(found) for verdict, found in names.items()},
        unlogged=unlogged,
        last=last,
        disks=tuple(_disks([root, *map(intake.folders.path, folders.values())])),
        unreadable=unreadable,
        loss=loss,
    )


def _last_event(log: DecisionLog) -> Event | None:
    return next((event for event in map(parse_line, log.lines_before(log.end())) if event), None)


def _tasks_in(folder: str) -> list[str]:
    """Names of the directories in a folder, if it is there; emosieve's own hidden ones are none of them.

    Raises:
        OSError: it cannot be listed.
    """
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        return [
            one.name for one in entries if one.is_dir(follow_symlinks=False) and not one.name.startswith(".")
        ]
    return []


def _cause(error: OSError, path: str) -> str:
    return escape(f"{error.filename or path}: {error.strerror or error}")


def _disks(paths: list[str]) -> list[Disk]:
    """The disks that some folders lie on, each once."""
    disks: dict[int, Disk] = {}
    for path in paths:
        with suppress(OSError):
            device, status = os.stat(path).st_dev, os.statvfs(path)
            read_only = bool(status.f_flag & os.ST_RDONLY)
            free, total = room_of(status, privileged=os.geteuid() == 0)
            disks.setdefault(device, Disk(path, free, total, read_only))
    return list(disks.values())
