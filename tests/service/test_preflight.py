"""What check finds before it is too late."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeTask
from emosieve.service import preflight
from emosieve.service.preflight import Line, examine, worst
from emosieve.settings import Settings
from emosieve.watch import wakeups
from emosieve.watch.filesystem import FileSystem

NOBODY = 65534


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
    assert "1 outputs_* standing" in lines[0].message
    assert ["outputs_20240104_223000"] == os.listdir(root)


def test_a_missing_root_is_an_error(root: Path) -> None:
    """A path that does not exist, or is a file, is named."""
    (root / "file").touch()

    assert "does not exist" in lines_of(root / "nowhere")["root"].message
    assert "is not a directory" in lines_of(root / "file")["root"].message
    assert "error" == worst(examine(str(root / "nowhere"), Settings()))


def test_a_root_one_level_too_high_is_a_warning(root: Path, make_task: MakeTask) -> None:
    """Where the tasks stand one folder below, that folder and their number are named."""
    make_task()
    (root.parent / "broken").symlink_to("nowhere")
    line = lines_of(root.parent)["root"]

    assert ("warning", f"no outputs_* here, but 1 in {root}") == (line.level, line.message)
    assert f"give {root} as the root" == line.hint


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

    assert f"{root}: no outputs_* yet" == lines_of(root)["root"].message


def test_a_root_one_level_too_low_is_an_error(make_task: MakeTask) -> None:
    """A task given as the root is told to be one."""
    task = make_task()
    line = lines_of(task)["root"]

    assert ("error", f"give its parent, {task.parent}") == (line.level, line.hint)


def test_a_root_that_cannot_be_listed_is_an_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without permission to list there is nothing more to ask."""

    def deny(_path: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "scandir", deny)
    (line,) = examine(str(root), Settings())

    assert ("error", True) == (line.level, "cannot be listed" in line.message)


def test_a_symlinked_folder_is_an_error_that_names_its_target(root: Path, tmp_path: Path) -> None:
    """A destination that is a symlink is refused, with what to write instead."""
    (root / "normal").symlink_to(tmp_path)
    line = lines_of(root)["filing.normal"]

    assert "error" == line.level
    assert f"is a symlink to {tmp_path}; write {tmp_path} in [filing]" in line.message


@pytest.mark.parametrize("below", ["", "/normal", "/a/b"])
def test_an_absolute_folder_inside_the_root_is_an_error(root: Path, below: str) -> None:
    """Under the root a folder is a single name: its absolute path would be logged as another place."""
    line = lines_of(root, filing={"normal": f"{root}{below}"})["filing.normal"]

    assert "error" == line.level
    assert "lies inside the root; write a single name such as" in line.message


def test_a_folder_whose_parent_is_missing_is_an_error(root: Path, tmp_path: Path) -> None:
    """A destination elsewhere needs its parent."""
    line = lines_of(root, filing={"normal": str(tmp_path / "no" / "good")})["filing.normal"]

    assert ("error", f"{tmp_path / 'no'} does not exist") == (line.level, line.message)


def test_a_folder_on_another_file_system_is_a_warning(root: Path) -> None:
    """Copying instead of renaming is possible, and said."""
    if os.stat("/dev/shm").st_dev == root.stat().st_dev:  # noqa: S108 - a file system of its own
        pytest.skip("no second file system at /dev/shm")
    line = lines_of(root, filing={"normal": "/dev/shm/emosieve-none"})["filing.normal"]  # noqa: S108

    assert "warning" == line.level
    assert "another file system" in line.message


@pytest.mark.parametrize("mode", ["polling", "native"])
def test_the_mode_is_said(root: Path, mode: str) -> None:
    """Whether events or listings tell of new tasks, and why."""
    assert lines_of(root, watch={"mode": mode})["events"].message.startswith(f"{mode}: watch.mode is {mode}")


