"""What the benchmarks share: rounds in turn, one table, processes and what they cost, tasks to work on."""

import argparse
import io
import os
import platform
import random
import shlex
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar

from emosieve.commands.simulated_webui import Recognition, npy_bytes, scores_for

Kind = Literal["json", "full", "audio"]
"""The result alone; with a wav of 4 kB and an embedding; with ten seconds of sound."""
Measured = TypeVar("Measured")

PYTHON = sys.executable
EMOSIEVE = [PYTHON, "-m", "emosieve"]
HERE = Path(__file__).parent
QUIET_SECONDS = 2.0
"""The default of ``settle.quiet_seconds``."""
AUDIO_RULES = ("too_short", "no_speech", "mostly_silence", "noisy", "clipped", "audio_unreadable")
_RATE = 16_000
_WAV_SECONDS: Mapping[Kind, float] = {"full": 0.125, "audio": 10.0}
_FOLDERS = ("normal", "low_quality", "quarantine")
_START = datetime(2020, 1, 1, tzinfo=UTC)
_START_SMALL = """
import os, sys, time
nowhere = [(os.POSIX_SPAWN_OPEN, place, os.devnull, os.O_WRONLY, 0) for place in (1, 2)]
began = time.perf_counter()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=nowhere)
_, status, usage = os.wait4(pid, 0)
print(status, time.perf_counter() - began, usage.ru_utime, usage.ru_stime, usage.ru_maxrss)
"""


# Rounds and the table


def arguments(parser: argparse.ArgumentParser, rounds: int = 5) -> argparse.Namespace:
    """What the command line gives, with the number of rounds that every benchmark has."""
    parser.add_argument("--rounds", type=int, default=rounds, help="how often each is measured")
    return parser.parse_args()


def numbers(text: str) -> list[int]:
    """Numbers with commas between them."""
    return [int(one) for one in text.split(",")]


def in_turn(rounds: int, ways: Mapping[str, Callable[[], Measured]]) -> dict[str, list[Measured]]:
    """Measure every way once a round, each round in another order: what one leaves to the disk meets them all."""
    found: dict[str, list[Measured]] = {name: [] for name in ways}
    chance = random.Random(7)
    for _ in range(rounds):
        for name in chance.sample(list(ways), len(ways)):
            found[name].append(ways[name]())
    return found


def ratios(ours: Sequence[float], others: Sequence[float]) -> list[float]:
    """How many times the other, round by round."""
    return [one / other if other else float("nan") for one, other in zip(ours, others, strict=True)]


def spread(values: Sequence[float], digits: int = 2, unit: str = "") -> str:
    """Median (least-most)."""
    middle, low, high = (f"{one:.{digits}f}" for one in (statistics.median(values), min(values), max(values)))
    return f"{middle}{unit} ({low}-{high})"


def table(heading: Sequence[str], rows: Sequence[Sequence[str]], folder: str) -> None:
    """Print the one table, and where it was measured.

    Args:
        heading: of the columns.
        rows: as many cells each.
        folder: the benchmark's own, for the name of its file system.
    """
    for row in (heading, ["---"] * len(heading), *rows):
        print(f"| {' | '.join(row)} |")
    print(f"\n{machine(folder)}: `{' '.join([sys.argv[0], *map(shlex.quote, sys.argv[1:])])}`")


def machine(folder: str) -> str:
    """Cores, kernel, file system and Python."""
    kernel = ".".join(platform.release().split(".")[:2])
    cores, python = os.cpu_count(), platform.python_version()
    return f"{cores} cores, Linux {kernel}, {_file_system(folder)}, Python {python}"


def _file_system(folder: str) -> str:
    """By the longest mount point above it; the last of several on one point is the one that is seen."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = [(len(point), kind) for point, kind in mounts if os.path.commonpath([point, folder]) == point]
    return max(reversed(above), key=lambda one: one[0])[1]


# Processes


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process cost from its start to its end: seconds of the clock and of the CPU, peak memory in MB."""

    seconds: float
    user: float
    system: float
    peak: float


def cost_of(command: Sequence[str]) -> Cost:
    """Run a command to its end.

    Linux counts the memory of whoever starts a process as that process's own, so a small one does it.
    """
    ended = subprocess.run([PYTHON, "-ISc", _START_SMALL, *command], stdout=subprocess.PIPE, check=True)
    status, seconds, user, system, memory = map(float, ended.stdout.split())
    if status:
        sys.exit(f"{shlex.join(command)} ended with status {os.waitstatus_to_exitcode(int(status))}")
    return Cost(seconds, user, system, memory / 1024)


@dataclass(frozen=True, slots=True)
class Running:
    """A process that is ready: its pid, and the seconds that it took until then."""

    pid: int
    seconds: float


