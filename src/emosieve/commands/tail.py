"""``emosieve tail``: the last decisions, and the next ones as they come."""

import os
import sys
from collections.abc import Collection
from enum import StrEnum
from typing import Annotated, Final

import typer

from emosieve.commands import completion
from emosieve.commands.options import Config, Profile, Root, Set, load_settings, required_root, standing_root
from emosieve.commands.output import Json
from emosieve.text import Message, Phrase

_LIKELY_RULE: Final = Phrase(
    "--rule {given} is no built-in rule; did you mean {meant}?",
    "--rule {given} 不是内置规则，是否想写 {meant}？",
)
_LIKELY_EMOTION: Final = Phrase(
    "--emotion {given} is no known emotion; did you mean {meant}?",
    "--emotion {given} 不是已知的情感类别，是否想写 {meant}？",
)


class _Verdict(StrEnum):
    NORMAL = "normal"
    LOW_QUALITY = "low_quality"
    QUARANTINED = "quarantined"


def tail(
    *,
    root: Root = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones as they come.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", metavar="N", min=0, help="How many to begin with.")
    ] = 10,
    verdict: Annotated[_Verdict | None, typer.Option("--verdict", help="Only with this verdict.")] = None,
    rule: Annotated[
        str | None,
        typer.Option(
            "--rule",
            metavar="RULE",
            help="Only with a finding of this rule.",
            autocompletion=completion.rules,
        ),
    ] = None,
    emotion: Annotated[
        str | None,
        typer.Option(
            "--emotion",
            metavar="EMOTION",
            help="Only of this emotion, as angry, anger or 生气.",
            autocompletion=completion.emotions,
        ),
    ] = None,
    max_confidence: Annotated[
        float | None,
        typer.Option(
            "--max-confidence", metavar="SHARE", min=0, max=1, help="Only of at most this confidence."
        ),
    ] = None,
    json: Json = False,
    config: Config = None,
    profile: Profile = None,
    overrides: Set = None,
) -> None:
    """Show the last decisions, and with -f the next ones as they come.

    A decision is shown when it passes all filters that are given.
    --json prints the lines of decisions.jsonl as they stand there.

    Example: emosieve tail outputs --follow --verdict low_quality
    """
    from emosieve.commands.decision_stream import DecisionStream  # noqa: PLC0415 - orjson is needed here
    from emosieve.judge.labels import CLASSES, class_of  # noqa: PLC0415 - needed here alone
    from emosieve.judge.rules import DEFAULT_ACTIONS  # noqa: PLC0415 - the same
    from emosieve.record.selection import Selection  # noqa: PLC0415 - the same

    loaded = load_settings(config, profile, overrides, root)
    path = required_root(loaded)
    if not follow or os.path.exists(path):
        standing_root(loaded)
    label = None if emotion is None else class_of(emotion) or emotion
    for phrase, given, known in ((_LIKELY_RULE, rule, DEFAULT_ACTIONS), (_LIKELY_EMOTION, label, CLASSES)):
        likely = _likely(phrase, given, known)
        if likely is not None:
            typer.echo(f"emosieve: {likely.text(loaded.settings.language)}", err=True)
    if sys.stdout is None:
        return  # it was closed before the start: nobody reads
    selection = Selection(verdict, rule, label, max_confidence)
    stream = DecisionStream(path, selection, loaded.settings.language, raw=json)
    if follow:
        stream.follow(lines)
    else:
        stream.print_last(lines)


def _likely(phrase: Phrase, given: str | None, known: Collection[str]) -> Message | None:
    """What was probably meant; a name that only the log knows may be right all the same."""
    if given is None or given in known:
        return None
    import difflib  # noqa: PLC0415 - needed for typing errors alone

    close = difflib.get_close_matches(given, known, n=1)
    return phrase(given=given, meant=close[0]) if close else None
