"""Whether the file system and the kernel help: events, and the limits of inotify; locks."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress

from emosieve.errors import SetupError, is_passing
from emosieve.record.decisions import LOG_NAME
from emosieve.record.files import STATE_DIRECTORY, create_plain, open_plain
from emosieve.record.lines import write_all
from emosieve.service.preflight.lines import Line
from emosieve.service.preflight.site import Site
from emosieve.text import Message, Phrase
from emosieve.watch.filesystem import file_system_of
from emosieve.watch.inotify import INSTANCES, WATCHES, limit_of, watches_of
from emosieve.watch.wakeups import Mailbox, Wakeups, choose_mode

_NEARLY = 0.9

_POLLING = Phrase("polling: {reason}", "轮询：{reason}")
_NATIVE = Phrase("native: {reason}", "监听：{reason}")
_REFUSED = Phrase("{reason}", "{reason}")
_DEAF = Phrase(
    "watch.mode is native, but {type} may be written without an event: tasks are found every {seconds:g} s",
    "watch.mode 设为 native，但 {type} 上的写入可能不产生事件：只能每 {seconds:g} 秒发现一次任务",
)
_AUTO = Phrase('write watch.mode = "auto", which polls there', '请写 watch.mode = "auto"，此时会改用轮询')
_TILL_THEN = Phrase("until then emosieve polls", "在此之前 emosieve 会轮询")
_USED = Phrase(
    "uid {uid} uses {instances} of {most_instances} inotify instances, {watches} of {most_watches} watches",
    "uid {uid} 已用 inotify 实例 {instances}/{most_instances}、监听 {watches}/{most_watches}",
)
_RAISE = Phrase(
    "raise {keys} with sysctl; at the limit emosieve polls",
    "请用 sysctl 调高 {keys}；达到上限后 emosieve 会改为轮询",
)
_HAS_LOCKS = Phrase("the file system has locks", "文件系统支持文件锁")
_NO_LOCKS = Phrase("the file system has no locks ({cause})", "文件系统不支持文件锁（{cause}）")
_NO_SECOND = Phrase("start no second emosieve on this root", "不要在此输出目录上再启动一个 emosieve")
_RCLONE = "fuse.rclone"
_CACHE_UNSEEN = Phrase(
    "{root} is an rclone mount; without a write cache no file on it can be appended to",
    "{root} 位于 rclone 挂载上；没有写缓存时无法向文件追加内容",
)
_CACHE_WRITES = Phrase(
    "mount it with --vfs-cache-mode writes; watch and sweep try it when they start",
    "请以 --vfs-cache-mode writes 挂载；watch 和 sweep 启动时会先试一次",
)
_NO_APPENDING = Phrase(
    "{root}: no file on this mount ({type}) can be appended to ({cause}); {hint}",
    "{root}：此挂载（{type}）上的文件无法追加内容（{cause}）；{hint}",
)
_MOUNT_RCLONE = Phrase("mount it with --vfs-cache-mode writes", "请以 --vfs-cache-mode writes 挂载")
_OTHER_MOUNT = Phrase(
    "mount it so that files can be read and appended to, or choose another folder",
    "请改用可读写并可追加的方式挂载，或另选目录",
)


def about_events(site: Site) -> Line:
    """Whether events tell of new tasks, tried by one watch that is given back at once."""
    wakeups = Wakeups(Mailbox())
    try:
        wakeups.arm(site.root, site.settings.watch.mode)
        refused, mode, reason = wakeups.was_refused, wakeups.mode, wakeups.reason
    finally:
        wakeups.close()
    if refused:
        return Line("warning", "events", _REFUSED(reason=reason), _TILL_THEN())
    file_system, watch = file_system_of(site.root), site.settings.watch
    if mode == "native" and not file_system.is_local:
        return Line("warning", "events", _DEAF(type=file_system.type, seconds=watch.rescan_seconds), _AUTO())
    return Line("ok", "events", (_POLLING if mode == "polling" else _NATIVE)(reason=reason))


def about_inotify(site: Site) -> Iterator[Line]:
    """How much of the kernel's limits this user has used up; nothing where events are not used.

    The kernel counts by user, and tells nobody how far: so the descriptors of
    this user's processes are counted, as far as /proc shows them.
    """
    (instances_key, most_instances), (watches_key, most_watches) = limit_of(INSTANCES), limit_of(WATCHES)
    if choose_mode(site.root, site.settings.watch.mode)[0] == "polling" or not most_instances:
        return
    instances, watches = _used(os.geteuid())
    message = _USED(
        uid=os.geteuid(),
        instances=instances,
        most_instances=most_instances,
        watches=watches,
        most_watches=most_watches,
    )
    full = [
        key
        for key, used, most in (
            (instances_key, instances, most_instances),
            (watches_key, watches, most_watches),
        )
        if most and used >= _NEARLY * most
    ]
    hint: Message | None = _RAISE(keys=", ".join(full)) if full else None
    yield Line("warning" if full else "ok", "inotify", message, hint)


def _used(uid: int) -> tuple[int, int]:
    """Inotify instances and watches of a user's processes; an inherited instance counts in each of them."""
    instances = watches = 0
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError):  # it ended, or is not ours to look into
            if os.stat(f"/proc/{pid}").st_uid == uid:
                found = watches_of(pid) or []
                instances, watches = instances + len(found), watches + sum(found)
    return instances, watches


