"""The answer of ``emosieve stats`` for people: tables of 80 columns, in either language."""

import shlex
from collections.abc import Callable, Mapping, Sequence

from emosieve.commands.output import columns, hanging, shortened, styled
from emosieve.commands.rules_in_force import differences
from emosieve.judge.names import EMOTIONS, RULES, with_key
from emosieve.record.breakdown import Breakdown, Period, RuleCount
from emosieve.record.comparison import Comparison, RuleChange
from emosieve.record.statistics import Tally
from emosieve.text import Language, Message, Phrase, escape, number

ROWS_SHOWN = 14
"""Days and emotions of one table; ``--json`` has all."""
_NAME_PLACES = 24
"""Places of an emotion or rule name, which come from outside: no table has more than 56 others."""

WORDS: Mapping[str, Phrase] = {
    "decisions": Phrase(en="Decisions: {count:,}, {first} – {last}", zh="{count:,} 个判定，{first} – {last}"),
    "quarantined": Phrase(
        en="Quarantined: {count:,}, counted by day alone",
        zh="另有 {count:,} 个已隔离，仅计入按日统计",
    ),
    "effect": Phrase(en="effect of filtering", zh="筛选效果"),
    "before": Phrase(en="before", zh="筛选前"),
    "after": Phrase(en="after", zh="筛选后"),
    "results": Phrase(en="results", zh="结果数"),
    "mean_confidence": Phrase(en="mean confidence", zh="平均置信度"),
    "mean_gap": Phrase(en="mean gap", zh="平均差距"),
    "neutral_share": Phrase(en="neutral share", zh="中性占比"),
    "verdict": Phrase(en="verdict", zh="判定"),
    "emotion": Phrase(en="emotion", zh="情感"),
    "source": Phrase(en="source", zh="来源"),
    "day": Phrase(en="day", zh="日期"),
    "decided": Phrase(en="decided", zh="判定数"),
    "normal": Phrase(en="normal", zh="正常"),
    "low_quality": Phrase(en="low_quality", zh="低质量"),
    "rejected": Phrase(en="rejected", zh="剔除率"),
    "confidence": Phrase(en="confidence", zh="平均置信度"),
    "in_quarantine": Phrase(en="quarantined", zh="已隔离"),
    "rule": Phrase(en="rule", zh="规则"),
    "fired": Phrase(en="fired", zh="命中"),
    "rejects": Phrase(en="rejects", zh="剔除"),
    "flags": Phrase(en="flags", zh="标记"),
    "alone": Phrase(en="decided alone", zh="单独剔除"),
    "then": Phrase(en="then", zh="原先"),
    "now": Phrase(en="now", zh="现在"),
    "fired_then": Phrase(en="fired then", zh="原先命中"),
    "alone_then": Phrase(en="alone then", zh="原先单独剔除"),
    "fired_now": Phrase(en="fired now", zh="现在命中"),
    "alone_now": Phrase(en="alone now", zh="现在单独剔除"),
    "changes": Phrase(en="changes sides, by rule", zh="改变判定（按规则）"),
    "count": Phrase(en="decisions", zh="个数"),
    "newly_rejected": Phrase(en="normal → low_quality", zh="正常 → 低质量"),
    "newly_accepted": Phrase(en="low_quality → normal", zh="低质量 → 正常"),
    "more_days": Phrase(
        en="Earlier days not shown: {count:,}; --json has all",
        zh="更早的 {count:,} 天未列出，--json 输出全部",
    ),
    "more_emotions": Phrase(
        en="Rarer emotions not shown: {count:,}; --json has all",
        zh="另有 {count:,} 种较少见的情感未列出，--json 输出全部",
    ),
    "more_sources": Phrase(
        en="Sources with fewer decisions not shown: {count:,}; --json has all",
        zh="另有 {count:,} 个判定较少的来源未列出，--json 输出全部",
    ),
    "rules_then": Phrase(en="Then: each by the rules of its day", zh="原先：各判定当时所用的规则"),
    "rules_now": Phrase(en="Now:  ", zh="现在："),
    "rules_of": Phrase(en="profile {rules}", zh="预设 {rules}"),
    "undecided": Phrase(
        en="Not known of {count:,}: these rules ask for audio that was not measured then; reclassify measures it",
        zh="有 {count:,} 个无法试算：这些规则要用音频，当时没有测量；reclassify 会测量",
    ),
    "by_hand": Phrase(
        en="Left out: {count:,}, since what a person decided stays",
        zh="未计入 {count:,} 个人工改判的结果：人工的决定保持不变",
    ),
    "next": Phrase(en="To see which tasks those are:", zh="查看具体是哪些任务："),
    "none": Phrase(en="No decisions yet. To file what stands there:", zh="还没有任何判定。分拣已有的任务："),
    "none_then": Phrase(
        en="No decisions in this period. Without --since and --until all are shown.",
        zh="这段时间内没有判定。去掉 --since 和 --until 可查看全部。",
    ),
    "unreadable": Phrase(
        en="Lines of the log not counted, for they are of a foreign shape: {count:,}",
        zh="日志中有 {count:,} 行格式不符，未计入",
    ),
}


