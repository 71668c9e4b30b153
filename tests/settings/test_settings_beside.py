"""Settings of a command beside a daemon: the daemon's for the root, the command line's for the rules it asks for."""

import json
from pathlib import Path
from typing import Any

import pytest

from emosieve.settings import Loaded, Settings, load
from emosieve.settings.beside import OF_ROOT, beside, differences, told, understood

OWN = {"name": "close_call", "when": "gap < 0.1", "action": "reject"}
IN_FORCE = Settings.model_validate(
    {
        "root": "/elsewhere",
        "profile": "psych_screening",
        "language": "zh",
        "timezone": "UTC",
        "watch": {"task_glob": "out_*"},
        "settle": {"quiet_seconds": 9.0, "require": ["result.json", "embedding.npy"]},
        "rules": {"min_confidence": 0.5, "min_gap": 0.2, "custom": [OWN], "actions": {"noisy": "reject"}},
        "filing": {"normal": "good"},
        "decisions": {"sync": "always"},
        "report": {"keep": 3},
    }
)


def asked(*overrides: str, **options: Any) -> Loaded:
    """What a command line asks for, in a shell of other settings."""
    return load(overrides=["language=en", "log.level=debug", *overrides], root="/outputs", **options)


@pytest.fixture
def own_file(tmp_path: Path) -> str:
    """A settings file of the shell."""
    path = tmp_path / "shell.toml"
    path.write_text("[rules]\nmin_top = 0.4\n[report]\nkeep = 7\n")
    return str(path)


def test_what_is_told_is_understood() -> None:
    """All that concerns the root comes back as it was, through JSON; nothing else is told."""
    document = told(IN_FORCE)
    assert document is not None
    assert OF_ROOT == document.keys()
    found = understood(json.loads(json.dumps(document)), IN_FORCE.rule_set.digest)

    assert found is not None
    assert {"root": None} == {
        key: getattr(found, key)
        for key in Settings.model_fields
        if getattr(found, key) != getattr(IN_FORCE, key)
    }


@pytest.mark.parametrize(
    "change",
    [
        {"report": {"keep": -1}},
        {"report": {"colour": "red"}},
        {"filing": {"normal": "../up"}},
        {"language": "fr"},
        {"rules": None},
        {"news": 1},
        {"root": "/outputs"},
        {5: 6},
    ],
)
def test_what_another_version_tells_is_none(change: dict[Any, Any]) -> None:
    """Values and keys that are no settings here, or do not concern the root."""
    assert understood({**(told(IN_FORCE) or {}), **change}, IN_FORCE.rule_set.digest) is None


def test_what_is_told_in_part_is_none() -> None:
    """A section that is not told is not taken for its default."""
    document = dict(told(IN_FORCE) or {})
    del document["filing"]

    assert understood(document, IN_FORCE.rule_set.digest) is None


def test_rules_that_come_out_otherwise_are_none() -> None:
    """Another version may have rules that this one has not: their digest tells."""
    assert understood(told(IN_FORCE) or {}, "0123456789abcdef") is None


@pytest.mark.parametrize(
    "change",
    [
        {"filing": {"normal": "/mnt/\udcff"}},
        {"settle": {"require": [f"{number:0200}" for number in range(1500)]}},
    ],
)
def test_what_json_does_not_carry_is_not_told(change: dict[str, Any]) -> None:
    """A name that is no UTF-8, or lists so long that no status could hold them."""
    assert told(Settings.model_validate(change)) is None


def test_long_rules_are_told() -> None:
    """As long as somebody writes them by hand."""
    rules = [OWN | {"name": f"own_{number}", "message": "m" * 500} for number in range(99)]
    assert told(Settings.model_validate({"rules": {"custom": rules}})) is not None


def test_beside_a_daemon_its_settings_count() -> None:
    """But the root's path, the log and the metrics are the command's own."""
    found = beside(asked(), IN_FORCE)

    assert ("/outputs", "debug", "") == (found.root, found.log.level, found.metrics.listen)
    assert found.model_dump(include={*OF_ROOT}) == IN_FORCE.model_dump(include={*OF_ROOT})
    assert IN_FORCE.rule_set.digest == found.rule_set.digest


def test_a_file_that_the_shell_names_changes_nothing(own_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a variable it is the shell's, and the shell's settings do not count."""
    monkeypatch.setenv("EMOSIEVE_CONFIG", own_file)
    monkeypatch.setenv("EMOSIEVE_RULES__MIN_CONFIDENCE", "0.9")

    assert IN_FORCE.rules == beside(asked(), IN_FORCE).rules


def test_single_rules_are_asked_for_on_top() -> None:
    """Keys of rules alone; a list of own rules replaces the daemon's, as it would in any source."""
    other = '[{name = "mine", when = "gap < 0.3"}]'
    found = beside(asked("rules.min_gap=0.4", "rules.actions.noisy=off", "report.keep=9"), IN_FORCE)
    assert (0.5, 0.4, "off", 3) == (
        found.rules.min_confidence,
        found.rules.min_gap,
        found.rules.actions["noisy"],
        found.report.keep,
    )
    assert IN_FORCE.rules.custom == found.rules.custom
    assert "psych_screening" == found.profile

    found = beside(asked(f"rules.custom={other}"), IN_FORCE)
    assert ["mine"] == [rule.name for rule in found.rules.custom]
    assert 0.5 == found.rules.min_confidence


@pytest.mark.parametrize(
    ("options", "overrides", "expected"),
    [
        ({"profile": "customer_service"}, (), 0.7),
        ({}, ("profile=customer_service",), 0.7),
        ({}, ("profile=mine", "profiles.mine.min_confidence=0.8"), 0.8),
        ({"profile": "customer_service"}, ("rules.min_confidence=0.9",), 0.9),
    ],
)
def test_a_profile_is_asked_for_with_all_its_rules(
    options: dict[str, Any], overrides: tuple[str, ...], expected: float
) -> None:
    """It is the command's own, and the daemon's numbers do not shine through; all else is the daemon's."""
    loaded = asked(*overrides, **options)
    found = beside(loaded, IN_FORCE)

    assert (expected, 0.05, ()) == (found.rules.min_confidence, found.rules.min_gap, found.rules.custom)
    assert (loaded.settings.profile, 3) == (found.profile, found.report.keep)


def test_a_file_on_the_command_line_brings_its_rules_alone(own_file: str) -> None:
    """Not its report."""
    found = beside(asked(config=own_file), IN_FORCE)

    assert (0.4, 0.6, "default", 3) == (
        found.rules.min_top,
        found.rules.min_confidence,
        found.profile,
        found.report.keep,
    )


def test_the_settings_file_is_known(own_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its absolute path, with what named it."""
    assert (None, None) == (load().config, load().config_from)
    monkeypatch.chdir(Path(own_file).parent)
    loaded = load(config="shell.toml")
    assert (own_file, "command line") == (loaded.config, loaded.config_from)

    monkeypatch.setenv("EMOSIEVE_CONFIG", own_file)
    assert (own_file, "environment") == (load().config, load().config_from)


def test_differences_are_named_by_their_keys() -> None:
    """Those of the sections and keys that are asked about."""
    other = Settings(language="en")

    assert ["language", "report.keep"] == differences(other, IN_FORCE, ("language", "report"))
    assert ["watch.task_glob"] == differences(other, IN_FORCE, ("watch.task_glob",))
    assert [] == differences(other, IN_FORCE, ("log", "watch.mode", "rule"))
    assert "rules.actions.noisy" in differences(other, IN_FORCE, ("rules",))
