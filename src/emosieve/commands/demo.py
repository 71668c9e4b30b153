"""``emosieve demo``: the main job in a quarter of a minute, without a GPU."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta

import typer

from emosieve.commands.simulated_webui import (
    Recognition,
    random_recognition,
    scores_for,
    write_task,
    write_wav,
)
from emosieve.text import Language

_STANDING = 4
_LIVE = 8
_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "simulated": "The WebUI is simulated and its results are invented; emosieve is the real one.",
        "root": "root:    {root}",
        "decisions": "decisions, as the daemon takes them:",
        "report": "the end of quality_report.txt:",
        "folders": "normal/ {normal}   low_quality/ {low_quality}   quarantine/ {quarantine}",
        "standing": "still standing, for no result ever came: {names}",
        "end": "Look around in {root}; then delete it.\nOn your own outputs: emosieve check FOLDER",
    },
    "zh": {
        "simulated": "以下识别结果由模拟的 WebUI 写入临时目录,均为虚构;emosieve 是真实运行的。",
        "root": "根目录: {root}",
        "decisions": "emosieve 的实时判定:",
        "report": "quality_report.txt 的末尾:",
        "folders": "normal/ {normal}   low_quality/ {low_quality}   quarantine/ {quarantine}",
        "standing": "仍留在原处(一直没有 result.json): {names}",
        "end": "可到 {root} 查看,看完即可删除。\n检查您自己的 outputs 目录: emosieve check 目录",
    },
}


def demo() -> None:
    """Show the main job in 15 seconds: a simulated WebUI, the real daemon, its decisions and report.

    Example: emosieve demo
    """
    language: Language = (
        "zh" if os.environ.get("LC_ALL", os.environ.get("LANG", "")).startswith("zh") else "en"
    )
    words = _WORDS[language]
    root = f"{tempfile.mkdtemp(prefix='emosieve-demo-')}/outputs"
    os.mkdir(root)
    typer.secho(words["simulated"], bold=True)
    typer.echo(words["root"].format(root=root))
    typer.echo("\n" + words["decisions"])
    _write_standing(root)
    daemon = _start_daemon(root, language)
    try:
        _write_live(root)
        _wait_for_end(root, daemon)
    finally:
        daemon.send_signal(signal.SIGTERM)
        status = daemon.wait(timeout=10)
    typer.echo("\n" + words["report"])
    with open(f"{root}/quality_report.txt", encoding="utf-8") as file:
        typer.echo("\n".join(file.read().splitlines()[-10:]))
    counts = {name: len(os.listdir(f"{root}/{name}")) for name in ("normal", "low_quality", "quarantine")}
    typer.echo("\n" + words["folders"].format(**counts))
    typer.echo(words["standing"].format(names=", ".join(_inbox(root))))
    typer.echo(words["end"].format(root=root))
    if status:
        raise typer.Exit(1)


def _start_daemon(root: str, language: Language) -> subprocess.Popen[bytes]:
    settings = {
        "settle.quiet_seconds": "1",
        "settle.give_up_seconds": "6",
        "language": language,
        "log.format": "console",
    }
    overrides = [text for key, value in settings.items() for text in ("--set", f"{key}={value}")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EMOSIEVE_")}
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "emosieve", "watch", root, *overrides],
        env=environment,
        stderr=sys.stdout,
    )


def _write_standing(root: str) -> None:
    """What the WebUI left before emosieve came: one of it torn, one without a result."""
    moment = datetime.now().astimezone() - timedelta(hours=1)
    for step, recognition in enumerate(_recognitions(_STANDING, seed=4)):
        write_task(_name(root, moment + timedelta(seconds=step)), recognition, _no_wait, _no_wait)
    torn = _name(root, moment + timedelta(seconds=_STANDING))
    os.mkdir(torn)
    with open(f"{torn}/result.json", "w", encoding="utf-8") as file:
        file.write('{"emotion": "happy", "confi')
    silent = _name(root, moment + timedelta(seconds=_STANDING + 1))
    os.mkdir(silent)
    write_wav(f"{silent}/processed_audio.wav", 0.5)


def _write_live(root: str) -> None:
    for recognition in _recognitions(_LIVE, seed=11):
        write_task(
            _name(root, datetime.now().astimezone()),
            recognition,
            lambda: time.sleep(0.6),
            lambda: time.sleep(0.2),
        )
        time.sleep(0.3)


def _recognitions(count: int, seed: int) -> list[Recognition]:
    unclear = Recognition(scores_for("sad", 0.28, "neutral", 0.26), embedding=True, in_pieces=True)
    chance = random.Random(seed)  # noqa: S311 - a demo, and the same each time
    return [random_recognition(chance) for _ in range(count - 1)] + [unclear]


def _name(root: str, moment: datetime) -> str:
    return f"{root}/outputs_{moment:%Y%m%d_%H%M%S}"


def _inbox(root: str) -> list[str]:
    return sorted(name for name in os.listdir(root) if name.startswith("outputs_"))


def _wait_for_end(root: str, daemon: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline and daemon.poll() is None and len(_inbox(root)) > 1:
        time.sleep(0.1)


def _no_wait() -> None:
    pass
