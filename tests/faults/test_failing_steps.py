"""The disk fails: at every step that touches it, one by one, for a moment or until the end.

And a task that somebody else deletes, at every one of these moments.
"""

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from aftermath import (
    FOLDERS,
    assert_all_is_accounted_for,
    assert_nothing_is_left_over,
    assert_report_is_a_projection,
    decisions_of,
)
from conftest import FakeTime, names_in, read_log, result_bytes
from emosieve.service import daemon as daemon_module
from emosieve.service import flow as flow_module
from emosieve.service.daemon import Daemon
from emosieve.service.logs import configure_logs
from emosieve.settings import load
from emosieve.watch.wakeups import Mailbox, Wake
from process import overrides
from steps import Ended, Fault, command, forked

FULL = bool(os.environ.get("FULL"))
ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES)
FILED = [f"outputs_20240104_2230{number:02}" for number in range(16)]
TASKS = [f"outputs_20240104_2231{number:02}" for number in range(2)]
ROTATE_BYTES = 4096
"""Less than log and report have grown to when the first tasks are filed."""


class Scene:
    """A root with a log and a report just long enough to be rotated by what comes next: a task for each side.

    Args:
        root: the root.
        normal: where normal tasks go; on another file system each is copied.
    """

    def __init__(self, root: Path, normal: Path | None) -> None:
        self.root = root
        self.coming = root.with_name("coming")
        self.folders = (str(normal) if normal else "normal", *FOLDERS[1:])
        self.settings = {
            "settle__quiet_seconds": 0.001,
            "decisions__rotate_bytes": ROTATE_BYTES,
            "report__rotate_bytes": ROTATE_BYTES,
            "watch__mode": "polling",
            "log__format": "json",
            "language": "en",
            "filing__normal": self.folders[0],
        }

    def make(self) -> None:
        """Begin anew; the tasks are still to come."""
        for place in (self.root, self.coming):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
        for folder in self.folders:
            for name in names_in(self.root / folder):
                shutil.rmtree(self.root / folder / name)
        _write_tasks(self.root, FILED)
        kept_whole = overrides(**self.settings | {"decisions__rotate_bytes": 1_000_000})
        assert 0 == command(["sweep", str(self.root), *kept_whole]).status
        _write_tasks(self.coming, TASKS)

    def bring(self) -> None:
        """Let the tasks come."""
        for name in TASKS:
            (self.coming / name).rename(self.root / name)

    def delete(self) -> None:
        """What a cron job does."""
        subprocess.run(["rm", "-rf", self.root / TASKS[0]], check=True)

    def sweep(self, fault: Fault | None = None, wait: int = 3) -> Ended:
        """A sweep, which waits for what may pass."""
        return command(["sweep", str(self.root), *overrides(**self.settings), "--wait", str(wait)], fault)

    def watch(self, fault: Fault | None = None) -> Ended:
        """One daemon, to which the tasks come when it is at work, until all is filed; its time flies."""
        return forked(self._watch, fault)

    def _watch(self) -> int:
        fake = FakeTime(time.time())
        clocks = SimpleNamespace(time=lambda: fake.wall, monotonic=lambda: fake.monotonic)
        loaded = load(
            root=str(self.root), overrides=[one for one in overrides(**self.settings) if "=" in one]
        )
        configure_logs(loaded.settings.log)
        daemon = Daemon(str(self.root), loaded, lambda: loaded)
        waits = 0

        def wait(_mailbox: Mailbox, seconds: float | None) -> set[Wake]:
            nonlocal waits
            waits += 1
            if waits == 1:
                # By another process, whose steps are nobody's.
                subprocess.run(["mv", *(self.coming / name for name in TASKS), self.root], check=True)
                return {Wake.LOOK}
            assert waits < 10_000, "it never came to an end"
            fake.pass_(max(seconds or 0.0, 0.01))
            flow = daemon._flow
            inbox = [name for name in names_in(self.root) if name in TASKS]
            is_done = not inbox and flow and not flow.is_blocked and not flow.intake.behind
            return {Wake.STOP} if is_done else set()

        with pytest.MonkeyPatch.context() as patch:  # of this forked process alone
            patch.setattr(daemon_module, "time", clocks)
            patch.setattr(flow_module, "Clock", lambda: fake.clock)
            patch.setattr(Mailbox, "wait", wait)
            daemon.run()
        return 0


