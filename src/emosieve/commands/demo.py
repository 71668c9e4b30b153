"""``emosieve demo``: the main job in a quarter of a minute, without a GPU."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta

import typer

from emosieve.commands.language import VARIABLE, environment_language
from emosieve.commands.output import columns
from emosieve.commands.simulated_webui import (
    Recognition,
    random_recognition,
    scores_for,
    write_task,
    write_wav,
)
from emosieve.text import Language, Phrase

_STANDING = 4
_LIVE = 8
_LIVE_FROM = 60
"""The first task that comes while the daemon watches is a minute younger than the standing ones."""

_SIMULATED = Phrase(
    "The WebUI is simulated and its results are invented; emosieve is the real one.",
    "以下 WebUI 是模拟的，识别结果均为虚构；emosieve 是真实运行的。",
)
_ROOT = Phrase("root: {root}", "输出目录：{root}")
_DECISIONS = Phrase("decisions, as the daemon takes them:", "emosieve 的实时判定：")
_REPORT = Phrase("the end of quality_report.txt:", "quality_report.txt 的末尾：")
_FOLDERS = Phrase(
    "normal/ {normal}   low_quality/ {low_quality}   quarantine/ {quarantine}",
    "normal/ {normal}   low_quality/ {low_quality}   quarantine/ {quarantine}",
)
_NO_RESULT = Phrase(
    "still standing, for no result ever came: {names}",
    "仍留在原处（一直没有结果文件）：{names}",
)
_NEXT = Phrase("Go on there: cd {root}", "可以接着试：cd {root}")
_TRIES = {
    "emosieve explain {task}": Phrase("why it was rejected", "它为什么被剔除"),
    "emosieve tail .": Phrase("the last decisions", "最近的判定"),
    "emosieve status .": Phrase("what still waits", "运行状态和等待中的任务"),
    "emosieve stats .": Phrase("what each rule did", "各条规则的效果"),
}
_SPEAK = Phrase(
    "(they answer in Chinese until you export EMOSIEVE_LANGUAGE=en)",
    "（要用英文回答，请先 export EMOSIEVE_LANGUAGE=en）",
)
_END = Phrase(
    "When you have seen enough: rm -r {folder}\nOn your own outputs: emosieve check FOLDER",
    "看完即可删除：rm -r {folder}\n检查您自己的输出目录：emosieve check 目录",
)
_INTERRUPTED = Phrase("stopped; what was made stands in {root}", "已中断；已生成的内容在 {root}")


def demo() -> None:
    """Show the main job in 15 seconds: a simulated WebUI, the real daemon, its decisions and report.

    Example: emosieve demo
    """
    language = environment_language()
    root = f"{tempfile.mkdtemp(prefix='emosieve-demo-')}/outputs"
    try:
        status = _show(root, language)
    except KeyboardInterrupt:
        typer.echo("\n" + _INTERRUPTED(root=root).text(language))
        raise
    if status:
        raise typer.Exit(1)


def _show(root: str, language: Language) -> int:
    """The whole show; gives the daemon's exit status."""

    def say(phrase: Phrase, **values: object) -> None:
        typer.echo(phrase(**values).text(language))

    os.mkdir(root)
    typer.secho(_SIMULATED().text(language), bold=True)
    say(_ROOT, root=root)
    typer.echo()
    say(_DECISIONS)
    _write_standing(root)
    daemon = _start_daemon(root, language)
    try:
        _write_live(root)
        _wait_for_end(root, daemon)
    finally:
        daemon.send_signal(signal.SIGTERM)
        status = daemon.wait(timeout=10)
    typer.echo()
    say(_REPORT)
    with open(f"{root}/quality_report.txt", encoding="utf-8") as file:
        typer.echo("\n".join(file.read().splitlines()[-10:]))
    typer.echo()
    say(
        _FOLDERS,
        **{name: len(os.listdir(f"{root}/{name}")) for name in ("normal", "low_quality", "quarantine")},
    )
    say(_NO_RESULT, names=", ".join(_inbox(root)))
    typer.echo()
    say(_NEXT, root=root)
    program = os.path.dirname(os.path.abspath(sys.argv[0]))
    if shutil.which("emosieve") is None and os.path.exists(f"{program}/emosieve"):
        typer.echo(f'  export PATH="{program}:$PATH"')
    task = f"low_quality/{max(os.listdir(f'{root}/low_quality'))}"
    rows = [(f"  {command.format(task=task)}", words().text(language)) for command, words in _TRIES.items()]
    typer.echo("\n".join(columns(rows)))
    if not os.environ.get(VARIABLE):
        say(_SPEAK)
    typer.echo()
    say(_END, folder=os.path.dirname(root))
    return status


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
    for number, recognition in enumerate(_recognitions(_STANDING, seed=4)):
        write_task(_name(root, number), recognition, _no_wait, _no_wait)
    torn = _name(root, _STANDING)
    os.mkdir(torn)
    with open(f"{torn}/result.json", "w", encoding="utf-8") as file:
        file.write('{"emotion": "happy", "confi')
    silent = _name(root, _STANDING + 1)
    os.mkdir(silent)
    write_wav(f"{silent}/processed_audio.wav", 0.5)


def _write_live(root: str) -> None:
    for number, recognition in enumerate(_recognitions(_LIVE, seed=11), start=_LIVE_FROM):
        write_task(_name(root, number), recognition, lambda: time.sleep(0.6), lambda: time.sleep(0.02))
        time.sleep(0.3)


def _recognitions(count: int, seed: int) -> list[Recognition]:
    unclear = Recognition(scores_for("sad", 0.28, "neutral", 0.26), embedding=True, in_pieces=True)
    chance = random.Random(seed)  # noqa: S311 - a demo, and the same each time
    return [random_recognition(chance) for _ in range(count - 1)] + [unclear]


def _name(root: str, number: int) -> str:
    """A task's directory. The demo has a clock of its own, so that its tasks have the same names each time."""
    moment = datetime(2024, 1, 4, 22, 30) + timedelta(seconds=number)  # noqa: DTZ001 - names carry no zone
    return f"{root}/outputs_{moment:%Y%m%d_%H%M%S}"


def _inbox(root: str) -> list[str]:
    return sorted(name for name in os.listdir(root) if name.startswith("outputs_"))


def _wait_for_end(root: str, daemon: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline and daemon.poll() is None and len(_inbox(root)) > 1:
        time.sleep(0.1)


def _no_wait() -> None:
    pass
