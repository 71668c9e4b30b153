"""Writers with bad habits: each writes one task as some program does, and remembers its last write.

Run as a program it is a process of its own, in whatever namespaces and under whatever uid it is started.
"""

import argparse
import hashlib
import json
import mmap
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from aftermath import contents_of
from conftest import result_bytes
from emosieve.commands.simulated_webui import npy_bytes, write_wav


@dataclass(frozen=True)
class Written:
    """One task as its writer left it.

    Attributes:
        name: of the task.
        last_write_ns: wall time after the last write.
        longest_pause: seconds; the longest that all files of it were closed while more was to come.
        files: SHA-256 of every file by its path within the task.
    """

    name: str
    last_write_ns: int
    longest_pause: float
    files: dict[str, str]


class Writer:
    """The writer of one task.

    Args:
        task: the task's directory, which does not exist yet.
        chance: of all that is left to chance.
        quiet_seconds: of the daemon.
        is_seen: whether the kernel tells the daemon who holds a file open; a writer that is not seen
            rests only for a short while, whatever it holds open.
    """

    def __init__(self, task: Path, chance: random.Random, quiet_seconds: float, *, is_seen: bool) -> None:
        self.task = task
        self.chance = chance
        self.longest_pause = 0.0
        self._quiet_seconds = quiet_seconds
        self._is_seen = is_seen

    def result(self) -> bytes:
        """Another result each time, always of the same length."""
        return result_bytes(self.chance.randrange(100, 1000) / 1000).ljust(256)

    def pause(self) -> None:
        """Rest with all files closed, for less than the quiet time."""
        began = time.monotonic()
        _rest(self.chance.uniform(0.05, 0.4) * self._quiet_seconds)
        self.longest_pause = max(self.longest_pause, time.monotonic() - began)

    def hold(self) -> None:
        """Rest with a file open, for longer than the quiet time."""
        shortest, longest = (1.1, 2.1) if self._is_seen else (0.05, 0.2)
        _rest(self.chance.uniform(shortest, longest) * self._quiet_seconds)

    def infer(self) -> None:
        """Rest with all files closed, for longer than the quiet time."""
        _rest(self.chance.uniform(1.1, 1.6) * self._quiet_seconds)

    def write(self, name: str, data: bytes, mode: str = "wb") -> None:
        """Write one file at one go."""
        with open(self.task / name, mode) as file:
            file.write(data)

    def write_in_halves(self, name: str, data: bytes, mode: str = "wb") -> None:
        """Write one file with a long rest in the middle."""
        with open(self.task / name, mode, buffering=0) as file:
            file.write(data[: len(data) // 2])
            self.hold()
            file.write(data[len(data) // 2 :])


Habit = Callable[[Writer], None]


def rests_in_the_middle(writer: Writer) -> None:
    """Half a result, a long rest, the other half."""
    writer.task.mkdir()
    writer.write_in_halves("result.json", writer.result())


def writes_backwards(writer: Writer) -> None:
    """The second half of the result first, so that its size is right from the start."""
    writer.task.mkdir()
    data = writer.result()
    with open(writer.task / "result.json", "wb", buffering=0) as file:
        file.seek(128)
        file.write(data[128:])
        writer.hold()
        file.seek(0)
        file.write(data[:128])


def closes_and_reopens(writer: Writer) -> None:
    """A result in three pieces, closed in between."""
    writer.task.mkdir()
    data = writer.result()
    for start in (0, 100, 200):
        writer.write("result.json", data[start : start + 100], "ab")
        if start < 200:
            writer.pause()


def overwrites_in_place(writer: Writer) -> None:
    """A whole result, then another one over it through the same descriptor."""
    writer.task.mkdir()
    with open(writer.task / "result.json", "wb", buffering=0) as file:
        file.write(writer.result())
        writer.hold()
        file.seek(0)
        file.write(writer.result())


def truncates_and_rewrites(writer: Writer) -> None:
    """A whole result, closed; then truncated, held empty, and written anew."""
    writer.task.mkdir()
    writer.write("result.json", writer.result())
    writer.pause()
    with open(writer.task / "result.json", "wb", buffering=0) as file:
        writer.hold()
        file.write(writer.result())


def renames_into_place(writer: Writer) -> None:
    """A whole result, then a better one written aside and renamed over it."""
    writer.task.mkdir()
    writer.write("result.json", writer.result())
    writer.pause()
    writer.write_in_halves("result.json.tmp", writer.result())
    writer.pause()
    os.replace(writer.task / "result.json.tmp", writer.task / "result.json")


def maps_and_writes(writer: Writer) -> None:
    """A result changed through a shared mapping whose file was closed long ago."""
    writer.task.mkdir()
    writer.write("result.json", writer.result())
    writer.pause()
    with open(writer.task / "result.json", "r+b") as file:
        mapping = mmap.mmap(file.fileno(), 0)
    with mapping:
        mapping[:] = writer.result()
        writer.hold()
        mapping[:] = writer.result()
        writer.hold()
        mapping[:] = writer.result()
    writer.pause()
    writer.write("embedding.npy", npy_bytes())


def adds_the_embedding(writer: Writer) -> None:
    """The embedding a while after the result, and slowly."""
    writer.task.mkdir()
    writer.write("result.json", writer.result())
    writer.pause()
    writer.write_in_halves("embedding.npy", npy_bytes())


def reserves_its_space(writer: Writer) -> None:
    """An embedding that is as long as it should be before a byte of it is written."""
    writer.task.mkdir()
    writer.write("result.json", writer.result())
    with open(writer.task / "embedding.npy", "wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, len(npy_bytes()))
        writer.hold()
        file.write(npy_bytes())


def logs_beside_it(writer: Writer) -> None:
    """A log of its own, which it keeps open to the end."""
    writer.task.mkdir()
    with open(writer.task / "process.log", "wb", buffering=0) as file:
        file.write(b"begun\n")
        writer.write("result.json", writer.result())
        writer.hold()
        file.write(b"done\n")


def closes_in_silence(writer: Writer) -> None:
    """Each file held open long after its last byte, and the next one a while after it was closed."""
    writer.task.mkdir()
    for name, data in (("result.json", writer.result()), ("a.bin", b"1"), ("b.bin", b"2")):
        with open(writer.task / name, "wb", buffering=0) as file:
            file.write(data)
            writer.hold()
        writer.pause()
    writer.write("embedding.npy", npy_bytes())


def reopens_in_silence(writer: Writer) -> None:
    """A whole result opened again and again, and closed without a byte."""
    writer.task.mkdir()
    writer.write("result.json", writer.result())
    for _ in range(3):
        writer.pause()
        with open(writer.task / "result.json", "r+b"):
            writer.hold()
    writer.pause()
    writer.write("embedding.npy", npy_bytes())


def writes_deep_down(writer: Writer) -> None:
    """Frames in a subdirectory, after the result."""
    (writer.task / "frames" / "a").mkdir(parents=True)
    writer.write("result.json", writer.result())
    writer.write_in_halves("frames/a/0.bin", b"01234567")
    writer.pause()
    writer.write_in_halves("frames/1.bin", b"01234567")


def reuses_a_directory(writer: Writer) -> None:
    """The WebUI's second task of a second: the wav anew, a long inference with no file open, the result anew.

    The embedding of the first stays, for the second asked for none.
    """
    for turn in range(2):
        writer.task.mkdir(exist_ok=True)
        write_wav(str(writer.task / "processed_audio.wav"), 0.01)
        if turn:
            writer.infer()
        writer.write("result.json", writer.result())
        if not turn:
            writer.write("embedding.npy", npy_bytes())
            writer.pause()


def keeps_old_times(writer: Writer) -> None:
    """A copy that gives each file the times of the original, years ago."""
    writer.task.mkdir()
    long_ago = 1_577_836_800
    for name, data in (("result.json", writer.result()), ("a.bin", b"1"), ("b.bin", b"2")):
        writer.write_in_halves(name, data)
        os.utime(writer.task / name, (long_ago, long_ago))
        if name != "b.bin":
            writer.pause()


def links_what_it_writes(writer: Writer) -> None:
    """An embedding that has its name before its bytes: written elsewhere, linked, and written on."""
    writer.task.mkdir()
    writer.write("result.json", writer.result())
    part = writer.task.parent / f"part-{writer.task.name}"
    with open(part, "wb", buffering=0) as file:
        os.link(part, writer.task / "embedding.npy")
        os.unlink(part)
        writer.hold()
        file.write(npy_bytes())


def hands_its_file_on(writer: Writer) -> None:
    """A log that a child inherited and writes long after its parent closed it."""
    writer.task.mkdir()
    writer.write("result.json", writer.result())
    with open(writer.task / "process.log", "wb") as file:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file)
    writer.hold()
    child.communicate(b"done\n")


def moves_its_directory_in(writer: Writer) -> None:
    """A directory made elsewhere and renamed to the task's name while a file of it is still written."""
    aside = writer.task.parent / f"making-{writer.task.name}"
    aside.mkdir()
    with open(aside / "embedding.npy", "wb", buffering=0) as file:
        (aside / "result.json").write_bytes(writer.result())
        aside.rename(writer.task)
        writer.hold()
        file.write(npy_bytes())


UNSEEN: Habit = reopens_in_silence
"""Leaves no trace at all where nobody tells who holds a file open."""
HABITS: Sequence[Habit] = (
    rests_in_the_middle,
    writes_backwards,
    closes_and_reopens,
    overwrites_in_place,
    truncates_and_rewrites,
    renames_into_place,
    maps_and_writes,
    adds_the_embedding,
    reserves_its_space,
    logs_beside_it,
    closes_in_silence,
    reopens_in_silence,
    writes_deep_down,
    reuses_a_directory,
    keeps_old_times,
    links_what_it_writes,
    hands_its_file_on,
    moves_its_directory_in,
)


def write_all(root: Path, seed: int, copies: int, quiet_seconds: float, *, is_seen: bool) -> list[Written]:
    """Write some tasks of every habit, all at once."""
    chance = random.Random(seed)
    habits = [(habit, number) for habit in HABITS if is_seen or habit != UNSEEN for number in range(copies)]
    chance.shuffle(habits)

    def one(habit: Habit, number: int, own: random.Random) -> Written:
        task = root / f"outputs_{seed}_{habit.__name__}_{number}"
        writer = Writer(task, own, quiet_seconds, is_seen=is_seen)
        _rest(own.uniform(0, quiet_seconds))
        habit(writer)
        last_write_ns = time.time_ns()
        files = {name: hashlib.sha256(data).hexdigest() for name, data in contents_of(task).items()}
        return Written(task.name, last_write_ns, writer.longest_pause, files)

    with ThreadPoolExecutor(max_workers=len(habits)) as pool:
        seeds = [random.Random(chance.random()) for _ in habits]
        futures = [pool.submit(one, *habit, own) for habit, own in zip(habits, seeds, strict=True)]
        return [future.result() for future in futures]


def written_by(
    root: Path, seed: int, quiet_seconds: float, *, copies: int, launcher: Sequence[str] = (), uid: int = 0
) -> list[Written]:
    """What a process of its own wrote; it runs until the last task is written.

    Args:
        root: the root, as that process sees it.
        seed: of all chance.
        quiet_seconds: of the daemon.
        copies: how many tasks of each habit.
        launcher: a command that starts the process.
        uid: who it is, if not who we are; then nobody sees what it holds open.
    """
    numbers = map(str, (seed, copies, quiet_seconds, uid))
    ended = subprocess.run(
        [*launcher, sys.executable, __file__, str(root), *numbers],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [Written(**one) for one in json.loads(ended.stdout)]


def _rest(seconds: float) -> None:
    # The writer's rests are the thing under test, not a wait for a result.
    threading.Event().wait(seconds)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("seed", type=int)
    parser.add_argument("copies", type=int)
    parser.add_argument("quiet_seconds", type=float)
    parser.add_argument("uid", type=int)
    given = parser.parse_args()
    if given.uid:
        os.setgroups([])
        os.setgid(given.uid)
        os.setuid(given.uid)
    written = write_all(given.root, given.seed, given.copies, given.quiet_seconds, is_seen=not given.uid)
    json.dump([asdict(one) for one in written], sys.stdout)


if __name__ == "__main__":
    _main()
