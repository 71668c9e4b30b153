"""Every rule over one task: what it saw when the decision was taken, beside what today's rules see. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emosieve.judge.conditions import Reason
from emosieve.judge.rules import Action
from emosieve.judge.ruleset import Evidence, Observation, Outcome, RuleSet, evaluate
from emosieve.record.lines import Event


@dataclass(frozen=True, slots=True)
class Row:
    """One rule over one task: what it saw when the decision was taken, and what today's rules see.

    Attributes:
        then: ``None`` where nothing was decided yet. Its limit is ``None`` for a rule that passed under
            other rules than today's: the log keeps the limits of findings alone.
        action: of the rule when the decision was taken; ``None`` where that is not known.
    """

    rule: str
    then: Observation | None
    action: Action | None
    today: Observation | None
    today_action: Action


def rows_of(evidence: Evidence, rules: RuleSet, decision: Event | None) -> tuple[Row, ...]:
    """A row for each rule of today's, in the order of the report, then for each that only the decision knows.

    Args:
        evidence: of the task.
        rules: today's.
        decision: the event by which rules decided; ``None`` where nothing was decided yet.
    """
    today = evaluate(evidence, rules)
    actions = {rule.name: rule.action for rule in rules.in_force}
    if decision is None:
        return tuple(Row(one.rule, None, None, one, actions[one.rule]) for one in today)
    same = decision.get("rules_digest") == rules.digest
    findings = {finding["rule"]: finding for finding in decision["findings"]}
    rows = [_row(one, findings.pop(one.rule, None), actions[one.rule], same=same) for one in today]
    return (*rows, *(_foreign(finding) for finding in findings.values()))


def _row(today: Observation, finding: Mapping[str, Any] | None, action: Action, *, same: bool) -> Row:
    if finding is not None:
        return Row(today.rule, _observation(finding), finding["action"], today, action)
    outcome: Outcome = "not_evaluated" if today.outcome == "not_evaluated" else "passed"
    limit = today.limit if same else None
    then = Observation(today.rule, outcome, today.observed, limit, missing=today.missing)
    return Row(today.rule, then, action if same else None, today, action)


def _foreign(finding: Mapping[str, Any]) -> Row:
    """A rule that fired then, and that is not in force today."""
    return Row(finding["rule"], _observation(finding), finding["action"], None, "off")


def _observation(finding: Mapping[str, Any]) -> Observation:
    rule, missing = finding["rule"], tuple(finding.get("missing") or ())
    if missing:
        return Observation(rule, "not_evaluated", message=finding["message"], missing=missing)
    reasons = tuple(
        Reason(one["left"], one["operator"], "", one["observed"], _known(one["limit"]))
        for one in finding.get("because") or ()
    )
    observed, limit = finding.get("observed"), _known(finding.get("limit"))
    return Observation(rule, "fired", observed, limit, finding["message"], reasons)


def _known(limit: Any) -> Any:
    """The members of a list as rules have them; JSON has no tuples."""
    return tuple(limit) if isinstance(limit, list) else limit
