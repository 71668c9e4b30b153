"""What ``emosieve status`` says, in both languages."""

from typing import Final

from emosieve.text import Phrase

STATES: Final = {
    "watching": Phrase("watching {root}", "正在监视 {root}"),
    "blocked": Phrase("blocked: nothing can be filed in {root} now", "受阻：{root} 暂时无法归档"),
    "waiting": Phrase("waiting for {root} since {since}", "自 {since} 起等待 {root} 可用"),
    "silent": Phrase(
        "silent for {age}: it hangs, was killed, or copies a very large task",
        "已 {age}没有动静：可能卡住、被杀死，或正在复制很大的任务",
    ),
    "killed": Phrase("killed: its last sign of life was {age} ago", "已被强制终止：最后一次动静在 {age}前"),
    "absent": Phrase("not running on {root}", "emosieve 没有在 {root} 上运行"),
}
LABELS: Final = {
    "daemon": Phrase("process", "进程"),
    "settings": Phrase("settings", "配置"),
    "events": Phrase("events", "事件"),
    "writers": Phrase("writers", "写入检测"),
    "decided": Phrase("decided", "已判定"),
    "last": Phrase("last", "最近记录"),
    "error": Phrase("last error", "最近错误"),
    "inbox": Phrase("inbox", "待处理"),
    "filed": Phrase("filed", "已归档"),
    "disk": Phrase("disk", "磁盘"),
    "work": Phrase("at work on", "正在进行"),
    "log": Phrase("log", "判定日志"),
}
LINES: Final = {
    "daemon": Phrase(
        "pid {pid} on {host}, emosieve {version}, up for {age}; profile {profile}",
        "{host} 上的 pid {pid}，emosieve {version}，已运行 {age}；预设 {profile}",
    ),
    "settings": Phrase("{path}", "{path}"),
    "events": Phrase("{mode}: {why}", "{mode}：{why}"),
    "last_hint": Phrase("{mode}: {why}; last one {age} ago", "{mode}：{why}；上一个在 {age}前"),
    "decided": Phrase(
        "{total} since the start: normal {normal}, low_quality {low_quality}, quarantined {quarantined}",
        "启动以来 {total} 个：正常 {normal}，低质量 {low_quality}，已隔离 {quarantined}",
    ),
    "more": Phrase("joined {joined}, failed {failed}", "并入 {joined}，失败 {failed}"),
    "trouble": Phrase("{time}  {cause}", "{time}  {cause}"),
    "step": Phrase("to do: {step}; the rest goes by itself", "请{step}；之后会自动继续"),
    "behind": Phrase("filing goes on; that is tried again in {rest}", "归档照常进行；{rest}后再试"),
    "retry": Phrase("nothing is filed until the next try in {rest}", "{rest}后重试，在此之前不归档"),
    "refused": Phrase(
        "{time}  the reload was refused and the old ones stay in force: {cause}",
        "{time}  重新加载被拒绝，仍用旧配置：{cause}",
    ),
    "inbox": Phrase(
        "{pending} pending, {overdue} of them overdue", "等待中 {pending} 个，其中超时 {overdue} 个"
    ),
    "standing": Phrase(
        "standing: {standing}; no emosieve watches them", "有 {standing} 个任务待处理，但 emosieve 没有运行"
    ),
    "filed": Phrase(
        "normal {normal}, low_quality {low_quality}, quarantine {quarantined}; {unlogged} unlogged",
        "正常 {normal}，低质量 {low_quality}，已隔离 {quarantined}；其中无记录 {unlogged}",
    ),
    "disk": Phrase("{free} of {total} free, {path}", "剩余 {free}，共 {total}，{path}"),
    "unreadable": Phrase("{cause}; what cannot be read is not counted", "{cause}；无法读取的部分未计入"),
    "read_only": Phrase("read-only, {path}", "只读，{path}"),
    "last": Phrase("{time}  {event}  {place}", "{time}  {event}  {place}"),
    "replaying": Phrase("replaying the decision log: {share:.0%}", "重放判定日志：{share:.0%}"),
    "reporting": Phrase(
        "rebuilding the report: {share:.0%}; filing goes on", "重新生成质量报告：{share:.0%}；归档照常进行"
    ),
    "cut": Phrase(
        "it no longer holds all that was reported: files or lines of decisions*.jsonl are gone",
        "判定日志已不完整：decisions*.jsonl 缺少文件或行，报告过的部分判定已不在其中",
    ),
    "kept": Phrase(
        "what it lost stands in reports that were kept: {count}, {name}",
        "缺失的判定保留在改名的质量报告中：{count} 个，{name}",
    ),
    "nothing": Phrase("nothing was decided here yet", "这里还没有任何判定"),
}
WRITERS: Final = {
    True: Phrase("the kernel tells whether a file is still being written", "内核能告知文件是否仍在写入"),
    False: Phrase(
        "the kernel does not tell who writes; the quiet time alone decides",
        "内核无法告知是否有人写入，只凭静止时间判断",
    ),
    None: Phrase("not asked yet: no task was whole so far", "尚未检测：还没有完整的任务"),
}
PENDING: Final = Phrase("{why}; {end}", "{why}；{end}")
ENDS: Final = {
    "quarantine": Phrase("quarantined in {rest}", "{rest}后隔离"),
    "flag": Phrase("judged as it is in {rest}", "{rest}后按现状判定"),
    "overdue": Phrase("overdue in {rest}", "{rest}后算超时"),
}
END_OF: Final = {"malformed": "quarantine", "no_result": "overdue"}
NO_END: Final = frozenset({"quiet", "measuring", "overdue", "not_moved", "blocked", "unreadable", "internal"})
MORE: Final = Phrase(
    "… and {count} more; emosieve explain PATH tells of each",
    "……另有 {count} 个；可用 emosieve explain 路径 逐个查看",
)
NEXT: Final = {
    "absent": Phrase(
        "next: emosieve watch{options} {root}, or emosieve sweep{options} {root}",
        "下一步：emosieve watch{options} {root} 或 emosieve sweep{options} {root}",
    ),
    "killed": Phrase(
        "next: start it again; nothing is lost: what it left undone is found in its log",
        "下一步：重新启动；不会丢失任何结果，未完成的工作会从判定日志中恢复",
    ),
    "silent": Phrase(
        "next: look at its process and its log, then restart it", "下一步：检查其进程和日志，然后重启"
    ),
    "blocked": Phrase("next: emosieve check{options} {root}", "下一步：emosieve check{options} {root}"),
    "unlogged": Phrase(
        "unlogged ones: emosieve reclassify --unlogged --dry-run{options} {root}",
        "无记录的任务：emosieve reclassify --unlogged --dry-run{options} {root}",
    ),
    "quarantined": Phrase(
        "why one is in quarantine: emosieve explain PATH", "查看隔离原因：emosieve explain 路径"
    ),
}
