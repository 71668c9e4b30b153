"""The real image, built and run by a real dockerd, beside what writes as the WebUI does.

Each assertion has a counter-proof: it fails where what it asserts is broken.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import emosieve
from conftest import names_in, standing
from containers import (
    BASE,
    CLIENT,
    COMPOSE,
    DOCKERFILE,
    ENV_EXAMPLE,
    OUTPUTS,
    TOP,
    WEBUI,
    Engine,
    Refused,
    compose_plugin,
    engine,
)
from process import until

# The base and the image are made within the first test's time.
pytestmark = pytest.mark.timeout(600)

IMAGE = "emosieve"
MOST_BYTES = 150_000_000
STOP_SECONDS = 5

HARDENED = ["--read-only", "--cap-drop=ALL", "--network=none", "--security-opt=no-new-privileges"]
HARDENED += ["--tmpfs=/run/emosieve", "--memory=256m", "--pids-limit=64"]
ASKED_OFTEN = ["--health-interval=1s", "--health-retries=1"]
READABLE = "--env=EMOSIEVE_LOG__FORMAT=console"
WRITE = """
import os, sys
from emosieve.commands.simulated_webui import Recognition, scores_for, write_task
root, owner, *names = sys.argv[1:]
for name in names:
    scores = scores_for("happy", 0.4 if name.endswith("1") else 0.9)
    write_task(f"{root}/.{name}", Recognition(scores, embedding=True), lambda: None, lambda: None)
    os.chown(f"{root}/.{name}", int(owner), int(owner))
    os.rename(f"{root}/.{name}", f"{root}/{name}")
"""
"""Tasks of the WebUI, whose names end in 1 for a result of low quality, appear whole and of one owner."""
DECISION = re.compile(r"\d\d:\d\d:\d\d ([✓✗]) (normal|low_quality) +(outputs_\w+)  happy 0\.\d{3}( .*)?")


@pytest.fixture(scope="module")
def docker() -> Iterator[Engine]:
    """A dockerd that has built the image, and the ailing containers that take a minute to be found out."""
    with engine() as docker:
        docker.docker("build", "--network=host", "--file", DOCKERFILE, "--tag", IMAGE, TOP)
        start_ailing(docker)
        yield docker


def start(
    docker: Engine, name: str, *options: str, image: str = IMAGE, root: Path = OUTPUTS, hard: bool = True
) -> str:
    """Run a sidecar on a folder of the WebUI's; gives its name."""
    docker.on_host(f"import os; os.makedirs({str(root)!r}, exist_ok=True)")
    hardening = HARDENED if hard else HARDENED[2:]
    docker.docker(
        "run",
        "--detach",
        f"--name={name}",
        *hardening,
        *ASKED_OFTEN,
        f"--volume={root}:/outputs",
        *options,
        image,
    )
    return name


def give(docker: Engine, folder: Path, uid: int) -> None:
    """Make a folder of the WebUI's, and give it to a user."""
    docker.on_host(
        f"import os; os.makedirs({str(folder)!r}, exist_ok=True); os.chown({str(folder)!r}, {uid}, {uid})"
    )


@pytest.fixture
def well(docker: Engine) -> Iterator[str]:
    """A sidecar that is at work on the WebUI's outputs, which are empty."""
    name = start(docker, "well", READABLE)
    until(lambda: health_of(docker, name) != "starting")
    yield name
    docker.docker("rm", "--force", name)
    docker.on_host(f"import shutil; shutil.rmtree({str(OUTPUTS)!r})")


def health_of(docker: Engine, name: str) -> str:
    """What docker thinks of a container."""
    return str(docker.inspect(name)["State"]["Health"]["Status"])


def last_answer(docker: Engine, name: str) -> str:
    """What the last probe said."""
    return str(docker.inspect(name)["State"]["Health"]["Log"][-1]["Output"])


def outputs_in(docker: Engine) -> Path:
    """The WebUI's outputs as this process reaches them."""
    return docker.workshop / "webui" / OUTPUTS.name


def assert_healthy(docker: Engine, name: str) -> None:
    """Docker takes it for healthy."""
    assert "healthy" == health_of(docker, name)


def start_ailing(docker: Engine) -> None:
    """One that hangs, one that was killed beside a first process that lives, and one that can never file."""
    start(docker, "hanging", root=WEBUI / "hanging")
    start(docker, "failing", root=WEBUI / "failing")
    alive = [
        "--entrypoint=sh",
        f"--volume={WEBUI}/killed:/outputs",
        *HARDENED,
        *ASKED_OFTEN,
        "--detach",
        "--name=killed",
    ]
    docker.docker("run", *alive, IMAGE, "-c", "emosieve watch & sleep 300")
    names = ("hanging", "failing", "killed")
    until(lambda: {"healthy"} == {health_of(docker, name) for name in names})
    signal_within(docker, "hanging", "STOP")
    signal_within(docker, "killed", "KILL")
    docker.on_host(WRITE, WEBUI / "failing", "1000", "outputs_1")


