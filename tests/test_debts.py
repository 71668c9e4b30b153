"""What is owed after a log: found in one pass, as a reader would find it who looks at every debt again and again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from emosieve.debts import debt_of, owed_after
from emosieve.filing import Folders, Mover
from emosieve.record.checkpoint import Owed

FOLDERS = Folders("/nowhere", {name: name for name in ("normal", "low_quality", "quarantine")})
NAMES = ("outputs_1", "outputs_2", "outputs_3")
PLACES = (*NAMES, *(f"{folder}/{name}" for folder in ("normal", "low_quality") for name in NAMES))


class EverythingStands:
    """A mover for which no move was made yet."""

    def stat(self, location: str) -> object | None:
        """Every source stands, every destination is free."""
        return None if location in self.free else SimpleNamespace(st_dev=0, st_ino=0)

    def __init__(self, owed: Mapping[str, Owed]) -> None:
        self.free = {debt.destination for debt in owed.values()} - owed.keys()


def moves(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """An event that moves a task."""
    places = st.sampled_from(PLACES)
    return st.fixed_dictionaries(
        {"event": st.just(kind), "task": st.sampled_from(NAMES), "from": places, "to": places}
    )


events = st.lists(
    moves("restored")
    | moves("decided")
    | st.fixed_dictionaries(
        {
            "event": st.just("diverted"),
            "source": st.sampled_from(PLACES),
            "destination": st.sampled_from(PLACES),
        }
    ),
    max_size=12,
)


def by_looking_at_all(log: Sequence[Mapping[str, Any]]) -> dict[str, Owed]:
    """The same by its definition: each move pays whatever debt would have put its task where it starts."""
    owed: dict[str, Owed] = {}
    for event in log:
        if event["event"] == "diverted":
            if event["source"] in owed:
                owed[event["source"]] = replace(owed[event["source"]], destination=event["destination"])
            continue
        debt = debt_of(event)
        owed = {source: old for source, old in owed.items() if old.destination != debt.source}
        owed[debt.source] = debt
    return owed


@given(events)
@settings(deadline=None, max_examples=500)
def test_one_pass_finds_what_looking_at_all_finds(log: list[dict[str, Any]]) -> None:
    """Whatever was moved on, diverted or moved back, in whatever order."""
    expected = by_looking_at_all(log)
    mover = cast("Mover", EverythingStands(expected))

    found = owed_after(log, {}, FOLDERS, mover)
    assert {source: debt for source, debt in expected.items() if mover.stat(source)} == {
        source: debt for source, debt in found.items() if mover.stat(source)
    }
