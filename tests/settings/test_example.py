"""config.example.toml: loads, complete, and equal to the defaults."""

import itertools
import tomllib
from pathlib import Path
from typing import Any

import pytest

from emosieve.settings import Settings, load
from emosieve.settings.loading import flatten
from emosieve.settings.rules import CustomRule, Profile

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


PROFILE_KEYS = tuple(f"# {key} =" for key in ("min_confidence", "too_short", "no_speech", "mostly_silence"))
"""Settings of a profile that are followed by another one, which needs no explanation of its own."""


@pytest.fixture
def lines() -> list[str]:
    """The lines of the example as they are shipped."""
    return EXAMPLE.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def uncommented(lines: list[str], tmp_path: Path) -> Path:
    """The example with every setting uncommented and every explanation left out."""
    path = tmp_path / "emosieve.toml"
    path.write_text("\n".join(line.removeprefix("# ") for line in lines if not line.startswith("##")))
    return path


def flat(settings: Settings) -> dict[str, Any]:
    """All settings under their dotted keys, as TOML could have them."""
    return dict(flatten(settings.model_dump(mode="json")))


def test_every_line_is_an_explanation_or_a_commented_setting(lines: list[str]) -> None:
    """Nothing in the example is in force as it is shipped."""
    assert [line for line in lines if line and not line.startswith(("# ", "## ")) and line != "##"] == []


def test_as_shipped_it_changes_nothing() -> None:
    """Loading the example untouched gives the defaults."""
    assert load().settings == load(config=str(EXAMPLE)).settings


def test_uncommented_it_equals_the_defaults(uncommented: Path) -> None:
    """Uncommented, every value but the root is the default."""
    settings = load(config=str(uncommented)).settings
    assert load().settings == settings.model_copy(update={"root": None})


def test_uncommented_it_is_complete(uncommented: Path) -> None:
    """Uncommented, the example sets every key of the model that has a default, the root, and nothing else."""
    expected = {"root"} | {key for key, value in flat(load().settings).items() if value is not None} - {
        "rules.custom"
    }
    written = {key for key, _ in flatten(tomllib.loads(uncommented.read_text()))}
    assert expected == written


def test_uncommented_every_value_comes_from_it(uncommented: Path) -> None:
    """Uncommented, no key with a value is left to its default."""
    left = [
        key for key, value, origin in load(config=str(uncommented)).rows() if value and origin == "default"
    ]
    assert left == []


def test_the_root_is_shown_as_an_example(uncommented: Path) -> None:
    """The one key without a default shows an absolute path."""
    root = load(config=str(uncommented)).settings.root
    assert root is not None
    assert Path(root).is_absolute()


def test_the_numbers_of_a_profile_are_explained(lines: list[str]) -> None:
    """Every number that a profile may have stands in the example of an own profile, which loads."""
    start = lines.index("##     [profiles.night_shift]")
    own = [line.removeprefix("##").strip() for line in lines[start : start + 1 + len(Profile.model_fields)]]
    numbers = tomllib.loads("\n".join(own))["profiles"]["night_shift"]
    assert set(Profile.model_fields) == Profile(**numbers).model_fields_set


def test_the_rules_of_ones_own_are_explained(lines: list[str]) -> None:
    """Every key that such a rule may have stands in the example of two, which load."""
    start = lines.index("##     [[rules.custom]]")
    own = list(itertools.takewhile(lambda line: line, lines[start:]))
    rules = tomllib.loads("\n".join(line.removeprefix("##").strip() for line in own))["rules"]["custom"]
    assert set(CustomRule.model_fields) == {
        key for rule in rules for key in CustomRule(**rule).model_fields_set
    }


def test_every_setting_is_explained(lines: list[str]) -> None:
    """An explanation stands right above every setting and section, but a profile's own numbers."""
    bare = [
        line
        for above, line in itertools.pairwise(lines)
        if line.startswith("# ")
        and not line.startswith("# [profiles.")
        and not above.startswith(("##", "# [profiles.", *PROFILE_KEYS))
    ]
    assert bare == []
