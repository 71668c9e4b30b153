import errno
import math
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from conftest import LONG_AGO, FakeTime, MakeTask, result_bytes
from emosieve.commands.simulated_webui import Recognition, npy_bytes, write_task, write_wav
from emosieve.judge.document import SIZE_LIMIT
from emosieve.patterns import matcher
from emosieve.watch.inbox import Contents, Inbox
from emosieve.watch.settle import Gone, Outcome, Settling, Waiting
from emosieve.watch.survey import Survey, survey_directory
from emosieve.watch.wholeness import Malformed, NoResult, Policy, Settled

NAME = "outputs_20240104_223000"
_2020_NS = 1_577_836_800 * 10**9
_RESERVED = frozenset({"normal"})


class WatchedInbox(Inbox):
    """An inbox that counts what it is asked, and fails where it is told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root), "outputs_*", _RESERVED, ask_lease=True)
        self.stats = 0
        self.surveys = 0
        self.readings = 0
        self.on_stat: Callable[[str], object] = lambda _: None
        self.on_survey: Callable[[str], object] = lambda _: None
        self.before_reading: Callable[[str], object] = lambda _: None

    def directory_changed_ns(self, name: str) -> int:
        """Count a stat."""
        self.stats += 1
        self.on_stat(name)
        return super().directory_changed_ns(name)

    def survey(self, name: str) -> Survey:
        """Count a survey."""
        self.surveys += 1
        self.on_survey(name)
        return super().survey(name)

    def read(self, survey: Survey) -> Contents:
        """Count a reading."""
        self.readings += 1
        self.before_reading(survey.name)
        return super().read(survey)


def _time_of(task: Path, age: float) -> FakeTime:
    """Clocks that stand so many seconds after a task's last change."""
    return FakeTime(survey_directory(str(task), task.name).changed_ns / 1e9 + age)


def _settling(root: Path, time: FakeTime, **policy: Any) -> Settling:
    settling = Settling(WatchedInbox(root), Policy(**policy), time.clock)
    settling.see(settling.inbox.list().tasks)
    return settling


def _inbox_of(settling: Settling) -> WatchedInbox:
    assert isinstance(settling.inbox, WatchedInbox)
    return settling.inbox


def _look(settling: Settling) -> Outcome:
    """The outcome of the one look that is due."""
    outcomes = list(settling.look())
    assert len(outcomes) == 1, outcomes
    return outcomes[0]


def _reason(outcome: Outcome) -> str:
    assert isinstance(outcome, Waiting), outcome
    return outcome.reason


def _odd(outcome: Outcome) -> list[str]:
    assert isinstance(outcome, Settled), outcome
    return list(outcome.oddities)


# Quiet time.


def test_a_whole_task_that_is_quiet_is_settled(root: Path, make_task: MakeTask) -> None:
    """Result, digest and survey of a whole task come out at its first look when it is quiet already."""
    task = make_task(result=result_bytes(0.7, "sad"), files={"embedding.npy": npy_bytes()})
    outcome = _look(_settling(root, _time_of(task, 2.5)))
    assert isinstance(outcome, Settled)
    assert outcome.survey == survey_directory(str(task), NAME)
    assert outcome.result.emotion == "sad"
    assert len(outcome.digest) == 32
    assert outcome.oddities == {}


def test_a_task_that_changed_a_moment_ago_waits_for_the_rest_of_its_quiet_time(
    root: Path, make_task: MakeTask
) -> None:
    """The next look is due exactly when the quiet time is over, not before, and then the task settles."""
    time = _time_of(make_task(), 0.5)
    settling = _settling(root, time, quiet_seconds=2.0)
    outcome = _look(settling)
    assert _reason(outcome) == "quiet"
    assert settling.due_in() == pytest.approx(1.5, abs=1e-3)
    assert _inbox_of(settling).readings == 0
    time.pass_(1.4)
    assert list(settling.look()) == []
    time.pass_(0.2)
    assert isinstance(_look(settling), Settled)


def test_the_quiet_time_is_over_when_it_has_passed(root: Path, make_task: MakeTask) -> None:
    """At the very instant, which is the one that the next look is due at, the task settles."""
    time = _time_of(make_task(), 0)
    settling = _settling(root, time, quiet_seconds=2.0, trust_ctime=False)
    assert "quiet" == _reason(_look(settling))
    time.pass_(2.0)
    assert isinstance(_look(settling), Settled)


def test_old_mtimes_do_not_make_a_copy_quiet(root: Path, make_task: MakeTask) -> None:
    """Files with mtimes of 2020 that came a moment ago wait: the change time counts, not the mtime."""
    task = make_task()
    for path in (task / "result.json", task):
        os.utime(path, ns=(_2020_NS, _2020_NS))
    assert _reason(_look(_settling(root, _time_of(task, 0.5)))) == "quiet"


def test_a_future_mtime_keeps_no_task(root: Path, make_task: MakeTask) -> None:
    """Mtimes of a day ahead do not matter where the change times are quiet."""
    task = make_task()
    ahead = task.stat().st_mtime_ns + 86_400 * 10**9
    for path in (task / "result.json", task):
        os.utime(path, ns=(ahead, ahead))
    assert isinstance(_look(_settling(root, _time_of(task, 2.5))), Settled)


def test_a_change_time_in_the_future_is_observed_instead(root: Path, make_task: MakeTask) -> None:
    """Files of an hour ahead settle after a quiet time on the monotonic clock, not after an hour."""
    time = _time_of(make_task(), -3600)
    settling = _settling(root, time)
    assert _reason(_look(settling)) == "quiet"
    time.pass_(1.9)
    assert list(settling.look()) == []
    time.pass_(0.2)
    assert isinstance(_look(settling), Settled)


