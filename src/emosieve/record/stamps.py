"""The stamps in the names of rotated files: of log and report alike, in the order of rotation. Pure."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from emosieve.record.lines import event_time

_FORMAT: Final = "%Y%m%dT%H%M%S.%fZ"
"""UTC with microseconds: such names sort by time."""

_FIRST_STAMP: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_STAMP: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""What names of four-digit years can hold, whatever a line of the log says."""
_LEAST: Final = timedelta(microseconds=1)


def stamp_after(event: Mapping[str, Any], earlier: Sequence[str]) -> str:
    """The stamp of a rotated file: its last event's time, after every earlier stamp whatever the clock did.

    Args:
        event: the last event in the file.
        earlier: names of the files rotated before, oldest first.
    """
    moment = min(max(_FIRST_STAMP, event_time(event)), _LAST_STAMP).astimezone(UTC)
    taken = [stamp for stamp in map(_stamp_in, earlier) if stamp is not None]
    with suppress(OverflowError):  # no time is after the last that there is
        moment = max([moment, *(stamp + _LEAST for stamp in taken)])
    while moment in taken:
        moment -= _LEAST
    return moment.strftime(_FORMAT)


def _stamp_in(name: str) -> datetime | None:
    """The stamp of a rotated file; ``None`` where the digits are no time, for then no rotation gave that name."""
    try:
        return datetime.strptime(name.split("-", 1)[1].rsplit(".", 1)[0], _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
