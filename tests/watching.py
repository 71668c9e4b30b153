"""What tests of the watch share: tasks beside a running daemon, and what ``status`` says of its watch."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conftest import result_bytes
from process import Watch, until
from steps import command

OLD_SECONDS = 2.5
"""A task that stands for so long without an event makes a watch suspect."""


def write_task(folder: Path, name: str) -> None:
    """A whole task, written in place."""
    (folder / name).mkdir()
    (folder / name / "result.json").write_bytes(result_bytes())


def status_of(root: Path) -> dict[str, Any]:
    """What ``status --json`` says; empty while it knows of no daemon."""
    ended = command(["status", str(root), "--json"])
    document: dict[str, Any] = json.loads(ended.output) if ended.status == 0 else {}
    return document


def assert_status_says(watch: Watch, root: Path, mode: str, reason: str, state: str = "watching") -> None:
    """Within the patience of a test both forms of ``status`` tell the mode and the reason."""

    def says() -> bool:
        document = status_of(root)
        daemon = document.get("daemon") or {}
        return (state, mode, reason) == (document.get("state"), daemon.get("mode"), daemon.get("mode_reason"))

    watch.wait_until(says)
    if state == "watching":
        text = " ".join(command(["status", str(root), "--set", "language=en"]).output.split())
        assert f"events {mode}: {reason}" in text


@contextmanager
def asleep(watch: Watch) -> Iterator[None]:
    """The daemon stands still meanwhile, as on a machine that sleeps."""
    watch.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, watch.process.pid, os.WSTOPPED | os.WNOWAIT)
    yield
    watch.process.send_signal(signal.SIGCONT)


def grow_old(path: Path) -> None:
    """Let a directory stand until its event is overdue; the standing is what is tried here."""
    time.sleep(max(0.0, path.stat().st_ctime + OLD_SECONDS - time.time()))


@contextmanager
def bound(lower: Path, point: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A FUSE mount of a folder by bindfs, as the process that serves it."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    try:
        process = subprocess.Popen(["bindfs", "-f", lower, point], stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        pytest.skip("bindfs is not installed")
    until(lambda: os.path.ismount(point) or process.poll() is not None)
    if process.poll() is not None:
        pytest.skip("bindfs cannot mount here")
    try:
        yield process
    finally:
        subprocess.run(["umount", "-l", point], check=False, capture_output=True)  # a test may have done it
        process.kill()
        process.wait()


class InUserNamespace(Watch):
    """The daemon in a user namespace of its own, whose limits can be set without touching anybody else's.

    A subclass says what the shell does before the daemon starts.
    """

    before = ":"

    def __init__(self, root: Path, **settings: object) -> None:
        if subprocess.run(["unshare", "-U", "-r", "true"], check=False, capture_output=True).returncode:
            pytest.skip("no user namespaces here")
        script = f'{self.before}; exec "$@"'
        start = ["unshare", "-U", "-r", "sh", "-c", script, "sh"]
        self.program = [*start, sys.executable, "-m", "emosieve"]
        super().__init__(root, **settings)

    def limit(self, what: str, value: int) -> None:
        """Set the namespace's limit of inotify ``instances`` or ``watches``."""
        script = f"echo {value} > /proc/sys/user/max_inotify_{what}"
        subprocess.run(["nsenter", "-U", "-t", str(self.process.pid), "sh", "-c", script], check=True)