def about_locks(site: Site) -> Line:
    """Whether the file system has locks, tried by a shared one on the root itself, which nobody else locks."""
    descriptor = os.open(site.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Line("ok", "locks", _HAS_LOCKS())
    except OSError as error:
        return Line("warning", "locks", _NO_LOCKS(cause=error.strerror or str(error)), _NO_SECOND())
    finally:
        os.close(descriptor)
    return Line("ok", "locks", _HAS_LOCKS())


def about_appending(site: Site) -> Iterator[Line]:
    """Warn of a mount that may keep no log: whether it does cannot be tried without writing."""
    # Where a log stands a start has tried it.
    if file_system_of(site.root).type == _RCLONE and not os.path.lexists(f"{site.root}/{LOG_NAME}"):
        yield Line("warning", "files", _CACHE_UNSEEN(root=site.root), _CACHE_WRITES())


def try_appending(root: str) -> None:
    """Try on a file of its own whether the log can be written here; call it only while the root is locked.

    It is tried where writes go through a server or another process: a local file system always can.

    Args:
        root: an absolute path without symlinks, with a state directory.

    Raises:
        SetupError: no file can be appended to.
        OSError: it cannot be tried now, as on a full disk.
    """
    file_system = file_system_of(root)
    if file_system.is_local:
        return
    path = f"{root}/{STATE_DIRECTORY}/probe"
    with suppress(FileNotFoundError):
        os.unlink(path)
    try:
        os.close(create_plain(root, path, os.O_RDWR))
        for line in (b"1\n", b"2\n"):
            _append(path, line)
    except OSError as error:
        if is_passing(error):
            raise
        hint = _MOUNT_RCLONE() if file_system.type == _RCLONE else _OTHER_MOUNT()
        cause = error.strerror or str(error)
        raise SetupError(_NO_APPENDING(root=root, type=file_system.type, cause=cause, hint=hint)) from None
    finally:
        with suppress(OSError):
            os.unlink(path)


def _append(path: str, line: bytes) -> None:
    """As the log does it: read what stands there, write a line after it, and cut it off where it is torn."""
    descriptor = open_plain(path, os.O_RDWR | os.O_APPEND)
    try:
        size = os.fstat(descriptor).st_size
        os.pread(descriptor, 1, max(0, size - 1))
        write_all(descriptor, line)
        os.ftruncate(descriptor, size + len(line))
    finally:
        os.close(descriptor)
