"""The real daemon: what it notices, how it stops, reloads, waits and heals."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import MakeTask, names_in, read_log, result_bytes
from process import EMOSIEVE, PATIENCE, Watch, run, until

TASK = "outputs_20240104_223000"


def write_task(root: Path, name: str = TASK, confidence: float = 0.9) -> None:
    """A whole task, written in place."""
    (root / name).mkdir()
    (root / name / "result.json").write_bytes(result_bytes(confidence))


class TestFiling:
    """Standing and new tasks alike."""

    @pytest.mark.parametrize("mode", ["native", "polling"])
    def test_standing_and_new_tasks_are_filed(self, root: Path, make_task: MakeTask, mode: str) -> None:
        """In either mode what was there at the start and what comes later goes to its side."""
        make_task("outputs_before", result_bytes(0.3))
        with Watch(root, watch__mode=mode, watch__rescan_seconds=1) as watch:
            assert mode == watch.wait_for("watch.ready")["mode"]
            watch.wait_for("task.filed", task="outputs_before")
            write_task(root)
            watch.wait_for("task.filed", task=TASK)
            assert 0 == watch.stop()

        assert ([TASK], ["outputs_before"]) == (names_in(root / "normal"), names_in(root / "low_quality"))

    def test_a_finished_directory_renamed_in_is_filed(self, root: Path, tmp_path: Path) -> None:
        """A task that another program moves in whole needs no event from inside it."""
        write_task(tmp_path)
        with Watch(root) as watch:
            watch.wait_for("watch.ready")
            (tmp_path / TASK).rename(root / TASK)
            watch.wait_for("task.filed", task=TASK)

    def test_a_restart_finds_what_was_written_meanwhile(self, root: Path) -> None:
        """Nothing is lost between a stop and the next start, and nothing is decided twice."""
        for number in range(3):
            write_task(root, f"outputs_{number}")
            with Watch(root) as watch:
                watch.wait_for("task.filed", task=f"outputs_{number}")
                watch.stop()

        assert ["outputs_0", "outputs_1", "outputs_2"] == [event["task"] for event in read_log(root)]

    def test_hostile_names_and_files_are_left_alone_or_quarantined(self, root: Path, tmp_path: Path) -> None:
        """A symlinked task stays, a FIFO for a result goes to quarantine, and a good task is filed beside them."""
        write_task(tmp_path, "outputs_elsewhere")
        (root / "outputs_link").symlink_to(tmp_path / "outputs_elsewhere")
        os.mkdir(bytes(root) + b"/outputs_\xff")
        (root / "outputs_fifo").mkdir()
        os.mkfifo(root / "outputs_fifo" / "result.json")
        write_task(root)
        with Watch(root, settle__give_up_seconds=1) as watch:
            watch.wait_for("task.left_alone")
            watch.wait_for("task.left_alone")
            watch.wait_for("task.filed", task=TASK)
            reason = watch.wait_for("task.quarantined", task="outputs_fifo")["reason"]

        assert "result.json is a FIFO, not a file" == reason
        assert (root / "outputs_link").is_symlink()

    def test_a_late_embedding_joins_its_task(self, root: Path) -> None:
        """A writer that makes its directory anew after the move loses nothing."""
        write_task(root)
        with Watch(root, settle__give_up_seconds=0.5) as watch:
            watch.wait_for("task.filed")
            (root / TASK).mkdir()
            (root / TASK / "embedding.npy").write_bytes(b"late")
            watch.wait_for("task.joined", destination=f"normal/{TASK}")

        assert ["embedding.npy", "result.json"] == names_in(root / "normal" / TASK)

    def test_a_task_without_a_result_is_told_of_once(self, root: Path) -> None:
        """A wav alone stays in the inbox; its being overdue is one line of the log."""
        (root / TASK).mkdir()
        (root / TASK / "processed_audio.wav").write_bytes(b"RIFF")
        with Watch(root, settle__give_up_seconds=0.5, watch__rescan_seconds=0.3) as watch:
            watch.wait_for("task.overdue", task=TASK)
            write_task(root, "outputs_next")
            watch.wait_for("task.filed", task="outputs_next")
            watch.stop()

        assert 1 == [event["event"] for event in watch.events].count("task.overdue")
        assert (root / TASK).is_dir()

    def test_destinations_on_another_file_system_are_filled(self, root: Path, make_task: MakeTask) -> None:
        """Across file systems a task is copied whole, and the source removed."""
        shm = Path("/dev/shm")  # noqa: S108 - a file system of its own, which is the point
        if not shm.is_dir() or shm.stat().st_dev == root.stat().st_dev:
            pytest.skip("no second file system at /dev/shm")
        elsewhere = shm / f"emosieve-test-{os.getpid()}"
        make_task(files={"embedding.npy": b"x" * 5000})
        try:
            with Watch(root, filing__normal=elsewhere) as watch:
                watch.wait_for("check.warning", subject="filing.normal")
                watch.wait_for("task.filed", destination=f"{elsewhere}/{TASK}")
                watch.stop()
            assert ["embedding.npy", "result.json"] == names_in(elsewhere / TASK)
        finally:
            shutil.rmtree(elsewhere, ignore_errors=True)

        assert not (root / TASK).exists()
        assert [] == names_in(root / ".emosieve" / "removing")


class TestRoot:
    """A root comes, goes and changes under the daemon."""

    def test_a_root_that_does_not_exist_yet_is_waited_for(self, tmp_path: Path) -> None:
        """The daemon may start before the WebUI made its folder."""
        root = tmp_path / "later"
        with Watch(root) as watch:
            watch.wait_for("watch.waiting")
            root.mkdir()
            write_task(root)
            watch.wait_for("task.filed", task=TASK)

    @pytest.mark.parametrize("way", ["deleted", "renamed"])
    def test_a_root_that_is_made_anew_is_watched_again(self, root: Path, way: str) -> None:
        """Deleted or renamed away and recreated, the new root is served without a restart."""
        with Watch(root) as watch:
            watch.wait_for("watch.ready")
            if way == "deleted":
                shutil.rmtree(root)
            else:
                root.rename(root.with_name("old"))
            watch.wait_for("watch.root_changed")
            watch.wait_for("watch.waiting")
            root.mkdir()
            watch.wait_for("watch.ready")
            write_task(root)
            watch.wait_for("task.filed", task=TASK)
            assert 0 == watch.stop()

    def test_a_second_intake_is_refused(self, root: Path) -> None:
        """A second daemon and a sweep end with status 2 and the holder's pid, and the first goes on."""
        with Watch(root) as first:
            first.wait_for("watch.ready")
            refusals = [run(command, root) for command in ("watch", "sweep")]
            write_task(root)
            first.wait_for("task.filed")

        assert [2, 2] == [one.returncode for one in refusals]
        assert all(f"pid {first.process.pid}" in one.stderr for one in refusals)

    def test_a_killed_daemon_leaves_no_lock_behind(self, root: Path) -> None:
        """After SIGKILL the next start takes the root at once."""
        with Watch(root) as first:
            first.wait_for("watch.ready")
            first.stop(signal.SIGKILL)
        with Watch(root) as second:
            second.wait_for("watch.ready")
            assert 0 == second.stop()


