"""Advisory locks, on file systems that have them."""

import errno
import fcntl
import os
import socket
from contextlib import suppress
from typing import Any, Final

import orjson
import structlog

from emosieve.errors import RootBusy
from emosieve.text import escape

STATE_DIRECTORY: Final = ".emosieve"
"""emosieve's own directory under the root: locks, checkpoint, and what is on its way out."""
INTAKE_LOCK: Final = f"{STATE_DIRECTORY}/intake.lock"

log = structlog.get_logger()

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})


def open_lock(path: str) -> int:
    """Open, or create, a lock file; a symlink in its place is refused.

    Raises:
        OSError: it cannot be opened.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)


def lock(descriptor: int, *, wait: bool) -> bool:
    """Take an exclusive lock; it goes with the process, however that ends.

    Returns:
        False on a file system without locks: the caller goes on without, and says so.

    Raises:
        BlockingIOError: somebody else holds it, and ``wait`` is false.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


class IntakeLock:
    """One intake per root: held by the daemon or a sweep for its whole life."""

    def __init__(self, root: str) -> None:
        self._path = f"{root}/{INTAKE_LOCK}"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock and write down who holds it.

        Raises:
            RootBusy: another process holds it; the message names host, container and pid.
            OSError: the lock file cannot be opened.
        """
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        descriptor = open_lock(self._path)
        try:
            if not lock(descriptor, wait=False):
                log.warning("intake.no_locks", path=self._path, hint="start no second emosieve on this root")
        except BlockingIOError:
            holder = os.pread(descriptor, 4096, 0)
            os.close(descriptor)
            raise RootBusy(
                f"{os.path.dirname(os.path.dirname(self._path))}: {_holder_words(holder)}"
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        with suppress(OSError):  # a full disk must not keep the daemon from starting
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, orjson.dumps(_myself()), 0)

    def release(self) -> None:
        """Give the lock back; safe to call at any time."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _myself() -> dict[str, Any]:
    host = socket.gethostname()
    contained = any(os.path.exists(sign) for sign in ("/.dockerenv", "/run/.containerenv"))
    return {"host": host, "container": host if contained else None, "pid": os.getpid()}


def _holder_words(holder: bytes) -> str:
    try:
        document = orjson.loads(holder)
        who = f"host {escape(str(document['host']))}, pid {int(document['pid'])}"
        if document["container"]:
            who += f", container {escape(str(document['container']))}"
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        who = "its name is not written yet"
    return f"another emosieve takes in this root already ({who}); stop it first"
