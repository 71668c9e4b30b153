"""Events are lost, refused, or never come: every task is filed all the same, and it is told once."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aftermath import assert_all_is_accounted_for
from conftest import names_in
from emosieve.watch.filesystem import file_system_of
from emosieve.watch.inotify import watches_of
from process import Watch
from watching import (
    InUserNamespace,
    asleep,
    assert_status_says,
    bound,
    grow_old,
    status_of,
    write_task,
)

TASKS = [f"outputs_20240104_2230{number:02}" for number in range(6)]
NEVER = 600.0
"""Seconds between listings, when a listing without a hint would spoil the test."""
DEAF = "a listing found a task that no event had announced"


def test_an_overflow_costs_one_listing(root: Path, mounted: Callable[..., None]) -> None:
    """Tasks whose events the kernel threw away are filed long before the next rescan, and that is told once."""
    queued = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text(encoding="ascii"))
    if queued > 100_000:
        pytest.skip("this machine queues more events than a test can make")
    mounted("-t", "tmpfs", "none", root)
    with Watch(root, watch__rescan_seconds=NEVER) as watch:
        watch.wait_for("watch.ready", mode="native")
        with asleep(watch):
            for number in range(queued + 1000):
                (root / f"other_{number}").mkdir()
                (root / f"other_{number}").rmdir()
            for name in TASKS:
                write_task(root, name)
        for _ in TASKS:
            watch.wait_for("task.filed")
        watch.wait_until(lambda: watch.count_of("watch.overflow") > 0)
        assert_status_says(watch, root, "native", "tmpfs gives events")
        assert 0 == watch.stop()
        assert (1, 0) == (watch.count_of("watch.overflow"), watch.count_of("watch.deaf"))

    assert_all_is_accounted_for(root, TASKS)


def test_a_machine_that_slept_is_not_deaf(root: Path) -> None:
    """A task that came long ago, while the daemon stood still, is filed, and events are trusted as before."""
    with Watch(root, watch__rescan_seconds=1) as watch:
        watch.wait_for("watch.ready", mode="native")
        with asleep(watch):
            write_task(root, TASKS[0])
            grow_old(root / TASKS[0])
        watch.wait_for("task.filed", task=TASKS[0])
        assert_status_says(watch, root, "native", f"{file_system_of(str(root)).type} gives events")
        assert 0 == watch.stop()
        assert 0 == watch.count_of("watch.deaf")

    assert_all_is_accounted_for(root, TASKS[:1])


class WithoutInstances(InUserNamespace):
    """The daemon where the kernel gives no inotify instance."""

    before = "echo 0 > /proc/sys/user/max_inotify_instances"


class WithoutWatches(InUserNamespace):
    """The daemon where the kernel gives no inotify watch."""

    before = "echo 0 > /proc/sys/user/max_inotify_watches"


@pytest.mark.parametrize(("start", "what"), [(WithoutInstances, "instances"), (WithoutWatches, "watches")])
def test_a_limit_is_polled_over_until_it_is_raised(
    root: Path, start: type[InUserNamespace], what: str
) -> None:
    """At a limit the daemon polls and names sysctl and value, once; when it is raised, events come again."""
    reason = f"the limit user.max_inotify_{what} = 0 is reached; raise it with sysctl"
    with start(root, watch__rescan_seconds=1) as watch:
        watch.wait_for("watch.degraded", reason=reason)
        watch.wait_for("watch.ready", mode="polling", why=reason)
        for name in TASKS[:2]:
            write_task(root, name)
            watch.wait_for("task.filed", task=name)
        assert_status_says(watch, root, "polling", reason)
        watch.limit(what, 100)
        watch.wait_for("watch.healed", mode="native")
        write_task(root, TASKS[2])
        watch.wait_for("task.filed", task=TASKS[2])
        watch.wait_until(lambda: status_of(root)["daemon"]["mode"] == "native")
        assert [1] == watches_of(watch.process.pid)
        assert 0 == watch.stop()
        assert (1, 1) == (watch.count_of("watch.degraded"), watch.count_of("watch.healed"))

    assert_all_is_accounted_for(root, TASKS[:3])


def test_a_limit_that_is_reached_later_is_polled_over(root: Path) -> None:
    """A root that is made anew when no instance is left is polled, and the limit named, once."""
    reason = "the limit user.max_inotify_instances = 0 is reached; raise it with sysctl"
    with InUserNamespace(root, watch__rescan_seconds=1) as watch:
        watch.wait_for("watch.ready", mode="native")
        watch.limit("instances", 0)
        root.rename(root.with_name("old"))
        root.mkdir()
        watch.wait_for("watch.degraded", reason=reason)
        watch.wait_for("watch.ready", mode="polling")
        for name in TASKS[:2]:
            write_task(root, name)
            watch.wait_for("task.filed", task=name)
        assert_status_says(watch, root, "polling", reason)
        assert 0 == watch.stop()
        assert 1 == watch.count_of("watch.degraded")

    assert_all_is_accounted_for(root, TASKS[:2])


@pytest.mark.parametrize("part", ["handler", "observer", "emitter", "reader", "descriptor"])
def test_a_watch_that_dies_is_armed_again(root: Path, tmp_path: Path, part: str) -> None:
    """Whichever part of watchdog breaks, all tasks are filed, and one new watch stands in for it, told once."""
    when = tmp_path / "break"

    class Broken(Watch):
        program = (sys.executable, str(Path(__file__).with_name("broken_watch.py")), part, str(when))

    with Broken(root, watch__rescan_seconds=1) as watch:
        watch.wait_for("watch.ready", mode="native")
        write_task(root, TASKS[0])
        watch.wait_for("task.filed", task=TASKS[0])
        when.touch()
        write_task(root, TASKS[1])
        watch.wait_for("task.filed", task=TASKS[1])
        watch.wait_until(lambda: watch.count_of("watch.healed") == 1)
        write_task(root, TASKS[2])
        watch.wait_for("task.filed", task=TASKS[2])
        assert_status_says(watch, root, "native", f"{file_system_of(str(root)).type} gives events")
        assert [1] == watches_of(watch.process.pid)
        assert 0 == watch.stop()
        assert not when.exists()
        assert (1, 0) == (watch.count_of("watch.healed"), watch.count_of("raw"))

    assert_all_is_accounted_for(root, TASKS[:3])


def test_a_file_system_without_events_is_polled(root: Path, tmp_path: Path) -> None:
    """On FUSE, written from behind the mount, the daemon polls from the start, and says why."""
    lower = tmp_path / "lower"
    lower.mkdir()
    reason = "fuse may be written without an event"
    with bound(lower, root), Watch(root, watch__rescan_seconds=1) as watch:
        watch.wait_for("watch.ready", mode="polling", why=reason)
        for name in TASKS[:2]:
            write_task(lower, name)
            watch.wait_for("task.filed", task=name)
        assert_status_says(watch, root, "polling", reason)
        assert 0 == watch.stop()

    assert_all_is_accounted_for(lower, TASKS[:2])


def assert_is_called_deaf(watch: Watch, root: Path, behind: Path) -> None:
    """Tasks that are written behind a native watch's back are filed, and from then on it polls."""
    watch.wait_for("watch.ready", mode="native")
    # The daemon's own folders are announced; with the first task filed that is over.
    write_task(behind, TASKS[0])
    watch.wait_for("task.filed", task=TASKS[0])
    with asleep(watch):
        write_task(behind, TASKS[1])
        grow_old(behind / TASKS[1])
    watch.wait_for("watch.deaf")
    watch.wait_for("task.filed", task=TASKS[1])
    assert_status_says(watch, root, "polling", DEAF)
    write_task(behind, TASKS[2])
    watch.wait_for("task.filed", task=TASKS[2])
    assert 0 == watch.stop()
    assert 1 == watch.count_of("watch.deaf")


