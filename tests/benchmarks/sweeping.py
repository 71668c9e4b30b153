"""What a sweep is held against: the same calls without emosieve's code, the least that files, the obvious script.

Each is a process of its own: ``python tests/benchmarks/sweeping.py WAY ROOT``.
"""

import fcntl
import json
import os
import select
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson

DIRECTORY = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY
READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
FOLDERS = ("normal", "low_quality", "quarantine")
BATCH = 256
F_SETSIG = 10
SAME_FOR_ALL = {
    "audio": {"audio_files": 0},
    "profile": "default",
    "rules_digest": "0" * 32,
    "result_digest": "0" * 32,
}
"""What makes a line about as long as one of emosieve's."""
Document = dict[str, Any]


def same_calls(root: str) -> None:
    """emosieve's own system calls and parsing, task by task and batch by batch in its order.

    Ask whether it may be moved; per batch look and read, look again, see that the name is free, log,
    rename, read the log for the report, report, force names to the disk, checkpoint, and tell of each.
    """
    signal.signal(signal.SIGURG, signal.SIG_IGN)
    os.makedirs(f"{root}/.emosieve")
    with os.scandir(root) as entries:
        names = sorted(
            entry.name for entry in entries if entry.name.startswith("outputs_") and entry.is_dir()
        )
    for name in names:
        os.access(f"{root}/{name}", os.W_OK | os.X_OK, effective_ids=True)
    logged = reported = 0
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        judged = [(name, judge(root, name)) for name in batch]
        lock = os.open(f"{root}/.emosieve/log.lock", READ | os.O_CREAT, 0o644)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        make_folders(root)
        read_whole(f"{root}/.emosieve/checkpoint")
        read_log(root, logged)
        for name in batch:
            look(f"{root}/{name}")
        places: dict[str, int] = {}
        lines = [decided(root, name, document, places) for name, document in judged]
        append(f"{root}/decisions.jsonl", lines)
        inbox = os.open(root, DIRECTORY)
        for name, document in judged:
            os.stat(name, dir_fd=inbox, follow_symlinks=False)
            place = places[verdict_of(document)]
            see_free(name, place)
            os.rename(name, name, src_dir_fd=inbox, dst_dir_fd=place)
        entries_of = [entry_of(event) for event in read_log(root, logged)]
        reported = report(f"{root}/quality_report.txt", entries_of, reported)
        logged += sum(map(len, lines))
        for place in (*places.values(), inbox):
            os.fsync(place)
        save_checkpoint(root, logged, reported)
        for place in (*places.values(), inbox, lock):
            os.close(place)
        for name, document in judged:
            tell(name, document)


def judge(root: str, name: str) -> Document:
    """Look at a task without opening a file, then read it."""
    files = look(f"{root}/{name}")
    return read(f"{root}/{name}", files)


def look(path: str) -> list[str]:
    """What stands in a task, by name and stat."""
    descriptor = os.open(path, DIRECTORY)
    os.fstat(descriptor)
    files = []
    with os.scandir(descriptor) as entries:
        for entry in entries:
            entry.stat(follow_symlinks=False)
            files.append(entry.name)
    os.close(descriptor)
    return sorted(files)


def read(path: str, files: Sequence[str]) -> Document:
    """The result, and for every file whether somebody writes it; of wav and npy their first bytes."""
    directory = os.open(path, DIRECTORY)
    document: Document = {}
    for name in files:
        descriptor = os.open(name, READ, dir_fd=directory)
        fcntl.fcntl(descriptor, F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        if name == "result.json":
            document = orjson.loads(os.read(descriptor, os.fstat(descriptor).st_size + 1))
        else:
            os.pread(descriptor, 4096, 0)
        os.close(descriptor)
    os.close(directory)
    return document


def make_folders(root: str) -> None:
    """The destinations, which are there but for the first time."""
    for folder in FOLDERS:
        os.makedirs(f"{root}/{folder}", exist_ok=True)
        os.lstat(f"{root}/{folder}")


def decided(root: str, name: str, document: Document, places: dict[str, int]) -> bytes:
    """A line of the log, for a name that is free."""
    folder = verdict_of(document)
    if folder not in places:
        places[folder] = os.open(f"{root}/{folder}", DIRECTORY)
    see_free(name, places[folder])
    top, second = sorted(document["scores"].values(), reverse=True)[:2]
    event = {
        "schema": 1,
        "event": "decided",
        "time": datetime.now(UTC),
        "task": name,
        "verdict": folder,
        **document,
        "findings": [],
        "top1": top,
        "top2": second,
        "gap": top - second,
        **SAME_FOR_ALL,
        "destination": f"{folder}/{name}",
    }
    return orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)


