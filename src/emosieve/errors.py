"""The errors that have consequences.

::

    EmosieveError
    ├── SetupError      the operator must change something: exit 2
    │   ├── RootBusy    another emosieve has the intake of this root
    │   └── RuleError   a rule, or its message, cannot be what was meant
    ├── BadResult       this result can never be read: quarantine, in the end
    ├── BadAudio        this wav cannot be measured: the rules over audio are not evaluated
    ├── AudioStopped    a stop came while a wav was measured: its task stays for the next run
    └── CopyStopped     a stop came in the middle of a copy: its move stays owed

A transient failure (disk full, permission, a vanished directory) stays the
``OSError`` it is: it is retried with back-off, and no task is dropped for it.
What it says to people, and what they can do about it, stands here, too.
"""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from emosieve.text import Language, Message, Phrase, escape, point


class EmosieveError(Exception):
    """Base of everything that emosieve raises on purpose."""


class SetupError(EmosieveError):
    """Something is set up wrongly; each message says in one line what to write or do instead.

    As ``str`` it is English, the language of logs.
    """

    def __init__(self, *messages: Message | str) -> None:
        super().__init__(*messages)

    def text(self, language: Language) -> str:
        """All of its messages in one language, one a line; plain text stays as it is."""
        return "\n".join(one.text(language) if isinstance(one, Message) else one for one in self.args)

    @property
    def line(self) -> str:
        """All of its messages in one line of English, each without the text of a rule and the carets under it."""
        return "; ".join(str(one).partition("\n")[0] for one in self.args)

    def __str__(self) -> str:
        return self.text("en")


class RootBusy(SetupError):  # noqa: N818 - a state of the root, named as the operator would say it
    """Another process holds the intake lock of this root."""


class RuleError(SetupError):
    """A rule, or the message of one, that cannot be what was meant; says where and what to write instead.

    Attributes:
        message: what is wrong, with its column.
        rule: the text as the operator wrote it.
        column: where it is wrong, in characters from 1; ``None`` when it is the text as a whole.
    """

    def __init__(self, message: Message, rule: str, column: int | None = None, width: int = 1) -> None:
        super().__init__(message, *(point(rule, column, width) if column else ()))
        self.message = message
        self.rule = rule
        self.column = column


class BadResult(EmosieveError):  # noqa: N818 - the domain's word, see the design
    """A result file that is not, and will not become, a result; the message is the reason.

    Attributes:
        source: the recording that the file names all the same; ``None`` where it names none.
    """

    source: str | None = None


class BadAudio(EmosieveError):  # noqa: N818 - beside BadResult
    """A wav that cannot be measured; the message is the reason."""


class AudioStopped(EmosieveError):  # noqa: N818 - what befell the measuring, which is no error
    """A stop was asked for while a wav was measured."""


class CopyStopped(EmosieveError):  # noqa: N818 - what befell the copy, which is no error
    """A stop was asked for in the middle of a copy to another file system."""


_PATH_LIMIT: Final = 4096
_STEPS: Final[Mapping[str, Phrase]] = MappingProxyType(
    {
        "ENOSPC": Phrase("make room on that disk (df -h, df -i)", "清理该磁盘，腾出空间（df -h、df -i）"),
        "EDQUOT": Phrase("make room within the quota, or have it raised", "清理文件，或调高磁盘配额"),
        "EROFS": Phrase(
            "mount that disk writable again, after a look at dmesg for why it is not",
            "查看 dmesg 中变为只读的原因，再重新挂载为可写",
        ),
        "EACCES": Phrase(
            "let emosieve's user read and write there, or run it as the WebUI's own user",
            "让 emosieve 的用户可以读写该处，或以 WebUI 所用的用户身份运行",
        ),
        "EPERM": Phrase(
            "see whether that is immutable (lsattr -d) or another user's",
            "查看该处是否设为不可修改（lsattr -d），或属于其他用户",
        ),
        "EIO": Phrase(
            "look at the kernel's log (dmesg): that disk, or the way to it, fails",
            "查看内核日志（dmesg）：该磁盘或其连接出错",
        ),
        "ENODEV": Phrase(
            "mount it; if another folder is meant from now on, emosieve check says how",
            "请先挂载；如果确实要改用新的目录，emosieve check 会说明做法",
        ),
        "ESTALE": Phrase(
            "mount that anew: its server no longer knows it", "重新挂载：服务器已不再认识该文件"
        ),
        "ENOTCONN": Phrase(
            "mount that anew: what served it has ended", "重新挂载：提供该文件系统的程序已退出"
        ),
        "ETIMEDOUT": Phrase("see whether the server of that mount answers", "查看该挂载的服务器是否有响应"),
        "EHOSTDOWN": Phrase("see whether the server of that mount is up", "查看该挂载的服务器是否在运行"),
    }
)
KNOWN_CODES: Final = tuple(_STEPS)
"""Names of errors about which an operator can do something."""
_PASSING: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENODEV, errno.ESTALE, errno.ENOTCONN}
    | {
        errno.ETIMEDOUT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EAGAIN,
        errno.ENOMEM,
        errno.ENFILE,
        errno.EMFILE,
    }
)


def is_passing(error: BaseException) -> bool:
    """Whether what failed may work later with the same setup: a full or failing disk, a mount, a held lock."""
    return isinstance(error, OSError) and error.errno in _PASSING


def code_of(error: BaseException) -> str | None:
    """The system's name of an error, as ``ENOSPC``; ``None`` where there is none."""
    return errno.errorcode.get(error.errno or 0) if isinstance(error, OSError) else None


def cause_of(error: BaseException, path: str = "") -> str:
    """An error in one line: its name, what it means, and the path that it is about.

    Args:
        error: what was raised.
        path: what it is about, where the error does not say: a read or write by descriptor names none.
    """
    if not isinstance(error, OSError):
        return escape(str(error), _PATH_LIMIT)
    named = error.filename if isinstance(error.filename, str | bytes) else path
    parts = (code_of(error), error.strerror or str(error), os.fsdecode(named))
    return escape(": ".join(part for part in parts if part), _PATH_LIMIT)


def next_step(code: str | None) -> Message | None:
    """What the operator can do about an error of that name; ``None`` where nobody can say."""
    step = _STEPS.get(code or "")
    return step() if step else None


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Name the path in an error that names none, as one of a write by descriptor."""
    try:
        yield
    except OSError as error:
        if not isinstance(error.filename, str | bytes):
            error.filename = path
        raise


@contextmanager
def naming_whole(path: str) -> Iterator[None]:
    """Name the path in an error that names none, or only its last part, as one of a call by descriptor."""
    try:
        yield
    except OSError as error:
        if not (isinstance(error.filename, str) and os.path.isabs(error.filename)):
            error.filename = path
        raise
