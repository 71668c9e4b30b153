"""What check finds before it is too late."""

import errno
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeTask
from emosieve.service.preflight import Line, examine, worst
from emosieve.service.preflight import site as site_module
from emosieve.service.preflight.site import Site, visit
from emosieve.service.preflight.tasks import about_births, about_required, about_writers, is_movable
from emosieve.service.preflight.watching import about_events, about_inotify
from emosieve.settings import Settings
from emosieve.watch import wakeups
from emosieve.watch.filesystem import birth_time_ns


def lines_of(root: Path, **settings: Any) -> dict[str, Line]:
    """The lines by subject; of several about one the worst."""
    found: dict[str, Line] = {}
    for line in examine(str(root), Settings(**settings)):
        if line.subject not in found or worst([line]) == "error":
            found[line.subject] = line
    return found


def test_a_good_root_is_all_ok(root: Path, make_task: MakeTask) -> None:
    """Where everything is as it should be, every line says ok, and nothing is written."""
    make_task()
    lines = examine(str(root), Settings())

    assert {"ok"} == {line.level for line in lines}
    assert "1 outputs_* standing" in str(lines[0].message)
    assert ["outputs_20240104_223000"] == os.listdir(root)


def test_a_missing_root_is_an_error(root: Path) -> None:
    """A path that does not exist, or is a file, is named."""
    (root / "file").touch()

    assert "does not exist" in str(lines_of(root / "nowhere")["root"].message)
    assert "is not a directory" in str(lines_of(root / "file")["root"].message)
    assert "error" == worst(examine(str(root / "nowhere"), Settings()))


def test_a_root_one_level_too_high_is_an_error(root: Path, make_task: MakeTask) -> None:
    """Where the tasks stand one folder below, that folder and their number are named."""
    make_task()
    (root.parent / "broken").symlink_to("nowhere")
    line = lines_of(root.parent)["root"]

    assert ("error", f"no outputs_* here, but 1 in {root}") == (line.level, str(line.message))
    assert f"give {root} as the root" == str(line.hint)


