"""Whether the root given is the root meant."""

import os
import pwd
from itertools import islice

from emosieve.errors import code_of, next_step
from emosieve.record.decisions import LOG_NAME
from emosieve.record.files import STATE_DIRECTORY
from emosieve.service.preflight.lines import AS_WEBUI, Line
from emosieve.service.preflight.site import Site, tasks_in
from emosieve.settings import Settings
from emosieve.text import Phrase
from emosieve.watch.inbox import Inbox

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
_IS_TASK = Phrase("{root} is itself named like a task", "{root} 本身的名字就像一个任务")
_IS_DESTINATION = Phrase(
    "{root} is where the root {parent} files its tasks", "{root} 是输出目录 {parent} 的归档位置"
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
_GIVE_THIS = Phrase("give {path} as the root", "请把 {path} 作为输出目录")


def absent(root: str) -> Line:
    """Of a root that is no directory."""
    if os.path.lexists(root):
        return Line("error", "root", _NO_DIRECTORY(root=root), _GIVE_OUTPUTS())
    return Line("error", "root", _MISSING(root=root), _CHECK_PATH())


def unlisted(root: str, error: OSError) -> Line:
    """Of a root that cannot be listed."""
    hint = AS_WEBUI() if isinstance(error, PermissionError) else next_step(code_of(error))
    return Line("error", "root", _NOT_LISTED(root=root, cause=error.strerror or str(error)), hint, error)


def about_root(site: Site) -> Line:
    """Whether this is the folder that the WebUI writes into, as far as its contents tell."""
    root, glob = site.root, site.settings.watch.task_glob
    parent = os.path.dirname(root)
    if _is_root(parent) and os.path.basename(root) in _folders(site.settings):
        message = _IS_DESTINATION(root=root, parent=parent)
        return Line("error", "root", message, _GIVE_PARENT(parent=parent))
    if site.tasks or os.path.lexists(f"{root}/{LOG_NAME}"):
        return Line("ok", "root", _STANDING(root=root, count=len(site.tasks), glob=glob))
    if Inbox("", glob, frozenset(), ask_lease=False).matches(os.path.basename(root)):
        return Line("error", "root", _IS_TASK(root=root), _GIVE_PARENT(parent=parent))
    if root == "/":
        return Line("error", "root", _IS_TOP(glob=glob), _GIVE_OUTPUTS())
    line = _one_level_off(site)
    if line is None and root in _homes(root):
        line = Line("warning", "root", _IS_HOME(root=root, glob=glob), _GIVE_OUTPUTS())
    return line or Line("ok", "root", _NONE_YET(root=root, glob=glob))


def _is_root(path: str) -> bool:
    """Whether emosieve works, or worked, in a folder."""
    return os.path.lexists(f"{path}/{LOG_NAME}") or os.path.isdir(f"{path}/{STATE_DIRECTORY}")


def _one_level_off(site: Site) -> Line | None:
    """A warning that names a better root just below this one."""
    glob = site.settings.watch.task_glob
    for path in islice(_subfolders(site), _FOLDERS_TRIED):
        try:
            below = len(tasks_in(path, site.settings))
        except OSError:
            continue
        if below:
            message = _BELOW(glob=glob, count=below, path=path)
            return Line("warning", "root", message, _GIVE_THIS(path=path))
        if os.path.lexists(f"{path}/{LOG_NAME}"):
            return Line("warning", "root", _LOG_BELOW(glob=glob, path=path), _GIVE_THIS(path=path))
    return None


def _subfolders(site: Site) -> list[str]:
    """The folders that may be meant, the likely name first."""
    passed_over = _folders(site.settings)
    with os.scandir(site.root) as entries:
        names = sorted(
            entry.name
            for entry in entries
            if entry.is_dir() and not entry.name.startswith(".") and entry.name not in passed_over
        )
    return [f"{site.root}/{name}" for name in sorted(names, key=lambda name: name != "outputs")]


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
