"""``emosieve report``: the text report."""

import os

import typer

from emosieve.commands.options import Config, Profile, Root, Set, load_settings, required_root

app = typer.Typer(help="The text report, quality_report.txt.", no_args_is_help=True)


@app.callback()
def _report() -> None:
    pass


@app.command()
def rebuild(root: Root = None, config: Config = None, profile: Profile = None, overrides: Set = None) -> None:
    """Make quality_report.txt anew from the decision log.

    Example: emosieve report rebuild outputs --set language=en
    """
    from emosieve.intake import Intake  # noqa: PLC0415 - needed here alone

    loaded = load_settings(config, profile, overrides, root)
    real = os.path.realpath(required_root(loaded))
    Intake(real, loaded.settings).rebuild_report()
    typer.echo(f"{real}/quality_report.txt")
