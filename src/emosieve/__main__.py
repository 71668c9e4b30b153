"""The entry point. It imports as little as it can before it knows what is asked."""

import sys


def main() -> None:
    """Run the command line; Windows is told where emosieve runs instead."""
    if sys.platform == "win32":
        sys.exit("emosieve needs Linux or macOS: on Windows run it inside WSL2 or Docker")
    from emosieve.commands.cli import run  # noqa: PLC0415 - fcntl does not exist on Windows

    sys.exit(run())


if __name__ == "__main__":
    main()
