"""What a sweep is held against: the same calls without its code, the least, and the obvious script.

Each is a process of its own: ``python tests/benchmarks/sweeping.py WAY ROOT``.
"""

import fcntl
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path

import orjson

DIRECTORY = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY
FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
BATCH = 256
F_SETSIG = 10


def same_calls(root: str) -> None:
    """emosieve's own system calls and parsing in their order: ask, look, read, log, look again, rename, report."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    names = sorted(entry.name for entry in os.scandir(root) if entry.name.startswith("outputs_"))
    for name in names:
        os.access(f"{root}/{name}", os.W_OK | os.X_OK, effective_ids=True)
    places = {}
    for folder in ("normal", "low_quality"):
        os.makedirs(f"{root}/{folder}", exist_ok=True)
        places[folder] = os.open(f"{root}/{folder}", DIRECTORY)
    inbox = os.open(root, DIRECTORY)
    for start in range(0, len(names), BATCH):
        lines, report, moves = [], [], []
        for name in names[start : start + BATCH]:
            look(f"{root}/{name}")
            document = read(f"{root}/{name}")
            folder = verdict_of(document)
            absent(name, places[folder])
            lines.append(orjson.dumps({"task": name, "verdict": folder, **document}) + b"\n")
            report.append(entry_of(name, folder, document))
            moves.append((name, folder))
        for name, _ in moves:
            look(f"{root}/{name}")
        append(f"{root}/decisions.jsonl", lines, sync=True)
        for name, folder in moves:
            os.stat(name, dir_fd=inbox, follow_symlinks=False)
            absent(name, places[folder])
            os.rename(name, name, src_dir_fd=inbox, dst_dir_fd=places[folder])
        append(f"{root}/quality_report.txt", [one.encode() for one in report], sync=False)
        for place in (inbox, *places.values()):
            os.fsync(place)


def look(path: str) -> None:
    """What stands in a task, by name and stat."""
    descriptor = os.open(path, DIRECTORY)
    os.fstat(descriptor)
    with os.scandir(descriptor) as entries:
        for entry in entries:
            entry.stat(follow_symlinks=False)
    os.close(descriptor)


def read(path: str) -> dict[str, object]:
    """The result, and for every file whether somebody writes it; of wav and npy their first bytes."""
    directory = os.open(path, DIRECTORY)
    document: dict[str, object] = {}
    for name in sorted(os.listdir(directory)) if len(os.listdir(directory)) > 1 else ["result.json"]:
        descriptor = os.open(name, FILE, dir_fd=directory)
        fcntl.fcntl(descriptor, F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        if name == "result.json":
            size = os.fstat(descriptor).st_size
            document = orjson.loads(os.read(descriptor, size + 1))
        else:
            os.pread(descriptor, 4096, 0)
        os.close(descriptor)
    os.close(directory)
    return document


def absent(name: str, folder: int) -> None:
    """Whether the name is free."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    sys.exit(f"{name} is taken")


def verdict_of(document: dict[str, object]) -> str:
    """The three rules."""
    scores = sorted(document["scores"].values(), reverse=True)  # type: ignore[attr-defined]
    low = document["confidence"] < 0.6 or scores[0] - scores[1] < 0.05 or scores[0] < 0.3  # type: ignore[operator]
    return "low_quality" if low else "normal"


def entry_of(name: str, folder: str, document: dict[str, object]) -> str:
    """An entry of the report."""
    return f"[{name}]\n情感: {document['emotion']} | 置信度: {document['confidence']:.3f}\n状态: {folder}\n{'-' * 40}\n"


def append(path: str, lines: list[bytes], *, sync: bool) -> None:
    """A batch at the end of a file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    os.write(descriptor, b"".join(lines))
    if sync:
        os.fdatasync(descriptor)
    os.close(descriptor)


def least(root: str) -> None:
    """scandir, read, orjson, three comparisons, rename, and a buffered append."""
    for folder in ("normal", "low_quality"):
        os.makedirs(f"{root}/{folder}", exist_ok=True)
    names = [entry.name for entry in os.scandir(root) if entry.name.startswith("outputs_")]
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
        lines += [f"[{result.parent.name}]", f"情感: {document['emotion']}", f"状态: {folder.name}", "-" * 40]
    (home / "quality_report.txt").write_text("\n".join(lines), encoding="utf-8")


WAYS: dict[str, Callable[[str], None]] = {"same": same_calls, "least": least, "obvious": obvious}

if __name__ == "__main__":
    WAYS[sys.argv[1]](sys.argv[2])
