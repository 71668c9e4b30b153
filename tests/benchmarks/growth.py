"""What grows with what was filed: the cost of one more task, a start, and questions to the log.

Some roots get so many filed tasks by real sweeps; each round then files the same
number of new ones in each. Other logs are written as the intake writes them, a
twentieth of their decisions taken back, and each round all is asked of them,
beside a bare loop that only parses the log.
"""

import argparse
import os
import random
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from common import (
    EMOSIEVE,
    PYTHON,
    READY,
    arguments,
    become_quiet,
    cost_of,
    in_turn,
    make_filed,
    make_standing,
    name_of,
    numbers,
    ratios,
    running,
    spread,
    sweep_command,
    swept,
    table,
    watching,
)
from emosieve.commands.simulated_webui import random_recognition
from emosieve.judge.result import read_result
from emosieve.judge.ruleset import RuleSet
from emosieve.proposals import decide
from emosieve.record.decisions import DecisionLog
from emosieve.watch.survey import Survey
from emosieve.watch.wholeness import Settled

START = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 1000
STANDING_EVERY = 100
OTHER = {"normal": "low_quality", "low_quality": "normal"}
LOOP = "a bare orjson loop"
BARE = """
import glob, sys, orjson
for name in glob.glob(sys.argv[1] + "/decisions*.jsonl"):
    for line in open(name, "rb"):
        orjson.loads(line)
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured once: a number of some unit, and peak memory in MB where it is known."""

    amount: float
    peak: float | None = None


@dataclass
class Filed:
    """A root with so many filed tasks, where each round files some more, and deletes these after it."""

    root: str
    count: int
    more: int
    next: int = field(init=False)

    def __post_init__(self) -> None:
        self.next = self.count
        make_filed(self.root, self.count)

    def one_more(self) -> Figure:
        """Microseconds for one more task: what a sweep of some takes longer than one of none."""
        names = [name_of(number) for number in range(self.next, self.next + self.more)]
        nothing = cost_of(sweep_command(self.root))
        make_standing(self.root, self.more, first=self.next)
        self.next += self.more
        become_quiet()
        cost = swept(self.root, sweep_command(self.root), self.more)
        for name in names:
            for folder in OTHER:
                shutil.rmtree(f"{self.root}/{folder}/{name}", ignore_errors=True)
        os.sync()
        return Figure((cost.seconds - nothing.seconds) / self.more * 1e6, cost.peak)


def events(count: int) -> Iterator[dict[str, Any]]:
    """So many decisions over sixty days, as the intake logs them, and some that a person took back."""
    chance, rules = random.Random(7), RuleSet()
    for number in range(count):
        moment = START + timedelta(days=60) * number / count
        survey = Survey(f"outputs_{moment:%Y%m%d_%H%M%S_%f}", (2049, number), (), 0, 0)
        result = read_result(random_recognition(chance).result_json())
        body = dict(decide(Settled(survey, result, f"{chance.getrandbits(128):032x}"), rules).body)
        place = f"{body['verdict']}/{body['task']}"
        decided = {"schema": 1, **body, "time": moment.isoformat(), "destination": place}
        yield decided
        if chance.random() < 0.05:
            other = OTHER[body["verdict"]]
            yield {
                **{key: decided[key] for key in ("schema", "task", "emotion", "confidence", "gap", "scores")},
                "event": "restored",
                "time": (moment + timedelta(minutes=30)).isoformat(),
                "from": place,
                "to": f"{other}/{body['task']}",
                "was": body["verdict"],
                "decided": decided["time"],
                "was_findings": body["findings"],
                "verdict": other,
            }


