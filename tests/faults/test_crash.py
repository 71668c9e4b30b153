"""The process dies: at every step that touches the disk, one by one."""

import shutil
import signal
from pathlib import Path

import pytest

from aftermath import assert_all_is_accounted_for
from conftest import names_in, result_bytes
from process import overrides
from steps import Fault, Kind, command

FILED = [f"outputs_20240104_2230{number:02}" for number in range(12)]
TASKS = [f"outputs_20240104_2231{number:02}" for number in range(3)]
ROTATE_BYTES = 4096
SETTINGS = {
    "settle__quiet_seconds": 0.001,
    "decisions__rotate_bytes": ROTATE_BYTES,
    "report__rotate_bytes": ROTATE_BYTES,
}


def make_tasks(root: Path, names: list[str]) -> None:
    """Tasks of both sides."""
    for number, name in enumerate(names):
        (root / name).mkdir(parents=True)
        (root / name / "result.json").write_bytes(result_bytes(0.9 if number % 2 else 0.4))


def make_root(root: Path) -> None:
    """A log and a report just long enough to be rotated by what comes next, and three tasks to come."""
    shutil.rmtree(root, ignore_errors=True)
    make_tasks(root, FILED)
    assert 0 == command(["sweep", str(root), *overrides(**SETTINGS)]).status
    make_tasks(root, TASKS)


@pytest.mark.parametrize("kind", ["dies"])
def test_killed_at_each_step_of_a_sweep_nothing_is_lost(root: Path, kind: Kind) -> None:
    """Wherever a sweep dies, the next one ends with every task in one place, decided and reported once."""
    sweep = ["sweep", str(root), *overrides(**SETTINGS)]
    make_root(root)
    whole = command(sweep)
    assert 0 == whole.status
    assert len(names_in(root)) > 6, "log and report were rotated"
    for number, step in enumerate(whole.steps):
        make_root(root)
        died = command(sweep, Fault(number, kind))
        assert (signal.SIGKILL, step) == (died.signal, died.steps[-1])
        assert 0 == command(sweep).status, step
        assert_all_is_accounted_for(root, FILED + TASKS, SETTINGS)
