"""Decisions on stdout, a line each: the last ones, then the next ones for as long as somebody reads them."""

import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

import typer

from emosieve.commands.decision_line import decision_line
from emosieve.record.decisions import START, DecisionLog, Position
from emosieve.record.following import Follower
from emosieve.record.lines import Event, parse_line, safe_json, write_all
from emosieve.record.selection import Selection
from emosieve.text import Language, Phrase

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOK_SECONDS: Final = 0.25
_LEAST_WIDTH: Final = 40
_GONE: Final = select.POLLERR | select.POLLHUP

_NOTHING: Final = Phrase("{root}: nothing was decided here yet", "{root}：尚无判定记录")
_NOTHING_YET: Final = Phrase(
    "{root}: nothing was decided here yet; waiting for the first decision",
    "{root}：尚无判定记录，正在等待第一条判定",
)
_NO_ROOT: Final = Phrase(
    "{root}: there is no such folder yet; waiting for it",
    "{root}：输出目录尚不存在，正在等待其出现",
)

Show = Callable[[bytes, Event], None]
"""Prints a decision, given its line and what that says."""


class DecisionStream:
    """The decisions of one root on stdout.

    Args:
        root: the root.
        selection: which decisions are shown.
        language: of them, and of what is said on stderr.
        raw: whether they are shown as their lines stand in the log.
    """

    def __init__(self, root: str, selection: Selection, language: Language, *, raw: bool) -> None:
        self._root = root
        self._log = DecisionLog(root)
        self._selection = selection
        self._language: Language = language
        self._show: Show = _write if raw else self._say

    def print_last(self, count: int) -> None:
        """Print the last ``count`` decisions, oldest first.

        Raises:
            OSError: the log cannot be read.
        """
        with quiet_when_left():
            end = self._log.end()
            if end == START:
                self._tell(_NOTHING)
            self._print_before(end, count)

    def follow(self, count: int) -> None:
        """Print the last decisions and go on with new ones until the reader of stdout leaves, or SIGTERM.

        Root and log are waited for, if they do not exist yet.

        Raises:
            OSError: the log cannot be read.
        """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with quiet_when_left():
            if not os.path.isdir(self._root):
                self._tell(_NO_ROOT)
            while not os.path.isdir(self._root):
                if _reader_leaves():
                    return
            follower = Follower(self._log)
            if follower.position == START:
                self._tell(_NOTHING_YET)
            self._print_before(follower.position, count)
            while True:
                if follower.has_news():
                    for line in follower.lines():
                        self._print(line)
                if _reader_leaves():
                    return

    def _print_before(self, end: Position, count: int) -> None:
        lines = (line for line in self._log.lines_before(end) if self._selected(line))
        for line in reversed(list(islice(lines, count))):
            self._print(line)

    def _selected(self, line: bytes) -> Event | None:
        event = parse_line(line)
        return event if event is not None and self._selection.takes(event) else None

    def _print(self, line: bytes) -> None:
        if (event := self._selected(line)) is not None:
            self._show(line, event)

    def _say(self, _line: bytes, event: Event) -> None:
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        width = None if columns is None else max(_LEAST_WIDTH, columns)
        typer.echo(decision_line(event, self._language, datetime.now(UTC), width))  # it flushes

    def _tell(self, phrase: Phrase) -> None:
        typer.echo(f"emosieve: {phrase(root=self._root).text(self._language)}", err=True)


def _write(line: bytes, _event: Event) -> None:
    write_all(sys.stdout.fileno(), safe_json(line))  # no line of ours is changed by it


def _reader_leaves() -> bool:
    """Whether the reader of stdout is gone, or goes before it is time for another look."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    for _, event in poll.poll(_LOOK_SECONDS * 1000):
        if event & _GONE:
            return True
        time.sleep(_LOOK_SECONDS)  # macOS cannot poll every device, and says so at once
    return False


@contextmanager
def quiet_when_left() -> "Iterator[None]":
    """End in peace when the reader of stdout leaves."""
    try:
        yield
    except BrokenPipeError:
        # What stdout still holds has no reader any more, and must not be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