def answer(
    root: str,
    period: Period,
    breakdown: Breakdown,
    comparison: Comparison | None,
    language: Language,
    *,
    tables: Callable[[], list[str]] | None = None,
) -> list[str]:
    """All lines: the period, then the tables, or the comparison where one is asked for; ``tables`` replaces these."""
    lines = [escape(root, len(root))]
    if not breakdown.first:
        return [*lines, *_nothing(root, period, language)]
    lines += _summary(breakdown, language)
    if tables:
        lines += tables()
        return [*lines, *(_compared(comparison, language) if comparison else ())]
    return [*lines, *(_compared(comparison, language) if comparison else _tables(breakdown, language))]


def say(word: str, language: Language, **values: object) -> str:
    """One of ``WORDS`` with its values."""
    return Message(WORDS[word], values).text(language)


def command_line(*words: str) -> str:
    """A command of ours to be typed next, on a line of its own."""
    line = shlex.join(["emosieve", *words])
    return f"  {escape(line, len(line))}"


def _nothing(root: str, period: Period, language: Language) -> list[str]:
    if period:
        return [say("none_then", language)]
    return [say("none", language), command_line("sweep", root)]


def _summary(breakdown: Breakdown, language: Language) -> list[str]:
    tally = breakdown.tally()
    first, last = (escape(time[:19].replace("T", " ")) for time in (breakdown.first, breakdown.last))
    lines = [say("decisions", language, count=tally.total, first=first, last=last)]
    if tally.quarantined:
        lines.append(say("quarantined", language, count=tally.quarantined))
    return lines


def _tables(breakdown: Breakdown, language: Language) -> list[str]:
    return [
        *_effect(breakdown.tally(), language),
        *_emotions(breakdown.emotions(), language),
        *_days(breakdown.days(), language),
        *_rules(breakdown.rules(), language),
    ]


def _compared(comparison: Comparison, language: Language) -> list[str]:
    changes = comparison.by_rule()
    now = say("rules_of", language, rules=differences(comparison.rules))
    counts = {"by_hand": comparison.by_hand, "undecided": comparison.undecided}
    left_out = [
        line
        for key, count in counts.items()
        if count
        for line in hanging("", say(key, language, count=count))
    ]
    return [
        "",
        say("rules_then", language),
        *hanging(say("rules_now", language), now),
        *left_out,
        *_then_and_now(comparison.then, comparison.now, language),
        *_fired(changes, language),
        *_turned(comparison, changes, language),
    ]


def _then_and_now(then: Tally, now: Tally, language: Language) -> list[str]:
    words = ("decided", "normal", "low_quality", "rejected")
    rows = [
        (say(word, language), *pair) for word, *pair in zip(words, _sides(then), _sides(now), strict=True)
    ]
    return _table(("verdict", "then", "now"), rows, language)


def _fired(changes: Sequence[RuleChange], language: Language) -> list[str]:
    rows = [
        (
            _named(one.rule, language),
            *map(_count, (one.fired_then, one.fired_now, one.alone_then, one.alone_now)),
        )
        for one in changes
    ]
    return _table(("rule", "fired_then", "fired_now", "alone_then", "alone_now"), rows, language)


