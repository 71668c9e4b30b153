"""``emosieve reclassify``: today's rules over what is filed already."""

from collections import Counter
from typing import Annotated

import typer

from emosieve.commands.in_force import LOG, REPORT, RULES, settings_on
from emosieve.commands.options import Config, Profile, Root, Set, load_settings, standing_root
from emosieve.commands.output import Json, echo_json
from emosieve.text import Phrase

_CHANGED = Phrase(
    "judged: {judged}, changed sides: {moved}",
    "重新判定 {judged} 个任务，其中 {moved} 个改变判定并已移动",
)
_WOULD_CHANGE = Phrase(
    "judged: {judged}, would change sides: {moved}",
    "重新判定 {judged} 个任务，其中 {moved} 个的判定会改变（尚未移动）",
)
_LEFT_ALONE = {
    "restored": Phrase(
        "restored by hand, left alone though they would change: {count} (--by-hand takes them along)",
        "人工改判过、判定会改变但未移动：{count} 个（加 --by-hand 可一并处理）",
    ),
    "reviewed": Phrase(
        "reviewed by hand, left alone though they would change: {count} (--by-hand takes them along)",
        "人工复核过、判定会改变但未移动：{count} 个（加 --by-hand 可一并处理）",
    ),
    "unlogged": Phrase(
        "unlogged, left alone though they would change: {count} (--unlogged takes them along)",
        "无记录、判定会改变但未移动：{count} 个（加 --unlogged 可一并处理）",
    ),
}


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
    json: Json = False,
    config: Config = None,
    profile: Profile = None,
    overrides: Set = None,
) -> None:
    """Judge all filed tasks by today's rules and move those that change sides.

    Example: emosieve reclassify outputs --profile customer_service --dry-run
    """
    from emosieve.commands.moves import echo_outcome, moves_document  # noqa: PLC0415 - needed here alone
    from emosieve.intake import Intake  # noqa: PLC0415 - the same
    from emosieve.revision import in_batches  # noqa: PLC0415 - the same
    from emosieve.revision import reclassify as reclassify_root  # noqa: PLC0415 - the same
    from emosieve.service.logs import configure_logs  # noqa: PLC0415 - the same

    loaded = load_settings(config, profile, overrides, root)
    root_path = standing_root(loaded)
    settings = settings_on(root_path, loaded, (*RULES, *REPORT, *LOG, "filing"))
    intake = Intake(root_path, settings)
    intake.report.keeps_layout = True
    configure_logs(settings.log)
    language = loaded.settings.language
    judged: Counter[str] = Counter()
    found = list(
        reclassify_root(
            intake,
            settings.rule_set,
            unlogged=unlogged,
            by_hand=by_hand,
            on_judged=lambda: judged.update(["judged"]),
        )
    )
    left_alone = Counter(one.left_alone for one in found if one.left_alone)
    outcomes = []
    for batch in in_batches(one.proposal for one in found if one.left_alone is None):
        for outcome in intake.preview(batch) if dry_run else intake.commit(batch):
            outcomes.append((intake, outcome))
            if not json:
                echo_outcome(outcome, language)
    document = moves_document(outcomes)
    if json:
        counts = {"judged": judged.total(), "left_alone": {one: left_alone[one] for one in _LEFT_ALONE}}
        echo_json({"schema": 1, "root": intake.root, "dry_run": dry_run, **counts, **document})
    else:
        summary = _WOULD_CHANGE if dry_run else _CHANGED
        messages = [summary(judged=judged.total(), moved=len(document["moved"]))]
        messages += [_LEFT_ALONE[reason](count=count) for reason, count in left_alone.items()]
        typer.echo("\n".join(message.text(language) for message in messages))
    if document["failed"]:
        raise typer.Exit(1)
