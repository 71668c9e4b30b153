"""More than anybody has: as fast as the disk allows, for minutes, and beside a thousand tasks that never settle."""

import os
import re
import threading
from pathlib import Path

import pytest

from aftermath import assert_all_is_accounted_for
from conftest import LONG_AGO, names_in, read_log, result_bytes, standing
from process import Watch
from simulation import SimulatedWebUI

FULL = bool(os.environ.get("FULL"))
RATE = 100
SECONDS = 600 if FULL else 60
DECISIONS = 200_000 if FULL else 20_000
GROWTH_KB = 5_000
"""The memory that the last nine tenths of all decisions may cost, or in the long form 99 of 100."""


def write_task(root: Path, name: str) -> None:
    """A task as fast as it can be written."""
    os.mkdir(root / name)
    descriptor = os.open(root / name / "result.json", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, result_bytes())
    os.close(descriptor)


def memory_kb(watch: Watch) -> int:
    """Resident memory of the daemon in kB, without what is only a page of a file."""
    status = Path(f"/proc/{watch.process.pid}/status").read_text(encoding="utf-8")
    found = re.search(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1])


@pytest.mark.timeout(SECONDS + 300)
def test_every_task_is_filed_once_and_none_before_its_last_write(root: Path) -> None:
    """At 100 tasks a second log, folders and report agree to the last task, and no move precedes a last write."""
    webui = SimulatedWebUI(root)
    settings = {
        "settle__quiet_seconds": webui.quiet_seconds,
        "settle__reused_quiet_seconds": webui.quiet_seconds,
    }
    with Watch(root, **settings) as watch:
        watch.wait_for("watch.ready")
        webui.run(RATE, RATE * SECONDS)
        for _ in webui.written:
            watch.wait_for("task.filed")
        assert watch.stop() == 0

    assert_all_is_accounted_for(root, [one.name for one in webui.written], settings)
    decided = {event["task"]: event for event in read_log(root)}
    for written in webui.written:
        event = decided[written.name]
        filed = root / event["destination"]
        # A rename sets the ctime of what it moves: the moment of the commit.
        assert filed.stat().st_ctime_ns >= written.last_write_ns, written.name
        assert (written.digest, written.files) == (event["result_digest"], tuple(names_in(filed)))


@pytest.mark.timeout(600)
def test_ten_thousand_tasks_at_once_are_filed(root: Path) -> None:
    """10,000 tasks made as fast as the disk allows beside the running daemon are all filed, each once."""
    names = [f"outputs_2024{number // 100:04}_{number % 100:06}" for number in range(10_000)]
    with Watch(root) as watch:
        watch.wait_for("watch.ready")
        for name in names:
            write_task(root, name)
        for _ in names:
            watch.wait_for("task.filed")
        assert watch.stop() == 0

    assert_all_is_accounted_for(root, names)


@pytest.mark.timeout(300)
def test_tasks_that_never_settle_keep_nobody_waiting(root: Path) -> None:
    """Beside 1,000 tasks that never settle every good one is filed, and those still pend."""
    stuck = [f"outputs_20230101_{number:06}" for number in range(1000)]
    for number, name in enumerate(stuck):
        (root / name).mkdir()
        if number % 2:
            (root / name / "result.json").write_bytes(b'{"emotion": ')
            os.utime(root / name / "result.json", (LONG_AGO, LONG_AGO))
    webui = SimulatedWebUI(root, quiet_seconds=0.4)
    with Watch(root, settle__quiet_seconds=webui.quiet_seconds, settle__reused_quiet_seconds=0.4) as watch:
        watch.wait_for("watch.ready", standing=len(stuck))
        writer = threading.Thread(target=webui.run, args=(20, 200))
        writer.start()
        for _ in range(200):
            watch.wait_for("task.filed")
        writer.join()
        assert watch.stop() == 0

    good = sorted(one.name for one in webui.written)
    assert good == sorted(event["task"] for event in read_log(root))
    assert good == sorted(names_in(root / "normal") + names_in(root / "low_quality"))
    assert stuck == standing(root)


@pytest.mark.timeout(1800)
def test_memory_does_not_grow_with_what_was_decided(root: Path) -> None:
    """The daemon that has filed its last task holds at most 5 MB more than after its 2,000th."""
    first = 2_000
    at_first = 0
    with Watch(root, log__level="warning") as watch:
        for number in range(DECISIONS):
            write_task(root, f"outputs_{number // 1_000_000:08}_{number % 1_000_000:06}")
            if number % first == first - 1:
                watch.wait_until(lambda: not standing(root))
                at_first = at_first or memory_kb(watch)
        assert memory_kb(watch) <= at_first + GROWTH_KB
        assert watch.stop() == 0

    assert len(read_log(root)) == DECISIONS
