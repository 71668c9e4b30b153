"""Troubles that come to a running daemon and go again: failing calls, missing rights, full disks."""

import errno
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from emosieve.service.liveness import read_heartbeat
from process import EMOSIEVE, Watch, run, until

_OVERRIDING = "-dac_override,-dac_read_search"


class HeldToModes(Watch):
    """A daemon that is root but for the right to pass over permissions."""

    program = ("setpriv", "--bounding-set", _OVERRIDING, "--inh-caps", _OVERRIDING, *EMOSIEVE)

    def __init__(self, root: Path, *options: str, **settings: object) -> None:
        if os.geteuid() != 0:
            self.program = tuple(EMOSIEVE)  # whom permissions hold anyway
        super().__init__(root, *options, **settings)


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """A path that not even root may change, for a while."""
    ended = subprocess.run(["chattr", "+i", path], check=False, capture_output=True, text=True)
    if ended.returncode:
        pytest.skip(f"nothing can be made immutable here: {ended.stderr}")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", path], check=True)


@contextmanager
def injecting(watch: Watch, calls: str, what: str, path: Path) -> Iterator[None]:
    """Do something to all system calls of a running daemon that are about a path, until the end.

    Args:
        watch: the daemon.
        calls: their names, with commas.
        what: in the words of ``strace --inject``, as ``error=EIO``.
        path: of the file, by name or by descriptor.
    """
    pid = watch.process.pid
    inject = ("-e", f"inject={calls}:{what}", "-P", str(path))
    command = ["strace", "-f", "-qq", "-o", "/dev/null", *inject, "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        try:
            until(lambda: _is_traced(pid) or tracer.poll() is not None)
            if tracer.poll() is not None and tracer.stderr is not None:
                pytest.skip(f"no process can be traced here: {tracer.stderr.read()}")
            yield
        finally:
            tracer.terminate()


def _is_traced(pid: int) -> bool:
    """Whether all of its threads are."""
    threads = Path(f"/proc/{pid}/task").glob("*/status")
    return all("TracerPid:\t0\n" not in thread.read_text(encoding="utf-8") for thread in threads)


def fill(disk: Path, leave: int = 0) -> Path:
    """Fill a small file system up to the last byte but some; gives the file to be deleted."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        try:
            while file.write(bytes(1 << 20)):
                pass
        except OSError:
            file.truncate(file.tell() - leave)
    return ballast


def remount(disk: Path, how: str) -> None:
    """Remount a disk ``ro`` or ``rw``, at once: that the kernel refuses it is the failure that is looked for."""
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


def status_of(root: Path) -> dict[str, Any]:
    """What ``status --json`` says."""
    document: dict[str, Any] = json.loads(run("status", root, "--json").stdout)
    return document


def wait_for_status(watch: Watch, root: Path, **values: object) -> dict[str, Any]:
    """The answer of ``status --json``, once the daemon says all this of itself or of its last error."""

    def is_so() -> bool:
        found = read_heartbeat(str(root))
        said = asdict(found.status) if found else {}
        return values.items() <= {**said, **(said.get("trouble") or {})}.items()

    watch.wait_until(is_so)
    return status_of(root)


def assert_it_waits(watch: Watch, root: Path, code: str, path: Path) -> None:
    """The log says once why nothing is filed and what to do, and the status says the same, to programs and people."""
    cause = f"{code}: {os.strerror(getattr(errno, code))}: {path}"
    told = watch.wait_for("watch.blocked", cause=cause)
    assert told["hint"]
    last = wait_for_status(watch, root, state="blocked")["daemon"]["last_error"]
    assert str(path) in last["cause"]
    assert last["retry"] is not None
    shown = " ".join(run("status", root).stdout.split())
    assert told["hint"] in shown


def assert_the_trouble_is_past(watch: Watch, root: Path) -> None:
    """The status names it as the last error, with nothing to do about it and no further try."""
    last = wait_for_status(watch, root, state="watching", retry_at=None)["daemon"]["last_error"]
    assert last["cause"]
    assert "to do: " not in run("status", root).stdout
