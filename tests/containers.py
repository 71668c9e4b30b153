"""A real dockerd of the tests' own: in a mount namespace of its own, with its own data, and no hand on the firewall."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from process import until

TOP = Path(__file__).parents[1]
DOCKERFILE = TOP / "deploy" / "docker" / "Dockerfile"
COMPOSE = TOP / "deploy" / "docker" / "compose.yaml"
ENV_EXAMPLE = COMPOSE.with_name(".env.example")
KUBERNETES = TOP / "deploy" / "kubernetes" / "emotion2vec.yaml"
WEBUI = Path("/root/Emotion2Vec-plus-Large-webui")
OUTPUTS = WEBUI / "outputs"
"""As the WebUI's users have it; in the namespace of the engine alone, whatever stands there on this machine."""
BASE = "python:3.12-slim"
CACHE = Path("/var/cache/emosieve-tests")
"""Of what takes long to make or fetch: the base image and docker compose."""
CLIENT = next((one for one in ("/usr/bin/docker",) if Path(one).exists()), "docker")
"""Debian's own speaks to the BuildKit within dockerd; later ones want a plugin for that."""
_LIBRARIES = (
    "ca-certificates,netbase,tzdata,libssl3,libffi8,libbz2-1.0,liblzma5,libsqlite3-0,libreadline8,zlib1g"
)
_LEFT_OUT = " ".join(
    f"--exclude='{name}'" for name in ("test", "idlelib", "site-packages", "__pycache__", "*.a")
)
"""As the real image leaves them out, and what else this machine installed."""
_SETUP = """
set -e
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/root,upperdir=$1/upper,workdir=$1/work" /root
mkdir -p "$2" && mount --bind "$1/webui" "$2"
# As a systemd makes them, so that a container may follow what is mounted later.
mount --make-rshared /
shift 2
exec "$@"
"""


class Refused(Exception):  # noqa: N818 - docker's word
    """Docker ended with another status than 0; the message is what it said."""


def need(*programs: str) -> None:
    """Skip where a program is missing, or root's rights."""
    if os.geteuid() != 0:
        pytest.skip("a dockerd and mounts of its own need root")
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def _checked(*command: str | Path, **keywords: Any) -> str:
    ended: subprocess.CompletedProcess[str] = subprocess.run(
        [*map(str, command)],
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **keywords,
    )
    if ended.returncode:
        raise Refused(ended.stdout)
    return ended.stdout


def validate(command: list[str], path: Path) -> None:
    """Have a program that came with the extra ``deploy`` read a file.

    Raises:
        Refused: by it.
    """
    program = Path(sys.executable).with_name(command[0])
    if not program.exists():
        pytest.skip(f"{command[0]} is not installed: pip install -e '.[deploy]'")
    _checked(program, *command[1:], path)


@dataclass(frozen=True)
class Engine:
    """A dockerd that listens.

    Attributes:
        workshop: a folder of its own: data, socket, settings of the client, and the WebUI's folder.
        pid: of dockerd, in whose mount namespace the WebUI's folder stands where it should.
    """

    workshop: Path
    pid: int

    @property
    def environment(self) -> dict[str, str]:
        """For the client, whose BuildKit heeds Dockerfile.dockerignore."""
        own = {"DOCKER_HOST": f"unix://{self.workshop}/socket", "DOCKER_CONFIG": f"{self.workshop}/client"}
        return {**os.environ, **own, "DOCKER_BUILDKIT": "1"}

    def docker(self, *arguments: str | Path, **environment: str) -> str:
        """Ask the engine; gives stdout and stderr.

        Raises:
            Refused: with another status than 0.
        """
        return _checked(CLIENT, *arguments, env={**self.environment, **environment}, cwd=TOP)

    def on_host(self, program: str, *arguments: str | Path) -> str:
        """Run a Python program of the host, where the WebUI's folder stands in its place; umask 022, as root."""
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--wd=/"]
        return _checked(
            *enter, "sh", "-c", 'umask 022 && exec "$@"', "sh", sys.executable, "-c", program, *arguments
        )

    def inspect(self, name: str, kind: str = "container") -> Any:
        """All that docker knows of a container or image."""
        return json.loads(self.docker(kind, "inspect", name))[0]

    def derive(self, tag: str, *lines: str) -> str:
        """Build an image of a few lines, without a context; gives the tag."""
        dockerfile = self.workshop / "derived"
        dockerfile.write_text("\n".join(lines))
        empty = self.workshop / "empty"
        empty.mkdir(exist_ok=True)
        self.docker("build", "--quiet", "--network=none", "--file", dockerfile, "--tag", tag, empty)
        return tag


