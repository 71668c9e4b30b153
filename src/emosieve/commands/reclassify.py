"""``emosieve reclassify``: today's rules over what is filed already."""

from typing import Annotated

import typer

from emosieve.commands.options import Config, Profile, Root, Set, load_settings, standing_root


def reclassify(
    *,
    root: Root = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change; write nothing.")] = False,
    unlogged: Annotated[
        bool,
        typer.Option("--unlogged", help="Also tasks that stand in a folder without a decision."),
    ] = False,
    by_hand: Annotated[
        bool,
        typer.Option("--by-hand", help="Also tasks that a person restored or reviewed."),
    ] = False,
    config: Config = None,
    profile: Profile = None,
    overrides: Set = None,
) -> None:
    """Judge all filed tasks by today's rules and move those that change sides.

    Example: emosieve reclassify outputs --profile customer_service --dry-run
    """
    from emosieve.intake import Done, Intake  # noqa: PLC0415 - needed here alone
    from emosieve.revision import in_batches  # noqa: PLC0415 - the same
    from emosieve.revision import reclassify as reclassify_root  # noqa: PLC0415 - the same
    from emosieve.service.logs import configure_logs  # noqa: PLC0415 - the same

    loaded = load_settings(config, profile, overrides, root)
    intake = Intake(standing_root(loaded), loaded.settings)
    configure_logs(loaded.settings.log)
    found = list(reclassify_root(intake, loaded.settings.rule_set, unlogged=unlogged, by_hand=by_hand))
    changing = [one.proposal for one in found if one.left_alone is None]
    moved = failed = 0
    for batch in in_batches(changing):
        for outcome in intake.preview(batch) if dry_run else intake.commit(batch):
            if isinstance(outcome, Done):
                moved += 1
                typer.echo(f"{outcome.source} → {outcome.destination}")
            else:
                failed += 1
                typer.echo(f"{outcome.source}: not moved: {outcome.cause}", err=True)
    typer.echo(f"{moved} {'would change' if dry_run else 'changed'} sides")
    for reason, option in (("restored", "--by-hand"), ("reviewed", "--by-hand"), ("unlogged", "--unlogged")):
        count = sum(one.left_alone == reason for one in found)
        if count:
            typer.echo(f"{count} {reason} ones would too, and were left alone ({option} takes them along)")
    if failed:
        raise typer.Exit(1)
