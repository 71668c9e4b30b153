"""Numbers by day, verdict, emotion and rule."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emosieve.judge.rules import Limits
from emosieve.judge.ruleset import RuleSet, judge
from emosieve.record.breakdown import Breakdown, Period, RuleCount, count
from emosieve.record.comparison import Comparison, RuleChange
from emosieve.record.evidence import evidence_of
from emosieve.record.statistics import Tally
from log_lines import (
    AMBIGUOUS,
    FIFTH,
    FIRST,
    LOG,
    LOW,
    SECOND,
    THIRD,
    Line,
    decided,
    finding,
    quarantined,
    reclassified,
    restored,
    superseding,
)


def broken_down(events: Iterable[Line], period: Period | None = None) -> Breakdown:
    """The numbers over some events, all of which can be read."""
    breakdown = Breakdown()
    assert 0 == count(events, period or Period(), breakdown.take)
    return breakdown


def compared(events: Iterable[Line], limits: Limits) -> Comparison:
    """The same events judged anew by other limits."""
    comparison = Comparison(RuleSet(limits))
    assert 0 == count(events, Period(), comparison.take)
    return comparison


def counts(tally: Tally) -> tuple[int, int, int, int]:
    """Total, normal, low_quality and quarantined."""
    return (tally.total, tally.normal, tally.low_quality, tally.quarantined)


class TestTables:
    """The log written by hand, counted by hand."""

    def test_the_effect_of_filtering(self) -> None:
        """Seven decided; 1, 2 and 7 are normal; 8 has no numbers and counts in no mean."""
        tally = broken_down(LOG).tally()

        assert (7, 3, 4, 1) == counts(tally)
        assert pytest.approx(4 / 7) == tally.rejection_rate
        # Before: 0.90 + 0.40 + 0.50 + 0.70 + 0.35 + 0.80 = 3.65; after: 0.90 + 0.40 + 0.80 = 2.10.
        assert pytest.approx(3.65 / 6) == tally.before.mean_confidence
        assert pytest.approx(2.1 / 3) == tally.after.mean_confidence
        # Before: 0.80 + 0.10 + 0.02 + 0.50 + 0.05 + 0.60 = 2.07; after: 0.80 + 0.10 + 0.60 = 1.50.
        assert pytest.approx(2.07 / 6) == tally.before.mean_gap
        assert pytest.approx(1.5 / 3) == tally.after.mean_gap
        # One neutral result, and it is normal.
        assert (1 / 7, 1 / 3) == (tally.before.neutral_share, tally.after.neutral_share)

    def test_by_emotion(self) -> None:
        """Most frequent first, a result that names none last."""
        emotions = broken_down(LOG).emotions()

        assert ["sad", "happy", None, "neutral"] == list(emotions)
        assert (3, 1, 2, 0) == counts(emotions["sad"])
        assert pytest.approx((0.4 + 0.5 + 0.35) / 3) == emotions["sad"].before.mean_confidence
        assert (2, 1, 1, 0) == counts(emotions["happy"])
        assert pytest.approx((0.7 + 0.8) / 2) == emotions["happy"].before.mean_confidence
        # outputs_6 in quarantine names no emotion either.
        assert ((1, 1, 0, 0), (1, 0, 1, 1)) == (counts(emotions["neutral"]), counts(emotions[None]))
        assert emotions[None].before.mean_confidence is None

    def test_by_day(self) -> None:
        """Each decision on its own day: 2 and 4 on the 4th, though they changed later; 7 on its second day."""
        days = {day: counts(tally) for day, tally in broken_down(LOG).days().items()}

        assert {"2024-01-04": (4, 2, 2, 1), "2024-01-05": (2, 1, 1, 0), "2024-01-06": (1, 0, 1, 0)} == days

    def test_a_day_that_holds_nothing_any_more(self) -> None:
        """A day whose only task went back to the inbox is no day of the table."""
        assert {} == broken_down([FIFTH, restored(FIFTH, "2024-01-05T09:00:00+08:00")]).days()

    def test_by_rule(self) -> None:
        """low_confidence fired on 3, 4 and 5, and decided 4 and 5 alone; what 2, 4 and 7 had is taken out."""
        assert [
            RuleCount("low_confidence", fired=3, rejects=3, flags=0, alone=2),
            RuleCount("ambiguous", fired=1, rejects=1, flags=0, alone=0),
            RuleCount("scores_missing", fired=1, rejects=1, flags=0, alone=1),
        ] == broken_down(LOG).rules()

    def test_a_flag_rejects_nothing(self) -> None:
        """A rule that flags is counted as such, and leaves a rejecting rule alone."""
        flag = finding("mixed_task", "flag")
        assert [
            RuleCount("low_confidence", fired=1, rejects=1, flags=0, alone=1),
            RuleCount("mixed_task", fired=1, rejects=0, flags=1, alone=0),
        ] == broken_down([{**SECOND, "findings": [flag, LOW]}]).rules()

    def test_the_period_covered(self) -> None:
        """From the first decision to the last, in whatever order they are logged."""
        breakdown = broken_down([THIRD, SECOND])

        assert (SECOND["time"], THIRD["time"]) == (breakdown.first, breakdown.last)

    def test_nothing_counts_nothing(self) -> None:
        """An empty log has no days, emotions, rules or period."""
        empty = broken_down([])

        assert ({}, {}, [], Tally(), "") == (
            empty.days(),
            empty.emotions(),
            empty.rules(),
            empty.tally(),
            empty.first,
        )


class TestComparison:
    """The same log under other rules; outputs_2, which a person restored, is left out."""

    def test_lower_limits_accept(self) -> None:
        """At 0.45 low_confidence lets 3 and 4 go; 4 becomes normal, 3 is held by ambiguous alone."""
        comparison = compared(LOG, Limits(min_confidence=0.45))

        assert ((6, 2, 4, 0), (6, 3, 3, 0)) == (counts(comparison.then), counts(comparison.now))
        assert (0, 1, 1) == (comparison.newly_rejected, comparison.newly_accepted, comparison.by_hand)
        assert [
            # then 3, 4, 5, of which 4 and 5 alone; now 5, alone
            RuleChange("low_confidence", 3, 1, 2, 1, newly_rejected=0, newly_accepted=1),
            RuleChange("ambiguous", 1, 1, 0, 1, newly_rejected=0, newly_accepted=0),
            RuleChange("scores_missing", 1, 1, 1, 1, newly_rejected=0, newly_accepted=0),
        ] == comparison.by_rule()

    def test_higher_limits_reject(self) -> None:
        """At 0.85 only 1 passes: 7 (0.80) is newly rejected, by low_confidence."""
        comparison = compared(LOG, Limits(min_confidence=0.85))

        assert ((6, 2, 4, 0), (6, 1, 5, 0)) == (counts(comparison.then), counts(comparison.now))
        assert (1, 0) == (comparison.newly_rejected, comparison.newly_accepted)
        assert [
            # then 3, 4, 5, of which 4 and 5 alone; now 3, 4, 5, 7, of which all but 3 alone
            RuleChange("low_confidence", 3, 4, 2, 3, newly_rejected=1, newly_accepted=0),
            RuleChange("ambiguous", 1, 1, 0, 0, newly_rejected=0, newly_accepted=0),
            RuleChange("scores_missing", 1, 1, 1, 1, newly_rejected=0, newly_accepted=0),
        ] == comparison.by_rule()

    def test_a_decision_restored_twice_is_left_out_once(self) -> None:
        """A person who takes back what a person decided has still decided it."""
        once = restored(SECOND, "2024-01-05T09:00:00+08:00")
        twice = restored(once, "2024-01-05T10:00:00+08:00")
        comparison = compared([FIRST, SECOND, once, twice], Limits())

        assert (1, 1) == (comparison.then.total, comparison.by_hand)

    def test_what_was_reclassified_on_request_is_compared_again(self) -> None:
        """A person's decision that the rules replaced is the rules' decision."""
        by_hand = restored(SECOND, "2024-01-05T09:00:00+08:00")
        again = reclassified(by_hand, "2024-01-05T10:00:00+08:00", [LOW])
        comparison = compared([SECOND, by_hand, again], Limits(min_confidence=0.3))

        assert (0, 1, 0) == (comparison.by_hand, comparison.newly_accepted, comparison.newly_rejected)

    def test_a_decision_is_judged_by_its_own_findings(self) -> None:
        """What settling found odd before a reclassification, and not since, is evidence no more."""
        odd = {**SECOND, "findings": [LOW, finding("mixed_task", "flag")]}
        events = [odd, reclassified(odd, "2024-01-05T09:00:00+08:00", [])]
        comparison = Comparison(RuleSet(Limits(min_confidence=0.3), {"mixed_task": "reject"}))
        count(events, Period(), comparison.take)

        assert ((1, 1, 0, 0), 0) == (counts(comparison.now), comparison.newly_rejected)


class TestOlderAndForeignLines:
    """Nothing that stands in the log stops the count."""

    @pytest.mark.parametrize("kind", ["restored", "reclassified"])
    def test_older_lines_leave_the_rules_alone(self, kind: str) -> None:
        """A line that does not say what findings it takes back changes sides, and no number by rule."""
        event = reclassified(SECOND, "2024-01-05T09:00:00+08:00", [AMBIGUOUS]) | {"event": kind}
        del event["was_findings"]
        breakdown = broken_down([SECOND, event])

        assert (1, 1, 0, 0) == counts(breakdown.tally())
        assert [RuleCount("low_confidence", 1, 1, 0, 1)] == breakdown.rules()

    def test_an_older_line_that_supersedes(self) -> None:
        """Without the older findings the numbers by rule stay."""
        new = superseding({**THIRD, "task": SECOND["task"]}, SECOND)
        del new["supersedes"]["findings"]
        breakdown = broken_down([SECOND, new])

        assert (1, 0, 1, 0) == counts(breakdown.tally())
        assert [RuleCount("low_confidence", 1, 1, 0, 1)] == breakdown.rules()

    def test_a_task_without_a_decision_counts_from_its_restoration_on(self) -> None:
        """What the article's script filed was never counted, so nothing is taken back."""
        event = restored(SECOND, "2024-01-05T09:00:00+08:00") | {"decided": None}
        days = broken_down([event]).days()

        assert {"2024-01-05": (1, 1, 0, 0)} == {day: counts(tally) for day, tally in days.items()}

    @pytest.mark.parametrize(
        "line",
        [
            {"event": "decided"},
            {"event": "quarantined"},
            {"event": "restored", "decided": SECOND["time"]},
            {**SECOND, "time": "yesterday"},
            {**SECOND, "time": 17},
            {**SECOND, "verdict": "splendid"},
            {**SECOND, "verdict": ["low_quality"]},
            {**SECOND, "emotion": 3},
            {**SECOND, "emotion": {}},
            {**SECOND, "confidence": "high"},
            {**SECOND, "gap": []},
            {**SECOND, "findings": "low_confidence"},
            {**SECOND, "findings": [{"rule": "low_confidence"}]},
            {**SECOND, "findings": 1},
            {**SECOND, "supersedes": "outputs_1"},
        ],
        ids=str,
    )
    def test_a_foreign_line_is_passed_over(self, line: dict[str, Any]) -> None:
        """It is counted as unreadable and changes no number; the next line counts."""
        breakdown = Breakdown()
        comparison = Comparison(RuleSet())

        assert 1 == count([line, FIRST], Period(), breakdown.take, comparison.take)
        assert ((1, 1, 0, 0), (1, 1, 0, 0)) == (counts(breakdown.tally()), counts(comparison.then))
        assert broken_down([FIRST]).tally() == breakdown.tally()
        assert [] == breakdown.rules()

    def test_rules_that_are_no_strings_are_named_as_such(self) -> None:
        """A line edited by hand may name a rule by a number; it is counted under its text."""
        line = {**SECOND, "findings": [LOW, {**LOW, "rule": 3}]}

        assert ["low_confidence", "3"] == [one.rule for one in broken_down([line]).rules()]

    def test_strings_from_outside_are_escaped(self) -> None:
        """An emotion or a rule with control characters is shown as visible text."""
        line = decided("t", SECOND["time"], "low_quality", ("\x1b[31m", 0.1, 0.1), [finding("\x07")])
        breakdown = broken_down([line])

        assert ["\\u001b[31m"] == list(breakdown.emotions())
        assert ["\\u0007"] == [one.rule for one in breakdown.rules()]