def test_what_was_observed_is_not_forgotten_when_a_future_change_time_is_reached(
    root: Path, make_task: MakeTask
) -> None:
    """A malformed task from 300 s ahead is overdue 600 s after it was first seen, not after 900."""
    time = _time_of(make_task(result=b"{"), -300)
    settling = _settling(root, time, give_up_seconds=600.0)
    assert _reason(_look(settling)) == "quiet"
    for seconds in (2.5, 300.0, 290.0):
        time.pass_(seconds)
        assert _reason(_look(settling)) == "malformed"
    time.pass_(20.0)
    assert isinstance(_look(settling), Malformed)


def test_on_a_network_file_system_change_times_are_not_believed(root: Path, make_task: MakeTask) -> None:
    """Even a task of an hour ago is observed for a quiet time first."""
    time = _time_of(make_task(), 3600)
    settling = _settling(root, time, trust_ctime=False)
    assert _reason(_look(settling)) == "quiet"
    time.pass_(2.1)
    assert isinstance(_look(settling), Settled)


def _append(task: Path) -> None:
    with (task / "a.txt").open("ab") as file:
        file.write(b"1")


def _touch(task: Path) -> None:
    (task / "a.txt").touch()


def _add(task: Path) -> None:
    (task / "embedding.npy").write_bytes(npy_bytes())


def _take_away(task: Path) -> None:
    (task / "a.txt").unlink()


def _anew(task: Path) -> None:
    shutil.copytree(task, task.parent / "copy")
    shutil.rmtree(task)
    (task.parent / "copy").rename(task)


@pytest.mark.parametrize("change", [_append, _touch, _add, _take_away, _anew])
def test_every_change_starts_the_observed_quiet_time_anew(
    root: Path, make_task: MakeTask, change: Callable[[Path], None]
) -> None:
    """A write, touch, new file, removal or replacement under observation is waited for in full."""
    task = make_task(files={"a.txt": b"0"})
    time = _time_of(task, 3600)
    settling = _settling(root, time, trust_ctime=False)
    list(settling.look())
    change(task)
    time.pass_(2.1)
    assert _look(settling) == Waiting(NAME, "quiet", "changed a moment ago", 2.0)
    time.pass_(2.1)
    assert isinstance(_look(settling), Settled)


# Clocks that jump.


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_stepped_wall_clock_neither_settles_early_nor_late(
    root: Path, make_task: MakeTask, step: float
) -> None:
    """A task that waits while the wall clock jumps an hour is settled when its quiet time is over."""
    time = _time_of(make_task(), 0.1)
    settling = _settling(root, time)
    assert _reason(_look(settling)) == "quiet"
    time.wall += step
    assert settling.due_in() == pytest.approx(1.9, abs=1e-3)
    time.pass_(1.89)
    assert list(settling.look()) == []
    time.pass_(0.02)
    assert isinstance(_look(settling), Settled)


def test_a_clock_that_stepped_forward_makes_nothing_overdue(root: Path, make_task: MakeTask) -> None:
    """After a jump of an hour a malformed task is given up 600 s after it was seen, not at once."""
    time = _time_of(make_task(result=b"{"), 0.1)
    settling = _settling(root, time)
    list(settling.look())
    time.wall += 3600
    for seconds in (3.0, 300.0, 290.0):
        time.pass_(seconds)
        assert _reason(_look(settling)) == "malformed"
    time.pass_(20.0)
    assert isinstance(_look(settling), Malformed)


def test_a_jump_while_other_tasks_are_looked_at_settles_nothing(root: Path, make_task: MakeTask) -> None:
    """A wall clock that jumps between two looks of one round makes the second task no older."""
    make_task("outputs_1")
    task = make_task("outputs_2")
    time = _time_of(task, 0.1)
    settling = _settling(root, time)
    looks = settling.look()
    assert _reason(next(looks)) == "quiet"
    time.wall += 3600
    assert _reason(next(looks)) == "quiet"


def test_a_jump_between_a_change_and_the_look_that_sees_it_gives_no_credit(root: Path) -> None:
    """A change that the wall clock makes 0.9 s older than it is waits for a quiet time after the jump."""
    task = root / NAME
    task.mkdir()
    time = _time_of(task, 0.0)
    settling = _settling(root, time)
    assert _reason(_look(settling)) == "quiet"
    (task / "result.json").write_bytes(result_bytes())
    time.wall = _time_of(task, 0.9).wall
    time.monotonic += 0.1
    assert list(settling.look()) == []
    time.pass_(1.91)
    assert _reason(_look(settling)) == "quiet"
    time.pass_(0.1)
    assert isinstance(_look(settling), Settled)


def test_small_jumps_do_not_add_up(root: Path, make_task: MakeTask) -> None:
    """However often the wall clock jumps by less than is noticed, a task waits for its quiet time."""
    time = _time_of(make_task(), 0.1)
    settling = _settling(root, time)
    assert _reason(_look(settling)) == "quiet"
    for _ in range(6):
        time.wall += 0.09
        time.pass_(0.3)
        assert list(settling.look()) == []
    time.pass_(0.2)
    assert isinstance(_look(settling), Settled)


@pytest.mark.parametrize(("step", "is_believed"), [(0.09, True), (-1.1, True), (0.11, False)])
def test_only_a_jump_forward_of_more_than_a_tenth_of_a_second_is_a_step(
    root: Path, make_task: MakeTask, step: float, *, is_believed: bool
) -> None:
    """A clock that is slewed keeps its credit; after a jump a task never seen before is observed first."""
    time = _time_of(make_task(), 10)
    settling = _settling(root, time)
    time.wall += step
    assert is_believed == isinstance(_look(settling), Settled)


