"""What tests of several rooms share: roots, tasks, clocks that move when told."""

import logging
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

from emosieve.watch.settle import Clock

LONG_AGO = 1_700_000_000


class FakeTime:
    """Wall and monotonic time that a test moves by hand."""

    def __init__(self, wall: float) -> None:
        self.wall = wall
        self.monotonic = 1000.0

    def pass_(self, seconds: float) -> None:
        """Let time go by on both clocks."""
        self.wall += seconds
        self.monotonic += seconds

    @property
    def clock(self) -> Clock:
        """The clocks as the code takes them."""
        return Clock(lambda: self.wall, lambda: self.monotonic)


def result_bytes(confidence: float = 0.9, emotion: str = "happy", **more: Any) -> bytes:
    """The WebUI's five keys, with the rest of the scores on neutral (or sad)."""
    other = "neutral" if emotion != "neutral" else "sad"
    scores = {emotion: confidence, other: round(1 - confidence, 6)}
    document = {
        "emotion": emotion,
        "confidence": confidence,
        "scores": scores,
        "granularity": "utterance",
        "timestamp": "2024-01-04 22:30:00",
    }
    return orjson.dumps(document | more)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty outputs folder."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    return folder


@pytest.fixture
def shared_root(root: Path) -> Path:
    """A root that everybody may write, below folders that everybody may enter."""
    for folder in (root, *root.parents):
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o055)
    root.chmod(0o777)
    return root


@pytest.fixture
def mounted() -> Iterator[Callable[..., None]]:
    """Mounts something for one test, by the arguments of ``mount``; the last of them is where."""
    points: list[str] = []

    def mount(*arguments: str | Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("mounting needs root")
        ended = subprocess.run(["mount", *map(str, arguments)], check=False, capture_output=True, text=True)
        if ended.returncode:
            pytest.skip(f"cannot be mounted here: {ended.stderr}")
        if "remount" not in str(arguments):
            points.append(str(arguments[-1]))

    yield mount
    for point in reversed(points):
        # A test may have unmounted it itself.
        subprocess.run(["umount", "-l", point], check=False, capture_output=True)


MakeTask = Callable[..., Path]
Mount = Callable[..., None]


@pytest.fixture
def make_task(root: Path) -> MakeTask:
    """Make a whole task in the root; further files are given by name and content."""

    def make(
        name: str = "outputs_20240104_223000",
        result: bytes | None = None,
        *,
        files: dict[str, bytes] | None = None,
    ) -> Path:
        task = root / name
        task.mkdir()
        for file, content in (files or {}).items():
            (task / file).write_bytes(content)
        (task / "result.json").write_bytes(result_bytes() if result is None else result)
        return task

    return make


def read_log(root: Path) -> list[dict[str, Any]]:
    """All events of a root's decision log, rotated files included."""
    files = [*sorted(root.glob("decisions-*.jsonl")), root / "decisions.jsonl"]
    return [orjson.loads(line) for file in files if file.exists() for line in file.read_bytes().splitlines()]


def standing(root: Path) -> list[str]:
    """Names of the tasks that stand in the inbox, sorted."""
    return [name for name in names_in(root) if name.startswith("outputs_")]


def names_in(folder: Path) -> list[str]:
    """Sorted names of a folder; empty when it is missing."""
    return sorted(os.listdir(folder)) if folder.is_dir() else []


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No EMOSIEVE_ variable of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith("EMOSIEVE_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _own_runtime_directory(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Statuses of daemons that a test starts and kills lie where nobody else looks."""
    for name in ("RUNTIME_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.getbasetemp()))


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    """structlog starts every test unconfigured, and the standard library's log is as before after it.

    A capture of warnings that outlives its test is undone by pytest behind logging's back, so the next
    test could not begin one.
    """
    structlog.reset_defaults()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


ONLY_WHEN_ASKED = ("faults", "deploy", "webui")
"""Folders of tests that take minutes, mount file systems and boot machines."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Some tests run when asked for alone, as ``pytest tests/faults``."""
    if collection_path.name not in ONLY_WHEN_ASKED:
        return None
    asked = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    return None if any(collection_path in (path, *path.parents) for path in asked) else True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell the figures that tests recorded; say which tests did not run, where none may be left out."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        if report.user_properties:
            figures = ", ".join(f"{name} {figure}" for name, figure in report.user_properties)
            terminalreporter.write_line(f"{report.nodeid}: {figures}")
    if os.environ.get("NO_SKIPS") and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line("skipped tests count as failed here (NO_SKIPS)", red=True)


@pytest.fixture
def time_(make_task: MakeTask) -> FakeTime:
    """A clock far enough in the future for everything on the disk to be quiet."""
    del make_task
    return FakeTime(time.time() + 60)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With NO_SKIPS a skipped test fails the run: a required test must not pass by not running."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("NO_SKIPS") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
