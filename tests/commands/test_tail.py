"""``tail`` as an operator meets it: the real program beside a log that others write."""

import json
import os
import pty
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import orjson
import pytest
from rich.cells import cell_len

from emosieve.commands.decision_line import decision_line
from emosieve.record.decisions import LOG_NAME, DecisionLog
from process import EMOSIEVE, PATIENCE, run

NOW = datetime.now(UTC)


def decided(task: str, verdict: str = "normal", confidence: float = 0.9, *rules: str, **more: Any) -> Any:
    """A decided event of just now."""
    return {
        "event": "decided",
        "time": NOW.isoformat(),
        "task": task,
        "verdict": verdict,
        "findings": [{"rule": rule, "action": "reject", "observed": confidence} for rule in rules],
        "emotion": "sad",
        "confidence": confidence,
        "destination": f"{verdict}/{task}",
    } | more


def append(root: Path, *events: Any, rotate_bytes: int = 100_000_000) -> None:
    """Log events as the daemon does."""
    log = DecisionLog(str(root), rotate_bytes=rotate_bytes)
    with log.locked():
        log.append(events)


EVENTS = (
    decided("outputs_1", "low_quality", 0.41, "low_confidence", "ambiguous"),
    {"event": "swept", "time": NOW.isoformat()},
    decided("outputs_2", emotion="angry", destination="normal/outputs_2.2"),
    {
        "event": "quarantined",
        "time": NOW.isoformat(),
        "task": "outputs_3",
        "reason": "not JSON",
        "destination": "quarantine/outputs_3",
    },
    {
        "event": "restored",
        "time": NOW.isoformat(),
        "task": "outputs_1",
        "verdict": "normal",
        "emotion": "sad",
        "confidence": 0.41,
        "from": "low_quality/outputs_1",
        "to": "normal/outputs_1.2",
    },
    {
        "event": "restored",
        "time": NOW.isoformat(),
        "task": "outputs_3",
        "verdict": None,
        "from": "quarantine/outputs_3",
        "to": "outputs_3",
    },
    decided(
        "outputs_4",
        "low_quality",
        0.6,
        "mine",
        event="reclassified",
        **{"from": "normal/outputs_4", "to": "low_quality/outputs_4"},
    ),
)
ENGLISH = """\
✗ low_quality  outputs_1  sad 0.410  low_confidence, ambiguous
✓ normal       outputs_2  angry 0.900  → normal/outputs_2.2
! quarantined  outputs_3  not JSON
✓ normal       outputs_1  sad 0.410  restored low_quality → normal/outputs_1.2
  pending      outputs_3  restored quarantine → inbox
✗ low_quality  outputs_4  sad 0.600  mine  reclassified normal → low_quality
"""
CHINESE = """\
✗ 低质量  outputs_1  悲伤 0.410  主情感置信度低 (0.410)，情感倾向模糊 (Top1-Top2差距=0.410)
✓ 正常    outputs_2  愤怒 0.900  → normal/outputs_2.2
! 已隔离  outputs_3  not JSON
✓ 正常    outputs_1  悲伤 0.410  人工改判 low_quality → normal/outputs_1.2
  等待中  outputs_3  人工改判 quarantine → 输出目录
✗ 低质量  outputs_4  悲伤 0.600  mine  重新判定 normal → low_quality
"""


@pytest.fixture
def logged(root: Path) -> Path:
    """A root whose log has an event of every kind, in several files."""
    for event in EVENTS:
        append(root, event, rotate_bytes=300)
    assert 2 < len(DecisionLog(str(root)).files())
    return root


def without_clock(text: str) -> str:
    """The lines without their times."""
    return "".join(line[9:] for line in text.splitlines(keepends=True))