def test_a_step_is_forgiven_once_it_is_long_past(root: Path, make_task: MakeTask) -> None:
    """A task whose change is younger than the jump is judged by its change time again."""
    task = make_task()
    time = _time_of(task, -3600)
    settling = Settling(WatchedInbox(root), Policy(), time.clock)
    time.wall += 3500
    assert list(settling.look()) == []
    time.pass_(102.5)
    settling.see([NAME])
    assert isinstance(_look(settling), Settled)


# What a quiet task may still lack.


def _wav(task: Path) -> Path:
    path = task / "processed_audio.wav"
    write_wav(str(path), 0.05)
    return path


def _set_mtimes(task: Path, wav_ns: int, result_ns: int) -> None:
    os.utime(task / "processed_audio.wav", ns=(wav_ns, wav_ns))
    os.utime(task / "result.json", ns=(result_ns, result_ns))


def test_a_result_from_before_1970_is_as_good_as_any(root: Path, make_task: MakeTask) -> None:
    """Without a wav nothing is newer than the result, whatever its mtime."""
    task = make_task()
    os.utime(task / "result.json", ns=(-(10**18), -(10**18)))
    assert _odd(_look(_settling(root, _time_of(task, 2.5)))) == []


@pytest.mark.parametrize(("newer_ns", "reasons"), [(1, ["mixed_task"]), (0, []), (-1, [])])
def test_a_wav_newer_than_the_result_is_the_next_task_at_work(
    root: Path, make_task: MakeTask, newer_ns: int, reasons: list[str]
) -> None:
    """By mtime: one nanosecond newer waits, equal is not newer, older is as it should be."""
    task = make_task()
    _wav(task)
    _set_mtimes(task, _2020_NS + newer_ns, _2020_NS)
    outcome = _look(_settling(root, _time_of(task, 2.5)))
    assert reasons == [outcome.reason for outcome in [outcome] if isinstance(outcome, Waiting)]


def test_an_overdue_mixed_task_is_judged_with_its_flag(root: Path, make_task: MakeTask) -> None:
    """After give_up_seconds the newer wav is only told, with the seconds that it is newer."""
    task = make_task()
    _wav(task)
    _set_mtimes(task, _2020_NS + 1_500_000_000, _2020_NS)
    outcome = _look(_settling(root, _time_of(task, 601)))
    assert isinstance(outcome, Settled)
    assert outcome.oddities == {"audio_newer_seconds": 1.5}


def _short_wav(task: Path) -> None:
    path = _wav(task)
    os.truncate(path, path.stat().st_size - 10)


def _short_npy(task: Path) -> None:
    (task / "embedding.npy").write_bytes(npy_bytes()[:-10])


SHORT = [
    pytest.param(_short_wav, "audio_truncated", "processed_audio.wav", id="wav"),
    pytest.param(_short_npy, "embedding_truncated", "embedding.npy", id="npy"),
]


@pytest.mark.parametrize(("spoil", "rule", "name"), SHORT)
def test_a_file_shorter_than_its_header_says_is_waited_for_and_at_last_flagged(
    root: Path, make_task: MakeTask, spoil: Callable[[Path], None], rule: str, name: str
) -> None:
    """A short wav or npy keeps a task pending; once overdue it is judged with the missing bytes told."""
    task = make_task()
    spoil(task)
    result_ns = (task / "result.json").stat().st_mtime_ns
    for path in task.iterdir():
        os.utime(path, ns=(result_ns, result_ns))
    outcome = _look(_settling(root, _time_of(task, 2.5)))
    assert isinstance(outcome, Waiting)
    assert (outcome.reason, outcome.message) == (rule, f"{name} is 10 bytes shorter than its header says")
    overdue = _look(_settling(root, _time_of(task, 601)))
    assert isinstance(overdue, Settled)
    assert overdue.oddities == {f"{rule.removesuffix('_truncated')}_missing_bytes": 10}


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(struct.pack("<4sI4s", b"RIFF", size, b"WAVE"), id=f"RIFF size {size:#x}")
        for size in (0, 8, 0xFFFFFFFF)
    ]
    + [pytest.param(b"not a wav at all", id="no header"), pytest.param(b"", id="empty")],
)
def test_where_a_header_does_not_tell_quiet_time_alone_decides(
    root: Path, make_task: MakeTask, head: bytes
) -> None:
    """Placeholder sizes and missing headers keep no task."""
    task = make_task(files={"processed_audio.wav": head, "embedding.npy": head})
    assert _odd(_look(_settling(root, _time_of(task, 2.5)))) == []


def test_a_file_open_for_writing_is_waited_for(root: Path, make_task: MakeTask) -> None:
    """However quiet it is, a task is not settled while some process holds a file of it open for writing."""
    task = make_task(files={"process.log": b""})
    time = _time_of(task, 30)
    settling = _settling(root, time)
    with (task / "process.log").open("ab"):
        outcome = _look(settling)
        assert outcome == Waiting(NAME, "still_open", "process.log is open for writing", 2.0)
        time.pass_(2.1)
        assert _reason(_look(settling)) == "still_open"
    time.pass_(2.1)
    assert _look(settling) == Waiting(NAME, "quiet", "closed a moment ago", 2.0)
    time.pass_(2.1)
    assert _odd(_look(settling)) == []


