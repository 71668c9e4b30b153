"""``emosieve restore``: what a person decides."""

import os
from typing import Annotated

import typer

from emosieve.commands.options import Config, Profile, Set, load_settings
from emosieve.errors import SetupError


def restore(
    tasks: Annotated[
        list[str], typer.Argument(help="Paths of filed tasks; or their names, with --set root=FOLDER.")
    ],
    config: Config = None,
    profile: Profile = None,
    overrides: Set = None,
) -> None:
    """Move filed tasks to the other side; quarantined ones go back to be judged anew.

    Example: emosieve restore outputs/low_quality/outputs_20240104_223000
    """
    from emosieve.intake import Done, Intake  # noqa: PLC0415 - needed here alone
    from emosieve.revision import restore as restore_tasks  # noqa: PLC0415 - the same
    from emosieve.revision import root_of  # noqa: PLC0415 - the same
    from emosieve.service.logs import configure_logs  # noqa: PLC0415 - the same

    settings = load_settings(config, profile, overrides).settings
    configure_logs(settings.log)
    by_root: dict[str, list[str]] = {}
    for task in tasks:
        path = _find(task, settings.root, settings.filing.model_dump().values())
        root = root_of(path) or (os.path.realpath(settings.root) if settings.root else None)
        if root is None:
            raise SetupError(
                f"{task}: no parent holds decisions.jsonl; give --set root=... or a path under the root"
            )
        by_root.setdefault(root, []).append(path)
    failed = False
    for root, paths in by_root.items():
        for outcome in restore_tasks(Intake(root, settings), paths):
            if isinstance(outcome, Done):
                typer.echo(f"{outcome.source} → {outcome.destination}")
            else:
                failed = True
                typer.echo(f"{outcome.source}: not moved: {outcome.cause}", err=True)
    if failed:
        raise typer.Exit(1)


def _find(task: str, root: str | None, folders: object) -> str:
    """A path as given, or a bare name under the root's folders."""
    if "/" in task or os.path.lexists(task) or root is None:
        return os.path.abspath(task)
    places = [os.path.join(root, str(folder), task) for folder in folders]  # type: ignore[attr-defined]
    standing = [place for place in places if os.path.lexists(place)]
    if len(standing) > 1:
        raise SetupError(f"{task}: stands in {' and '.join(standing)}; give the path of one")
    return os.path.abspath(standing[0] if standing else task)
