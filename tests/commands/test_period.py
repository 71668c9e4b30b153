"""The ends of a period, as an operator writes them."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from emosieve.commands.period import read_period
from emosieve.errors import SetupError
from emosieve.record.breakdown import Period
from emosieve.text import Language

EAST = timezone(timedelta(hours=8))
NOW = datetime(2024, 1, 4, 22, 30, tzinfo=EAST)


def period(since: str | None = None, until: str | None = None, zone: tzinfo | None = EAST) -> Period:
    """A period as written on the 4th of January, 22:30."""
    return read_period(since, until, zone, NOW, "en")


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("2024-01-03", "2024-01-03T00:00+08:00", "2024-01-04T00:00+08:00"),
        ("2024-02-29", "2024-02-29T00:00+08:00", "2024-03-01T00:00+08:00"),
        ("today", "2024-01-04T00:00+08:00", "2024-01-05T00:00+08:00"),
        ("yesterday", "2024-01-03T00:00+08:00", "2024-01-04T00:00+08:00"),
        (" today ", "2024-01-04T00:00+08:00", "2024-01-05T00:00+08:00"),
        ("2024-01-03T22:30", "2024-01-03T22:30+08:00", "2024-01-03T22:30+08:00"),
        ("2024-01-03 22:30:01", "2024-01-03T22:30:01+08:00", "2024-01-03T22:30:01+08:00"),
        ("2024-01-03T22:30+01:00", "2024-01-03T22:30+01:00", "2024-01-03T22:30+01:00"),
        ("2024-01-03T22:30Z", "2024-01-03T22:30+00:00", "2024-01-03T22:30+00:00"),
        ("90m", "2024-01-04T21:00+08:00", "2024-01-04T21:00+08:00"),
        ("24h", "2024-01-03T22:30+08:00", "2024-01-03T22:30+08:00"),
        ("7d", "2023-12-28T22:30+08:00", "2023-12-28T22:30+08:00"),
        ("2w", "2023-12-21T22:30+08:00", "2023-12-21T22:30+08:00"),
    ],
)
def test_an_end_can_be_written_in_many_ways(text: str, since: str, until: str) -> None:
    """A day begins at its midnight and, as the end, is included; a moment is itself at either end."""
    assert datetime.fromisoformat(since) == period(since=text).since
    assert datetime.fromisoformat(until) == period(until=text).until


def test_a_missing_end_is_open() -> None:
    """Without ends there is no end."""
    assert (Period(), False) == (period(), bool(period()))


def test_a_day_may_have_23_hours() -> None:
    """Midnights are those of the zone, before and after its clocks change."""
    berlin = ZoneInfo("Europe/Berlin")
    day = period("2024-03-31", "2024-03-31", berlin)

    assert day.since is not None
    assert day.until is not None
    assert timedelta(hours=23) == day.until.astimezone(UTC) - day.since.astimezone(UTC)


def test_without_a_zone_the_machine_decides() -> None:
    """The setting timezone = "local" takes the offset that the machine has on that day."""
    assert datetime(2024, 1, 4).astimezone() == period("2024-01-04", zone=None).since


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "3 days",
        "7y",
        "-1d",
        "2024-13-01",
        "04.01.2024",
        "99999999d",
        "999999w",
        "9999-12-31",
        "\x1b",
    ],
)
@pytest.mark.parametrize("language", get_args(Language))
def test_a_wrong_end_is_refused_with_what_may_be_written(text: str, language: Language) -> None:
    """The error names the option and what was given, escaped, and shows every form."""
    with pytest.raises(SetupError) as refusal:
        read_period(None, text, EAST, NOW, language)

    words = str(refusal.value)
    assert words.isprintable()
    assert words.startswith("--until ")
    assert [] == [form for form in ("2024-01-04T22:30", "yesterday", "90m", "2w") if form not in words]


@pytest.mark.parametrize(("since", "until"), [("today", "yesterday"), ("24h", "24h"), ("1h", "2h")])
def test_a_period_that_can_hold_nothing_is_refused(since: str, until: str) -> None:
    """Ends in the wrong order are a mistake, not an empty answer."""
    with pytest.raises(SetupError, match=f"--since {since} is not before --until {until}"):
        period(since, until)
