"""The real program, in which one part of watchdog breaks once: run as ``broken_watch.py PART WHEN COMMAND...``.

The part breaks at the first event after the file WHEN appeared.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyFD

from emosieve.__main__ import main
from emosieve.watch import wakeups


def _raise(*_: Any) -> None:
    raise RuntimeError("broken on purpose")


def _close_descriptor(*_: Any) -> None:
    (descriptor,) = (
        int(one) for one in os.listdir("/proc/self/fd") if _link(one).startswith("anon_inode:inotify")
    )
    os.close(descriptor)


def _link(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""


PARTS: dict[str, tuple[type, str, Callable[..., None]]] = {
    "handler": (wakeups._Hint, "on_any_event", _raise),
    "observer": (BaseObserver, "dispatch_events", _raise),
    "emitter": (InotifyEmitter, "build_and_queue_event", _raise),
    "reader": (InotifyFD, "handle_event", _raise),
    "descriptor": (InotifyFD, "handle_event", _close_descriptor),
}


def _break_once(part: str, when: str) -> None:
    owner, name, breaks = PARTS[part]
    real = getattr(owner, name)

    def broken(*arguments: Any, **more: Any) -> Any:
        done = real(*arguments, **more)
        if os.path.exists(when):
            os.unlink(when)
            breaks()
        return done

    setattr(owner, name, broken)


if __name__ == "__main__":
    _break_once(sys.argv.pop(1), sys.argv.pop(1))
    main()
