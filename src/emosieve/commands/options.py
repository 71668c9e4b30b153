"""Options and ways that several commands share."""

import os
from typing import Annotated

import typer

from emosieve.errors import SetupError
from emosieve.settings import Loaded, load

Root = Annotated[
    str | None,
    typer.Argument(help="The WebUI's outputs folder; else the setting root.", show_default=False),
]
Config = Annotated[
    str | None,
    typer.Option("--config", "-c", metavar="FILE", help="Settings file (TOML); else EMOSIEVE_CONFIG."),
]
Profile = Annotated[str | None, typer.Option("--profile", metavar="NAME", help="Use this profile's numbers.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting; may be repeated."),
]


def load_settings(
    config: str | None,
    profile: str | None,
    overrides: list[str] | None,
    root: str | None = None,
) -> Loaded:
    """The settings as this command line gives them."""
    return load(config=config, profile=profile, overrides=overrides or (), root=root)


def standing_root(loaded: Loaded) -> str:
    """The root, absolute, without symlinks, for commands that work on what stands there.

    Raises:
        SetupError: none is given, or it does not exist.
    """
    root = required_root(loaded)
    if not os.path.isdir(root):
        raise SetupError(f"{root}: there is no such folder; check the path of the root")
    return os.path.realpath(root)


def required_root(loaded: Loaded) -> str:
    """The root, absolute.

    Raises:
        SetupError: none is given anywhere.
    """
    root = loaded.settings.root
    if not root:
        raise SetupError(
            'no root: give the WebUI\'s outputs folder, or write root = "/path" in the settings file'
        )
    return os.path.abspath(os.path.expanduser(root))