def test_a_file_closed_by_its_last_write_is_waited_for_once(root: Path, make_task: MakeTask) -> None:
    """Where the close came with a change, the quiet time after that change is all there is to wait for."""
    task = make_task(files={"process.log": b""})
    time = _time_of(task, 30)
    settling = _settling(root, time)
    with (task / "process.log").open("ab") as file:
        assert _reason(_look(settling)) == "still_open"
        file.write(b"last")
    time.wall = _time_of(task, 0.5).wall
    time.monotonic += 2.1
    assert _reason(_look(settling)) == "quiet"
    time.pass_(1.51)
    assert _odd(_look(settling)) == []


def test_a_file_left_open_for_ever_is_flagged(root: Path, make_task: MakeTask) -> None:
    """Once overdue a task is judged although a file of it is still open."""
    task = make_task(files={"process.log": b""})
    with (task / "process.log").open("ab"):
        outcome = _look(_settling(root, _time_of(task, 601)))
    assert _odd(outcome) == ["open_files"]


def test_every_required_file_is_waited_for_and_at_last_flagged(root: Path, make_task: MakeTask) -> None:
    """settle.require keeps a task without one of its files, names what is missing, and ends with a flag."""
    task = make_task()
    policy = {"require": ("result.json", "processed_audio.wav", "embedding.npy")}
    outcome = _look(_settling(root, _time_of(task, 2.5), **policy))
    message = "processed_audio.wav, embedding.npy is missing"
    assert outcome == Waiting(NAME, "required_missing", message, 2.0)
    overdue = _look(_settling(root, _time_of(task, 601), **policy))
    assert isinstance(overdue, Settled)
    assert overdue.oddities == {"missing_files": 2}
    for name in policy["require"][1:]:
        (task / name).write_bytes(b"")
    os.utime(task / "result.json")
    assert _odd(_look(_settling(root, _time_of(task, 2.5), **policy))) == []


def test_result_frame_json_satisfies_the_required_result(root: Path, make_task: MakeTask) -> None:
    """The other name of the result is as good as result.json."""
    task = make_task()
    (task / "result.json").rename(task / "result_frame.json")
    assert _odd(_look(_settling(root, _time_of(task, 2.5)))) == []


def test_every_oddity_of_an_overdue_task_is_told(root: Path, make_task: MakeTask) -> None:
    """What is odd in several ways is flagged in all of them."""
    task = make_task()
    _short_wav(task)
    _short_npy(task)
    _set_mtimes(task, _2020_NS + 1, _2020_NS)
    with (task / "embedding.npy").open("ab"):
        outcome = _look(_settling(root, _time_of(task, 601), require=("result.json", "x")))
    expected = ["missing_files", "embedding_missing_bytes", "audio_missing_bytes"]
    assert _odd(outcome) == [*expected, "audio_newer_seconds", "open_files"]


def test_a_transfer_is_waited_for_and_at_last_flagged(root: Path, make_task: MakeTask) -> None:
    """A file under a temporary name keeps a task; once overdue it is judged with the number of such files."""
    task = make_task(files={".processed_audio.wav.a1B2c3": b"RIFF", "more.part": b""})
    outcome = _look(_settling(root, _time_of(task, 2.5)))
    message = ".processed_audio.wav.a1B2c3, more.part is still under a temporary name"
    assert outcome == Waiting(NAME, "transfer", message, 2.0)
    overdue = _look(_settling(root, _time_of(task, 600)))
    assert isinstance(overdue, Settled)
    assert overdue.oddities == {"temporary_files": 2}
    assert _odd(_look(_settling(root, _time_of(task, 2.5), is_temporary=matcher(())))) == []


def test_a_reused_directory_is_looked_at_again_when_its_time_has_passed(
    root: Path, make_task: MakeTask
) -> None:
    """Not before, and at once then: a look in between would see nothing of an inference."""
    task = make_task()
    later = survey_directory(str(task), NAME).born_ns + 200_000_000
    if later == 200_000_000:
        pytest.skip("this file system tells no birth times")
    os.utime(task / "result.json", ns=(later, later))
    time = _time_of(task, 2.5)
    settling = _settling(root, time, reused_quiet_seconds=20.0)
    assert _reason(_look(settling)) == "reused"
    assert settling.due_in() == pytest.approx(17.5, abs=1e-3)
    time.pass_(17.6)
    assert _odd(_look(settling)) == ["written_over_seconds"]


# Overdue.


def _broken(task: Path) -> None:
    (task / "result.json").write_bytes(b'{"emotion": ')


def _empty(task: Path) -> None:
    (task / "result.json").write_bytes(b"")


def _symlink(task: Path) -> None:
    (task.parent / "outside.json").write_bytes(result_bytes())
    (task / "result.json").symlink_to(task.parent / "outside.json")


def _fifo(task: Path) -> None:
    os.mkfifo(task / "result.json")


def _directory(task: Path) -> None:
    (task / "result.json").mkdir()


def _oversize(task: Path) -> None:
    (task / "result.json").write_bytes(b"")
    os.truncate(task / "result.json", SIZE_LIMIT + 1)