class TestPeriod:
    """Decisions are selected by their own time."""

    @pytest.mark.parametrize(
        ("since", "until", "tasks"),
        [
            ("2024-01-04T02:01:00", None, 6),  # 10:01 +08:00 is in: the 2nd, and all but the 1st
            ("2024-01-04T02:01:00.000001", None, 5),
            (None, "2024-01-04T02:01:00", 1),  # the 2nd is out
            (None, "2024-01-04T02:01:00.000001", 2),
            ("2024-01-04T16:00", "2024-01-05T16:00", 2),  # the 5th in +08:00
            ("2024-01-07", None, 0),
        ],
    )
    def test_the_beginning_belongs_to_it_and_the_end_does_not(
        self, since: str | None, until: str | None, tasks: int
    ) -> None:
        """Half-open, to the microsecond."""
        begin, end = (one and datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (since, until))

        assert tasks == broken_down(LOG, Period(begin or None, end or None)).tally().total

    def test_a_later_restoration_counts(self) -> None:
        """What became of a decision after the period belongs to its decision."""
        end = datetime.fromisoformat("2024-01-05T00:00:00+08:00")

        assert (4, 2, 2, 1) == counts(broken_down(LOG, Period(until=end)).tally())

    def test_a_restoration_of_an_older_decision_does_not(self) -> None:
        """A period that holds the restoration alone holds nothing."""
        begin = datetime.fromisoformat("2024-01-05T08:00:00+08:00")
        after = broken_down([SECOND, restored(SECOND, "2024-01-05T09:00:00+08:00")], Period(since=begin))

        assert Tally() == after.tally()


