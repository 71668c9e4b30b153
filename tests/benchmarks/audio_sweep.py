"""A sweep with audio rules on over ten seconds of sound a task, by one process and by two, held against bare numpy."""

import argparse
import subprocess
import tempfile
from functools import partial

from common import (
    EMOSIEVE,
    HERE,
    PYTHON,
    Cost,
    arguments,
    become_quiet,
    cost_of,
    in_turn,
    make_standing,
    put_back,
    ratios,
    spread,
    sweep_command,
    swept,
    table,
)

FLOOR = "the wavs read, and the bare numpy calls"
ONE, TWO = "**emosieve** `--workers 1`", "**emosieve** `--workers 2`"


def has_workers() -> bool:
    """Whether this emosieve judges in several processes."""
    shown = subprocess.run([*EMOSIEVE, "sweep", "--help"], capture_output=True, text=True, check=True)
    return "--workers" in shown.stdout


def measured(root: str, count: int, *options: str) -> Cost:
    """What a sweep costs; all tasks stand in the inbox again after it."""
    cost = swept(root, [*sweep_command(root), *options], count)
    put_back(root)
    return cost


def main() -> None:
    """Make the tasks, sweep them in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=4000, help="standing tasks")
    parser.add_argument("--accuracy", action="store_true", help="how well audio is measured instead")
    given = arguments(parser)
    with tempfile.TemporaryDirectory() as folder:
        root = f"{folder}/outputs"
        make_standing(root, given.count, "audio")
        become_quiet()
        sweep = partial(measured, root, given.count)
        ways = {FLOOR: partial(cost_of, [PYTHON, str(HERE / "audio_floor.py"), root])}
        if has_workers():
            ways |= {ONE: partial(sweep, "--workers", "1"), TWO: partial(sweep, "--workers", "2")}
        else:
            ways |= {ONE: sweep}
        found = in_turn(given.rounds, ways)
        rows = [row(name, found, given.count) for name in (FLOOR, ONE, TWO)]
        heading = (
            "",
            "ms a task",
            "times the floor",
            "times as fast as one",
            "user ms",
            "system ms",
            "peak MB",
        )
        table(heading, rows, folder)


def row(name: str, found: dict[str, list[Cost]], count: int) -> list[str]:
    """One way, its figures for each task."""
    if name not in found:
        return [name, *["-"] * 6]
    costs, milli = found[name], 1e3 / count
    seconds, floor, one = ([cost.seconds for cost in found[way]] for way in (name, FLOOR, ONE))
    return [
        name,
        spread([second * milli for second in seconds]),
        spread(ratios(seconds, floor)),
        spread(ratios(one, seconds)) if name == TWO else "",
        spread([cost.user * milli for cost in costs]),
        spread([cost.system * milli for cost in costs]),
        spread([cost.peak for cost in costs], 0),
    ]


if __name__ == "__main__":
    main()
