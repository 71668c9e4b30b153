"""Settings from the command line, the environment and a TOML file, in this order, each value with its origin.

A profile ranks where it was chosen: its numbers beat those of lower sources,
and within the choosing source an explicit key beats the profile.
"""

import difflib
import os
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource, SettingsError, TomlConfigSettingsSource

from emosieve.errors import SetupError
from emosieve.settings.models import DEFAULT_PROFILE, ENV_PREFIX, SHIPPED_PROFILES, Profile, Settings
from emosieve.text import escape

CONFIG_VARIABLE = "EMOSIEVE_CONFIG"
# Kubernetes injects these for a Service named emosieve; they are nobody's typing error.
_FOREIGN_PREFIXES = ("EMOSIEVE_SERVICE_", "EMOSIEVE_PORT")


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
    lines = [line for layer in layers for line in _take_unknown_out(layer)]
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
        lines += [_problem_line(one, origins) for one in problems]
        raise SetupError("\n".join(dict.fromkeys(lines))) from None
    if lines:
        raise SetupError("\n".join(lines))
    if settings.profile not in {DEFAULT_PROFILE, *settings.profiles}:
        hint = _did_you_mean(settings.profile, [DEFAULT_PROFILE, *settings.profiles])
        known = ", ".join([DEFAULT_PROFILE, *settings.profiles])
        raise SetupError(f"there is no profile {settings.profile!r} (there are {known}){hint}")
    return Loaded(settings, origins)


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
        raise SetupError(f"{path}: there is no such settings file; check --config or {CONFIG_VARIABLE}")
    try:
        values = TomlConfigSettingsSource(Settings, toml_file=path)()
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"{path}: is not TOML: {error}") from None
    except UnicodeDecodeError:
        raise SetupError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from None
    return Layer(os.path.basename(path), values)


def _environment_layer() -> Layer:
    for name in os.environ:
        if name.startswith(ENV_PREFIX) and name != CONFIG_VARIABLE and not name.startswith(_FOREIGN_PREFIXES):
            _check_variable(name)
    try:
        values = EnvSettingsSource(Settings)()
    except SettingsError as error:
        raise SetupError(f'environment: {error}; write lists as JSON, as ["result.json"]') from None
    return Layer("environment", values)


def _check_variable(name: str) -> None:
    keys = name.removeprefix(ENV_PREFIX).lower().split("__")
    model: Any = Settings
    for key in keys:
        model = _child(model, key)
        if model is None:
            known = [f"{ENV_PREFIX}{key.upper().replace('.', '__')}" for key in _known_keys(Settings)]
            raise SetupError(f"environment: {name} is not a setting{_did_you_mean(name, known)}")


def _command_line_layer(overrides: Sequence[str], profile: str | None, root: str | None) -> Layer:
    values: dict[str, Any] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise SetupError(f"--set {override}: write --set section.key=value")
        table = values
        *parents, leaf = key.strip().split(".")
        for parent in parents:
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                raise SetupError(f"--set {override}: {parent} is given as a value already")
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


def _take_unknown_out(layer: Layer) -> list[str]:
    """One line for each key that is no setting; they are taken out, so that the rest is checked as well."""
    lines = []
    for path in list(_unknown_keys(Settings, layer.values)):
        key = ".".join(path)
        known = _known_keys(Settings)
        if path[0] == "profiles":
            known = [f"profiles.{path[1]}.{number}" for number in Profile.model_fields]
        lines.append(f"{layer.name}: {escape(key)} is not a setting{_did_you_mean(key, known)}")
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


def _child(model: Any, key: str) -> Any:
    """What stands under a key: a model, ``dict[str, model]``, a leaf's type; ``None`` when nothing does."""
    if typing.get_origin(model) is dict:
        return typing.get_args(model)[1]
    if isinstance(model, type) and issubclass(model, BaseModel) and key in model.model_fields:
        return model.model_fields[key].annotation
    return None


def _known_keys(model: Any, prefix: str = "") -> list[str]:
    """Every dotted key that may be written; a profile's keys under each shipped profile."""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if typing.get_origin(annotation) is dict:
            keys += [f"{name}.{one}.{key}" for one in SHIPPED_PROFILES for key in Profile.model_fields]
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            keys += [f"{prefix}{name}", *_known_keys(annotation, f"{prefix}{name}.")]
        else:
            keys.append(f"{prefix}{name}")
    return keys


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    leaf = word.rpartition(".")[2]
    # The right key in the wrong section, or without one: quiet_seconds for settle.quiet_seconds.
    close = [key for key in known if key.rpartition(".")[2] == leaf][:1]
    # A beginning says more than likeness: min_conf is min_confidence, not min_top.
    close = close or (
        [key for key in known if key.startswith(word)][:1] if "." in word or "__" in word else []
    )
    close = close or difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _stands_in_profile(problem: ErrorDetails, origins: Mapping[str, str]) -> bool:
    """Whether a refused value came out of a profile, for whose own key the same is said already."""
    return origins.get(_dotted(problem), "").startswith("profile ")


def _dotted(problem: ErrorDetails) -> str:
    return ".".join(str(part) for part in problem["loc"])


def _problem_line(problem: ErrorDetails, origins: Mapping[str, str]) -> str:
    """One line for one refused value: which key, from where, and what to write instead."""
    key = _dotted(problem)
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error" and not _is_leaf(problem["input"]):
        return message
    value = problem["input"]
    origin = next(
        (origins[known] for known in origins if known == key or key.startswith(f"{known}.")), "default"
    )
    if problem["type"] == "less_than_equal" and _is_percent(key, value):
        message = f"this is a share between 0 and 1, not percent; write {float(value) / 100:g}"
    elif problem["type"] in {"model_type", "dict_type"}:
        message = f"is a table; write [{key}] and its keys below it"
    elif problem["type"] == "tuple_type":
        message = 'must be a list, as ["result.json"]'
    else:
        message = message.replace("Input should be", "must be")
    shown = escape(str(value))
    return f"{origin}: {key} = {shown}: {message}"


def _is_leaf(value: Any) -> bool:
    return not isinstance(value, dict | BaseModel)


def _is_percent(key: str, value: Any) -> bool:
    share = key.rpartition(".")[2] in Profile.model_fields
    return share and 1 < float(value) <= 100  # noqa: PLR2004 - per cent
