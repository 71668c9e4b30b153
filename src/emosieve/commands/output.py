"""How answers look: aligned columns, colour on a terminal alone, JSON where it is asked for."""

import math
import os
import re
import shutil
from collections.abc import Collection, Sequence
from datetime import datetime, tzinfo
from typing import Annotated, Any, Final

import typer

from emosieve.text import Language, Phrase, escape

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs; its messages are English.")]

COLOURS = {
    "normal": "green",
    "low_quality": "yellow",
    "quarantined": "red",
    "ok": "green",
    "warning": "yellow",
    "error": "red",
}
"""By verdict, and by level of the check."""
KINDS: Final = {
    "decided": Phrase("decided", "判定"),
    "quarantined": Phrase("quarantined", "隔离"),
    "diverted": Phrase("diverted, the name was taken", "名字被占用，改放"),
    "restored": Phrase("restored by hand", "人工改判"),
    "reclassified": Phrase("reclassified", "重新判定"),
    "joined": Phrase("late files joined", "并入迟到的文件"),
    "failed": Phrase("could not be moved", "移动失败"),
    "swept": Phrase("a sweep ended", "一次 sweep 结束"),
}
"""Events of the decision log that an operator meets, by name."""
_LEAST_WIDTH: Final = 24

_WORD = re.compile(r"[（《“]*(?:[^\s⺀-鿿＀-￯]+|[⺀-鿿＀-￯])[，。；：、）》”？！]*\s*")
"""What may not be broken: a run without blanks, or one Chinese character; punctuation keeps to its side."""


def styled(text: str, like: str | None = None, *, bold: bool = False, dim: bool = False) -> str:
    """A text in the colour of a verdict or level; ``typer.echo`` takes colours out where no terminal is.

    A terminal whose owner wants no colours (https://no-color.org) gets none.
    """
    if os.environ.get("NO_COLOR"):
        return text
    return typer.style(text, fg=COLOURS.get(like or ""), bold=bold or None, dim=dim or None)


def columns(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Rows of plain text, each column as wide as its widest cell; Chinese takes two places a character.

    Args:
        rows: of equal length.
        right: numbers of the columns to be aligned to the right.
    """
    from rich.cells import cell_len  # noqa: PLC0415 - rich is slow to import

    if not rows:
        return []
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]

    def padded(column: int, cell: str) -> str:
        room = " " * (widths[column] - cell_len(cell))
        return room + cell if column in right else cell + room

    return ["  ".join(padded(column, cell) for column, cell in enumerate(row)).rstrip() for row in rows]


def hanging(head: str, text: str) -> list[str]:
    """A text behind a head, wrapped at the terminal's width under itself."""
    from rich.cells import cell_len  # noqa: PLC0415 - rich is slow to import

    indent = cell_len(head)
    lines = wrapped(text, max(_LEAST_WIDTH, shutil.get_terminal_size().columns - indent))
    return [head + lines[0], *(" " * indent + line for line in lines[1:])]


def wrapped(text: str, width: int) -> list[str]:
    """A text in lines of that many places; a word or path that is longer stands whole on a line of its own.

    Chinese, which has no spaces, breaks between any two characters, but never before closing punctuation.
    """
    from rich.cells import cell_len  # noqa: PLC0415 - rich is slow to import

    lines = [""]
    for word in _WORD.findall(text):
        if lines[-1] and cell_len((lines[-1] + word).rstrip()) > width:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += word.lstrip() if not lines[-1] else word
    return [*lines[:-1], lines[-1].rstrip()]


def shortened(text: str, places: int) -> str:
    """A text of at most so many places, cut and marked where it is longer."""
    from rich.cells import cell_len, set_cell_size  # noqa: PLC0415 - rich is slow to import

    return text if cell_len(text) <= places else set_cell_size(text, places - 1).rstrip() + "…"


def echo_json(document: Any) -> None:
    """Print a document as JSON, which is UTF-8 in any locale; what a terminal must not see is escaped."""
    import orjson  # noqa: PLC0415 - not every command needs it

    from emosieve.record.lines import json_bytes  # noqa: PLC0415 - the same

    typer.echo(json_bytes(document, orjson.OPT_INDENT_2))


UNITS: Final = {
    86400: Phrase("{count} d", "{count} 天"),
    3600: Phrase("{count} h", "{count} 小时"),
    60: Phrase("{count} min", "{count} 分钟"),
    1: Phrase("{count} s", "{count} 秒"),
}
"""By seconds, the largest first."""


def span(seconds: float, language: Language) -> str:
    """A length of time as a person says it: its largest unit and the one below; whole seconds, rounded up."""
    rest = math.ceil(max(0.0, seconds))
    words: list[tuple[int, Phrase]] = []
    for size, phrase in UNITS.items():
        count, rest = divmod(rest, size)
        if count or words:
            words.append((count, phrase))
    shown = [phrase(count=count).text(language) for count, phrase in words[:2] if count]
    return " ".join(shown) or UNITS[1](count=0).text(language)


def moment(time: str | float, zone: tzinfo | None) -> str:
    """A point in time to the second: an event's own, in its own offset, or wall seconds in a zone."""
    if isinstance(time, str):
        return escape(time[:19].replace("T", " "))
    return datetime.fromtimestamp(time, zone).strftime("%Y-%m-%d %H:%M:%S")
