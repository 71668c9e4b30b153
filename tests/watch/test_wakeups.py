import ctypes
import logging
import os
import queue
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import inotify_c

from emosieve.text import Message, Phrase
from emosieve.watch import wakeups as module
from emosieve.watch.filesystem import file_system_of
from emosieve.watch.wakeups import (
    Mailbox,
    Wake,
    Wakeups,
    choose_mode,
    identity_of,
)

PATIENCE = 10.0
"""Seconds after which something that must come is taken for lost."""


@pytest.fixture
def mailbox() -> Mailbox:
    """An empty mailbox."""
    return Mailbox()


@pytest.fixture
def wakeups(mailbox: Mailbox) -> Iterator[Wakeups]:
    """Wakeups that are closed in the end, with nothing of them left running."""
    before = set(threading.enumerate())
    made = Wakeups(mailbox)
    yield made
    made.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive(), thread


def _observer(wakeups: Wakeups) -> Any:
    assert wakeups._observer is not None
    return wakeups._observer


def _join_emitter(wakeups: Wakeups) -> None:
    """Wait until watchdog's own thread has noticed that its directory is gone."""
    for emitter in list(_observer(wakeups).emitters):
        emitter.join(PATIENCE)


# What wakes, and what does not.


def test_a_new_directory_wakes(wakeups: Wakeups, mailbox: Mailbox, root: Path) -> None:
    """A mkdir in the root leaves word to look."""
    wakeups.arm(str(root), "native")
    (root / "outputs_1").mkdir()
    assert mailbox.wait(PATIENCE) == {Wake.LOOK}


def test_a_directory_that_is_moved_in_wakes(
    wakeups: Wakeups, mailbox: Mailbox, root: Path, tmp_path: Path
) -> None:
    """A finished task that is renamed into the root leaves word to look."""
    (tmp_path / "made").mkdir()
    wakeups.arm(str(root), "native")
    (tmp_path / "made").rename(root / "outputs_1")
    assert mailbox.wait(PATIENCE) == {Wake.LOOK}


def test_a_directory_that_gets_its_name_late_wakes(wakeups: Wakeups, mailbox: Mailbox, root: Path) -> None:
    """A rename within the root leaves word to look."""
    (root / "tmp_1").mkdir()
    wakeups.arm(str(root), "native")
    (root / "tmp_1").rename(root / "outputs_1")
    assert mailbox.wait(PATIENCE) == {Wake.LOOK}


def _move_out(root: Path) -> None:
    (root / "outputs_1").rename(root / "normal" / "outputs_1")


def _write_inside(root: Path) -> None:
    (root / "outputs_1" / "result.json").write_bytes(b"{}")


def _write_beside(root: Path) -> None:
    with (root / "decisions.jsonl").open("ab") as log:
        log.write(b"{}\n")


def _list(root: Path) -> None:
    for folder, _, _ in os.walk(root):
        os.listdir(folder)


def _remove(root: Path) -> None:
    (root / "outputs_1").rmdir()


@pytest.mark.parametrize("act", [_move_out, _write_inside, _write_beside, _list, _remove])
def test_what_brings_no_task_does_not_wake(
    wakeups: Wakeups, root: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], None]
) -> None:
    """Our own moves, log and listings are heard by nobody: the first event is that of the next task."""
    events: queue.SimpleQueue[str] = queue.SimpleQueue()

    class Recorder(FileSystemEventHandler):
        def __init__(self, _mailbox: Mailbox) -> None:
            pass

        def on_any_event(self, event: FileSystemEvent) -> None:
            events.put(os.fsdecode(event.src_path))

    monkeypatch.setattr(module, "_Hint", Recorder)
    (root / "normal").mkdir()
    (root / "outputs_1").mkdir()
    wakeups.arm(str(root), "native")
    act(root)
    (root / "outputs_2").mkdir()
    assert events.get(timeout=PATIENCE) == str(root / "outputs_2")


# A watch that dies.


def test_an_armed_watch_is_alive(wakeups: Wakeups, root: Path) -> None:
    """Native mode is told as such, with its reason, and its threads live."""
    wakeups.arm(str(root), "native")
    assert (wakeups.mode, str(wakeups.reason)) == ("native", "watch.mode is native")
    assert wakeups.is_alive()


def test_a_removed_root_ends_the_watch_and_arming_again_revives_it(
    wakeups: Wakeups, mailbox: Mailbox, root: Path
) -> None:
    """The watch is dead with its root although the observer lives; armed anew, the new root wakes."""
    wakeups.arm(str(root), "native")
    shutil.rmtree(root)
    _join_emitter(wakeups)
    assert not wakeups.is_alive()
    root.mkdir()
    wakeups.arm(str(root), "native")
    assert wakeups.is_alive()
    (root / "outputs_1").mkdir()
    assert mailbox.wait(PATIENCE) == {Wake.LOOK}


