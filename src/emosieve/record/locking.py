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


def take_lock(path: str, *, wait: bool) -> tuple[int, bool]:
    """Open, or create, a lock file and lock it exclusively; the lock goes with the process, however that ends.

    The descriptor is open for reading alone: one that is open for writing would
    keep the file system from being remounted read-only.

    Returns:
        the descriptor, and whether it is locked: on a file system without locks it is not.

    Raises:
        BlockingIOError: somebody else holds it, and ``wait`` is false.
        OSError: it cannot be opened; a symlink in its place is refused.
    """
    operation = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
    # NFS makes of flock a lock for which the file must be open for writing, and says so with EBADF.
    for access in (os.O_RDONLY, os.O_RDWR):
        descriptor = os.open(path, access | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, operation)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return descriptor, False
            os.close(descriptor)
            if error.errno != errno.EBADF:
                raise
        else:
            return descriptor, True
    raise OSError(errno.EBADF, "cannot be locked", path)


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
        try:
            self._descriptor, locked = take_lock(self._path, wait=False)
        except BlockingIOError:
            root = os.path.dirname(os.path.dirname(self._path))
            raise RootBusy(f"{root}: {_holder_words(self._path)}") from None
        if not locked:
            log.warning("intake.no_locks", path=self._path, hint="start no second emosieve on this root")
        with suppress(OSError), open(self._path, "wb") as file:  # a full disk must not keep the daemon away
            file.write(orjson.dumps(_myself()))

    def release(self) -> None:
        """Give the lock back; safe to call at any time."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _myself() -> dict[str, Any]:
    host = socket.gethostname()
    contained = any(os.path.exists(sign) for sign in ("/.dockerenv", "/run/.containerenv"))
    return {"host": host, "container": host if contained else None, "pid": os.getpid()}


def _holder_words(path: str) -> str:
    try:
        with open(path, "rb") as file:
            document = orjson.loads(file.read(4096))
        who = f"host {escape(str(document['host']))}, pid {int(document['pid'])}"
        if document["container"]:
            who += f", container {escape(str(document['container']))}"
    except (OSError, KeyError, TypeError, ValueError):
        who = "its name is not written yet"
    return f"another emosieve is at work on this root ({who}); stop it first"
