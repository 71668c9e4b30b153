"""``emosieve status``: is it at work, what does it wait for, and what stands where."""

from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.filesize import decimal

from emosieve.commands.options import Config, Profile, Root, Set, load_settings, standing_root
from emosieve.commands.output import KINDS, Json, columns, echo_json, hanging, moment, span, styled
from emosieve.text import Language, Message, Phrase, escape, waiting_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emosieve.record.lines import Event
    from emosieve.service.liveness import Heartbeat, Pending, Status, Trouble
    from emosieve.service.overview import Overview

_PENDING_SHOWN: Final = 10

STATES: Final = {
    "watching": Phrase("watching {root}", "正在监视 {root}"),
    "blocked": Phrase("blocked: nothing can be filed in {root} now", "受阻：{root} 暂时无法归档"),
    "waiting": Phrase("waiting for {root}", "正在等待 {root} 可用"),
    "silent": Phrase(
        "silent for {age}: it hangs, was killed, or copies a very large task",
        "已 {age}没有动静：可能卡住、被杀死，或正在复制很大的任务",
    ),
    "killed": Phrase("killed: it ended {age} ago without saying so", "已被杀死：{age}前异常退出"),
    "absent": Phrase("not running on {root}", "emosieve 没有在 {root} 上运行"),
}
LABELS: Final = {
    "daemon": Phrase("process", "进程"),
    "events": Phrase("events", "事件"),
    "writers": Phrase("writers", "写入检测"),
    "decided": Phrase("decided", "已判定"),
    "last": Phrase("last", "最近记录"),
    "error": Phrase("last error", "最近错误"),
    "inbox": Phrase("inbox", "待处理"),
    "filed": Phrase("filed", "已归档"),
    "disk": Phrase("disk", "磁盘"),
}
LINES: Final = {
    "daemon": Phrase(
        "pid {pid} on {host}, emosieve {version}, up for {age}; profile {profile}",
        "{host} 上的 pid {pid}，emosieve {version}，已运行 {age}；预设 {profile}",
    ),
    "events": Phrase("{mode}: {why}", "{mode}：{why}"),
    "last_hint": Phrase("{mode}: {why}; last one {age} ago", "{mode}：{why}；上一个在 {age}前"),
    "decided": Phrase(
        "{total} since the start: normal {normal}, low_quality {low_quality}, quarantined {quarantined}",
        "启动以来 {total} 个：正常 {normal}，低质量 {low_quality}，已隔离 {quarantined}",
    ),
    "more": Phrase("joined {joined}, failed {failed}", "并入 {joined}，失败 {failed}"),
    "trouble": Phrase("{time}  {cause}", "{time}  {cause}"),
    "retry": Phrase("nothing is filed until the next try in {rest}", "{rest}后重试，在此之前不归档"),
    "inbox": Phrase(
        "{pending} pending, {overdue} of them overdue", "等待中 {pending} 个，其中超时 {overdue} 个"
    ),
    "standing": Phrase("{standing} stand, and nobody files them", "有 {standing} 个任务，尚无进程归档"),
    "filed": Phrase(
        "normal {normal}, low_quality {low_quality}, quarantine {quarantined}; {unlogged} unlogged",
        "正常 {normal}，低质量 {low_quality}，已隔离 {quarantined}；其中无记录 {unlogged}",
    ),
    "disk": Phrase("{free} of {total} free, {path}", "剩余 {free}，共 {total}，{path}"),
    "unreadable": Phrase("{cause}; what cannot be read is not counted", "{cause}；无法读取的部分未计入"),
    "read_only": Phrase("read-only, {path}", "只读，{path}"),
    "last": Phrase("{time}  {event}  {place}", "{time}  {event}  {place}"),
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
_END_OF: Final = {"malformed": "quarantine", "no_result": "overdue"}
_NO_END: Final = frozenset({"quiet", "overdue", "not_moved", "blocked", "unreadable", "internal"})
MORE: Final = Phrase(
    "… and {count} more; emosieve explain PATH tells of each",
    "……另有 {count} 个；可用 emosieve explain 路径 逐个查看",
)
NEXT: Final = {
    "absent": Phrase(
        "next: emosieve watch {root}, or emosieve sweep {root}",
        "下一步：emosieve watch {root} 或 emosieve sweep {root}",
    ),
    "killed": Phrase(
        "next: start it again; nothing is lost: what it left undone is found in its log",
        "下一步：重新启动；不会丢失任何结果，未完成的工作会从判定日志中恢复",
    ),
    "silent": Phrase(
        "next: look at its process and its log, then restart it", "下一步：检查其进程和日志，然后重启"
    ),
    "blocked": Phrase("next: emosieve check {root}", "下一步：emosieve check {root}"),
    "unlogged": Phrase(
        "unlogged ones: emosieve reclassify --unlogged --dry-run {root}",
        "无记录的任务：emosieve reclassify --unlogged --dry-run {root}",
    ),
    "quarantined": Phrase(
        "why one is in quarantine: emosieve explain PATH", "查看隔离原因：emosieve explain 路径"
    ),
}


def status(
    *,
    root: Root = None,
    json: Json = False,
    config: Config = None,
    profile: Profile = None,
    overrides: Set = None,
) -> None:
    """Say whether emosieve is at work on a root, what it waits for, and what stands where.

    Example: emosieve status /root/emotion2vec/outputs
    """
    from emosieve.service.logs import configure_logs  # noqa: PLC0415 - needed here alone
    from emosieve.service.overview import overview  # noqa: PLC0415 - the same

    loaded = load_settings(config, profile, overrides, root)
    path = standing_root(loaded)
    settings = loaded.settings
    configure_logs(settings.log)
    found = overview(path, settings)
    now = datetime.now().astimezone()
    if json:
        echo_json(_document(found, settings.zone, now.timestamp()))
    else:
        typer.echo("\n".join(_Page(found, settings.language, settings.zone, now.timestamp()).lines()))


class _Page:
    """The answer for a person.

    Args:
        found: what was seen.
        language: of every line.
        zone: of every time.
        now: wall seconds.
    """

    def __init__(self, found: "Overview", language: Language, zone: tzinfo | None, now: float) -> None:
        self._found = found
        self._language = language
        self._zone = zone
        self._now = now

    def lines(self) -> "Iterator[str]":
        found = self._found
        state = _state(found)
        age = self._span(found.heartbeat.age) if found.heartbeat else ""
        level = {"watching": "ok", "blocked": "error"}.get(state, "warning")
        yield styled(self._say(STATES[state](root=found.root, age=age)), level, bold=True)
        yield from self._labelled([*self._of_daemon(), *self._of_root()])
        if found.is_watched and found.heartbeat:
            yield from self._pending(found.heartbeat.status)
        for step in self._steps(state):
            yield self._say(NEXT[step](root=found.root))

    def _labelled(self, rows: "list[tuple[str, Message]]") -> list[str]:
        """Each row behind its label; a label that was just said is not said again."""
        labels = [self._say(LABELS[label]()) for label, _ in rows]
        shown = ["" if place and labels[place - 1] == label else label for place, label in enumerate(labels)]
        return columns([[label, self._say(message)] for label, (_, message) in zip(shown, rows, strict=True)])

    def _of_daemon(self) -> "Iterator[tuple[str, Message]]":
        found = self._found
        if not found.heartbeat:
            return
        one = found.heartbeat.status
        up = self._span(self._now - one.started_at)
        yield (
            "daemon",
            LINES["daemon"](pid=one.pid, host=one.host, version=one.version, age=up, profile=one.profile),
        )
        if not found.is_watched:
            return
        yield "events", self._events(one)
        yield "writers", WRITERS[one.tells_writers]()
        counts = {str(verdict): count for verdict, count in one.decided.items()}
        yield (
            "decided",
            LINES["decided"](total=counts["normal"] + counts["low_quality"], **counts),
        )
        if one.joined or one.failed:
            yield "decided", LINES["more"](joined=one.joined, failed=one.failed)
        if one.trouble:
            yield from self._trouble(one.trouble)

    def _events(self, one: "Status") -> Message:
        why = one.mode_reason[self._language]
        if one.last_hint_at is None:
            return LINES["events"](mode=one.mode, why=why)
        return LINES["last_hint"](mode=one.mode, why=why, age=self._span(self._now - one.last_hint_at))

    def _trouble(self, trouble: "Trouble") -> "Iterator[tuple[str, Message]]":
        yield "error", LINES["trouble"](time=moment(trouble.time, self._zone), cause=trouble.cause)
        if trouble.retry_at is not None and trouble.retry_at > self._now:
            yield "error", LINES["retry"](rest=self._span(trouble.retry_at - self._now))

    def _of_root(self) -> "Iterator[tuple[str, Message]]":
        found = self._found
        if found.is_watched and found.heartbeat:
            one = found.heartbeat.status
            yield "inbox", LINES["inbox"](pending=one.pending, overdue=one.reasons.get("overdue", 0))
        elif found.standing:
            yield "inbox", LINES["standing"](standing=found.standing)
        yield "filed", LINES["filed"](unlogged=found.unlogged, **found.filed)
        if found.unreadable:
            yield "error", LINES["unreadable"](cause=found.unreadable)
        if found.last is not None:
            yield "last", LINES["last"](**_last(found.last))
        elif not found.unreadable:
            yield "last", LINES["nothing"]()
        for disk in found.disks:
            free, total = decimal(disk.free_bytes), decimal(disk.total_bytes)
            yield (
                "disk",
                LINES["read_only" if disk.read_only else "disk"](free=free, total=total, path=disk.path),
            )

    def _pending(self, one: "Status") -> "Iterator[str]":
        shown = one.oldest[:_PENDING_SHOWN]
        rows = [[f"  {escape(each.task)}", self._span(self._now - each.changed_at)] for each in shown]
        for head, each in zip(columns(rows), shown, strict=True):
            yield from hanging(f"{head}  ", self._why(each))
        if one.pending > len(shown):
            yield "  " + self._say(MORE(count=one.pending - len(shown)))

    def _why(self, each: "Pending") -> str:
        why = waiting_words(each.reason, each.message, self._language)
        if each.reason in _NO_END:
            return why
        rest = self._span(each.gives_up_at - self._now)
        end = ENDS[_END_OF.get(each.reason, "flag")](rest=rest)
        return self._say(PENDING(why=why, end=end))

    def _steps(self, state: str) -> "Iterator[str]":
        if state in NEXT:
            yield state
        if self._found.unlogged:
            yield "unlogged"
        if self._found.filed.get("quarantined"):
            yield "quarantined"

    def _say(self, message: Message) -> str:
        return message.text(self._language)

    def _span(self, seconds: float) -> str:
        return span(seconds, self._language)


def _state(found: "Overview") -> str:
    if found.heartbeat is None:
        return "absent"
    if found.heartbeat.is_killed:
        return "killed"
    return found.heartbeat.status.state if found.is_watched else "silent"


def _last(event: "Event") -> dict[str, object]:
    place = event.get("to") or event.get("destination") or ""
    return {
        "time": moment(str(event.get("time")), None),
        "event": KINDS[event["event"]]() if event["event"] in KINDS else str(event["event"]),
        "place": f"→ {place}" if place else str(event.get("task") or ""),
    }


def _document(found: "Overview", zone: tzinfo | None, now: float) -> dict[str, Any]:
    last = found.last or {}
    keys = ("event", "time", "task", "verdict", "destination", "to", "cause")
    return {
        "schema": 1,
        "root": found.root,
        "state": _state(found),
        "daemon": _daemon(found.heartbeat, zone, now) if found.heartbeat else None,
        "standing": found.standing,
        "filed": found.filed,
        "unlogged": found.unlogged,
        "unreadable": found.unreadable,
        "last": {key: last[key] for key in keys if key in last} or None,
        "disks": [
            {
                "path": disk.path,
                "free_bytes": disk.free_bytes,
                "total_bytes": disk.total_bytes,
                "read_only": disk.read_only,
            }
            for disk in found.disks
        ],
    }


def _daemon(heartbeat: "Heartbeat", zone: tzinfo | None, now: float) -> dict[str, Any]:
    one = heartbeat.status

    def iso(time: float | None) -> str | None:
        return (
            None
            if time is None
            else datetime.fromtimestamp(time, zone).astimezone(zone).isoformat("T", "seconds")
        )

    trouble = one.trouble
    return {
        "alive": heartbeat.is_alive,
        "heartbeat_age_seconds": round(heartbeat.age, 1),
        "version": one.version,
        "host": one.host,
        "pid": one.pid,
        "started": iso(one.started_at),
        "mode": one.mode,
        "mode_reason": one.mode_reason["en"],
        "tells_writers": one.tells_writers,
        "last_hint": iso(one.last_hint_at),
        "profile": one.profile,
        "rules_digest": one.rules_digest,
        "decided": one.decided,
        "joined": one.joined,
        "failed": one.failed,
        "last_error": {
            "time": iso(trouble.time),
            "cause": trouble.cause,
            "retry": iso(trouble.retry_at),
        }
        if trouble
        else None,
        "pending": one.pending,
        "overdue": one.reasons.get("overdue", 0),
        "reasons": one.reasons,
        "oldest": [
            {
                "task": each.task,
                "reason": each.reason,
                "message": each.message,
                "age_seconds": round(now - each.changed_at, 1),
                "gives_up": None if each.reason in _NO_END else iso(each.gives_up_at),
            }
            for each in one.oldest
        ],
    }
