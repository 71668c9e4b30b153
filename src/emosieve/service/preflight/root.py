"""Whether the root given is the root meant."""

import os
import pwd
import re
import stat
from collections.abc import Iterator
from itertools import islice

from emosieve.errors import code_of, next_step
from emosieve.record.decisions import LOG_NAME
from emosieve.record.files import STATE_DIRECTORY
from emosieve.service.preflight.lines import AS_WEBUI, Line
from emosieve.service.preflight.site import Site, tasks_in, visit
from emosieve.settings import Settings
from emosieve.text import Phrase
from emosieve.watch.inbox import Inbox
from emosieve.watch.survey import AUDIO_NAME, RESULT_NAMES

_FOLDERS_TRIED = 100

_NO_DIRECTORY = Phrase("{root} is not a directory", "{root} 不是目录")
_GIVE_OUTPUTS = Phrase("give the WebUI's outputs folder", "请指定 WebUI 的输出目录")
_MISSING = Phrase("{root} does not exist", "{root} 不存在")
_CHECK_PATH = Phrase(
    "check the path; watch waits for a root to appear", "请检查路径；watch 会一直等到该目录出现"
)
_NOT_LISTED = Phrase("{root} cannot be listed: {cause}", "无法列出 {root}：{cause}")
_STANDING = Phrase("{root}: {count} {glob} standing", "{root}：现有 {count} 个 {glob}")
_NONE_YET = Phrase("{root}: no {glob} yet", "{root}：还没有 {glob}")
_IS_TASK = Phrase("{root} is itself a task", "{root} 本身就是一个任务")
_IS_DESTINATION = Phrase(
    "{root} is where the root {parent} files its tasks", "{root} 是输出目录 {parent} 的归档位置"
)
_IS_STATE = Phrase(
    "{root} belongs to emosieve's own files in {parent}", "{root} 属于 {parent} 中 emosieve 自己的文件"
)
_GIVE_PARENT = Phrase("give its parent, {parent}", "请改用它的上级目录 {parent}")
_IS_TOP = Phrase(
    "/ is the whole file system, and no {glob} stands in it", "/ 是整个文件系统，其中没有 {glob}"
)
_IS_HOME = Phrase(
    "{root} is a home directory, and no {glob} stands in it", "{root} 是用户主目录，其中没有 {glob}"
)
_BELOW = Phrase("no {glob} here, but {count} in {path}", "这里没有 {glob}，但 {path} 里有 {count} 个")
_LOG_BELOW = Phrase("no {glob} here, but a decision log in {path}", "这里没有 {glob}，但 {path} 里有判定日志")
_OUTPUTS_BELOW = Phrase("no {glob} here, but a folder {path}", "这里没有 {glob}，但有目录 {path}")
_IS_PROGRAM = Phrase(
    "{root} holds a program ({name}), and no {glob}", "{root} 是程序所在的目录（含 {name}），其中没有 {glob}"
)
_GIVE_THIS = Phrase("give {path} as the root", "请把 {path} 作为输出目录")
_GIVE_COMING = Phrase(
    "give {path} as the root; watch waits until the WebUI makes it",
    "请把 {path} 作为输出目录；watch 会一直等到 WebUI 创建它",
)
_OUTPUTS = "outputs"
"""What the WebUI calls its outputs folder."""
_PROGRAM_FILES = (
    "app.py",
    "webui.py",
    "launch.py",
    "run.sh",
    "start.sh",
    "requirements.txt",
    "pyproject.toml",
)
"""Files by which the folder of a WebUI's program is known; nothing of the kind is written into outputs."""
_TASK_NAME = re.compile(r"outputs_[0-9]{8}_[0-9]{6}", re.ASCII)


def misplaced(root: str, settings: Settings) -> list[Line]:
    """What stands at the root's path that cannot be meant, before anything is made there.

    A root that does not exist is none of it: the WebUI makes it at its first recognition.

    Args:
        root: the root as the operator wrote it.
        settings: of this root.
    """
    try:
        if not stat.S_ISDIR(os.stat(root).st_mode):
            return [absent(root)]
        line = about_root(visit(root, settings))
    except NotADirectoryError:
        return [absent(root)]
    except OSError:
        return []  # it may be mounted, or allowed, later
    return [line] if line.level == "error" else []


def absent(root: str) -> Line:
    """Of a root that is no directory."""
    file = next((path for path in _ascending(os.path.abspath(root)) if os.path.lexists(path)), "/")
    if os.path.isdir(file):
        return Line("error", "root", _MISSING(root=root), _CHECK_PATH())
    folder = os.path.dirname(file)
    near = [f"{folder}/{_OUTPUTS}", folder, os.path.dirname(folder)]
    meant = next((path for path in near if os.path.isdir(path) and _is_outputs(path)), None)
    return Line(
        "error", "root", _NO_DIRECTORY(root=file), _GIVE_THIS(path=meant) if meant else _GIVE_OUTPUTS()
    )


def _is_outputs(path: str) -> bool:
    return os.path.basename(path) == _OUTPUTS or os.path.lexists(f"{path}/{LOG_NAME}")


def _ascending(path: str) -> Iterator[str]:
    """A path and all folders above it but the topmost."""
    while path != os.path.dirname(path):
        yield path
        path = os.path.dirname(path)


def unlisted(root: str, error: OSError) -> Line:
    """Of a root that cannot be listed."""
    hint = AS_WEBUI() if isinstance(error, PermissionError) else next_step(code_of(error))
    return Line("error", "root", _NOT_LISTED(root=root, cause=error.strerror or str(error)), hint, error)


