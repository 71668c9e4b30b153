"""The latest decision on each result. Pure: events in, decisions out.

A decision that was superseded, restored or reclassified is replaced by what
followed it, as in the numbers of ``breakdown``; a diverted task is not where its
decision says.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from emosieve.record.lineage import place_of
from emosieve.record.lines import Event
from emosieve.record.selection import DECISIONS, verdict_of

_VERDICTS: Final = frozenset({"normal", "low_quality", "quarantined"})

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Standing:
    """A decision that stands.

    Attributes:
        event: by which its task has its verdict and place.
        time: when the result was first decided about, as logged; later events on it keep this time.
        place: location of the task, as far as the log knows; ``None`` where it names none.
    """

    event: Event
    time: str
    place: str | None


@dataclass(slots=True)
class _Revisions:
    """What some events do to earlier ones. There are few of them, so that this is all that is remembered.

    Attributes:
        ended: task and time of each event that a later one takes back.
        last: by task and time of a decision, the time of the newest event that changes it.
        diverted: task and location of what was diverted from there.
    """

    ended: set[_Key] = field(default_factory=set)
    last: dict[_Key, str] = field(default_factory=dict)
    diverted: set[_Key] = field(default_factory=set)

    def take(self, event: Mapping[str, Any]) -> None:
        task, kind = str(event.get("task")), event["event"]
        if kind == "diverted":
            self.diverted.add((task, str(event.get("from"))))
        elif isinstance(superseded := event.get("supersedes"), dict):
            self.ended.add((task, str(superseded.get("time"))))
        elif kind in DECISIONS and isinstance(decided := event.get("decided"), str):
            self.ended.add((task, self.last.get((task, decided), decided)))
            self.last[task, decided] = str(event.get("time"))


def standing(read: Callable[[], Iterable[Event]], on_unreadable: Callable[[], object]) -> Iterator[Standing]:
    """Give the latest decision on each result, in the order of the log.

    Memory is that of what was taken back or diverted, not of the log.

    Args:
        read: gives the events, oldest first; called twice, it gives the same ones.
        on_unreadable: called for each decision of another shape than is written here.
    """
    revisions = _Revisions()
    for event in read():
        revisions.take(event)
    held: dict[_Key, Standing] = {}
    for event in read():
        task, place = str(event.get("task")), place_of(event)
        if event["event"] == "diverted":
            moved = held.pop((task, str(event.get("from"))), None)
            found = [] if moved is None else [Standing(moved.event, moved.time, place)]
        else:
            found = [] if event["event"] not in DECISIONS else _read(event, revisions.ended, on_unreadable)
        for one in found:
            key = (task, str(place))
            if key not in revisions.diverted:
                yield one
                continue
            # An earlier task of this name at this place was not the one that is diverted.
            if key in held:
                yield held.pop(key)
            held[key] = one
    yield from held.values()


def _read(event: Event, ended: set[_Key], on_unreadable: Callable[[], object]) -> list[Standing]:
    """A decision, if it stands."""
    verdict, time = verdict_of(event), event.get("time")
    if verdict is None and event["event"] != "decided":
        return []  # back in the inbox, to be judged anew
    if verdict not in _VERDICTS or not isinstance(time, str) or not isinstance(event.get("task"), str):
        on_unreadable()
        return []
    if (str(event["task"]), time) in ended:
        return []
    decided = event.get("decided")
    return [Standing(event, decided if isinstance(decided, str) else time, place_of(event))]
