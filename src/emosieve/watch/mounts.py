"""Whether this process still sees the file systems that stand outside its own mount namespace.

A service manager or a container gives a process a mount namespace of its own: a copy of the machine's
mounts. What is mounted and unmounted outside is passed on to the copy, with one exception: a mount that
carries another one in the copy alone, as the disk around the writable folder of a sandbox does, stays
there when it is unmounted outside, and what is mounted in its place is put beneath it. The process goes
on with a file system that nobody else sees, without an error.

The mount table of the process shows it. The copy of a mount has the original as its master until that is
unmounted, and what is put beneath changes the mounts on the way to it. Reading this needs no privilege,
unlike a look at the mounts of process 1.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

from emosieve.errors import SetupError
from emosieve.text import Phrase
from emosieve.watch.filesystem import Mount, mounts_to, read_mounts

_SEVERED: Final = Phrase(
    "{path}: its disk was unmounted, and this process alone still sees it; start emosieve again",
    "{path}：所在磁盘已被卸载，只有本进程还能看到它；请重新启动 emosieve",
)


class MountView:
    """The mounts on the way to some paths, as they were when they were first seen.

    Args:
        paths: folders; they need not exist.
        seconds: how long after a look at the mount table the next one is due.
        mountinfo: the mount table.
        monotonic: a clock in seconds.
    """

    def __init__(
        self,
        paths: Iterable[str],
        seconds: float,
        *,
        mountinfo: str = "/proc/self/mountinfo",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._mountinfo = mountinfo
        self._monotonic = monotonic
        self._ways: dict[str, list[Mount]] = {path: [] for path in sorted(paths)}
        self._next = monotonic()
        self.heed()

    def heed(self) -> None:
        """Look whether each of the paths lies where it lies outside, if that is due.

        A path that has come to lie on another mount is taken as it is now.

        Raises:
            SetupError: one lies on a mount that is gone outside; a new process would see what stands there now.
        """
        if self._monotonic() < self._next:
            return
        self._next = self._monotonic() + self._seconds
        mounts = read_mounts(self._mountinfo)
        for path, before in self._ways.items():
            now = mounts_to(path, mounts)
            if not _is_same(before, now):
                self._ways[path] = now
            elif before[-1].has_master and _state(before) != _state(now):
                raise SetupError(_SEVERED(path=path))


def _is_same(before: list[Mount], now: list[Mount]) -> bool:
    """Whether the path still lies on the mount that it lay on."""
    return bool(before and now) and before[-1].number == now[-1].number


def _state(way: list[Mount]) -> list[tuple[int, bool]]:
    """What does not change while the mounts outside stay: options may, for a remount is not passed on."""
    return [(mount.number, mount.has_master) for mount in way]
