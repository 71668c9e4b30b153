"""A recursive watchdog handler, written the obvious way: ``python tests/benchmarks/watchdog_handler.py ROOT``."""

import json
import shutil
import sys
import traceback
from pathlib import Path

from watchdog.events import FileClosedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer


class ResultHandler(FileSystemEventHandler):
    """Moves a task when its result is closed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def on_closed(self, event: FileClosedEvent | FileSystemEvent) -> None:
        """Judge and move; an error must not end the observer's thread."""
        path = Path(str(event.src_path))
        if path.name != "result.json" or path.parent.parent != self._root:
            return
        try:
            with path.open(encoding="utf-8") as file:
                document = json.load(file)
            top = sorted(document["scores"].values(), reverse=True)
            low = document["confidence"] < 0.6 or top[0] - top[1] < 0.05 or top[0] < 0.3
            shutil.move(str(path.parent), str(self._root / ("low_quality" if low else "normal")))
        except (OSError, ValueError, LookupError):
            traceback.print_exc()


def main() -> None:
    """Watch until the process is ended."""
    root = Path(sys.argv[1])
    for folder in ("normal", "low_quality"):
        (root / folder).mkdir(exist_ok=True)
    observer = Observer()
    observer.schedule(ResultHandler(root), str(root), recursive=True)
    observer.start()
    print("ready", file=sys.stderr, flush=True)
    observer.join()


if __name__ == "__main__":
    main()
