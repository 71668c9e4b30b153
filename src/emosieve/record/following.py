"""Following the decision log: each whole line once, while others append to it, rotate, cut or replace it.

Between two looks no file stays open, so that a follower hinders no unmounting;
a file is known again by its first line, under whatever name it has by then.
"""

import os
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import BinaryIO, Final

from emosieve.record.decisions import LOG_NAME, START, DecisionLog, Position
from emosieve.record.lines import head_of, lines_forwards, whole_size

_REMEMBERED: Final = 4096
"""Lines that are known again when the file under them was cut or replaced."""


class Follower:
    """Gives the lines that come after the end of a log, as it is now; the root need not exist yet.

    Attributes:
        position: the end of the last line that was given, at first the end of the log.
    """

    def __init__(self, log: DecisionLog) -> None:
        self._log = log
        self._rotated, self.position = _end_of(log)
        self._last = b"\n" if self.position.offset else b""
        """What must stand before the position in a file that was only appended to."""
        self._given: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        """Of the last lines given: where each ended, and its hash."""
        self._floor = self.position.offset
        """Lines before this offset were never to be given."""
        self._looked: tuple[int, ...] | None = ()

    def has_news(self) -> bool:
        """Whether the log changed since the last look, by one stat of its name."""
        return self._signature() != self._looked

    def lines(self) -> Iterator[bytes]:
        """The whole lines since the last look, oldest first, as they stand.

        After a rotation, or several, the files follow each other in their order.
        A log that was cut goes on where it still is as it was; one that was
        deleted or replaced is followed by its successor from the beginning.
        Lines that were given lately are not given again from either.

        Raises:
            OSError: the log cannot be read.
        """
        self._looked = self._signature()
        while True:
            current = self._log.open_file(LOG_NAME)
            with current or nullcontext():
                # The listing comes after the opening: a current file that is rotated in between is in it.
                fresh = [] if current is not None and self._is_ours(current) else self._fresh()
                if current is not None and not fresh:
                    yield from self._read(LOG_NAME, current)
            if not fresh:
                return
            for name in fresh:
                if (file := self._log.open_file(name)) is not None:
                    with file:
                        yield from self._read(name, file)
                self._rotated.add(name)

    def _signature(self) -> tuple[int, ...] | None:
        try:
            status = os.lstat(f"{self._log.root}/{LOG_NAME}")
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns

    def _fresh(self) -> list[str]:
        """The files that were rotated since the last look, oldest first."""
        try:
            return [name for name in self._log.files()[:-1] if name not in self._rotated]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _is_ours(self, file: BinaryIO) -> bool:
        """Whether it is the file that the position lies in."""
        return bool(self.position.head) and head_of(file.fileno()) == self.position.head

    def _read(self, name: str, file: BinaryIO) -> Iterator[bytes]:
        if self._is_ours(file):
            known = self._resume(file)
        elif whole_size(file.fileno()):
            known = self._go_on(Position(name, 0, head_of(file.fileno())))
        else:
            return  # a file that was emptied may yet be filled again with what it held
        for line in lines_forwards(file):
            if not line.endswith(b"\n"):
                return
            end = file.tell()
            self.position, self._last = replace(self.position, file=name, offset=end, tail=""), line
            self._given.append((end, hash(line)))
            if hash(line) not in known:
                yield line

    def _resume(self, file: BinaryIO) -> Collection[int]:
        """Seek to where reading goes on; gives the lines that are to be passed over from there, by hash."""
        offset, length = self.position.offset, len(self._last)
        if os.pread(file.fileno(), length, offset - length) == self._last:
            file.seek(offset)
            return ()
        floor = self._given[0][0] if len(self._given) == _REMEMBERED else self._floor
        start = min(floor, whole_size(file.fileno()))
        if start:
            file.seek(start - 1)
            file.readline()  # the rest of a line, where lines have moved; else its newline alone
        return self._go_on(replace(self.position, offset=file.tell(), tail=""))

    def _go_on(self, position: Position) -> Collection[int]:
        """Take another place for the end of what was given; gives the lines given lately, by hash."""
        self.position = position
        self._last = b"\n" if position.offset else b""
        self._floor = position.offset
        self._given = deque(((position.offset, line) for _, line in self._given), maxlen=_REMEMBERED)
        return frozenset(line for _, line in self._given)


def _end_of(log: DecisionLog) -> tuple[set[str], Position]:
    """The rotated files, and the end of the log, of one moment."""
    while True:
        try:
            rotated, end = log.files()[:-1], log.end()
            if rotated == log.files()[:-1]:
                return set(rotated), end
        except (FileNotFoundError, NotADirectoryError):
            return set(), START
