"""Words for people: escaping of outside strings, and all that is said in two languages."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Language = Literal["zh", "en"]

TEXT_LIMIT = 200
"""Characters kept of one outside string; a timestamp or label is never longer in earnest."""

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]",
)


def escape(text: str, limit: int = TEXT_LIMIT) -> str:
    r"""Make a string from outside safe for log, report, terminal and page.

    C0, DEL and C1 controls, line and paragraph separators, bidirectional marks
    and lone surrogates become ``\uXXXX``; anything beyond ``limit`` characters
    is cut off and marked with an ellipsis.
    """
    if len(text) > limit:
        text = text[:limit] + "…"
    if text.isprintable():  # as nearly every text; nothing that must be escaped is
        return text
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


@dataclass(frozen=True, slots=True)
class Phrase:
    """One thing to say to a person, in both languages, with the same ``{placeholders}`` in each.

    Called with values it gives a ``Message``, which is still in no language.
    """

    en: str
    zh: str

    def __call__(self, **values: object) -> "Message":
        """The phrase with its values."""
        return Message(self, values)


@dataclass(frozen=True, slots=True)
class Message:
    """A phrase and its values; strings among them are escaped, messages are said in the same language.

    As ``str`` it is English, the language of logs and of ``--json``.
    """

    phrase: Phrase
    values: Mapping[str, object] = field(default_factory=dict)

    def text(self, language: Language) -> str:
        """The message in one language."""
        values = {key: _said(value, language) for key, value in self.values.items()}
        return (self.phrase.zh if language == "zh" else self.phrase.en).format(**values)

    def __str__(self) -> str:
        return self.text("en")


_AND = Phrase("{first}, {second}", "{first}、{second}")


def listed(words: Sequence[Message | str]) -> Message | str:
    """Words one after another, with the comma of the language between them; empty for none."""
    joined: Message | str = words[0] if words else ""
    for word in words[1:]:
        joined = _AND(first=joined, second=word)
    return joined


_VALUE_LIMIT = 4096
"""Characters of one value: a path may be that long, and is of no use when it is cut."""


def _said(value: object, language: Language) -> object:
    if isinstance(value, Message):
        return value.text(language)
    return escape(value, _VALUE_LIMIT) if isinstance(value, str) else value


FEWEST_DIGITS, MOST_DIGITS = 3, 9
"""After the point: what a reader needs at least, and what rules compare at most."""


def number(value: float | None, digits: int = FEWEST_DIGITS) -> str:
    """A figure of the report, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def plain_number(value: float, digits: int = FEWEST_DIGITS) -> str:
    """A number of any size in as few characters as tell it: 0.6, 1024, 9.123, 2.5e-07."""
    if isinstance(value, int):
        return str(value)
    if value and not _SMALL <= abs(value) < _LARGE:
        return f"{value:.{digits + 1}g}"
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


_SMALL, _LARGE = 0.001, 1e15


def exact_number(value: float) -> str:
    """A number with all that rules see of it: 0.6004, 16000, 1e-09."""
    return str(value).removesuffix(".0") if abs(value) >= _LARGE else plain_number(value, MOST_DIGITS)


def telling_digits(value: float, *others: float) -> int:
    """How many digits after the point, 3 to 9, show on which side of other numbers a value lies, or that it is one."""

    def sides(digits: int) -> list[tuple[bool, bool]]:
        rounded = round(value, digits)
        return [(rounded < other, rounded > other) for other in limits]

    limits = [round(other, MOST_DIGITS) for other in others]
    told = (digits for digits in range(FEWEST_DIGITS, MOST_DIGITS) if sides(digits) == sides(MOST_DIGITS))
    return next(told, MOST_DIGITS)


def point(text: str, column: int, width: int = 1) -> tuple[str, str]:
    """A line of text from outside, and below it carets under some of its characters.

    Args:
        text: one line.
        column: of the first character that is meant, from 1.
        width: how many characters are.
    """
    before, meant = text[: column - 1], text[column - 1 : column - 1 + width]
    carets = "^" * max(1, _columns(meant))
    return f"  {escape(text, len(text))}", f"  {' ' * _columns(before)}{carets}"


def _columns(text: str) -> int:
    """The columns of a terminal that a text takes: two for a Chinese character."""
    shown = escape(text, len(text))
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in shown)


_WAITING_WORDS: Mapping[str, Phrase] = MappingProxyType(
    {
        "quiet": Phrase("changed a moment ago", "刚刚还有改动"),
        "measuring": Phrase("its audio is measured", "正在分析音频"),
        "no_result": Phrase("no result yet", "还没有结果文件"),
        "malformed": Phrase("{detail}", "结果文件无法解析（{detail}）"),
        "required_missing": Phrase("{detail}", "缺少必需的文件（{detail}）"),
        "audio_truncated": Phrase("{detail}", "音频还不完整（{detail}）"),
        "embedding_truncated": Phrase("{detail}", "特征文件还不完整（{detail}）"),
        "mixed_task": Phrase("{detail}", "音频比结果新，另一次识别可能正在写入（{detail}）"),
        "transfer": Phrase("{detail}", "文件仍在传输（{detail}）"),
        "reused": Phrase("{detail}", "目录被重复使用，另一次识别可能还在进行（{detail}）"),
        "still_open": Phrase("{detail}", "仍有程序在写入（{detail}）"),
        "overdue": Phrase("no result came", "已超时，一直没有结果文件"),
        "blocked": Phrase("cannot be filed now: {detail}", "暂时无法归档：{detail}"),
        "not_moved": Phrase("not moved: {detail}", "移动失败：{detail}"),
        "unreadable": Phrase("{detail}", "无法读取（{detail}）"),
        "internal": Phrase("a fault in emosieve itself: {detail}", "emosieve 内部错误：{detail}"),
    },
)
"""By the reason code of a pending task; ``detail`` is its English message."""
WAITING_REASONS = tuple(_WAITING_WORDS)


def waiting_words(reason: str, detail: str, language: Language) -> str:
    """What a pending task waits for, as an operator reads it.

    Args:
        reason: the code that settling or the flow gave.
        detail: the English message beside it, shown where it says more than the code.
        language: to say it in; a code that this version has no words for is shown by its detail.
    """
    phrase = _WAITING_WORDS.get(reason)
    return phrase(detail=detail).text(language) if phrase else escape(detail)
