"""What a rule says when it fires: a text with ``{field}`` in it, checked when the settings are read.

A placeholder is a name and nothing else: no attribute, no index, no call. After
it only the number of digits may stand, ``{snr_db:.1f}``, or percent,
``{silence_ratio:.0%}``. ``str.format`` never sees what the operator wrote.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from emosieve.errors import RuleError
from emosieve.judge import refusals
from emosieve.judge.fields import Field, Value, Values
from emosieve.judge.language import LENGTH_LIMIT
from emosieve.judge.refusals import refusal
from emosieve.text import escape, exact_number, plain_number

MISSING: Final = "-"
"""What stands for a value that the task does not tell."""
_WIDE_SPACE: Final = "\u3000"
"""The blank of Chinese typing."""
_PIECE = re.compile(r"(?P<words>[^{}]+)|(?P<brace>\{\{|\}\})|\{(?P<name>[^{}:]*)(?P<digits>:[^{}]*)?\}")
_DIGITS = re.compile(r":(\.\d[f%])", re.ASCII)

Saying = Callable[[Values], str]


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """A compiled message.

    Attributes:
        text: as the operator wrote it.
        fields: the names whose values it shows.
    """

    text: str
    fields: tuple[str, ...]
    _pieces: tuple[Saying, ...] = field(repr=False, compare=False)

    def say(self, values: Values) -> str:
        """The message over one task."""
        return "".join([piece(values) for piece in self._pieces])


def compile_message(
    text: str, fields: Mapping[str, Field], parameters: Mapping[str, float] = MappingProxyType({})
) -> MessageTemplate:
    """Compile a message.

    Args:
        text: one line in any language.
        fields: what it may show, by name.
        parameters: numbers that it may show; a field of the same name hides one.

    Raises:
        RuleError: a placeholder is no field, or not written as one.
    """
    if len(text) > LENGTH_LIMIT:
        raise RuleError(refusals.TOO_LONG(length=len(text), limit=LENGTH_LIMIT), text)
    for start, character in enumerate(text):
        if not character.isprintable() and character != _WIDE_SPACE:
            raise refusal(refusals.unprintable(character), text, start, start + 1)
    pieces, position = [], 0
    while position < len(text):
        piece = _PIECE.match(text, position)
        if piece is None:
            raise refusal(refusals.BRACE(example="{confidence}"), text, position, position + 1)
        pieces.append(_piece(piece, fields, parameters))
        position = piece.end()
    named = dict.fromkeys(piece["name"] for piece in _PIECE.finditer(text))
    return MessageTemplate(text, tuple(name for name in named if name in fields), tuple(pieces))


def _piece(piece: re.Match[str], fields: Mapping[str, Field], parameters: Mapping[str, float]) -> Saying:
    name, digits = piece["name"], piece["digits"]
    if name is None:
        words = piece["words"] or piece[0][0]
        return lambda _: words
    if name not in fields and name not in parameters:
        start, end = piece.span("name")
        problem = (
            refusals.unknown_field(name, [*fields, *parameters])
            if name
            else refusals.BRACE(example="{confidence}")
        )
        raise refusal(problem, piece.string, start, max(end, start + 1))
    form = ""
    if digits is not None:
        shape = _DIGITS.fullmatch(digits)
        if shape is None:
            problem = refusals.FORMAT(number=f"{{{name}:.2f}}", percent=f"{{{name}:.0%}}")
            raise refusal(problem, piece.string, *piece.span("digits"))
        if name in fields and fields[name].kind == "text":
            raise refusal(refusals.NO_DIGITS(name=name), piece.string, *piece.span("digits"))
        form = shape[1]
    if name in fields:
        return lambda values: _said(values.get(name), form)
    said = format(parameters[name], form) if form else exact_number(parameters[name])
    return lambda _: said


def _said(value: Value, form: str) -> str:
    if value is None:
        return MISSING
    if isinstance(value, str):
        return escape(value)
    return format(value, form) if form else plain_number(value)
