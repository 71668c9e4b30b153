"""What ``emosieve health`` says, and how; it imports only what starts fast, so no ``Phrase``."""

import os
import sys

from emosieve.commands.language import environment_language
from emosieve.service.health import condition_of

_WORDS = {
    "healthy": (
        "healthy: {root} is watched, {pending} pending",
        "正常：正在监视 {root}，{pending} 个任务等待中",
    ),
    "none": (
        "unhealthy: no emosieve watch runs here, or it is not ready yet",
        "异常：这里没有运行中的 emosieve watch，或尚未就绪",
    ),
    "absent": (
        "unhealthy: no emosieve watch runs on {root}, or it is not ready yet",
        "异常：没有 emosieve watch 在监视 {root}，或尚未就绪",
    ),
    "several": (
        "unhealthy: {count} heartbeats are here; name the outputs folder: emosieve health ROOT",
        "异常：这里有 {count} 份心跳；请写明输出目录：emosieve health 目录",
    ),
    "silent": (
        "unhealthy: {root}: no sign of life for {seconds:.0f} s; it hangs, was killed, or copies a very large task",
        "异常：{root}：{seconds:.0f} 秒没有心跳；可能卡死、被杀，或正在复制很大的任务",
    ),
    "killed": (
        "unhealthy: {root}: process {pid} was killed",
        "异常：{root}：进程 {pid} 已被杀",
    ),
    "alive": (
        "alive: {root} is watched; for {seconds:.0f} s tasks could not be filed: {cause}",
        "存活：正在监视 {root}；{seconds:.0f} 秒来有任务无法归档：{cause}",
    ),
    "failing": (
        "unhealthy: {root}: for {seconds:.0f} s tasks could not be filed: {cause}",
        "异常：{root}：{seconds:.0f} 秒来有任务无法归档：{cause}",
    ),
}


def answer(root: str | None, *, only_alive: bool = False) -> int:
    """Say in one line how the daemon of a root is; gives the exit status.

    Args:
        root: the outputs folder, else ``EMOSIEVE_ROOT``, else the only heartbeat there is.
        only_alive: whether a daemon that lives and cannot file is good enough: a restart would not mend that.
    """
    word, values = condition_of(root or os.environ.get("EMOSIEVE_ROOT"))
    if only_alive and word == "failing":
        word = "alive"
    shown = {key: _shown(value) if isinstance(value, str) else value for key, value in values.items()}
    line = _WORDS[word][environment_language() == "zh"].format(**shown)
    try:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        print(line, flush=True)  # noqa: T201 - the answer
    except (AttributeError, OSError):
        pass  # nobody hears it; the exit status is what counts
    return 0 if word in {"healthy", "alive"} else 1


def _shown(text: str) -> str:
    r"""The text on one line, with ``\uXXXX`` for what a terminal might obey; ``text.escape`` is slow to import."""
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)
