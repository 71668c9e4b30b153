"""A file system that is gone outside this mount namespace: what the mount table shows of it."""

from pathlib import Path

import pytest

from conftest import FakeTime
from emosieve.errors import SetupError
from emosieve.watch.mounts import MountView

TOP = "10 1 0:1 / / ro shared:2 master:1 - ext4 /dev/sda1 rw"
DISK = "20 10 0:2 / /srv rw shared:4 master:3 - ext4 /dev/sdb1 rw"
WALL = "30 20 0:2 /out /srv/out rw shared:5 master:3 - ext4 /dev/sdb1 rw"


class Table:
    """A mount table that changes, and a view of it."""

    def __init__(self, path: Path, *lines: str) -> None:
        self._path = path
        self._time = FakeTime(0.0)
        self.write(*lines)
        self._view = MountView(
            ["/srv/out", "/elsewhere"], 5, mountinfo=str(path), monotonic=self._time.clock.monotonic
        )

    def write(self, *lines: str) -> None:
        """Let these mounts stand."""
        self._path.write_text("".join(f"{line}\n" for line in lines))

    def severed_after(self, seconds: float) -> str | None:
        """Which path is severed, some seconds later."""
        self._time.pass_(seconds)
        try:
            self._view.heed()
        except SetupError as error:
            return str(error).partition(":")[0]
        return None


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """The table of a sandbox: a disk, and a writable folder of it."""
    return Table(tmp_path / "mountinfo", TOP, DISK, WALL)


def lone(line: str) -> str:
    """A mount whose original is gone."""
    head, _, tail = line.partition(" master:")
    return f"{head} -{tail.partition(' -')[2]}"


def test_a_mount_that_loses_its_master_is_severed(table: Table) -> None:
    """The original was unmounted; it is told when the next look is due, and no earlier."""
    table.write(TOP, lone(DISK), lone(WALL))

    assert (None, "/srv/out") == (table.severed_after(4.9), table.severed_after(0.1))


def test_a_mount_that_is_put_beneath_severs_what_lies_on_it(table: Table) -> None:
    """Another disk stands there outside, even where a twin of the original still passes on what is mounted."""
    below = "40 10 0:3 / /srv rw shared:6 master:3 - ext4 /dev/sdc1 rw"
    table.write(TOP, DISK.replace("20 10", "20 40"), WALL, below)

    assert "/srv/out" == table.severed_after(5)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((TOP, DISK, WALL), id="nothing happened"),
        pytest.param((TOP, DISK.replace(" rw ", " ro "), WALL.replace("out rw", "out ro")), id="remounted"),
        pytest.param((TOP, DISK, WALL, "50 20 0:4 / /srv rw master:9 - ext4 /dev/sdd1 rw"), id="covered"),
        pytest.param(
            (TOP, DISK, WALL, "50 20 0:4 / /srv/other rw master:9 - ext4 /dev/sdd1 rw"), id="beside"
        ),
        pytest.param((TOP,), id="unmounted here, too"),
        pytest.param((), id="no table"),
    ],
)
def test_what_is_passed_on_severs_nothing(table: Table, lines: tuple[str, ...]) -> None:
    """Where the path lies on what stands there outside, or on nothing, it is for others to notice."""
    table.write(*lines)

    assert None is table.severed_after(5)


def test_what_comes_later_is_taken_as_it_is(table: Table) -> None:
    """A disk that is mounted over the first one is severed like that one when it loses its own master."""
    cover = "50 20 0:4 / /srv rw shared:7 master:9 - ext4 /dev/sdd1 rw"
    table.write(TOP, DISK, WALL, cover)
    assert None is table.severed_after(5)
    table.write(TOP, DISK, WALL, lone(cover))

    assert "/srv/out" == table.severed_after(5)


def test_without_a_namespace_of_its_own_nothing_is_severed(tmp_path: Path) -> None:
    """A mount that is no copy has no master; whatever becomes of it is seen here."""
    table = Table(tmp_path / "mountinfo", lone(TOP), lone(DISK), lone(WALL))
    table.write(lone(TOP), lone(DISK).replace("20 10", "20 40"), lone(WALL), "40 10 0:3 / /srv rw - xfs x rw")

    assert None is table.severed_after(5)


def test_any_of_the_paths_counts(tmp_path: Path) -> None:
    """A destination elsewhere is looked at as the root is."""
    there = "60 10 0:5 / /elsewhere rw shared:8 master:7 - ext4 /dev/sde1 rw"
    table = Table(tmp_path / "mountinfo", TOP, DISK, WALL, there)
    table.write(TOP, DISK, WALL, lone(there))

    assert "/elsewhere" == table.severed_after(5)
