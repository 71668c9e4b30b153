"""``emosieve export``: the latest decision of each task as a table, a workbook or JSON lines."""

import os
import signal
import sys
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from emosieve.commands.filters import (
    MaxConfidence,
    OfEmotion,
    OfRule,
    OfVerdict,
    Since,
    Source,
    Until,
    selection_of,
)
from emosieve.commands.in_force import settings_on
from emosieve.commands.options import Config, Profile, Root, Set, load_settings, standing_root
from emosieve.commands.period import read_period
from emosieve.text import Language, Phrase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emosieve.commands.export_rows import Row
    from emosieve.record.breakdown import Period
    from emosieve.record.selection import Selection

_WRITTEN: Final = Phrase("decisions written: {count:,} → {path}", "已导出 {count:,} 个判定 → {path}")
_UNREADABLE: Final = Phrase(
    "lines of the log left out, for they are of a foreign shape: {count:,}",
    "日志中有 {count:,} 行格式不符，未导出",
)
_STDOUT: Final = "-"


def export(
    *,
    root: Root = None,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="What to write: FILE.csv, FILE.xlsx or FILE.jsonl; - for CSV on stdout.",
        ),
    ] = _STDOUT,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that stands there.")] = False,
    since: Since = None,
    until: Until = None,
    verdict: OfVerdict = None,
    rule: OfRule = None,
    emotion: OfEmotion = None,
    max_confidence: MaxConfidence = None,
    source: Source = None,
    config: Config = None,
    profile: Profile = None,
    overrides: Set = None,
) -> None:
    """Write the latest decision of each task into a table, one row each, for Excel or a program.

    Each task has its latest decision: superseded, restored and reclassified ones
    are replaced by what followed them. All given filters must match.
    --verdict low_quality makes a list of what to record again.

    Example: emosieve export outputs --output again.csv --verdict low_quality --since 7d
    """
    from emosieve.commands.decision_stream import quiet_when_left  # noqa: PLC0415 - needed here alone
    from emosieve.commands.export_files import csv_rows, format_of, written  # noqa: PLC0415 - the same
    from emosieve.service.logs import configure_logs  # noqa: PLC0415 - the same

    loaded = load_settings(config, profile, overrides, root)
    path = standing_root(loaded)
    settings = settings_on(path, loaded, ("timezone",))
    language = loaded.settings.language
    configure_logs(settings.log)
    form = None if output == _STDOUT else format_of(output, may_replace=force)
    now = datetime.now(settings.zone).astimezone(settings.zone)
    period = read_period(since, until, settings.zone, now, language)
    selection = selection_of(
        language, verdict=verdict, rule=rule, emotion=emotion, max_confidence=max_confidence, source=source
    )
    # What is written aside is removed when this ends, which a signal must not skip.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    rows = _Rows(path, period, selection, language)
    if form is not None:
        with written(output, form, may_replace=force) as write:
            for row in rows:
                write(row)
        typer.echo(_WRITTEN(count=rows.count, path=os.path.abspath(output)).text(language))
    elif sys.stdout is not None:  # else it was closed before the start: nobody reads
        with quiet_when_left(), csv_rows(sys.stdout.buffer) as write:
            for row in rows:
                write(row)
    if rows.unreadable:
        typer.echo(f"emosieve: {_UNREADABLE(count=rows.unreadable).text(language)}", err=True)


class _Rows:
    """The rows of an export, and how many there were.

    Args:
        root: the root.
        period: when they were decided.
        selection: what they are.
        language: of their reasons.
    """

    def __init__(self, root: str, period: "Period", selection: "Selection", language: Language) -> None:
        self._root = root
        self._period = period
        self._selection = selection
        self._language: Language = language
        self.count = 0
        self.unreadable = 0

    def __iter__(self) -> "Iterator[Row]":
        from emosieve.commands.export_rows import row_of  # noqa: PLC0415 - orjson is needed here alone
        from emosieve.record.breakdown import NOT_READABLE  # noqa: PLC0415 - the same
        from emosieve.record.decisions import START, DecisionLog  # noqa: PLC0415 - the same
        from emosieve.record.standing import standing  # noqa: PLC0415 - the same

        log = DecisionLog(self._root)
        end = log.end()
        if end == START:
            return
        # Twice up to the same line, whatever a daemon appends meanwhile.
        for one in standing(partial(log.read, until=end), self._leave_out):
            try:
                if not (self._selection.takes(one.event) and self._period.holds(one.time)):
                    continue
                row = row_of(one, self._root, self._language)
            except NOT_READABLE:
                self._leave_out()
                continue
            self.count += 1
            yield row

    def _leave_out(self) -> None:
        self.unreadable += 1
