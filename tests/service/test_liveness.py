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
from emosieve import __version__
from emosieve.service import liveness as liveness_module
from emosieve.service.heartbeat import HEARTBEAT_SECONDS, STALE_SECONDS, name_of
from emosieve.service.liveness import Failing, Liveness, Status, Trouble, read_heartbeat
from process import run_as


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


@pytest.fixture
def told(root: Path) -> Status:
    """What a daemon on the root says of itself."""
    return replace(STATUS, root=str(root))


def only_file(place: Path) -> Path:
    """The one status file."""
    (path,) = place.iterdir()
    return path


def found(root: Path) -> Any:
    """The heartbeat of the root; there must be one."""
    heartbeat = read_heartbeat(str(root))
    assert heartbeat is not None
    return heartbeat


def test_a_status_is_read_as_it_was_written(told: Status, root: Path, liveness: Liveness) -> None:
    """Whatever the daemon says of itself comes back whole, and it is alive."""
    liveness.beat("facts", lambda: told)

    assert told == found(root).status
    assert found(root).is_alive


def test_a_status_is_found_by_its_path_while_the_root_is_gone(
    told: Status, root: Path, liveness: Liveness
) -> None:
    """Without a root there is no identity to look for: then the path counts, and another path finds nothing."""
    liveness.beat("facts", lambda: replace(told, root=str(root)))
    root.rename(root.with_name("away"))

    assert str(root) == found(root).status.root
    assert read_heartbeat(str(root.with_name("other"))) is None


def test_the_same_facts_are_written_once(told: Status, place: Path, liveness: Liveness, ticks: Ticks) -> None:
    """Nothing is written while nothing changed; the change time moves at each heartbeat."""
    liveness.beat("facts", lambda: told)
    os.utime(only_file(place), (1, 1))
    ticks.now += HEARTBEAT_SECONDS

    liveness.beat("facts", lambda: pytest.fail("was made again"))
    assert only_file(place).stat().st_mtime > 1


def test_changed_facts_are_written_once_a_second(
    told: Status, root: Path, liveness: Liveness, ticks: Ticks
) -> None:
    """A second change within the second waits for its end, and says for how long."""
    liveness.beat(1, lambda: told)
    ticks.now += 0.25

    assert pytest.approx(0.75) == liveness.beat(2, lambda: pytest.fail("too early"))
    ticks.now += 0.75
    liveness.beat(2, lambda: replace(told, pending=7))
    assert found(root).status.pending == 7


def test_a_status_that_was_cleaned_up_is_written_anew(
    told: Status, root: Path, place: Path, liveness: Liveness, ticks: Ticks
) -> None:
    """A cleaner of temporary files does not silence the daemon for longer than a heartbeat."""
    liveness.beat("facts", lambda: told)
    only_file(place).unlink()
    ticks.now += HEARTBEAT_SECONDS
    liveness.beat("facts", lambda: told)

    assert found(root).is_alive


def test_a_clean_end_leaves_nothing(told: Status, root: Path, place: Path, liveness: Liveness) -> None:
    """After remove there is neither a status nor a file."""
    liveness.beat("facts", lambda: told)
    liveness.remove()

    assert read_heartbeat(str(root)) is None
    assert list(place.iterdir()) == []


def test_without_a_sign_of_life_it_is_not_alive(
    told: Status, root: Path, place: Path, liveness: Liveness
) -> None:
    """A change time that is too old means that nobody turns the loop."""
    liveness.beat("facts", lambda: told)
    then = time.time() - STALE_SECONDS
    os.utime(only_file(place), (then, then))

    assert not found(root).is_alive
    assert not found(root).is_killed