@pytest.mark.parametrize(
    ("spoil", "words", "has_digest"),
    [
        (_broken, "result.json is not JSON", True),
        (_empty, "result.json is empty", True),
        (_symlink, "result.json is a symlink, not a file", False),
        (_fifo, "result.json is a FIFO, not a file", False),
        (_directory, "result.json is a directory, not a file", False),
        (_oversize, f"result.json is {SIZE_LIMIT + 1} bytes long", False),
    ],
)
def test_an_unreadable_result_waits_and_is_at_last_malformed(
    root: Path, spoil: Callable[[Path], None], words: str, *, has_digest: bool
) -> None:
    """Whatever cannot be a result is waited for until it is overdue, and then refused with its reason."""
    task = root / NAME
    task.mkdir()
    spoil(task)
    pending = _look(_settling(root, _time_of(task, 599)))
    assert isinstance(pending, Waiting)
    assert pending.reason == "malformed"
    assert pending.message.startswith(words)
    overdue = _look(_settling(root, _time_of(task, 601)))
    assert isinstance(overdue, Malformed)
    assert overdue.reason.startswith(words)
    assert has_digest == (overdue.digest is not None)


def test_a_malformed_result_that_is_mended_in_time_settles(root: Path, make_task: MakeTask) -> None:
    """A result in two pieces is whole after its second piece."""
    data = result_bytes()
    task = make_task(result=data[:20])
    time = _time_of(task, 2.5)
    settling = _settling(root, time)
    assert _reason(_look(settling)) == "malformed"
    (task / "result.json").write_bytes(data)
    time.pass_(5)
    assert isinstance(_look(settling), Settled)


def test_a_task_without_a_result_stays_and_is_told_once(root: Path) -> None:
    """Overdue without a result, a task is told at one look; the later looks say only that it waits."""
    task = root / NAME
    task.mkdir()
    _wav(task)
    time = _time_of(task, 601)
    settling = _settling(root, time)
    outcome = _look(settling)
    assert outcome == NoResult(survey_directory(str(task), NAME))
    assert settling.tell_once(NAME)
    for _ in range(3):
        time.pass_(31)
        assert _reason(_look(settling)) == "overdue"
        assert not settling.tell_once(NAME)
    assert settling.pending_count == 1


def test_a_task_without_a_result_is_told_again_when_it_changed(root: Path) -> None:
    """A change makes it news: the task is examined anew, and when still without a result, told once more."""
    task = root / NAME
    task.mkdir()
    time = _time_of(task, 601)
    settling = _settling(root, time)
    assert isinstance(_look(settling), NoResult)
    settling.tell_once(NAME)
    (task / "embedding.npy").write_bytes(npy_bytes())
    time.pass_(31)
    assert isinstance(_look(settling), NoResult)
    assert settling.tell_once(NAME)


def test_a_late_result_of_an_overdue_task_is_taken(root: Path) -> None:
    """A result that comes after all hope was given up settles its task."""
    task = root / NAME
    task.mkdir()
    time = _time_of(task, 601)
    settling = _settling(root, time)
    list(settling.look())
    (task / "result.json").write_bytes(result_bytes())
    time.pass_(31)
    assert isinstance(_look(settling), Settled)


def test_nothing_is_told_of_a_task_that_is_not_pending(root: Path) -> None:
    """Nothing is to be told of names that do not stand in the inbox."""
    settling = _settling(root, FakeTime(0))
    assert [settling.tell_once("outputs_x"), settling.tell_once("outputs_x")] == [False, False]


# How often is looked.


def _follow(settling: Settling, time: FakeTime, until: float) -> list[tuple[float, Outcome]]:
    """Look whenever a look is due, for so many seconds; gives the seconds and outcomes."""
    began = time.monotonic
    looks = []
    while True:
        looks += [(time.monotonic - began, outcome) for outcome in settling.look()]
        due = settling.due_in()
        if due is None or time.monotonic - began + due > until:
            return looks
        time.pass_(due + 1e-6)


def _pauses(looks: list[tuple[float, Outcome]]) -> list[tuple[float, float]]:
    times = [at for at, _ in looks]
    return [(at, round(after - at, 3)) for at, after in pairwise(times)]


@pytest.mark.parametrize("result", [b"{", None])
def test_looks_come_once_per_quiet_time_at_first_and_then_ever_more_rarely(
    root: Path, result: bytes | None
) -> None:
    """To the age of 60 s a look each quiet time, then pauses that grow, never beyond rescan_seconds."""
    task = root / NAME
    task.mkdir()
    if result is not None:
        (task / "result.json").write_bytes(result)
    time = _time_of(task, 0.0)
    looks = _follow(_settling(root, time, give_up_seconds=2000.0), time, 1500.0)
    pauses = _pauses(looks)
    assert max(pause for at, pause in pauses if at < 60) < 2.01
    late = [pause for at, pause in pauses if at > 60]
    assert late == sorted(late)
    assert late[-1] == 30.0
    assert len(looks) < 200


def test_stuck_tasks_are_looked_at_together(root: Path) -> None:
    """However many they are, they cost a wake-up each eighth of their pause, and none rests longer than that pause."""
    time = FakeTime(LONG_AGO)
    settling = _settling(root, time, trust_ctime=False)
    names = [f"outputs_{number:02}" for number in range(40)]
    for name in names:
        (root / name).mkdir()
        settling.see(settling.inbox.list().tasks)
        list(settling.look())
        time.pass_(0.7)
    looks = _follow(settling, time, 1500.0)

    for name in names:
        of_it = [(at, one) for at, one in looks if name in repr(one)]
        assert max(rest for _, rest in _pauses(of_it)) <= 30.001
    wakeups = {at for at, _ in looks if 1000 < at <= 1300}
    assert len(wakeups) <= 10 * 8


def test_an_overdue_task_is_given_up_at_most_one_pause_late(root: Path, make_task: MakeTask) -> None:
    """The look that gives up comes at the deadline or one pause after it, and no earlier."""
    time = _time_of(make_task(result=b"{"), 0.0)
    at, outcome = _follow(_settling(root, time), time, 700.0)[-1]
    assert isinstance(outcome, Malformed)
    assert 600 <= at <= 630


