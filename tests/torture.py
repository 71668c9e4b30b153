"""Torture: the real program over a real directory, by chance, with a person and a failing machine beside it.

``python tests/torture.py SEED...`` runs the torture of some seeds and says what
is wrong after each. What is done, and with what, follows from the seed alone;
the instants at which processes meet each other do not, so a seed that failed
may have to be run some times (``--times``) until it fails again.
"""

import argparse
import fcntl
import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from process import EMOSIEVE, PATIENCE, overrides, until
from torture_model import (
    FORGED,
    RESULT,
    STATE_FILES,
    Aftermath,
    Late,
    Ledger,
    Taken,
    Task,
    contents,
    events_in,
    faults_in,
)

STEPS = 40
GIVE_UP_SECONDS = 1.0
FOLDERS = ("normal", "low_quality", "quarantine")
CONFIDENCES = (0.95, 0.8, 0.5, 0.3)
LAYOUTS = {
    "in the root": 5,
    "normal on another file system": 2,
    "two roots that share their folders": 2,
    "two roots that share folders on another file system": 1,
}
MEMORY_KIB = 128
"""Size of the other file system."""
ENDINGS = {0, 1, 2, -9, -15, 143}
"""Exit statuses of commands that did their work, refused it, or were killed or stopped."""
KILLING_CALLS = (
    ("?rename,?renameat,?renameat2", 6, False),
    ("openat", 20, True),
    ("fdatasync,fsync", 6, False),
    ("?unlink,?unlinkat,?rmdir", 4, False),
    ("write", 6, True),
)
"""System calls at which a process is killed, at which of them at most, and whether only those on paths of the root."""


@dataclass(frozen=True)
class Plan:
    """All that follows from a seed.

    Attributes:
        seed: of all chance.
        layout: where the folders are.
        names: of tasks, which come again and again.
        decisions_bytes: size from which the log is rotated.
        report_bytes: size from which the report is rotated.
        steps: names of the steps, in order.
    """

    seed: int
    layout: str
    names: Sequence[str]
    decisions_bytes: int
    report_bytes: int
    steps: Sequence[str]


@dataclass
class Root:
    """One root, as its operator has it set up now."""

    number: int
    path: Path
    filing: dict[str, Path]
    settings: dict[str, object]
    ever: set[Path] = field(default_factory=set)
    """All folders that tasks were ever filed to."""
    logs_taken: dict[str, bytes] = field(default_factory=dict)
    checkpoints: list[bytes] = field(default_factory=list)
    daemon: "subprocess.Popen[bytes] | None" = None
    used: set[str] = field(default_factory=set)
    """Names of tasks that were ever made here."""

    @property
    def options(self) -> list[str]:
        """Of every command line."""
        filing: dict[str, object] = {
            f"filing__{name}": path.name if path.parent == self.path else path
            for name, path in self.filing.items()
        }
        return overrides(**self.settings, **filing)

    @property
    def state(self) -> Path:
        """The hidden folder in which emosieve keeps locks and checkpoint."""
        return self.path / ".emosieve"


