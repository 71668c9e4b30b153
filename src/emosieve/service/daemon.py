"""The daemon: start, tick, stop, reload. One root, one working loop, one thread besides (watchdog's)."""

import os
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from emosieve.errors import SetupError, cause_of, code_of, is_passing
from emosieve.record.files import STATE_DIRECTORY
from emosieve.record.locking import IntakeLock
from emosieve.service.account import Account, source_of
from emosieve.service.flow import Flow, log_block
from emosieve.service.liveness import Liveness, Status, Trouble
from emosieve.service.logs import configure_logs
from emosieve.service.lookout import Lookout, telling_of_threads
from emosieve.service.meter import Meter, meter_for
from emosieve.service.notify import Notifier, words_of
from emosieve.service.preflight import Line, as_setup, examine, heed, try_appending
from emosieve.service.signals import heeded
from emosieve.settings import Loaded, Settings
from emosieve.text import Message, escape
from emosieve.watch.filesystem import file_system_of
from emosieve.watch.mounts import MountView
from emosieve.watch.wakeups import Identity, Mailbox, Wake, Wakeups, absence_of, identity_of

_IDENTITY_SECONDS: Final = 5.0
"""How often the root's identity is asked for: one stat."""
_POLL_SECONDS: Final = (1.0, 5.0)
_SIGN_SECONDS: Final = 1.0
"""How often a sign of life is due within long work, at the least."""
_DEAF_SECONDS: Final = 2.0
"""A task that stood this long before a listing found it should have been announced by an event; after
the machine or this process slept the event may still be on its way, and is waited for as long again."""
_CAUSE_LIMIT: Final = 1000
"""Characters of the reason for which settings are refused; every wrong key adds to it."""
_NEEDS_RESTART: Final = ("root", "filing", "metrics")

log = structlog.get_logger()


