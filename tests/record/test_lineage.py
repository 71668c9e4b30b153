"""Which events led a task to where it stands, though its name was used before."""

from typing import Any

import pytest

from emosieve.record.lineage import is_about, lineage
from emosieve.watch.identity import DirectoryId

ONE, TWO = {"directory": [1, 10], "born": 100}, {"directory": [1, 11], "born": 200}
ELSEWHERE = {"directory": [2, 30], "born": 300}
TASK = "outputs_1"


def event(kind: str, place: str, **more: Any) -> dict[str, Any]:
    """An event that put a task somewhere."""
    return {"event": kind, "task": TASK, "to" if "from" in more else "destination": place, **more}


def story(*events: dict[str, Any]) -> list[str]:
    """The kinds of the events that led to normal/, as ``explain`` would tell them."""
    return [one["event"] for one in lineage(events, f"normal/{TASK}", lambda _event: True)]


QUARANTINED = event("quarantined", f"quarantine/{TASK}", **ONE, result_digest="a")
BACK = event("restored", TASK, **ONE, **{"from": f"quarantine/{TASK}"}, result_digest="a")


@pytest.mark.parametrize(
    ("decided", "expected"),
    [
        ({**ONE, "result_digest": "b"}, ["quarantined", "restored", "decided"]),
        ({**TWO, "result_digest": "b"}, ["decided"]),
        ({**TWO, "result_digest": "a"}, ["quarantined", "restored", "decided"]),
        ({"directory": [1, 10], "born": 101, "result_digest": "b"}, ["decided"]),
        ({**ELSEWHERE, "result_digest": "a"}, ["quarantined", "restored", "decided"]),
        ({**ELSEWHERE, "result_digest": "b"}, ["decided"]),
        ({}, ["quarantined", "restored", "decided"]),
    ],
    ids=["mended", "another", "copied here", "inode again", "copied", "another elsewhere", "old line"],
)
def test_only_events_of_one_task_are_told(decided: dict[str, Any], expected: list[str]) -> None:
    """The same directory, or a copy of the same result on another file system."""
    assert expected == story(QUARANTINED, BACK, event("decided", f"normal/{TASK}", **decided))


def test_a_diverted_task_is_followed() -> None:
    """Its decision names where it did not go; what came before is asked of the decision."""
    decided = event("decided", f"normal/{TASK}", **TWO)
    diverted = event("diverted", f"normal/{TASK}.2", source=TASK, **{"from": f"normal/{TASK}"})
    diverted = {**diverted, "destination": diverted.pop("to")}
    found = lineage([QUARANTINED, BACK, decided, diverted], f"normal/{TASK}.2", lambda _event: True)

    assert ["decided", "diverted"] == [one["event"] for one in found]


def test_what_stands_there_may_be_nobodys() -> None:
    """The last event that put a task there was about another one, which is gone."""
    decided = event("decided", f"normal/{TASK}", **ONE)

    assert () == lineage([decided], f"normal/{TASK}", lambda _event: False)


@pytest.mark.parametrize(
    ("logged", "standing", "expected"),
    [
        ({**ONE, "result_digest": "a"}, DirectoryId(1, 10, 100), True),
        ({**ONE, "result_digest": "a"}, DirectoryId(9, 10, 100), True),
        ({**ONE, "result_digest": "y"}, DirectoryId(1, 10, 101), False),
        ({**ONE, "result_digest": "x"}, DirectoryId(1, 12, 100), True),
        ({**ONE, "result_digest": "y"}, DirectoryId(1, 12, 100), False),
        ({**ONE, "result_digest": "x"}, DirectoryId(2, 10, 101), True),
        ({**ONE, "result_digest": "y"}, DirectoryId(2, 10, 101), False),
        ({**ONE}, DirectoryId(2, 10, 101), False),
        ({"directory": [1, 10], "changed": 7, "result_digest": "y"}, DirectoryId(1, 10, 0, 7), True),
        ({"directory": [1, 10], "changed": 7, "result_digest": "x"}, DirectoryId(1, 10, 0, 8), True),
        ({"directory": [1, 10], "changed": 7, "result_digest": "y"}, DirectoryId(1, 10, 0, 8), False),
        ({"result_digest": "x"}, DirectoryId(1, 10, 100), True),
        ({"result_digest": "y"}, DirectoryId(1, 10, 100), False),
        ({}, DirectoryId(1, 10, 100), True),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_event_is_about_what_stands_there(
    logged: dict[str, Any], standing: DirectoryId, *, expected: bool
) -> None:
    """By the directory where that can be told, else by the digest of its result, which is x."""
    assert expected is is_about({"event": "decided", **logged}, standing, lambda: "x")
