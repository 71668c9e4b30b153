"""Whether the file system and the kernel help: events, and the limits of inotify; locks."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress

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
