"""Numbers over decisions by day, verdict, emotion and rule, in one pass over the log.

Pure: events in, numbers out. A decision counts at its own time, by its local
date as logged, however much later it is taken back: what a restoration, a
reclassification or a newer decision takes back is subtracted where it was
counted, and what stands in its place is counted there.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from emosieve.judge.rules import DEFAULT_ACTIONS
from emosieve.record.evidence import taken_back
from emosieve.record.statistics import Effect, Tally
from emosieve.text import escape

Decision = Mapping[str, Any]
"""An event's numbers, with the time, verdict and findings of the one decision that is meant."""
Signature = tuple[tuple[str, str], ...]
"""Rule and action of every finding of one decision."""
Take = Callable[[int, Decision, Mapping[str, Any]], None]
"""Takes a decision into some numbers (1) or out again (-1), for the event that says so."""

NOT_READABLE: Final = (KeyError, TypeError, ValueError, AttributeError)
"""What a line of another version, or one edited by hand, may raise where it is read."""

_Key = TypeVar("_Key")
_VERDICTS: Final = frozenset({"normal", "low_quality", "quarantined"})
_ORDER: Final = {rule: place for place, rule in enumerate(DEFAULT_ACTIONS)}
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Period:
    """Decisions from ``since`` on and before ``until``; ``None`` is no such end."""

    since: datetime | None = None
    until: datetime | None = None

    def __bool__(self) -> bool:
        return self.since is not None or self.until is not None

    def holds(self, time: str) -> bool:
        """Whether a decision of this logged time lies in it; a time without offset is UTC, as in the log.

        Raises:
            ValueError: it is no time.
        """
        moment = datetime.fromisoformat(time)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (self.since is None or moment >= self.since) and (self.until is None or moment < self.until)


def count(
    events: Iterable[Mapping[str, Any]],
    period: Period,
    *takes: Take,
    wanted: Callable[[Decision], bool] | None = None,
) -> int:
    """Tell every decision of a period to all who take them; gives how many events could not be read.

    Args:
        events: of the log, oldest first.
        period: which decisions are told.
        takes: are told.
        wanted: which of them are told; ``None`` for all.
    """
    unreadable = 0
    is_whole = not period
    for event in events:
        try:
            for sign, decision in changes_of(event):
                if (is_whole or period.holds(decision["time"])) and (wanted is None or wanted(decision)):
                    for take in takes:
                        take(sign, decision, event)
        except NOT_READABLE:
            unreadable += 1
    return unreadable


def changes_of(event: Mapping[str, Any]) -> Sequence[tuple[int, Decision]]:
    """The decisions that an event takes back (-1) and puts in their place (1); none for most kinds.

    Lines of older versions do not say what findings they take back. Then the new
    findings are left out as well, and the numbers by rule stay as they were.
    """
    match event["event"]:
        case "decided":
            old = event.get("supersedes")
            return _replaced(old, event, old.get("findings")) if old else ((1, event),)
        case "quarantined":
            now = {"time": event["time"], "verdict": "quarantined", "source": event.get("source")}
            old = event.get("supersedes")
            return _replaced(old, now, old.get("findings")) if old else ((1, now),)
        case "restored" | "reclassified":
            decided, findings = event.get("decided"), event.get("was_findings")
            now = dict(event)
            if decided is None:  # it stood there without a decision: nothing to take back
                return ((1, now),)
            now["time"] = decided
            return _replaced({**taken_back(event), "time": decided}, now, findings)
        case _:
            return ()


def _replaced(old: Decision, new: Decision, findings: Any) -> Sequence[tuple[int, Decision]]:
    new = new if findings is not None else {**new, "findings": ()}
    return (-1, {**old, "findings": findings or ()}), (1, new)


def signature_of(findings: Iterable[Mapping[str, Any]]) -> Signature:
    """Rule and action of some logged findings.

    Raises:
        KeyError, TypeError: these are no findings.
    """
    return tuple([(str(one["rule"]), str(one["action"])) for one in findings])


