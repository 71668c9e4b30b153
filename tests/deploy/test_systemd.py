"""The units in a real systemd: one WebUI's folder, root-owned, with umask 022, at the very path that the unit names.

Beside each fact stands a control: the same look at a unit that is broken on purpose must fail.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conftest import names_in, result_bytes
from machine import SOURCE, TOP, Machine, commands_of
from process import PATIENCE, until

UNITS = TOP / "deploy" / "systemd"
UNIT = UNITS / "emosieve.service"
TEMPLATE = UNITS / "emosieve@.service"
ROOT = "/root/Emotion2Vec-plus-Large-webui/outputs"
SETTINGS = "/etc/emosieve/emosieve.toml"
EMOSIEVE = "/opt/emosieve/bin/emosieve"
TASK = "outputs_20240104_223000"
NEXT = "outputs_20240104_223100"
QUICK = "[watch]\nrescan_seconds = 600\n[settle]\nquiet_seconds = 0.2\n"
"""A task that is filed before a listing is due was announced by an event."""
REMAIN = "RemainAfterExit=yes"
IMPATIENT = ("WatchdogSec=2s",)
BRIEF, LONGER = 3.0, 6.0
"""Seconds in which what is not broken has long happened, and with a watchdog: a control waits no longer."""


class Service:
    """``emosieve.service``, or an instance of the template, with a drop-in of the test's own.

    Args:
        machine: where it runs.
        name: of the unit.
        root: of the WebUI, as the unit names it.
    """

    def __init__(self, machine: Machine, name: str = "emosieve.service", root: str = ROOT) -> None:
        self.machine, self.name, self.root = machine, name, root
        self.here = machine.home / os.path.relpath(root, "/root")
        self._began = f"--since=@{time.time():.6f}"

    def drop_in(self, *lines: str) -> None:
        """Change the unit; a section may be among the lines."""
        always = (f"Environment=EMOSIEVE_CONFIG={SETTINGS} EMOSIEVE_LANGUAGE=en", "RestartSec=100ms")
        text = "\n".join(("[Service]", *always, *lines, ""))
        self.machine.write(f"/run/systemd/system/{self.name}.d/test.conf", text)
        self.machine.tell("systemctl", "daemon-reload")

    def start(self, *lines: str) -> None:
        """Start it with these changes; it must come up."""
        self.drop_in(*lines)
        self.machine.tell("systemctl", "start", self.name)
        assert "active" == self.state()

    def fail_to_start(self, *lines: str) -> None:
        """Start it with these changes; it must not come up."""
        self.drop_in(*lines)
        assert self.machine.run("systemctl", "start", self.name).returncode

    def show(self, *properties: str) -> tuple[str, ...]:
        """What systemd says of it."""
        shown = self.machine.show(self.name, *properties)
        return tuple(shown[name] for name in properties)

    def state(self) -> str:
        """Whether it is active, failed, or on its way."""
        return self.show("ActiveState")[0]

    def pid(self) -> int:
        """The process, by its number in the machine."""
        pid = int(self.show("MainPID")[0])
        assert pid > 1
        return pid

    def journal(self, *options: str) -> list[str]:
        """The lines since this test began, as ``journalctl -o cat`` prints them."""
        command = ("journalctl", self._began, "-u", self.name, "-o", "cat", *options)
        return self.machine.tell(*command).splitlines()

    def events(self, name: str, *options: str) -> list[dict[str, Any]]:
        """Those of its own log lines that are events of this name."""
        lines = [json.loads(line) for line in self.journal(*options) if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def status(self) -> dict[str, Any]:
        """What ``emosieve status`` says in another shell."""
        document: dict[str, Any] = json.loads(self.machine.tell(EMOSIEVE, "status", self.root, "--json"))
        return document

    def stop(self) -> None:
        """End it, and forget the changes."""
        for command in ("kill -s KILL", "stop", "reset-failed"):
            self.machine.run("systemctl", *command.split(), self.name)
        self.machine.tell("rm", "-rf", f"/run/systemd/system/{self.name}.d")
        self.machine.tell("systemctl", "daemon-reload")

    def assert_restarted(self, pid: int, patience: float = PATIENCE) -> None:
        """Another process comes in the place of this one, and is at work."""
        until(lambda: self.show("MainPID", "ActiveState") != (str(pid), "active"), patience)
        until(lambda: self.state() == "active", patience)
        assert pid != self.pid()


def write_task(root: Path, name: str = TASK, confidence: float = 0.9) -> Path:
    """A task as the WebUI leaves it: made by root, with umask 022."""
    before = os.umask(0o022)
    try:
        task = root / name
        task.mkdir()
        (task / "result.json").write_bytes(result_bytes(confidence))
    finally:
        os.umask(before)
    return task


def assert_filed(root: Path, name: str = TASK, folder: str = "normal", patience: float = PATIENCE) -> None:
    """The task comes to this folder."""
    until(lambda: name in names_in(root / folder), patience)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which emosieve was installed as the unit says, up to the last command."""
    *prepare, _ = commands_of(UNIT, "Install")
    prepare += commands_of(UNITS / "metrics.conf", "Lets Prometheus")[:1]
    with Machine(tmp_path_factory.mktemp("machine"), "\n".join(prepare)) as machine:
        yield machine


