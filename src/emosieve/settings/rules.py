"""The settings of rules: limits and actions of the built-in ones, rules of one's own, and profiles of both."""

import re
from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field, ValidationError, field_validator
from pydantic_core import InitErrorDetails

from emosieve.errors import RuleError
from emosieve.judge.expression import compile_expression
from emosieve.judge.fields import FIELDS
from emosieve.judge.rules import BUILT_IN, DEFAULT_ACTIONS, Action, Choice, Limits
from emosieve.judge.ruleset import OnMissing
from emosieve.judge.template import compile_message
from emosieve.settings import refusals
from emosieve.settings.refusals import Refused
from emosieve.settings.section import Decibels, Duration, Section, Share

_RULE_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_NAME_LIMIT = 63
_OWN_RULES_LIMIT = 100
AUTO_RULE = "audio_missing"


def choices_for(rule: str) -> tuple[str, ...]:
    """The actions that may be written for a rule, built-in or somebody's own."""
    return get_args(Choice if rule == AUTO_RULE else Action)


def _check_choices(actions: Any) -> Any:
    wrong = [
        InitErrorDetails(
            type="literal_error",
            loc=(name,),
            input=choice,
            ctx={"expected": refusals.expected(choices_for(name))},
        )
        for name, choice in (actions.items() if isinstance(actions, dict) else ())
        if choice not in choices_for(name)
    ]
    if wrong:
        raise ValidationError.from_exception_data("actions", wrong)
    return actions


_ACTIONS_SCHEMA: dict[str, Any] = {
    "properties": {
        rule.name: {"description": rule.meaning.en, "enum": list(choices_for(rule.name)), "type": "string"}
        for rule in BUILT_IN
    },
    "additionalProperties": {"enum": list(get_args(Action)), "type": "string"},
}


def _with_defaults(actions: Any) -> Any:
    return _check_choices({**DEFAULT_ACTIONS, **actions} if isinstance(actions, dict) else actions)


class CustomRule(Section):
    """A rule of your own."""

    name: str
    """its name in log and report: small letters, digits and _"""
    when: str
    """when it fires: comparisons of fields, in the language of rules"""
    action: Action = "flag"
    """what it does then: reject, flag, or off"""
    message: str = ""
    """what it says, with {field} for values; empty: the comparisons that held"""
    on_missing: OnMissing = "ignore"
    """when the task lacks what the rule looks at: ignore, or flag"""

    @field_validator("name")
    @classmethod
    def _free_name(cls, name: str) -> str:
        if not _RULE_NAME.fullmatch(name):
            raise Refused(refusals.RULE_NAME())
        if len(name) > _NAME_LIMIT:
            raise Refused(refusals.LONG_NAME(length=len(name), limit=_NAME_LIMIT))
        if name in DEFAULT_ACTIONS:
            raise Refused(refusals.BUILT_IN_NAME(name=name))
        return name

    @field_validator("when")
    @classmethod
    def _is_a_rule(cls, when: str) -> str:
        try:
            compile_expression(when, FIELDS, asdict(Limits()))
        except RuleError as error:
            raise Refused(refusals.wrong_rule(error)) from None
        return when

    @field_validator("message")
    @classmethod
    def _is_a_message(cls, message: str) -> str:
        try:
            compile_message(message, FIELDS, asdict(Limits()))
        except RuleError as error:
            raise Refused(refusals.wrong_rule(error)) from None
        return message


class Rules(Section):
    """The limits of the built-in rules, what each rule does, and rules of your own."""

    min_confidence: Share = 0.6
    """share 0-1; main confidence below it: low_confidence"""
    min_gap: Share = 0.05
    """share 0-1; first two scores less than this apart: ambiguous"""
    min_top: Share = 0.3
    """share 0-1; every score below it: no_dominant_emotion"""
    min_duration: Duration = 1.0
    """seconds; audio shorter than this: too_short"""
    max_silence: Share = 0.8
    """share 0-1; more of the audio without speech: mostly_silence"""
    min_snr: Decibels = 10.0
    """dB; signal-to-noise ratio below it: noisy"""
    max_clipping: Share = 0.02
    """share 0-1; more of the samples at their ceiling: clipped"""
    # One level of Annotated and one Field: pydantic before 2.12 forgets validators when it merges more.
    actions: Annotated[dict[str, Choice], BeforeValidator(_with_defaults)] = Field(
        default={}, json_schema_extra=_ACTIONS_SCHEMA
    )
    """by rule, built-in or your own: reject, flag or off; for audio_missing auto as well"""
    custom: tuple[CustomRule, ...] = Field(default=(), max_length=_OWN_RULES_LIMIT)
    """rules of your own, each a [[rules.custom]] table"""

    @field_validator("custom")
    @classmethod
    def _names_differ(cls, custom: tuple[CustomRule, ...]) -> tuple[CustomRule, ...]:
        names = Counter(rule.name for rule in custom)
        for name, count in names.items():
            if count > 1:
                raise Refused(refusals.SAME_RULE(name=name))
        return custom


class Profile(Section):
    """Limits and actions for one use; what a profile leaves out stays as it is."""

    min_confidence: Share | None = None
    """share 0-1"""
    min_gap: Share | None = None
    """share 0-1"""
    min_top: Share | None = None
    """share 0-1"""
    min_duration: Duration | None = None
    """seconds"""
    max_silence: Share | None = None
    """share 0-1"""
    min_snr: Decibels | None = None
    """dB"""
    max_clipping: Share | None = None
    """share 0-1"""
    actions: Annotated[dict[str, Choice], BeforeValidator(_check_choices)] = Field(
        default={}, json_schema_extra=_ACTIONS_SCHEMA
    )
    """by rule, built-in or your own: reject, flag or off; for audio_missing auto as well"""


SHIPPED_PROFILES = {
    "customer_service": Profile(
        min_confidence=0.7, actions={"too_short": "reject", "no_speech": "reject", "noisy": "reject"}
    ),
    "psych_screening": Profile(min_confidence=0.5, actions={"ambiguous": "flag"}),
    "social_robot": Profile(
        min_confidence=0.6,
        min_duration=0.5,
        actions={"no_speech": "reject", "mostly_silence": "reject", "noisy": "reject"},
    ),
}
DEFAULT_PROFILE = "default"
"""The profile that is chosen when none is: it changes nothing, unless a file defines it."""
