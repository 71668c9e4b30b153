"""The small safe language of rules: one line of text, checked and typed once, then closures; never ``eval``.

A rule compares fields of the evidence with numbers, texts or each other::

    scores.unknown > 0.4 or (top1 in ("other", "unknown") and confidence < 0.8)

Numbers are compared after rounding to 9 digits. A value that is missing, that
divides by zero or that is not finite leaves its comparison unknown, ``None``.
"""

import ast
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Final, NamedTuple

from emosieve.judge import refusals
from emosieve.judge.conditions import (
    MIRRORED,
    OPPOSITE,
    Condition,
    Reason,
    Side,
    compare,
    join,
    member_of,
)
from emosieve.judge.fields import Field, Values
from emosieve.judge.labels import class_of
from emosieve.judge.language import Source, parse
from emosieve.judge.operands import Operands, dotted
from emosieve.text import Message

_OPERATORS: Final[Mapping[type[ast.cmpop], str]] = MappingProxyType(
    {
        ast.Lt: "<",
        ast.LtE: "<=",
        ast.Gt: ">",
        ast.GtE: ">=",
        ast.Eq: "==",
        ast.NotEq: "!=",
        ast.In: "in",
        ast.NotIn: "not in",
    },
)
"""All that Python has but ``is``, a word that no rule may hold."""
_MEMBERSHIP: Final = ("in", "not in")
_OF_TEXTS: Final = ("==", "!=")
_HAVE_A_SCORE: Final = ("emotion", "top1", "top2")
"""Labels that are taken for their scores, since the log and the report call a score top1."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled rule.

    Attributes:
        text: as the operator wrote it.
        fields: the names that it looks at, in the order in which it does.
        parameters: the numbers that it names, with their values.
    """

    text: str
    fields: tuple[str, ...]
    parameters: tuple[tuple[str, float], ...]
    _condition: Condition = field(repr=False, compare=False)

    def evaluate(self, values: Values) -> bool | None:
        """Whether it holds; ``None`` where evidence that could decide it is missing."""
        return self._condition.test(values)

    def reasons(self, values: Values) -> tuple[Reason, ...]:
        """The comparisons, each as it held, that made it true, or false; none where it is neither."""
        outcome = self.evaluate(values)
        return () if outcome is None else self._condition.reasons(values, outcome=outcome)

    def missing(self, values: Values) -> tuple[str, ...]:
        """The fields for want of which it is neither true nor false; a calculation where that has no value."""
        return self._condition.missing(values) if self.evaluate(values) is None else ()


def compile_expression(
    text: str, fields: Mapping[str, Field], parameters: Mapping[str, float] = MappingProxyType({})
) -> Expression:
    """Compile a rule.

    Args:
        text: one line.
        fields: what it may look at, by name.
        parameters: numbers that it may name; a field of the same name hides one.

    Raises:
        RuleError: it cannot be what was meant; the message says where, and what to write instead.
    """
    source = parse(text)
    condition = _Conditions(source, Operands(source, fields, parameters)).read(source.tree)
    named = tuple(dict.fromkeys(_names(source.tree)))
    return Expression(
        text,
        tuple(name for name in named if name in fields),
        tuple((name, parameters[name]) for name in named if name in parameters and name not in fields),
        condition,
    )


def _names(tree: ast.expr) -> Iterator[str]:
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.expr)]
    for node in sorted(nodes, key=lambda node: node.col_offset):
        if name := dotted(node):
            yield name


class _Operand(NamedTuple):
    node: ast.expr
    side: Side


