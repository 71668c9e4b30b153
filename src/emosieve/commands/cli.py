"""The command line, put together. Exit status: 0 done, 1 some tasks failed or pending, 2 set-up or usage."""

import sys
from typing import Annotated

import typer

from emosieve import __version__
from emosieve.commands import (
    check,
    config,
    demo,
    explain,
    reclassify,
    report,
    restore,
    stats,
    status,
    sweep,
    tail,
    watch,
)
from emosieve.errors import SetupError

app = typer.Typer(
    name="emosieve",
    help="Files the results of the Emotion2Vec+ Large WebUI into normal/ and low_quality/, and says why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:  # noqa: FBT001 - typer calls it so
    if value:
        typer.echo(f"emosieve {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass


app.command()(watch.watch)
app.command()(sweep.sweep)
app.command()(explain.explain)
app.command()(tail.tail)
app.command()(status.status)
app.command()(stats.stats)
app.command()(check.check)
app.add_typer(config.app, name="config")
app.command()(restore.restore)
app.command()(reclassify.reclassify)
app.add_typer(report.app, name="report")
app.command()(demo.demo)


def run() -> int:
    """Run the command line; gives the exit status."""
    try:
        app(prog_name="emosieve")
    except SetupError as error:
        for line in str(error).splitlines():
            print(f"emosieve: {line}", file=sys.stderr)  # noqa: T201 - the answer to the operator
        return 2
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"emosieve: {where}{error.strerror or error}; nothing is lost, try again", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
