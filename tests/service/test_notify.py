"""What the service manager hears, on a real datagram socket."""

import errno
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from conftest import MakeTask, Mount, names_in
from daemons import sleepless
from emosieve.errors import SetupError
from emosieve.record import report, report_rebuild
from emosieve.record.decisions import DecisionLog
from emosieve.record.locking import IntakeLock
from emosieve.record.long_work import HEED_EVENTS
from emosieve.service import daemon as daemon_module
from emosieve.service import liveness as liveness_module
from emosieve.service import notify
from emosieve.service.daemon import Daemon
from emosieve.service.notify import Notifier, words_of
from emosieve.service.preflight import Line, examine
from emosieve.settings import Loaded, Settings, load
from process import Watch, until
from projected import event

OVERRIDES = ("settle.quiet_seconds=0.001", "watch.mode=polling", "language=en")


class ServiceManager:
    """As much of one as listens.

    Args:
        address: of its socket, as the environment names it.

    Attributes:
        heard: every message so far, as its lines.
    """

    def __init__(self, address: str) -> None:
        self.environment = {"NOTIFY_SOCKET": address}
        self.heard: list[list[str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1))
        self._socket.settimeout(0)
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        # The kernel keeps ten messages in the queue: somebody must take them off while the sender works.
        self._listener = threading.Thread(target=self._keep_listening)
        self._listener.start()

    def listen(self) -> list[list[str]]:
        """Every message so far."""
        with self._lock, suppress(BlockingIOError):
            while True:
                self.heard.append(self._socket.recv(65536).decode().split("\n"))
        return self.heard

    def _keep_listening(self) -> None:
        while not self._is_over.wait(0.001):
            self.listen()

    def close(self) -> None:
        """Listen no more."""
        self._is_over.set()
        self._listener.join()
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a service manager listens: a file, or a name that the kernel keeps."""
    return str(tmp_path / "notify") if request.param == "path" else f"@emosieve-{os.getpid()}"


@pytest.fixture
def manager(address: str) -> Iterator[ServiceManager]:
    """A service manager that listens there."""
    manager = ServiceManager(address)
    yield manager
    manager.close()


@pytest.fixture
def started_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceManager]:
    """The service manager that starts what this test starts; its watchdog wants an answer at every turn."""
    manager = ServiceManager(str(tmp_path / "notify"))
    for name, value in {**manager.environment, "WATCHDOG_USEC": "1"}.items():
        monkeypatch.setenv(name, value)
    yield manager
    manager.close()


def settings() -> Loaded:
    """Settings under which everything is due at once."""
    return load(overrides=OVERRIDES)


@pytest.fixture
def daemon(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """A daemon that never sleeps, made after the environment was."""
    with sleepless(root, settings, monkeypatch) as daemon:
        yield daemon


def test_each_word_is_a_message(manager: ServiceManager) -> None:
    """Whatever kind of address the socket has."""
    notifier = Notifier(manager.environment)
    notifier.ready()
    notifier.say("3 待处理")
    notifier.stopping()

    assert [["READY=1"], ["STATUS=3 待处理"], ["STOPPING=1"]] == manager.listen()


def test_ready_is_said_once(manager: ServiceManager) -> None:
    """A root that is opened anew is no new start."""
    notifier = Notifier(manager.environment)
    notifier.ready()
    notifier.ready()

    assert [["READY=1"]] == manager.listen()


def test_a_status_is_one_line(manager: ServiceManager) -> None:
    """Words that would be a message of their own stay words."""
    Notifier(manager.environment).say("one\nMAINPID=1\r\nREADY=1")

    assert [["STATUS=one MAINPID=1 READY=1"]] == manager.listen()


def test_a_reload_has_a_time_and_an_end(manager: ServiceManager) -> None:
    """It begins at a moment of the monotonic clock, and ends whatever comes of it."""
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    with pytest.raises(KeyError), Notifier(manager.environment).reloading():
        raise KeyError
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

    (reloading, moment), ready = manager.listen()
    assert ("RELOADING=1", ["READY=1"]) == (reloading, ready)
    assert before <= int(moment.removeprefix("MONOTONIC_USEC=")) <= after


def test_the_watchdog_is_answered_twice_in_its_time(manager: ServiceManager) -> None:
    """No later than at half of it, and no more often than that."""
    now = 0.0
    notifier = Notifier({**manager.environment, "WATCHDOG_USEC": "3000000"}, lambda: now)

    assert 1.5 == notifier.beat()
    now = 1.4
    assert pytest.approx(0.1) == notifier.beat()
    now = 1.6
    assert pytest.approx(1.5) == notifier.beat()
    assert [["WATCHDOG=1"]] * 2 == manager.listen()


@pytest.mark.parametrize(
    "environment",
    [{}, {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}],
    ids=["none", "another's", "nonsense"],
)
def test_without_a_watchdog_the_loop_need_not_wake(
    manager: ServiceManager, environment: dict[str, str]
) -> None:
    """Nothing is said, and nothing is ever due."""
    assert math.inf == Notifier({**manager.environment, **environment}).beat()
    assert [] == manager.listen()


def test_without_a_service_manager_nothing_is_said() -> None:
    """And nothing is missed."""
    with capture_logs() as events:
        Notifier({}).ready()

    assert [] == events


def test_a_service_manager_that_is_gone_is_told_of_once(address: str) -> None:
    """The work goes on."""
    notifier = Notifier({"NOTIFY_SOCKET": address})
    with capture_logs() as events:
        notifier.ready()
        notifier.stopping()

    assert ["service.unheard"] == [event["event"] for event in events]


def test_a_service_manager_that_does_not_listen_keeps_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue that is full is waited for, but not for ever."""
    monkeypatch.setattr(notify, "_PATIENCE_SECONDS", 0.001)
    address = str(tmp_path / "notify")
    notifier = Notifier({"NOTIFY_SOCKET": address})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf, capture_logs() as events:
        deaf.bind(address)
        while not events:
            notifier.say("x" * 1000)

    assert "service.unheard" == events[0]["event"]


