"""The command line as an operator meets it: answers on stdout, errors in one line, exit status 0, 1 or 2."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from conftest import MakeTask, names_in, read_log, result_bytes
from emosieve import __version__
from emosieve.__main__ import main
from emosieve.commands import cli
from process import EMOSIEVE, overrides, run

TASK = "outputs_20240104_223000"
Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def filed(root: Path, make_task: MakeTask) -> Path:
    """A root with one normal task of confidence 0.7 and one of low quality."""
    make_task("outputs_1", result_bytes(0.7))
    make_task("outputs_2", result_bytes(0.4))
    assert 0 == run("sweep", root, *overrides(settle__quiet_seconds=0.05)).returncode
    return root


def test_what_is_set_up_wrongly_is_an_error_in_the_journal(tmp_path: Path) -> None:
    """Where stderr is systemd's journal each line has the priority by which ``journalctl -p err`` finds it."""
    with (tmp_path / "journal").open("w+", encoding="utf-8") as journal:
        status = os.fstat(journal.fileno())
        environment = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        for variables in (environment, {**environment, "JOURNAL_STREAM": "9:1"}):
            command = [*EMOSIEVE, "watch", "--set", "language=en"]
            assert 2 == subprocess.run(command, stderr=journal, env=variables, check=False).returncode

    first, second = (tmp_path / "journal").read_text("utf-8").splitlines()
    assert first == f"<3>{second}"
    assert second.startswith("emosieve: no root")


class TestWrongSettings:
    """Each gives status 2 and one line that says what to write instead."""

    @pytest.mark.parametrize(
        ("toml", "words"),
        [
            ("[setle]\nquiet_seconds = 1", "setle is not a setting; did you mean settle?"),
            ("[settle]\nquite_seconds = 1", "did you mean settle.quiet_seconds?"),
            ("[rules.actions]\nambigous = 'flag'", "did you mean rules.actions.ambiguous?"),
            ("[profiles.mine]\nmin_conf = 0.5", "did you mean profiles.mine.min_confidence?"),
            ("[rules]\nmin_confidence = 60", "this is a share between 0 and 1, not percent; write 0.6"),
            (
                "[filing]\nnormal = '../x'",
                "write a single folder name under the root, or an absolute path elsewhere",
            ),
            ("[filing]\nnormal = 'x'\nlow_quality = 'x'", "write two different folders"),
            ("profile = 'custumer_service'", "did you mean customer_service?"),
            ("[settle", "is not TOML"),
        ],
    )
    def test_in_the_file(self, root: Path, tmp_path: Path, toml: str, words: str) -> None:
        """A wrong value or typing error in TOML, at any level."""
        config = tmp_path / "config.toml"
        config.write_text(toml)
        ended = run("sweep", root, "--config", config)

        assert (2, "", 1) == (ended.returncode, ended.stdout, ended.stderr.count("\n"))
        assert words in ended.stderr

    def test_in_the_environment(self, root: Path) -> None:
        """A typing error in the name of a variable."""
        ended = run("check", root, EMOSIEVE_SETTLE__QUITE_SECONDS="1")

        assert (2, 1) == (ended.returncode, ended.stderr.count("\n"))
        assert "did you mean EMOSIEVE_SETTLE__QUIET_SECONDS?" in ended.stderr

    @pytest.mark.parametrize(
        ("option", "words"),
        [
            ("--set=rules.min_gapp=0.1", "did you mean rules.min_gap?"),
            ("--set=rules.min_confidence=60", "write 0.6"),
            ("--profile=nobody", "there is no profile 'nobody'"),
            ("--config=missing.toml", "there is no such settings file"),
        ],
    )
    def test_on_the_command_line(self, root: Path, option: str, words: str) -> None:
        """A wrong option value."""
        ended = run("watch", root, option)

        assert (2, 1) == (ended.returncode, ended.stderr.count("\n"))
        assert words in ended.stderr

    def test_an_unknown_command(self) -> None:
        """Usage errors have status 2 as well."""
        assert 2 == run("wach").returncode


