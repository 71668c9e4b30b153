"""Options by which several commands choose decisions of the log."""

from collections.abc import Collection
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from emosieve.commands import completion
from emosieve.text import Language, Message, Phrase

if TYPE_CHECKING:
    from emosieve.record.selection import Selection


class Verdict(StrEnum):
    """What a decision may say."""

    NORMAL = "normal"
    LOW_QUALITY = "low_quality"
    QUARANTINED = "quarantined"


Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="WHEN",
        help="Decisions from then on: 2024-01-04, 2024-01-04T22:30, today, yesterday, 90m, 24h, 7d, 2w.",
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        "--until", metavar="WHEN", help="Decisions before then; a whole day, as 2024-01-04, is included."
    ),
]
OfVerdict = Annotated[Verdict | None, typer.Option("--verdict", help="Only with this verdict.")]
OfRule = Annotated[
    str | None,
    typer.Option(
        "--rule", metavar="RULE", help="Only with a finding of this rule.", autocompletion=completion.rules
    ),
]
OfEmotion = Annotated[
    str | None,
    typer.Option(
        "--emotion",
        metavar="EMOTION",
        help="Only of this emotion, as angry, anger or 生气.",
        autocompletion=completion.emotions,
    ),
]
MaxConfidence = Annotated[
    float | None,
    typer.Option("--max-confidence", metavar="SHARE", min=0, max=1, help="Only of at most this confidence."),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="GLOB",
        help="Only of recordings whose name matches, as 'agent17_*', case and all.",
    ),
]

_LIKELY_RULE: Final = Phrase(
    "--rule {given} is no built-in rule; did you mean {meant}?",
    "--rule {given} 不是内置规则，是否想写 {meant}？",
)
_LIKELY_EMOTION: Final = Phrase(
    "--emotion {given} is no known emotion; did you mean {meant}?",
    "--emotion {given} 不是已知的情感类别，是否想写 {meant}？",
)


def selection_of(
    language: Language,
    *,
    verdict: Verdict | None,
    rule: str | None,
    emotion: str | None,
    max_confidence: float | None,
    source: str | None,
) -> "Selection":
    """The decisions that these options choose; what was probably mistyped is told on stderr."""
    from emosieve.judge.labels import CLASSES, class_of  # noqa: PLC0415 - slow to import
    from emosieve.judge.rules import DEFAULT_ACTIONS  # noqa: PLC0415 - the same
    from emosieve.record.selection import Selection  # noqa: PLC0415 - the same

    label = None if emotion is None else class_of(emotion) or emotion
    for phrase, given, known in ((_LIKELY_RULE, rule, DEFAULT_ACTIONS), (_LIKELY_EMOTION, label, CLASSES)):
        likely = _likely(phrase, given, known)
        if likely is not None:
            typer.echo(f"emosieve: {likely.text(language)}", err=True)
    return Selection(verdict, rule, label, max_confidence, source)


def _likely(phrase: Phrase, given: str | None, known: Collection[str]) -> Message | None:
    """What was probably meant; a name that only the log knows may be right all the same."""
    if given is None or given in known:
        return None
    import difflib  # noqa: PLC0415 - needed for typing errors alone

    close = difflib.get_close_matches(given, known, n=1)
    return phrase(given=given, meant=close[0]) if close else None