def rejecting(signature: Signature) -> list[str]:
    """The rules that rejected."""
    return [rule for rule, action in signature if action == "reject"]


def in_report_order(rules: Iterable[str]) -> list[str]:
    """Each rule once: ours in the order of the report, then others by name."""
    return sorted(set(rules), key=lambda rule: (_ORDER.get(rule, len(_ORDER)), rule))


@dataclass(frozen=True, slots=True)
class RuleCount:
    """What one rule did: decisions in which it fired, rejected, flagged, and rejected alone."""

    rule: str
    fired: int
    rejects: int
    flags: int
    alone: int


@dataclass(slots=True)
class Breakdown:
    """A cube of small cells: days by verdicts by emotions, a few thousand a year; every table is a sum of them.

    Attributes:
        first: time of the earliest decision, as logged; empty when there is none.
        last: the same of the latest.
    """

    first: str = ""
    last: str = ""
    _cells: dict[tuple[str, str, str | None], Effect] = field(default_factory=dict)
    _signatures: dict[Signature, int] = field(default_factory=dict)

    def take(self, sign: int, decision: Decision, _event: Mapping[str, Any]) -> None:
        """Count a decision in or out.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is none; nothing was counted.
        """
        time, verdict = decision["time"], decision["verdict"]
        if verdict is None:
            return  # back in the inbox, to be judged anew
        key = (time[:10], verdict, decision.get("emotion"))
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _new_cell(*key)
        findings = decision.get("findings")
        signature = signature_of(findings) if findings else ()
        cell.add(decision, sign)
        if signature:
            self._signatures[signature] = self._signatures.get(signature, 0) + sign
        if time > self.last:
            self.last = time
            self.first = self.first or time
        elif time < self.first:
            self.first = time

    def tally(self) -> Tally:
        """All decisions."""
        return self._by(lambda _day, _emotion: "").get("", Tally())

    def days(self) -> dict[str, Tally]:
        """By local date, oldest first."""
        return dict(sorted(self._by(lambda day, _emotion: day).items()))

    def emotions(self) -> dict[str | None, Tally]:
        """By emotion, escaped, the most frequent first; ``None`` where the result names none, as in quarantine."""
        tallies = self._by(lambda _day, emotion: emotion and escape(emotion))
        decided = {emotion: tally for emotion, tally in tallies.items() if tally.total}
        return dict(sorted(decided.items(), key=lambda pair: (-pair[1].total, pair[0] or "")))

    def rules(self) -> list[RuleCount]:
        """Every rule that fired, in the order of the report."""
        names = in_report_order(rule for signature in self._signatures for rule, _ in signature)
        return [one for one in map(self._count_of, names) if one.fired]

    def _count_of(self, rule: str) -> RuleCount:
        fired = self._sum(lambda signature: rule in dict(signature))
        rejects = self._sum(lambda signature: rule in rejecting(signature))
        alone = self._sum(lambda signature: rejecting(signature) == [rule])
        return RuleCount(escape(rule), fired, rejects, fired - rejects, alone)

    def _by(self, key_of: Callable[[str, str | None], _Key]) -> dict[_Key, Tally]:
        tallies: dict[_Key, Tally] = {}
        for (day, verdict, emotion), cell in self._cells.items():
            if cell.count:
                tallies.setdefault(key_of(day, emotion), Tally()).merge(verdict, cell)
        return tallies

    def _sum(self, holds: Callable[[Signature], bool]) -> int:
        return sum(number for signature, number in self._signatures.items() if holds(signature))


def _new_cell(day: str, verdict: str, emotion: str | None) -> Effect:
    if not (_DAY.fullmatch(day) and verdict in _VERDICTS and (emotion is None or isinstance(emotion, str))):
        raise ValueError(f"no decision: {day!r}, {verdict!r}, {emotion!r}")
    return Effect()
