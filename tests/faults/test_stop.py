"""Stop and reload at any moment: in start and replay, batch and copy, on a full disk, without a root or a reader."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aftermath import FOLDERS, assert_all_is_accounted_for
from conftest import Mount, names_in, read_log, result_bytes, standing
from emosieve.service.heartbeat import name_of
from emosieve.watch.wakeups import identity_of
from process import EMOSIEVE, PATIENCE, Watch, overrides, run, until
from simulation import SimulatedWebUI
from steps import Ended, Fault, command
from troubles import fill

FULL = bool(os.environ.get("FULL"))
OLD = [f"outputs_20240104_2230{number:02}" for number in range(3)]
NEW = [f"outputs_20240104_2231{number:02}" for number in range(3)]
SETTINGS = {"settle__quiet_seconds": 0.001, "watch__mode": "polling"}
GOOD = b'profile = "customer_service"\n'
BAD = (b"[rules]\nmin_confidense = 0.9\n", b"\xff\xfe", b"= 3")


def make_tasks(root: Path, names: list[str]) -> None:
    """Tasks of both sides."""
    for number, name in enumerate(names):
        (root / name).mkdir(parents=True)
        (root / name / "result.json").write_bytes(result_bytes(0.9 if number % 2 else 0.4))


def inbox_of(root: Path) -> list[str]:
    """The tasks that were not moved yet."""
    return standing(root)


def has_status(root: Path) -> bool:
    """Whether a daemon's status of this root lies about."""
    identity = identity_of(str(root))
    return identity is not None and Path(os.environ["XDG_RUNTIME_DIR"], name_of(identity)).exists()


def hear(*numbers: int) -> None:
    """Get some signals."""
    for number in numbers:
        os.kill(os.getpid(), number)


def hear_of(config: Path, content: bytes) -> None:
    """Get new settings, and word of them."""
    config.write_bytes(content)
    hear(signal.SIGHUP)


def watched(
    root: Path, fault: Fault | None, settings: dict[str, object], *options: str, word: str = ""
) -> Ended:
    """A daemon that is stopped when all is filed and its log has a word, if nothing stopped it before."""

    def stop_at_last() -> None:
        until(lambda: not inbox_of(root) and word in Path("/proc/self/fd/2").read_text("utf-8"))
        if fault is not None and not word:
            time.sleep(PATIENCE)  # it was to stop long before
        hear(signal.SIGTERM)

    return command(["watch", str(root), *options, *overrides(**settings)], fault, stop_at_last)


def events_of(ended: Ended) -> list[dict[str, Any]]:
    """The log of a daemon that ran in a fork."""
    return [json.loads(line) for line in ended.output.splitlines() if line.startswith("{")]


