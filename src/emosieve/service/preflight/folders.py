"""Whether tasks can be filed: the destinations, and emosieve's own files under the root."""

import errno
import os
import re
import shlex
import stat
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from emosieve.destinations import DESTINATIONS, NOT_MOUNTED, missing_destination
from emosieve.errors import code_of, next_step
from emosieve.filing import Folders, folder_problem, inside_problem
from emosieve.record.decisions import LOG_LOCK, LOG_NAME, DecisionLog
from emosieve.record.files import STATE_DIRECTORY, anothers_words, is_anothers
from emosieve.record.locking import INTAKE_LOCK
from emosieve.record.loss import loss_of
from emosieve.record.report import FOREIGN_NAME, REPORT_NAME
from emosieve.service.preflight.lines import AS_WEBUI, Level, Line
from emosieve.service.preflight.site import Site, holds_back, may, may_write, nearest
from emosieve.text import Message, Phrase
from emosieve.watch.filesystem import file_system_of

_READ_ONLY = Phrase("{folder} lies on a disk mounted read-only", "{folder} 所在的磁盘以只读方式挂载")
_MOUNT_WRITABLE = Phrase("mount it writable", "请以可写方式重新挂载")
_NOT_WRITABLE = Phrase("{folder} may not be written by uid {uid}", "uid {uid} 对 {folder} 没有写权限")

_FOLDER = Phrase("{path}", "{path}")
_NO_PARENT = Phrase("{folder} does not exist", "{folder} 不存在")
_MAKE_PARENT = Phrase("make it, or choose another", "请创建它，或另选一个")
_NOT_MOUNTED = Phrase(
    "{path} held tasks on another file system, which is not there now; not mounted?",
    "{path} 曾在另一个文件系统上存放任务，现在那个文件系统不在；是不是没有挂载？",
)
_MOUNT = Phrase(
    "mount it; or, if another folder is meant from now on: rm -f {known} && mkdir -p {path}",
    "请挂载；如果今后确实要改用新的目录：rm -f {known} && mkdir -p {path}",
)
_NOT_SEEN = Phrase("{path} cannot be looked at: {cause}", "无法查看 {path}：{cause}")
_TWINS = Phrase("{path} and {twin} are one folder", "{path} 与 {twin} 是同一个目录")
_TWO_FOLDERS = Phrase("write two different ones in [filing]", "请在 [filing] 中写两个不同的目录")
_ELSEWHERE = Phrase(
    "{path} lies on another file system: each task is copied, then removed",
    "{path} 位于另一个文件系统：每个任务都要先复制、再删除",
)
_OTHER_MOUNT = Phrase(
    "{path} is another mount ({mount}) of the root's file system, and no rename crosses mounts: "
    "each task is copied, then removed",
    "{path} 与输出目录在同一文件系统、但属于另一挂载点（{mount}），无法直接改名：每个任务都要先复制、再删除",
)
_SAME_IS_SAFER = Phrase(
    "a folder on the root's own mount is safer and faster", "放在输出目录所在的挂载点上更安全、更快"
)
_STICKY = Phrase(
    "{path} is sticky and another user's: what is filed there cannot be moved out by restore or reclassify",
    "{path} 设有粘滞位且属于其他用户：restore 和 reclassify 无法把其中的任务移出来",
)
_UNSTICK = Phrase("take the sticky bit off: chmod -t {path}", "请去掉粘滞位：chmod -t {path}")