def _write_tasks(folder: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        (folder / name).mkdir()
        (folder / name / "processed_audio.wav").write_bytes(b"RIFF")
        (folder / name / "result.json").write_bytes(result_bytes(0.4 if number % 2 else 0.9))


@pytest.fixture(params=["renamed", "copied"])
def scene(request: pytest.FixtureRequest, tmp_path: Path, mounted: Callable[..., None]) -> Scene:
    """Tasks that are filed by a rename, and such as are copied to another file system; both in memory."""
    for name in ("disk", "elsewhere"):
        (tmp_path / name).mkdir()
        mounted("-t", "tmpfs", "-o", "size=4m", "tmpfs", tmp_path / name)
    return Scene(tmp_path / "disk" / "outputs", tmp_path / "elsewhere" if request.param == "copied" else None)


def faults_at(number: int, *, once: bool = False) -> list[Fault]:
    """How a step fails: in each way in the long form, else in one that changes from step to step."""
    lasting = (False,) if once else (False, True)
    ways = [Fault(number, "fails", error, lasts) for lasts in lasting for error in ERRORS]
    return ways if FULL else [ways[number % len(ways)]]


def assert_no_fault_of_its_own(ended: Ended) -> None:
    """It did not crash, and took no error for one of its own."""
    assert ended.status in {0, 1, 2}, ended.output
    assert "Traceback" not in ended.output
    assert "internal.error" not in ended.output


def assert_whole(scene: Scene, after: str) -> None:
    """All is as if nothing had happened."""
    try:
        assert_all_is_accounted_for(scene.root, FILED + TASKS, scene.settings, scene.folders)
    except AssertionError as error:
        error.add_note(f"after {after}")
        raise


def is_rotated(whole: Ended, scene: Scene) -> bool:
    """Whether log and report were rotated on the way."""
    return {f"rename {scene.root}/{name}" for name in ("decisions.jsonl", "quality_report.txt")} <= {
        *whole.steps
    }


@pytest.mark.timeout(1200)
def test_what_a_failing_sweep_left_the_next_one_finishes(scene: Scene) -> None:
    """Whichever step of a sweep fails, the next sweep ends with every task in one place, decided and reported once."""
    scene.make()
    scene.bring()
    whole = scene.sweep()
    assert (0, True) == (whole.status, is_rotated(whole, scene))
    for number, step in enumerate(whole.steps):
        for fault in faults_at(number):
            scene.make()
            scene.bring()
            failed = scene.sweep(fault, wait=0)
            assert step.split()[0] == failed.steps[number].split()[0]
            assert_no_fault_of_its_own(failed)
            again = scene.sweep()
            assert 0 == again.status, f"{fault}: {step}\n{again.output}"
            assert_whole(scene, f"{fault} at {step}")


@pytest.mark.timeout(1200)
def test_a_daemon_lives_through_a_failing_step(scene: Scene) -> None:
    """Whichever step of a running daemon fails, the same process files, decides and reports every task once."""
    scene.make()
    whole = scene.watch()
    assert (0, True) == (whole.status, is_rotated(whole, scene))
    is_status = [step.startswith("rename ") and "/emosieve-" in step for step in whole.steps]
    for number, step in [*enumerate(whole.steps)][is_status.index(True) + 1 :]:  # when it is at work
        for fault in faults_at(number, once=True):
            scene.make()
            ended = scene.watch(fault)
            assert_no_fault_of_its_own(ended)
            assert 0 == ended.status, f"{fault} at {step}\n{ended.output}"
            assert_whole(scene, f"{fault} at {step}")


@pytest.mark.timeout(1200)
def test_a_task_that_is_deleted_at_any_step_is_missed_alone(scene: Scene) -> None:
    """Whenever somebody deletes a task the others are filed, and it is told of as failed or stands filed and whole."""
    scene.make()
    scene.bring()
    whole = scene.sweep()
    fates = set()
    for number, step in enumerate(whole.steps):
        scene.make()
        scene.bring()
        ended = scene.sweep(Fault(number, "meets", deed=scene.delete), wait=0)
        assert_no_fault_of_its_own(ended)
        fates.add(_fate(scene, step))
    assert {"never seen", "failed", "filed"} == fates


def _fate(scene: Scene, step: str) -> str:
    """What became of the deleted task; all others are as they should be."""
    gone, *others = TASKS
    standing = [name for folder in scene.folders for name in names_in(scene.root / folder)]
    assert sorted([*FILED, *others]) == sorted(set(standing) - {gone}), step
    assert_nothing_is_left_over(scene.root, scene.folders)
    assert_report_is_a_projection(scene.root, scene.settings)
    assert {*FILED, *others} <= decisions_of(scene.root).keys()
    events = [
        (event["event"], event.get("cause")) for event in read_log(scene.root) if event.get("task") == gone
    ]
    if gone in standing:
        (folder,) = [folder for folder in scene.folders if gone in names_in(scene.root / folder)]
        assert ["processed_audio.wav", "result.json"] == names_in(scene.root / folder / gone), step
        assert [("decided", None)] == events, step
        return "filed"
    if not events:
        return "never seen"
    assert [("decided", None), ("failed", "ENOENT: is gone")] == events, step
    return "failed"
