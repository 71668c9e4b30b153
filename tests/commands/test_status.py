"""``emosieve status`` as an operator meets it: with a daemon, without one, and with one that is in trouble."""

import json
import os
import re
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from conftest import MakeTask, result_bytes
from daemons import STATUS
from emosieve.record.checkpoint import Checkpoint, save_checkpoint
from emosieve.record.long_work import Work
from emosieve.service.liveness import Liveness
from process import PATIENCE, Watch, overrides, run, run_as
from projected import Projected, event

GOOD, BAD, TORN, EMPTY = (f"outputs_20240104_22000{number}" for number in range(4))


def told(root: Path, **environment: str) -> str:
    """What status says to a person."""
    ended = run("status", root, **environment)
    assert (0, "") == (ended.returncode, ended.stderr)
    return ended.stdout


def document(root: Path) -> dict[str, Any]:
    """What status says to a program."""
    ended = run("status", root, "--json")
    assert (0, "") == (ended.returncode, ended.stderr)
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def until(root: Path, is_so: Any) -> dict[str, Any]:
    """Ask until the daemon has written what is waited for: it writes at most once a second."""
    deadline = time.monotonic() + PATIENCE
    found: dict[str, Any] = {}
    while time.monotonic() < deadline:
        found = document(root)
        if is_so(found):
            return found
    message = f"never came; the last was {found}"
    raise AssertionError(message)


def test_without_a_daemon_it_counts_what_stands(root: Path, make_task: MakeTask) -> None:
    """Nobody is at work: the inbox is counted, and the next step named."""
    make_task(GOOD)
    found = document(root)

    assert ("absent", None, 1) == (found["state"], found["daemon"], found["standing"])
    text = told(root)
    assert f"not running on {root}" in text
    assert f"emosieve watch {root}" in text


def test_a_daemon_tells_what_it_waits_for(root: Path, make_task: MakeTask) -> None:
    """Mode and why, pending tasks with reason and age, what was decided, and that writers are told of."""
    make_task(GOOD, result_bytes(0.9))
    make_task(BAD, result_bytes(0.4))
    make_task(TORN, b"{")
    (root / EMPTY).mkdir()
    with Watch(root) as watch:
        watch.wait_for("task.filed", task=GOOD)
        watch.wait_for("task.filed", task=BAD)
        found = until(root, lambda found: found["daemon"] and found["daemon"]["reasons"].get("no_result"))
        text, chinese = told(root), told(root, EMOSIEVE_LANGUAGE="zh")
        daemon = found["daemon"]
        assert ("watching", "native", watch.process.pid) == (found["state"], daemon["mode"], daemon["pid"])
        assert {"normal": 1, "low_quality": 1, "quarantined": 0} == daemon["decided"]
        assert {"malformed": 1, "no_result": 1} == daemon["reasons"]
        assert {TORN, EMPTY} == {one["task"] for one in daemon["oldest"]}
        assert daemon["tells_writers"] is True
        assert daemon["last_error"] is None
        assert {"normal": 1, "low_quality": 1, "quarantined": 0} == found["filed"]
        assert "decided" == found["last"]["event"]
    assert re.search(r"quarantined in (10 min|9 min \d+ s)", " ".join(text.split()))
    assert f"正在监视 {root}" in chinese
    for page in (text, chinese):
        assert [] == [line for line in page.splitlines() if cell_len(line) > 80 and str(root) not in line]


def test_after_a_stop_there_is_no_daemon(root: Path) -> None:
    """A proper end leaves no status behind."""
    with Watch(root) as watch:
        watch.wait_for("watch.ready")
        until(root, lambda found: found["state"] == "watching")
        assert 0 == watch.stop()

    assert "absent" == document(root)["state"]


def test_a_killed_daemon_is_known_to_be(root: Path) -> None:
    """After SIGKILL the status is there and its process is not."""
    with Watch(root) as watch:
        watch.wait_for("watch.ready")
        until(root, lambda found: found["state"] == "watching")
        watch.stop(signal.SIGKILL)

    assert "killed" == document(root)["state"]
    assert "nothing is lost" in told(root)


def test_overdue_and_quarantined_tasks_are_counted(root: Path, make_task: MakeTask) -> None:
    """What waited too long is overdue, what can never be read in quarantine."""
    make_task(TORN, b"{")
    (root / EMPTY).mkdir()
    with Watch(root, settle__give_up_seconds=0.5) as watch:
        watch.wait_for("task.overdue")
        watch.wait_for("task.quarantined")
        found = until(root, lambda found: found["daemon"]["overdue"])

    assert (1, 1) == (found["daemon"]["overdue"], found["filed"]["quarantined"])


def test_unlogged_tasks_are_counted(root: Path, make_task: MakeTask) -> None:
    """What the article's script filed stands there without a decision."""
    (root / "normal").mkdir()
    make_task(GOOD).rename(root / "normal" / GOOD)

    assert 1 == document(root)["unlogged"]
    assert "reclassify --unlogged" in told(root)


