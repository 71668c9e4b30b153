"""Which keys there are, which of them a source may not write, and which one was probably meant."""

import difflib
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from emosieve.judge.rules import BUILT_IN, DEFAULT_ACTIONS, Action, Choice
from emosieve.settings import refusals
from emosieve.settings.models import ENV_PREFIX, Settings
from emosieve.settings.rules import AUTO_RULE, SHIPPED_PROFILES, CustomRule, Profile
from emosieve.text import Message


@dataclass(frozen=True)
class Layer:
    """What one source says, as nested tables."""

    name: str
    values: dict[str, Any]


def setting_fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every dotted key that may be written, tables included; a profile's keys under each shipped profile."""
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if annotation == dict[str, Profile]:
            for profile in SHIPPED_PROFILES:
                yield from setting_fields(Profile, f"{name}.{profile}.")
            continue
        yield f"{prefix}{name}", field
        if name == "actions":
            for rule in BUILT_IN:
                choices: Any = Choice if rule.name == AUTO_RULE else Action
                action = FieldInfo(annotation=choices, default=rule.action, description=rule.meaning.en)
                yield f"{prefix}{name}.{rule.name}", action
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from setting_fields(annotation, f"{prefix}{name}.")


def child_of(model: Any, key: str) -> Any:
    """What stands under a key: a model, ``dict[str, model]``, a leaf's type; ``None`` when nothing does."""
    if typing.get_origin(model) is dict:
        return typing.get_args(model)[1]
    if isinstance(model, type) and issubclass(model, BaseModel) and key in model.model_fields:
        return model.model_fields[key].annotation
    return None


def rule_names(layers: Sequence[Layer]) -> Mapping[str, str | None]:
    """All rules by name, and of those that are not in force, whose list another layer replaced, that one's name."""
    lists = [(layer.name, _own_rules(layer)) for layer in layers if "custom" in _table(layer.values, "rules")]
    winner, own = lists[-1] if lists else ("", [])
    replaced = {name: winner for _, names in lists for name in names}
    return {**replaced, **dict.fromkeys([*DEFAULT_ACTIONS, *own])}


def _own_rules(layer: Layer) -> list[str]:
    """Names of the rules of somebody's own in one layer."""
    custom = _table(layer.values, "rules")["custom"]
    rules = custom if isinstance(custom, list) else [custom]  # which is refused, but with a word about itself
    return [str(rule["name"]) for rule in rules if isinstance(rule, dict) and "name" in rule]


def take_unknown_out(layer: Layer, rules: Mapping[str, str | None]) -> list[Message]:
    """One line for each key that is no setting; they are taken out, so that the rest is checked as well."""
    lines = []
    actions = [*_unknown_actions(layer.values, rules)]
    for path in [*_unknown_keys(Settings, layer.values, but=actions), *actions]:
        key = ".".join(path)
        known = [known for known, _ in setting_fields(Settings)]
        if path[0] == "profiles":
            known = [f"profiles.{path[1]}.{number}" for number in Profile.model_fields]
        winner = None
        if path[-2:-1] == ("actions",):
            write = variable_of if layer.name == "environment" else ".".join
            in_force = sorted(rule for rule, replaced in rules.items() if replaced is None)
            key, known = write(path), [write((*path[:-1], rule)) for rule in in_force]
            winner = rules.get(path[-1])
        lines.append(
            refusals.replaced_rule(layer.name, key, path[-1], winner)
            if winner
            else refusals.unknown_key(layer.name, key, close_to(key, known))
        )
        _take_out(layer.values, path)
    return lines


def _take_out(table: dict[str, Any], path: tuple[str, ...]) -> None:
    """Remove a key, and every table that is empty without it."""
    if len(path) > 1:
        _take_out(table[path[0]], path[1:])
    if len(path) == 1 or not table[path[0]]:
        del table[path[0]]


def _unknown_keys(
    model: Any, values: Any, parents: tuple[str, ...] = (), *, but: Sequence[tuple[str, ...]]
) -> Iterator[tuple[str, ...]]:
    """Keys that are no settings; ``but`` are paths that are refused as a whole, with all that is below them."""
    if not isinstance(values, dict) or parents in but:
        return
    for key, value in values.items():
        child = child_of(model, key)
        if child is None:
            yield (*parents, key)
        elif child != tuple[CustomRule, ...]:  # in a list pydantic looks itself, and says when it is none
            yield from _unknown_keys(child, value, (*parents, key), but=but)


def _unknown_actions(values: dict[str, Any], rules: Mapping[str, str | None]) -> Iterator[tuple[str, ...]]:
    """Actions of rules that there are not."""
    for path in (("rules",), *(("profiles", name) for name in _table(values, "profiles"))):
        for rule in _table(values, *path, "actions"):
            if rules.get(rule, rule) is not None:
                yield (*path, "actions", rule)


def _table(values: Any, *path: str) -> dict[str, Any]:
    """What stands under a path, if it is a table."""
    for key in path:
        values = values.get(key) if isinstance(values, dict) else None
    return values if isinstance(values, dict) else {}


def close_to(word: str, known: Sequence[str]) -> str | None:
    """The known word that was probably meant, if any is near."""
    table, leaf = _split(word)
    # The right key in the wrong section, or without one: quiet_seconds for settle.quiet_seconds.
    close = [key for key in known if _split(key)[1] == leaf or key.replace("__", "_") == word]
    # A beginning says more than likeness: min_conf is min_confidence, not min_top.
    if not close and table:
        close = [key for key in known if key.startswith(word)]
    # Likeness is of the key alone: what its sections are called makes no key more like another.
    near = difflib.get_close_matches(leaf, dict.fromkeys(_split(key)[1] for key in known), n=1, cutoff=0.6)
    close = close or [key for key in known if _split(key)[1] in near]
    if not close and not any(_split(key)[0] == table for key in known):
        close = [key for key in known if key == table]  # a value, below which no key is
    return next((key for key in close if _split(key)[0] == table), close[0] if close else None)


def _split(key: str) -> tuple[str, str]:
    """The section of a key, or of a variable, and its last word."""
    *table, leaf = re.split(r"(\.|__)", key.removeprefix(ENV_PREFIX))
    return key[: len(key) - len(leaf) - len(table[-1])] if table else "", leaf


def variable_of(path: Sequence[str]) -> str:
    """The environment variable of a key."""
    return ENV_PREFIX + "__".join(path).upper()