SIXTEENTHS = st.integers(0, 16).map(lambda number: number / 16)
NUMBERS = st.tuples(st.sampled_from(["sad", "happy", "neutral"]), SIXTEENTHS, SIXTEENTHS.filter(bool))
FINDINGS = st.lists(
    st.builds(
        finding,
        st.sampled_from(["low_confidence", "ambiguous", "mixed_task", "still_open"]),
        st.sampled_from(["reject", "flag"]),
    ),
    max_size=3,
    unique_by=lambda one: str(one["rule"]),
)
STEPS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sampled_from(["decide", "decide", "quarantine", "restore", "restore", "reclassify"]),
        NUMBERS,
        FINDINGS,
    ),
    max_size=30,
)


def history(steps: Sequence[tuple[int, str, Any, list[Line]]]) -> list[Line]:
    """A log in which tasks live through these steps, six hours apart."""
    last: dict[int, Line] = {}
    log: list[Line] = []
    for hour, (task, step, numbers, findings) in enumerate(steps):
        time = f"2024-01-{1 + hour // 4:02}T{6 * (hour % 4):02}:00:00+08:00"
        verdict = "low_quality" if any(one["action"] == "reject" for one in findings) else "normal"
        old = last.get(task)
        match step:
            case "decide":
                event = decided(f"outputs_{task}", time, verdict, numbers, findings)
                event = superseding(event, old) if old else event
            case "quarantine":
                event = quarantined(f"outputs_{task}", time)
                event = superseding(event, old) if old else event
            case "restore" if old:
                event = restored(old, time)
            case "reclassify" if old and old.get("verdict"):
                event = reclassified(old, time, findings)
            case _:
                continue
        # What a person changed cannot be superseded: it is filed. Begin another life of that name instead.
        if old and old["event"] in {"restored", "reclassified"}:
            event.pop("supersedes", None)
        log.append(event)
        last[task] = event
        if event["event"] == "restored" and event["verdict"] is None:
            del last[task]
    return log


