"""The entry point. It imports as little as it can before it knows what is asked."""

import os
import signal
import sys


def main() -> None:
    """Run the command line; Windows is told where emosieve runs instead."""
    if sys.platform == "win32":
        sys.exit("emosieve needs Linux or macOS: on Windows run it inside WSL2 or Docker")
    if sys.argv[1:2] == ["watch"]:
        _heed_signals()
    try:
        from emosieve.commands.cli import run  # noqa: PLC0415 - fcntl does not exist on Windows

        sys.exit(run())
    except KeyboardInterrupt:
        sys.exit(130)


def _heed_signals() -> None:
    """Before the daemon is there to hear them, for it takes a while to import: see ``service.signals``.

    SIGHUP, which would kill, waits for it; a stop has nothing to wait for.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: os._exit(0))


if __name__ == "__main__":
    main()
