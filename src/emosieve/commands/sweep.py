"""``emosieve sweep``: the whole inbox once."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from emosieve.commands.options import Config, Profile, Root, Set, load_settings, required_root

if TYPE_CHECKING:
    from emosieve.service.sweep import Swept

_LEFT_SHOWN = 10


def sweep(
    *,
    root: Root = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")
    ] = False,
    wait: Annotated[
        float | None,
        typer.Option(
            "--wait",
            metavar="SECONDS",
            min=0,
            help="At most so long for tasks written just now; else quiet time + 3.",
        ),
    ] = None,
    config: Config = None,
    profile: Profile = None,
    overrides: Set = None,
) -> None:
    """File the whole inbox once, oldest first, and exit.

    Example: python batch_process.py && emosieve sweep outputs
    """
    from rich.console import Console  # noqa: PLC0415 - rich is needed here alone
    from rich.progress import Progress  # noqa: PLC0415 - the same

    from emosieve.service.logs import configure_logs  # noqa: PLC0415 - the same
    from emosieve.service.preflight import about_settings, heed  # noqa: PLC0415 - the same
    from emosieve.service.sweep import sweep as sweep_root  # noqa: PLC0415 - the same

    loaded = load_settings(config, profile, overrides, root)
    path = required_root(loaded)
    settings = loaded.settings
    quiet = not sys.stderr.isatty() or dry_run
    # On a terminal the bar tells of progress; a line per decision would only hide what matters.
    level = "warning" if not quiet and settings.log.level == "info" else settings.log.level
    with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
        # The bar takes stderr in hand while it stands, so that a line of the log does not tear it.
        configure_logs(settings.log.model_copy(update={"level": level}), terminal=not quiet)
        heed(about_settings(loaded))
        row = bar.add_task("sweep", total=None)
        swept = sweep_root(
            path,
            settings,
            wait=wait,
            dry_run=dry_run,
            progress=lambda done, total: bar.update(row, completed=done, total=total),
        )
    typer.echo("\n".join(_summary(swept)))
    if swept.left or swept.flow.counts.failed:
        raise typer.Exit(1)


def _summary(swept: "Swept") -> list[str]:
    from emosieve.record.report import REPORT_NAME  # noqa: PLC0415 - needed here alone

    tally, folders = swept.tally, swept.flow.intake.folders
    rate = "-" if tally.rejection_rate is None else f"{tally.rejection_rate:.1%}"
    would = "would file" if swept.dry_run else "filed"
    lines = [
        f"{would} {tally.total} tasks in {swept.seconds:.1f} s",
        f"  normal       {tally.normal:>7}  {folders.path(folders.by_verdict['normal'])}",
        f"  low_quality  {tally.low_quality:>7}  {folders.path(folders.by_verdict['low_quality'])}  ({rate})",
    ]
    if tally.quarantined:
        lines.append(
            f"  quarantined  {tally.quarantined:>7}  {folders.path(folders.by_verdict['quarantined'])}"
        )
    if swept.joined:
        lines.append(f"  joined       {swept.joined:>7}  late files went to the filed task of their name")
    report = f"{swept.root}/{REPORT_NAME}"
    if not swept.dry_run and os.path.lexists(report):
        lines.append(f"report: {report}")
    return lines + _left(swept)


def _left(swept: "Swept") -> list[str]:
    if not swept.left:
        return []
    lines = [f"{len(swept.left)} still stand:"]
    lines += [f"  {one.name}: {one.message}" for one in swept.left[:_LEFT_SHOWN]]
    if len(swept.left) > _LEFT_SHOWN:
        lines.append(f"  … and {len(swept.left) - _LEFT_SHOWN} more")
    if any(one.reason == "malformed" for one in swept.left):
        seconds = swept.flow.settling.policy.give_up_seconds
        lines.append(
            f"a result that stays unreadable for {seconds:g} s is quarantined by the next sweep or watch"
        )
    return lines
