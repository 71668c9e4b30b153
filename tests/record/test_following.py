"""Following the decision log, and reading it from its end, while others append to it, rotate, cut and replace it."""

import os
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conftest import names_in
from emosieve.record.decisions import LOG_NAME, START, DecisionLog
from emosieve.record.following import Follower


class Others:
    """All that others do to a log, no two of whose lines are the same.

    Attributes:
        files: the whole lines of each file by its name.
        torn: the line that is only half written at the end of the current file.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, list[bytes]] = {}
        self.torn = b""
        self._numbers = count(1)

    @property
    def lines(self) -> list[bytes]:
        """The whole lines of the current file."""
        return self.files.setdefault(LOG_NAME, [])

    def append(self, lines: int) -> None:
        """Finish what is torn, and write whole lines."""
        self.lines.extend(filter(None, [self.torn]))
        self.lines.extend(self._line() for _ in range(lines))
        self._write(torn=b"")

    def tear(self, lines: int) -> None:
        """Write whole lines, and a half one."""
        self.append(lines)
        self._write(torn=self._line())

    def rotate(self, lines: int) -> None:
        """Rename the current file, and begin another one."""
        self._write(torn=b"")
        name = f"decisions-20240104T223000.{next(self._numbers):06}Z.jsonl"
        (self.root / LOG_NAME).rename(self.root / name)
        self.files[name] = self.files.pop(LOG_NAME)
        self.append(lines)

    def cut(self, lines: int) -> None:
        """Leave only the first lines of the current file."""
        del self.lines[lines:]
        self._write(torn=b"")

    def behead(self, lines: int) -> None:
        """Put a copy without its first lines in the current file's place."""
        del self.lines[:lines]
        (self.root / LOG_NAME).unlink(missing_ok=True)
        self._write(torn=b"")

    def delete(self, lines: int) -> None:
        """Take the current file away, and begin another one."""
        self.lines.clear()
        (self.root / LOG_NAME).unlink(missing_ok=True)
        self.append(lines)

    def standing(self) -> list[bytes]:
        """All whole lines of the log, oldest first."""
        order = sorted(self.files, key=lambda name: (name == LOG_NAME, name))
        return [line for name in order for line in self.files[name]]

    def _line(self) -> bytes:
        number = next(self._numbers)
        # Of few lengths: after a cut another line may well end where an old one did.
        return b'{"event":"decided","task":"%06d"}%s\n' % (number, b" " * (number % 2))

    def _write(self, torn: bytes) -> None:
        """Cut the current file to what is to stand there, and append what is missing."""
        self.torn = torn
        path = self.root / LOG_NAME
        wanted = b"".join(self.lines) + torn[: len(torn) // 2]
        stands = path.read_bytes() if path.exists() else b""
        pairs = enumerate(zip(stands, wanted, strict=False))
        same = next((index for index, (old, new) in pairs if old != new), min(len(stands), len(wanted)))
        if same < len(stands):
            os.truncate(path, same)
        with path.open("ab") as file:
            file.write(wanted[same:])


DEEDS = ("append", "tear", "rotate", "cut", "behead", "delete", "look")


@given(st.lists(st.tuples(st.sampled_from(DEEDS), st.integers(0, 4)), max_size=30))
def test_each_line_is_given_once(deeds: list[tuple[str, int]]) -> None:
    """Whatever others do between two looks: what stands at a look is given by then, once, in order, and whole."""
    with TemporaryDirectory() as folder:
        others = Others(Path(folder))
        follower = Follower(DecisionLog(folder))
        seen: list[bytes] = []
        for deed, lines in [*deeds, ("look", 0)]:
            if deed == "look":
                seen += follower.lines()
                assert set() == set(others.standing()) - set(seen)
            else:
                getattr(others, deed)(lines)

    assert sorted(set(seen)) == seen
    assert all(line.startswith(b'{"event"') and line.count(b"\n") == 1 for line in seen)


@example([("append", 1), ("rotate", 0), ("rotate", 0)], [])
@given(
    st.lists(st.tuples(st.sampled_from(("append", "tear", "rotate")), st.integers(0, 4)), max_size=12),
    st.lists(st.tuples(st.sampled_from(("append", "tear", "rotate")), st.integers(0, 4)), max_size=12),
)
def test_the_end_parts_the_last_lines_from_the_next(
    before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    """Lines before the follower's start are the log's, newest first; those after it are given; none is both."""
    with TemporaryDirectory() as folder:
        others, log = Others(Path(folder)), DecisionLog(folder)
        for deed, lines in before:
            getattr(others, deed)(lines)
        old = others.standing()
        follower = Follower(log)
        start = follower.position
        for deed, lines in after:
            getattr(others, deed)(lines)

        assert old == [*log.lines_before(start)][::-1]
        assert others.standing() == old + list(follower.lines())


@pytest.fixture
def others(root: Path) -> Others:
    """Whoever else writes to the root's log."""
    return Others(root)


@pytest.fixture
def log(root: Path) -> DecisionLog:
    """The log of the root."""
    return DecisionLog(str(root))


def bytes_read() -> int:
    """Bytes that this process has read so far, from anywhere."""
    return int(Path("/proc/self/io").read_text(encoding="utf-8").split()[1])


class TestBackwards:
    """Lines before a position."""

    def test_a_line_longer_than_a_block_is_whole(self, root: Path, log: DecisionLog) -> None:
        """Lines that span blocks, and end where one ends, come as they are."""
        lines = [b"a" * 65535 + b"\n", b"b" * 200_000 + b"\n", b"\n", b"c\n", b"d" * 65536 + b"\n"]
        (root / LOG_NAME).write_bytes(b"".join(lines))

        assert lines == [*log.lines_before(log.end())][::-1]

    def test_the_last_lines_cost_a_few_blocks(self, root: Path, log: DecisionLog) -> None:
        """Of a long log only its end is read."""
        line = b"x" * 999 + b"\n"
        (root / LOG_NAME).write_bytes(line * 5000)
        end, before = log.end(), bytes_read()

        assert [line] * 10 == list(islice(log.lines_before(end), 10))
        assert 200_000 > bytes_read() - before

    def test_a_lost_position_has_nothing_before_it(self, log: DecisionLog, others: Others) -> None:
        """When the log is another one there is nothing to be shown of the old one."""
        others.append(2)
        end = log.end()
        others.delete(2)

        assert [] == list(log.lines_before(end))

    def test_a_log_cut_while_it_is_read_ends_there(self, log: DecisionLog, others: Others) -> None:
        """What was cut off is not made up from what is left."""
        others.append(4000)
        lines = log.lines_before(log.end())
        old = others.standing()
        newest = next(lines)
        others.cut(5)

        assert old[-1] == newest
        assert set() == set(lines) - set(old)


class TestFollower:
    """Special cases of following."""

    def test_a_log_without_change_has_no_news(self, log: DecisionLog, others: Others) -> None:
        """After a look there is none until the log changes, or goes away."""
        others.append(1)
        follower = Follower(log)
        news = [follower.has_news()]
        for change in (None, lambda: others.append(1), lambda: others.rotate(0), lambda: others.delete(0)):
            list(follower.lines())
            if change is not None:
                change()
            news.append(follower.has_news())

        assert [True, False, True, True, True] == news

    def test_a_root_may_come_later(self, tmp_path: Path) -> None:
        """Without a root there is nothing, and nothing fails; once it is there all of its log is new."""
        follower = Follower(DecisionLog(str(tmp_path / "later")))
        nothing = list(follower.lines())
        (tmp_path / "later").mkdir()
        others = Others(tmp_path / "later")
        others.append(2)

        assert START == Follower(DecisionLog(str(tmp_path / "nowhere"))).position
        assert ([], others.standing()) == (nothing, list(follower.lines()))

    def test_what_was_there_before_is_not_given_after_a_cut(self, log: DecisionLog, others: Others) -> None:
        """A log cut below the start of following goes on from the cut."""
        others.append(6)
        follower = Follower(log)
        others.cut(3)
        between = list(follower.lines())
        others.append(1)

        assert ([], others.standing()[-1:]) == (between, list(follower.lines()))

    def test_a_log_moved_away_and_back_is_the_same(
        self, root: Path, log: DecisionLog, others: Others
    ) -> None:
        """A file that was gone for a while goes on where it was."""
        others.append(3)
        follower = Follower(log)
        (root / LOG_NAME).rename(root / "aside")
        away = list(follower.lines())
        (root / "aside").rename(root / LOG_NAME)
        others.append(1)

        assert ([], others.standing()[-1:]) == (away, list(follower.lines()))

    def test_only_the_latest_lines_are_remembered(
        self, log: DecisionLog, others: Others, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Memory has a bound; what is older than it is taken for given as long as the file is the same."""
        monkeypatch.setattr("emosieve.record.following._REMEMBERED", 4)
        follower = Follower(log)
        others.append(20)
        list(follower.lines())
        others.cut(18)
        others.append(5)

        assert others.standing()[18:] == list(follower.lines())

    def test_each_file_has_its_own_offsets(
        self, log: DecisionLog, others: Others, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What an earlier file's offsets say of it does not hide lines of a later one that was cut and grew."""
        monkeypatch.setattr("emosieve.record.following._REMEMBERED", 4)
        others.append(20)
        follower = Follower(log)
        others.append(3)
        for _ in range(2):
            list(follower.lines())
            others.rotate(2)
            list(follower.lines())
            others.cut(1)
            others.append(6)

            assert others.lines[1:] == list(follower.lines())

    def test_a_rotated_file_taken_away_is_passed_over(
        self, root: Path, log: DecisionLog, others: Others
    ) -> None:
        """When somebody archives a rotated file before it was looked at, the next one is given."""
        others.append(2)
        follower = Follower(log)
        others.rotate(1)
        others.rotate(1)
        oldest = min(others.files)
        (root / oldest).unlink()

        assert others.standing()[2:] == list(follower.lines())

    def test_nothing_stays_open(self, root: Path, log: DecisionLog, others: Others) -> None:
        """Between two looks no file under the root is open."""
        others.append(2)
        follower = Follower(log)
        others.rotate(2)
        list(follower.lines())
        links = [
            os.readlink(f"/proc/self/fd/{number}")
            for number in names_in(Path("/proc/self/fd"))
            if os.path.lexists(f"/proc/self/fd/{number}")
        ]

        assert [] == [link for link in links if link.startswith(str(root))]


class TestAbout:
    """All events of a task."""

    def test_all_of_them_in_their_order(self, log: DecisionLog) -> None:
        """Events of a task are found across rotations, oldest first; other tasks' are not."""
        log.rotate_bytes = 60
        events = [
            {"event": "decided", "task": "outputs_1", "n": 1},
            {"event": "decided", "task": "outputs_10", "n": 2},
            {"event": "failed", "task": "outputs_1", "n": 3},
            {"event": "decided", "task": "outputs_2", "note": '"task":"outputs_1"', "n": 4},
            {"event": "decided", "task": "outputs_2", "more": {"task": "outputs_1"}, "n": 5},
            {"event": "restored", "task": "outputs_1", "n": 6},
        ]
        for event in events:
            with log.locked():
                log.append([event])

        assert 3 < len(log.files())
        assert [1, 3, 6] == [event["n"] for event in log.about("outputs_1")]

    @pytest.mark.parametrize("task", ["快乐", 'a"b\\c', "a\u202eb", "tab\there", "\udc80"])
    def test_whatever_its_name(self, log: DecisionLog, task: str) -> None:
        """A name is searched for as the log writes it; one that cannot be logged has no events."""
        with log.locked():
            log.append([{"event": "decided", "task": task}])

        assert [task] * (task != "\udc80") == [event["task"] for event in log.about(task)]

    def test_a_torn_line_is_no_event(self, root: Path, log: DecisionLog) -> None:
        """Neither a torn line, nor one that is no event, nor a log of no bytes has anything to say."""
        (root / LOG_NAME).touch()
        nothing = log.about("a")
        (root / LOG_NAME).write_bytes(
            b'{"event":"decided","task":"a"}\nfoo "task":"a"\n{"event":"x","task":"a"}'
        )

        assert ([], ["decided"]) == (nothing, [event["event"] for event in log.about("a")])
