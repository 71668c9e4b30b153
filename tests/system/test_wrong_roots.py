"""Folders that are no roots: whatever is typed, nothing is left in them."""

from pathlib import Path

import pytest

from conftest import MakeTask, names_in, result_bytes
from process import overrides, run

QUICK = overrides(settle__quiet_seconds=0.05)
FILED = "outputs_20240104_223000"


@pytest.fixture
def filed(root: Path, make_task: MakeTask) -> Path:
    """A root with a filed task."""
    make_task(FILED, result_bytes(0.3))
    assert 0 == run("sweep", root, *QUICK).returncode
    return root


@pytest.mark.parametrize("command", [["watch"], ["sweep"], ["reclassify"], ["report", "rebuild"]])
@pytest.mark.parametrize("wrong", ["normal", "low_quality", f"low_quality/{FILED}", "decisions.jsonl"])
def test_nothing_is_left_in_a_folder_that_is_no_root(filed: Path, command: list[str], wrong: str) -> None:
    """A folder of filed tasks, a task and a file are refused, and stay as they are."""
    before = {path: path.lstat().st_mtime_ns for path in filed.rglob("*") if ".emosieve" not in path.parts}
    if (command, wrong) == (["reclassify"], f"low_quality/{FILED}"):
        assert 0 == run(*command, filed / wrong).returncode  # which finds no folders in it
    elif (command, wrong) == (["watch"], "decisions.jsonl"):
        pass  # which waits for a folder of that name
    else:
        assert 2 == run(*command, filed / wrong, *QUICK).returncode

    assert before == {
        path: path.lstat().st_mtime_ns for path in filed.rglob("*") if ".emosieve" not in path.parts
    }
    assert [] == [path for path in filed.rglob(".emosieve") if path.parent != filed]


@pytest.mark.parametrize("command", ["watch", "sweep"])
def test_a_folder_of_a_root_without_decisions_is_no_root(root: Path, command: str) -> None:
    """Also where nothing was filed yet the parent is asked for."""
    (root / ".emosieve").mkdir()
    (root / "normal").mkdir()
    ended = run(command, root / "normal")

    assert 2 == ended.returncode
    assert f"{root}/normal is where the root {root} files its tasks; give its parent, {root}" in ended.stderr
    assert [] == names_in(root / "normal")


@pytest.mark.parametrize("command", ["watch", "sweep"])
def test_nothing_is_made_where_a_folder_will_not_do(root: Path, command: str, make_task: MakeTask) -> None:
    """A destination that will not do is said before the first lock is made."""
    make_task()
    (root / "quarantine").symlink_to(root)
    assert 2 == run(command, root, *QUICK).returncode

    assert [FILED, "quarantine"] == names_in(root)


def test_what_a_wrong_start_left_blinds_nobody(filed: Path) -> None:
    """A state directory in a folder of filed tasks or in a task hides the root from no command."""
    task = filed / "low_quality" / FILED
    for folder in (task, filed / "low_quality"):
        (folder / ".emosieve").mkdir()
        assert f'root": "{filed}"'.replace(" ", "") in run("explain", task, "--json").stdout.replace(" ", "")
    ended = run("stats", filed / "low_quality")
    assert (2, True) == (ended.returncode, "is a folder of filed tasks" in ended.stderr)
    assert 0 == run("restore", task).returncode
    assert [FILED] == names_in(filed / "normal")
