"""The root under examination, and what may be done with what stands in it."""

import os
import stat
from dataclasses import dataclass

from emosieve.settings import Settings
from emosieve.watch.inbox import Inbox

_CAP_FOWNER = 3


@dataclass(frozen=True, slots=True)
class Site:
    """A root that exists and could be listed.

    Attributes:
        root: without symlinks.
        tasks: names of all standing tasks, sorted: the oldest first.
    """

    root: str
    settings: Settings
    tasks: list[str]

    @property
    def destinations(self) -> dict[str, str]:
        """The destination folders by the names of their settings; they need not exist yet."""
        folders = self.settings.filing.model_dump().items()
        return {f"filing.{name}": os.path.join(self.root, folder) for name, folder in folders}

    @property
    def newest(self) -> list[str]:
        """Up to 100 of the newest tasks, the newest first."""
        return self.tasks[:-101:-1]


def visit(root: str, settings: Settings) -> Site:
    """Look at a root; the folders that tasks are filed into are never listed.

    Raises:
        OSError: it cannot be listed.
    """
    real = os.path.realpath(root)
    return Site(real, settings, tasks_in(real, settings))


def tasks_in(folder: str, settings: Settings) -> list[str]:
    """Names of the tasks that stand in any folder, sorted.

    Raises:
        OSError: it cannot be listed.
    """
    reserved = frozenset(settings.filing.model_dump().values())
    return Inbox(folder, settings.watch.task_glob, reserved, ask_lease=False).list().tasks


def may(path: str, mode: int) -> bool:
    """Whether this process may do that; ``mode`` as for ``os.access``."""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def may_write(folder: str) -> bool:
    """Whether names may be added to a folder, and itself be moved to another parent."""
    return may(folder, os.W_OK | os.X_OK)


def holds_back(folder: str) -> bool:
    """Whether a folder's sticky bit keeps this process from moving what others own out of it."""
    status = os.stat(folder)
    return bool(status.st_mode & stat.S_ISVTX) and status.st_uid != os.geteuid() and not has_fowner()


def has_fowner() -> bool:
    """Whether this process may ignore a sticky bit; off Linux only root may."""
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            line = next(line for line in file if line.startswith("CapEff:"))
    except (OSError, StopIteration):
        return os.geteuid() == 0
    return bool(int(line.split()[1], 16) >> _CAP_FOWNER & 1)


def nearest(path: str) -> str:
    """The folder itself where it exists, else its parent."""
    return path if os.path.isdir(path) else os.path.dirname(path)
