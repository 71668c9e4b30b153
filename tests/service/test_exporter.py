"""The exporter: one page, at one address, and nobody can hold it up."""

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from structlog.testing import capture_logs

from conftest import FakeTime, MakeTask, read_log, result_bytes
from emosieve.errors import SetupError
from emosieve.service import exporter
from emosieve.service.meter import meter_for
from emosieve.service.metrics import Metrics
from metrics import address_of, flow_of, free_address, of, scrape, scraped, settings_of
from process import Watch, run, until


@pytest.fixture
def metrics(time_: FakeTime) -> Iterator[Metrics]:
    """Metrics that are served at an address of their own, by a clock that is moved by hand."""
    with closing(Metrics(settings_of(free_address()), lambda: time_.monotonic)) as metrics:
        yield metrics


def where(metrics: Metrics) -> tuple[str, int]:
    """Host and port of these metrics."""
    host, _, port = address_of(metrics).partition(":")
    return host, int(port)


def fails(error: Exception) -> Callable[..., Any]:
    """A call that fails."""

    def call(*_arguments: object, **_more: object) -> None:
        raise error

    return call


def test_both_formats_say_the_same(metrics: Metrics) -> None:
    """Prometheus asks for OpenMetrics, a person with curl does not; neither has a start time per counter."""
    plain, _ = fetch(f"http://{address_of(metrics)}/metrics")
    accept = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5"}
    openmetrics, kind = fetch(f"http://{address_of(metrics)}/metrics", accept)

    assert kind.startswith("application/openmetrics-text")
    changing = ("process_", "emosieve_heartbeat")
    said = [
        {
            (one.name, *sorted(one.labels.items())): one.value
            for family in families
            for one in family.samples
            if not one.name.startswith(changing)
        }
        for families in (parse(plain), parse_openmetrics(openmetrics))  # type: ignore[no-untyped-call]
    ]
    assert said[0] == said[1]
    assert [] == [name for name, *_ in said[0] if name.endswith("_created")]


def fetch(url: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> tuple[str, str]:
    """Body and content type of an answer."""
    request = urllib.request.Request(url, headers=dict(headers or {}), method=method)  # noqa: S310 - http
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the same
        return answer.read().decode(), answer.headers["Content-Type"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/metrics/../etc/passwd", 404),
        ("HEAD", "/metrics", 501),
        ("POST", "/metrics", 501),
        ("PUT", "/metrics", 501),
        ("OPTIONS", "/metrics", 501),
    ],
)
def test_nothing_else_is_served(metrics: Metrics, method: str, path: str, status: int) -> None:
    """There is one page, and one way to ask for it."""
    with pytest.raises(urllib.error.HTTPError) as refusal:
        fetch(f"http://{address_of(metrics)}{path}", method=method)

    assert status == refusal.value.code
    assert "emosieve" == refusal.value.headers["Server"].strip()
    refusal.value.close()


def test_the_librarys_own_registry_is_left_alone(metrics: Metrics) -> None:
    """Two roots in one process, or a test, do not meet in a registry of the whole process."""
    assert [] == [family.name for family in REGISTRY.collect() if family.name.startswith("emosieve")]
    with closing(Metrics(settings_of(free_address()))) as other:
        other.rescanned()
        assert (0, 1) == tuple(of(one).value("emosieve_rescans_total") for one in (metrics, other))


def test_it_listens_where_it_was_told_to() -> None:
    """At an IPv6 address in brackets, and nowhere else."""
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6 here")
    port = free_address().rpartition(":")[2]
    with closing(Metrics(settings_of(f"[::1]:{port}"))):
        assert "emosieve_build_info" in scrape(f"[::1]:{port}").names
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(port)))


@pytest.mark.parametrize("listen", ["192.0.2.1:9464", "nobody.invalid:9464"])
def test_an_address_that_is_not_here_is_refused(listen: str) -> None:
    """It is named with the cause and what to write."""
    with pytest.raises(SetupError) as refusal:
        meter_for(settings_of(listen))

    assert str(refusal.value).startswith(f"metrics.listen = {listen}: ")
    assert "write an address of this machine and a free port" in str(refusal.value)
    assert "请写本机的地址和未被占用的端口" in refusal.value.text("zh")


ALONE = ["unshare", "--net"]
EXPORT = """
import sys
from metrics import free_address, settings_of
from emosieve.errors import SetupError
from emosieve.service.metrics import Metrics
try:
    Metrics(settings_of(sys.argv[1])).close()
except SetupError as error:
    print("refused:", error.text("en"))
"""


