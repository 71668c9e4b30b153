"""The report's text, to the letter: others read it."""

from typing import Any

import pytest

from emosieve.record import layout
from emosieve.record.statistics import Tally
from emosieve.text import Language


def decided(**more: Any) -> dict[str, Any]:
    """The design's own example."""
    return {
        "event": "decided",
        "task": "outputs_20240104_223120",
        "verdict": "low_quality",
        "emotion": "sad",
        "confidence": 0.41,
        "top1": 0.41,
        "top2": 0.38,
        "gap": 0.03,
        "findings": [
            {"rule": "low_confidence", "action": "reject", "observed": 0.41, "limit": 0.6},
            {"rule": "ambiguous", "action": "reject", "observed": 0.03, "limit": 0.05},
            {"rule": "no_dominant_emotion", "action": "reject", "observed": 0.28, "limit": 0.3},
        ],
    } | more


def test_the_head_of_a_report() -> None:
    """Title, 50 equals signs, a blank line."""
    assert "emosieve 质量报告\n" + "=" * 50 + "\n\n" == layout.title("zh")
    assert "emosieve quality report\n" + "=" * 50 + "\n\n" == layout.title("en")


def test_a_low_quality_entry_in_chinese() -> None:
    """The entry is that of the design, character by character."""
    assert (
        "[outputs_20240104_223120]\n"
        "情感: sad | 置信度: 0.410\n"
        "Top1: 0.410, Top2: 0.380, 差距: 0.030\n"
        "状态: ❌ 低质量 (主情感置信度低 (0.410); 情感倾向模糊 (Top1-Top2差距=0.030); 无显著情感 (最高分=0.280))\n"
        "----------------------------------------\n"
    ) == layout.entry(decided(), "zh")


def test_a_normal_entry_in_both_languages() -> None:
    """A normal task has no reasons, and says so."""
    normal = decided(verdict="normal", findings=[])

    assert "状态: ✅ 正常 (无)\n" in str(layout.entry(normal, "zh"))
    assert (
        "[outputs_20240104_223120]\n"
        "Emotion: sad | Confidence: 0.410\n"
        "Top1: 0.410, Top2: 0.380, Gap: 0.030\n"
        "Status: ✅ normal (none)\n"
        "----------------------------------------\n"
    ) == layout.entry(normal, "en")


def test_flags_follow_the_status() -> None:
    """A finding that only flags stands behind the status, not among its reasons."""
    flag = {"rule": "mixed_task", "action": "flag", "observed": 2.5}

    assert "状态: ✅ 正常 (无) | 标记: 疑似两次识别混在同一目录 (音频与结果相差2.500秒)\n" in str(
        layout.entry(decided(verdict="normal", findings=[flag]), "zh"),
    )
    assert "Status: ✅ normal (none) | Flags: two recognitions" in str(
        layout.entry(decided(verdict="normal", findings=[flag]), "en"),
    )


def test_absent_numbers_are_dashes() -> None:
    """A result without scores is shown without inventing any."""
    entry = layout.entry(
        decided(emotion=None, confidence=None, top1=None, top2=None, gap=None, findings=None),
        "en",
    )

    assert "Emotion: - | Confidence: -\nTop1: -, Top2: -, Gap: -\n" in str(entry)


@pytest.mark.parametrize(
    ("event", "zh", "en"),
    [
        (
            {"event": "quarantined", "reason": "is not JSON"},
            "⚠️ 已隔离 (is not JSON)",
            "⚠️ quarantined (is not JSON)",
        ),
        (
            {"event": "restored", "from": "a/x", "to": "b/x"},
            "人工改判 (a/x → b/x)",
            "restored by hand (a/x → b/x)",
        ),
        (
            {"event": "reclassified", "from": "a/x", "to": "b/x"},
            "重新判定 (a/x → b/x)",
            "reclassified (a/x → b/x)",
        ),
    ],
)
def test_what_happens_to_a_task_later_has_an_entry(event: dict[str, Any], zh: str, en: str) -> None:
    """Quarantine, restore and reclassify are entries of their own."""
    assert zh in str(layout.entry({"task": "outputs_1"} | event, "zh"))
    assert en in str(layout.entry({"task": "outputs_1"} | event, "en"))


@pytest.mark.parametrize("event", ["failed", "diverted", "joined", "of_a_later_version"])
def test_other_events_have_no_entry(event: str) -> None:
    """What decides nothing is not in the report."""
    assert layout.entry({"event": event, "task": "outputs_1"}, "zh") is None


def test_the_block_of_a_day_by_hand() -> None:
    """Counts, rate and effect table of two results, one of them rejected."""
    tally = Tally()
    tally.count(decided(emotion="neutral", confidence=0.8, gap=0.6, verdict="normal"))
    tally.count(decided())
    tally.count({"event": "quarantined"})

    assert (
        "==================================================\n"
        "📊 统计汇总 (2024-01-04)\n"
        "总任务数: 2\n"
        "正常结果: 1\n"
        "低质量结果: 1\n"
        "剔除率: 50.0%\n"
        "已隔离: 1\n"
        "筛选效果 (筛选前 → 筛选后)\n"
        "平均置信度: 0.605 → 0.800\n"
        "平均差距 (Top1-Top2): 0.315 → 0.600\n"
        "中性占比: 50.0% → 100.0%\n"
        "==================================================\n\n"
    ) == layout.day_block("2024-01-04", tally, "zh")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_an_empty_day_divides_nothing_by_zero(language: Language) -> None:
    """A day with quarantined tasks alone has dashes for rates and means."""
    block = layout.day_block("2024-01-04", Tally(quarantined=1), language)

    assert 7 == block.count("- → -") * 2 + block.count(": -\n")


def test_the_block_of_a_sweep_names_its_period() -> None:
    """A sweep's block says when it began and ended, in the log's own offset."""
    event = {
        "event": "swept",
        "started": "2024-01-04T22:30:00.5+08:00",
        "time": "2024-01-04T22:31:00.5+08:00",
    }

    block = layout.entry(event | {"tally": Tally().as_dict()}, "en")

    assert "📊 Summary (sweep 2024-01-04 22:30:00 – 2024-01-04 22:31:00)" in str(block)
