"""What the READMEs show of the code: ``python tests/docs.py`` writes tables and terminal sessions into both."""

import re
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import typer
from pydantic import BaseModel

import chinese
from emosieve.commands.cli import EXIT_STATUS, app
from emosieve.judge.ruleset import DEFAULT_ACTIONS
from emosieve.service.logs import EVENTS
from emosieve.settings.models import Actions, Settings
from emosieve.text import Language
from promises import PROMISES
from sessions import with_sessions

TOP = Path(__file__).parents[1]
README = TOP / "README.md"
READMES: dict[Language, Path] = {"en": README, "zh": TOP / "README.zh-CN.md"}


def settings_table(language: Language) -> str:
    """Every setting with its default and meaning; those of a profile once, under NAME."""
    rows = [
        (key, _shown(default), meaning if language == "en" else chinese.SETTINGS[key])
        for key, default, meaning in settings_rows()
    ]
    return _table(("setting", "default", "meaning"), rows, language)


def settings_rows() -> list[tuple[str, Any, str]]:
    """Key, default and English meaning; the actions stand in the table of the rules."""
    return [row for row in _settings(Settings) if ".actions." not in row[0]]


def _settings(model: type[BaseModel], prefix: str = "") -> typing.Iterator[tuple[str, Any, str]]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if typing.get_origin(annotation) is dict:
            yield from _settings(typing.get_args(annotation)[1], f"{name}.NAME.")
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _settings(annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.default, field.description or ""


def _shown(default: Any) -> str:
    return "" if default is None else f"`{orjson.dumps(default).decode()}`"


def rules_table(language: Language) -> str:
    """Every rule with its default action."""
    fields = Actions.model_fields
    rows = [
        (f"`{rule}`", action, fields[rule].description or "")
        if language == "en"
        else (f"`{rule}`", chinese.ACTIONS[action], chinese.RULES[rule])
        for rule, action in DEFAULT_ACTIONS.items()
    ]
    return _table(("rule", "action", "fires when"), rows, language)


def events_table(language: Language) -> str:
    """Every event of emosieve's own log."""
    rows = [(f"`{name}`", phrase().text(language)) for name, phrase in EVENTS.items()]
    return _table(("event", "meaning"), rows, language)


def commands_table(language: Language) -> str:
    """Every command with the first line of its help."""
    rows = [
        (f"`emosieve {name}`", _first_line(function) if language == "en" else chinese.COMMANDS[name])
        for name, function in commands()
    ]
    return _table(("command", "what it does"), rows, language)


def exit_table(language: Language) -> str:
    """Every exit status."""
    rows = [(f"{status}", phrase().text(language)) for status, phrase in EXIT_STATUS.items()]
    return _table(("status", "meaning"), rows, language)


def promises_table(language: Language) -> str:
    """Every fault with what is promised under it and the tests that show it."""
    return _table(
        ("whatever happens", "emosieve promises", "shown by"),
        [one.row(language) for one in PROMISES],
        language,
    )


def commands(family: typer.Typer = app, prefix: str = "") -> typing.Iterator[tuple[str, Any]]:
    """Names and functions of all commands, families flattened."""
    for command in family.registered_commands:
        assert command.callback is not None
        yield f"{prefix}{command.name or command.callback.__name__}", command.callback
    for group in family.registered_groups:
        assert group.typer_instance is not None
        yield from commands(group.typer_instance, f"{group.name} ")


def _first_line(function: Any) -> str:
    return str(function.__doc__).strip().partition("\n")[0]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], language: Language) -> str:
    head = head if language == "en" else tuple(chinese.HEADS[cell] for cell in head)
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


TABLES: dict[str, Callable[[Language], str]] = {
    "settings": settings_table,
    "rules": rules_table,
    "events": events_table,
    "commands": commands_table,
    "exit": exit_table,
    "promises": promises_table,
}


def with_tables(text: str, language: Language = "en") -> str:
    """A README's text with every marked table made anew."""
    for name, make in TABLES.items():
        marked = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        table = make(language)
        text = marked.sub(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text)  # type: ignore[misc]
    return text


def write_tables() -> None:
    """Make the tables of both READMEs."""
    _rewrite(with_tables)


def write_sessions() -> None:
    """Run the commands of both READMEs, and write down what they say."""
    _rewrite(with_sessions)


def _rewrite(renew: Callable[[str, Language], str]) -> None:
    for language, readme in READMES.items():
        text = renew(readme.read_text(encoding="utf-8"), language)
        readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_tables()
    write_sessions()
