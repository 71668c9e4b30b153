"""What a watch costs while nothing happens, beside a process that only has its libraries and an idle observer.

All of them stand idle at the same time, so that each is measured in the same seconds.
"""

import argparse
import os
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass

from common import (
    PYTHON,
    READY,
    arguments,
    become_quiet,
    cpu_seconds,
    make_filed,
    memory,
    name_of,
    ratios,
    running,
    spread,
    table,
    wakeups,
    watches,
    watching,
)

BARE = """
import signal, sys
import pydantic_settings, structlog
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer
observer = Observer()
observer.schedule(FileSystemEventHandler(), sys.argv[1], recursive=False)
observer.start()
print("ready", file=sys.stderr, flush=True)
signal.pause()
"""
FIRST_LOOKS_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Idle:
    """A process over the measured seconds: seconds on the CPU, wake-ups, inotify watches, MB."""

    cpu: float
    wakeups: int
    watches: int
    memory: float


def make_pending(root: str, count: int, first: int) -> None:
    """Tasks whose recognition died before it had a result."""
    for number in range(first, first + count):
        os.mkdir(f"{root}/{name_of(number)}")


def one_round(commands: dict[str, tuple[list[str], str]], seconds: float) -> dict[str, Idle]:
    """Start all, let them stand idle, and say what each took."""
    with ExitStack() as stack:
        pids = {name: stack.enter_context(running(*command)).pid for name, command in commands.items()}
        time.sleep(FIRST_LOOKS_SECONDS)
        before = {name: (cpu_seconds(pid), wakeups(pid)) for name, pid in pids.items()}
        time.sleep(seconds)
        return {
            name: Idle(
                cpu_seconds(pid) - before[name][0], wakeups(pid) - before[name][1], watches(pid), memory(pid)
            )
            for name, pid in pids.items()
        }


def main() -> None:
    """Make the roots, stand idle, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of standing idle")
    parser.add_argument("--filed", type=int, default=100_000, help="tasks that were filed before")
    parser.add_argument("--pending", type=int, default=1000, help="tasks that never get a result")
    parser.add_argument(
        "--age",
        type=float,
        default=900.0,
        help="seconds that these have stood there at least: stuck, no longer young",
    )
    given = arguments(parser, rounds=3)
    with tempfile.TemporaryDirectory() as folder:
        bare = "imports and an idle observer"
        counts = {
            "nothing filed": (0, 0),
            f"{given.filed:,} filed": (given.filed, 0),
            f"{given.filed:,} filed, {given.pending:,} pending": (given.filed, given.pending),
        }
        roots = {name: f"{folder}/{number}" for number, name in enumerate(counts)}
        for name, (filed, pending) in counts.items():
            make_filed(roots[name], filed)
            make_pending(roots[name], pending, filed)
        become_quiet()
        time.sleep(given.age)
        commands = {bare: ([PYTHON, "-c", BARE, roots["nothing filed"]], "ready")}
        commands |= {f"**emosieve**, {name}": (watching(root), READY) for name, root in roots.items()}
        rounds = [one_round(commands, given.seconds) for _ in range(given.rounds)]
        rows = []
        for name in commands:
            idle = [one[name] for one in rounds]
            times = ratios([one.memory for one in idle], [one[bare].memory for one in rounds])
            rows.append(
                [
                    name,
                    spread([one.cpu for one in idle], 4),
                    spread([one.cpu / given.seconds * 100 for one in idle], 3, " %"),
                    spread([one.wakeups for one in idle], 0),
                    spread([one.watches for one in idle], 0),
                    spread([one.memory for one in idle], 1),
                    spread(times),
                ]
            )
        heading = (
            "",
            f"CPU s in {given.seconds:g} s",
            "of a core",
            "wake-ups",
            "watches",
            "RSS MB",
            "times the first",
        )
        table(heading, rows, folder)


if __name__ == "__main__":
    main()
