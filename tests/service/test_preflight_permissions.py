"""What check finds out as another user: asked of each thing itself, for a probe of one's own proves nothing."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from conftest import MakeTask, result_bytes
from emosieve.errors import SetupError
from emosieve.service.preflight import heed
from emosieve.service.preflight.lines import Line
from emosieve.text import Phrase
from process import overrides, run, run_as

NOBODY = 65534
QUICK = overrides(settle__quiet_seconds=0.05)
Answer = tuple[int, dict[str, tuple[str, str, str | None]]]


def check(root: Path, before: str = "") -> Answer:
    """Exit status, and level, message and hint by subject, of the check as nobody."""
    ended = run_as(NOBODY, "check", root, "--json", before=before)
    assert "" == ended.stderr
    lines = json.loads(ended.stdout)["lines"]
    return ended.returncode, {
        line["subject"]: (line["level"], line["message"], line["hint"]) for line in lines
    }


def test_the_user_is_named(shared_root: Path) -> None:
    """Whoever runs it can read as whom it ran."""
    _, lines = check(shared_root)

    assert f"as nobody (uid {NOBODY})" in lines["emosieve"][1]


def test_tasks_of_another_owner_cannot_be_moved(shared_root: Path, make_task: MakeTask) -> None:
    """Root-owned tasks of mode 755 in a root of mode 777 are an error for nobody, who could make a folder."""
    make_task()
    status, lines = check(shared_root)

    assert 2 == status
    assert "error" == lines["tasks"][0]
    assert "1 of 1 standing tasks cannot be moved (no write permission on them)" in lines["tasks"][1]
    assert "run emosieve as their owner, uid 0" == lines["tasks"][2]
    assert "warning" == lines["writers"][0]
    assert "the files are another user's; the quiet time alone tells" in lines["writers"][1]


def test_some_of_them_are_a_warning(shared_root: Path, make_task: MakeTask) -> None:
    """When only some tasks are another's, the rest can go on."""
    make_task("outputs_1")
    make_task("outputs_2").chmod(0o777)
    status, lines = check(shared_root)

    assert (0, "warning") == (status, lines["tasks"][0])
    assert "1 of 2 standing tasks cannot be moved" in lines["tasks"][1]


def test_a_sticky_root_keeps_tasks_of_others(shared_root: Path, make_task: MakeTask) -> None:
    """In a sticky root even a task of mode 777 is its owner's alone."""
    make_task().chmod(0o777)
    shared_root.chmod(0o1777)
    status, lines = check(shared_root)

    assert (2, "error") == (status, lines["tasks"][0])
    assert "the root is sticky and they are another user's" in lines["tasks"][1]


def test_the_owner_of_a_sticky_root_may_move_all(shared_root: Path, make_task: MakeTask) -> None:
    """A sticky bit does not bind the owner of the folder."""
    make_task().chmod(0o777)
    shared_root.chmod(0o1777)
    os.chown(shared_root, NOBODY, NOBODY)
    status, lines = check(shared_root)

    assert (0, "ok") == (status, lines["tasks"][0])


def test_a_root_that_may_not_be_written_is_an_error(shared_root: Path, make_task: MakeTask) -> None:
    """Without write permission on the root nothing can be filed, which is said once."""
    make_task()
    (shared_root / "normal").mkdir()
    shared_root.chmod(0o755)
    status, lines = check(shared_root)

    assert 2 == status
    assert ("error", f"{shared_root} may not be written by uid {NOBODY}") == lines["permission"][:2]
    assert not {"filing.normal", "tasks", "files"} & lines.keys()


def test_a_destination_that_may_not_be_written_is_an_error(shared_root: Path) -> None:
    """The folder of another user is named; those that are yet to be made are no problem."""
    (shared_root / "normal").mkdir()
    status, lines = check(shared_root)

    assert (2, "error", "ok") == (status, lines["filing.normal"][0], lines["filing.low_quality"][0])
    assert f"{shared_root}/normal may not be written by uid {NOBODY}" == lines["filing.normal"][1]


