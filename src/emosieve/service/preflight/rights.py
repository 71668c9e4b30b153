"""As whom check judges: as the emosieve that is at work, since a root shell may do more than a service.

The shipped unit and container run as root without capabilities. What the kernel lets such a process do is
asked of the kernel itself, by taking on its user, groups and effective capabilities for a while.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Final

from emosieve.record.locking import read_holder, standing_holder
from emosieve.service.preflight.lines import Line
from emosieve.text import Message, Phrase

_CAPABILITY_VERSION: Final = 0x20080522
_DAC_OVERRIDE: Final = 1
_JUDGED: Final = Phrase(
    "judged as the emosieve at work here may: pid {pid}, uid {uid}, {powers}",
    "按正在运行的 emosieve 的权限判断：进程 {pid}，uid {uid}，{powers}",
)
_NO_POWERS: Final = Phrase("without capabilities", "没有特权能力（capabilities）")
_SOME_POWERS: Final = Phrase("with capabilities {mask}", "特权能力（capabilities）为 {mask}")
_UNKNOWN: Final = Phrase(
    "the emosieve at work here (pid {pid}) runs with other rights than this command, "
    "so that what it may do is not known from here",
    "正在运行的 emosieve（进程 {pid}）与本命令的权限不同，从这里无法得知它能做什么",
)
_ASK_THERE: Final = Phrase(
    "run check as root, or within its container: docker exec NAME emosieve check",
    "请以 root 身份运行 check，或在它的容器中运行：docker exec 名称 emosieve check",
)
_ALONE: Final = Phrase(
    "root may, but only by its capabilities, which the shipped service and container have not: {message}",
    "root 凭特权能力（capabilities）才可以，而随附的服务单元和容器没有这些能力：{message}",
)


@dataclass(frozen=True, slots=True)
class Rights:
    """What the kernel goes by when a process opens or moves a file.

    Attributes:
        uid: effective.
        gid: effective.
        groups: supplementary ones, sorted.
        capabilities: effective ones, as a mask.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]
    capabilities: int


def rights_of(pid: int) -> Rights:
    """Return the rights of a process.

    Raises:
        OSError: it is gone or cannot be seen, or this is no Linux.
    """
    found = _status(pid)
    groups = tuple(sorted(map(int, found["Groups"].split())))
    uid, gid = (int(found[key].split()[1]) for key in ("Uid", "Gid"))
    return Rights(uid, gid, groups, int(found["CapEff"], 16))


@contextmanager
def acting_as(rights: Rights) -> Iterator[None]:
    """Ask the kernel as another process would; capabilities that this process has not are not added.

    Raises:
        PermissionError: this process may not take these rights on.
    """
    own = rights_of(os.getpid())
    with ExitStack() as undo:
        if rights.groups != own.groups:
            os.setgroups(rights.groups)
            undo.callback(os.setgroups, own.groups)
        if rights.gid != own.gid:
            os.setegid(rights.gid)
            undo.callback(os.setegid, own.gid)
        if rights.uid != own.uid:
            os.seteuid(rights.uid)
            undo.callback(os.seteuid, own.uid)
        _set_effective(rights.capabilities & own.capabilities)
        undo.callback(_set_effective, own.capabilities)
        yield


@contextmanager
def judging_as_daemon(root: str) -> Iterator[Line | None]:
    """Act as the emosieve that is at work on a root, if one is; gives the line that says so, or that it cannot.

    Args:
        root: without symlinks.
    """
    holder = standing_holder(root, read_holder(root))
    with ExitStack() as acting:
        yield None if holder is None else _take_on(holder.pid, acting)


def _take_on(pid: int, acting: ExitStack) -> Line | None:
    try:
        rights = rights_of(pid)
        if _user_namespace(pid) == _user_namespace(os.getpid()):
            if rights != rights_of(os.getpid()):
                acting.enter_context(acting_as(rights))
            powers = _SOME_POWERS(mask=f"{rights.capabilities:#x}") if rights.capabilities else _NO_POWERS()
            return Line("ok", "permission", _JUDGED(pid=pid, uid=rights.uid, powers=powers))
    except FileNotFoundError:
        return None  # it ended just now, or this is no Linux
    except PermissionError:
        pass
    return Line("warning", "permission", _UNKNOWN(pid=pid), _ASK_THERE())


@contextmanager
def without_capabilities() -> Iterator[bool]:
    """Act as this user without capabilities; gives whether that makes a difference to files."""
    try:
        own = rights_of(os.getpid())
    except OSError:
        yield False
        return
    if not own.capabilities >> _DAC_OVERRIDE & 1:
        yield False
        return
    with acting_as(replace(own, capabilities=0)):
        yield True


def by_capabilities_alone(message: Message) -> Message:
    """What would be wrong without capabilities, said as that."""
    return _ALONE(message=message)


def _status(pid: int) -> dict[str, str]:
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return dict(line.rstrip("\n").split(":", 1) for line in file)


def _user_namespace(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/ns/user")


def _set_effective(capabilities: int) -> None:
    """Make some of the permitted capabilities of this thread the effective ones.

    Raises:
        OSError: one of them is not permitted.
    """
    found = _status(os.getpid())
    masks = (capabilities, int(found["CapPrm"], 16), int(found["CapInh"], 16))
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    words = [mask >> shift & 0xFFFFFFFF for shift in (0, 32) for mask in masks]
    if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)(*words)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
