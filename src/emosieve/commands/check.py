"""``emosieve check``: whether it can work here."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from emosieve.commands.in_force import RULES, loaded_on
from emosieve.commands.options import Config, Profile, Root, Set, load_settings, required_root
from emosieve.commands.output import Json, columns, echo_json, styled, wrapped
from emosieve.text import Language, Message, Phrase, escape

if TYPE_CHECKING:
    from emosieve.service.preflight import Line
    from emosieve.settings import Loaded

_LEAST_WIDTH = 40
_PATH_LIMIT = 4096

LEVELS = {
    "ok": Phrase("ok", "通过"),
    "warning": Phrase("warning", "警告"),
    "error": Phrase("error", "错误"),
}
SUBJECTS = {
    "emosieve": Phrase("emosieve", "程序"),
    "settings": Phrase("settings", "配置"),
    "profile": Phrase("profile", "预设"),
    "rules": Phrase("rules", "规则"),
    "actions": Phrase("actions", "动作"),
    "audio": Phrase("audio", "音频"),
    "root": Phrase("root", "输出目录"),
    "permission": Phrase("permission", "权限"),
    "filing.normal": Phrase("filing.normal", "正常目录"),
    "filing.low_quality": Phrase("filing.low_quality", "低质量目录"),
    "filing.quarantine": Phrase("filing.quarantine", "隔离目录"),
    "files": Phrase("files", "自有文件"),
    "decisions": Phrase("decisions", "判定日志"),
    "tasks": Phrase("tasks", "任务"),
    "moves": Phrase("moves", "移动方式"),
    "settle.require": Phrase("settle.require", "必需文件"),
    "events": Phrase("events", "文件事件"),
    "writers": Phrase("writers", "写入检测"),
    "locks": Phrase("locks", "文件锁"),
    "intake": Phrase("intake", "运行情况"),
    "inotify": Phrase("inotify", "inotify"),
    "space": Phrase("space", "磁盘空间"),
    "clock": Phrase("clock", "时钟"),
}
"""Every subject of the check, as people read it; in JSON it is its own name."""

_ONE_WARNING = Phrase("1 warning", "1 个警告")
_WARNINGS = Phrase("{count} warnings", "{count} 个警告")
_ONE_PROBLEM = Phrase("1 problem", "1 个问题")
_PROBLEMS = Phrase("{count} problems", "{count} 个问题")
_BOTH = Phrase("{problems}, {warnings}", "{problems}，{warnings}")
_CAN_WORK = Phrase("emosieve can work here", "emosieve 可以在此运行")
_CAN_WORK_WARNED = Phrase("emosieve can work here; {warnings}", "emosieve 可以在此运行；{warnings}")
_CANNOT_WORK = Phrase("{counts}: emosieve cannot work here yet", "{counts}：emosieve 暂时无法在此运行")
_FOLDED = Phrase(
    "nothing else to report; -v shows what was looked at", "没有其他需要说明的；加 -v 可查看检查了哪些项目"
)

Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show what is in order as well, and what was found there.")
]


def check(
    *,
    root: Root = None,
    json: Json = False,
    verbose: Verbose = False,
    config: Config = None,
    profile: Profile = None,
    overrides: Set = None,
) -> None:
    """Say whether emosieve can work on a root, and what to do if not; writes nothing.

    The answer comes first, then what is wrong, then what is worth knowing.
    Exit status 0, also with warnings; 2 with any error.

    Example: emosieve check /root/emotion2vec/outputs
    """
    from emosieve.service.preflight import examine_all, worst  # noqa: PLC0415 - watchdog is needed here alone

    loaded = load_settings(config, profile, overrides, root)
    path = required_root(loaded)
    lines = examine_all(path, _examined(path, loaded))
    if json:
        documents = [_document(line) for line in lines]
        level = worst(lines)
        echo_json({"schema": 1, "root": escape(path, _PATH_LIMIT), "level": level, "lines": documents})
    else:
        typer.echo("\n".join(_answer(lines, loaded.settings.language, verbose=verbose)))
    if worst(lines) == "error":
        raise typer.Exit(2)


def _examined(path: str, loaded: "Loaded") -> "Loaded":
    """Return the settings to be examined: those that were named, or, where none were, those in force on the root."""
    from emosieve.settings.loading import COMMAND_LINE  # noqa: PLC0415 - pydantic is slow to import

    if loaded.config or set(loaded.keys_from(COMMAND_LINE)) - {"root"}:
        return loaded
    return loaded_on(os.path.realpath(path), loaded, (*RULES, "settle", "watch", "filing"))


def _document(line: "Line") -> dict[str, str | None]:
    return {
        "level": line.level,
        "subject": line.subject,
        "message": str(line.message),
        "hint": str(line.hint) if line.hint else None,
    }


def _answer(lines: Sequence["Line"], language: Language, *, verbose: bool) -> Iterator[str]:
    """The verdict, then the errors, the warnings, and what is in order, which only some want to see."""
    yield _verdict(lines, language)
    shown = [line for level in ("error", "warning", "ok") for line in lines if line.level == level]
    shown = shown if verbose else [line for line in shown if line.level != "ok"]
    if shown:
        yield ""
        yield from _shown(shown, language)
    if len(shown) < len(lines):
        yield ""
        yield from wrapped(_FOLDED().text(language), _width())


def _width() -> int:
    return max(_LEAST_WIDTH, shutil.get_terminal_size().columns)


def _shown(lines: Sequence["Line"], language: Language) -> Iterator[str]:
    """The lines as people read them: level and subject in columns, the rest wrapped beside them."""
    heads = columns([(LEVELS[line.level]().text(language), _label(line, language), "|") for line in lines])
    told: set[str] = set()
    for line, head in zip(lines, heads, strict=True):
        hint = line.hint.text(language) if line.hint else ""
        # What several lines advise is said once.
        yield from _line(line, head.removesuffix("|"), "" if hint in told else hint, language)
        told.add(hint)


def _label(line: "Line", language: Language) -> str:
    return SUBJECTS[line.subject]().text(language)


def _line(line: "Line", head: str, hint: str, language: Language) -> Iterator[str]:
    from rich.cells import cell_len  # noqa: PLC0415 - rich is slow to import

    indent = " " * cell_len(head)
    room = _width() - len(indent)
    first, *more = wrapped(line.message.text(language), room)
    level = LEVELS[line.level]().text(language)
    yield styled(level, line.level) + head.removeprefix(level) + first
    yield from (indent + one for one in more)
    for number, one in enumerate(wrapped(hint, room - 2) if hint else ()):
        yield f"{indent}{'  ' if number else '→ '}{one}"


def _verdict(lines: Sequence["Line"], language: Language) -> str:
    """The first line: whether emosieve can work here, and how many of each."""
    count = Counter(line.level for line in lines)
    warnings = _counted(count["warning"], _ONE_WARNING, _WARNINGS)
    problems = _counted(count["error"], _ONE_PROBLEM, _PROBLEMS)
    if problems:
        counts = _BOTH(problems=problems, warnings=warnings) if warnings else problems
        return styled(_CANNOT_WORK(counts=counts).text(language), "error")
    words = _CAN_WORK_WARNED(warnings=warnings) if warnings else _CAN_WORK()
    return styled(words.text(language), "warning" if warnings else "ok")


def _counted(count: int, one: Phrase, many: Phrase) -> Message | None:
    return many(count=count) if count > 1 else one() if count else None
