"""Settings from the command line, the environment and a TOML file, in this order, each value with its origin.

A profile ranks where it was chosen: its numbers beat those of lower sources,
and within the choosing source an explicit key beats the profile.
"""

import difflib
import itertools
import os
import re
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource, SettingsError, TomlConfigSettingsSource

from emosieve.errors import SetupError
from emosieve.judge.rules import BUILT_IN, DEFAULT_ACTIONS, Choice
from emosieve.settings import refusals
from emosieve.settings.models import ENV_PREFIX, Settings
from emosieve.settings.rules import DEFAULT_PROFILE, SHIPPED_PROFILES, CustomRule, Profile
from emosieve.text import Language, Message

CONFIG_VARIABLE = "EMOSIEVE_CONFIG"
# Kubernetes injects these for a Service named emosieve; they are nobody's typing error.
_FOREIGN_PREFIXES = ("EMOSIEVE_SERVICE_", "EMOSIEVE_PORT")
_LANGUAGE = re.compile(r"language\s*=\s*[\"'](zh|en)[\"']")


@dataclass(frozen=True)
class Layer:
    """What one source says, as nested tables."""

    name: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Loaded:
    """Settings, and for each dotted key where its value came from."""

    settings: Settings
    origins: Mapping[str, str]

    def rows(self) -> list[tuple[str, Any, str]]:
        """Every effective key with its value and origin, for ``config show``."""
        flat = flatten(self.settings.model_dump(mode="json"))
        return [(key, value, self.origins.get(key, "default")) for key, value in flat]


def load(
    *,
    config: str | None = None,
    profile: str | None = None,
    overrides: Sequence[str] = (),
    root: str | None = None,
) -> Loaded:
    """Read and merge all sources.

    Args:
        config: path of the TOML file; ``None`` takes ``EMOSIEVE_CONFIG``, if set.
        profile: the profile chosen on the command line.
        overrides: ``section.key=value`` texts of the command line.
        root: the root given on the command line.

    Raises:
        SetupError: a file is missing or not TOML, a key is unknown, or a value is out of its range.
    """
    path = config or os.environ.get(CONFIG_VARIABLE) or None
    layers = [_file_layer(path), _environment_layer(), _command_line_layer(overrides, profile, root)]
    rules = {*DEFAULT_ACTIONS, *_own_rules(layers)}
    lines = [line for layer in layers for line in _take_unknown_out(layer, rules)]
    shipped = {name: one.model_dump(exclude_none=True) for name, one in SHIPPED_PROFILES.items()}
    layers.insert(0, Layer("default", {"profiles": shipped}))
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in _with_profile(layers):
        _merge(merged, layer, origins)
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        problems = [one for one in error.errors() if not _stands_in_profile(one, origins)]
        lines += [_refuse(one, origins) for one in problems]
        # What a table repeats of its keys is said once.
        raise SetupError(*{str(line): line for line in lines}.values()) from None
    if lines:
        raise SetupError(*lines)
    known = [DEFAULT_PROFILE, *settings.profiles]
    if settings.profile not in known:
        close = _close_to(settings.profile, known)
        raise SetupError(refusals.unknown_profile(settings.profile, known, close))
    return Loaded(settings, origins)


def written_language(path: str) -> Language | None:
    """The language at the top of a settings file, although the rest of it may not be readable.

    An error in the settings is to be said in the operator's language before there are settings.
    """
    if not os.path.isfile(path):
        return None
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            top = itertools.takewhile(lambda line: not line.startswith("["), map(str.lstrip, file))
            found = next(filter(None, map(_LANGUAGE.match, top)), None)
    except OSError:
        return None
    return typing.cast("Language", found[1]) if found else None


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested tables under their dotted keys."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _file_layer(path: str | None) -> Layer:
    if path is None:
        return Layer("file", {})
    if not os.path.isfile(path):
        raise SetupError(refusals.NO_FILE(path=path, variable=CONFIG_VARIABLE))
    try:
        values = TomlConfigSettingsSource(Settings, toml_file=path)()
    except tomllib.TOMLDecodeError as error:
        raise SetupError(refusals.NOT_TOML(path=path, cause=str(error))) from None
    except UnicodeDecodeError:
        raise SetupError(refusals.NOT_UTF8(path=path)) from None
    except OSError as error:
        raise SetupError(refusals.UNREADABLE(path=path, cause=error.strerror)) from None
    return Layer(os.path.basename(path), values)


def _environment_layer() -> Layer:
    for name in os.environ:
        if name.startswith(ENV_PREFIX) and name != CONFIG_VARIABLE and not name.startswith(_FOREIGN_PREFIXES):
            _check_variable(name)
    try:
        values = EnvSettingsSource(Settings)()
    except SettingsError as error:
        raise SetupError(refusals.NOT_JSON(cause=str(error))) from None
    return Layer("environment", values)


def _check_variable(name: str) -> None:
    keys = name.removeprefix(ENV_PREFIX).lower().split("__")
    model: Any = Settings
    for key in keys:
        model = _child(model, key)
        if model is None:
            known = [f"{ENV_PREFIX}{key.upper().replace('.', '__')}" for key, _ in setting_fields(Settings)]
            raise SetupError(refusals.unknown_key("environment", name, _close_to(name, known)))


def _command_line_layer(overrides: Sequence[str], profile: str | None, root: str | None) -> Layer:
    values: dict[str, Any] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise SetupError(refusals.NO_EQUALS(override=override))
        table = values
        *parents, leaf = key.strip().split(".")
        for parent in parents:
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                raise SetupError(refusals.BELOW_A_VALUE(override=override, parent=parent))
        table[leaf] = _toml_or_text(text.strip())
    if profile is not None:
        values["profile"] = profile
    if root is not None:
        values["root"] = root
    return Layer("command line", values)