def about_root(site: Site) -> Line:
    """Whether this is the folder that the WebUI writes into, as far as its contents tell.

    An empty folder of any name may be one. It is refused where tasks or a decision log stand beside or
    below it, or where it holds what the WebUI never writes into its outputs.
    """
    root, glob = site.root, site.settings.watch.task_glob
    if line := _in_another_root(site):
        return line
    if site.tasks or os.path.lexists(f"{root}/{LOG_NAME}"):
        return Line("ok", "root", _STANDING(root=root, count=len(site.tasks), glob=glob))
    if _is_task(site):
        return Line("error", "root", _IS_TASK(root=root), _GIVE_PARENT(parent=os.path.dirname(root)))
    if root == "/":
        return Line("error", "root", _IS_TOP(glob=glob), _GIVE_OUTPUTS())
    line = _one_level_off(site) or _about_program(site)
    if line is None and root in _homes(root):
        line = Line("warning", "root", _IS_HOME(root=root, glob=glob), _GIVE_OUTPUTS())
    return line or Line("ok", "root", _NONE_YET(root=root, glob=glob))


def _in_another_root(site: Site) -> Line | None:
    """An error where this lies among what emosieve, or the article's script, has filed or keeps."""
    folders = _folders(site.settings)
    for path in _ascending(site.root):
        parent, name = os.path.split(path)
        if name == STATE_DIRECTORY:
            message = _IS_STATE(root=site.root, parent=parent)
        elif name in folders and _files_into(parent, folders - {name}, site.settings):
            message = _IS_DESTINATION(root=site.root, parent=parent)
        else:
            continue
        hint = _GIVE_PARENT if path == site.root else _GIVE_THIS
        return Line("error", "root", message, hint(parent=parent, path=parent))
    return None


def _files_into(parent: str, others: set[str], settings: Settings) -> bool:
    """Whether tasks are filed from this folder: by the log, by what stands there, or by another destination."""
    if any(os.path.lexists(f"{parent}/{name}") for name in (LOG_NAME, STATE_DIRECTORY, *others)):
        return True
    try:
        return bool(tasks_in(parent, settings))
    except OSError:
        return False


def _is_task(site: Site) -> bool:
    """Whether this holds a task's files, is named as the WebUI names tasks, or stands among other tasks."""
    root = site.root
    if any(os.path.lexists(f"{root}/{name}") for name in (*RESULT_NAMES, AUDIO_NAME)):
        return True
    parent, name = os.path.split(root)
    if not Inbox("", site.settings.watch.task_glob, frozenset(), ask_lease=False).matches(name):
        return False
    return bool(_TASK_NAME.fullmatch(name)) or os.path.lexists(f"{parent}/{LOG_NAME}")


def _one_level_off(site: Site) -> Line | None:
    """What names a better root below this one: an error, unless its own name speaks for this one."""
    glob = site.settings.watch.task_glob
    for path in islice(_subfolders(site), _FOLDERS_TRIED):
        try:
            below = len(tasks_in(path, site.settings))
        except OSError:
            continue
        hint = _GIVE_THIS(path=path)
        if os.path.lexists(f"{path}/{LOG_NAME}"):
            return Line("error", "root", _LOG_BELOW(glob=glob, path=path), hint)
        if below:
            # In a folder that is called outputs old tasks may have been put aside by hand.
            is_aside = _OUTPUTS == os.path.basename(site.root) != os.path.basename(path)
            message = _BELOW(glob=glob, count=below, path=path)
            return Line("warning" if is_aside else "error", "root", message, hint)
        if os.path.basename(path) == _OUTPUTS:
            return Line("error", "root", _OUTPUTS_BELOW(glob=glob, path=path), hint)
    return None


def _about_program(site: Site) -> Line | None:
    """An error where this is the folder of the WebUI's program, whose outputs are to come."""
    name = next((name for name in _PROGRAM_FILES if os.path.isfile(f"{site.root}/{name}")), None)
    if name is None:
        return None
    message = _IS_PROGRAM(root=site.root, name=name, glob=site.settings.watch.task_glob)
    return Line("error", "root", message, _GIVE_COMING(path=f"{site.root}/{_OUTPUTS}"))


def _subfolders(site: Site) -> Iterator[str]:
    """The folders that may be meant, the likely name first; and the outputs of each, as the WebUI's may be one."""
    passed_over = _folders(site.settings)
    with os.scandir(site.root) as entries:
        names = sorted(
            entry.name
            for entry in entries
            if entry.is_dir() and not entry.name.startswith(".") and entry.name not in passed_over
        )
    for name in sorted(names, key=lambda name: name != _OUTPUTS):
        yield f"{site.root}/{name}"
        if os.path.isdir(f"{site.root}/{name}/{_OUTPUTS}"):
            yield f"{site.root}/{name}/{_OUTPUTS}"


def _folders(settings: Settings) -> set[str]:
    return set(settings.filing.model_dump().values())


def _homes(root: str) -> set[str]:
    """The home of this user, and of the root's owner."""
    homes = {os.path.expanduser("~")}
    for uid in (os.geteuid(), os.stat(root).st_uid):
        try:
            homes.add(pwd.getpwuid(uid).pw_dir)
        except KeyError:
            continue  # a container's uid need not have a name
    return {os.path.realpath(home) for home in homes}
