"""What the READMEs show of the code: ``python tests/docs.py`` writes tables and terminal sessions into both."""

import re
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import chinese
from emosieve.commands.cli import EXIT_STATUS, app
from emosieve.errors import RuleError
from emosieve.judge.expression import compile_expression
from emosieve.judge.fields import FIELDS, Field
from emosieve.judge.rules import BUILT_IN
from emosieve.service.logs import EVENTS
from emosieve.settings import Settings
from emosieve.settings.rules import CustomRule, Profile
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
    """Key, default and English meaning; which rules there are stands in the table of the rules."""
    return list(_settings(Settings))


def _settings(model: type[BaseModel], prefix: str = "") -> typing.Iterator[tuple[str, Any, str]]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if name == "profiles":
            yield from _settings(Profile, f"{name}.NAME.")
        elif name == "actions":
            yield f"{prefix}{name}.RULE", None, field.description or ""
        elif name == "custom":
            yield from _settings(CustomRule, "[[rules.custom]] ")
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _settings(annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.default, field.description or ""


def _shown(default: Any) -> str:
    return "" if default is None or default is PydanticUndefined else f"`{orjson.dumps(default).decode()}`"


def rules_table(language: Language) -> str:
    """Every built-in rule with its default action, in words and as it is written."""
    rows = [
        (
            f"`{rule.name}`",
            rule.action if language == "en" else chinese.ACTIONS[rule.action],
            f"`{rule.when}`",
            rule.meaning.zh if language == "zh" else rule.meaning.en,
        )
        for rule in BUILT_IN
    ]
    return _table(("rule", "action", "written", "fires when"), rows, language)


def fields_table(language: Language) -> str:
    """Everything that a rule may look at; the nine scores stand in one row."""
    rows = [
        (
            f"`{field.name}`" if field.name != "scores.angry" else "`scores.angry` … `scores.unknown`",
            field.unit().text(language) if field.unit else chinese.TEXT if language == "zh" else "text",
            _range(field),
            chinese.ORIGINS[field.origin] if language == "zh" else ORIGINS[field.origin],
            field.meaning.zh if language == "zh" else field.meaning.en,
        )
        for field in FIELDS.values()
        if not field.name.startswith("scores.") or field.name in {"scores.count", "scores.angry"}
    ]
    return _table(("field", "unit", "range", "from", "meaning"), rows, language)


ORIGINS = {
    "result": "result.json",
    "files": "file names",
    "header": "wav header",
    "samples": "wav samples",
    "settling": "settling",
}


def _range(field: Field) -> str:
    if field.lowest is None:
        return ""
    return f"{field.lowest:g} …" if field.highest is None else f"{field.lowest:g} … {field.highest:g}"


def refusals_table(language: Language) -> str:
    """Rules that are refused, each with what emosieve says of it."""
    return _table(("rule", "what emosieve says"), [_refused(text, language) for text in REFUSED], language)


REFUSED = (
    "confidense < 0.6",
    "confidence < 60%",
    "confidence < 60",
    'confidence < "0.6"',
    "top1 < 0.5",
    'top1 == "hapy"',
    "snr_db < 8 && gap < 0.1",
    "confidence < 0.6 or",
    "confidence",
    "0.5 < 0.6",
    "__import__('os')",
)


def _refused(text: str, language: Language) -> tuple[str, str]:
    try:
        compile_expression(text, FIELDS)
    except RuleError as error:
        return f"`{text}`", error.message.text(language)
    raise AssertionError(text)


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
    "fields": fields_table,
    "refusals": refusals_table,
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
