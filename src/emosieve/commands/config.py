"""``emosieve config``: the effective settings, and their schema."""

import typer

from emosieve.commands.options import Config, Profile, Set, load_settings

app = typer.Typer(help="Show the effective settings, or their JSON Schema.", no_args_is_help=True)


@app.command()
def show(config: Config = None, profile: Profile = None, overrides: Set = None) -> None:
    """Print every setting with its effective value and where it came from.

    Example: emosieve config show --profile customer_service
    """
    import json  # noqa: PLC0415 - needed here alone

    rows = load_settings(config, profile, overrides).rows()
    shown = [(key, json.dumps(value, ensure_ascii=False), origin) for key, value, origin in rows]
    widths = [max(len(row[column]) for row in shown) for column in (0, 1)]
    for key, value, origin in shown:
        typer.echo(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {origin}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the settings file.

    Example: emosieve config schema > emosieve.schema.json
    """
    import json  # noqa: PLC0415 - needed here alone

    from emosieve.settings import Settings  # noqa: PLC0415 - the same

    typer.echo(json.dumps(Settings.model_json_schema(), ensure_ascii=False, indent=2))
