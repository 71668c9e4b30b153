"""The documents tell the truth about the code."""

import re
from pathlib import Path

import pytest

import emosieve
from docs import README, TABLES, TOP, commands, with_tables
from process import run

TEXT = README.read_text(encoding="utf-8")
EXAMPLE = re.compile(r"Example: (.+)")


@pytest.mark.parametrize("table", TABLES)
def test_the_tables_are_those_of_the_code(table: str) -> None:
    """Each table of the README is what the code makes of it; ``python tests/docs.py`` mends it."""
    assert f"<!-- {table} -->\n{TABLES[table]()}\n<!-- /{table} -->" in TEXT


def test_making_the_tables_changes_nothing() -> None:
    """The README is as its generator leaves it."""
    assert TEXT == with_tables(TEXT)


@pytest.mark.parametrize("name", ["demo", "tests"])
def test_the_two_commands_are_there(name: str) -> None:
    """One runs the main job, one passes the tests; each is one line that works alone."""
    (block,) = re.findall(f"<!-- {name} -->\n```sh\n(.+?)\n```", TEXT, re.DOTALL)

    assert block.startswith("python3 -m venv .venv && .venv/bin/pip install --quiet ")
    assert "\n" not in block


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


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!https?:)[^)#]+)\)", TEXT))
def test_links_lead_somewhere(link: str) -> None:
    """Every file that the README links exists."""
    assert (Path(TOP) / link).exists()
