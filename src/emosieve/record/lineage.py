"""Which events led a task to where it stands. Pure: events in, events out."""

from collections.abc import Mapping, Sequence
from typing import Any

from emosieve.record.lines import Event


def place_of(event: Mapping[str, Any]) -> str | None:
    """Where an event put its task; ``None`` for one that moves nothing."""
    place = event.get("to") or event.get("destination")
    return place if isinstance(place, str) else None  # an edited line may say anything


def decision_in(history: Sequence[Event]) -> Event | None:
    """The last event by which rules decided."""
    return next((event for event in reversed(history) if "findings" in event), None)


def lineage(events: Sequence[Event], location: str) -> tuple[Event, ...]:
    """The events that led to a location, oldest first: a name may have been used for several tasks."""
    chain: list[Event] = []
    wanted = location
    for event in reversed(events):
        if place_of(event) == wanted and event["event"] != "joined":
            chain.append(event)
            wanted = str(event.get("from") or event.get("task"))
    return tuple(reversed(chain))
