"""The checkpoint: a shortcut that is never torn and never trusted blindly."""

from dataclasses import replace
from pathlib import Path

import orjson
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
    Reported(
        *(Position("decisions.jsonl", 17, "ab"), 99, 5, "ef", "2024-01-04", "2024-01-04T1", {"normal": 1}),
        language="en",
        rotate_bytes=4096,
    ),
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


def test_a_checkpoint_of_a_version_before_reads_without_its_layout(root: Path) -> None:
    """One that has only the digest of the layout is good for all else."""
    (root / ".emosieve").mkdir()
    save_checkpoint(str(root), FULL)
    path = root / ".emosieve" / "checkpoint"
    document = orjson.loads(path.read_bytes())
    del document["reported"]["language"], document["reported"]["rotate_bytes"]
    path.write_bytes(orjson.dumps(document))
    before = replace(FULL, reported=replace(FULL.reported, language=None, rotate_bytes=None))

    assert before == load_checkpoint(str(root))


@pytest.mark.parametrize(("key", "value"), [("language", "fr"), ("rotate_bytes", 0), ("rotate_bytes", "1")])
def test_a_checkpoint_with_a_layout_that_there_is_not_is_none(root: Path, key: str, value: object) -> None:
    """Nothing is written by what no version would have said."""
    (root / ".emosieve").mkdir()
    save_checkpoint(str(root), FULL)
    path = root / ".emosieve" / "checkpoint"
    document = orjson.loads(path.read_bytes())
    document["reported"][key] = value
    path.write_bytes(orjson.dumps(document))

    assert load_checkpoint(str(root)) is None


def test_what_a_killed_run_left_aside_is_replaced(root: Path) -> None:
    """A half-written new checkpoint keeps nobody from writing the next one."""
    (root / ".emosieve").mkdir()
    (root / ".emosieve" / "checkpoint.new").write_bytes(b"{half")
    save_checkpoint(str(root), FULL)

    assert FULL == load_checkpoint(str(root))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"filed":{},"owed":[{}],"reported":{}}', b"\xff"]
)
def test_a_checkpoint_that_cannot_be_read_is_none(root: Path, content: bytes) -> None:
    """Torn, foreign and missing checkpoints mean that all is replayed."""
    assert load_checkpoint(str(root)) is None
    (root / ".emosieve").mkdir()
    (root / ".emosieve" / "checkpoint").write_bytes(content)

    assert load_checkpoint(str(root)) is None
