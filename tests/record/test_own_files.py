"""emosieve's own files: closed to others, and owned by the user whom it works for."""

import errno
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeTask, names_in, result_bytes
from emosieve.errors import SetupError
from emosieve.record import files
from emosieve.record.decisions import DecisionLog
from emosieve.record.files import (
    create_plain,
    make_directory,
    make_state_directory,
    open_or_create,
    owner_of,
    replace_file,
)
from emosieve.record.locking import IntakeLock
from process import EMOSIEVE, overrides, run, run_as

WEBUI = (4243, 4244)
THIRD = 4245
QUICK = overrides(settle__quiet_seconds=0.001)


@pytest.fixture
def webuis_root(shared_root: Path) -> Path:
    """A root of another user, in which this process is root."""
    if os.geteuid() != 0:
        pytest.skip("giving files away needs root")
    os.chown(shared_root, *WEBUI)
    return shared_root


def mode_of(path: Path) -> int:
    """Permissions of a path."""
    return stat.S_IMODE(path.lstat().st_mode)


def owner(path: Path) -> tuple[int, int]:
    """User and group of a path."""
    status = path.lstat()
    return status.st_uid, status.st_gid


def own_files(root: Path) -> Iterator[Path]:
    """All that emosieve makes below a root: everything but the tasks and what is in them."""
    for path in root.iterdir():
        if not path.name.startswith("outputs_"):
            yield path
            if path.is_dir():
                yield from own_files(path)


def owners_of(root: Path) -> dict[str, tuple[int, int]]:
    """User and group of all that emosieve made below a root."""
    return {str(path.relative_to(root)): owner(path) for path in own_files(root)}


def changes_in(root: Path) -> dict[str, tuple[int, int]]:
    """When anything below a root was changed last, and its size."""
    status = {str(path): path.lstat() for path in (root, *root.rglob("*"))}
    return {path: (one.st_ctime_ns, one.st_size) for path, one in status.items()}


