"""Time zones: what the C library takes TZ for, and what is said of a name that is none."""

import os
import subprocess
import sys
import time
import zoneinfo
from collections.abc import Iterator
from pathlib import Path

import pytest

from emosieve.service.preflight.zone import about_zone
from emosieve.settings import Settings, zones
from emosieve.settings.zones import is_known, problem_of_local_zone, settle_local_zone, unknown
from process import run

OFFSET = "import time; print(time.localtime().tm_gmtoff)"


@pytest.fixture(autouse=True)
def _own_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The zone of the machine is in force again after each test."""
    monkeypatch.delenv("TZ", raising=False)
    yield
    monkeypatch.undo()
    time.tzset()


def offset_by_the_c_library(**variables: str) -> int:
    """Seconds ahead of UTC, as a fresh process of this machine sees it."""
    ended = subprocess.run(
        [sys.executable, "-c", OFFSET],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(ended.stdout)


@pytest.mark.parametrize(
    "written",
    [
        "Asia/Shanghai",
        ":Asia/Shanghai",
        "/usr/share/zoneinfo/Asia/Shanghai",
        "CST-8",
        ":CST-8",
        "<+08>-8",
        "<+0530>-5:30",
        "CST-8CDT-9",
        "NZST-12NZDT,M9.5.0,M4.1.0/3",
    ],
)
def test_what_the_c_library_takes_is_no_problem(written: str) -> None:
    """Every form that gives the machine another offset than UTC's is taken as it is."""
    assert 0 != offset_by_the_c_library(TZ=written)
    assert None is problem_of_local_zone({"TZ": written})


@pytest.mark.parametrize("written", ["UTC", "UTC0", "Etc/UTC", "GMT", ":UTC", "/etc/localtime"])
def test_what_means_utc_is_no_problem(written: str) -> None:
    """UTC by any of its names is what was meant, also where there is no data."""
    assert None is problem_of_local_zone({"TZ": written, "TZDIR": "/nowhere"})


@pytest.mark.parametrize(
    ("written", "close"),
    [
        ('"Asia/Shanghai"', "Asia/Shanghai"),
        ("Asia/Shangai", "Asia/Shanghai"),
        ("TZ=Asia/Tokyo", "Asia/Tokyo"),
        ("asia/tokyo", "Asia/Tokyo"),
        ("/usr/share/zoneinfo/Asia/Tokio", "Asia/Tokyo"),
        ("+08:00", "Etc/GMT-8"),
        ("China", "Asia/Shanghai"),
        ("CST", "Asia/Shanghai"),
        ("local", "Asia/Shanghai"),
    ],
)
def test_a_mistyped_variable_is_said_with_what_was_meant(written: str, close: str) -> None:
    """What the C library silently takes for UTC is said, with the name to write instead."""
    problem = problem_of_local_zone({"TZ": written})

    assert 0 == offset_by_the_c_library(TZ=written)
    assert problem is not None
    assert [
        f"zone UTC; TZ={written!r} is unknown",
        f"write TZ={close}, without quotes, or the setting timezone",
    ] == [str(one) for one in problem]


def test_a_local_time_without_data_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link to a zone of which the image has no data is taken for UTC by the C library."""
    link = tmp_path / "localtime"
    link.symlink_to("/nowhere/Asia/Shanghai")
    monkeypatch.setattr(zones, "LOCAL_ZONE", str(link))
    problem = problem_of_local_zone({})

    assert problem is not None
    assert f"zone UTC; {link} leads to /nowhere/Asia/Shanghai, which is missing" == str(problem[0])


def test_a_zone_that_the_system_lacks_is_taken_from_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the C library has no data the package tzdata gives it."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    monkeypatch.setattr(zones, "_DIRECTORIES", ("/nowhere",))
    settle_local_zone()

    assert os.environ["TZ"].endswith("/tzdata/zoneinfo/Asia/Kolkata")
    assert 5.5 * 3600 == time.localtime().tm_gmtoff


@pytest.mark.parametrize("written", ["Asia/Nowhere", "../../etc/passwd", "CST"])
def test_what_nobody_knows_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    """A name that is none is left for the check to speak of."""
    monkeypatch.setenv("TZ", written)
    settle_local_zone()

    assert written == os.environ["TZ"]


@pytest.mark.parametrize("written", ["", " "])
def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    """To the C library an empty TZ is UTC; here it leaves the machine's own zone in force."""
    monkeypatch.setenv("TZ", written)
    settle_local_zone()

    assert "TZ" not in os.environ


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ('"Asia/Shanghai"', "Asia/Shanghai"),
        ("asia/shanghai", "Asia/Shanghai"),
        ("America/New York", "America/New_York"),
        ("+08:00", "Etc/GMT-8"),
        ("utc+8", "Etc/GMT-8"),
        ("GMT-3", "Etc/GMT+3"),
        ("utc", "UTC"),
        ("Local", "local"),
    ],
)
def test_a_name_close_to_a_zone_is_refused_with_it(name: str, close: str) -> None:
    """The zone that was probably meant is named."""
    assert f"{name!r} is no time zone known here; did you mean {close}?" == str(unknown(name))
    assert close == "local" or is_known(close)


@pytest.mark.parametrize("name", ["CST", "+99:00", "Nowhere"])
def test_any_other_name_is_refused_with_the_forms(name: str) -> None:
    """Where nothing is near, the forms that there are stand in the refusal."""
    assert str(unknown(name)).endswith("write local, UTC or a name such as Asia/Shanghai")


def test_a_machine_without_data_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A right name is not called wrong where there is no data at all."""
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    assert str(unknown("Asia/Shanghai")).startswith("there is no time zone data on this machine")


def test_the_package_stands_in_for_a_system_without_data() -> None:
    """Python finds the zones of the package tzdata where the system has none."""
    ended = run("config", "show", "--set", "timezone=Asia/Shanghai", PYTHONTZPATH="")

    assert (0, "") == (ended.returncode, ended.stderr)


@pytest.mark.parametrize(
    ("written", "timezone", "expected"),
    [
        ("CST-8", "local", ("ok", "zone CST (+08:00)")),
        ("CST", "local", ("warning", "zone UTC; TZ='CST' is unknown")),
        ("CST", "Asia/Tokyo", ("ok", "zone Asia/Tokyo (+09:00)")),
        ("CST-8", "UTC", ("ok", "zone UTC (+00:00)")),
    ],
)
def test_the_check_names_the_zone(
    monkeypatch: pytest.MonkeyPatch, written: str, timezone: str, expected: tuple[str, str]
) -> None:
    """The zone in force stands in the check; a wrong TZ matters only where the machine's own zone is used."""
    monkeypatch.setenv("TZ", written)
    time.tzset()
    line = about_zone(Settings(timezone=timezone))

    assert ("clock", *expected) == (line.subject, line.level, str(line.message))
