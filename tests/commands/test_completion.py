"""Completion in the real shells, and what typer is told to offer them."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import shellingham  # type: ignore[import-untyped]

from emosieve.commands import cli
from process import EMOSIEVE, PATIENCE, run

PROGRAMS = Path(sys.executable).parent
"""Where the installed ``emosieve`` stands, as a shell would find it."""
CASES = [
    ("emosieve swe", "ep"),
    ("emosieve config sc", "hema"),
    ("emosieve sweep --dry", "-run"),
    ("emosieve sweep --profile cust", "omer_service"),
    ("emosieve sweep --config my.toml --profile mi", "ne"),
    ("emosieve sweep --set settle.q", "uiet_seconds="),
    ("emosieve sweep ou", "tputs/"),
    ("emosieve sweep --config my", ".toml"),
    ("emosieve restore outputs/low_quality/out", "puts_1/"),
]
"""What is typed, and what a TAB adds to it."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with completion installed for every shell that is here, and something to complete."""
    home = tmp_path_factory.mktemp("home")
    (home / "outputs" / "low_quality" / "outputs_1").mkdir(parents=True)
    (home / "my.toml").write_text("[profiles.mine]\nmin_gap = 0.1\n")
    for shell in filter(shutil.which, ("bash", "zsh", "fish")):
        # The second command keeps the shell from becoming emosieve itself, which then would find no shell.
        subprocess.run(
            [shell, "-c", "emosieve --install-completion; true"], env=environment(home), check=True
        )
    return home


def environment(home: Path) -> dict[str, str]:
    """A plain environment of somebody who lives there."""
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    return {"HOME": str(home), "PATH": path, "TERM": "xterm", "LC_ALL": "C.UTF-8", "COLUMNS": "200"}


def needs(shell: str) -> None:
    """Skip where a shell is not installed."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")


class Prompt:
    """An interactive shell on a terminal of its own."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._seen = b""

    def type(self, text: str) -> None:
        """Press keys."""
        self._seen = b""
        os.write(self._terminal, text.encode())

    def wait_for(self, pattern: str) -> None:
        """Read on until this is on the screen."""
        while not re.search(pattern.encode(), self._seen):
            ready, _, _ = select.select([self._terminal], [], [], PATIENCE)
            assert ready, f"{pattern} never came; the screen has {self._seen!r}"
            self._seen += os.read(self._terminal, 65536)


