"""The terminal sessions of the READMEs: run as they stand, one after the other, on the folder of one demo."""

import os
import re
import subprocess
import sys
from pathlib import Path

from emosieve.text import Language
from process import EMOSIEVE, PATIENCE

SHOWN = "/tmp/emosieve-demo-x7k2m9qd"  # noqa: S108 - what the READMEs call the folder that each demo makes anew
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_MARK = "\x1e"
_VARYING = (
    (r"\d{4}-\d\d-\d\d", "DATE"),
    (r"\d\d:\d\d:\d\d(\.\d+[+-]\d\d:\d\d)?", "TIME"),
    (r"pid \d+ on \S+|\S+ 上的 pid \d+", "PROCESS"),
    (r"\d+ (天|小时|分钟|秒)( \d+ (小时|分钟|秒))?|\d+ (d|h|min|s)\b( \d+ (h|min|s)\b)?", "SPAN"),
    (r"\d+(\.\d)? (bytes|kB|MB|GB|TB)", "BYTES"),
    (r"\s+", " "),
)


def sessions(text: str) -> list[tuple[str, str]]:
    """Every command of a README's console blocks with the output that stands below it."""
    found = []
    for block in _BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def run_sessions(text: str, language: Language) -> list[str]:
    """What each command says now: the demo runs first, then all commands in one shell, in its folder."""
    root = _demo(language)
    script = ["exec 2>&1"]
    for command, _ in sessions(text):
        script += [f"printf '{_MARK}'", command.replace(SHOWN, str(root.parent))]
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/"),
        "XDG_RUNTIME_DIR": str(root.parent),
        "COLUMNS": "80",
    }
    ended = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment,
        cwd=root.parent,
    )
    return [said.replace(str(root.parent), SHOWN) for said in ended.stdout.split(_MARK)[1:]]


def _demo(language: Language) -> Path:
    """The root that a demo leaves."""
    ended = subprocess.run(
        [*EMOSIEVE, "demo"],
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        check=True,
        env={**os.environ, "TMPDIR": "/tmp", "EMOSIEVE_LANGUAGE": language},  # noqa: S108 - as the READMEs show it
    )
    found = re.search(r"/\S+/emosieve-demo-\w+/outputs", ended.stdout)
    assert found, ended.stdout
    return Path(found[0])


def with_sessions(text: str, language: Language) -> str:
    """A README's text with what its commands say now."""
    said = iter(run_sessions(text, language))

    def renewed(block: re.Match[str]) -> str:
        commands = re.findall(r"^\$ .*", block[1], flags=re.MULTILINE)
        return "```console\n" + "".join(f"{command}\n{next(said)}" for command in commands) + "```"

    return _BLOCK.sub(renewed, text)


def settled(output: str) -> str:
    """An output without what differs from run to run: times, spans, processes, sizes, and blanks."""
    for pattern, name in _VARYING:
        output = re.sub(pattern, name, output)
    return output.strip()
