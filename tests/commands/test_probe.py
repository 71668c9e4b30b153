"""``emosieve health`` as a probe meets it: one line, exit status 0 or 1, and nothing slow behind it."""

import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conftest import MakeTask, Mount, result_bytes
from emosieve.commands.cli import app
from emosieve.commands.health_words import answer
from emosieve.service.liveness import Failing, Liveness, read_heartbeat
from process import EMOSIEVE, Watch, run


def failing(root: Path) -> Failing | None:
    """What the daemon says that it cannot file."""
    found = read_heartbeat(str(root))
    return found.status.failing if found else None


def beat(root: Path, told: Failing) -> None:
    """Take the place of a daemon, and say that something fails."""
    found, folder = read_heartbeat(str(root)), root.stat()
    assert found is not None
    status = replace(found.status, failing=told, pid=os.getpid())
    Liveness((folder.st_dev, folder.st_ino)).beat("facts", lambda: status)


def test_a_watched_root_is_healthy_until_the_end(root: Path) -> None:
    """From ready to a clean stop, which leaves no heartbeat behind."""
    with Watch(root) as watch:
        watch.wait_for("watch.ready")
        watch.wait_until(lambda: run("health", root).returncode == 0)
        said = run("health", root).stdout
        watch.stop()
    ended = run("health", root)

    assert f"healthy: {root} is watched, 0 pending\n" == said
    assert (1, "") == (ended.returncode, ended.stderr)
    assert f"unhealthy: no emosieve watch runs on {root}, or it is not ready yet\n" == ended.stdout


def test_a_killed_daemon_is_not_healthy(root: Path) -> None:
    """At once, though its heartbeat is fresh."""
    with Watch(root) as watch:
        watch.wait_for("watch.ready")
        watch.wait_until(lambda: run("health", root).returncode == 0)
        watch.stop(signal.SIGKILL)
    ended = run("health", root)

    assert 1 == ended.returncode
    assert f"unhealthy: {root}: process {watch.process.pid} was killed\n" == ended.stdout


def test_what_cannot_be_filed_is_told_until_it_is(root: Path, make_task: MakeTask, mounted: Mount) -> None:
    """The daemon says since when and why, and takes it back when all is filed."""
    (root / "low_quality").mkdir()
    mounted("-t", "tmpfs", "none", root / "low_quality")
    with Watch(root) as watch:
        watch.wait_for("watch.ready")
        subprocess.run(["mount", "-o", "remount,ro", root / "low_quality"], check=True)
        make_task("outputs_1", result_bytes(0.4))
        watch.wait_for("task.failed", task="outputs_1")
        watch.wait_until(lambda: failing(root))
        began = failing(root)
        make_task("outputs_2")
        watch.wait_for("task.filed", task="outputs_2")
        watch.wait_until(lambda: run("health", root).stdout.endswith("is watched, 1 pending\n"))
        still = failing(root)
        subprocess.run(["mount", "-o", "remount,rw", root / "low_quality"], check=True)
        watch.wait_for("task.filed", task="outputs_1")
        watch.wait_until(lambda: failing(root) is None)

    assert began is not None
    assert began == still
    assert began.cause.startswith("outputs_1: EROFS: ")


def test_a_long_failure_is_named_on_one_line(root: Path) -> None:
    """With its cause, whatever stands in it."""
    with Watch(root) as watch:
        watch.wait_until(lambda: read_heartbeat(str(root)))
        beat(root, Failing(time.time() - 3600, "disk\x1b[31m\nfull"))
        ended = run("health", root)

    assert 1 == ended.returncode
    assert ended.stdout.startswith(f"unhealthy: {root}: for 36")
    assert ended.stdout.endswith(" s tasks could not be filed: disk\\u001b[31m\\u000afull\n")


def test_a_probe_for_its_life_alone_lets_it_fail(root: Path) -> None:
    """A full disk is told and no reason for a restart; a loop that hangs or was killed is one."""
    with Watch(root) as watch:
        watch.wait_until(lambda: read_heartbeat(str(root)))
        beat(root, Failing(time.time() - 3600, "disk full"))
        told = [run("health", "--alive", root), run("health", root, "--alive")]
        both = run("health", root)
        door = CliRunner().invoke(app, ["health", "--alive", "--", str(root)])

    assert [0, 0, 0, 1] == [*(ended.returncode for ended in told), door.exit_code, both.returncode]
    for words in (*(ended.stdout for ended in told), door.stdout):
        assert words.startswith(f"alive: {root} is watched; for 36")
        assert words.endswith(" s tasks could not be filed: disk full\n")
    with Watch(root) as watch:
        watch.wait_for("watch.ready")
        watch.wait_until(lambda: run("health", "--alive", root).stdout.startswith("healthy"))
        watch.stop(signal.SIGKILL)
    killed = run("health", "--alive", root)
    assert (1, True) == (killed.returncode, "was killed" in killed.stdout)


def test_the_root_comes_from_the_environment(root: Path) -> None:
    """As the other commands' does; the answer is in the language of theirs."""
    ended = run("health", EMOSIEVE_ROOT=str(root), EMOSIEVE_LANGUAGE="zh")

    assert 1 == ended.returncode
    assert f"异常：没有 emosieve watch 在监视 {root}，或尚未就绪\n" == ended.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_locale_without_a_sign_gets_an_escape(root: Path, encoding: str) -> None:
    """Where Chinese cannot be shown, the line comes all the same."""
    ended = run("health", root, EMOSIEVE_LANGUAGE="zh", PYTHONIOENCODING=encoding)

    assert ended.stdout.startswith("\\u5f02\\u5e38")


def test_a_probe_that_hangs_up_gets_its_status(root: Path) -> None:
    """The exit status is the answer, though nobody takes the line."""
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run([*EMOSIEVE, "health", root], stdout=full, stderr=subprocess.PIPE, check=False)

    assert (1, b"") == (ended.returncode, ended.stderr)


def test_the_door_leads_to_the_same_answer(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What takes the long way, as with an option, is answered as the entry point answers."""
    ended = CliRunner().invoke(app, ["health", "--", str(root)])

    assert (ended.exit_code, ended.stdout) == (answer(str(root)), capsys.readouterr().out)


@pytest.mark.parametrize("options", [[], ["--alive"]], ids=str)
def test_a_probe_imports_next_to_nothing(root: Path, options: list[str]) -> None:
    """Json, and a few small modules of emosieve's own: it is asked every few seconds, for ever."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    ended = subprocess.run(
        [EMOSIEVE[0], "-X", "importtime", *EMOSIEVE[1:], "health", *options, root],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}

    assert {"health", "health_words", "language", "heartbeat"} == {
        name.rpartition(".")[2] for name in imported if name.count(".") > 1 and name.startswith("emosieve")
    }
    assert set() == imported & {"typing", "dataclasses", "tempfile", "inspect", "signal", "socket", "typer"}