def test_a_process_that_is_gone_was_killed(told: Status, root: Path, liveness: Liveness) -> None:
    """A fresh status of a process that is not there any more is not believed."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    liveness.beat("facts", lambda: replace(told, pid=child))

    assert found(root).is_killed
    assert not found(root).is_alive


@pytest.mark.parametrize("elsewhere", [{"host": "another"}, {"pid_namespace": 1}])
def test_a_process_elsewhere_is_not_asked_for(
    told: Status, root: Path, liveness: Liveness, elsewhere: dict[str, Any]
) -> None:
    """The number of a process in another container or on another host means nothing here."""
    liveness.beat("facts", lambda: replace(told, pid=2**22 + 1, **elsewhere))

    assert found(root).is_alive


def test_a_status_of_somebody_else_is_not_believed(
    told: Status, root: Path, place: Path, liveness: Liveness
) -> None:
    """In a directory that is everybody's anybody could write one; only root's, ours or the root's owner's count."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    liveness.beat("facts", lambda: told)
    os.chown(only_file(place), 4242, 4242)

    assert read_heartbeat(str(root)) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema":2,"status":{}}', '{"schema":1,"status":{"version":"1"}}']
)
def test_a_status_of_another_version_is_none(
    told: Status, root: Path, place: Path, liveness: Liveness, text: str
) -> None:
    """What cannot be read is no status, and no crash."""
    liveness.beat("facts", lambda: told)
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
    told: Status, place: Path, liveness: Liveness, key: str, value: object
) -> None:
    """The owner of the root may write a status; a reader with more rights survives it."""
    liveness.beat("facts", lambda: told)
    document = orjson.loads(only_file(place).read_bytes())
    document["status"][key] = value
    only_file(place).write_bytes(orjson.dumps(document))

    assert read_heartbeat(told.root) is None


def test_a_status_without_end_is_none(told: Status, root: Path, place: Path, liveness: Liveness) -> None:
    """No status is longer than a mebibyte."""
    liveness.beat("facts", lambda: told)
    with only_file(place).open("ab") as file:
        file.write(b" " * (1 << 20))

    assert read_heartbeat(str(root)) is None


def test_no_directory_stays_open(told: Status, root: Path, liveness: Liveness, ticks: Ticks) -> None:
    """Neither the daemon nor who reads its status pins the file system of the runtime directory."""
    before = os.listdir("/proc/self/fd")
    liveness.beat("facts", lambda: told)
    ticks.now += HEARTBEAT_SECONDS
    liveness.beat("facts", lambda: told)
    assert found(root).is_alive
    liveness.remove()

    assert before == os.listdir("/proc/self/fd")


def test_the_last_error_comes_back(told: Status, root: Path, liveness: Liveness) -> None:
    """Cause and times of it are read as they were written, and since when nothing could be filed."""
    status = replace(told, trouble=Trouble("disk full", 4.0, 5.0), failing=Failing(3.0, "disk full"))
    liveness.beat("facts", lambda: status)

    assert status == found(root).status


def test_a_symlink_is_not_followed(
    told: Status, root: Path, place: Path, tmp_path: Path, liveness: Liveness
) -> None:
    """A link in the status's place leads nowhere."""
    liveness.beat("facts", lambda: told)
    path = only_file(place)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")

    assert read_heartbeat(str(root)) is None


def liveness_of(root: Path, ticks: Ticks | None = None) -> Liveness:
    """A daemon's liveness that has not chosen its place yet."""
    status = root.stat()
    return Liveness((status.st_dev, status.st_ino), ticks or Ticks())


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temp directory as everybody's is; no other place is named."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def only_place(shared: Path) -> Path:
    """The one directory that a daemon of this user made for its status."""
    (path,) = (one for one in shared.glob(f"emosieve-{os.geteuid()}-*") if one.owner() == Path.home().owner())
    return path


def give_away(path: Path, user: int = 4242) -> None:
    """Let it belong to another user, a symlink itself."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, user, user, follow_symlinks=False)


def test_without_a_runtime_directory_it_lies_in_a_place_of_its_own(
    told: Status, root: Path, shared: Path
) -> None:
    """In the temp directory it has a folder that only its user may write; readers find it, a clean end removes it."""
    liveness = liveness_of(root)
    liveness.beat("facts", lambda: told)

    assert only_place(shared).stat().st_mode & 0o022 == 0
    assert found(root).is_alive
    liveness.remove()
    assert [] == os.listdir(shared)


def test_two_daemons_of_a_user_share_their_place(told: Status, root: Path, shared: Path) -> None:
    """One is enough, also after a killed daemon; a clean end leaves the other's status where it is."""
    other = root.with_name("other")
    other.mkdir()
    first, second = liveness_of(root), liveness_of(other)
    first.beat("facts", lambda: told)
    second.beat("facts", lambda: replace(told, root=str(other)))
    assert 2 == len(os.listdir(only_place(shared)))

    first.remove()
    assert found(other).is_alive