def test_a_folder_that_cannot_be_looked_into_is_passed_over(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While looking for a better root, a folder without permission does not stop the check."""
    (root / "closed").mkdir()
    scandir = os.scandir

    def deny(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)

    assert f"{root}: no outputs_* yet" == str(lines_of(root)["root"].message)


def test_a_root_one_level_too_low_is_an_error(make_task: MakeTask) -> None:
    """A task given as the root is told to be one."""
    task = make_task()
    line = lines_of(task)["root"]

    assert ("error", f"give its parent, {task.parent}") == (line.level, str(line.hint))


def test_a_root_that_cannot_be_listed_is_an_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without permission to list there is nothing more to ask."""

    def deny(_path: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "scandir", deny)
    (line,) = examine(str(root), Settings())

    assert ("error", True) == (line.level, "cannot be listed" in str(line.message))


def test_a_symlinked_folder_is_an_error_that_names_its_target(root: Path, tmp_path: Path) -> None:
    """A destination that is a symlink is refused, with what to write instead."""
    (root / "normal").symlink_to(tmp_path)
    line = lines_of(root)["filing.normal"]

    assert "error" == line.level
    assert f"is a symlink to {tmp_path}; write {tmp_path} in [filing]" in str(line.message)


@pytest.mark.parametrize("below", ["", "/normal", "/a/b"])
def test_an_absolute_folder_inside_the_root_is_an_error(root: Path, below: str) -> None:
    """Under the root a folder is a single name: its absolute path would be logged as another place."""
    line = lines_of(root, filing={"normal": f"{root}{below}"})["filing.normal"]

    assert "error" == line.level
    assert "lies inside the root; write a single name such as" in str(line.message)


def test_a_folder_whose_parent_is_missing_is_an_error(root: Path, tmp_path: Path) -> None:
    """A destination elsewhere needs its parent."""
    line = lines_of(root, filing={"normal": str(tmp_path / "no" / "good")})["filing.normal"]

    assert ("error", f"{tmp_path / 'no'} does not exist") == (line.level, str(line.message))


def test_two_folders_that_are_one_are_an_error(root: Path, tmp_path: Path) -> None:
    """Two ways to write one folder would mix verdicts; both are named."""
    (root / "normal").mkdir()
    (tmp_path / "way").symlink_to(tmp_path)
    (tmp_path / "kept").mkdir()
    folders = {"low_quality": f"{tmp_path}/kept", "quarantine": f"{tmp_path}/way/kept"}
    line = lines_of(root, filing=folders)["filing.quarantine"]

    assert "error" == line.level
    assert f"{tmp_path}/way/kept and {tmp_path}/kept are one folder" == str(line.message)


@pytest.mark.parametrize("mode", ["polling", "native"])
def test_the_mode_is_said(root: Path, mode: str) -> None:
    """Whether events or listings tell of new tasks, and why."""
    events = lines_of(root, watch={"mode": mode})["events"]

    assert f"{mode}: watch.mode is {mode}" == str(events.message)


def test_a_reached_limit_is_a_warning_with_its_value(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the kernel has no instance left, the sysctl is named; the check goes on."""

    def refuse() -> None:
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    monkeypatch.setattr(wakeups, "Observer", refuse)
    line = lines_of(root)["events"]

    assert "warning" == line.level
    assert "fs.inotify.max_user_instances = " in str(line.message)


def test_a_file_system_that_hides_writers_is_a_warning() -> None:
    """Where writers need not be on this machine the quiet time alone decides, and that is said."""
    line = about_writers(Site("/proc", Settings(), []))

    assert ("warning", "proc does not tell who writes; the quiet time alone tells that nobody writes") == (
        line.level,
        str(line.message),
    )


def test_a_file_system_without_birth_times_is_a_warning(tmp_path: Path) -> None:
    """There a reused directory is told by less, which is said; where they are told there is nothing to say."""
    (line,) = about_births(Site("/proc", Settings(), []))

    assert ("warning", "writers") == (line.level, line.subject)
    assert str(line.message).startswith(
        "proc keeps no birth times: whether two recognitions share a directory"
    )
    descriptor = os.open(tmp_path, os.O_RDONLY)
    told = birth_time_ns(descriptor)
    os.close(descriptor)
    assert bool(told) == (not list(about_births(Site(str(tmp_path), Settings(), []))))


@pytest.mark.parametrize(("mode", "level"), [("auto", "ok"), ("polling", "ok"), ("native", "warning")])
def test_native_events_where_there_may_be_none_are_a_warning(mode: str, level: str) -> None:
    """Left to itself emosieve polls such a file system; whoever insists on events is told what that means."""
    settings = Settings(watch={"mode": mode})
    line = about_events(Site("/proc", settings, []))

    assert level == line.level
    assert "proc may be written without an event" in str(line.message) or mode == "polling"


def test_without_events_inotify_is_not_asked(root: Path) -> None:
    """Where emosieve polls nobody need count."""
    settings = Settings(watch={"mode": "polling"})

    assert [] == list(about_inotify(visit(str(root), settings)))


@pytest.mark.parametrize(("error", "level"), [(errno.EOPNOTSUPP, "warning"), (errno.EWOULDBLOCK, "ok")])
def test_locks_are_tried(root: Path, monkeypatch: pytest.MonkeyPatch, error: int, level: str) -> None:
    """A file system without locks is warned of; a lock that somebody holds proves that there are some."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("fcntl.flock", refuse)

    assert level == lines_of(root)["locks"].level


def test_off_linux_only_root_may_ignore_a_sticky_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc the uid decides."""

    def missing(*_arguments: object, **_more: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", missing)

    assert (os.geteuid() == 0) == site_module.has_fowner()


def test_a_task_that_goes_meanwhile_is_not_stuck(root: Path) -> None:
    """A task deleted during the check is no problem."""
    assert is_movable(str(root / "gone"), sticky=False)
    assert is_movable(str(root / "gone"), sticky=True)


def test_a_task_without_files_says_nothing_of_writers(root: Path, make_task: MakeTask) -> None:
    """The lease is tried on the first file there is; a task that cannot be opened is passed over."""
    (root / "outputs_0").mkdir()
    make_task()

    assert "ok" == lines_of(root)["writers"].level
    site = visit(str(root), Settings())
    assert "ok" == about_writers(replace(site, tasks=["outputs_none"])).level


@pytest.mark.parametrize(
    "name", [".emosieve", "decisions.jsonl", ".emosieve/log.lock", ".emosieve/intake.lock"]
)
@pytest.mark.parametrize("kind", ["symlink", "FIFO"])
def test_nothing_else_may_stand_where_emosieve_writes(root: Path, name: str, kind: str) -> None:
    """A symlink or FIFO under one of emosieve's own names is an error that says where, and nothing hangs."""
    path = root / name
    path.parent.mkdir(exist_ok=True)
    if kind == "FIFO":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null")
    line = lines_of(root)["files"]

    assert ("error", "move it away; emosieve makes its own") == (line.level, str(line.hint))
    assert str(path) in str(line.message)


def test_a_strange_report_is_a_warning(root: Path) -> None:
    """The report alone may fail, and what stands in its place is only renamed."""
    os.mkfifo(root / "quality_report.txt")
    line = lines_of(root)["files"]

    assert ("warning", "nothing is lost: it will be renamed quality_report-before-emosieve.txt") == (
        line.level,
        str(line.hint),
    )


def test_a_destination_as_the_root_is_an_error(root: Path) -> None:
    """What was filed must not be filed once more."""
    (root / "decisions.jsonl").touch()
    (root / "normal" / "outputs_1").mkdir(parents=True)
    line = lines_of(root / "normal")["root"]

    assert ("error", f"give its parent, {root}") == (line.level, str(line.hint))


def test_a_root_whose_tasks_are_all_filed_is_found_one_level_below(root: Path) -> None:
    """A decision log says where the root is when no task stands there."""
    (root / "decisions.jsonl").touch()
    line = lines_of(root.parent)["root"]

    assert ("error", f"give {root} as the root") == (line.level, str(line.hint))


def test_the_whole_file_system_is_no_root() -> None:
    """/ is refused, and nothing more need be said of it to know."""
    line = next(line for line in examine("/", Settings()) if line.subject == "root")

    assert ("error", "/ is the whole file system, and no outputs_* stands in it") == (
        line.level,
        str(line.message),
    )


def test_a_home_directory_is_a_warning(
    root: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home without tasks is hardly meant; one with tasks is."""
    monkeypatch.setenv("HOME", str(root))
    assert "warning" == lines_of(root)["root"].level
    make_task()
    assert "ok" == lines_of(root)["root"].level


def test_a_destination_named_like_a_task_is_none(root: Path) -> None:
    """Tasks are counted without the folders that they go to."""
    (root / "outputs_good").mkdir()

    assert "no outputs_* yet" in str(lines_of(root, filing={"normal": "outputs_good"})["root"].message)


def test_filed_tasks_are_never_listed(
    root: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much was filed, a start lists the root and its tasks alone."""
    make_task()
    listed = []
    scandir = os.scandir

    def record(path: Any) -> Any:
        listed.append(str(path))
        return scandir(path)

    for folder in ("normal", "low_quality", "quarantine"):
        (root / folder / "outputs_1").mkdir(parents=True)
    monkeypatch.setattr(os, "scandir", record)
    examine(str(root), Settings())

    assert {str(root), f"{root}/outputs_20240104_223000"} == set(listed)


class TestRequired:
    """``settle.require`` names files that come."""

    NAMES = ("result.json", "embedding.npy")

    def lines(self, root: Path, later: float = 3600) -> list[Line]:
        """What is said of these names an hour later."""
        site = visit(str(root), Settings(settle={"require": self.NAMES}))
        return list(about_required(site, time.time() + later))

    def test_a_file_that_never_comes_is_a_warning(self, root: Path, make_task: MakeTask) -> None:
        """When no task has it, each would wait until it is given up; the setting is named."""
        for number in range(3):
            make_task(f"outputs_{number}")
        (line,) = self.lines(root)

        assert ("warning", "settle.require") == (line.level, line.subject)
        assert str(line.message).startswith("none of the 3 newest tasks has embedding.npy")
        assert "600 s" in str(line.message)

    def test_a_file_that_one_task_has_comes(self, root: Path, make_task: MakeTask) -> None:
        """One of them is enough; result_frame.json is a result."""
        make_task("outputs_1")
        task = make_task("outputs_2", files={"embedding.npy": b""})
        (task / "result.json").rename(task / "result_frame.json")
        (root / "outputs_1" / "result.json").unlink()

        assert [] == self.lines(root)

    def test_tasks_at_work_say_nothing(self, root: Path, make_task: MakeTask) -> None:
        """What was written within a minute may still get its files; no tasks need none."""
        assert [] == self.lines(root)
        make_task()
        assert [] == self.lines(root, later=0)

    def test_tasks_without_any_result_are_a_warning(self, root: Path) -> None:
        """Directories that only look like tasks are noticed; one or two may just have failed."""
        for number in range(2):
            (root / f"outputs_{number}").mkdir()
        assert [] == self.lines(root)
        (root / "outputs_2").mkdir()
        lines = self.lines(root)

        assert "none of the 3 newest tasks has a result" == str(lines[0].message)
        assert 2 == len(lines)

    def test_only_the_newest_are_asked(self, root: Path, make_task: MakeTask) -> None:
        """A file that the WebUI no longer writes is missed, although an old task has it."""
        make_task("outputs_0", files={"embedding.npy": b""})
        for number in range(1, 101):
            (root / f"outputs_{number:03}").mkdir()
        (root / "outputs_001" / "result.json").touch()

        assert ["settle.require"] == [line.subject for line in self.lines(root)]
