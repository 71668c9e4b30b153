"""The status of a daemon: written outside the root, touched as a heartbeat, trusted only from its owner."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from daemons import STATUS
from emosieve.service.heartbeat import HEARTBEAT_SECONDS, STALE_SECONDS
from emosieve.service.liveness import Failing, Liveness, Trouble, read_heartbeat


class Ticks:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The present time."""
        return self.now


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime directory of the test's own."""
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
    return folder


@pytest.fixture
def ticks() -> Ticks:
    """The clock of the liveness."""
    return Ticks()


@pytest.fixture
def liveness(root: Path, place: Path, ticks: Ticks) -> Liveness:
    """The liveness of the root, which writes to the test's own place."""
    assert place.is_dir()
    status = root.stat()
    return Liveness((status.st_dev, status.st_ino), ticks)


def only_file(place: Path) -> Path:
    """The one status file."""
    (path,) = place.iterdir()
    return path


def found(root: Path) -> Any:
    """The heartbeat of the root; there must be one."""
    heartbeat = read_heartbeat(str(root))
    assert heartbeat is not None
    return heartbeat


def test_a_status_is_read_as_it_was_written(root: Path, liveness: Liveness) -> None:
    """Whatever the daemon says of itself comes back whole, and it is alive."""
    liveness.beat("facts", lambda: STATUS)

    assert STATUS == found(root).status
    assert found(root).is_alive


def test_a_status_is_found_by_its_path_while_the_root_is_gone(root: Path, liveness: Liveness) -> None:
    """Without a root there is no identity to look for: then the path counts, and another path finds nothing."""
    liveness.beat("facts", lambda: replace(STATUS, root=str(root)))
    root.rename(root.with_name("away"))

    assert str(root) == found(root).status.root
    assert read_heartbeat(str(root.with_name("other"))) is None


def test_the_same_facts_are_written_once(place: Path, liveness: Liveness, ticks: Ticks) -> None:
    """Nothing is written while nothing changed; the change time moves at each heartbeat."""
    liveness.beat("facts", lambda: STATUS)
    os.utime(only_file(place), (1, 1))
    ticks.now += HEARTBEAT_SECONDS

    liveness.beat("facts", lambda: pytest.fail("was made again"))
    assert only_file(place).stat().st_mtime > 1


def test_changed_facts_are_written_once_a_second(root: Path, liveness: Liveness, ticks: Ticks) -> None:
    """A second change within the second waits for its end, and says for how long."""
    liveness.beat(1, lambda: STATUS)
    ticks.now += 0.25

    assert pytest.approx(0.75) == liveness.beat(2, lambda: pytest.fail("too early"))
    ticks.now += 0.75
    liveness.beat(2, lambda: replace(STATUS, pending=7))
    assert found(root).status.pending == 7


def test_a_status_that_was_cleaned_up_is_written_anew(
    root: Path, place: Path, liveness: Liveness, ticks: Ticks
) -> None:
    """A cleaner of temporary files does not silence the daemon for longer than a heartbeat."""
    liveness.beat("facts", lambda: STATUS)
    only_file(place).unlink()
    ticks.now += HEARTBEAT_SECONDS
    liveness.beat("facts", lambda: STATUS)

    assert found(root).is_alive


def test_a_clean_end_leaves_nothing(root: Path, place: Path, liveness: Liveness) -> None:
    """After remove there is neither a status nor a file."""
    liveness.beat("facts", lambda: STATUS)
    liveness.remove()

    assert read_heartbeat(str(root)) is None
    assert list(place.iterdir()) == []


def test_without_a_sign_of_life_it_is_not_alive(root: Path, place: Path, liveness: Liveness) -> None:
    """A change time that is too old means that nobody turns the loop."""
    liveness.beat("facts", lambda: STATUS)
    then = time.time() - STALE_SECONDS
    os.utime(only_file(place), (then, then))

    assert not found(root).is_alive
    assert not found(root).is_killed


