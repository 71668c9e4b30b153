"""Time is wrong: clocks that jump, change times of other ages, other time zones, and midnights that come twice."""

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time as wall_time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aftermath import assert_all_is_accounted_for, assert_report_is_a_projection
from conftest import FakeTime, MakeTask, names_in, read_log, result_bytes
from emosieve.intake import Done
from emosieve.service.flow import Flow
from emosieve.settings import Settings
from process import Watch, overrides, run
from steps import killed_before_the_move_of

TASK = "outputs_20240104_223000"
HOURS = [pytest.param(7200.0, id="forward"), pytest.param(-7200.0, id="back")]


def settings_of(**changes: Any) -> Settings:
    """Settings for a flow whose clock is ours."""
    return Settings.model_validate({"language": "en", "timezone": "UTC", **changes})


def filed_by(flow: Flow, time: FakeTime, seconds: float = 3600) -> float:
    """Let time pass until a task is filed; gives the seconds that it took."""
    began = time.monotonic
    while time.monotonic - began <= seconds:
        if any(isinstance(one, Done) for one in flow.step()):
            return time.monotonic - began
        time.pass_(flow.due_in() or 1.0)
    raise AssertionError(flow.settling.waiting)


# An injected clock that jumps.


@pytest.mark.parametrize("step", HOURS)
@pytest.mark.parametrize("phase", ["before the listing", "before the first look", "while it is pending"])
def test_a_jump_files_nothing_early_and_nothing_late(
    root: Path, make_task: MakeTask, phase: str, step: float
) -> None:
    """Whenever the clock jumps, or the machine sleeps, a task is filed when it was quiet for two seconds."""
    time = FakeTime(wall_time())
    flow = Flow(str(root), settings_of(), clock=time.clock)
    flow.open()
    make_task()
    time.wall = wall_time()
    for moment in ("before the listing", "before the first look", "while it is pending"):
        if moment == phase:
            time.wall += step
        if moment == "before the listing":
            assert [TASK] == flow.scan()
        elif moment == "before the first look":
            assert [] == flow.step()
    assert filed_by(flow, time) == pytest.approx(2.0, abs=0.1)
    assert_report_is_a_projection(root, {"timezone": "UTC", "language": "en"})


@pytest.mark.parametrize("step", HOURS)
def test_a_jump_makes_nothing_overdue_and_takes_nothing_back(
    root: Path, make_task: MakeTask, step: float
) -> None:
    """Ten minutes are ten minutes, whatever the clock says; a late result is still taken after another jump."""
    time = FakeTime(wall_time())
    flow = Flow(str(root), settings_of(), clock=time.clock)
    flow.open()
    make_task("outputs_malformed", b"{")
    (root / "outputs_empty").mkdir()
    flow.scan()
    assert [] == flow.step()
    time.wall += step
    assert filed_by(flow, time) == pytest.approx(610, abs=10.1)  # at most one pause late
    assert ["outputs_malformed"] == names_in(root / "quarantine")
    time.pass_(30)
    flow.step()
    assert ["overdue"] == [one.reason for one in flow.settling.waiting]
    time.wall -= 2 * step
    flow.step()
    assert ["overdue"] == [one.reason for one in flow.settling.waiting]
    (root / "outputs_empty" / "result.json").write_bytes(result_bytes())
    assert filed_by(flow, time) < 30
    assert ["outputs_empty"] == names_in(root / "normal")


@pytest.mark.parametrize("step", [*HOURS, pytest.param(-1.5e9, id="to 1979")])
def test_a_jump_between_decision_and_move_decides_nothing_twice(
    root: Path, make_task: MakeTask, step: float
) -> None:
    """Killed between the two and started under another time, emosieve makes the move that it owes, once."""
    make_task()
    time = FakeTime(wall_time() + 60)

    def decide() -> None:
        flow = Flow(str(root), settings_of(), clock=time.clock)
        flow.open()
        flow.scan()
        flow.step()

    killed_before_the_move_of(TASK, decide)
    assert ["decided"] == [event["event"] for event in read_log(root)]
    time.wall += step
    flow = Flow(str(root), settings_of(), clock=time.clock)
    flow.open()
    flow.scan()
    assert filed_by(flow, time) < 3
    assert_all_is_accounted_for(root, [TASK], {"timezone": "UTC", "language": "en"})


