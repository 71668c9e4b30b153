"""A new report, made from the log beside the one that stands, in slices, and then swapped in.

The log's lock is held for one slice at a time. What was done so far lies in
``.emosieve/rebuild/<layout>``: the new files, and a progress file that says how far
they are, so that the next slice goes on there, in whatever process. ::

    nothing --begin--> projecting --the log's end--> swapping --the last rename--> nothing

A death while projecting costs at most a slice. Once the swap has begun it is ended
before anything else is done to the report: in between the files are a mixture of two.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Final

import orjson
import structlog
from pydantic import TypeAdapter

from emosieve.record.checkpoint import Reported
from emosieve.record.decisions import DecisionLog
from emosieve.record.files import STATE_DIRECTORY, make_directory, open_plain, replace_file
from emosieve.record.report_entries import BEGINNING, OldEntries, Place, can_go_on
from emosieve.record.report_files import (
    KEPT_NAME,
    REPORT_NAME,
    drop_old,
    reports_in,
    rotated_in,
    set_aside,
)
from emosieve.record.report_writer import Shape, Writer
from emosieve.record.statistics import Tally

REBUILD: Final = f"{STATE_DIRECTORY}/rebuild"
SLICE_SECONDS: Final = 0.5
"""After so long the log is given back, so that tasks are filed meanwhile."""
_PROGRESS: Final = "progress"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is.

    Attributes:
        reported: how far the new report is.
        place: how far the entries of the old report were found in it.
        last_rotated: the name of the newest rotated file by then.
        made: the names of all new files, once they are whole and the swap begins.
        lacks: whether the old report has entries that the new one lacks, by then.
    """

    reported: Reported
    place: Place = BEGINNING
    last_rotated: str = ""
    made: tuple[str, ...] | None = None
    lacks: bool = False


_DOCUMENT: Final = TypeAdapter(Progress)


class Rebuild:
    """The rebuild of one root's report to one shape; call it only while the log is locked.

    Args:
        root: the root.
        shape: of the new report.
        monotonic: a clock in seconds.
    """

    def __init__(self, root: str, shape: Shape, monotonic: Callable[[], float]) -> None:
        self._root = root
        self._shape = shape
        self._monotonic = monotonic
        self._directory = f"{root}/{REBUILD}/{shape.layout}"

    def forget(self) -> None:
        """Remove what was done: the next slice begins anew."""
        shutil.rmtree(self._directory, ignore_errors=True)
        with suppress(OSError):
            os.rmdir(os.path.dirname(self._directory))

    def advance(self, decisions: DecisionLog, begin: Reported) -> tuple[Reported, bool]:
        """Do one slice of it.

        Args:
            decisions: the log.
            begin: from what a new report begins, where no rebuild is under way.

        Returns:
            how far the new report is, and whether it stands in its place by now.

        Raises:
            OSError: it cannot be written; the old one stands, and no room is taken up.
        """
        try:
            progress = self._resumed(decisions) or self._begun(begin)
            if progress.made is None:
                progress = self._project(decisions, progress)
        except OSError:
            self.forget()
            raise
        if progress.made is not None:
            return _swap(self._root, self._directory, progress), True
        return progress.reported, False

    def _begun(self, begin: Reported) -> Progress:
        self.forget()
        with suppress(FileExistsError):
            make_directory(self._root, os.path.dirname(self._directory))
        make_directory(self._root, self._directory)
        return Progress(begin)

    def _resumed(self, decisions: DecisionLog) -> Progress | None:
        """Return the progress, and undo what was done since it was saved; ``None`` where it leads nowhere."""
        progress = _load(self._directory)
        if progress is None or _has_begun_swap(self._root, self._directory, progress):
            return progress
        # A swap that never began may be long ago: the log has grown, and the old report with it.
        progress = replace(progress, made=None)
        reported = progress.reported
        if not decisions.knows(reported.position) or not can_go_on(self._root, progress.place):
            return None
        path = f"{self._directory}/{REPORT_NAME}"
        present, *later = [name for name in rotated_in(self._directory) if name > progress.last_rotated] or [
            REPORT_NAME
        ]
        if present != REPORT_NAME:
            # The file that was the present one by then has been rotated since.
            for name in (REPORT_NAME, *reversed(later)):
                with suppress(FileNotFoundError):
                    os.unlink(f"{self._directory}/{name}")
            os.rename(f"{self._directory}/{present}", path)
        try:
            status = os.lstat(path)
            found = status.st_ino, status.st_size
        except FileNotFoundError:
            found = 0, 0
        # A file that is still to be begun may be there already, from a run that died.
        is_as_left = not reported.size or (found[0] == reported.inode and found[1] >= reported.size)
        return progress if is_as_left else None

    def _project(self, decisions: DecisionLog, progress: Progress) -> Progress:
        until = self._monotonic() + SLICE_SECONDS
        # Old files are dropped once the progress that no longer needs them is saved.
        writer = Writer(self._root, replace(self._shape, keep=0), self._directory, progress.reported)
        position = end = decisions.end()
        reading = decisions.read(progress.reported.position)
        with OldEntries(self._root, progress.place) as old:
            for event in reading:
                old.take(writer.take(event))
                if self._monotonic() >= until:
                    position = reading.position
                    break
            reported = writer.flush(position)
            lacks = not old.is_over
        made = tuple(reports_in(self._directory)) if position == end else None
        last = [progress.last_rotated, *rotated_in(self._directory)][-1]
        progress = Progress(reported, old.place, last, made, lacks)
        replace_file(self._root, f"{self._directory}/{_PROGRESS}", orjson.dumps(asdict(progress)))
        drop_old(self._directory, self._shape.keep)
        return progress


