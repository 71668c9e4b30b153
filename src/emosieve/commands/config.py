"""``emosieve config``: the effective settings, and their schema."""

import typer

from emosieve.commands.options import Config, Profile, Root, Set, load_settings
from emosieve.commands.output import Json, columns, echo_json

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
    from emosieve.record.lines import json_bytes  # noqa: PLC0415 - needed here alone
    from emosieve.settings.refusals import origin_words  # noqa: PLC0415 - the same
    from emosieve.text import escape  # noqa: PLC0415 - the same

    loaded = load_settings(config, profile, overrides, root)
    rows = loaded.rows()
    if json:
        settings = [{"key": key, "value": value, "origin": origin} for key, value, origin in rows]
        echo_json({"schema": 1, "settings": settings})
        return
    language = loaded.settings.language
    shown = [
        (escape(key), escape(json_bytes(value).decode(), 4096), origin_words(origin).text(language))
        for key, value, origin in rows
    ]
    typer.echo("\n".join(columns(shown)))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the settings file.

    Example: emosieve config schema > emosieve.schema.json
    """
    from emosieve.settings import Settings  # noqa: PLC0415 - pydantic is slow to import

    echo_json(Settings.model_json_schema())
