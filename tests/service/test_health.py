"""Health, as a probe asks for it: a fresh heartbeat, a process that is there, and nothing that fails for long."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

import daemons
from emosieve.service.health import FAILING_SECONDS, condition_of
from emosieve.service.heartbeat import STALE_SECONDS, name_of
from emosieve.service.liveness import Failing, Liveness

STATUS = replace(daemons.STATUS, pending=4, reasons={}, oldest=())


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where heartbeats are looked for."""
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("emosieve.service.heartbeat._SHARED_PLACES", ())
    monkeypatch.setattr("emosieve.service.heartbeat._temporary_folders", lambda: ())
    return folder


def beat(root: Path, place: Path, **changes: Any) -> Path:
    """Give a sign of life for a root, and give its file."""
    folder = root.stat()
    identity = (folder.st_dev, folder.st_ino)
    Liveness(identity).beat("facts", lambda: replace(STATUS, root=str(root), **changes))
    return place / name_of(identity)


def failing_for(seconds: float) -> Failing:
    """What could not be filed for so long."""
    return Failing(time.time() - seconds, "disk full")


def word(root: Path | None) -> str:
    """How the daemon is."""
    return condition_of(None if root is None else str(root))[0]


def test_a_fresh_heartbeat_is_healthy(root: Path, place: Path) -> None:
    """With nothing that fails, a daemon that beats is well."""
    beat(root, place)

    assert ("healthy", {"root": str(root), "pending": 4}) == condition_of(str(root))


def test_without_a_heartbeat_it_is_not(root: Path) -> None:
    """Nobody ever beat, or the end was a proper one."""
    assert ("absent", {"root": str(root)}) == condition_of(str(root))
    assert "none" == word(None)


def test_an_old_heartbeat_is_not(root: Path, place: Path) -> None:
    """Whoever hangs gives no sign of life."""
    path = beat(root, place)
    then = time.time() - STALE_SECONDS
    os.utime(path, (then, then))

    assert "silent" == word(root)


def test_one_of_a_killed_process_is_not(root: Path, place: Path) -> None:
    """However fresh it is."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    beat(root, place, pid=child)

    assert ("killed", {"root": str(root), "pid": child}) == condition_of(str(root))


@pytest.mark.parametrize(
    ("seconds", "expected"), [(FAILING_SECONDS - 10, "healthy"), (FAILING_SECONDS, "failing")]
)
def test_what_fails_is_given_a_minute(root: Path, place: Path, seconds: float, expected: str) -> None:
    """A disk that is full for a moment mends; what lasts needs a person."""
    beat(root, place, failing=failing_for(seconds))

    assert expected == word(root)


def test_the_only_heartbeat_needs_no_root(root: Path, place: Path) -> None:
    """In a container there is one; where there are several, the root must be named."""
    beat(root, place)
    assert "healthy" == word(None)

    other = root.with_name("other")
    other.mkdir()
    beat(other, place)
    assert ("several", {"count": 2}) == condition_of(None)
    assert "healthy" == word(other)


def test_a_root_that_is_gone_is_asked_for_by_its_path(root: Path, place: Path) -> None:
    """Without a root there is no identity to look for."""
    beat(root, place)
    root.rmdir()

    assert "healthy" == word(root)
    assert "absent" == word(root.with_name("other"))


def test_a_folder_with_the_inode_of_another_root_has_no_heartbeat(root: Path, place: Path) -> None:
    """The daemon of a root that was deleted says nothing of the folder that got its inode."""
    path = beat(root, place)
    other = root.with_name("other")
    root.rename(other)
    (other / ".emosieve").mkdir()

    assert "absent" == word(other)
    document = orjson.loads(path.read_bytes())
    state = (other / ".emosieve").stat()
    document["status"]["state_directory"] = [state.st_dev, state.st_ino]
    path.write_bytes(orjson.dumps(document))
    assert "healthy" == word(other)


def test_a_heartbeat_of_somebody_else_is_none(root: Path, place: Path) -> None:
    """In a directory that is everybody's anybody could write one."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(beat(root, place), 4242, 4242)

    assert "absent" == word(root)


def test_a_symlink_is_none(root: Path, place: Path) -> None:
    """A link in the heartbeat's place leads nowhere."""
    path = beat(root, place)
    path.rename(place / "elsewhere")
    path.symlink_to(place / "elsewhere")

    assert "absent" == word(root)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "5", '{"schema":2,"status":{}}', '{"schema":1,"status":[]}', "[" * 100_000, "\x80"],
    ids=["empty", "torn", "list", "number", "later", "other", "deep", "control"],
)
def test_another_shape_is_none(root: Path, place: Path, text: str) -> None:
    """What cannot be read is no heartbeat, and no crash."""
    beat(root, place).write_text(text)

    assert "absent" == word(root)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("root", 5),
        ("host", None),
        ("pid", 1 << 62),
        ("pid", -1),
        ("pid", "1"),
        ("pending", None),
        ("failing", {"since": None, "cause": "disk full"}),
        ("failing", {"since": 10**400, "cause": "disk full"}),
        ("failing", {"since": 1.0, "cause": 5}),
        ("failing", 5),
    ],
)
def test_a_value_of_another_kind_is_none(root: Path, place: Path, key: str, value: object) -> None:
    """The owner of the root may write a status; a probe with more rights survives it."""
    import json

    path = beat(root, place)
    document = orjson.loads(path.read_bytes())
    document["status"][key] = value
    path.write_text(json.dumps(document))

    assert "absent" == word(root)