@pytest.fixture
def service(machine: Machine) -> Iterator[Service]:
    """The service, not started yet, beside a WebUI that has written nothing yet."""
    for folder in machine.home.iterdir():
        shutil.rmtree(folder)
    machine.home.chmod(0o700)
    machine.run("userdel", "emosieve")
    machine.write(SETTINGS, QUICK)
    service = Service(machine)
    service.here.mkdir(parents=True)
    yield service
    service.stop()


_FREEZE = """
import ctypes, os, sys
pid = ctypes.c_long(int(sys.argv[1]))
for request in (0x4206, 0x4207):  # PTRACE_SEIZE, PTRACE_INTERRUPT: of this one thread
    if ctypes.CDLL(None).ptrace(request, pid, None, None):
        sys.exit(1)
while os.WIFSTOPPED(os.waitpid(pid.value, 0x40000000)[1]):
    pass
"""


@contextmanager
def frozen_loop(service: Service) -> Iterator[None]:
    """The main thread, which is the working loop, stands still; all others go on."""
    pid = service.machine.outside(service.pid())
    tasks = Path(f"/proc/{pid}/task")
    with subprocess.Popen([sys.executable, "-c", _FREEZE, str(pid)]) as tracer:
        try:
            until(lambda: state_of(tasks / str(pid)) == "t" or tracer.poll() is not None)
            others = [state_of(thread) for thread in tasks.iterdir() if thread.name != str(pid)]
            assert others
            assert "t" not in others
            yield
        finally:
            tracer.kill()


def state_of(thread: Path) -> str:
    """Of a thread, as one letter: S for one that sleeps, t for one that is traced and stands."""
    return (thread / "stat").read_text("utf-8").rpartition(") ")[2][0]


class TestFiles:
    """What can be said of the units without a boot."""

    def test_the_template_is_the_unit_for_any_folder(self) -> None:
        """But for head, description and folder they are the same."""
        unit, template = (path.read_text("utf-8").partition("\n[Unit]\n")[2] for path in (UNIT, TEMPLATE))

        assert template == unit.replace(ROOT, "%f").replace("WebUI\n", "WebUI in %f\n", 1)

    @pytest.mark.parametrize(
        ("drop_in", "most"), [(None, 10), ("unprivileged.conf", 10), ("metrics.conf", 16)]
    )
    @pytest.mark.parametrize("unit", [UNIT, TEMPLATE], ids=lambda path: path.name)
    def test_the_exposure_is_small(
        self, unit: Path, drop_in: str | None, most: int, tmp_path: Path, record_property: Any
    ) -> None:
        """In tenths of systemd's own scale; with one more right it would be too much."""
        text = unit.read_text("utf-8") + ((UNITS / drop_in).read_text("utf-8") if drop_in else "")

        assert_exposed(tmp_path / unit.name, text, most, record_property)
        with pytest.raises(AssertionError):
            assert_exposed(tmp_path / unit.name, text + "\n[Service]\nCapabilityBoundingSet=~\n", most)

    def test_installing_and_undoing_take_three_commands_each(self) -> None:
        """As the head of the unit gives them."""
        headings = ("Install", "Undo", "And where they were made")
        assert [3, 3, 3] == [len(commands_of(UNIT, heading)) for heading in headings]