class TestStop:
    """Signals."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_it_with_status_0(self, root: Path, number: int) -> None:
        """SIGTERM and SIGINT stop it in order, and the log says so."""
        with Watch(root) as watch:
            watch.wait_for("watch.ready")
            assert 0 == watch.stop(number)
            watch.wait_for("watch.stopping")
            watch.wait_for("watch.stopped")

    def test_a_second_signal_ends_it_at_once(self, root: Path) -> None:
        """Whichever signals the two are, the second does not wait for anything."""
        with Watch(root) as watch:
            watch.wait_for("watch.ready")
            watch.process.send_signal(signal.SIGSTOP)
            watch.process.send_signal(signal.SIGTERM)
            watch.process.send_signal(signal.SIGINT)
            watch.process.send_signal(signal.SIGCONT)
            assert watch.process.wait(timeout=PATIENCE) in {0, -signal.SIGINT}

    def test_it_stops_while_it_waits_for_a_root(self, tmp_path: Path) -> None:
        """A daemon without a root yet stops as well."""
        with Watch(tmp_path / "never") as watch:
            watch.wait_for("watch.waiting")
            assert 0 == watch.stop()

    def test_it_stops_in_the_middle_of_a_backlog(self, root: Path) -> None:
        """What is logged is filed: after a stop no decision stands without its move."""
        for number in range(600):
            write_task(root, f"outputs_{number:03}")
        with Watch(root) as watch:
            watch.wait_for("task.filed")
            assert 0 == watch.stop()

        decided = sorted(event["task"] for event in read_log(root))
        assert decided == names_in(root / "normal")
        assert 600 == len(decided) + sum(name.startswith("outputs_") for name in names_in(root))


class TestReload:
    """SIGHUP."""

    def test_new_settings_are_in_force_from_the_next_batch(self, root: Path, tmp_path: Path) -> None:
        """A changed limit judges the next task, and the log names the new profile."""
        config = tmp_path / "config.toml"
        config.write_text("[rules]\nmin_confidence = 0.6\n")
        with Watch(root, "--config", str(config)) as watch:
            watch.wait_for("watch.ready")
            config.write_text('profile = "customer_service"\n')
            watch.process.send_signal(signal.SIGHUP)
            watch.wait_for("settings.reloaded", profile="customer_service")
            write_task(root, confidence=0.65)
            assert "low_quality" == watch.wait_for("task.filed")["verdict"]

    def test_bad_settings_leave_the_old_ones(self, root: Path, tmp_path: Path) -> None:
        """A typing error is reported with its hint, and the daemon goes on as before."""
        config = tmp_path / "config.toml"
        config.write_text("[rules]\nmin_confidence = 0.6\n")
        with Watch(root, "--config", str(config)) as watch:
            watch.wait_for("watch.ready")
            config.write_text("[rules]\nmin_confidense = 0.9\n")
            watch.process.send_signal(signal.SIGHUP)
            assert "did you mean rules.min_confidence?" in watch.wait_for("settings.refused")["cause"]
            until(lambda: "min_confidense is not a setting" in run("status", root).stdout)
            assert 0 == run("health", root).returncode
            write_task(root, confidence=0.65)
            assert "normal" == watch.wait_for("task.filed")["verdict"]
            config.write_text("[rules]\nmin_confidence = 0.9\n")
            watch.process.send_signal(signal.SIGHUP)
            until(lambda: "refused" not in run("status", root).stdout)

    def test_another_way_of_watching_needs_no_restart(self, root: Path, tmp_path: Path) -> None:
        """Mode, glob and intervals of watching follow a reload."""
        config = tmp_path / "config.toml"
        config.write_text("")
        with Watch(root, "--config", str(config)) as watch:
            watch.wait_for("watch.ready")
            config.write_text('[watch]\nmode = "polling"\ntask_glob = "mine_*"\nrescan_seconds = 1\n')
            watch.process.send_signal(signal.SIGHUP)
            watch.wait_for("settings.reloaded")
            write_task(root, "mine_1")
            watch.wait_for("task.filed", task="mine_1")

    def test_what_needs_a_restart_says_so(self, root: Path, tmp_path: Path) -> None:
        """A changed folder is named as needing a restart, and is not used before."""
        config = tmp_path / "config.toml"
        config.write_text("")
        with Watch(root, "--config", str(config)) as watch:
            watch.wait_for("watch.ready")
            config.write_text('[filing]\nnormal = "good"\n')
            watch.process.send_signal(signal.SIGHUP)
            assert ["filing"] == watch.wait_for("settings.need_restart")["settings"]
            write_task(root)
            assert f"normal/{TASK}" == watch.wait_for("task.filed")["destination"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A real file system of two megabytes, mounted for one test."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    mount = tmp_path / "disk"
    mount.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", mount], check=False)
    if mounted.returncode:
        pytest.skip("tmpfs cannot be mounted here")
    return mount


class TestDisk:
    """A disk that fills up, or turns read-only."""

    @pytest.fixture(autouse=True)
    def _unmount(self, small_disk: Path) -> object:
        yield
        subprocess.run(["umount", "-l", small_disk], check=True)

    def test_a_full_disk_is_waited_out(self, small_disk: Path) -> None:
        """While the log cannot grow nothing moves; when there is room again all is filed once."""
        root = small_disk / "outputs"
        root.mkdir()
        with Watch(root) as watch:
            watch.wait_for("watch.ready")
            filler = small_disk / "filler"
            write_task(root)
            with filler.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(65536))
                except OSError:
                    pass
            assert "ENOSPC" in watch.wait_for("watch.blocked")["cause"]
            assert (root / TASK / "result.json").exists()
            filler.unlink()
            watch.wait_for("watch.unblocked")
            watch.wait_for("task.filed", task=TASK)
            assert 0 == watch.stop()

        assert [TASK] == [event["task"] for event in read_log(root)]

    def test_a_read_only_remount_is_not_blocked_and_waited_out(self, small_disk: Path) -> None:
        """No file that is held open keeps the disk from turning read-only; when it is writable again all is filed."""
        root = small_disk / "outputs"
        root.mkdir()
        with Watch(root) as watch:
            watch.wait_for("watch.ready")
            write_task(root, "outputs_1")
            watch.wait_for("task.filed")
            write_task(root, "outputs_2")
            subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
            assert "EROFS" in watch.wait_for("watch.blocked")["cause"]
            subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
            watch.wait_for("task.filed", task="outputs_2")
            assert 0 == watch.stop()


def test_the_log_is_readable_without_being_asked(root: Path, make_task: MakeTask) -> None:
    """With the console format a decision is one sentence of verdict, task, emotion and reasons."""
    make_task(result=result_bytes(0.3))
    process = subprocess.Popen(
        [*EMOSIEVE, "watch", root, "--set", "log.format=console", "--set", "settle.quiet_seconds=0.1"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process.stderr as stream:
        line = next(line for line in stream if TASK in line)
        process.terminate()
        process.wait()

    assert f"✗ low_quality {TASK}  neutral 0.300  low_confidence, scores_inconsistent\n" in line or (
        f"✗ low_quality {TASK}  happy 0.300  low_confidence, scores_inconsistent\n" in line
    )