class TestOthersAreKeptOut:
    """Who may open a lock file may take its lock."""

    def test_nobody_else_may_open_a_lock(self, root: Path) -> None:
        """Neither the directory nor a lock in it lets anybody else in."""
        intake = IntakeLock(str(root))
        intake.acquire()
        with DecisionLog(str(root)).locked():
            modes = {path.name: mode_of(path) for path in own_files(root)}
        intake.release()

        assert {".emosieve": 0o700, "intake.lock": 0o600, "log.lock": 0o600} == modes

    @pytest.mark.parametrize("mode", [0o755, 0o710, 0o701, 0o777])
    def test_an_older_directory_is_closed(self, root: Path, mode: int) -> None:
        """What an earlier version left open to others is closed by the first lock that is taken."""
        (root / ".emosieve").mkdir()
        (root / ".emosieve").chmod(mode)
        make_state_directory(str(root))

        assert 0o700 == mode_of(root / ".emosieve")

    def test_a_stranger_cannot_hold_a_lock(self, webuis_root: Path) -> None:
        """A user who may only read the root cannot open what emosieve locks."""
        with DecisionLog(str(webuis_root)).locked():
            pass
        command = ["setpriv", "--reuid", str(THIRD), "--regid", str(THIRD), "--clear-groups"]
        ended = subprocess.run(
            [*command, "cat", webuis_root / ".emosieve" / "log.lock"],
            check=False,
            capture_output=True,
            text=True,
        )

        assert "Permission denied" in ended.stderr

    def test_a_file_system_without_modes_is_no_error(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where no mode can be set emosieve works all the same."""
        (root / ".emosieve").mkdir(mode=0o755)

        def refuse(_descriptor: int, _mode: int) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "fchmod", refuse)
        make_state_directory(str(root))

        assert 0o755 == mode_of(root / ".emosieve")


class TestWhatRootMakes:
    """Root works beside a daemon of another user."""

    def test_all_of_it_belongs_to_the_owner_of_the_root(self, webuis_root: Path, make_task: MakeTask) -> None:
        """Folders, log, report, locks and checkpoint, also those that follow a rotation, are the WebUI's."""
        small = overrides(decisions__rotate_bytes=4096, report__rotate_bytes=4096)
        for number in range(40):
            os.chown(make_task(f"outputs_{number:02}", result_bytes(0.3)), *WEBUI)
        assert 0 == run("sweep", webuis_root, *QUICK, *small).returncode
        assert 0 == run("report", "rebuild", webuis_root, *small).returncode
        task = webuis_root / "low_quality" / "outputs_00"
        assert 0 == run("restore", task, *small).returncode

        made = owners_of(webuis_root)
        assert {WEBUI} == set(made.values())
        assert {".emosieve", "decisions.jsonl", "quality_report.txt", ".emosieve/checkpoint"} < made.keys()
        assert {".emosieve/log.lock", ".emosieve/intake.lock", "normal", "low_quality"} < made.keys()
        assert any(name.startswith("decisions-") for name in made)
        assert any(name.startswith("quality_report-") for name in made)

    def test_a_folder_elsewhere_belongs_to_the_owner_of_the_root(
        self, webuis_root: Path, tmp_path: Path, make_task: MakeTask
    ) -> None:
        """A destination that is an absolute path is made for the same user."""
        make_task()
        elsewhere = tmp_path / "elsewhere"
        assert 0 == run("sweep", webuis_root, *QUICK, *overrides(filing__normal=elsewhere)).returncode

        assert WEBUI == owner(elsewhere)

    def test_the_owner_works_on_after_it(self, webuis_root: Path, make_task: MakeTask) -> None:
        """After root's sweep, rebuild and restore the WebUI's user can sweep, append and report."""
        make_task("outputs_1", result_bytes(0.3)).chmod(0o777)
        assert 0 == run("sweep", webuis_root, *QUICK).returncode
        assert 0 == run("report", "rebuild", webuis_root).returncode
        assert 0 == run("restore", webuis_root / "low_quality" / "outputs_1").returncode
        make_task("outputs_2").chmod(0o777)
        ended = run_as(WEBUI[0], "sweep", webuis_root, *QUICK, *overrides(log__format="json"))

        assert (0, []) == (
            ended.returncode,
            [line for line in ended.stderr.splitlines() if "failing" in line or "unwritable" in line],
        )
        assert "[outputs_2]" in (webuis_root / "quality_report.txt").read_text("utf-8")

    @pytest.mark.parametrize("mode", [0o700, 0o755])
    def test_a_state_directory_that_root_made_is_given_back(self, webuis_root: Path, mode: int) -> None:
        """An older version left it to root, which kept the owner of the root out."""
        (webuis_root / ".emosieve").mkdir(mode=mode)
        make_state_directory(str(webuis_root))

        assert WEBUI == owner(webuis_root / ".emosieve")

    def test_whoever_works_here_keeps_it(self, webuis_root: Path) -> None:
        """A daemon that works with the rights of a group owns .emosieve: what root makes is that user's."""
        (webuis_root / ".emosieve").mkdir(mode=0o700)
        os.chown(webuis_root / ".emosieve", THIRD, THIRD)
        with DecisionLog(str(webuis_root)).locked():
            pass

        assert {(THIRD, THIRD)} == set(owners_of(webuis_root).values())

    def test_what_stands_in_its_place_does_not_say_who_works_here(self, webuis_root: Path) -> None:
        """A symlink named .emosieve is nobody's state."""
        (webuis_root / ".emosieve").symlink_to("/nowhere")
        os.chown(webuis_root / ".emosieve", THIRD, THIRD, follow_symlinks=False)

        assert WEBUI == owner_of(str(webuis_root))
        with pytest.raises(SetupError, match="is not a directory; move it away"):
            make_state_directory(str(webuis_root))

    def test_a_directory_that_took_its_place_is_not_given_away(
        self, webuis_root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between making a directory and giving it away somebody may put another one there."""
        mkdir = os.mkdir

        def make_and_fill(path: str, mode: int = 0o777) -> None:
            mkdir(path, mode)
            Path(path, "secret").touch()

        monkeypatch.setattr(os, "mkdir", make_and_fill)
        make_directory(str(webuis_root), f"{webuis_root}/normal")

        assert 0 == (webuis_root / "normal").stat().st_uid

    @pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
    def test_where_there_are_no_owners_none_is_set(
        self, webuis_root: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        """A user namespace without that uid, or a file system without owners, keeps nobody from working."""

        def refuse(_descriptor: int, _uid: int, _gid: int) -> None:
            raise OSError(number, "no")

        monkeypatch.setattr(os, "fchown", refuse)
        os.close(create_plain(str(webuis_root), f"{webuis_root}/file", os.O_RDWR))

        assert 0 == (webuis_root / "file").stat().st_uid

    def test_what_cannot_be_given_away_for_want_of_room_is_not_left(
        self, webuis_root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A quota that is used up is an error that names the path, and nothing of root's stays behind."""

        def refuse(_descriptor: int, _uid: int, _gid: int) -> None:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")

        monkeypatch.setattr(os, "fchown", refuse)
        with pytest.raises(OSError, match="Disk quota exceeded") as file:
            create_plain(str(webuis_root), f"{webuis_root}/file", os.O_RDWR)
        with pytest.raises(OSError, match="Disk quota exceeded") as folder:
            make_directory(str(webuis_root), f"{webuis_root}/normal")

        assert (f"{webuis_root}/file", f"{webuis_root}/normal") == (
            file.value.filename,
            folder.value.filename,
        )
        assert [] == names_in(webuis_root)


class TestAThirdUser:
    """Whoever can give nothing away works only where emosieve works as that user."""

    @pytest.fixture
    def filed(self, webuis_root: Path, make_task: MakeTask) -> Path:
        """A task that was filed for the WebUI's user, in folders that everybody may write."""
        make_task("outputs_1", result_bytes(0.3)).chmod(0o777)
        assert 0 == run("sweep", webuis_root, *QUICK).returncode
        for path in own_files(webuis_root):
            path.chmod(0o777)
        (webuis_root / ".emosieve").chmod(0o777)
        return webuis_root

    @pytest.mark.parametrize(
        "command", [["restore", "low_quality/outputs_1"], ["report", "rebuild", ""], ["sweep", ""]]
    )
    def test_it_is_refused_before_anything_is_written(self, filed: Path, command: list[str]) -> None:
        """It is told as whom to run the command, and nothing has changed."""
        before = changes_in(filed)
        *words, last = command
        ended = run_as(THIRD, *words, filed / last)

        assert 2 == ended.returncode
        assert f"{filed}/.emosieve belongs to uid {WEBUI[0]}" in ended.stderr
        assert f"run the command as that user: sudo -u '#{WEBUI[0]}' emosieve ..." in ended.stderr
        assert before == changes_in(filed)

    def test_a_name_is_given_where_there_is_one(self, filed: Path) -> None:
        """A user that the machine knows is named."""
        os.chown(filed / ".emosieve", 65534, 65534)

        assert "sudo -u nobody emosieve ..." in run_as(THIRD, "report", "rebuild", filed).stderr

    def test_what_root_left_can_be_taken_over(self, shared_root: Path) -> None:
        """Of a state that is root's both ways out are told: root, or a chown."""
        (shared_root / ".emosieve").mkdir()
        (shared_root / "decisions.jsonl").touch()
        ended = run_as(THIRD, "report", "rebuild", shared_root)

        assert 2 == ended.returncode
        assert f"run the command as root; or, if emosieve is to work as uid {THIRD}: " in ended.stderr
        assert f"chown -R {THIRD} {shared_root}/.emosieve" in ended.stderr

    def test_root_without_the_right_to_give_away_is_a_third_user(self, filed: Path) -> None:
        """A container's root that lost CAP_CHOWN is refused, too."""
        command = ["report", "rebuild", str(filed)]
        ended = subprocess.run(
            ["setpriv", "--bounding-set", "-chown", "--inh-caps", "-chown", *EMOSIEVE, *command],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "EMOSIEVE_LANGUAGE": "en"},
        )

        assert 2 == ended.returncode
        assert f"belongs to uid {WEBUI[0]}" in ended.stderr

    def test_the_first_to_work_in_a_root_owns_the_state(self, shared_root: Path, make_task: MakeTask) -> None:
        """A user who may write a root of somebody else, as by its group, can be the one whom emosieve works for."""
        make_task().chmod(0o777)
        ended = run_as(THIRD, "sweep", shared_root, *QUICK)

        assert (0, (THIRD, THIRD)) == (ended.returncode, owner(shared_root / ".emosieve"))
        assert 0o700 == mode_of(shared_root / ".emosieve")


def test_what_is_there_is_opened_and_not_created(root: Path) -> None:
    """Opening or creating keeps what stands there, and creates what does not."""
    (root / "there").write_bytes(b"1")
    (root / "there").chmod(0o640)
    for name in ("there", "new"):
        os.close(open_or_create(str(root), f"{root}/{name}", os.O_RDWR))

    assert (b"1", 0o640) == ((root / "there").read_bytes(), mode_of(root / "there"))
    assert (b"", 0o644) == ((root / "new").read_bytes(), mode_of(root / "new"))


def test_what_another_process_created_a_moment_ago_is_opened(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that create one file at once both get it."""

    def be_late(_root: str, path: str, _flags: int, _mode: int) -> int:
        Path(path).write_bytes(b"1")
        raise FileExistsError(path)

    monkeypatch.setattr(files, "create_plain", be_late)
    descriptor = open_or_create(str(root), f"{root}/file", os.O_RDWR)

    assert b"1" == os.read(descriptor, 2)
    os.close(descriptor)


def test_off_linux_root_may_give_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no capabilities are told the uid decides."""

    def fail(*_arguments: object, **_more: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", fail)
    for uid in (0, THIRD):
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        assert (uid == 0) == files._may_chown()


def test_nothing_is_made_where_a_symlink_leads(root: Path, tmp_path: Path) -> None:
    """The owner of a root may put one in the place of the state directory, at any moment."""
    (tmp_path / "elsewhere").mkdir()
    (root / ".emosieve").symlink_to(tmp_path / "elsewhere")
    for call in (create_plain, open_or_create):
        with pytest.raises(NotADirectoryError):
            call(str(root), f"{root}/.emosieve/checkpoint.new", os.O_WRONLY)

    assert [] == names_in(tmp_path / "elsewhere")


@pytest.mark.parametrize("sync", [False, True])
def test_a_file_that_must_survive_a_power_cut_is_synced_before_its_rename(
    root: Path, monkeypatch: pytest.MonkeyPatch, *, sync: bool
) -> None:
    """Its name would otherwise be that of an empty file."""
    steps: list[str] = []

    def seen(name: str, real: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            steps.append(name)
            real(*arguments)

        return call

    for name in ("fsync", "rename"):
        monkeypatch.setattr(os, name, seen(name, getattr(os, name)))
    replace_file(str(root), f"{root}/x", b"1", sync=sync)

    assert [*(["fsync"] if sync else []), "rename"] == steps
    assert b"1" == (root / "x").read_bytes()