def found_of(machine: Machine) -> str:
    """All that is named after emosieve where systems keep what is theirs, but for its source and the tests' own."""
    folders = "/opt /etc /run /var/lib /var/cache /var/log /tmp /usr/local/bin"
    names = r"-name 'emosieve*' -not -path '/opt/kept*' -not -path '/run/systemd/*'"
    return machine.tell(
        "sh", "-c", f"find {folders} -xdev {names} -not -name 'emosieve-tests' 2>/dev/null || true"
    )


def assert_exposed(
    path: Path, text: str, most: int, record_property: Any = lambda _name, _value: None
) -> None:
    """The exposure of a unit is at most this."""
    path.write_text(text, "utf-8")
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={most}", str(path)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    record_property("exposure", ended.stdout.rpartition(": ")[2].split()[0])
    assert ended.returncode == 0


class TestStart:
    """Ready means something."""

    def test_the_units_verify(self, machine: Machine) -> None:
        """systemd finds nothing to warn of; of an unknown key it does."""

        def assert_verified(unit: str) -> None:
            machine.tell("systemd-analyze", "verify", "--recursive-errors=no", unit)

        assert_verified("/etc/systemd/system/emosieve.service")
        assert_verified("/etc/systemd/system/emosieve@.service")
        machine.write("/run/typo.service", UNIT.read_text("utf-8").replace("WatchdogSec", "WatchdogSecs"))
        with pytest.raises(AssertionError):
            assert_verified("/run/typo.service")

    def test_installed_as_the_unit_says_it_files(self, service: Service) -> None:
        """The last command enables and starts it; a task of root's, umask 022, is moved, not copied."""
        service.drop_in()
        task = write_task(service.here)
        made = task.stat()
        assert (0, 0o40755) == (made.st_uid, made.st_mode)
        service.machine.tell("sh", "-ec", commands_of(UNIT, "Install")[-1])

        assert ("active", "notify", "enabled") == service.show("ActiveState", "Type", "UnitFileState")
        assert_filed(service.here)
        assert made.st_ino == (service.here / "normal" / TASK).stat().st_ino
        write_task(service.here, NEXT, confidence=0.4)
        assert_filed(service.here, NEXT, "low_quality")

    def test_undone_as_the_unit_says_nothing_is_left(self, service: Service) -> None:
        """Units, instances, links, drop-ins, program, user, status files: all go; what was filed stays."""
        machine, kept, there = service.machine, "/opt/kept", "/root/another/outputs"
        machine.tell("sh", "-ec", f"mkdir {kept}; cp -al /opt/emosieve /etc/systemd/system/emosieve* {kept}")
        for command in commands_of(UNITS / "unprivileged.conf", "Prepare"):
            machine.tell("sh", "-ec", command)
        instance = machine.tell("systemd-escape", "--path", "--template=emosieve@.service", there).strip()
        for unit, drop_in in (
            ("emosieve.service", "unprivileged.conf"),
            ("emosieve@.service", "metrics.conf"),
            (instance, "metrics.conf"),
        ):
            folder = f"/etc/systemd/system/{unit}.d"
            machine.tell("install", "-D", "-m", "644", "-t", folder, f"{SOURCE}/deploy/systemd/{drop_in}")
        # A daemon of another user has its status in a folder of its own, and one that was killed leaves its behind.
        machine.tell("sh", "-ec", f"mkdir -p {there} /run/emosieve; touch /run/emosieve/emosieve-fe00-2.json")
        write_task(service.here)
        service.start()
        machine.tell("systemctl", "enable", "--now", "emosieve.service", instance)
        assert_filed(service.here)
        machine.tell("systemctl", "kill", "-s", "KILL", "emosieve.service")
        acl = ("getfacl", "--recursive", "--absolute-names", "/root", "/root/Emotion2Vec-plus-Large-webui")
        before = found_of(machine)
        try:
            assert "user:emosieve" in machine.tell(*acl)
            for heading in ("Undo", "And where they were made"):
                for command in commands_of(UNIT, heading):
                    machine.tell("sh", "-ec", command)
            is_known = machine.run("getent", "passwd", "emosieve").returncode == 0
            assert ("", False) == (found_of(machine), is_known)
            assert "emosieve:" not in machine.tell(*acl)
            for unit in ("emosieve.service", instance):
                shown = machine.show(unit, "LoadState", "ActiveState", "MainPID")
                assert {"LoadState": "not-found", "ActiveState": "inactive", "MainPID": "0"} == shown
            assert "" == machine.tell("sh", "-c", "pgrep -f '[o]pt/emosieve/bin' || true")
        finally:
            put_back = f"mv {kept}/emosieve /opt; mv {kept}/* /etc/systemd/system; rmdir {kept}"
            machine.tell("sh", "-ec", put_back)
            machine.tell("systemctl", "daemon-reload")
        assert {"/opt/emosieve", "/etc/emosieve", "/run/emosieve"} <= set(before.split())
        assert f"/etc/systemd/system/multi-user.target.wants/{instance}" in before
        assert [TASK] == names_in(service.here / "normal")

    def test_between_two_mounts_it_copies(self, service: Service) -> None:
        """The control of the rename: where normal/ is a mount of its own, what is filed there is another directory."""
        (service.here / "normal").mkdir()
        inode = write_task(service.here).stat().st_ino
        service.start(f"BindPaths={ROOT}/normal")
        assert_filed(service.here)

        assert inode != (service.here / "normal" / TASK).stat().st_ino

    def test_it_is_active_when_it_says_so(self, service: Service) -> None:
        """Without a way to say that it is ready it never is, and the log tells why."""
        service.fail_to_start(
            "RestrictAddressFamilies=", "RestrictAddressFamilies=AF_INET", "TimeoutStartSec=3s"
        )

        assert [] != service.events("watch.ready")
        assert [] != service.events("service.unheard")
        assert not any(line.startswith("Started ") for line in service.journal())

    def test_a_task_that_cannot_be_moved_keeps_no_service_from_starting(self, service: Service) -> None:
        """As another user it starts, warns, and says of the task why it stands; root files it."""
        write_task(service.here)
        service.machine.home.chmod(0o711)
        service.here.chmod(0o777)
        service.start("User=nobody")
        until(lambda: service.events("task.failed"))

        (warned,) = (line for line in service.events("check.warning") if line["subject"] == "tasks")
        assert "1 of 1 standing tasks cannot be moved" in warned["message"]
        assert "active" == service.state()
        service.machine.tell("systemctl", "stop", service.name)
        made = (".emosieve", "decisions.jsonl", "quality_report.txt", "normal", "low_quality", "quarantine")
        service.machine.tell("rm", "-rf", *(f"{ROOT}/{name}" for name in made))
        service.start()
        assert_filed(service.here)

    def test_without_a_folder_to_write_the_start_fails(self, service: Service) -> None:
        """The control of ReadWritePaths: a root that only the sandbox bars is named as that."""
        service.fail_to_start("ReadWritePaths=", "Restart=no")

        assert "let it be written (ReadWritePaths= in the unit" in service.show("StatusText")[0]

    def test_what_the_sandbox_leaves(self, service: Service) -> None:
        """Events come, the kernel tells who still writes, and any shell may ask for the status."""
        service.start()
        task = write_task(service.here)
        with (task / "result.json").open("ab"):
            until(lambda: "still_open" in service.status()["daemon"]["reasons"])
        assert_filed(service.here)

        daemon = service.status()["daemon"]
        assert ("native", True) == (daemon["mode"], daemon["tells_writers"])
        counts = "0 pending; filed since the start: normal 1, low_quality 0, quarantined 0"
        until(lambda: service.show("StatusText") == (counts,))

    def test_audio_can_be_measured_in_the_sandbox(self, service: Service) -> None:
        """numpy, which the first wav brings in, needs nothing that the sandbox bars."""
        measure = (
            "import numpy as np; from emosieve.judge import speech; np.ones((500, 500)) @ np.ones((500, 500))"
        )
        service.start(
            "ExecStart=", f'ExecStart=/opt/emosieve/bin/python3 -c "{measure}"', "Type=oneshot", REMAIN
        )


