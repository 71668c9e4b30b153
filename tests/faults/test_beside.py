"""Everything at once: a busy daemon, people who restore, reclassify and rebuild, and readers of all kinds."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from aftermath import FOLDERS, assert_nothing_is_left_over, assert_report_is_a_projection
from conftest import MakeTask, names_in, read_log, standing
from emosieve.record.decisions import DecisionLog
from process import EMOSIEVE, PATIENCE, Watch, overrides, run, until
from simulation import SimulatedWebUI
from steps import Fault, command

SECONDS = 300 if os.environ.get("FULL") else 15
RATE = 20
SETTINGS = {"decisions__rotate_bytes": 20_000, "report__rotate_bytes": 20_000, "log__level": "warning"}
SIDES = ("normal", "low_quality")
_MOST_STEPS = 40

Kind = Literal["restore", "reclassify", "rebuild", "dry", "status", "explain", "stats", "tail", "check"]


@dataclass(frozen=True)
class Deed:
    """One command that was run beside the daemon, and how it ended."""

    kind: str
    signal: int
    status: int
    output: str


@dataclass(frozen=True)
class Hand:
    """Somebody who runs one command after another, each in a process of its own, until told to stop.

    Args:
        root: of the daemon.
        folder: where the deeds are written down.
        kinds: of the commands.
        seed: of all chance.
        deaths: share of the commands that are killed at a step that touches the disk.
    """

    root: Path
    folder: Path
    kinds: Sequence[Kind]
    seed: int
    deaths: float = 0.0

    def work(self) -> None:
        """Go on until the file ``stop`` stands in the folder."""
        chance = random.Random(self.seed)
        with (self.folder / f"hand-{self.seed}").open("w", encoding="utf-8") as deeds:
            while not (self.folder / "stop").exists():
                kind = chance.choice(self.kinds)
                dies = chance.random() < self.deaths
                arguments = [*self._arguments(kind, chance), *overrides(**SETTINGS)]
                ended = command(arguments, Fault(chance.randrange(_MOST_STEPS)) if dies else None)
                deed = Deed(kind, ended.signal, ended.status, ended.output)
                deeds.write(json.dumps(asdict(deed)) + "\n")
                deeds.flush()

    def _arguments(self, kind: Kind, chance: random.Random) -> list[str]:
        root = str(self.root)
        filed = [str(self.root / side / name) for side in SIDES for name in names_in(self.root / side)]
        some = chance.sample(filed, min(len(filed), chance.randint(1, 4))) or [f"{root}/normal/none"]
        limit = chance.choice((0.5, 0.6, 0.7))
        return {
            "restore": ["restore", *some],
            "reclassify": ["reclassify", root, "--set", f"rules.min_confidence={limit}"],
            "rebuild": ["report", "rebuild", root],
            "dry": ["sweep", root, "--dry-run", "--wait", "0"],
            "status": ["status", root, "--json"],
            "explain": ["explain", some[0]],
            "stats": ["stats", root, "--json"],
            "tail": ["tail", root, "--json", "-n", "100000"],
            "check": ["check", root],
        }[kind]


@contextmanager
def at_work(hands: Sequence[Hand]) -> Iterator[threading.Event]:
    """Hands that wait for the event and then work to the end of the block; they fork before any thread begins."""
    forks = multiprocessing.get_context("fork")
    begin = forks.Event()

    def work(hand: Hand) -> None:
        begin.wait()
        hand.work()

    processes = [forks.Process(target=work, args=(hand,)) for hand in hands]
    for process in processes:
        process.start()
    try:
        yield begin  # type: ignore[misc]  # the same as a thread's
    finally:
        for hand in hands:
            (hand.folder / "stop").touch()
        begin.set()
        for process in processes:
            process.join(PATIENCE)
            process.kill()
            process.join()


def deeds_in(folder: Path) -> list[Deed]:
    """All deeds that were written down, hand by hand."""
    lines = [line for path in sorted(folder.glob("hand-*")) for line in path.read_text("utf-8").splitlines()]
    return [Deed(**json.loads(line)) for line in lines]


def places_of(events: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Where each task stands by the log; every move must begin where the one before it ended."""
    places: dict[str, str] = {}
    by_hand: set[str] = set()
    for event in events:
        task = event.get("task", "")
        if event["event"] in {"restored", "reclassified"}:
            assert event["from"] == places[task], event
            assert event["event"] == "restored" or task not in by_hand, event
            places[task] = event["to"]
            by_hand |= {task} if event["event"] == "restored" else set()
        elif event["event"] in {"decided", "diverted"}:
            assert event["event"] == "diverted" or "supersedes" in event or task not in places, event
            places[task] = event["destination"]
    return places


