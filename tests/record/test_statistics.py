"""Running numbers over decisions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emosieve.record.statistics import Effect, Tally

DAY = "2024-01-04"


def decided(
    verdict: str, confidence: float | None, gap: float | None = 0.1, emotion: str = "sad"
) -> dict[str, Any]:
    """A decided event of DAY."""
    time = f"{DAY}T22:30:00+08:00"
    return {"event": "decided", "time": time, "verdict": verdict, "confidence": confidence, "gap": gap} | {
        "emotion": emotion,
    }


def test_the_effect_table_compares_all_with_the_normal_ones() -> None:
    """Means before filtering are over all decided results, those after over the normal ones; by hand."""
    tally = Tally()
    tally.count(decided("normal", 0.9, 0.8, "neutral"))
    tally.count(decided("normal", 0.7, 0.4))
    tally.count(decided("low_quality", 0.2, 0.0))

    assert (3, 2, 1) == (tally.total, tally.normal, tally.low_quality)
    assert pytest.approx(1 / 3) == tally.rejection_rate
    assert pytest.approx(0.6) == tally.before.mean_confidence
    assert pytest.approx(0.8) == tally.after.mean_confidence
    assert pytest.approx(0.4) == tally.before.mean_gap
    assert pytest.approx(0.6) == tally.after.mean_gap
    assert pytest.approx(1 / 3) == tally.before.neutral_share
    assert pytest.approx(0.5) == tally.after.neutral_share


def test_nothing_has_no_means() -> None:
    """Over no decisions every mean and share is absent, not a division by zero."""
    tally = Tally()

    assert (None, None) == (tally.rejection_rate, tally.before.mean_confidence)
    assert (None, None) == (tally.before.mean_gap, tally.after.neutral_share)


def test_absent_numbers_do_not_count_in_means() -> None:
    """A result without confidence or gap counts as a result, not as a zero."""
    tally = Tally()
    tally.count(decided("low_quality", None, None))
    tally.count(decided("low_quality", 0.5, 0.2))

    assert (2, 0.5, 0.2) == (tally.before.count, tally.before.mean_confidence, tally.before.mean_gap)


def test_a_number_that_is_none_counts_nothing() -> None:
    """A foreign confidence or gap leaves the effect as it was."""
    tally = Tally()
    for key in ("confidence", "gap"):
        with pytest.raises(TypeError):
            tally.before.add({**decided("normal", 0.5), key: "high"}, 1)

    assert Effect() == tally.before


def test_cells_add_up_to_their_tally() -> None:
    """Results counted cell by cell and merged are the results counted at once."""
    tally, merged = Tally(), Tally()
    merged.merge("quarantined", Effect(count=2))
    tally.quarantined = 2
    for verdict, confidence, emotion in [("normal", 0.5, "neutral"), ("low_quality", 0.25, "sad")]:
        cell = Effect()
        for _ in range(3):
            cell.add(decided(verdict, confidence, 0.5, emotion), 1)
            tally.count(decided(verdict, confidence, 0.5, emotion))
        merged.merge(verdict, cell)

    assert tally == merged


def test_a_restored_task_changes_sides() -> None:
    """A restored event takes its decision out of one side and puts it into the other."""
    tally = Tally()
    tally.count(decided("low_quality", 0.5))
    tally.count({**decided("normal", 0.5), "event": "restored", "was": "low_quality", "decided": f"{DAY}T22"})

    assert (1, 0) == (tally.normal, tally.low_quality)


def test_a_task_restored_from_quarantine_is_not_quarantined_any_more() -> None:
    """Back in the inbox it counts nowhere until it is judged anew."""
    tally = Tally()
    tally.count({"event": "quarantined"})
    tally.count({"event": "restored", "was": "quarantined", "verdict": None})

    assert Tally() == tally


def test_a_superseded_decision_counts_once() -> None:
    """A task judged again before it was moved counts with its new verdict alone."""
    tally = Tally()
    first = decided("low_quality", 0.5)
    tally.count(first)
    tally.count({**decided("normal", 0.9), "supersedes": first})

    assert (1, 0, 0.9) == (tally.normal, tally.low_quality, tally.before.mean_confidence)


def test_a_decision_that_a_quarantine_superseded_does_not_count() -> None:
    """A decided task whose result was broken before its move is quarantined, and nothing else."""
    tally = Tally()
    first = decided("normal", 0.5)
    tally.count(first)
    tally.count({"event": "quarantined", "supersedes": first})

    assert Tally(quarantined=1) == tally


def test_a_day_is_not_changed_by_taking_back_an_older_decision() -> None:
    """What a day never held is not subtracted from it."""
    tally = Tally()
    old = {
        **decided("normal", 0.5),
        "event": "restored",
        "was": "low_quality",
        "decided": "2023-12-31T00:00:00",
    }
    tally.count(old, day=DAY)
    tally.count({**decided("normal", 0.9), "supersedes": {**decided("normal", 0.1), "time": None}}, day=DAY)

    assert (1, 0) == (tally.normal, tally.low_quality)


@pytest.mark.parametrize("event", ["failed", "diverted", "joined", "swept", "of_a_later_version"])
def test_events_that_decide_nothing_are_passed_over(event: str) -> None:
    """Only decisions and what takes them back change the numbers."""
    tally = Tally()
    tally.count({"event": event})

    assert Tally() == tally


@given(st.lists(st.tuples(st.sampled_from(["normal", "low_quality"]), st.floats(0, 1), st.floats(0, 1))))
def test_numbers_survive_the_checkpoint(rows: list[tuple[str, float, float]]) -> None:
    """A tally written as plain numbers and read again is the same, to the last bit."""
    tally = Tally()
    for verdict, confidence, gap in rows:
        tally.count(decided(verdict, confidence, gap))

    assert tally == Tally.from_dict(tally.as_dict())
