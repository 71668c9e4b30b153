"""What check finds that changes by itself: another emosieve, the clock."""

import os
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from conftest import MakeTask
from emosieve.record.locking import IntakeLock, holding_pid
from emosieve.service.preflight import Line
from emosieve.service.preflight.circumstances import about_clock
from emosieve.service.preflight.site import visit
from emosieve.service.preflight.who import about_intake, about_program
from emosieve.settings import Settings
from process import Watch, run


def intake_of(root: Path) -> Line:
    """What is said about other emosieves."""
    return about_intake(visit(str(root), Settings()))


class TestIntake:
    """Whether another emosieve is at work, read without touching its lock."""

    def test_nobody_is_at_work(self, root: Path) -> None:
        """A root without a lock is free."""
        assert ("ok", "no emosieve is at work on this root") == (
            intake_of(root).level,
            str(intake_of(root).message),
        )

    def test_a_daemon_is_named_and_left_alone(self, root: Path) -> None:
        """While a real daemon watches, check says so with its pid, exits 0, and the daemon never notices."""
        with Watch(root) as watch:
            watch.wait_for("watch.ready")
            ended = run("check", root, "--json")
            heard = len(watch.events)
            pid = watch.process.pid
            assert 0 == watch.stop()

        (line,) = (line for line in orjson.loads(ended.stdout)["lines"] if line["subject"] == "intake")
        assert (0, "ok") == (ended.returncode, line["level"])
        assert f"pid {pid}" in line["message"]
        assert "check does not disturb it" in line["message"]
        assert ["watch.stopping", "watch.stopped"] == [event["event"] for event in watch.events[heard:]]

    def test_a_record_outlives_its_holder(self, root: Path) -> None:
        """What a daemon that ended left behind is not taken for a daemon."""
        lock = IntakeLock(str(root))
        lock.acquire()
        assert "is at work" in str(intake_of(root).message)
        lock.release()
        assert "no emosieve is at work" in str(intake_of(root).message)

    def test_of_another_machine_nothing_is_known(self, root: Path) -> None:
        """A record of another host says who it was, and that one cannot see whether it still is."""
        (root / ".emosieve").mkdir()
        record = {"host": "far\x1b", "container": "far\x1b", "pid": 7}
        (root / ".emosieve" / "intake.lock").write_bytes(orjson.dumps(record))
        line = intake_of(root)

        assert "ok" == line.level
        assert "was at work on this root (host far\\u001b, pid 7, container far\\u001b)" in str(line.message)

    def test_asking_never_takes_the_lock(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """No lock is asked for, not even for a moment: a daemon that starts just then must not be refused."""
        lock = IntakeLock(str(root))
        lock.acquire()
        monkeypatch.setattr("fcntl.flock", lambda *_arguments: pytest.fail("a lock was asked for"))
        assert "is at work" in str(intake_of(root).message)
        lock.release()

    def test_a_holder_counts_by_its_pid_where_devices_differ(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On btrfs and the like the table has another device than stat; inode and recorded pid tell as well."""
        lock = IntakeLock(str(root))
        lock.acquire()
        monkeypatch.setattr(os, "major", lambda _device: -1)
        assert os.getpid() == holding_pid(str(root), os.getpid())
        assert holding_pid(str(root), None) is None
        lock.release()

    def test_one_who_waits_is_no_holder(self, root: Path) -> None:
        """A process that blocks on the lock stands in the table, too, and is passed over."""
        lock = IntakeLock(str(root))
        lock.acquire()
        path = root / ".emosieve" / "intake.lock"
        script = f"import fcntl; print(flush=True); fcntl.flock(open({str(path)!r}), fcntl.LOCK_EX)"
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as waiting:
            assert waiting.stdout is not None
            waiting.stdout.readline()
            deadline = time.monotonic() + 30
            while "->" not in Path("/proc/locks").read_text(encoding="ascii"):
                assert time.monotonic() < deadline
            assert os.getpid() == holding_pid(str(root), None)
            lock.release()


class TestClock:
    """Whether the clock agrees with what it dates; its readings are given, for nobody may set the machine's."""

    @staticmethod
    def lines(root: Path, now: float) -> list[Line]:
        """What is said at that time."""
        return list(about_clock(visit(str(root), Settings()), now))

    @pytest.fixture
    def changed(self, root: Path, make_task: MakeTask) -> float:
        """When the newest change happened."""
        task = make_task()
        return max(task.stat().st_ctime, root.stat().st_ctime)

    def test_a_clock_that_is_right(self, root: Path, changed: float) -> None:
        """Up to two seconds of difference are nobody's fault."""
        assert ["ok"] == [line.level for line in self.lines(root, changed - 1.9)]

    def test_a_clock_that_was_set_back(self, root: Path, changed: float) -> None:
        """A task that changed in the future is named, with by how much and what follows."""
        (line,) = self.lines(root, changed - 100)

        assert "warning" == line.level
        assert f"{root}/outputs_20240104_223000 changed 100 s in the future" in str(line.message)
        assert "emosieve's own clock" in str(line.hint)

    def test_a_log_from_the_future(self, root: Path) -> None:
        """The last whole line of the log counts; a torn one behind it does not."""
        log = root / "decisions.jsonl"
        log.write_bytes(b'{"event":"decided","time":"2100-01-01T00:00:00+00:00"}\n{"event":"deci')
        (line,) = self.lines(root, 4_102_444_800 - 90)

        assert "warning" == line.level
        assert f"the last decision in {log} is dated 90 s in the future" in str(line.message)
        assert "go backwards" in str(line.hint)

    @pytest.mark.parametrize("content", [b"", b"\n", b"[]\n", b'{"event":"decided"}\n'])
    def test_a_log_without_a_time_says_nothing(self, root: Path, content: bytes) -> None:
        """What cannot be read as an event is no reason to complain of the clock."""
        (root / "decisions.jsonl").write_bytes(content)

        assert ["ok"] == [line.level for line in self.lines(root, time.time())]

    def test_a_clock_without_a_battery(self, root: Path) -> None:
        """A date before 2024 is told; so is that everything here is younger."""
        lines = self.lines(root, 86_400.0)

        assert {"warning"} == {line.level for line in lines}
        assert "this machine's clock says 1970-01-02 00:00 UTC" == str(lines[0].message)


def test_a_uid_without_a_name_is_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container nobody need know the uid."""
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)

    assert "as 4000000 (uid 4000000)" in str(about_program().message)


@pytest.mark.parametrize(
    ("sign", "words"), [("/.dockerenv", ", in a container"), ("", ", not in a container")]
)
def test_a_container_is_told(monkeypatch: pytest.MonkeyPatch, sign: str, words: str) -> None:
    """Whether emosieve runs in a container is in its line."""
    monkeypatch.setattr(os.path, "exists", lambda path: path == sign)

    assert str(about_program().message).endswith(words)
