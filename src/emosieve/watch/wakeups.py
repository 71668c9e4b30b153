"""Hints that something may have changed under the root. The only import of watchdog.

An event here says "look", never what to do: the scan is the truth. So nothing is
lost when events are: on an overflow, a dead emitter thread, a root that was
deleted, renamed away, unmounted or mounted over, the next listing finds it all.

What does not work, measured: ``observer.is_alive()`` stays true when the root
is gone and recreated (its emitter is dead), and when it is renamed or unmounted
(the watch follows the old inode, without an event). A recursive watch costs
memory per task ever filed, and livelocks above some 4,000 directories. A
directory's close event is missed in a quarter of all cases. Hence one
non-recursive watch, and a stat of the root's identity at every tick.
"""

import errno
import logging
import os
import queue
import stat
import sys
import threading
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING

from watchdog.events import DirCreatedEvent, DirMovedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.utils import BaseThread

from emosieve.text import Message, Phrase
from emosieve.watch.filesystem import file_system_of
from emosieve.watch.inotify import refusal_words, watches_of

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

_LOGGER = "watchdog.observers"
_NOT_ARMED = Phrase("not armed", "尚未开始监听")
_IS_SET = Phrase("watch.mode is {mode}", "watch.mode 设为 {mode}")
_NOT_HERE = Phrase("events are not used on {platform}", "{platform} 上不使用文件事件")
_GIVES_EVENTS = Phrase("{type} gives events", "{type} 提供文件事件")
_MAY_BE_DEAF = Phrase("{type} may be written without an event", "{type} 上的写入可能不产生事件")


class Wake(Enum):
    """Why the loop is woken."""

    LOOK = "look"
    OVERFLOW = "overflow"
    STOP = "stop"
    RELOAD = "reload"


class Mailbox:
    """Where the observer's thread and the signal handlers leave word for the loop.

    A ``SimpleQueue``, because its ``put`` may be called by a signal handler at
    any moment; an ``Event`` may deadlock there.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Wake] = queue.SimpleQueue()

    def post(self, wake: Wake) -> None:
        """Leave word; never blocks."""
        self._queue.put(wake)

    def wait(self, seconds: float | None) -> set[Wake]:
        """All that was left, after waiting up to ``seconds`` for the first of it."""
        found: set[Wake] = set()
        try:
            found.add(self._queue.get(timeout=seconds))
            while True:
                found.add(self._queue.get_nowait())
        except queue.Empty:
            return found


class _Hint(FileSystemEventHandler):
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def on_any_event(self, event: FileSystemEvent) -> None:  # noqa: ARG002 - what it was does not matter
        self._mailbox.post(Wake.LOOK)


class _OverflowListener(logging.Handler):
    """watchdog tells of an overflow in its log alone."""

    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__(logging.WARNING)
        self._mailbox = mailbox

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage():
            self._mailbox.post(Wake.OVERFLOW)


def _is_news(record: logging.LogRecord) -> bool:
    """watchdog calls it an error when its own thread notices that it was stopped."""
    return "thread is inactive" not in record.getMessage()


logging.getLogger("watchdog.observers.inotify").addFilter(_is_news)

Identity = tuple[int, int]


def identity_of(root: str) -> Identity | None:
    """Device and inode of the root; ``None`` while there is no such directory."""
    try:
        status = os.stat(root)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def absence_of(root: str) -> str | None:
    """Why the root has no identity, in the kernel's words: it is missing, or its mount is dead."""
    try:
        mode = os.stat(root).st_mode
    except OSError as error:
        return error.strerror or str(error)
    return None if stat.S_ISDIR(mode) else os.strerror(errno.ENOTDIR)


def choose_mode(root: str, wanted: str) -> tuple[str, Message]:
    """Native or polling for this root, and why, in words.

    Args:
        root: the root, which exists.
        wanted: the setting ``watch.mode``.
    """
    if wanted != "auto":
        return wanted, _IS_SET(mode=wanted)
    if sys.platform != "linux":
        return "polling", _NOT_HERE(platform=sys.platform)
    file_system = file_system_of(root)
    if file_system.is_local:
        return "native", _GIVES_EVENTS(type=file_system.type)
    return "polling", _MAY_BE_DEAF(type=file_system.type)


class Wakeups:
    """One watch on the root, kept alive: armed, checked at every tick, armed again when it died.

    Attributes:
        mode: ``native`` or ``polling``, as of the last arming.
        reason: why, in words for the operator.
        was_refused: whether the kernel refused the watch, so that polling goes on instead.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._observer: BaseObserver | None = None
        self._threads: set[BaseThread] = set()
        self._listener = _OverflowListener(mailbox)
        logging.getLogger(_LOGGER).addHandler(self._listener)
        self.mode = "polling"
        self.reason = _NOT_ARMED()
        self.was_refused = False

    def arm(self, root: str, wanted: str) -> None:
        """Watch this root from now on, in the mode that fits its file system.

        Where the kernel refuses a watch, polling goes on instead and ``reason`` names the limit.
        """
        self.disarm()
        self.mode, self.reason = choose_mode(root, wanted)
        self.was_refused = False
        if self.mode == "polling":
            return
        before = _threads()
        try:
            observer = self._observer = Observer()
            # An unpaired move out of the root delays later events by half a second inside watchdog;
            # a quiet time follows every hint anyway, so that costs nothing.
            observer.schedule(_Hint(self._mailbox), root, event_filter=[DirCreatedEvent, DirMovedEvent])
            observer.start()
        except OSError as error:
            self.poll(refusal_words(error))
            self.was_refused = True
        else:
            self._threads = _threads() - before

    def poll(self, reason: Message) -> None:
        """Give events up until the next arming."""
        self.disarm()
        self.mode, self.reason = "polling", reason

    def is_alive(self) -> bool:
        """Whether the watch still works, as far as its threads and the kernel tell; polling always does.

        Every thread counts: one reads the kernel's events, one sorts them, one calls the handler, and
        watchdog notices the death of none. A descriptor that was closed leaves all of them alive.
        """
        if self.mode == "polling":
            return True
        watches = watches_of("self")
        return (
            bool(self._threads)
            and all(thread.is_alive() for thread in self._threads)
            and (watches is None or any(watches))
        )

    def disarm(self) -> None:
        """Stop watching; safe to call at any time."""
        (observer, self._observer), (threads, self._threads) = (self._observer, None), (self._threads, set())
        if observer is not None:
            try:
                observer.stop()  # one that failed to start has a descriptor and a thread to give back, too
            except OSError:
                _stop_each(observer, threads)
            if observer.is_alive():
                observer.join(timeout=5)

    def close(self) -> None:
        """Stop watching for good."""
        self.disarm()
        logging.getLogger(_LOGGER).removeHandler(self._listener)


def _threads() -> set[BaseThread]:
    """All living threads that are watchdog's."""
    return {thread for thread in threading.enumerate() if isinstance(thread, BaseThread)}


def _stop_each(observer: "BaseObserver", threads: set[BaseThread]) -> None:
    """End what stopped half way because its descriptor was closed already.

    Above all the reading thread: it turns for ever, and reads from whatever gets the descriptor's number.
    """
    for thread in threads - {observer}:
        with suppress(OSError):
            thread.stop()
        thread.join(timeout=1)
    observer.event_queue.put(observer.stop_event)