def end_swap(root: str) -> Reported | None:
    """End a swap that died halfway, whatever the shape of its report; return how far that report is."""
    for layout in _listed(f"{root}/{REBUILD}"):
        directory = f"{root}/{REBUILD}/{layout}"
        progress = _load(directory)
        if progress is not None and _has_begun_swap(root, directory, progress):
            return _swap(root, directory, progress)
    return None


def discard(root: str, but: str = "") -> None:
    """Remove what rebuilds left, but for that of one layout, and for what is being swapped in."""
    for layout in _listed(f"{root}/{REBUILD}"):
        directory = f"{root}/{REBUILD}/{layout}"
        progress = _load(directory)
        if layout != but and (progress is None or not _has_begun_swap(root, directory, progress)):
            shutil.rmtree(directory, ignore_errors=True)
    with suppress(OSError):
        os.rmdir(f"{root}/{REBUILD}")


def _listed(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _has_begun_swap(root: str, directory: str, progress: Progress) -> bool:
    """Return whether a rename was made, or there is none of a present report to make."""
    places = (f"{folder}/{REPORT_NAME}" for folder in (root, directory))
    return progress.made is not None and not all(map(os.path.lexists, places))


def _swap(root: str, directory: str, progress: Progress) -> Reported:
    """Put the new files in the place of the old ones, of which none is lost that says more than they."""
    made = progress.made or ()
    reported = progress.reported
    is_old = not made or os.path.lexists(f"{directory}/{REPORT_NAME}")
    if progress.lacks:
        reported = replace(reported, is_cut=True)
        if is_old and (names := reports_in(root)):
            kept = set_aside(root, names, KEPT_NAME)
            log.warning("report.kept", path=f"{root}/{REPORT_NAME}", kept_as=kept[0], files=len(kept))
    # The present file first: by its new inode the next run knows that a swap died among the others.
    for name in sorted(made, key=lambda name: name != REPORT_NAME):
        with suppress(FileNotFoundError):
            os.rename(f"{directory}/{name}", f"{root}/{name}")
    for name in set(reports_in(root)) - set(made):
        os.unlink(f"{root}/{name}")
    shutil.rmtree(directory, ignore_errors=True)
    discard(root)  # other rebuilds compared themselves with the report that stood
    return reported


def _load(directory: str) -> Progress | None:
    try:
        with open(open_plain(f"{directory}/{_PROGRESS}", os.O_RDONLY), "rb") as file:
            progress = _DOCUMENT.validate_json(file.read(), strict=True)
        Tally.from_dict(progress.reported.tally)
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return progress
