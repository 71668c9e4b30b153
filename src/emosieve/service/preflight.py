"""Whether emosieve can work here, asked before it starts: the command ``check``, and the daemon's own start.

A probe directory proves nothing: to rename a directory to another parent one
needs write permission on that very directory, and the WebUI's tasks are its
own. So every standing task is asked about itself.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from emosieve.errors import SetupError
from emosieve.filing import folder_problem, inside_problem
from emosieve.record.decisions import LOG_NAME
from emosieve.settings import Settings
from emosieve.watch.filesystem import file_system_of, is_open_for_writing
from emosieve.watch.inbox import Inbox
from emosieve.watch.wakeups import Mailbox, Wakeups, inotify_limit

log = structlog.get_logger()

Level = Literal["ok", "warning", "error"]
_CAP_FOWNER = 3
_NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the check: what was asked, what was found, and what to do about it."""

    level: Level
    subject: str
    message: str
    hint: str = ""


def examine(root: str, settings: Settings) -> list[Line]:
    """All that can be known without writing anything.

    Args:
        root: the root as the operator wrote it.
        settings: of this root.
    """
    if not os.path.isdir(root):
        return [_missing(root)]
    real = os.path.realpath(root)
    inbox = Inbox(real, settings.watch.task_glob, frozenset(), ask_lease=False)
    try:
        tasks = inbox.list().tasks
    except OSError as error:
        hint = "run emosieve as the WebUI's own user"
        return [Line("error", "root", f"{real} cannot be listed: {error.strerror}", hint)]
    return [
        _root(real, tasks, settings),
        *_folders(real, settings.filing.model_dump()),
        _movable(real, tasks),
        _events(real, settings),
        _lease(real, tasks),
        _locks(real),
    ]


def heed(lines: list[Line]) -> None:
    """Log the warnings, and stop at an error.

    Raises:
        SetupError: the first error, with what to do.
    """
    for line in lines:
        words = f"{line.message}; {line.hint}" if line.hint else line.message
        if line.level == "error":
            raise SetupError(f"{line.subject}: {words}")
        if line.level == "warning":
            log.warning("check.warning", subject=line.subject, message=words)


def worst(lines: list[Line]) -> Level:
    """The worst level of some lines."""
    order: tuple[Level, ...] = ("error", "warning", "ok")
    return next((level for level in order if any(line.level == level for line in lines)), "ok")


def _missing(root: str) -> Line:
    if os.path.lexists(root):
        return Line("error", "root", f"{root} is not a directory", "give the WebUI's outputs folder")
    return Line("error", "root", f"{root} does not exist", "check the path; watch waits for a root to appear")


def _root(root: str, tasks: list[str], settings: Settings) -> Line:
    glob = settings.watch.task_glob
    if tasks or os.path.lexists(f"{root}/{LOG_NAME}"):
        return Line("ok", "root", f"{root}: {len(tasks)} {glob} standing")
    inside = Inbox("", glob, frozenset(), ask_lease=False)
    if inside.matches(os.path.basename(root)):
        hint = f"give its parent, {os.path.dirname(root)}"
        return Line("error", "root", f"{root} is itself named like a task", hint)
    for name in sorted(os.listdir(root)):
        path = f"{root}/{name}"
        if name.startswith(".") or name in settings.filing.model_dump().values() or not os.path.isdir(path):
            continue
        try:
            below = len(Inbox(path, glob, frozenset(), ask_lease=False).list().tasks)
        except OSError:
            continue
        if below:
            message = f"no {glob} here, but {below} in {path}"
            return Line("warning", "root", message, f"give {path} as the root")
    return Line("ok", "root", f"{root}: no {glob} yet")


def _folders(root: str, folders: dict[str, str]) -> Iterator[Line]:
    denied = _denied(root)
    if denied:
        yield denied
        return
    device = os.stat(root).st_dev
    for name, folder in folders.items():
        path = os.path.join(root, folder)
        problem = inside_problem(root, folder) or folder_problem(path)
        if problem:
            yield Line("error", f"filing.{name}", problem)
            continue
        standing = path if os.path.isdir(path) else os.path.dirname(path)
        if not os.path.isdir(standing):
            yield Line("error", f"filing.{name}", f"{standing} does not exist", "make it, or choose another")
        elif denied := _denied(standing):
            yield replace(denied, subject=f"filing.{name}")
        elif os.stat(standing).st_dev != device:
            message = f"{path} lies on another file system: each task is copied, then removed"
            yield Line(
                "warning", f"filing.{name}", message, "a folder on the root's own file system is safer"
            )
        else:
            yield Line("ok", f"filing.{name}", path)


