"""The real program as a process: started, listened to, signalled and waited for."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import pytest

EMOSIEVE = [sys.executable, "-m", "emosieve"]
PATIENCE = 30.0
"""Seconds after which a process that says nothing is taken for hung; never a thing a test measures."""


def until(is_so: Callable[[], object], patience: float = PATIENCE) -> None:
    """Ask again and again until something is so, but not for ever."""
    give_up = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < give_up, "it never became so"
        time.sleep(0.01)


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; it speaks English unless told otherwise."""
    return subprocess.run(
        [*EMOSIEVE, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "COLUMNS": "80", "EMOSIEVE_LANGUAGE": "en", **environment},
    )


AS_ANOTHER = """
import ctypes, os, sys
sys.path[:] = eval(sys.argv.pop(1))
import orjson, rich.cells
import rich.filesize
import emosieve.commands.cli as cli, emosieve.commands.check, emosieve.service.preflight
import emosieve.service.overview, emosieve.service.explanation
import rich.progress, emosieve.service.sweep
uid = int(sys.argv.pop(1))
os.setgroups([]), os.setgid(uid), os.setuid(uid)
exec(sys.argv.pop(1))
sys.exit(cli.run())
"""


def run_as(uid: int, *arguments: str | Path, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run one command under another uid, from an interpreter that has read the program while it still might.

    Args:
        uid: who runs it.
        arguments: the command line.
        before: Python that is run first, as this uid.
    """
    if os.geteuid() != 0:
        pytest.skip("changing the uid needs root")
    return subprocess.run(
        [sys.executable, "-c", AS_ANOTHER, repr(sys.path), str(uid), before, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "EMOSIEVE_LANGUAGE": "en"},
    )


def overrides(**settings: object) -> list[str]:
    """``--set`` options; a double underscore stands for the dot."""
    pairs = {key.replace("__", "."): value for key, value in settings.items()}
    return [text for key, value in pairs.items() for text in ("--set", f"{key}={value}")]


class Watch:
    """A running ``emosieve watch``, whose log is read as events.

    Args:
        root: the root.
        options: further command-line options.
        settings: as for ``overrides``; the quiet time is short unless given.

    Attributes:
        program: what runs the command line; another one may be given by a subclass.
    """

    program: Sequence[str] = EMOSIEVE

    def __init__(self, root: Path, *options: str, **settings: object) -> None:
        chosen = {"settle__quiet_seconds": 0.2, "log__format": "json", "language": "en"} | settings
        self.events: list[dict[str, Any]] = []
        self._unread: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        command = [*self.program, "watch", str(root), *options, *overrides(**chosen)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        assert self.process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(timeout=PATIENCE)
        finally:
            self.process.kill()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                event = {"event": "raw", "line": line}
            self.events.append(event)
            self._unread.put(event)
        self._unread.put(None)

    def wait_for(self, name: str, **values: object) -> dict[str, Any]:
        """The next event of this name with these values, after those that were waited for before."""
        while True:
            event = self._unread.get(timeout=PATIENCE)
            if event is None:
                message = f"{name} never came; the log was {self.events}"
                raise AssertionError(message)
            if event["event"] == name and values.items() <= event.items():
                return event

    def wait_until(self, is_so: Callable[[], object]) -> None:
        """Ask again and again until something is so, for as long as the process lives."""

        def is_so_or_over() -> object:
            assert self.process.poll() is None, f"it ended; the log was {self.events}"
            return is_so()

        until(is_so_or_over)

    def count_of(self, name: str) -> int:
        """How often an event was logged so far."""
        return [event["event"] for event in self.events].count(name)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and give the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE)
