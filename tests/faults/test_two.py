"""Two at once: second starts on one root, whatever the first one's end, namespace, mount or path."""

import os
import re
import shutil
import signal
import socket
import subprocess
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import orjson
import pytest

from aftermath import assert_all_is_accounted_for
from conftest import MakeTask, Mount, names_in, read_log
from emosieve.record.locking import myself
from process import EMOSIEVE, PATIENCE, Watch, overrides, run, until

TASK = "outputs_20240104_223000"
SOON = {"settle__quiet_seconds": 0.2}
HOST = socket.gethostname()


def refusal(*arguments: str | Path, inside: tuple[str, ...] = ()) -> str:
    """What a start that must be refused says; it may be made inside other namespaces."""
    environment = {**os.environ, "EMOSIEVE_LANGUAGE": "en"}
    command = [*inside, *EMOSIEVE, *map(str, arguments)]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=PATIENCE
    )
    assert 2 == ended.returncode, ended.stderr
    return ended.stderr


class Inside(Watch):
    """A daemon that another command runs inside of something.

    Args:
        inside: that command.
        root: the root.
    """

    def __init__(self, inside: tuple[str, ...], root: Path) -> None:
        self.program = [*inside, *EMOSIEVE]
        super().__init__(root)

    @property
    def pid(self) -> int:
        """The daemon's own, out here."""
        outer = self.process.pid
        return int(Path(f"/proc/{outer}/task/{outer}/children").read_text(encoding="utf-8"))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the daemon a signal and give its exit status, which the command around it passes on."""
        os.kill(self.pid, number)
        return self.process.wait(timeout=PATIENCE)


def names(words: str, pid: int) -> bool:
    """Whether a refusal names a process of this host."""
    return re.search(rf"\(host {re.escape(HOST)}, pid {pid}\b", words) is not None


def is_ready(watch: Watch) -> bool:
    """Whether a daemon took its root, or ended instead."""
    until(lambda: watch.count_of("watch.ready") or watch.process.poll() is not None)
    return watch.count_of("watch.ready") > 0


def own_pids() -> tuple[str, ...]:
    """A command that runs another one in a pid namespace of its own, as a container has it."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a pid namespace needs root and unshare")
    return ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


class TestRefusal:
    """The second one on a root ends with status 2 and says who has it."""

    @pytest.mark.parametrize("command", [["watch"], ["sweep"], ["sweep", "--wait", "0"]])
    def test_whatever_the_path(self, root: Path, tmp_path: Path, mounted: Mount, command: list[str]) -> None:
        """By a symlink, a detour or another mount of the root a second one is refused with host and pid, too."""
        (tmp_path / "link").symlink_to(root)
        (tmp_path / "mount").mkdir()
        mounted("--bind", root, tmp_path / "mount")
        with Watch(root) as first:
            first.wait_for("watch.ready")
            for path in (tmp_path / "link", root / ".." / root.name, tmp_path / "mount"):
                assert names(refusal(*command, path), first.process.pid)
            assert 0 == first.stop()

    def test_a_sweep_holds_it_as_well(self, root: Path) -> None:
        """A daemon is refused while a sweep is at work, with the sweep's pid."""
        (root / TASK).mkdir()
        command = [*EMOSIEVE, "sweep", str(root), *overrides(settle__quiet_seconds=60), "--wait", "100"]
        (root / TASK / "result.json").write_bytes(b"{}")
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sweep:
            try:
                holder = root / ".emosieve" / "intake.lock"
                while not (holder.exists() and holder.read_bytes().endswith(b"}")):
                    assert sweep.poll() is None
                assert names(refusal("watch", root), sweep.pid)
            finally:
                sweep.kill()

    def test_a_dry_run_is_not_refused(self, root: Path, make_task: MakeTask) -> None:
        """``sweep --dry-run`` takes no lock, so it answers beside the daemon."""
        make_task()
        with Watch(root, settle__quiet_seconds=60) as first:
            first.wait_for("watch.ready")
            assert 0 == run("sweep", root, "--dry-run", *overrides(**SOON)).returncode

    def test_a_holder_in_a_container_is_named_by_its_pid_out_here(self, root: Path) -> None:
        """A daemon that is pid 1 in a namespace of its own is named by the pid it has for the one refused."""
        with Inside(own_pids(), root) as first:
            first.wait_for("watch.ready")
            pid = first.pid
            said = refusal("watch", root)
            record = orjson.loads((root / ".emosieve" / "intake.lock").read_bytes())
            assert 0 == first.stop()

        assert 1 == record["pid"]
        assert names(said, pid)

    def test_from_a_container_the_holder_is_named_as_it_sees_itself(self, root: Path) -> None:
        """From a pid namespace that does not see the holder the refusal names what its record says."""
        with Watch(root) as first:
            first.wait_for("watch.ready")
            assert names(refusal("sweep", root, inside=own_pids()), first.process.pid)


