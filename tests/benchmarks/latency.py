"""From the last write of a task to its place: alone, and beside tasks that never settle, side by side.

``python tests/benchmarks/latency.py [--rounds N]`` prints one table.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import read_log
from process import Watch
from simulation import SimulatedWebUI

RATE, COUNT, QUIET_SECONDS = 20, 400, 0.5


def delays(stuck: int) -> list[float]:
    """Milliseconds between the end of the quiet time after each last write and the move.

    Args:
        stuck: how many tasks without a result stand there from the beginning.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number in range(stuck):
            (root / f"outputs_20230101_{number:06}").mkdir()
        webui = SimulatedWebUI(root, quiet_seconds=QUIET_SECONDS, reuse=0.0)
        with Watch(root, settle__quiet_seconds=QUIET_SECONDS) as watch:
            watch.wait_for("watch.ready")
            webui.run(RATE, COUNT)
            for _ in webui.written:
                watch.wait_for("task.filed")
            watch.stop()
        places = {event["task"]: root / event["destination"] for event in read_log(root)}
        return [
            (places[one.name].stat().st_ctime_ns - one.last_write_ns) / 1e6 - QUIET_SECONDS * 1e3
            for one in webui.written
        ]


def main() -> None:
    """Measure in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    found: dict[int, list[list[float]]] = {0: [], 1000: []}
    for _ in range(rounds):
        for stuck, runs in found.items():
            runs.append(sorted(delays(stuck)))
    print(f"{RATE} tasks a second, {COUNT} in all, milliseconds beyond the quiet time, {rounds} rounds")
    print(f"{'stuck tasks':>11}  {'median':>7}  {'of the rounds':>14}  {'p99':>7}")
    for stuck, runs in found.items():
        medians = [statistics.median(run) for run in runs]
        p99 = statistics.median(run[int(len(run) * 0.99)] for run in runs)
        spread = f"{min(medians):.1f}-{max(medians):.1f}"
        print(f"{stuck:>11}  {statistics.median(medians):>7.1f}  {spread:>14}  {p99:>7.1f}")


if __name__ == "__main__":
    main()
