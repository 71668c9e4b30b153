"""What the kernel tells of inotify: its limits, and the watches that a process holds."""

import errno
import os

from emosieve.text import Message, Phrase

INSTANCES = "instances"
WATCHES = "watches"

_DESCRIPTOR = "anon_inode:inotify"
_REFUSED = Phrase("the kernel refused a watch: {cause}", "内核拒绝监听：{cause}")
_LIMIT = Phrase(
    "the limit {key} = {value} is reached; raise it with sysctl",
    "已达到上限 {key} = {value}；请用 sysctl 调高",
)


def refusal_words(error: OSError) -> Message:
    """The limit behind an error, with its present value, as the operator can change it."""
    what = {errno.EMFILE: INSTANCES, errno.ENOSPC: WATCHES}.get(error.errno or 0)
    if what is None:
        return _REFUSED(cause=error.strerror or str(error))
    key, value = limit_of(what)
    return _LIMIT(key=key, value=value)


def limit_of(what: str) -> tuple[str, int | None]:
    """The sysctl that limits a user's instances or watches here, with its value; ``None`` off Linux.

    The one that everybody knows counts a user of the whole machine. A user namespace, as of a rootless
    container, has a limit of its own besides, and the lower one is reached first.
    """
    known, own = f"fs.inotify.max_user_{what}", f"user.max_inotify_{what}"
    value, own_value = _sysctl(known), _sysctl(own)
    if value is None or own_value is None or own_value >= value:
        return known, value
    return own, own_value


def _sysctl(key: str) -> int | None:
    try:
        with open(f"/proc/sys/{key.replace('.', '/')}", encoding="utf-8") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def watches_of(pid: int | str) -> list[int] | None:
    """The watches of each inotify instance of a process; ``None`` where nobody tells.

    Args:
        pid: the process, or ``self``.
    """
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return None
    found = [_watches_of(pid, descriptor) for descriptor in descriptors]
    return [watches for watches in found if watches is not None]


def _watches_of(pid: int | str, descriptor: str) -> int | None:
    """Watches of one descriptor; ``None`` for one that is no inotify instance, or is closed by now."""
    try:
        if os.readlink(f"/proc/{pid}/fd/{descriptor}") != _DESCRIPTOR:
            return None
        with open(f"/proc/{pid}/fdinfo/{descriptor}", encoding="utf-8") as lines:
            return sum(line.startswith("inotify wd:") for line in lines)
    except OSError:
        return None
