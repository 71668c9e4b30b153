"""``.emosieve/copies.json``: the copies to other file systems that are begun, and not finished.

A copy is finished when its original is removed. Without a record nobody could
tell a copy of our own from another task at its destination: equal bytes prove
nothing, and neither does the mount that it lies on.
"""

import json
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from emosieve.errors import naming
from emosieve.record.files import STATE_DIRECTORY, make_state_directory
from emosieve.record.lines import write_all
from emosieve.watch.filesystem import birth_time_ns
from emosieve.watch.identity import READ_DIRECTORY
from emosieve.watch.survey import FileStat

COPIES: Final = f"{STATE_DIRECTORY}/copies.json"
_SCHEMA: Final = 1
_NAME: Final = os.path.basename(COPIES)
_ASIDE: Final = f"{_NAME}.new"
_SIZE_LIMIT: Final = 1 << 26


@dataclass(frozen=True, slots=True)
class Identity:
    """Which file or directory something is, whatever its name: a rename keeps both numbers.

    Attributes:
        inode: its number.
        born_ns: its birth time in ns since the epoch; 0 where the file system does not tell.
    """

    inode: int
    born_ns: int

    @classmethod
    def of(cls, descriptor: int) -> Self:
        """Return the identity of an open file or directory."""
        return cls(os.fstat(descriptor).st_ino, birth_time_ns(descriptor))


@dataclass(frozen=True, slots=True)
class CopyRecord:
    """One copy of a task, or of a single late file.

    Attributes:
        source: location of the original.
        destination: location that the copy gets.
        staging: location of the copy before that.
        original: identity of the original.
        copy: identity of the copy.
        files: all that stands in the original, as it was copied; one without a name for a single file.
        digest: of the result file, or of the single file; ``None`` where birth times make it needless,
            and where there is none.
    """

    source: str
    destination: str
    staging: str
    original: Identity
    copy: Identity
    files: tuple[FileStat, ...]
    digest: str | None

    @property
    def is_file(self) -> bool:
        """Whether it is of a single file or symlink."""
        return [file.name for file in self.files] == [""]


def load_copies(root: str) -> dict[str, CopyRecord]:
    """Return the copies that are not finished, by source; none where the file is none of ours.

    It costs one lstat while there are none.
    """
    try:
        os.lstat(f"{root}/{COPIES}")
        directory = os.open(f"{root}/{STATE_DIRECTORY}", READ_DIRECTORY)
    except OSError:
        return {}
    try:
        document = json.loads(_read(directory))
        if document["schema"] != _SCHEMA:
            return {}
        return {record.source: record for record in map(_record_in, document["copies"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    finally:
        os.close(directory)


def save_copies(root: str, records: Iterable[CopyRecord]) -> None:
    """Write the copies that are not finished aside, and rename them into place, on the disk when this returns.

    Where there are none, the file is removed. Call it only while the log is locked.

    Raises:
        SetupError: something else has the name of the state directory.
        OSError: it cannot be written; the old file stands.
    """
    make_state_directory(root)
    # Not orjson: a file's name may be bytes that are no UTF-8.
    copies = [_document_of(record) for record in records]
    with naming(f"{root}/{COPIES}"):
        directory = os.open(f"{root}/{STATE_DIRECTORY}", READ_DIRECTORY)
        try:
            if copies:
                _write(directory, json.dumps({"schema": _SCHEMA, "copies": copies}).encode())
            else:
                for name in (_NAME, _ASIDE):
                    with suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=directory)
        finally:
            os.close(directory)


def _write(directory: int, data: bytes) -> None:
    with suppress(FileNotFoundError):
        os.unlink(_ASIDE, dir_fd=directory)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(_ASIDE, flags, 0o600, dir_fd=directory)
    try:
        owner = os.fstat(directory)
        if owner.st_uid != os.geteuid():
            # A command of root's beside a daemon of another user, who must be able to go on with it.
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(_ASIDE, _NAME, src_dir_fd=directory, dst_dir_fd=directory)
    os.fsync(directory)


def _read(directory: int) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(_NAME, flags, dir_fd=directory), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return b""
        return file.read(_SIZE_LIMIT)


def _document_of(record: CopyRecord) -> dict[str, Any]:
    return {
        "source": record.source,
        "destination": record.destination,
        "staging": record.staging,
        "original": [record.original.inode, record.original.born_ns],
        "copy": [record.copy.inode, record.copy.born_ns],
        "digest": record.digest,
        "files": [
            [file.name, file.size, file.mtime_ns, file.ctime_ns, file.inode, file.mode]
            for file in record.files
        ],
    }


def _record_in(document: Mapping[str, Any]) -> CopyRecord:
    """Return one record of the file.

    Raises:
        KeyError, TypeError, ValueError: it is none of ours.
    """
    digest = document["digest"]
    return CopyRecord(
        source=_text(document["source"]),
        destination=_text(document["destination"]),
        staging=_text(document["staging"]),
        original=Identity(*map(_number, document["original"])),
        copy=Identity(*map(_number, document["copy"])),
        files=tuple(FileStat(_text(name), *map(_number, numbers)) for name, *numbers in document["files"]),
        digest=None if digest is None else _text(digest),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(value)
    return value
