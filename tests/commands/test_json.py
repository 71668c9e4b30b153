"""The answers for programs: one JSON document on stdout, the same whatever the language."""

import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeTask, names_in, result_bytes
from emosieve.commands import cli
from process import overrides, run

QUICK = overrides(settle__quiet_seconds=0.05)


@pytest.fixture
def filed(root: Path, make_task: MakeTask) -> Path:
    """A root with one normal task of confidence 0.7 and one of low quality."""
    make_task("outputs_1", result_bytes(0.7))
    make_task("outputs_2", result_bytes(0.4))
    assert 0 == run("sweep", root, *QUICK).returncode
    return root


def answer(*arguments: str | Path, status: int = 0) -> Any:
    """The document of a command, asked in Chinese: it is in English all the same."""
    ended = run(*arguments, "--json", EMOSIEVE_LANGUAGE="zh")
    assert status == ended.returncode, ended.stderr
    return json.loads(ended.stdout)


def test_a_sweep(root: Path, make_task: MakeTask) -> None:
    """Counts, the share that was rejected, where the report is, and what still stands."""
    make_task("outputs_1", result_bytes(0.3))
    make_task("outputs_2")
    make_task("outputs_3")
    (root / "outputs_4").mkdir()
    document = answer("sweep", root, *QUICK, status=1)

    assert 0 <= document.pop("seconds") < 300
    assert {
        "schema": 1,
        "root": str(root),
        "dry_run": False,
        "normal": 2,
        "low_quality": 1,
        "quarantined": 0,
        "rejection_rate": 0.333333,
        "joined": 0,
        "failed": 0,
        "stopped": False,
        "report": f"{root}/quality_report.txt",
        "left": [{"task": "outputs_4", "reason": "no_result", "message": "no result yet"}],
    } == document


def test_a_dry_sweep(root: Path, make_task: MakeTask) -> None:
    """The same keys without a report, and nothing is moved."""
    make_task("outputs_1")
    document = answer("sweep", root, "--dry-run", *QUICK)

    assert (True, 1, 0.0, None) == tuple(
        document[key] for key in ("dry_run", "normal", "rejection_rate", "report")
    )
    assert ["outputs_1"] == names_in(root)


def test_an_empty_sweep(root: Path) -> None:
    """Without a task there is no rejection rate."""
    document = answer("sweep", root)

    assert (0, None, None) == (document["normal"], document["rejection_rate"], document["report"])


def test_a_restoration(filed: Path) -> None:
    """Each move with the task and both of its places."""
    move = {
        "task": "outputs_2",
        "from": f"{filed}/low_quality/outputs_2",
        "to": f"{filed}/normal/outputs_2",
    }

    assert {"schema": 1, "moved": [move], "failed": []} == answer(
        "restore", filed / "low_quality" / "outputs_2"
    )


def test_a_reclassification(filed: Path) -> None:
    """How many were judged, the moves, and why others were left alone."""
    restored = run("restore", filed / "low_quality" / "outputs_2")
    assert 0 == restored.returncode
    move = {
        "task": "outputs_1",
        "from": f"{filed}/normal/outputs_1",
        "to": f"{filed}/low_quality/outputs_1",
    }
    expected = {
        "schema": 1,
        "root": str(filed),
        "judged": 2,
        "left_alone": {"restored": 1, "reviewed": 0, "unlogged": 0},
        "moved": [move],
        "failed": [],
    }
    stricter = ["--set", "rules.min_gap=0.5"]

    assert expected | {"dry_run": True} == answer("reclassify", filed, *stricter, "--dry-run")
    assert expected | {"dry_run": False} == answer("reclassify", filed, *stricter)


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["restore", "{root}/low_quality/outputs_2"], "low_quality/outputs_2"),
        (["reclassify", "{root}", "--set", "rules.min_gap=0.5"], "normal/outputs_1"),
    ],
)
def test_a_move_that_fails(
    filed: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    place: str,
) -> None:
    """A task that cannot be moved stands in the document with its cause, and the status is 1."""

    def deny(*_arguments: object, **_more: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.rename", deny)
    command = [one.format(root=filed) for one in arguments]
    monkeypatch.setattr(sys, "argv", ["emosieve", *command, "--json"])
    with pytest.raises(SystemExit) as ended:
        cli.run()

    document = json.loads(capsys.readouterr().out)
    cause = "EPERM: Operation not permitted"
    failure = {"task": place.rpartition("/")[2], "path": f"{filed}/{place}", "cause": cause}
    assert (1, [], [failure]) == (ended.value.code, document["moved"], document["failed"])


def test_the_settings() -> None:
    """Every setting with its value as JSON has it, and its origin in English."""
    document = answer("config", "show", "/data", "--profile", "customer_service")
    rows = {row["key"]: (row["value"], row["origin"]) for row in document["settings"]}

    assert 1 == document["schema"]
    assert ("/data", "command line") == rows["root"]
    assert ("zh", "environment") == rows["language"]
    assert (0.7, "profile customer_service") == rows["rules.min_confidence"]
    assert (["result.json"], "default") == rows["settle.require"]


def test_a_rebuilt_report(filed: Path) -> None:
    """The path of the report."""
    expected = {"schema": 1, "report": f"{filed}/quality_report.txt"}

    assert expected == answer("report", "rebuild", filed)


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["stats"],
        ["check"],
        ["reclassify", "--dry-run"],
        ["sweep", "--dry-run"],
        ["config", "show"],
    ],
    ids="-".join,
)
def test_a_root_that_is_no_utf8(arguments: list[str], tmp_path: Path) -> None:
    """A root whose name is in another encoding is answered for, with its bytes as escapes."""
    root = tmp_path / os.fsdecode(b"\xff\xfe")
    root.mkdir()

    assert "\\udcff\\udcfe" in str(answer(*arguments, root)).replace("\\\\", "\\")
    assert 0 == run(*arguments, root).returncode


@pytest.mark.parametrize("command", ["explain", "status"])
def test_what_a_terminal_must_not_see_is_escaped(command: str, filed: Path) -> None:
    """A mark that turns the direction of text, in an edited line of the log, is an escape in JSON."""
    log = filed / "decisions.jsonl"
    lines = [line for line in log.read_bytes().splitlines(keepends=True) if b"outputs_2" in line]
    (edited,) = [line.replace(b'"time":"', b'"time":"\xe2\x80\xae') for line in lines]
    log.write_bytes(edited)
    ended = run(command, filed / "low_quality/outputs_2" if command == "explain" else filed, "--json")

    assert "\u202e" not in ended.stdout
    assert "\\u202e2" in ended.stdout


def test_json_is_utf8_in_any_locale(tmp_path: Path) -> None:
    """The bytes of a document do not depend on the locale's encoding."""
    root = tmp_path / "输出"
    root.mkdir()

    assert str(root) == json.loads(run("status", root, "--json", PYTHONIOENCODING="gbk").stdout)["root"]
