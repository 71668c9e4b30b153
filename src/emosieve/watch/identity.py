"""Which directory stands somewhere: names are used again, and so are inode numbers."""

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from emosieve.watch.filesystem import birth_time_ns

READ_DIRECTORY: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY


@dataclass(frozen=True, slots=True)
class DirectoryId:
    """Which directory something is, whatever its name is by now.

    Attributes:
        device: of its file system; another number is possible after a remount.
        inode: on that file system; used again for another directory once this one is deleted.
        born_ns: birth time in ns since the epoch; 0 where the file system keeps none.
        changed_ns: change time in ns since the epoch, which tells two directories apart where there is no
            birth time; 0 where it was not noted. A rename changes it.
    """

    device: int
    inode: int
    born_ns: int = 0
    changed_ns: int = 0

    def is_same(self, other: "DirectoryId") -> bool:
        """Return whether both are certainly one directory; False where nothing proves it."""
        if self.inode != other.inode:
            return False
        if self.born_ns and other.born_ns:
            return self.born_ns == other.born_ns
        return self.changed_ns == other.changed_ns != 0

    def may_be(self, other: "DirectoryId") -> bool:
        """Return whether both may be one directory of one file system, as far as its numbers tell."""
        is_born_apart = self.born_ns and other.born_ns and self.born_ns != other.born_ns
        return (self.device, self.inode) == (other.device, other.inode) and not is_born_apart

    def as_dict(self) -> dict[str, Any]:
        """Return the keys by which an event of the decision log names it."""
        time = {"born": self.born_ns} if self.born_ns else {"changed": self.changed_ns}
        return {"directory": (self.device, self.inode), **time}

    @classmethod
    def from_dict(cls, event: Mapping[str, Any]) -> "DirectoryId | None":
        """Return the directory that an event of the decision log names; ``None`` where it names none."""
        match event.get("directory"):
            case [int(device), int(inode)] if not isinstance(device, bool) and not isinstance(inode, bool):
                born, changed = (_whole(event.get(key)) for key in ("born", "changed"))
                return cls(device, inode, born, changed)
            case _:
                return None


def _whole(value: Any) -> int:
    """A time of an event in ns; 0 for anything else that a line may say."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def identity_at(path: str) -> DirectoryId | None:
    """Return which directory stands at a path; ``None`` for nothing, a symlink, or what is no directory.

    Raises:
        OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, READ_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise
    try:
        status = os.fstat(descriptor)
        return DirectoryId(status.st_dev, status.st_ino, birth_time_ns(descriptor), status.st_ctime_ns)
    finally:
        os.close(descriptor)
