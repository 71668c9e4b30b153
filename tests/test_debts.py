"""Which moves are pending after a log, whatever names, crashes and people did: held against a model of the folders."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emosieve.debts import replay
from emosieve.record.checkpoint import Owed
from emosieve.watch.identity import DirectoryId

NAMES = ("outputs_1", "outputs_2")
PLACES = (
    *NAMES,
    *(f"{folder}/{name}" for folder in ("normal", "low_quality", "quarantine") for name in NAMES),
)


@dataclass
class Folders:
    """What stands where, what was logged, and which logged moves were not made.

    ``reuses_inodes`` gives every directory that is made the same inode, as a file system may.
    """

    keeps_birth_times: bool
    reuses_inodes: bool
    standing: dict[str, DirectoryId] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    pending: dict[str, str] = field(default_factory=dict)
    clock: int = 0

    def tick(self) -> int:
        """A time that never was before."""
        self.clock += 1
        return self.clock

    def make(self, name: str) -> None:
        """A writer makes a task."""
        if name not in self.standing:
            now = self.tick()
            born = now if self.keeps_birth_times else 0
            self.standing[name] = DirectoryId(1, 7 if self.reuses_inodes else now, born, now)

    def remove(self, place: str) -> None:
        """A person takes a task away, for good."""
        self.standing.pop(place, None)
        self.pending.pop(place, None)

    def log_move(self, place: str, destination: str, *, is_made: bool) -> None:
        """A move is logged, and made unless the process dies first."""
        if place not in self.standing or destination in self.standing:
            return
        kind = "restored" if "/" in place else "decided"
        where = {"from": place, "to": destination} if "/" in place else {"destination": destination}
        task = place.rpartition("/")[2]
        self.log.append({"event": kind, "task": task, **self.standing[place].as_dict(), **where})
        self.pending[place] = destination
        if is_made:
            self.make_move(place, destination)

    def divert(self, place: str, destination: str) -> None:
        """A pending move is logged to go elsewhere, and the process dies again."""
        if place in self.pending and destination not in self.standing:
            self.log.append({"event": "diverted", "source": place, "destination": destination})
            self.pending[place] = destination

    def make_move(self, place: str, destination: str) -> None:
        """A rename."""
        self.standing[destination] = replace(self.standing.pop(place), changed_ns=self.tick())
        del self.pending[place]

    def found(self, log: list[dict[str, Any]], pending: Mapping[str, Owed]) -> dict[str, Owed]:
        """What a replay finds, of the directories that stand there still."""
        moves = {source: one for source, one in pending.items() if source in self.standing}
        for event in log:
            replay(event, moves, self.standing.__contains__)
        return {source: one for source, one in moves.items() if one.is_of(self.standing[source])}


places, names = st.sampled_from(PLACES), st.sampled_from(NAMES)
steps = st.lists(
    st.tuples(st.just("make"), names)
    | st.tuples(st.just("remove"), places)
    | st.tuples(st.just("divert"), places, places)
    | st.tuples(st.just("log"), places, places, st.booleans()),
    max_size=25,
)


def act(folders: Folders, step: tuple[Any, ...]) -> None:
    """Take one step."""
    kind, *arguments = step
    if kind == "log":
        place, destination, is_made = arguments
        folders.log_move(place, destination, is_made=is_made)
    else:
        getattr(folders, kind)(*arguments)


@given(todo=steps, checkpoint=st.integers(0, 25), reuses_inodes=st.booleans())
@settings(deadline=None, max_examples=600)
def test_exactly_the_moves_that_were_not_made_are_found(
    todo: list[tuple[Any, ...]], checkpoint: int, *, reuses_inodes: bool
) -> None:
    """From the whole log, or from a checkpoint and what came after it, though names and inodes come again."""
    folders = Folders(keeps_birth_times=True, reuses_inodes=reuses_inodes)
    noted: tuple[int, dict[str, Owed]] = (0, {})
    for number, step in enumerate(todo):
        act(folders, step)
        if number == checkpoint:
            noted = (len(folders.log), folders.found(folders.log, {}))
    length, pending = noted

    whole = folders.found(folders.log, {})
    assert folders.pending == {source: one.destination for source, one in whole.items()}
    assert whole == folders.found(folders.log[length:], pending)


@given(todo=steps, reuses_inodes=st.booleans())
@settings(deadline=None, max_examples=300)
def test_without_birth_times_no_move_is_invented(todo: list[tuple[Any, ...]], *, reuses_inodes: bool) -> None:
    """Where change times alone tell directories apart, what is found is pending, though all need not be found."""
    folders = Folders(keeps_birth_times=False, reuses_inodes=reuses_inodes)
    for step in todo:
        act(folders, step)

    found = folders.found(folders.log, {})
    assert folders.pending.items() >= {source: one.destination for source, one in found.items()}.items()


EVENT: dict[str, Any] = {
    "event": "decided",
    "task": "outputs_1",
    "directory": [1, 2],
    "born": 3,
    "destination": "normal/outputs_1",
    "verdict": "normal",
}


def moves_after(*events: dict[str, Any]) -> dict[str, Owed]:
    """What may be pending where everything stands."""
    moves: dict[str, Owed] = {}
    for event in events:
        replay(event, moves, lambda _: True)
    return moves


@pytest.mark.parametrize(
    "change",
    [
        {"directory": None},
        {"directory": [1]},
        {"directory": [True, 2]},
        {"born": None},
        {"born": "3"},
        {"destination": "normal/.."},
        {"destination": "normal/" + "x" * 300},
        {"destination": None},
        {"task": "a/b"},
        {"files": ["../x"]},
        {"event": "note"},
    ],
    ids=str,
)
def test_a_line_without_proof_is_no_pending_move(change: dict[str, Any]) -> None:
    """A line of another version, or an edited one, moves nothing."""
    assert ["outputs_1"] == list(moves_after(EVENT))
    assert {} == moves_after({**EVENT, **change})


def test_a_failure_is_remembered_with_its_move() -> None:
    """So that the same cause is logged once, whatever happens to the process."""
    failed = {"event": "failed", "task": "outputs_1", "source": "outputs_1", "cause": "EIO"}

    assert ["EIO"] == [one.cause for one in moves_after(EVENT, failed).values()]
