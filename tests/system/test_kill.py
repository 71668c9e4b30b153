"""The real daemon killed at random moments over a running WebUI."""

import os
import random
import re
import signal
import threading
from pathlib import Path

import pytest

from conftest import names_in, read_log
from process import Watch, overrides, run
from simulation import SimulatedWebUI

KILLS = 60 if os.environ.get("FULL") else 12
_ENTRY = re.compile(r"^\[(outputs_\S+)\]$", re.MULTILINE)


@pytest.mark.timeout(900)
def test_killed_at_random_nothing_is_lost_doubled_or_torn(root: Path) -> None:
    """After many SIGKILLs every task is in one place, decided once, reported once; a rebuild changes no byte."""
    chance = random.Random(7)
    webui = SimulatedWebUI(root, quiet_seconds=0.3, reuse=0.0)
    writer = threading.Thread(target=webui.run, args=(60, KILLS * 40))
    writer.start()
    settings = {"settle__quiet_seconds": 0.3, "report__rotate_bytes": 8192, "decisions__rotate_bytes": 20_000}
    for _ in range(KILLS):
        with Watch(root, **settings) as watch:
            watch.wait_for("watch.ready")
            for _ in range(chance.randrange(1, 12)):
                watch.wait_for("task.filed")
            threading.Event().wait(chance.random() * 0.05)  # any moment will do
            watch.stop(signal.SIGKILL)
    writer.join()
    assert 0 == run("sweep", root, *overrides(**settings)).returncode

    written = sorted(one.name for one in webui.written)
    assert written == sorted(event["task"] for event in read_log(root) if event["event"] == "decided")
    assert written == sorted(names_in(root / "normal") + names_in(root / "low_quality"))
    reports = sorted(root.glob("quality_report*.txt"))
    assert len(reports) > 1
    assert written == sorted(
        name for path in reports for name in _ENTRY.findall(path.read_text(encoding="utf-8"))
    )
    before = {path: path.read_bytes() for path in reports}
    assert 0 == run("report", "rebuild", root, *overrides(**settings)).returncode
    assert before == {path: path.read_bytes() for path in root.glob("quality_report*.txt")}
