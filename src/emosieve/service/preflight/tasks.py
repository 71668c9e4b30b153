"""Whether the standing tasks can be moved, and whether they have what is waited for.

A probe directory proves nothing: to rename a directory to another parent one
needs write permission on that very directory, and the WebUI's tasks are its
own. So every standing task is asked about itself.
"""

import os
from collections.abc import Iterator

from emosieve.service.preflight.lines import AS_WEBUI, Line
from emosieve.service.preflight.site import Site, holds_back, may_write
from emosieve.text import Phrase
from emosieve.watch.filesystem import birth_time_ns, file_system_of, is_open_for_writing
from emosieve.watch.identity import READ_DIRECTORY
from emosieve.watch.survey import RESULT_NAMES

_NAMES_SHOWN = 3
_AT_WORK_SECONDS = 60.0
"""A task that changed this short a time ago may still be written."""

_MOVABLE = Phrase("all {count} standing tasks can be moved", "现有的 {count} 个任务都可以移动")
_NONE = Phrase("none standing", "目前没有任务")
_STUCK = Phrase(
    "{stuck} of {count} standing tasks cannot be moved ({reason}): {names}",
    "现有 {count} 个任务中有 {stuck} 个无法移动（{reason}）：{names}",
)
_STICKY = Phrase("the root is sticky and they are another user's", "输出目录设有粘滞位，而它们属于其他用户")
_NO_PERMISSION = Phrase("no write permission on them", "对它们没有写权限")
_AS_OWNER = Phrase("run emosieve as their owner, uid {uid}", "请以它们的所有者（uid {uid}）身份运行 emosieve")

_REQUIRED = Phrase(
    "none of the {count} newest tasks has {name}: each would wait {seconds:g} s for it, then be flagged",
    "最新的 {count} 个任务都没有 {name}：每个任务都要等 {seconds:g} 秒，之后被标记",
)
_TELLING = 3
"""So many tasks must lack a file before that says something about the WebUI, and not about the tasks."""
_NO_RESULT = Phrase("none of the {count} newest tasks has a result", "最新的 {count} 个任务都没有结果文件")
_LEAVE_OUT = Phrase(
    "take {name} out of settle.require, or let the WebUI write it",
    "请从 settle.require 中去掉 {name}，或让 WebUI 写出该文件",
)
_RIGHT_FOLDER = Phrase(
    "see whether these are the WebUI's tasks; a task without a result stays where it is",
    "请确认这些是 WebUI 的任务；没有结果的任务会留在原处",
)

_QUIET_TIME = Phrase("the quiet time alone tells that nobody writes", "只能凭静止时间判断是否写完")
_NOT_TOLD = Phrase(
    "{type} does not tell who writes; {instead}", "从 {type} 无法得知文件是否仍在写入；{instead}"
)
_TOLD = Phrase("the kernel tells whether a file is still open for writing", "内核能告知文件是否仍在写入")
_WOULD_TELL = Phrase(
    "{type} tells whether a file is still open for writing", "从 {type} 能得知文件是否仍在写入"
)
_NO_BIRTHS = Phrase(
    "{type} keeps no birth times: whether two recognitions share a directory is told by modification times alone, "
    "and a copy without times may be taken for one",
    "{type} 不记录创建时间：只能凭修改时间判断两次识别是否写进同一目录，未保留时间的拷贝可能被误判",
)
_OTHERS_FILES = Phrase("the files are another user's; {instead}", "文件属于其他用户；{instead}")


def about_tasks(site: Site) -> Line:
    """Whether each standing task can be moved: an error when none can, a warning when some cannot."""
    root, tasks = site.root, site.tasks
    sticky = holds_back(root)
    stuck = [name for name in tasks if not is_movable(f"{root}/{name}", sticky=sticky)]
    if not stuck:
        return Line("ok", "tasks", _MOVABLE(count=len(tasks)) if tasks else _NONE())
    message = _STUCK(
        stuck=len(stuck),
        count=len(tasks),
        reason=_STICKY() if sticky else _NO_PERMISSION(),
        names=", ".join(stuck[:_NAMES_SHOWN]) + (", …" if len(stuck) > _NAMES_SHOWN else ""),
    )
    try:
        hint = _AS_OWNER(uid=os.lstat(f"{root}/{stuck[0]}").st_uid)
    except OSError:  # an emosieve at work here has just filed it, or it is a dead mount
        hint = AS_WEBUI()
    return Line("error" if len(stuck) == len(tasks) else "warning", "tasks", message, hint)


def is_movable(path: str, *, sticky: bool) -> bool:
    """Whether one task can be moved, in a root that is sticky for this process or not; one that is gone can."""
    try:
        if sticky and os.lstat(path).st_uid != os.geteuid():
            return False
    except FileNotFoundError:
        return True
    except OSError:  # of one task, as of a dead mount in its place
        return False
    return may_write(path) or not os.path.lexists(path)


def about_required(site: Site, now: float) -> Iterator[Line]:
    """Warn of a required file that no task has, of those that nobody writes any more.

    Args:
        site: the root.
        now: seconds since the epoch.
    """
    settle = site.settings.settle
    written = [path for name in site.newest if _is_written(path := f"{site.root}/{name}", now)]
    for required in settle.require if len(written) >= _TELLING else ():
        names = RESULT_NAMES if required in RESULT_NAMES[:1] else (required,)
        if any(os.path.lexists(f"{path}/{name}") for path in written for name in names):
            continue
        if required in RESULT_NAMES[:1]:
            yield Line("warning", "settle.require", _NO_RESULT(count=len(written)), _RIGHT_FOLDER())
        else:
            message = _REQUIRED(count=len(written), name=required, seconds=settle.give_up_seconds)
            yield Line("warning", "settle.require", message, _LEAVE_OUT(name=required))


def _is_written(path: str, now: float) -> bool:
    try:
        return now - os.lstat(path).st_ctime > _AT_WORK_SECONDS
    except OSError:
        return False


def about_writers(site: Site) -> Line:
    """Whether the kernel tells who writes: asked of a real file, for it depends on the owner."""
    file_system = file_system_of(site.root)
    if not file_system.is_local:
        return Line("warning", "writers", _NOT_TOLD(type=file_system.type, instead=_QUIET_TIME()))
    for name in site.newest:
        told = _is_told(f"{site.root}/{name}")
        if told:
            return Line("ok", "writers", _TOLD())
        if told is False:
            return Line("warning", "writers", _OTHERS_FILES(instead=_QUIET_TIME()), AS_WEBUI())
    return Line("ok", "writers", _WOULD_TELL(type=file_system.type))


def about_births(site: Site) -> Iterator[Line]:
    """Warn where the file system does not tell when a file was made, so that none is known to be written over."""
    descriptor = os.open(site.root, READ_DIRECTORY)
    try:
        if not birth_time_ns(descriptor):
            yield Line("warning", "writers", _NO_BIRTHS(type=file_system_of(site.root).type))
    finally:
        os.close(descriptor)


def _is_told(task: str) -> bool | None:
    """Whether the kernel answers about a task's first file; ``None`` when there is none to ask about."""
    try:
        with os.scandir(task) as entries:
            path = next((entry.path for entry in entries if entry.is_file(follow_symlinks=False)), None)
        if path is None:
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return is_open_for_writing(descriptor) is not None
    finally:
        os.close(descriptor)