def test_ready_comes_after_the_tasks_were_examined(
    started_by: ServiceManager, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When they are looked at it was not said yet; when the first turn is over it was."""
    before: list[list[str]] = []

    def examine_and_listen(root: str, settings: Settings) -> list[Line]:
        before.extend(started_by.listen())
        return examine(root, settings)

    monkeypatch.setattr(daemon_module, "examine", examine_and_listen)
    daemon._tick()

    assert ["READY=1"] not in before
    assert ["READY=1"] in started_by.listen()


def test_a_start_that_fails_is_never_ready(started_by: ServiceManager, daemon: Daemon, root: Path) -> None:
    """The status says why."""
    (root / "normal").symlink_to("/nowhere")
    with pytest.raises(SetupError) as raised:
        daemon._tick()

    assert [[f"STATUS={raised.value}"]] == started_by.listen()


def test_to_wait_for_room_is_to_be_ready(
    started_by: ServiceManager, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service whose disk is full at its start is not killed for being slow, and its status says why."""

    def fail(_lock: IntakeLock) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/outputs/.emosieve")

    monkeypatch.setattr(IntakeLock, "acquire", fail)
    daemon._tick()
    daemon._tick()

    said = [lines[0] for lines in started_by.listen()]
    assert 1 == said.count("READY=1")
    assert any(line.startswith("STATUS=blocked: ENOSPC: No space left on device") for line in said)


def test_to_wait_for_a_root_is_to_be_ready(started_by: ServiceManager, daemon: Daemon, root: Path) -> None:
    """Whoever starts the service need not wait along."""
    root.rmdir()
    daemon._tick()

    status = [f"STATUS=waiting for the root: {root}: No such file or directory"]
    assert [["READY=1"], status, ["WATCHDOG=1"]] == started_by.listen()


def test_a_batch_answers_the_watchdog_at_each_step(
    started_by: ServiceManager, daemon: Daemon, make_task: MakeTask, root: Path
) -> None:
    """At least once for each look and once for each move."""
    daemon._tick()
    started_by.listen().clear()
    for number in range(20):
        make_task(f"outputs_20240104_2230{number:02}")
    until(lambda: daemon._flow is not None and all(age_of(task) > 0.001 for task in root.glob("outputs_*")))
    daemon._next_scan = 0.0
    daemon._tick()

    assert 20 == len(names_in(root / "normal"))
    assert 40 <= started_by.listen().count(["WATCHDOG=1"])


def age_of(task: Path) -> float:
    """Seconds since a task last changed."""
    return time.time() - (task / "result.json").stat().st_ctime


def test_a_refused_reload_stays_in_the_status_until_a_good_one(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old settings stay in force, which nobody sees who only reads the counts."""
    monkeypatch.setattr(daemon_module, "configure_logs", lambda _log: None)
    answers: list[Loaded | SetupError] = [SetupError("rules.min_gap: wrong"), load()]

    def read() -> Loaded:
        answer = answers.pop(0)
        if isinstance(answer, SetupError):
            raise answer
        return answer

    daemon = Daemon(str(root), load(), read)
    counts = words_of(daemon._status())
    daemon._apply_new_settings()
    refused = daemon._status()
    daemon._apply_new_settings()

    assert refused.refused is not None
    assert refused.failing == daemon._status().failing
    assert (
        f"the last reload was refused and the old settings stay in force: rules.min_gap: wrong; {counts}"
        == str(words_of(refused))
    )
    assert str(counts) == str(words_of(daemon._status()))


def test_the_whole_life_is_heard(started_by: ServiceManager, root: Path, make_task: MakeTask) -> None:
    """Ready, counts, a reload, and the end, of the real process."""
    make_task()
    counts = "0 pending; filed since the start: normal 1, low_quality 0, quarantined 0"
    with Watch(root) as watch:
        watch.wait_until(lambda: [f"STATUS={counts}"] in started_by.listen())
        watch.process.send_signal(signal.SIGHUP)
        watch.wait_for("settings.reloaded")
        assert 0 == watch.stop()

    said = [lines[0] for lines in started_by.listen() if lines[0].startswith(("READY", "RELO", "STOPP"))]
    assert ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"] == said
    assert ["WATCHDOG=1"] in started_by.heard


@pytest.fixture
def walled_root(daemon: Daemon, root: Path, mounted: Mount) -> Path:
    """A root that was made anew after the start, and that only its mount keeps from being written."""
    daemon._tick()
    root.rename(root.with_name("old"))
    root.mkdir()
    mounted("--bind", root, root)
    mounted("-o", "remount,bind,ro", root)
    daemon._tick()  # which notices that it is another one
    return root


@pytest.mark.usefixtures("started_by")
def test_a_root_outside_of_the_sandbox_ends_the_service(daemon: Daemon, walled_root: Path) -> None:
    """Only a restart makes a sandbox for it."""
    with pytest.raises(SetupError, match=f"{walled_root}: the disk is writable, but not through this mount"):
        daemon._tick()


def test_without_a_service_manager_it_is_waited_for(daemon: Daemon, walled_root: Path) -> None:
    """Nobody would start emosieve again."""
    assert walled_root.is_dir()
    daemon._tick()

    assert "blocked" == daemon._status().state


def test_a_replay_and_a_rebuild_say_how_far_they_are(
    started_by: ServiceManager, daemon: Daemon, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long log without a checkpoint: the watchdog is answered ever again, and the status counts up."""
    log_lines(root, 4 * HEED_EVENTS)
    monkeypatch.setattr(daemon_module, "_SIGN_SECONDS", 0.0)
    monkeypatch.setattr(liveness_module, "_WRITE_SECONDS", 0.0)
    for module in (report, report_rebuild):
        monkeypatch.setattr(module, "SLICE_SECONDS", 0.0)
    daemon._tick()
    shares = shares_in(started_by.listen(), "STATUS=replaying the decision log: ")
    rebuilding = shares_in(started_by.heard, "rebuilding the report: ")

    assert [25, 50, 75] == [share for share in shares if share < 100][-3:]
    assert [0] == rebuilding
    assert 4 <= started_by.heard.count(["WATCHDOG=1"])
    for module in (report, report_rebuild):
        monkeypatch.setattr(module, "SLICE_SECONDS", 60.0)
    daemon._tick()
    daemon._tick()
    assert "STATUS=0 pending; filed since the start: normal 0, low_quality 0, quarantined 0" in [
        line for message in started_by.listen() for line in message
    ]


def log_lines(root: Path, count: int) -> None:
    """A decision log of so many lines."""
    with DecisionLog(str(root)).locked():
        DecisionLog(str(root), sync="never").append([event(number) for number in range(count)])


def shares_in(heard: list[list[str]], words: str) -> list[int]:
    """The percentages behind some words, as they were heard."""
    lines = [line for message in heard for line in message if words in line]
    return [int(line.rpartition(words)[2].removesuffix("%")) for line in lines]
