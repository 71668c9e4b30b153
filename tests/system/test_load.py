"""The main job under load, by the real daemon on a real file system."""

import os
import re
from pathlib import Path

import pytest

from conftest import names_in, read_log
from process import Watch
from simulation import SimulatedWebUI

SECONDS = 60 if os.environ.get("FULL") else 8
RATE = 20
_ENTRY = re.compile(r"^\[(outputs_\S+)\]$", re.MULTILINE)


@pytest.mark.timeout(300)
def test_every_task_is_filed_once_and_none_before_its_last_write(root: Path) -> None:
    """At 20 tasks a second log, folders and report agree to the last task, and no move precedes a last write."""
    webui = SimulatedWebUI(root)
    with Watch(root, settle__quiet_seconds=webui.quiet_seconds, language="en") as watch:
        watch.wait_for("watch.ready")
        webui.run(RATE, RATE * SECONDS)
        for _ in webui.written:
            watch.wait_for("task.filed")
        assert watch.stop() == 0

    written = {one.name: one for one in webui.written}
    decided = {event["task"]: event for event in read_log(root) if event["event"] == "decided"}
    assert [event["event"] for event in read_log(root)] == ["decided"] * len(written)
    assert sorted(decided) == sorted(written)
    assert sorted(names_in(root / "normal") + names_in(root / "low_quality")) == sorted(written)
    assert [name for name in names_in(root) if name.startswith("outputs_")] == []
    report = (root / "quality_report.txt").read_text(encoding="utf-8")
    assert sorted(_ENTRY.findall(report)) == sorted(written)
    for name, event in decided.items():
        filed = root / event["destination"]
        # A rename sets the ctime of what it moves: the moment of the commit.
        assert filed.stat().st_ctime_ns >= written[name].last_write_ns, name
        assert event["result_digest"] == written[name].digest, name
        assert tuple(names_in(filed)) == written[name].files, name
