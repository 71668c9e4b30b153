"""Every setting, with its unit, range and default. Frozen, and unknown keys are refused at every level."""

import ipaddress
import os
import re
import zoneinfo
from dataclasses import fields
from datetime import UTC, tzinfo
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from emosieve.judge.keys import OwnKeys
from emosieve.judge.rules import Limits
from emosieve.judge.ruleset import OwnRule, RuleSet
from emosieve.judge.source import PATTERN_LIMIT, WrongPattern, group_count
from emosieve.patterns import IGNORE, TEMPORARY, matcher
from emosieve.settings import refusals, zones
from emosieve.settings.refusals import Refused
from emosieve.settings.rules import DEFAULT_PROFILE, SHIPPED_PROFILES, Profile, Rules
from emosieve.settings.section import Bytes, Count, Seconds, Section

ENV_PREFIX = "EMOSIEVE_"
_WRITTEN = ("result.json", "result_frame.json", "processed_audio.wav", "embedding.npy")
"""What the WebUI writes, which no pattern may take for another program's."""


class Watch(Section):
    """How new tasks are noticed."""

    mode: Literal["auto", "native", "polling"] = "auto"
    """auto: events where the file system has them, else polling; native: events; polling: listings only"""
    rescan_seconds: Annotated[Seconds, Field(ge=0.1)] = 30.0
    """seconds between listings of the root when no event comes"""
    task_glob: str = "outputs_*"
    """which directories under the root are tasks"""

    @field_validator("task_glob")
    @classmethod
    def _names_under_root(cls, glob: str) -> str:
        if not glob or "/" in glob:
            raise Refused(refusals.TASK_GLOB())
        return glob