class Daemon:
    """Watches one root until it is told to stop.

    Args:
        root: as the operator gave it; it need not exist yet.
        loaded: the settings.
        reload: reads the settings anew, for SIGHUP.
    """

    def __init__(self, root: str, loaded: Loaded, reload: Callable[[], Loaded]) -> None:
        self._given_root = root
        self._settings: Settings = loaded.settings
        self._reload = reload
        self._mailbox = Mailbox()
        self._wakeups = Wakeups(self._mailbox)
        self._lookout = Lookout(self._wakeups, self._settings)
        self._flow: Flow | None = None
        self._opening: Flow | None = None
        """What becomes the flow once it has finished what a run that died left owed."""
        self._next_sign = 0.0
        self._lock: IntakeLock | None = None
        self._identity: Identity | None = None
        self._stopping = False
        self._started = False
        self._absence: str | None = None
        self._failures = 0
        self._next_scan = 0.0
        self._hinted = False
        self._signalled = False
        self._trouble: Trouble | None = None
        self._refused: Trouble | None = None
        self._warned: list[Line] = []
        self._liveness: Liveness | None = None
        self._notifier = Notifier()
        self._account = Account(root, self._wakeups)
        self._account.source = source_of(loaded)
        self._filed: Counter[str] = Counter()
        self._meter = Meter()
        folders = self._settings.filing.model_dump().values()
        self._mounts = MountView({root, *filter(os.path.isabs, folders)}, _IDENTITY_SECONDS)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; a second signal ends the process at once.

        Raises:
            SetupError: the root cannot be worked on as things are set up; later than at the start, where
                the same is logged and tried again, only what another process alone can mend.
        """
        with heeded(self._stop, lambda: self._mailbox.post(Wake.RELOAD)), telling_of_threads():
            try:
                self._meter = meter_for(self._settings)
                self._meter.publish(self._status(), None)
                while not self._stopping:
                    self._tick()
                log.info("watch.stopping")
                self._notifier.stopping()
            finally:
                self._close()
                self._wakeups.close()
                self._forget_status()
                self._meter.close()
        log.info("watch.stopped", **self._totals())

    def _tick(self) -> None:
        try:
            self._mounts.heed()
            if self._flow is None and not self._open():
                self._wait(self._retry_seconds())
                return
            assert self._flow is not None  # noqa: S101 - _open made it
            if not self._is_same_root():
                return
            if self._lookout.heal():
                # What came without a watch was announced by nobody: that does not make a new one deaf.
                self._next_scan, self._hinted = 0.0, True
            if time.monotonic() >= self._next_scan:
                self._scan(self._flow)
            self._flow.step(self._hears_stop)
            self._wait(self._pause(self._flow))
        except SetupError as failure:
            self._notifier.say(failure.text(self._settings.language))
            raise
        except OSError as error:
            if self._flow is not None and not self._is_same_root():
                return  # it went away between the look at it and the listing
            # The root itself fails (EIO, a stale mount): close, and begin anew when it can be opened.
            self._close()
            self._block(error, _IDENTITY_SECONDS)
            self._wait(_IDENTITY_SECONDS)

    def _open(self) -> bool:
        """Take the root in hand; False while it does not exist, or cannot be worked on for now."""
        identity = identity_of(self._given_root)
        absence = absence_of(self._given_root) if identity is None else None
        if absence != self._absence:
            self._absence = absence
            if absence is not None:
                log.warning("watch.waiting", path=self._given_root, cause=absence, hint="it is waited for")
                self._trouble = Trouble(escape(f"{self._given_root}: {absence}"), time.time())
                # To wait is its work, too: whoever starts it must not wait along.
                self._notifier.ready()
                self._prepare_status()
        if identity is None:
            self._failures = 0
            return False
        try:
            self._take(identity)
        except (SetupError, OSError) as error:
            self._close()
            if identity_of(self._given_root) != identity:
                return False  # it went away meanwhile, or is another one now
            if not self._is_waited_out(error) or self._needs_restart():
                raise as_setup(error, self._given_root) from error
            self._failures += 1
            self._block(error, self._retry_seconds())
            self._show_block(identity)
            return False
        self._started, self._failures = True, 0
        self._end_trouble()
        return True

    def _retry_seconds(self) -> float:
        """Seconds until the root is tried again: one longer with each failure, within limits."""
        return min(max(_POLL_SECONDS[0], self._failures), _POLL_SECONDS[1])

    def _is_waited_out(self, error: SetupError | OSError) -> bool:
        """Whether a root that cannot be worked on is tried again: at the start only what passes by itself."""
        return self._started or (is_passing(error) and not file_system_of(self._given_root).is_walled)

    def _show_block(self, identity: Identity) -> None:
        """Show whoever asks that this daemon lives and what it waits for, though it never had the root."""
        self._notifier.ready()  # to wait is its work, too
        if not self._started and (self._liveness is None or self._liveness.identity != identity):
            self._forget_status()
            self._liveness = Liveness(identity)

    def _prepare_status(self) -> None:
        """Let ``status`` find this daemon by the root's path, as long as there is no directory to name it by."""
        if self._liveness is None:
            number = zlib.crc32(os.fsencode(os.path.realpath(self._given_root)))
            self._liveness = Liveness((0, number))

    def _block(self, error: Exception, seconds: float) -> None:
        """The root cannot be worked on for now; said once per change of cause."""
        if isinstance(error.__cause__, OSError):  # what was found when the root was examined
            error = error.__cause__
        cause, now = cause_of(error, self._given_root), time.time()
        if self._trouble is None or self._trouble.retry_at is None or cause != self._trouble.cause:
            log_block(self._given_root, error, cause, seconds)
        self._trouble = Trouble(cause, now, now + seconds, code_of(error))
        self._meter.failed("blocked", self._trouble.code)

    def _needs_restart(self) -> bool:
        """Whether a sandbox alone bars the root, made for the directory that stood there: the next one is let in."""
        return self._notifier.is_heard and file_system_of(self._given_root).is_walled

    def _end_trouble(self) -> None:
        if self._trouble is not None:
            self._trouble = replace(self._trouble, retry_at=None)

    def _take(self, identity: Identity) -> None:
        root = os.path.realpath(self._given_root)
        # Nothing is made before everything is accepted: this may be no root at all.
        self._examine(root)
        lock = IntakeLock(root)
        lock.acquire()
        self._lock = lock
        self._account.state_directory = identity_of(f"{root}/{STATE_DIRECTORY}")
        try_appending(root)
        if self._liveness is None or self._liveness.identity != identity:
            self._forget_status()
            self._liveness = Liveness(identity)
        self._notifier.ready()
        # Watch first, then list: what appears in between is seen by both, never by none.
        self._lookout.arm(root)
        flow = Flow(root, self._settings, meter=self._meter)
        self._meter.prime(flow.intake.log)
        self._opening = flow
        flow.open(self._hears_stop)
        flow.scan()
        self._flow, self._opening, self._identity = flow, None, identity
        self._next_scan = time.monotonic() + self._scan_seconds()
        log.info(
            "watch.ready",
            root=root,
            mode=self._wakeups.mode,
            why=str(self._wakeups.reason) if self._wakeups.mode == "polling" else None,
            standing=flow.settling.pending_count,
            profile=self._settings.profile,
        )

    def _examine(self, root: str) -> None:
        """Heed what is found; a warning is said once, however often the root must be opened anew."""
        lines = examine(root, self._settings)
        heed(line for line in lines if line.level == "error" or line not in self._warned)
        self._warned = lines

    def _is_same_root(self) -> bool:
        """Notice a root that is gone, or another directory by now: all is closed, to be opened anew."""
        held = self._lock is not None and self._lock.is_held()
        same = self._flow is not None and os.path.realpath(self._given_root) == self._flow.root
        if held and same and identity_of(self._given_root) == self._identity:
            return True
        log.warning("watch.root_changed", path=self._given_root)
        self._close()
        return False

    def _scan(self, flow: Flow) -> None:
        if not self._hinted:
            flow.catch_up()  # else there are tasks to come, and their batch does
            self._meter.rescanned()
        new = flow.scan()
        self._next_scan = time.monotonic() + self._scan_seconds()
        if not self._hinted and flow.has_stood(new, _DEAF_SECONDS) and self._is_deaf():
            self._lookout.call_deaf()
            self._meter.found_unannounced(len(new))
            self._next_scan = 0.0
        self._hinted = False

    def _is_deaf(self) -> bool:
        """Whether no event comes even now, while this thread leaves the processor to watchdog's."""
        until = time.monotonic() + _DEAF_SECONDS
        while self._wakeups.mode == "native" and not (self._hinted or self._stopping):
            rest = until - time.monotonic()
            if rest <= 0:
                return True
            self._wait(rest)
        return False

    def _scan_seconds(self) -> float:
        rescan = self._settings.watch.rescan_seconds
        if self._wakeups.mode == "native":
            return rescan
        least, most = _POLL_SECONDS
        return min(rescan, most, max(least, self._settings.settle.quiet_seconds))

    def _pause(self, flow: Flow) -> float:
        """Seconds until there is something to do without a hint."""
        due = flow.due_in()
        seconds = min(self._next_scan - time.monotonic(), _IDENTITY_SECONDS)
        return max(0.0, seconds if due is None else min(seconds, due))

    def _wait(self, seconds: float) -> None:
        found = self._mailbox.wait(min(seconds, self._tell_status(), self._notifier.beat()))
        if Wake.STOP in found:
            self._stopping = True
        if Wake.OVERFLOW in found:
            self._lookout.tell_overflow()
            self._meter.overflowed()
        if found & {Wake.LOOK, Wake.OVERFLOW}:
            self._next_scan = 0.0
            self._hinted = True
            self._account.last_hint_at = time.time()
        if Wake.RELOAD in found:
            with self._notifier.reloading():
                self._apply_new_settings()

    def _hears_stop(self) -> bool:
        """Whether a signal came, asked between two looks or moves, and within all that may be long.

        The signs of life are given here, too, when one is due: a batch, or a replay of the log, may take
        longer than the service manager's patience, but each step of it must end.
        """
        now = time.monotonic()
        if now >= self._next_sign:
            self._next_sign = now + min(_SIGN_SECONDS, self._tell_status(), self._notifier.beat())
        if not self._stopping and self._signalled:
            self._stopping = True
        return self._stopping

    def _apply_new_settings(self) -> None:
        try:
            loaded = self._reload()
        except SetupError as error:
            log.error("settings.refused", cause=error.line, hint="the old settings stay in force")
            self._refused = Trouble(escape(error.line, _CAUSE_LIMIT), time.time())
            return
        self._refused = None
        new = loaded.settings
        held = {key: getattr(self._settings, key) for key in _NEEDS_RESTART}
        changed = [key for key in _NEEDS_RESTART if getattr(new, key) != held[key]]
        if changed:
            log.warning("settings.need_restart", settings=changed, hint="restart emosieve for these")
        self._settings = new.model_copy(update=held)
        self._account.source = source_of(loaded)
        configure_logs(self._settings.log)
        self._lookout.apply(self._settings)
        if self._flow is not None:
            self._flow.apply(self._settings)
        self._next_scan = 0.0
        self._hinted = True
        log.info("settings.reloaded", profile=self._settings.profile)

    def _close(self) -> None:
        self._lookout.leave()
        self._filed = self._totals()
        self._trouble = self._last_trouble()
        self._flow = self._opening = None
        self._identity = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _totals(self) -> Counter[str]:
        """What was done since the start, by what became of it."""
        totals = Counter(self._filed)
        if self._flow is not None:
            counts = self._flow.counts
            totals.update({**counts.tally.verdicts, "joined": counts.joined, "failed": counts.failed})
        return totals

    def _tell_status(self) -> float:
        """Give a sign of life; gives the seconds after which there is more to tell."""
        self._meter.beat()
        if self._liveness is None:
            return _IDENTITY_SECONDS
        flow, trouble = self._flow or self._opening, self._last_trouble()
        moved = flow.settling.changes if flow else None
        watch = (self._wakeups.mode, self._wakeups.reason)
        work = flow.work if flow else None
        hint, settings = self._account.last_hint_at, (self._settings, self._account.source)
        facts = (id(flow), moved, self._totals(), trouble, self._refused, watch, hint, settings, work)
        return self._liveness.beat(facts, self._new_status)

    def _last_trouble(self) -> Trouble | None:
        troubles = [one for one in (self._trouble, self._flow and self._flow.trouble) if one]
        return max(troubles, key=lambda one: one.time, default=None)

    def _new_status(self) -> Status:
        status = self._status()
        self._say(words_of(status))
        flow = self._flow or self._opening
        self._meter.publish(status, flow.settling if flow else None)
        return status

    def _say(self, message: Message) -> None:
        self._notifier.say(message.text(self._settings.language))

    def _status(self) -> Status:
        flow = self._flow or self._opening
        status = self._account.status(flow, self._settings, self._last_trouble(), self._totals())
        return replace(status, refused=self._refused)

    def _forget_status(self) -> None:
        if self._liveness is not None:
            self._liveness.remove()
        self._liveness = None

    def _stop(self, _number: int) -> None:
        self._signalled = True
        self._mailbox.post(Wake.STOP)
