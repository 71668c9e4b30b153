"""All benchmarks, from the repository's top: ``python -m tests.benchmarks NAME [OPTIONS]``; each prints one table."""

import importlib
import sys
from pathlib import Path

NAMES = ("sweep", "latency", "idle", "startup", "memory", "growth", "audio", "rules", "scraping")


def main() -> None:
    """Run the one that is named, with the rest of the command line as its own."""
    program, *arguments = sys.argv
    if not arguments or arguments[0] not in NAMES:
        sys.exit(f"usage: python -m tests.benchmarks {'|'.join(NAMES)} [--help]")
    here = Path(program).resolve().parent
    sys.path[:0] = [str(here.parent), str(here)]
    name, *options = arguments
    module = "audio_sweep" if name == "audio" else name
    if name == "audio" and "--accuracy" in options:
        options.remove("--accuracy")
        module = "audio"
    sys.argv = [f"python -m tests.benchmarks {name}", *options]
    importlib.import_module(module).main()


if __name__ == "__main__":
    main()
