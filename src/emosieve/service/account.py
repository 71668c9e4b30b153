"""How a daemon stands, gathered for everybody who asks: the status file, the service manager, the metrics."""

import os
import time
from collections.abc import Mapping
from typing import Final, get_args

from emosieve import __version__
from emosieve.record.locking import myself
from emosieve.service.flow import Flow
from emosieve.service.heartbeat import Identity, pid_namespace
from emosieve.service.liveness import Failing, FolderVerdict, Pending, Source, State, Status, Trouble
from emosieve.settings import Loaded, Settings
from emosieve.settings.beside import OF_ROOT, told
from emosieve.text import Language, escape
from emosieve.watch.settle import Waiting
from emosieve.watch.wakeups import Wakeups

_PENDING_TOLD: Final = 50
"""Pending tasks that the status names; there may be thousands, and it is written often."""


class Account:
    """What a daemon says of itself.

    Args:
        root: as the operator gave it.
        wakeups: how it notices tasks.
    """

    def __init__(self, root: str, wakeups: Wakeups) -> None:
        self._root = root
        self._wakeups = wakeups
        self.last_hint_at: float | None = None
        """Wall seconds of the last event."""
        self._started_at = time.time()
        self._failing_since: float | None = None
        self.source = Source()
        """Where the settings in force came from."""
        self.state_directory: Identity | None = None
        """Device and inode of ``.emosieve`` under the root that was taken in hand last."""

    def status(
        self, flow: Flow | None, settings: Settings, trouble: Trouble | None, totals: Mapping[str, int]
    ) -> Status:
        """How it stands now.

        Args:
            flow: what it works with; ``None`` while there is no root.
            settings: in force.
            trouble: the last one.
            totals: what was done since the start, by what became of it.
        """
        is_blocked = flow.is_blocked if flow else bool(trouble and trouble.retry_at is not None)
        state: State = "blocked" if is_blocked else "watching" if flow else "waiting"
        oldest = flow.settling.oldest(_PENDING_TOLD) if flow else ()
        return Status(
            version=__version__,
            root=os.path.realpath(self._root),
            host=myself().host,
            pid=os.getpid(),
            pid_namespace=pid_namespace(),
            state=state,
            mode=self._wakeups.mode,
            mode_reason={language: self._wakeups.reason.text(language) for language in get_args(Language)},
            tells_writers=flow.inbox.tells_writers if flow else None,
            profile=settings.profile,
            rules_digest=settings.rule_set.digest,
            started_at=self._started_at,
            decided={verdict: totals[verdict] for verdict in get_args(FolderVerdict)},
            joined=totals["joined"],
            failed=totals["failed"],
            last_hint_at=self.last_hint_at,
            trouble=trouble,
            pending=flow.settling.pending_count if flow else 0,
            reasons=dict(flow.settling.reasons()) if flow else {},
            oldest=tuple(_pending(one, settings.settle.give_up_seconds) for one in oldest),
            failing=self._failing(flow, state, trouble),
            state_directory=self.state_directory,
            settings=told(settings),
            source=self.source,
            work=flow.work if flow else None,
        )

    def _failing(self, flow: Flow | None, state: State, trouble: Trouble | None) -> Failing | None:
        waiting = flow.settling.failing() if flow else None
        if state == "watching" and waiting is None:
            self._failing_since = None
            return None
        self._failing_since = self._failing_since or time.time()
        told = (
            escape(f"{waiting.name}: {waiting.message}") if waiting else trouble.cause if trouble else state
        )
        return Failing(self._failing_since, told)


def source_of(loaded: Loaded) -> Source:
    """Where settings came from, as far as they concern the root."""
    of_root = {key: origin for key, origin in loaded.origins.items() if key.partition(".")[0] in OF_ROOT}
    return Source(loaded.config, of_root)


def _pending(waiting: Waiting, give_up_seconds: float) -> Pending:
    changed_at = time.time() - waiting.age
    return Pending(
        waiting.name, waiting.reason, escape(waiting.message), changed_at, changed_at + give_up_seconds
    )
