"""What the check says: lines with a level, and what a start makes of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import structlog

from emosieve.errors import SetupError, code_of, is_passing, next_step
from emosieve.text import Message, Phrase
from emosieve.watch.filesystem import file_system_of

log = structlog.get_logger()

Level = Literal["ok", "warning", "error"]

AS_WEBUI = Phrase("run emosieve as the WebUI's own user", "请以 WebUI 所用的用户身份运行 emosieve")
"""The hint that several lines share: the tasks are the WebUI's own."""

_UNUSABLE = Phrase(
    "{where}: {cause}; look at its owner and mode, and run emosieve check on the root",
    "{where}：{cause}；请查看其所有者和权限，并对输出目录运行 emosieve check",
)
_FAILED = Phrase("{where}: {cause}; {step}", "{where}：{cause}；{step}")
_WALLED = Phrase(
    "{root}: the disk is writable, but not through this mount; let it be written (ReadWritePaths= in the unit, "
    "no :ro at the volume); a folder that was made after the start only needs a restart",
    "{root}：磁盘可写，但此处的挂载是只读的；请允许写入（单元中写 ReadWritePaths=，容器卷不要加 :ro）；"
    "如果目录是在启动之后才建立的，重启即可",
)
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
        failure: what the system said, where that makes it an error: some of it passes by itself.
    """

    level: Level
    subject: str
    message: Message
    hint: Message | None = None
    failure: OSError | None = None


def worst(lines: Iterable[Line]) -> Level:
    """The worst level of some lines; ok for none."""
    order: tuple[Level, ...] = ("ok", "warning", "error")
    return max((line.level for line in lines), key=order.index, default="ok")


def heed(lines: Iterable[Line]) -> None:
    """Log the warnings, and stop at an error.

    Raises:
        SetupError: the first error, with what to do.
        OSError: the first error, where it may pass by itself.
    """
    for line in lines:
        words = _ADVISED(message=line.message, hint=line.hint) if line.hint else line.message
        if line.level == "error" and line.failure is not None and is_passing(line.failure):
            raise line.failure
        if line.level == "error":
            raise SetupError(_ABOUT(subject=line.subject, words=words)) from line.failure
        if line.level == "warning":
            log.warning("check.warning", subject=line.subject, message=str(words))


def as_setup(error: SetupError | OSError, root: str) -> SetupError:
    """What keeps a root from being opened, as an error that says what to do."""
    if file_system_of(root).is_walled:
        return SetupError(_WALLED(root=root))
    if isinstance(error, SetupError):
        return error
    where, cause, step = error.filename or root, error.strerror or str(error), next_step(code_of(error))
    if step is None or isinstance(error, PermissionError):
        return SetupError(_UNUSABLE(where=where, cause=cause))
    return SetupError(_FAILED(where=where, cause=cause, step=step))
