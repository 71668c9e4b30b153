"""quality_report.txt: a projection of the decision log, mended or rebuilt from it at any time, byte for byte.

Where a file ends and where a day's block stands follows from the events alone,
never from a timer, so appending live and rebuilding give the same bytes.
"""

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

import structlog

from emosieve.errors import naming
from emosieve.record import layout
from emosieve.record.checkpoint import Reported
from emosieve.record.decisions import START, DecisionLog
from emosieve.record.files import STATE_DIRECTORY, make_directory, open_or_create, open_plain
from emosieve.record.lines import Event, write_all
from emosieve.record.stamps import stamp_after
from emosieve.record.statistics import Tally
from emosieve.text import Language

REPORT_NAME: Final = "quality_report.txt"
FOREIGN_NAME: Final = "quality_report-before-emosieve"
_REBUILD: Final = f"{STATE_DIRECTORY}/rebuild"
_ROTATED = re.compile(r"quality_report-\d{8}T\d{6}\.\d{6}Z\.txt")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_LAYOUT_VERSION = 2
_BUFFER_BYTES = 1 << 20

log = structlog.get_logger()


class Report:
    """The report of one root.

    Args:
        root: the root.
        language: of every line but the task names.
        rotate_bytes: size from which a new file is begun, before the next entry.
        keep: rotated files to keep; 0 keeps all.
    """

    def __init__(
        self, root: str, language: Language = "zh", rotate_bytes: int = 20_000_000, keep: int = 0
    ) -> None:
        self.root = root
        self.language: Language = language
        self.rotate_bytes = rotate_bytes
        self.keep = keep
        self.keeps_layout = False
        """Whether to go on in the layout that stands, whatever the language and size here, and remove no file: what
        a command does that only adds to the report, and may have been given other settings than the daemon."""

    @property
    def layout(self) -> str:
        """Digest of what shapes the bytes; a report of another layout is rebuilt."""
        shape = f"{_LAYOUT_VERSION} {self.language} {self.rotate_bytes}"
        return hashlib.sha256(shape.encode()).hexdigest()[:16]

    def clean(self) -> None:
        """Remove what a rebuild that died left aside; call it only while the log is locked."""
        shutil.rmtree(f"{self.root}/{_REBUILD}", ignore_errors=True)

    def project(self, decisions: DecisionLog, reported: Reported) -> Reported:
        """Bring the report up to the end of the log; call it only while the log is locked.

        Whatever stands beyond ``reported.size`` was written by a run that died
        before it could say so, and is written again.

        Raises:
            OSError: the report cannot be written; what was reported before still counts.
        """
        if self.keeps_layout and reported.layout not in {"", self.layout}:
            standing = self._in_layout_of(reported)
            # What another version wrote is left to the next watch, sweep or rebuild, which finds the log ahead of it.
            return standing.project(decisions, reported) if standing else reported
        self._set_foreign_aside()
        if not decisions.knows(reported.position):
            # The log was taken away or replaced: what the report says of it is all that is left.
            for name in (*self.rotated(self.root), REPORT_NAME):
                if os.path.lexists(f"{self.root}/{name}"):
                    self._set_aside(f"{self.root}/{name}")
        if self._must_rebuild(reported):
            return self.rebuild(decisions)
        end = decisions.end()
        if end == reported.position:
            return reported
        writer = _Writer(self, self.root, reported)
        writer.take(decisions.read(reported.position))
        return replace(writer.close(), position=end)

    def rebuild(self, decisions: DecisionLog) -> Reported:
        """Make all report files anew from the whole log; call it only while the log is locked.

        Raises:
            OSError: they cannot be written; the old ones stand.
        """
        self._set_foreign_aside()
        aside = f"{self.root}/{_REBUILD}"
        self.clean()
        make_directory(self.root, aside)
        end = decisions.end()
        try:
            writer = _Writer(self, aside, Reported())
            writer.take(decisions.read())
            reported = replace(writer.close(), position=end)
        except OSError:
            self.clean()
            raise
        made = os.listdir(aside)
        # The present file first: by its new inode the next run knows that a rebuild died among the others.
        for name in sorted(made, key=lambda name: name != REPORT_NAME):
            os.rename(f"{aside}/{name}", f"{self.root}/{name}")
        for name in set(self.rotated(self.root)) - set(made):
            os.unlink(f"{self.root}/{name}")
        os.rmdir(aside)
        return reported

    def _in_layout_of(self, reported: Reported) -> "Report | None":
        """The report as it was laid out; ``None`` where this version cannot."""
        if reported.language is None or reported.rotate_bytes is None:
            return None
        standing = Report(self.root, reported.language, reported.rotate_bytes)
        return standing if standing.layout == reported.layout else None

    def _must_rebuild(self, reported: Reported) -> bool:
        """Whether the file is not the one that was left: cut, replaced, gone, or of another layout."""
        try:
            status = os.lstat(f"{self.root}/{REPORT_NAME}")
            size, inode = status.st_size, status.st_ino
        except FileNotFoundError:
            size = inode = 0
        return size < reported.size or inode != reported.inode or reported.layout != self.layout

    def _set_foreign_aside(self) -> None:
        """A report that is not ours (the article's script writes one) is kept under another name."""
        path = f"{self.root}/{REPORT_NAME}"
        if not _is_absent_or_ours(path):
            self._set_aside(path)

    def _set_aside(self, path: str) -> None:
        aside, copy = f"{self.root}/{FOREIGN_NAME}.txt", 1
        while os.path.lexists(aside):
            copy += 1
            aside = f"{self.root}/{FOREIGN_NAME}.{copy}.txt"
        os.rename(path, aside)
        log.warning("report.set_aside", path=path, kept_as=aside)

    @staticmethod
    def rotated(directory: str) -> list[str]:
        """The rotated report files of a directory, oldest first."""
        return sorted(name for name in os.listdir(directory) if _ROTATED.fullmatch(name))

    def drop_old(self, directory: str) -> None:
        """Remove the oldest rotated files beyond ``keep``."""
        if self.keep and not self.keeps_layout:
            for name in self.rotated(directory)[: -self.keep]:
                os.unlink(f"{directory}/{name}")