# The log's own times.


def file_at(root: Path, make_task: MakeTask, moments: Sequence[datetime], **changes: Any) -> list[str]:
    """File a task at each of some moments, in this order, by one flow; gives their names."""
    time = FakeTime(moments[0].timestamp())
    flow = Flow(str(root), settings_of(**changes), clock=time.clock)
    flow.open()
    names = [f"outputs_{len(names_in(root / 'normal')) + number:04}" for number in range(len(moments))]
    for name, moment in zip(names, moments, strict=True):
        time.wall = moment.timestamp()
        make_task(name)
        flow.scan()
        flow.step()
        time.monotonic += 2.1  # by which the clock stands; what it says is the moment that is meant
        assert 1 == len(flow.step()), name
    return names


MOMENTS = [
    datetime.fromisoformat(f"{moment}+00:00")
    for moment in (
        *("2024-03-10T23:50", "2024-03-11T00:10", "2024-03-10T23:40", "2024-03-12T01:00", "2500-01-01T00:00"),
        *("2024-03-12T02:00", "2024-03-13T00:10", "1970-01-01T00:01", "2024-03-13T10:00", "2024-03-14T10:00"),
    )
]
"""A clock that goes back over midnight, ahead to the year 2500, to 1970, and comes back each time."""
BLOCKS = ["10 1", "11 2", "12 1", "01 1", "12 1", "13 1", "01 1", "13 1"]
"""Days that the report sums up then, with how many tasks; the last day is not over yet."""
SMALL = {"decisions": {"rotate_bytes": 4096}, "report": {"rotate_bytes": 4096}}
SMALL_OPTIONS = {
    "language": "en",
    "timezone": "UTC",
    "decisions__rotate_bytes": 4096,
    "report__rotate_bytes": 4096,
}


def test_times_that_go_backwards_change_neither_order_nor_report(root: Path, make_task: MakeTask) -> None:
    """Log and report keep the order of what happened over all rotations, and a rebuild changes no byte."""
    names = file_at(root, make_task, MOMENTS * 6, **SMALL)

    assert names == [event["task"] for event in read_log(root)]
    reports = [*sorted(root.glob("quality_report-*.txt")), root / "quality_report.txt"]
    assert min(len(reports), len(list(root.glob("decisions*.jsonl")))) > 3
    assert names == [
        name for path in reports for name in re.findall(r"(?m)^\[(.*)\]$", path.read_text("utf-8"))
    ]
    assert_all_is_accounted_for(root, names, SMALL_OPTIONS)


def test_every_day_is_summed_up_whatever_the_clock_did_before(root: Path, make_task: MakeTask) -> None:
    """Neither a midnight that comes twice nor a moment in the year 2500 costs the report a day or a task."""
    file_at(root, make_task, MOMENTS)

    report = (root / "quality_report.txt").read_text("utf-8")
    assert BLOCKS == [" ".join(block) for block in re.findall(r"\(\d{4}-\d\d-(\d\d)\)\n\D+(\d+)\n", report)]
    assert_report_is_a_projection(root, {"timezone": "UTC", "language": "en"})


