"""A WebUI under load: many recognitions at once, with every bad habit that was measured of the real one.

Each directory's last write is recorded, so that a test can tell whether
anything was moved before it.
"""

import hashlib
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from emosieve.commands.simulated_webui import Recognition, random_recognition, write_task

_START = datetime(2024, 1, 4, tzinfo=UTC)


@dataclass
class Written:
    """One directory as the writer left it."""

    name: str
    last_write_ns: int = 0
    digest: str = ""
    files: tuple[str, ...] = ()


@dataclass
class SimulatedWebUI:
    """Writes tasks into a root.

    Args:
        root: the outputs folder.
        quiet_seconds: of the daemon; every pause with all files closed is shorter, but for inference.
        seed: of all chance.
        reuse: share of tasks into whose directory a second recognition is written within the second.
    """

    root: Path
    quiet_seconds: float = 2.0
    seed: int = 1
    reuse: float = 0.05
    written: list[Written] = field(default_factory=list)

    def run(self, rate: float, count: int, until: Callable[[], bool] = lambda: False) -> None:
        """Begin ``count`` tasks, ``rate`` a second, or fewer when it is told to end; returns when all are written."""
        chance = random.Random(self.seed)
        began = time.monotonic()
        with ThreadPoolExecutor(max_workers=256) as pool:
            for number in range(count):
                if until():
                    break
                self._sleep(began + number / rate - time.monotonic())
                written = Written(f"outputs_{_START + timedelta(seconds=number):%Y%m%d_%H%M%S}")
                self.written.append(written)
                pool.submit(self._task, written, random.Random(chance.random())).add_done_callback(_raise)

    def _task(self, written: Written, chance: random.Random) -> None:
        longest = self.quiet_seconds * 0.4
        infer: Callable[[], None] = lambda: self._sleep(chance.uniform(0.0, 0.4))  # noqa: E731
        pause: Callable[[], None] = lambda: self._sleep(chance.uniform(0.0, longest))  # noqa: E731
        path = self.root / written.name
        recognition = random_recognition(chance)
        write_task(str(path), _short(recognition), infer, pause)
        if chance.random() < self.reuse:
            # The next recognition of the same second: it overwrites the wav, and then infers for longer
            # than the quiet time without any file event.
            again = _short(random_recognition(chance))
            slow: Callable[[], None] = lambda: self._sleep(self.quiet_seconds * 1.3)  # noqa: E731
            write_task(str(path), again, slow, pause)
        written.last_write_ns = time.time_ns()
        written.digest = hashlib.sha256((path / "result.json").read_bytes()).hexdigest()[:32]
        written.files = tuple(sorted(file.name for file in path.iterdir()))

    @staticmethod
    def _sleep(seconds: float) -> None:
        # The writer's pauses are the thing under test, not a wait for a result.
        threading.Event().wait(max(0.0, seconds))


def _short(recognition: Recognition) -> Recognition:
    return Recognition(recognition.scores, 0.05, recognition.embedding, recognition.in_pieces)


def _raise(future: object) -> None:
    future.result()  # type: ignore[attr-defined]