def test_a_quiet_task_without_a_result_costs_one_stat_a_look(root: Path) -> None:
    """After its youth such a task is listed again only when it changed, or to be told as overdue."""
    task = root / NAME
    task.mkdir()
    time = _time_of(task, 0.0)
    settling = _settling(root, time)
    inbox = _inbox_of(settling)
    young = len(_follow(settling, time, 70.0))
    assert inbox.surveys <= young
    surveys, stats = inbox.surveys, inbox.stats
    looks = _follow(settling, time, 1500.0)
    assert inbox.surveys - surveys == 1
    assert inbox.stats - stats >= len(looks) - 1
    told = [outcome for _, outcome in looks if isinstance(outcome, NoResult)]
    assert len(told) == 1
    (task / "result.json").write_bytes(result_bytes())
    time.pass_(31)
    assert isinstance(_look(settling), Settled)


def test_a_young_task_without_a_result_is_listed_at_every_look(root: Path) -> None:
    """A wav that is written for long changes no directory, so one stat is not enough at first."""
    task = root / NAME
    task.mkdir()
    time = _time_of(task, 2.5)
    settling = _settling(root, time)
    for _ in range(5):
        assert _reason(_look(settling)) == "no_result"
        time.pass_(2.1)
    assert _inbox_of(settling).surveys == 5


# Names that come and go.


def test_a_name_that_vanishes_and_comes_again_is_looked_at_once(root: Path, make_task: MakeTask) -> None:
    """Neither a look still owed nor an old due time makes a second look of it."""
    time = _time_of(make_task(), 0.5)
    settling = _settling(root, time)
    settling.see([])
    settling.see([NAME])
    assert _reason(_look(settling)) == "quiet"
    settling.see([])
    assert settling.see([NAME]) == [NAME]
    assert _reason(_look(settling)) == "quiet"
    time.pass_(1.6)
    assert isinstance(_look(settling), Settled)
    assert list(settling.look()) == []


def test_only_names_that_were_not_known_are_new(root: Path) -> None:
    """A listing gives back what it adds, in its order."""
    settling = _settling(root, FakeTime(0))
    assert settling.see(["b", "a"]) == ["b", "a"]
    assert settling.see(["b", "c"]) == ["c"]
    assert settling.pending_count == 2


def test_a_name_that_is_listed_no_more_is_forgotten_at_once(root: Path, make_task: MakeTask) -> None:
    """Looked at before or not, it is neither due nor waiting nor counted, and never looked at."""
    time = _time_of(make_task(), 0.5)
    settling = _settling(root, time)
    list(settling.look())
    settling.see([NAME, "outputs_new"])
    settling.see([])
    assert (settling.pending_count, settling.waiting) == (0, [])
    time.pass_(5)
    assert list(settling.look()) == []
    assert settling.due_in() is None


def test_a_task_that_vanished_before_its_look_is_gone(root: Path, make_task: MakeTask) -> None:
    """It is told as gone, and nothing of it stays pending."""
    time = _time_of(make_task(), 0.5)
    settling = _settling(root, time)
    list(settling.look())
    shutil.rmtree(root / NAME)
    time.pass_(2)
    assert _look(settling) == Gone(NAME)
    assert (settling.pending_count, settling.waiting, settling.due_in()) == (0, [], None)


def test_a_task_whose_place_a_file_took_is_gone(root: Path, make_task: MakeTask) -> None:
    """What is no directory any more is no task."""
    time = _time_of(make_task(), 2.5)
    settling = _settling(root, time)
    shutil.rmtree(root / NAME)
    (root / NAME).write_bytes(b"")
    assert _look(settling) == Gone(NAME)


def test_a_filed_task_is_forgotten_with_its_due_time(root: Path, make_task: MakeTask) -> None:
    """After forget the name may come as a new task, and no old due time wakes anybody."""
    time = _time_of(make_task(), 0.5)
    settling = _settling(root, time)
    list(settling.look())
    settling.forget(NAME)
    assert settling.due_in() is None
    assert settling.see([NAME]) == [NAME]


def test_while_a_settled_task_is_filed_it_is_not_looked_at_again(root: Path, make_task: MakeTask) -> None:
    """Between its outcome and its end a task is out of the heap."""
    time = _time_of(make_task(), 0.5)
    settling = _settling(root, time)
    list(settling.look())
    time.pass_(2)
    assert isinstance(_look(settling), Settled)
    time.pass_(100)
    assert list(settling.look()) == []
    assert settling.due_in() is None


# Troubles of one task.


def _raise(error: Exception, only: str = NAME) -> Callable[[str], None]:
    def on(name: str) -> None:
        if name == only:
            raise error

    return on


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EIO, "Input/output error"), "unreadable"),
        (PermissionError(errno.EACCES, "Permission denied"), "unreadable"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "quiet"),
        (RuntimeError("a defect"), "internal"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory"), None),
    ],
)
@pytest.mark.parametrize("at", ["on_survey", "before_reading"])
def test_one_bad_task_never_stops_the_others(
    root: Path, make_task: MakeTask, error: Exception, reason: str | None, at: str
) -> None:
    """Whatever goes wrong with the middle one of three tasks, the others settle, and it is tried again."""
    for name in ("outputs_1", NAME, "outputs_3"):
        make_task(name)
    time = _time_of(root / "outputs_3", 10)
    settling = _settling(root, time)
    setattr(settling.inbox, at, _raise(error))
    outcomes = list(settling.look())
    assert [type(outcome) for outcome in outcomes if outcome is not outcomes[1]] == [Settled, Settled]
    if reason is None:
        assert outcomes[1] == Gone(NAME)
        settling.see(settling.inbox.list().tasks)
    else:
        assert _reason(outcomes[1]) == reason
    setattr(settling.inbox, at, lambda _: None)
    time.pass_(2.1)
    assert isinstance(_look(settling), Settled)


