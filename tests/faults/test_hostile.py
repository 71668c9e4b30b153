"""Hostile input: everything that an outputs folder may hold and should not, all at once beside good tasks."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from conftest import read_log, result_bytes
from emosieve.judge.document import SIZE_LIMIT
from emosieve.text import escape
from emosieve.watch.survey import FILE_LIMIT
from process import EMOSIEVE, PATIENCE, overrides, until

FULL = bool(os.environ.get("FULL"))
MEMORY_KB = 200_000
MARK = "hunter2-of-another-tree"
"""Stands outside the root alone, as the emotion of a proper result, and as a file of its own."""
CONTROLS = "\x1b[31m\x9b2J\x7f\u202e\u2028\n[outputs_forged]\n\ud800"
FILES = 100_000 if FULL else FILE_LIMIT + 100

Plant = Callable[[Path, Path], object]
"""Makes one task hostile, given its directory and that outside the root."""


def _result(task: Path, data: bytes) -> None:
    (task / "result.json").write_bytes(data)


def _raw(data: bytes) -> Plant:
    return lambda task, _outside: _result(task, data)


def _text(text: str) -> Plant:
    return _raw(text.encode())


def _beside(name: str, plant: Callable[[Path], object]) -> Plant:
    """A good result, and something in place of another file."""

    def make(task: Path, _outside: Path) -> None:
        _result(task, result_bytes())
        plant(task / name)

    return make


def _symlink_to(target: str) -> Plant:
    return lambda task, outside: (task / "result.json").symlink_to(target.format(outside=outside))


def _device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # what /dev/zero is


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:  # its name may be no longer than 107 bytes: by descriptor
        folder = os.open(path.parent, os.O_RDONLY)
        one.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)


def _sparse(size: int, head: bytes = b"") -> Callable[[Path], object]:
    def make(path: Path) -> None:
        path.write_bytes(head)
        os.truncate(path, size)

    return make


def _hard_link(name: str) -> Plant:
    return lambda task, outside: os.link(outside / name, task / "result.json")


def _tower(task: Path, _outside: Path) -> None:
    _result(task, result_bytes())
    folder = os.open(task, os.O_RDONLY)
    for _ in range(1000):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)


def _crowd(task: Path, _outside: Path) -> None:
    _result(task, result_bytes())
    for number in range(FILES):
        os.close(os.open(task / f"{number}.npy", os.O_CREAT | os.O_WRONLY))


def _of_size(size: int) -> bytes:
    """A good result of just that many bytes, which its one sign beyond the plane makes four times as long in memory."""
    head, tail = result_bytes()[:-1] + b',"extra":"', '😀"}'.encode()
    return head + b"a" * (size - len(head) - len(tail)) + tail


NOT_JSON = "result.json is not JSON: "
HOSTILE: Mapping[str, tuple[Plant, str]] = {
    "r_symlink": (_symlink_to("{outside}/secret.json"), "result.json is a symlink, not a file"),
    "r_zero": (_symlink_to("/dev/zero"), "result.json is a symlink, not a file"),
    "r_itself": (_symlink_to("result.json"), "result.json is a symlink, not a file"),
    "r_fifo": (lambda task, _: os.mkfifo(task / "result.json"), "result.json is a FIFO, not a file"),
    "r_device": (
        lambda task, _: _device(task / "result.json"),
        "result.json is a device or socket, not a file",
    ),
    "r_socket": (
        lambda task, _: _socket(task / "result.json"),
        "result.json is a device or socket, not a file",
    ),
    "r_directory": (lambda task, _: (task / "result.json").mkdir(), "result.json is a directory, not a file"),
    "r_secret": (_hard_link("secret.txt"), NOT_JSON),
    "r_hard_link": (_hard_link("plain.json"), "normal"),
    "w_symlink": (_beside("a.wav", lambda path: path.symlink_to("/dev/zero")), "normal"),
    "w_fifo": (_beside("a.wav", os.mkfifo), "normal"),
    "w_device": (_beside("a.wav", _device), "normal"),
    "w_socket": (_beside("a.wav", _socket), "normal"),
    "w_sparse": (_beside("a.wav", _sparse(100 << 30, b"RIFF\x24\xe8\x03\x00WAVE")), "normal"),
    "n_garbage": (
        _beside("a.npy", lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\xff\x0f" + b"(" * 4095)),
        "normal",
    ),
    "n_endless": (
        _beside(
            "a.npy",
            lambda path: path.write_bytes(
                b"\x93NUMPY\x01\x00\x40\x00{'descr':'<f9','shape':(" + b"9" * 30 + b",)}"
            ),
        ),
        "normal",
    ),
    "sparse": (
        lambda task, _: _sparse(10 << 30)(task / "result.json"),
        f"result.json is {10 << 30} bytes long; more than {SIZE_LIMIT} is not a result",
    ),
    "largest": (_raw(_of_size(SIZE_LIMIT)), "normal"),
    "too_large": (
        _raw(_of_size(SIZE_LIMIT + 1)),
        f"result.json is {SIZE_LIMIT + 1} bytes long; more than {SIZE_LIMIT} is not a result",
    ),
    "million_keys": (
        _raw(b"{%s}" % b",".join(b'"k%d":0' % number for number in range(1_000_000))),
        "result.json has too many values: 1 objects, 0 lists and 999999 commas",
    ),
    "most_keys": (
        _raw(b"{%s}" % b",".join(b'"k%d":0.5' % number for number in range(500_000))),
        "result.json has the keys k0, k1, k2,",
    ),
    "most_frames": (_raw(b"[%s]" % b",".join([b"[0,0,0,1,0,0,0,0,0]"] * 50_000)), "normal"),
    "deep": (
        _raw(b'{"a":' * 500_000 + b"1" + b"}" * 500_000),
        "result.json has too many values: 500000 objects, 0 lists and 0 commas",
    ),
    "nested": (_raw(b'{"a":' * 5000 + b"1" + b"}" * 5000), NOT_JSON),
    "nested_65": (_raw(b'{"a":' * 65 + b"1" + b"}" * 65), "result.json is nested deeper than 64 levels"),
    "nested_lenient": (_raw(b'["\\ud800",' + b"[" * 9999 + b"]" * 9999 + b"]"), NOT_JSON),
    "controls": (
        _text(
            json.dumps(
                {
                    "emotion": CONTROLS,
                    "confidence": 0.9,
                    "timestamp": CONTROLS,
                    "granularity": [CONTROLS],
                    "scores": {CONTROLS: 0.9, "sad": 0.1},
                }
            )
        ),
        "normal",
    ),
    "bad_controls": (
        _text(json.dumps({"scores": {CONTROLS: CONTROLS}})),
        f"result.json scores.{escape(CONTROLS)} is ",
    ),
    "bom": (_raw(b"\xef\xbb\xbf" + result_bytes()), "normal"),
    "utf_16": (
        _raw(result_bytes().decode().encode("utf-16")),
        "normal",
    ),
    "nul": (_raw(result_bytes()[:-1] + b"\x00}"), NOT_JSON),
    "nan": (_text('{"emotion":"sad","confidence":NaN}'), NOT_JSON),
    "infinite": (_text('{"emotion":"sad","confidence":1e999}'), NOT_JSON),
    "huge_int": (
        _text('{"emotion":"sad","confidence":1%s}' % ("0" * 300)),
        "result.json confidence is 1e+300, out of range 0 to 1",
    ),
    "many_digits": (_text('{"emotion":"sad","confidence":1%s}' % ("0" * 9999)), NOT_JSON),
    "duplicates": (
        _text('{"emotion":"sad","confidence":0.1,"confidence":0.9,"scores":{"sad":0.1,"sad":0.9}}'),
        "normal",
    ),
    "minus_zero": (_text('{"emotion":"sad","confidence":-0.0,"scores":{"sad":-0.0}}'), "low_quality"),
    "huge_scores": (
        _text('{"scores":{"sad":1e308,"happy":1e308}}'),
        "result.json scores.sad is 1e+308, out of range 0 to 1",
    ),
    "tower": (_tower, "normal"),
    "crowd": (_crowd, f"the task holds more than {FILE_LIMIT} files"),
    "..": (_raw(result_bytes()), "normal"),
    "x" * 247: (_raw(result_bytes()), "normal"),
    "客" * 82: (_raw(result_bytes()), "normal"),
}
"""By the end of its name: how to make it, and where it goes, or why to quarantine (or how that begins)."""
NAMES = [
    b"outputs_\xff\xfe",
    b"outputs_\x1b[2J",
    b"outputs_\x7f",
    "outputs_\x9b2J".encode(),
    "outputs_\u202egnp".encode(),
    "outputs_\u2028".encode(),
    b"outputs_\n[outputs_forged]\nStatus: normal\n",
]
"""Of directories with a good result: they are left alone."""
GOOD = [f"outputs_20240104_2230{number:02}" for number in range(5)]
LATE = "outputs_20240104_223100"


@dataclass
class Seen:
    """What the daemon and every command made of it all."""

    root: Path
    outside: Path
    before: dict[str, tuple[Any, ...]]
    after: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    standing_when_late_was_filed: set[str] = field(default_factory=set)
    told_when_late_was_filed: list[str] = field(default_factory=list)
    memory_kb: int = 0
    status: int = -1
    said: dict[str, bytes] = field(default_factory=dict)

    def events(self) -> list[dict[str, Any]]:
        """What the daemon logged."""
        return [json.loads(line) for line in self.said["watch"].splitlines()]


def _outline(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Everything in a tree: what it is, when it changed, and what it says."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path)] = (status.st_mode, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, content)
    return found


def _wait_until(is_so: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    def is_so_or_over() -> object:
        assert process.poll() is None, "the daemon ended"
        return is_so()

    until(is_so_or_over, 2 * PATIENCE)


def _plant(root: Path, outside: Path) -> None:
    for end, (plant, _) in HOSTILE.items():
        task = root / f"outputs_{end}"
        task.mkdir()
        plant(task, outside)
    for hidden in NAMES:
        task = root / os.fsdecode(hidden)
        task.mkdir()
        _result(task, result_bytes())
    (root / "outputs_symlink").symlink_to(outside / "task")
    (root / "outputs_dangling").symlink_to("nowhere")
    for name in GOOD:
        (root / name).mkdir()
        _result(root / name, result_bytes())


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    """Everything planted, the daemon run over it, and every command that reads asked."""
    if os.geteuid() != 0:
        pytest.skip("a device can be made by root alone")
    home = Path(tempfile.mkdtemp(prefix="emosieve-hostile-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(home))
        patch.setenv("EMOSIEVE_LANGUAGE", "en")
        patch.delenv("RUNTIME_DIRECTORY", raising=False)
        root, outside = home / "outputs", home / "outside"
        root.mkdir()
        (outside / "task").mkdir(parents=True)
        (outside / "secret.txt").write_text(MARK)
        for path in ("secret.json", "task/result.json"):
            (outside / path).write_bytes(result_bytes(0.9, MARK))
        (outside / "plain.json").write_bytes(result_bytes())
        _plant(root, outside)
        seen = Seen(root, outside, _outline(outside))
        _watch(home, seen)
        _ask(seen)
        seen.after = _outline(outside)
        yield seen
    subprocess.run(["rm", "-rf", home], check=True)


def _watch(home: Path, seen: Seen) -> None:
    config, log = home / "emosieve.toml", home / "watch.log"
    config.write_text(
        "[settle]\ngive_up_seconds = 600\nquiet_seconds = 0.2\n[report]\nrotate_bytes = 1000000\n"
    )
    with log.open("wb") as stderr:
        command = [*EMOSIEVE, "watch", str(seen.root), "--config", str(config)]
        process = subprocess.Popen(command, stderr=stderr, stdin=subprocess.DEVNULL)

    def told(event: str, task: str) -> bool:
        events = [
            json.loads(line) for line in log.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")
        ]
        return any(one["event"] == event and one.get("task", task) == task for one in events)

    try:
        _wait_until(lambda: all(told("task.filed", name) for name in GOOD), process)
        (seen.root / LATE).mkdir()
        _result(seen.root / LATE, result_bytes())
        _wait_until(lambda: told("task.filed", LATE), process)
        seen.standing_when_late_was_filed = {
            os.fsencode(one.name).decode(errors="replace") for one in seen.root.iterdir()
        }
        seen.said["status file"] = b"".join(path.read_bytes() for path in home.glob("emosieve-*.json"))
        _say(seen, "status while they pend", "status", seen.root)
        _say(seen, "explain a pending one", "explain", seen.root / "outputs_bad_controls")
        config.write_text(config.read_text().replace("600", "0.5"))
        process.send_signal(signal.SIGHUP)
        for end, (_, place) in HOSTILE.items():
            event = "task.filed" if place in {"normal", "low_quality"} else "task.quarantined"
            _wait_until(partial(told, event, f"outputs_{end}"), process)
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
        assert found
        seen.memory_kb = int(found[1])
        process.terminate()
        seen.status = process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
        seen.said["watch"] = log.read_bytes()


def _say(seen: Seen, name: str, *arguments: str | Path) -> None:
    command = [*EMOSIEVE, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert b"Traceback" not in ended.stderr, ended.stderr.decode(errors="backslashreplace")
    seen.said[name] = ended.stdout + ended.stderr


def _ask(seen: Seen) -> None:
    root = seen.root
    unprintable = [root / os.fsdecode(name) for name in NAMES]
    questions: dict[str, list[str | Path]] = {
        "tail": ["tail", root, "-n", "1000"],
        "tail --json": ["tail", root, "-n", "1000", "--json"],
        "stats": ["stats", root],
        "stats --with-profile": ["stats", root, "--with-profile", "customer_service", "--json"],
        "status": ["status", root],
        "status --json": ["status", root, "--json"],
        "check": ["check", root],
        "check --json": ["check", root, "--json"],
        "explain controls": ["explain", root / "outputs_controls"],
        "explain controls --json": ["explain", root / "outputs_controls", "--json"],
        "explain quarantined": ["explain", root / "quarantine/outputs_bad_controls"],
        "explain left alone": ["explain", unprintable[1]],
        "explain several": ["explain", *unprintable],
        "restore left alone": ["restore", *unprintable],
        "config of a strange name": ["status", "--config", unprintable[1]],
        "reclassify": ["reclassify", root, "--unlogged", "--set", "rules.min_confidence=0.95", "--dry-run"],
        "sweep": ["sweep", root, *overrides(log__format="console", settle__quiet_seconds=0.2)],
        "restore": ["restore", root / "quarantine/outputs_bad_controls", root / "normal/outputs_controls"],
        "report rebuild": ["report", "rebuild", root],
    }
    for name, arguments in questions.items():
        _say(seen, name, *arguments)


def test_each_ends_where_it_must(seen: Seen) -> None:
    """Of all hostile tasks each goes to its verdict's folder or, with its reason, to quarantine."""
    ends = {
        event["task"]: event.get("verdict") or event["reason"]
        for event in read_log(seen.root)
        if event["event"] in {"decided", "quarantined"}
    }
    wrong = {
        end: ends.get(f"outputs_{end}")
        for end, (_, place) in HOSTILE.items()
        if not str(ends.get(f"outputs_{end}")).startswith(place)
    }
    assert {} == wrong
    assert 0 == seen.status


