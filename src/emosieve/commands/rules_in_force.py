"""``emosieve explain --rules``: the rules themselves, with the limits and actions that the settings give them."""

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import typer

from emosieve.commands.explain_words import ACTIONS, HEADS
from emosieve.commands.in_force import RULES, settings_on
from emosieve.commands.output import columns, echo_json, hanging, styled
from emosieve.text import Language, Message, Phrase, escape, exact_number, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emosieve.judge.ruleset import Rule, RuleSet
    from emosieve.settings import Loaded

_LIKE: Final = {"reject": "low_quality", "flag": None, "off": None}
_WHEN: Final = Phrase("fires when", "命中条件")
_WITH: Final = Phrase("{when}  ({limits})", "{when}（{limits}）")
_DIFFERS: Final = Phrase("{profile}: {changed}", "{profile}：{changed}")
_DOES: Final = Phrase("{rule} {action}", "{rule} {action}")
_END: Final = Phrase("profile {profile}, rules {digest}", "预设 {profile}，规则指纹 {digest}")


def differences(rules: "RuleSet") -> Message | str:
    """The profile of rules, and what of them differs from the defaults, rules of one's own included."""
    from emosieve.judge.ruleset import RuleSet  # noqa: PLC0415 - only what compares needs it

    default = RuleSet()
    limits = asdict(default.limits)
    changed: list[Message | str] = [
        f"{name} {exact_number(value)}"
        for name, value in asdict(rules.limits).items()
        if value != limits[name]
    ]
    changed += [
        _DOES(rule=rule.name, action=ACTIONS[rule.action]())
        for rule in rules.all
        if rule.action != default.action_of(rule.name)
    ]
    return _DIFFERS(profile=rules.profile, changed=listed(changed)) if changed else escape(rules.profile)


def show_rules(loaded: "Loaded", *, json: bool) -> None:
    """Print the effective rules, those that are off as well; where a daemon holds the root, those in force there."""
    root, language = loaded.settings.root, loaded.settings.language
    settings = loaded.settings
    if root:
        settings = settings_on(os.path.realpath(os.path.expanduser(root)), loaded, RULES)
    rules = settings.rule_set
    if json:
        told = [_document(rule) for rule in rules.all]
        echo_json({"schema": 1, "profile": rules.profile, "rules_digest": rules.digest, "rules": told})
    else:
        typer.echo("\n".join(_lines(rules, language)))


def _document(rule: "Rule") -> dict[str, object]:
    return {
        "rule": rule.name,
        "action": rule.action,
        "when": rule.expression.text,
        "limits": dict(rule.expression.parameters),
        "fields": rule.expression.fields,
        "on_missing": rule.on_missing,
        "own": rule.is_own,
        "message": rule.message.text if rule.message else "",
    }


def _lines(rules: "RuleSet", language: Language) -> "Iterator[str]":
    heads = [HEADS["rule"]().text(language), HEADS["action"]().text(language)]
    rows = [[escape(rule.name), ACTIONS[rule.action]().text(language)] for rule in rules.all]
    head, *body = columns([[*row, "|"] for row in [heads, *rows]])
    yield styled(head.removesuffix("|") + _WHEN().text(language), bold=True)
    for rule, line in zip(rules.all, body, strict=True):
        for text in hanging(line.removesuffix("|"), _when(rule, language)):
            yield styled(text, _LIKE[rule.action], dim=rule.action == "off")
    yield ""
    yield _END(profile=rules.profile, digest=rules.digest).text(language)


def _when(rule: "Rule", language: Language) -> str:
    limits = ", ".join(f"{name}={exact_number(value)}" for name, value in rule.expression.parameters)
    return _WITH(when=rule.expression.text, limits=limits).text(language) if limits else rule.expression.text
