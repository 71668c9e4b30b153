"""The rules in force: evidence in, verdict out. All rules always run and all findings are kept."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal, get_args

from emosieve.judge.audio import Depth
from emosieve.judge.conditions import Known, Reason
from emosieve.judge.expression import Expression, compile_expression
from emosieve.judge.fields import FIELDS, Values, values_of
from emosieve.judge.result import Result
from emosieve.judge.rules import BUILT_IN, DEFAULT_ACTIONS, Action, BuiltIn, Choice, Limits
from emosieve.judge.template import MessageTemplate, compile_message

OnMissing = Literal["ignore", "flag"]
VerdictName = Literal["normal", "low_quality"]
Outcome = Literal["fired", "passed", "not_evaluated"]
Observed = Known | tuple[Known, ...]

_DEPTHS: Final = get_args(Depth)


@dataclass(frozen=True, slots=True)
class OwnRule:
    """A rule of somebody's own.

    Attributes:
        name: in log and report; no built-in rule has it.
        when: it fires, in the language of rules; all limits may be named in it.
        action: what it does then.
        message: what a finding says, a template; where it is empty, the comparisons that held.
        on_missing: what becomes of a task whose evidence cannot tell: nothing, or a flag.
    """

    name: str
    when: str
    action: Action = "flag"
    message: str = ""
    on_missing: OnMissing = "ignore"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule ready to be run.

    Attributes:
        name: in log and report.
        action: what it does when it fires.
        expression: when it fires.
        message: what a finding says; ``None`` where the comparisons themselves do.
        on_missing: what a task gets whose evidence cannot tell.
    """

    name: str
    action: Action
    expression: Expression
    message: MessageTemplate | None
    on_missing: OnMissing = "ignore"

    @property
    def is_own(self) -> bool:
        """Whether somebody wrote it, rather than us."""
        return self.name not in DEFAULT_ACTIONS

    @property
    def is_over_settling(self) -> bool:
        """Whether it looks at what only settling could see."""
        return any(FIELDS[name].origin == "settling" for name in self.expression.fields)

    @property
    def fields(self) -> tuple[str, ...]:
        """All that it looks at, or speaks of in its message."""
        return self.expression.fields + (self.message.fields if self.message else ())

    @property
    def depth(self) -> Depth | None:
        """How much of a wav it looks at; ``None`` for nothing."""
        origins = {FIELDS[name].origin for name in self.expression.fields}
        return next((depth for depth in reversed(_DEPTHS) if depth in origins), None)

    def look(self, values: Values) -> "Observation":
        """What it sees in the evidence of one task, whether it fires or not."""
        outcome = self.expression.evaluate(values)
        if outcome is None:
            return Observation(self.name, "not_evaluated", missing=self.expression.missing(values))
        reasons = self.expression.reasons(values)
        words = self._words(values, reasons) if outcome else ""
        observed, limit = (reasons[0].observed, reasons[0].limit) if reasons else (None, None)
        return Observation(self.name, "fired" if outcome else "passed", observed, limit, words, reasons)

    def find(self, values: Values) -> "Finding":
        """The finding over a task for which it fires, or for which it is to say that it could not tell."""
        seen = self.look(values)
        if seen.outcome == "not_evaluated":
            words = f"not evaluated for want of {', '.join(seen.missing)}"
            return Finding(self.name, "flag", None, None, words, missing=seen.missing)
        return Finding(self.name, self.action, seen.observed, seen.limit, seen.message, seen.reasons)

    def _words(self, values: Values, reasons: tuple[Reason, ...]) -> str:
        return self.message.say(values) if self.message else ", ".join(map(str, reasons))


