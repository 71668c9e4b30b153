"""Whose settings are in force: those of a daemon that can be trusted, lives, and is of this version."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemons import STATUS
from emosieve import __version__
from emosieve.commands.in_force import loaded_on
from emosieve.service.account import source_of
from emosieve.service.in_force import in_force
from emosieve.service.liveness import Liveness, Source
from emosieve.settings import Settings, load
from emosieve.settings.beside import told

Publish = Callable[..., Path]


@pytest.fixture
def publish(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Let a daemon tell settings of the root, with changes of its status; gives the file."""
    place = tmp_path / "run"
    place.mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(place))

    def published(settings: dict[str, Any], /, **changes: Any) -> Path:
        made = Settings.model_validate(settings)
        values = {"version": __version__, "settings": told(made), "rules_digest": made.rule_set.digest}
        folder = root.stat()
        liveness = Liveness((folder.st_dev, folder.st_ino))
        liveness.beat("facts", lambda: replace(STATUS, root=str(root), **values | changes))
        (path,) = place.iterdir()
        return path

    return published


def test_what_a_daemon_tells_is_in_force(root: Path, publish: Publish) -> None:
    """With the status that it stands in."""
    publish({"report": {"keep": 3}})
    found = in_force(str(root))

    assert found is not None
    assert (3, str(root), True) == (found.settings.report.keep, found.status.root, found.may_name_places)


def test_without_a_daemon_nothing_is(root: Path) -> None:
    """The command is alone."""
    loaded = load()

    assert in_force(str(root)) is None
    assert loaded is loaded_on(str(root), loaded, ("report",))


@pytest.mark.parametrize(
    "change", [{"version": "0.0.1"}, {"settings": None}, {"rules_digest": "d"}, {"settings": {"report": 5}}]
)
def test_what_another_version_tells_is_not_in_force(
    root: Path, publish: Publish, change: dict[str, Any]
) -> None:
    """It may mean something else by the same words."""
    publish({"report": {"keep": 3}}, **change)

    assert in_force(str(root)) is None


def test_what_a_killed_daemon_told_is_not_in_force(root: Path, publish: Publish) -> None:
    """Its process is gone."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    publish({"report": {"keep": 3}}, pid=child)

    assert in_force(str(root)) is None


@pytest.mark.parametrize("folder", ["good", "/srv/elsewhere"])
def test_another_user_names_no_folder_outside_the_root(
    root: Path, publish: Publish, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    """The owner of the root may run the daemon, but not have tasks moved with the rights of who restores one."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    path = publish({"filing": {"normal": folder}, "report": {"keep": 3}})
    for one in (path, path.parent, root):
        os.chown(one, 4242, 4242)
    loaded = load(overrides=["language=en"])
    settings = loaded_on(str(root), loaded, ("filing",)).settings

    assert (3, "normal" if folder.startswith("/") else folder) == (
        settings.report.keep,
        settings.filing.normal,
    )
    says_so = f"the folders in force on {root} (filing.normal) are not used, for another user named them"
    assert folder.startswith("/") is (says_so in capsys.readouterr().err)
    loaded_on(str(root), loaded, ("report",))
    assert "folders" not in capsys.readouterr().err


def test_ones_own_daemon_may_name_any_folder(root: Path, publish: Publish) -> None:
    """As root's may."""
    publish({"filing": {"normal": "/srv/elsewhere"}})

    assert "/srv/elsewhere" == loaded_on(str(root), load(), ("filing",)).settings.filing.normal


def test_origins_are_the_daemons(root: Path, publish: Publish) -> None:
    """So that check can say where a value stands; one that it does not tell is a default."""
    publish({}, source=Source("/etc/unit.toml", {"report.keep": "unit.toml"}))
    origins = loaded_on(str(root), load(overrides=["log.level=debug"]), ()).origins

    assert ("unit.toml", "command line", "default") == (
        origins["report.keep"],
        origins["log.level"],
        origins["rules.min_gap"],
    )


def test_many_differences_are_cut_short(
    root: Path, publish: Publish, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line stays one line."""
    limits = {"min_confidence": 0.1, "min_gap": 0.1, "min_top": 0.1, "min_duration": 9, "max_silence": 0.1}
    publish({"rules": limits | {"min_snr": 1}})
    loaded_on(str(root), load(overrides=["language=en"]), ("rules",))
    assert "max_silence, rules.min_snr): those of pid" in capsys.readouterr().err

    publish({"rules": limits | {"min_snr": 1, "max_clipping": 0.5}})
    loaded_on(str(root), load(overrides=["language=en"]), ("rules",))
    told_of = capsys.readouterr().err
    assert "rules.min_snr, …): those of pid" in told_of
    assert "without a settings file" in told_of


def test_a_source_tells_what_concerns_the_root(tmp_path: Path) -> None:
    """Neither the level of the log nor the path of the root."""
    path = tmp_path / "unit.toml"
    path.write_text("[log]\nlevel = 'debug'\n[report]\nkeep = 3\n")
    loaded = load(config=str(path), overrides=["language=en"], root="/outputs")

    assert Source(str(path), {"report.keep": "unit.toml", "language": "command line"}) == source_of(loaded)