def signal_within(docker: Engine, name: str, signal: str) -> None:
    """Send a signal to the daemon in a container, from outside."""
    rows = docker.docker("top", name, "-eo", "pid,args").splitlines()
    (pid,) = [
        row.split()[0] for row in rows if "emosieve watch" in row and " sh " not in row and "-c" not in row
    ]
    subprocess.run(["kill", f"-{signal}", pid], check=True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hanging", "no sign of life for"),
        ("killed", "was killed"),
        ("failing", "tasks could not be filed: outputs_1"),
    ],
)
def test_one_that_is_at_work_is_healthy_and_an_ailing_one_is_not(
    docker: Engine, well: str, name: str, words: str
) -> None:
    """Docker tells them apart, and says why."""
    until(lambda: health_of(docker, name) == "unhealthy", patience=100)

    assert_healthy(docker, well)
    assert words in last_answer(docker, name)
    with pytest.raises(AssertionError):
        assert_healthy(docker, name)


def assert_filed(docker: Engine, name: str) -> None:
    """What another container and the host write is filed, as root made it, and nothing is left."""
    volume = f"--volume={OUTPUTS}:{OUTPUTS}"
    program = [
        "--entrypoint=python",
        "--rm",
        "--network=none",
        volume,
        IMAGE,
        "-c",
        f"import os; os.umask(0o22)\n{WRITE}",
    ]
    docker.docker("run", *program, OUTPUTS, "0", "outputs_container_1", "outputs_container_2")
    docker.on_host(WRITE, OUTPUTS, "0", "outputs_host_1", "outputs_host_2")
    root = outputs_in(docker)

    def is_done() -> bool:
        assert docker.inspect(name)["State"]["Running"], docker.docker("logs", name)
        return not standing(root)

    until(is_done)
    assert ["outputs_container_2", "outputs_host_2"] == names_in(root / "normal")
    assert ["outputs_container_1", "outputs_host_1"] == names_in(root / "low_quality")
    status = (root / "normal" / "outputs_host_2").stat()
    assert (0, 0, 0o40755) == (status.st_uid, status.st_gid, status.st_mode)


def test_what_a_container_and_the_host_write_is_filed(docker: Engine, well: str) -> None:
    """Root without capabilities files what root made in the WebUI's own folder."""
    assert_filed(docker, well)


def test_another_user_than_the_webuis_files_nothing(docker: Engine) -> None:
    """It ends and says why, and the tasks stand."""
    name = start(docker, "stranger", "--user=1000:1000")
    with pytest.raises(AssertionError):
        assert_filed(docker, name)

    assert 2 == docker.inspect(name)["State"]["ExitCode"]
    assert "/outputs" in docker.docker("logs", name)
    assert 4 == len(standing(outputs_in(docker)))
    docker.on_host(f"import shutil; shutil.rmtree({str(OUTPUTS)!r})")


def assert_read_only(docker: Engine, name: str) -> None:
    """Nothing of the image can be changed."""
    for path in ("/file", "/opt/emosieve/file", "/etc/passwd"):
        with pytest.raises(Refused, match="Read-only file system"):
            docker.docker("exec", name, "python", "-c", f"open({path!r}, 'a')")


def assert_powerless(docker: Engine, name: str) -> None:
    """Its first process has no capability, gets none, and no network but its own loopback."""
    status = docker.docker("exec", name, "cat", "/proc/1/status")
    found = dict(line.split(":\t", 1) for line in status.splitlines())
    assert ("0" * 16, "0" * 16, "1", "2") == tuple(
        found[key] for key in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")
    )
    assert ["lo"] == docker.docker("exec", name, "ls", "/sys/class/net").split()


def test_it_needs_neither_disk_nor_powers(docker: Engine, well: str) -> None:
    """It works on a read-only image without capabilities; without the options neither would be so."""
    assert_read_only(docker, well)
    assert_powerless(docker, well)

    name = start(docker, "soft", root=WEBUI / "soft", hard=False)
    for hold in (assert_read_only, assert_powerless):
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            hold(docker, name)


