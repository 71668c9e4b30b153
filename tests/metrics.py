"""What tests of the metrics share: an address for them, and what a scrape of it tells."""

import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from conftest import FakeTime
from emosieve.service.flow import Flow
from emosieve.service.meter import Meter
from emosieve.service.metrics import Metrics
from emosieve.settings import Settings

QUIET = 2.0


def free_address() -> str:
    """An address on the loopback at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@dataclass(frozen=True)
class Scrape:
    """What one scrape told."""

    text: str
    samples: tuple[Sample, ...]

    @property
    def names(self) -> set[str]:
        """Of all samples."""
        return {sample.name for sample in self.samples}

    def value(self, name: str, **labels: str) -> float:
        """Of the one sample of this name with exactly these labels."""
        (found,) = [one.value for one in self.samples if (one.name, one.labels) == (name, labels)]
        return found

    def by(self, name: str, *labels: str) -> dict[str | tuple[str, ...], float]:
        """All values of one name by the values of these labels; a single label stands for itself."""
        keyed = {}
        for sample in self.samples:
            if sample.name == name:
                key = tuple(sample.labels[label] for label in labels)
                keyed[key[0] if len(key) == 1 else key] = sample.value
        return keyed

    def counted(self, name: str, *labels: str) -> dict[str | tuple[str, ...], float]:
        """The same without what is 0."""
        return {key: value for key, value in self.by(name, *labels).items() if value}


def scrape(address: str) -> Scrape:
    """Ask for the metrics once.

    Raises:
        ConnectionRefusedError: nobody listens there.
    """
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
            text = answer.read().decode()
    except urllib.error.URLError as error:
        if isinstance(error.reason, OSError):
            raise error.reason from None
        raise
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return Scrape(text, tuple(samples))


def scraped(address: str, name: str, **labels: str) -> float:
    """One value of one scrape."""
    return scrape(address).value(name, **labels)


def settings_of(listen: str, **sections: Any) -> Settings:
    """Settings with metrics, which settle after ``QUIET`` seconds."""
    return Settings(metrics={"listen": listen}, settle={"quiet_seconds": QUIET}, **sections)


def flow_of(root: Path, time_: FakeTime, metrics: Meter, **settings: Any) -> Flow:
    """An opened flow that has listed its root and tells these metrics."""
    flow = Flow(str(root), Settings(**settings), clock=time_.clock, meter=metrics)
    flow.open()
    flow.scan()
    return flow


def address_of(metrics: Metrics) -> str:
    """Where these metrics are served."""
    host, port = metrics._exporter._server.server_address[:2]
    return f"{host!s}:{port}"


def of(metrics: Metrics) -> Scrape:
    """What a scrape of these metrics tells."""
    return scrape(address_of(metrics))