class TestLast:
    """The last decisions."""

    @pytest.mark.parametrize(("language", "expected"), [("en", ENGLISH), ("zh", CHINESE)])
    def test_every_kind_of_decision_is_a_line(self, logged: Path, language: str, expected: str) -> None:
        """Verdict, task, emotion, reasons and the way it went, in either language; other events are not shown."""
        ended = run("tail", logged, EMOSIEVE_LANGUAGE=language)

        assert (0, expected, "") == (ended.returncode, without_clock(ended.stdout), ended.stderr)

    def test_json_shows_nothing_raw(self, root: Path) -> None:
        """What somebody's editor left raw in a line comes escaped, and means the same."""
        line = '{"event":"decided","task":"\x9b\u202e\x7f快\\u001b"}\n'
        (root / LOG_NAME).write_bytes(line.encode())
        said = run("tail", root, "--json").stdout

        assert '{"event":"decided","task":"\\u009b\\u202e\\u007f快\\u001b"}\n' == said
        assert json.loads(line) == json.loads(said)

    def test_json_is_the_log_byte_for_byte(self, root: Path) -> None:
        """The lines come as they stand, even those that no program of ours would write so."""
        lines = [
            orjson.dumps(EVENTS[0]) + b"\n",
            b'{ "event" : "decided" ,"task":"\\u5feb\xe4\xb9\x90", "later": [1.0e3] }\r\n',
        ]
        (root / LOG_NAME).write_bytes(b"".join([lines[0], b"garbage\n", lines[1], b'{"event":"decided"']))
        ended = subprocess.run(
            [*EMOSIEVE, "tail", str(root), "--json"], capture_output=True, check=True, timeout=PATIENCE
        )

        assert b"".join(lines) == ended.stdout

    @pytest.mark.parametrize(
        ("options", "tasks"),
        [
            (["-n", "2"], ["outputs_3", "outputs_4"]),
            (["-n", "0"], []),
            (["--verdict", "quarantined"], ["outputs_3"]),
            (["--verdict", "low_quality"], ["outputs_1", "outputs_4"]),
            (["--verdict", "normal", "-n", "1"], ["outputs_1"]),
            (["--rule", "ambiguous"], ["outputs_1"]),
            (["--rule", "mine"], ["outputs_4"]),
            (["--emotion", "生气"], ["outputs_2"]),
            (["--emotion", "Anger"], ["outputs_2"]),
            (["--max-confidence", "0.41"], ["outputs_1", "outputs_1"]),
            (["--max-confidence", "0.6", "--verdict", "low_quality"], ["outputs_1", "outputs_4"]),
            (["--emotion", "sad", "--rule", "mine", "--max-confidence", "0.5"], []),
        ],
    )
    def test_filters_hold_together(self, logged: Path, options: list[str], tasks: list[str]) -> None:
        """Only decisions that pass every filter count, and the last of these are shown."""
        ended = run("tail", logged, "--json", *options)

        assert (0, "") == (ended.returncode, ended.stderr)
        assert tasks == [json.loads(line)["task"] for line in ended.stdout.splitlines()]

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--rule", "ambigous"], "did you mean ambiguous?"),
            (["--emotion", "hapyy"], "did you mean happy?"),
            (["--rule", "zzz"], ""),
        ],
    )
    def test_a_likely_typing_error_is_told_of(self, logged: Path, options: list[str], words: str) -> None:
        """A name that is close to a known one is answered, on stderr; another is somebody's own."""
        ended = run("tail", logged, *options)

        assert (0, "", bool(words)) == (ended.returncode, ended.stdout, bool(ended.stderr))
        assert words in ended.stderr

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--verdict", "bad"], "quarantined"),
            (["--max-confidence", "80"], "1"),
            (["-n", "-1"], "0"),
        ],
    )
    def test_a_wrong_value_is_a_usage_error(self, logged: Path, options: list[str], words: str) -> None:
        """Status 2, with what may be given."""
        ended = run("tail", logged, *options)

        assert (2, "") == (ended.returncode, ended.stdout)
        assert words in ended.stderr

    @pytest.mark.parametrize(("language", "words"), [("en", "nothing was decided"), ("zh", "尚无判定记录")])
    def test_a_root_without_a_log(self, root: Path, language: str, words: str) -> None:
        """Status 0, and a word on stderr."""
        ended = run("tail", root, EMOSIEVE_LANGUAGE=language)

        assert (0, "") == (ended.returncode, ended.stdout)
        assert words in ended.stderr

    def test_a_root_that_is_missing(self, tmp_path: Path) -> None:
        """Status 2: without -f there is nothing to wait for."""
        assert 2 == run("tail", tmp_path / "nowhere").returncode

    def test_hostile_strings_are_escaped(self, root: Path) -> None:
        """Whatever somebody's editor put into a line reaches the terminal as text, or not at all."""
        bad = "\x1b[31m\u202e"
        hostile = decided(
            f"outputs_{bad}",
            bad,
            emotion=[bad],
            time=bad,
            findings=[{"rule": bad}, {"rule": "ambiguous", "observed": bad}, {"rule": [bad]}, bad],
        )
        lines = [
            hostile | {"confidence": bad},
            {"event": "restored", "task": 7, "from": bad},
            decided("x", findings=bad, emotion=bad),
        ]
        (root / LOG_NAME).write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
        for language in ("en", "zh"):
            ended = run("tail", root, EMOSIEVE_LANGUAGE=language)

            assert (0, 3, "") == (ended.returncode, ended.stdout.count("\n"), ended.stderr)
            assert set() == {"\x1b", "\u202e"} & set(ended.stdout)
            assert "\\u001b[31m" in ended.stdout

    def test_a_closed_stdout_is_nobody_to_tell(self, logged: Path) -> None:
        """Without a stdout it ends quietly, even when it is to follow."""
        command = f"{' '.join(EMOSIEVE)} tail {logged} -f >&-"
        ended = subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, check=False, timeout=PATIENCE
        )

        assert (0, "", "") == (ended.returncode, ended.stdout, ended.stderr)


