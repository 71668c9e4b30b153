"""Whether emosieve can work here, asked before it starts: the command ``check``, and the daemon's own start.

Nothing is written (but by ``try_appending``), and no lock is taken that anybody else wants.
"""

import os
import time
from dataclasses import replace

from emosieve.service.preflight.circumstances import about_clock, about_space
from emosieve.service.preflight.folders import about_folders, about_log, about_own_files, denied
from emosieve.service.preflight.lines import Level, Line, as_setup, heed, worst
from emosieve.service.preflight.renames import about_renames
from emosieve.service.preflight.root import about_root, absent, misplaced, unlisted
from emosieve.service.preflight.rules import about_settings
from emosieve.service.preflight.site import Site, visit
from emosieve.service.preflight.tasks import about_required, about_tasks, about_writers
from emosieve.service.preflight.watching import (
    about_appending,
    about_events,
    about_inotify,
    about_locks,
    try_appending,
)
from emosieve.service.preflight.who import about_intake, about_program
from emosieve.settings import Loaded, Settings

__all__ = [
    "Level",
    "Line",
    "about_settings",
    "as_setup",
    "examine",
    "examine_all",
    "heed",
    "misplaced",
    "try_appending",
    "worst",
]


def examine(root: str, settings: Settings) -> list[Line]:
    """What must be known before emosieve starts on a root: all that does not mend itself.

    It costs a few system calls for each standing task, and nothing for those that are filed. Tasks that
    cannot be moved are a warning: the service works, and each of them is told of and tried again.

    Args:
        root: the root as the operator wrote it.
        settings: of this root.
    """
    site, lines = _visit(root, settings)
    lines = lines if site is None else [*lines, *_place(site)]
    return [replace(line, level="warning") if _is_about_tasks(line) else line for line in lines]


def examine_all(root: str, loaded: Loaded) -> list[Line]:
    """All that can be known: program, settings, the root, and circumstances that may pass by themselves.

    Args:
        root: the root as the operator wrote it.
        loaded: the settings with their origins.
    """
    site, lines = _visit(root, loaded.settings)
    lines = [about_program(), *about_settings(loaded), *lines]
    return lines if site is None else [*lines, *_place(site), *_circumstances(site)]


def _is_about_tasks(line: Line) -> bool:
    """Whether a line is an error about single tasks alone."""
    return (line.level, line.subject) == ("error", "tasks")


def _visit(root: str, settings: Settings) -> tuple[Site | None, list[Line]]:
    if not os.path.isdir(root):
        return None, [absent(root)]
    try:
        site = visit(root, settings)
    except OSError as error:
        return None, [unlisted(root, error)]
    return site, [about_root(site)]


def _place(site: Site) -> list[Line]:
    # A root that may not be written is said once, not once more for all that stands in it.
    barred = denied(site.root)
    filing = [barred] if barred else [*about_folders(site), *about_own_files(site), about_tasks(site)]
    renames = () if barred else about_renames(site)
    required = about_required(site, time.time())
    return [*filing, *renames, *required, about_events(site), about_writers(site), about_locks(site)]


def _circumstances(site: Site) -> list[Line]:
    clock = about_clock(site, time.time())
    places = [*about_log(site), about_intake(site), *about_appending(site)]
    return [*places, *about_inotify(site), *about_space(site), *clock]
