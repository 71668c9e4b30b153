"""What tests of a daemon's parts share: the status of one, and one in this process that never sleeps."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emosieve.record.locking import myself
from emosieve.service import daemon as daemon_module
from emosieve.service.daemon import Daemon
from emosieve.service.flow import Flow
from emosieve.service.heartbeat import pid_namespace
from emosieve.service.liveness import Pending, Status
from emosieve.settings import Loaded

STATUS = Status(
    version="1",
    root="/outputs",
    host=myself().host,
    pid=os.getpid(),
    pid_namespace=pid_namespace(),
    state="watching",
    mode="native",
    mode_reason={"en": "ext4 gives events", "zh": "ext4 提供文件事件"},
    tells_writers=True,
    profile="default",
    rules_digest="d",
    started_at=1.0,
    decided={"normal": 1, "low_quality": 2, "quarantined": 3},
    joined=0,
    failed=0,
    last_hint_at=None,
    trouble=None,
    pending=1,
    reasons={"quiet": 1},
    oldest=(Pending("outputs_1", "quiet", "changed a moment ago", 2.0, 3.0),),
)


@contextmanager
def sleepless(
    root: Path, settings: Callable[[], Loaded], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Daemon]:
    """A daemon that never sleeps: it takes what is in its mailbox and goes on."""
    daemon = Daemon(str(root), settings(), settings)
    wait = daemon._mailbox.wait
    monkeypatch.setattr(daemon._mailbox, "wait", lambda _seconds: wait(0))
    yield daemon
    daemon._close()
    daemon._wakeups.close()


def make_deaf(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on events never come, and it would notice with the next task that a listing finds."""
    daemon._wakeups.disarm()
    monkeypatch.setattr(daemon._wakeups, "is_alive", lambda: True)
    monkeypatch.setattr(daemon_module, "_DEAF_SECONDS", 0.0)
    monkeypatch.setattr(Flow, "has_stood", lambda _flow, new, _seconds: bool(new))
