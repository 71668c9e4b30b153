"""Whether a daemon is healthy, by its heartbeat alone: neither the root nor the log is read.

Like ``heartbeat`` it imports only what starts fast, and gives plain values.
"""

import json
import os
import time

from emosieve.service.heartbeat import STALE_SECONDS, is_gone, is_of, name_of, statuses

TYPE_CHECKING = False  # a type checker takes it for typing's own
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

FAILING_SECONDS = 60.0
"""What could not be filed for so long was tried six times, with ever longer pauses between."""

Condition = tuple[str, "dict[str, Any]"]
"""A word for how the daemon is, and the values that tell more."""


def condition_of(root: str | None) -> Condition:
    """How the daemon of a root is; ``healthy`` is the only good word.

    Args:
        root: the outputs folder; without one the only heartbeat on this machine is meant.
    """
    own = {0, os.geteuid()}
    found = [*_of_root(os.path.realpath(os.path.expanduser(root)), own)] if root else [*_read(None, own)]
    if not found:
        return "absent" if root else "none", {"root": root}
    if not root and len(found) > 1:
        return "several", {"count": len(found)}
    age, status = min(found, key=lambda one: one[0])
    if age >= STALE_SECONDS:
        return "silent", {"root": status["root"], "seconds": age}
    if is_gone(status["host"], status["pid_namespace"], status["pid"]):
        return "killed", {"root": status["root"], "pid": status["pid"]}
    failing = status.get("failing")
    seconds = time.time() - failing["since"] if failing else 0.0
    if seconds >= FAILING_SECONDS:
        return "failing", {"root": status["root"], "seconds": seconds, "cause": failing["cause"]}
    return "healthy", {"root": status["root"], "pending": status["pending"]}


def _of_root(root: str, own: set[int]) -> "Iterator[tuple[float, Any]]":
    """As ``liveness.read_heartbeat`` looks: by the root's identity, or by its path while it is gone."""
    try:
        folder = os.stat(root)
    except OSError:
        yield from (one for one in _read(None, own) if one[1]["root"] == root)
    else:
        named = _read(name_of((folder.st_dev, folder.st_ino)), own | {folder.st_uid})
        yield from (one for one in named if is_of(one[1]["root"], one[1].get("state_directory"), root))


def _read(name: str | None, owners: set[int]) -> "Iterator[tuple[float, Any]]":
    """Ages and statuses of all heartbeats of this name, or of any, that can be read and trusted."""
    for content, age, _owner in statuses(name, owners):
        try:
            document = json.loads(content)
            if document["schema"] == 1 and _has_shape(document["status"]):
                yield age, document["status"]
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError):
            continue  # another version's


def _has_shape(status: "Any") -> bool:
    """Whether what is used of a status is what it should be; the owner of the root may write one, too."""
    failing = status.get("failing")
    return (
        isinstance(status["root"], str)
        and isinstance(status["host"], str)
        and isinstance(status["pid"], int)
        and 0 < status["pid"] < 1 << 31
        and isinstance(status["pending"], int)
        and (
            failing is None
            or (isinstance(failing["since"] + 0.0, float) and isinstance(failing["cause"], str))
        )
    )
