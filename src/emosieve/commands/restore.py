"""``emosieve restore``: what a person decides."""

import os
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated

import typer

from emosieve.commands.in_force import LOG, REPORT, settings_on
from emosieve.commands.options import Config, Profile, Set, load_settings
from emosieve.commands.output import Json, echo_json
from emosieve.errors import SetupError
from emosieve.text import Phrase

if TYPE_CHECKING:
    from emosieve.settings import Settings

_NO_ROOT = Phrase(
    "{task}: no parent holds decisions.jsonl; give --set root=... or a path under the root",
    "{task}：上级目录中没有 decisions.jsonl；请加 --set root=输出目录，或给出输出目录内的路径",
)
_TWO_PLACES = Phrase(
    "{task}: stands in {first} and {second}; give the path of one",
    "{task}：在 {first} 和 {second} 都有；请给出其中一个的路径",
)


def restore(
    tasks: Annotated[
        list[str], typer.Argument(help="Paths of filed tasks; or their names, with --set root=FOLDER.")
    ],
    *,
    json: Json = False,
    config: Config = None,
    profile: Profile = None,
    overrides: Set = None,
) -> None:
    """Move filed tasks to the other side; quarantined ones go back to be judged anew.

    Example: emosieve restore outputs/low_quality/outputs_20240104_223000
    """
    from emosieve.commands.moves import echo_outcome, moves_document  # noqa: PLC0415 - needed here alone
    from emosieve.intake import Intake, NotDone  # noqa: PLC0415 - the same
    from emosieve.revision import restore as restore_tasks  # noqa: PLC0415 - the same
    from emosieve.service.logs import configure_logs  # noqa: PLC0415 - the same

    loaded = load_settings(config, profile, overrides)
    settings = loaded.settings
    configure_logs(settings.log)
    outcomes = []
    settings_of = cache(partial(settings_on, loaded=loaded, concerns=(*REPORT, *LOG, "filing")))
    for root, paths in _by_root(tasks, settings.root, settings_of).items():
        intake = Intake(root, settings_of(root))
        intake.report.keeps_layout = True
        for outcome in restore_tasks(intake, paths):
            outcomes.append((intake, outcome))
            if not json:
                echo_outcome(outcome, settings.language)
    if json:
        echo_json({"schema": 1, **moves_document(outcomes)})
    if any(isinstance(outcome, NotDone) for _, outcome in outcomes):
        raise typer.Exit(1)


def _by_root(
    tasks: Iterable[str], given: str | None, settings_of: "Callable[[str], Settings]"
) -> dict[str, list[str]]:
    """The tasks' paths under the roots that they belong to; a bare name is looked up under the given root."""
    from emosieve.revision import root_of  # noqa: PLC0415 - needed here alone

    given = os.path.realpath(given) if given else None
    paths: dict[str, list[str]] = {}
    for task in tasks:
        folders = settings_of(given).filing.model_dump().values() if given else ()
        path = _find(task, given, folders)
        root = root_of(path) or given
        if root is None:
            raise SetupError(_NO_ROOT(task=task))
        paths.setdefault(root, []).append(path)
    return paths


def _find(task: str, root: str | None, folders: Iterable[str]) -> str:
    """A path as given, or a bare name under the root's folders."""
    if "/" in task or os.path.lexists(task) or root is None:
        return os.path.abspath(task)
    places = [os.path.join(root, folder, task) for folder in folders]
    standing = [place for place in places if os.path.lexists(place)]
    if len(standing) > 1:
        raise SetupError(_TWO_PLACES(task=task, first=standing[0], second=standing[1]))
    return os.path.abspath(standing[0] if standing else task)
