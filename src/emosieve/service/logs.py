"""emosieve's own log: structlog to stderr, readable on a terminal, JSON otherwise."""

import logging
import os
import select
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Final, TextIO

import orjson
import structlog

from emosieve.settings.models import Log
from emosieve.text import Phrase, escape

log = structlog.get_logger()

_PATIENCE_SECONDS: Final = 1.0
"""How long a line waits for room when its reader falls behind."""

EVENTS: Mapping[str, Phrase] = {
    "watch.waiting": Phrase(
        "the root does not exist, or cannot be reached; cause; it is waited for",
        "输出目录不存在或无法访问，正在等待；附原因",
    ),
    "watch.ready": Phrase(
        "the root is watched and every standing task was looked at; mode and reason",
        "已开始监视输出目录，原有任务都已查看；附监视方式和原因",
    ),
    "watch.degraded": Phrase(
        "the kernel refused events; polling goes on, the limit is named; tried again at each rescan",
        "内核拒绝提供事件，改用轮询；附达到的上限；每次重新列目录时再试",
    ),
    "watch.healed": Phrase(
        "events come again: a watch that died or was refused was armed anew",
        "事件恢复：失效或被拒绝的监视已重新建立",
    ),
    "watch.overflow": Phrase(
        "the kernel lost events; the root is listed anew",
        "内核丢失了事件，已重新列出输出目录",
    ),
    "watch.deaf": Phrase(
        "a listing found what no event announced; polling goes on",
        "有任务没有事件通知，是列目录时发现的；改用轮询",
    ),
    "watch.root_changed": Phrase(
        "the root was deleted, renamed or mounted over; all is opened anew",
        "输出目录被删除、改名或重新挂载，已全部重新打开",
    ),
    "watch.blocked": Phrase(
        "nothing can be filed now; cause, and seconds to the next try",
        "暂时无法归档；附原因和多少秒后重试",
    ),
    "watch.unblocked": Phrase(
        "filing goes on",
        "恢复归档",
    ),
    "watch.stopping": Phrase(
        "a signal came; what is logged is being filed",
        "收到停止信号，正在把已记录的任务归档完",
    ),
    "watch.stopped": Phrase(
        "the end, with how many were filed since the start",
        "已停止；附启动以来的归档数量",
    ),
    "task.filed": Phrase(
        "a decision: verdict, emotion, confidence, findings, destination",
        "一个任务已归档：判定、情感、置信度、命中的规则、去向",
    ),
    "task.quarantined": Phrase(
        "a result can never be read; reason",
        "结果始终无法读取，已隔离；附原因",
    ),
    "task.joined": Phrase(
        "a late directory's files went to the filed task of its name",
        "迟到的文件已放进同名的已归档任务",
    ),
    "task.overdue": Phrase(
        "a task without a result; it stays",
        "任务超时仍没有结果，留在原处",
    ),
    "task.left_alone": Phrase(
        "a name that is no task's, or a symlink",
        "名字不符合任务的要求，或是符号链接，不予处理",
    ),
    "task.unreadable": Phrase(
        "a task may not be read; it stays, and is tried again",
        "没有权限读取任务，任务留在原处，稍后重试",
    ),
    "task.failed": Phrase(
        "a task could not be moved; cause, once per change",
        "任务移动失败；附原因，原因变化时才再次记录",
    ),
    "settings.reloaded": Phrase(
        "SIGHUP: new settings are in force",
        "收到 SIGHUP，新配置已生效",
    ),
    "settings.refused": Phrase(
        "SIGHUP: the new settings are wrong; the old ones stay",
        "收到 SIGHUP，但新配置有误，继续使用旧配置",
    ),
    "settings.need_restart": Phrase(
        "SIGHUP: root, filing or metrics changed; that needs a restart",
        "收到 SIGHUP，但 root、filing 或 metrics 有改动，需要重启",
    ),
    "service.unheard": Phrase(
        "the service manager that started emosieve cannot be told that it lives; cause",
        "无法向启动 emosieve 的服务管理器报告状态；附原因",
    ),
    "intake.owed": Phrase(
        "a run that died left moves to be made; they come first",
        "上次异常退出时有任务尚未移动，先完成这些移动",
    ),
    "intake.no_locks": Phrase(
        "the file system has no locks; start no second emosieve",
        "文件系统不支持锁，请不要启动第二个 emosieve",
    ),
    "decisions.no_locks": Phrase(
        "the decision log's file system has no locks; beside watch run nothing that moves tasks",
        "判定日志所在的文件系统不支持锁，watch 运行时请勿执行移动任务的命令",
    ),
    "decisions.unwritable": Phrase(
        "a note could not be logged; decisions are not affected",
        "有一条附注无法写入判定日志，判定不受影响",
    ),
    "decisions.unreadable": Phrase(
        "a line of the decision log is no event, and was passed over",
        "判定日志中有一行不是事件，已跳过",
    ),
    "decisions.cut": Phrase(
        "the decision log no longer holds all that was reported; the reports themselves are kept",
        "判定日志已不完整，报告过的部分判定已不在其中；原有的质量报告会保留",
    ),
    "report.kept": Phrase(
        "reports with entries that are in no decision log any more were kept under another name",
        "质量报告中有判定日志里已不存在的条目，已改名保留",
    ),
    "report.set_aside": Phrase(
        "a report of another program was kept under another name",
        "其他程序的报告已改名保留",
    ),
    "report.failing": Phrase(
        "the report cannot be written; filing goes on",
        "质量报告无法写入，归档照常进行",
    ),
    "report.mended": Phrase(
        "the report is written again",
        "质量报告恢复写入",
    ),
    "checkpoint.unwritable": Phrase(
        "the checkpoint cannot be written; a restart replays more",
        "检查点无法写入，重启时要多重放一些日志",
    ),
    "source.pattern_too_slow": Phrase(
        "a pattern of source.patterns takes too long, and is not used any more",
        "source.patterns 中有一个表达式耗时过长，已停用",
    ),
    "status.unwritable": Phrase(
        "what the command status reads cannot be written; filing goes on",
        "status 命令所读的状态文件无法写入，归档照常进行",
    ),
    "log.left_out": Phrase(
        "nobody read this log for a while; so many lines are missing here",
        "日志一度无人读取，此处缺少若干行",
    ),
    "check.warning": Phrase(
        "the check at start found something",
        "启动检查发现了问题",
    ),
    "internal.error": Phrase(
        "a fault in emosieve itself; the loop goes on",
        "emosieve 自身的错误，主循环继续运行",
    ),
}
"""Every event name, with what it means."""

