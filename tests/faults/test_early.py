"""The writer is not done: whatever it does, nothing is taken before its last write, and nothing after it is lost."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from aftermath import assert_all_is_accounted_for, contents_of
from conftest import read_log, result_bytes, standing
from emosieve.commands import cli
from emosieve.commands.simulated_webui import npy_bytes
from habits import HABITS, Written, written_by
from process import EMOSIEVE, PATIENCE, Watch, overrides, run
from steps import command, killed_before_the_move_of

QUIET = 1.2
COPIES = 12 if os.environ.get("FULL") else 2
NOBODY = 65534
TASK = "outputs_20240104_223000"

_ELSEWHERE = 'mount --bind "$0" "$1" && shift && exec "$@"'
"""Sees the root by another path, in namespaces of its own."""


class WithoutLeases(Watch):
    """A daemon that may not ask for a lease on files of other users."""

    program = ("setpriv", "--bounding-set=-lease", "--inh-caps=-lease", *EMOSIEVE)


def needs_root() -> None:
    """Namespaces, mounts and other uids are root's."""
    if os.geteuid() != 0:
        pytest.skip("namespaces, mounts and other uids need root")


def assert_none_was_taken_early(root: Path, written: Sequence[Written], quiet_seconds: float) -> None:
    """Every task was moved after its last write, with the bytes of that write, and decided by them."""
    assert quiet_seconds > max(one.longest_pause for one in written), (
        "the machine stood still; nothing is shown"
    )
    assert_all_is_accounted_for(root, [one.name for one in written])
    decided = {event["task"]: event for event in read_log(root)}
    for one in written:
        filed = root / decided[one.name]["destination"]
        # A rename sets the ctime of what it moves: the moment of the commit.
        assert filed.stat().st_ctime_ns > one.last_write_ns, one.name
        assert one.files == digests_of(filed), one.name
        assert one.files["result.json"][:32] == decided[one.name]["result_digest"], one.name


