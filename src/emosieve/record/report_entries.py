"""Whether a new report holds every entry of the report that stands, found while the new one is written.

Both follow the order of the log, so each entry of the old report must come up
in the new one, in that order. What an entry is known by, the line with the
task's name, is the same in every language. An old report may lack entries: the
first ones, which ``report.keep`` dropped, the last ones, or any other.
"""

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Self

from pydantic import Field

from emosieve.record.files import open_plain
from emosieve.record.lines import lines_forwards
from emosieve.record.report_files import REPORT_NAME, reports_in


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the report that stands.

    Attributes:
        file: the name of the file when the place was taken; empty before the first one.
        inode: of that file, which may have been rotated since.
        offset: bytes from its start.
    """

    file: str = ""
    inode: int = 0
    offset: Annotated[int, Field(ge=0)] = 0


BEGINNING: Final = Place()
"""Before the first entry."""


def can_go_on(root: str, place: Place) -> bool:
    """Return whether the file of a place still stands, or was dropped as the oldest one; else it was replaced."""
    inodes = {os.lstat(f"{root}/{name}").st_ino for name in reports_in(root)}
    is_dropped = place.file != REPORT_NAME and not os.path.lexists(f"{root}/{place.file}")
    return place == BEGINNING or place.inode in inodes or is_dropped


class OldEntries:
    """A walk through the entries of the report that stands, beside a new one that is written.

    Args:
        root: the root.
        place: of the first entry that the new report did not hold yet.

    Raises:
        OSError: the report cannot be read.
    """

    def __init__(self, root: str, place: Place) -> None:
        self._root = root
        self.place = place
        self._lines = self._heads()
        self._wanted = next(self._lines, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    @property
    def is_over(self) -> bool:
        """Whether the new report held all entries of the old one."""
        return self._wanted is None

    def take(self, entry: str) -> None:
        """Go on behind the entry that stands next in the old report, if it is this one."""
        if self._wanted is not None and entry.startswith(self._wanted):
            self._wanted = next(self._lines, None)

    def _heads(self) -> Generator[str, None, None]:
        """Yield the first line of each entry; ``place`` is that of the one given last, or the end."""
        for name, offset in self._files():
            try:
                file = open(open_plain(f"{self._root}/{name}", os.O_RDONLY), "rb", buffering=1 << 18)  # noqa: SIM115
            except FileNotFoundError:
                continue
            with file:
                inode = os.fstat(file.fileno()).st_ino
                file.seek(offset)
                for line in lines_forwards(file):
                    if line[:1] == b"[" and line.endswith(b"]\n"):
                        self.place = Place(name, inode, file.tell() - len(line))
                        yield line.decode("utf-8", "replace")
                self.place = Place(name, inode, file.tell())

    def _files(self) -> Iterator[tuple[str, int]]:
        """Yield the files from the place on, oldest first, each with the offset to begin at."""
        names = reports_in(self._root)
        inodes = [os.lstat(f"{self._root}/{name}").st_ino for name in names]
        if self.place.inode in inodes:
            first = inodes.index(self.place.inode)
            yield names[first], self.place.offset
            names = names[first + 1 :]
        else:
            names = [name for name in names if name > self.place.file]
        yield from ((name, 0) for name in names)