def assert_stops(docker: Engine, name: str) -> None:
    """SIGTERM ends it with status 0; after five seconds docker would kill it, with 137."""
    docker.docker("stop", f"--time={STOP_SECONDS}", name)
    assert 0 == docker.inspect(name)["State"]["ExitCode"]


def test_it_is_stopped_by_a_signal(docker: Engine, well: str) -> None:
    """The daemon itself is the first process; behind a shell it would hear of no signal."""
    assert_stops(docker, well)
    assert "watch.stopped" in docker.docker("logs", well)

    behind = docker.derive(
        "behind-a-shell", f"FROM {IMAGE}", 'ENTRYPOINT ["sh", "-c", "emosieve watch; exit"]'
    )
    name = start(docker, "deaf", image=behind, root=WEBUI / "deaf")
    until(lambda: health_of(docker, name) == "healthy")
    with pytest.raises(AssertionError):
        assert_stops(docker, name)


def assert_readable(docker: Engine, name: str) -> None:
    """``docker logs -f`` shows a line a decision as it falls, and ``emosieve tail`` the same decisions."""
    command = [CLIENT, "logs", "--follow", name]
    with subprocess.Popen(
        command, env=docker.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as follower:
        docker.on_host(WRITE, OUTPUTS, "0", "outputs_1", "outputs_2")
        assert follower.stdout is not None
        lines = (line.rstrip("\n") for line in follower.stdout if "outputs_" in line)
        shown = [next(lines), next(lines)]
        follower.kill()
    found = [DECISION.fullmatch(line) for line in shown]
    assert all(found), shown
    log = docker.docker("exec", name, "emosieve", "tail", "--json").splitlines()
    decisions = [json.loads(line) for line in log]
    assert [(one["verdict"], one["task"]) for one in decisions] == [one.groups()[1:3] for one in found if one]


def test_the_log_is_a_readable_line_a_decision(docker: Engine, well: str) -> None:
    """With log.format console; without it every line is JSON, for programs."""
    assert_readable(docker, well)

    docker.docker("rm", "--force", well)
    start(docker, well)
    until(lambda: health_of(docker, well) == "healthy")
    with pytest.raises(AssertionError):
        assert_readable(docker, well)


def size_beyond_base(docker: Engine, image: str) -> int:
    """Bytes that an image adds."""
    return int(docker.inspect(image, "image")["Size"]) - int(docker.inspect(BASE, "image")["Size"])


def test_the_image_is_small(docker: Engine, record_property: Callable[[str, object], None]) -> None:
    """With numpy and all that it needs; the base is a stand-in of Debian's packages under the tag of the real one."""
    python = docker.docker("run", "--rm", "--network=none", BASE, "python3", "--version").strip()
    record_property("base image", f"stand-in for {BASE}: Debian's packages and {python}")
    docker.docker(
        "run", "--rm", "--network=none", "--entrypoint=python", IMAGE, "-c", "import numpy, prometheus_client"
    )
    size = size_beyond_base(docker, IMAGE)
    record_property("image beyond its base, MB", round(size / 1e6, 1))

    assert size < MOST_BYTES
    fat = docker.derive("fat", f"FROM {IMAGE}", "RUN head --bytes=100M /dev/zero > /fat")
    assert size_beyond_base(docker, fat) > MOST_BYTES


def assert_configured(docker: Engine, image: str) -> None:
    """Who runs what, how it is asked, and what it says of itself."""
    config = docker.inspect(image, "image")["Config"]
    assert ("0:0", ["emosieve"], ["watch"]) == (config["User"], config["Entrypoint"], config["Cmd"])
    assert ["CMD", "emosieve", "health"] == config["Healthcheck"]["Test"]
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert {"title", "description", "version", "licenses", "base.name"} <= labels.keys()
    assert emosieve.__version__ == labels["version"]


@pytest.mark.parametrize(
    "line",
    [
        "USER 1000",
        "ENTRYPOINT emosieve watch",
        "HEALTHCHECK NONE",
        "HEALTHCHECK CMD emosieve health",
        "LABEL org.opencontainers.image.version=0",
    ],
)
def test_the_image_says_how_it_is_run(docker: Engine, line: str) -> None:
    """Each in exec form; one line of another kind would be noticed."""
    assert_configured(docker, IMAGE)

    broken = docker.derive("broken", f"FROM {IMAGE}", line)
    with pytest.raises((AssertionError, KeyError)):
        assert_configured(docker, broken)


def test_a_probe_is_quick(docker: Engine, well: str, record_property: Callable[[str, object], None]) -> None:
    """It waits for no module to be compiled, as in the base it would; how long it takes is recorded."""
    measure = """
import subprocess, statistics, time
def seconds(*command):
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
pairs = [(seconds("emosieve", "health"), seconds("python", "-c", "pass")) for _ in range(21)]
print(*(statistics.median(one) for one in zip(*pairs)))
"""
    health, empty = map(float, docker.docker("exec", well, "python", "-c", measure).split())
    record_property("health", f"{health * 1000:.1f} ms, {health / empty:.2f} times python -c pass")
    compiled = re.compile(r"# code object from .*\.py'?$", re.MULTILINE)
    traced = docker.docker("exec", "--env=PYTHONVERBOSE=1", well, "emosieve", "health")
    bare = docker.docker("run", "--rm", "--network=none", BASE, "python3", "-v", "-c", "import json")

    assert [] == compiled.findall(traced)
    assert [] != compiled.findall(bare)


OVERRIDE = """
services:
  webui:
    network_mode: none
    ports: !reset []
"""
"""The engine of the tests has no network to publish a port to."""


def composed(docker: Engine, *arguments: str, text: str | None = None, **environment: str) -> str:
    """Run ``docker compose`` on the project's own file, or on another text in its place.

    Raises:
        Refused: by it.
    """
    override, file = docker.workshop / "override.yaml", COMPOSE
    override.write_text(OVERRIDE)
    if text is not None:
        file = docker.workshop / "compose.yaml"
        file.write_text(text)
    environment = {"WEBUI_IMAGE": "webui", "OUTPUTS": str(OUTPUTS), **environment}
    return docker.docker("compose", f"--file={file}", f"--file={override}", *arguments, **environment)


def test_compose_brings_both_up(docker: Engine) -> None:
    """The WebUI's container and the sidecar share one folder; what the one writes, the other files."""
    compose_plugin(docker)
    with pytest.raises(Refused):
        composed(docker, "config", text=COMPOSE.read_text().replace("read_only:", "readonly:"))
    program = json.dumps(
        ["python", "-c", f"{WRITE}\nimport time; time.sleep(600)", str(OUTPUTS), "0", "outputs_2"]
    )
    docker.derive("webui", f"FROM {IMAGE}", "HEALTHCHECK NONE", "ENTRYPOINT []", f"CMD {program}")
    docker.on_host(f"import os; os.makedirs({str(OUTPUTS)!r}, exist_ok=True)")
    try:
        composed(docker, "up", "--detach", "--no-build")
        until(lambda: ["outputs_2"] == names_in(outputs_in(docker) / "normal"))
        sidecar = composed(docker, "ps", "--quiet", "emosieve").strip()
        assert_read_only(docker, sidecar)
        assert_powerless(docker, sidecar)
        assert DECISION.search(composed(docker, "logs", "--no-log-prefix", "emosieve"))
        assert_stops(docker, sidecar)
    finally:
        composed(docker, "down", "--timeout=1")
        docker.on_host(f"import shutil; shutil.rmtree({str(OUTPUTS)!r})")


def assert_healthy_again(docker: Engine, name: str) -> None:
    """It is healthy, and after a restart as well."""
    until(lambda: health_of(docker, name) == "healthy")
    docker.docker("restart", f"--time={STOP_SECONDS}", name)
    until(lambda: health_of(docker, name) != "starting")
    assert_healthy(docker, name)


def test_a_restart_keeps_another_user_healthy(docker: Engine) -> None:
    """At a restart a tmpfs gets the mode of the folder below, which is everybody's; else it would be root's alone."""
    user = "--user=1000:1000"
    give(docker, WEBUI / "restarted", 1000)
    assert_healthy_again(docker, start(docker, "restarted", user, root=WEBUI / "restarted"))

    without = docker.derive("no-folder", f"FROM {IMAGE}", "RUN rmdir /run/emosieve")
    give(docker, WEBUI / "unlucky", 1000)
    name = start(docker, "unlucky", user, image=without, root=WEBUI / "unlucky")
    with pytest.raises(AssertionError):
        assert_healthy_again(docker, name)


def test_a_user_by_variables_is_refused(docker: Engine) -> None:
    """What other images heed is not ignored: the container ends and says what to write instead."""
    name = start(docker, "wished", "--env=PUID=1000", "--env=PGID=1000", root=WEBUI / "wished")
    until(lambda: not docker.inspect(name)["State"]["Running"])

    assert 2 == docker.inspect(name)["State"]["ExitCode"]
    assert "WEBUI_USER=1000:1000" in docker.docker("logs", name)


QUESTIONS = ("status", "check", "tail", "stats", "config show", "explain --rules")


def assert_answers(docker: Engine, name: str) -> None:
    """Every question is answered beside the daemon."""
    until(lambda: health_of(docker, name) == "healthy")
    for question in QUESTIONS:
        docker.docker("exec", name, "emosieve", *question.split())


def test_a_question_never_costs_the_daemons_life(docker: Engine) -> None:
    """Within 128 MB all are answered; within less the kernel ends the question, and the daemon works on."""
    name = start(docker, "small", "--memory=128m", "--memory-swap=128m", root=WEBUI / "small")
    assert_answers(docker, name)
    name = start(docker, "tiny", "--memory=56m", "--memory-swap=56m", root=WEBUI / "tiny")
    pid = docker.inspect(name)["State"]["Pid"]
    with pytest.raises(Refused):
        assert_answers(docker, name)

    assert (True, pid, 0) == (
        docker.inspect(name)["State"]["Running"],
        docker.inspect(name)["State"]["Pid"],
        docker.inspect(name)["RestartCount"],
    )


def test_compose_asks_for_the_folder(docker: Engine) -> None:
    """No other folder is taken in its place, and none is made; the example names it, and no variable is left out."""
    compose_plugin(docker)
    with pytest.raises(Refused, match="write the outputs folder of the WebUI"):
        composed(docker, "config", OUTPUTS="")
    with pytest.raises(Refused, match="bind source path does not exist"):
        composed(docker, "up", "--detach", "--no-build", "emosieve", OUTPUTS="/root/typo")
    composed(docker, "down", "--timeout=1")
    with pytest.raises(Refused):
        docker.on_host("import os; os.stat('/root/typo')")
    environment = {name: value for name, value in docker.environment.items() if name != "TZ"}
    command = [CLIENT, "compose", f"--env-file={ENV_EXAMPLE}", f"--file={COMPOSE}", "config", "--format=json"]
    config = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
    for service in config["services"].values():
        (volume,) = service["volumes"]
        assert (str(OUTPUTS), str(OUTPUTS), "rslave") == (
            volume["source"],
            volume["target"],
            volume["bind"]["propagation"],
        )
        assert "Asia/Shanghai" == service["environment"]["TZ"]
        assert {"max-size": "10m", "max-file": "3"} == service["logging"]["options"]
    assert str(OUTPUTS) == config["services"]["emosieve"]["environment"]["EMOSIEVE_ROOT"]


@pytest.fixture
def disk(docker: Engine) -> Iterator[None]:
    """A disk of the host's at the outputs folder."""
    compose_plugin(docker)
    mount_disk(docker)
    yield
    composed(docker, "down", "--timeout=1")
    host(docker, f"umount --lazy {OUTPUTS}; rm -rf {OUTPUTS}")


def host(docker: Engine, script: str) -> None:
    """Run a script of the shell on the host."""
    docker.on_host("import subprocess, sys; subprocess.run(['sh', '-ec', sys.argv[1]], check=True)", script)


def mount_disk(docker: Engine) -> None:
    """Mount another disk there."""
    host(docker, f"mkdir -p {OUTPUTS}; mount -t tmpfs -o mode=755 tmpfs {OUTPUTS}")


def assert_follows_the_disk(docker: Engine, **environment: str) -> None:
    """What stands on the disk that is mounted in the place of another is filed there."""
    composed(docker, "up", "--detach", "--no-build", "emosieve", **environment)
    docker.on_host(WRITE, OUTPUTS, "0", "outputs_1")
    until(lambda: is_filed(docker, "low_quality/outputs_1"))
    host(docker, f"umount --lazy {OUTPUTS}")
    mount_disk(docker)
    docker.on_host(WRITE, OUTPUTS, "0", "outputs_2")
    until(lambda: is_filed(docker, "normal/outputs_2"), patience=20)


def is_filed(docker: Engine, place: str) -> bool:
    """Whether a task stands there on the host."""
    try:
        docker.on_host(f"import os; os.stat({str(OUTPUTS / place)!r})")
    except Refused:
        return False
    return True


def test_a_disk_that_is_changed_on_the_host_is_followed(docker: Engine, disk: None) -> None:
    """The daemon sees that its disk is gone and ends with status 2, and compose starts it anew."""
    assert_follows_the_disk(docker)
    name = composed(docker, "ps", "--quiet", "emosieve").strip()

    assert 1 == docker.inspect(name)["RestartCount"]
    assert disk is None


def test_a_disk_that_is_changed_behind_a_private_mount_is_not(docker: Engine, disk: None) -> None:
    """The control: the container keeps the disk that nobody else sees any more."""
    with pytest.raises(AssertionError):
        assert_follows_the_disk(docker, PROPAGATION="rprivate")
    assert disk is None