@dataclass(frozen=True, slots=True)
class Observation:
    """What one rule saw.

    Attributes:
        rule: its name.
        outcome: it is not evaluated where the evidence lacks what could decide it.
        observed: the value in the first comparison that made it fire or pass.
        limit: what that was held against.
        message: of one that fired.
        reasons: all the comparisons, as they came out, that made it fire or pass.
        missing: the fields for want of which it is not evaluated.
    """

    rule: str
    outcome: Outcome = "fired"
    observed: Observed | None = None
    limit: Observed | None = None
    message: str = ""
    reasons: tuple[Reason, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """All that the rules may look at.

    Attributes:
        result: what the result file says.
        measured: what audio and settling tell, by the names of their fields.
    """

    result: Result
    measured: Values = field(default_factory=dict)

    @cached_property
    def values(self) -> Values:
        """The value of every field."""
        return values_of(self.result, self.measured)


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that fired, with the action that the settings give it.

    ``observed`` and ``limit`` are of the first comparison that made it fire: shares of 1 for the
    rules over scores, else in the unit of the field. ``reasons`` are all of these comparisons.
    Where the rule could not be evaluated and was to say so there are none, and ``missing`` has
    the fields for want of which.
    """

    rule: str
    action: Action
    observed: Observed | None
    limit: Observed | None
    message: str
    reasons: tuple[Reason, ...] = ()
    missing: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The finding as the decision log has it."""
        known = {
            "rule": self.rule,
            "action": self.action,
            "observed": self.observed,
            "limit": self.limit,
            "message": self.message,
            "because": [
                {"left": one.left, "observed": one.observed, "operator": one.operator, "limit": one.limit}
                for one in self.reasons
            ],
        }
        return {**known, "missing": self.missing} if self.missing else known


@dataclass(frozen=True, slots=True)
class Verdict:
    """``low_quality`` when any finding rejects, else ``normal``."""

    name: VerdictName
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Ruling:
    """How the rules in force come out over one task, before anything is said of it.

    Attributes:
        values: of all that they look at, or speak of.
        telling: the rules that have something to say, in the order of the report, with what they do.
        is_undecided: whether a rule that could reject by the audio misses what it asks for.
    """

    values: Values
    telling: tuple[tuple[Rule, Action], ...]
    is_undecided: bool

    @property
    def verdict(self) -> VerdictName:
        """``low_quality`` when any rule rejects."""
        return "low_quality" if any(action == "reject" for _, action in self.telling) else "normal"

    @property
    def cannot_tell(self) -> bool:
        """Whether a rule that could reject by the audio stays undecided, and none rejects all the same."""
        return self.is_undecided and self.verdict == "normal"


@dataclass(frozen=True)
class RuleSet:
    """Limits, actions and own rules, with the profile they came by.

    Attributes:
        limits: of the built-in rules.
        actions: by the name of a rule, built-in or own; what is left out has its default.
        own: somebody's own rules, after the built-in ones.
        profile: the name of the profile that was chosen.

    Raises:
        RuleError: at first use, an own rule cannot be what was meant; settings are checked before.
    """

    limits: Limits = Limits()  # noqa: RUF009 - frozen, so one will do for all
    actions: Mapping[str, Choice] = field(default_factory=dict)
    own: tuple[OwnRule, ...] = ()
    profile: str = "default"

    @cached_property
    def all(self) -> tuple[Rule, ...]:
        """Every rule, those that are off as well, in the order of the report."""
        rules = [*self._built_in(), *self._own()]
        if any(rule.action == "reject" and rule.depth for rule in rules):
            # A rule that can reject by the audio says nothing of a task that has none.
            rules = [replace(rule, action="flag") if self._choice(rule) == "auto" else rule for rule in rules]
        return tuple(rules)

    def _built_in(self) -> Iterator[Rule]:
        for rule in BUILT_IN:
            message = compile_message(rule.message, FIELDS, asdict(self.limits))
            yield Rule(rule.name, _action(self._choice(rule)), rule.compile(self.limits), message)

    def _own(self) -> Iterator[Rule]:
        numbers = asdict(self.limits)
        for rule in self.own:
            expression = compile_expression(rule.when, FIELDS, numbers)
            message = compile_message(rule.message, FIELDS, numbers) if rule.message else None
            yield Rule(rule.name, _action(self._choice(rule)), expression, message, rule.on_missing)

    def _choice(self, rule: BuiltIn | OwnRule | Rule) -> Choice:
        return self.actions.get(rule.name) or DEFAULT_ACTIONS.get(rule.name) or rule.action

    @cached_property
    def in_force(self) -> tuple[Rule, ...]:
        """Every rule that is not off, in the order of the report."""
        return tuple(rule for rule in self.all if rule.action != "off")

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """All that the rules in force look at, or speak of."""
        return tuple(dict.fromkeys(name for rule in self.in_force for name in rule.fields))

    @cached_property
    def depth(self) -> Depth | None:
        """How much of a wav the rules in force ask for; ``None`` for nothing at all."""
        depths = [rule.depth for rule in self.in_force if rule.depth]
        return max(depths, key=_DEPTHS.index, default=None)

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits that change when any rule in force, limit or action does."""
        effective = [
            [
                rule.name,
                rule.action,
                rule.expression.text,
                rule.expression.parameters,
                rule.on_missing,
                rule.message.text if rule.message and rule.is_own else "",
            ]
            for rule in self.in_force
        ]
        return hashlib.sha256(json.dumps(effective).encode()).hexdigest()[:16]

    @cached_property
    def _rejecting_by_audio(self) -> frozenset[str]:
        return frozenset(rule.name for rule in self.in_force if rule.action == "reject" and rule.depth)

    def over(self, evidence: Evidence) -> "Ruling":
        """How every rule in force comes out over one task."""
        values = values_of(evidence.result, evidence.measured, self.fields)
        outcomes = [(rule, rule.expression.evaluate(values)) for rule in self.in_force]
        telling: list[tuple[Rule, Action]] = [
            (rule, rule.action if outcome else "flag")
            for rule, outcome in outcomes
            if outcome or (outcome is None and rule.on_missing == "flag")
        ]
        rejecting = self._rejecting_by_audio
        is_undecided = any(outcome is None and rule.name in rejecting for rule, outcome in outcomes)
        return Ruling(values, tuple(telling), is_undecided)

    def action_of(self, name: str) -> Action:
        """What a rule does when it fires; ``off`` for one that there is not."""
        return next((rule.action for rule in self.all if rule.name == name), "off")


def judge(evidence: Evidence, rules: RuleSet) -> Verdict:
    """Run every rule in force over the evidence of one task."""
    ruling = rules.over(evidence)
    return Verdict(ruling.verdict, tuple([rule.find(ruling.values) for rule, _ in ruling.telling]))


def evaluate(evidence: Evidence, rules: RuleSet) -> list[Observation]:
    """What every rule in force saw, in the order of the report, whether it fired or not."""
    return [rule.look(evidence.values) for rule in rules.in_force]


def _action(choice: Choice) -> Action:
    return "off" if choice == "auto" else choice
