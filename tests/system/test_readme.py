"""The READMEs, executed: every command block runs as it stands, and says what stands below it."""

import re
import subprocess
from pathlib import Path

import orjson
import pytest

from conftest import MakeTask, read_log
from docs import READMES, TOP
from emosieve.settings import load
from emosieve.text import Language
from process import PATIENCE, overrides, run
from sessions import run_sessions, sessions, settled

TEXTS = {language: readme.read_text(encoding="utf-8") for language, readme in READMES.items()}
BLOCK = re.compile(r"(?:<!-- (\w+) -->\n)?^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
IN_CI = {"demo", "tests"}
"""The two commands that ``.ci/run`` takes from the README and runs by themselves."""
DEPLOYED = {
    "systemd": ("deploy/systemd/emosieve.service",),
    "docker": ("deploy/docker/Dockerfile", "deploy/docker/compose.yaml"),
}
"""Commands that stand in the heads of these files as well, from which ``tests/deploy`` takes or imitates them."""


def blocks(language: Language, kind: str) -> list[str]:
    """The code blocks of one kind."""
    return [text for _, found, text in BLOCK.findall(TEXTS[language]) if found == kind]


@pytest.mark.parametrize("language", READMES)
def test_every_block_is_run_or_read_by_a_test(language: Language) -> None:
    """No command stands in a README that nobody runs."""
    marks = {mark for mark, kind, _ in BLOCK.findall(TEXTS[language]) if kind == "sh"}

    assert {"install", *IN_CI, *DEPLOYED} == marks
    assert {"console", "json", "sh", "text", "toml"} >= {
        kind for _, kind, _ in BLOCK.findall(TEXTS[language])
    }


@pytest.mark.parametrize("language", READMES)
@pytest.mark.parametrize("mark", DEPLOYED)
def test_a_deployment_is_begun_as_its_files_say(language: Language, mark: str) -> None:
    """Each command for a deployment stands in the head of what it deploys."""
    heads = "".join((TOP / name).read_text(encoding="utf-8") for name in DEPLOYED[mark])
    (text,) = (text for found, _, text in BLOCK.findall(TEXTS[language]) if found == mark)
    commands = [re.sub(r"^OUTPUTS=\S+ | +#.*$", "", line) for line in text.splitlines()]

    assert [] == [command for command in commands if command not in heads]


@pytest.mark.parametrize("language", READMES)
def test_the_sessions_say_what_stands_there(language: Language) -> None:
    """Each command gives its output, but for times, spans, processes and sizes; ``python tests/docs.py`` mends it."""
    text = TEXTS[language]
    shown = [(command, settled(output)) for command, output in sessions(text)]
    said = [settled(output) for output in run_sessions(text, language)]

    assert shown == [(command, output) for (command, _), output in zip(shown, said, strict=True)]


@pytest.mark.parametrize("language", READMES)
def test_a_new_installation_does_the_job(
    language: Language, root: Path, make_task: MakeTask, tmp_path: Path
) -> None:
    """The commands for a WebUI's machine, on a fresh environment and a folder with a task."""
    make_task()
    (text,) = (text for mark, kind, text in BLOCK.findall(TEXTS[language]) if mark == "install")
    script = re.sub(
        r"/(path/to|路径)/outputs", str(root), text.replace("/opt/emosieve", str(tmp_path / "venv"))
    )
    script = re.sub(
        r"^emosieve watch .*$", lambda match: f"timeout -s TERM 5 {match[0]}", script, flags=re.MULTILINE
    )
    ended = subprocess.run(
        ["bash", "-ec", script],
        capture_output=True,
        text=True,
        cwd=TOP,
        timeout=PATIENCE * 10,
        check=False,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), "PIP_ROOT_USER_ACTION": "ignore"},
    )

    assert 0 == ended.returncode or ended.returncode == 124, ended.stderr  # noqa: PLR1714 - timeout's own status
    assert ["decided"] == [event["event"] for event in read_log(root)]


@pytest.mark.parametrize("language", READMES)
def test_the_settings_shown_are_valid(language: Language, tmp_path: Path) -> None:
    """Every TOML block is a settings file."""
    for number, text in enumerate(blocks(language, "toml")):
        file = tmp_path / f"{number}.toml"
        file.write_text(text, encoding="utf-8")
        load(config=str(file))


@pytest.mark.parametrize("language", READMES)
def test_the_line_of_the_log_is_like_a_real_one(language: Language, root: Path, make_task: MakeTask) -> None:
    """The line that is shown has the keys of a line that is written, in its order."""
    make_task()
    run("sweep", root, *overrides(settle__quiet_seconds=0.05))
    shown = [orjson.loads(line) for text in blocks(language, "json") for line in text.splitlines()]

    assert [list(read_log(root)[0])] == [list(line) for line in shown]
