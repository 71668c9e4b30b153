"""As whom check judges: as the emosieve that is at work, which may do less than a root shell. Needs root."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeTask
from emosieve.service.preflight.rights import Rights, acting_as, rights_of
from emosieve.service.preflight.who import about_wishes
from process import AS_ANOTHER, EMOSIEVE, Watch, run
from watching import InUserNamespace

OTHER, NOBODY = 12345, 65534
WITHOUT = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""As the shipped unit and container start it."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="taking on other rights needs root")


class As(Watch):
    """A daemon that something else starts, with other rights."""

    def __init__(self, root: Path, *program: str) -> None:
        self.program = program
        # What stands there is looked at while it waits.
        super().__init__(root, settle__quiet_seconds=60)


def check(root: Path) -> tuple[int, list[tuple[str, str, str]]]:
    """Exit status, and level, subject and message of each line, of check in a root shell."""
    ended = run("check", root, "--json")
    lines = json.loads(ended.stdout)["lines"]
    return ended.returncode, [(line["level"], line["subject"], line["message"]) for line in lines]


def told(lines: list[tuple[str, str, str]], subject: str) -> list[tuple[str, str]]:
    """Level and message of the lines about a subject."""
    return [(level, message) for level, one, message in lines if one == subject]


def stuck(root: Path, make_task: MakeTask) -> str:
    """Have a task that root may move by its capabilities alone; gives what is to be said of it."""
    os.chown(make_task(), OTHER, OTHER)
    assert root.is_dir()
    return "1 of 1 standing tasks cannot be moved (no write permission on them): outputs_20240104_223000"


def test_it_judges_as_the_daemon_at_work(root: Path, make_task: MakeTask) -> None:
    """What a root shell may and the daemon may not is an error; when that has ended, a warning of what comes."""
    with As(root, *WITHOUT, *EMOSIEVE) as watch:
        watch.wait_for("watch.ready")
        words = stuck(root, make_task)
        status, lines = check(root)
        judged = (
            f"judged as the emosieve at work here may: pid {watch.process.pid}, uid 0, without capabilities"
        )
        assert (2, [("error", words)]) == (status, told(lines, "tasks"))
        assert [("ok", judged)] == told(lines, "permission")
        watch.stop()
    status, lines = check(root)
    alone = "root may, but only by its capabilities, which the shipped service and container have not: "

    assert (0, [("ok", "all 1 standing tasks can be moved"), ("warning", alone + words)]) == (
        status,
        told(lines, "tasks"),
    )


def test_it_judges_as_the_daemons_user(shared_root: Path, make_task: MakeTask) -> None:
    """Also as another user with groups of its own."""
    os.chown(shared_root, NOBODY, NOBODY)
    become = AS_ANOTHER.replace("setgroups([])", f"setgroups([{OTHER}])")
    program = [sys.executable, "-c", become, repr(sys.path), str(NOBODY), ""]
    with As(shared_root, *program) as watch:
        watch.wait_for("watch.ready")
        task = make_task()
        status, lines = check(shared_root)
        assert (2, 1) == (status, len([line for line in told(lines, "tasks") if line[0] == "error"]))
        assert f"uid {NOBODY}, without capabilities" in told(lines, "permission")[0][1]
        os.chown(task, 0, OTHER)
        task.chmod(0o775)
        assert [("ok", "all 1 standing tasks can be moved")] == told(check(shared_root)[1], "tasks")
        watch.stop()


def test_a_daemon_with_all_rights_is_judged_as_that(root: Path, make_task: MakeTask) -> None:
    """Where it may do what root may, nothing is wrong, and nothing is warned of."""
    with As(root, *EMOSIEVE) as watch:
        watch.wait_for("watch.ready")
        stuck(root, make_task)
        status, lines = check(root)
        watch.stop()

    assert (0, [("ok", "all 1 standing tasks can be moved")]) == (status, told(lines, "tasks"))
    assert f"with capabilities {rights_of(os.getpid()).capabilities:#x}" in told(lines, "permission")[0][1]


def test_what_cannot_be_known_is_said(root: Path) -> None:
    """A capability counts in its own user namespace alone, so that of a daemon in another one is a warning."""
    with InUserNamespace(root) as watch:
        watch.wait_for("watch.ready")
        status, lines = check(root)
        watch.stop()
    (line,) = told(lines, "permission")

    assert (0, "warning", True) == (status, line[0], "is not known from here" in line[1])


def test_one_that_is_not_root_cannot_know(root: Path) -> None:
    """Who may not take on the daemon's rights is refused, and keeps its own."""
    with acting_as(Rights(OTHER, OTHER, (), 0)):
        before = rights_of(os.getpid())
        with pytest.raises(PermissionError), acting_as(Rights(NOBODY, NOBODY, (), 0)):
            pass
        assert before == rights_of(os.getpid())
    assert root.is_dir()


@pytest.mark.parametrize(
    "rights",
    [Rights(0, 0, (), 0), Rights(OTHER, NOBODY, (1, 2), 0), Rights(0, 0, (), 1 << 1)],
    ids=["root", "another", "one"],
)
def test_rights_are_taken_on_and_given_back(rights: Rights) -> None:
    """Also where something fails meanwhile."""
    before = rights_of(os.getpid())

    def fail() -> None:
        with acting_as(rights):
            assert rights == rights_of(os.getpid())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert before == rights_of(os.getpid())


MINE = {"PUID": str(os.geteuid()), "PGID": str(os.getegid())}


@pytest.mark.parametrize(
    ("environment", "wishes"),
    [
        ({}, None),
        (MINE | {"UMASK": "22"}, None),
        (MINE | {"UMASK": "0022"}, None),
        ({"PUID": " ", "UMASK": ""}, None),
        (MINE | {"PUID": "1000"}, "PUID=1000 set in the environment, but this process is uid 0:"),
        ({"PGID": "1000"}, "PGID=1000 set in the environment, but this process is gid 0:"),
        (
            {"PUID": "1000", "UMASK": "002"},
            "PUID=1000, UMASK=002 set in the environment, but this process is uid 0, umask 022:",
        ),
    ],
    ids=str,
)
def test_other_images_variables_are_refused(environment: dict[str, str], wishes: str | None) -> None:
    """Where they say something else than what is so, with what to write instead."""
    before = os.umask(0o022)
    try:
        found = list(about_wishes(environment))
    finally:
        assert 0o022 == os.umask(before)

    assert wishes == (str(found[0].message).partition(" emosieve changes")[0] if found else None)
    for line in found:
        uid, gid = environment.get("PUID", "0"), environment.get("PGID", "0")
        assert "error" == line.level
        assert f'user: "{uid}:{gid}" in compose (WEBUI_USER={uid}:{gid}' in str(line.hint)


@pytest.mark.parametrize("command", [["check"], ["sweep"], ["watch"]], ids=lambda words: words[0])
def test_no_command_ignores_them(root: Path, command: list[str]) -> None:
    """Check tells, and nothing starts as somebody else than was wished for."""
    ended: Any = run(*command, root, PUID="1000", PGID="1000")

    assert (2, []) == (ended.returncode, os.listdir(root))
    assert "PUID=1000" in " ".join((ended.stdout + ended.stderr).split())
