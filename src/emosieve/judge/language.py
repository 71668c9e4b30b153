"""The text of a rule, read by Python's own parser behind a gate: characters, words and size are checked first.

What passes the gate holds no escape, prefix, comment, keyword or character of
which Python knows more than this language does; what the parser makes of it is
still only a tree, of which ``expression`` takes the parts that it knows.
"""

import ast
import keyword
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from emosieve.errors import RuleError
from emosieve.judge import refusals
from emosieve.judge.refusals import refusal
from emosieve.text import Message

LENGTH_LIMIT: Final = 500
"""Characters."""
NODE_LIMIT: Final = 100
"""Names, constants, comparisons and operations together."""
DEPTH_LIMIT: Final = 30
"""Levels of nesting; a sum of so many scores has as many."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t]+)
    | (?P<text>"[^"]*"|'[^']*')
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<sign><=|>=|==|!=|[-+*/<>().,\[\]])""",
    re.ASCII | re.VERBOSE,
)
_WORDS: Final = frozenset({"and", "or", "not", "in"})
_PAIRS: Final = MappingProxyType({")": "(", "]": "["})
_INSTEAD: Final[Mapping[str, str]] = MappingProxyType(
    {
        "=": "==",
        "!": "not",
        "&": "and",
        "|": "or",
        "≥": ">=",
        "≤": "<=",
        "≠": "!=",
        "×": "*",
        "÷": "/",
        "−": "-",
        "–": "-",
        "、": ",",
        "。": ".",
        "“": '"',
        "”": '"',
        "‘": "'",
        "’": "'",
    },
)
"""What people type, and a Chinese keyboard gives, for what is meant."""


@dataclass(frozen=True, slots=True)
class Source:
    """A rule's text and the tree that the parser made of it.

    Attributes:
        text: as the operator wrote it.
        tree: its expression.
        shift: how many blanks of the text stand before what was parsed.
    """

    text: str
    tree: ast.expr
    shift: int

    def span(self, node: ast.expr) -> tuple[int, int]:
        """First character of a node and the one behind its last; the parser counts bytes of UTF-8."""
        encoded = self.text[self.shift :].encode()
        start = len(encoded[: node.col_offset].decode())
        end = len(encoded[: node.end_col_offset].decode())
        return self.shift + start, self.shift + end

    def words(self, node: ast.expr) -> str:
        """A node as the operator wrote it."""
        start, end = self.span(node)
        return self.text[start:end]

    def refuse(self, node: ast.expr, problem: Message, until: ast.expr | None = None) -> RuleError:
        """The error over a node, or from there to the end of another."""
        start, end = self.span(node)
        return refusal(problem, self.text, start, self.span(until)[1] if until else end)


def parse(text: str) -> Source:
    """Parse a rule.

    Raises:
        RuleError: this is no expression, or too large a one.
    """
    if len(text) > LENGTH_LIMIT:
        raise RuleError(refusals.TOO_LONG(length=len(text), limit=LENGTH_LIMIT), text)
    if not text.strip(" \t"):
        raise RuleError(refusals.EMPTY(), text)
    _check_tokens(text)
    bare = text.lstrip(" \t")
    shift = len(text) - len(bare)
    try:
        tree = ast.parse(bare, mode="eval").body
    except SyntaxError as error:
        # 0 is the end, where more was expected.
        start = shift + error.offset - 1 if error.offset else len(text.rstrip(" \t"))
        raise refusal(refusals.UNREADABLE(), text, start, start + 1) from None
    except (ValueError, MemoryError, RecursionError):
        raise RuleError(refusals.TOO_DEEP(limit=DEPTH_LIMIT), text) from None
    _check_size(tree, text)
    return Source(text, tree, shift)


def _check_tokens(text: str) -> None:
    opened: list[tuple[str, int]] = []
    position, was_text = 0, False
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise refusal(_stray(text[position]), text, position, position + 1)
        start, position = token.span()
        if problem := _wrong_token(token, text[position : position + 1], was_text=was_text):
            raise refusal(problem, text, start, position)
        if token["sign"]:
            _pair(token["sign"], start, opened, text)
        was_text = bool(token["text"]) or (was_text and bool(token["space"]))
    if opened:
        sign, start = opened[-1]
        raise refusal(refusals.NOT_CLOSED(found=sign), text, start, start + 1)


def _wrong_token(token: re.Match[str], following: str, *, was_text: bool) -> Message | None:
    """What is wrong with one token, if anything is; the grammar is the parser's business."""
    found = token[0]
    match token.lastgroup:
        case "number" if following in {".", "_"} or (following.isascii() and following.isalnum()):
            return refusals.NOT_A_NUMBER()
        case "text" if was_text:
            return refusals.COMMA_MISSING()
        case "text":
            return _wrong_text(found)
        case "word" if found not in _WORDS:
            return _wrong_word(found, following)
        case _:
            return None


def _wrong_text(found: str) -> Message | None:
    if "\\" in found:
        return refusals.NO_MEANING(found="\\")
    stray = next((character for character in found if not character.isprintable()), None)
    return refusals.unprintable(stray) if stray else None


def _wrong_word(word: str, following: str) -> Message | None:
    if word.lower() in _WORDS:
        return refusals.INSTEAD(instead=word.lower(), found=word)
    if keyword.iskeyword(word):
        return refusals.FOREIGN_WORD(found=word)
    # f"..." and its kin mean more to Python than a text.
    return refusals.PREFIX(found=word) if following in {'"', "'"} else None


def _stray(character: str) -> Message:
    """Why a character that begins no token is refused."""
    plain = unicodedata.normalize("NFKC", character)
    match plain:
        case "\r" | "\n":
            return refusals.ONE_LINE()
        case " ":
            return refusals.BLANK()
        case "%":
            return refusals.PERCENT()
        case "'" | '"' if plain == character:
            return refusals.NOT_CLOSED(found=character)
    instead = _INSTEAD.get(plain) or plain
    if instead != character and (instead in _WORDS or instead in {"'", '"'} or _TOKEN.fullmatch(instead)):
        return refusals.INSTEAD(instead=instead, found=character)
    return (refusals.NO_MEANING if character.isascii() else refusals.ONLY_QUOTED)(found=character)


def _pair(sign: str, start: int, opened: list[tuple[str, int]], text: str) -> None:
    if sign in _PAIRS.values():
        opened.append((sign, start))
        if len(opened) > DEPTH_LIMIT:
            raise refusal(refusals.TOO_DEEP(limit=DEPTH_LIMIT), text, start, start + 1)
    elif sign in _PAIRS and (not opened or opened.pop()[0] != _PAIRS[sign]):
        raise refusal(refusals.NOT_OPENED(found=sign), text, start, start + 1)


def _check_size(tree: ast.expr, text: str) -> None:
    """Level by level, so that no depth of the tree can be too much for this."""
    level, count, depth = [tree], 0, 0
    while level:
        count, depth = count + len(level), depth + 1
        if count > NODE_LIMIT:
            raise RuleError(refusals.TOO_MANY(limit=NODE_LIMIT), text)
        if depth > DEPTH_LIMIT:
            raise RuleError(refusals.TOO_DEEP(limit=DEPTH_LIMIT), text)
        level = [
            child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)
        ]
