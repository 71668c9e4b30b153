"""The entry point. It imports as little as it can before it knows what is asked."""

import os
import sys

from emosieve import __version__


def main() -> None:
    """Run the command line; Windows is told where emosieve runs instead."""
    if sys.platform == "win32":
        sys.exit("emosieve needs Linux or macOS: on Windows run it inside WSL2 or Docker")
    command, *arguments = sys.argv[1:] or [""]
    if command == "watch":
        _heed_signals()
    _ensure_utf8()
    if command == "health":
        roots = [one for one in arguments if one != "--alive"]
        if len(roots) < 2 and not "".join(roots).startswith("-"):  # noqa: PLR2004
            _probe(*roots, only_alive=len(roots) < len(arguments))
    if command not in {"watch", "sweep"}:
        _be_killed_first()
    if command == "--version" and not arguments:
        print(f"emosieve {__version__}")  # noqa: T201 - the command line's own would import all commands
        return
    try:
        from emosieve.commands.cli import run  # noqa: PLC0415 - fcntl does not exist on Windows

        sys.exit(run())
    except KeyboardInterrupt:
        sys.exit(130)


def _ensure_utf8() -> None:
    """Start again in Python's UTF-8 mode where the locale has another encoding, as GBK or ASCII.

    Names on the disk are UTF-8 whatever the terminal's locale is; decoded as GBK they would come
    garbled into log and report. The arguments are taken from the kernel, for a locale's decoding of
    them cannot always be undone.
    """
    if sys.getfilesystemencoding() == "utf-8" or "utf8" in sys._xoptions or not sys.executable:  # noqa: SLF001 - documented
        return
    try:
        with open("/proc/self/cmdline", "rb") as file:
            _, *arguments = file.read().removesuffix(b"\0").split(b"\0")
        os.execv(os.fsencode(sys.executable), [os.fsencode(sys.executable), b"-X", b"utf8", *arguments])  # noqa: S606
    except OSError:
        return  # without /proc names stay as the locale reads them


def _probe(root: str | None = None, *, only_alive: bool) -> None:
    """Answer without the command line's own modules: a probe asks every few seconds, for ever.

    Nothing is left to be tidied up either, which would take a fifth of the time of an empty Python.
    """
    from emosieve.commands.health_words import answer  # noqa: PLC0415 - needed here alone

    os._exit(answer(root, only_alive=only_alive))


def _be_killed_first() -> None:
    """Where memory runs out, as in a container with a narrow limit, a question must not cost the daemon's life."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
    except OSError:
        pass  # no Linux, or not ours to change


def _heed_signals() -> None:
    """Before the daemon is there to hear them, for it takes a while to import: see ``service.signals``.

    SIGHUP, which would kill, waits for it; a stop has nothing to wait for.
    """
    import signal  # noqa: PLC0415 - it brings enum, which a probe waits for

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: os._exit(0))


if __name__ == "__main__":
    main()
