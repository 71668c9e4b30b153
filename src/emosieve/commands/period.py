"""A period of the log, as an operator writes its ends."""

import re
from datetime import date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING

from emosieve.errors import SetupError
from emosieve.text import Language, Phrase

if TYPE_CHECKING:
    from emosieve.record.breakdown import Period

WRONG = Phrase(
    en="{option} {text}: write a date (2024-01-04), a date and time (2024-01-04T22:30, with an offset if you"
    " like: +08:00), today, yesterday, or a span back from now (90m, 24h, 7d, 2w)",
    zh="{option} {text}：请写日期（2024-01-04）、日期和时间（2024-01-04T22:30，可带时区偏移：+08:00）、"
    "today、yesterday，或从现在往前的时长（90m、24h、7d、2w）",
)
EMPTY = Phrase(
    en="--since {since} is not before --until {until}: no decision can lie between them; change one of them",
    zh="--since {since} 不早于 --until {until}，两者之间不会有任何判定；请修改其中之一",
)

_DAYS_BACK = {"today": 0, "yesterday": 1}
_SPAN = re.compile(r"(\d{1,6})([mhdw])", re.ASCII)
_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def read_period(
    since: str | None,
    until: str | None,
    zone: tzinfo | None,
    now: datetime,
    language: Language,
) -> "Period":
    """The period between two ends, either of which may be missing.

    Args:
        since: its beginning, which belongs to it; see ``WRONG`` for what may be written.
        until: its end, which does not; but a whole day (a date, today, yesterday) does.
        zone: of dates and of times without offset; ``None`` is the machine's own.
        now: with offset.
        language: of the error.

    Raises:
        SetupError: an end is none of what may be written, or the period can hold nothing.
    """
    from emosieve.record.breakdown import Period  # noqa: PLC0415 - the command line must start fast

    begin = _end("--since", since, zone, now, language)
    end = _end("--until", until, zone, now, language)
    if begin is not None and end is not None and begin >= end:
        raise SetupError(EMPTY(since=since, until=until).text(language))
    return Period(begin, end)


def _end(
    option: str, text: str | None, zone: tzinfo | None, now: datetime, language: Language
) -> datetime | None:
    if text is None:
        return None
    try:
        return _moment(text.strip(), zone, now, is_last=option == "--until")
    except (ValueError, OverflowError):  # OverflowError: before the year 1, or after 9999
        raise SetupError(WRONG(option=option, text=text).text(language)) from None


def _moment(text: str, zone: tzinfo | None, now: datetime, *, is_last: bool) -> datetime:
    if span := _SPAN.fullmatch(text):
        return now - int(span[1]) * _UNITS[span[2]]
    day = _day(text, now)
    if day is not None:
        return _in_zone(datetime.combine(day + timedelta(days=is_last), time()), zone)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else _in_zone(moment, zone)


def _day(text: str, now: datetime) -> date | None:
    """A whole day; ``None`` where a moment is written."""
    if text in _DAYS_BACK:
        return now.date() - timedelta(days=_DAYS_BACK[text])
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _in_zone(moment: datetime, zone: tzinfo | None) -> datetime:
    return moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
