"""The metrics, as Prometheus scrapes them. The only import of prometheus_client, beside their exporter.

The working loop counts, and publishes what stands in its inbox whenever its status
changes, at most once a second. The exporter's thread reads only counters that guard
themselves and values that nobody changes, so no scrape waits for the loop, nor the
loop for a scrape, and its cost does not depend on how many tasks are pending.

Counters begin at 0 with each start, as Prometheus expects. The two moving means do
not: they are primed from the last decisions of the log, since a restart is no reason
for a rejection rate to jump.
"""

import itertools
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Metric,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from emosieve import __version__
from emosieve.errors import KNOWN_CODES
from emosieve.intake import CHANGED, Done, NotDone
from emosieve.proposals import Proposal
from emosieve.record.decisions import DecisionLog
from emosieve.record.lines import parse_line
from emosieve.record.selection import findings_of, verdict_of
from emosieve.service.exporter import Exporter
from emosieve.service.liveness import FolderVerdict, State, Status
from emosieve.service.meter import ErrorKind, Meter
from emosieve.settings import Settings
from emosieve.text import WAITING_REASONS
from emosieve.watch.settle import Settling
from emosieve.watch.survey import Survey

HALF_LIFE: Final = 100
"""Recordings after which one weighs half in the moving means."""
_PRIMING_LINES: Final = 5 * HALF_LIFE
"""What lies further back would weigh 3 %."""
_BEYOND_QUIET: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 3600.0)
"""Seconds beyond the quiet time, which no task is filed before."""
UNSEEN: Final = "unseen"
"""The reason of a task that was not looked at yet."""
OTHER: Final = "other"
"""The code of an error that the system has no name for."""
_MODES: Final = ("native", "polling")


