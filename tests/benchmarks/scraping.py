"""What metrics cost: ``python tests/benchmarks/scraping.py``; prints one table, asserts nothing.

The daemon with metrics off, on, and scraped: memory, CPU while nothing happens and
while tasks are filed; then how long one scrape takes beside many pending tasks.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_SETTINGS = ("settle.quiet_seconds=1", "log.format=json")


def _free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def watching(root: Path, listen: str) -> Iterator[int]:
    """A daemon that is ready, by its pid."""
    chosen = [text for one in (*_SETTINGS, f"metrics.listen={listen}") for text in ("--set", one)]
    command = [sys.executable, "-m", "emosieve", "watch", str(root), *chosen]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while json.loads(process.stderr.readline())["event"] != "watch.ready":
        pass
    threading.Thread(target=process.stderr.read, daemon=True).start()
    time.sleep(1)
    yield process.pid
    process.send_signal(signal.SIGTERM)
    process.wait()


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def _scrape(listen: str) -> float:
    """Seconds for one scrape."""
    began = time.perf_counter()
    with urllib.request.urlopen(f"http://{listen}/metrics") as answer:
        answer.read()
    return time.perf_counter() - began


def cost(listen: str, scrape_seconds: float | None, idle_seconds: float, tasks: int) -> dict[str, float]:
    """Memory and CPU of one daemon; ``listen`` is empty for metrics that are off."""
    with tempfile.TemporaryDirectory() as place, watching(Path(place), listen) as pid:
        root, is_over = Path(place), threading.Event()

        def scrape() -> None:
            while scrape_seconds and not is_over.wait(scrape_seconds):
                _scrape(listen)

        scraper = threading.Thread(target=scrape)
        scraper.start()
        before = _cpu(pid)
        time.sleep(idle_seconds)
        idle = _cpu(pid)
        for number in range(tasks):
            task = root / f"outputs_{number:06}"
            task.mkdir()
            scores = {"happy": 0.9, "sad": 0.1}
            document = {"emotion": "happy", "confidence": 0.9, "scores": scores, "granularity": "utterance"}
            (task / "result.json").write_text(json.dumps(document))
        while len(os.listdir(root / "normal")) < tasks:
            time.sleep(0.05)
        busy = _cpu(pid)
        is_over.set()
        scraper.join()
        return {
            f"cpu s in {idle_seconds:g} s": idle - before,
            f"cpu s for {tasks} tasks": busy - idle,
            "rss MB": _memory(pid),
        }


def scrapes(pending: int, count: int = 200) -> dict[str, float]:
    """Milliseconds of one scrape beside so many tasks that wait for their result."""
    listen = _free_address()
    with tempfile.TemporaryDirectory() as place:
        for number in range(pending):
            (Path(place) / f"outputs_{number:06}").mkdir()
        with watching(Path(place), listen):
            time.sleep(5)
            times = sorted(_scrape(listen) * 1000 for _ in range(count))
    return {"median ms": statistics.median(times), "95 % ms": times[count * 95 // 100], "worst ms": times[-1]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--pending", type=int, default=10_000)
    parser.add_argument("--idle-seconds", type=float, default=25.0)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    cases = {"off": ("", None), "on": (_free_address(), None), "scraped every 5 s": (_free_address(), 5.0)}
    for name, (listen, seconds) in cases.items():
        rounds = [cost(listen, seconds, chosen.idle_seconds, chosen.tasks) for _ in range(chosen.rounds)]
        _show(name, {key: statistics.median(one[key] for one in rounds) for key in rounds[0]})
    for pending in (0, chosen.pending):
        _show(f"a scrape with {pending} pending", scrapes(pending))


def _show(name: str, figures: dict[str, float]) -> None:
    print(f"{name}: " + ", ".join(f"{key} {value:.2f}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
