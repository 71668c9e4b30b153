"""Owed moves: logged, not made. What a run that died left behind is found again here, from the log's own lines.

The log may hold lines of another version, or edited by hand, so nothing of
them is believed: a debt moves a task between the inbox and the folders, or it
is none.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from emosieve.filing import NAME_BYTES, Folders, Mover
from emosieve.proposals import Proposal
from emosieve.record.checkpoint import Owed
from emosieve.record.lines import Event
from emosieve.watch.inbox import Inbox

BY_HAND: Final = frozenset({"restored", "reclassified", "joined"})
"""Events whose moves are made as soon as they are found: their source may not stand in the inbox."""
_KINDS: Final = BY_HAND | {"decided", "quarantined"}


@dataclass(frozen=True, slots=True)
class Move:
    """A logged move, the directory it must find, and the event if this commit logged it."""

    debt: Owed
    directory: tuple[int, int] | None = None
    event: Event | None = None


def debt_of(event: Mapping[str, Any]) -> Owed:
    """The move that an event of ours announces."""
    digest = event.get("result_digest")
    return Owed(
        event=event["event"],
        task=str(event["task"]),
        source=str(event.get("from") or event["task"]),
        destination=str(event.get("to") or event["destination"]),
        directory=_identity_in(event.get("directory")),
        result_digest=digest if isinstance(digest, str) else None,
        files=tuple(map(str, event.get("files", ()))),
    )


def _identity_in(directory: Any) -> tuple[int, int] | None:
    """Device and inode, as a line has them; ``None`` for anything else."""
    match directory:
        case [int(device), int(inode)] if not isinstance(device, bool) and not isinstance(inode, bool):
            return device, inode
        case _:
            return None


def covers(debt: Owed, proposal: Proposal) -> bool:
    """Whether the move that is owed is the one proposed: of the same result, and of all late files to the same task."""
    body = proposal.body
    return (
        debt.result_digest == body.get("result_digest")
        and set(debt.files).issuperset(body.get("files", ()))
        and body.get("destination") in (None, debt.destination)
    )


def owed_after(
    events: Iterable[Mapping[str, Any]],
    owed: Mapping[str, Owed],
    folders: Folders,
    mover: Mover,
) -> dict[str, Owed]:
    """What is still owed by source, after some more events."""
    owed = {source: debt for source, debt in owed.items() if _is_ours(debt, folders)}
    headed: defaultdict[str, set[str]] = defaultdict(set)
    for debt in owed.values():
        headed[debt.destination].add(debt.source)
    for event in events:
        _replay(event, owed, headed, folders)
    return {source: debt for source, debt in owed.items() if _is_still_owed(debt, folders, mover)}


def _replay(
    event: Mapping[str, Any], owed: dict[str, Owed], headed: defaultdict[str, set[str]], folders: Folders
) -> None:
    """Take one event; ``headed`` has, by destination, all sources that were ever to be moved there."""
    try:
        if event["event"] in _KINDS:
            debt = debt_of(event)
            # What was moved on from where an older debt would put it has been there: that debt is paid.
            for source in headed.pop(debt.source, ()):
                if source in owed and owed[source].destination == debt.source:
                    del owed[source]
            if _is_ours(debt, folders):
                owed[debt.source] = debt
                headed[debt.destination].add(debt.source)
        elif event["event"] == "diverted":
            debt = replace(owed[event["source"]], destination=event["destination"])
            if _is_ours(debt, folders):
                owed[debt.source] = debt
                headed[debt.destination].add(debt.source)
        elif event["event"] == "failed":
            owed[event["source"]] = replace(owed[event["source"]], cause=str(event["cause"]))
    except (KeyError, TypeError, IndexError, AttributeError):
        return


def _is_ours(debt: Owed, folders: Folders) -> bool:
    """Whether a debt stays within the inbox and the folders."""
    places = {"", *folders.by_verdict.values()}
    for location in (debt.source, debt.destination):
        folder, name = os.path.split(location)
        if folder not in places or not _can_stand(name) or not name.isprintable():
            return False
    return all(map(_can_stand, (debt.task, *debt.files)))


def _can_stand(name: str) -> bool:
    """Whether a file may have this name; one that may not would be owed for ever."""
    return (
        not {"/", "\0"} & set(name)
        and name not in {"", ".", ".."}
        and len(name.encode(errors="replace")) <= NAME_BYTES
    )


def _is_still_owed(debt: Owed, folders: Folders, mover: Mover) -> bool:
    """Whether the move is still to be made: its source stands, and is not a new task of the same name."""
    try:
        if mover.stat(debt.source) is None:
            return False
        there = mover.stat(debt.destination)
        if there is None or debt.event == "joined":
            return True
        if (there.st_dev, there.st_ino) == debt.directory:
            return False
        return not _is_copied(debt, folders)
    except OSError:
        return True


def _is_copied(debt: Owed, folders: Folders) -> bool:
    """Whether the move was made across file systems, and another result stands where the source stood.

    Where the same result still stands there, only its removal is owed.
    """
    if debt.result_digest is None:
        return False
    source, destination = (_digest(folders.path(place)) for place in (debt.source, debt.destination))
    return source != debt.result_digest == destination


def _digest(path: str) -> str | None:
    """The digest of a task's result; ``None`` where it has none."""
    parent, name = os.path.split(path)
    inbox = Inbox(parent, "*", frozenset(), ask_lease=False)
    return inbox.read(inbox.survey(name)).digest
