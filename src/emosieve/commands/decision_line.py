"""A decision as one line for a person, whole or broken to the width of a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from emosieve.commands.output import styled
from emosieve.judge.names import emotion_word
from emosieve.judge.rules import finding_words
from emosieve.record.lines import event_time
from emosieve.record.selection import findings_of, source_of, verdict_of
from emosieve.text import Language, Phrase, escape, number

_INDENT: Final = 11
_NAME_LIMIT: Final = 255
"""Characters of a task's name: it is of no use when it is cut."""

_MARKS: Final = {"normal": "✓", "low_quality": "✗", "quarantined": "!"}
_VERDICTS: Final = {
    "normal": Phrase("normal     ", "正常  "),
    "low_quality": Phrase("low_quality", "低质量"),
    "quarantined": Phrase("quarantined", "已隔离"),
}
_PENDING: Final = Phrase("pending    ", "等待中")
_CHANGES: Final = {
    "restored": Phrase("restored {from_place} → {to_place}", "人工改判 {from_place} → {to_place}"),
    "reclassified": Phrase("reclassified {from_place} → {to_place}", "重新判定 {from_place} → {to_place}"),
}
_INBOX: Final = Phrase("inbox", "输出目录")
_COMMA: Final = Phrase(", ", "，")


def decision_line(
    event: Mapping[str, Any], language: Language, now: datetime, width: int | None = None
) -> str:
    """What was decided when about which task, and why; every string of the log escaped.

    Args:
        event: an event of the kinds of ``selection.DECISIONS``.
        language: of verdict and findings; rules go by their names in English.
        now: a time with an offset; a time of the same day is shown without its date.
        width: columns of the terminal to break the line at; ``None`` leaves it whole.
    """
    verdict = verdict_of(event)
    words = _verdict_words(verdict, language)
    shown = f"{_MARKS.get(verdict or '', ' ')} {words.strip()}"
    parts = [f"{_clock(event, now)} {_MARKS.get(verdict or '', ' ')} {words}", *_parts(event, language)]
    line = "".join(parts) if width is None else _broken(parts, width)
    return line if verdict is None else line.replace(shown, styled(shown, verdict), 1)


def _verdict_words(verdict: str | None, language: Language) -> str:
    if verdict is None:
        return _PENDING().text(language)
    return _VERDICTS[verdict]().text(language) if verdict in _VERDICTS else escape(verdict)


def _parts(event: Mapping[str, Any], language: Language) -> Iterator[str]:
    """The parts after the verdict, each with the space before it; a line is broken between them alone."""
    task = str(event.get("task"))
    yield f"  {escape(task, _NAME_LIMIT)}"
    source = source_of(event)
    if source is not None:
        yield f"  {escape(source, _NAME_LIMIT)}"
    emotion, confidence = event.get("emotion"), event.get("confidence")
    if emotion is not None or confidence is not None:
        figure = number(confidence) if isinstance(confidence, int | float) else "-"
        yield f"  {escape(emotion_word(str(emotion or '-'), language))} {figure}"
    kind = event["event"]
    if kind == "quarantined":
        yield " "
        yield from (f" {word}" for word in escape(str(event.get("reason"))).split(" "))
    yield from _findings(event, language)
    if kind in _CHANGES:
        from_place, to_place = (_place(event.get(key), task, language) for key in ("from", "to"))
        yield f"  {_CHANGES[kind](from_place=from_place, to_place=to_place).text(language)}"
    elif isinstance(destination := event.get("destination"), str) and not destination.endswith(f"/{task}"):
        yield f"  → {escape(destination, _NAME_LIMIT)}"


def _findings(event: Mapping[str, Any], language: Language) -> Iterator[str]:
    comma = _COMMA().text(language)
    findings = findings_of(event)
    for index, finding in enumerate(findings, start=1):
        words = finding["rule"] if language == "en" else finding_words(finding, language)
        space = "  " if index == 1 else comma[1:]
        yield f"{space}{escape(words)}{comma[0] if index < len(findings) else ''}"


def _place(location: Any, task: str, language: Language) -> str:
    """A folder, or the whole location where the task has another name in it."""
    folder, _, name = str(location).rpartition("/")
    if name != task:
        return escape(str(location), _NAME_LIMIT)
    return escape(folder, _NAME_LIMIT) or _INBOX().text(language)


def _clock(event: Mapping[str, Any], now: datetime) -> str:
    """The event's time by the clock of its own offset."""
    moment = event_time(event)
    is_today = moment.date() == now.astimezone(moment.tzinfo).date()
    return f"{moment:%H:%M:%S}" if is_today else f"{moment:%Y-%m-%d %H:%M:%S}"


def _broken(parts: Sequence[str], width: int) -> str:
    from rich.cells import cell_len  # noqa: PLC0415 - rich is slow to import, and a pipe needs no breaks

    lines = [""]
    for part in parts:
        if cell_len(lines[-1] + part) > width and lines[-1].strip():
            lines.append(" " * _INDENT + part.lstrip())
        else:
            lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)