class TestConfig:
    """``config show`` and ``config schema``."""

    def test_show_tells_each_value_and_its_origin(self, tmp_path: Path) -> None:
        """Command line, environment, file, profile and default are told apart."""
        config = tmp_path / "mine.toml"
        config.write_text('profile = "customer_service"\n[rules]\nmin_gap = 0.1\n')
        ended = run(
            "config", "show", "-c", config, "--set", "language=en", EMOSIEVE_SETTLE__QUIET_SECONDS="3"
        )

        rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in ended.stdout.splitlines()}
        assert ["0.7", "profile customer_service"] == rows["rules.min_confidence"]
        assert ["0.1", "mine.toml"] == rows["rules.min_gap"]
        assert ["3.0", "environment"] == rows["settle.quiet_seconds"]
        assert ['"en"', "command line"] == rows["language"]
        assert ["0.3", "default"] == rows["rules.min_top"]

    @pytest.mark.parametrize(("language", "count"), [("en", "2 rules"), ("zh", "2 条规则")])
    def test_show_has_a_row_for_each_rule_of_ones_own(
        self, tmp_path: Path, language: str, count: str
    ) -> None:
        """A long rule is wrapped beside its name and makes no other line wider; for a program it is one key."""
        config = tmp_path / "mine.toml"
        rules = [
            {
                "name": "hardly_a_feeling",
                "when": "scores.unknown > 0.4 or (top1 in ('other', 'unknown') and confidence < 0.8)",
            },
            {"name": "faint_and_noisy", "when": "speech_seconds < 0.5 and snr_db < 8"},
        ]
        config.write_text(
            "\n".join(f'[[rules.custom]]\nname = "{one["name"]}"\nwhen = "{one["when"]}"' for one in rules)
        )
        shown = run("config", "show", "-c", config, EMOSIEVE_LANGUAGE=language).stdout
        answer = json.loads(run("config", "show", "-c", config, "--json").stdout)["settings"]

        words = " ".join(shown.split())
        assert f" rules.custom {count} mine.toml rules.custom.hardly_a_feeling {rules[0]['when']} " in words
        assert f" rules.custom.faint_and_noisy {rules[1]['when']} profiles." in words
        assert max(map(cell_len, shown.splitlines())) <= 80
        (custom,) = [one["value"] for one in answer if one["key"].startswith("rules.custom")]
        assert rules == [{"name": one["name"], "when": one["when"]} for one in custom]

    def test_schema_is_a_json_schema(self) -> None:
        """It describes every section, and forbids unknown keys."""
        schema = json.loads(run("config", "schema").stdout)

        assert "emosieve settings" == schema["title"]
        assert {"watch", "settle", "rules", "filing"} <= schema["properties"].keys()
        assert schema["additionalProperties"] is False