def see_free(name: str, folder: int) -> None:
    """End where the name is taken."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    sys.exit(f"{name} is taken")


def verdict_of(document: Document) -> str:
    """The three rules."""
    scores = sorted(document["scores"].values(), reverse=True)
    low = document["confidence"] < 0.6 or scores[0] - scores[1] < 0.05 or scores[0] < 0.3
    return "low_quality" if low else "normal"


def append(path: str, lines: Sequence[bytes]) -> None:
    """A batch at the end of the log, whose last line is whole, forced to the disk."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    os.pread(descriptor, 65536, max(0, os.fstat(descriptor).st_size - 65536))
    os.write(descriptor, b"".join(lines))
    os.fdatasync(descriptor)
    os.close(descriptor)


def read_log(root: str, start: int) -> list[Document]:
    """The decisions from an offset on."""
    try:
        with open(f"{root}/decisions.jsonl", "rb") as file:
            file.seek(start)
            return [orjson.loads(line) for line in file]
    except FileNotFoundError:
        return []


def read_whole(path: str) -> None:
    """A small file, if there is one."""
    if os.path.exists(path):
        orjson.loads(Path(path).read_bytes())


def entry_of(event: Document) -> str:
    """An entry of the report."""
    top, second = sorted(event["scores"].values(), reverse=True)[:2]
    lines = [f"[{event['task']}]", f"情感: {event['emotion']} | 置信度: {event['confidence']:.3f}"]
    lines += [f"Top1: {top:.3f}, Top2: {second:.3f}, 差距: {top - second:.3f}"]
    return "\n".join([*lines, f"状态: {event['verdict']}", "-" * 40, ""])


def report(path: str, entries: Sequence[str], end: int) -> int:
    """A batch at the end of the report; gives the new end."""
    text = "".join(entries).encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    os.ftruncate(descriptor, end)
    os.lseek(descriptor, end, os.SEEK_SET)
    os.write(descriptor, text)
    os.close(descriptor)
    return end + len(text)


def save_checkpoint(root: str, logged: int, reported: int) -> None:
    """How far everything is done, by a rename."""
    path = f"{root}/.emosieve/checkpoint"
    with open(f"{path}.new", "wb", buffering=0) as file:
        file.write(orjson.dumps({"filed": logged, "reported": reported}))
    os.rename(f"{path}.new", path)


def tell(name: str, document: Document) -> None:
    """A line for the operator, who may not be reading."""
    line = orjson.dumps(
        {"event": "task.filed", "task": name, "destination": f"{verdict_of(document)}/{name}"},
        option=orjson.OPT_APPEND_NEWLINE,
    )
    poller = select.poll()
    poller.register(2, select.POLLOUT)
    poller.poll(1000)
    os.write(2, line)


def least(root: str) -> None:
    """scandir, read, orjson, three comparisons, rename, and a buffered append."""
    for folder in FOLDERS[:2]:
        os.makedirs(f"{root}/{folder}", exist_ok=True)
    with os.scandir(root) as entries:
        names = [entry.name for entry in entries if entry.name.startswith("outputs_")]
    with open(f"{root}/decisions.jsonl", "ab") as log:
        for name in names:
            with open(f"{root}/{name}/result.json", "rb") as file:
                document = orjson.loads(file.read())
            folder = verdict_of(document)
            os.rename(f"{root}/{name}", f"{root}/{folder}/{name}")
            log.write(orjson.dumps({"task": name, "verdict": folder}) + b"\n")


def obvious(root: str) -> None:
    """As the one-shot script is written: pathlib, json, shutil, and a text report."""
    home = Path(root)
    lines = ["语音情感识别质量报告", "=" * 50, ""]
    for result in sorted(home.glob("outputs_*/result.json")):
        with result.open(encoding="utf-8") as file:
            document = json.load(file)
        top = sorted(document["scores"].items(), key=itemgetter(1), reverse=True)
        low = (
            document["confidence"] < 0.6
            or top[0][1] - top[1][1] < 0.05
            or max(document["scores"].values()) < 0.3
        )
        folder = home / ("low_quality" if low else "normal")
        folder.mkdir(exist_ok=True)
        shutil.move(str(result.parent), str(folder))
        lines += [
            f"[{result.parent.name}]",
            f"情感: {document['emotion']}",
            f"置信度: {document['confidence']:.3f}",
        ]
        lines += [f"状态: {folder.name}", "-" * 40]
    (home / "quality_report.txt").write_text("\n".join(lines), encoding="utf-8")


WAYS: dict[str, Callable[[str], None]] = {"same": same_calls, "least": least, "obvious": obvious}

if __name__ == "__main__":
    WAYS[sys.argv[1]](sys.argv[2])