def exported(listen: str, *before: str) -> str:
    """What is said where metrics are given at an address by a process that something else starts."""
    command = [*before, sys.executable, "-c", EXPORT, listen]
    paths = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(__file__))}
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=paths)
    return ended.stdout + ended.stderr


def needs_root() -> None:
    """Skip where no network namespace can be made."""
    if os.geteuid() != 0:
        pytest.skip("a network of its own needs root")


def test_a_network_of_ones_own_is_told() -> None:
    """Under PrivateNetwork= an address of the machine is none, and one of the loopback is reached by nobody."""
    needs_root()
    inside = [*ALONE, "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]
    drop_in = "install deploy/systemd/metrics.conf into /etc/systemd/system/emosieve.service.d/"

    assert f"Cannot assign requested address; the sandbox of the service forbids it: {drop_in}" in exported(
        "192.0.2.7:9464", *inside
    )
    said = exported(free_address(), *inside)
    assert ("check.warning" in said, "install deploy/systemd/metrics.conf (PrivateNetwork=no)" in said) == (
        True,
        True,
    )


def test_the_machines_own_network_is_no_news() -> None:
    """Where others can connect nothing is said, and a foreign address is a matter of the setting."""
    assert "" == exported(free_address())
    refusal = exported("192.0.2.7:9464")
    assert ("write an address of this machine" in refusal, "metrics.conf" in refusal) == (True, False)


def test_a_port_that_is_taken_is_refused(metrics: Metrics) -> None:
    """Whoever listens there goes on."""
    with pytest.raises(SetupError, match="Address already in use; write an address of this machine"):
        meter_for(settings_of(address_of(metrics)))

    assert "emosieve_build_info" in of(metrics).names


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics that are asked for and cannot be given are a set-up error with the command."""
    for name in [name for name in sys.modules if name.startswith(("prometheus_client", "emosieve.service."))]:
        if name.rpartition(".")[2] in {"metrics", "exporter"} or name.startswith("prometheus_client"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(SetupError, match=r"pip install 'emosieve\[metrics\]'") as refusal:
        meter_for(settings_of("127.0.0.1:9464"))

    assert "请在 emosieve 的环境中运行 pip install 'emosieve[metrics]'" in refusal.value.text("zh")


def test_off_it_imports_nothing() -> None:
    """Without an address neither the library nor a server is even read."""
    script = (
        "import sys; from emosieve.settings import Settings; import emosieve.service.daemon;"
        "from emosieve.service.meter import meter_for; meter_for(Settings());"
        "print([name for name in sys.modules if 'prometheus' in name or name == 'socketserver'])"
    )
    ended = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert "[]" == ended.stdout.strip()


@pytest.mark.parametrize(
    "request_",
    [b"", b"GET /metrics HTTP/1.0\r\n", b"\x16\x03\x01\x02\x00", b"GET " + b"x" * 60_000],
    ids=["silent", "half", "TLS", "endless"],
)
def test_a_client_that_dawdles_is_hung_up_on(
    metrics: Metrics, request_: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it sends or leaves out, its time is bounded, and the next client is answered."""
    monkeypatch.setattr(exporter, "_PATIENCE_SECONDS", 0.05)
    with capture_logs() as events, socket.create_connection(where(metrics)) as slow:
        slow.sendall(request_)
        assert "emosieve_build_info" in of(metrics).names
    assert [] == events


def test_a_client_that_sends_a_byte_at_a_time_is_hung_up_on(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time is that of the whole request, not of each byte."""
    monkeypatch.setattr(exporter, "_PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(exporter, "_HEAD_BYTES", 1 << 30)
    with socket.create_connection(where(metrics)) as slow:

        def is_hung_up_on() -> bool:
            try:
                slow.sendall(b"x")
            except OSError:
                return True
            return False

        until(is_hung_up_on)


def test_a_client_that_reads_nothing_is_hung_up_on(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that nobody takes is given up."""
    monkeypatch.setattr(exporter, "_PATIENCE_SECONDS", 0.05)
    metrics._findings.labels("x" * (32 << 20), "flag")  # more than a socket's buffers hold
    with socket.create_connection(where(metrics)) as deaf:
        deaf.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert b"HTTP" == deaf.recv(4)
        metrics._findings.clear()

        assert "emosieve_build_info" in of(metrics).names


def test_many_clients_cost_one_thread_and_one_descriptor(metrics: Metrics) -> None:
    """However many connect, the daemon keeps its descriptors for filing."""
    gc.collect()
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    clients = []
    try:
        for _ in range(50):
            client = socket.socket()
            client.setblocking(False)  # noqa: FBT003 - a connection that is not waited for
            client.connect_ex(where(metrics))
            clients.append(client)
        until(lambda: len(os.listdir("/proc/self/fd")) > descriptors + 50)

        assert descriptors + 51 >= len(os.listdir("/proc/self/fd"))
        assert threads == threading.active_count()
    finally:
        for client in clients:
            client.close()


def test_a_fault_in_a_scrape_is_told_once(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not fill the log, whoever asks how often, and ends no server."""
    with capture_logs() as events:
        with monkeypatch.context() as patch:
            patch.setattr(metrics, "collect", fails(ValueError("a fault")))
            for _ in range(3):
                with pytest.raises(RemoteDisconnected):
                    of(metrics)
        assert "emosieve_build_info" in of(metrics).names

    assert [("internal.error", "ValueError: a fault")] == [(one["event"], one["cause"]) for one in events]


def test_a_client_in_the_middle_of_its_request_holds_up_nobody(
    metrics: Metrics,
    root: Path,
    make_task: MakeTask,
    time_: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Meanwhile tasks are filed, and closing hangs up on it instead of waiting for its patience to end."""
    monkeypatch.setattr(exporter, "_PATIENCE_SECONDS", 3600.0)
    make_task()
    with socket.create_connection(where(metrics)) as slow:
        slow.sendall(b"GET /metrics")
        until(lambda: metrics._exporter._server._client is not None)
        flow_of(root, time_, metrics).step()
        assert 1 == len(read_log(root))
        metrics.close()
        assert b"" == slow.recv(1)


def test_the_real_daemon_is_scraped(root: Path, make_task: MakeTask) -> None:
    """It answers at its address from before the root is there until it ends, and its numbers are the log's."""
    listen = free_address()
    root.rmdir()
    with Watch(root, metrics__listen=listen) as watch:
        watch.wait_for("watch.waiting")
        assert {"waiting": 1} == scrape(listen).counted("emosieve_state", "state")
        root.mkdir()
        watch.wait_for("watch.ready")
        make_task("outputs_1")
        make_task("outputs_2", result_bytes(0.41))
        watch.wait_until(lambda: scraped(listen, "emosieve_tasks_total", verdict="low_quality"))
        watch.wait_until(lambda: scraped(listen, "emosieve_state", state="watching"))
        told = scrape(listen)
        assert 0 == watch.stop()
    with pytest.raises(ConnectionRefusedError):
        scrape(listen)

    verdicts = [event["verdict"] for event in read_log(root)]
    assert {verdict: verdicts.count(verdict) for verdict in set(verdicts)} == told.counted(
        "emosieve_tasks_total", "verdict"
    )
    assert len(verdicts) == told.value("emosieve_latency_seconds_count")


def test_a_client_does_not_keep_the_daemon_from_stopping(root: Path) -> None:
    """SIGTERM ends it in order although a connection is open and silent."""
    listen = free_address()
    host, port = listen.split(":")
    with Watch(root, metrics__listen=listen) as watch:
        watch.wait_for("watch.ready")
        with socket.create_connection((host, int(port))):
            assert 0 == watch.stop()


def test_a_daemon_that_cannot_listen_does_not_start(root: Path) -> None:
    """The taken port is a set-up error in one line, and nothing is made in the root."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run("watch", root, "--set", f"metrics.listen=127.0.0.1:{port}")

    assert 2 == ended.returncode
    assert f"metrics.listen = 127.0.0.1:{port}: Address already in use" in " ".join(ended.stderr.split())
    assert [] == os.listdir(root)


def test_another_address_needs_a_restart(root: Path, tmp_path: Path) -> None:
    """SIGHUP names the section, and the old address goes on answering."""
    first, second = free_address(), free_address()
    config = tmp_path / "emosieve.toml"
    config.write_text(f'[metrics]\nlisten = "{first}"\n')
    with Watch(root, "--config", str(config)) as watch:
        watch.wait_for("watch.ready")
        config.write_text(f'[metrics]\nlisten = "{second}"\n')
        watch.process.send_signal(signal.SIGHUP)
        assert ["metrics"] == watch.wait_for("settings.need_restart")["settings"]
        watch.wait_for("settings.reloaded")
        assert "emosieve_build_info" in scrape(first).names
        with pytest.raises(ConnectionRefusedError):
            scrape(second)
