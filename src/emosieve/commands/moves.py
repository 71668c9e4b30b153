"""How restore and reclassify tell of the moves that they made, and of those that they could not."""

from collections.abc import Iterable
from typing import Any

import typer

from emosieve.intake import CHANGED, GONE, Done, Intake, NotDone
from emosieve.text import Language, Phrase

_MOVED = Phrase("{source} → {destination}", "{source} → {destination}")
_CAUSES = {
    GONE: Phrase("{source}: not moved: it is gone", "{source}：未移动：任务已经不在了"),
    CHANGED: Phrase(
        "{source}: not moved: it changed since it was looked at; run this again",
        "{source}：未移动：刚才又有改动；请重新执行",
    ),
}
_OTHER_CAUSE = Phrase(
    "{source}: not moved: {cause}; the next watch or sweep tries again",
    "{source}：未移动：{cause}；下次 watch 或 sweep 会再试",
)


def echo_outcome(outcome: Done | NotDone, language: Language) -> None:
    """Tell of one move: what was done on stdout, what was not on stderr."""
    if isinstance(outcome, Done):
        message = _MOVED(source=outcome.source, destination=outcome.destination)
    else:
        phrase = _CAUSES.get(outcome.cause, _OTHER_CAUSE)
        message = phrase(source=outcome.source, cause=outcome.cause)
    typer.echo(message.text(language), err=isinstance(outcome, NotDone))


def moves_document(outcomes: Iterable[tuple[Intake, Done | NotDone]]) -> dict[str, list[dict[str, Any]]]:
    """The same for programs; paths are absolute, for tasks of several roots may stand side by side."""
    moved, failed = [], []
    for intake, outcome in outcomes:
        path = intake.folders.path
        if isinstance(outcome, Done):
            task = outcome.event["task"]
            moved.append({"task": task, "from": path(outcome.source), "to": path(outcome.destination)})
        else:
            failed.append({"task": outcome.task, "path": path(outcome.source), "cause": outcome.cause})
    return {"moved": moved, "failed": failed}