def test_a_descriptor_that_was_closed_is_noticed_and_left_alone(mailbox: Mailbox, root: Path) -> None:
    """Nobody reads from its number afterwards, although another descriptor may have it by then."""
    wakeups = Wakeups(mailbox)
    wakeups.arm(str(root), "native")
    (descriptor,) = _inotify_descriptors()
    reader = _observer(wakeups)._inotify_fd
    os.close(descriptor)
    assert not wakeups.is_alive()
    wakeups.arm(str(root), "native")
    assert [descriptor] == _inotify_descriptors()
    assert not reader.is_alive()
    (root / "outputs_1").mkdir()
    assert mailbox.wait(PATIENCE) == {Wake.LOOK}
    wakeups.close()


def test_a_watch_that_the_kernel_dropped_is_noticed(wakeups: Wakeups, root: Path) -> None:
    """Its threads live on, and wait for events that never come."""
    wakeups.arm(str(root), "native")
    (descriptor,) = _inotify_descriptors()
    (line,) = Path(f"/proc/self/fdinfo/{descriptor}").read_text().partition("inotify wd:")[2].splitlines()
    assert 0 == ctypes.CDLL(None).inotify_rm_watch(descriptor, int(line.split()[0], 16))

    assert [True] * len(wakeups._threads) == [thread.is_alive() for thread in wakeups._threads]
    assert not wakeups.is_alive()


def test_arming_ends_the_watch_before(wakeups: Wakeups, root: Path) -> None:
    """There is never more than one observer."""
    wakeups.arm(str(root), "native")
    first = _observer(wakeups)
    wakeups.arm(str(root), "native")
    assert _observer(wakeups) is not first
    assert not first.is_alive()


def test_disarmed_there_is_no_watch(wakeups: Wakeups, root: Path) -> None:
    """Disarming may be done at any time, and native mode is then dead."""
    wakeups.disarm()
    wakeups.arm(str(root), "native")
    wakeups.disarm()
    wakeups.disarm()
    assert not wakeups.is_alive()


def test_giving_events_up_is_told(wakeups: Wakeups, root: Path) -> None:
    """After poll the mode is polling for the given reason, nothing is watched, and that counts as alive."""
    wakeups.arm(str(root), "native")
    wakeups.poll(Phrase("events are not to be had", "没有事件")())
    assert (wakeups.mode, str(wakeups.reason)) == ("polling", "events are not to be had")
    assert wakeups._observer is None
    assert wakeups.is_alive()


def test_polling_watches_nothing(wakeups: Wakeups, root: Path) -> None:
    """In polling mode no observer is made at all."""
    wakeups.arm(str(root), "polling")
    assert wakeups._observer is None
    assert wakeups.is_alive()


# Overflow.


def test_an_overflow_leaves_word(wakeups: Wakeups, mailbox: Mailbox, root: Path) -> None:
    """When the kernel's queue overflows, watchdog's own warning becomes an overflow in the mailbox."""
    wakeups.arm(str(root), "native")
    overflow = inotify_c.InotifyEvent(
        inotify_c.WatchDescriptor(-1),
        inotify_c.InotifyConstants.IN_Q_OVERFLOW,
        0,
        b"",
    )
    _observer(wakeups)._inotify_fd.handle_event(overflow)
    assert mailbox.wait(PATIENCE) == {Wake.OVERFLOW}


def test_other_warnings_of_watchdog_are_no_overflow(wakeups: Wakeups, mailbox: Mailbox) -> None:
    """Only what speaks of an overflow makes one, and nothing does after closing."""
    logger = logging.getLogger("watchdog.observers.inotify_c")
    logger.warning("something else")
    assert mailbox.wait(0) == set()
    wakeups.close()
    logger.warning("Inotify queue overflowed; filesystem events were lost")
    assert mailbox.wait(0) == set()


def test_watchdogs_talk_of_its_own_end_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    """The error by which a stopped emitter notices its stop reaches no log; others do."""
    logger = logging.getLogger("watchdog.observers.inotify")
    logger.error("InotifyEmitter.queue_events() called when the thread is inactive")
    logger.error("something real")
    assert caplog.messages == ["something real"]