_OWN_OK = Phrase("emosieve's own files can be written", "emosieve 自己的文件都可以写入")
_NO_DIRECTORY = Phrase("{path} is not a directory", "{path} 不是目录")
_NO_FILE = Phrase("{path} is {kind}, not a plain file", "{path} 是{kind}，不是普通文件")
_MOVE_AWAY = Phrase("move it away; emosieve makes its own", "请将它移走；emosieve 会自行创建")
_SET_ASIDE = Phrase("nothing is lost: it will be renamed {name}", "内容不会丢失：它会被改名为 {name}")
_OTHERS = Phrase(
    "{path} belongs to uid {owner}, and uid {uid} may not {deed} it",
    "{path} 属于 uid {owner}，uid {uid} 无权{deed}",
)
_READ = Phrase("read", "读取")
_WRITE = Phrase("write", "写入")
_CHOWN = Phrase(
    "chown -R {uid} {paths}, or run emosieve as their owner",
    "请执行 chown -R {uid} {paths}，或以其所有者身份运行 emosieve",
)
_CUT = Phrase(
    "the decision log has lost its beginning, or shrank: it no longer holds all that was reported",
    "判定日志丢失了开头或变短了：报告过的部分判定已不在其中",
)
_PUT_BACK = Phrase(
    "rotate, truncate or archive no decisions*.jsonl (logrotate, cron); "
    "put them back if you can, then run emosieve report rebuild",
    "请勿轮转、截断或归档 decisions*.jsonl（logrotate、cron）；如有备份请放回，然后执行 emosieve report rebuild",
)
_KEPT = Phrase(
    "reports hold decisions that are in no decision log any more: {count}, {path}",
    "有质量报告包含判定日志里已不存在的判定：{count} 个，{path}",
)
_KEEP = Phrase(
    "keep them elsewhere; rotate, truncate or archive no decisions*.jsonl (logrotate, cron)",
    "请将它们移到别处保存；请勿轮转、截断或归档 decisions*.jsonl（logrotate、cron）",
)
_KINDS = {
    stat.S_IFLNK: Phrase("a symlink", "符号链接"),
    stat.S_IFIFO: Phrase("a FIFO", "命名管道"),
    stat.S_IFDIR: Phrase("a directory", "目录"),
}
_SPECIAL = Phrase("a device or socket", "设备或套接字")

_OWN_FILES: Final = {
    LOG_NAME: os.R_OK | os.W_OK,
    LOG_LOCK: os.R_OK,
    INTAKE_LOCK: os.R_OK,
    REPORT_NAME: os.R_OK | os.W_OK,
}
"""What emosieve does with its own files; those that it replaces by rename need no permission of their own."""

_OWN_NAME: Final = re.compile(r"(decisions|reviews)[^/]*\.jsonl|quality_report[^/]*\.txt")
"""Logs and reports, the rotated ones as well."""


def about_folders(site: Site) -> Iterator[Line]:
    """Whether tasks can be filed into each destination, and by a rename."""
    places: dict[tuple[int, int], str] = {}
    for name, path in site.destinations.items():
        yield from _about_folder(site, name, path, places)


def _about_folder(site: Site, name: str, path: str, places: dict[tuple[int, int], str]) -> Iterator[Line]:
    folder = site.settings.filing.model_dump()[name.removeprefix("filing.")]
    try:
        problem = inside_problem(site.root, folder) or folder_problem(path)
        missing = None if problem else _missing(site, folder)
    except OSError as error:
        message = _NOT_SEEN(path=path, cause=error.strerror or str(error))
        yield Line("error", name, message, next_step(code_of(error)), error)
        return
    standing = nearest(path)
    if problem:
        yield Line("error", name, problem)
    elif missing is not None:
        known = shlex.quote(f"{site.root}/{DESTINATIONS}")
        hint = _MOUNT(known=known, path=shlex.quote(missing))
        failure = OSError(errno.ENODEV, NOT_MOUNTED, missing)
        yield Line("error", name, _NOT_MOUNTED(path=missing), hint, failure)
    elif not os.path.isdir(standing):
        yield Line("error", name, _NO_PARENT(folder=standing), _MAKE_PARENT())
    elif (twin := _twin(path, places)) is not None:
        yield Line("error", name, _TWINS(path=path, twin=twin), _TWO_FOLDERS())
    elif line := denied(standing):
        is_others = isinstance(line.failure, PermissionError) and standing == path
        yield replace(line, subject=name, hint=(_chown(site) if is_others else None) or line.hint)
    else:
        found = [line for line in (_elsewhere(site, name, path), _sticky(name, path)) if line]
        yield from found or [Line("ok", name, _FOLDER(path=path))]


def _missing(site: Site, folder: str) -> str | None:
    """Return the path of a destination whose file system is not there now.

    Raises:
        OSError: it cannot be looked at.
    """

    def held_tasks(folder: str) -> bool:
        try:
            return DecisionLog(site.root).has_filed_into(folder)
        except PermissionError:
            return False  # of a log that this user may not read another line tells

    return missing_destination(Folders(site.root, {folder: folder}), held_tasks)


def _twin(path: str, places: dict[tuple[int, int], str]) -> str | None:
    """Another destination that is the same folder, if there is one."""
    if not os.path.isdir(path):
        return None
    status = os.stat(path)
    known = places.setdefault((status.st_dev, status.st_ino), path)
    return None if known == path else known