def write_log(root: str, count: int) -> str:
    """Write the log, with some of its tasks where it filed them; gives the path of one in its middle."""
    log = DecisionLog(root, sync="never")
    batch: list[dict[str, Any]] = []
    middle = ""
    for number, event in enumerate(events(count)):
        batch.append(event)
        if number % STANDING_EVERY == 0:
            os.makedirs(f"{root}/{event.get('to') or event['destination']}")
        middle = middle or (f"{root}/{event['task']}" if number == count // 2 else "")
        if len(batch) == BATCH:
            with log.locked():
                log.append(batch)
            batch = []
    with log.locked():
        log.append(batch)
    return middle


def asked(*command: str) -> Figure:
    """Milliseconds of one command."""
    cost = cost_of(command)
    return Figure(cost.seconds * 1e3, cost.peak)


def started(root: str, *, anew: bool) -> Figure:
    """Milliseconds from the start of a watch to its READY; ``anew``: as if the checkpoint had been lost."""
    if anew:
        with suppress(FileNotFoundError):
            os.unlink(f"{root}/.emosieve/checkpoint")
    with running(watching(root), READY) as watch:
        return Figure(watch.seconds * 1e3)


def questions(root: str, middle: str) -> dict[str, Callable[[], Figure]]:
    """All that is asked of a log."""
    ask = partial(asked, *EMOSIEVE)
    return {
        LOOP: partial(asked, PYTHON, "-c", BARE, root),
        "`watch`, to READY": partial(started, root, anew=False),
        "`watch`, to READY, its checkpoint lost": partial(started, root, anew=True),
        "`tail -n 10`": partial(ask, "tail", root, "-n", "10"),
        "`tail --max-confidence 0.1` (nearly none)": partial(ask, "tail", root, "--max-confidence", "0.1"),
        "`explain` of one in the middle": partial(ask, "explain", middle),
        "`status`": partial(ask, "status", root),
        "`stats`": partial(ask, "stats", root),
        "`stats --with-profile`": partial(ask, "stats", root, "--with-profile", "customer_service"),
        "`check`": partial(ask, "check", root),
    }


def row(what: str, against: str, unit: str, mine: Sequence[Figure], other: Sequence[Figure]) -> list[str]:
    """One line of the table."""
    amounts, others = [one.amount for one in mine], [one.amount for one in other]
    times = spread(ratios(amounts, others)) if other is not mine else ""
    peaks = [one.peak for one in mine if one.peak is not None]
    digits = 1 if unit == "µs" else 0
    memory = f"{statistics.median(peaks):.0f}" if peaks else ""
    return [what, against, f"{spread(amounts, digits, f' {unit}')}", times, memory]


def filing_rows(folder: str, counts: Sequence[int], more: int, rounds: int) -> Iterator[list[str]]:
    """One more task, against the tasks that are filed already."""
    roots = {count: Filed(f"{folder}/filed_{count}", count, more) for count in counts}
    found = in_turn(rounds, {f"{count}": root.one_more for count, root in roots.items()})
    for count in counts:
        what = f"one of {more:,} more tasks in a sweep"
        yield row(what, f"{count:,} filed", "µs", found[f"{count}"], found[f"{counts[0]}"])


def log_rows(folder: str, counts: Sequence[int], rounds: int) -> Iterator[list[str]]:
    """A start, and all questions, against the decisions in the log."""
    for count in counts:
        root = f"{folder}/log_{count}"
        os.mkdir(root)
        ways = questions(root, write_log(root, count))
        size = sum(file.stat().st_size for file in Path(root).glob("decisions*.jsonl")) / 1e6
        started(root, anew=True)
        found = in_turn(rounds, ways)
        for name in ways:
            yield row(name, f"{count:,} decisions, {size:,.0f} MB", "ms", found[name], found[LOOP])


def main() -> None:
    """Make roots and logs, ask in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    counts = partial(parser.add_argument, type=numbers, metavar="N,N")
    counts("--filed", default=[1000, 30_000, 300_000], help="tasks that were filed before")
    counts("--decisions", default=[10_000, 1_000_000], help="decisions in a log")
    parser.add_argument("--more", type=int, default=2000, help="tasks to sweep beside those that are filed")
    given = arguments(parser)
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            *filing_rows(folder, given.filed, given.more, given.rounds),
            *log_rows(folder, given.decisions, given.rounds),
        ]
        table(("", "beside", "median (least-most)", "times the first", "peak MB"), rows, folder)


if __name__ == "__main__":
    main()
