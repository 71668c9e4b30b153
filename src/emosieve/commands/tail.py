"""``emosieve tail``: the last decisions, and the next ones as they come."""

import os
import sys
from typing import Annotated

import typer

from emosieve.commands.filters import MaxConfidence, OfEmotion, OfRule, OfVerdict, Source, selection_of
from emosieve.commands.options import Config, Profile, Root, Set, load_settings, required_root, standing_root
from emosieve.commands.output import Json


def tail(
    *,
    root: Root = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones as they come.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", metavar="N", min=0, help="How many to begin with.")
    ] = 10,
    verdict: OfVerdict = None,
    rule: OfRule = None,
    emotion: OfEmotion = None,
    max_confidence: MaxConfidence = None,
    source: Source = None,
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

    loaded = load_settings(config, profile, overrides, root)
    path = required_root(loaded)
    if not follow or os.path.exists(path):
        standing_root(loaded)
    language = loaded.settings.language
    selection = selection_of(
        language, verdict=verdict, rule=rule, emotion=emotion, max_confidence=max_confidence, source=source
    )
    if sys.stdout is None:
        return  # it was closed before the start: nobody reads
    stream = DecisionStream(path, selection, language, raw=json)
    if follow:
        stream.follow(lines)
    else:
        stream.print_last(lines)