def test_a_sticky_destination_keeps_what_is_filed(shared_root: Path) -> None:
    """Filing into it works, taking a verdict back does not: a warning with the command that mends it."""
    (shared_root / "normal").mkdir()
    (shared_root / "normal").chmod(0o1777)
    status, lines = check(shared_root)

    assert (0, "warning") == (status, lines["filing.normal"][0])
    assert "cannot be moved out by restore" in lines["filing.normal"][1]
    assert f"take the sticky bit off: chmod -t {shared_root}/normal" == lines["filing.normal"][2]


@pytest.mark.parametrize(
    ("name", "mode", "level", "deed"),
    [
        ("decisions.jsonl", 0o644, "error", "write"),
        ("decisions.jsonl", 0o622, "error", "read"),
        (".emosieve/log.lock", 0o600, "error", "read"),
        (".emosieve/intake.lock", 0o600, "error", "read"),
        ("quality_report.txt", 0o644, "warning", "write"),
    ],
)
def test_files_of_another_user(shared_root: Path, name: str, mode: int, level: str, deed: str) -> None:
    """What emosieve must read or write and may not is named with its owner; only the report can do without."""
    path = shared_root / name
    (shared_root / ".emosieve").mkdir()
    os.chown(shared_root / ".emosieve", NOBODY, NOBODY)
    path.touch()
    path.chmod(mode)
    status, lines = check(shared_root)

    assert ({"error": 2, "warning": 0}[level], level) == (status, lines["files"][0])
    assert f"{path} belongs to uid 0, and uid {NOBODY} may not {deed} it" == lines["files"][1]
    assert f"chown -R {NOBODY} {path}, or run emosieve as their owner" == lines["files"][2]


def test_a_state_directory_of_another_user_is_an_error(shared_root: Path) -> None:
    """Without .emosieve there is neither lock nor checkpoint."""
    (shared_root / ".emosieve").mkdir()
    status, lines = check(shared_root)

    assert (2, "error") == (status, lines["files"][0])
    assert f"{shared_root}/.emosieve belongs to uid 0" in lines["files"][1]


def test_one_command_mends_a_mixed_ownership(shared_root: Path, make_task: MakeTask) -> None:
    """Root swept once where another user works: whatever is told first names all that must be given back."""
    make_task("outputs_1")
    assert 0 == run("sweep", shared_root, *QUICK).returncode
    shared_root.joinpath("decisions-20240104T223000.000000Z.jsonl").touch()
    shared_root.joinpath("quality_report-20240104T223000.000000Z.txt").touch()
    shared_root.joinpath("notes.txt").touch()
    make_task("outputs_2").chmod(0o777)
    status, lines = check(shared_root)
    command, _, rest = str(lines["filing.normal"][2]).partition(", or ")
    made = [".emosieve", "decisions-20240104T223000.000000Z.jsonl", "decisions.jsonl"]
    made += ["quality_report-20240104T223000.000000Z.txt", "quality_report.txt"]
    made += ["normal", "low_quality", "quarantine"]

    assert (2, "run emosieve as their owner") == (status, rest)
    assert f"chown -R {NOBODY} {' '.join(f'{shared_root}/{name}' for name in made)}" == command
    started = run_as(NOBODY, "sweep", shared_root, *QUICK)
    assert (2, 1) == (started.returncode, started.stderr.count(command))
    shown = " ".join(run_as(NOBODY, "check", shared_root).stdout.split())
    assert (2, 1) == (shown.count(command), shown.count("→ chown"))
    subprocess.run(["sh", "-c", command], check=True)
    assert 0 == check(shared_root)[0]
    assert 0 == run_as(NOBODY, "sweep", shared_root, *QUICK).returncode