class TestRestore:
    """``restore``."""

    def test_by_path(self, filed: Path) -> None:
        """The root is found from the path; the answer says from and to."""
        ended = run("restore", filed / "low_quality" / "outputs_2")

        assert (0, "low_quality/outputs_2 → normal/outputs_2\n") == (ended.returncode, ended.stdout)
        assert ["outputs_1", "outputs_2"] == names_in(filed / "normal")

    def test_by_name_under_the_setting(self, filed: Path) -> None:
        """A bare name is looked up under the root that the settings name."""
        ended = run("restore", "outputs_2", "--set", f"root={filed}")

        assert (0, "low_quality/outputs_2 → normal/outputs_2\n") == (ended.returncode, ended.stdout)

    def test_a_name_in_two_folders(self, filed: Path) -> None:
        """A bare name that stands twice is refused with both places."""
        (filed / "normal" / "outputs_2").mkdir()
        ended = run("restore", "outputs_2", "--set", f"root={filed}")

        assert 2 == ended.returncode
        assert f"stands in {filed}/normal/outputs_2 and {filed}/low_quality/outputs_2" in ended.stderr

    def test_a_path_without_a_root(self, tmp_path: Path) -> None:
        """A path that belongs to no root says what is missing."""
        ended = run("restore", tmp_path / "outputs_1")

        assert 2 == ended.returncode
        assert "no parent holds decisions.jsonl" in ended.stderr

    def test_a_move_that_fails(self, filed: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
        """A task that cannot be moved is named on stderr, with status 1."""

        def deny(*_arguments: object, **_more: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr("os.rename", deny)
        monkeypatch.setenv("EMOSIEVE_LANGUAGE", "en")
        monkeypatch.setattr(sys, "argv", ["emosieve", "restore", str(filed / "low_quality" / "outputs_2")])
        with pytest.raises(SystemExit) as ended:
            main()

        assert 1 == ended.value.code
        assert "not moved: EPERM: Operation not permitted; the next watch or sweep" in capsys.readouterr().err


class TestReclassify:
    """``reclassify``."""

    def test_a_dry_run_and_the_real_one(self, filed: Path) -> None:
        """The dry run says what would change and changes nothing; the real one does it."""
        dry = run(
            "reclassify", filed, "--profile", "customer_service", "--set", "rules.min_gap=0.5", "--dry-run"
        )
        assert "normal/outputs_1 → low_quality/outputs_1\njudged: 2, would change sides: 1\n" == dry.stdout
        assert ["outputs_1"] == names_in(filed / "normal")
        real = run("reclassify", filed, "--set", "rules.min_gap=0.5")

        assert "normal/outputs_1 → low_quality/outputs_1\njudged: 2, changed sides: 1\n" == real.stdout
        assert [] == names_in(filed / "normal")

    def test_what_is_left_alone_is_counted(self, filed: Path) -> None:
        """Restored ones stay, and the option that takes them along is named."""
        run("restore", filed / "low_quality" / "outputs_2")
        ended = run("reclassify", filed)

        assert (
            "judged: 2, changed sides: 0\n"
            "restored by hand, left alone though they would change: 1 (--by-hand takes them along)\n"
        ) == ended.stdout

    def test_a_move_that_fails(self, filed: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
        """A task that cannot be moved is named on stderr, with status 1."""

        def deny(*_arguments: object, **_more: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr("os.rename", deny)
        monkeypatch.setenv("EMOSIEVE_LANGUAGE", "en")
        monkeypatch.setattr(sys, "argv", ["emosieve", "reclassify", str(filed), "--set", "rules.min_gap=0.5"])
        with pytest.raises(SystemExit) as ended:
            main()

        assert 1 == ended.value.code
        assert "not moved: EPERM: Operation not permitted; the next watch or sweep" in capsys.readouterr().err


def test_rebuild_makes_the_report_anew(filed: Path) -> None:
    """``report rebuild`` gives the path, and the report in the language that is set."""
    ended = run("report", "rebuild", filed, "--set", "language=en")

    assert (0, f"{filed}/quality_report.txt\n") == (ended.returncode, ended.stdout)
    assert (filed / "quality_report.txt").read_text().startswith("emosieve quality report\n")
    assert 3 == len(read_log(filed))


def test_the_version() -> None:
    """``--version`` names the program and its version."""
    assert f"emosieve {__version__}\n" == run("--version").stdout


@pytest.mark.parametrize(
    "command",
    [
        ["watch"],
        ["sweep"],
        ["check"],
        ["config", "show"],
        ["config", "schema"],
        ["restore"],
        ["reclassify"],
        ["report", "rebuild"],
        ["demo"],
    ],
)
def test_every_command_has_an_example(command: list[str]) -> None:
    """Its help shows one command line that works, within 80 columns."""
    ended = run(*command, "--help")

    assert "Example: " in ended.stdout
    assert all(len(line) <= 80 for line in ended.stdout.splitlines())


def test_a_closed_pipe_ends_it_quietly() -> None:
    """A reader that goes away gives no traceback."""
    process = subprocess.Popen([*EMOSIEVE, "config", "show"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as stream:
        assert b"" == stream.read()
    process.wait()


def test_a_passing_error_has_status_1(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
    """A passing error names its path and says that nothing is lost."""

    def fail(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy", "/outputs/decisions.jsonl")

    (root / "decisions.jsonl").touch()
    monkeypatch.setattr("emosieve.intake.Intake.rebuild_report", fail)
    monkeypatch.setenv("EMOSIEVE_LANGUAGE", "en")
    monkeypatch.setattr(sys, "argv", ["emosieve", "report", "rebuild", str(root)])

    assert 1 == cli.run()
    assert (
        "emosieve: /outputs/decisions.jsonl: Device or resource busy; nothing is lost, try again\n"
        == capsys.readouterr().err
    )


def test_an_interrupt_has_the_shells_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in a sweep ends it with 130, without a traceback."""

    def interrupt(**_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", interrupt)

    assert 130 == cli.run()


def test_windows_is_told_where_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows the program says in one line that WSL2 or Docker is the way."""
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SystemExit) as ended:
        main()

    assert "emosieve needs Linux or macOS: on Windows run it inside WSL2 or Docker" == ended.value.code


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "outputs_1", "outputs_\x1b[2J\x9b\u202e\u2028"],
        ["\x1b[2J\x9b\u202e\u2028"],
        ["--\x1b[2J\x9b\u202e\u2028"],
        ["config", "\x1b[2J\x9b\u202e\u2028"],
        ["tail", "-n", "\x1b[2J\x9b\u202e\u2028"],
    ],
)
def test_a_wrong_command_line_is_shown_escaped(arguments: list[str]) -> None:
    """What a shell made of file names reaches the terminal without its control characters when it is refused."""
    ended = run(*arguments)
    assert 2 == ended.returncode
    assert "Usage: " in ended.stderr
    assert not {"\x1b", "\x9b", "\u202e", "\u2028"} & set(ended.stderr)
