"""``emosieve check``: whether it can work here."""

import typer

from emosieve.commands.options import Config, Profile, Root, Set, load_settings, required_root

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


def check(root: Root = None, config: Config = None, profile: Profile = None, overrides: Set = None) -> None:
    """Say whether emosieve can work on a root, and what to do if not; writes nothing.

    Exit status 0, also with warnings; 2 with any error.

    Example: emosieve check /root/emotion2vec/outputs
    """
    from emosieve.service.preflight import Line, examine, worst  # noqa: PLC0415 - watchdog is needed here alone

    loaded = load_settings(config, profile, overrides, root)
    path = required_root(loaded)
    lines = [Line("ok", "settings", _sources(loaded.origins.values())), *examine(path, loaded.settings)]
    for line in lines:
        level = typer.style(f"{line.level:<7}", fg=_COLOURS[line.level])
        typer.echo(f"{level}  {line.subject}: {line.message}")
        if line.hint:
            typer.echo(f"         → {line.hint}")
    if worst(lines) == "error":
        raise typer.Exit(2)


def _sources(origins: object) -> str:
    named = sorted({str(origin) for origin in origins} - {"default"})  # type: ignore[attr-defined]
    return f"valid; from {', '.join(named)}" if named else "valid; all defaults"
