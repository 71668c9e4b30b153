"""The daemon's loop, tick by tick: what it notices of its watch and its root, and how it heals."""

import errno
import math
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from conftest import MakeTask, names_in
from daemons import make_deaf, sleepless
from emosieve.errors import SetupError
from emosieve.record.checkpoint import load_checkpoint
from emosieve.record.decisions import DecisionLog
from emosieve.record.locking import IntakeLock
from emosieve.record.long_work import HEED_EVENTS
from emosieve.service import daemon as daemon_module
from emosieve.service.daemon import Daemon
from emosieve.service.flow import Flow
from emosieve.service.liveness import read_heartbeat
from emosieve.service.preflight import as_setup
from emosieve.settings import Loaded, load
from emosieve.watch import wakeups
from emosieve.watch.wakeups import Wake
from projected import event

OVERRIDES = ("settle.quiet_seconds=0.001", "watch.rescan_seconds=0.1", "watch.mode=native")


def settings() -> Loaded:
    """Settings under which everything is due at once."""
    return load(overrides=OVERRIDES)


@pytest.fixture
def daemon(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """A daemon that never sleeps: it takes what is in its mailbox and goes on."""
    with sleepless(root, settings, monkeypatch) as daemon:
        yield daemon


def names(events: list[Any]) -> list[str]:
    """The event names of a captured log."""
    return [event["event"] for event in events]


def fails(error: OSError) -> Callable[..., Any]:
    """A call that fails."""

    def call(*_arguments: object, **_more: object) -> None:
        raise error

    return call


def test_a_dead_watch_is_armed_again(daemon: Daemon) -> None:
    """When watchdog's thread for the root has died, the next tick starts another."""
    daemon._tick()
    assert daemon._wakeups._observer is not None
    for emitter in daemon._wakeups._observer.emitters:
        emitter.stop()
        emitter.join()
    daemon._lookout._next_arming = 0.0
    with capture_logs() as events:
        daemon._tick()

    assert ["watch.healed"] == names(events)
    assert "native" == daemon._wakeups.mode
    assert daemon._wakeups.is_alive()


def test_a_watch_that_dies_at_once_is_armed_once_per_rescan(daemon: Daemon) -> None:
    """Between two tries listings do, the log is silent, and the mode is told as what it is."""
    daemon._tick()
    daemon._wakeups.disarm()
    daemon._lookout._next_arming = float("inf")
    with capture_logs() as events:
        daemon._tick()
        daemon._tick()

    assert [] == names(events)
    assert ("polling", "the watch died, and is armed again soon") == (
        daemon._wakeups.mode,
        str(daemon._wakeups.reason),
    )


def test_an_overflow_is_told_and_the_root_listed_anew(daemon: Daemon) -> None:
    """Lost events cost one listing."""
    daemon._tick()
    daemon._mailbox.post(Wake.OVERFLOW)
    with capture_logs() as events:
        daemon._tick()

    assert ["watch.overflow"] == names(events)
    assert 0.0 == daemon._next_scan


def test_events_that_never_come_are_noticed(
    daemon: Daemon,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A task that a listing finds long after it came means that the file system is deaf: polling goes on."""
    daemon._tick()
    make_deaf(daemon, monkeypatch)
    make_task()
    daemon._hinted, daemon._next_scan = False, 0.0
    with capture_logs() as events:
        daemon._tick()

    assert "watch.deaf" in names(events)
    assert "polling" == daemon._wakeups.mode


def test_an_event_on_its_way_makes_nobody_deaf(
    daemon: Daemon, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that a listing finds before its event is heard, as after a sleep, leaves events in force."""
    daemon._tick()
    while daemon._mailbox.wait(0):
        pass
    monkeypatch.setattr(Flow, "has_stood", lambda _flow, new, _seconds: bool(new))
    make_task()
    daemon._hinted, daemon._next_scan = False, 0.0
    with capture_logs() as events:
        daemon._tick()

    assert "watch.deaf" not in names(events)
    assert "native" == daemon._wakeups.mode


def test_overflows_are_told_once_in_a_while(daemon: Daemon) -> None:
    """A burst that overflows again and again is listed each time, and told once per rescan."""
    daemon._tick()
    with capture_logs() as events:
        for _ in range(3):
            daemon._next_scan = 1e9
            daemon._mailbox.post(Wake.OVERFLOW)
            daemon._wait(0)
            assert 0.0 == daemon._next_scan

    assert ["watch.overflow"] == names(events)


def test_a_reached_limit_is_told_and_polled(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an inotify instance to spare the daemon starts all the same, and names the sysctl."""
    monkeypatch.setattr(wakeups, "Observer", fails(OSError(errno.EMFILE, "inotify instance limit reached")))
    with capture_logs() as events:
        daemon._tick()

    assert ["check.warning", "watch.degraded", "watch.ready"] == names(events)
    assert "fs.inotify.max_user_instances" in events[1]["reason"]
    assert "polling" == events[2]["mode"]


def test_a_missing_root_is_told_of_once(daemon: Daemon, root: Path) -> None:
    """While it is waited for, the log is silent."""
    root.rmdir()
    with capture_logs() as events:
        daemon._tick()
        daemon._tick()

    assert ["watch.waiting"] == names(events)


def test_a_root_that_fails_is_begun_anew(
    daemon: Daemon,
    make_task: MakeTask,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An input/output error in a listing closes everything, and the next ticks open it again."""
    daemon._tick()
    make_task()
    daemon._next_scan = 0.0
    with capture_logs() as events:
        monkeypatch.setattr(Flow, "scan", fails(OSError(errno.EIO, "Input/output error")))
        daemon._tick()
        monkeypatch.setattr(Flow, "scan", Flow.__dict__["scan"])
        assert daemon._flow is None
    monkeypatch.undo()

    assert ["watch.blocked"] == names(events)
    assert "Input/output error" in events[0]["cause"]
    assert [] == names_in(root / "normal")


def test_a_root_that_goes_just_before_its_listing_is_noticed_as_gone(
    daemon: Daemon,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Renamed away between the look at it and its listing, the root is waited for like any that is gone."""
    daemon._tick()
    daemon._next_scan = 0.0
    scan = Flow.scan

    def rename_and_scan(flow: Flow) -> Any:
        root.rename(root.with_name("old"))
        return scan(flow)

    monkeypatch.setattr(Flow, "scan", rename_and_scan)
    with capture_logs() as events:
        daemon._tick()
        daemon._tick()

    assert ["watch.root_changed", "watch.waiting"] == names(events)


def test_what_is_wrong_at_the_start_ends_it(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error before the first ``watch.ready`` is a set-up error that says what to look at."""
    monkeypatch.setattr(IntakeLock, "acquire", fails(PermissionError(errno.EACCES, "Permission denied")))
    with pytest.raises(SetupError, match="Permission denied; look at its owner and mode"):
        daemon._tick()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.ESTALE, errno.EAGAIN])
def test_what_passes_by_itself_is_waited_out_at_the_start(
    daemon: Daemon, root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It is logged once, shown as a block, tried ever more rarely, and over as soon as a try succeeds."""
    failure = OSError(number, "no", f"{root}/.emosieve")
    with monkeypatch.context() as patch, capture_logs() as events:
        patch.setattr(IntakeLock, "acquire", fails(failure))
        pauses = []
        for _ in range(7):
            daemon._tick()
            pauses.append(daemon._retry_seconds())
        assert "blocked" == daemon._status().state
        found = read_heartbeat(str(root))
        assert found is not None
        assert "blocked" == found.status.state
    daemon._tick()

    assert ["watch.blocked"] == names(events)
    assert [1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 5.0] == pauses
    assert ("watching", 1.0) == (daemon._status().state, daemon._retry_seconds())


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ELOOP])
def test_what_must_be_set_up_ends_the_start_after_a_wait(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Also where a disk was full before: as long as it never worked here."""
    monkeypatch.setattr(IntakeLock, "acquire", fails(OSError(errno.ENOSPC, "No space left on device")))
    daemon._tick()
    monkeypatch.setattr(IntakeLock, "acquire", fails(OSError(number, os.strerror(number))))
    with pytest.raises(SetupError, match=os.strerror(number)):
        daemon._tick()


def test_a_failure_that_is_no_matter_of_owners_is_not_said_to_be(root: Path) -> None:
    """What to do about a full disk is to make room."""
    full = as_setup(OSError(errno.ENOSPC, "No space left on device", f"{root}/.emosieve"), str(root))
    odd = as_setup(OSError(errno.ELOOP, "Too many levels"), str(root))

    assert f"{root}/.emosieve: No space left on device; make room on that disk (df -h, df -i)" == str(full)
    assert f"{root}: Too many levels; look at its owner and mode, and run emosieve check on the root" == str(
        odd
    )


def test_a_root_that_is_replaced_while_it_is_opened_is_tried_anew(
    daemon: Daemon, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails on a root that is gone by then is nobody's fault."""
    acquire = IntakeLock.acquire

    def be_late(lock: IntakeLock) -> None:
        root.rename(root.with_name("old"))
        acquire(lock)

    monkeypatch.setattr(IntakeLock, "acquire", be_late)
    with capture_logs() as events:
        daemon._tick()
        monkeypatch.setattr(IntakeLock, "acquire", acquire)
        root.mkdir()
        daemon._tick()

    assert ["watch.ready"] == names(events)


def test_another_root_with_the_same_lock_is_another_root(daemon: Daemon, root: Path) -> None:
    """A new root into which somebody moved the old one's .emosieve is opened anew."""
    daemon._tick()
    root.rename(root.with_name("old"))
    root.mkdir()
    (root.with_name("old") / ".emosieve").rename(root / ".emosieve")
    with capture_logs() as events:
        daemon._tick()
        daemon._tick()

    assert ["watch.root_changed", "watch.ready"] == names(events)


def test_nothing_is_made_in_a_root_that_is_refused(daemon: Daemon, root: Path) -> None:
    """It is examined before anything is written."""
    (root / "quarantine").symlink_to("/nowhere")
    with pytest.raises(SetupError, match="is a symlink"):
        daemon._tick()

    assert ["quarantine"] == names_in(root)


def test_what_goes_wrong_later_is_waited_out(daemon: Daemon, root: Path) -> None:
    """A new root that somebody else took meanwhile is tried again, not given up."""
    daemon._tick()
    root.rename(root.with_name("old"))
    root.mkdir()
    other = IntakeLock(str(root))
    other.acquire()
    with capture_logs() as events:
        daemon._tick()
        daemon._tick()
        other.release()
        daemon._tick()

    assert ["watch.root_changed", "watch.blocked", "watch.ready"] == names(events)
    assert "another emosieve is at work on this root" in events[1]["cause"]


def test_a_reload_that_changes_nothing_of_the_watch_keeps_it(
    daemon: Daemon,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a root, and with the same mode, new settings are simply taken."""
    monkeypatch.setattr(daemon_module, "configure_logs", lambda _log: None)
    with capture_logs() as events:
        daemon._mailbox.post(Wake.RELOAD)
        daemon._wait(0)
        daemon._tick()
        observer = daemon._wakeups._observer
        daemon._mailbox.post(Wake.RELOAD)
        daemon._wait(0)

    assert 2 == names(events).count("settings.reloaded")
    assert observer is daemon._wakeups._observer


def test_a_lock_that_somebody_deleted_is_taken_anew(daemon: Daemon, root: Path) -> None:
    """A lock file that is gone guards nothing: the root is opened again, before a second daemon takes it."""
    daemon._tick()
    (root / ".emosieve" / "intake.lock").unlink()
    with capture_logs() as events:
        daemon._tick()
        daemon._tick()

    assert ["watch.root_changed", "watch.ready"] == names(events)
    assert daemon._lock is not None
    assert daemon._lock.is_held()


def test_a_root_replaced_by_a_symlink_to_itself_is_opened_anew(daemon: Daemon, root: Path) -> None:
    """Moved to a bigger disk with a symlink left behind, the root is served where it is now."""
    daemon._tick()
    root.rename(root.with_name("bigger"))
    root.symlink_to(root.with_name("bigger"))
    with capture_logs() as events:
        daemon._tick()
        daemon._tick()

    assert ["watch.root_changed", "watch.ready"] == names(events)
    assert str(root.with_name("bigger")) == events[1]["root"]


def test_a_lasting_trouble_is_told_once(daemon: Daemon, root: Path) -> None:
    """A new root that cannot be worked on is tried again without filling the log."""
    daemon._tick()
    root.rename(root.with_name("old"))
    root.mkdir()
    (root / "normal").symlink_to("/nowhere")
    with capture_logs() as events:
        for _ in range(4):
            daemon._tick()

    assert ["watch.root_changed", "watch.blocked"] == names(events)


def test_a_root_that_may_not_be_entered_ends_no_daemon(
    daemon: Daemon, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    """Where even the lock is denied the cause is told once, and is past when the root opens again."""
    daemon._tick()
    denied = PermissionError(errno.EACCES, "Permission denied", f"{root}/.emosieve/intake.lock")
    with monkeypatch.context() as patch, capture_logs() as events:
        patch.setattr(IntakeLock, "is_held", lambda _lock: False)
        patch.setattr(IntakeLock, "acquire", fails(denied))
        for _ in range(3):
            daemon._tick()
    assert ["watch.root_changed", "watch.blocked"] == names(events)
    assert events[1]["hint"]
    assert "blocked" == daemon._status().state
    make_task()
    daemon._tick()

    assert "watching" == daemon._status().state
    trouble = daemon._status().trouble
    assert trouble is not None
    assert (events[1]["cause"], None) == (trouble.cause, trouble.retry_at)


def test_a_sign_of_life_within_long_work_is_one_reading_of_the_clock(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked ever again whether to stop, it touches the heartbeat when that is due, and else nothing at all."""
    daemon._tick()
    assert daemon._liveness is not None
    assert daemon._liveness._place is not None
    path = Path(daemon._liveness._place) / daemon._liveness._name
    os.utime(path, (0, 0))
    daemon._liveness._touched_at = daemon._liveness._written_at = daemon._next_sign = -math.inf
    assert not daemon._hears_stop()
    assert path.stat().st_mtime > 0

    monkeypatch.setattr(daemon, "_tell_status", fails(OSError("told")))
    daemon._next_sign = math.inf
    assert not daemon._hears_stop()
    daemon._stop(signal.SIGTERM)
    assert daemon._hears_stop()


def test_a_stop_within_a_replay_is_heard(daemon: Daemon, root: Path) -> None:
    """A log without a checkpoint is read no further; the next start goes on there."""
    log = DecisionLog(str(root), sync="never")
    with log.locked():
        log.append([event(number) for number in range(HEED_EVENTS + 1)])
    daemon._signalled = True
    daemon._tick()

    assert daemon._stopping
    checkpoint = load_checkpoint(str(root))
    assert checkpoint is not None
    assert 0 < checkpoint.filed.offset < log.end().offset
    daemon._stopping = daemon._signalled = False
    daemon._close()
    daemon._tick()
    assert load_checkpoint(str(root)) is not None
