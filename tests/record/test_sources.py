"""Numbers by the group in a recording's name."""

import pytest

from emosieve.judge.source import TooSlow
from emosieve.record import sources
from emosieve.record.breakdown import Period, count
from emosieve.record.sources import Sources
from log_lines import FIFTH, FIRST, FOURTH, SECOND, THIRD, Line, reclassified, restored, superseding

PATTERN = r"agent(\d)"


def of(event: Line, source: str) -> Line:
    """An event about a recording."""
    return {**event, "source": source}


def counts(events: list[Line], pattern: str = PATTERN) -> dict[str | None, tuple[int, int]]:
    """Normal and low_quality decisions by group, in the order of the table."""
    table = Sources(pattern)
    assert count(events, Period(), table.take) == 0
    return {group: (one.normal, one.low_quality) for group, one in table.groups().items()}


def test_decisions_are_counted_by_group() -> None:
    """The most frequent first; those without a group together, and quarantined ones not at all."""
    events = [
        *(FIRST, of(FOURTH, "x.wav"), of(SECOND, "agent1_a.wav")),
        *(of(THIRD, "agent1_b.wav"), of(FOURTH, "agent1_c.wav"), of(FIFTH, "agent3_a.wav")),
    ]

    assert {"1": (1, 2), None: (2, 0)} == counts(events)
    assert ["1", None] == list(counts(events))


def test_what_is_taken_back_is_subtracted() -> None:
    """Superseded, restored and judged anew: each counts once, for the recording that it is about."""
    first, second = of(SECOND, "agent1_a.wav"), of(FOURTH, "agent2_a.wav")
    newer = superseding(of({**THIRD, "task": first["task"]}, "agent3_a.wav"), first)
    newer["supersedes"]["source"] = first["source"]
    back = of(restored(newer, "2024-01-05T09:00:00+08:00"), "agent3_a.wav")
    anew = of(reclassified(second, "2024-01-05T09:00:00+08:00", []), "agent2_a.wav")

    assert {"2": (0, 1), "3": (1, 0)} == counts([first, second, newer, back, anew])


def test_a_quarantined_result_that_is_superseded_leaves_its_group() -> None:
    """The group of a decision that a quarantine takes the place of is subtracted."""
    first = of(SECOND, "agent1_a.wav")
    newer = superseding(of({**FIFTH, "task": first["task"]}, "agent1_a.wav"), first)
    newer["supersedes"]["source"] = first["source"]

    assert {} == counts([first, newer])


def test_groups_beyond_the_limit_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern that takes the whole name in does not take the memory for it."""
    monkeypatch.setattr(sources, "GROUP_LIMIT", 2)
    events = [of(FIRST, "1"), of(FIRST, "2"), of(FIRST, "3"), of(FIRST, "4"), of(FIRST, "1")]

    assert {"1": (2, 0), "…": (2, 0), "2": (1, 0)} == counts(events, "(.+)")


def test_a_group_is_escaped() -> None:
    """A line that somebody edited may say anything."""
    assert {"\\u001b": (1, 0)} == counts([of(FIRST, "\x1b")], "(.+)")


def test_a_slow_pattern_ends_the_count() -> None:
    """It is nobody's foreign line."""
    with pytest.raises(TooSlow):
        counts([of(FIRST, "a" * 200 + "!")], "(a|aa)+$")
