"""What the fuzzer found is tried again: small files of bytes that once broke what must hold of any."""

from pathlib import Path

import pytest

from invariants import TARGETS

FINDS = Path(__file__).parent / "faults" / "finds"


@pytest.mark.parametrize(
    "find", sorted(FINDS.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_what_once_broke_an_invariant_holds(find: Path) -> None:
    """All that must hold of any bytes holds of these, which a fuzzer found."""
    TARGETS[find.parent.name](find.read_bytes())