class TestRoot:
    """A folder that comes late, or goes."""

    def test_one_that_is_not_there_is_waited_for(self, service: Service) -> None:
        """The service is active and says what it waits for; when the folder is made, it is served."""
        service.here.rmdir()
        service.start()
        assert f"waiting for the root: {ROOT}: No such file or directory" == service.show("StatusText")[0]
        service.here.mkdir()
        write_task(service.here)

        assert_filed(service.here)

    def test_one_that_is_made_anew_is_served(self, service: Service) -> None:
        """The sandbox was made for the folder that was renamed away: a restart makes another."""
        service.start()
        service.here.rename(service.here.with_name("of last year"))
        service.here.mkdir()
        write_task(service.here)

        assert_filed(service.here)

    def test_a_disk_that_is_mounted_later_is_served(self, service: Service) -> None:
        """And no restart is needed."""
        service.start()
        pid = service.pid()
        machine = service.machine
        machine.tell("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", ROOT)
        try:
            machine.write(f"{ROOT}/{TASK}/result.json", result_bytes().decode())
            until(lambda: machine.run("test", "-d", f"{ROOT}/normal/{TASK}").returncode == 0)
            assert pid == service.pid()
        finally:
            machine.tell("umount", "--lazy", ROOT)


@pytest.fixture(params=["emosieve.service", "the template"])
def on_disk(request: pytest.FixtureRequest, service: Service) -> Iterator[Service]:
    """A service whose root is a folder of a disk."""
    if request.param != service.name:
        escaped = service.machine.tell("systemd-escape", "--path", "--template=emosieve@.service", ROOT)
        service = Service(service.machine, escaped.strip())
    service.here.rmdir()
    mount_disk(service)
    yield service
    service.stop()
    for point in (os.path.dirname(ROOT), ELSEWHERE, KEPT):
        while service.machine.run("umount", "--lazy", point).returncode == 0:
            pass