class Torture:
    """One torture: the world that the steps act upon.

    Args:
        plan: what is done.
        base: an empty directory.
    """

    def __init__(self, plan: Plan, base: Path) -> None:
        self.plan = plan
        self.base = base
        self.ledger = Ledger()
        self.told: list[str] = []
        self.faults: list[str] = []
        self.began = time.monotonic()
        self.processes: list[tuple[str, subprocess.Popen[bytes], Path]] = []
        for name in ("making", "archive", "said", "runtime", "disk"):
            (base / name).mkdir()
        self.memory = base / "memory"
        self.memory.mkdir()
        self.is_shared = plan.layout.startswith("two roots")
        self.is_across = plan.layout.endswith("another file system")
        if self.is_across:
            options = f"size={MEMORY_KIB}k,mode=755"
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.memory)], check=True)
            (self.memory / "archive").mkdir()
        self.roots = [self._root(number) for number in range(2 if self.is_shared else 1)]
        self.bystanders = self._make_bystanders()

    def _root(self, number: int) -> Root:
        path = self.base / f"outputs{number}"
        path.mkdir()
        elsewhere = self.memory if self.is_across else self.base / "disk"
        filing = {name: (elsewhere if self.is_shared else path) / name for name in FOLDERS}
        if self.is_across:
            filing["normal"] = self.memory / "normal"
        settings: dict[str, object] = {
            "settle__quiet_seconds": 0.2,
            "settle__give_up_seconds": GIVE_UP_SECONDS,
            "decisions__rotate_bytes": self.plan.decisions_bytes,
            "report__rotate_bytes": self.plan.report_bytes,
            "log__format": "json",
            "language": "en",
        }
        return Root(number, path, filing, settings, set(filing.values()))

    def _make_bystanders(self) -> dict[Path, bytes]:
        """Things that are nobody's, inside of the root and out of it, which must stay as they are."""
        root = self.roots[0]
        paths = [root.path / "notes" / "a.txt", root.path / "notes.txt", self.base / "beside.txt"]
        paths += [root.filing["low_quality"] / name for name in ("mine.txt", "mine/a.txt")]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"nobody's")
        return dict.fromkeys(paths, b"nobody's")

    def close(self) -> None:
        """End what still runs, and leave nothing mounted."""
        for _, process, _ in self.processes:
            process.kill()
            process.wait()
            # A tracer whose process was killed before it had hold of it waits for ever.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        if self.is_across:
            subprocess.run(["umount", "-l", str(self.memory)], check=True)

    def tell(self, words: str) -> None:
        """Note what was done, for whoever reads of a failure."""
        self.told.append(f"{time.monotonic() - self.began:6.2f} {words}")

    # What runs.

    def start(self, words: Sequence[str], tracer: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
        """Start a command of emosieve; what it says is kept."""
        said = self.base / "said" / f"{len(self.processes):03}"
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("EMOSIEVE_", "RUNTIME_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_"))
        }
        environment["XDG_RUNTIME_DIR"] = str(self.base / "runtime")
        with said.open("wb") as output:
            process = subprocess.Popen(
                [*tracer, *EMOSIEVE, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self.base,
                process_group=0,
            )
        self.processes.append((" ".join(words), process, said))
        return process

    def killing(self, root: Root, chance: random.Random) -> list[str]:
        """A tracer under which a process is killed at one of its system calls."""
        calls, most, only_ours = chance.choice(KILLING_CALLS)
        number = chance.randint(1, most)
        paths = [
            *(root.path, *root.filing.values(), root.state, root.state / "checkpoint.new"),
            *(root.path / name for name in ("decisions.jsonl", "quality_report.txt")),
        ]
        self.tell(f"    is killed at number {number} of {calls}")
        inject = ["-e", f"trace={calls}", "-e", f"inject={calls}:signal=KILL:when={number}"]
        watched = [word for path in paths for word in ("-P", str(path))] if only_ours else []
        return ["strace", "-D", "-f", "-qq", "-o", "/dev/null", *inject, *watched]

    def run(self, root: Root, words: Sequence[str], chance: random.Random) -> None:
        """Run a command to its end, or let it be killed on the way, or leave it running."""
        self.tell(f"  {' '.join(words)}")
        fate = chance.random()
        if fate < 0.35:
            self.start([*words, *root.options], self.killing(root, chance)).wait(PATIENCE)
        elif fate < 0.5:
            process, seconds = self.start([*words, *root.options]), chance.uniform(0.2, 0.9)
            self.tell(f"    is killed after {seconds:.2f} s")
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            process.kill()
            process.wait()
        elif fate < 0.6:
            self.tell("    runs beside")
            self.start([*words, *root.options])
        else:
            self.start([*words, *root.options]).wait(PATIENCE)

    def calm(self, words: Sequence[str], root: Root) -> str:
        """Run a command to its end without a fault; gives what it said."""
        process = self.start([*words, *root.options])
        process.wait(PATIENCE)
        return self.processes[-1][2].read_text("utf-8", errors="replace")

    def end_daemon(self, root: Root, *, gently: bool) -> None:
        """End the daemon of a root, if there is one."""
        if root.daemon is not None:
            root.daemon.terminate() if gently else root.daemon.kill()
            root.daemon.wait(PATIENCE)
            root.daemon = None

    # What stands.

    @contextmanager
    def between_commits(self, root: Root) -> Iterator[None]:
        """What a person does to a filed task is done before or after a commit, so that it is known to which place."""
        root.state.mkdir(mode=0o700, exist_ok=True)
        with (root.state / "log.lock").open("ab") as lock:

            def is_locked() -> bool:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                return True

            until(is_locked)
            yield

    def filed(self, root: Root) -> list[Path]:
        """The tasks of a root that stand in a folder; of twins of two roots nobody knows whose they are."""
        theirs = {task.digest for task in self.ledger.made if task.root != root.number}
        ours = {task.digest for task in self.ledger.made if task.root == root.number} - theirs
        return [path for path in self.all_filed() if digest_at(path) in ours]

    def all_filed(self) -> list[Path]:
        """All tasks that stand in a folder."""
        folders = sorted({folder for root in self.roots for folder in root.ever})
        return [
            path
            for folder in folders
            if folder.is_dir()
            for path in sorted(folder.glob("outputs_*"))
            if path.is_dir()
        ]

    def log_files(self, root: Root) -> dict[str, bytes]:
        """Name to bytes of the files of a log."""
        return {path.name: path.read_bytes() for path in sorted(root.path.glob("decisions*.jsonl"))}

    def is_about_to_move(self, root: Root, path: Path) -> bool:
        """Whether the log says of a filed task that it goes elsewhere, or its copy stands in the inbox still.

        A run died there. Whoever takes such a task away, or moves it by hand, leaves a log that is wrong.
        """
        for event in reversed(events_in(self.log_files(root))):
            if str(root.path / str(event.get("from"))) == str(path) and event["event"] != "diverted":
                return True
            if str(path) in {str(root.path / str(event.get(key))) for key in ("to", "destination")}:
                break
        waiting = (root.path / path.name, root.path / path.name.partition(".")[0])
        return any(one.is_dir() and digest_at(one) in {None, digest_at(path)} for one in waiting)


def digest_at(path: Path) -> str | None:
    """Digest of a task's result; ``None`` where it has none, or is gone by now."""
    try:
        return Task(0, 0, "", contents(path)).digest
    except FileNotFoundError:
        return None


# The steps. Each takes the torture, the root that it is about, and its own chance.


def make_task(torture: Torture, root: Root, chance: random.Random) -> None:
    """The WebUI writes a task, under a name that mostly came before; sometimes with the very same bytes."""
    free = [name for name in torture.plan.names if not os.path.lexists(root.path / name)]
    if not free:
        return
    name = chance.choice(free)
    number = len(torture.ledger.made)
    elders = [task for task in torture.ledger.made if task.name == name and task.digest]
    if elders and chance.random() < 0.35:
        files = elders[-1].files
    else:
        mark = f"task {number}"
        files = {RESULT: result_of(mark, chance)}
        if chance.random() < 0.5:
            files["processed_audio.wav"] = mark.encode() * chance.choice((1, 500))
    put(torture, root, Task(number, root.number, name, files))


def result_of(mark: str, chance: random.Random) -> bytes:
    """A result: one that can be read, or, now and then, half of one."""
    confidence = chance.choice(CONFIDENCES)
    scores = {"happy": confidence, "neutral": round(1 - confidence, 2)}
    document = {"emotion": "happy", "confidence": confidence, "scores": scores, "granularity": "utterance"}
    text = json.dumps({**document, "timestamp": mark}).encode()
    return text[:-1] if chance.random() < 0.15 else text


def put(torture: Torture, root: Root, task: Task) -> bool:
    """Give a root a task, whole at once, if none of its name stands in the inbox; gives whether it did."""
    aside = torture.base / "making" / task.name
    aside.mkdir()
    for name, content in task.files.items():
        (aside / name).write_bytes(content)
    if os.path.lexists(root.path / task.name):
        shutil.rmtree(aside)
        return False
    aside.rename(root.path / task.name)
    torture.ledger.made.append(task)
    root.used.add(task.name)
    torture.tell(f"  root {root.number}: task {task.number}, {task.name}, {sorted(task.files)}")
    return True


def make_dead_task(torture: Torture, root: Root, chance: random.Random) -> None:
    """A recognition dies before it has a result, under a name that this root never had, and never has again."""
    names = [name for name in (*torture.plan.names, "outputs_20240105_000000") if name not in root.used]
    if names:
        number = len(torture.ledger.made)
        files = {"input.mp3": f"task {number}".encode()}
        put(torture, root, Task(number, root.number, chance.choice(names), files))


def add_late_file(torture: Torture, root: Root, chance: random.Random) -> None:
    """A file comes late: to the newest task of its name, which may have been filed meanwhile."""
    name = chance.choice(torture.plan.names)
    ours = [task for task in torture.ledger.made if (task.root, task.name) == (root.number, name)]
    if not ours or ours[-1].digest is None:
        return
    task = ours[-1]
    others = [one.files for one in torture.ledger.made if one is not task]
    if task.files in [*others, *(one.files for one in torture.ledger.taken)]:
        return  # a twin, or one that a person took away
    late = Late(task, f"late-{len(torture.ledger.late)}.npy", f"late of task {task.number}".encode())
    aside = torture.base / "making" / name
    aside.mkdir()
    (aside / late.name).write_bytes(late.content)
    standing = root.path / name
    try:
        (aside / late.name).rename(standing / late.name)
        aside.rmdir()
        torture.tell(f"  root {root.number}: {late.name} of task {task.number} into what stands in the inbox")
    except FileNotFoundError:
        aside.rename(standing)
        torture.tell(f"  root {root.number}: {late.name} of task {task.number} beside")
    torture.ledger.late.append(late)


def let_time_pass(torture: Torture, _root: Root, chance: random.Random) -> None:
    """Nothing is done for a while, so that what runs gets on."""
    seconds = chance.uniform(0.1, 0.8)
    torture.tell(f"  for {seconds:.2f} s")
    time.sleep(seconds)


def start_daemon(torture: Torture, root: Root, chance: random.Random) -> None:
    """A daemon is started, if none runs; it may die at one of its system calls."""
    if root.daemon is not None and root.daemon.poll() is None:
        return
    tracer = torture.killing(root, chance) if chance.random() < 0.5 else []
    root.daemon = torture.start(["watch", str(root.path), *root.options], tracer)


def stop_daemon(torture: Torture, root: Root, _chance: random.Random) -> None:
    """The daemon is stopped in order."""
    torture.end_daemon(root, gently=True)


def kill_daemon(torture: Torture, root: Root, _chance: random.Random) -> None:
    """The daemon is killed."""
    torture.end_daemon(root, gently=False)


def sweep(torture: Torture, root: Root, chance: random.Random) -> None:
    """The inbox is swept; a daemon ends before."""
    torture.end_daemon(root, gently=chance.random() < 0.5)
    torture.run(root, ["sweep", str(root.path), "--wait", "1"], chance)


def restore(torture: Torture, root: Root, chance: random.Random) -> None:
    """A person restores a filed task, or two; sometimes one of them by another spelling of its path."""
    filed = [path for path in torture.filed(root) if path.parent in root.filing.values()]
    if not filed:
        return
    paths = chance.sample(filed, min(len(filed), chance.choice((1, 1, 2))))
    words = [str(path) for path in paths]
    if chance.random() < 0.3:
        link = torture.base / f"link{len(torture.told)}"
        link.symlink_to(paths[0].parent)
        words.append(str(link / paths[0].name))
    torture.run(root, ["restore", *words, *overrides(root=root.path)], chance)


def reclassify(torture: Torture, root: Root, chance: random.Random) -> None:
    """A person has all filed tasks judged by other rules."""
    rules = overrides(rules__min_confidence=chance.choice((0.2, 0.4, 0.6, 0.9)))
    torture.run(root, ["reclassify", str(root.path), *rules], chance)


def rebuild_report(torture: Torture, root: Root, chance: random.Random) -> None:
    """A person has the report made anew."""
    torture.run(root, ["report", "rebuild", str(root.path)], chance)


def take_filed_task(torture: Torture, root: Root, chance: random.Random) -> None:
    """A person moves a filed task to an archive, or deletes it."""
    with torture.between_commits(root):
        filed = [path for path in torture.filed(root) if not torture.is_about_to_move(root, path)]
        if not filed:
            return
        path = chance.choice(filed)
        files = contents(path)
        # Both are one rename: nobody sees half of it.
        home = torture.memory if path.is_relative_to(torture.memory) else torture.base
        to = home / "archive" / str(len(torture.ledger.taken))
        path.rename(to)
        deletes = chance.random() < 0.5
        if deletes:
            shutil.rmtree(to)
    digest = Task(0, 0, "", files).digest
    torture.ledger.taken.append(Taken(str(path), digest, files, None if deletes else to))
    torture.tell(f"  {'deletes' if deletes else 'archives'} {path.relative_to(torture.base)}")


def take_old_log(torture: Torture, root: Root, chance: random.Random) -> None:
    """A person compresses the oldest rotated file of the log, or moves it away."""
    rotated = sorted(root.path.glob("decisions-*.jsonl"))
    if not rotated:
        return
    path = rotated[0]
    root.logs_taken[path.name] = path.read_bytes()
    if chance.random() < 0.5:
        (root.path / f"{path.name}.gz").write_bytes(gzip.compress(root.logs_taken[path.name]))
        path.unlink()
    else:
        path.rename(torture.base / "archive" / f"{root.number}-{path.name}")
    torture.tell(f"  {path.name}")


def lose_checkpoint(_torture: Torture, root: Root, _chance: random.Random) -> None:
    """The checkpoint is lost."""
    (root.state / "checkpoint").unlink(missing_ok=True)


def save_checkpoint(_torture: Torture, root: Root, _chance: random.Random) -> None:
    """A backup takes a copy of the checkpoint."""
    with suppress(FileNotFoundError):
        root.checkpoints.append((root.state / "checkpoint").read_bytes())


def put_checkpoint_back(torture: Torture, root: Root, chance: random.Random) -> None:
    """An older checkpoint is put back from a backup."""
    if root.checkpoints:
        number = chance.randrange(len(root.checkpoints))
        aside = torture.base / "making" / "checkpoint"
        aside.write_bytes(root.checkpoints[number])
        aside.rename(root.state / "checkpoint")
        torture.tell(f"  number {number} of {len(root.checkpoints)}")


def fill_disk(torture: Torture, _root: Root, _chance: random.Random) -> None:
    """The other file system is full from now on."""
    if torture.is_across:
        with suppress(OSError), (torture.memory / "junk").open("ab", buffering=0) as junk:
            while junk.write(b"\0" * 4096):
                pass


def drain_disk(torture: Torture, _root: Root, _chance: random.Random) -> None:
    """The other file system has room again."""
    (torture.memory / "junk").unlink(missing_ok=True)


def change_normal(torture: Torture, root: Root, chance: random.Random) -> None:
    """The operator gives another ``filing.normal``, and starts anew what runs."""
    torture.end_daemon(root, gently=chance.random() < 0.5)
    now = root.filing["normal"]
    choices = [torture.base / "disk" / "other", root.path / "other", torture.roots[0].filing["normal"]]
    choices += [torture.memory / "other"] * torture.is_across
    if torture.is_shared:
        choices = [now.parent / name for name in ("normal", "other")]
    root.filing["normal"] = chance.choice([one for one in choices if one != now])
    root.ever.add(root.filing["normal"])
    torture.tell(f"  root {root.number}: {root.filing['normal'].relative_to(torture.base)}")


def forge_line(torture: Torture, root: Root, chance: random.Random) -> None:
    """Somebody writes a line into the log that moves what is no task."""
    source = chance.choice(("notes", "notes.txt", "decisions.jsonl", "low_quality", ".emosieve"))
    line = {"schema": 1, "event": "restored", "time": "2024-01-04T00:00:00.000000+00:00", "task": FORGED}
    to = str(root.filing["low_quality"] / FORGED).removeprefix(f"{root.path}/")
    log = root.path / "decisions.jsonl"
    with torture.between_commits(root):
        if log.exists() and log.read_bytes().endswith(b"\n"):
            with log.open("ab") as file:
                file.write(json.dumps({**line, "from": source, "to": to}).encode() + b"\n")
            torture.tell(f"  {source}")


Step = Callable[[Torture, Root, random.Random], None]
WEIGHTS: dict[Step, float] = {
    make_task: 14,
    make_dead_task: 0.5,
    add_late_file: 3,
    let_time_pass: 3,
    start_daemon: 4,
    stop_daemon: 1,
    kill_daemon: 2,
    sweep: 6,
    restore: 4,
    reclassify: 2,
    rebuild_report: 1,
    take_filed_task: 8,
    take_old_log: 1,
    lose_checkpoint: 2,
    save_checkpoint: 1,
    put_checkpoint_back: 1,
    fill_disk: 0,
    drain_disk: 0,
    change_normal: 2,
    forge_line: 0.2,
}
MORE: dict[str, dict[Step, float]] = {
    "another file system": {fill_disk: 4, drain_disk: 3, change_normal: 2},
    "two roots": {make_dead_task: 2, make_task: 5},
}
"""Further weights of layouts whose names have these words."""
BY_NAME = {step.__name__: step for step in WEIGHTS}


def plan_of(seed: int) -> Plan:
    """What is done under a seed."""
    chance = random.Random(seed)
    layout = chance.choices(list(LAYOUTS), list(LAYOUTS.values()))[0]
    more = [weights for words, weights in MORE.items() if words in layout]
    weights = [weight + sum(one.get(step, 0) for one in more) for step, weight in WEIGHTS.items()]
    return Plan(
        seed=seed,
        layout=layout,
        names=[f"outputs_20240104_22300{number}" for number in range(chance.choice((2, 3, 5)))],
        decisions_bytes=chance.choice((4096, 8192, 100_000_000)),
        report_bytes=chance.choice((4096, 100_000_000)),
        steps=[step.__name__ for step in chance.choices(list(WEIGHTS), weights, k=STEPS)],
    )


def finish(torture: Torture) -> None:
    """Stop all that runs, give the disk its room again, and let clean sweeps do what is left to do."""
    for root in torture.roots:
        torture.end_daemon(root, gently=True)
    for _, process, _ in torture.processes:
        process.wait(PATIENCE)
    drain_disk(torture, torture.roots[0], random.Random())
    for _ in range(2):
        for root in torture.roots:
            until(lambda root=root: all(is_old(path) for path in root.path.glob("outputs_*")))  # type: ignore[misc]
            said = torture.calm(["sweep", str(root.path)], root)
            if torture.processes[-1][1].returncode not in {0, 1}:
                torture.faults.append(f"root {root.number}: the last sweep fails: {said}")


def is_old(task: Path) -> bool:
    """Whether a task is old enough for emosieve to give up waiting for it."""
    newest = max(path.lstat().st_ctime for path in (task, *task.iterdir()))
    return time.time() > newest + GIVE_UP_SECONDS + 0.1


def look_at(torture: Torture) -> Aftermath:
    """What stands at the end of all."""
    roots = torture.roots
    archived = [one.to for one in torture.ledger.taken if one.to is not None]
    return Aftermath(
        roots=[root.path for root in roots],
        inboxes=[
            {str(path): contents(path) for path in sorted(root.path.glob("outputs_*"))} for root in roots
        ],
        filed={str(path): contents(path) for path in torture.all_filed()},
        archived={str(path): contents(path) for path in archived},
        logs=[torture.log_files(root) for root in roots],
        logs_taken=[root.logs_taken for root in roots],
        reports=[list(reports_of(root).values()) for root in roots],
        stats=[stats_of(torture, root) for root in roots],
    )


def stats_of(torture: Torture, root: Root) -> dict[str, Any]:
    """What ``stats`` says of a root."""
    if not torture.log_files(root):
        return {"normal": 0, "low_quality": 0, "quarantined": 0}
    said = torture.calm(["stats", str(root.path), "--json"], root)
    document: dict[str, Any] = json.loads(said[said.index("{\n") :])
    return document


def reports_of(root: Root) -> dict[str, str]:
    """The text of each report file."""
    return {path.name: path.read_text("utf-8") for path in sorted(root.path.glob("quality_report*.txt"))}


def faults_around(torture: Torture) -> Iterator[str]:
    """What is wrong beside tasks, log and numbers."""
    for path, content in torture.bystanders.items():
        if not path.is_file() or path.read_bytes() != content:
            yield f"touched: {path}"
    for root in torture.roots:
        yield from (f"root {root.number}: {fault}" for fault in faults_left_over(torture, root))
        yield from (f"root {root.number}: {fault}" for fault in faults_in_rebuilding(torture, root))
    for words, process, said in torture.processes:
        text = said.read_text("utf-8", errors="replace")
        if "Traceback" in text or process.returncode not in ENDINGS:
            yield f"ended with {process.returncode}: {words}: {text[-1500:]}"


def faults_left_over(torture: Torture, root: Root) -> Iterator[str]:
    """Half copies, what was on its way out, files written aside, torn lines."""
    state = {path.name for path in root.state.iterdir()} if root.state.is_dir() else set()
    hidden = [path for folder in (root.path, *root.ever) for path in folder.glob(".*") if path != root.state]
    if state - STATE_FILES or hidden:
        yield f"left over: {sorted(state - STATE_FILES)}, {hidden}"
    if any(not content.endswith(b"\n") for content in torture.log_files(root).values() if content):
        yield "a torn line in the log"


def faults_in_rebuilding(torture: Torture, root: Root) -> Iterator[str]:
    """The report that was written bit by bit is the one that is made anew, byte for byte."""
    if root.logs_taken or not torture.log_files(root):
        return
    before = reports_of(root)
    torture.calm(["report", "rebuild", str(root.path)], root)
    after = reports_of(root)
    changed = [name for name in sorted({*before, *after}) if before.get(name, "") != after.get(name, "")]
    if changed:
        yield f"a rebuild of the report changes {changed}"


def run(plan: Plan, base: Path) -> list[str]:
    """Do what is planned in an empty directory; gives what is wrong in the end, then what was done."""
    torture = Torture(plan, base)
    try:
        for number, name in enumerate(plan.steps):
            chance = random.Random(f"{plan.seed}.{number}")
            torture.tell(f"{number} {name}")
            BY_NAME[name](torture, chance.choice(torture.roots), chance)
        torture.tell("the end")
        finish(torture)
        faults = [*torture.faults, *faults_in(torture.ledger, look_at(torture)), *faults_around(torture)]
        seconds = time.monotonic() - torture.began
    finally:
        torture.close()
    if not faults:
        return []
    how = f"to repeat: python tests/torture.py {plan.seed} --times 10 --keep DIRECTORY"
    return [
        f"seed {plan.seed} ({plan.layout}; {seconds:.1f} s):",
        *(f"  {fault}" for fault in faults),
        how,
        "steps:",
        *torture.told,
    ]


def require() -> None:
    """Skip where nothing can be mounted or killed at a system call."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    if shutil.which("strace") is None:
        pytest.skip("killing a process at a system call needs strace")


def run_all(plans: Sequence[Plan], base: Path, *, keep: bool = False) -> Iterator[list[str]]:
    """Run many, as many at once as there are processors; gives the failures of each, in order."""

    def one(number: int) -> list[str]:
        place = Path(tempfile.mkdtemp(prefix=f"{plans[number].seed}-", dir=base))
        found = run(plans[number], place)
        if not (keep and found):
            shutil.rmtree(place)
        return found

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(one, range(len(plans)))


def main() -> int:
    """Run the torture of some seeds."""
    parser = argparse.ArgumentParser(description="Torture emosieve.")
    parser.add_argument("seeds", nargs="+", help="numbers, or ranges as 0-99")
    parser.add_argument("--times", type=int, default=1, help="how often each is run")
    parser.add_argument("--keep", type=Path, help="where to keep what stood after those that failed")
    parser.add_argument("--brief", action="store_true", help="say the faults alone")
    chosen = parser.parse_args()
    ends = [list(map(int, text.split("-"))) for text in chosen.seeds]
    seeds = [seed for end in ends for seed in range(end[0], end[-1] + 1) for _ in range(chosen.times)]
    failed = 0
    with tempfile.TemporaryDirectory() as aside:
        base = chosen.keep or Path(aside)
        base.mkdir(exist_ok=True)
        for found in run_all([plan_of(seed) for seed in seeds], base, keep=chosen.keep is not None):
            failed += bool(found)
            if found:
                end = found.index("steps:") - 1 if chosen.brief else len(found)
                print("\n".join(found[:end]), flush=True)
    print(f"{len(seeds)} runs, {failed} failed")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