@contextmanager
def engine() -> Iterator[Engine]:
    """Start a dockerd whose only image is the base; nothing of it stays."""
    need("dockerd", "mmdebstrap", "nsenter")
    base = base_archive()
    workshop = Path(tempfile.mkdtemp(prefix="emosieve-docker-"))
    for folder in ("upper", "work", "webui/outputs", "client"):
        (workshop / folder).mkdir(parents=True)
    (workshop / "webui" / "outputs").chmod(0o755)
    listens = [
        f"--host=unix://{workshop}/socket",
        f"--data-root={workshop}/data",
        f"--exec-root={workshop}/exec",
    ]
    alone = ["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--bridge=none"]
    command = ["dockerd", *listens, *alone, f"--pidfile={workshop}/pid"]
    with (workshop / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _SETUP, "sh", str(workshop), str(WEBUI), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    one = Engine(workshop, daemon.pid)
    try:
        until(lambda: _listens(one, daemon))
        paths = "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
        one.docker("import", "--change", f"ENV {paths} LANG=C.UTF-8", base, BASE)
        yield one
    finally:
        _end(one, daemon)


def _listens(one: Engine, daemon: subprocess.Popen[bytes]) -> bool:
    assert daemon.poll() is None, (one.workshop / "dockerd.log").read_text()
    try:
        one.docker("version")
    except Refused:
        return False
    return True


def _end(one: Engine, daemon: subprocess.Popen[bytes]) -> None:
    if daemon.poll() is None:
        containers = one.docker("ps", "--all", "--quiet").split()
        if containers:
            one.docker("rm", "--force", *containers)
        daemon.terminate()
    daemon.wait(timeout=60)
    shutil.rmtree(one.workshop)


def base_archive() -> Path:
    """A stand-in for the base image, of Debian's packages: no image registry need be reachable; made once.

    Its Python is a 3.12 of this machine. As in the real image it is without compiled modules, which
    the size and speed of ours depend on.
    """
    path = CACHE / f"{BASE.replace(':', '-')}.tar"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.tar")
        authorities = "/etc/ssl/certs/ca-certificates.crt"
        hooks = [
            f'tar -C {_python_prefix()} {_LEFT_OUT} -c bin lib | tar -C "$1/usr/local" -x',
            'chroot "$1" ldconfig',
            'chroot "$1" /usr/local/bin/python3.12 -m ensurepip',
            'find "$1/usr" -name __pycache__ -prune -exec rm -r {} +',
            # Those that this machine trusts: pip looks the packages up by its ways.
            f"upload {os.environ.get('SSL_CERT_FILE', authorities)} {authorities}",
            f'printf "[global]\\ncert = {authorities}\\n" > "$1/etc/pip.conf"',
        ]
        _checked(
            *["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_LIBRARIES}"],
            *[f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")],
            *[f"--customize-hook={hook}" for hook in hooks],
            *["bookworm", str(part), str(_apt_sources())],
        )
        part.rename(path)
    return path


def _python_prefix() -> str:
    """Where a Python 3.12 of this machine is installed, by pyenv or by hand; skip where there is none."""
    for command in (["pyenv", "prefix", "3.12"], ["python3.12", "-c", "import sys; print(sys.base_prefix)"]):
        with suppress(Refused, FileNotFoundError):
            return _checked(*command).strip()
    pytest.skip("a Python 3.12 is needed for the stand-in of the base image")


def _apt_sources() -> Path:
    """This machine's own list of Debian's packages."""
    lists = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
    return next(one for one in lists if one.exists())


def compose_plugin(one: Engine) -> None:
    """Have ``docker compose``: this machine's own, else that of the next Debian; skip where neither can be had."""
    try:
        one.docker("compose", "version")
    except Refused:
        plugin = CACHE / "docker-compose"
        if not plugin.exists():
            _fetch_compose(plugin, one.workshop / "apt")
        plugins = one.workshop / "client" / "cli-plugins"
        plugins.mkdir()
        (plugins / "docker-compose").symlink_to(plugin)


def _fetch_compose(plugin: Path, folder: Path) -> None:
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    sources = folder / "next.sources"
    sources.write_text(_apt_sources().read_text().replace("bookworm bookworm-updates", "trixie"))
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    try:
        _checked(*apt, "update")
        _checked(*apt, "download", "docker-compose", cwd=folder)
    except Refused as refused:
        pytest.skip(f"docker compose cannot be had here: {refused}")
    (archive,) = folder.glob("docker-compose_*.deb")
    _checked("dpkg", "-x", archive, folder / "unpacked")
    (found,) = (folder / "unpacked").rglob("cli-plugins/docker-compose")
    CACHE.mkdir(parents=True, exist_ok=True)
    shutil.copy(found, plugin)
