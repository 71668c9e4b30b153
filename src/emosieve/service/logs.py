"""emosieve's own log: structlog to stderr, readable on a terminal, JSON otherwise."""

import logging
import shutil
import sys
import textwrap
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from typing import Any, TextIO

import structlog

from emosieve.settings.models import Log
from emosieve.text import escape

EVENTS: Mapping[str, str] = {
    "watch.waiting": "the root does not exist yet; it is waited for",
    "watch.ready": "the root is watched and every standing task was looked at; mode and reason",
    "watch.degraded": "the kernel refused events; polling goes on, the limit is named",
    "watch.healed": "a dead watch was armed again",
    "watch.overflow": "the kernel lost events; the root is listed anew",
    "watch.deaf": "a listing found what no event announced; polling goes on",
    "watch.root_changed": "the root was deleted, renamed or mounted over; all is opened anew",
    "watch.blocked": "nothing can be filed now; cause, and seconds to the next try",
    "watch.unblocked": "filing goes on",
    "watch.stopping": "a signal came; what is logged is being filed",
    "watch.stopped": "the end, with how many were filed since the start",
    "task.filed": "a decision: verdict, emotion, confidence, findings, destination",
    "task.quarantined": "a result can never be read; reason",
    "task.joined": "a late directory's files went to the filed task of its name",
    "task.overdue": "a task without a result; it stays",
    "task.left_alone": "a name that is no task's, or a symlink",
    "task.unreadable": "a task may not be read; it stays, and is tried again",
    "task.failed": "a task could not be moved; cause, once per change",
    "settings.reloaded": "SIGHUP: new settings are in force",
    "settings.refused": "SIGHUP: the new settings are wrong; the old ones stay",
    "settings.need_restart": "SIGHUP: root or filing changed; that needs a restart",
    "intake.owed": "a run that died left moves to be made; they come first",
    "intake.no_locks": "the file system has no locks; start no second emosieve",
    "decisions.unwritable": "a note could not be logged; decisions are not affected",
    "decisions.unreadable": "a line of the decision log is no event, and was passed over",
    "report.set_aside": "a report of another program was kept under another name",
    "report.failing": "the report cannot be written; filing goes on",
    "report.mended": "the report is written again",
    "checkpoint.unwritable": "the checkpoint cannot be written; a restart replays more",
    "status.unwritable": "what the command status reads cannot be written; filing goes on",
    "check.warning": "the check at start found something",
    "internal.error": "a fault in emosieve itself; the loop goes on",
}
"""Every event name, with what it means."""

_MARKS = {"normal": "✓", "low_quality": "✗"}


def configure_logs(settings: Log, stream: TextIO | None = None, *, terminal: bool | None = None) -> None:
    """Send structlog, the standard library's logging and warnings the same way.

    Args:
        settings: format and level.
        stream: where to; stderr when not given.
        terminal: whether that is one; asked of the stream when not given.
    """
    stream = stream or sys.stderr
    terminal = stream.isatty() if terminal is None else terminal
    console = settings.format == "console" or (settings.format == "auto" and terminal)
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        _add_time,
        structlog.processors.format_exc_info,
        _escape_values,
    ]
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    if console:
        renderer = _render_wrapped if terminal else render_line
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared[:-1], structlog.stdlib.add_logger_name, _escape_values],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    # A closed stderr (a pipe whose reader went away) must not become a traceback for each line.
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _render_wrapped(logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
    """The line, broken at spaces where the terminal would break it anywhere."""
    width = max(40, shutil.get_terminal_size().columns)
    line = render_line(logger, name, event)
    return textwrap.fill(
        line, width, subsequent_indent=" " * 11, break_long_words=False, break_on_hyphens=False
    )


def render_line(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> str:
    """One readable line: a decision as a sentence, anything else as its event name and values."""
    clock = str(event.pop("time", ""))[11:19]
    level = str(event.pop("level", "info"))
    name = str(event.pop("event", ""))
    if name == "task.filed":
        return f"{clock} {_decision_words(event)}"
    values = " ".join(f"{key}={value}" for key, value in event.items() if value is not None)
    shown = "" if level == "info" else f"{level.upper()} "
    return f"{clock} {shown}{name} {values}".rstrip()


def _decision_words(event: Mapping[str, Any]) -> str:
    verdict = str(event["verdict"])
    confidence = event.get("confidence")
    figure = "-" if confidence is None else f"{confidence:.3f}"
    words = (
        f"{_MARKS.get(verdict, ' ')} {verdict:<11} {event['task']}  {event.get('emotion') or '-'} {figure}"
    )
    if event.get("findings"):
        words += f"  {', '.join(event['findings'])}"
    if not str(event["destination"]).endswith(f"/{event['task']}"):
        words += f"  → {event['destination']}"
    return words


def _add_time(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # A plain call, not structlog's TimeStamper: that one fixes the zone's offset when it is made.
    time = datetime.now().astimezone().isoformat(timespec="milliseconds")
    return {"time": time, "level": event.pop("level"), "event": event.pop("event"), **event}


def _escape_values(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = escape(value, 2000) if key != "exception" else value
    return event