@dataclass(frozen=True, slots=True)
class _Conditions:
    """Reads the conditions of one rule."""

    source: Source
    operands: Operands

    def read(self, node: ast.expr, *, negated: bool = False) -> Condition:
        """A comparison, or several joined."""
        match node:
            case ast.BoolOp(op=joint, values=parts):
                read = [self.read(part, negated=negated) for part in parts]
                return join(read, all_of_them=isinstance(joint, ast.And) is not negated)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.read(operand, negated=not negated)
            case ast.Compare():
                return self._comparison(node, negated=negated)
            case _:
                side = self.operands.read(node)
                phrase = refusals.NUMBER_ALONE if side.kind == "number" else refusals.TEXT_ALONE
                raise self.source.refuse(node, phrase(text=side.text))

    def _comparison(self, node: ast.Compare, *, negated: bool) -> Condition:
        operators = [_OPERATORS[type(one)] for one in node.ops]
        if any(sign in _MEMBERSHIP for sign in operators):
            if len(operators) > 1:
                raise self.source.refuse(node, refusals.CHAINED_IN())
            return self._membership(node, operators[0], negated=negated)
        operands = [_Operand(one, self.operands.read(one)) for one in (node.left, *node.comparators)]
        links = [
            self._link(left, sign, right, negated=negated)
            for (left, right), sign in zip(pairwise(operands), operators, strict=True)
        ]
        return links[0] if len(links) == 1 else join(links, all_of_them=not negated)

    def _link(self, left: _Operand, sign: str, right: _Operand, *, negated: bool) -> Condition:
        if problem := _wrong_pair(left, sign, right):
            raise self.source.refuse(left.node, problem, until=right.node)
        if ast.dump(left.node) == ast.dump(right.node):
            raise self.source.refuse(left.node, refusals.SAME_SIDES(text=left.side.text), until=right.node)
        if not left.side.names:
            # "0.5 > confidence" is told as "confidence < 0.5".
            left, sign, right = right, MIRRORED[sign], left
        if problem := _never(left.side, sign, right):
            raise self.source.refuse(right.node, problem)
        return compare(left.side, OPPOSITE[sign] if negated else sign, right.side)

    def _membership(self, node: ast.Compare, sign: str, *, negated: bool) -> Condition:
        left = _Operand(node.left, self.operands.read(node.left))
        (listed,) = node.comparators
        members = [_Operand(one, side) for one, side in self.operands.members(listed)]
        for member in members:
            if problem := _wrong_pair(left, "==", member) or _never(left.side, "==", member):
                raise self.source.refuse(member.node, problem)
        sign = OPPOSITE[sign] if negated else sign
        return member_of(left.side, sign, self.source.words(listed), [one.side for one in members])


def _wrong_pair(left: _Operand, sign: str, right: _Operand) -> Message | None:
    """Why two operands cannot be compared, if they cannot."""
    sides = (left.side, right.side)
    if not any(side.names for side in sides):
        return refusals.CONSTANT()
    numbers = [side for side in sides if side.kind == "number"]
    texts = [side for side in sides if side.kind == "text"]
    if numbers and texts:
        if texts[0].field and texts[0].field.name in _HAVE_A_SCORE:
            return refusals.SCORE_MEANT(name=texts[0].text)
        return refusals.MIXED(number=numbers[0].text, text=texts[0].text)
    return refusals.TEXT_ORDER(operator=sign) if texts and sign not in _OF_TEXTS else None


def _never(side: Side, sign: str, other: _Operand) -> Message | None:
    """Why a field compares the same with a constant, whatever it is; limits of the settings may be anything."""
    if side.field is None or other.side.names or dotted(other.node):
        return None
    value = other.side.look({})
    if isinstance(value, str):
        return _unknown_text(side.field, value)
    if value is None:
        return None
    words = {"field": side.text, "range": _range(side.field), "number": other.side.text}
    if _is_outside(side.field, value):
        return refusals.OUT_OF_RANGE(**words)
    return refusals.AT_BORDER(**words, operator=sign) if _is_decided(side.field, sign, value) else None


def _unknown_text(field: Field, text: str) -> Message | None:
    if not field.texts or text in field.texts:
        return None
    shown = f'"{text}"'
    name = class_of(text)  # also the model's bilingual labels, and the Chinese ones
    if name is None:
        return refusals.PLACEHOLDER(field=field.name, text=shown)
    close = [name] if name in field.texts else difflib.get_close_matches(name, field.texts, n=1)
    # Another model's label is a class of its own, as it is read: without capitals or blanks around it.
    meant = close[0] if close else name
    return None if meant == text else refusals.MISSPELT_TEXT(field=field.name, text=shown, close=f'"{meant}"')


def _is_outside(field: Field, value: float) -> bool:
    below = field.lowest is not None and value < field.lowest
    return below or (field.highest is not None and value > field.highest)


def _is_decided(field: Field, sign: str, value: float) -> bool:
    """Whether a value at the border of the range, beyond which no number is, leaves only one outcome."""
    if sign in {"<", ">="}:
        return value == field.lowest
    return sign in {">", "<="} and value == field.highest


def _range(field: Field) -> Message:
    if field.highest is None:
        return refusals.FROM(lowest=field.lowest)
    return refusals.BETWEEN(lowest=field.lowest, highest=field.highest)