_PRIORITIES: Final = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3}
"""syslog's, by which ``journalctl -p`` chooses."""
_MARKS = {"normal": "✓", "low_quality": "✗"}


def configure_logs(settings: Log, stream: TextIO | None = None, *, terminal: bool | None = None) -> None:
    """Send structlog, the standard library's logging and warnings the same way.

    Args:
        settings: format and level.
        stream: where to; stderr when not given, or nowhere without one.
        terminal: whether that is one; asked of the stream when not given.
    """
    stream = stream or sys.stderr  # which is None where it was closed before the start
    if terminal is None:
        terminal = stream is not None and stream.isatty()
    console = settings.format == "console" or (settings.format == "auto" and terminal)
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer(serializer=_as_json)
    if console:
        renderer = _render_wrapped if terminal else render_line
    lines = _Lines(stream)
    handler = _Foreign(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED[:-1], structlog.stdlib.add_logger_name, _escape_values],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[*_SHARED, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Logger(lines),
        cache_logger_on_first_use=False,
    )


def is_journal(stream: TextIO) -> bool:
    """Whether a stream leads straight to systemd's journal, which names it by device and inode."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False  # it is no file
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def with_priority(text: str, level: str) -> str:
    """Each line of a text with the priority of a level in front, as the journal takes it off again."""
    prefix = f"<{_PRIORITIES.get(level, 3)}>"
    return prefix + text.replace("\n", f"\n{prefix}")


class _Lines:
    """Writes lines to a stream, and leaves them out while nobody takes them off its hands.

    A full pipe, or a terminal that was halted by Ctrl-S, would hold the daemon for ever, deaf to a stop.
    The decisions are in their own log; this one must not keep them waiting.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._patience = _PATIENCE_SECONDS
        self._left_out = 0
        self._is_journal = stream is not None and is_journal(stream)

    def write(self, text: str, level: str) -> None:
        """Write one event; nothing where no stream is, or its reader went away."""
        if self._stream is None:
            return
        if self._left_out and self._has_room(self._stream):
            lines, self._left_out = self._left_out, 0
            log.warning("log.left_out", lines=lines)
        if not self._has_room(self._stream):
            self._left_out += 1
            return
        with suppress(OSError, ValueError):
            self._stream.write((with_priority(text, level) if self._is_journal else text) + "\n")
            self._stream.flush()

    def _has_room(self, stream: TextIO) -> bool:
        """Whether a line of usual length can be written at once; waited for, but not again and again."""
        try:
            descriptor = stream.fileno()
        except (OSError, ValueError):
            return True  # it is no file
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        has_room = bool(poll.poll(self._patience * 1000))
        self._patience = _PATIENCE_SECONDS if has_room else 0.0
        return has_room


class _Logger:
    """Where structlog's own events end: a decision is one of thousands, and need not be a record of logging's."""

    def __init__(self, lines: _Lines) -> None:
        self.debug = partial(lines.write, level="DEBUG")
        self.info = partial(lines.write, level="INFO")
        self.warning = partial(lines.write, level="WARNING")
        self.error = partial(lines.write, level="ERROR")


class _Foreign(logging.Handler):
    """What others say through the standard library's logging, watchdog above all."""

    def __init__(self, lines: _Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.write(self.format(record), record.levelname)


def _as_json(event: MutableMapping[str, Any], default: Callable[[Any], Any]) -> str:
    return orjson.dumps(event, default=default).decode()


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
            lines = value.split("\n") if key == "exception" else [value]
            event[key] = "\n".join(escape(line, 2000) for line in lines)
    return event


_SHARED: Final[list[structlog.typing.Processor]] = [
    structlog.processors.add_log_level,
    _add_time,
    structlog.processors.format_exc_info,
    _escape_values,
]
"""What is done to every event before it becomes a line."""
