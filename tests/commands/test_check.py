"""``check`` as people and programs read it."""

import json
import pty
import subprocess
from collections.abc import Mapping
from os import environ, read
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

import emosieve
from conftest import MakeTask
from emosieve.commands.check import SUBJECTS
from emosieve.commands.output import wrapped
from emosieve.record.checkpoint import Checkpoint, save_checkpoint
from process import EMOSIEVE, run
from projected import Projected, event


def one_line(text: str) -> str:
    """A wrapped text as one line."""
    return " ".join(text.split())


def test_a_good_root(root: Path, make_task: MakeTask) -> None:
    """Status 0, the verdict in the first line, and that there is no more; no colour where nobody looks."""
    make_task()
    ended = run("check", root, "--set", "language=en")
    expected = "emosieve can work here\n\nnothing else to report; -v shows what was looked at\n"

    assert (0, "", expected) == (ended.returncode, ended.stderr, ended.stdout)


@pytest.mark.parametrize("option", ["-v", "--verbose"])
def test_all_that_was_looked_at(root: Path, make_task: MakeTask, option: str) -> None:
    """Whoever asks for it gets a line each of what is in order, below the verdict, and what is wrong before it."""
    make_task()
    (root / "quality_report.txt").mkdir()
    first, empty, *lines = run("check", root, option, "--set", "language=en").stdout.splitlines()

    assert ("emosieve can work here; 1 warning", "") == (first, empty)
    assert "settings valid; from command line ok" in one_line(" ".join(lines))
    assert f"{root}: 1 outputs_* standing" in one_line(" ".join(lines))
    levels = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert ["warning", *["ok"] * (len(levels) - 1)] == levels
    assert len(levels) > 10
    assert "-v shows" not in " ".join(lines)


def test_what_is_wrong_comes_before_what_is_worth_knowing(root: Path) -> None:
    """Errors, then warnings, whatever was looked at first; the verdict counts both."""
    (root / "low_quality").touch()
    (root / "normal").touch()
    ended = run("check", root, "--set", "rules.min_gap=0.1", "--set", "language=en")
    first, _, *lines = ended.stdout.splitlines()

    assert (2, "2 problems, 1 warning: emosieve cannot work here yet") == (ended.returncode, first)
    levels = [line.split()[0] for line in lines if line and not line.startswith(" ")]
    assert ["error", "error", "warning", "nothing"] == levels
    assert "nothing else to report; -v shows what was looked at" == lines[-1]


def test_nothing_is_written(root: Path, make_task: MakeTask) -> None:
    """Neither a folder nor a lock file nor another change time is left behind."""
    task = make_task()
    before = [path.stat().st_ctime_ns for path in (root, task, task / "result.json")]
    run("check", root)

    assert before == [path.stat().st_ctime_ns for path in (root, task, task / "result.json")]


def test_a_root_one_level_off(root: Path, make_task: MakeTask) -> None:
    """An error with the better root, and status 2."""
    make_task()
    ended = run("check", root.parent)

    assert 2 == ended.returncode
    assert f"no outputs_* here, but 1 in {root} → give {root} as the root" in one_line(ended.stdout)
    assert "1 problem: emosieve cannot work here yet" == ended.stdout.splitlines()[0]


def test_an_error(root: Path) -> None:
    """Any error has status 2, and the verdict says so; the rest is told all the same."""
    ended = run("check", root / "nowhere", "--set", "rules.min_gap=0.1")

    assert 2 == ended.returncode
    assert "1 problem, 1 warning: emosieve cannot work here yet" == ended.stdout.splitlines()[0]


def test_a_log_that_was_cut(root: Path) -> None:
    """Two warnings, with what to do: that the log lost lines, and where they stand now."""
    projected = Projected(root)
    projected.take(event(1), event(2))
    (root / "decisions.jsonl").unlink()
    projected.take(event(3))
    save_checkpoint(str(root), Checkpoint(reported=projected.reported))
    lines = json.loads(run("check", root, "--json").stdout)["lines"]

    path = f"{root}/quality_report-before-log-loss.txt"
    cut = "the decision log has lost its beginning, or shrank: it no longer holds all that was reported"
    kept = f"reports hold decisions that are in no decision log any more: 1, {path}"
    found = [(line["level"], line["message"]) for line in lines if line["subject"] == "decisions"]
    assert [("warning", cut), ("warning", kept)] == found
    assert "rotate, truncate or archive no decisions*.jsonl" in one_line(run("check", root).stdout)