def test_what_is_no_task_is_left_alone(seen: Seen) -> None:
    """Symlinks, and directories whose names cannot be shown, stay where they are, and each is told of once."""
    names = sorted([*map(os.fsdecode, NAMES), "outputs_symlink", "outputs_dangling"])
    assert names == sorted({*names} & {*os.listdir(seen.root)})
    told = sorted(event["name"] for event in seen.events() if event["event"] == "task.left_alone")
    assert sorted(map(escape, names)) == told


def test_a_good_task_passes_those_that_pend(seen: Seen) -> None:
    """A good task that comes while hostile ones pend is filed while they still pend."""
    pending = {
        f"outputs_{end}" for end, (_, place) in HOSTILE.items() if place not in {"normal", "low_quality"}
    }
    assert set() == pending - seen.standing_when_late_was_filed
    assert LATE not in seen.standing_when_late_was_filed


def test_no_secret_comes_in(seen: Seen) -> None:
    """The bytes of a file outside the root stand nowhere below it, nor in anything that was said."""
    linked = {(seen.outside / name).stat().st_ino for name in ("secret.txt", "plain.json")}
    for parent, folders, names in os.walk(seen.root):
        if parent.endswith("outputs_tower"):
            folders.clear()
        for name in names:
            path = os.path.join(parent, name)
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode) and status.st_blocks < 1 << 17 and status.st_ino not in linked:
                assert MARK.encode() not in _bytes_of(path), path
    assert [] == [name for name, said in seen.said.items() if MARK.encode() in said]


