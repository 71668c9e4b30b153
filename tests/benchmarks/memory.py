"""Peak memory of a sweep against the number of its tasks."""

import argparse
import tempfile
from functools import partial

from common import (
    arguments,
    become_quiet,
    in_turn,
    make_standing,
    numbers,
    put_back,
    spread,
    sweep_command,
    swept,
    table,
)


def peak(root: str, count: int) -> float:
    """MB of one sweep; all tasks stand in the inbox again after it."""
    cost = swept(root, sweep_command(root), count)
    put_back(root)
    return cost.peak


def main() -> None:
    """Make the tasks, sweep them in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--counts", type=numbers, default=[20_000, 200_000], metavar="N,N", help="standing tasks"
    )
    given = arguments(parser)
    with tempfile.TemporaryDirectory() as folder:
        for count in given.counts:
            make_standing(f"{folder}/{count}", count)
        become_quiet()
        ways = {str(count): partial(peak, f"{folder}/{count}", count) for count in given.counts}
        found = in_turn(given.rounds, ways)
        first = found[str(given.counts[0])]
        rows = []
        for count in given.counts:
            peaks = found[str(count)]
            more = count - given.counts[0]
            growth = [(one - other) * 2**20 / more for one, other in zip(peaks, first, strict=True) if more]
            rows.append([f"{count:,}", spread(peaks, 1), spread(growth, 0) if growth else ""])
        table(("tasks", "peak MB", "bytes a task more"), rows, folder)


if __name__ == "__main__":
    main()
