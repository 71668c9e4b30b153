"""The tables of the README, made from the code: ``python tests/docs.py`` writes them into it."""

import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import typer
from pydantic import BaseModel

from emosieve.commands.cli import app
from emosieve.judge.ruleset import DEFAULT_ACTIONS
from emosieve.service.logs import EVENTS
from emosieve.settings.models import Actions, Settings

TOP = Path(__file__).parents[1]
README = TOP / "README.md"


def settings_table() -> str:
    """Every setting with its default and meaning; those of a profile once, under NAME."""
    rows = [
        (key, _shown(default), meaning)
        for key, default, meaning in _settings(Settings)
        if ".actions." not in key
    ]
    return _table(("setting", "default", "meaning"), rows)


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


def rules_table() -> str:
    """Every rule with its default action."""
    fields = Actions.model_fields
    rows = [(f"`{rule}`", action, fields[rule].description or "") for rule, action in DEFAULT_ACTIONS.items()]
    return _table(("rule", "action", "fires when"), rows)


def events_table() -> str:
    """Every event of emosieve's own log."""
    return _table(("event", "meaning"), [(f"`{name}`", meaning) for name, meaning in EVENTS.items()])


def commands_table() -> str:
    """Every command with the first line of its help."""
    rows = [(f"`emosieve {name}`", _first_line(function)) for name, function in commands()]
    return _table(("command", "what it does"), rows)


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


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


TABLES = {
    "settings": settings_table,
    "rules": rules_table,
    "events": events_table,
    "commands": commands_table,
}


def with_tables(text: str) -> str:
    """A README's text with every marked table made anew."""
    for name, make in TABLES.items():
        marked = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        table = make()
        text = marked.sub(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