ELSEWHERE, KEPT = "/srv/elsewhere", "/srv/kept"


def mount_disk(service: Service, *names: str) -> None:
    """Mount a new disk around the root, with tasks."""
    machine = service.machine
    machine.tell("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", os.path.dirname(ROOT))
    machine.tell("mkdir", ROOT)
    for name in names:
        machine.write(f"{ROOT}/{name}/result.json", result_bytes().decode())


def assert_filed_there(service: Service, folder: str) -> None:
    """A task comes to this folder of the machine."""
    until(lambda: service.machine.run("test", "-d", folder).returncode == 0)


class TestDisk:
    """A disk around the root, or a destination, of which the sandbox keeps a copy when it is unmounted."""

    @pytest.mark.parametrize("options", [(), ("--lazy",)], ids=["unmounted", "lazily"])
    def test_one_that_is_unmounted_is_let_go(self, on_disk: Service, options: tuple[str, ...]) -> None:
        """The unit says so, starts again and waits; the next disk is served as soon as it is there."""
        machine = on_disk.machine
        on_disk.start()
        pid = on_disk.pid()
        machine.tell("umount", *options, os.path.dirname(ROOT))
        on_disk.assert_restarted(pid)
        severed = (
            f"{ROOT}: its disk was unmounted, and this process alone still sees it; start emosieve again"
        )
        assert any(severed in line for line in on_disk.journal("-p", "err"))
        absent = f"waiting for the root: {ROOT}: No such file or directory"
        until(lambda: on_disk.show("StatusText") == (absent,))
        pid = on_disk.pid()
        mount_disk(on_disk, TASK)

        assert_filed_there(on_disk, f"{ROOT}/normal/{TASK}")
        assert pid == on_disk.pid()

    def test_one_that_is_changed_is_followed(self, on_disk: Service) -> None:
        """What the new disk brings is filed there, also where the old one stays mounted elsewhere."""
        machine = on_disk.machine
        machine.tell("mkdir", "-p", KEPT)
        machine.tell("mount", "--bind", os.path.dirname(ROOT), KEPT)
        on_disk.start()
        machine.write(f"{ROOT}/{TASK}/result.json", result_bytes().decode())
        assert_filed_there(on_disk, f"{KEPT}/outputs/normal/{TASK}")
        machine.tell("umount", os.path.dirname(ROOT))
        mount_disk(on_disk, NEXT)

        assert_filed_there(on_disk, f"{ROOT}/normal/{NEXT}")
        assert "quality_report.txt" in machine.tell("ls", f"{KEPT}/outputs")

    def test_one_that_covers_another_is_served(self, on_disk: Service) -> None:
        """A mount that is made over the disk is passed on, and no restart is needed."""
        on_disk.start()
        pid = on_disk.pid()
        mount_disk(on_disk, TASK)

        assert_filed_there(on_disk, f"{ROOT}/normal/{TASK}")
        assert pid == on_disk.pid()

    def test_that_of_a_destination_is_followed(self, on_disk: Service) -> None:
        """A destination elsewhere is writable by a copy of its own, which is noticed as well."""
        machine, folder = on_disk.machine, f"{ELSEWHERE}/normal"

        def mount_elsewhere() -> None:
            machine.tell("mkdir", "-p", ELSEWHERE)
            machine.tell("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", ELSEWHERE)
            machine.tell("mkdir", folder)

        mount_elsewhere()
        on_disk.start(f"ReadWritePaths={folder}", f"Environment=EMOSIEVE_FILING__NORMAL={folder}")
        pid = on_disk.pid()
        machine.tell("umount", ELSEWHERE)
        mount_elsewhere()
        on_disk.assert_restarted(pid)
        machine.write(f"{ROOT}/{TASK}/result.json", result_bytes().decode())

        assert_filed_there(on_disk, f"{folder}/{TASK}")

    def test_without_a_restart_the_unit_fails(self, on_disk: Service) -> None:
        """The control: it ends by itself, and nothing else brings it back."""
        on_disk.start("Restart=no")
        on_disk.machine.tell("umount", os.path.dirname(ROOT))
        until(lambda: on_disk.state() == "failed")

        assert ("exit-code", "2") == on_disk.show("Result", "ExecMainStatus")


