"""``emosieve health``: for probes. The entry point goes straight to ``health_words``, past this door."""

from typing import Annotated

import typer

Root = Annotated[
    str | None,
    typer.Argument(
        help="The WebUI's outputs folder; else EMOSIEVE_ROOT, else the only one that is watched here.",
        show_default=False,
    ),
]
Alive = Annotated[
    bool,
    typer.Option(
        "--alive", help="Ask for its life alone: what cannot be filed is told, and no restart mends it."
    ),
]


def health(root: Root = None, *, alive: Alive = False) -> None:
    """Say in one line whether emosieve is at work on a root, with exit status 0 or 1: for probes.

    Example: emosieve health /root/emotion2vec/outputs
    """
    from emosieve.commands.health_words import answer  # noqa: PLC0415 - needed here alone

    raise typer.Exit(answer(root, only_alive=alive))