class TestAfterAnUncleanEnd:
    """What a dead holder leaves behind keeps nobody away."""

    def test_the_next_one_starts_at_once(self, root: Path, make_task: MakeTask) -> None:
        """After SIGKILL the record names a dead pid; the next start takes the root, and is named by the one after."""
        with Watch(root) as first:
            first.wait_for("watch.ready")
            first.stop(signal.SIGKILL)
        record = orjson.loads((root / ".emosieve" / "intake.lock").read_bytes())
        make_task()
        with Watch(root) as second:
            second.wait_for("task.filed", task=TASK)
            assert names(refusal("watch", root), second.process.pid)
            assert 0 == second.stop()

        assert first.process.pid == record["pid"]

    def test_a_pid_that_is_somebody_elses_by_now(self, root: Path, make_task: MakeTask) -> None:
        """A record whose pid was given to another process keeps nobody away, and check takes nobody for a daemon."""
        make_task()
        (root / ".emosieve").mkdir()
        record = asdict(myself())
        (root / ".emosieve" / "intake.lock").write_bytes(orjson.dumps(record))
        said = run("check", root, "-v").stdout
        assert 0 == run("sweep", root, *overrides(**SOON)).returncode

        assert "no emosieve is at work on this root" in said
        assert_all_is_accounted_for(root, [TASK], SOON)


@pytest.mark.parametrize("stale", [False, True])
def test_of_many_starts_at_one_moment_exactly_one_wins(root: Path, *, stale: bool) -> None:
    """Of eight starts at once one takes the root and seven name its pid, whatever a dead holder wrote."""
    if stale:
        (root / ".emosieve").mkdir()
        record = {**asdict(myself()), "pid": 1 << 22}
        (root / ".emosieve" / "intake.lock").write_bytes(orjson.dumps(record))
    with ExitStack() as stack:
        starts = [stack.enter_context(Watch(root)) for _ in range(8)]
        (winner,) = [one for one in starts if is_ready(one)]
        losers = [one for one in starts if one is not winner]
        assert [2] * 7 == [one.process.wait(timeout=PATIENCE) for one in losers]
        assert 0 == winner.stop()

    for one in losers:
        assert names(one.events[-1]["line"], winner.process.pid)


def test_a_root_that_was_made_anew_goes_to_whoever_takes_it(root: Path, make_task: MakeTask) -> None:
    """A root deleted and recreated while held: a second may take it; the first notices, writes nothing, and waits."""
    tasks = [f"outputs_20240104_2230{number:02}" for number in range(4)]
    with Watch(root) as first:
        first.wait_for("watch.ready")
        first.process.send_signal(signal.SIGSTOP)
        shutil.rmtree(root)
        root.mkdir()
        with Watch(root) as second:
            second.wait_for("watch.ready")
            make_task(tasks[0])
            first.process.send_signal(signal.SIGCONT)
            second.wait_for("task.filed", task=tasks[0])
            make_task(tasks[1])
            second.wait_for("task.filed", task=tasks[1])
            assert names(first.wait_for("watch.blocked")["cause"], second.process.pid)
            make_task(tasks[2])
            second.wait_for("task.filed", task=tasks[2])
            assert 0 == second.stop()
        first.wait_for("watch.ready")
        make_task(tasks[3])
        first.wait_for("task.filed", task=tasks[3])
        assert 0 == first.stop()

    assert [tasks[3]] == [event["task"] for event in first.events if event["event"] == "task.filed"]
    assert_all_is_accounted_for(root, tasks, SOON)


class TestWithoutLocks:
    """A file system that has none: the kernel answers ENOLCK, as it does for a share mounted so."""

    @pytest.fixture
    def without_locks(self) -> tuple[str, ...]:
        """A command that runs another one, to which the kernel refuses every lock."""
        inside = (
            "strace",
            "-f",
            "-qq",
            "-e",
            "trace=flock",
            "-e",
            "inject=flock:error=ENOLCK",
            "-o",
            "/dev/null",
        )
        if shutil.which("strace") is None or subprocess.run([*inside, "true"], check=False).returncode:
            pytest.skip("strace is missing, or may not trace here")
        return inside

    def test_the_daemon_warns_once_and_goes_on(
        self, root: Path, make_task: MakeTask, without_locks: tuple[str, ...]
    ) -> None:
        """Intake and log are each told of once to have no lock, and tasks are filed all the same."""
        with Inside(without_locks, root) as watch:
            watch.wait_for("watch.ready")
            for number in range(3):
                make_task(f"outputs_{number}")
                watch.wait_for("task.filed", task=f"outputs_{number}")
            assert 0 == watch.stop()

        warned = [event["event"] for event in watch.events if event["event"].endswith("no_locks")]
        assert ["intake.no_locks", "decisions.no_locks"] == warned
        assert_all_is_accounted_for(root, [f"outputs_{number}" for number in range(3)], SOON)

    def test_what_moves_tasks_beside_the_daemon_warns_as_well(
        self, root: Path, make_task: MakeTask, without_locks: tuple[str, ...]
    ) -> None:
        """``restore`` says that nothing keeps it apart from a daemon, and restores."""
        make_task()
        assert 0 == run("sweep", root, *overrides(**SOON)).returncode
        command = [*without_locks, *EMOSIEVE, "restore", str(root / "normal" / TASK)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

        assert (0, 1) == (ended.returncode, ended.stderr.count("decisions.no_locks"))
        assert ([TASK], "restored") == (names_in(root / "low_quality"), read_log(root)[-1]["event"])