class TestRestart:
    """Whatever ends it, or keeps it from working, another one comes."""

    def test_a_killed_one(self, service: Service) -> None:
        """After SIGKILL another one works on."""
        service.start()
        pid = service.pid()
        service.machine.tell("systemctl", "kill", "-s", "KILL", service.name)
        service.assert_restarted(pid)
        write_task(service.here)
        assert_filed(service.here)

    def test_a_killed_one_that_is_not_started_again(self, service: Service) -> None:
        """The control: without Restart it is over."""
        service.start("Restart=no")
        pid = service.pid()
        service.machine.tell("systemctl", "kill", "-s", "KILL", service.name)
        with pytest.raises(AssertionError):
            service.assert_restarted(pid, BRIEF)
        assert "failed" == service.state()

    def test_a_stalled_one(self, service: Service) -> None:
        """A process that stands still misses the watchdog, and is replaced."""
        service.start(*IMPATIENT)
        pid = service.pid()
        service.machine.tell("kill", "-STOP", str(pid))
        service.assert_restarted(pid)

        assert any("Watchdog timeout" in line for line in service.journal())

    def test_a_hung_loop_among_living_threads(self, service: Service) -> None:
        """Only the loop itself answers the watchdog; where it hung stands in the journal."""
        service.start(*IMPATIENT)
        pid = service.pid()
        with frozen_loop(service):
            service.assert_restarted(pid)

        journal = "\n".join(service.journal())
        assert "Watchdog timeout" in journal
        assert "Fatal Python error: Aborted" in journal
        assert "/emosieve/service/daemon.py" in journal
        write_task(service.here)
        assert_filed(service.here)

    def test_a_hung_loop_without_a_watchdog(self, service: Service) -> None:
        """The control: nobody would notice."""
        service.start("WatchdogSec=0")
        pid = service.pid()
        with frozen_loop(service), pytest.raises(AssertionError):
            service.assert_restarted(pid, LONGER)
        assert (str(pid), "active") == service.show("MainPID", "ActiveState")


