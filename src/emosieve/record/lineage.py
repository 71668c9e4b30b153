"""Which events led a task to where it stands. Pure: events in, events out.

A name is used for several tasks: the WebUI's names have a resolution of one
second, clocks are set back, and filed tasks are archived. So an event belongs to
a task when it is about the same directory, or about the same result.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from emosieve.record.lines import Event
from emosieve.watch.identity import DirectoryId


def place_of(event: Mapping[str, Any]) -> str | None:
    """Where an event put its task; ``None`` for one that moves nothing."""
    place = event.get("to") or event.get("destination")
    return place if isinstance(place, str) else None  # an edited line may say anything


def decision_in(history: Sequence[Event]) -> Event | None:
    """The last event by which rules decided."""
    return next((event for event in reversed(history) if "findings" in event), None)


def is_about(event: Mapping[str, Any], standing: DirectoryId, digest_of: Callable[[], str | None]) -> bool:
    """Return whether an event is about the task that stands somewhere.

    Args:
        event: one that put a task there, or somewhere before.
        standing: the directory that stands there.
        digest_of: gives the digest of its result; called only where the directory is another one, as a
            copy is: where no rename is possible a task is copied, also within one file system.
    """
    logged, digest = DirectoryId.from_dict(event), event.get("result_digest")
    if logged is not None and logged.is_same(standing):
        return True
    if digest is None:
        # Nothing tells: lines of another version name neither.
        return logged is None
    return bool(digest == digest_of())


def lineage(events: Sequence[Event], location: str, is_start: Callable[[Event], bool]) -> tuple[Event, ...]:
    """Return the events that led a task to a location, oldest first.

    Args:
        events: all events of the tasks of this name, oldest first.
        location: where it stands.
        is_start: whether an event that put a task there is about the one that stands there.
    """
    chain: list[Event] = []
    wanted = location
    for event in reversed(events):
        if place_of(event) != wanted or event["event"] == "joined":
            continue
        if not (_may_precede(event, chain) if chain else is_start(event)):
            break
        chain.append(event)
        wanted = str(event.get("from") or event.get("task"))
    return tuple(reversed(chain))


def _may_precede(older: Event, chain: Sequence[Event]) -> bool:
    """Whether an event may be about the task of a chain; a ``diverted`` one of an older version says nothing of it."""
    newer = next((event for event in chain[::-1] if "directory" in event or "result_digest" in event), {})
    one, other = DirectoryId.from_dict(older), DirectoryId.from_dict(newer)
    if one is None or other is None or one.may_be(other):
        return True
    # A copy is another directory with the same result.
    digests = (older.get("result_digest"), newer.get("result_digest"))
    return None not in digests and digests[0] == digests[1]
