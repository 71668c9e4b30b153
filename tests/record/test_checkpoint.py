"""The checkpoint: a shortcut that is never torn and never trusted blindly."""

from pathlib import Path

import pytest

from emosieve.record.checkpoint import Checkpoint, Owed, Reported, load_checkpoint, save_checkpoint
from emosieve.record.decisions import Position

FULL = Checkpoint(
    Position("decisions.jsonl", 17, "ab"),
    {
        "outputs_1": Owed(
            "decided",
            "outputs_1",
            "outputs_1",
            "normal/outputs_1",
            (1, 2),
            "cd",
            (),
            "EACCES: no",
            3,
            4,
            "normal",
        ),
        "outputs_2": Owed(
            "joined", "outputs_2", "outputs_2", "normal/outputs_2", None, None, ("embedding.npy",)
        ),
    },
    Reported(Position("decisions.jsonl", 17, "ab"), 99, 5, "ef", "2024-01-04", "2024-01-04T1", {"normal": 1}),
)


def test_a_checkpoint_reads_back_as_it_was(root: Path) -> None:
    """Positions, owed moves and the report's state survive the disk."""
    (root / ".emosieve").mkdir()
    save_checkpoint(str(root), FULL)

    assert FULL == load_checkpoint(str(root))


def test_what_is_written_can_be_read_whatever_its_size(root: Path) -> None:
    """The moves of a large backlog whose destination is full; nothing else remembers them but the log."""
    (root / ".emosieve").mkdir()
    owed = {
        name: Owed("decided", name, name, f"/mnt/{name}", (2**64 - 1, 2**64 - 1), cause="x" * 4000)
        for name in (f"outputs_{number}" for number in range(20_000))
    }
    save_checkpoint(str(root), Checkpoint(owed=owed))

    assert 1 << 26 < (root / ".emosieve" / "checkpoint").stat().st_size
    assert Checkpoint(owed=owed) == load_checkpoint(str(root))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"filed":{},"owed":[{}],"reported":{}}', b"\xff"]
)
def test_a_checkpoint_that_cannot_be_read_is_none(root: Path, content: bytes) -> None:
    """Torn, foreign and missing checkpoints mean that all is replayed."""
    assert load_checkpoint(str(root)) is None
    (root / ".emosieve").mkdir()
    (root / ".emosieve" / "checkpoint").write_bytes(content)

    assert load_checkpoint(str(root)) is None
