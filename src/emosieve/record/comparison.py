"""What other rules would have decided: every standing decision judged anew, from the log alone.

Pure. What a person decided stays: it is left out, and counted apart.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from emosieve.judge.ruleset import RuleSet
from emosieve.record.breakdown import Decision, Signature, in_report_order, rejecting, signature_of
from emosieve.record.evidence import evidence_of
from emosieve.record.statistics import Tally
from emosieve.text import escape

Judged = tuple[str, Signature]
"""A verdict and the findings that led to it."""

_SIDES: Final = ("normal", "low_quality")


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One rule then and now.

    Attributes:
        rule: its name.
        fired_then: decisions in which it fired.
        fired_now: the same under the other rules.
        alone_then: decisions that it alone rejected.
        alone_now: the same under the other rules.
        newly_rejected: of those that become low_quality, the ones that it rejects now.
        newly_accepted: of those that become normal, the ones that it had rejected.
    """

    rule: str
    fired_then: int
    fired_now: int
    alone_then: int
    alone_now: int
    newly_rejected: int
    newly_accepted: int


@dataclass(slots=True)
class Comparison:
    """Decisions as they stand beside what other rules make of the same evidence.

    Args:
        rules: the other rules.
    """

    rules: RuleSet
    _pairs: Counter[tuple[Judged, Judged]] = field(default_factory=Counter)
    _by_hand: set[tuple[str, str]] = field(default_factory=set)
    undecided: int = 0
    """Decisions of which a rule that could reject them cannot tell: the log does not have what it asks of the audio."""

    def take(self, sign: int, decision: Decision, event: Mapping[str, Any]) -> None:
        """Judge a decision anew and count it in or out.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is none; nothing was counted.
        """
        if decision["verdict"] not in _SIDES:
            return
        # Only a person's decisions are remembered one by one: they alone cannot be known again by their numbers.
        which = (decision["time"], event["task"])
        if sign > 0 and event["event"] == "restored":
            self._by_hand.add(which)
        elif sign < 0 and which in self._by_hand:
            self._by_hand.remove(which)
        else:
            then = (decision["verdict"], signature_of(decision.get("findings") or ()))
            ruling = self.rules.over(evidence_of(decision))
            if ruling.cannot_tell:
                self.undecided += sign
            now = (ruling.verdict, tuple([(rule.name, action) for rule, action in ruling.telling]))
            self._pairs[then, now] += sign

    @property
    def by_hand(self) -> int:
        """Decisions that a person made, which are not compared."""
        return len(self._by_hand)

    @property
    def newly_rejected(self) -> int:
        """Decisions that go from normal to low_quality."""
        return self._sum(_is_newly_rejected)

    @property
    def newly_accepted(self) -> int:
        """Decisions that go from low_quality to normal."""
        return self._sum(_is_newly_accepted)

    @property
    def then(self) -> Tally:
        """The compared decisions by verdict, as they stand."""
        return self._tally(lambda verdict, then, _now: then[0] == verdict)

    @property
    def now(self) -> Tally:
        """The same decisions by verdict, under the other rules."""
        return self._tally(lambda verdict, _then, now: now[0] == verdict)

    def by_rule(self) -> list[RuleChange]:
        """Every rule that fires then or now, in the order of the report."""
        names = {rule for pair in self._pairs for _, signature in pair for rule, _ in signature}
        rows = [self._change_of(rule) for rule in in_report_order(names)]
        return [row for row in rows if row.fired_then or row.fired_now]

    def _change_of(self, rule: str) -> RuleChange:
        return RuleChange(
            rule=escape(rule),
            fired_then=self._sum(lambda then, _now: rule in dict(then[1])),
            fired_now=self._sum(lambda _then, now: rule in dict(now[1])),
            alone_then=self._sum(lambda then, _now: rejecting(then[1]) == [rule]),
            alone_now=self._sum(lambda _then, now: rejecting(now[1]) == [rule]),
            newly_rejected=self._sum(
                lambda then, now: _is_newly_rejected(then, now) and rule in rejecting(now[1])
            ),
            newly_accepted=self._sum(
                lambda then, now: _is_newly_accepted(then, now) and rule in rejecting(then[1])
            ),
        )

    def _tally(self, holds: Callable[[str, Judged, Judged], bool]) -> Tally:
        normal, low_quality = (self._sum(partial(holds, verdict)) for verdict in _SIDES)
        return Tally(normal, low_quality)

    def _sum(self, holds: Callable[[Judged, Judged], bool]) -> int:
        return sum(number for (then, now), number in self._pairs.items() if holds(then, now))


def _is_newly_rejected(then: Judged, now: Judged) -> bool:
    return (then[0], now[0]) == ("normal", "low_quality")


def _is_newly_accepted(then: Judged, now: Judged) -> bool:
    return (then[0], now[0]) == ("low_quality", "normal")