@contextmanager
def running(command: Sequence[str], ready: str) -> Iterator[Running]:
    """A process that is ready, in a session of its own; all of it ends with the context.

    Args:
        command: what to start.
        ready: what a line of its standard error says when it is.
    """
    began = time.perf_counter()
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if ready in line:
                break
        else:
            sys.exit(f"{shlex.join(command)} never became ready; it said:\n{''.join(said)}")
        seconds = time.perf_counter() - began
        rest = threading.Thread(target=process.stderr.read, daemon=True)
        rest.start()
        try:
            yield Running(process.pid, seconds)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            rest.join()


def watching(root: str, *settings: str) -> list[str]:
    """The command line of a watch whose log is JSON, for ``running`` with ``READY``."""
    chosen = [text for one in ("log.format=json", *settings) for text in ("--set", one)]
    return [*EMOSIEVE, "watch", root, *chosen]


READY = '"watch.ready"'


def cpu_seconds(pid: int) -> float:
    """Seconds on the CPU of all threads that a process has, to the nanosecond."""
    return (
        sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    )


def session_cpu_seconds(pid: int) -> float:
    """The same of a session's processes and of those that they waited for, in hundredths."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == pid:
            total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def wakeups(pid: int) -> int:
    """How often any thread of a process has waited and gone on: its voluntary context switches."""
    return sum(
        int(line.split()[1])
        for status in Path(f"/proc/{pid}/task").glob("*/status")
        for line in status.read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches")
    )


def memory(pid: int) -> float:
    """Resident memory in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def watches(pid: int) -> int:
    """How many inotify watches it has."""
    infos = Path(f"/proc/{pid}/fdinfo").iterdir()
    return sum(info.read_text().count("inotify wd:") for info in infos)


# Tasks


def make_standing(root: str, count: int, kind: Kind = "json", *, first: int = 0) -> None:
    """Whole tasks that stand in the inbox, every fourth of low quality.

    Args:
        root: where; it is made if it is not there.
        count: how many.
        kind: which files are in them.
        first: the number by which the first is named.
    """
    os.makedirs(root, exist_ok=True)
    sound = _sound(_WAV_SECONDS[kind]) if kind in _WAV_SECONDS else b""
    embedding = npy_bytes() if kind == "full" else b""
    for number in range(first, first + count):
        task = f"{root}/{name_of(number)}"
        os.mkdir(task)
        files = {"processed_audio.wav": sound, "result.json": _result(number), "embedding.npy": embedding}
        for name, content in files.items():
            if content:
                with open(f"{task}/{name}", "wb") as file:
                    file.write(content)


def name_of(number: int) -> str:
    """The name of a task, a second after that of the number before."""
    return f"outputs_{_START + timedelta(seconds=number):%Y%m%d_%H%M%S}"


def _result(number: int) -> bytes:
    top, second = (0.41, 0.33) if number % 4 == 0 else (0.853, 0.102)
    return Recognition(scores_for("happy", top, "neutral", second)).result_json()


def _sound(seconds: float) -> bytes:
    """A wav of something like speech: noise of fixed seed that comes and goes."""
    chance = random.Random(7)
    samples = [
        int(chance.gauss(0, 3000 if number * 5 // _RATE % 3 else 30))
        for number in range(int(_RATE * seconds))
    ]
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return buffer.getvalue()


def put_back(root: str) -> None:
    """All filed tasks stand in the inbox again, nothing else stands there, and all is on the disk and quiet."""
    for folder in _FOLDERS:
        if os.path.isdir(f"{root}/{folder}"):
            for name in os.listdir(f"{root}/{folder}"):
                os.rename(f"{root}/{folder}/{name}", f"{root}/{name}")
    for entry in os.scandir(root):
        if not entry.name.startswith("outputs_"):
            shutil.rmtree(entry) if entry.is_dir() else os.unlink(entry)
    become_quiet()


def become_quiet() -> None:
    """What was written is on the disk, and older than the quiet time."""
    os.sync()
    time.sleep(QUIET_SECONDS + 0.2)


def filed(root: str) -> int:
    """How many tasks stand in normal and low_quality."""
    folders = [f"{root}/{folder}" for folder in _FOLDERS[:2]]
    return sum(len(os.listdir(folder)) for folder in folders if os.path.isdir(folder))


def sweep_command(root: str, *settings: str) -> list[str]:
    """``emosieve sweep`` of a root."""
    return [*EMOSIEVE, "sweep", root, *(text for one in settings for text in ("--set", one))]


def swept(root: str, command: Sequence[str], count: int) -> Cost:
    """What it cost to file so many tasks, all of which must be filed after it."""
    before = filed(root)
    cost = cost_of(command)
    if (done := filed(root) - before) != count:
        sys.exit(f"{shlex.join(command)} filed {done} tasks of {count}")
    return cost


def make_filed(root: str, count: int) -> None:
    """So many tasks that a sweep has filed."""
    make_standing(root, count)
    become_quiet()
    if count:
        swept(root, sweep_command(root), count)
