"""``.emosieve/checkpoint``: up to where the log is filed and reported, and which moves are still owed.

It is a shortcut, never the truth: without it everything is replayed from the
log. It is written aside and renamed into place, so it is never torn.
"""

import os
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import Field, TypeAdapter

from emosieve.record.decisions import START, Position
from emosieve.record.files import STATE_DIRECTORY, open_plain, replace_file
from emosieve.record.statistics import Tally
from emosieve.text import Language
from emosieve.watch.identity import DirectoryId

CHECKPOINT: Final = f"{STATE_DIRECTORY}/checkpoint"
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Owed:
    """A move that is logged but not made yet.

    Attributes:
        event: the name of the event that logged it.
        task: the task's name.
        source: where the task stands: a path under the root, or absolute.
        destination: where the log says it goes.
        directory: device and inode of the task when it was logged.
        result_digest: digest of its result file then.
        files: for ``joined``: the files that move, by name.
        cause: why the last try failed, as it was logged.
        born: birth time of that directory in ns since the epoch, as ``DirectoryId`` has it.
        changed: its change time, where it has no birth time.
        verdict: whose folder the destination was when it was logged; ``None`` for the inbox.
    """

    event: str
    task: str
    source: str
    destination: str
    directory: tuple[int, int] | None = None
    result_digest: str | None = None
    files: tuple[str, ...] = ()
    cause: str | None = None
    born: int = 0
    changed: int = 0
    verdict: str | None = None

    def is_of(self, standing: DirectoryId | None) -> bool:
        """Return whether what stands at the source now is the very directory that the move was logged for."""
        if self.directory is None or standing is None:
            return False
        return DirectoryId(*self.directory, self.born, self.changed).is_same(standing)


@dataclass(frozen=True, slots=True)
class Reported:
    """How far the report projects the log, and what it must remember to go on.

    Attributes:
        position: the last event in the report.
        size: bytes of quality_report.txt by then.
        inode: of that file; another one is not ours to append to.
        layout: digest of the settings that shape the report.
        day: the day whose block is still to come, as YYYY-MM-DD.
        last_time: time of the last event in the present file, for its rotated name.
        tally: the day's running numbers.
        language: of the report; ``None`` from a version that wrote only the digest.
        rotate_bytes: size from which a new file is begun; ``None`` as above.
        origin: the first line of the log when the report was begun.
        is_cut: whether the log was found to hold no longer all that was once reported.
    """

    position: Position = START
    size: Annotated[int, Field(ge=0)] = 0
    inode: int = 0
    layout: str = ""
    day: str | None = None
    last_time: str | None = None
    tally: dict[str, Any] = field(default_factory=dict)
    language: Language | None = None
    rotate_bytes: Annotated[int, Field(ge=1)] | None = None
    origin: Position = START
    is_cut: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """Where a start, or the next batch, goes on."""

    filed: Position = START
    owed: dict[str, Owed] = field(default_factory=dict)
    """by source"""
    reported: Reported = Reported()


@dataclass(frozen=True, slots=True)
class _Document:
    schema: Literal[1]
    filed: Position
    reported: Reported
    owed: tuple[Owed, ...]


_DOCUMENT: Final = TypeAdapter(_Document)
_TALLY: Final = TypeAdapter(Tally)


def load_checkpoint(root: str) -> Checkpoint | None:
    """The checkpoint; ``None`` when there is none that can be read, and all must be replayed."""
    try:
        with open(open_plain(f"{root}/{CHECKPOINT}", os.O_RDONLY), "rb") as file:
            document = _DOCUMENT.validate_json(file.read(), strict=True)
        # A tally of another version means that all is projected anew.
        Tally.from_dict(document.reported.tally)
        _TALLY.validate_json(orjson.dumps(document.reported.tally), strict=True)
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return Checkpoint(document.filed, {one.source: one for one in document.owed}, document.reported)


def save_checkpoint(root: str, checkpoint: Checkpoint) -> None:
    """Write the checkpoint aside and rename it into place; call it only while the log is locked.

    Raises:
        OSError: it cannot be written; the old one stands.
    """
    document = {
        "schema": _SCHEMA,
        "filed": asdict(checkpoint.filed),
        "reported": asdict(checkpoint.reported),
        "owed": [asdict(one) for one in checkpoint.owed.values()],
    }
    replace_file(root, f"{root}/{CHECKPOINT}", orjson.dumps(document))
