"""Commands beside a daemon: what concerns the root goes by the settings in force there, not by the shell's."""

from pathlib import Path

import pytest

from conftest import MakeTask, names_in, result_bytes
from process import run

NAME = "outputs_20240104_223000"


@pytest.mark.parametrize("command", ["restore", "reclassify"])
def test_without_a_daemon_the_report_keeps_its_layout(root: Path, make_task: MakeTask, command: str) -> None:
    """A shell with another language and size adds its entry to the report as it stands."""
    for number in range(40):
        make_task(f"outputs_20240104_2230{number:02}", result_bytes(0.7))
    small = ("--set", "report.rotate_bytes=4096", "--set", "settle.quiet_seconds=0.001")
    assert 0 == run("sweep", root, *small, EMOSIEVE_LANGUAGE="zh").returncode
    before = {path.name: path.read_bytes() for path in root.glob("quality_report*")}
    assert 1 < len(before)

    task = root / "normal" / "outputs_20240104_223007"
    asked = [task] if command == "restore" else [root, "--set", "rules.min_confidence=0.8"]
    assert 0 == run(command, *asked, "--set", "report.keep=1").returncode
    after = {path.name: path.read_bytes() for path in root.glob("quality_report*")}
    rotated = {name for name in before if name != "quality_report.txt"}
    assert {name: before[name] for name in rotated} == {name: after[name] for name in rotated}
    assert names_in(root / "low_quality")
    assert {True} == {data.startswith("emosieve 质量报告".encode()) for data in after.values()}
