"""What the check says: lines with a level, and what a start makes of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import structlog

from emosieve.errors import SetupError
from emosieve.text import Message, Phrase

log = structlog.get_logger()

Level = Literal["ok", "warning", "error"]

AS_WEBUI = Phrase("run emosieve as the WebUI's own user", "请以 WebUI 所用的用户身份运行 emosieve")
"""The hint that several lines share: the tasks are the WebUI's own."""


_ABOUT = Phrase("{subject}: {words}", "{subject}：{words}")
_ADVISED = Phrase("{message}; {hint}", "{message}；{hint}")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the check.

    Attributes:
        level: ok, warning (emosieve works, but not as one would think), error (it cannot work).
        subject: what was asked about; a stable word, or the name of a setting.
        message: what was found.
        hint: what to do about it.
    """

    level: Level
    subject: str
    message: Message
    hint: Message | None = None


def worst(lines: Iterable[Line]) -> Level:
    """The worst level of some lines; ok for none."""
    order: tuple[Level, ...] = ("ok", "warning", "error")
    return max((line.level for line in lines), key=order.index, default="ok")


def heed(lines: Iterable[Line]) -> None:
    """Log the warnings, and stop at an error.

    Raises:
        SetupError: the first error, with what to do.
    """
    for line in lines:
        words = _ADVISED(message=line.message, hint=line.hint) if line.hint else line.message
        if line.level == "error":
            raise SetupError(_ABOUT(subject=line.subject, words=words))
        if line.level == "warning":
            log.warning("check.warning", subject=line.subject, message=str(words))