@dataclass(frozen=True, slots=True)
class MovingMean:
    """A mean that forgets: a value weighs half when ``HALF_LIFE`` more have come.

    It is the weighted mean of what came so far, so it begins with the first value, not with 0.
    """

    total: float = 0.0
    weight: float = 0.0

    def after(self, value: float) -> "MovingMean":
        """The mean with one more value."""
        kept = 0.5 ** (1 / HALF_LIFE)
        return MovingMean(self.total * kept + value, self.weight * kept + 1)

    @property
    def mean(self) -> float | None:
        """``None`` over nothing."""
        return self.total / self.weight if self.weight else None


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What the loop published: the status, and by reason the seconds of the stillest task, at that instant."""

    status: Status
    stillest: Mapping[str, float]
    taken_at: float


class OwnProcess(ProcessCollector):
    """Memory, processor and descriptors of this process, also where a unit hides all but processes in /proc."""

    def _boot_time(self) -> float:
        """The library reads it from /proc/stat, and without it tells nothing at all."""
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else 0.0


class Metrics(Meter, Collector):
    """Counts what it is told, and answers scrapes until it is closed.

    Args:
        settings: with an address to listen on.
        monotonic: a clock in seconds.

    Raises:
        SetupError: the address cannot be listened on.
    """

    def __init__(self, settings: Settings, monotonic: Callable[[], float] = time.monotonic) -> None:
        # The library's own switch, for a start time beside every counter, which is of no use.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._monotonic = monotonic
        self._beat_at = monotonic()
        self._snapshot: _Snapshot | None = None
        self._is_primed = False
        self._confidence, self._rejection = MovingMean(), MovingMean()
        self._tasks = self._counter("tasks", "Tasks filed since the start.", "verdict")
        self._findings = self._counter("findings", "Findings of the tasks filed.", "rule", "action")
        self._errors = self._counter(
            "errors",
            "Errors met, each try counted: move (of one task), blocked (nothing is filed), "
            "behind (report, checkpoint or a removal).",
            "kind",
            "code",
        )
        self._rescans = self._counter("rescans", "Listings of the root that no event asked for.")
        self._unannounced = self._counter(
            "found_by_rescan", "Tasks that a listing found and no event had announced, where events were to."
        )
        self._overflows = self._counter("overflows", "Times that the kernel lost events.")
        self._latency = Histogram(
            "emosieve_latency_seconds",
            "Seconds from the last write to a task until it was filed.",
            registry=self.registry,
            buckets=[round(settings.settle.quiet_seconds + beyond, 9) for beyond in _BEYOND_QUIET],
        )
        self._begin_at_zero(settings)
        self.registry.register(self)
        OwnProcess(registry=self.registry)
        assert settings.metrics.address is not None  # noqa: S101 - see Args
        self._exporter = Exporter(settings.metrics.listen, settings.metrics.address, self.registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"emosieve_{name}", meaning, labels, registry=self.registry)

    def _begin_at_zero(self, settings: Settings) -> None:
        """Make known series before they count: the first step of one that appears with it is seen by no rate."""
        for verdict in get_args(FolderVerdict):
            self._tasks.labels(verdict)
        for rule in settings.rule_set.in_force:
            self._findings.labels(rule.name, rule.action)
        for kind in get_args(ErrorKind):
            for code in (*KNOWN_CODES, OTHER):
                self._errors.labels(kind, code)

    def close(self) -> None:
        """Answer no more."""
        self._exporter.close()

    def committed(
        self,
        proposals: Sequence[Proposal],
        outcomes: Sequence[Done | NotDone],
        still_for: Callable[[Survey], float],
    ) -> None:
        """Count what was filed, with how late that is, and what was not."""
        surveys = {one.source: one.survey for one in proposals}
        for outcome in outcomes:
            if isinstance(outcome, NotDone):
                if not outcome.gone and outcome.cause != CHANGED:
                    self.failed("move", outcome.code)
            elif outcome.event["event"] in {"decided", "quarantined"}:
                self._count(outcome.event)
                if outcome.source in surveys:
                    self._latency.observe(still_for(surveys[outcome.source]))

    def _count(self, event: Mapping[str, Any]) -> None:
        verdict = verdict_of(event)
        if verdict not in get_args(FolderVerdict):
            return  # somebody's editor was at the log in between
        self._tasks.labels(verdict).inc()
        for finding in findings_of(event):
            self._findings.labels(finding["rule"], finding.get("action")).inc()
        self._weigh(event, verdict)

    def _weigh(self, event: Mapping[str, Any], verdict: str | None) -> None:
        """Take a decision into the moving means; what is quarantined has no result."""
        if verdict not in {"normal", "low_quality"}:
            return
        self._rejection = self._rejection.after(verdict == "low_quality")
        confidence = event.get("confidence")
        if isinstance(confidence, int | float) and 0 <= confidence <= 1:
            self._confidence = self._confidence.after(confidence)

    def failed(self, kind: ErrorKind, code: str | None) -> None:
        """Count it."""
        self._errors.labels(kind, code or OTHER).inc()

    def rescanned(self) -> None:
        """Count it."""
        self._rescans.inc()

    def found_unannounced(self, tasks: int) -> None:
        """Count them."""
        self._unannounced.inc(tasks)

    def overflowed(self) -> None:
        """Count it."""
        self._overflows.inc()

    def beat(self) -> None:
        """Remember when."""
        self._beat_at = self._monotonic()

    def publish(self, status: Status, settling: Settling | None) -> None:
        """Take what the next scrapes tell of the inbox."""
        stillest = settling.stillest() if settling else {}
        self._snapshot = _Snapshot(status, stillest, self._monotonic())

    def prime(self, decisions: DecisionLog) -> None:
        """Take the last decisions of the log into the moving means, once, oldest first."""
        if self._is_primed:
            return
        self._is_primed = True
        with suppress(OSError):  # whoever needs the log tells of that
            lines = itertools.islice(decisions.lines_before(decisions.end()), _PRIMING_LINES)
            events = [event for event in map(parse_line, lines) if event and event["event"] == "decided"]
            for event in reversed(events):
                self._weigh(event, verdict_of(event))

    def collect(self) -> Iterable[Metric]:
        """The gauges, as of now; called by the exporter's thread."""
        build = {"version": __version__, "python": platform.python_version()}
        yield _gauge(
            "build_info", "1, with the versions as labels.", build.keys(), {tuple(build.values()): 1}
        )
        age = self._monotonic() - self._beat_at
        yield _gauge("heartbeat_age_seconds", "Seconds since the working loop last turned.", (), {(): age})
        means = {"confidence": self._confidence.mean, "rejection": self._rejection.mean}
        for name, mean in means.items():
            if mean is not None:  # before the first decision there is no mean, not one of 0
                meaning = f"Moving mean of the {_MEANT[name]}; one {HALF_LIFE} recordings ago weighs half."
                yield _gauge(f"{name}_ewma_ratio", meaning, (), {(): mean})
        if self._snapshot is not None:
            yield from self._of_inbox(self._snapshot)

    def _of_inbox(self, snapshot: _Snapshot) -> Iterator[Metric]:
        status = snapshot.status
        yield _gauge(
            "state", "1 for what the daemon is at.", ("state",), _one_of(get_args(State), status.state)
        )
        yield _gauge("watch_mode", "1 for the mode of the watch.", ("mode",), _one_of(_MODES, status.mode))
        unseen = status.pending - sum(status.reasons.values())
        # Every reason is always there: one that went away is 0, and so is its age.
        pending = dict.fromkeys(WAITING_REASONS, 0) | dict(status.reasons) | {UNSEEN: unseen}
        since = self._monotonic() - snapshot.taken_at
        ages = {reason: still + since for reason, still in snapshot.stillest.items()}
        yield _gauge("pending", "Tasks in the inbox, by what they wait for.", ("reason",), _labelled(pending))
        yield _gauge(
            "oldest_pending_seconds",
            "Seconds since the last change of the pending task that changed longest ago; 0 for none.",
            ("reason",),
            _labelled(dict.fromkeys(WAITING_REASONS, 0.0) | ages),
        )


_MEANT: Final = {"confidence": "main confidence", "rejection": "share of results that are low_quality"}


def _gauge(
    name: str, meaning: str, labels: Iterable[str], values: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"emosieve_{name}", meaning, labels=[*labels])
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _labelled(values: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    return {(key,): value for key, value in values.items()}


def _one_of(known: Iterable[str], one: str) -> dict[tuple[str, ...], float]:
    return {(key,): float(key == one) for key in known}
