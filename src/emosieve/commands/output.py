"""How answers look: aligned columns, colour on a terminal alone, JSON where it is asked for."""

import os
from collections.abc import Collection, Sequence
from typing import Annotated, Any

import typer

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

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]

    def padded(column: int, cell: str) -> str:
        room = " " * (widths[column] - cell_len(cell))
        return room + cell if column in right else cell + room

    return ["  ".join(padded(column, cell) for column, cell in enumerate(row)).rstrip() for row in rows]


def echo_json(document: Any) -> None:
    """Print a document as JSON; strings from outside are escaped where they come in."""
    import orjson  # noqa: PLC0415 - not every command needs it

    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
