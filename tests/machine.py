"""A real systemd, booted in a second over a view of this machine's own file system that nobody keeps.

The view is an overlay of ``/`` in a mount namespace of its own: whatever is written there is in
memory, and gone at the end. Folders of the host may be bound in, so that somebody else can write
what the services inside look at.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from process import until

TOP = Path(__file__).parents[1]
SOURCE = "/usr/src/emosieve"
"""Where the clone of emosieve stands in the machine."""
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

_VIEW = """
set -e
lab=$1 prepare=$2
mount --make-rprivate /
mount -t tmpfs -o size=2g tmpfs "$lab"
mkdir "$lab/upper" "$lab/work" "$lab/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$lab/upper,workdir=$lab/work" "$lab/root"
cd "$lab/root"
rm -rf etc/systemd/system/*.wants etc/fstab var/log/journal opt/emosieve
: > etc/machine-id
# A cgroup of our own, so that the machine's root is never the host's; where cgroups are not the host's, without.
for kind in systemd unified; do
  group=/sys/fs/cgroup/$kind
  if [ -w $group/cgroup.procs ]; then mkdir -p $group/emosieve-$$; echo $$ > $group/emosieve-$$/cgroup.procs; fi
done
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
in_view=(systemd-nspawn --quiet --register=no --keep-unit --machine="emosieve-$$" --directory="$lab/root"
  --bind-ro="$SOURCE_HERE:$SOURCE_THERE")
"${in_view[@]}" --pipe --chdir="$SOURCE_THERE" $ENVIRONMENT /bin/sh -ec "$prepare"
exec "${in_view[@]}" --bind="$HOME_HERE:/root" --private-network --console=pipe --kill-signal=SIGRTMIN+3 --boot \\
  systemd.unit=basic.target systemd.log_target=journal systemd.firstboot=no
"""


class Machine:
    """A booted systemd.

    Args:
        lab: an empty directory to work in.
        prepare: shell commands that are run in the view before it boots, with the host's network, in the
            clone of emosieve.

    Attributes:
        home: what stands in ``/root`` there: a folder of the host, so that a WebUI can be played from here.
    """

    def __init__(self, lab: Path, prepare: str) -> None:
        _require()
        self.home = lab / "home"
        self.home.mkdir(mode=0o700)
        self._console = lab / "console.log"
        view = lab / "view"
        view.mkdir()
        outside = [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith("PIP_")]
        environment = {
            "SOURCE_HERE": str(TOP),
            "SOURCE_THERE": SOURCE,
            "HOME_HERE": str(self.home),
            "ENVIRONMENT": " ".join(f"--setenv={name}" for name in outside),
        }
        with self._console.open("wb") as console:
            self._spawner = subprocess.Popen(
                ["unshare", "--mount", "bash", "-c", _VIEW, "bash", str(view), prepare],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        self._leader = 0
        try:
            until(self._is_booted, patience=300)
        except BaseException:
            self.close()
            raise

    def _is_booted(self) -> bool:
        assert self._spawner.poll() is None, self._console.read_text("utf-8", errors="replace")
        children = Path(f"/proc/{self._spawner.pid}/task/{self._spawner.pid}/children").read_text("ascii")
        for child in children.split():
            if Path(f"/proc/{child}/cmdline").read_bytes().startswith((b"/usr/lib/systemd", b"/lib/systemd")):
                self._leader = int(child)
        return bool(self._leader) and self.run("systemctl", "is-active", "basic.target").returncode == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Switch it off, and leave nothing behind."""
        if self._leader:
            self.run("systemctl", "poweroff", "--force", "--force")
        try:
            self._spawner.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._spawner.kill()
            self._spawner.wait()
        for kind in ("systemd", "unified"):
            group = Path(f"/sys/fs/cgroup/{kind}/emosieve-{self._spawner.pid}")
            for folder, _, _ in os.walk(group, topdown=False):
                Path(folder).rmdir()

    def run(self, *command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine, as a root shell there would.

        Args:
            command: its name and arguments.
            text: its input.
        """
        enter = ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]
        clean = ["env", "-i", f"PATH={PATH}", "LANG=C.UTF-8", "TERM=dumb", "SYSTEMD_PAGER="]
        return subprocess.run(
            [*enter, *clean, *command],
            input=text or "",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def tell(self, *command: str, text: str | None = None) -> str:
        """Run a command that must succeed; gives its output."""
        ended = self.run(*command, text=text)
        assert (0, shlex.join(command)) == (ended.returncode, shlex.join(command)), (
            ended.stdout + ended.stderr
        )
        return ended.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file in the machine, and the folders that it needs."""
        self.tell("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat > "$1"', "sh", path, text=text)

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """What systemd says of a unit."""
        lines = self.tell("systemctl", "show", unit, f"--property={','.join(properties)}").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def outside(self, pid: int) -> int:
        """The number that a process of the machine has on the host."""
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                lines = status.read_text("utf-8").splitlines()
            except OSError:
                continue  # ended meanwhile
            numbers = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
            if numbers[1:] == [str(pid)] and _is_below(int(numbers[0]), self._leader):
                return int(numbers[0])
        raise AssertionError(pid)


def _is_below(pid: int, leader: int) -> bool:
    """Whether a process is of the machine whose first one is given."""
    return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{leader}/ns/pid")


def _require() -> None:
    if os.geteuid() != 0:
        pytest.skip("booting a systemd needs root")
    missing = [name for name in ("systemd-nspawn", "unshare", "nsenter") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"booting a systemd needs {', '.join(missing)}")


def commands_of(unit: Path, heading: str) -> Sequence[str]:
    """The commands that the head of a unit gives under a heading, one a line.

    Args:
        unit: a file of ``deploy/systemd``.
        heading: how the line above them begins.
    """
    lines = unit.read_text("utf-8").splitlines()
    after = lines[next(number for number, line in enumerate(lines) if line.startswith(f"# {heading}")) + 1 :]
    end = next(number for number, line in enumerate(after) if not line.startswith("#   "))
    return [line.removeprefix("#   ") for line in after[:end]]
