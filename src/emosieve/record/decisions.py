"""The decision log: ``decisions.jsonl``, one JSON object a line, append-only, kept for ever.

Every append holds ``.emosieve/log.lock``, opens the log by name, cuts a torn
tail off, writes, and closes: so restore and reclassify may run beside the
daemon, and no file under the root stays open between batches.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, Final, Literal

import orjson
import structlog
from pydantic import Field

from emosieve.errors import naming
from emosieve.record.files import STATE_DIRECTORY, make_state_directory, open_or_create, open_plain
from emosieve.record.lines import (
    Event,
    cut_torn_tail,
    events_backwards,
    head_of,
    last_line,
    line_of,
    lines_backwards,
    lines_forwards,
    parse_line,
    whole_size,
    write_all,
)
from emosieve.record.locking import take_lock
from emosieve.record.stamps import stamp_after
from emosieve.record.syncing import sync_data, sync_path
from emosieve.text import escape

log = structlog.get_logger()

Sync = Literal["batch", "always", "never"]

SCHEMA: Final = 1
LOG_NAME: Final = "decisions.jsonl"
LOG_LOCK: Final = f"{STATE_DIRECTORY}/log.lock"
_ROTATED = re.compile(r"decisions-\d{8}T\d{6}\.\d{6}Z\.jsonl")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log that survives rotation.

    Attributes:
        file: the file's name when the position was taken.
        offset: bytes from its start; always the end of a line.
        head: digest of the file's first line; a rotated file is found again by it.
    """

    file: str = LOG_NAME
    offset: Annotated[int, Field(ge=0)] = 0
    head: str = ""


START: Final = Position()
"""Before the first event ever logged."""


class DecisionLog:
    """The decision log of one root.

    Args:
        root: the root.
        rotate_bytes: size from which the log is rotated, before the next append.
        sync: when appended lines are forced to the disk.
        patience: seconds to wait for another process that holds the log's lock.
    """

    def __init__(
        self,
        root: str,
        rotate_bytes: int = 100_000_000,
        sync: Sync = "batch",
        patience: float = 60.0,
    ) -> None:
        self.root = root
        self.rotate_bytes = rotate_bytes
        self.sync: Sync = sync
        self.patience = patience
        self._told_no_locks = False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the log's lock: nobody else appends, files by it, or projects it meanwhile.

        Raises:
            OSError: the lock file cannot be opened.
        """
        make_state_directory(self.root)
        descriptor, is_locked = take_lock(self.root, LOG_LOCK, patience=self.patience)
        if not is_locked and not self._told_no_locks:
            self._told_no_locks = True
            path = f"{self.root}/{LOG_LOCK}"
            log.warning("decisions.no_locks", path=path, hint="beside watch run nothing that moves tasks")
        try:
            yield
        finally:
            os.close(descriptor)

    def mend(self) -> None:
        """Cut off the torn line of a run that died in it; call it only while ``locked``.

        Raises:
            OSError: the log cannot be read or written.
        """
        if (file := self.open_file(LOG_NAME)) is None:
            return
        with file:
            is_torn = whole_size(file.fileno()) < os.fstat(file.fileno()).st_size
        if is_torn:
            descriptor = open_plain(f"{self.root}/{LOG_NAME}", os.O_RDWR)
            try:
                cut_torn_tail(descriptor)
            finally:
                os.close(descriptor)

    def append(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Write events, all or none; call it only while ``locked``.

        Raises:
            OSError: the log cannot be written; what stood of these lines was cut off again.
        """
        if not events:
            return
        self._rotate_if_full()
        path = f"{self.root}/{LOG_NAME}"
        is_new = not os.path.lexists(path)
        descriptor = open_or_create(self.root, path, os.O_RDWR | os.O_APPEND)
        try:
            with naming(path):
                whole = cut_torn_tail(descriptor)
                try:
                    self._write(descriptor, events)
                except OSError:
                    # Where even this fails, whole lines that stay are found to be owed, and a torn one is cut.
                    with suppress(OSError):
                        os.ftruncate(descriptor, whole)
                    raise
        finally:
            os.close(descriptor)
        if is_new and self.sync != "never":
            sync_path(self.root)

    def _write(self, descriptor: int, events: Sequence[Mapping[str, Any]]) -> None:
        lines = map(line_of, events)
        for piece in lines if self.sync == "always" else (b"".join(lines),):
            write_all(descriptor, piece)
            if self.sync != "never":
                sync_data(descriptor)

    def _rotate_if_full(self) -> None:
        path = f"{self.root}/{LOG_NAME}"
        try:
            if os.lstat(path).st_size < self.rotate_bytes:
                return
        except FileNotFoundError:
            return
        descriptor = open_plain(path, os.O_RDWR)
        try:
            cut_torn_tail(descriptor)
            newest = last_line(descriptor)
        finally:
            os.close(descriptor)
        os.rename(path, f"{self.root}/{self._rotated_name(newest)}")

    def _rotated_name(self, newest: bytes) -> str:
        stamp = stamp_after(parse_line(newest) or {}, self.files()[:-1])
        return f"decisions-{stamp}.jsonl"

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
            return Position(name, whole, head_of(file.fileno())) if whole else None

    def open_file(self, name: str) -> BinaryIO | None:
        """A file of the log, for reading; ``None`` when there is none of this name.

        Raises:
            OSError: it cannot be opened, or is no plain file.
        """
        try:
            return open(open_plain(f"{self.root}/{name}", os.O_RDONLY), "rb", buffering=1 << 18)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, after: Position = START) -> Iterator[Event]:
        """The events after a position, oldest first; a line that is no event is passed over.

        All of them up to some moment after the call: what others append or rotate meanwhile is neither
        left out in the middle nor given twice.
        """
        for name, file in self._files_after(after):
            for line in lines_forwards(file):
                event = parse_line(line)
                if event is not None:
                    yield event
                elif line.endswith(b"\n"):
                    path = f"{self.root}/{name}"
                    log.warning("decisions.unreadable", path=path, line=escape(repr(line[:60])))
                else:
                    break  # torn, or only half written yet: its rest must not be taken for a line

    def _files_after(self, position: Position) -> Iterator[tuple[str, BinaryIO]]:
        """The files from a position on, oldest first, where reading goes on; all of them for one that is lost."""
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
        long_enough = os.fstat(file.fileno()).st_size >= position.offset
        if position.head and long_enough and head_of(file.fileno()) == position.head:
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
