"""The metrics: what is counted, and what a scrape tells."""

import errno
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conftest import FakeTime, MakeTask, read_log, result_bytes
from daemons import make_deaf, sleepless
from emosieve.errors import SetupError
from emosieve.intake import Done, Intake
from emosieve.record.decisions import DecisionLog
from emosieve.service.daemon import Daemon
from emosieve.service.flow import Flow
from emosieve.service.meter import Meter
from emosieve.service.metrics import HALF_LIFE, Metrics, MovingMean, OwnProcess
from emosieve.settings import Settings, load
from emosieve.text import WAITING_REASONS
from emosieve.watch.wakeups import Wake
from emosieve.watch.wholeness import Policy
from metrics import flow_of, free_address, of, scrape, settings_of


@pytest.fixture
def metrics(time_: FakeTime) -> Iterator[Metrics]:
    """Metrics that are served at an address of their own, by a clock that is moved by hand."""
    with closing(Metrics(settings_of(free_address()), lambda: time_.monotonic)) as metrics:
        yield metrics


# What is counted


def test_each_filed_task_is_counted_by_verdict_and_findings(
    root: Path, make_task: MakeTask, time_: FakeTime, metrics: Metrics
) -> None:
    """The two counters agree with the decision log, and what never happened is 0."""
    for number, confidence in enumerate([0.9, 0.8, 0.41, 0.52]):
        make_task(f"outputs_{number}", result_bytes(confidence))
    make_task("outputs_4", b"not JSON")
    time_.pass_(Settings().settle.give_up_seconds)
    flow_of(root, time_, metrics).step()
    counted = of(metrics)

    assert {"normal": 2, "low_quality": 2, "quarantined": 1} == counted.by("emosieve_tasks_total", "verdict")
    findings = counted.by("emosieve_findings_total", "rule", "action")
    logged = [finding for event in read_log(root) for finding in event.get("findings", ())]
    assert 4 == len(logged)
    assert Counter((one["rule"], one["action"]) for one in logged) == Counter(findings)
    assert 0 == findings["still_open", "flag"]


def test_the_latency_runs_from_the_last_write(
    root: Path, make_task: MakeTask, time_: FakeTime, metrics: Metrics
) -> None:
    """A task that was written a minute before it is filed is a minute late, by the clock of its change time."""
    late = time_.wall - (make_task() / "result.json").stat().st_ctime
    flow_of(root, time_, metrics).step()
    counted = of(metrics)

    assert 1 == counted.value("emosieve_latency_seconds_count")
    assert pytest.approx(late, abs=0.1) == counted.value("emosieve_latency_seconds_sum")
    assert 0 == counted.value("emosieve_latency_seconds_bucket", le="32.0")
    assert 1 == counted.value("emosieve_latency_seconds_bucket", le="62.0")


def test_the_latency_of_a_task_that_was_watched_is_as_observed(
    root: Path, make_task: MakeTask, time_: FakeTime, metrics: Metrics
) -> None:
    """Where change times are another machine's, the wait since the first look counts."""
    make_task()
    flow = flow_of(root, time_, metrics)
    flow.settling.policy = Policy(trust_ctime=False)
    flow.step()
    time_.pass_(2.25)
    flow.step()

    assert 2.25 == of(metrics).value("emosieve_latency_seconds_sum")


def test_the_buckets_begin_at_the_quiet_time(metrics: Metrics) -> None:
    """No task is filed before it, so every bucket lies beyond; the last known one is an hour."""
    bounds = [float(str(le)) for le in of(metrics).by("emosieve_latency_seconds_bucket", "le")]

    assert [2.1, 2.25, 2.5, 3.0, 4.0, 7.0, 12.0, 32.0, 62.0, 302.0, 602.0, 3602.0, float("inf")] == bounds


