"""What ``emosieve explain`` says, in both languages."""

from typing import Final

from emosieve.text import Phrase

STATES: Final = {
    "normal": Phrase("normal", "正常"),
    "low_quality": Phrase("low_quality", "低质量"),
    "quarantined": Phrase("quarantined", "已隔离"),
    "unlogged": Phrase("{verdict}, unlogged", "{verdict}，无记录"),
    "pending": Phrase("pending", "等待中"),
    "left_alone": Phrase("left alone", "不处理"),
    "gone": Phrase("{verdict}, gone", "{verdict}，已不在原处"),
}
OUTCOMES: Final = {
    "fired": Phrase("fired", "命中"),
    "passed": Phrase("passed", "通过"),
    "not_evaluated": Phrase("unknown", "未评估"),
}
ACTIONS: Final = {
    "reject": Phrase("reject", "剔除"),
    "flag": Phrase("flag", "标记"),
    "off": Phrase("off", "关闭"),
}
HEADS: Final = {
    "rule": Phrase("rule", "规则"),
    "outcome": Phrase("outcome", "结果"),
    "observed": Phrase("observed", "实际值"),
    "limit": Phrase("limit", "阈值"),
    "action": Phrase("action", "处理"),
    "today": Phrase("now", "现在"),
    "limit now": Phrase("limit now", "现在阈值"),
}
HEADLINE: Final = Phrase("{task}: ", "{task}：")
SEMICOLON: Final = Phrase("; ", "；")
SOURCE: Final = Phrase("source: {source}", "来源：{source}")
NUMBERS: Final = Phrase(
    "{emotion}  confidence {confidence}  top1 {top1}  top2 {top2}  gap {gap}",
    "{emotion}  置信度 {confidence}  Top1 {top1}  Top2 {top2}  差距 {gap}",
)
FLAGGED: Final = Phrase("flagged: {flags}", "标记：{flags}")
FRAMES: Final = Phrase(
    "mean of {count} frames, of which {agreement} agree on the emotion",
    "{count} 帧的平均值，其中 {agreement} 的帧情感一致",
)
AUDIO: Final = Phrase(
    "audio {duration_seconds} s  speech {speech_seconds} s  silence {silence_ratio}  SNR {snr_db} dB"
    "  clipped {clipping_ratio}  {rms_dbfs} dBFS",
    "音频 {duration_seconds} 秒  语音 {speech_seconds} 秒  静音 {silence_ratio}  信噪比 {snr_db} dB"
    "  削波 {clipping_ratio}  {rms_dbfs} dBFS",
)
PROBLEM: Final = Phrase("audio: {problem}", "音频：{problem}")
MEASURES: Final = {
    "duration_seconds": ".2f",
    "speech_seconds": ".2f",
    "silence_ratio": ".0%",
    "snr_db": ".1f",
    "clipping_ratio": ".1%",
    "rms_dbfs": ".1f",
}
"""What is told of the audio, and how."""
PATH_OR_RULES: Final = Phrase(
    "give the path of a task, or --rules and no path", "请给出任务的路径；或者只写 --rules，不带路径"
)
WAITS: Final = Phrase("waits: {why}; still for {age}", "等待原因：{why}；已静止 {age}")
ENDS: Final = {
    "settled": Phrase(
        "it is whole: the next look of watch or sweep files it", "已完整：watch 或 sweep 下次检查时归档"
    ),
    "quiet": Phrase("it is looked at again in {rest}", "{rest}后再次检查"),
    "no_result": Phrase(
        "without a result in {rest} it counts as overdue, and stays where it is",
        "{rest}后仍无结果则算超时，留在原处",
    ),
    "malformed": Phrase("if it stays so it goes to quarantine in {rest}", "若不再变化，{rest}后移入隔离目录"),
    "overdue": Phrase(
        "it stays until a result comes; delete it if none will",
        "会一直留在原处，直到结果出现；确定不会有结果时可手动删除",
    ),
    "retried": Phrase("emosieve tries again by itself", "emosieve 会自动重试"),
    "odd": Phrase(
        "if it stays so it is judged as it is in {rest}, and flagged",
        "若不再变化，{rest}后按现状判定并加标记",
    ),
}
NOTES: Final = {
    "undecided": Phrase(
        "What a rule that could reject it asks of the audio was not measured, and cannot be any more.",
        "有规则可能因音频剔除它，但当时没有测量，现在也无法测量。",
    ),
    "lacking": Phrase("Not evaluated for want of: {fields}.", "未评估，因为缺少：{fields}。"),
    "by": Phrase(
        "Decided with profile {profile}, rules {digest}.", "判定时使用预设 {profile}，规则指纹 {digest}。"
    ),
    "same": Phrase(
        "Today's rules ({rules}; {digest}) decide the same.",
        "按当前规则（{rules}；{digest}）判定相同。",
    ),
    "differs": Phrase(
        "Today's rules ({rules}; {digest}) would decide otherwise: {verdict}.",
        "按当前规则（{rules}；{digest}）判定会不同：{verdict}。",
    ),
    "would": Phrase(
        "Today's rules ({rules}; {digest}) say {verdict}.",
        "按当前规则（{rules}；{digest}）判定为：{verdict}。",
    ),
    "unwatched": Phrase(
        "No emosieve watches this root: nothing happens until watch or sweep runs.",
        "目前没有 emosieve 在监视这个输出目录：运行 watch 或 sweep 之前不会有任何处理。",
    ),
    "by_hand": Phrase(
        "A person decided last; reclassify leaves it alone unless asked.",
        "最后一次由人工决定；重新判定默认不会改动它。",
    ),
    "changed": Phrase(
        "result.json is not the one that was decided about: it was changed since.",
        "result.json 在判定之后被改动过。",
    ),
    "not_moved": Phrase(
        "It is decided, but could not be moved yet: {reason}", "已判定，但尚未移动成功：{reason}"
    ),
    "reason": Phrase("because {reason}", "原因：{reason}"),
    "hidden": Phrase("{reason}.", "{reason}。"),
    "foreign": Phrase("Why cannot be said: {reason}", "无法说明原因：{reason}"),
    "moved_by_hand": Phrase(
        "It is not there any more: somebody moved or deleted it.", "它已不在原处：有人移动或删除了它。"
    ),
}
_OVERRULE: Final = Phrase(
    "to overrule it: emosieve restore{options} {path}",
    "如需改判：emosieve restore{options} {path}",
)
NEXT: Final = {
    "differs": Phrase(
        "next: emosieve reclassify --dry-run{options} {root}",
        "下一步：emosieve reclassify --dry-run{options} {root}",
    ),
    "unlogged": Phrase(
        "next: emosieve reclassify --unlogged --dry-run{options} {root}",
        "下一步：emosieve reclassify --unlogged --dry-run{options} {root}",
    ),
    "low_quality": _OVERRULE,
    "normal": _OVERRULE,
    "quarantined": Phrase(
        "when its result is mended: emosieve restore{options} {path}",
        "修好结果文件后：emosieve restore{options} {path}",
    ),
}
