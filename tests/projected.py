"""What tests of the report share: events, and a log whose report is brought up to date after each append."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conftest import names_in
from emosieve.record.checkpoint import Reported
from emosieve.record.decisions import DecisionLog
from emosieve.record.report import Report

EVENTS = ("decided", "quarantined", "restored", "swept", "failed")


def event(number: int = 0, kind: str = "decided", day: int = 4) -> dict[str, Any]:
    """Any event of some day of January 2024."""
    body: dict[str, Any] = {"event": kind, "time": f"2024-01-{day:02}T22:30:00.{number:06}+08:00"}
    if kind == "swept":
        return body | {"started": body["time"], "tally": {}}
    body |= {
        "task": f"outputs_{number}",
        "verdict": "normal",
        "emotion": "sad",
        "confidence": 0.9,
        "gap": 0.8,
    }
    return body | {
        "reason": "is not JSON",
        "from": "a/x",
        "to": "b/x",
        "was": "low_quality",
        "decided": body["time"],
    }


def files_of(root: Path) -> dict[str, bytes]:
    """All report files with their bytes."""
    return {name: (root / name).read_bytes() for name in names_in(root) if name.startswith("quality_report")}


class Projected:
    """A log and its report, brought up to date after each append."""

    def __init__(self, root: Path, report: Report | None = None) -> None:
        self.log = DecisionLog(str(root))
        self.report = report or Report(str(root), "en")
        self.reported = Reported()

    def take(self, *events: dict[str, Any]) -> None:
        """Append and project."""
        with self.log.locked():
            self.log.append(events)
            self.reported = self.report.project(self.log, self.reported)

    def take_batches(self, batches: Sequence[Sequence[tuple[str, int]]]) -> None:
        """Append and project events of these kinds and days of January, batch after batch."""
        number = 0
        for batch in batches:
            number += len(batch)
            self.take(*[event(number + offset, kind, day) for offset, (kind, day) in enumerate(batch)])

    def rebuild(self) -> None:
        """Make the report anew."""
        with self.log.locked():
            reported = self.report.rebuild(self.log, self.reported)
        assert reported is not None
        self.reported = reported