def test_a_daemon_in_trouble_says_why_and_until_when(root: Path, make_task: MakeTask) -> None:
    """While nothing can be filed, status tells the cause and the next try."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a file immutable")
    make_task(BAD)
    with Watch(root) as watch:
        watch.wait_for("task.filed")
        subprocess.run(["chattr", "+i", root / "decisions.jsonl"], check=True)
        make_task(GOOD)
        try:
            watch.wait_for("watch.blocked")
            found = until(root, lambda found: found["state"] == "blocked")
            text = told(root)
        finally:
            subprocess.run(["chattr", "-i", root / "decisions.jsonl"], check=True)
        watch.wait_for("task.filed")
        after = until(root, lambda found: found["state"] == "watching")

    assert "decisions.jsonl" in found["daemon"]["last_error"]["cause"]
    assert found["daemon"]["last_error"]["retry"]
    assert "last error" in text
    assert after["daemon"]["last_error"]["retry"] is None


def test_a_log_that_cannot_be_read_is_told(root: Path) -> None:
    """Whoever asks does so because something is wrong: the rest is answered all the same."""
    (root / "decisions.jsonl").mkdir()

    assert "decisions.jsonl" in document(root)["unreadable"]
    assert "not a plain file" in " ".join(told(root).split())


def test_a_root_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """Nothing can be said of what does not exist; status 2."""
    ended = run("status", tmp_path / "nowhere")

    assert 2 == ended.returncode
    assert "there is no such folder" in ended.stderr


def test_a_root_that_never_was_is_waited_for_and_told(tmp_path: Path) -> None:
    """The WebUI makes it at its first recognition; until then the status says for what it waits, and since when."""
    root = tmp_path / "nowhere"
    with Watch(root) as watch:
        waiting = watch.wait_for("watch.waiting")
        watch.wait_until(lambda: 0 == run("status", root).returncode)
        text, chinese, found = told(root), told(root, EMOSIEVE_LANGUAGE="zh"), document(root)
        root.mkdir()
        watch.wait_for("watch.ready")
        watch.wait_until(lambda: "watching" == document(root)["state"])
    since = waiting["time"][:17].replace("T", " ")

    assert text.startswith(f"waiting for {root} since {since}"), text
    assert chinese.startswith(f"自 {since}"), chinese
    assert ("waiting", watch.process.pid) == (found["state"], found["daemon"]["pid"])
    assert 2 == run("status", tmp_path / "other").returncode


def test_free_space_is_shown(root: Path) -> None:
    """The disk of the root, with what this user may still write."""
    (disk,) = document(root)["disks"]

    assert str(root) == disk["path"]
    assert 0 < disk["free_bytes"] <= disk["total_bytes"]


@pytest.mark.parametrize("option", ["remount,ro", "full"])
def test_it_works_where_nothing_can_be_written(tmp_path: Path, option: str) -> None:
    """A full or read-only disk keeps nobody from asking."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    try:
        root = disk / "outputs"
        (root / GOOD).mkdir(parents=True)
        (root / GOOD / "result.json").write_bytes(result_bytes())
        assert 0 == run("sweep", root, *overrides(settle__quiet_seconds=0.05)).returncode
        if option == "full":
            subprocess.run(["dd", "if=/dev/zero", f"of={disk}/filler"], check=False, capture_output=True)
        else:
            subprocess.run(["mount", "-o", option, disk], check=True)
        found = document(root)
    finally:
        subprocess.run(["umount", disk], check=True)

    assert (1, 0) == (found["filed"]["normal"], found["unlogged"])
    assert found["disks"][0]["read_only"] is (option != "full")
    assert (found["disks"][0]["free_bytes"] == 0) is (option == "full")


def test_a_folder_that_may_not_be_read_is_told(shared_root: Path, make_task: MakeTask) -> None:
    """Another user learns why a folder's tasks are not counted, and that none of them is gone."""
    make_task("outputs_1")
    assert 0 == run("sweep", shared_root, *overrides(settle__quiet_seconds=0.05)).returncode
    (shared_root / "normal").chmod(0o700)

    told = " ".join(run_as(4242, "status", shared_root).stdout.split())
    assert f"{shared_root}/normal: Permission denied" in told
    assert "Permission denied" in run_as(4242, "explain", shared_root / "normal/outputs_1").stderr


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("replaying", "at work on  replaying the decision log: 43%"),
        ("reporting", "at work on  rebuilding the report: 43%; filing goes on"),
    ],
)
def test_long_work_is_told_with_how_far_it_is(root: Path, tmp_path: Path, kind: Any, words: str) -> None:
    """What a daemon does for minutes is said, for people and for programs."""
    (tmp_path / "run").mkdir()
    identity = root.stat()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
        status = replace(STATUS, root=str(root), work=Work(kind, 0.4321))
        Liveness((identity.st_dev, identity.st_ino)).beat("facts", lambda: status)
        assert words in told(root)
        assert {"kind": kind, "share": 0.432} == document(root)["daemon"]["work"]


def test_a_log_that_was_cut_is_told_with_the_reports_that_were_kept(root: Path) -> None:
    """That it lost lines is said as soon as it is so; the kept reports are named once there are any."""
    assert (False, []) == (document(root)["log_is_cut"], document(root)["kept_reports"])
    projected = Projected(root)
    projected.take(event(1), event(2))
    save_checkpoint(str(root), Checkpoint(reported=projected.reported))
    (root / "decisions.jsonl").unlink()
    assert (True, []) == (document(root)["log_is_cut"], document(root)["kept_reports"])
    assert "log it no longer holds all that was reported" in " ".join(told(root).split())
    projected.take()
    save_checkpoint(str(root), Checkpoint(reported=projected.reported))

    assert ["quality_report-before-log-loss.txt"] == document(root)["kept_reports"]
    assert "kept: 1, quality_report-before-log-loss.txt" in " ".join(told(root).split())
