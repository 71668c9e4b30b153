"""The real sweep: the whole inbox once."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import MakeTask, names_in, read_log, result_bytes
from process import EMOSIEVE, overrides, run

TASK = "outputs_20240104_223000"
QUICK = overrides(settle__quiet_seconds=0.2)

ARTICLES_SCRIPT = """
import json, shutil, sys
from pathlib import Path
root = Path(sys.argv[1])
lines = ["语音情感识别质量报告", "=" * 50, ""]
for result in sorted(root.glob("outputs_*/result.json")):
    data = json.load(open(result))
    top = sorted(data["scores"].values(), reverse=True)
    low = data["confidence"] < 0.6 or top[0] - top[1] < 0.05 or max(top) < 0.3
    folder = root / ("low_quality" if low else "normal")
    folder.mkdir(exist_ok=True)
    shutil.move(str(result.parent), str(folder))
    lines.append(f"[{result.parent.name}] {'低质量' if low else '正常'}")
(root / "quality_report.txt").write_text("\\n".join(lines))
"""
"""A one-shot script written the obvious way, as the article publishes it."""


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_is_filed_and_summed_up(root: Path, make_task: MakeTask) -> None:
    """The numbers, the folders and the report's path come at the end, with status 0."""
    make_task("outputs_1", result_bytes(0.3))
    make_task("outputs_2")
    make_task("outputs_3")
    ended = run("sweep", root, *QUICK)

    assert 0 == ended.returncode, ended.stderr
    assert ended.stdout.startswith("tasks filed: 3, in ")
    assert f"  normal       2  {root}/normal\n" in ended.stdout
    assert f"  low_quality  1  {root}/low_quality\nrejection rate: 33.3%\n" in ended.stdout
    assert f"report: {root}/quality_report.txt\n" in ended.stdout
    assert ["outputs_2", "outputs_3"] == names_in(root / "normal")
    events = read_log(root)
    assert ["decided", "decided", "decided", "swept"] == [event["event"] for event in events]
    assert (2, 1) == (events[-1]["tally"]["normal"], events[-1]["tally"]["low_quality"])
    assert "📊 Summary (sweep " in (root / "quality_report.txt").read_text()


def test_the_last_task_written_a_moment_ago_is_filed_too(root: Path, make_task: MakeTask) -> None:
    """A sweep right behind the batch that wrote the tasks waits for the youngest."""
    make_task()
    ended = run("sweep", root)

    assert (0, [TASK]) == (ended.returncode, names_in(root / "normal"))


def test_what_is_left_is_listed_with_reasons(root: Path, make_task: MakeTask) -> None:
    """A torn result and a task without one are named, and the status is 1."""
    make_task("outputs_torn", b'{"emotion"')
    (root / "outputs_silent").mkdir()
    make_task("outputs_whole")
    ended = run("sweep", root, *QUICK)

    assert 1 == ended.returncode
    assert "unreadable for 600 s is quarantined by the next sweep or watch\n" in ended.stdout
    assert (
        "still standing: 2\n  outputs_silent  no result yet\n  outputs_torn  result.json is not JSON"
        in ended.stdout
    )
    assert ["outputs_whole"] == names_in(root / "normal")


def test_no_waiting_at_all(root: Path, make_task: MakeTask) -> None:
    """With ``--wait 0`` a task that is too young stays, with its reason."""
    make_task()
    ended = run("sweep", root, "--wait", "0", *overrides(settle__quiet_seconds=60))

    assert 1 == ended.returncode
    assert f"still standing: 1\n  {TASK}  changed a moment ago\n" in ended.stdout


def test_more_than_a_screen_of_leftovers_is_cut(root: Path) -> None:
    """Ten are named, the rest counted."""
    for number in range(12):
        (root / f"outputs_{number:02}").mkdir()
    ended = run("sweep", root, *QUICK)

    assert "  … and 2 more\n" in ended.stdout
    assert 10 == ended.stdout.count("no result yet")


def test_a_dry_run_writes_nothing(root: Path, make_task: MakeTask) -> None:
    """It says the same numbers, and leaves not even a lock behind."""
    make_task("outputs_1", result_bytes(0.3))
    make_task("outputs_2")
    before = sorted(str(path) for path in root.rglob("*"))
    ended = run("sweep", root, "--dry-run", *QUICK)

    assert 0 == ended.returncode, ended.stderr
    assert "tasks that would be filed: 2, in" in ended.stdout
    assert "report" not in ended.stdout
    assert before == sorted(str(path) for path in root.rglob("*"))
    assert ["outputs_1", "outputs_2"] == [json.loads(line)["task"] for line in ended.stderr.splitlines()]


def test_a_dry_run_on_a_terminal_is_readable(root: Path, make_task: MakeTask) -> None:
    """Where a person looks on, a line a decision says what would be done, and no bar hides it."""
    make_task("outputs_1", result_bytes(0.3))
    ours, theirs = pty.openpty()
    ended = subprocess.run([*EMOSIEVE, "sweep", root, "--dry-run", *QUICK], stderr=theirs, check=False)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)

    assert 0 == ended.returncode
    assert " ✗ low_quality outputs_1  happy 0.300" in shown
    assert "\x1b" not in shown


