"""The decision log: appended whole, rotated, mended, and found again by position."""

import errno
import gc
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import orjson
import pytest
from structlog.testing import capture_logs

from conftest import names_in, read_log
from emosieve.record import log_reading
from emosieve.record.decisions import START, DecisionLog, Position
from emosieve.record.lines import parse_line
from emosieve.record.stamps import stamp_after

Found = TypeVar("Found")


def event(task: str = "outputs_1", **more: Any) -> dict[str, Any]:
    """A decided event with a time."""
    body = {"event": "decided", "time": "2024-01-04T22:30:00.000000+08:00", "task": task}
    return body | {"destination": f"normal/{task}"} | more


def append(log: DecisionLog, *events: dict[str, Any]) -> None:
    """Append under the lock."""
    with log.locked():
        log.append(events)


class TestAppend:
    """Whole lines, or nothing."""

    def test_one_json_object_a_line(self, root: Path) -> None:
        """Each event is one line of UTF-8 JSON that reads back as it was."""
        events = [event("outputs_1", note="快乐"), event("outputs_2")]
        append(DecisionLog(str(root)), *events)

        assert events == read_log(root)
        assert "快乐".encode() in (root / "decisions.jsonl").read_bytes()

    @pytest.mark.parametrize("sync", ["batch", "always", "never"])
    def test_every_way_of_syncing_writes_the_same(self, root: Path, sync: Any) -> None:
        """How lines are forced to the disk does not change them."""
        append(DecisionLog(str(root), sync=sync), event("outputs_1"), event("outputs_2"))

        assert ["outputs_1", "outputs_2"] == [one["task"] for one in read_log(root)]

    def test_a_system_without_fdatasync_has_fsync(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """macOS lacks the one and has the other."""
        synced: list[int] = []
        monkeypatch.delattr(os, "fdatasync")
        monkeypatch.setattr(os, "fsync", synced.append)
        append(DecisionLog(str(root)), event())

        assert 2 == len(synced)
        assert [event()] == read_log(root)

    def test_no_events_make_no_log(self, root: Path) -> None:
        """Appending nothing leaves no file behind."""
        append(DecisionLog(str(root)))

        assert not (root / "decisions.jsonl").exists()

    def test_a_torn_tail_is_cut_off_first(self, root: Path) -> None:
        """A line that a crash left half written does not glue itself to the next one."""
        log = DecisionLog(str(root))
        append(log, event("outputs_1"))
        with (root / "decisions.jsonl").open("ab") as file:
            file.write(b'{"event":"decided","task":"outp')
        append(log, event("outputs_2"))

        assert ["outputs_1", "outputs_2"] == [one["task"] for one in read_log(root)]

    def test_a_log_of_one_torn_line_is_emptied(self, root: Path) -> None:
        """A torn first line, longer than one read, is cut off as well."""
        (root / "decisions.jsonl").write_bytes(b"x" * 200_000)
        append(DecisionLog(str(root)), event())

        assert [event()] == read_log(root)

    def test_a_failed_write_leaves_nothing_of_itself(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When the disk fills up in the middle of a batch, the part that was written is cut off again."""
        log = DecisionLog(str(root))
        append(log, event("outputs_1"))
        real_write = os.write

        def write(descriptor: int, data: Any) -> int:
            if len(data) > 40:
                return real_write(descriptor, bytes(data[:40]))
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "write", write)
        with pytest.raises(OSError, match="No space"):
            append(log, event("outputs_2"))
        monkeypatch.undo()

        assert [event("outputs_1")] == read_log(root)

    def test_a_symlink_for_a_log_is_refused(self, root: Path, tmp_path: Path) -> None:
        """The log is never written through a symlink."""
        (root / "decisions.jsonl").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OSError, match="Too many levels"):
            append(DecisionLog(str(root)), event())

        assert not (tmp_path / "elsewhere").exists()


class TestRotation:
    """By size, under the time of the last event."""

    def test_a_full_log_is_rotated_before_the_next_append(self, root: Path) -> None:
        """The rotated file is named by its last event's time in UTC, and nothing is lost."""
        log = DecisionLog(str(root), rotate_bytes=10)
        append(log, event("outputs_1", time="2024-01-04T22:30:00.000001+08:00"))
        append(log, event("outputs_2"))

        assert ["decisions-20240104T143000.000001Z.jsonl", "decisions.jsonl"] == log.files()
        assert ["outputs_1", "outputs_2"] == [one["task"] for one in log.read()]

    def test_a_log_of_just_that_size_is_full(self, root: Path) -> None:
        """The size from which it is rotated belongs to the rotated ones; one byte less does not."""
        log = DecisionLog(str(root))
        append(log, event("outputs_1"))
        size = (root / "decisions.jsonl").stat().st_size
        append(DecisionLog(str(root), rotate_bytes=size + 1), event("outputs_2"))
        assert ["decisions.jsonl"] == log.files()
        append(DecisionLog(str(root), rotate_bytes=2 * size), event("outputs_3"))

        assert 2 == len(log.files())

    def test_rotated_names_sort_in_the_order_of_rotation(self, root: Path) -> None:
        """A clock that went back does not put a later file before an earlier one."""
        log = DecisionLog(str(root), rotate_bytes=10)
        for number, time in enumerate(["2024-01-04T12:00:00+00:00", "2023-01-01T00:00:00+00:00"] * 2):
            append(log, event(f"outputs_{number}", time=time))

        assert [f"outputs_{number}" for number in range(4)] == [one["task"] for one in log.read()]

    def test_a_torn_tail_is_cut_before_rotation(self, root: Path) -> None:
        """A rotated file ends in a whole line."""
        log = DecisionLog(str(root), rotate_bytes=10)
        append(log, event("outputs_1"))
        with (root / "decisions.jsonl").open("ab") as file:
            file.write(b'{"ev')
        append(log, event("outputs_2"))

        assert b"}\n" == (root / log.files()[0]).read_bytes()[-2:]

    def test_a_stamp_follows_every_earlier_one(self) -> None:
        """The stamp is one microsecond after the newest earlier file when its own time is not later."""
        stamp = stamp_after(
            {"time": "2020-01-01T00:00:00+00:00"}, ["decisions-20240104T143000.000009Z.jsonl"]
        )

        assert "20240104T143000.000010Z" == stamp

    @pytest.mark.parametrize(
        "time",
        ["0001-01-01T00:00:00+14:00", "0900-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999-12:00"],
    )
    def test_a_line_of_any_year_is_rotated_and_found_again(self, root: Path, time: str) -> None:
        """A time that no name of a file could hold neither stops the log nor hides a file of it."""
        log = DecisionLog(str(root), rotate_bytes=10)
        for number in range(3):
            append(log, event(f"outputs_{number}", time=time))

        assert [f"outputs_{number}" for number in range(3)] == [one["task"] for one in log.read()]


class TestPositions:
    """A place in the log outlives rotation."""

    def test_reading_goes_on_after_a_position(self, root: Path) -> None:
        """Only the events after a position are read."""
        log = DecisionLog(str(root))
        append(log, event("outputs_1"))
        position = log.end()
        append(log, event("outputs_2"))

        assert ["outputs_2"] == [one["task"] for one in log.read(position)]

    def test_a_position_survives_rotation(self, root: Path) -> None:
        """A position taken before a rotation is found in the rotated file."""
        log = DecisionLog(str(root))
        append(log, event("outputs_1"))
        position = log.end()
        append(log, event("outputs_2"))
        log.rotate_bytes = 10
        append(log, event("outputs_3"))

        assert ["outputs_2", "outputs_3"] == [one["task"] for one in log.read(position)]
        assert log.knows(position)

    def test_the_end_of_a_log_just_rotated_is_in_the_rotated_file(self, root: Path) -> None:
        """Without a current file the end is that of the newest rotated one."""
        log = DecisionLog(str(root), rotate_bytes=10)
        append(log, event("outputs_1", time="2024-01-04T22:30:00+00:00"))
        (root / "decisions.jsonl").rename(root / "decisions-20240104T223000.000000Z.jsonl")

        assert "decisions-20240104T223000.000000Z.jsonl" == log.end().file
        assert [] == list(log.read(log.end()))

    def test_a_place_behind_lines_that_were_taken_out_is_lost(self, root: Path) -> None:
        """Where an editor cut a line and longer ones came after it, the same offset is another place."""
        log = DecisionLog(str(root))
        append(log, *[event(f"outputs_{number}") for number in range(3)])
        position = log.end()
        path = root / "decisions.jsonl"
        first, _, third = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(first + third)
        append(log, event("outputs_3"), event("outputs_4"))

        assert not log.knows(position)
        assert ["outputs_0", "outputs_2", "outputs_3", "outputs_4"] == [
            one["task"] for one in log.read(position)
        ]

    def test_a_place_of_a_version_before_is_found(self, root: Path) -> None:
        """A checkpoint that has no digest of what was before the place is still believed."""
        log = DecisionLog(str(root))
        append(log, event("outputs_1"))
        position = replace(log.end(), tail="")
        append(log, event("outputs_2"))

        assert log.knows(position)
        assert ["outputs_2"] == [one["task"] for one in log.read(position)]

    def test_a_pass_goes_on_where_another_one_was(self, root: Path) -> None:
        """After each event the place can be asked for, over all rotations, with how much of the log that is."""
        log = DecisionLog(str(root), rotate_bytes=200)
        for number in range(6):
            append(log, event(f"outputs_{number}"))
        position, tasks, shares = START, [], []
        while position != log.end():
            reading = log.read(position)
            assert position == reading.position
            tasks.append(next(iter(reading))["task"])
            position = reading.position
            shares.append(round(reading.share * 6, 3))

        assert [f"outputs_{number}" for number in range(6)] == tasks
        assert [1, 2, 3, 4, 5, 6] == shares

    def test_a_pass_that_is_given_up_leaves_no_file_open(self, root: Path) -> None:
        """As soon as nobody reads on, not when the garbage is collected: an open file keeps a disk mounted."""
        log = DecisionLog(str(root))
        append(log, event("outputs_1"), event("outputs_2"))
        gc.disable()
        try:
            before = os.listdir("/proc/self/fd")
            reading = log.read()
            next(iter(reading))
            assert len(before) + 1 == len(os.listdir("/proc/self/fd"))
            del reading
            assert before == os.listdir("/proc/self/fd")
        finally:
            gc.enable()

    def test_how_much_lies_before_a_lost_place(self, root: Path) -> None:
        """Nothing; nor in a log that is not there."""
        log = DecisionLog(str(root))
        assert 0.0 == log.share_before(START)
        append(log, event("outputs_1"))

        assert (0.0, 0.0) == (log.share_before(START), log.share_before(Position(head="ab", offset=3)))

    def test_the_beginning_is_known_under_every_name(self, root: Path) -> None:
        """It survives rotation, and is lost with the file that holds it."""
        log = DecisionLog(str(root), rotate_bytes=10)
        assert START == log.beginning()
        append(log, event("outputs_1"))
        origin = log.beginning()
        assert origin == log.begins_at(origin)
        append(log, event("outputs_2"))
        rotated = log.begins_at(origin)
        assert rotated == log.beginning()
        assert rotated is not None
        assert log.files()[0] == rotated.file
        (root / rotated.file).unlink()

        assert [None, None] == [log.begins_at(origin), log.begins_at(rotated)]

    def test_an_emptied_file_begins_nothing(self, root: Path) -> None:
        """The first line is that of the oldest file that has one."""
        log = DecisionLog(str(root), rotate_bytes=10)
        for number in range(3):
            append(log, event(f"outputs_{number}"))
        os.truncate(root / log.files()[0], 0)

        assert log.files()[1] == log.beginning().file

    def test_a_lost_position_means_everything(self, root: Path) -> None:
        """A position that points into no file of this log is not known, and all is read."""
        log = DecisionLog(str(root))
        append(log, event("outputs_1"))
        lost = Position("decisions.jsonl", 7, "0" * 16)

        assert not log.knows(lost)
        assert ["outputs_1"] == [one["task"] for one in log.read(lost)]

    def test_an_empty_log_ends_where_it_starts(self, root: Path) -> None:
        """Before the first event the end is the start."""
        assert START == DecisionLog(str(root)).end()

    def test_a_torn_last_line_is_not_read(self, root: Path) -> None:
        """A reader beside the writer sees whole lines only."""
        log = DecisionLog(str(root))
        append(log, event("outputs_1"))
        end = log.end()
        with (root / "decisions.jsonl").open("ab") as file:
            file.write(orjson.dumps(event("outputs_2")))

        assert ["outputs_1"] == [one["task"] for one in log.read()]
        assert end == log.end()


class Rotated(DecisionLog):
    """A log that another process rotates at one look of its reader, before or after that look."""

    def __init__(self, root: Path, look: int, *, before: bool) -> None:
        super().__init__(str(root))
        self._left, self._before = look, before

    def files(self) -> list[str]:
        """As the log's."""
        return self._look(super().files)

    def open_file(self, name: str) -> BinaryIO | None:
        """As the log's."""
        return self._look(lambda: super(Rotated, self).open_file(name))

    def _look(self, look: Callable[[], Found]) -> Found:
        self._left -= 1
        if self._left == 0 and self._before:
            self._rotate()
        found = look()
        if self._left == 0 and not self._before:
            self._rotate()
        return found

    def _rotate(self) -> None:
        for task in ("outputs_5", "outputs_6"):
            append(DecisionLog(self.root, rotate_bytes=10), event(task))


class TestBesideAWriter:
    """Readers take no lock."""

    @pytest.fixture
    def positions(self, root: Path) -> list[Position]:
        """Of a log of five events in three files: its start, and the end of each file when it was the last."""
        ends = [START]
        for names in ([0], [1, 2], [3, 4]):
            append(DecisionLog(str(root), rotate_bytes=10), *(event(f"outputs_{name}") for name in names))
            ends.append(DecisionLog(str(root)).end())
        return ends

    @pytest.mark.parametrize("before", [True, False])
    @pytest.mark.parametrize("look", range(1, 10))
    def test_a_rotation_hides_and_doubles_nothing(
        self, root: Path, positions: list[Position], look: int, *, before: bool
    ) -> None:
        """Whenever the log is rotated, a reader gives what was logged before it once and in order, and no gap."""
        first = look % 4
        tasks = [one["task"] for one in Rotated(root, look, before=before).read(positions[first])]
        expected = [f"outputs_{number}" for number in range(7)][(0, 1, 3, 5)[first] :]

        assert expected[: len(tasks)] == tasks
        assert len(tasks) >= len(expected) - 2

    @pytest.mark.parametrize("before", [True, False])
    @pytest.mark.parametrize("look", range(1, 6))
    @pytest.mark.usefixtures("positions")
    def test_a_rotation_hides_nothing_from_a_search(self, root: Path, look: int, *, before: bool) -> None:
        """Whenever the log is rotated, the event that put a task somewhere is found, and once."""
        assert (
            "outputs_4" == (Rotated(root, look, before=before).last_about("normal/outputs_4") or {})["task"]
        )

        log = Rotated(root, look, before=before)
        assert ["outputs_3"] == [one["task"] for one in log.about("outputs_3")]

    @pytest.mark.usefixtures("positions")
    def test_rotations_in_the_middle_of_a_read(self, root: Path) -> None:
        """A reader that is slower than three rotations gives each event once."""
        events = iter(DecisionLog(str(root)).read())
        tasks = [next(events)["task"]]
        for number in range(5, 8):
            append(DecisionLog(str(root), rotate_bytes=10), event(f"outputs_{number}"))
        tasks += [one["task"] for one in events]

        assert [f"outputs_{number}" for number in range(5)] == tasks

    def test_the_rest_of_a_line_is_not_taken_for_one(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A line that is finished while the reader looks at its first half ends the pass: none after it is given.

        A pass that went on behind it would leave it out in the middle.
        """
        log = DecisionLog(str(root))
        append(log, event("outputs_1"))
        line = orjson.dumps(event("outputs_2")) + b"\n"
        with (root / "decisions.jsonl").open("ab", buffering=0) as file, capture_logs() as told:
            file.write(line[:40])

            def parse_while_it_is_finished(found: bytes) -> dict[str, Any] | None:
                if found == line[:40]:
                    file.write(line[40:] + orjson.dumps(event("outputs_3")) + b"\n")
                return parse_line(found)

            monkeypatch.setattr(log_reading, "parse_line", parse_while_it_is_finished)
            tasks = [one["task"] for one in log.read()]

        assert (["outputs_1"], []) == (tasks, told)


def test_a_line_that_cannot_be_read_is_told_of(root: Path) -> None:
    """A damaged line in the middle of the log is passed over with a warning that shows it."""
    log = DecisionLog(str(root))
    append(log, event("outputs_1"))
    with (root / "decisions.jsonl").open("ab") as file:
        file.write(b"gar\x1bbage\n")
    append(log, event("outputs_2"))
    with capture_logs() as events:
        read = [one["task"] for one in log.read()]

    assert ["outputs_1", "outputs_2"] == read
    assert [("decisions.unreadable", "b'gar\\x1bbage\\n'")] == [(one["event"], one["line"]) for one in events]


class TestLastAbout:
    """The newest event about a place."""

    def test_the_newest_one_is_found(self, root: Path) -> None:
        """Of two events that put a task at one destination the later one is given."""
        log = DecisionLog(str(root), rotate_bytes=10)
        append(log, event("outputs_1", confidence=0.1))
        append(log, event("outputs_2"))
        append(log, event("outputs_1", confidence=0.2))

        found = log.last_about("normal/outputs_1")

        assert found is not None
        assert 0.2 == found["confidence"]

    def test_a_restored_task_is_found_by_where_it_went(self, root: Path) -> None:
        """The ``to`` of a later event counts as well as a destination."""
        log = DecisionLog(str(root))
        append(
            log,
            event(),
            {"event": "restored", "time": "", "from": "normal/outputs_1", "to": "low_quality/outputs_1"},
        )

        found = log.last_about("low_quality/outputs_1")

        assert found is not None
        assert "restored" == found["event"]

    def test_a_diverted_task_is_found_with_its_decision(self, root: Path) -> None:
        """What stands elsewhere than decided is found by where it stands, with the decision's numbers."""
        log = DecisionLog(str(root))
        diverted = {"event": "diverted", "from": "normal/outputs_1", "destination": "normal/outputs_1.2"}
        append(log, event(confidence=0.7), diverted)

        found = log.last_about("normal/outputs_1.2")

        assert found is not None
        assert (0.7, "normal/outputs_1.2") == (found["confidence"], found["destination"])

    def test_a_longer_name_is_another_task(self, root: Path) -> None:
        """A destination is compared whole, not by its beginning; a text that only mentions it does not count."""
        log = DecisionLog(str(root))
        append(log, event("outputs_10"), event("outputs_2", note='"destination":"normal/outputs_1"'))

        assert log.last_about("normal/outputs_1") is None

    def test_an_empty_log_knows_nothing(self, root: Path) -> None:
        """A log file of no bytes is searched without complaint."""
        (root / "decisions.jsonl").touch()

        assert DecisionLog(str(root)).last_about("normal/outputs_1") is None


def test_nothing_stays_open(root: Path) -> None:
    """After an append no file under the root is open, so the file system can be unmounted or made read-only."""
    append(DecisionLog(str(root)), event())

    links = [
        os.readlink(f"/proc/self/fd/{number}")
        for number in names_in(Path("/proc/self/fd"))
        if os.path.lexists(f"/proc/self/fd/{number}")
    ]
    assert [] == [link for link in links if link.startswith(str(root))]


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        (["decisions-99999999T999999.999999Z.jsonl"], "20240104T223120.000000Z"),
        (["decisions-20240230T000000.000000Z.jsonl"], "20240104T223120.000000Z"),
        (["decisions-99991231T235959.999999Z.jsonl"], "20240104T223120.000000Z"),
        (
            ["decisions-20240104T223120.000000Z.jsonl", "decisions-99991231T235959.999999Z.jsonl"],
            "20240104T223119.999999Z",
        ),
    ],
)
def test_a_planted_name_stops_no_rotation(earlier: list[str], expected: str) -> None:
    """A rotated file's name that is no time, or the last of all, is passed over, and no name is given twice."""
    assert expected == stamp_after({"time": "2024-01-04T22:31:20+00:00"}, earlier)


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+14:00", "0999-01-01T00:00:00+00:00", "9999-12-31T23:59:59-14:00"]
)
def test_a_file_whose_last_time_no_name_can_say_is_found_after_its_rotation(root: Path, time: str) -> None:
    """A log whose last line dates from before all calendars, or after them, loses nothing when it is rotated."""
    log = DecisionLog(str(root), rotate_bytes=1)
    with log.locked():
        for number in range(3):
            log.append([{"event": "note", "time": time, "number": number}])

    assert [0, 1, 2] == [event["number"] for event in log.read()]
