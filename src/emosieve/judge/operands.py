"""What rules compare: fields, limits, constants, and what is calculated from them, each of one kind."""

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, cast

from emosieve.judge import refusals
from emosieve.judge.conditions import Known, Look, Number, Side
from emosieve.judge.fields import Field, Kind, Values
from emosieve.judge.language import Source

_NOTHING: Final[Values] = MappingProxyType({})
_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = MappingProxyType(
    {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv},
)
_FUNCTIONS: Final = ("min", "max", "abs")


def dotted(node: ast.expr) -> str | None:
    """The name that a node writes, as ``confidence`` or ``scores.happy``; ``None`` where it is no name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


@dataclass(frozen=True, slots=True)
class Operands:
    """Reads the operands of one rule.

    Attributes:
        source: the rule.
        fields: what it may look at, by name.
        parameters: numbers that it may name.
    """

    source: Source
    fields: Mapping[str, Field]
    parameters: Mapping[str, float]

    def read(self, node: ast.expr) -> Side:
        """A field, a parameter, a constant, or what is calculated from them."""
        match node:
            case ast.Constant(value=str() as text):
                return self._constant(node, "text", text)
            case ast.Constant(value=int() | float() as number):
                return self._made(node, [], lambda _: _as_float(number))
            case ast.Name() | ast.Attribute() if name := dotted(node):
                return self._named(node, name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                part = self.number(operand)
                return self._made(node, [part], _of_one(operator.neg, part))
            case ast.BinOp(left=left_node, op=sign, right=right_node) if operation := _OPERATIONS.get(
                type(sign)
            ):
                left, right = self.number(left_node), self.number(right_node)
                return self._made(node, [left, right], _of_two(operation, left, right))
            case ast.Call(func=function):
                return self._call(node, dotted(function))
            case ast.BoolOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
                raise self.source.refuse(node, refusals.CONDITION_INSIDE())
            case ast.Tuple() | ast.List():
                raise self.source.refuse(node, refusals.LIST_ALONE())
            case ast.Subscript(value=ast.Name(id=family), slice=ast.Constant(value=str() as name)):
                instead, found = f"{family}.{name}", self.source.words(node)
                raise self.source.refuse(node, refusals.INSTEAD(instead=instead, found=found))
            case _:
                raise self.source.refuse(node, refusals.FOREIGN(found=self.source.words(node)))

    def number(self, node: ast.expr) -> Side:
        """An operand that must be a number."""
        side = self.read(node)
        if side.kind == "text":
            raise self.source.refuse(node, refusals.NUMBER_NEEDED(text=side.text))
        return side

    def members(self, node: ast.expr) -> list[tuple[ast.expr, Side]]:
        """The constants of the list that follows ``in``."""
        if not isinstance(node, ast.Tuple | ast.List) or not node.elts:
            raise self.source.refuse(node, refusals.LIST_NEEDED())
        sides = [(element, self.read(element)) for element in node.elts]
        for element, side in sides:
            if side.names:
                raise self.source.refuse(element, refusals.LIST_NEEDED())
        return sides

    def _named(self, node: ast.expr, name: str) -> Side:
        if name in self.fields:
            field = self.fields[name]
            look = _number_of(name) if field.kind == "number" else _text_of(name)
            return Side(field.kind, name, look, (name,), field)
        if name in self.parameters:
            number = self.parameters[name]
            return self._made(node, [], lambda _: number)
        if name in _FUNCTIONS:
            raise self.source.refuse(node, refusals.CALL_IT(name=name))
        problem = refusals.unknown_field(name, [*self.fields, *self.parameters])
        raise self.source.refuse(node, problem)

    def _call(self, node: ast.Call, name: str | None) -> Side:
        if name not in _FUNCTIONS:
            problem = refusals.NO_FUNCTION(name=self.source.words(node.func))
            raise self.source.refuse(node.func, problem)
        parts = [self.number(argument) for argument in node.args]
        if name == "abs":
            if len(parts) != 1:
                raise self.source.refuse(node, refusals.ONE_VALUE(name=name))
            return self._made(node, parts, _of_one(abs, parts[0]))
        if len(parts) < 2:  # noqa: PLR2004 - of one number there is no least
            raise self.source.refuse(node, refusals.SEVERAL_VALUES(name=name))
        return self._made(node, parts, _of_several(min if name == "min" else max, parts))

    def _made(self, node: ast.expr, parts: Sequence[Side], look: Number) -> Side:
        """A number made of others; what looks at no field is made now, and must be finite."""
        names = tuple(dict.fromkeys(name for part in parts for name in part.names))
        if names:
            return Side("number", self.source.words(node), look, names)
        number = look(_NOTHING)
        if number is None or not math.isfinite(number):
            raise self.source.refuse(node, refusals.NO_VALUE())
        return self._constant(node, "number", number)

    def _constant(self, node: ast.expr, kind: Kind, value: Known) -> Side:
        return Side(kind, self.source.words(node), lambda _: value)


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # a whole number that is larger than any float
        return math.inf


def _number_of(name: str) -> Number:
    is_finite = math.isfinite

    def look(values: Values) -> float | None:
        value = values.get(name)
        return None if value is None or isinstance(value, str) or not is_finite(value) else value

    return look


def _text_of(name: str) -> Look:
    def look(values: Values) -> str | None:
        value = values.get(name)
        return value if isinstance(value, str) else None

    return look


def _of_one(calculate: Callable[[float], float], part: Side) -> Number:
    look_at = cast("Number", part.look)

    def look(values: Values) -> float | None:
        number = look_at(values)
        return None if number is None else calculate(number)

    return look


def _of_two(calculate: Callable[[float, float], float], left: Side, right: Side) -> Number:
    left_look, right_look = cast("Number", left.look), cast("Number", right.look)
    is_finite = math.isfinite

    def look(values: Values) -> float | None:
        one = left_look(values)
        if one is None:
            return None
        other = right_look(values)
        if other is None:
            return None
        try:
            number = calculate(one, other)
            return number if is_finite(number) else None
        except (ZeroDivisionError, OverflowError):
            return None

    return look


def _of_several(pick: Callable[[list[float]], float], parts: Sequence[Side]) -> Number:
    looks = [cast("Number", part.look) for part in parts]

    def look(values: Values) -> float | None:
        numbers = [number for one in looks if (number := one(values)) is not None]
        return pick(numbers) if len(numbers) == len(looks) else None

    return look
