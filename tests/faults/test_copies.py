"""A destination on another file system, which fills up, turns read-only, or is slow when the daemon must stop."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from aftermath import assert_all_is_accounted_for
from conftest import MakeTask, Mount, names_in, read_log, result_bytes
from process import Watch
from troubles import fill, injecting, remount, wait_for_status

AUDIO = {"processed_audio.wav": bytes(200_000)}


@pytest.fixture
def elsewhere(tmp_path: Path, mounted: Mount) -> Path:
    """A destination on a file system of its own, of 1 MB."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    mounted("-t", "tmpfs", "-o", "size=1m", "tmpfs", elsewhere)
    return elsewhere


@pytest.fixture
def settings(elsewhere: Path) -> dict[str, object]:
    """Normal tasks go there."""
    return {"filing__normal": str(elsewhere), "watch__rescan_seconds": 0.5}


@pytest.fixture
def watch(root: Path, settings: dict[str, object]) -> Iterator[Watch]:
    """A daemon that is at work."""
    with Watch(root, **settings) as watch:
        watch.wait_for("watch.ready")
        yield watch


def assert_told(watch: Watch, root: Path, code: str, elsewhere: Path) -> None:
    """The log says why a task is not moved, by the place that the operator knows, and so does the status."""
    told = watch.wait_for("task.failed", task="outputs_1")
    words, _, path = told["cause"].rpartition(": ")
    assert words.startswith(f"{code}: ")
    assert Path(path) == elsewhere or elsewhere / "outputs_1" in [Path(path), *Path(path).parents]
    wait_for_status(watch, root, code=code, cause=f"outputs_1: {told['cause']}", reasons={"not_moved": 1})


def test_a_full_destination_holds_its_own_tasks_back(
    root: Path, elsewhere: Path, watch: Watch, settings: dict[str, object], make_task: MakeTask
) -> None:
    """While there is no room for a copy no part of it stays and other tasks are filed; with room it is filed."""
    ballast = fill(elsewhere, leave=100_000)
    make_task("outputs_1", files=AUDIO)
    make_task("outputs_2", result_bytes(0.3), files=AUDIO)
    assert_told(watch, root, "ENOSPC", elsewhere)
    watch.wait_until(lambda: ["outputs_2"] == names_in(root / "low_quality"))
    assert ["ballast"] == names_in(elsewhere)
    assert [*AUDIO, "result.json"] == names_in(root / "outputs_1")

    ballast.unlink()
    watch.wait_for("task.filed", task="outputs_1")
    assert 0 == watch.stop()
    folders = (elsewhere, "low_quality", "quarantine")
    assert_all_is_accounted_for(root, ["outputs_1", "outputs_2"], settings, folders)


def test_a_destination_can_be_remounted_read_only(
    root: Path,
    elsewhere: Path,
    watch: Watch,
    make_task: MakeTask,
) -> None:
    """Between two copies no file is held open for writing there; writable again, the task that waits is filed."""
    make_task("outputs_0", files=AUDIO)
    watch.wait_for("task.filed")
    remount(elsewhere, "ro")
    make_task("outputs_1", files=AUDIO)
    assert_told(watch, root, "EROFS", elsewhere)

    remount(elsewhere, "rw")
    watch.wait_for("task.filed", task="outputs_1")
    assert 0 == watch.stop()
    assert ["outputs_0", "outputs_1"] == names_in(elsewhere)
    assert ["decided", "decided", "failed"] == [event["event"] for event in read_log(root)]


def test_a_stop_is_heard_in_the_middle_of_a_copy(root: Path, tmp_path: Path, mounted: Mount) -> None:
    """A stop in a copy of minutes ends it and leaves no part of it; the next run files the task, decided once."""
    elsewhere = tmp_path / "large"
    elsewhere.mkdir()
    mounted("-t", "tmpfs", "-o", "size=600m", "tmpfs", elsewhere)
    settings: dict[str, object] = {"filing__normal": str(elsewhere)}
    device, uid = root.stat(), os.geteuid()
    staging = elsewhere / f".emosieve-staging-{device.st_dev:x}-{device.st_ino:x}-{uid}" / "outputs_1"
    with Watch(root, **settings) as watch:
        watch.wait_for("watch.ready")
        # Each of a hundred and more writes takes two seconds: longer than anybody waits for the stop.
        with injecting(watch, "write", "delay_enter=2000000", staging / "embedding.npy"):
            (root / "outputs_1").mkdir()
            with (root / "outputs_1" / "embedding.npy").open("wb") as file:
                file.truncate(500_000_000)
            (root / "outputs_1" / "result.json").write_bytes(result_bytes())
            watch.wait_until((staging / "embedding.npy").exists)
            assert 0 == watch.stop()
    assert ([], ["embedding.npy", "result.json"]) == (names_in(elsewhere), names_in(root / "outputs_1"))
    assert ["decided"] == [event["event"] for event in read_log(root)]

    with Watch(root, **settings) as watch:
        watch.wait_for("task.filed", task="outputs_1")
        assert 0 == watch.stop()
    assert_all_is_accounted_for(root, ["outputs_1"], settings, (elsewhere, "low_quality", "quarantine"))