def _turned(comparison: Comparison, changes: Sequence[RuleChange], language: Language) -> list[str]:
    """The sum of each direction, and under it the rules that bring it about; a decision may have several."""
    rejected = [(one.rule, one.newly_rejected) for one in changes if one.newly_rejected]
    accepted = [(one.rule, one.newly_accepted) for one in changes if one.newly_accepted]
    rows = [
        (say("newly_rejected", language), _count(comparison.newly_rejected)),
        *((f"  {_named(rule, language)}", _count(number)) for rule, number in rejected),
        (say("newly_accepted", language), _count(comparison.newly_accepted)),
        *((f"  {_named(rule, language)}", _count(number)) for rule, number in accepted),
    ]
    return _table(("changes", "count"), rows, language)


def _effect(tally: Tally, language: Language) -> list[str]:
    before, after = tally.before, tally.after
    figures = {
        "results": (_count(before.count), _count(after.count)),
        "mean_confidence": (number(before.mean_confidence), number(after.mean_confidence)),
        "mean_gap": (number(before.mean_gap), number(after.mean_gap)),
        "neutral_share": (_percent(before.neutral_share), _percent(after.neutral_share)),
        "rejected": (_percent(tally.rejection_rate), "-"),
    }
    rows = [(say(word, language), *pair) for word, pair in figures.items()]
    return _table(("effect", "before", "after"), rows, language)


def _emotions(tallies: Mapping[str | None, Tally], language: Language) -> list[str]:
    rows = [
        (_named(emotion or "-", language), *_sides(tally), number(tally.before.mean_confidence))
        for emotion, tally in list(tallies.items())[:ROWS_SHOWN]
    ]
    head = ("emotion", "decided", "normal", "low_quality", "rejected", "confidence")
    return [*_table(head, rows, language), *_more("more_emotions", tallies, language)]


def sources(groups: Mapping[str | None, Tally], language: Language) -> list[str]:
    """The table of ``--by source``; the dash stands for recordings that are not known, or have no group."""
    rows = [
        (_name(group or "-"), *_sides(tally), number(tally.before.mean_confidence))
        for group, tally in list(groups.items())[:ROWS_SHOWN]
    ]
    head = ("source", "decided", "normal", "low_quality", "rejected", "confidence")
    return [*_table(head, rows, language), *_more("more_sources", groups, language)]


def _days(tallies: Mapping[str, Tally], language: Language) -> list[str]:
    rows = [
        (day, *_sides(tally), _count(tally.quarantined)) for day, tally in list(tallies.items())[-ROWS_SHOWN:]
    ]
    head = ("day", "decided", "normal", "low_quality", "rejected", "in_quarantine")
    return [*_table(head, rows, language), *_more("more_days", tallies, language)]


def _rules(counts: Sequence[RuleCount], language: Language) -> list[str]:
    rows = [
        (_named(one.rule, language), *map(_count, (one.fired, one.rejects, one.flags, one.alone)))
        for one in counts
    ]
    return _table(("rule", "fired", "rejects", "flags", "alone"), rows, language)


def _sides(tally: Tally) -> tuple[str, str, str, str]:
    return (
        _count(tally.total),
        _count(tally.normal),
        _count(tally.low_quality),
        _percent(tally.rejection_rate),
    )


def _more(
    word: str, tallies: Mapping[str, Tally] | Mapping[str | None, Tally], language: Language
) -> list[str]:
    left = len(tallies) - ROWS_SHOWN
    return [say(word, language, count=left)] if left > 0 else []


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], language: Language) -> list[str]:
    """An empty line and a table, its figures to the right; nothing where it would have no rows."""
    if not rows:
        return []
    headings = [say(word, language) if word else "" for word in head]
    first, *others = columns([headings, *rows], right=range(1, len(head)))
    return ["", styled(first, bold=True), *others]


def _named(name: str, language: Language) -> str:
    """An emotion or a rule, in Chinese with the name that one types; those of our own need not be shortened."""
    return with_key(name, language) if name in EMOTIONS or name in RULES else _name(name)


def _name(text: str) -> str:
    return shortened(text, _NAME_PLACES)


def _count(value: int) -> str:
    return f"{value:,}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
