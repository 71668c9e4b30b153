"""The decisions that stand, as the log's last word."""

import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emosieve.record.breakdown import Breakdown, Period, count
from emosieve.record.standing import Standing, standing
from log_lines import (
    FIFTH,
    FIRST,
    LOG,
    LOW,
    SECOND,
    THIRD,
    Line,
    decided,
    quarantined,
    reclassified,
    restored,
    superseding,
)


def standing_of(events: list[Any]) -> list[Standing]:
    """What stands after some events that can all be read."""
    unreadable: list[None] = []
    found = list(standing(lambda: iter(events), lambda: unreadable.append(None)))
    assert [] == unreadable
    return found


def verdicts(found: list[Standing]) -> dict[str, str]:
    """By task; a quarantined one by its event."""
    return {one.event["task"]: one.event.get("verdict") or one.event["event"] for one in found}


def diverted(task: str, from_place: str, to_place: str) -> Line:
    """A move that went elsewhere than logged."""
    time = "2024-01-07T10:00:00+08:00"
    return {"event": "diverted", "time": time, "task": task, "from": from_place, "destination": to_place}


def test_each_result_has_one_decision() -> None:
    """The log written by hand, by its own table."""
    expected = {
        "outputs_1": "normal",
        "outputs_2": "normal",
        "outputs_3": "low_quality",
        "outputs_4": "low_quality",
        "outputs_5": "low_quality",
        "outputs_6": "quarantined",
        "outputs_7": "normal",
        "outputs_8": "low_quality",
    }
    found = standing_of(LOG)

    assert expected == verdicts(found)
    assert len(expected) == len(found)


def test_a_revision_keeps_the_time_of_its_decision() -> None:
    """However often it is changed, a result was decided about once."""
    back = restored(SECOND, "2024-01-05T09:00:00+08:00")
    again = reclassified(back, "2024-01-06T09:00:00+08:00", [LOW])

    assert [Standing(again, SECOND["time"], None)] == standing_of([SECOND, back, again])


def test_what_went_back_to_the_inbox_does_not_stand() -> None:
    """It is judged anew."""
    assert [] == standing_of([FIFTH, restored(FIFTH, "2024-01-05T09:01:00+08:00")])


def test_what_stood_there_without_a_decision_stands_once() -> None:
    """Its first event is its decision, which later ones change."""
    first = {**restored(SECOND, "2024-01-05T09:00:00+08:00"), "decided": None}
    second = restored(first, "2024-01-06T09:00:00+08:00")

    assert [Standing(second, first["time"], None)] == standing_of([first, second])


def test_two_tasks_of_one_name_stand_both() -> None:
    """The WebUI uses a name again within its second."""
    again = {**SECOND, "time": "2024-01-04T11:00:00+08:00", "destination": "low_quality/outputs_2.2"}

    assert ["low_quality/outputs_2", "low_quality/outputs_2.2"] == [
        one.place for one in standing_of([SECOND, again])
    ]


def test_a_result_that_was_written_anew_supersedes_a_revision() -> None:
    """Of the chain of events nothing stands but the newest."""
    back = restored(SECOND, "2024-01-05T09:00:00+08:00")
    new = superseding({**THIRD, "task": "outputs_2"}, back)

    assert [new] == [one.event for one in standing_of([SECOND, back, new])]


@pytest.mark.parametrize("count", [1, 2])
def test_what_was_diverted_stands_elsewhere(count: int) -> None:
    """Once or twice."""
    places = ["low_quality/outputs_2", "low_quality/outputs_2.2", "low_quality/outputs_2.3"]
    moves = [diverted("outputs_2", *pair) for pair in itertools.pairwise(places[: count + 1])]

    assert [places[count]] == [
        one.place for one in standing_of([SECOND, FIRST, *moves]) if one.event is SECOND
    ]


def test_an_earlier_task_of_the_name_was_not_diverted() -> None:
    """It is the newest one at a place whose move went elsewhere."""
    again = {**SECOND, "time": "2024-01-04T11:00:00+08:00"}
    move = diverted("outputs_2", "low_quality/outputs_2", "low_quality/outputs_2.2")

    assert [(SECOND, "low_quality/outputs_2"), (again, "low_quality/outputs_2.2")] == [
        (one.event, one.place) for one in standing_of([SECOND, again, move])
    ]


def test_a_later_task_of_the_name_was_not_diverted() -> None:
    """Nor is one that came after the move."""
    again = {**SECOND, "time": "2024-01-08T11:00:00+08:00"}
    move = diverted("outputs_2", "low_quality/outputs_2", "low_quality/outputs_2.2")

    assert [(SECOND, "low_quality/outputs_2.2"), (again, "low_quality/outputs_2")] == [
        (one.event, one.place) for one in standing_of([SECOND, move, again])
    ]


@pytest.mark.parametrize(
    "line",
    [
        {**SECOND, "verdict": "splendid"},
        {**SECOND, "verdict": None},
        {**SECOND, "verdict": ["normal"]},
        {**SECOND, "time": 17},
        {**SECOND, "task": None},
        {"event": "decided"},
        {"event": "quarantined"},
    ],
)
def test_a_foreign_line_is_left_out(line: Line) -> None:
    """And counted."""
    unreadable: list[None] = []

    assert [FIRST] == [one.event for one in standing(lambda: [line, FIRST], lambda: unreadable.append(None))]
    assert [None] == unreadable


@given(st.data())
def test_they_are_those_that_stats_counts(data: st.DataObject) -> None:
    """Whatever happened to some tasks, as many stand of each verdict as are counted."""
    events: list[Line] = []
    last: dict[str, Line] = {}
    for number in range(data.draw(st.integers(1, 20))):
        task = data.draw(st.sampled_from(["outputs_1", "outputs_2"]))
        time = f"2024-01-{1 + number // 60:02d}T10:{number % 60:02d}:00+08:00"
        old = last.get(task)
        verdict = data.draw(st.sampled_from(["normal", "low_quality"]))
        fresh = decided(task, time, verdict, ("sad", 0.5, 0.1))
        kinds = ["decided", "quarantined", *(["superseding", "restored", "reclassified"] if old else [])]
        match data.draw(st.sampled_from(kinds)):
            case "decided":
                event = fresh
            case "quarantined":
                event = quarantined(task, time)
            case "superseding" if old and old["event"] == "decided":
                event = superseding(fresh, old)
            case "reclassified" if old and old["event"] != "quarantined":
                event = reclassified(old, time, [])
            case _:
                event = restored(old, time) if old else fresh
        events.append(event)
        last[task] = event
        if event.get("verdict") is None and event["event"] == "restored":
            del last[task]
    breakdown = Breakdown()
    count(events, Period(), breakdown.take)

    found = Counter(verdicts([one])[one.event["task"]] for one in standing_of(events))
    assert {name: number for name, number in breakdown.tally().verdicts.items() if number} == dict(found)
