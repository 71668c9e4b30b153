"""Which filed tasks the log does not know."""

from pathlib import Path
from typing import Any

import pytest

from emosieve.record.decisions import DecisionLog
from emosieve.record.unlogged import unlogged_among

NAMES = ["outputs_1", 'outputs_"quoted"', "outputs_back\\slash", "outputs_end\\", "outputs_测试", "a, b"]


def logged(root: Path, *events: dict[str, Any], rotate_bytes: int = 10**9) -> DecisionLog:
    """A log with these events, each appended by itself."""
    log = DecisionLog(str(root), rotate_bytes=rotate_bytes, sync="never")
    for event in events:
        with log.locked():
            log.append([{"event": "decided", **event}])
    return log


@pytest.mark.parametrize("name", NAMES)
def test_a_decided_task_is_logged(root: Path, name: str) -> None:
    """A place that a decision named is known, whatever characters are in it."""
    log = logged(root, {"task": name, "destination": f"normal/{name}"})

    assert set() == unlogged_among(log, {f"normal/{name}"})


@pytest.mark.parametrize("name", NAMES)
def test_a_task_in_the_other_folder_is_not_logged(root: Path, name: str) -> None:
    """Only the place counts: a task that somebody moved to the other side by hand has no event there."""
    log = logged(root, {"task": name, "destination": f"normal/{name}"})

    assert {f"low_quality/{name}"} == unlogged_among(log, {f"low_quality/{name}"})


def test_where_it_was_restored_to_is_logged(root: Path) -> None:
    """A task stands where an event moved it to."""
    log = logged(root, {"event": "restored", "task": "a", "from": "low_quality/a", "to": "normal/a"})

    assert {"low_quality/a"} == unlogged_among(log, {"normal/a", "low_quality/a"})


def test_a_text_that_looks_like_a_place_is_none(root: Path) -> None:
    """A reason that quotes a line of the log does not make a place known."""
    log = logged(
        root, {"event": "quarantined", "task": "a", "reason": '"destination":"normal/b"', "to": None}
    )

    assert {"normal/b"} == unlogged_among(log, {"normal/b"})


def test_rotated_files_count(root: Path) -> None:
    """A decision is known for ever."""
    log = logged(root, *({"task": name, "destination": f"normal/{name}"} for name in "abc"), rotate_bytes=50)

    assert len(log.files()) > 1
    assert {"normal/d"} == unlogged_among(log, {f"normal/{name}" for name in "abcd"})


def test_without_a_log_all_are_unlogged(root: Path) -> None:
    """Where nothing was ever decided nothing is known."""
    assert {"normal/a"} == unlogged_among(DecisionLog(str(root)), {"normal/a"})