class TestLine:
    """How one decision looks."""

    def test_a_day_that_is_over_is_dated(self) -> None:
        """The date is shown by the clock of the event's own offset, unless it is today there."""
        event = decided("a", time="2024-01-05T00:30:00+08:00")
        late = datetime(2024, 1, 4, 17, 0, tzinfo=UTC)

        assert decision_line(event, "en", late).startswith("00:30:00 ")
        assert decision_line(event, "en", late + timedelta(days=1)).startswith("2024-01-05 00:30:00 ")

    @pytest.mark.parametrize("language", ["en", "zh"])
    def test_it_is_broken_to_the_width(self, language: Any) -> None:
        """Broken between its parts, with an indent, no line is wider than that."""
        event = decided(
            "outputs_20240104_223120",
            "low_quality",
            0.2,
            "low_confidence",
            "ambiguous",
            "no_dominant_emotion",
        )
        broken = decision_line(event, language, NOW, 80).split("\n")

        assert 1 < len(broken)
        assert 80 >= max(cell_len(line.replace("\x1b[33m", "").replace("\x1b[0m", "")) for line in broken)
        assert ["           "] * (len(broken) - 1) == [line[:11] for line in broken[1:]]

    def test_a_terminal_gets_colour_and_breaks(self, root: Path) -> None:
        """On a terminal of 80 columns a long line is broken, and its verdict coloured."""
        append(
            root, decided("outputs_20240104_223120", "low_quality", 0.2, *["low_confidence", "ambiguous"] * 2)
        )
        main, side = pty.openpty()
        environment = {**os.environ, "COLUMNS": "80", "EMOSIEVE_LANGUAGE": "en"}
        environment.pop("NO_COLOR", None)
        subprocess.run(
            [*EMOSIEVE, "tail", str(root)], stdout=side, env=environment, check=True, timeout=PATIENCE
        )
        shown = os.read(main, 4096).decode()
        os.close(main)
        os.close(side)

        assert "\x1b[33m✗ low_quality\x1b[0m  outputs_20240104_223120" in shown
        assert "\r\n           ambiguous" in shown