def standing(log: Sequence[Line]) -> list[Line]:
    """The naive way: first where every decision ended up, each the last event about it, then count."""
    ends: dict[tuple[str, str], Line] = {}
    for event in log:
        if "supersedes" in event:
            ends.pop((event["task"], event["supersedes"]["time"]), None)
        ends[event["task"], event.get("decided") or event["time"]] = event
    return [
        event
        | {"time": time, "verdict": "quarantined" if event["event"] == "quarantined" else event["verdict"]}
        for (_, time), event in ends.items()
        if event["event"] == "quarantined" or event["verdict"]
    ]


@given(STEPS)
@settings(deadline=None)
def test_one_pass_counts_as_the_naive_way_does(steps: Any) -> None:
    """Taking out and putting in gives the numbers of those decisions that stand in the end."""
    log = history(steps)
    breakdown, ends = broken_down(log), standing(log)
    normal = [event for event in ends if event["verdict"] == "normal"]
    both = normal + [event for event in ends if event["verdict"] == "low_quality"]

    days = Counter((event["time"][:10], event["verdict"]) for event in ends)
    assert days == Counter(
        {
            (day, verdict): number
            for day, tally in breakdown.days().items()
            for verdict, number in tally.verdicts.items()
        }
    )
    emotions = Counter((event["emotion"], event["verdict"]) for event in both)
    assert emotions == Counter(
        {
            (emotion, verdict): number
            for emotion, tally in breakdown.emotions().items()
            for verdict, number in tally.verdicts.items()
        }
    )
    tally = breakdown.tally()
    for effect, events in ((tally.before, both), (tally.after, normal)):
        assert (effect.confidence_sum, effect.gap_sum, effect.neutral) == (
            sum(event["confidence"] for event in events),
            sum(event["gap"] for event in events),
            sum(event["emotion"] == "neutral" for event in events),
        )
    by_rules = [event.get("findings") or [] for event in ends]
    fired = Counter(one["rule"] for findings in by_rules for one in findings)
    assert fired == Counter({one.rule: one.fired for one in breakdown.rules()})
    rejects = [[one["rule"] for one in findings if one["action"] == "reject"] for findings in by_rules]
    alone = Counter(one for (one,) in (rules for rules in rejects if len(rules) == 1))
    assert alone == Counter({one.rule: one.alone for one in breakdown.rules()})


@given(STEPS, SIXTEENTHS)
@settings(deadline=None)
def test_one_pass_compares_as_the_naive_way_does(steps: Any, limit: float) -> None:
    """Only the decisions that stand in the end, by rules alone, are judged anew."""
    log = history(steps)
    rules = RuleSet(Limits(min_confidence=limit))
    comparison = compared(log, rules.limits)
    ends = [event for event in standing(log) if event["verdict"] != "quarantined"]
    by_rules = [event | {"was_findings": ()} for event in ends if event["event"] != "restored"]
    verdicts = [(event["verdict"], judge(evidence_of(event), rules)) for event in by_rules]

    assert len(ends) - len(by_rules) == comparison.by_hand
    sides = Counter((then, now.name) for then, now in verdicts)
    assert sides["normal", "low_quality"] == comparison.newly_rejected
    assert sides["low_quality", "normal"] == comparison.newly_accepted
    assert len(verdicts) == comparison.then.total == comparison.now.total
    fired = Counter(one.rule for _, now in verdicts for one in now.findings)
    assert fired == Counter({one.rule: one.fired_now for one in comparison.by_rule()})