def test_a_task_that_cannot_even_be_asked_for_stops_nothing(root: Path, make_task: MakeTask) -> None:
    """A directory whose very stat fails is left to the next listing, and the others settle."""
    for name in (NAME, "outputs_3"):
        make_task(name)
    settling = _settling(root, _time_of(root / "outputs_3", 10))
    inbox = _inbox_of(settling)
    inbox.on_survey = _raise(FileNotFoundError(errno.ENOENT, "gone"))
    inbox.on_stat = _raise(OSError(errno.EIO, "Input/output error"))
    outcomes = list(settling.look())
    assert outcomes[0] == Gone(NAME)
    assert isinstance(outcomes[1], Settled)
    assert settling.see(inbox.list().tasks) == [NAME]


def test_a_task_that_changes_while_it_is_looked_at_waits_a_quiet_time(
    root: Path, make_task: MakeTask
) -> None:
    """A result replaced between survey and reading is not taken as it was, nor is the task gone."""
    task = make_task()
    time = _time_of(task, 2.5)
    settling = _settling(root, time)
    inbox = _inbox_of(settling)
    inbox.before_reading = lambda _: (task / "result.json").write_bytes(result_bytes(0.4, "sad"))
    assert _look(settling) == Waiting(NAME, "quiet", "changed while it was looked at", 2.0)
    inbox.before_reading = lambda _: None
    time.pass_(2.1)
    outcome = _look(settling)
    assert isinstance(outcome, Settled)
    assert outcome.result.emotion == "sad"


def test_what_fails_again_and_again_is_tried_ever_more_rarely(root: Path, make_task: MakeTask) -> None:
    """The pauses double from one second to rescan_seconds, and stay there."""
    time = _time_of(make_task(), 2.5)
    settling = _settling(root, time)
    _inbox_of(settling).on_survey = _raise(OSError(errno.EIO, "Input/output error"))
    pauses = [pause for _, pause in _pauses(_follow(settling, time, 150.0))]
    assert [round(pause) for pause in pauses] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_task_that_could_not_be_filed_is_looked_at_again(root: Path, make_task: MakeTask) -> None:
    """A deferred task keeps its reason until its pause is over, and then settles again."""
    time = _time_of(make_task(), 2.5)
    settling = _settling(root, time)
    assert isinstance(_look(settling), Settled)
    waiting = settling.defer(NAME, "not_moved", "EACCES: Permission denied")
    assert settling.waiting == [waiting]
    assert list(settling.look()) == []
    time.pass_(1.1)
    assert isinstance(_look(settling), Settled)


def test_looks_may_be_stopped_in_between(root: Path, make_task: MakeTask) -> None:
    """What was not looked at when the caller stopped is due at once, and nothing is looked at twice."""
    names = ["outputs_1", "outputs_2", "outputs_3"]
    for name in names:
        make_task(name)
    settling = _settling(root, _time_of(root / names[-1], 10))
    first = next(settling.look())
    assert isinstance(first, Settled)
    assert first.survey.name == names[0]
    assert settling.due_in() == 0.0
    rest = [outcome.survey.name for outcome in settling.look() if isinstance(outcome, Settled)]
    assert rest == names[1:]


def test_an_empty_inbox_has_nothing_due(root: Path) -> None:
    """Without tasks nobody needs to wake."""
    assert _settling(root, FakeTime(0)).due_in() is None


def test_the_waiting_are_told_by_name(root: Path, make_task: MakeTask) -> None:
    """Every pending task is listed with its present reason, in order of names."""
    make_task("outputs_b", result=b"{")
    (root / "outputs_a").mkdir()
    settling = _settling(root, _time_of(root / "outputs_a", 5))
    list(settling.look())
    told = [(one.name, one.reason) for one in settling.waiting]
    assert told == [("outputs_a", "no_result"), ("outputs_b", "malformed")]


# New settings.


def test_new_settings_hold_for_what_waits_already(root: Path, make_task: MakeTask) -> None:
    """Every pending task is looked at anew under the new settings, whatever it was due for."""
    make_task("outputs_b", result=b"{")
    (root / "outputs_a").mkdir()
    time = _time_of(root / "outputs_a", 100)
    settling = _settling(root, time)
    assert [_reason(outcome) for outcome in settling.look()] == ["no_result", "malformed"]
    settling.apply(Policy(give_up_seconds=50.0))
    outcomes = list(settling.look())
    assert [type(outcome) for outcome in outcomes] == [NoResult, Malformed]
    settling.apply(Policy(give_up_seconds=700.0))
    assert [_reason(outcome) for outcome in settling.look()] == ["no_result", "malformed"]


def test_new_settings_do_not_change_what_the_file_system_is(root: Path) -> None:
    """trust_ctime follows from the file system, so that new settings keep it."""
    settling = _settling(root, FakeTime(0), trust_ctime=False)
    policy = Policy(quiet_seconds=5.0, trust_ctime=True)
    settling.apply(policy)
    assert settling.policy == replace(policy, trust_ctime=False)


# The writer of the demo.