class Settle(Section):
    """When a task is whole."""

    quiet_seconds: Seconds = 2.0
    """seconds for which nothing in the task may have changed"""
    give_up_seconds: Seconds = 600.0
    """seconds after the last change when waiting ends: a malformed result goes to quarantine"""
    require: tuple[str, ...] = Field(default=("result.json",), json_schema_extra={"minItems": 1})
    """files that must be there; result_frame.json satisfies result.json"""
    reused_quiet_seconds: Seconds = 30.0
    """seconds to wait where a file was written over: a second recognition may be at work without a sign"""
    ignore: tuple[str, ...] = IGNORE
    """patterns for names that are no part of a task: neither waited for nor audio, but moved with it"""
    temporary: tuple[str, ...] = TEMPORARY
    """patterns for names that files have while they are transferred: the task is waited for"""

    @model_validator(mode="after")
    def _give_up_after_quiet(self) -> Self:
        if self.give_up_seconds <= self.quiet_seconds:
            raise Refused(refusals.GIVE_UP_BEFORE_QUIET(seconds=self.quiet_seconds))
        return self

    @field_validator("require")
    @classmethod
    def _plain_names(cls, require: tuple[str, ...]) -> tuple[str, ...]:
        if not require:
            raise Refused(refusals.NOTHING_REQUIRED())
        for name in require:
            if name in {"", ".", ".."} or "/" in name:
                raise Refused(refusals.REQUIRED_PATH(name=name))
        return require

    @field_validator("ignore", "temporary")
    @classmethod
    def _patterns_of_names(cls, patterns: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for pattern in patterns:
            if not pattern or "/" in pattern:
                raise Refused(refusals.NAME_PATTERN(pattern=pattern))
            needed = (*_WRITTEN, *info.data.get("require", ()))
            if name := next(filter(matcher((pattern,)), needed), None):
                raise Refused(refusals.PATTERN_OF_NEEDED(pattern=pattern, name=name))
        return patterns


_KEY_LIMIT = 64


class Results(Section):
    """Keys of result.json that a writer of one's own gives other names than any that is known."""

    emotion_keys: tuple[str, ...] = ()
    """further keys of result.json for the main emotion, exactly as written there"""
    confidence_keys: tuple[str, ...] = ()
    """further keys of result.json for the main confidence, exactly as written there"""
    score_keys: tuple[str, ...] = ()
    """further keys of result.json for the scores, exactly as written there"""

    @field_validator("*")
    @classmethod
    def _plain_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            if not key.strip() or len(key) > _KEY_LIMIT or not key.isprintable():
                raise Refused(refusals.RESULT_KEY(most=_KEY_LIMIT))
        return keys

    @model_validator(mode="after")
    def _one_meaning_each(self) -> Self:
        keys = [*{*self.emotion_keys}, *{*self.confidence_keys}, *{*self.score_keys}]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise Refused(refusals.RESULT_KEY_TWICE(key=twice))
        return self

    @property
    def own_keys(self) -> OwnKeys:
        """The keys, as the reader of results takes them."""
        return OwnKeys(self.emotion_keys, self.confidence_keys, self.score_keys)


_PATTERNS_LIMIT = 20


class Source(Section):
    """Which recording a task is of."""

    patterns: tuple[str, ...] = ()
    """regular expressions, each with one group: the recording in process.log, tried before the known ones"""
    group: str = ""
    """regular expression with one group: the agent or line in a recording's name, for stats --by source"""

    @field_validator("patterns")
    @classmethod
    def _patterns_with_one_group(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        if len(patterns) > _PATTERNS_LIMIT:
            raise Refused(refusals.MANY_PATTERNS(limit=_PATTERNS_LIMIT))
        for pattern in patterns:
            _check_pattern(pattern)
        return patterns

    @field_validator("group")
    @classmethod
    def _one_group(cls, group: str) -> str:
        if group:
            _check_pattern(group)
        return group


def _check_pattern(pattern: str) -> None:
    if len(pattern) > PATTERN_LIMIT:
        raise Refused(refusals.LONG_NAME(length=len(pattern), limit=PATTERN_LIMIT))
    try:
        count = group_count(pattern)
    except WrongPattern as error:
        raise Refused(refusals.NO_PATTERN(pattern=pattern, cause=str(error))) from None
    if count != 1:
        raise Refused(refusals.ONE_GROUP(pattern=pattern, count=count))


class Filing(Section):
    """Where tasks go: single names under the root, or absolute paths elsewhere."""

    normal: str = "normal"
    """folder for normal tasks"""
    low_quality: str = "low_quality"
    """folder for low_quality tasks"""
    quarantine: str = "quarantine"
    """folder for tasks whose result can never be read"""

    @field_validator("*")
    @classmethod
    def _name_or_absolute(cls, folder: str) -> str:
        if os.path.isabs(folder):
            if folder != os.path.normpath(folder):
                raise Refused(refusals.DETOUR(path=os.path.normpath(folder)))
            return folder
        if not folder or "/" in folder or folder.startswith(".") or not folder.isprintable():
            raise Refused(refusals.DESTINATION())
        if folder in RESERVED_NAMES:
            raise Refused(refusals.OWN_NAME())
        return folder

    @model_validator(mode="after")
    def _three_folders(self) -> Self:
        folders = {"normal": self.normal, "low_quality": self.low_quality, "quarantine": self.quarantine}
        seen: dict[str, str] = {}
        for key, folder in folders.items():
            if folder in seen:
                raise Refused(refusals.SAME_FOLDER(first=seen[folder], second=key, folder=folder))
            seen[folder] = key
        return self


RESERVED_NAMES = ("decisions.jsonl", "quality_report.txt", "reviews.jsonl")


class Decisions(Section):
    """The decision log."""

    rotate_bytes: Bytes = 100_000_000
    """bytes after which decisions.jsonl is rotated; rotated files are kept for ever"""
    sync: Literal["batch", "always", "never"] = "batch"
    """fdatasync once per batch, after every line, or never (then a power cut may cost decisions)"""


class Report(Section):
    """quality_report.txt."""

    rotate_bytes: Bytes = 20_000_000
    """bytes after which quality_report.txt is rotated"""
    keep: Count = 0
    """rotated reports to keep; 0 keeps all"""


class Log(Section):
    """emosieve's own log, to stderr."""

    format: Literal["auto", "console", "json"] = "auto"
    """auto: console on a terminal, JSON otherwise"""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """least level shown"""


_ADDRESS = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*):([0-9]{1,5})"
_PORTS = range(1, 1 << 16)


class Metrics(Section):
    """Numbers for Prometheus, over HTTP."""

    listen: str = Field(default="", json_schema_extra={"pattern": f"^({_ADDRESS})?$"})
    """address:port on which /metrics answers, as 127.0.0.1:9464 or [::1]:9464; empty: off"""

    @field_validator("listen")
    @classmethod
    def _address_and_port(cls, listen: str) -> str:
        if listen:
            _address_of(listen)
        return listen

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port; ``None`` where metrics are off."""
        return _address_of(self.listen) if self.listen else None


def _address_of(listen: str) -> tuple[str, int]:
    found = re.fullmatch(_ADDRESS, listen, re.ASCII)
    if not found or int(found[2]) not in _PORTS:
        raise Refused(refusals.LISTEN())
    host = found[1].strip("[]")
    try:
        if host != found[1]:
            ipaddress.IPv6Address(host)
        elif not host.strip("0123456789."):
            ipaddress.IPv4Address(host)
    except ValueError:
        raise Refused(refusals.LISTEN()) from None
    return host, int(found[2])


class Settings(BaseSettings):
    """All settings of one root. Made by ``load``, which also knows where each value came from."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
        title="emosieve settings",
    )

    root: str | None = None
    """the WebUI's outputs folder; no default"""
    profile: str = DEFAULT_PROFILE
    """which profile's limits and actions to use"""
    language: Literal["zh", "en"] = "zh"
    """language of answers, errors and report"""
    timezone: str = "local"
    """IANA name such as Asia/Shanghai, or local: offsets in the log, days in the report"""
    watch: Watch = Watch()
    settle: Settle = Settle()
    results: Results = Results()
    source: Source = Source()
    rules: Rules = Rules()
    profiles: dict[str, Profile] = SHIPPED_PROFILES
    """limits and actions by name; a profile of your own stands beside the shipped ones"""
    filing: Filing = Filing()
    decisions: Decisions = Decisions()
    report: Report = Report()
    log: Log = Log()
    metrics: Metrics = Metrics()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what ``load`` has merged: a profile ranks between sources, which none of these can do."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, name: str) -> str:
        # UTC needs no time zone data, which small images lack.
        if name not in {"local", "UTC"} and not zones.is_known(name):
            raise Refused(zones.unknown(name))
        return name

    @property
    def zone(self) -> tzinfo | None:
        """The time zone of the log; ``None`` is the machine's own, whatever its offset at the moment."""
        if self.timezone == "local":
            return None
        return UTC if self.timezone == "UTC" else zoneinfo.ZoneInfo(self.timezone)

    @cached_property
    def rule_set(self) -> RuleSet:
        """The effective rules, what the profile says included."""
        rules = self.rules
        return RuleSet(
            limits=Limits(**{one.name: getattr(rules, one.name) for one in fields(Limits)}),
            actions=rules.actions,
            own=tuple(OwnRule(**rule.model_dump()) for rule in rules.custom),
            profile=self.profile,
        )
