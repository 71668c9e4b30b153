"""The reading side of the decision log: its files, places in it, and passes over it.

A place survives rotation, and is known to be lost where the file under it was cut or replaced.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, BinaryIO, Final

import orjson
import structlog
from pydantic import Field

from emosieve.record.files import open_plain
from emosieve.record.lines import (
    Event,
    events_backwards,
    head_of,
    line_of,
    lines_backwards,
    lines_forwards,
    parse_line,
    tail_of,
    whole_size,
)
from emosieve.text import escape

log = structlog.get_logger()

LOG_NAME: Final = "decisions.jsonl"
_ROTATED = re.compile(r"decisions-\d{8}T\d{6}\.\d{6}Z\.jsonl")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log that survives rotation.

    Attributes:
        file: the file's name when the position was taken.
        offset: bytes from its start; always the end of a line.
        head: digest of the file's first line; a rotated file is found again by it.
        tail: digest of the last bytes before the offset: where somebody took lines out of the file,
            or put others in, the same offset is another place. Empty where it is not known.
    """

    file: str = LOG_NAME
    offset: Annotated[int, Field(ge=0)] = 0
    head: str = ""
    tail: str = ""


START: Final = Position()
"""Before the first event ever logged."""


class LogReader:
    """The decision log of one root, for whoever only reads it.

    Args:
        root: the root.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    def files(self) -> list[str]:
        """Names of all files of the log, oldest first; the current one is last, even if it does not exist."""
        return [*sorted(name for name in os.listdir(self.root) if _ROTATED.fullmatch(name)), LOG_NAME]

    def end(self) -> Position:
        """The position after the last whole line; ``START`` for an empty log."""
        if (end := self._end_of(LOG_NAME)) is not None:
            return end  # no listing of the root in the ordinary case
        # Somebody may have emptied a rotated file: the last line then stands in one before it.
        return next(filter(None, map(self._end_of, reversed(self.files()[:-1]))), START)

    def _end_of(self, name: str) -> Position | None:
        if (file := self.open_file(name)) is None:
            return None
        with file:
            whole = whole_size(file.fileno())
            return _place_in(name, file.fileno(), whole) if whole else None

    def open_file(self, name: str) -> BinaryIO | None:
        """A file of the log, for reading; ``None`` when there is none of this name.

        Raises:
            OSError: it cannot be opened, or is no plain file.
        """
        try:
            return open(open_plain(f"{self.root}/{name}", os.O_RDONLY), "rb", buffering=1 << 18)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, after: Position = START, until: Position | None = None) -> "Reading":
        """Return the events after a position, oldest first; a line that is no event is passed over.

        All of them up to some moment after the call: what others append or rotate meanwhile is neither
        left out in the middle nor given twice.

        Args:
            after: where to begin.
            until: where to end, as ``end`` gave it; ``None`` for the end.
        """
        return Reading(self, after, until)

    def share_before(self, position: Position) -> float:
        """Return how much of the log, in bytes, lies before a position: from 0 to 1; 0 for one that is lost.

        Raises:
            OSError: the root cannot be listed, or a file not be looked at.
        """
        file, older = self._open_at(position)
        if file is None:
            return 0.0
        file.close()
        before = sum(map(self._size_of, older)) + position.offset
        return min(1.0, before / max(1, sum(map(self._size_of, self.files()))))

    def _size_of(self, name: str) -> int:
        try:
            return os.lstat(f"{self.root}/{name}").st_size
        except FileNotFoundError:
            return 0

    def beginning(self) -> Position:
        """Return the place of the first line of the oldest file that has one; ``START`` for an empty log."""
        rotated, current = self._of_one_moment()
        with current or nullcontext():
            for name in rotated:
                if (file := self.open_file(name)) is not None:
                    with file:
                        if head := head_of(file.fileno()):
                            return Position(name, 0, head)
            return Position(LOG_NAME, 0, head_of(current.fileno())) if current else START

    def begins_at(self, origin: Position) -> Position | None:
        """Return where the log's first line stands now; ``None`` when it is not that of ``origin`` any more.

        Args:
            origin: what ``beginning`` gave once. It costs one stat while the file has its rotated name.
        """
        if origin.file != LOG_NAME and os.path.lexists(f"{self.root}/{origin.file}"):
            return origin
        beginning = self.beginning()
        return beginning if beginning.head == origin.head else None

    def files_after(self, position: Position) -> Iterator[tuple[str, BinaryIO]]:
        """Yield the files from a position on, oldest first, where reading goes on; all of them for one that is lost."""
        if position.file == LOG_NAME and (file := self._open_if_in(LOG_NAME, position)) is not None:
            with file:  # no listing of the root in the ordinary case
                file.seek(position.offset)
                yield LOG_NAME, file
            return
        rotated, current = self._of_one_moment()
        with current or nullcontext():
            index = self._index_of(position, rotated)
            for number, name in enumerate(rotated):
                if number >= (index or 0) and (file := self.open_file(name)) is not None:
                    with file:
                        file.seek(position.offset if number == index else 0)
                        yield name, file
            if current is not None:
                yield LOG_NAME, current

    def newest_first(self) -> Iterator[BinaryIO]:
        """All files of the log as they stand at one moment, open for reading."""
        rotated, current = self._of_one_moment()
        if current is not None:
            with current:
                yield current
        for name in reversed(rotated):
            if (file := self.open_file(name)) is not None:
                with file:
                    yield file

    def _of_one_moment(self) -> tuple[list[str], BinaryIO | None]:
        """The names of the rotated files, and the current one, open: no rotation came between the two."""
        while True:
            current = self.open_file(LOG_NAME)
            rotated = self.files()[:-1]
            if self._is_current(current):
                return rotated, current
            if current is not None:
                current.close()

    def _is_current(self, file: BinaryIO | None) -> bool:
        try:
            there = os.lstat(f"{self.root}/{LOG_NAME}")
        except FileNotFoundError:
            return file is None
        return file is not None and os.path.samestat(there, os.fstat(file.fileno()))

    def lines_before(self, position: Position) -> Iterator[bytes]:
        """The whole lines up to a position, newest first, as they stand, whatever they say.

        A position that is lost has no lines before it.
        """
        file, older = self._open_at(position)
        if file is not None:
            with file:
                yield from lines_backwards(file.fileno(), position.offset)
        for name in reversed(older):
            if (file := self.open_file(name)) is not None:
                with file:
                    yield from lines_backwards(file.fileno(), whole_size(file.fileno()))

    def _open_at(self, position: Position) -> tuple[BinaryIO | None, list[str]]:
        """The file that a position lies in, and the names of all older ones, oldest first."""
        while True:
            files = before = self.files()
            while files:
                *files, name = files
                if (file := self._open_if_in(name, position)) is not None:
                    return file, files
            if before == self.files():  # else it was rotated between the listing and the look
                return None, []

    def knows(self, position: Position) -> bool:
        """Whether a position still points into this log."""
        if position == START or self._is_in(LOG_NAME, position):
            return True
        # The listing comes after the look: a current file that is rotated in between is in it.
        return self._index_of(position, self.files()[:-1]) is not None

    def _index_of(self, position: Position, files: Sequence[str]) -> int | None:
        """Which file a position lies in: mostly that of its name, after a rotation the newest of them."""
        order = sorted(range(len(files)), key=lambda index: (files[index] != position.file, -index))
        return next((index for index in order if self._is_in(files[index], position)), None)

    def _is_in(self, name: str, position: Position) -> bool:
        if (file := self._open_if_in(name, position)) is None:
            return False
        file.close()
        return True

    def _open_if_in(self, name: str, position: Position) -> BinaryIO | None:
        """A file of the log if it is the one that a position lies in."""
        if (file := self.open_file(name)) is None:
            return None
        if _is_place_in(file.fileno(), position):
            return file
        file.close()
        return None

    def about(self, task: str) -> list[Event]:
        """All events of the tasks of this name, oldest first; no other line is parsed."""
        needle = line_of({"task": task})[1:-2]  # as it stands within a line
        return [event for event in self._search(needle) if event.get("task") == task][::-1]

    def last_about(self, destination: str) -> Event | None:
        """The newest event that put a task at this destination, by a search from the end.

        What was diverted stands elsewhere than its decision says; the decision is what is asked for.
        """
        found, place, seen = None, destination, set[str]()
        while place not in seen and (event := self._last_at(place)) is not None:
            seen.add(place)
            found = event if place == destination else {**event, "destination": destination}
            if event["event"] != "diverted":
                break
            place = str(event.get("from"))
        return found

    def has_filed_into(self, folder: str) -> bool:
        """Return whether any event put a task into a folder, by a search from the end."""
        text = orjson.dumps(f"{folder}/")[:-1]
        return any(True for _ in self._search(b'"destination":' + text, b'"to":' + text))

    def _last_at(self, place: str) -> Event | None:
        text = orjson.dumps(place)
        for event in self._search(b'"destination":' + text, b'"to":' + text):
            if event["event"] != "joined" and place in map(event.get, ("destination", "to")):
                return event
        return None

    def _search(self, *needles: bytes) -> Iterator[Event]:
        """The events whose lines hold any of some bytes, newest first."""
        for file in self.newest_first():
            yield from events_backwards(file.fileno(), needles)


class Reading:
    """One pass over the events after a position. It can say how far it is, and go on there another time.

    Args:
        reader: of the log.
        after: where the pass begins.
        until: where it ends; ``None`` for the end of the log.
    """

    def __init__(self, reader: LogReader, after: Position = START, until: Position | None = None) -> None:
        self._reader = reader
        self._after = after
        self._at: list[tuple[str, BinaryIO]] = []
        # The pass does not know this object: so its file is closed as soon as nobody reads on.
        self._events = _events_after(reader, after, until, self._at)

    def __iter__(self) -> Iterator[Event]:
        return self._events

    @property
    def position(self) -> Position:
        """The place after the event that was given last; ask for it only while the pass is under way."""
        if not self._at:
            return self._after
        [(name, file)] = self._at
        return _place_in(name, file.fileno(), file.tell())

    @property
    def share(self) -> float:
        """How much of the log lies before the position, from 0 to 1.

        Raises:
            OSError: the log cannot be looked at.
        """
        return self._reader.share_before(self.position)


def _events_after(
    reader: LogReader, after: Position, until: Position | None, at: list[tuple[str, BinaryIO]]
) -> Iterator[Event]:
    """Yield the events after a position; ``at`` has the name and the file that the last one came from."""
    for name, file in reader.files_after(after):
        at[:] = [(name, file)]
        end = until if until is not None and head_of(file.fileno()) == until.head else None
        for line in lines_forwards(file):
            if end is not None and file.tell() > end.offset:
                return
            event = parse_line(line)
            if event is not None:
                yield event
            elif line.endswith(b"\n"):
                path = f"{reader.root}/{name}"
                log.warning("decisions.unreadable", path=path, line=escape(repr(line[:60])))
            else:
                break  # torn, or only half written yet: its rest must not be taken for a line
        if end is not None:
            return


def _place_in(name: str, descriptor: int, offset: int) -> Position:
    """Return a place in an open file of the log."""
    return Position(name, offset, head_of(descriptor), tail_of(descriptor, offset))


def _is_place_in(descriptor: int, position: Position) -> bool:
    """Return whether a place lies in this open file, whatever its name, and what was before it still is."""
    if not position.head or os.fstat(descriptor).st_size < position.offset:
        return False
    if head_of(descriptor) != position.head:
        return False
    return not position.tail or tail_of(descriptor, position.offset) == position.tail
