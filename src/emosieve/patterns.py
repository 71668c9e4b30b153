"""Which files of a task are another program's, by their names: shell patterns, and the defaults of ``[settle]``."""

import fnmatch
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

IGNORE: Final = (
    "._*",
    ".DS_Store",
    ".AppleDouble",
    ".Spotlight-V100",
    ".fseventsd",
    ".Trashes",
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "@eaDir",
    "@SynoResource",
    "@SynoEAStream",
    "*@SynoResource",
    "*@SynoEAStream",
    ".@__thumb",
    ".nfs????????????????????????",
    ".fuse_hidden*",
    ".smbdelete*",
)
"""What macOS, Windows, a NAS or a network file system keeps beside files: no part of any recognition."""

TEMPORARY: Final = (
    "*.part",
    "*.partial",
    "*.filepart",
    "*.crdownload",
    "*.download",
    "*.opdownload",
    "*.uploading",
    "*.aria2",
    "*.bts",
    "*.tmp",
    "*.temp",
    "*.~tmp~",
    "*.!sync",
    "*.!ut",
    "*.!qB",
    "*~",
    ".*.~*",
    ".in.*.",
    ".*.sw[a-p]",
    ".*.??????",
    "*_.gstmp",
    ".azDownload-*",
    ".pureftpd-upload.*",
    ".unison.*",
    ".goutputstream-*",
)
"""What rsync, Syncthing, browsers, WinSCP and other clients, or editors call a file until it is whole."""

IsNamed = Callable[[str], bool]


@lru_cache(maxsize=8)
def matcher(patterns: tuple[str, ...]) -> IsNamed:
    """Return a test for paths within a task: whether any component matches any of the shell patterns.

    Upper and lower case are the same, since Windows writes both ``Thumbs.db`` and ``thumbs.db``.
    """
    if not patterns:
        return _matches_nothing
    match = re.compile("|".join(map(fnmatch.translate, patterns)), re.IGNORECASE).match

    # The same few names come again with every task, and a regular expression takes microseconds.
    @lru_cache(maxsize=1024)
    def is_named(path: str) -> bool:
        return any(match(part) for part in path.split("/"))

    return is_named


def _matches_nothing(_: str) -> bool:
    return False
