"""The documents tell the truth about the code."""

import re
from pathlib import Path
from typing import get_args

import pytest

import chinese
import emosieve
from docs import ORIGINS, README, READMES, TABLES, TOP, commands, settings_rows, with_tables, write_tables
from emosieve.judge.rules import Choice
from emosieve.text import Language
from outline import outline
from process import run
from promises import PROMISES, Promise, is_there

TEXT = README.read_text(encoding="utf-8")
EXAMPLE = re.compile(r"Example: (.+)")


@pytest.mark.parametrize("language", READMES)
@pytest.mark.parametrize("table", TABLES)
def test_the_tables_are_those_of_the_code(table: str, language: Language) -> None:
    """Each table of a README is what the code makes of it; ``python tests/docs.py`` mends it."""
    text = READMES[language].read_text(encoding="utf-8")

    assert f"<!-- {table} -->\n{TABLES[table](language)}\n<!-- /{table} -->" in text


@pytest.mark.parametrize(("language", "readme"), READMES.items())
def test_making_the_tables_changes_nothing(language: Language, readme: Path) -> None:
    """A README is as its generator leaves it."""
    text = readme.read_text(encoding="utf-8")

    assert text == with_tables(text, language)


@pytest.mark.parametrize("table", sorted(set(TABLES) - {"promises"}))
def test_a_chinese_table_has_the_same_rows(table: str) -> None:
    """Row by row a Chinese table names the same things as the English one, in its own words."""
    rows = {
        language: [line.split(" | ") for line in TABLES[table](language).splitlines()[2:]]
        for language in READMES
    }

    assert [row[0] for row in rows["en"]] == [row[0] for row in rows["zh"]]
    assert [] == [row for row in rows["zh"] if not re.search(r"[\u4e00-\u9fff]", row[-1])]


@pytest.mark.parametrize(
    ("catalogue", "known"),
    [
        (chinese.SETTINGS, [key for key, _, _ in settings_rows()]),
        (chinese.COMMANDS, [name for name, _ in commands()]),
        (chinese.ACTIONS, list(get_args(Choice))),
        (chinese.ORIGINS, list(ORIGINS)),
    ],
    ids=["settings", "commands", "actions", "origins"],
)
def test_the_chinese_catalogues_are_complete(catalogue: dict[str, str], known: list[str]) -> None:
    """Every key has its Chinese meaning, and none is left of what is gone."""
    assert sorted(known) == sorted(catalogue)


def test_both_readmes_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The generator fills the tables of each in its language."""
    readmes = {"en": tmp_path / "README.md", "zh": tmp_path / "README.zh-CN.md"}
    monkeypatch.setattr("docs.READMES", readmes)
    for readme in readmes.values():
        readme.write_text("<!-- exit -->\n<!-- /exit -->")
    write_tables()

    assert "| 0 | done |" in readmes["en"].read_text()
    assert "| 退出码 | 含义 |\n| --- | --- |\n| 0 | 完成 |" in readmes["zh"].read_text()


@pytest.mark.parametrize("name", ["demo", "tests"])
def test_the_two_commands_are_there(name: str) -> None:
    """One runs the main job, one passes the tests; each is one line that works alone."""
    (block,) = re.findall(f"<!-- {name} -->\n```sh\n(.+?)\n```", TEXT, re.DOTALL)

    assert block.startswith("python3 -m venv .venv && .venv/bin/pip install --quiet ")
    assert "\n" not in block


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.fault.en)
def test_each_promise_names_the_tests_that_show_it(promise: Promise) -> None:
    """Behind each row stands at least one test, and every one that it names exists."""
    assert promise.tests
    assert [] == [test for test in promise.tests if not is_there(test)]


def test_each_fault_test_stands_behind_a_promise() -> None:
    """No file of fault tests is without a row."""
    files = {f"faults/{path.name}" for path in (TOP / "tests" / "faults").glob("test_*.py")}

    assert set() == files - {test.partition("::")[0] for promise in PROMISES for test in promise.tests}


@pytest.mark.parametrize(("name", "function"), list(commands()), ids=[name for name, _ in commands()])
def test_examples_of_the_help_parse(name: str, function: object) -> None:
    """The example in each command's help names that command and options that it has."""
    (example,) = EXAMPLE.findall(str(function.__doc__))
    command = example.partition("emosieve ")[2].partition(" > ")[0]
    options = re.findall(r"--[a-z-]+", command)
    listed = run(*name.split(), "--help", COLUMNS="200").stdout

    assert command.startswith(name)
    assert [] == [option for option in options if option not in listed]


def test_the_event_names_of_the_log_are_listed() -> None:
    """Every kind of event that the decision log can hold is in the README."""
    source = "".join(path.read_text(encoding="utf-8") for path in (TOP / "src" / "emosieve").rglob("*.py"))
    kinds = set(re.findall(r"\"event\": \"([a-z]+)\"", source))

    assert {"decided", "quarantined", "swept"} <= kinds
    assert set() == {kind for kind in kinds if f"`{kind}`" not in TEXT and f'"{kind}"' not in TEXT}


def test_the_version_is_one() -> None:
    """The package and its metadata carry the same version."""
    assert f'version = "{emosieve.__version__}"' in (TOP / "pyproject.toml").read_text(encoding="utf-8")


def test_the_readmes_say_the_same_in_the_same_order() -> None:
    """Part by part they have the same headings, commands, `code`, numbers and links."""
    english, in_chinese = (outline(readme.read_text(encoding="utf-8")) for readme in READMES.values())

    assert english == in_chinese


@pytest.mark.parametrize("language", READMES)
def test_a_line_of_one_readme_alone_is_noticed(language: Language) -> None:
    """A README without any one line has another outline, unless it is of a drawing or of an output."""
    text = READMES[language].read_text(encoding="utf-8")
    whole = outline(text)
    unnoticed = [
        line[0]
        for line in re.finditer(r".+\n", text)
        if outline(text[: line.start()] + text[line.end() :]) == whole
    ]
    shown = "".join(re.findall(r"^```(?:text|console)\n.*?^```$", text, re.DOTALL | re.MULTILINE))

    assert [] == [
        line
        for line in unnoticed
        if (line not in shown or line.startswith("$ ")) and "EMOSIEVE_LANGUAGE=en" not in line
    ]


@pytest.mark.parametrize("language", READMES)
def test_links_lead_somewhere(language: Language) -> None:
    """Every file that a README links exists, the other README among them."""
    text = READMES[language].read_text(encoding="utf-8")
    links = re.findall(r"\]\(((?!https?:)[^)#]+)\)", text)

    assert len(set(READMES.values()) & {TOP / link for link in links}) == 1
    assert [] == [link for link in links if not (TOP / link).exists()]