def _is_over(day: str, next_day: str) -> bool:
    """Whether a day ends with an event of another one: of a later day, or of one before the day before it.

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


def _is_absent_or_ours(path: str) -> bool:
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False
        with open(open_plain(path, os.O_RDONLY), "rb") as file:
            head = file.read(64).decode("utf-8", "replace")
    except FileNotFoundError:
        return True
    return not head or head.startswith(layout.TITLES)


class _Writer:
    """Appends events to the report in a directory, from where ``reported`` left off."""

    def __init__(self, report: Report, directory: str, reported: Reported) -> None:
        self._report = report
        self._directory = directory
        self._path = f"{directory}/{REPORT_NAME}"
        self._size = reported.size
        self._inode = reported.inode
        self._day = reported.day
        self._last_time = reported.last_time
        self._tally = Tally.from_dict(reported.tally)
        self._buffer: list[bytes] = []
        self._buffered = 0

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            self._take(event)

    def close(self) -> Reported:
        self._flush()
        return Reported(
            position=START,
            size=self._size,
            inode=self._inode,
            layout=self._report.layout,
            day=self._day,
            last_time=self._last_time,
            tally=self._tally.as_dict(),
            language=self._report.language,
            rotate_bytes=self._report.rotate_bytes,
        )

    def _take(self, event: Event) -> None:
        language = self._report.language
        day = str(event.get("time"))[:10]
        if not _DAY.fullmatch(day):
            return  # a foreign line; its "day" would sort after every date
        parts: list[str] = []
        if self._day is not None and _is_over(self._day, day):
            if self._tally != Tally():
                parts.append(layout.day_block(self._day, self._tally, language))
            self._day, self._tally = day, Tally()
        self._day = self._day or day
        # A line that was edited by hand, or is of another version, has no entry; it must not stop the report.
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            parts.append(layout.entry(event, language) or "")
            self._tally.count(event, day=self._day)
        text = "".join(parts)
        if text:
            self._write(text.encode("utf-8", "backslashreplace"), event)

    def _write(self, data: bytes, event: Event) -> None:
        if self._size + self._buffered >= self._report.rotate_bytes:
            self._rotate()
        if self._size + self._buffered == 0:
            data = layout.title(self._report.language).encode() + data
        self._buffer.append(data)
        self._buffered += len(data)
        self._last_time = event.get("time")
        if self._buffered >= _BUFFER_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._buffer:
            return
        descriptor = open_or_create(self._report.root, self._path, os.O_RDWR)
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
        stamp = stamp_after({"time": self._last_time}, self._report.rotated(self._directory))
        os.rename(self._path, f"{self._directory}/quality_report-{stamp}.txt")
        self._report.drop_old(self._directory)
        self._size = self._inode = 0
