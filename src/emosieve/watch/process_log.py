"""process.log, which some versions of the WebUI write into a task: read to know which recording the task is of."""

import os
from collections.abc import Sequence
from typing import Final

import structlog

from emosieve.judge.source import PATTERNS, TooSlow, lines_of, source_in_lines
from emosieve.text import escape

PROCESS_LOG: Final = "process.log"
SIZE_LIMIT: Final = 1 << 16
"""Bytes that are read of it, from its beginning."""

log = structlog.get_logger()


class ProcessLog:
    """Finds the name of the recording in the log of a task.

    Args:
        own: regular expressions with one group each, tried before those that are known.
    """

    def __init__(self, own: Sequence[str] = ()) -> None:
        self._patterns = [*own, *PATTERNS]

    @staticmethod
    def read(descriptor: int) -> bytes:
        """The beginning of the file.

        Raises:
            OSError: it cannot be read.
        """
        return os.pread(descriptor, SIZE_LIMIT, 0)

    def source_in(self, data: bytes) -> str | None:
        """The recording that a log names, escaped; ``None`` where it names none.

        A pattern that takes too long is told of, and asked no more until settings are read again.
        """
        lines = lines_of(data)
        for pattern in tuple(self._patterns):
            try:
                source = source_in_lines(pattern, lines)
            except TooSlow:
                self._patterns.remove(pattern)
                log.warning("source.pattern_too_slow", pattern=escape(pattern), hint="not used any more")
                continue
            if source is not None:
                return source
        return None
