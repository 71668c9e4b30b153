"""What a command goes by on a root that a daemon holds, and how it says so."""

import os
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import typer

from emosieve.text import Message, Phrase, listed

if TYPE_CHECKING:
    from collections.abc import Collection

    from emosieve.service.in_force import InForce
    from emosieve.settings import Loaded, Settings

_KEYS_SHOWN: Final = 6
_OTHERS: Final = Phrase(
    "other settings are in force on {root} ({keys}): those of pid {pid}, {source}, are used",
    "{root} 上生效的设置与本命令不同（{keys}）：采用进程 {pid} 的设置（{source}）",
)
_FOLDERS: Final = Phrase(
    "the folders in force on {root} ({keys}) are not used, for another user named them outside of it;"
    " give them with --config or --set",
    "{root} 上生效的目录（{keys}）由其他用户指定在输出目录之外，因此没有采用；请用 --config 或 --set 给出",
)
_FILE: Final = Phrase("settings file {path}", "配置文件 {path}")
_NO_FILE: Final = Phrase("without a settings file", "没有配置文件")
_MORE: Final = Phrase("…", "…")

RULES: Final = ("profile", "rules")
PLACES: Final = ("filing", "watch.task_glob")
REPORT: Final = ("language", "report")
LOG: Final = ("timezone", "decisions")


def loaded_on(root: str, loaded: "Loaded", concerns: "Collection[str]") -> "Loaded":
    """Return the settings for a command on one root: where a daemon holds it, those in force there.

    Rules that are asked for on the command line stay as they are asked for. One line on stderr says what
    differs. The language of answers is that of ``loaded`` all the same.

    Args:
        root: an absolute path without symlinks.
        loaded: the command's own settings.
        concerns: sections and keys that the command goes by, and of which a difference is told.
    """
    from emosieve.service.in_force import in_force  # noqa: PLC0415 - orjson and locks are needed here alone
    from emosieve.settings.beside import beside, differences  # noqa: PLC0415 - pydantic is slow to import

    own, found = loaded.settings, in_force(root)
    if found is None:
        return loaded
    settings = beside(loaded, found.settings)
    if not found.may_name_places and any(map(os.path.isabs, settings.filing.model_dump().values())):
        keys = differences(own, settings, [one for one in concerns if one == "filing"])
        settings = settings.model_copy(update={"filing": own.filing})
        if keys:
            _say(_FOLDERS(root=root, keys=_named(keys)), own)
    keys = differences(own, settings, concerns)
    if keys:
        pid = found.status.pid
        _say(_OTHERS(root=root, keys=_named(keys), pid=pid, source=_source(found)), own)
    origins = defaultdict(lambda: "default", dict(loaded.origins) | dict(found.status.source.origins))
    return replace(loaded, settings=settings, origins=origins)


def settings_on(root: str, loaded: "Loaded", concerns: "Collection[str]") -> "Settings":
    """Return the settings of ``loaded_on`` alone."""
    return loaded_on(root, loaded, concerns).settings


def _say(message: Message, own: "Settings") -> None:
    typer.echo(f"emosieve: {message.text(own.language)}", err=True)


def _named(keys: list[str]) -> Message | str:
    shown: list[Message | str] = [*keys[:_KEYS_SHOWN]]
    return listed([*shown, _MORE()] if len(keys) > _KEYS_SHOWN else shown)


def _source(found: "InForce") -> Message:
    path = found.status.source.config
    return _FILE(path=path) if path else _NO_FILE()
