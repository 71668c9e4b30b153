"""Which folders are refused as the root, with which one instead, and which are accepted."""

from pathlib import Path

import pytest

from emosieve.service.preflight.root import about_root, misplaced
from emosieve.service.preflight.site import visit
from emosieve.settings import Settings
from process import run

TASK = "outputs_20240104_223000"


def make(folder: Path, *paths: str) -> Path:
    """Make folders, which end in a slash, and files."""
    for path in paths:
        place = folder / path
        if path.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
    return folder


def refusal(root: Path) -> tuple[str, str] | None:
    """What is said of a root that is refused, and what to do."""
    lines = misplaced(str(root), Settings())
    return (str(lines[0].message), str(lines[0].hint)) if lines else None


@pytest.mark.parametrize(
    ("paths", "meant"),
    [
        (["app.py", "requirements.txt", "outputs/"], "outputs"),
        (["outputs/"], "outputs"),
        (["models/", "outputs/"], "outputs"),
        ([f"outputs/{TASK}/"], "outputs"),
        ([f"results/{TASK}/"], "results"),
        (["results/decisions.jsonl"], "results"),
        ([f"webui/outputs/{TASK}/"], "webui/outputs"),
        (["webui/app.py", "webui/outputs/"], "webui/outputs"),
    ],
)
def test_a_folder_above_the_outputs_is_refused(tmp_path: Path, paths: list[str], meant: str) -> None:
    """Tasks, a decision log, or the very name of the WebUI's outputs below it tell which folder was meant."""
    refused = refusal(make(tmp_path / "place", *paths))

    assert refused is not None
    assert f"give {tmp_path}/place/{meant} as the root" == refused[1]
    assert f"{tmp_path}/place/{meant}" in refused[0]


@pytest.mark.parametrize("name", ["app.py", "webui.py", "run.sh", "requirements.txt"])
def test_the_folder_of_the_program_is_refused_before_its_outputs_exist(tmp_path: Path, name: str) -> None:
    """The WebUI makes its outputs folder at the first recognition; until then its program tells where."""
    refused = refusal(make(tmp_path, name))

    assert (
        f"{tmp_path} holds a program ({name}), and no outputs_*",
        f"give {tmp_path}/outputs as the root; watch waits until the WebUI makes it",
    ) == refused


@pytest.mark.parametrize(
    ("paths", "root"),
    [
        ([f"normal/{TASK}/", "decisions.jsonl"], "normal"),
        ([f"normal/{TASK}/", ".emosieve/"], "normal"),
        (["quarantine/", "decisions.jsonl"], "quarantine"),
        (["low_quality/", "normal/"], "low_quality"),
        ([f"normal/{TASK}/", f"{TASK}/"], "normal"),
        ([f"normal/{TASK}/result.json", "decisions.jsonl"], f"normal/{TASK}"),
        ([".emosieve/"], ".emosieve"),
        ([".emosieve/removing/x/"], ".emosieve/removing/x"),
        ([f"{TASK}/result.json"], TASK),
        ([f"{TASK}/processed_audio.wav"], TASK),
        ([f"{TASK}/"], TASK),
        (["renamed/result.json"], "renamed"),
        (["outputs_by_hand/", "decisions.jsonl"], "outputs_by_hand"),
    ],
)
def test_a_folder_within_the_outputs_is_refused(tmp_path: Path, paths: list[str], root: str) -> None:
    """A task, a destination and emosieve's own folder lead to the root that they are in."""
    refused = refusal(make(tmp_path, *paths) / root)

    assert refused is not None
    assert refused[1] in {f"give its parent, {tmp_path}", f"give {tmp_path} as the root"}


@pytest.mark.parametrize(
    ("paths", "root", "file", "meant"),
    [
        (["file"], "file", "file", None),
        (["file"], "file/outputs", "file", None),
        (["app.py", "outputs/"], "app.py", "app.py", "outputs"),
        (["outputs/notes.txt"], "outputs/notes.txt", "outputs/notes.txt", "outputs"),
        (["kept/decisions.jsonl"], "kept/decisions.jsonl", "kept/decisions.jsonl", "kept"),
        (["outputs/a/result.json"], "outputs/a/result.json", "outputs/a/result.json", "outputs"),
    ],
)
def test_a_file_is_refused(tmp_path: Path, paths: list[str], root: str, file: str, meant: str | None) -> None:
    """A file never becomes a folder, so it is not waited for; nor is what would lie below it."""
    refused = refusal(make(tmp_path, *paths) / root)
    hint = f"give {tmp_path}/{meant} as the root" if meant else "give the WebUI's outputs folder"

    assert (f"{tmp_path}/{file} is not a directory", hint) == refused


@pytest.mark.parametrize(
    ("paths", "root"),
    [
        (["outputs/"], "outputs"),
        (["any name/"], "any name"),
        (["normal/"], "normal"),
        (["outputs_prod/"], "outputs_prod"),
        (["x/lost+found/", "x/archive/notes.txt"], "x"),
        (["x/normal/", "x/low_quality/", "x/quarantine/"], "x"),
        ([f"x/normal/{TASK}/", f"x/low_quality/{TASK}/"], "x"),
        ([f"x/{TASK}/", "x/app.py", "x/outputs/"], "x"),
        (["x/decisions.jsonl", "x/app.py", f"x/old/{TASK}/"], "x"),
        ([f"outputs/put_aside/{TASK}/"], "outputs"),
        ([], "not_yet"),
    ],
)
def test_what_may_be_a_root_is_accepted(tmp_path: Path, paths: list[str], root: str) -> None:
    """An empty folder of any name is one, so is whatever holds tasks or a decision log, or is yet to come."""
    assert None is refusal(make(tmp_path, *paths) / root)


def test_tasks_put_aside_in_the_outputs_are_a_warning(tmp_path: Path) -> None:
    """A folder that is called outputs is believed, and what looks odd is said all the same."""
    line = about_root(visit(str(make(tmp_path, f"outputs/old/{TASK}/") / "outputs"), Settings()))

    assert ("warning", f"give {tmp_path}/outputs/old as the root") == (line.level, str(line.hint))


def test_a_link_that_leads_nowhere_is_waited_for(tmp_path: Path) -> None:
    """What it leads to may be mounted later."""
    (tmp_path / "outputs").symlink_to(tmp_path / "later")

    assert None is refusal(tmp_path / "outputs")


@pytest.mark.parametrize("command", ["watch", "sweep"])
@pytest.mark.parametrize(
    ("paths", "root"), [(["app.py", "outputs/"], "."), ([f"{TASK}/result.json"], TASK), (["f"], "f")]
)
def test_nothing_is_made_where_the_root_is_refused(
    tmp_path: Path, command: str, paths: list[str], root: str
) -> None:
    """The command ends with status 2, and the folder is as it was."""
    make(tmp_path, *paths)
    before = sorted(tmp_path.rglob("*"))
    ended = run(command, tmp_path / root)

    assert 2 == ended.returncode
    assert "as the root" in ended.stderr or "give" in ended.stderr
    assert before == sorted(tmp_path.rglob("*"))
