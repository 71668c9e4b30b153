"""Tortures by seed: everything that anybody does to a root, in an order that nobody would choose."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from torture import plan_of, require, run_all

FULL = bool(os.environ.get("FULL"))
KNOWN = {
    10: "a task was decided twice when filing.normal was changed, and another one never",
    12: "a filed task that was archived was superseded by the next one of its name",
    13: "one task by two spellings of its path was restored twice",
    15: "a dead recognition of one root joined the task of another root in a shared folder",
    16: "a forged line moved the decision log away",
    22: "a task of one root was taken for the copy of its twin of another root",
    24: "a dead recognition of one root joined the tasks of another root, many times",
    30: "a task was decided twice when filing.normal was changed while its move was pending",
    31: "a task was moved by the decision of an archived one of its name, and never decided",
    36: "a late file of the newest task of its name, filed with a suffix, joined an older one",
}
"""Seeds that once failed, and what they found. Steps and weights that change make other tortures of them."""
COUNT = 200 if FULL else 20


@pytest.mark.timeout(3600 if FULL else 900)
def test_after_a_torture_every_task_is_in_one_place_decided_and_counted_once(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Whatever ran and died, nothing is lost, doubled or mixed, and log, places, stats and report agree."""
    require()
    seeds = [*KNOWN, *(seed for seed in range(COUNT) if seed not in KNOWN)][:COUNT]
    failures = [found for found in run_all([plan_of(seed) for seed in seeds], tmp_path) if found]
    record_property("tortures", len(seeds))
    assert not failures, "\n".join("\n".join(found) for found in failures)
