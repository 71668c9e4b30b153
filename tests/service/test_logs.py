"""emosieve's own log: one way for everything, readable on a terminal, JSON elsewhere."""

import fcntl
import io
import json
import logging
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import structlog

from emosieve.service.logs import EVENTS, configure_logs
from emosieve.settings.models import Log

SOURCE = Path(__file__).parents[2] / "src" / "emosieve"


class Terminal(io.StringIO):
    """A stream that calls itself a terminal."""

    def isatty(self) -> bool:
        """It does."""
        return True


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    """The JSON lines of a stream."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_where_nobody_looks() -> None:
    """Without a terminal each event is one JSON object with time, level and name."""
    stream = io.StringIO()
    configure_logs(Log(), stream)
    structlog.get_logger().info("watch.ready", root="/outputs")

    (event,) = written(stream)
    assert ("watch.ready", "info", "/outputs") == (event["event"], event["level"], event["root"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", event["time"])


@pytest.mark.parametrize(
    ("stream", "settings"), [(Terminal(), Log()), (io.StringIO(), Log(format="console"))]
)
def test_sentences_on_a_terminal(stream: io.StringIO, settings: Log) -> None:
    """A decision reads as one: mark, verdict, task, emotion, confidence, reasons."""
    configure_logs(settings, stream)
    log = structlog.get_logger()
    task = {"task": "outputs_1", "emotion": "sad", "confidence": 0.41}
    log.info(
        "task.filed", verdict="low_quality", findings=["low_confidence"], destination="b/outputs_1", **task
    )
    log.info("task.filed", verdict="normal", findings=[], destination="a/outputs_1.2", **task)
    log.info("task.filed", task="x", verdict="normal", emotion=None, confidence=None, destination="a/x")
    log.error("watch.blocked", cause="ENOSPC", retry_seconds=None)

    assert [
        "✗ low_quality outputs_1  sad 0.410  low_confidence",
        "✓ normal      outputs_1  sad 0.410  → a/outputs_1.2",
        "✓ normal      x  - -",
        "ERROR watch.blocked cause=ENOSPC",
    ] == [line[9:] for line in stream.getvalue().splitlines()]


def test_the_standard_library_and_warnings_go_the_same_way() -> None:
    """watchdog's own log and Python's warnings are events like any other."""
    stream = io.StringIO()
    configure_logs(Log(), stream)
    logging.getLogger("watchdog.observers").warning("queue %s", "overflowed")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful", stacklevel=1)

    first, second = written(stream)
    assert ("queue overflowed", "watchdog.observers") == (first["event"], first["logger"])
    assert "careful" in second["event"]


def test_nothing_raw_reaches_the_terminal() -> None:
    """Control characters of outside strings are escaped in either format."""
    for settings in (Log(format="json"), Log(format="console")):
        stream = io.StringIO()
        configure_logs(settings, stream)
        structlog.get_logger().info("task.left_alone", name="\x1b[2J\u202e\x9b")

        assert stream.getvalue()[:-1].isprintable()


def test_the_level_hides_what_is_below_it() -> None:
    """With level warning a decision is not shown."""
    stream = io.StringIO()
    configure_logs(Log(level="warning"), stream)
    structlog.get_logger().info("task.filed")
    structlog.get_logger().warning("task.overdue")

    assert ["task.overdue"] == [event["event"] for event in written(stream)]


def test_a_traceback_is_part_of_its_event() -> None:
    """An exception stays readable, stays one line of JSON, and shows nothing raw."""
    stream = io.StringIO()
    configure_logs(Log(), stream)
    try:
        raise ValueError("wrong \x9b2J\u202e")  # noqa: TRY301 - there must be one to log
    except ValueError:
        structlog.get_logger().exception("internal.error")

    (event,) = written(stream)
    assert event["exception"].endswith("\nValueError: wrong \\u009b2J\\u202e")


def test_every_event_is_listed_and_used() -> None:
    """The names in the table are just those that the code logs."""
    source = "".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    used = set(re.findall(r"log\.(?:debug|info|warning|error)\(\s*\"([a-z_.]+)\"", source))

    assert sorted(EVENTS) == sorted(used)


def test_lines_that_nobody_takes_are_left_out_and_counted() -> None:
    """A full pipe keeps nobody waiting for ever; when it is read again, the log says how many lines are missing."""
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as read, open(writer, "w", encoding="utf-8") as stream:
        size = fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)
        os.write(writer, bytes(size - 1) + b"\n")
        configure_logs(Log(format="json"), stream)
        log = structlog.get_logger()
        for number in range(3):
            log.info("watch.ready", number=number)
        os.read(reader, size)
        log.info("watch.ready", number=3)
        lines = [json.loads(line) for line in read.read(size).splitlines()]

    assert [("log.left_out", 3), ("watch.ready", 3)] == [
        (one["event"], one.get("lines", one.get("number"))) for one in lines
    ]


@pytest.mark.parametrize(
    ("settings", "begin"), [(Log(level="debug"), '{"time"'), (Log(format="console", level="debug"), "")]
)
def test_the_journal_learns_the_priority(
    settings: Log, begin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where stderr is the journal each line begins with its own, as syslog counts; of a traceback, too."""
    with (tmp_path / "journal").open("w+", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        configure_logs(settings, stream)
        log = structlog.get_logger()
        log.debug("watch.ready")
        log.info("watch.ready")
        log.warning("task.overdue")
        log.error("watch.blocked", exception="first\nsecond")
        lines = (tmp_path / "journal").read_text("utf-8").splitlines()

    assert [f"<{number}>{begin}" for number in (7, 6, 4, 3)] == [line[: 3 + len(begin)] for line in lines[:4]]
    assert {"<3>"} == {line[:3] for line in lines[3:]}


def test_another_stream_than_the_journal_has_no_priorities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is inherited by what a service starts, whose stderr may lead elsewhere."""
    monkeypatch.setenv("JOURNAL_STREAM", "9:1")
    with (tmp_path / "log").open("w", encoding="utf-8") as stream:
        configure_logs(Log(), stream)
        structlog.get_logger().info("watch.ready")

    assert (tmp_path / "log").read_text("utf-8").startswith("{")


def test_without_a_stderr_it_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was started with its stderr closed works all the same."""
    monkeypatch.setattr(sys, "stderr", None)
    configure_logs(Log())

    assert None is structlog.get_logger().info("watch.ready")
    assert None is logging.getLogger("watchdog").warning("lost")  # type: ignore[func-returns-value]