def test_an_empty_inbox_is_fine(root: Path) -> None:
    """Nothing to do is done, without an event and without a report."""
    ended = run("sweep", root)

    assert (0, []) == (ended.returncode, read_log(root))
    assert ended.stdout.startswith("tasks filed: 0, ")


def test_quarantined_and_joined_ones_are_counted(root: Path, make_task: MakeTask) -> None:
    """What could never be read, and late files, have lines of their own."""
    make_task("outputs_1")
    run("sweep", root, *QUICK)
    (root / "outputs_1").mkdir()
    make_task("outputs_2", b"[1, 2")
    settings = overrides(settle__quiet_seconds=0.01, settle__give_up_seconds=0.02)
    ended = run("sweep", root, *settings)

    assert 0 == ended.returncode, ended.stdout + ended.stderr
    assert f"  quarantined  1  {root}/quarantine\n" in ended.stdout
    assert "  joined       1  late files" in ended.stdout


def test_nothing_of_the_articles_script_is_lost(root: Path, make_task: MakeTask) -> None:
    """Over a root where the script had run, its folders stay, its report is kept, and new tasks join them."""
    make_task("outputs_1", result_bytes(0.3))
    make_task("outputs_2")
    subprocess.run([sys.executable, "-c", ARTICLES_SCRIPT, root], check=True)
    before = tree(root)
    make_task("outputs_3")
    make_task("outputs_2", result_bytes(0.8))
    ended = run("sweep", root, *QUICK)
    after = tree(root)

    assert 0 == ended.returncode, ended.stderr
    kept = before.pop("quality_report.txt")
    assert kept == after["quality_report-before-emosieve.txt"]
    assert before.items() <= after.items()
    assert ["outputs_2", "outputs_2.2", "outputs_3"] == names_in(root / "normal")
    assert (root / "quality_report.txt").read_text().startswith("emosieve quality report\n")


def test_twenty_thousand_tasks_in_one_command(root: Path) -> None:
    """They are all filed, oldest first, in a peak memory below 80 MB."""
    numbers = range(20_000)
    content = result_bytes(0.9)
    for number in numbers:
        (root / f"outputs_{number:05}").mkdir()
        (root / f"outputs_{number:05}" / "result.json").write_bytes(content)
    script = (
        "import json, os, resource, sys\n"
        "pid = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])\n"
        "status = os.waitpid(pid, 0)[1]\n"
        "print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    )
    # So short a quiet time has passed for all of them by the first look.
    command = [*EMOSIEVE, "sweep", str(root), *overrides(settle__quiet_seconds=0.01)]
    # Coverage's own bookkeeping is not emosieve's memory, so the measured process runs without it.
    ended = subprocess.run(
        [sys.executable, "-c", script, *command],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    status, megabytes = map(int, ended.stdout.split()[-2:])

    assert 0 == status, ended.stderr
    assert 80 > megabytes
    decided = [event["task"] for event in read_log(root) if event["event"] == "decided"]
    assert [f"outputs_{number:05}" for number in numbers] == decided
    assert 20_000 == len(names_in(root / "normal"))


def test_a_folder_that_is_no_root_is_left_as_it_is(root: Path) -> None:
    """Where no task is and emosieve never was, nothing is made, and that is said."""
    ended = run("sweep", root)

    assert (0, []) == (ended.returncode, names_in(root))
    assert f"no outputs_* in {root}" in ended.stderr


@pytest.mark.parametrize("command", [["reclassify"], ["report", "rebuild"]])
def test_a_root_that_does_not_exist_is_refused(tmp_path: Path, command: list[str]) -> None:
    """A mistyped path ends with status 2, and is not made."""
    ended = run(*command, tmp_path / "nosuch")

    assert (2, []) == (ended.returncode, names_in(tmp_path))
    assert "there is no such folder; check the path of the root" in ended.stderr


def test_a_root_without_decisions_has_no_report_to_rebuild(root: Path) -> None:
    """Rebuilding where nothing was decided says so, with status 2, and makes nothing."""
    ended = run("report", "rebuild", root)

    assert (2, []) == (ended.returncode, names_in(root))
    assert "nothing was decided here yet" in ended.stderr


def test_a_log_that_was_just_rotated_has_a_report_to_rebuild(root: Path, make_task: MakeTask) -> None:
    """Between a rotation and the next decision there is no decisions.jsonl, and a rebuild works all the same."""
    make_task()
    assert 0 == run("sweep", root).returncode
    report = (root / "quality_report.txt").read_bytes()
    (root / "decisions.jsonl").rename(root / "decisions-20240104T223000.000000Z.jsonl")
    (root / "quality_report.txt").unlink()

    assert 0 == run("report", "rebuild", root).returncode
    assert report == (root / "quality_report.txt").read_bytes()


@pytest.mark.parametrize("command", ["sweep", "watch", "check", "reclassify"])
def test_without_a_root_there_is_nothing_to_do(command: str) -> None:
    """A command that needs a root says how to give one, with status 2."""
    ended = run(command)

    assert 2 == ended.returncode
    assert "emosieve: no root: give the WebUI's outputs folder" in ended.stderr
