"""quality_report.txt: a projection of the decision log, mended or rebuilt from it at any time, byte for byte.

The report is either *current*, so that new events are appended to it, or another one is
made beside it (``report_rebuild``), and it stands as it is until that one is whole.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from emosieve.record.checkpoint import Reported
from emosieve.record.decisions import START, DecisionLog, Position
from emosieve.record.report_files import FOREIGN_NAME, REPORT_NAME, is_ours, reports_in, set_aside
from emosieve.record.report_rebuild import REBUILD, SLICE_SECONDS, Rebuild, discard, end_swap
from emosieve.record.report_writer import Shape, Writer
from emosieve.text import Language

__all__ = ["FOREIGN_NAME", "REPORT_NAME", "Report", "is_cut"]

log = structlog.get_logger()


class Report:
    """The report of one root.

    Args:
        root: the root.
        language: of every line but the task names.
        rotate_bytes: size from which a new file is begun, before the next entry.
        keep: rotated files to keep; 0 keeps all.
        monotonic: a clock in seconds.

    Attributes:
        pending: how much of the log the report holds, or the one that is made beside it, while it is
            not brought up to the end: from 0 to 1; ``None`` when it is.
    """

    def __init__(
        self,
        root: str,
        language: Language = "zh",
        rotate_bytes: int = 20_000_000,
        keep: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root = root
        self.language: Language = language
        self.rotate_bytes = rotate_bytes
        self.keep = keep
        self._monotonic = monotonic
        self.pending: float | None = None
        self.keeps_layout = False
        """Whether to go on in the layout that stands, whatever the language and size here, and remove no file: what
        a command does that only adds to the report, and may have been given other settings than the daemon."""

    @property
    def shape(self) -> Shape:
        """What shapes the files; a report of another layout is rebuilt."""
        return Shape(self.language, self.rotate_bytes, 0 if self.keeps_layout else self.keep)

    def clean(self, decisions: DecisionLog, reported: Reported) -> None:
        """Remove what rebuilds left that nobody will end; call it only while the log is locked.

        Raises:
            OSError: the log cannot be read.
        """
        discard(self.root, but="" if self._is_current(decisions, reported) else self.shape.layout)

    def project(self, decisions: DecisionLog, reported: Reported) -> Reported:
        """Bring the report nearer to the end of the log; call it only while the log is locked.

        It takes about ``SLICE_SECONDS`` at most; ``pending`` tells whether there is more to do.
        Whatever stands beyond ``reported.size`` was written by a run that died
        before it could say so, and is written again.

        Raises:
            OSError: the report cannot be written; what was reported before still counts.
        """
        if self.keeps_layout and reported.layout not in {"", self.shape.layout}:
            standing = self._in_layout_of(reported)
            # What another version wrote is left to the next watch, sweep or rebuild, which finds the log ahead of it.
            return standing.project(decisions, reported) if standing else reported
        self._set_foreign_aside([REPORT_NAME])
        if reported.position == START and decisions.end() == START:
            return replace(  # nothing was decided yet
                reported,
                layout=self.shape.layout,
                language=self.language,
                rotate_bytes=self.rotate_bytes,
            )
        if not self._is_current(decisions, reported) and not self._is_first(reported):
            reported = end_swap(self.root) or reported
            if not self._is_current(decisions, reported):
                if not reported.is_cut and is_cut(decisions, reported):
                    _tell_cut(decisions)
                    reported = replace(reported, is_cut=True)
                return self._advance(decisions, lacks=reported.is_cut) or reported
        return self._append(decisions, _with_origin(decisions, reported))

    def rebuild(self, decisions: DecisionLog, reported: Reported, *, anew: bool = True) -> Reported | None:
        """Make all report files anew from the whole log, a slice of it; call it only while the log is locked.

        Args:
            decisions: the log.
            reported: how far the report was that stands.
            anew: begin at the first event; else go on where the last slice ended.

        Returns:
            how far the new report is, once it stands in its place; ``None`` before that.

        Raises:
            OSError: they cannot be written; the old ones stand.
        """
        if anew:
            reported = end_swap(self.root) or reported
            Rebuild(self.root, self.shape, self._monotonic).forget()
        lacks = is_cut(decisions, reported)
        if anew and lacks and not reported.is_cut:
            _tell_cut(decisions)
        return self._advance(decisions, lacks=lacks)

    def _in_layout_of(self, reported: Reported) -> "Report | None":
        """Return the report as it was laid out; ``None`` where this version cannot."""
        if reported.language is None or reported.rotate_bytes is None:
            return None
        standing = Report(self.root, reported.language, reported.rotate_bytes, monotonic=self._monotonic)
        standing.keeps_layout = True
        return standing if standing.shape.layout == reported.layout else None

    def _advance(self, decisions: DecisionLog, *, lacks: bool) -> Reported | None:
        """Do a slice of the rebuild; return how far the new report is once it stands in its place.

        Args:
            decisions: the log.
            lacks: whether the log is known to lack what was once reported.
        """
        self._set_foreign_aside(reports_in(self.root))
        begin = Reported(origin=decisions.beginning(), is_cut=lacks)
        rebuild = Rebuild(self.root, self.shape, self._monotonic)
        done, is_in_place = rebuild.advance(decisions, begin)
        self._tell(decisions, None if is_in_place else done.position)
        return done if is_in_place else None

    def _append(self, decisions: DecisionLog, reported: Reported) -> Reported:
        """Write the events that came since, as far as there is time."""
        end = decisions.end()
        if end == reported.position:
            self._tell(decisions, None)
            return reported
        until = self._monotonic() + SLICE_SECONDS
        writer = Writer(self.root, self.shape, self.root, reported)
        position, reading = end, decisions.read(reported.position)
        for event in reading:
            writer.take(event)
            if self._monotonic() >= until:
                position = reading.position
                break
        self._tell(decisions, None if position == end else position)
        return writer.flush(position)

    def _tell(self, decisions: DecisionLog, position: Position | None) -> None:
        """Note how much of the log is reported; ``None`` for all of it."""
        self.pending = None if position is None else decisions.share_before(position)

    def _is_first(self, reported: Reported) -> bool:
        """Return whether there is no report yet, nor one that is made beside it."""
        is_begun = reported.position != START or os.path.lexists(f"{self.root}/{REBUILD}")
        return not is_begun and not reports_in(self.root)

    def _is_current(self, decisions: DecisionLog, reported: Reported) -> bool:
        """Return whether new events can be appended: the file is the one that was left, and so is the log."""
        try:
            status = os.lstat(f"{self.root}/{REPORT_NAME}")
            size, inode = status.st_size, status.st_ino
        except FileNotFoundError:
            size = inode = 0
        is_as_left = size >= reported.size and inode == reported.inode
        return is_as_left and reported.layout == self.shape.layout and decisions.knows(reported.position)

    def _set_foreign_aside(self, names: list[str]) -> None:
        """A report that is not ours (the article's script writes one) is kept under another name."""
        for name in names:
            path = f"{self.root}/{name}"
            if os.path.lexists(path) and not is_ours(path):
                [aside] = set_aside(self.root, [name], FOREIGN_NAME)
                log.warning("report.set_aside", path=path, kept_as=f"{self.root}/{aside}")


def is_cut(decisions: DecisionLog, reported: Reported) -> bool:
    """Return whether the log lacks what was reported, by where the report began and ended.

    Raises:
        OSError: the root cannot be listed, or the log not be read.
    """
    is_begun = not reported.origin.head or decisions.begins_at(reported.origin) is not None
    return not is_begun or not decisions.knows(reported.position)


def _with_origin(decisions: DecisionLog, reported: Reported) -> Reported:
    """Ask whether the log still begins where the report does; say once when it no longer does."""
    origin = reported.origin
    if not origin.head:
        return replace(reported, origin=decisions.beginning())
    if origin.head == reported.position.head:
        return reported  # the position was found in that very file
    found = decisions.begins_at(origin)
    if found is None and not reported.is_cut:
        _tell_cut(decisions)
        return replace(reported, is_cut=True)
    return reported if found is None else replace(reported, origin=found)


def _tell_cut(decisions: DecisionLog) -> None:
    hint = "put its files back, then run emosieve report rebuild; rotate or archive no decisions*.jsonl"
    log.warning("decisions.cut", path=f"{decisions.root}/decisions.jsonl", hint=hint)
