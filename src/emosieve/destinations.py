"""Which destinations lie on file systems of their own, so that one that is not mounted is waited for.

Where a disk or a share is not mounted its mount point is an empty folder of the
disk below. Folders that were made there, and results that were filed there,
would be hidden once it is mounted again.
"""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError

from emosieve.filing import Folders
from emosieve.record.files import STATE_DIRECTORY, open_plain, replace_file
from emosieve.watch.filesystem import file_system_of
from emosieve.watch.identity import identity_at

DESTINATIONS: Final = f"{STATE_DIRECTORY}/destinations.json"
NOT_MOUNTED: Final = "tasks were filed there on another file system, which is not there now; not mounted?"


@dataclass(frozen=True, slots=True)
class Destination:
    """A folder that lies on another mount than the root.

    Attributes:
        inode: of the folder.
        born: its birth time in ns since the epoch; 0 where the file system keeps none.
        fsid: of its file system, as statvfs tells it; 0 where it tells none, another number after a remount
            of some.
        mount_point: where that is mounted, as this process sees it: a sandbox mounts a folder onto itself.
    """

    inode: int
    born: int
    fsid: int
    mount_point: str

    def is_back(self, now: "Destination") -> bool:
        """Return whether a folder that stands there now will do: the same one, or one that is mounted there, too."""
        is_same = self.inode == now.inode and self.born == now.born != 0
        return is_same or self.fsid == now.fsid != 0 or self.mount_point == now.mount_point


_KNOWN: Final = TypeAdapter(dict[str, Destination])


def known_destinations(root: str) -> dict[str, Destination]:
    """Return what is known of a root's destinations, by folder as the settings name it."""
    try:
        with open(open_plain(f"{root}/{DESTINATIONS}", os.O_RDONLY), "rb") as file:
            return _KNOWN.validate_json(file.read(), strict=True)
    except (OSError, ValidationError):
        return {}


def missing_destination(folders: Folders, held_tasks: Callable[[str], bool]) -> str | None:
    """Return the path of a destination that was another file system, or held tasks, and is not there now.

    Args:
        folders: of the root.
        held_tasks: whether the decision log says that tasks were filed into a folder; asked only of one
            outside of the root that is missing, and of which nothing else is known.

    Raises:
        OSError: a folder cannot be looked at.
    """
    known = known_destinations(folders.root)
    for folder in folders.by_verdict.values():
        path, before = folders.path(folder), known.get(folder)
        if before is None:
            if os.path.isabs(folder) and not os.path.lexists(path) and held_tasks(folder):
                return path
        else:
            # One that somebody removed is made again where its file system is mounted.
            now = _look_at(path) or _look_at(_nearest(path))
            if now is None or not before.is_back(now):
                return path
    return None


class Destinations:
    """Refuses to file where a destination's file system is missing; remembers those that are there.

    Args:
        folders: of the root.
        held_tasks: see ``missing_destination``.
    """

    def __init__(self, folders: Folders, held_tasks: Callable[[str], bool]) -> None:
        self._folders = folders
        self._held_tasks = held_tasks
        self._verified: object = None

    def verify(self) -> None:
        """Call it before the folders are made; a stat of each folder, as long as they are the same.

        Raises:
            OSError: a destination is not there (ENODEV), or cannot be looked at.
        """
        if self._stand() == self._verified:
            return
        missing = missing_destination(self._folders, self._held_tasks)
        if missing is not None:
            raise OSError(errno.ENODEV, NOT_MOUNTED, missing)

    def remember(self) -> None:
        """Note the destinations on other mounts; call it when the folders are made, while the log is locked.

        Raises:
            OSError: it cannot be written.
        """
        stand = self._stand()
        if stand == self._verified:
            return
        root = self._folders.root
        root_mount = file_system_of(root).mount_point
        found = {folder: _look_at(self._folders.path(folder)) for folder in self._folders.by_verdict.values()}
        apart = {folder: one for folder, one in found.items() if one and one.mount_point != root_mount}
        before = known_destinations(root)
        # Folders of earlier settings are kept: they may be named again.
        after = {**before, **apart}
        if after != before:
            replace_file(root, f"{root}/{DESTINATIONS}", orjson.dumps(after), sync=True)
        self._verified = stand

    def _stand(self) -> tuple[tuple[int, int] | None, ...]:
        paths = (self._folders.path(folder) for folder in ("", *self._folders.by_verdict.values()))
        return tuple(map(_device_and_inode, paths))


def _device_and_inode(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _nearest(path: str) -> str:
    """The nearest parent that exists."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _look_at(path: str) -> Destination | None:
    standing = identity_at(path)
    if standing is None:
        return None
    return Destination(
        standing.inode, standing.born_ns, os.statvfs(path).f_fsid, file_system_of(path).mount_point
    )
