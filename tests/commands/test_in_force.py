"""Commands beside a daemon: what concerns the root goes by the settings in force there, not by the shell's."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import MakeTask, names_in, read_log, result_bytes
from emosieve.service.in_force import in_force
from process import Watch, run

NAME = "outputs_20240104_223000"
OTHER = "outputs_20240104_223001"
CONFIG = """
timezone = "Asia/Tokyo"
[rules]
min_confidence = 0.5
[[rules.custom]]
name = "happy_only"
when = "emotion == 'angry'"
action = "reject"
[filing]
normal = "good"
[report]
rotate_bytes = 5000
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The settings file of the service, which no shell names."""
    path = tmp_path / "unit.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.fixture
def watch(root: Path, config: Path, make_task: MakeTask) -> Iterator[Watch]:
    """A daemon that speaks Chinese and filed one task as normal, which the defaults would reject."""
    make_task(NAME, result_bytes(0.55))
    with Watch(root, "--config", str(config), language="zh") as watch:
        watch.wait_for("task.filed")
        watch.wait_until(lambda: in_force(str(root)))
        yield watch


def told_of(keys: str, root: Path, watch: Watch, config: Path) -> str:
    """The line by which a command says what it does not take from its shell."""
    pid = watch.process.pid
    return (
        f"emosieve: other settings are in force on {root} ({keys}): "
        f"those of pid {pid}, settings file {config}, are used\n"
    )


def report_of(root: Path) -> dict[str, bytes]:
    """All report files with their bytes."""
    return {path.name: path.read_bytes() for path in root.glob("quality_report*")}


@pytest.mark.parametrize("command", ["restore", "reclassify"])
def test_without_a_daemon_the_report_keeps_its_layout(root: Path, make_task: MakeTask, command: str) -> None:
    """A shell with another language and size adds its entry to the report as it stands."""
    for number in range(40):
        make_task(f"outputs_20240104_2230{number:02}", result_bytes(0.7))
    small = ("--set", "report.rotate_bytes=4096", "--set", "settle.quiet_seconds=0.001")
    assert 0 == run("sweep", root, *small, EMOSIEVE_LANGUAGE="zh").returncode
    before = report_of(root)
    assert 1 < len(before)

    task = root / "normal" / "outputs_20240104_223007"
    asked = [task] if command == "restore" else [root, "--set", "rules.min_confidence=0.8"]
    ended = run(command, *asked, "--set", "report.keep=1")
    assert (0, "") == (ended.returncode, ended.stderr)
    after = report_of(root)
    rotated = {name for name in before if name != "quality_report.txt"}
    assert {name: before[name] for name in rotated} == {name: after[name] for name in rotated}
    assert names_in(root / "low_quality")
    assert {True} == {data.startswith("emosieve 质量报告".encode()) for data in after.values()}


def test_a_restoration_goes_where_the_daemon_files(root: Path, watch: Watch, config: Path) -> None:
    """Folders, time zone and report are the daemon's; one line says so, and the answer is in the shell's language."""
    ended = run("restore", NAME, "--set", f"root={root}")

    assert (
        told_of("language, timezone, filing.normal, report.rotate_bytes", root, watch, config) == ended.stderr
    )
    assert f"good/{NAME} → low_quality/{NAME}\n" == ended.stdout
    assert read_log(root)[-1]["time"].endswith("+09:00")
    assert [b"emosieve \xe8\xb4"] == [data[:11] for data in report_of(root).values()]


def test_what_is_said_is_said_in_the_language_of_the_shell(root: Path, watch: Watch) -> None:
    """The daemon of this test is one of an English log, the shell a Chinese one."""
    ended = run("explain", root / "good" / NAME, EMOSIEVE_LANGUAGE="zh")

    assert ended.stderr.startswith(f"emosieve: {root} 上生效的设置与本命令不同（settle.quiet_seconds、rules.")
    assert f"采用进程 {watch.process.pid} 的设置（配置文件 " in ended.stderr


def test_todays_rules_are_the_daemons(root: Path, watch: Watch, config: Path) -> None:
    """A shell without the unit's settings is not told to undo what the daemon decided."""
    ended = run("explain", root / "good" / NAME)

    assert "decide the same" in ended.stdout
    keys = "settle.quiet_seconds, rules.min_confidence, rules.custom, filing.normal"
    assert told_of(keys, root, watch, config) == ended.stderr


@pytest.mark.usefixtures("watch")
def test_rules_that_are_asked_for_win(root: Path, tmp_path: Path) -> None:
    """A key of the command line on top of those in force; a file or a profile instead of them."""

    def verdict(*options: str) -> tuple[str, dict[str, str]]:
        document = json.loads(run("explain", root / "good" / NAME, "--json", *options).stdout)
        seen = {row["rule"]: row["today"] for row in document["rules"]}
        return document["today"]["verdict"], {name: row["outcome"] for name, row in seen.items() if row}

    empty = tmp_path / "empty.toml"
    empty.touch()
    assert ("normal", "passed") == (verdict()[0], verdict()[1]["happy_only"])
    set_verdict, set_rules = verdict("--set", "rules.min_confidence=0.9")
    assert ("low_quality", "passed") == (set_verdict, set_rules["happy_only"])
    for options in (("--config", str(empty)), ("--profile", "customer_service")):
        own_verdict, own_rules = verdict(*options)
        assert ("low_quality", None) == (own_verdict, own_rules.get("happy_only"))