@contextmanager
def prompt(command: list[str], home: Path) -> Iterator[Prompt]:
    """Start a shell and wait until it listens."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(home),
        cwd=home,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        shell = Prompt(ours)
        shell.type("echo REA''DY\n")
        shell.wait_for("READY")
        yield shell
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.mark.parametrize("command", [["bash", "-i"], ["zsh", "-d", "-i"]], ids=["bash", "zsh"])
@pytest.mark.parametrize(("typed", "rest"), CASES, ids=[typed for typed, _ in CASES])
def test_a_tab_completes(home: Path, command: list[str], typed: str, rest: str) -> None:
    """After ``--install-completion`` one TAB adds the rest of a command, option, profile, key or path."""
    needs(command[0])
    with prompt(command, home) as shell:
        shell.type(typed)
        shell.wait_for(f"{re.escape(typed)}$")
        if command[0] == "zsh":
            # The first TAB of a zsh only loads what typer installed, and rings.
            shell.type("\t")
            shell.wait_for("\x07")
        shell.type("\t")
        # A closing slash may stand in a colour of its own.
        shell.wait_for(re.escape(rest.rstrip("/=")))


@pytest.mark.parametrize(("typed", "rest"), CASES, ids=[typed for typed, _ in CASES])
def test_fish_completes(home: Path, typed: str, rest: str) -> None:
    """Fish, asked what a TAB would offer, says the same."""
    needs("fish")
    ended = subprocess.run(
        ["fish", "-c", f"complete -C '{typed}'"],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )

    offered = [line.partition("\t")[0] for line in ended.stdout.splitlines()]
    assert f"{typed.rpartition(' ')[2]}{rest}" in offered


def offered(typed: str, **variables: str) -> list[str]:
    """What is offered for a word, with its meaning behind a tab."""
    action = {"_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": typed}
    return run(_EMOSIEVE_COMPLETE="complete_fish", **action, **variables).stdout.strip().splitlines()


def test_several_keys_have_their_meanings() -> None:
    """Keys of a section are offered with what they mean, ready for a value."""
    assert [
        "rules.min_confidence=\tshare 0-1; main confidence below it: low_confidence",
        "rules.min_gap=\tshare 0-1; first two scores less than this apart: ambiguous",
        "rules.min_top=\tshare 0-1; every score below it: no_dominant_emotion",
        "rules.min_duration=\tseconds; audio shorter than this: too_short",
        "rules.min_snr=\tdB; signal-to-noise ratio below it: noisy",
    ] == offered("emosieve sweep --set rules.min")


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("log.level", ["debug", "info", "warning", "error"]),
        ("log.level=w", ["warning"]),
        ("settle.quiet_seconds", ["", "2.0"]),
        ("settle.require", [""]),
        ("profiles.social_robot.min_gap", [""]),
        ("rules.actions.ambiguous=", ["reject", "flag", "off"]),
        ("rules.actions.audio_missing=", ["reject", "flag", "off", "auto"]),
    ],
)
def test_a_single_key_has_its_values(typed: str, values: list[str]) -> None:
    """Of the only key that is left the choices are offered, or its default as an example."""
    key = typed.partition("=")[0]
    words = [line.partition("\t")[0] for line in offered(f"emosieve sweep --set {typed}")]

    assert [f"{key}={value}" for value in values] == words


def test_tables_are_no_keys() -> None:
    """A section by itself takes no value, so it is not offered."""
    words = [line.partition("\t")[0] for line in offered("emosieve sweep --set ")]

    assert {"root=", "rules.min_gap=", "rules.actions.ambiguous=", "profiles.social_robot.min_top="} < set(
        words
    )
    assert set() == {"rules=", "rules.actions=", "profiles="} & set(words)


def test_profiles_are_offered_although_the_settings_are_wrong() -> None:
    """A mistake elsewhere in the settings leaves the shipped profiles."""
    expected = ["default", "customer_service", "psych_screening", "social_robot"]

    assert expected == offered("emosieve sweep --profile ", EMOSIEVE_LANGUAGE="fr")


def test_a_path_is_left_to_the_shell() -> None:
    """Where a path is meant nothing is offered, so that the shell completes it by itself."""
    assert [[], [], []] == [offered(f"emosieve {words} ") for words in ("sweep", "restore", "sweep --config")]


@pytest.mark.parametrize("arguments", [["--help"], ["sweep", "--help"]])
def test_a_start_imports_little(arguments: list[str]) -> None:
    """What needs no settings waits for none of the slow modules, nor does completion."""
    slow = {"emosieve.settings", "structlog", "watchdog", "orjson", "emosieve.intake"}
    program = [EMOSIEVE[0], "-X", "importtime", *EMOSIEVE[1:]]
    completing = {"_EMOSIEVE_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": f"emosieve {arguments[0]} "}
    for variables in ({}, completing):
        ended = subprocess.run(
            [*program, *arguments],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}

        assert "emosieve.commands.cli" in imported
        assert set() == slow & imported


@pytest.mark.parametrize("found", [None, "dash"])
@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "run this again in one of them"), ("zh", "请在其中一种 shell 的提示符下重新执行")],
)
def test_an_unknown_shell_is_told_where_to_go(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: str | None,
    language: str,
    words: str,
) -> None:
    """Where the shell cannot be found out, or is another one, the next step is named with status 2."""

    def detect() -> Any:
        if found is None:
            raise shellingham.ShellDetectionFailure
        return found, f"/bin/{found}"

    monkeypatch.setattr(shellingham, "detect_shell", detect)
    monkeypatch.setenv("EMOSIEVE_LANGUAGE", language)
    monkeypatch.setattr(sys, "argv", ["emosieve", "--install-completion"])

    assert 2 == cli.run()
    assert words in capsys.readouterr().err


def test_rules_and_emotions_are_completed() -> None:
    """The built-in rules and the model's classes, by their beginning."""
    from emosieve.commands import completion

    assert ["low_confidence"] == completion.rules("low_")
    assert ["sad", "surprised"] == completion.emotions("s")
