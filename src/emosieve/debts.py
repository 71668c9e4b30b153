"""Pending moves: logged, not made. What a run that died left behind is found again here, from the log's own lines.

A name proves nothing: it is used again, the log may be edited by hand, and the
settings may be other ones by now. So a pending move is of one directory, known by
its inode and birth time; it starts where a task may stand, and ends in one of
today's folders.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from emosieve.filing import NAME_BYTES, Folders
from emosieve.record.checkpoint import Owed
from emosieve.record.decisions import LOG_NAME, DecisionLog
from emosieve.record.lines import Event
from emosieve.record.locking import STATE_DIRECTORY
from emosieve.record.report import REPORT_NAME
from emosieve.settings import Settings
from emosieve.watch.identity import DirectoryId
from emosieve.watch.inbox import Inbox, Survey

BY_HAND: Final = frozenset({"restored", "reclassified", "joined"})
"""Events whose moves are made as soon as they are found: their source may not stand in the inbox."""
REVIEWS_NAME: Final = "reviews.jsonl"
_KINDS: Final = BY_HAND | {"decided", "quarantined"}
_REPLAYED_AT_ONCE: Final = 1_000
"""Events between two questions whether to stop: about 10 ms."""


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
    return Inbox(root, settings.watch.task_glob, reserved, ask_lease=ask_lease)


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


def replayed(
    events: Iterable[Mapping[str, Any]],
    pending: Mapping[str, Owed],
    may_start: Callable[[str], bool],
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Owed] | None:
    """Return the moves that may be pending after some more events, by source.

    Whether the directory that stands at a source is the one meant is left to the caller: see ``Owed.is_of``.

    Args:
        events: of the log, oldest first.
        pending: before them, by source.
        may_start: whether a task stands at a location now; elsewhere nothing is pending.
        should_stop: asked every thousand events.

    Returns:
        ``None`` when it should stop; nothing of it counts then.
    """
    moves = {source: debt for source, debt in sound(pending).items() if may_start(source)}
    sources = {_key(debt): source for source, debt in moves.items()}
    for number, event in enumerate(events, start=1):
        _replay(event, moves, sources, may_start)
        if number % _REPLAYED_AT_ONCE == 0 and should_stop():
            return None
    return moves


def _key(debt: Owed) -> tuple[int | None, int, int]:
    """By which a directory is known in two events; its device may have another number since."""
    return debt.directory and debt.directory[1], debt.born, debt.changed


def _replay(
    event: Mapping[str, Any],
    moves: dict[str, Owed],
    sources: dict[tuple[int | None, int, int], str],
    may_start: Callable[[str], bool],
) -> None:
    """Take one event of the log, or a line that looks like one."""
    try:
        kind = event["event"]
        if kind in _KINDS:
            debt = debt_of(event)
            # A directory that was moved on has made its move before; so has what made room for another one.
            for source in (sources.pop(_key(debt), ""), debt.source, debt.destination):
                moves.pop(source, None)
            if _is_known(debt) and _can_be_made(debt) and may_start(debt.source):
                moves[debt.source] = debt
                sources[_key(debt)] = debt.source
        elif kind == "diverted":
            source = event["source"]
            moves[source] = replace(moves[source], destination=str(event["destination"]))
        elif kind == "failed":
            source = event["source"]
            moves[source] = replace(moves[source], cause=str(event["cause"]))
    except (KeyError, TypeError, IndexError, AttributeError):
        return


def sound(pending: Mapping[str, Owed]) -> dict[str, Owed]:
    """Return the moves of a checkpoint that emosieve can have written."""
    return {source: debt for source, debt in pending.items() if _is_known(debt) and _can_be_made(debt)}


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


class Places:
    """Where tasks may stand: in the inbox, in the folders of today's settings, and where the log put them before.

    Args:
        inbox: of the root.
        folders: of the root.
        log: of the root.
    """

    def __init__(self, inbox: Inbox, folders: Folders, log: DecisionLog) -> None:
        self._inbox = inbox
        self._folders = folders
        self._log = log
        self._standing: set[str] | None = None

    def may_start(self, location: str) -> bool:
        """Whether something stands at a location that the scanner, or a person, would take for a task."""
        folder, name = os.path.split(location)
        if folder:
            if not _is_shown(name) or not os.path.lexists(self._folders.path(location)):
                return False
            # A folder of earlier settings is one under the root where the log put this task. The log may be
            # another user's, who could name any place outside.
            is_under_root = "/" not in folder and _is_shown(folder)
            was_filed = is_under_root and self._log.last_about(location) is not None
            return was_filed or self._is_filed(folder, name)
        if self._standing is None:
            # One listing, however many events of a long log are asked about.
            self._standing = set(self._inbox.list().tasks)
        return name in self._standing

    def may_end(self, location: str) -> bool:
        """Whether a task may be moved to a location by today's settings."""
        folder, name = os.path.split(location)
        if folder:
            return self._is_filed(folder, name)
        return _is_shown(name) and name not in self._inbox.reserved

    def _is_filed(self, folder: str, name: str) -> bool:
        folders = self._folders.by_verdict.values()
        return folder in folders and _is_shown(name) and f"{folder}/{name}" not in folders


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


def by_hand(pending: Mapping[str, Owed], identity_at: Callable[[str], DirectoryId | None]) -> Iterator[Move]:
    """Give the pending moves that a person asked for, as far as their directories still stand."""
    for debt in pending.values():
        if debt.event not in BY_HAND:
            continue
        standing = identity_at(debt.source)
        if standing is not None and debt.is_of(standing):
            yield Move(debt, (standing.device, standing.inode))