class Tail:
    """A running ``tail -f``, whose lines are read as they come."""

    def __init__(self, root: Path, *options: str) -> None:
        environment = {**os.environ, "EMOSIEVE_LANGUAGE": "en"}
        self.process = subprocess.Popen(
            [*EMOSIEVE, "tail", str(root), "-f", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.stdout, self.stderr = self.process.stdout, self.process.stderr
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(self.stdout,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line)

    def tasks(self, number: int) -> list[str]:
        """The tasks of the next lines of JSON."""
        return [json.loads(self._lines.get(timeout=PATIENCE))["task"] for _ in range(number)]

    def line(self) -> str:
        """The next line, without its time."""
        return without_clock(self._lines.get(timeout=PATIENCE))

    def left(self) -> int:
        """How many lines came that were not asked for, once it ended."""
        self._reader.join()
        return self._lines.qsize()


@contextmanager
def following(root: Path, *options: str) -> Iterator[Tail]:
    """A ``tail -f`` that is ended at last, and had nothing to complain of."""
    tail = Tail(root, *options)
    try:
        yield tail
        tail.process.terminate()
        assert (0, "") == (tail.process.wait(timeout=PATIENCE), tail.stderr.read())
        assert 0 == tail.left()
    finally:
        tail.process.kill()
        tail.process.wait()
        tail.stdout.close()
        tail.stderr.close()


class TestFollow:
    """Going on with new decisions."""

    def test_the_last_and_then_the_next(self, logged: Path) -> None:
        """After the last ones, each new decision comes as soon as it is logged."""
        with following(logged, "-n", "1", "--json") as tail:
            assert ["outputs_4"] == tail.tasks(1)
            for number in (5, 6):
                append(logged, decided(f"outputs_{number}"))
                assert [f"outputs_{number}"] == tail.tasks(1)

    def test_only_new_ones(self, logged: Path) -> None:
        """With -n 0 nothing that was there before is shown; filters hold for new ones as well."""
        with following(logged, "-n", "0", "--verdict", "low_quality") as tail:
            # Nothing says that it began to follow, so one decision after another is logged until one is seen.
            numbers = iter(range(5, 100_000))
            while tail._lines.empty():
                append(logged, decided("outputs_0"), decided(f"outputs_{next(numbers)}", "low_quality"))
                threading.Event().wait(0.05)
            first = int(tail.line().split("outputs_")[1].split()[0])
            last = next(numbers) - 1
            rest = [int(tail.line().split("outputs_")[1].split()[0]) for _ in range(first, last)]

            assert [*range(first, last + 1)] == [first, *rest]

    def test_rotation_and_truncation(self, root: Path) -> None:
        """Each decision comes once when the log is rotated, several times at once too, emptied or taken away."""
        append(root, decided("outputs_1"))
        with following(root, "--json") as tail:
            assert ["outputs_1"] == tail.tasks(1)
            for number in (2, 3, 4, 5):
                append(root, decided(f"outputs_{number}"), rotate_bytes=1)
            assert [f"outputs_{number}" for number in (2, 3, 4, 5)] == tail.tasks(4)
            os.truncate(root / LOG_NAME, 0)
            append(root, decided("outputs_6"))
            assert ["outputs_6"] == tail.tasks(1)
            (root / LOG_NAME).unlink()
            append(root, decided("outputs_7"))
            assert ["outputs_7"] == tail.tasks(1)

    def test_a_torn_line_comes_when_it_is_whole(self, root: Path) -> None:
        """Half a line is nothing yet."""
        line = orjson.dumps(decided("outputs_2")) + b"\n"
        append(root, decided("outputs_1"))
        with following(root, "--json") as tail, (root / LOG_NAME).open("ab", buffering=0) as file:
            tail.tasks(1)
            file.write(line[:40])
            threading.Event().wait(0.6)
            file.write(line[40:])

            assert ["outputs_2"] == tail.tasks(1)

    def test_nothing_is_lost_or_doubled_beside_a_writer(self, root: Path) -> None:
        """The last ones and the next ones join without a seam while another process appends and rotates."""
        append(root, decided("outputs_0"))
        stop, written = threading.Event(), [0]

        def write() -> None:
            while not stop.is_set():
                written[0] += 1
                append(root, decided(f"outputs_{written[0]}"), rotate_bytes=20_000)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            with following(root, "--json", "-n", "3") as tail:
                (first,) = tail.tasks(1)
                start = int(first.removeprefix("outputs_"))
                tail.tasks(2)
                expected = [f"outputs_{number}" for number in range(start + 3, start + 300)]
                seen = tail.tasks(len(expected))
                stop.set()
                writer.join()
                tail.tasks(written[0] - (start + 299))

                assert expected == seen
        finally:
            stop.set()
            writer.join()

    @pytest.mark.parametrize("is_there", [True, False])
    def test_log_and_root_are_waited_for(self, root: Path, *, is_there: bool) -> None:
        """What does not exist yet is waited for, with one word on stderr."""
        if not is_there:
            root.rmdir()
        tail = Tail(root, "--json")
        try:
            words = tail.stderr.readline()
            root.mkdir(exist_ok=True)
            append(root, decided("outputs_1"))

            assert ("nothing was decided" if is_there else "no such folder yet") in words
            assert ["outputs_1"] == tail.tasks(1)
        finally:
            tail.process.terminate()
            tail.process.wait()
            tail.left()
            tail.stdout.close()
            tail.stderr.close()

    @pytest.mark.parametrize("options", [[], ["--json"]])
    def test_it_ends_with_its_reader(self, logged: Path, options: list[str]) -> None:
        """When the reader of a pipe leaves, it ends at once and quietly, though no decision comes."""
        process = subprocess.Popen(
            [*EMOSIEVE, "tail", str(logged), "-f", "-n", "1", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()

        assert (0, b"") == (process.wait(timeout=PATIENCE), process.stderr.read())
        process.stderr.close()

    def test_a_reader_who_leaves_in_the_middle_is_no_trouble(self, root: Path) -> None:
        """A pipe that breaks while the last ones are printed ends it quietly, too."""
        append(root, *[decided(f"outputs_{number}") for number in range(5000)])
        command = f"{{ {' '.join(EMOSIEVE)} tail {root} -n 5000; echo $? >&2; }} | head -1"
        ended = subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, check=False, timeout=PATIENCE
        )

        assert (1, "0\n") == (ended.stdout.count("\n"), ended.stderr)

    def test_control_c_is_quiet(self, logged: Path) -> None:
        """Ctrl-C has status 130, and no traceback."""
        tail = Tail(logged, "-n", "1")
        try:
            tail.line()
            tail.process.send_signal(signal.SIGINT)

            assert (130, "") == (tail.process.wait(timeout=PATIENCE), tail.stderr.read())
        finally:
            tail.process.kill()
            tail.left()
            tail.stdout.close()
            tail.stderr.close()
