"""The decision log: ``decisions.jsonl``, one JSON object a line, append-only, kept for ever.

Every append holds ``.emosieve/log.lock``, opens the log by name, cuts a torn
tail off, writes, and closes: so restore and reclassify may run beside the
daemon, and no file under the root stays open between batches.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, Literal

import structlog

from emosieve.errors import naming
from emosieve.record.files import STATE_DIRECTORY, make_state_directory, open_or_create, open_plain
from emosieve.record.lines import cut_torn_tail, last_line, line_of, parse_line, whole_size, write_all
from emosieve.record.locking import take_lock
from emosieve.record.log_reading import LOG_NAME, START, LogReader, Position, Reading
from emosieve.record.stamps import stamp_after
from emosieve.record.syncing import sync_data, sync_path

__all__ = ["LOG_LOCK", "LOG_NAME", "SCHEMA", "START", "DecisionLog", "Position", "Reading", "Sync"]

log = structlog.get_logger()

Sync = Literal["batch", "always", "never"]

SCHEMA: Final = 1
LOG_LOCK: Final = f"{STATE_DIRECTORY}/log.lock"


class DecisionLog(LogReader):
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
        super().__init__(root)
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
