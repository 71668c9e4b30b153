"""The real daemon killed at random moments over a running WebUI."""

import hashlib
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from aftermath import FOLDERS, assert_all_is_accounted_for, decisions_of
from conftest import names_in
from process import Watch, overrides, run
from simulation import SimulatedWebUI, Written

FULL = bool(os.environ.get("FULL"))
IN_ROOT, ELSEWHERE = "in the root", "on another file system"
KILLS = {IN_ROOT: 500 if FULL else 50, ELSEWHERE: 100 if FULL else 10}
RATE = 30
_START_SECONDS = 1.0
"""About as long as the daemon takes to start, and to finish what is owed."""


def kill_often(root: Path, kills: int, chance: random.Random, settings: dict[str, object]) -> None:
    """Start the daemon and kill it again and again: while it starts and recovers, and while it files."""
    for _ in range(kills):
        with Watch(root, **settings) as watch:
            if chance.random() < 0.3:
                threading.Event().wait(chance.uniform(0.2, 1.0) * _START_SECONDS)
            else:
                for _ in range(chance.randrange(1, 12)):
                    watch.wait_for("task.filed")
                threading.Event().wait(chance.random() * 0.05)
            assert watch.stop(signal.SIGKILL) == -signal.SIGKILL


def is_torn(written: Written, filed: Path) -> bool:
    """Whether a task does not stand as its writer left it."""
    digest = hashlib.sha256((filed / "result.json").read_bytes()).hexdigest()[:32]
    return (written.digest, list(written.files)) != (digest, names_in(filed))


@pytest.mark.timeout(3600 if FULL else 600)
@pytest.mark.parametrize("where", KILLS)
def test_killed_at_random_nothing_is_lost_doubled_or_torn(
    root: Path,
    tmp_path: Path,
    mounted: Callable[..., None],
    record_property: Callable[[str, object], None],
    where: str,
) -> None:
    """After many SIGKILLs every task is in one place as it was written, decided once, reported once."""
    settings: dict[str, object] = {
        "settle__quiet_seconds": 0.5,
        "settle__reused_quiet_seconds": 0.5,
        "report__rotate_bytes": 8192,
        "decisions__rotate_bytes": 20_000,
    }
    folders = [root / name for name in FOLDERS]
    if where == ELSEWHERE:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        mounted("-t", "tmpfs", "tmpfs", elsewhere)
        folders = [elsewhere / name for name in FOLDERS]
        settings |= {f"filing__{folder.name}": folder for folder in folders}
    webui = SimulatedWebUI(root, quiet_seconds=0.5)
    enough = threading.Event()
    writer = threading.Thread(target=webui.run, args=(RATE, 1_000_000, enough.is_set))
    writer.start()
    try:
        kill_often(root, KILLS[where], random.Random(7), settings)
    finally:
        enough.set()
        writer.join()
    assert 0 == run("sweep", root, *overrides(**settings)).returncode

    written = {one.name: one for one in webui.written}
    filed = [folder / name for folder in folders for name in names_in(folder)]
    places, decisions = Counter(path.name for path in filed), decisions_of(root)
    figures = {
        "kills": KILLS[where],
        "tasks": len(written),
        "lost": len(written.keys() - places.keys()),
        "doubled": sum(1 for name in places if max(places[name], decisions[name]) > 1 or name not in written),
        "torn": sum(path.name in written and is_torn(written[path.name], path) for path in filed),
    }
    for name, figure in figures.items():
        record_property(name, figure)
    assert {"lost": 0, "doubled": 0, "torn": 0} == {key: figures[key] for key in ("lost", "doubled", "torn")}
    assert_all_is_accounted_for(root, written, settings, folders)
    assert len(list(root.glob("quality_report-*"))) > 1
