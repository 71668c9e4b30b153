"""What emosieve costs at scale: ``python tests/benchmarks/scale.py``; prints one table, asserts nothing.

A sweep over many standing tasks, with its peak memory; then one watch over the
filed ones: process start to ready, inotify watches, and CPU while nothing happens.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

EMOSIEVE = [sys.executable, "-m", "emosieve"]
_START = datetime(2020, 1, 1, tzinfo=UTC)
_TICKS = os.sysconf("SC_CLK_TCK")


def write_standing(root: Path, count: int) -> None:
    """Standing tasks with a result alone, every fourth of low quality."""
    for number in range(count):
        task = root / f"outputs_{_START + timedelta(seconds=number):%Y%m%d_%H%M%S}"
        task.mkdir()
        confidence = 0.41 if number % 4 == 0 else 0.853
        scores = {"happy": confidence, "neutral": round(0.98 - confidence, 3), "sad": 0.02}
        document = {
            "emotion": "happy",
            "confidence": confidence,
            "scores": scores,
            "granularity": "utterance",
        }
        (task / "result.json").write_text(json.dumps(document, indent=2))


def sweep(root: Path) -> tuple[float, float]:
    """Seconds and peak memory in MB of one sweep."""
    began = time.monotonic()
    process = subprocess.Popen([*EMOSIEVE, "sweep", str(root), "--wait", "60"], stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"the sweep ended with status {status}")
    return time.monotonic() - began, usage.ru_maxrss / 1024


def watch(root: Path, idle_seconds: float) -> dict[str, float]:
    """One watch: seconds to ready, CPU seconds while idle, watches, memory."""
    began = time.monotonic()
    command = [*EMOSIEVE, "watch", str(root), "--set", "log.format=json"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while json.loads(process.stderr.readline())["event"] != "watch.ready":
        pass
    ready = time.monotonic() - began
    time.sleep(1)
    before = _cpu(process.pid)
    time.sleep(idle_seconds)
    idle = _cpu(process.pid) - before
    watches = _watches(process.pid)
    memory = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    process.send_signal(signal.SIGTERM)
    process.wait()
    return {"ready s": ready, f"cpu s in {idle_seconds:g} s": idle, "watches": watches, "rss MB": memory}


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _watches(pid: int) -> int:
    infos = Path(f"/proc/{pid}/fdinfo").iterdir()
    return sum(info.read_text().count("inotify wd:") for info in infos)


def main() -> None:
    """Make the tasks, sweep them, watch over them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweep", type=int, default=20_000, help="standing tasks to sweep")
    parser.add_argument("--filed", type=int, default=100_000, help="filed tasks to watch over")
    parser.add_argument("--idle", type=float, default=25.0, help="seconds between two rescans to measure")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "outputs"
        root.mkdir()
        write_standing(root, given.sweep)
        seconds, memory = sweep(root)
        print(
            f"sweep of {given.sweep}: {seconds:.1f} s, {given.sweep / seconds:.0f} tasks/s, peak {memory:.0f} MB"
        )
        for name in ("normal", "low_quality"):
            filed = root / name
            for number in range(given.filed // 2 - len(os.listdir(filed))):
                (filed / f"outputs_more_{number}").mkdir()
        for name, value in watch(root, given.idle).items():
            print(f"watch over {given.filed} filed: {name} {value:.2f}")


if __name__ == "__main__":
    main()