class Scene:
    """A root in which a daemon starts: old tasks are decided and not moved, new ones wait.

    Args:
        root: the root, made anew for each daemon.
        other: a folder on another file system, into which all is filed; ``None`` to file under the root.
    """

    def __init__(self, root: Path, other: Path | None) -> None:
        self.root = root
        self.other = other
        self.settings: dict[str, object] = dict(SETTINGS)
        self.folders: list[str | Path] = [*FOLDERS]
        if other is not None:
            self.folders = [other / name for name in FOLDERS]
            self.settings |= {f"filing__{name}": f'"{other / name}"' for name in FOLDERS}
        self.make()
        self.steps = watched(root, None, self.settings).steps

    def make(self) -> None:
        """Begin anew."""
        shutil.rmtree(self.root)
        for folder in self.folders[:3] if self.other else []:
            shutil.rmtree(folder, ignore_errors=True)
        make_tasks(self.root, OLD)
        sweep = ["sweep", str(self.root), *overrides(**self.settings)]
        died = command(sweep, Fault(self._first_move()))
        assert (signal.SIGKILL, OLD) == (died.signal, [event["task"] for event in read_log(self.root)])
        make_tasks(self.root, NEW)

    def _first_move(self) -> int:
        """The step of a sweep by which the first task would be moved."""
        if not hasattr(self, "_move"):
            twin = self.root.parent / "twin"
            make_tasks(twin, OLD)
            steps = command(["sweep", str(twin), *overrides(**self.settings)]).steps
            self._move = next(
                number for number, step in enumerate(steps) if step.startswith(f"rename {twin}/{OLD[0]}")
            )
            for folder in self.folders[:3] if self.other else []:
                shutil.rmtree(folder)
        return self._move

    def numbers(self, count: int) -> range:
        """The steps to try: all of them in the long form, else about so many."""
        last = max(number for number, step in enumerate(self.steps) if "checkpoint" in step)
        return range(0, last + 1, 1 if FULL else last // count + 1)

    def assert_all_comes_right(self) -> None:
        """A sweep finishes whatever was left."""
        assert 0 == command(["sweep", str(self.root), *overrides(**self.settings)]).status
        assert_all_is_accounted_for(self.root, OLD + NEW, self.settings, self.folders)


@pytest.fixture(params=["under the root", "on another file system"])
def scene(request: pytest.FixtureRequest, root: Path, tmp_path: Path, mounted: Mount) -> Scene:
    """A start with a replay and a batch; copies are made if it files on another file system."""
    if request.param == "under the root":
        return Scene(root, None)
    (tmp_path / "other").mkdir()
    mounted("-t", "tmpfs", "tmpfs", tmp_path / "other")
    return Scene(root, tmp_path / "other")


class TestStop:
    """SIGTERM and SIGINT."""

    @pytest.mark.timeout(600)
    def test_at_each_step(self, scene: Scene) -> None:
        """Wherever a stop comes, in start, replay, batch or copy, the status is 0 and nothing is lost or left about."""
        for number in scene.numbers(12):
            scene.make()
            one = (signal.SIGTERM, signal.SIGINT)[number % 2]
            ended = watched(scene.root, Fault(number, "meets", deed=partial(hear, one)), scene.settings)
            assert (0, 0) == (ended.status, ended.signal), (scene.steps[number], ended.output)
            assert ["watch.stopping", "watch.stopped"] == [event["event"] for event in events_of(ended)][-2:]
            assert not has_status(scene.root)
            scene.assert_all_comes_right()

    @pytest.mark.timeout(600)
    def test_a_second_one_at_each_step(self, scene: Scene) -> None:
        """Wherever two signals come, the second ends it at once, and the next start finds all."""
        for number in scene.numbers(3):
            scene.make()
            fault = Fault(number, "meets", deed=partial(hear, signal.SIGTERM, signal.SIGTERM))
            ended = watched(scene.root, fault, scene.settings)
            assert signal.SIGTERM == ended.signal
            scene.assert_all_comes_right()

    def test_in_the_middle_of_a_full_batch(self, root: Path) -> None:
        """In a batch of 256 tasks what is logged is filed, and what is not waits for the next start."""
        names = [f"outputs_20240104_{number:06}" for number in range(300)]
        for share in (0.5,) if not FULL else [number / 20 for number in range(1, 20)]:
            shutil.rmtree(root)
            make_tasks(root, names)
            fault = Fault(int(30 + 256 * share), "meets", deed=partial(hear, signal.SIGTERM))
            ended = watched(root, fault, SETTINGS)
            filed = sorted(name for folder in FOLDERS for name in names_in(root / folder))
            assert (0, 256) == (ended.status, len(filed))
            assert filed == sorted(event["task"] for event in read_log(root))
            assert 0 == command(["sweep", str(root), *overrides(**SETTINGS)]).status
            assert_all_is_accounted_for(root, names, SETTINGS)

    def test_on_a_full_disk(self, tmp_path: Path, mounted: Mount) -> None:
        """A daemon that waits for room stops with status 0; a reload does not end its waiting."""
        disk = tmp_path / "disk"
        disk.mkdir()
        mounted("-t", "tmpfs", "-o", "size=2m", "tmpfs", disk)
        config = tmp_path / "config.toml"
        config.write_bytes(b"")
        with Watch(disk / "outputs", "--config", str(config), settle__quiet_seconds=1) as watch:
            watch.wait_for("watch.waiting")
            (disk / "outputs").mkdir()
            watch.wait_for("watch.ready")
            make_tasks(disk / "outputs", OLD)
            ballast = fill(disk)
            watch.wait_for("watch.blocked")
            config.write_bytes(GOOD)
            watch.process.send_signal(signal.SIGHUP)
            watch.wait_for("settings.reloaded", profile="customer_service")
            watch.wait_until(lambda: has_status(disk / "outputs"))
            assert 0 == watch.stop()
        ballast.unlink()
        assert 0 == run("sweep", disk / "outputs", *overrides(**SETTINGS)).returncode

        assert not has_status(disk / "outputs")
        assert_all_is_accounted_for(disk / "outputs", OLD, SETTINGS)

    def test_before_it_is_ready(self, root: Path) -> None:
        """While it is still being imported a stop ends it with status 0, and leaves nothing about."""
        for number in (signal.SIGTERM, signal.SIGINT):
            for pause in (0.0, 0.05, 0.1, 0.2, 0.4):
                with Watch(root) as watch:
                    until(partial(_is_on_its_way, watch))
                    time.sleep(pause)  # any moment will do
                    assert 0 == watch.stop(number)
                assert not has_status(root)


def _is_on_its_way(watch: Watch) -> bool:
    """Whether a process is past its first act, and imports what it needs to be a daemon."""
    return "pydantic_core" in Path(f"/proc/{watch.process.pid}/maps").read_text(encoding="utf-8")


class TestReload:
    """SIGHUP."""

    @pytest.mark.timeout(600)
    @pytest.mark.parametrize("is_good", [True, False])
    def test_at_each_step(self, root: Path, tmp_path: Path, *, is_good: bool) -> None:
        """Wherever a reload comes, all is filed once; good settings rule the next decision, bad ones none."""
        config = tmp_path / "config.toml"
        word = "settings.reloaded" if is_good else "settings.refused"
        config.write_bytes(b"")
        make_tasks(root, NEW)
        steps = watched(root, None, SETTINGS).steps
        last = max(number for number, step in enumerate(steps) if "checkpoint" in step)
        for number in range(0, last + 1, 1 if FULL else 6):
            shutil.rmtree(root)
            make_tasks(root, NEW)
            config.write_bytes(b"")
            content = GOOD if is_good else BAD[number % len(BAD)]
            fault = Fault(number, "meets", deed=partial(hear_of, config, content))
            ended = watched(root, fault, SETTINGS, "--config", str(config), word=word)
            assert (0, 1) == (ended.status, ended.output.count(word)), (steps[number], ended.output)
            assert_profiles_agree(root, events_of(ended))
            assert_all_is_accounted_for(root, NEW, SETTINGS)

    @pytest.mark.parametrize("what", ["missing", "directory", "pipe", "unreadable"])
    def test_settings_that_cannot_be_read(self, root: Path, tmp_path: Path, what: str) -> None:
        """A settings file that is gone, no file, or fails to be read, is refused with its path; the old ones stay."""
        config = tmp_path / "config.toml"
        config.write_bytes(GOOD)
        with Watch(root, "--config", str(config)) as watch:
            watch.wait_for("watch.ready", profile="customer_service")
            config.unlink()
            match what:
                case "directory":
                    config.mkdir()
                case "pipe":
                    os.mkfifo(config)
                case "unreadable":
                    # Reading fails even for root: the memory at address 0 is not mapped.
                    config.symlink_to(f"/proc/{watch.process.pid}/mem")
                case _:
                    pass
            for _ in range(2):
                watch.process.send_signal(signal.SIGHUP)
                assert str(config) in watch.wait_for("settings.refused")["cause"]
            make_tasks(root, OLD[:1])
            watch.wait_for("task.filed")
            assert 0 == watch.stop()

        assert ["customer_service"] == [event["profile"] for event in read_log(root)]

    @pytest.mark.timeout(300)
    def test_hammered_beside_a_busy_daemon(self, root: Path, tmp_path: Path) -> None:
        """A hundred reloads in a few seconds, some bad, and each task is judged once, by the settings in force."""
        config, aside = tmp_path / "config.toml", tmp_path / "aside"
        config.write_bytes(b"")
        webui = SimulatedWebUI(root, quiet_seconds=0.3, reuse=0.0)
        settings = {"settle__quiet_seconds": 0.3, "settle__reused_quiet_seconds": 0.3}
        with Watch(root, "--config", str(config), **settings) as watch:
            watch.wait_for("watch.ready")
            hammer = ["sh", "-c", 'while kill -HUP "$0"; do sleep 0.05; done', str(watch.process.pid)]
            with subprocess.Popen(hammer, stderr=subprocess.DEVNULL) as blows:
                writer = threading.Thread(target=webui.run, args=(20, 120))
                writer.start()
                for number in range(12):
                    aside.write_bytes((GOOD, b"", BAD[0])[number % 3])
                    aside.rename(config)
                    writer.join(0.5)
                writer.join()
                blows.kill()
            watch.wait_until(lambda: not inbox_of(root))
            assert 0 == watch.stop()

        told = [event["event"] for event in watch.events]
        assert min(told.count("settings.reloaded"), told.count("settings.refused")) > 5
        assert_profiles_agree(root, watch.events)
        assert {"default", "customer_service"} == {event["profile"] for event in read_log(root)}

    def test_before_it_is_ready(self, root: Path, tmp_path: Path) -> None:
        """While it is still being imported reloads do not kill it, and are heard as soon as they can be."""
        config = tmp_path / "config.toml"
        config.write_bytes(b"")
        with Watch(root, "--config", str(config)) as watch:
            until(partial(_is_on_its_way, watch))
            config.write_bytes(GOOD)
            for _ in range(50):
                watch.process.send_signal(signal.SIGHUP)
                time.sleep(0.005)  # any moment will do
            watch.wait_for("settings.reloaded", profile="customer_service")
            assert 0 == watch.stop()

    def test_while_it_waits_for_a_root(self, tmp_path: Path) -> None:
        """Without a root yet, good settings are taken and bad ones refused as ever."""
        config, root = tmp_path / "config.toml", tmp_path / "never"
        config.write_bytes(b"")
        with Watch(root, "--config", str(config)) as watch:
            watch.wait_for("watch.waiting")
            for content, word in ((GOOD, "settings.reloaded"), (BAD[0], "settings.refused")):
                config.write_bytes(content)
                watch.process.send_signal(signal.SIGHUP)
                watch.wait_for(word)
            root.mkdir()
            make_tasks(root, OLD[:1])
            watch.wait_for("task.filed")
            assert 0 == watch.stop()

        assert ["customer_service"] == [event["profile"] for event in read_log(root)]


def assert_profiles_agree(root: Path, told: list[dict[str, Any]]) -> None:
    """Each decision was made by the settings that the daemon's own log says were in force."""
    profiles = {event["task"]: event["profile"] for event in read_log(root)}
    assert len(profiles) == len(read_log(root))
    in_force, expected = "", {}
    for event in told:
        if event["event"] in {"watch.ready", "settings.reloaded"}:
            in_force = event["profile"]
        elif event["event"] == "task.filed":
            expected[event["task"]] = in_force
    assert expected == profiles


class TestWithoutAReader:
    """Nobody reads what the daemon says."""

    @pytest.mark.parametrize("what", ["gone", "stalled", "closed"])
    def test_filing_and_stopping_go_on(self, root: Path, what: str) -> None:
        """A stderr whose reader went away, reads no more, or never was: all is filed, and a stop has status 0."""
        names = [f"outputs_20240104_{number:06}" for number in range(400)]
        make_tasks(root, names)
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        if what == "gone":
            os.close(reader)
        start = [*EMOSIEVE, "watch", str(root), *overrides(settle__quiet_seconds=0.2, language="en")]
        before = ["sh", "-c", 'exec "$@" 2>&-', "sh"] if what == "closed" else []
        with subprocess.Popen([*before, *start], stderr=writer) as process:
            os.close(writer)
            try:
                until(lambda: not inbox_of(root))
                process.terminate()
                assert 0 == process.wait(timeout=PATIENCE)
            finally:
                process.kill()
        if what != "gone":
            os.close(reader)

        assert_all_is_accounted_for(root, names)


class TestSweep:
    """A sweep that is stopped."""

    @pytest.mark.timeout(300)
    @pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_at_each_step(self, root: Path, number: int, status: int) -> None:
        """Wherever Ctrl-C or SIGTERM comes, the sweep says how many still stand, and the next one files them."""
        sweep = ["sweep", str(root), *overrides(**SETTINGS)]
        make_tasks(root, NEW)
        steps = command(sweep).steps
        for step in range(2, len(steps), 1 if FULL else 9):
            shutil.rmtree(root)
            make_tasks(root, NEW)
            ended = command(sweep, Fault(step, "meets", deed=partial(hear, number)))
            left = len(inbox_of(root))
            words = f"emosieve: stopped before the end; {left} tasks still stand in the inbox"
            assert (status, True) == (ended.status, words in ended.output), (steps[step], ended.output)
            assert command(sweep).status == 0
            assert_all_is_accounted_for(root, NEW, SETTINGS)

    def test_while_it_waits(self, root: Path) -> None:
        """A sweep that waits for a task to be quiet stops at once, and the task stands as it was."""
        make_tasks(root, NEW)
        start = [
            *EMOSIEVE,
            "sweep",
            str(root),
            *overrides(settle__quiet_seconds=60, language="en"),
            "--wait",
            "99",
        ]
        pipe = subprocess.PIPE
        with subprocess.Popen(start, stdout=pipe, stderr=pipe, text=True) as sweep:
            until((root / "quarantine").is_dir)
            sweep.terminate()
            _, said = sweep.communicate(timeout=PATIENCE)

        assert (143, NEW) == (sweep.returncode, inbox_of(root))
        assert "3 tasks still stand in the inbox" in said
