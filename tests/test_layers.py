"""The house: each wing imports only from those above it, and watchdog has one door."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "emosieve"
WINGS = [
    {"text", "patterns"},
    {"errors"},
    {"judge"},
    {"settings"},
    {"watch"},
    {"record"},
    {"copying"},
    {"removing"},
    {"copies"},
    {"filing"},
    {"conclusion", "proposals", "debts", "destinations"},
    {"intake"},
    {"revision"},
    {"service"},
    {"commands"},
    {"__main__"},
]
"""From the top down."""
LEVEL = {wing: level for level, wings in enumerate(WINGS) for wing in wings}
LONGEST = 400
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def imported(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def wing_of(path: Path) -> str:
    """The wing that a module lives in."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_one_way(path: Path) -> None:
    """A module imports from its own wing and from those above it alone."""
    wings = {name.split(".")[1] for name in imported(path) if name.startswith("emosieve.")} & LEVEL.keys()

    assert [] == [wing for wing in wings if LEVEL[wing] > LEVEL[wing_of(path)]]


def test_every_module_has_its_place() -> None:
    """No module stands outside the house."""
    assert set() == {wing_of(path) for path in MODULES} - LEVEL.keys()


def test_watchdog_has_one_door() -> None:
    """Only the wakeups import watchdog."""
    doors = [path.name for path in MODULES if any(name.startswith("watchdog") for name in imported(path))]

    assert ["wakeups.py"] == doors


def test_numpy_has_one_door() -> None:
    """Only the module that needs it for every sample imports numpy: all others do without."""
    doors = [path.name for path in MODULES if any(name.startswith("numpy") for name in imported(path))]

    assert ["speech.py"] == doors


def test_prometheus_client_has_one_door() -> None:
    """Only the metrics and their exporter import what is installed for them alone."""
    doors = [path.name for path in MODULES if any(name.startswith("prometheus") for name in imported(path))]

    assert ["exporter.py", "metrics.py"] == doors


@pytest.mark.parametrize(("module", "door"), [("regex", "source.py"), ("xlsxwriter", "export_files.py")])
def test_what_few_need_has_one_door(module: str, door: str) -> None:
    """Only one module imports each of these, when it is needed."""
    doors = [path.name for path in MODULES if any(name.split(".")[0] == module for name in imported(path))]

    assert [door] == doors


def test_the_core_is_pure() -> None:
    """Judging touches no file and no clock."""
    impure = {"os", "time", "io", "pathlib", "datetime", "shutil", "subprocess", "structlog"}

    assert {} == {
        path.name: found for path in (SOURCE / "judge").glob("*.py") if (found := imported(path) & impure)
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_room_is_too_long(path: Path) -> None:
    """A file can be read in one go."""
    assert LONGEST >= len(path.read_text(encoding="utf-8").splitlines())