class TestReload:
    """``systemctl reload``."""

    def test_good_settings_rule_and_bad_ones_do_not(self, service: Service) -> None:
        """Of the good ones each task knows; the bad ones are refused aloud, and the unit stays active."""
        machine = service.machine
        service.start()
        pid = service.pid()
        write_task(service.here, confidence=0.65)
        assert_filed(service.here)
        machine.write(SETTINGS, f"profile = 'customer_service'\n{QUICK}")
        machine.tell("systemctl", "reload", service.name)
        until(lambda: service.events("settings.reloaded"))
        write_task(service.here, NEXT, confidence=0.65)
        assert_filed(service.here, NEXT, "low_quality")
        machine.write(SETTINGS, f"profile = 'no such one'\n{QUICK}")
        machine.tell("systemctl", "reload", service.name)
        until(lambda: service.events("settings.refused", "-p", "err"))
        write_task(service.here, "outputs_20240104_223200", confidence=0.65)
        assert_filed(service.here, "outputs_20240104_223200", "low_quality")

        until(lambda: service.state() == "active")
        assert pid == service.pid()

    def test_without_a_way_to_ask_for_it(self, service: Service) -> None:
        """The control: without ExecReload there is none."""
        service.start("ExecReload=")

        assert service.machine.run("systemctl", "reload", service.name).returncode


class TestStop:
    """``systemctl stop``."""

    def test_it_ends_in_time(self, service: Service) -> None:
        """With result success, exit status 0, and no status left behind."""
        service.start()
        service.machine.tell("systemctl", "stop", service.name)

        assert ("inactive", "success", "0") == service.show("ActiveState", "Result", "ExecMainStatus")
        assert [] != service.events("watch.stopped")
        assert "" == service.machine.tell("find", "/run/emosieve", "-type", "f")

    def test_one_that_hangs_is_ended(self, service: Service) -> None:
        """The control: it is killed when its time is over, and that is no success."""
        service.start("TimeoutStopSec=2s")
        with frozen_loop(service):
            service.machine.tell("systemctl", "stop", service.name)

        assert ("failed", "timeout") == service.show("ActiveState", "Result")


class TestJournal:
    """``journalctl -u emosieve``."""

    def test_a_line_a_decision(self, service: Service) -> None:
        """``-o cat`` gives each decision as one line of JSON, ``-p warning`` what is one or worse, alone."""
        service.start()
        (service.here / "outputs_link").symlink_to("/etc")
        write_task(service.here)
        write_task(service.here, NEXT, confidence=0.4)
        assert_filed(service.here)
        assert_filed(service.here, NEXT, "low_quality")
        until(lambda: len(service.events("task.filed")) == 2)

        decisions = service.events("task.filed")
        assert {(TASK, "normal"), (NEXT, "low_quality")} == {
            (one["task"], one["verdict"]) for one in decisions
        }
        assert [] == [line for line in service.journal() if line.startswith("<")]
        assert_chosen_by_priority(service)

    def test_without_a_priority_nothing_can_be_chosen(self, service: Service) -> None:
        """The control: where emosieve cannot know that the journal listens, ``-p`` finds none of its lines."""
        service.start("UnsetEnvironment=JOURNAL_STREAM")
        (service.here / "outputs_link").symlink_to("/etc")
        write_task(service.here)
        assert_filed(service.here)

        with pytest.raises(AssertionError):
            assert_chosen_by_priority(service)


def assert_chosen_by_priority(service: Service) -> None:
    """A warning is found by ``-p warning``, and no decision is."""
    until(lambda: service.events("task.left_alone"))
    assert [1, 0] == [
        len(service.events(name, "-p", "warning")) for name in ("task.left_alone", "task.filed")
    ]


class TestInstances:
    """``emosieve@.service``."""

    def test_two_roots_at_once(self, service: Service) -> None:
        """Each instance has its own folder, whatever the path is made of, its own journal and its own status."""
        machine = service.machine
        services = []
        for root in (ROOT, "/root/二号 web-ui/out puts"):
            escaped = machine.tell("systemd-escape", "--path", "--template=emosieve@.service", root).strip()
            services.append(Service(machine, escaped, root))
        first, second = services
        try:
            second.here.mkdir(parents=True)
            for one in services:
                one.start()
            write_task(first.here, TASK)
            write_task(second.here, NEXT)
            assert_filed(first.here, TASK)
            assert_filed(second.here, NEXT)
            machine.tell("systemctl", "stop", first.name)

            assert [NEXT] == [one["task"] for one in second.events("task.filed")]
            assert (None, "watching") == (first.status().get("daemon"), second.status()["state"])
        finally:
            for one in services:
                one.stop()