def test_a_volume_of_roots_may_be_the_groups(shared_root: Path) -> None:
    """As Kubernetes makes one with fsGroup: the folder stays root's, and what the WebUI's user makes there is filed."""
    shared_root.chmod(0o2775)
    os.chown(shared_root, 0, NOBODY)
    write = f"import os; os.mkdir('outputs_1'); open('outputs_1/result.json', 'wb').write({result_bytes()!r})"
    ended = run_as(NOBODY, "sweep", shared_root, *QUICK, before=f"os.chdir({str(shared_root)!r}); {write}")
    status, lines = check(shared_root)

    assert (0, 0) == (ended.returncode, status), ended.stderr
    assert {"ok"} == {level for level, *_ in lines.values()}
    assert {(NOBODY, NOBODY)} == {(path.stat().st_uid, path.stat().st_gid) for path in shared_root.iterdir()}


def test_a_folder_of_ones_own_that_is_closed_is_no_matter_of_ownership(shared_root: Path) -> None:
    """Where nothing is another user's no chown is advised."""
    (shared_root / "normal").mkdir(mode=0o500)
    os.chown(shared_root / "normal", NOBODY, NOBODY)
    _, lines = check(shared_root)

    assert ("error", "run emosieve as the WebUI's own user") == lines["filing.normal"][::2]


def test_what_others_cannot_see_is_told(shared_root: Path, make_task: MakeTask) -> None:
    """Whoever may read a root but not .emosieve is not told that nobody works there, and gets every answer there is."""
    make_task("outputs_1")
    assert 0 == run("sweep", shared_root, *QUICK).returncode
    make_task("outputs_2")
    status, lines = check(shared_root)
    hidden = f"whether an emosieve is at work on this root cannot be seen by uid {NOBODY}"

    told = " ".join(run_as(NOBODY, "check", shared_root).stdout.split())
    assert (2, "ok") == (status, lines["intake"][0])
    assert f"error files {shared_root}/.emosieve belongs to uid 0" in told
    assert "run the command as root; or, if emosieve is to work as uid" in told
    assert f"{hidden}: {shared_root}/.emosieve is closed to it" == lines["intake"][1]
    for command in ("tail", "stats", "status"):
        ended = run_as(NOBODY, command, shared_root)
        assert (0, "") == (ended.returncode, ended.stderr)
    filed = run_as(NOBODY, "explain", shared_root / "normal" / "outputs_1")
    pending = " ".join(run_as(NOBODY, "explain", shared_root / "outputs_2").stdout.split())
    assert (0, False) == (filed.returncode, "is closed to this user" in filed.stdout)
    closed = (
        f"{shared_root}/.emosieve is closed to this user: whether a move is still to be made cannot be seen."
    )
    assert closed in pending
    assert closed not in " ".join(run("explain", shared_root / "outputs_2").stdout.split())


def test_inotify_use_is_counted(shared_root: Path) -> None:
    """From nine tenths of a limit on this user's use is a warning with the sysctl to raise; below it is told."""
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text(encoding="ascii"))
    wanted = -(-9 * limit // 10)
    if wanted > 16_000:
        pytest.skip(f"the limit of {limit} instances is too high to come near")
    status, few = check(shared_root)
    use = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))\n"
        if wanted > 900
        else ""
    ) + f"used = [ctypes.CDLL(None).inotify_init1(0) for _ in range({wanted})]; assert min(used) > 0"
    used_status, many = check(shared_root, before=use)

    assert (0, "ok", 0, "warning") == (status, few["inotify"][0], used_status, many["inotify"][0])
    assert f"uses {wanted} of {limit} inotify instances, 0 of " in many["inotify"][1]
    assert "fs.inotify.max_user_instances" in str(many["inotify"][2])


def test_heed_says_hint_and_subject() -> None:
    """A start that must fail says what was asked and what to do."""
    phrase = Phrase("broken", "坏了")
    with pytest.raises(SetupError, match=r"^clock: broken; broken$"):
        heed([Line("ok", "root", phrase()), Line("error", "clock", phrase(), phrase())])


def test_a_lasting_failure_is_an_error_of_the_set_up() -> None:
    """What the system refuses for want of rights is no matter of time."""
    denied = Line("error", "root", Phrase("denied", "无权")(), None, PermissionError(13, "Permission denied"))
    with pytest.raises(SetupError, match=r"^root: denied$"):
        heed([denied])
