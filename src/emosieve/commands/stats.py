"""``emosieve stats``: numbers over the decision log, and what other rules would make of it."""

from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emosieve.commands import completion
from emosieve.commands.filters import Since, Source, Until
from emosieve.commands.in_force import RULES, settings_on
from emosieve.commands.options import (
    Config,
    Profile,
    Root,
    Set,
    load_settings,
    retyped,
    standing_root,
)
from emosieve.commands.output import Json, echo_json
from emosieve.commands.period import read_period
from emosieve.errors import SetupError
from emosieve.text import Phrase, escape

if TYPE_CHECKING:
    from emosieve.record.breakdown import Breakdown, Period, Take
    from emosieve.record.comparison import Comparison
    from emosieve.record.sources import Sources
    from emosieve.record.statistics import Effect, Tally

_RULE_SETTINGS = ("rules.", "profiles.")
_NO_GROUP = Phrase(
    "--by source needs source.group, a regular expression with one group around the agent or line in a recording's"
    " name, as --set source.group='agent(\\d+)_'",
    "--by source 需要配置 source.group：用含一个分组的正则表达式取出录音文件名里的坐席或线路，"
    "例如 --set source.group='agent(\\d+)_'",
)
_SLOW_GROUP = Phrase(
    "source.group = {pattern}: takes too long over a recording's name; write it without repeats in repeats",
    "source.group = {pattern}：匹配录音文件名耗时过长；请不要在重复里再套重复",
)


class _By(StrEnum):
    SOURCE = "source"


def stats(
    *,
    root: Root = None,
    since: Since = None,
    until: Until = None,
    source: Source = None,
    by: Annotated[
        _By | None,
        typer.Option("--by", help="Count by source.group of the recordings' names instead: agents or lines."),
    ] = None,
    with_profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Judge all decisions anew by this profile and compare.",
            autocompletion=completion.profiles,
        ),
    ] = None,
    json: Json = False,
    config: Config = None,
    profile: Profile = None,
    overrides: Set = None,
) -> None:
    """Show how many results were kept or rejected, by emotion, day and rule, and what other rules would do.

    It reads the decision log alone and writes nothing. --with-profile NAME, or
    --set rules.KEY=VALUE, judges every decision anew and shows how many would
    change sides; what a person decided stays.

    Example: emosieve stats outputs --since 7d --with-profile customer_service
    """
    from emosieve.commands import stats_text  # noqa: PLC0415 - needed here alone
    from emosieve.judge.source import TooSlow  # noqa: PLC0415 - the same
    from emosieve.record.breakdown import Breakdown, count  # noqa: PLC0415 - the same
    from emosieve.record.comparison import Comparison  # noqa: PLC0415 - the same
    from emosieve.record.decisions import DecisionLog  # noqa: PLC0415 - the same
    from emosieve.record.selection import is_of_source  # noqa: PLC0415 - the same
    from emosieve.record.sources import Sources  # noqa: PLC0415 - the same
    from emosieve.service.logs import configure_logs  # noqa: PLC0415 - the same

    loaded = load_settings(config, with_profile or profile, overrides, root)
    path = standing_root(loaded)
    is_compared = with_profile or any(text.startswith(_RULE_SETTINGS) for text in overrides or ())
    settings = settings_on(path, loaded, (*(RULES if is_compared else ()), "timezone"))
    group = loaded.settings.source.group or settings.source.group
    if by and not group:
        raise SetupError(_NO_GROUP())
    language = loaded.settings.language
    configure_logs(settings.log)
    now = datetime.now(settings.zone).astimezone(settings.zone)
    period = read_period(since, until, settings.zone, now, language)
    breakdown, comparison = Breakdown(), None
    takes: list[Take] = [breakdown.take]
    if is_compared:
        comparison = Comparison(settings.rule_set)
        takes.append(comparison.take)
    sources = Sources(group) if by else None
    if sources:
        takes.append(sources.take)
    wanted = partial(is_of_source, glob=source) if source is not None else None
    try:
        unreadable = count(DecisionLog(path).read(), period, *takes, wanted=wanted)
    except TooSlow as error:
        raise SetupError(_SLOW_GROUP(pattern=str(error))) from None
    if json:
        document = _document(path, period, breakdown, comparison, unreadable)
        echo_json(document | {"sources": _sources(sources)} if sources else document)
        return
    tables = partial(stats_text.sources, sources.groups(), language) if sources else None
    lines = stats_text.answer(path, period, breakdown, comparison, language, tables=tables)
    if unreadable:
        lines += ["", stats_text.say("unreadable", language, count=unreadable)]
    if comparison and breakdown.first:
        options = retyped(config, with_profile or profile, overrides)
        lines += ["", stats_text.say("next", language)]
        lines += [f"{stats_text.command_line('reclassify', path, '--dry-run')}{options}"]
    typer.echo("\n".join(lines))


def _document(
    root: str,
    period: "Period",
    breakdown: "Breakdown",
    comparison: "Comparison | None",
    unreadable: int,
) -> dict[str, Any]:
    tally = breakdown.tally()
    return {
        "schema": 1,
        "root": escape(root, len(root)),
        "since": period.since and period.since.isoformat(),
        "until": period.until and period.until.isoformat(),
        "first": escape(breakdown.first) or None,
        "last": escape(breakdown.last) or None,
        **_sides(tally),
        "quarantined": tally.quarantined,
        "unreadable": unreadable,
        "effect": {"before": _effect(tally.before), "after": _effect(tally.after)},
        "emotions": [
            {"emotion": emotion, **_sides(one), "mean_confidence": one.before.mean_confidence}
            for emotion, one in breakdown.emotions().items()
        ],
        "days": [
            {"day": day, **_sides(one), "quarantined": one.quarantined}
            for day, one in breakdown.days().items()
        ],
        "rules": [asdict(one) for one in breakdown.rules()],
        "comparison": comparison and _compared(comparison),
    }


def _sources(sources: "Sources") -> list[dict[str, Any]]:
    return [
        {"source": group, **_sides(one), "mean_confidence": one.before.mean_confidence}
        for group, one in sources.groups().items()
    ]


def _sides(tally: "Tally") -> dict[str, Any]:
    return {
        "decided": tally.total,
        "normal": tally.normal,
        "low_quality": tally.low_quality,
        "rejection_rate": tally.rejection_rate,
    }


def _effect(effect: "Effect") -> dict[str, Any]:
    return {
        "count": effect.count,
        "mean_confidence": effect.mean_confidence,
        "mean_gap": effect.mean_gap,
        "neutral_share": effect.neutral_share,
    }


def _compared(comparison: "Comparison") -> dict[str, Any]:
    rules = comparison.rules
    return {
        "profile": rules.profile,
        "limits": asdict(rules.limits),
        "actions": {rule.name: rule.action for rule in rules.all},
        "rules_digest": rules.digest,
        "by_hand": comparison.by_hand,
        "undecided": comparison.undecided,
        "then": _sides(comparison.then),
        "now": _sides(comparison.now),
        "newly_rejected": comparison.newly_rejected,
        "newly_accepted": comparison.newly_accepted,
        "rules": [asdict(one) for one in comparison.by_rule()],
    }