def test_a_squatted_name_is_passed_over(told: Status, root: Path, shared: Path) -> None:
    """What other users make in the temp directory, by whatever name, keeps no daemon from being found."""
    own = f"emosieve-{os.geteuid()}"
    for name in (own, f"{own}-0000"):
        (shared / name).mkdir(mode=0o755)
        give_away(shared / name)
    (shared / f"{own}-1111").symlink_to(root)
    (shared / f"{own}-2222").write_text("in the way")
    (shared / f"{own}-3333").mkdir()
    (shared / f"{own}-3333").chmod(0o777)
    before = sorted(os.listdir(shared))
    liveness_of(root).beat("facts", lambda: told)

    (made,) = set(os.listdir(shared)) - set(before)
    assert [only_name(root)] == os.listdir(shared / made)
    assert found(root).is_alive


def only_name(root: Path) -> str:
    """The name of the root's status."""
    status = root.stat()
    return name_of((status.st_dev, status.st_ino))


@pytest.mark.parametrize("variable", ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"])
def test_a_runtime_directory_of_another_user_is_not_used(
    told: Status, root: Path, shared: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """As after su or sudo -E: that user could put anything in the status's place, so it lies elsewhere."""
    run = shared.with_name("run")
    run.mkdir(mode=0o700)
    give_away(run)
    monkeypatch.setenv(variable, str(run))
    liveness_of(root).beat("facts", lambda: told)

    assert [] == os.listdir(run)
    assert [only_name(root)] == os.listdir(only_place(shared))
    assert found(root).is_alive


@pytest.mark.parametrize("whose", ["parent", "link", "loose parent"])
def test_a_path_that_another_user_decides_is_not_used(
    told: Status, root: Path, shared: Path, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    """A directory of one's own, which somebody else may replace by another, or leads to by a link, is none."""
    parent = shared.with_name("parent")
    (parent / "run").mkdir(parents=True)
    link = shared.with_name("link")
    link.symlink_to(parent / "run")
    if whose == "loose parent":
        parent.chmod(0o777)
    else:
        give_away(shared.with_name(whose))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(link if whose == "link" else parent / "run"))
    liveness_of(root).beat("facts", lambda: told)

    assert [] == os.listdir(parent / "run")
    assert [only_name(root)] == os.listdir(only_place(shared))


def test_a_link_of_ones_own_leads_to_the_runtime_directory(
    told: Status, root: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root or this user may link where they like; writer and reader find the same."""
    (shared.with_name("run")).mkdir()
    link = shared.with_name("link")
    link.symlink_to(shared.with_name("run"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(link))
    liveness_of(root).beat("facts", lambda: told)

    assert [only_name(root)] == os.listdir(shared.with_name("run"))
    assert found(root).is_alive


@pytest.mark.parametrize("mode", [0o1777, 0o777, 0o775, 0o757])
def test_in_a_runtime_directory_of_many_it_has_a_place_of_its_own(
    told: Status, root: Path, place: Path, mode: int
) -> None:
    """As in a container, whose tmpfs is everybody's."""
    place.chmod(mode)
    liveness_of(root).beat("facts", lambda: told)

    assert [only_name(root)] == os.listdir(only_place(place))
    assert found(root).is_alive


@pytest.mark.parametrize("asker", [0, 4343])
def test_users_find_each_others_daemons(shared: Path, shared_root: Path, asker: int) -> None:
    """A daemon of root is known to all who may read its status, and so is that of the root's owner."""
    shared.parent.chmod(0o755)
    health = ["health", str(shared_root)]
    asked = f"os.environ['TMPDIR'] = {str(shared)!r}"
    status = shared_root.stat()
    told = liveness_module._Document(1, replace(STATUS, root=str(shared_root)))
    beat = (
        f"{asked}\nfrom emosieve.service import liveness\n"
        f"told = liveness._DOCUMENT.validate_json({liveness_module._DOCUMENT.dump_json(told)!r}).status\n"
        f"liveness.Liveness(({status.st_dev}, {status.st_ino})).beat('facts', lambda: told)\n"
    )
    assert 1 == run_as(asker, *health, before=asked).returncode
    assert f"emosieve {__version__}\n" == run_as(0, "--version", before=beat).stdout
    assert 0 == run_as(asker, *health, before=asked).returncode

    (path,) = shared.glob("emosieve-*/*.json")
    path.unlink()
    give_away(shared_root)
    assert f"emosieve {__version__}\n" == run_as(4242, "--version", before=beat).stdout
    assert 0 == run_as(asker, *health, before=asked).returncode


def test_a_place_that_went_away_is_replaced(
    told: Status, root: Path, place: Path, shared: Path, ticks: Ticks
) -> None:
    """A runtime directory ends with the session of its user; the daemon of a nohup goes on."""
    liveness = liveness_of(root, ticks)
    liveness.beat("facts", lambda: told)
    only_file(place).unlink()
    place.rmdir()
    ticks.now += HEARTBEAT_SECONDS
    liveness.beat("facts", lambda: told)

    assert [only_name(root)] == os.listdir(only_place(shared))
    assert found(root).is_alive


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("by", ["symlink", "loose", "another user"])
def test_a_place_that_is_no_longer_ones_own_is_left(
    told: Status, root: Path, place: Path, ticks: Ticks, by: str
) -> None:
    """Whatever stands there by then is neither written nor touched, and the status lies elsewhere."""
    liveness = liveness_of(root, ticks)
    liveness.beat("facts", lambda: told)
    moved = place.rename(place.with_name("moved"))
    status = moved / only_name(root)
    if by == "symlink":
        place.symlink_to(moved)
        give_away(place)
    elif by == "loose":
        moved.chmod(0o777)
        moved.rename(place)
        status = place / only_name(root)
    else:
        give_away(moved)
        moved.rename(place)
        status = place / only_name(root)
    os.utime(status, (1, 1))
    before = status.read_bytes()
    ticks.now += HEARTBEAT_SECONDS
    liveness.beat("others", lambda: replace(told, pending=9))
    ticks.now += HEARTBEAT_SECONDS
    liveness.beat("others", lambda: told)

    assert (before, 1) == (status.read_bytes(), status.stat().st_mtime)
    assert 9 == found(root).status.pending
    assert not list(place.glob("emosieve-*-*.json.*"))


def test_a_heartbeat_follows_no_symlink(
    told: Status, root: Path, place: Path, tmp_path: Path, ticks: Ticks
) -> None:
    """The times of a file that a link in the status's place names stay as they are."""
    victim = tmp_path / "victim"
    victim.write_text("secret")
    os.utime(victim, (1, 1))
    liveness = liveness_of(root, ticks)
    liveness.beat("facts", lambda: told)
    (place / only_name(root)).unlink()
    (place / only_name(root)).symlink_to(victim)
    ticks.now += HEARTBEAT_SECONDS
    liveness.beat("facts", lambda: told)

    assert 1 == victim.stat().st_mtime


def test_without_a_safe_place_it_is_told_of_once(
    told: Status, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticks: Ticks
) -> None:
    """A status that cannot be written is a warning, once, and nothing else."""
    loose = tmp_path / "loose"
    loose.mkdir()
    give_away(loose)
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("emosieve.service.heartbeat._temporary_folders", lambda: [str(loose)])
    liveness = liveness_of(root, ticks)
    with capture_logs() as logs:
        for beat in range(3):
            ticks.now += 10
            liveness.beat(beat, lambda: told)

    assert [("status.unwritable", str(loose))] == [(line["event"], line["path"]) for line in logs]
    assert [] == os.listdir(loose)


@pytest.mark.parametrize("whose", ["directory", "link to it"])
def test_a_status_in_a_directory_of_another_user_is_not_believed(
    told: Status, root: Path, shared: Path, whose: str
) -> None:
    """Its owner could put an old status of ours there; a link to one of ours is not followed either."""
    liveness_of(root).beat("facts", lambda: told)
    ours = only_place(shared)
    if whose == "directory":
        give_away(ours)
    else:
        ours.rename(shared.with_name("elsewhere"))
        ours.symlink_to(shared.with_name("elsewhere"))

    assert read_heartbeat(str(root)) is None


def told_by_a_service(told: Status, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a status as a systemd service does; return its runtime directory."""
    service = root.with_name("services") / "unit"
    service.mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setenv("RUNTIME_DIRECTORY", str(service))
        liveness_of(root).beat("facts", lambda: told)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setattr("emosieve.service.heartbeat._SERVICES", str(service.parent))
    monkeypatch.setattr("emosieve.service.heartbeat._SHARED_PLACES", (f"{service.parent}/*",))
    return service


@pytest.mark.parametrize(("mode", "is_believed"), [(0o755, True), (0o777, False), (0o1777, False)])
def test_a_service_is_believed_in_its_own_directory(
    told: Status, root: Path, monkeypatch: pytest.MonkeyPatch, mode: int, *, is_believed: bool
) -> None:
    """As long as root alone makes the directories of services: any user may run one, and be asked for it by others."""
    service = told_by_a_service(told, root, monkeypatch)
    give_away(service / only_name(root))
    give_away(service)
    service.parent.chmod(mode)

    heartbeat = read_heartbeat(str(root))
    assert (4242 if is_believed else None) == (heartbeat and heartbeat.owner)


def test_the_services_of_another_user_are_not_believed(
    told: Status, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory of all services must be root's own."""
    service = told_by_a_service(told, root, monkeypatch)
    for path in (service / only_name(root), service, service.parent):
        give_away(path)

    assert read_heartbeat(str(root)) is None


def test_leftovers_do_not_pile_up(told: Status, root: Path, place: Path) -> None:
    """What gave no sign of life for a day goes when a daemon comes; what is younger, or not ours, stays."""
    old, young, half = (
        place / name for name in ("emosieve-1-1.json", "emosieve-2-2.json", "emosieve-3-3.json.77")
    )
    other, link = place / "other.json", place / "emosieve-4-4.json"
    for path in (old, young, half, other):
        path.write_text("{}")
    link.symlink_to(other)
    now = time.time()
    for path, age in ((old, 86400), (half, 86400), (young, 86000), (other, 1e6)):
        os.utime(path, (now - age, now - age))
    os.utime(link, (1, 1), follow_symlinks=False)
    liveness_of(root).beat("facts", lambda: told)

    assert {young.name, other.name, link.name, only_name(root)} == set(os.listdir(place))


def test_a_folder_with_the_inode_of_another_root_has_no_status(
    told: Status, root: Path, liveness: Liveness
) -> None:
    """A root was deleted, and another folder got its inode: the path tells them apart."""
    liveness.beat("facts", lambda: replace(told, root=f"{root}-deleted"))
    assert read_heartbeat(str(root)) is None

    (root / ".emosieve").mkdir()
    assert read_heartbeat(str(root)) is None


def test_a_root_is_known_by_another_path(told: Status, root: Path, liveness: Liveness) -> None:
    """A container or a bind mount calls it otherwise: the directory of emosieve's own files is the same."""
    state = root / ".emosieve"
    state.mkdir()
    identity = (state.stat().st_dev, state.stat().st_ino)
    liveness.beat("facts", lambda: replace(told, root="/outputs", state_directory=identity))
    assert found(root).is_alive

    state.rename(root / "kept")
    assert read_heartbeat(str(root)) is None
    state.mkdir()
    assert read_heartbeat(str(root)) is None


def test_a_status_of_a_version_before_is_read(
    told: Status, root: Path, place: Path, liveness: Liveness
) -> None:
    """One that does not say yet whether something fails is understood all the same."""
    liveness.beat("facts", lambda: told)
    document = orjson.loads(only_file(place).read_bytes())
    del document["status"]["failing"]
    only_file(place).write_bytes(orjson.dumps(document))

    assert told == found(root).status


def test_the_file_says_its_schema(told: Status, place: Path, liveness: Liveness) -> None:
    """A later version can tell an older file."""
    liveness.beat("facts", lambda: told)

    assert orjson.loads(only_file(place).read_bytes())["schema"] == 1


def test_a_status_that_could_not_be_written_is_written_later(
    told: Status, root: Path, liveness: Liveness, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing changed since, the next beat that can writes it."""

    def refuse(*_arguments: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, capture_logs() as events:
        patch.setattr(os, "rename", refuse)
        liveness.beat("facts", lambda: told)
        ticks.now += HEARTBEAT_SECONDS
        liveness.beat("facts", lambda: told)
    assert read_heartbeat(str(root)) is None
    ticks.now += HEARTBEAT_SECONDS
    liveness.beat("facts", lambda: told)

    assert told == found(root).status
    assert ["status.unwritable"] == [event["event"] for event in events]
