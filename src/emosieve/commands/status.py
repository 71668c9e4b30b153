"""``emosieve status``: is it at work, what does it wait for, and what stands where."""

import os
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.filesize import decimal

from emosieve.commands.in_force import PLACES, settings_on
from emosieve.commands.options import (
    Config,
    Profile,
    Root,
    Set,
    load_settings,
    required_root,
    retyped,
    standing_root,
)
from emosieve.commands.output import KINDS, Json, columns, echo_json, hanging, moment, span, styled
from emosieve.commands.status_words import (
    END_OF,
    ENDS,
    LABELS,
    LINES,
    MORE,
    NEXT,
    NO_END,
    PENDING,
    STATES,
    WRITERS,
)
from emosieve.errors import SetupError, next_step
from emosieve.text import Language, Message, escape, waiting_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emosieve.record.lines import Event
    from emosieve.service.liveness import Heartbeat, Pending, Status, Trouble
    from emosieve.service.overview import Overview
    from emosieve.settings import Loaded

_PENDING_SHOWN: Final = 10


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
    path = _watched_root(loaded)
    settings = loaded.settings
    configure_logs(settings.log)
    found = overview(path, settings_on(path, loaded, PLACES))
    now = datetime.now().astimezone()
    if json:
        echo_json(_document(found, settings.zone, now.timestamp()))
    else:
        options = retyped(config, profile, overrides)
        page = _Page(found, settings.language, settings.zone, now.timestamp(), options)
        typer.echo("\n".join(page.lines()))


def _watched_root(loaded: "Loaded") -> str:
    """The root, which may be gone, or on a dead mount, while a daemon waits for it.

    Raises:
        SetupError: none is given, nobody waits for one that is gone, or it is a folder of filed tasks.
    """
    from emosieve.service.liveness import read_heartbeat  # noqa: PLC0415 - needed here alone

    try:
        return standing_root(loaded)
    except SetupError:
        root = os.path.realpath(required_root(loaded))
        if os.path.isdir(root) or read_heartbeat(root) is None:
            raise
        return root


class _Page:
    """The answer for a person.

    Args:
        found: what was seen.
        language: of every line.
        zone: of every time.
        now: wall seconds.
        options: what a next command needs for the same settings.
    """

    def __init__(
        self, found: "Overview", language: Language, zone: tzinfo | None, now: float, options: str
    ) -> None:
        self._found = found
        self._language = language
        self._zone = zone
        self._now = now
        self._options = options

    def lines(self) -> "Iterator[str]":
        found = self._found
        state = _state(found)
        age = self._span(found.heartbeat.age) if found.heartbeat else ""
        trouble = found.heartbeat.status.trouble if found.heartbeat else None
        since = moment(trouble.time, self._zone) if trouble else ""
        level = {"watching": "ok", "blocked": "error"}.get(state, "warning")
        yield styled(self._say(STATES[state](root=found.root, age=age, since=since)), level, bold=True)
        yield from self._labelled([*self._of_daemon(), *self._of_root()])
        if found.is_watched and found.heartbeat:
            yield from self._pending(found.heartbeat.status)
        for step in self._steps(state):
            yield self._say(NEXT[step](root=found.root, options=self._options))

    def _labelled(self, rows: "list[tuple[str, Message]]") -> list[str]:
        """Each row behind its label; a label that was just said is not said again."""
        labels = [self._say(LABELS[label]()) for label, _ in rows]
        shown = ["" if place and labels[place - 1] == label else label for place, label in enumerate(labels)]
        heads = columns([[label, "|"] for label in shown])
        return [
            line
            for head, (_, message) in zip(heads, rows, strict=True)
            for line in hanging(head.removesuffix("|"), self._say(message))
        ]

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
        if one.source.config:
            yield "settings", LINES["settings"](path=one.source.config)
        yield "events", self._events(one)
        yield "writers", WRITERS[one.tells_writers]()
        counts = {str(verdict): count for verdict, count in one.decided.items()}
        yield (
            "decided",
            LINES["decided"](total=counts["normal"] + counts["low_quality"], **counts),
        )
        if one.joined or one.failed:
            yield "decided", LINES["more"](joined=one.joined, failed=one.failed)
        if one.work:
            yield "work", LINES[one.work.kind](share=one.work.share)
        if one.refused:
            time, cause = moment(one.refused.time, self._zone), one.refused.cause
            yield "settings", LINES["refused"](time=time, cause=cause)
        if one.trouble:
            yield from self._trouble(one.trouble, one)

    def _events(self, one: "Status") -> Message:
        why = one.mode_reason[self._language]
        if one.last_hint_at is None:
            return LINES["events"](mode=one.mode, why=why)
        return LINES["last_hint"](mode=one.mode, why=why, age=self._span(self._now - one.last_hint_at))

    def _trouble(self, trouble: "Trouble", one: "Status") -> "Iterator[tuple[str, Message]]":
        yield "error", LINES["trouble"](time=moment(trouble.time, self._zone), cause=trouble.cause)
        lasts = trouble.retry_at is not None or "not_moved" in one.reasons
        step = next_step(trouble.code) if lasts else None
        if step:
            yield "error", LINES["step"](step=step)
        if trouble.retry_at is not None and trouble.retry_at > self._now:
            line = LINES["behind" if one.state == "watching" else "retry"]
            yield "error", line(rest=self._span(trouble.retry_at - self._now))

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
        if found.loss.is_cut:
            yield "log", LINES["cut"]()
        if found.loss.kept:
            yield "log", LINES["kept"](count=len(found.loss.kept), name=found.loss.kept[0])
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
        if each.reason in NO_END:
            return why
        rest = self._span(each.gives_up_at - self._now)
        end = ENDS[END_OF.get(each.reason, "flag")](rest=rest)
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
    from emosieve.record.lineage import place_of  # noqa: PLC0415 - needed here alone

    place = place_of(event)
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
        "log_is_cut": found.loss.is_cut,
        "kept_reports": found.loss.kept,
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
        "config": one.source.config,
        "settings": one.settings,
        "decided": one.decided,
        "joined": one.joined,
        "failed": one.failed,
        "last_error": {
            "time": iso(trouble.time),
            "cause": trouble.cause,
            "code": trouble.code,
            "retry": iso(trouble.retry_at),
        }
        if trouble
        else None,
        "work": {"kind": one.work.kind, "share": round(one.work.share, 3)} if one.work else None,
        "reload_refused": {"time": iso(one.refused.time), "cause": one.refused.cause}
        if one.refused
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
                "gives_up": None if each.reason in NO_END else iso(each.gives_up_at),
            }
            for each in one.oldest
        ],
    }
