"""What may mend itself: the room on the disks, and the clock. A daemon that starts waits such things out."""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

from rich.filesize import decimal

from emosieve.record.decisions import LOG_NAME
from emosieve.record.files import open_plain
from emosieve.record.lines import event_time, last_line, parse_line
from emosieve.service.preflight.lines import Line
from emosieve.service.preflight.site import Site, nearest
from emosieve.text import Phrase
from emosieve.watch.filesystem import file_system_of, room_of

_SHARE_LOW = 0.05
_BYTES_LOW = 1_000_000_000
_FILES_LOW = 10_000
_ROOM = Phrase("{free} free of {total} on {where}", "{where} 可用 {free}，共 {total}")
_ROOM_UNKNOWN = Phrase("{where} does not tell how much room it has", "无法得知 {where} 的剩余空间")
_FULL = Phrase(
    "nothing is free on {where}: nothing is filed until there is",
    "{where} 已无可用空间：腾出空间之前不会归档",
)
_NO_FILES = Phrase(
    "no inode is free on {where}: nothing is filed until one is", "{where} 已无可用 inode：腾出之前不会归档"
)
_FEW_FILES = Phrase("{free} inodes free of {total} on {where}", "{where} 可用 inode {free} 个，共 {total} 个")
_MAKE_ROOM = Phrase("make room; emosieve itself never deletes a task", "请清理空间；emosieve 从不删除任务")

_STEP_SECONDS = 2.0
_FIRST_YEAR = 1_704_067_200
"""2024-01-01 UTC: before emosieve existed no clock was right."""
_CLOCK = Phrase("nothing here is newer than this machine's clock", "没有比本机时钟更新的改动")
_NO_CLOCK = Phrase("this machine's clock says {date}", "本机时钟显示 {date}")
_SET_CLOCK = Phrase(
    "set the clock (no battery, or no time server yet?): dates in log and report would be wrong",
    "请校准时钟（没有电池，或尚未同步时间？），否则日志和报告中的日期都是错的",
)
_FUTURE_FILES = Phrase(
    "{what} changed {seconds:.0f} s in the future: this clock was set back, or a file server's is ahead",
    "{what} 的改动时间比本机时钟晚 {seconds:.0f} 秒：本机时钟被调慢过，或文件服务器的时钟偏快",
)
_WAITS_OWN = Phrase(
    "synchronise the clocks; meanwhile such tasks are waited for by emosieve's own clock",
    "请同步时钟；在此之前，这类任务按 emosieve 自己的时钟等待",
)
_FUTURE_LOG = Phrase(
    "the last decision in {path} is dated {seconds:.0f} s in the future: the clock was set back",
    "{path} 中最后一条判定的时间比本机时钟晚 {seconds:.0f} 秒：时钟被调慢过",
)
_LOG_BACKWARDS = Phrase(
    "set the clock; until then times in the decision log go backwards",
    "请校准时钟；在此之前，判定日志中的时间会倒退",
)


def about_space(site: Site) -> Iterator[Line]:
    """Bytes and inodes that are left for this user where tasks stand and go, one line a file system.

    A full disk is a warning and no error: the daemon waits it out, so a service manager may start it.
    """
    places: dict[int, str] = {}
    for path in (site.root, *map(nearest, site.destinations.values())):
        with suppress(FileNotFoundError):
            places.setdefault(os.stat(path).st_dev, path)
    for path in places.values():
        room = os.statvfs(path)
        # Where a FUSE counts no inodes it says that none of many is free.
        counts_files = bool(room.f_ffree) or not file_system_of(path).type.startswith("fuse")
        yield from room_lines(path, room, privileged=os.geteuid() == 0, counts_files=counts_files)


def room_lines(
    where: str, room: os.statvfs_result, *, privileged: bool, counts_files: bool = True
) -> Iterator[Line]:
    """What the figures of one file system mean.

    Args:
        where: a path on it.
        room: its figures; some file systems give zeros for what they do not know.
        privileged: whether the blocks and inodes that are reserved for root count as free.
        counts_files: whether it knows of inodes.
    """
    all_files = room.f_files if counts_files else 0
    files = room.f_ffree if privileged else room.f_favail
    free, total = room_of(room, privileged=privileged)
    if not total:
        yield Line("ok", "space", _ROOM_UNKNOWN(where=where))
    elif not free:
        yield Line("warning", "space", _FULL(where=where), _MAKE_ROOM())
    else:
        is_low = free < min(_SHARE_LOW * total, _BYTES_LOW)
        message = _ROOM(free=decimal(free), total=decimal(total), where=where)
        yield Line("warning", "space", message, _MAKE_ROOM()) if is_low else Line("ok", "space", message)
    if all_files and not files:
        yield Line("warning", "space", _NO_FILES(where=where), _MAKE_ROOM())
    elif all_files and files < min(_SHARE_LOW * all_files, _FILES_LOW):
        message = _FEW_FILES(free=files, total=all_files, where=where)
        yield Line("warning", "space", message, _MAKE_ROOM())


def about_clock(site: Site, now: float) -> Iterator[Line]:
    """Whether this machine's clock agrees with what it dates.

    Args:
        site: the root.
        now: seconds since the epoch, by that clock.
    """
    found = []
    if now < _FIRST_YEAR:
        found.append(
            Line(
                "warning",
                "clock",
                _NO_CLOCK(date=f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M} UTC"),
                _SET_CLOCK(),
            )
        )
    what, changed = _newest_change(site)
    if changed - now > _STEP_SECONDS:
        message = _FUTURE_FILES(what=what, seconds=changed - now)
        found.append(Line("warning", "clock", message, _WAITS_OWN()))
    logged = _last_logged(site.root)
    if logged - now > _STEP_SECONDS:
        message = _FUTURE_LOG(path=f"{site.root}/{LOG_NAME}", seconds=logged - now)
        found.append(Line("warning", "clock", message, _LOG_BACKWARDS()))
    yield from found or [Line("ok", "clock", _CLOCK())]


def _newest_change(site: Site) -> tuple[str, float]:
    """The path among root and standing tasks that changed last, and when."""
    changes = []
    for path in (site.root, *(f"{site.root}/{name}" for name in site.tasks)):
        with suppress(OSError):  # it is filed by now, or is a dead mount
            changes.append((os.lstat(path).st_ctime, path))
    changed, path = max(changes, default=(0.0, site.root))
    return path, changed


def _last_logged(root: str) -> float:
    """When the last event was logged; 0 when there is none that can be read."""
    try:
        descriptor = open_plain(f"{root}/{LOG_NAME}", os.O_RDONLY)
    except OSError:
        return 0.0
    try:
        return event_time(parse_line(last_line(descriptor)) or {}).timestamp()
    finally:
        os.close(descriptor)
