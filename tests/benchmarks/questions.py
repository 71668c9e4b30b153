"""What a question costs over a large decision log: ``python tests/benchmarks/questions.py``; prints one table.

Writes a log of that many decisions, a twentieth of them restored, and then asks
every command in turn, each round beside a bare loop that only parses the log.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from emosieve.commands.simulated_webui import random_recognition
from emosieve.judge.result import read_result
from emosieve.judge.ruleset import RuleSet
from emosieve.proposals import decide
from emosieve.record.decisions import DecisionLog
from emosieve.watch.inbox import Survey
from emosieve.watch.wholeness import Settled

_START = datetime(2026, 1, 1, tzinfo=UTC)
_BATCH = 1000
_STANDING_EVERY = 100
_OTHER = {"normal": "low_quality", "low_quality": "normal"}
_BARE = """
import glob, sys, orjson
for name in glob.glob(sys.argv[1] + "/decisions*.jsonl"):
    for line in open(name, "rb"):
        orjson.loads(line)
"""
_START_SMALL = """
import os, sys, time
nowhere = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
began = time.perf_counter()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=nowhere)
_, status, usage = os.wait4(pid, 0)
print(status, time.perf_counter() - began, usage.ru_maxrss)
"""


def events(count: int) -> Iterator[dict[str, Any]]:
    """So many decisions over sixty days, as the intake logs them, and some that a person took back."""
    chance, rules = random.Random(7), RuleSet()
    for number in range(count):
        moment = _START + timedelta(days=60) * number / count
        survey = Survey(f"outputs_{moment:%Y%m%d_%H%M%S_%f}", (2049, number), (), 0, 0)
        result = read_result(random_recognition(chance).result_json())
        body = dict(decide(Settled(survey, result, f"{chance.getrandbits(128):032x}"), rules).body)
        place = f"{body['verdict']}/{body['task']}"
        decided = {"schema": 1, **body, "time": moment.isoformat(), "destination": place}
        yield decided
        if chance.random() < 0.05:
            other = _OTHER[body["verdict"]]
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


def write_log(root: Path, count: int) -> str:
    """Write the log, with some of its tasks where it filed them; gives the path of one in its middle."""
    log = DecisionLog(str(root), sync="never")
    batch: list[dict[str, Any]] = []
    middle = ""
    for number, event in enumerate(events(count)):
        batch.append(event)
        if number % _STANDING_EVERY == 0:
            (root / str(event.get("to") or event["destination"])).mkdir(parents=True)
        middle = middle or (str(root / event["task"]) if number == count // 2 else "")
        if len(batch) == _BATCH:
            with log.locked():
                log.append(batch)
            batch = []
    with log.locked():
        log.append(batch)
    return middle


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds and peak memory in MB of one command.

    Linux counts the memory of whoever starts a process as that process's own, so a small one does it.
    """
    ended = subprocess.run(
        [sys.executable, "-ISc", _START_SMALL, *command], stdout=subprocess.PIPE, check=True
    )
    status, seconds, memory = ended.stdout.split()
    if int(status):
        sys.exit(f"{' '.join(command)} ended with status {int(status)}")
    return float(seconds), int(memory) / 1024


def main() -> None:
    """Write the log, ask all commands, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=1_000_000, help="decisions in the log")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is asked")
    given = parser.parse_args()
    emosieve = [sys.executable, "-m", "emosieve"]
    with tempfile.TemporaryDirectory() as folder:
        root = str(Path(folder) / "outputs")
        os.mkdir(root)
        middle = write_log(Path(root), given.decisions)
        commands = {
            "a bare orjson loop": [sys.executable, "-c", _BARE, root],
            "`explain` of one in the middle": [*emosieve, "explain", middle],
            "`tail`": [*emosieve, "tail", root],
            "`tail --max-confidence 0.1` (nearly none)": [*emosieve, "tail", root, "--max-confidence", "0.1"],
            "`status`": [*emosieve, "status", root],
            "`stats`": [*emosieve, "stats", root],
            "`stats --with-profile`": [*emosieve, "stats", root, "--with-profile", "customer_service"],
            "`check`": [*emosieve, "check", root],
        }
        found = [[measure(command) for command in commands.values()] for _ in range(given.rounds)]
    print("| command | seconds (least-most) | times the loop | peak memory |\n| --- | --- | --- | --- |")
    for place, name in enumerate(commands):
        seconds = [one[place][0] for one in found]
        times = statistics.median(one[place][0] / one[0][0] for one in found)
        memory = max(one[place][1] for one in found)
        shown = f"{statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"
        print(f"| {name} | {shown} | {times:.2f} | {memory:.0f} MB |")


if __name__ == "__main__":
    main()
