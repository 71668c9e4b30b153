"""``emosieve config``: the effective settings, and their schema."""

from typing import TYPE_CHECKING, Final

import typer

from emosieve.commands.options import Config, Profile, Root, Set, load_settings
from emosieve.commands.output import Json, columns, echo_json, hanging
from emosieve.text import Phrase, escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emosieve.settings import Loaded

_RULE: Final = Phrase("{count} rule", "{count} 条规则")
_RULES: Final = Phrase("{count} rules", "{count} 条规则")

app = typer.Typer(help="Show the effective settings, or their JSON Schema.", no_args_is_help=True)


@app.command()
def show(
    root: Root = None,
    *,
    json: Json = False,
    config: Config = None,
    profile: Profile = None,
    overrides: Set = None,
) -> None:
    """Print every setting with its effective value and where it came from.

    Example: emosieve config show --profile customer_service
    """
    loaded = load_settings(config, profile, overrides, root)
    if json:
        rows = loaded.rows()
        settings = [{"key": key, "value": value, "origin": origin} for key, value, origin in rows]
        echo_json({"schema": 1, "settings": settings})
        return
    typer.echo("\n".join(_lines(loaded)))


_LONG: Final = 60
"""Longest list that is shown in the column of values, in characters; a longer one is wrapped."""


def _lines(loaded: "Loaded") -> "Iterator[str]":
    """A line for each key; own rules and long lists are wrapped, so that they do not widen the others' column."""
    from emosieve.record.lines import json_bytes  # noqa: PLC0415 - needed here alone
    from emosieve.settings.refusals import OWN_RULES_KEY, origin_words  # noqa: PLC0415 - the same

    language = loaded.settings.language
    own = {f"{OWN_RULES_KEY}.{rule.name}": rule.when for rule in loaded.settings.rules.custom}
    wrapped = dict(own)
    rows = []
    for key, value, origin in loaded.rows():
        shown, source = escape(json_bytes(value).decode(), 4096), origin_words(origin).text(language)
        if own and key == OWN_RULES_KEY:
            count = (_RULES if len(own) > 1 else _RULE)(count=len(own)).text(language)
            rows += [(key, count, source), *((name, "|", "") for name in own)]
        elif isinstance(value, list | tuple) and len(shown) > _LONG:
            wrapped[key] = f"{shown.replace(',', ', ')} ({source})"
            rows.append((key, "|", ""))
        else:
            rows.append((escape(key), shown, source))
    for row, line in zip(rows, columns(rows), strict=True):
        yield from hanging(line.removesuffix("|"), wrapped[row[0]]) if row[0] in wrapped else [line]


@app.command()
def schema() -> None:
    """Print the JSON Schema of the settings file.

    Example: emosieve config schema > emosieve.schema.json
    """
    from emosieve.settings import Settings  # noqa: PLC0415 - pydantic is slow to import

    echo_json(Settings.model_json_schema())
