"""What must hold of a root after any fault: every task in one place, decided once, reported once."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from conftest import names_in, read_log, standing
from process import overrides
from steps import command

FOLDERS = ("normal", "low_quality", "quarantine")
_ENTRY = re.compile(r"^\[(outputs_[^]]+)\]$", re.MULTILINE)


def assert_all_is_accounted_for(
    root: Path,
    tasks: Iterable[str],
    settings: Mapping[str, object] | None = None,
    folders: Sequence[str | Path] = FOLDERS,
) -> None:
    """Every task is in exactly one place, has one decision that stands, and nothing else is there.

    The report has one entry for each decision, and for each move by hand.

    Args:
        root: the root, which no daemon works on any more.
        tasks: names of all directories that were ever written, each once, and all with a result by which
            they are filed under their own name.
        settings: with which the daemon ran; the report is rebuilt by them, and must not change a byte.
        folders: where they may stand: names under the root, or absolute.
    """
    expected = sorted(tasks)
    assert expected == sorted(name for folder in folders for name in names_in(root / folder))
    assert [] == standing(root)
    assert Counter(expected) == decisions_of(root)
    reports = sorted(root.glob("quality_report*.txt"))
    told = Counter(name for report in reports for name in _ENTRY.findall(report.read_text("utf-8")))
    assert _tasks_of(root, {"decided", "quarantined"}) + moves_of(root) == told
    assert_nothing_is_left_over(root, folders)
    assert_report_is_a_projection(root, settings)


def decisions_of(root: Path) -> Counter[str]:
    """How many decisions of each task stand: one that is superseded, or sent back to the inbox, is taken back."""
    back = [event["task"] for event in read_log(root) if "supersedes" in event or _is_sent_back(event)]
    return _tasks_of(root, {"decided", "quarantined"}) - Counter(back)


def moves_of(root: Path) -> Counter[str]:
    """How often each task was moved by restore or reclassify."""
    return _tasks_of(root, {"restored", "reclassified"})


def _is_sent_back(event: Mapping[str, Any]) -> bool:
    return event["event"] == "restored" and "/" not in event["to"]


def _tasks_of(root: Path, kinds: Collection[str]) -> Counter[str]:
    """How many events of these kinds each task has."""
    return Counter(event["task"] for event in read_log(root) if event["event"] in kinds)


def assert_nothing_is_left_over(root: Path, folders: Sequence[str | Path] = FOLDERS) -> None:
    """No half copy, nothing on its way out, no torn line and no file written aside."""
    hidden = [
        f"{folder}/{name}" for folder in (".", *folders) for name in names_in(root / folder) if name[0] == "."
    ]
    assert ["./.emosieve"] == hidden
    state = names_in(root / ".emosieve")
    assert {"checkpoint", "destinations.json", "intake.lock", "log.lock"} >= set(state), state
    assert all(path.read_bytes()[-1:] in {b"", b"\n"} for path in root.glob("decisions*.jsonl"))


def assert_report_is_a_projection(root: Path, settings: Mapping[str, object] | None = None) -> None:
    """``report rebuild`` gives the same files, byte for byte."""
    before = {path.name: path.read_bytes() for path in root.glob("quality_report*.txt")}
    ended = command(["report", "rebuild", str(root), *overrides(**(settings or {}))])
    assert ended.status == 0, ended.output
    assert before == {path.name: path.read_bytes() for path in root.glob("quality_report*.txt")}


def contents_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its path within, with its bytes."""
    return {
        os.path.relpath(os.path.join(parent, name), folder): Path(parent, name).read_bytes()
        for parent, _, names in os.walk(folder)
        for name in names
    }
