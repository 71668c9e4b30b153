"""A rule as it is evaluated: comparisons, and what joins them. True, false, or ``None`` where evidence is missing.

Missing evidence follows Kleene's logic: what is missing may be anything, so
``x or True`` is true, ``x and False`` is false, and all else stays unknown.
``not`` needs no part of its own: De Morgan's laws hold in this logic as well, so
it is pushed down into the operators, and every reason reads as it came out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol, cast

from emosieve.judge.fields import Field, Kind, Value, Values
from emosieve.text import exact_number, plain_number, telling_digits

DIGITS: Final = 9
"""Numbers are compared after rounding to so many digits: 0.35 - 0.30 is not 0.05 in binary."""
_CLOSE: Final = 1e-8
"""Numbers further apart differ after rounding, too."""

Known = float | str
Number = Callable[[Values], float | None]
Look = Callable[[Values], Value]
Test = Callable[[Values], bool | None]

OPPOSITE: Final = MappingProxyType(
    {
        "<": ">=",
        "<=": ">",
        ">": "<=",
        ">=": "<",
        "==": "!=",
        "!=": "==",
        "in": "not in",
        "not in": "in",
    },
)
"""The operator that is true where the other is false."""
MIRRORED: Final = MappingProxyType({"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="})
"""The operator that is true with its sides swapped."""
_TRUE_IF: Final = MappingProxyType(
    {
        "<": (True, False, False),
        "<=": (True, True, False),
        ">": (False, False, True),
        ">=": (False, True, True),
        "==": (False, True, False),
        "!=": (True, False, True),
    },
)
"""Whether each operator holds where the left side is less, equal, more."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A comparison that held, and made a rule come out as it did.

    Attributes:
        left: what was looked at, as the rule writes it.
        operator: ``<``, ``<=``, ``>``, ``>=``, ``==``, ``!=``, ``in`` or ``not in``.
        right: what it was held against, as the rule writes it.
        observed: the value of the left side.
        limit: the value of the right side; all members of a list.
    """

    left: str
    operator: str
    right: str
    observed: Known
    limit: Known | tuple[Known, ...]

    def __str__(self) -> str:
        """As ``confidence = 0.41 < 0.6``."""
        observed = _shown(self.observed)
        if isinstance(self.observed, float):
            observed = plain_number(self.observed, telling_digits(self.observed, *numbers_in(self.limit)))
        return f"{self.left} = {observed} {self.operator} {_shown(self.limit)}"


@dataclass(frozen=True, slots=True)
class Side:
    """What stands on a side of a comparison.

    Attributes:
        kind: of its value.
        text: as the rule writes it.
        look: its value; ``None`` where it is missing, or no finite number.
        names: the fields that it looks at; none for a constant.
        field: where it is a field and nothing else.
    """

    kind: Kind
    text: str
    look: Look
    names: tuple[str, ...] = ()
    field: Field | None = None

    def observed(self, values: Values) -> Known | None:
        """Its value for people: what was calculated is rounded as it was compared."""
        value = self.look(values)
        is_calculated = self.field is None and self.names
        return round(value, DIGITS) if is_calculated and isinstance(value, float) else value

    def missing(self, values: Values) -> tuple[str, ...]:
        """The fields for want of which it has no value; its own text where a division by zero is to blame."""
        if self.look(values) is not None:
            return ()
        return tuple(name for name in self.names if values.get(name) is None) or (self.text,)


class Condition(Protocol):
    """What can be true, false or unknown."""

    @property
    def test(self) -> Test:
        """How it comes out."""

    def reasons(self, values: Values, *, outcome: bool) -> tuple[Reason, ...]:
        """The comparisons that made it come out so; only for values with which it does."""

    def missing(self, values: Values) -> tuple[str, ...]:
        """The fields for want of which it does not come out; only for values with which it does not."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides and an operator; the left side looks at the evidence."""

    left: Side
    operator: str
    right: Side
    test: Test

    def reasons(self, values: Values, *, outcome: bool) -> tuple[Reason, ...]:
        """The one comparison itself, with the opposite operator where it came out false."""
        observed, limit = self.left.observed(values), self.right.observed(values)
        if observed is None or limit is None:
            return ()
        operator = self.operator if outcome else OPPOSITE[self.operator]
        return (Reason(self.left.text, operator, self.right.text, observed, limit),)

    def missing(self, values: Values) -> tuple[str, ...]:
        """The missing fields of both sides."""
        return self.left.missing(values) + self.right.missing(values)


