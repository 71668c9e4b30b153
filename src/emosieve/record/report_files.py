"""The files of the report under a root: which they are, whose they are, and what is kept of them.

A report that the log does not give again is never written over. It is renamed,
and counts as no report of ours from then on.
"""

import os
import re
import stat
from collections.abc import Iterable
from typing import Final

from emosieve.record import layout
from emosieve.record.files import open_plain

REPORT_NAME: Final = "quality_report.txt"
FOREIGN_NAME: Final = "quality_report-before-emosieve"
"""What another program's report is renamed; a number follows where the name is taken."""
KEPT_NAME: Final = "quality_report-before-log-loss"
"""What a report of ours is renamed that holds entries which no log holds any more; numbered, oldest first."""
_ROTATED = re.compile(r"quality_report-\d{8}T\d{6}\.\d{6}Z\.txt")
_KEPT = re.compile(re.escape(KEPT_NAME) + r"(\.\d+)?\.txt")
_TITLES: Final = tuple(title.encode() for title in layout.TITLES)


def rotated_in(directory: str) -> list[str]:
    """Return the names of the rotated report files in a directory, oldest first."""
    return sorted(name for name in os.listdir(directory) if _ROTATED.fullmatch(name))


def reports_in(directory: str) -> list[str]:
    """Return the names of all report files in a directory, oldest first."""
    present = [REPORT_NAME] if os.path.lexists(f"{directory}/{REPORT_NAME}") else []
    return [*rotated_in(directory), *present]


def kept_in(root: str) -> list[str]:
    """Return the names of the reports that were kept because the log lost what they say, oldest first.

    Raises:
        OSError: the root cannot be listed.
    """
    names = (name for name in os.listdir(root) if _KEPT.fullmatch(name))
    return sorted(names, key=lambda name: (len(name), name))


def drop_old(directory: str, keep: int) -> None:
    """Remove the oldest rotated files beyond ``keep``; 0 keeps all."""
    if keep:
        for name in rotated_in(directory)[:-keep]:
            os.unlink(f"{directory}/{name}")


def is_ours(path: str) -> bool:
    """Return whether a report that stands there is one of ours, if perhaps cut short, even to nothing."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return False
    with open(open_plain(path, os.O_RDONLY), "rb") as file:
        head = file.read(64)
    return head.startswith(_TITLES) or any(title.startswith(head) for title in _TITLES)


def set_aside(root: str, names: Iterable[str], base: str) -> list[str]:
    """Rename reports so that they are in nobody's way; return their new names, in the order given.

    Args:
        root: the root.
        names: of the reports, oldest first.
        base: of the new names; what has such a name already is never written over.
    """
    renamed: list[str] = []
    copy = 1
    for name in names:
        while os.path.lexists(f"{root}/{_numbered(base, copy)}"):
            copy += 1
        renamed.append(_numbered(base, copy))
        os.rename(f"{root}/{name}", f"{root}/{renamed[-1]}")
    return renamed


def _numbered(base: str, copy: int) -> str:
    return f"{base}.txt" if copy == 1 else f"{base}.{copy}.txt"