def test_a_watch_that_cannot_start_gives_everything_back(
    wakeups: Wakeups, root: Path, mailbox: Mailbox
) -> None:
    """A missing root leaves neither thread nor inotify instance behind, however often it is tried."""
    threads, instances = set(threading.enumerate()), _inotify_descriptors()
    for _ in range(3):
        wakeups.arm(str(root / "missing"), "native")
        assert wakeups.mode == "polling"
        assert str(wakeups.reason) == "the kernel refused a watch: No such file or directory"
    for thread in set(threading.enumerate()) - threads:
        thread.join(PATIENCE)
    assert set(threading.enumerate()) == threads
    assert _inotify_descriptors() == instances
    wakeups.arm(str(root), "native")
    (root / "outputs_1").mkdir()
    assert mailbox.wait(PATIENCE) == {Wake.LOOK}


def _inotify_descriptors() -> list[int]:
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if os.readlink(f"/proc/self/fd/{descriptor}") == "anon_inode:inotify":
                found.append(int(descriptor))
    return found


# The mode.


def said(chosen: tuple[str, Message]) -> tuple[str, str]:
    """The mode with its reason in English."""
    return chosen[0], str(chosen[1])


@pytest.mark.parametrize(
    ("kind", "mode", "reason"),
    [
        ("ext4", "native", "ext4 gives events"),
        ("overlay", "native", "overlay gives events"),
        ("nfs4", "polling", "nfs4 may be written without an event"),
        ("cifs", "polling", "cifs may be written without an event"),
        ("9p", "polling", "9p may be written without an event"),
        ("fuse.sshfs", "polling", "fuse.sshfs may be written without an event"),
    ],
)
def test_auto_chooses_by_the_file_system_of_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, mode: str, reason: str
) -> None:
    """Events where every writer is on this machine, listings elsewhere, and the reason names the type."""
    table = tmp_path / "mountinfo"
    table.write_text(f"22 1 8:1 / {tmp_path} rw,relatime shared:1 - {kind} source rw\n", encoding="utf-8")
    monkeypatch.setattr(module, "file_system_of", lambda path: file_system_of(path, str(table)))
    assert said(choose_mode(str(tmp_path), "auto")) == (mode, reason)


@pytest.mark.parametrize("wanted", ["native", "polling"])
def test_a_mode_that_is_set_is_obeyed(wanted: str) -> None:
    """Whatever the file system is, the setting wins."""
    assert said(choose_mode("/proc", wanted)) == (wanted, f"watch.mode is {wanted}")


def test_off_linux_auto_is_polling(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere events are not used, and the reason names the platform."""
    with monkeypatch.context() as patch:
        patch.setattr("sys.platform", "darwin")
        chosen = choose_mode(str(root), "auto")
    assert said(chosen) == ("polling", "events are not used on darwin")


# The root's identity.


def test_the_identity_is_device_and_inode(root: Path, tmp_path: Path) -> None:
    """The same directory under another name, or through a symlink, is the same; a new one is another."""
    status = root.stat()
    assert identity_of(str(root)) == (status.st_dev, status.st_ino)
    (tmp_path / "link").symlink_to(root)
    assert identity_of(str(tmp_path / "link")) == identity_of(str(root))
    root.rename(tmp_path / "moved")
    root.mkdir()
    assert identity_of(str(root)) != identity_of(str(tmp_path / "moved"))


def test_what_is_no_directory_has_no_identity(root: Path) -> None:
    """Neither a missing path nor a file can be a root."""
    (root / "file").write_bytes(b"")
    assert identity_of(str(root / "file")) is None
    assert identity_of(str(root / "missing")) is None


# The mailbox.


def test_all_that_was_left_is_taken_at_once(mailbox: Mailbox) -> None:
    """Many words of one kind are one, and afterwards the mailbox is empty."""
    for wake in (Wake.LOOK, Wake.RELOAD, Wake.LOOK, Wake.STOP):
        mailbox.post(wake)
    assert mailbox.wait(0) == {Wake.LOOK, Wake.RELOAD, Wake.STOP}
    assert mailbox.wait(0) == set()


def test_a_word_from_another_thread_ends_the_wait(mailbox: Mailbox) -> None:
    """A wait without end is ended by the first word."""
    thread = threading.Thread(target=mailbox.post, args=(Wake.LOOK,))
    thread.start()
    assert mailbox.wait(None) == {Wake.LOOK}
    thread.join()


def test_a_signal_handler_may_leave_word_while_the_loop_waits(mailbox: Mailbox) -> None:
    """A word left by the very thread that waits, in a signal handler, ends the wait without a deadlock."""
    before = signal.signal(signal.SIGUSR1, lambda _number, _frame: mailbox.post(Wake.STOP))
    main = threading.main_thread().ident
    assert main is not None
    thread = threading.Thread(target=signal.pthread_kill, args=(main, signal.SIGUSR1))
    try:
        thread.start()
        assert mailbox.wait(PATIENCE) == {Wake.STOP}
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)