@dataclass(frozen=True, slots=True)
class Membership:
    """A side that is, or is not, in a list of constants."""

    side: Side
    operator: str
    text: str
    members: tuple[Known, ...]
    test: Test

    def reasons(self, values: Values, *, outcome: bool) -> tuple[Reason, ...]:
        """The one comparison itself, with the opposite operator where it came out false."""
        observed = self.side.observed(values)
        if observed is None:
            return ()
        operator = self.operator if outcome else OPPOSITE[self.operator]
        return (Reason(self.side.text, operator, self.text, observed, self.members),)

    def missing(self, values: Values) -> tuple[str, ...]:
        """The missing fields of its side."""
        return self.side.missing(values)


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions joined by ``and`` or ``or``."""

    parts: tuple[Condition, ...]
    test: Test

    def reasons(self, values: Values, *, outcome: bool) -> tuple[Reason, ...]:
        """The reasons of the parts that came out as the whole did; of all of them where all had to."""
        return tuple(
            reason
            for part in self.parts
            if part.test(values) is outcome
            for reason in part.reasons(values, outcome=outcome)
        )

    def missing(self, values: Values) -> tuple[str, ...]:
        """What the parts miss that did not come out; the others could not decide it either."""
        lacking = [part for part in self.parts if part.test(values) is None]
        return tuple(dict.fromkeys(name for part in lacking for name in part.missing(values)))


def join(parts: Sequence[Condition], *, all_of_them: bool) -> Junction:
    """Conditions of which all, or any, must be true."""
    tests = tuple(part.test for part in parts)
    otherwise = not all_of_them

    def test(values: Values) -> bool | None:
        outcome: bool | None = all_of_them
        for one in tests:
            found = one(values)
            if found is otherwise:
                return otherwise
            if found is None:
                outcome = None
        return outcome

    return Junction(tuple(parts), test)


def compare(left: Side, operator: str, right: Side) -> Comparison:
    """Two sides of one kind; texts by ``==`` and ``!=`` alone."""
    if left.kind == "text":
        return Comparison(left, operator, right, _compare_texts(left.look, right.look, same=operator == "=="))
    one, other = cast("Number", left.look), cast("Number", right.look)
    return Comparison(left, operator, right, _compare_numbers(one, operator, other))


def member_of(side: Side, operator: str, text: str, members: Sequence[Side]) -> Membership:
    """A side that is ``in`` a list of constants of its kind, or ``not in`` it."""
    values = [member.look({}) for member in members]
    known = tuple(value for value in values if value is not None)
    return Membership(side, operator, text, known, _contains(known, side.look, inside=operator == "in"))


def _compare_numbers(left: Number, operator: str, right: Number) -> Test:
    """How two numbers compare after rounding."""
    if_less, if_equal, if_more = _TRUE_IF[operator]

    def test(values: Values) -> bool | None:
        one = left(values)
        if one is None:
            return None
        other = right(values)
        if other is None:
            return None
        # Rounding costs more than all the rest, so it is left to those that are close, but not the same.
        difference = one - other
        if difference > _CLOSE:
            return if_more
        if difference < -_CLOSE:
            return if_less
        if difference:
            one, other = round(one, DIGITS), round(other, DIGITS)
        if one < other:
            return if_less
        return if_more if one > other else if_equal

    return test


def _compare_texts(left: Look, right: Look, *, same: bool) -> Test:
    """Whether two texts are the same, or are not."""

    def test(values: Values) -> bool | None:
        one, other = left(values), right(values)
        return None if one is None or other is None else (one == other) is same

    return test


def _contains(members: tuple[Known, ...], look: Look, *, inside: bool) -> Test:
    """Whether a number, after rounding, or a text is one of those."""
    kept = frozenset(_rounded(member) for member in members)

    def test(values: Values) -> bool | None:
        value = look(values)
        return None if value is None else (_rounded(value) in kept) is inside

    return test


def _rounded(value: Known) -> Known:
    return value if isinstance(value, str) else round(value, DIGITS)


def _shown(value: Known | tuple[Known, ...]) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))})"
    return f'"{value}"' if isinstance(value, str) else exact_number(value)


def numbers_in(limit: Known | tuple[Known, ...] | None) -> list[float]:
    """The numbers that a comparison holds a value against; none where it compares texts."""
    members = limit if isinstance(limit, tuple | list) else (limit,)
    return [one for one in members if isinstance(one, int | float)]
