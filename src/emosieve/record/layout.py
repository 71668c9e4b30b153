"""The text of quality_report.txt, line by line, from events alone. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from emosieve.judge.rules import finding_words
from emosieve.judge.source import NAME_LIMIT
from emosieve.record.statistics import Effect, Tally
from emosieve.text import Language, escape, number

ENTRY_END = "-" * 40
_WIDE = "=" * 50

_WORDS: Mapping[Language, Mapping[str, str]] = MappingProxyType(
    {
        "zh": {
            "title": "emosieve 质量报告",
            "source": "来源: {source}",
            "emotion": "情感: {emotion} | 置信度: {confidence}",
            "scores": "Top1: {top1}, Top2: {top2}, 差距: {gap}",
            "normal": "状态: ✅ 正常 ({findings})",
            "low_quality": "状态: ❌ 低质量 ({findings})",
            "quarantined": "状态: ⚠️ 已隔离 ({reason})",
            "restored": "状态: ♻️ 人工改判 ({from} → {to})",
            "reclassified": "状态: ♻️ 重新判定 ({from} → {to})",
            "flags": " | 标记: {flags}",
            "none": "无",
            "summary": "📊 统计汇总 ({period})",
            "sweep": "分拣 {started} – {ended}",
            "total": "总任务数: {total}",
            "normal_count": "正常结果: {normal}",
            "low_count": "低质量结果: {low_quality}",
            "rate": "剔除率: {rate}",
            "quarantined_count": "已隔离: {quarantined}",
            "effect": "筛选效果 (筛选前 → 筛选后)",
            "mean_confidence": "平均置信度: {before} → {after}",
            "mean_gap": "平均差距 (Top1-Top2): {before} → {after}",
            "neutral_share": "中性占比: {before} → {after}",
        },
        "en": {
            "title": "emosieve quality report",
            "source": "Source: {source}",
            "emotion": "Emotion: {emotion} | Confidence: {confidence}",
            "scores": "Top1: {top1}, Top2: {top2}, Gap: {gap}",
            "normal": "Status: ✅ normal ({findings})",
            "low_quality": "Status: ❌ low quality ({findings})",
            "quarantined": "Status: ⚠️ quarantined ({reason})",
            "restored": "Status: ♻️ restored by hand ({from} → {to})",
            "reclassified": "Status: ♻️ reclassified ({from} → {to})",
            "flags": " | Flags: {flags}",
            "none": "none",
            "summary": "📊 Summary ({period})",
            "sweep": "sweep {started} – {ended}",
            "total": "Total tasks: {total}",
            "normal_count": "Normal results: {normal}",
            "low_count": "Low-quality results: {low_quality}",
            "rate": "Rejection rate: {rate}",
            "quarantined_count": "Quarantined: {quarantined}",
            "effect": "Effect (before → after filtering)",
            "mean_confidence": "Mean confidence: {before} → {after}",
            "mean_gap": "Mean gap: {before} → {after}",
            "neutral_share": "Neutral share: {before} → {after}",
        },
    },
)

TITLES = tuple(words["title"] for words in _WORDS.values())
"""What the first line of a report of ours says, in either language."""


def title(language: Language) -> str:
    """The head of every report file."""
    return f"{_WORDS[language]['title']}\n{_WIDE}\n\n"


def entry(event: Mapping[str, Any], language: Language) -> str | None:
    """The entry of one event, the block of a sweep; ``None`` for events that have neither."""
    words = _WORDS[language]
    match event["event"]:
        case "decided":
            body = _decided(event, words, language)
        case "quarantined":
            body = words["quarantined"].format(reason=escape(str(event.get("reason"))))
        case "restored" | "reclassified" as kind:
            body = words[kind].format(**{key: escape(str(event.get(key))) for key in ("from", "to")})
        case "swept":
            return _sweep_block(event, language)
        case _:
            return None
    source = event.get("source")
    if isinstance(source, str):
        # A line of its own: all others stay as the article's script writes them.
        body = f"{words['source'].format(source=escape(source, NAME_LIMIT))}\n{body}"
    return f"[{escape(str(event.get('task')))}]\n{body}\n{ENTRY_END}\n"


def _decided(event: Mapping[str, Any], words: Mapping[str, str], language: Language) -> str:
    findings = event.get("findings") or []
    rejects = [finding_words(one, language) for one in findings if one["action"] == "reject"]
    flags = [finding_words(one, language) for one in findings if one["action"] != "reject"]
    status = words[event["verdict"]].format(findings="; ".join(rejects) or words["none"])
    if flags:
        status += words["flags"].format(flags="; ".join(flags))
    return "\n".join(
        (
            words["emotion"].format(
                emotion=escape(str(event.get("emotion") or "-")),
                confidence=number(event.get("confidence")),
            ),
            words["scores"].format(
                top1=number(event.get("top1")),
                top2=number(event.get("top2")),
                gap=number(event.get("gap")),
            ),
            status,
        ),
    )


def day_block(day: str, tally: Tally, language: Language) -> str:
    """The summary of one calendar day, as YYYY-MM-DD."""
    return _block(day, tally, language)


def _sweep_block(event: Mapping[str, Any], language: Language) -> str:
    """The summary of one sweep, from its ``swept`` event."""
    period = _WORDS[language]["sweep"].format(
        started=_moment(event.get("started")),
        ended=_moment(event.get("time")),
    )
    return _block(period, Tally.from_dict(event["tally"]), language)


def _block(period: str, tally: Tally, language: Language) -> str:
    words = _WORDS[language]
    lines = [
        _WIDE,
        words["summary"].format(period=period),
        words["total"].format(total=tally.total),
        words["normal_count"].format(normal=tally.normal),
        words["low_count"].format(low_quality=tally.low_quality),
        words["rate"].format(rate=_percent(tally.rejection_rate)),
        words["quarantined_count"].format(quarantined=tally.quarantined),
        words["effect"],
        *_effect(tally.before, tally.after, words),
        _WIDE,
    ]
    return "\n".join(lines) + "\n\n"


def _effect(before: Effect, after: Effect, words: Mapping[str, str]) -> list[str]:
    return [
        words["mean_confidence"].format(
            before=number(before.mean_confidence),
            after=number(after.mean_confidence),
        ),
        words["mean_gap"].format(before=number(before.mean_gap), after=number(after.mean_gap)),
        words["neutral_share"].format(
            before=_percent(before.neutral_share),
            after=_percent(after.neutral_share),
        ),
    ]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _moment(time: Any) -> str:
    """An event's time to the second, in its own offset."""
    return escape(str(time)[:19].replace("T", " "))
