"""The settings in force on a root: those of the daemon that holds it, as its status tells them."""

import os
from dataclasses import dataclass

from emosieve import __version__
from emosieve.record.locking import read_holder, standing_holder
from emosieve.service.liveness import Status, read_heartbeat
from emosieve.settings import Settings
from emosieve.settings.beside import understood


@dataclass(frozen=True, slots=True)
class InForce:
    """What a daemon works by.

    Attributes:
        settings: those that concern the root; the others are defaults.
        status: of the daemon.
        may_name_places: whether folders that it names outside the root are believed. Who has more rights than
            the daemon would move tasks to wherever the daemon's user likes.
    """

    settings: Settings
    status: Status
    may_name_places: bool


def in_force(root: str) -> InForce | None:
    """Return what the daemon that holds a root works by; ``None`` when none does, or its version is another.

    Args:
        root: an absolute path without symlinks.
    """
    heartbeat = read_heartbeat(root)
    if heartbeat is None or heartbeat.is_killed:
        return None
    # In a long batch it may be silent for a while; the lock on its root goes with its process.
    if not heartbeat.is_alive and standing_holder(root, read_holder(root)) is None:
        return None
    status = heartbeat.status
    if status.version != __version__ or status.settings is None:
        return None
    settings = understood(status.settings, status.rules_digest)
    return None if settings is None else InForce(settings, status, heartbeat.owner in {0, os.geteuid()})