def test_every_question_is_answered_by_the_events_own_times(root: Path, make_task: MakeTask) -> None:
    """stats counts each decision at its own day, a period holds what lies in it, and tail shows the newest lines."""
    names = file_at(root, make_task, MOMENTS * 6, **SMALL)
    days = Counter(f"{moment:%Y-%m-%d}" for moment in MOMENTS * 6)

    stats = json.loads(run("stats", root, "--json").stdout)
    assert days == {one["day"]: one["decided"] for one in stats["days"]}
    period = ("--since", "2024-03-11", "--until", "2024-03-12", "--json", *overrides(timezone="UTC"))
    assert 18 == json.loads(run("stats", root, *period).stdout)["decided"]
    lines = run("tail", root, "-n", "5", "--json").stdout.splitlines()
    assert names[-5:] == [json.loads(line)["task"] for line in lines]
    last = json.loads(run("status", root, "--json").stdout)["last"]
    assert (names[-1], MOMENTS[-1]) == (
        last["task"],
        datetime.fromisoformat(last["time"]).replace(microsecond=0),
    )


@pytest.mark.parametrize(
    ("zone", "first", "days"),
    [
        ("America/New_York", "2024-11-03T03:30+00:00", {"02": 1, "03": 25, "04": 1}),
        ("America/New_York", "2024-03-10T04:30+00:00", {"09": 1, "10": 23, "11": 1}),
        ("Australia/Lord_Howe", "2024-04-06T12:45+00:00", {"06": 1, "07": 24, "08": 1}),
    ],
)
def test_a_day_on_which_the_clocks_change_has_all_of_its_hours(
    root: Path, make_task: MakeTask, zone: str, first: str, days: dict[str, int]
) -> None:
    """An hour that comes twice is told apart by its offset, and counts to its day, in log, report and stats alike."""
    begin = datetime.fromisoformat(first)
    moments = [begin + timedelta(hours=number) for number in range(sum(days.values()))]
    names = file_at(root, make_task, moments, timezone=zone)

    local = [moment.astimezone(ZoneInfo(zone)).isoformat(timespec="microseconds") for moment in moments]
    assert local == [event["time"] for event in read_log(root)]
    stats = json.loads(run("stats", root, "--json").stdout)
    assert days == {one["day"][-2:]: one["decided"] for one in stats["days"]}
    day = f"{first[:8]}{list(days)[1]}"
    of_day = run("stats", root, "--since", day, "--until", day, "--json", *overrides(timezone=zone))
    assert max(days.values()) == json.loads(of_day.stdout)["decided"]
    assert_all_is_accounted_for(root, names, {"language": "en", "timezone": zone})


def test_another_time_zone_between_two_runs_changes_nothing_that_was_logged(
    root: Path, make_task: MakeTask
) -> None:
    """Each event keeps its own offset, and the report its days, when the setting leads a day back and ahead again."""
    noon = datetime(2024, 3, 10, 2, tzinfo=UTC)
    names: list[str] = []
    for number, zone in enumerate(("Asia/Shanghai", "America/Los_Angeles", "Pacific/Kiritimati", "UTC")):
        names += file_at(root, make_task, [noon + timedelta(minutes=number)], timezone=zone)

    assert ["2024-03-10T10", "2024-03-09T18", "2024-03-10T16", "2024-03-10T02"] == [
        event["time"][:13] for event in read_log(root)
    ]
    for zone in ("UTC", "America/Los_Angeles"):
        assert_all_is_accounted_for(root, names, {"language": "en", "timezone": zone})


# The times of files.


def years(*numbers: int) -> list[int]:
    """Their beginnings, in ns since the epoch."""
    return [int(datetime(number, 1, 1, tzinfo=UTC).timestamp()) * 10**9 for number in numbers]


def test_mtimes_of_any_age_keep_no_task(root: Path, make_task: MakeTask) -> None:
    """Files of 1902, 1970 or 2500 are filed like all others, and no flag speaks of their times."""
    with Watch(root) as watch:
        watch.wait_for("watch.ready")
        for mtime in years(1902, 1969, 1970, 2038, 2100, 2440, 2500):
            for files in ({}, {"processed_audio.wav": b"wav"}):
                task = make_task(f"outputs_{mtime}_{len(files)}", files=files)
                for path in (*task.iterdir(), task):
                    os.utime(path, ns=(mtime, mtime))
        filed = [watch.wait_for("task.filed") for _ in range(14)]
        assert watch.stop() == 0
    assert {"audio_unreadable"} == {rule for event in filed for rule in event["findings"]}
    assert_all_is_accounted_for(root, [event["task"] for event in filed])


