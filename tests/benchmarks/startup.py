"""From the start of the process to what was asked for: a watch that is ready, a health that is told, a version."""

import argparse
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from common import (
    PYTHON,
    READY,
    arguments,
    cost_of,
    in_turn,
    make_filed,
    name_of,
    ratios,
    running,
    spread,
    table,
    watching,
)

SCRIPT = str(Path(PYTHON).with_name("emosieve"))
NOTHING = "`watch` to READY, nothing there"
FILED = "`watch` to READY, filed tasks"
PENDING = "`watch` to READY, pending tasks"
PASS, HEALTH = "`python -c pass`", "`emosieve health`"
TYPER, VERSION = "`python -c 'import typer'`", "`emosieve --version`"
AGAINST = {FILED: NOTHING, PENDING: NOTHING, HEALTH: PASS, VERSION: TYPER}


def ready(root: str) -> float:
    """Seconds until a watch is ready."""
    with running(watching(root), READY) as watch:
        return watch.seconds


def ended(*command: str) -> float:
    """Seconds until a command has ended."""
    return cost_of(command).seconds


def main() -> None:
    """Make the roots, start in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filed", type=int, default=100_000, help="tasks that were filed before")
    parser.add_argument("--pending", type=int, default=10_000, help="tasks without a result")
    given = arguments(parser)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("nothing", "pending", "watched"):
            os.mkdir(f"{folder}/{name}")
        make_filed(f"{folder}/filed", given.filed)
        for number in range(given.pending):
            os.mkdir(f"{folder}/pending/{name_of(number)}")
        with running(watching(f"{folder}/watched"), READY):
            found = in_turn(given.rounds, ways_of(folder))
        amounts = {FILED: f", {given.filed:,} of them", PENDING: f", {given.pending:,} of them"}
        rows = []
        for name, seconds in found.items():
            other = AGAINST.get(name)
            times = spread(ratios(seconds, found[other])) if other else ""
            shown = spread([one * 1e3 for one in seconds], 0)
            rows.append([name + amounts.get(name, ""), shown, times, other or ""])
        table(("", "ms", "times", "of"), rows, folder)


def ways_of(folder: str) -> dict[str, Callable[[], float]]:
    """All that is started."""
    return {
        NOTHING: partial(ready, f"{folder}/nothing"),
        FILED: partial(ready, f"{folder}/filed"),
        PENDING: partial(ready, f"{folder}/pending"),
        PASS: partial(ended, PYTHON, "-c", "pass"),
        HEALTH: partial(ended, SCRIPT, "health", f"{folder}/watched"),
        TYPER: partial(ended, PYTHON, "-c", "import typer"),
        VERSION: partial(ended, SCRIPT, "--version"),
    }


if __name__ == "__main__":
    main()