def test_a_process_that_is_gone_was_killed(root: Path, liveness: Liveness) -> None:
    """A fresh status of a process that is not there any more is not believed."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    liveness.beat("facts", lambda: replace(STATUS, pid=child))

    assert found(root).is_killed
    assert not found(root).is_alive


@pytest.mark.parametrize("elsewhere", [{"host": "another"}, {"pid_namespace": 1}])
def test_a_process_elsewhere_is_not_asked_for(
    root: Path, liveness: Liveness, elsewhere: dict[str, Any]
) -> None:
    """The number of a process in another container or on another host means nothing here."""
    liveness.beat("facts", lambda: replace(STATUS, pid=2**22 + 1, **elsewhere))

    assert found(root).is_alive


def test_a_status_of_somebody_else_is_not_believed(root: Path, place: Path, liveness: Liveness) -> None:
    """In a directory that is everybody's anybody could write one; only root's, ours or the root's owner's count."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    liveness.beat("facts", lambda: STATUS)
    os.chown(only_file(place), 4242, 4242)

    assert read_heartbeat(str(root)) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema":2,"status":{}}', '{"schema":1,"status":{"version":"1"}}']
)
def test_a_status_of_another_version_is_none(root: Path, place: Path, liveness: Liveness, text: str) -> None:
    """What cannot be read is no status, and no crash."""
    liveness.beat("facts", lambda: STATUS)
    only_file(place).write_text(text)

    assert read_heartbeat(str(root)) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pid", 1 << 62),
        ("pid", -1),
        ("state", "\x1b[31m"),
        ("mode_reason", {"en": "ext4"}),
        ("tells_writers", 5),
        ("started_at", 1e308),
        ("decided", {"normal": 1}),
        ("decided", {"normal": 1, "low_quality": 2, "quarantined": "3"}),
        ("last_hint_at", "now"),
        ("trouble", {"cause": "disk full"}),
        ("failing", {"since": "now", "cause": "disk full"}),
        ("pending", None),
        ("reasons", []),
        ("oldest", [{"task": 5}]),
    ],
)
def test_a_status_of_another_shape_is_none(
    root: Path, place: Path, liveness: Liveness, key: str, value: object
) -> None:
    """The owner of the root may write a status; a reader with more rights survives it."""
    liveness.beat("facts", lambda: STATUS)
    document = orjson.loads(only_file(place).read_bytes())
    document["status"][key] = value
    only_file(place).write_bytes(orjson.dumps(document))

    assert read_heartbeat(str(root)) is None


def test_the_last_error_comes_back(root: Path, liveness: Liveness) -> None:
    """Cause and times of it are read as they were written, and since when nothing could be filed."""
    status = replace(STATUS, trouble=Trouble("disk full", 4.0, 5.0), failing=Failing(3.0, "disk full"))
    liveness.beat("facts", lambda: status)

    assert status == found(root).status


def test_a_symlink_is_not_followed(root: Path, place: Path, tmp_path: Path, liveness: Liveness) -> None:
    """A link in the status's place leads nowhere."""
    liveness.beat("facts", lambda: STATUS)
    path = only_file(place)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")

    assert read_heartbeat(str(root)) is None


def test_without_a_runtime_directory_it_lies_in_a_place_of_its_own(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the temp directory it has a folder that only its user may write, and readers find it there."""
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    status = root.stat()
    Liveness((status.st_dev, status.st_ino)).beat("facts", lambda: STATUS)

    folder = tmp_path / f"emosieve-{os.geteuid()}"
    assert folder.stat().st_mode & 0o022 == 0
    assert found(root).is_alive


def test_a_place_of_somebody_else_is_told_of_once(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticks: Ticks
) -> None:
    """A status that cannot be written is a warning, once, and nothing else."""
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / f"emosieve-{os.geteuid()}").write_text("in the way")
    status = root.stat()
    liveness = Liveness((status.st_dev, status.st_ino), ticks)
    with capture_logs() as logs:
        for beat in range(3):
            ticks.now += 10
            liveness.beat(beat, lambda: STATUS)

    assert ["status.unwritable"] == [line["event"] for line in logs]


def test_a_status_of_a_version_before_is_read(root: Path, place: Path, liveness: Liveness) -> None:
    """One that does not say yet whether something fails is understood all the same."""
    liveness.beat("facts", lambda: STATUS)
    document = orjson.loads(only_file(place).read_bytes())
    del document["status"]["failing"]
    only_file(place).write_bytes(orjson.dumps(document))

    assert STATUS == found(root).status


def test_the_file_says_its_schema(place: Path, liveness: Liveness) -> None:
    """A later version can tell an older file."""
    liveness.beat("facts", lambda: STATUS)

    assert orjson.loads(only_file(place).read_bytes())["schema"] == 1


def test_a_status_that_could_not_be_written_is_written_later(
    root: Path, liveness: Liveness, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing changed since, the next beat that can writes it."""

    def refuse(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, capture_logs() as events:
        patch.setattr(os, "rename", refuse)
        liveness.beat("facts", lambda: STATUS)
        ticks.now += HEARTBEAT_SECONDS
        liveness.beat("facts", lambda: STATUS)
    assert read_heartbeat(str(root)) is None
    ticks.now += HEARTBEAT_SECONDS
    liveness.beat("facts", lambda: STATUS)

    assert STATUS == found(root).status
    assert ["status.unwritable"] == [event["event"] for event in events]