def test_chinese(root: Path) -> None:
    """Verdict, levels, subjects and messages are Chinese, in columns that count two places a character."""
    ended = run("check", root / "nowhere", "-v", EMOSIEVE_LANGUAGE="zh")
    lines = ended.stdout.splitlines()

    assert (2, "1 个问题：emosieve 暂时无法在此运行") == (ended.returncode, lines[0])
    assert any(line.startswith("错误  输出目录  ") for line in lines)
    assert any(line.startswith("通过  程序      ") for line in lines)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("columns", ["60", "80", "100"])
def test_no_line_is_wider_than_the_terminal(root: Path, language: str, columns: str) -> None:
    """Every line fits but for a path, which stays whole."""
    ended = run("check", root, "--verbose", EMOSIEVE_LANGUAGE=language, COLUMNS=columns)

    assert [] == [
        line for line in ended.stdout.splitlines() if cell_len(line) > int(columns) and str(root) not in line
    ]


def test_json(root: Path, make_task: MakeTask) -> None:
    """A stable shape in English, whatever the language; the same lines, levels and status."""
    (root / "old").mkdir()
    make_task().rename(root / "old" / "outputs_aside")
    ended = run("check", root, "--json", EMOSIEVE_LANGUAGE="zh")
    document = json.loads(ended.stdout)

    assert (0, "") == (ended.returncode, ended.stderr)
    assert ["schema", "root", "level", "lines"] == list(document)
    assert (1, str(root), "warning") == (document["schema"], document["root"], document["level"])
    assert {("level", "subject", "message", "hint")} == {tuple(line) for line in document["lines"]}
    assert ("emosieve", True) == (
        document["lines"][0]["subject"],
        document["lines"][0]["message"].startswith(f"{emosieve.__version__}, Python "),
    )
    assert ended.stdout.isascii()
    assert SUBJECTS.keys() >= {line["subject"] for line in document["lines"]}


def test_json_of_an_error(root: Path) -> None:
    """The status is 2, the answer is JSON all the same."""
    ended = run("check", root / "nowhere", "--json")

    assert (2, "error") == (ended.returncode, json.loads(ended.stdout)["level"])


def on_a_terminal(*arguments: str | Path, more: Mapping[str, str]) -> str:
    """What a command prints to a terminal."""
    outer, inner = pty.openpty()
    environment = {**environ, "TERM": "xterm", "EMOSIEVE_LANGUAGE": "en", **more}
    command = [*EMOSIEVE, *map(str, arguments)]
    subprocess.run(command, stdout=inner, env=environment, timeout=60, check=False)
    return read(outer, 65536).decode()


def test_a_terminal_gets_colours_unless_it_wants_none(root: Path) -> None:
    """An error is red on a terminal; NO_COLOR is obeyed."""
    assert "\x1b[31merror\x1b[0m" in on_a_terminal("check", root / "nowhere", more={})
    assert "\x1b" not in on_a_terminal("check", root / "nowhere", more={"NO_COLOR": "1"})


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("/a/path/longer than it", ["/a/path/longer", "than it"]),
        ("一二三四五六", ["一二三四", "五六"]),
        ("一二三四，五", ["一二三", "四，五"]),
        ("一二三（四五）", ["一二三", "（四五）"]),
        ("", [""]),
    ],
)
def test_texts_are_wrapped_at_eight_places(text: str, lines: list[str]) -> None:
    """Between words, between any Chinese characters, never before closing or after opening punctuation."""
    assert lines == wrapped(text, 8)


@given(st.text(st.sampled_from("ab /四五，。（）“”《》、！?\u00a0é😊\n")), st.integers(1, 20))
@settings(deadline=None)
def test_wrapping_loses_nothing(text: str, width: int) -> None:
    """Whatever is wrapped, every character but blanks is there, in its order."""
    assert "".join(text.split()) == "".join("".join(wrapped(text, width)).split())
