"""Pending moves: logged, not made. What a run that died left behind is found again here, from the log's own lines.

A name proves nothing: it is used again, the log may be edited by hand, and the
settings may be other ones by now. So a pending move is of one directory, known by
its inode and birth time; it starts where a task may stand, and ends in one of
today's folders.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from emosieve.filing import NAME_BYTES, Folders
from emosieve.proposals import is_newest
from emosieve.record.checkpoint import Checkpoint, Owed, save_checkpoint
from emosieve.record.decisions import LOG_NAME, DecisionLog, Reading
from emosieve.record.files import STATE_DIRECTORY
from emosieve.record.lines import Event
from emosieve.record.long_work import HEED_EVENTS
from emosieve.record.report import REPORT_NAME
from emosieve.settings import Settings
from emosieve.watch.identity import DirectoryId, identity_at
from emosieve.watch.inbox import Inbox
from emosieve.watch.process_log import ProcessLog
from emosieve.watch.survey import Survey

BY_HAND: Final = frozenset({"restored", "reclassified", "joined"})
"""Events whose moves are made as soon as they are found: their source may not stand in the inbox."""
REVIEWS_NAME: Final = "reviews.jsonl"
_KINDS: Final = BY_HAND | {"decided", "quarantined"}
_SAVED_EVENTS: Final = 200_000
"""Events of a long replay between two checkpoints: some seconds of work."""


@dataclass(frozen=True, slots=True)
class Move:
    """A logged move, the directory it must find, and the event if this commit logged it."""

    debt: Owed
    directory: tuple[int, int] | None = None
    event: Event | None = None


def inbox_of(root: str, settings: Settings, *, ask_lease: bool) -> Inbox:
    """The inbox of a root: neither the destinations nor emosieve's own files are tasks, whatever the glob."""
    filing = settings.filing
    own = {STATE_DIRECTORY, LOG_NAME, REPORT_NAME, REVIEWS_NAME}
    reserved = frozenset({filing.normal, filing.low_quality, filing.quarantine} | own)
    inbox = Inbox(
        root,
        settings.watch.task_glob,
        reserved,
        ask_lease=ask_lease,
        result_keys=settings.results.own_keys,
        ignore=settings.settle.ignore,
    )
    inbox.process_log = ProcessLog(settings.source.patterns)
    return inbox


