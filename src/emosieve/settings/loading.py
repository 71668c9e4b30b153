"""Settings from the command line, the environment and a TOML file, in this order, each value with its origin.

A profile ranks where it was chosen: its numbers beat those of lower sources,
and within the choosing source an explicit key beats the profile.
"""

import codecs
import itertools
import json
import os
import re
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource, SettingsError

from emosieve.errors import SetupError
from emosieve.settings import refusals
from emosieve.settings.keys import (
    Layer,
    child_of,
    close_to,
    rule_names,
    setting_fields,
    take_unknown_out,
    variable_of,
)
from emosieve.settings.models import ENV_PREFIX, Settings
from emosieve.settings.rules import DEFAULT_PROFILE, SHIPPED_PROFILES, CustomRule
from emosieve.text import Language, Message

CONFIG_VARIABLE = "EMOSIEVE_CONFIG"
ENVIRONMENT = "environment"
COMMAND_LINE = "command line"
"""What values of no file come from."""
# Kubernetes injects these for each Service whose name is emosieve or begins with emosieve-.
_OF_A_SERVICE = re.compile(
    r"EMOSIEVE_(SERVICE_|PORT).*|EMOSIEVE_.+_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_.+)?)"
)
_PORT_OF_A_SERVICE = re.compile(r"EMOSIEVE_.+_PORT=[a-z]+://.*")
_LANGUAGE = re.compile(r"language\s*=\s*[\"'](zh|en)[\"']")


@dataclass(frozen=True)
class Loaded:
    """Settings, and for each dotted key where its value came from.

    Attributes:
        config: absolute path of the settings file; ``None`` where there is none.
        config_from: what named it: command line or environment.
    """

    settings: Settings
    origins: Mapping[str, str]
    config: str | None = None
    config_from: str | None = None

    def rows(self) -> list[tuple[str, Any, str]]:
        """Every effective key with its value and origin, for ``config show``."""
        flat = flatten(self.settings.model_dump(mode="json"))
        return [(key, value, self.origins.get(key, "default")) for key, value in flat]

    def keys_from(self, origin: str) -> tuple[str, ...]:
        """The dotted keys that came from the environment, or from the command line."""
        return tuple(key for key, one in self.origins.items() if one == origin)


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
    path = config or config_of_environment()
    layers = [
        _file_layer(path),
        _environment_layer(),
        _command_line_layer(overrides, profile, root),
    ]
    rules = rule_names(layers)
    lines = [line for layer in layers for line in take_unknown_out(layer, rules)]
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
        close = close_to(settings.profile, known)
        raise SetupError(refusals.unknown_profile(settings.profile, known, close))
    return Loaded(
        settings,
        origins,
        path and os.path.abspath(path),
        path and (COMMAND_LINE if config else ENVIRONMENT),
    )


def written_language(path: str) -> Language | None:
    """The language at the top of a settings file, although the rest of it may not be readable.

    An error in the settings is to be said in the operator's language before there are settings.
    """
    if not os.path.isfile(path):
        return None
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
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
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise SetupError(refusals.UNREADABLE(path=path, cause=error.strerror)) from None
    try:
        values = tomllib.loads(content.decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        # Without its byte-order mark UTF-16 is valid UTF-8 full of NUL characters.
        refusal = refusals.NOT_UTF8_BUT_16 if b"\0" in content[:2] else refusals.NOT_TOML
        raise SetupError(refusal(path=path, cause=str(error))) from None
    except UnicodeDecodeError:
        is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        raise SetupError((refusals.NOT_UTF8_BUT_16 if is_utf16 else refusals.NOT_UTF8)(path=path)) from None
    return Layer(os.path.basename(path), values)


def config_of_environment() -> str | None:
    """The settings file that the environment names, if it names one."""
    return os.environ.get(CONFIG_VARIABLE, "").strip() or None


def _environment_layer() -> Layer:
    variables = {name: text for name, text in os.environ.items() if _is_setting(name, text)}
    for name in variables:
        if name.startswith(ENV_PREFIX):
            _check_variable(name)
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): text for name, text in variables.items()}
    try:
        values = source()
    except SettingsError:
        for name, text in variables.items():
            _check_json(name, text)
        raise  # a value that we take for JSON, and pydantic does not
    return Layer(ENVIRONMENT, values)


def _is_setting(name: str, text: str) -> bool:
    """Whether a variable is meant as a setting; one without a value, as ``${VAR:-}`` renders it, counts as unset."""
    if not name.upper().startswith(ENV_PREFIX) or name == CONFIG_VARIABLE or not text.strip():
        return False
    # EMOSIEVE_METRICS_PORT=9464 is a typing error, and only tcp://10.0.0.1:9464 is the address of a Service.
    return not (_OF_A_SERVICE.fullmatch(name) or _PORT_OF_A_SERVICE.fullmatch(f"{name}={text}"))


def _check_variable(name: str) -> None:
    if _of_variable(name) is None:
        known = [variable_of(key.split(".")) for key, _ in setting_fields(Settings)]
        raise SetupError(refusals.unknown_key("environment", name, close_to(name, known)))


def _check_json(name: str, text: str) -> None:
    """A list or table stands in a variable as JSON."""
    model = _of_variable(name)
    is_list = typing.get_origin(model) is tuple
    is_table = typing.get_origin(model) is dict or (isinstance(model, type) and issubclass(model, BaseModel))
    if not is_list and not is_table:
        return
    try:
        json.loads(text)
    except ValueError as error:
        key = ".".join(_keys_of(name))
        raise SetupError(refusals.not_json(name, key, str(error), is_table=is_table)) from None


def _keys_of(variable: str) -> list[str]:
    return variable.upper().removeprefix(ENV_PREFIX).lower().split("__")


def _of_variable(name: str) -> Any:
    """What a variable sets; ``None`` when it is nothing."""
    model: Any = Settings
    for key in _keys_of(name):
        model = model and child_of(model, key)
    return model


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
    return Layer(COMMAND_LINE, values)


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
        origin, key, close_to(key, [f"{table}.{name}" for name in CustomRule.model_fields])
    )


def _origin(problem: ErrorDetails, origins: Mapping[str, str]) -> str:
    """The source of a refused value, or of the table that it stands in."""
    key = refusals.dotted(problem)
    above = next((one for one in origins if one == key or key.startswith(f"{one}.")), None)
    # A table where none is meant has its origin with what stands in it.
    return origins.get(above or next((one for one in origins if one.startswith(f"{key}.")), ""), "default")