def _toml_or_text(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _with_profile(layers: Sequence[Layer]) -> Iterator[Layer]:
    """The layers, lowest first, with the chosen profile's numbers just under the source that chose it."""
    profiles: dict[str, Any] = {}
    for layer in layers:
        table = layer.values.get("profiles")
        if isinstance(table, dict):
            _merge(profiles, Layer("", table), {})
    chooser = next((layer for layer in reversed(layers) if "profile" in layer.values), layers[0])
    name = chooser.values.get("profile", DEFAULT_PROFILE)
    numbers = profiles.get(name) if isinstance(name, str) else None
    for layer in layers:
        if layer is chooser and isinstance(numbers, dict):
            yield Layer(f"profile {name}", {"rules": numbers})
        yield layer


def _merge(into: dict[str, Any], layer: Layer, origins: dict[str, str], prefix: str = "") -> None:
    for key, value in layer.values.items():
        if isinstance(value, dict) and isinstance(into.setdefault(key, {}), dict):
            _merge(into[key], Layer(layer.name, value), origins, f"{prefix}{key}.")
        else:
            into[key] = value
            origins[f"{prefix}{key}"] = layer.name


def _variable(path: Sequence[str]) -> str:
    return ENV_PREFIX + "__".join(path).upper()


def _own_rules(layers: Sequence[Layer]) -> Iterator[str]:
    """Names of the rules of somebody's own, wherever they are written."""
    for layer in layers:
        custom = _table(layer.values, "rules").get("custom")
        for rule in custom if isinstance(custom, list) else ():
            if isinstance(rule, dict) and isinstance(rule.get("name"), str):
                yield rule["name"]


def _take_unknown_out(layer: Layer, rules: set[str]) -> list[Message]:
    """One line for each key that is no setting; they are taken out, so that the rest is checked as well."""
    lines = []
    unknown = [*_unknown_keys(Settings, layer.values), *_unknown_actions(layer.values, rules)]
    for path in unknown:
        key = ".".join(path)
        known = [known for known, _ in setting_fields(Settings)]
        if path[0] == "profiles":
            known = [f"profiles.{path[1]}.{number}" for number in Profile.model_fields]
        if path[-2:-1] == ("actions",):
            write = _variable if layer.name == "environment" else ".".join
            key, known = write(path), [write((*path[:-1], rule)) for rule in sorted(rules)]
        lines.append(refusals.unknown_key(layer.name, key, _close_to(key, known)))
        _take_out(layer.values, path)
    return lines


def _take_out(table: dict[str, Any], path: tuple[str, ...]) -> None:
    """Remove a key, and every table that is empty without it."""
    if len(path) > 1:
        _take_out(table[path[0]], path[1:])
    if len(path) == 1 or not table[path[0]]:
        del table[path[0]]


def _unknown_keys(model: Any, values: Any, parents: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not isinstance(values, dict):
        return
    for key, value in values.items():
        child = _child(model, key)
        if child is None:
            yield (*parents, key)
        else:
            yield from _unknown_keys(child, value, (*parents, key))


def _unknown_actions(values: dict[str, Any], rules: set[str]) -> Iterator[tuple[str, ...]]:
    """Actions of rules that there are not."""
    for path in (("rules",), *(("profiles", name) for name in _table(values, "profiles"))):
        for rule in _table(values, *path, "actions"):
            if rule not in rules:
                yield (*path, "actions", rule)


def _table(values: Any, *path: str) -> dict[str, Any]:
    """What stands under a path, if it is a table."""
    for key in path:
        values = values.get(key) if isinstance(values, dict) else None
    return values if isinstance(values, dict) else {}


def _child(model: Any, key: str) -> Any:
    """What stands under a key: a model, ``dict[str, model]``, a leaf's type; ``None`` when nothing does."""
    if typing.get_origin(model) is dict:
        return typing.get_args(model)[1]
    if isinstance(model, type) and issubclass(model, BaseModel) and key in model.model_fields:
        return model.model_fields[key].annotation
    return None


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
                action = FieldInfo(annotation=Choice, default=rule.action, description=rule.meaning.en)
                yield f"{prefix}{name}.{rule.name}", action
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from setting_fields(annotation, f"{prefix}{name}.")


def _close_to(word: str, known: Sequence[str]) -> str | None:
    """The known word that was probably meant, if any is near."""
    leaf = word.rpartition(".")[2]
    # The right key in the wrong section, or without one: quiet_seconds for settle.quiet_seconds.
    close = [key for key in known if key.rpartition(".")[2] == leaf]
    # A beginning says more than likeness: min_conf is min_confidence, not min_top.
    if not close and ("." in word or "__" in word):
        close = [key for key in known if key.startswith(word)]
    close = close or difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return close[0] if close else None


def _stands_in_profile(problem: ErrorDetails, origins: Mapping[str, str]) -> bool:
    """Whether a refused value came out of a profile, for whose own key the same is said already."""
    return origins.get(refusals.dotted(problem), "").startswith("profile ")


def _refuse(problem: ErrorDetails, origins: Mapping[str, str]) -> Message:
    origin = _origin(problem, origins)
    if problem["type"] != "extra_forbidden":
        return refusals.wrong_value(problem, origin)
    key = refusals.dotted(problem)  # within a list of tables, where unknown keys are not looked for
    table = key.rpartition(".")[0]
    return refusals.unknown_key(
        origin, key, _close_to(key, [f"{table}.{name}" for name in CustomRule.model_fields])
    )


def _origin(problem: ErrorDetails, origins: Mapping[str, str]) -> str:
    """The source of a refused value, or of the table that it stands in."""
    key = refusals.dotted(problem)
    return next((origins[one] for one in origins if one == key or key.startswith(f"{one}.")), "default")
