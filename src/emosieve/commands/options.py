"""Options and ways that several commands share."""

import os
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from emosieve.commands import completion
from emosieve.commands.language import language_without_settings, speak
from emosieve.errors import SetupError
from emosieve.text import Phrase

if TYPE_CHECKING:
    from emosieve.settings import Loaded

Root = Annotated[
    str | None,
    typer.Argument(help="The WebUI's outputs folder; else the setting root.", show_default=False),
]
Config = Annotated[
    str | None,
    typer.Option("--config", "-c", metavar="FILE", help="Settings file (TOML); else EMOSIEVE_CONFIG."),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Use this profile's numbers.",
        autocompletion=completion.profiles,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="One setting; may be repeated.",
        autocompletion=completion.settings,
    ),
]

_NO_FOLDER = Phrase(
    "{root}: there is no such folder; check the path of the root",
    "{root}：没有这个目录；请检查输出目录的路径",
)
_TOO_DEEP = Phrase(
    "{root}: is a folder of filed tasks; give the outputs folder above it, {parent}",
    "{root}：这是存放已归档任务的目录；请给出它上一级的输出目录 {parent}",
)
_NO_ROOT = Phrase(
    'no root: give the WebUI\'s outputs folder, or write root = "/path" in the settings file',
    '没有指定输出目录：请在命令后写上 WebUI 的 outputs 目录，或在配置文件中写 root = "/路径"',
)


def load_settings(
    config: str | None,
    profile: str | None,
    overrides: list[str] | None,
    root: str | None = None,
) -> "Loaded":
    """The settings as this command line gives them; from then on errors are said in their language."""
    from emosieve.settings.loading import config_of_environment, load  # noqa: PLC0415 - pydantic is slow to import
    from emosieve.settings.zones import settle_local_zone  # noqa: PLC0415 - the same

    settle_local_zone()

    try:
        loaded = load(config=config, profile=profile, overrides=overrides or (), root=root)
    except SetupError:
        speak(language_without_settings(config or config_of_environment(), overrides or ()))
        raise
    speak(loaded.settings.language)
    return loaded


def standing_root(loaded: "Loaded") -> str:
    """The root, absolute, without symlinks, for commands that work on what stands there.

    Raises:
        SetupError: none is given, it does not exist, or is a folder of filed tasks.
    """
    root = required_root(loaded)
    if not os.path.isdir(root):
        raise SetupError(_NO_FOLDER(root=root))
    real = os.path.realpath(root)
    parent, name = os.path.split(real)
    # A start on the wrong folder may have left a state directory in it, but no decisions.
    has_decisions = os.path.lexists(f"{real}/decisions.jsonl")
    if name in loaded.settings.filing.model_dump().values() and _is_root(parent) and not has_decisions:
        raise SetupError(_TOO_DEEP(root=real, parent=parent))
    return real


def _is_root(path: str) -> bool:
    return os.path.isdir(f"{path}/.emosieve")


def retyped(config: str | None, profile: str | None, overrides: list[str] | None) -> str:
    """The options by which another command gets the same settings, quoted for the shell, a blank before each."""
    options = [("--config", config), ("--profile", profile), *(("--set", text) for text in overrides or ())]
    return "".join(f" {option} {shlex.quote(value)}" for option, value in options if value is not None)


def required_root(loaded: "Loaded") -> str:
    """The root, absolute.

    Raises:
        SetupError: none is given anywhere.
    """
    root = loaded.settings.root
    if not root:
        raise SetupError(_NO_ROOT())
    return os.path.abspath(os.path.expanduser(root))