def digests_of(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    return {name: sha256(data).hexdigest() for name, data in contents_of(folder).items()}


@pytest.mark.timeout(240)
def test_no_move_precedes_the_last_write(root: Path, tmp_path: Path) -> None:
    """Whatever its habit and its namespaces, a writer's task is moved after its last write, and as it left it."""
    needs_root()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    container = ("unshare", "--mount", "--pid", "--fork", "sh", "-c", _ELSEWHERE, str(root), str(elsewhere))
    with Watch(root, settle__quiet_seconds=QUIET) as watch, ThreadPoolExecutor() as pool:
        watch.wait_for("watch.ready")
        write_all = partial(written_by, quiet_seconds=QUIET, copies=COPIES)
        beside = pool.submit(write_all, root, 1)
        inside = pool.submit(write_all, elsewhere, 2, launcher=container)
        written = beside.result() + inside.result()
        for _ in written:
            watch.wait_for("task.filed")
        assert watch.stop() == 0
    assert 2 * len(HABITS) * COPIES == len(written)
    assert_none_was_taken_early(root, written, QUIET)


@pytest.mark.timeout(240)
def test_where_no_lease_is_given_the_quiet_time_alone_decides(shared_root: Path) -> None:
    """Where nobody tells who holds a file open, no move precedes the last write of whoever rests for less."""
    needs_root()
    root = shared_root
    with WithoutLeases(root, settle__quiet_seconds=QUIET) as watch:
        watch.wait_for("watch.ready")
        written = written_by(root, 3, QUIET, copies=COPIES, uid=NOBODY)
        for _ in written:
            watch.wait_for("task.filed")
        daemon = json.loads(run("status", root, "--json").stdout)["daemon"]
        assert watch.stop() == 0
    assert False is daemon["tells_writers"]
    assert_none_was_taken_early(root, written, QUIET)


# What nobody can see coming.


FIRST = {"processed_audio.wav": b"first", "result.json": result_bytes(0.9)}
LATE: dict[str, tuple[dict[str, bytes], str, str]] = {
    "outputs_embedding": (
        {"embedding.npy": npy_bytes(), "process.log": b"late"},
        "task.joined",
        "normal/outputs_embedding",
    ),
    "outputs_nothing": ({}, "task.joined", "normal/outputs_nothing"),
    "outputs_again": (
        {"processed_audio.wav": b"second", "result.json": result_bytes(0.4)},
        "task.filed",
        "low_quality/outputs_again",
    ),
    "outputs_same": (
        {"processed_audio.wav": b"second", "result.json": result_bytes(0.8)},
        "task.filed",
        "normal/outputs_same.2",
    ),
    "outputs_audio": ({"processed_audio.wav": b"second"}, "task.overdue", "outputs_audio"),
    "outputs_deep": ({"frames/0.npy": b"late"}, "task.overdue", "outputs_deep"),
}
"""What a writer makes anew under a name that was filed; the event that it ends in, and where it stands then."""


def write(task: Path, files: dict[str, bytes]) -> None:
    """Make the directory if need be, and write some files."""
    task.mkdir(exist_ok=True)
    for name, data in files.items():
        (task / name).parent.mkdir(exist_ok=True)
        (task / name).write_bytes(data)


def has_come(watch: Watch, already: int, event: str, task: str) -> bool:
    """Whether an event of a task came after so many others."""
    return any((event, task) == (one["event"], one.get("task")) for one in watch.events[already:])


def test_what_comes_after_the_move_is_never_lost(root: Path) -> None:
    """A late directory joins its task, is a task of its own with a suffix, or stays and is told; no byte is lost."""
    with Watch(root, settle__give_up_seconds=1) as watch:
        watch.wait_for("watch.ready")
        for name in LATE:
            write(root / name, FIRST)
        for _ in LATE:
            watch.wait_for("task.filed")
        already = len(watch.events)
        for name, (files, _, _) in LATE.items():
            write(root / name, files)
        for name, (files, event, place) in LATE.items():
            watch.wait_until(partial(has_come, watch, already, event, name))
            assert files.items() <= contents_of(root / place).items(), name
        # Its result comes when nobody expects it any more.
        write(root / "outputs_audio", {"result.json": result_bytes(0.7)})
        watch.wait_for("task.filed", task="outputs_audio")
        assert watch.stop() == 0

    last = {"processed_audio.wav": b"second", "result.json": result_bytes(0.7)}
    assert last == contents_of(root / "normal" / "outputs_audio.2")
    for name in LATE:
        assert FIRST.items() <= contents_of(root / "normal" / name).items()
    assert ["outputs_deep"] == standing(root)
    joined = {event["task"]: event["files"] for event in read_log(root) if event["event"] == "joined"}
    assert {"outputs_embedding": ["embedding.npy", "process.log"], "outputs_nothing": []} == joined


def test_what_is_written_through_the_directory_goes_with_it(root: Path) -> None:
    """A writer that works in the directory itself, or has a file of it open, writes into the filed task."""
    with Watch(root) as watch:
        watch.wait_for("watch.ready")
        write(root / TASK, FIRST)
        directory = os.open(root / TASK, os.O_RDONLY | os.O_DIRECTORY)
        try:
            watch.wait_for("task.filed")
            late = os.open("embedding.npy", os.O_WRONLY | os.O_CREAT, dir_fd=directory)
            os.write(late, npy_bytes())
            os.close(late)
        finally:
            os.close(directory)
        assert watch.stop() == 0

    assert {**FIRST, "embedding.npy": npy_bytes()} == contents_of(root / "normal" / TASK)
    assert_all_is_accounted_for(root, [TASK])


# Changed between the decision and the move.

SETTINGS = {"settle__quiet_seconds": 0.001, "settle__give_up_seconds": 0.002}


def killed_before_it_moves(root: Path, name: str) -> None:
    """Sweep the root, and die between the log and the first rename of this name."""
    arguments = ["emosieve", "sweep", str(root), *overrides(**SETTINGS)]

    def sweep() -> None:
        sys.argv = arguments
        cli.run()

    killed_before_the_move_of(name, sweep)


def sweep_until_nothing_stands(root: Path) -> None:
    """What is written a moment ago may be too young for one sweep."""
    give_up = time.monotonic() + PATIENCE
    while standing(root):
        ended = command(["sweep", str(root), *overrides(**SETTINGS)])
        assert time.monotonic() < give_up, ended.output


def test_a_file_that_comes_while_others_join_is_not_left_behind(root: Path) -> None:
    """Killed between the log and the move of late files, and then another file came: all of them join."""
    write(root / TASK, FIRST)
    sweep_until_nothing_stands(root)
    write(root / TASK, {"a.npy": b"1"})
    killed_before_it_moves(root, "a.npy")
    write(root / TASK, {"b.npy": b"2"})
    sweep_until_nothing_stands(root)

    assert {**FIRST, "a.npy": b"1", "b.npy": b"2"} == contents_of(root / "normal" / TASK)
    assert [["a.npy"], ["b.npy"]] == [
        event["files"] for event in read_log(root) if event["event"] == "joined"
    ]
    assert_all_is_accounted_for(root, [TASK], SETTINGS)


@pytest.mark.parametrize(
    ("first", "then", "event", "folder"),
    [
        (result_bytes(0.3), result_bytes(0.9), "decided", "normal"),
        (result_bytes(0.9), result_bytes(0.3), "decided", "low_quality"),
        (result_bytes(0.9), b"{", "quarantined", "quarantine"),
        (b"{", result_bytes(0.9), "decided", "normal"),
    ],
)
def test_a_result_that_changes_before_its_move_supersedes_its_decision(
    root: Path, first: bytes, then: bytes, event: str, folder: str
) -> None:
    """Stopped between decision and move, and the result changed: the new decision says which it supersedes."""
    write(root / TASK, {"result.json": first})
    killed_before_it_moves(root, TASK)
    write(root / TASK, {"result.json": then})
    sweep_until_nothing_stands(root)

    old, new = (one for one in read_log(root) if one["event"] in {"decided", "quarantined"})
    assert {"result.json": then} == contents_of(root / folder / TASK)
    assert (event, old["time"]) == (new["event"], new["supersedes"]["time"])
    assert sha256(then).hexdigest()[:32] == new["result_digest"]
    stats = json.loads(run("stats", root, "--json").stdout)
    assert {"normal": 0, "low_quality": 0, "quarantined": 0} | {new.get("verdict", "quarantined"): 1} == {
        verdict: stats[verdict] for verdict in ("normal", "low_quality", "quarantined")
    }
    assert f"{folder}/{TASK}" == new["destination"]


def test_the_very_same_result_written_again_is_not_decided_again(root: Path) -> None:
    """Stopped between decision and move, and the same bytes came again: one decision, one move."""
    write(root / TASK, FIRST)
    killed_before_it_moves(root, TASK)
    write(root / TASK, FIRST)
    sweep_until_nothing_stands(root)

    assert ["decided"] == [event["event"] for event in read_log(root) if event["event"] != "swept"]
    assert_all_is_accounted_for(root, [TASK], SETTINGS)


# A writer that opens its file at the moment when it is asked for.

_HAMMER = """
import os, sys, time
path, wanted = sys.argv[1], int(sys.argv[2])
met, opened, longest, give_up = 0, 0, 0.0, time.monotonic() + float(sys.argv[3])
while met < wanted and time.monotonic() < give_up:
    for _ in range(1000):
        try:
            os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
        except BlockingIOError:
            met += 1
            began = time.monotonic()
            os.close(os.open(path, os.O_RDWR))
            longest = max(longest, time.monotonic() - began)
        opened += 1
print(met, longest)
"""


@pytest.mark.timeout(120)
def test_a_writer_that_meets_the_lease_waits_for_nothing(root: Path) -> None:
    """Opened again and again just while it is leased, a file is open at once, and emosieve goes on."""
    write(root / TASK, FIRST)
    with (root / TASK / "process.log").open("wb") as kept, Watch(root, settle__quiet_seconds=0.002) as watch:
        watch.wait_for("watch.ready")
        hammer = subprocess.run(
            [sys.executable, "-c", _HAMMER, str(root / TASK / "result.json"), "3", str(PATIENCE)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert watch.process.poll() is None
        kept.close()
        assert "still_open" not in watch.wait_for("task.filed", task=TASK)["findings"]
        assert watch.stop() == 0

    met, longest = hammer.stdout.split()
    assert int(met) >= 3
    # Whoever is not let in by whoever holds a lease waits for /proc/sys/fs/lease-break-time, 45 s.
    assert float(longest) < PATIENCE