def test_events_that_were_insisted_on_and_never_come_are_given_up(root: Path, tmp_path: Path) -> None:
    """With watch.mode native on FUSE the first unannounced task is found by a listing, and polling goes on."""
    lower = tmp_path / "lower"
    lower.mkdir()
    with bound(lower, root), Watch(root, watch__mode="native", watch__rescan_seconds=1) as watch:
        assert_is_called_deaf(watch, root, lower)

    assert_all_is_accounted_for(lower, TASKS[:3])


def test_an_overlay_that_is_written_from_below_is_given_up(
    root: Path, tmp_path: Path, mounted: Callable[..., None]
) -> None:
    """Tasks written into the upper directory of an overlay are filed, though no event tells of them."""
    store = tmp_path / "store"
    store.mkdir()
    mounted("-t", "tmpfs", "none", store)
    for name in ("lower", "upper", "work"):
        (store / name).mkdir()
    options = f"lowerdir={store}/lower,upperdir={store}/upper,workdir={store}/work"
    mounted("-t", "overlay", "overlay", "-o", options, root)
    with Watch(root, watch__rescan_seconds=1) as watch:
        assert_is_called_deaf(watch, root, store / "upper")

    assert TASKS[:3] == names_in(root / "normal")
    assert_all_is_accounted_for(root, TASKS[:3])