@pytest.mark.parametrize("action", ["normal/outputs_1", "quality_report.txt"])
def test_what_a_killed_command_left_is_finished_without_a_restart(
    root: Path, make_task: MakeTask, action: str
) -> None:
    """A restore that dies before its move, or before its report, is finished by a daemon that has nothing to do."""
    make_task("outputs_1")
    with Watch(root, watch__rescan_seconds=1, **SETTINGS) as watch:
        watch.wait_until((root / "normal" / "outputs_1").is_dir)
        restore = ["restore", str(root / "normal" / "outputs_1"), *overrides(**SETTINGS)]
        twin = root.parent / "twin"
        with DecisionLog(str(root)).locked():  # the move that was waited for is not the end of its batch
            shutil.copytree(root, twin)
        steps = command(["restore", str(twin / "normal" / "outputs_1"), *overrides(**SETTINGS)]).steps
        number = next(number for number, step in enumerate(steps) if step.endswith(action))
        assert signal.SIGKILL == command(restore, Fault(number)).signal
        watch.wait_until((root / "low_quality" / "outputs_1").is_dir)
        watch.wait_until(lambda: 2 == (root / "quality_report.txt").read_text("utf-8").count("[outputs_1]"))
        assert 0 == watch.stop()

    assert ["decided", "restored"] == [event["event"] for event in read_log(root)]
    assert_report_is_a_projection(root, SETTINGS)
    assert_nothing_is_left_over(root)


@pytest.mark.timeout(SECONDS * 3 + 120)
def test_a_busy_daemon_and_people_do_not_disturb_each_other(root: Path, tmp_path: Path) -> None:
    """Each task ends in one place, that of its last event; report, stats and tail agree with the log to the line."""
    webui = SimulatedWebUI(root, quiet_seconds=0.3, reuse=0.0)
    hands = [
        Hand(root, tmp_path, ("restore", "reclassify", "rebuild"), 1),
        Hand(root, tmp_path, ("restore", "restore", "reclassify", "rebuild"), 2, deaths=0.6),
        Hand(root, tmp_path, ("dry", "status", "explain", "stats", "tail", "check"), 3),
    ]
    with (
        at_work(hands) as begin,
        (tmp_path / "tail").open("wb") as told,
        Watch(
            root, **{**SETTINGS, "settle__quiet_seconds": 0.3, "settle__reused_quiet_seconds": 0.3}
        ) as watch,
    ):
        watch.wait_until((root / "normal").is_dir)
        follow = [*EMOSIEVE, "tail", str(root), "-f", "--json", "-n", "100000"]
        # Whether it has to wait for the first decision, and says so, is chance.
        tail = subprocess.Popen(follow, stdout=told, stderr=subprocess.DEVNULL)
        begin.set()
        webui.run(RATE, RATE * SECONDS)
        for hand in hands:
            (hand.folder / "stop").touch()
        watch.wait_until(lambda: not standing(root))
        assert 0 == watch.stop()
    # What a killed restore left owed is moved by the next batch, or by the next start.
    assert 0 == run("sweep", root, *overrides(**SETTINGS)).returncode

    decisions = [path.read_bytes() for path in (*sorted(root.glob("decisions-*")), root / "decisions.jsonl")]
    expected = [line for line in b"".join(decisions).splitlines() if b'"event":"swept"' not in line]
    until(lambda: (tmp_path / "tail").read_bytes().count(b"\n") >= len(expected))
    tail.terminate()
    assert 0 == tail.wait(timeout=PATIENCE)
    assert expected == (tmp_path / "tail").read_bytes().splitlines()

    places = places_of(read_log(root))
    filed = [f"{folder}/{name}" for folder in FOLDERS for name in names_in(root / folder)]
    assert sorted(one.name for one in webui.written) == sorted(places)
    assert sorted(filed) == sorted(places.values())

    stats = json.loads(run("stats", root, "--json").stdout)
    sides = Counter(place.partition("/")[0] for place in places.values())
    assert (len(places), sides["normal"], sides["low_quality"]) == (
        stats["decided"],
        stats["normal"],
        stats["low_quality"],
    )
    assert_report_is_a_projection(root, SETTINGS)
    assert_nothing_is_left_over(root)

    deeds = deeds_in(tmp_path)
    assert [] == [deed for deed in deeds if "Traceback" in deed.output or deed.status not in {-1, 0, 1, 2}]
    counts = [
        json.loads(deed.output)["decided"] for deed in deeds if (deed.kind, deed.status) == ("stats", 0)
    ]
    assert sorted(counts) == counts, "a reader missed decisions, or saw some twice"
    # What was tried really came about: many of every kind, and some that died.
    done = Counter(deed.kind for deed in deeds if deed.status in {0, 1})
    assert {*Kind.__args__} == {*done}  # type: ignore[attr-defined]
    assert (
        min(done["restore"], done["reclassify"], done["rebuild"], sum(deed.signal != 0 for deed in deeds)) > 5
    )