@pytest.mark.usefixtures("watch")
def test_a_reclassification_judges_by_the_daemons_rules(root: Path) -> None:
    """Nothing changes sides by the defaults of a shell; what is asked for does."""
    assert "judged: 1, changed sides: 0" in run("reclassify", root).stdout
    ended = run("reclassify", root, "--set", "rules.min_confidence=0.9", "--dry-run")
    assert "would change sides: 1" in ended.stdout
    assert "rules.min_confidence" not in ended.stderr


@pytest.mark.usefixtures("watch")
def test_the_rules_in_force_are_shown(root: Path) -> None:
    """Where the root is known, those of its daemon."""
    assert "min_confidence=0.5" in run("explain", "--rules", "--set", f"root={root}").stdout
    assert "min_confidence=0.6" in run("explain", "--rules").stdout


@pytest.mark.usefixtures("watch")
def test_numbers_are_compared_on_top_of_the_rules_in_force(root: Path) -> None:
    """A single key that is asked for leaves the other rules as they are; plain numbers need none."""
    ended = run("stats", root, "--set", "rules.min_gap=0.06", "--json")
    assert 0.5 == json.loads(ended.stdout)["comparison"]["limits"]["min_confidence"]
    assert "rules." not in run("stats", root).stderr


def test_a_rebuild_speaks_the_daemons_language(root: Path, watch: Watch, config: Path) -> None:
    """Whatever is asked for: the daemon would make it anew at once. What is not done is said."""
    before = report_of(root)
    ended = run("report", "rebuild", root, "--set", "language=en", "--set", "report.rotate_bytes=6000")

    assert told_of("language, filing.normal, report.rotate_bytes", root, watch, config) == ended.stderr
    assert before == report_of(root)


def test_a_status_counts_the_daemons_folders(root: Path, watch: Watch, config: Path) -> None:
    """And says which file its settings came from."""
    ended = run("status", root)
    daemon = json.loads(run("status", root, "--json").stdout)["daemon"]

    assert "normal 1, low_quality 0" in ended.stdout
    (line,) = (line for line in ended.stdout.splitlines() if line.startswith("settings"))
    assert f"{config}".startswith(line.removeprefix("settings").strip())
    assert told_of("filing.normal", root, watch, config) == ended.stderr
    assert (str(config), "Asia/Tokyo") == (daemon["config"], daemon["settings"]["timezone"])


@pytest.mark.usefixtures("watch")
def test_a_check_looks_at_what_is_in_force_unless_settings_are_named(root: Path, config: Path) -> None:
    """A shell that names none asks about the daemon; a file or option is itself what is to be checked."""
    (root / "good").rename(root / "kept")
    (root / "good").touch()
    ended = run("check", root, "-v")
    assert (2, 1) == (ended.returncode, ended.stderr.count("filing.normal"))
    assert "unit.toml" in ended.stdout

    assert 0 == run("check", root, "--set", "filing.normal=normal").returncode
    named = run("check", root, EMOSIEVE_CONFIG=str(config))
    assert (2, "") == (named.returncode, named.stderr)


def test_new_settings_are_told_after_a_reload(root: Path, watch: Watch, config: Path) -> None:
    """Though nothing else changes."""
    config.write_text(CONFIG.replace("0.5", "0.45"), encoding="utf-8")
    watch.process.send_signal(signal.SIGHUP)
    watch.wait_for("settings.reloaded")

    def is_told() -> bool:
        found = in_force(str(root))
        return found is not None and found.settings.rules.min_confidence == 0.45

    watch.wait_until(is_told)


def test_a_root_is_known_to_its_daemon_by_its_own_files(root: Path, watch: Watch) -> None:
    """The status says which directory of emosieve's own lies under the root."""
    state = (root / ".emosieve").stat()
    found = in_force(str(root))

    assert watch.process.poll() is None
    assert found is not None
    assert (state.st_dev, state.st_ino) == found.status.state_directory


def test_after_the_daemon_a_shell_is_alone(root: Path, watch: Watch) -> None:
    """One that was killed holds nothing, though its status stands there."""
    watch.process.kill()
    watch.process.wait()
    ended = run("explain", root / "good" / NAME, "--set", "filing.normal=good")

    assert (0, "") == (ended.returncode, ended.stderr)
    assert "would decide otherwise: low_quality" in ended.stdout


def test_a_daemon_that_is_silent_holds_its_root(root: Path, watch: Watch) -> None:
    """As within a long copy: its lock goes with its process alone."""
    found = in_force(str(root))
    assert found is not None
    watch.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, watch.process.pid, os.WSTOPPED | os.WNOWAIT)
    (status,) = Path(os.environ["XDG_RUNTIME_DIR"]).glob(_name(root))
    os.utime(status, (1, 1))

    try:
        assert found == in_force(str(root))
        (root / ".emosieve" / "intake.lock").unlink()
        assert in_force(str(root)) is None
    finally:
        watch.process.send_signal(signal.SIGCONT)


def _name(root: Path) -> str:
    status = root.stat()
    return f"emosieve-{status.st_dev:x}-{status.st_ino:x}.json"
