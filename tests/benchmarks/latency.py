"""From the last write of a task to its place, and what is lost on the way, at several rates.

A task is *early* when it was moved while it was still being written, so that a
file of it was lost; *lost* when it never got to its place. Latency is that of
the others, without the time that a way waits on purpose.
"""

import argparse
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from common import (
    HERE,
    PYTHON,
    READY,
    arguments,
    filed,
    in_turn,
    numbers,
    running,
    session_cpu_seconds,
    spread,
    table,
    watching,
)
from simulation import SimulatedWebUI, Written

QUIET_SECONDS = 0.5
PATIENCE_SECONDS = 10
"""How long nothing may be filed before what still stands is lost."""


@dataclass(frozen=True, slots=True)
class Way:
    """A program that files tasks as they come.

    Attributes:
        command: its command line, to which the root is added unless it is there.
        ready: what it says when it is ready.
        waits: seconds that it waits on purpose after the last write.
    """

    command: tuple[str, ...]
    ready: str
    waits: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: sorted milliseconds of each task that is whole in its place, and what became of the others."""

    delays: list[float]
    early: int
    lost: int
    cpu: float

    def percentile(self, share: float) -> float:
        """Milliseconds that this share of the tasks took at most."""
        return (
            self.delays[min(len(self.delays) - 1, int(len(self.delays) * share))]
            if self.delays
            else float("nan")
        )


def ways() -> dict[str, Way]:
    """All of them; ends where a tool is missing."""
    missing = [
        package
        for tool, package in (("inotifywait", "inotify-tools"), ("jq", "jq"))
        if not shutil.which(tool)
    ]
    if missing:
        sys.exit(f"something to compare with is missing:\n  apt-get install {' '.join(missing)}")
    # The simulated WebUI pauses within a file, which looks like the work of two recognitions.
    settle = [f"settle.{key}={QUIET_SECONDS}" for key in ("quiet_seconds", "reused_quiet_seconds")]
    emosieve = watching("ROOT", *settle)
    return {
        "**emosieve**": Way(tuple(emosieve), READY, QUIET_SECONDS),
        "(d) inotifywait, jq, mv": Way((str(HERE / "inotifywait_loop.sh"), "ROOT"), "Watches established"),
        "(e) recursive watchdog": Way((PYTHON, str(HERE / "watchdog_handler.py"), "ROOT"), "ready"),
    }


def run(way: Way, rate: int, count: int) -> Outcome:
    """Write so many tasks at a rate, and look where they went."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        webui = SimulatedWebUI(root, quiet_seconds=QUIET_SECONDS, reuse=0.0)
        command = [folder if part == "ROOT" else part for part in way.command]
        with running(command, way.ready) as process:
            webui.run(rate, count)
            wait_for_the_last(folder, count)
            cpu = session_cpu_seconds(process.pid)
        places = {one.name: place_of(root, one) for one in webui.written}
        delays, early, lost = [], 0, 0
        for one in webui.written:
            place = places[one.name]
            if place is None:
                lost += 1
            elif not one.last_write_ns:
                # The writer met no directory where it had begun one.
                early += 1
            else:
                delays.append((place.stat().st_ctime_ns - one.last_write_ns) / 1e6 - way.waits * 1e3)
        return Outcome(sorted(delays), early, lost, cpu)


def wait_for_the_last(root: str, count: int) -> None:
    """Until all are filed, or none has been for long."""
    done, since = filed(root), time.monotonic()
    while done < count and time.monotonic() - since < PATIENCE_SECONDS:
        time.sleep(0.1)
        if (now := filed(root)) != done:
            done, since = now, time.monotonic()


def place_of(root: Path, task: Written) -> Path | None:
    """Where it was filed, if it was."""
    places = (root / folder / task.name for folder in ("normal", "low_quality"))
    return next((place for place in places if (place / "result.json").exists()), None)


def tasks_at(rate: int) -> int:
    """Enough tasks for a percentile, and not more than a minute of them."""
    return min(600, max(60, rate * 20))


def main() -> None:
    """Write at every rate to every way in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=numbers, default=[1, 50, 300], metavar="N,N", help="tasks a second")
    parser.add_argument("--count", type=int, help="tasks at each rate; 60 to 600 if not given")
    given = arguments(parser)
    # What a writer meets whose directory was moved away is counted, not shown.
    logging.getLogger("concurrent.futures").setLevel(logging.CRITICAL)
    all_ways = ways()
    rows: list[Sequence[str]] = []
    for rate in given.rates:
        count = given.count or tasks_at(rate)
        found = in_turn(
            given.rounds, {name: partial(run, way, rate, count) for name, way in all_ways.items()}
        )
        rows += [row(name, way, rate, count, found[name]) for name, way in all_ways.items()]
    heading = ("tasks/s", "of", "way", "waits ms", "p50 ms beyond", "p99 ms beyond", "early", "lost", "CPU s")
    table(heading, rows, os.path.realpath(tempfile.gettempdir()))


def row(name: str, way: Way, rate: int, count: int, outcomes: Sequence[Outcome]) -> list[str]:
    """One way at one rate."""
    return [
        str(rate),
        str(count),
        name,
        f"{way.waits * 1e3:.0f}",
        spread([one.percentile(0.5) for one in outcomes], 1),
        spread([one.percentile(0.99) for one in outcomes], 1),
        spread([one.early for one in outcomes], 0),
        spread([one.lost for one in outcomes], 0),
        spread([one.cpu for one in outcomes]),
    ]


if __name__ == "__main__":
    main()
