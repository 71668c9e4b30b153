"""A destination on a file system of its own is waited for where that is not mounted. Real mounts; needs root."""

import errno
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeTask, Mount, names_in, read_log, standing
from emosieve.destinations import DESTINATIONS, NOT_MOUNTED, Destination, missing_destination
from emosieve.intake import Intake
from emosieve.service.preflight import examine, heed
from emosieve.settings import Settings
from intakes import proposal_for
from process import Watch, overrides, run, run_as
from watching import bound

FIRST, SECOND = "outputs_1", "outputs_2"


@pytest.fixture
def disk(tmp_path: Path, mounted: Mount) -> Path:
    """A file system of its own, mounted."""
    point = tmp_path / "nas"
    point.mkdir()
    mounted("-t", "tmpfs", "tmpfs", point)
    return point


def intake_of(root: Path, normal: Path | str) -> Intake:
    """An intake of a root, opened as at a start."""
    intake = Intake(str(root), Settings(language="en", filing={"normal": str(normal)}))
    intake.open()
    return intake


def unmount(point: Path) -> None:
    """As an administrator does, or a reboot."""
    subprocess.run(["umount", point], check=True)


def refused(call: Any, path: Path) -> None:
    """It ends with an error that names the place and asks whether that is mounted."""
    with pytest.raises(OSError, match="not mounted") as caught:
        call()
    assert (errno.ENODEV, str(path)) == (caught.value.errno, caught.value.filename)


@pytest.mark.parametrize("starts_anew", [False, True], ids=["while it runs", "at the next start"])
def test_nothing_is_filed_below_a_mount_point(
    root: Path, make_task: MakeTask, disk: Path, mounted: Mount, *, starts_anew: bool
) -> None:
    """No folder is made, nothing is logged or moved; once it is mounted again all goes on."""
    intake = intake_of(root, disk / "normal")
    intake.commit([proposal_for(make_task(FIRST))])
    unmount(disk)
    proposal = proposal_for(make_task(SECOND))
    if starts_anew:
        refused(lambda: intake_of(root, disk / "normal"), disk / "normal")
    refused(lambda: intake.commit([proposal]), disk / "normal")

    assert ([], [SECOND], 1) == (names_in(disk), standing(root), len(read_log(root)))
    mounted("-t", "tmpfs", "tmpfs", disk)
    intake_of(root, disk / "normal").commit([proposal])
    assert [SECOND] == names_in(disk / "normal")


