"""Events in, bytes of the report out: appended to the file in a directory, and rotated by size.

Where a file ends and where a day's block stands follows from the events alone,
never from a timer or from how many are written at once, so that appending live
and rebuilding, at once or in slices, give the same bytes.
"""

import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from emosieve.errors import naming
from emosieve.record import layout
from emosieve.record.checkpoint import Reported
from emosieve.record.decisions import Position
from emosieve.record.files import open_or_create
from emosieve.record.lines import Event, write_all
from emosieve.record.report_files import REPORT_NAME, drop_old, rotated_in
from emosieve.record.stamps import stamp_after
from emosieve.record.statistics import Tally
from emosieve.text import Language

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_LAYOUT_VERSION: Final = 2
_BUFFER_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Shape:
    """What shapes the files.

    Attributes:
        language: of every line but the task names.
        rotate_bytes: size from which a new file is begun, before the next entry.
        keep: rotated files to keep; 0 keeps all.
    """

    language: Language
    rotate_bytes: int
    keep: int

    @property
    def layout(self) -> str:
        """Digest of what shapes the bytes; how many files are kept does not."""
        shape = f"{_LAYOUT_VERSION} {self.language} {self.rotate_bytes}"
        return hashlib.sha256(shape.encode()).hexdigest()[:16]


class Writer:
    """Appends events to the report in a directory.

    Args:
        root: whose report it is.
        shape: of the files.
        directory: where they stand.
        reported: where to go on.
    """

    def __init__(self, root: str, shape: Shape, directory: str, reported: Reported) -> None:
        self._root = root
        self._shape = shape
        self._directory = directory
        self._path = f"{directory}/{REPORT_NAME}"
        self._before = reported
        self._size = reported.size
        self._inode = reported.inode
        self._day = reported.day
        self._last_time = reported.last_time
        self._tally = Tally.from_dict(reported.tally)
        self._buffer: list[bytes] = []
        self._buffered = 0

    def take(self, event: Event) -> str:
        """Write what stands in the report for an event; return its entry, empty where it has none.

        Raises:
            OSError: the report cannot be written.
        """
        language = self._shape.language
        day = str(event.get("time"))[:10]
        if not _DAY.fullmatch(day):
            return ""  # a foreign line; its "day" would sort after every date
        block = entry = ""
        if self._day is not None and _is_over(self._day, day):
            if self._tally != Tally():
                block = layout.day_block(self._day, self._tally, language)
            self._day, self._tally = day, Tally()
        self._day = self._day or day
        # A line that was edited by hand, or is of another version, has no entry; it must not stop the report.
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            entry = layout.entry(event, language) or ""
            self._tally.count(event, day=self._day)
        if block or entry:
            self._write((block + entry).encode("utf-8", "backslashreplace"), event)
        return entry

    def flush(self, position: Position) -> Reported:
        """Write what is still buffered; return how far the report is.

        Args:
            position: after the last event that was taken.

        Raises:
            OSError: the report cannot be written.
        """
        self._flush()
        return replace(
            self._before,
            position=position,
            size=self._size,
            inode=self._inode,
            layout=self._shape.layout,
            day=self._day,
            last_time=self._last_time,
            tally=self._tally.as_dict(),
            language=self._shape.language,
            rotate_bytes=self._shape.rotate_bytes,
        )

    def _write(self, data: bytes, event: Event) -> None:
        if self._size + self._buffered >= self._shape.rotate_bytes:
            self._rotate()
        if self._size + self._buffered == 0:
            data = layout.title(self._shape.language).encode() + data
        self._buffer.append(data)
        self._buffered += len(data)
        self._last_time = event.get("time")
        if self._buffered >= _BUFFER_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._buffer:
            return
        descriptor = open_or_create(self._root, self._path, os.O_RDWR)
        try:
            self._inode = os.fstat(descriptor).st_ino
            # Bytes beyond the known size come from a run that died; they are written again here.
            with naming(self._path):
                os.ftruncate(descriptor, self._size)
                os.lseek(descriptor, self._size, os.SEEK_SET)
                write_all(descriptor, b"".join(self._buffer))
        finally:
            os.close(descriptor)
        self._size += self._buffered
        self._buffer, self._buffered = [], 0

    def _rotate(self) -> None:
        """Give the full file its rotated name: the time of its last event, after all earlier names."""
        self._flush()
        stamp = stamp_after({"time": self._last_time}, rotated_in(self._directory))
        os.rename(self._path, f"{self._directory}/quality_report-{stamp}.txt")
        drop_old(self._directory, self._shape.keep)
        self._size = self._inode = 0


def _is_over(day: str, next_day: str) -> bool:
    """Return whether a day ends with an event of another one: of a later, or of one before the day before it.

    A clock that steps back over midnight, or a time zone further west, leads to the day before: its
    events count for the later day, which is still young. But one wrong moment of the clock, years
    ahead, must not be the last day of all.
    """
    if next_day > day:
        return True
    try:
        return date.fromisoformat(day) - date.fromisoformat(next_day) > timedelta(days=1)
    except ValueError:
        return False  # a line edited by hand