def denied(folder: str) -> Line | None:
    """Why nothing can be written in a folder, if so."""
    if may_write(folder):
        return None
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        failure = OSError(errno.EROFS, os.strerror(errno.EROFS), folder)
        # A sandbox's own wall does not go by itself.
        passing = None if file_system_of(folder).is_walled else failure
        return Line("error", "permission", _READ_ONLY(folder=folder), _MOUNT_WRITABLE(), passing)
    failure = OSError(errno.EACCES, os.strerror(errno.EACCES), folder)
    return Line("error", "permission", _NOT_WRITABLE(folder=folder, uid=os.geteuid()), AS_WEBUI(), failure)


def _elsewhere(site: Site, name: str, path: str) -> Line | None:
    """Whether a task must be copied to get there: a rename crosses no mounts, not even of one disk."""
    standing = nearest(path)
    if os.stat(standing).st_dev != os.stat(site.root).st_dev:
        return Line("warning", name, _ELSEWHERE(path=path), _SAME_IS_SAFER())
    mount = file_system_of(standing).mount_point
    if mount != file_system_of(site.root).mount_point:
        return Line("warning", name, _OTHER_MOUNT(path=path, mount=mount), _SAME_IS_SAFER())
    return None


def _sticky(name: str, path: str) -> Line | None:
    if not os.path.isdir(path) or not holds_back(path):
        return None
    return Line("warning", name, _STICKY(path=path), _UNSTICK(path=shlex.quote(path)))


def about_own_files(site: Site) -> Iterator[Line]:
    """Whether emosieve's own files, where they exist, are plain files that it may open.

    Only the report may fail: filing goes on without it.
    """
    lines = [_about_state(site, f"{site.root}/{STATE_DIRECTORY}")]
    lines += [_about_file(site, f"{site.root}/{name}", needs) for name, needs in _OWN_FILES.items()]
    yield from [line for line in lines if line] or [Line("ok", "files", _OWN_OK())]


def _about_state(site: Site, path: str) -> Line | None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISDIR(status.st_mode):
        return Line("error", "files", _NO_DIRECTORY(path=path), _MOVE_AWAY())
    if is_anothers(status):
        return Line("error", "files", anothers_words(path, status.st_uid, _not_own(site)[1:]))
    return None if may_write(path) else _others(site, "error", path, status.st_uid, _WRITE)


def _about_file(site: Site, path: str, needs: int) -> Line | None:
    is_report = path.endswith(f"/{REPORT_NAME}")
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None  # of .emosieve itself another line tells
    if not stat.S_ISREG(status.st_mode):
        message = _NO_FILE(path=path, kind=_KINDS.get(stat.S_IFMT(status.st_mode), _SPECIAL)())
        if is_report:
            return Line("warning", "files", message, _SET_ASIDE(name=f"{FOREIGN_NAME}.txt"))
        return Line("error", "files", message, _MOVE_AWAY())
    for permission, deed in ((os.R_OK, _READ), (os.W_OK, _WRITE)):
        if needs & permission and not may(path, permission):
            level: Level = "warning" if is_report else "error"
            return _others(site, level, path, status.st_uid, deed)
    return None


def _others(site: Site, level: Level, path: str, owner: int, deed: Phrase) -> Line:
    message = _OTHERS(path=path, owner=owner, uid=os.geteuid(), deed=deed())
    return Line(level, "files", message, _chown(site))


def _chown(site: Site) -> Message | None:
    """The one command after which nothing of emosieve's own is another user's."""
    paths = _not_own(site)
    return _CHOWN(uid=os.geteuid(), paths=shlex.join(paths)) if paths else None


def _not_own(site: Site) -> list[str]:
    """What emosieve made on this root, or is to file into, and belongs to another user; the state directory first."""
    state = f"{site.root}/{STATE_DIRECTORY}"
    made = sorted(name for name in os.listdir(site.root) if _OWN_NAME.fullmatch(name))
    paths = [state, *(f"{site.root}/{name}" for name in made), *site.destinations.values()]
    if _owner_of(state) == os.geteuid():
        paths += [f"{state}/{name}" for name in sorted(os.listdir(state))]
    return [path for path in paths if _owner_of(path) not in {None, os.geteuid()}]


def _owner_of(path: str) -> int | None:
    try:
        return os.lstat(path).st_uid
    except OSError:
        return None


def about_log(site: Site) -> Iterator[Line]:
    """Whether the decision log still holds what was reported, as far as can be told without reading it."""
    try:
        loss = loss_of(DecisionLog(site.root))
    except OSError:
        return  # of a root or file that cannot be read other lines tell
    if loss.is_cut:
        yield Line("warning", "decisions", _CUT(), _PUT_BACK())
    if loss.kept:
        path = f"{site.root}/{loss.kept[0]}"
        yield Line("warning", "decisions", _KEPT(count=len(loss.kept), path=path), _KEEP())