def test_what_is_remembered_is_on_the_disk(root: Path, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut after the first start must not let the next one make the folder below the mount point."""
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    intake_of(root, disk / "normal")

    assert f"{root}/{DESTINATIONS}.new" in synced


def test_an_empty_folder_at_its_place_is_another_one(root: Path, make_task: MakeTask, disk: Path) -> None:
    """The mount point's own disk may have a folder of that name, from before it was mounted over."""
    intake = intake_of(root, disk / "normal")
    unmount(disk)
    (disk / "normal").mkdir()
    proposal = proposal_for(make_task(FIRST))

    refused(lambda: intake.commit([proposal]), disk / "normal")


def test_a_mount_below_the_root_is_waited_for_as_well(
    root: Path, make_task: MakeTask, mounted: Mount
) -> None:
    """A folder with a single name may be a mount point, too."""
    (root / "normal").mkdir()
    mounted("-t", "tmpfs", "tmpfs", root / "normal")
    intake = intake_of(root, "normal")
    unmount(root / "normal")
    proposal = proposal_for(make_task(FIRST))

    refused(lambda: intake.commit([proposal]), root / "normal")


def test_a_folder_that_somebody_removed_is_made_again(root: Path, make_task: MakeTask, disk: Path) -> None:
    """Its file system is there: that was a person."""
    intake = intake_of(root, disk / "normal")
    intake.commit([proposal_for(make_task(FIRST))])
    shutil.rmtree(disk / "normal")
    intake.commit([proposal_for(make_task(SECOND))])

    assert [SECOND] == names_in(disk / "normal")


def test_the_operator_has_the_last_word(root: Path, make_task: MakeTask, disk: Path) -> None:
    """Without what is remembered the folder that stands there is the one that is meant."""
    intake_of(root, disk / "normal")
    unmount(disk)
    (root / DESTINATIONS).unlink()
    (disk / "normal").mkdir()
    intake_of(root, disk / "normal").commit([proposal_for(make_task(FIRST))])

    assert [FIRST] == names_in(disk / "normal")


def test_the_log_remembers_where_nothing_else_does(root: Path, make_task: MakeTask, disk: Path) -> None:
    """Tasks were filed there and it is gone: it is not made anew, unless somebody makes it."""
    intake_of(root, disk / "normal").commit([proposal_for(make_task(FIRST))])
    unmount(disk)
    (root / DESTINATIONS).unlink()

    refused(lambda: intake_of(root, disk / "normal"), disk / "normal")
    (disk / "normal").mkdir()
    intake_of(root, disk / "normal")


def test_a_first_start_makes_its_folders(root: Path, tmp_path: Path) -> None:
    """Where nothing was filed yet nothing is missed."""
    intake = intake_of(root, tmp_path / "elsewhere")

    assert missing_destination(intake.folders, intake.log.has_filed_into) is None
    assert (tmp_path / "elsewhere").is_dir()
    assert not (root / DESTINATIONS).exists()


def checked(root: Path, normal: Path) -> tuple[int, list[tuple[str, str, str | None]]]:
    """Status, and subject, message and hint of each error of ``emosieve check``, which says it once."""
    ended = run("check", root, "--json", *overrides(filing__normal=normal))
    lines = json.loads(ended.stdout)["lines"]
    assert "root may, but only" not in ended.stdout
    told = [(line["subject"], line["message"], line["hint"]) for line in lines if line["level"] == "error"]
    return ended.returncode, told


@pytest.mark.parametrize("below", ["normal", "results/normal"])
@pytest.mark.parametrize("is_remembered", [True, False])
def test_check_tells_what_is_not_mounted(
    root: Path, make_task: MakeTask, disk: Path, below: str, *, is_remembered: bool
) -> None:
    """With what to do, also where the folder's own parent is gone with the mount; mounted, it says nothing of it."""
    normal = disk / below
    normal.parent.mkdir(exist_ok=True)
    intake_of(root, normal).commit([proposal_for(make_task(FIRST))])
    assert (0, []) == checked(root, normal)
    unmount(disk)
    if not is_remembered:
        (root / DESTINATIONS).unlink()
    message = f"{normal} held tasks on another file system, which is not there now; not mounted?"
    command = f"rm -f {root}/.emosieve/destinations.json && mkdir -p {normal}"
    hint = f"mount it; or, if another folder is meant from now on: {command}"

    assert (2, [("filing.normal", message, hint)]) == checked(root, normal)
    subprocess.run(["sh", "-c", command], check=True)
    assert (0, []) == checked(root, normal)


def test_a_symlink_in_its_place_is_told_as_that(root: Path, make_task: MakeTask, disk: Path) -> None:
    """What must be set up otherwise comes before what is not mounted."""
    intake_of(root, disk / "normal").commit([proposal_for(make_task(FIRST))])
    unmount(disk)
    (disk / "normal").symlink_to(root)
    status, (told,) = checked(root, disk / "normal")

    assert (2, "filing.normal", True) == (status, told[0], f"is a symlink to {root}" in told[1])


def test_who_may_not_read_the_log_gets_every_other_answer(
    shared_root: Path, make_task: MakeTask, tmp_path: Path
) -> None:
    """Whether tasks were filed into a folder that is gone is then not known."""
    kept = tmp_path / "kept"
    kept.mkdir()
    intake_of(shared_root, kept / "normal").commit([proposal_for(make_task(FIRST))])
    shutil.rmtree(kept / "normal")
    (shared_root / "decisions.jsonl").chmod(0o600)
    ended = run_as(65534, "check", shared_root, "--json", *overrides(filing__normal=kept / "normal"))
    told = {line["subject"]: line["message"] for line in json.loads(ended.stdout)["lines"]}

    assert "held tasks" not in told["filing.normal"]
    assert 2 == ended.returncode


def test_check_tells_of_a_destination_that_fails(root: Path, make_task: MakeTask, tmp_path: Path) -> None:
    """Of a dead mount nothing can be known: the system's word is told, and a start waits for it."""
    lower, point = tmp_path / "lower", tmp_path / "point"
    lower.mkdir()
    point.mkdir()
    with bound(lower, point) as server:
        intake_of(root, point / "normal").commit([proposal_for(make_task(FIRST))])
        server.kill()
        server.wait()
        settings = Settings(filing={"normal": str(point / "normal")})
        (line,) = (line for line in examine(str(root), settings) if line.level == "error")

    cause = "Transport endpoint is not connected"
    assert ("filing.normal", f"{point}/normal cannot be looked at: {cause}") == (
        line.subject,
        str(line.message),
    )
    with pytest.raises(OSError, match=cause):
        heed([line])


@pytest.mark.parametrize("below", ["normal", "results/normal"])
def test_a_start_waits_for_the_mount(
    root: Path, make_task: MakeTask, disk: Path, mounted: Mount, below: str
) -> None:
    """It goes on as soon as that is there; a sweep ends with status 1 and says what to do; nothing is made."""
    normal = disk / below
    normal.parent.mkdir(exist_ok=True)
    intake_of(root, normal).commit([proposal_for(make_task(FIRST))])
    unmount(disk)
    make_task(SECOND)
    options = overrides(filing__normal=normal, settle__quiet_seconds=0.05, language="en")
    swept = run("sweep", root, *options)
    assert (1, True) == (swept.returncode, "not there now; not mounted?" in swept.stderr)
    with Watch(root, *options) as watch:
        blocked = watch.wait_for("watch.blocked")
        assert f"ENODEV: {NOT_MOUNTED}: {normal}" == blocked["cause"]
        assert ([], [SECOND]) == (names_in(disk), standing(root))
        mounted("-t", "tmpfs", "tmpfs", disk)
        normal.parent.mkdir(exist_ok=True)
        watch.wait_for("task.filed", task=SECOND)
        watch.stop()

    assert [SECOND] == names_in(normal)


BEFORE = Destination(1, 2, 3, "/mnt/nas")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (Destination(1, 2, 0, "/"), True),
        (Destination(1, 0, 0, "/"), False),
        (Destination(7, 2, 0, "/"), False),
        (Destination(7, 8, 3, "/"), True),
        (Destination(7, 8, 4, "/"), False),
        (Destination(7, 8, 4, "/mnt/nas"), True),
    ],
    ids=str,
)
def test_a_destination_is_back(now: Destination, *, expected: bool) -> None:
    """The same folder as a sandbox sees it, one of the same file system, or another that is mounted there."""
    assert expected is BEFORE.is_back(now)


def test_what_is_not_told_proves_nothing() -> None:
    """Zero stands for a birth time or a file system's number that is not known."""
    assert not Destination(1, 0, 0, "/mnt/nas").is_back(Destination(1, 0, 0, "/"))