def _denied(folder: str) -> Line | None:
    """Why nothing can be written in a folder, if so."""
    if _may_write(folder):
        return None
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return Line("error", "permission", f"{folder} lies on a disk mounted read-only", "mount it writable")
    message = f"{folder} may not be written by uid {os.geteuid()}"
    return Line("error", "permission", message, "run emosieve as the WebUI's own user")


def _movable(root: str, tasks: list[str]) -> Line:
    status = os.stat(root)
    sticky = bool(status.st_mode & stat.S_ISVTX) and status.st_uid != os.geteuid() and not _has_fowner()
    stuck = [name for name in tasks if not _is_movable(f"{root}/{name}", sticky=sticky)]
    if not stuck:
        return Line("ok", "tasks", f"all {len(tasks)} standing tasks can be moved")
    names = ", ".join(stuck[:_NAMES_SHOWN]) + (", …" if len(stuck) > _NAMES_SHOWN else "")
    reason = "the root is sticky and they are another user's" if sticky else "no write permission on them"
    message = f"{len(stuck)} of {len(tasks)} standing tasks cannot be moved ({reason}): {names}"
    hint = f"run emosieve as their owner, uid {os.lstat(f'{root}/{stuck[0]}').st_uid}"
    return Line("error" if len(stuck) == len(tasks) else "warning", "tasks", message, hint)


def _is_movable(path: str, *, sticky: bool) -> bool:
    try:
        if sticky and os.lstat(path).st_uid != os.geteuid():
            return False
    except FileNotFoundError:
        return True
    return _may_write(path) or not os.path.lexists(path)


def _may_write(path: str) -> bool:
    return os.access(path, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def _has_fowner() -> bool:
    """Whether this process may ignore a sticky bit; off Linux only root may."""
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            line = next(line for line in file if line.startswith("CapEff:"))
    except (OSError, StopIteration):
        return os.geteuid() == 0
    return bool(int(line.split()[1], 16) >> _CAP_FOWNER & 1)


def _events(root: str, settings: Settings) -> Line:
    wakeups = Wakeups(Mailbox())
    try:
        wakeups.arm(root, settings.watch.mode)
        refused = wakeups.was_refused
        mode, reason = wakeups.mode, wakeups.reason
    finally:
        wakeups.close()
    if refused:
        return Line("warning", "events", reason, "until then emosieve polls")
    if mode == "polling":
        return Line("ok", "events", f"polling: {reason}")
    instances, watches = inotify_limit("max_user_instances"), inotify_limit("max_user_watches")
    limits = f"; one inotify instance of {instances}, one watch of {watches}" if instances else ""
    return Line("ok", "events", f"native: {reason}{limits}")


def _lease(root: str, tasks: list[str]) -> Line:
    """Whether the kernel tells who writes: asked of a real file, for it depends on the owner."""
    file_system = file_system_of(root)
    elsewhere = "the quiet time alone tells that nobody writes"
    if not file_system.is_local:
        return Line("warning", "writers", f"{file_system.type} does not tell who writes; {elsewhere}")
    for name in tasks:
        try:
            with os.scandir(f"{root}/{name}") as entries:
                path = next((entry.path for entry in entries if entry.is_file(follow_symlinks=False)), None)
            if path is None:
                continue
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            told = is_open_for_writing(descriptor) is not None
        finally:
            os.close(descriptor)
        if told:
            return Line("ok", "writers", "the kernel tells whether a file is still open for writing")
        hint = "run emosieve as the WebUI's own user"
        return Line("warning", "writers", f"the files are another user's; {elsewhere}", hint)
    return Line("ok", "writers", f"{file_system.type} tells whether a file is still open for writing")


def _locks(root: str) -> Line:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Line("ok", "locks", "the file system has locks")
    except OSError as error:
        message = f"the file system has no locks ({error.strerror})"
        return Line("warning", "locks", message, "start no second emosieve on this root")
    finally:
        os.close(descriptor)
    return Line("ok", "locks", "the file system has locks")