def test_a_reached_limit_is_a_warning_with_its_value(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the kernel has no instance left, the sysctl is named; the check goes on."""

    def refuse() -> None:
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    monkeypatch.setattr(wakeups, "Observer", refuse)
    line = lines_of(root)["events"]

    assert "warning" == line.level
    assert "fs.inotify.max_user_instances = " in line.message


def test_a_file_system_that_hides_writers_is_a_warning(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On NFS and the like the quiet time alone decides, and that is said."""
    monkeypatch.setattr(preflight, "file_system_of", lambda _path: FileSystem("nfs4", "/"))

    assert "nfs4 does not tell who writes" in lines_of(root)["writers"].message


@pytest.mark.parametrize(("error", "level"), [(errno.EOPNOTSUPP, "warning"), (errno.EWOULDBLOCK, "ok")])
def test_locks_are_tried(root: Path, monkeypatch: pytest.MonkeyPatch, error: int, level: str) -> None:
    """A file system without locks is warned of; a lock that somebody holds proves that there are some."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("fcntl.flock", refuse)

    assert level == lines_of(root)["locks"].level


def check_as(uid: int, root: Path) -> subprocess.CompletedProcess[str]:
    """Run the real check under another uid, from an interpreter that may read the program."""
    if os.geteuid() != 0:
        pytest.skip("changing the uid needs root")
    script = (
        "import sys; sys.path[:] = eval(sys.argv.pop(1))\n"
        "import emosieve.commands.cli as cli, emosieve.commands.check, emosieve.service.preflight\n"
        "import os; os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv.pop(1)))\n"
        "sys.exit(cli.run())"
    )
    return subprocess.run(
        [sys.executable, "-c", script, repr(sys.path), str(uid), "check", str(root)],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
    )


class TestPermissions:
    """Asked of each standing task itself: a probe directory of one's own proves nothing."""

    @pytest.fixture
    def shared_root(self, root: Path) -> Path:
        """A root that everybody may write, below folders that everybody may enter."""
        for folder in (root, *root.parents):
            if folder.stat().st_mode & 0o001 == 0:
                folder.chmod(folder.stat().st_mode | 0o055)
        root.chmod(0o777)
        return root

    def test_tasks_of_another_owner_cannot_be_moved(self, shared_root: Path, make_task: MakeTask) -> None:
        """Root-owned tasks of mode 755 in a root of mode 777 are an error for nobody, who could make a folder."""
        make_task()
        ended = check_as(NOBODY, shared_root)

        assert 2 == ended.returncode, ended.stderr
        assert "1 of 1 standing tasks cannot be moved (no write permission on them)" in ended.stdout
        assert "run emosieve as their owner, uid 0" in ended.stdout
        assert "the files are another user's; the quiet time alone tells" in ended.stdout

    def test_some_of_them_are_a_warning(self, shared_root: Path, make_task: MakeTask) -> None:
        """When only some tasks are another's, the rest can go on."""
        make_task("outputs_1")
        make_task("outputs_2").chmod(0o777)
        ended = check_as(NOBODY, shared_root)

        assert 0 == ended.returncode, ended.stderr
        assert "1 of 2 standing tasks cannot be moved" in ended.stdout

    def test_a_sticky_root_keeps_tasks_of_others(self, shared_root: Path, make_task: MakeTask) -> None:
        """In a sticky root even a task of mode 777 is its owner's alone."""
        make_task().chmod(0o777)
        shared_root.chmod(0o1777)
        ended = check_as(NOBODY, shared_root)

        assert 2 == ended.returncode, ended.stderr
        assert "the root is sticky and they are another user's" in ended.stdout

    def test_a_root_that_may_not_be_written_is_an_error(self, shared_root: Path) -> None:
        """Without write permission on root and folders nothing can be filed."""
        (shared_root / "normal").mkdir()
        shared_root.chmod(0o755)
        ended = check_as(NOBODY, shared_root)

        assert 2 == ended.returncode, ended.stderr
        assert f"permission: {shared_root} may not be written by uid {NOBODY}" in ended.stdout
        assert "filing." not in ended.stdout


def test_off_linux_only_root_may_ignore_a_sticky_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc the uid decides."""

    def missing(*_arguments: object, **_more: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", missing)

    assert (os.geteuid() == 0) == preflight._has_fowner()


def test_a_task_that_goes_meanwhile_is_not_stuck(root: Path) -> None:
    """A task deleted during the check is no problem."""
    assert preflight._is_movable(str(root / "gone"), sticky=False)
    assert preflight._is_movable(str(root / "gone"), sticky=True)


def test_a_task_without_files_says_nothing_of_writers(root: Path, make_task: MakeTask) -> None:
    """The lease is tried on the first file there is; a task that cannot be opened is passed over."""
    (root / "outputs_0").mkdir()
    make_task()

    assert "ok" == lines_of(root)["writers"].level
    assert "ok" == preflight._lease(str(root), ["outputs_none"]).level