def test_a_move_that_fails_is_counted_at_each_try(
    root: Path, make_task: MakeTask, time_: FakeTime, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the system's name of the error; the task is not filed, so it is not counted as filed."""
    make_task()
    flow = flow_of(root, time_, metrics)

    def denied(*_arguments: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("emosieve.filing.Mover.move", denied)
    for _ in range(3):
        flow.step()
        time_.pass_(60)
    counted = of(metrics)

    assert {("move", "EPERM"): 3} == counted.counted("emosieve_errors_total", "kind", "code")
    assert 0 == sum(counted.by("emosieve_tasks_total", "verdict").values())


def test_a_task_that_went_or_changed_is_no_error(
    root: Path, make_task: MakeTask, time_: FakeTime, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a look and the move the WebUI may write again, and an operator may delete."""
    changed, gone = make_task("outputs_1"), make_task("outputs_2")
    flow = flow_of(root, time_, metrics)
    commit = Intake.commit

    def meddle(*arguments: Any) -> Any:
        (changed / "late.wav").touch()
        (gone / "result.json").unlink()
        gone.rmdir()
        return commit(*arguments)

    monkeypatch.setattr(Intake, "commit", meddle)
    flow.step()

    assert {} == of(metrics).counted("emosieve_errors_total", "kind", "code")


def test_what_keeps_all_from_being_filed_is_counted(
    root: Path, make_task: MakeTask, time_: FakeTime, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk counts at each try, and an error without a system's name is an other one."""
    make_task()
    flow = flow_of(root, time_, metrics)
    for error in (OSError(errno.ENOSPC, "No space left"), OSError(errno.ENOSPC, ""), SetupError("folder")):
        monkeypatch.setattr(Intake, "commit", fails(error))
        flow.step()
        time_.pass_(60)

    expected = {("blocked", "ENOSPC"): 2, ("blocked", "other"): 1}
    assert expected == of(metrics).counted("emosieve_errors_total", "kind", "code")


def fails(error: Exception) -> Callable[..., Any]:
    """A call that fails."""

    def call(*_arguments: object, **_more: object) -> None:
        raise error

    return call


def test_a_report_that_is_behind_is_counted(
    root: Path, make_task: MakeTask, time_: FakeTime, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task is filed all the same."""
    make_task()
    flow = flow_of(root, time_, metrics)
    monkeypatch.setattr(flow.intake.report, "project", fails(OSError(errno.EROFS, "Read-only file system")))
    flow.step()
    counted = of(metrics)

    assert {("behind", "EROFS"): 1} == counted.counted("emosieve_errors_total", "kind", "code")
    assert 1 == counted.value("emosieve_tasks_total", verdict="normal")


def test_a_decision_that_somebody_edited_adds_no_label(metrics: Metrics) -> None:
    """The values of labels are those of verdicts and rules, whatever stands in the log."""
    before = of(metrics).by("emosieve_tasks_total", "verdict").keys()
    events: list[dict[str, Any]] = [
        {"event": "decided", "task": "x", "verdict": "boring", "findings": []},
        {"event": "decided", "task": "x", "verdict": "normal", "findings": 5, "confidence": "high"},
        {"event": "restored", "task": "x", "verdict": "normal"},
    ]
    metrics.committed([], [Done(event, "x", "normal/x") for event in events], lambda _survey: 0.0)
    counted = of(metrics)

    assert before == counted.by("emosieve_tasks_total", "verdict").keys()
    assert 1 == counted.value("emosieve_tasks_total", verdict="normal")
    assert {} == counted.by("emosieve_confidence_ewma_ratio")


# What stands in the inbox


def test_every_reason_is_told_and_one_that_went_away_is_none(
    root: Path, time_: FakeTime, metrics: Metrics
) -> None:
    """Pending tasks count by reason, with the oldest's age as of now; then all fall to 0, and none vanishes."""
    for number in range(3):
        (root / f"outputs_{number}").mkdir()
    flow = flow_of(root, time_, metrics)
    publish(metrics, flow)
    unseen = of(metrics).by("emosieve_pending", "reason")
    flow.step()
    publish(metrics, flow)
    waiting = of(metrics)
    age = waiting.value("emosieve_oldest_pending_seconds", reason="no_result")
    time_.pass_(500)
    later = of(metrics).value("emosieve_oldest_pending_seconds", reason="no_result")
    for number in range(3):
        (root / f"outputs_{number}").rmdir()
    flow.scan()
    publish(metrics, flow)
    gone = of(metrics)

    assert {"unseen": 3} == {reason: tasks for reason, tasks in unseen.items() if tasks}
    assert {"no_result": 3} == waiting.counted("emosieve_pending", "reason")
    assert pytest.approx(60, abs=1) == age
    assert pytest.approx(age + 500) == later
    assert {*WAITING_REASONS, "unseen"} == gone.by("emosieve_pending", "reason").keys()
    assert {*WAITING_REASONS} == gone.by("emosieve_oldest_pending_seconds", "reason").keys()
    assert {} == gone.counted("emosieve_pending", "reason")
    assert {} == gone.counted("emosieve_oldest_pending_seconds", "reason")


def publish(metrics: Metrics, flow: Flow) -> None:
    """Tell the metrics what a daemon with this flow would."""
    daemon = Daemon(flow.root, load(), load)
    daemon._flow, daemon._meter = flow, metrics
    daemon._new_status()
    daemon._wakeups.close()


def test_the_oldest_counts(metrics: Metrics, time_: FakeTime, root: Path) -> None:
    """Of several tasks that wait for the same, the age is that of the one that changed first."""
    flow = flow_of(root, time_, metrics)
    for number in range(3):
        time_.pass_(10)
        flow.settling.defer(f"outputs_{number}", "blocked", "disk full")
    publish(metrics, flow)

    assert 20 == of(metrics).value("emosieve_oldest_pending_seconds", reason="blocked")


@pytest.mark.parametrize("pending", [10, 10_000])
def test_a_scrape_does_not_look_at_what_is_pending(
    metrics: Metrics, time_: FakeTime, root: Path, pending: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many tasks are pending, a scrape asks the loop's own structures nothing at all."""
    flow = flow_of(root, time_, metrics)
    for number in range(pending):
        flow.settling.defer(f"outputs_{number}", "blocked", "disk full")
    publish(metrics, flow)
    monkeypatch.delattr(flow.settling, "_pending")
    monkeypatch.delattr(flow, "counts")

    assert pending == of(metrics).value("emosieve_pending", reason="blocked")


# Moving means


def test_a_moving_mean_forgets_by_half() -> None:
    """After as many ones as the half-life over a long past of zeros it is one half; at first the plain value."""
    mean = MovingMean()
    assert mean.mean is None
    assert 0.25 == mean.after(0.25).mean
    for _ in range(50 * HALF_LIFE):
        mean = mean.after(0)
    for _ in range(HALF_LIFE):
        mean = mean.after(1)

    assert pytest.approx(0.5) == mean.mean


def test_the_means_are_over_decided_results(
    root: Path, make_task: MakeTask, time_: FakeTime, metrics: Metrics
) -> None:
    """Before the first there is none; then they follow confidence and rejection in the order of filing."""
    assert "emosieve_confidence_ewma_ratio" not in of(metrics).names
    confidences = [0.9, 0.4, 0.8]
    for number, confidence in enumerate(confidences):
        make_task(f"outputs_{number}", result_bytes(confidence))
    make_task("outputs_4", b"not JSON")
    time_.pass_(Settings().settle.give_up_seconds)
    flow_of(root, time_, metrics).step()
    counted = of(metrics)

    assert mean_of(confidences) == counted.value("emosieve_confidence_ewma_ratio")
    assert mean_of([0, 1, 0]) == counted.value("emosieve_rejection_ewma_ratio")


def mean_of(values: list[float]) -> Any:
    """Their mean, each later one weighing more by a hundredth root of two."""
    weights = [2 ** (index / HALF_LIFE) for index in range(len(values))]
    return pytest.approx(sum(map(float.__mul__, weights, map(float, values))) / sum(weights))


def test_the_means_go_on_after_a_restart(
    root: Path, make_task: MakeTask, time_: FakeTime, metrics: Metrics
) -> None:
    """They are primed from the log, once; the counters are not."""
    confidences = [0.9, 0.4, 0.8]
    for number, confidence in enumerate(confidences):
        make_task(f"outputs_{number}", result_bytes(confidence))
    flow_of(root, time_, Meter()).step()
    with (root / "decisions.jsonl").open("ab") as file:
        file.write(b'not JSON\n{"event":"decided","verdict":"low_quality","confidence":1e9}\n{"event":"dec')
    metrics.prime(DecisionLog(str(root)))
    counted = of(metrics)
    (root / "decisions.jsonl").write_bytes(b'{"event":"decided","verdict":"normal","confidence":0}\n')
    metrics.prime(DecisionLog(str(root)))

    assert counted.by("emosieve_confidence_ewma_ratio") == of(metrics).by("emosieve_confidence_ewma_ratio")
    assert mean_of(confidences) == counted.value("emosieve_confidence_ewma_ratio")
    assert mean_of([0, 1, 0, 1]) == counted.value("emosieve_rejection_ewma_ratio")
    assert 0 == sum(counted.by("emosieve_tasks_total", "verdict").values())


def test_a_log_that_cannot_be_read_primes_nothing(root: Path, metrics: Metrics) -> None:
    """Whoever needs the log tells of it; the metrics do without."""
    (root / "decisions.jsonl").mkdir()
    metrics.prime(DecisionLog(str(root)))

    assert "emosieve_rejection_ewma_ratio" not in of(metrics).names


# The process


def test_the_process_is_told_where_only_processes_are_seen(tmp_path: Path) -> None:
    """Under ProcSubset=pid there is no /proc/stat; memory, processor and start are known all the same."""
    (tmp_path / "self").symlink_to("/proc/self")
    whole, hidden = (
        {metric.name: metric.samples[0].value for metric in OwnProcess(proc=proc, registry=None).collect()}
        for proc in ("/proc", str(tmp_path))
    )

    assert whole.keys() == hidden.keys()
    assert {"process_resident_memory_bytes", "process_cpu_seconds", "process_open_fds"} <= hidden.keys()
    with open("/proc/stat", encoding="ascii") as file:
        booted = next(float(line.split()[1]) for line in file if line.startswith("btime "))
    assert pytest.approx(booted, abs=2) == OwnProcess(registry=None)._boot_time()


# The daemon


@pytest.fixture
def daemon(root: Path, metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """A daemon that tells these metrics and never sleeps."""
    settings = load(overrides=("settle.quiet_seconds=0.001", "watch.rescan_seconds=0.1", "watch.mode=native"))
    with sleepless(root, lambda: settings, monkeypatch) as daemon:
        daemon._meter = metrics
        yield daemon


def test_the_first_scrape_tells_the_root_that_is_waited_for(daemon: Daemon, metrics: Metrics) -> None:
    """Before anything was opened there is a state, and every gauge but the means."""
    daemon._new_status()
    told = of(metrics)

    assert {"waiting": 1} == told.counted("emosieve_state", "state")
    assert {} == told.counted("emosieve_pending", "reason")


def test_listings_and_lost_events_are_counted(daemon: Daemon, metrics: Metrics) -> None:
    """A listing that nothing asked for is a rescan, one after an event is none."""
    daemon._tick()
    for hinted in (True, False, False):
        daemon._hinted, daemon._next_scan = hinted, 0.0
        daemon._tick()
    daemon._mailbox.post(Wake.OVERFLOW)
    daemon._wait(0)
    told = of(metrics)

    assert 2 == told.value("emosieve_rescans_total")
    assert 1 == told.value("emosieve_overflows_total")
    assert 0 == told.value("emosieve_found_by_rescan_total")
    assert {"native": 1} == told.counted("emosieve_watch_mode", "mode")


def test_what_no_event_announced_is_counted(
    daemon: Daemon, metrics: Metrics, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deaf watch is seen in the number of tasks that it missed, and in the mode."""
    daemon._tick()
    make_deaf(daemon, monkeypatch)
    make_task("outputs_1")
    make_task("outputs_2")
    for _ in range(2):  # a listing by polling finds nothing that an event was to announce
        daemon._hinted, daemon._next_scan = False, 0.0
        daemon._tick()
    daemon._liveness = None
    daemon._new_status()
    told = of(metrics)

    assert 2 == told.value("emosieve_found_by_rescan_total")
    assert {"polling": 1} == told.counted("emosieve_watch_mode", "mode")


def test_a_root_that_is_opened_primes_the_means(
    daemon: Daemon, metrics: Metrics, root: Path, make_task: MakeTask, time_: FakeTime
) -> None:
    """The log of an earlier run is taken in before anything is filed."""
    make_task("outputs_1", result_bytes(0.7))
    flow_of(root, time_, Meter()).step()
    daemon._tick()

    assert pytest.approx(0.7) == of(metrics).value("emosieve_confidence_ewma_ratio")


def test_a_daemon_that_ends_answers_no_more(root: Path) -> None:
    """Its address is free for the next one, even in the same process."""
    listen = free_address()
    loaded = load(overrides=(f"metrics.listen={listen}",))
    for _ in range(2):
        daemon = Daemon(str(root), loaded, lambda: loaded)
        daemon._stop(signal.SIGTERM)
        daemon.run()
        with pytest.raises(ConnectionRefusedError):
            scrape(listen)


def test_a_root_that_cannot_be_opened_is_counted(
    daemon: Daemon, metrics: Metrics, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try counts by the system's name, and the state is blocked."""
    daemon._tick()
    monkeypatch.setattr(Flow, "scan", fails(OSError(errno.EIO, "Input/output error", str(root))))
    daemon._next_scan = 0.0
    daemon._tick()
    daemon._new_status()
    told = of(metrics)

    assert {("blocked", "EIO"): 1} == told.counted("emosieve_errors_total", "kind", "code")
    assert {"blocked": 1} == told.counted("emosieve_state", "state")


def test_a_loop_that_hangs_is_seen(daemon: Daemon, metrics: Metrics, time_: FakeTime) -> None:
    """The age of its last turn grows although the exporter's thread lives."""
    time_.pass_(50)
    daemon._tick()
    assert 0 == of(metrics).value("emosieve_heartbeat_age_seconds")
    time_.pass_(100)

    assert 100 == of(metrics).value("emosieve_heartbeat_age_seconds")
