"""The numbers of a result file as shares of 1: whether 0.9, 90 or "90 %" is written, and nothing that is neither.

In each refusal stands whose number it is: the label, behind where in the file, as ``frame 3: scores.sad``.
"""

import math
from typing import Any

from emosieve.errors import BadResult
from emosieve.text import escape

PERCENT_FROM = 1.5
"""A plain number above it is meant in percent: rounding takes no share that far beyond 1."""
HUNDRED = 100.0
_CLAMP_TO_ONE = 1.02
"""float32 gives confidences such as 1.0000001192, and rounding to three digits gives sums of 1.002."""


def looks_numeric(value: Any) -> bool:
    """Whether a value beside a label can be its score: a number, or a text with a percent sign."""
    if isinstance(value, str):
        return value.strip().endswith(("%", "％"))
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_number(value: Any, where: str, label: str) -> tuple[float, bool]:
    """A finite number, and whether it was written with a percent sign."""
    percent = False
    if isinstance(value, str):
        text = value.strip()
        percent = text.endswith(("%", "％"))
        try:
            # float() takes "1_0" for ten; no writer means that.
            value = float(text.rstrip("%％").replace("_", "?"))
        except ValueError:
            raise BadResult(f"{where}{escape(label)} is {escape(value)!r}, not a number") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadResult(f"{where}{escape(label)} is {kind_of(value)}, not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadResult(f"{where}{escape(label)} is not a finite number")
    return number, percent


def read_share(value: float, percent: bool, label: str) -> float:  # noqa: FBT001 - what read_number gives
    """A number that stands alone, such as the confidence, as a share of 1."""
    if percent or PERCENT_FROM < value <= HUNDRED:
        return within(value, HUNDRED, "", label) / HUNDRED
    return clamp(value, "", label)


def clamp(value: float, where: str, label: str) -> float:
    """A share of 1 that rounding may have taken a little beyond."""
    return 1.0 if 1.0 < value <= _CLAMP_TO_ONE else within(value, 1.0, where, label)


def within(value: float, highest: float, where: str, label: str) -> float:
    """A number from 0 to ``highest``; any other is refused."""
    if 0.0 <= value <= highest:
        return value + 0.0  # -0.0 is 0.0
    raise BadResult(f"{where}{escape(label)} is {value:g}, out of range 0 to {highest:g}")


def kind_of(value: Any) -> str:
    """What a value of JSON is, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"