WHOLE, TORN = result_bytes(0.9), b"{"
HALVES = result_bytes(0.8)[:50], result_bytes(0.8)[50:]
RESULTS = {
    "outputs_1970_whole": WHOLE,
    "outputs_1970_torn": TORN,
    "outputs_2100_whole": WHOLE,
    "outputs_2100_torn": TORN,
    "outputs_2100_half": HALVES[0],
}
CTIMES = {"1970": "@0", "2100": "@4102444800"}


@pytest.fixture
def of_other_ages(tmp_path: Path, mounted: Callable[..., None]) -> Path:
    """An ext4 of its own, whose tasks and files have change times that no clock here could give them."""
    image, folder, root = tmp_path / "image", tmp_path / "folder", tmp_path / "outputs"
    root.mkdir()
    changes = []
    for name, result in RESULTS.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "result.json").write_bytes(result)
        changes += [
            f"set_inode_field /{name}{file} ctime {CTIMES[name[8:12]]}" for file in ("", "/result.json")
        ]
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-I", "256", "-d", str(folder), str(image)], check=True)
    debugfs = ["debugfs", "-w", "-f", "-", str(image)]
    subprocess.run(debugfs, input="\n".join(changes), text=True, check=True, capture_output=True)
    mounted("-o", "loop", image, root)
    return root


def test_change_times_of_other_ages_settle_all_the_same(of_other_ages: Path) -> None:
    """Tasks of 1970 are judged at once; those of 2100 wait for their quiet time and their end as all others do."""
    root = of_other_ages
    assert {1970, 2100} == {
        datetime.fromtimestamp(path.stat().st_ctime, UTC).year for path in root.glob("outputs_*/*")
    }
    with Watch(root, settle__quiet_seconds=0.3, settle__give_up_seconds=3) as watch:
        watch.wait_for("watch.ready")
        watch.wait_for("task.filed", task="outputs_2100_whole")
        with (root / "outputs_2100_half" / "result.json").open("ab") as file:
            file.write(HALVES[1])
        watch.wait_for("task.quarantined", task="outputs_2100_torn")
        # What was written in two goes, so far apart, may be of two recognitions.
        watch.wait_for("task.filed", task="outputs_2100_half", findings=["reused_directory"])
        assert watch.stop() == 0

    assert ["outputs_1970_torn", "outputs_2100_torn"] == names_in(root / "quarantine")
    half = root / "normal" / "outputs_2100_half" / "result.json"
    assert b"".join(HALVES) == half.read_bytes()
    assert_all_is_accounted_for(root, RESULTS)


# Other people's time zones.


def test_a_writer_in_another_time_zone_changes_no_decision(root: Path, make_task: MakeTask) -> None:
    """Names of tomorrow, of years ago or of an hour that never was, under any TZ: the same decisions in order."""
    stamps = ("19700101_000000", "20240310_023000", "20241103_013000", "20991231_235959", "20240230_256199")
    seen = []
    for zone in ("UTC", "Pacific/Kiritimati", "America/New_York", "Nowhere/At_All"):
        for stamp in stamps:
            make_task(f"outputs_{stamp}", result_bytes(0.9, timestamp=stamp))
        began = datetime.now(UTC)
        assert 0 == run("sweep", root, *overrides(settle__quiet_seconds=0.01), TZ=zone).returncode
        decided = [event for event in read_log(root) if event["event"] == "decided"][-len(stamps) :]
        seen.append([(event["task"], event["verdict"]) for event in decided])
        assert all(began < datetime.fromisoformat(event["time"]) < datetime.now(UTC) for event in decided)
    assert [[(f"outputs_{stamp}", "normal") for stamp in sorted(stamps)]] * 4 == seen
