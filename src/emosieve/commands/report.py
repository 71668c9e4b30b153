"""``emosieve report``: the text report."""

import os

import typer

from emosieve.commands.in_force import REPORT, settings_on
from emosieve.commands.options import Config, Profile, Root, Set, load_settings, standing_root
from emosieve.commands.output import Json, echo_json
from emosieve.errors import SetupError
from emosieve.text import Phrase, escape

_NO_DECISIONS = Phrase(
    "{root}: nothing was decided here yet, so there is no report; check the path of the root",
    "{root}：这里还没有任何判定，也就没有质量报告；请检查输出目录的路径",
)

app = typer.Typer(help="The text report, quality_report.txt.", no_args_is_help=True)


@app.callback()
def _report() -> None:
    pass


@app.command()
def rebuild(
    root: Root = None,
    *,
    json: Json = False,
    config: Config = None,
    profile: Profile = None,
    overrides: Set = None,
) -> None:
    """Make quality_report.txt anew from the decision log.

    Example: emosieve report rebuild outputs --set language=en
    """
    from emosieve.intake import Intake  # noqa: PLC0415 - needed here alone
    from emosieve.record.decisions import DecisionLog  # noqa: PLC0415 - the same
    from emosieve.record.report import REPORT_NAME  # noqa: PLC0415 - the same
    from emosieve.service.logs import configure_logs  # noqa: PLC0415 - the same

    loaded = load_settings(config, profile, overrides, root)
    real = standing_root(loaded)
    configure_logs(loaded.settings.log)
    # A run that died between two files of the log left rotated ones alone.
    if not any(os.path.lexists(f"{real}/{name}") for name in DecisionLog(real).files()):
        raise SetupError(_NO_DECISIONS(root=real))
    Intake(real, settings_on(real, loaded, (*REPORT, "filing"))).rebuild_report()
    report = f"{real}/{REPORT_NAME}"
    if json:
        echo_json({"schema": 1, "report": report})
    else:
        typer.echo(escape(report, len(report)))
