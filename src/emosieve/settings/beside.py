"""Settings of a command that stands beside a daemon: what concerns the root is as it is in force there."""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from pydantic import ValidationError

from emosieve.settings.loading import COMMAND_LINE, Loaded, flatten
from emosieve.settings.models import Settings

OF_ROOT: Final = frozenset(
    {
        *("profile", "language", "timezone", "watch", "settle", "source", "results", "rules"),
        *("filing", "decisions", "report"),
    }
)
"""The sections that concern the root; log, metrics and the root's path concern one process."""


_SIZE_LIMIT: Final = 1 << 18
"""Bytes of JSON; a status is not read beyond four times as much."""


def told(settings: Settings) -> dict[str, Any] | None:
    """Return the settings that concern the root, as a daemon publishes them: what JSON knows, by section.

    ``None`` for what JSON does not carry unchanged, as a folder whose name is no UTF-8, or for very long lists.
    """
    document = settings.model_dump(mode="json", include=set(OF_ROOT))
    try:
        size = len(json.dumps(document, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        return None
    return document if size <= _SIZE_LIMIT else None


def understood(document: Mapping[str, Any], rules_digest: str) -> Settings | None:
    """Return the settings that a daemon published; ``None`` when they are not of this version.

    Args:
        document: as ``told`` gave it, in the daemon's version.
        rules_digest: of the rules in force there; the same rules must come out here.
    """
    try:
        settings = Settings(**document)
    except (ValidationError, TypeError):
        return None
    return settings if document.keys() == OF_ROOT and settings.rule_set.digest == rules_digest else None


def beside(loaded: Loaded, in_force: Settings) -> Settings:
    """Return a command's settings with what concerns the root as it is in force there.

    Rules that the command line asks for stay: all of them with ``--config`` or a profile, single keys on top
    of those in force.

    Args:
        loaded: the command's own settings.
        in_force: the daemon's.
    """
    own = loaded.settings
    values = {key: getattr(in_force if key in OF_ROOT else own, key) for key in Settings.model_fields}
    asked = loaded.keys_from(COMMAND_LINE)
    if loaded.config_from == COMMAND_LINE or any(
        key.partition(".")[0] in {"profile", "profiles"} for key in asked
    ):
        values |= {"rules": own.rules, "profile": own.profile}
    else:
        rules = in_force.rules.model_dump()
        leaves = dict(flatten(own.rules.model_dump()))
        for key in asked:
            section, _, path = key.partition(".")
            if section == "rules":
                _set(rules, path, leaves[path])
        values["rules"] = rules
    return Settings(**values)


def differences(one: Settings, other: Settings, concerns: Collection[str]) -> list[str]:
    """Return the dotted keys, below some sections or keys, that two settings have different values for."""
    ours, theirs = (dict(flatten(settings.model_dump(mode="json"))) for settings in (one, other))
    return [
        key
        for key in dict.fromkeys([*ours, *theirs])
        if ours.get(key) != theirs.get(key)
        and any(key == name or key.startswith(f"{name}.") for name in concerns)
    ]


def _set(table: dict[str, Any], path: str, value: Any) -> None:
    first, _, rest = path.partition(".")
    if rest:
        _set(table[first], rest, value)
    else:
        table[first] = value
