"""The numbers of a result file as shares of 1: whether 0.9, 90 or "90 %" is written, and nothing that is neither.

In each refusal stands whose number it is: the label, behind where in the file, as ``frame 3: scores.sad``.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

from emosieve.errors import BadResult
from emosieve.text import escape

PERCENT_FROM = 1.5
"""A plain number above it is meant in percent: rounding takes no share that far beyond 1."""
HUNDRED = 100.0
_NUMERIC = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*[%％]?", re.ASCII | re.IGNORECASE)
_PERCENT_SUM = (80.0, 120.0)
_WHOLE = 0.03
AGREEING = 0.02
"""By how much a confidence and the score that it repeats may differ."""
_CLASS_COUNT = 9
_ROUNDED = 0.005
_ROUNDED_PERCENT = 0.5
"""By how much a confidence and the score that it is of differ where either was rounded to whole percent."""
_CLAMP_TO_ONE = 1.02
"""float32 gives confidences such as 1.0000001192, and rounding to three digits gives sums of 1.002."""


def is_plain(value: Any) -> bool:
    """Whether it is a number of JSON."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(total: float) -> bool:
    """Whether shares that sum to this are all that there are, but for rounding."""
    return 1 - _WHOLE <= total <= 1 + _WHOLE


def is_number(value: Any) -> bool:
    """Whether it is a number, or a text that is one, with a percent sign or without."""
    return is_plain(value) or (isinstance(value, str) and _NUMERIC.fullmatch(value.strip()) is not None)


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


def are_percent(rows: Sequence[Sequence[float]], confidence: float | None) -> bool:
    """Whether the numbers of a file are percent: one unit for all of them, although small ones could be shares.

    Args:
        rows: the scores of the file, or of each frame, that have no percent sign.
        confidence: that stands beside them, as written; ``None`` where there is none.
    """
    if max((max(row) for row in rows if row), default=0.0) <= _CLAMP_TO_ONE:
        return False
    return all(_can_be_percent(row, confidence) for row in rows if any(row))


def _can_be_percent(row: Sequence[float], confidence: float | None) -> bool:
    lowest, highest = min(row), max(row)
    if lowest < 0 or highest > _PERCENT_SUM[1]:
        return False
    total = math.fsum(row)
    if _PERCENT_SUM[0] <= total <= _PERCENT_SUM[1]:
        return True
    agrees = confidence is not None and any(
        min(abs(confidence - score), abs(confidence * HUNDRED - score)) <= _ROUNDED_PERCENT for score in row
    )
    if total > _PERCENT_SUM[1]:
        # As of a model that asks for each class by itself; counts and logits look the same, but for the confidence.
        return agrees and highest <= HUNDRED
    # The lowest classes are left out: each of them has at most the lowest score that is given.
    left_out = max(0, _CLASS_COUNT - len(row)) * lowest
    return (agrees or confidence is None) and total + left_out >= _PERCENT_SUM[0]


def share_beside(value: float, *, is_percent: bool, is_whole: bool, score: float) -> float:
    """A number from 0 to 1.02 beside scores, as a share of 1.

    Args:
        value: the confidence, as written.
        is_percent: whether the scores beside it are percent.
        is_whole: whether it is written as a whole number.
        score: what the main emotion has, as a share.
    """
    if not is_percent or abs(value - score) <= _ROUNDED:
        return value
    in_percent = value / HUNDRED
    return in_percent if is_whole or abs(in_percent - score) <= abs(value - score) else value


def read_share(value: float, percent: bool, label: str, *, beside_percent: bool = False) -> float:  # noqa: FBT001 - what read_number gives
    """A number that stands alone, such as the confidence, as a share of 1."""
    if percent or (_CLAMP_TO_ONE if beside_percent else PERCENT_FROM) < value <= HUNDRED:
        return within(value, HUNDRED, "", label) / HUNDRED
    return clamp(value, "", label)


def clamp(value: float, where: str, label: str, *, hint: str = "") -> float:
    """A share of 1 that rounding may have taken a little beyond; ``hint`` is what any other may be."""
    return 1.0 if 1.0 < value <= _CLAMP_TO_ONE else within(value, 1.0, where, label, hint=hint)


def within(value: float, highest: float, where: str, label: str, *, hint: str = "") -> float:
    """A number from 0 to ``highest``; any other is refused."""
    if 0.0 <= value <= highest:
        return value + 0.0  # -0.0 is 0.0
    words = f"{where}{escape(label)} is {value:g}, out of range 0 to {highest:g}"
    raise BadResult(f"{words}; {hint}" if hint else words)


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
