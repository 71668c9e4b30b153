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
from emosieve.service.preflight.rights import (
    by_capabilities_alone,
    judging_as_daemon,
    without_capabilities,
)
from emosieve.service.preflight.root import about_root, absent, misplaced, unlisted
from emosieve.service.preflight.rules import about_settings
from emosieve.service.preflight.site import Site, visit
from emosieve.service.preflight.tasks import about_births, about_required, about_tasks, about_writers
from emosieve.service.preflight.watching import (
    about_appending,
    about_events,
    about_inotify,
    about_locks,
    try_appending,
)
from emosieve.service.preflight.who import about_intake, about_program, about_wishes
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
    lines = [*about_wishes(os.environ), *lines, *(_place(site) if site else ())]
    return [replace(line, level="warning") if _is_about_tasks(line) else line for line in lines]


def examine_all(root: str, loaded: Loaded) -> list[Line]:
    """All that can be known: program, settings, the root, and circumstances that may pass by themselves.

    Where an emosieve is at work on the root, what may be done there is judged as that process may.

    Args:
        root: the root as the operator wrote it.
        loaded: the settings with their origins.
    """
    lines = [about_program(), *about_settings(loaded)]
    with judging_as_daemon(os.path.realpath(root)) as judged:
        lines += [judged] if judged else about_wishes(os.environ)
        site, found = _visit(root, loaded.settings)
        lines += [*found, *(_place(site) if site else ())]
    if site is None:
        return lines
    if judged is None:
        lines += _without_capabilities(site, lines)
    return [*lines, *_circumstances(site)]


def _without_capabilities(site: Site, before: list[Line]) -> list[Line]:
    """Warn of what goes well by root's capabilities alone: the shipped service and container have none."""
    told = {(line.level, line.subject, str(line.message)) for line in before}
    with without_capabilities() as is_different:
        lines = _filing(site) if is_different else []
    return [
        replace(line, level="warning", message=by_capabilities_alone(line.message))
        for line in lines
        if line.level == "error" and (line.level, line.subject, str(line.message)) not in told
    ]


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
    renames = () if denied(site.root) else about_renames(site)
    required = about_required(site, time.time())
    writers = [about_writers(site), *about_births(site)]
    return [*_filing(site), *renames, *required, about_events(site), *writers, about_locks(site)]


def _filing(site: Site) -> list[Line]:
    # A root that may not be written is said once, not once more for all that stands in it.
    barred = denied(site.root)
    return [barred] if barred else [*about_folders(site), *about_own_files(site), about_tasks(site)]


def _circumstances(site: Site) -> list[Line]:
    clock = about_clock(site, time.time())
    places = [*about_log(site), about_intake(site), *about_appending(site)]
    return [*places, *about_inotify(site), *about_space(site), *clock]