def debt_of(event: Mapping[str, Any]) -> Owed:
    """The move that an event of ours announces.

    Raises:
        KeyError, TypeError: it is none of ours.
    """
    digest, verdict = event.get("result_digest"), event.get("verdict")
    directory = DirectoryId.from_dict(event)
    return Owed(
        event=event["event"],
        task=_text(event["task"]),
        source=_text(event.get("from") or event["task"]),
        destination=_text(event.get("to") or event["destination"]),
        directory=(directory.device, directory.inode) if directory else None,
        result_digest=digest if isinstance(digest, str) else None,
        files=tuple(map(str, event.get("files", ()))),
        born=directory.born_ns if directory else 0,
        changed=directory.changed_ns if directory else 0,
        verdict="quarantined" if event["event"] == "quarantined" else verdict and str(verdict),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def covers(debt: Owed, body: Mapping[str, Any]) -> bool:
    """Whether the move that is pending is the one proposed: of the same result, and of all late files to one task."""
    return (
        debt.result_digest == body.get("result_digest")
        and set(debt.files).issuperset(body.get("files", ()))
        and body.get("destination") in (None, debt.destination)
    )


def replay(event: Mapping[str, Any], moves: dict[str, Owed], may_start: Callable[[str], bool]) -> None:
    """Take one event of the log, or a line that looks like one, into the moves that may be pending, by source.

    Whether the directory that stands at a source is the one meant is left to the caller: see ``Owed.is_of``.

    Args:
        event: of the log; they come oldest first.
        moves: by source; changed in place.
        may_start: whether a task stands at a location now; elsewhere nothing is pending.
    """
    try:
        kind = event["event"]
        if kind in _KINDS:
            debt = debt_of(event)
            # Two directories cannot stand in one place: what was to leave it has left.
            moves.pop(debt.destination, None)
            if _is_known(debt) and _can_be_made(debt) and may_start(debt.source):
                moves[debt.source] = debt
        elif kind == "diverted":
            source = event["source"]
            moves[source] = replace(moves[source], destination=str(event["destination"]))
        elif kind == "failed":
            source = event["source"]
            moves[source] = replace(moves[source], cause=str(event["cause"]))
    except (KeyError, TypeError, IndexError, AttributeError):
        return


def _is_known(debt: Owed) -> bool:
    """Whether the directory can be told from any other that gets its name and inode."""
    return debt.directory is not None and bool(debt.born or debt.changed)


def _can_be_made(debt: Owed) -> bool:
    """Whether all names are such as emosieve writes."""
    return all(map(_can_stand, (os.path.basename(debt.destination), debt.task, *debt.files)))


def _can_stand(name: str) -> bool:
    """Whether a file may have this name; one that may not would be pending for ever."""
    return (
        not {"/", "\0"} & set(name)
        and name not in {"", ".", ".."}
        and len(name.encode(errors="replace")) <= NAME_BYTES
    )


class Recovery:
    """Finds the moves of one root that were logged and not made.

    Args:
        folders: of the root.
        log: of the root.
        inbox: of the root, as today's settings have it.
    """

    def __init__(self, folders: Folders, log: DecisionLog, inbox: Inbox) -> None:
        self._folders = folders
        self._log = log
        self._inbox = inbox
        self._standing: frozenset[str] = frozenset()
        self.reading: Reading | None = None
        """Of the log, while it is replayed."""

    def pending(
        self, checkpoint: Checkpoint, should_stop: Callable[[], bool] = lambda: False
    ) -> dict[str, Owed] | None:
        """Return the moves that may be pending, by source: the checkpoint's, and those logged since by a run that died.

        Without a checkpoint the whole log is read, which may take minutes: every now and then a
        checkpoint is saved, from which the next run goes on.

        Args:
            checkpoint: of the root.
            should_stop: asked every ``HEED_EVENTS`` events.

        Returns:
            ``None`` when a stop comes first.

        Raises:
            OSError: the log cannot be read.
        """
        if checkpoint.filed == self._log.end() and not checkpoint.owed:
            return {}
        # One listing, however many events of a long log are asked about.
        self._standing = frozenset(self._inbox.list().tasks)
        moves = {
            source: debt
            for source, debt in checkpoint.owed.items()
            if _is_known(debt) and _can_be_made(debt) and self._may_start(source)
        }
        self.reading = reading = self._log.read(checkpoint.filed)
        try:
            for number, event in enumerate(reading, start=1):
                replay(event, moves, self._may_start)
                is_stopped = number % HEED_EVENTS == 0 and should_stop()
                if is_stopped or number % _SAVED_EVENTS == 0:
                    self._save(replace(checkpoint, filed=reading.position, owed=moves))
                if is_stopped:
                    return None
        finally:
            self.reading = None
        return moves

    def _save(self, checkpoint: Checkpoint) -> None:
        with suppress(OSError):  # it only spares the next run the way to here
            save_checkpoint(self._log.root, checkpoint)

    def due(self, pending: dict[str, Owed]) -> list[Move]:
        """Return the pending moves that are made at once.

        Those whose directory no longer stands there are dropped from ``pending``, and so are those of late
        files whose task is another one by now.
        """
        moves = []
        for debt in [debt for debt in pending.values() if debt.event in BY_HAND]:
            try:
                standing = identity_at(self._folders.path(debt.source))
            except OSError:
                continue  # nobody can tell now; the next commit asks again
            if standing is None or not debt.is_of(standing) or not self._is_wanted(debt):
                del pending[debt.source]
            else:
                moves.append(Move(debt, (standing.device, standing.inode)))
        return moves

    def may_end(self, location: str) -> bool:
        """Return whether a task may be moved to a location by today's settings."""
        folder, name = os.path.split(location)
        if folder:
            return self._is_in_folder(folder, name)
        return _is_shown(name) and name not in self._inbox.reserved

    def _may_start(self, location: str) -> bool:
        """Whether something stands at a location that the scanner, or a person, would take for a task."""
        folder, name = os.path.split(location)
        if not folder:
            return name in self._standing
        if not _is_shown(name) or not os.path.lexists(self._folders.path(location)):
            return False
        # A folder of earlier settings is one under the root where the log put this task. The log may be
        # another user's, who could name any place outside.
        is_under_root = "/" not in folder and _is_shown(folder)
        was_filed = is_under_root and self._log.last_about(location) is not None
        return was_filed or self._is_in_folder(folder, name)

    def _is_in_folder(self, folder: str, name: str) -> bool:
        folders = self._folders.by_verdict.values()
        return folder in folders and _is_shown(name) and f"{folder}/{name}" not in folders

    def _is_wanted(self, debt: Owed) -> bool:
        if debt.event != "joined":
            return True
        return is_newest(debt.destination, self._folders, self._log.about(debt.task))


def _is_shown(name: str) -> bool:
    """Whether a name may be a task's: emosieve's own in folders are hidden ones."""
    return name.isprintable() and not name.startswith(".")


def diverted(debt: Owed, destination: str) -> dict[str, Any]:
    """Return the body of the event that tells of a move that goes elsewhere than logged."""
    directory = DirectoryId(*debt.directory, debt.born, debt.changed).as_dict() if debt.directory else {}
    return {
        "event": "diverted",
        "task": debt.task,
        **directory,
        "source": debt.source,
        "from": debt.destination,
        "destination": destination,
        "result_digest": debt.result_digest,
    }


def of_survey(pending: Mapping[str, Owed], source: str, survey: Survey) -> Owed | None:
    """Return the pending move of a task that was looked at; ``None`` where another directory stands there now."""
    debt = pending.get(source)
    return debt if debt is not None and debt.is_of(survey.identity) else None