def test_a_task_is_never_settled_while_the_webui_writes_it(root: Path) -> None:
    """At every pause of a writer, ten seconds long each, its task is pending; afterwards it settles."""
    task = root / NAME
    task.mkdir()
    time = _time_of(task, 0.0)
    settling = _settling(root, time)
    seen: list[str] = []

    def look() -> None:
        time.pass_(10)
        seen.append(_reason(_look(settling)))

    write_task(str(task), Recognition({"happy": 0.9, "sad": 0.1}, 0.1, in_pieces=True), look, look)
    look()
    assert seen == ["no_result", "no_result", "malformed", "quiet"]
    time.pass_(10)
    assert _odd(_look(settling)) == []


def test_a_second_recognition_in_the_same_directory_is_waited_for(root: Path) -> None:
    """While the next task of a reused directory infers, with no file open, nothing is settled."""
    task = root / NAME
    task.mkdir()
    time = _time_of(task, 0.0)
    recognition = Recognition({"happy": 0.9, "sad": 0.1}, 0.1)
    write_task(str(task), recognition, lambda: None, lambda: None)
    settling = _settling(root, time)
    seen: list[str] = []

    def infer() -> None:
        # The second wav is newer by what an inference takes in earnest.
        newer = (task / "result.json").stat().st_mtime_ns + 200_000_000
        os.utime(task / "processed_audio.wav", ns=(newer, newer))
        time.pass_(10)
        seen.append(_reason(_look(settling)))

    write_task(str(task), recognition, infer, lambda: None)
    os.utime(task / "processed_audio.wav", ns=(_2020_NS, _2020_NS))
    time.pass_(10)
    assert seen == ["mixed_task"]
    assert _odd(_look(settling)) == []


def test_the_pause_of_an_unknown_failure_count_is_finite(root: Path) -> None:
    """Thousands of failures overflow nothing."""
    settling = _settling(root, FakeTime(0), rescan_seconds=30.0)
    pauses = {settling.defer(NAME, "unreadable", "").seconds for _ in range(3000)}
    assert max(pauses) == 30.0
    assert not any(map(math.isinf, pauses))


def test_a_malformed_result_is_parsed_once(
    root: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing of the task changes, a torn result is not read again before it is overdue."""
    task = make_task(result=b"{half")
    fake = FakeTime(survey_directory(str(task), NAME).changed_ns / 1e9 + 10)
    settling = _settling(root, fake)
    reads: list[str] = []
    read = Inbox.read

    def counted(inbox: Inbox, survey: Survey) -> Contents:
        reads.append(survey.name)
        return read(inbox, survey)

    monkeypatch.setattr(Inbox, "read", counted)
    assert _reason(_look(settling)) == "malformed"
    for _ in range(5):
        fake.pass_(30)
        assert _reason(_look(settling)) == "malformed"
    assert len(reads) == 1
    (task / "result.json").write_bytes(b"{other")
    fake.pass_(30)
    _look(settling)
    assert len(reads) == 2


def test_a_waiting_task_tells_its_age(root: Path, make_task: MakeTask) -> None:
    """The age is the time since the last change, as of now and not of the last look."""
    task = make_task(result=b"{")
    time_ = _time_of(task, 10.0)
    settling = Settling(Inbox(str(root), "outputs_*", _RESERVED, ask_lease=False), Policy(), time_.clock)
    settling.see([NAME])
    assert "malformed" == next(_waits(settling)).reason
    time_.pass_(5.0)

    (waiting,) = settling.waiting
    assert pytest.approx(15.0) == waiting.age


def test_the_oldest_come_first(root: Path, make_task: MakeTask) -> None:
    """Of many pending tasks those are told of that have been still for longest."""
    names = [f"outputs_{number}" for number in range(5)]
    for name in names:
        make_task(name, b"{")
    time_ = _time_of(root / names[-1], 10.0)
    settling = Settling(Inbox(str(root), "outputs_*", _RESERVED, ask_lease=False), Policy(), time_.clock)
    settling.see(names)
    list(_waits(settling))

    assert names[:2] == [waiting.name for waiting in settling.oldest(2)]
    assert {"malformed": 5} == settling.reasons()


def test_looking_again_in_vain_changes_nothing(root: Path, make_task: MakeTask) -> None:
    """The status is not written anew because a stuck task was looked at; it is when the task changed."""
    task = make_task(result=b"{")
    time_ = _time_of(task, 10.0)
    settling = Settling(Inbox(str(root), "outputs_*", _RESERVED, ask_lease=False), Policy(), time_.clock)
    settling.see([NAME])
    list(_waits(settling))
    before = settling.changes
    time_.pass_(30.0)
    list(_waits(settling))

    assert before == settling.changes
    (task / "result.json").write_bytes(b"{}{")
    time_.pass_(30.0)
    list(_waits(settling))
    assert before < settling.changes


def _waits(settling: Settling) -> Iterator[Waiting]:
    return (outcome for outcome in settling.look() if isinstance(outcome, Waiting))


def test_a_task_that_is_held_is_news_and_is_not_looked_at_again(root: Path, make_task: MakeTask) -> None:
    """It is no failure meanwhile; once it is deferred, it is due again."""
    time = _time_of(make_task(), 60)
    settling = _settling(root, time)
    assert isinstance(_look(settling), Settled)
    before = settling.changes
    settling.hold(NAME, "measuring", "its audio is measured")
    assert before < settling.changes
    assert {"measuring": 1} == settling.reasons()
    time.pass_(3600)
    assert [] == list(settling.look())
    assert None is settling.due_in()

    assert 1.0 == settling.defer(NAME, "unreadable", "its audio cannot be read").seconds
    time.pass_(1)
    assert isinstance(_look(settling), Settled)
