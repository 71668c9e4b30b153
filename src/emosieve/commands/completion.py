"""What a shell may complete: names of profiles, keys of settings. Paths are left to the shell itself.

Typer's ``--install-completion`` and ``--show-completion`` do the rest. A path
is completed by bash, zsh and fish on their own, for they know how to go down
into a directory; that happens wherever nothing here has an answer.
"""

import typing
from collections.abc import Collection, Iterator

import typer

from emosieve.errors import SetupError
from emosieve.text import Phrase

SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
_OPTIONS = {"--install-completion", "--show-completion"}

_UNKNOWN_SHELL = Phrase(
    "completion is for bash, zsh and fish: run this again in one of them, at its own prompt",
    "自动补全支持 bash、zsh 和 fish：请在其中一种 shell 的提示符下重新执行",
)


def profiles(context: typer.Context, incomplete: str) -> list[str]:
    """Names of profiles that this command line could choose, those of its settings file among them."""
    from emosieve.settings.loading import load  # noqa: PLC0415 - pydantic is slow to import
    from emosieve.settings.rules import DEFAULT_PROFILE, SHIPPED_PROFILES  # noqa: PLC0415 - the same

    try:
        known = [*load(config=context.params.get("config")).settings.profiles]
    except SetupError:
        known = [*SHIPPED_PROFILES]
    return [name for name in dict.fromkeys([DEFAULT_PROFILE, *known]) if name.startswith(incomplete)]


def rules(incomplete: str) -> list[str]:
    """Names of the built-in rules."""
    from emosieve.judge.rules import DEFAULT_ACTIONS  # noqa: PLC0415 - only completion needs it here

    return [name for name in DEFAULT_ACTIONS if name.startswith(incomplete)]


def emotions(incomplete: str) -> list[str]:
    """The model's classes."""
    from emosieve.judge.labels import CLASSES  # noqa: PLC0415 - only completion needs it here

    return [name for name in CLASSES if name.startswith(incomplete)]


def settings(incomplete: str) -> list[tuple[str, str]]:
    """Keys of settings as ``section.key=``, each with its meaning; of a single key also its values.

    A shell puts no space behind one of several, so that the value can be typed on.
    """
    from pydantic import BaseModel  # noqa: PLC0415 - pydantic is slow to import

    from emosieve.settings.keys import setting_fields  # noqa: PLC0415 - the same
    from emosieve.settings.models import Settings  # noqa: PLC0415 - the same

    typed = incomplete.partition("=")[0]
    found = [
        (key, field)
        for key, field in setting_fields(Settings)
        if key.startswith(typed)
        and typing.get_origin(field.annotation) is not dict
        and not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel))
    ]
    chosen = [(key, field) for key, field in found if key == typed] or found
    if len(chosen) > 1:
        return [(f"{key}=", field.description or "") for key, field in chosen]
    return [
        (f"{key}={value}", field.description or "")
        for key, field in chosen
        for value in _values(field.annotation, field.default)
    ]


def _values(annotation: object, default: object) -> Iterator[object]:
    if typing.get_origin(annotation) is typing.Literal:
        yield from typing.get_args(annotation)
        return
    yield ""
    if isinstance(default, str | int | float):
        yield default


def heed_shell(arguments: Collection[str]) -> None:
    """Ask for another shell where completion cannot be installed.

    Args:
        arguments: of the command line.

    Raises:
        SetupError: completion is asked for, and this shell is unknown or cannot be found out.
    """
    if _OPTIONS.isdisjoint(arguments):
        return
    import shellingham  # type: ignore[import-untyped]  # noqa: PLC0415 - needed here alone

    try:
        name, _ = shellingham.detect_shell()
    except shellingham.ShellDetectionFailure:
        name = ""
    if name not in SHELLS:
        raise SetupError(_UNKNOWN_SHELL())