def _bytes_of(path: str) -> bytes:
    """What a file holds, without the holes of a sparse one."""
    with open(path, "rb") as file:
        return file.read(64 << 20)


def test_nothing_outside_changes(seen: Seen) -> None:
    """A tree beside the root is as it was: content, modes and change times."""
    assert seen.before == seen.after


def test_nothing_raw_comes_out(seen: Seen) -> None:
    """No control character, bidi mark or byte that is no UTF-8 stands in log, report, status or any answer."""
    own = [path for path in seen.root.iterdir() if path.is_file()]
    own += [path for path in (seen.root / ".emosieve").iterdir() if path.is_file()]
    assert {"decisions.jsonl", "quality_report.txt", "checkpoint"} <= {path.name for path in own}
    for name, said in {**seen.said, **{path.name: path.read_bytes() for path in own}}.items():
        assert escape(said.decode().replace("\n", ""), len(said)) == said.decode().replace("\n", ""), name


def test_no_line_is_forged(seen: Seen) -> None:
    """A name or text with newlines makes no line of its own in log or report."""
    for name in ("decisions.jsonl", "quality_report.txt"):
        lines = (seen.root / name).read_text("utf-8").splitlines()
        assert [] == [line for line in lines if line.startswith(("[outputs_forged]", "Status: normal\n"))]
    assert all(b"\n[outputs_forged]" not in said for said in seen.said.values())


def test_memory_stays_small(seen: Seen) -> None:
    """The daemon never held 200 MB, whatever it looked at."""
    assert 0 < seen.memory_kb < MEMORY_KB
