"""A sweep over standing tasks, held against three ways of doing it without emosieve; see ``sweeping.py``."""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from functools import partial

from common import (
    AUDIO_RULES,
    HERE,
    PYTHON,
    Cost,
    Kind,
    arguments,
    become_quiet,
    in_turn,
    make_standing,
    numbers,
    put_back,
    ratios,
    spread,
    sweep_command,
    swept,
    table,
)

SAME = "(a) the same calls, no emosieve"
OTHERS = {SAME: "same", "(b) the least that files": "least", "(c) the obvious script": "obvious"}
SILENT = [f"rules.actions.{rule}=off" for rule in AUDIO_RULES]


def commands(root: str, kind: Kind) -> dict[str, list[str]]:
    """Every way as a command line; (a) reads no samples, and so does emosieve without its audio rules."""
    emosieve = {"**emosieve**": sweep_command(root)}
    if kind == "full":
        emosieve = {
            "**emosieve**, no audio rules": sweep_command(root, *SILENT),
            "**emosieve**, all rules": sweep_command(root),
        }
    others = {name: [PYTHON, str(HERE / "sweeping.py"), way, root] for name, way in OTHERS.items()}
    return emosieve | others


def measured(root: str, command: list[str], count: int) -> Cost:
    """What one way costs; all tasks stand in the inbox again after it."""
    cost = swept(root, command, count)
    put_back(root)
    return cost


def main() -> None:
    """Make the tasks, sweep them in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=numbers, default=[20_000], metavar="N[,N]", help="standing tasks")
    parser.add_argument(
        "--kind", choices=("json", "full"), default="json", help="the result alone, or all files"
    )
    given = arguments(parser)
    with tempfile.TemporaryDirectory() as folder:
        ways = ways_of(folder, given.count, given.kind)
        become_quiet()
        found = in_turn(given.rounds, ways)
        rows = [row(key, found) for key in ways]
        heading = ("tasks", "way", "µs a task", "times (a)", "user µs", "system µs", "peak MB")
        table(heading, rows, folder)


def ways_of(folder: str, counts: Sequence[int], kind: Kind) -> dict[str, Callable[[], Cost]]:
    """Every way over every number of tasks, which are made here."""
    ways: dict[str, Callable[[], Cost]] = {}
    for count in counts:
        root = f"{folder}/{count}"
        make_standing(root, count, kind)
        for name, command in commands(root, kind).items():
            ways[f"{count} | {name}"] = partial(measured, root, command, count)
    return ways


def row(key: str, found: dict[str, list[Cost]]) -> list[str]:
    """A way of doing it, its figures for each task."""
    count, name = key.split(" | ")
    costs, same = found[key], found[f"{count} | {SAME}"]
    micro = 1e6 / int(count)
    times = ratios([one.seconds for one in costs], [one.seconds for one in same])
    return [
        f"{int(count):,}",
        name,
        spread([one.seconds * micro for one in costs], 1),
        spread(times),
        spread([one.user * micro for one in costs], 1),
        spread([one.system * micro for one in costs], 1),
        spread([one.peak for one in costs], 0),
    ]


if __name__ == "__main__":
    main()