class TestDropIns:
    """What may be laid beside the unit."""

    def test_metrics_can_be_asked_for(self, service: Service) -> None:
        """With metrics.conf the sandbox lets a process of this machine in by TCP; without, it does not."""
        answering = (
            "ExecStart=",
            f"ExecStart=/usr/bin/python3 -m http.server --bind 127.0.0.1 9464 -d {ROOT}",
        )
        service.start(*lines_of("metrics.conf"), *answering, "Type=exec")
        assert_answered(service.machine)
        service.stop()
        # What is refused a socket ends at once, so that it is hardly ever found active.
        service.drop_in(*answering, "Type=exec")
        service.machine.run("systemctl", "start", service.name)

        with pytest.raises(AssertionError):
            assert_answered(service.machine, BRIEF)

    def test_without_it_the_refusal_names_it(self, service: Service) -> None:
        """An address alone, without the drop-in, ends the start with what to install; half of it is warned of."""
        service.machine.write(SETTINGS, f'{QUICK}[metrics]\nlisten = "127.0.0.1:9464"\n')
        service.fail_to_start("Restart=no")
        advice = "install deploy/systemd/metrics.conf into /etc/systemd/system/emosieve.service.d/"
        assert any(
            "Address family not supported by protocol" in line and advice in line
            for line in service.journal()
        ), service.journal()
        assert ("exit-code", "2") == service.show("Result", "ExecMainStatus")

        service.start("RestrictAddressFamilies=AF_INET AF_INET6")
        (warned,) = (line for line in service.events("check.warning") if line["subject"] == "metrics.listen")
        assert "install deploy/systemd/metrics.conf (PrivateNetwork=no)" in warned["message"]
        service.stop()
        service.start(*lines_of("metrics.conf"))
        ask = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/metrics', timeout=9)"
        service.machine.tell("python3", "-c", ask)

    def test_check_judges_by_what_the_unit_may(self, service: Service) -> None:
        """In a root shell, too: what root may and the unit may not, since it has no capabilities, is an error."""
        service.machine.write(SETTINGS, "[settle]\nquiet_seconds = 60\n")
        service.start()
        os.chown(write_task(service.here), 1000, 1000)
        command = (EMOSIEVE, "check", ROOT, "--json")
        document = json.loads(service.machine.run(*command).stdout)
        found = {(line["level"], line["subject"]): line["message"] for line in document["lines"]}

        assert "1 of 1 standing tasks cannot be moved" in found["error", "tasks"]
        assert f"pid {service.pid()}, uid 0, without capabilities" in found["ok", "permission"]
        service.machine.tell("systemctl", "stop", service.name)
        document = json.loads(service.machine.tell(*command))
        (warned,) = (line["message"] for line in document["lines"] if line["level"] == "warning")
        assert warned.startswith("root may, but only by its capabilities")

    def test_a_user_of_its_own(self, service: Service) -> None:
        """With the ACL that the drop-in gives, it files what root writes; who still writes, it is not told."""
        machine = service.machine
        for command in commands_of(UNITS / "unprivileged.conf", "Prepare"):
            machine.tell("sh", "-ec", command)
        service.start(*lines_of("unprivileged.conf"))
        write_task(service.here)
        assert_filed(service.here)
        assert 0 == (service.here / "normal" / TASK).stat().st_uid
        until(lambda: service.status()["daemon"]["tells_writers"] is False)

        machine.tell("setfacl", "-k", ROOT)
        write_task(service.here, NEXT)
        until(lambda: service.events("task.failed", "-p", "err"))
        assert NEXT in names_in(service.here)


def lines_of(drop_in: str) -> list[str]:
    """The lines of a drop-in that is shipped."""
    lines = (UNITS / drop_in).read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith(("#", "["))]


def assert_answered(machine: Machine, patience: float = PATIENCE) -> None:
    """Something listens where metrics are asked for."""
    ask = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464', timeout=1)"
    until(lambda: machine.run("python3", "-c", ask).returncode == 0, patience)
