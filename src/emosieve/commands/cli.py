"""The command line, put together."""

import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from emosieve import __version__
from emosieve.commands import (
    check,
    config,
    demo,
    explain,
    export,
    health,
    reclassify,
    report,
    restore,
    stats,
    status,
    sweep,
    tail,
    watch,
)
from emosieve.commands.completion import heed_shell
from emosieve.commands.language import environment_language, speak, spoken
from emosieve.errors import SetupError, code_of, next_step
from emosieve.text import Message, Phrase, escape

EXIT_STATUS: Mapping[int, Phrase] = MappingProxyType(
    {
        0: Phrase("done", "完成"),
        1: Phrase(
            "some tasks failed or still stand; health: unhealthy", "有任务失败或仍留在原处；health：异常"
        ),
        2: Phrase("something must be set up or typed differently", "配置、环境或命令的写法需要改正"),
        130: Phrase("stopped by Ctrl-C", "被 Ctrl-C 中断"),
        143: Phrase("sweep was stopped by SIGTERM", "sweep 被 SIGTERM 停止"),
    },
)
"""What each exit status says to whoever called."""

_PASSING = Phrase("{cause}; nothing is lost, try again", "{cause}；没有丢失任何结果，请重试")
_MENDABLE = Phrase(
    "{cause}; nothing is lost; {step}, then try again", "{cause}；没有丢失任何结果；请{step}，然后重试"
)


class _Commands(TyperGroup):
    """Says what was typed wrongly without the control characters in it: a shell may have made it of file names."""

    def make_context(self, *arguments: Any, **keywords: Any) -> Any:
        with _escaped_errors():
            return super().make_context(*arguments, **keywords)

    def invoke(self, ctx: Any) -> Any:
        with _escaped_errors():
            return super().invoke(ctx)


@contextmanager
def _escaped_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message"):  # one of the command line's own, whose class has no public name
            for name, value in vars(error).items():
                if isinstance(value, str):
                    setattr(error, name, escape(value, len(value)))
        raise


app = typer.Typer(
    cls=_Commands,
    name="emosieve",
    help="Files the results of the Emotion2Vec+ Large WebUI into normal/ and low_quality/, and says why.",
    epilog=f"Exit status: {', '.join(f'{status} {phrase.en}' for status, phrase in EXIT_STATUS.items())}.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
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
app.command()(health.health)
app.command()(stats.stats)
app.command()(export.export)
app.command()(check.check)
app.add_typer(config.app, name="config")
app.command()(restore.restore)
app.command()(reclassify.reclassify)
app.add_typer(report.app, name="report")
app.command()(demo.demo)


def run() -> int:
    """Run the command line; gives the exit status."""
    speak(environment_language())  # until the settings say otherwise
    _allow_any_encoding()
    try:
        heed_shell(sys.argv[1:])
        app(prog_name="emosieve")
    except SetupError as error:
        _say(error.text(spoken()))
        return 2
    except OSError as error:
        _say(_passing(error).text(spoken()))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _passing(error: OSError) -> Message:
    reason = error.strerror or str(error)
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    cause, step = f"{where}{reason}", next_step(code_of(error))
    return _MENDABLE(cause=cause, step=step) if step else _PASSING(cause=cause)


def _allow_any_encoding() -> None:
    """Show what the locale's encoding lacks, as GBK lacks a check mark, as an escape instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # it is None where it was closed before the start
            stream.reconfigure(errors="backslashreplace")


def _say(text: str) -> None:
    text = "\n".join(f"emosieve: {line}" for line in text.splitlines())
    if "JOURNAL_STREAM" in os.environ:
        from emosieve.service.logs import is_journal, with_priority  # noqa: PLC0415 - a service needs it alone

        text = with_priority(text, "ERROR") if is_journal(sys.stderr) else text
    print(text, file=sys.stderr)  # noqa: T201 - the answer to the operator
