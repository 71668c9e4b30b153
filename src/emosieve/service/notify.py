"""What the service manager is told: ready, still turning, reloading, ending, and a line of status.

systemd's protocol is a datagram of a few lines, so no library stands between. Nobody but
the working loop speaks here, between two steps of its work: a thread of its own would go
on answering the watchdog for a loop that hangs.
"""

import math
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import structlog

from emosieve.service.liveness import Status
from emosieve.text import Message, Phrase

_PATIENCE_SECONDS: Final = 1.0
"""How long a message waits for room in the manager's queue; the next sign of life is worth more."""

_WATCHING = Phrase(
    "{pending} pending; filed since the start: normal {normal}, low_quality {low_quality}, "
    "quarantined {quarantined}",
    "等待中 {pending} 个；启动以来已归档：正常 {normal}，低质量 {low_quality}，已隔离 {quarantined}",
)
_WORKING = {
    "replaying": Phrase("replaying the decision log: {share:.0%}", "正在重放判定日志：{share:.0%}"),
    "reporting": Phrase(
        "{counts}; rebuilding the report: {share:.0%}", "{counts}；正在重新生成质量报告：{share:.0%}"
    ),
}
_BLOCKED = Phrase("blocked: {cause}; {counts}", "受阻：{cause}；{counts}")
_WAITING = Phrase("waiting for the root: {cause}", "正在等待输出目录：{cause}")
_REFUSED = Phrase(
    "the last reload was refused and the old settings stay in force: {cause}; {words}",
    "上次重新加载被拒绝，仍用旧配置：{cause}；{words}",
)

log = structlog.get_logger()


class Notifier:
    """Tells the service manager that started this process; without one it costs nothing.

    Args:
        environment: where the manager left its address and its patience.
        monotonic: a clock in seconds.
    """

    def __init__(
        self, environment: Mapping[str, str] = os.environ, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._pause = _watchdog_seconds(environment) / 2
        self._monotonic = monotonic
        self._next = -math.inf
        self._is_ready = False
        self._told = False

    @property
    def is_heard(self) -> bool:
        """Whether a service manager started this process, so that it starts it again after a failure."""
        return bool(self._address)

    def ready(self) -> None:
        """The start is over; said once."""
        if not self._is_ready:
            self._is_ready = True
            self._send("READY=1")

    def beat(self) -> float:
        """Answer the watchdog, where that is due. The loop calls it at each turn, and at each step of a long one.

        Returns:
            seconds until it is due again: half of the manager's patience, infinite without a watchdog.
        """
        if self._pause == math.inf:
            return math.inf
        now = self._monotonic()
        if now >= self._next:
            self._next = now + self._pause
            self._send("WATCHDOG=1")
        return self._next - now

    def say(self, words: str) -> None:
        """Show some words as the status: one line, for another would be another message."""
        self._send(f"STATUS={' '.join(words.splitlines())}")

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Settings are read anew meanwhile, whatever comes of it."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={microseconds}")
        try:
            yield
        finally:
            self._send("READY=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messages:
                messages.settimeout(_PATIENCE_SECONDS)
                messages.sendto("\n".join(lines).encode(errors="replace"), self._address)
        except OSError as error:
            if not self._told:
                self._told = True
                log.warning("service.unheard", path=self._address, cause=error.strerror or str(error))


def words_of(status: Status) -> Message:
    """A status in one line."""
    words = _words_of_work(status)
    return _REFUSED(cause=status.refused.cause, words=words) if status.refused else words


def _words_of_work(status: Status) -> Message:
    cause = status.trouble.cause if status.trouble else ""
    if status.state == "waiting":
        return _WAITING(cause=cause)
    decided = {str(verdict): count for verdict, count in status.decided.items()}
    counts = _WATCHING(pending=status.pending, **decided)
    if status.state != "watching":
        return _BLOCKED(cause=cause, counts=counts)
    return (
        counts if status.work is None else _WORKING[status.work.kind](share=status.work.share, counts=counts)
    )


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    """The manager's patience with this very process; infinite where it has no watchdog."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    is_meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(microseconds) / 1e6 if is_meant and microseconds.isdecimal() else math.inf
