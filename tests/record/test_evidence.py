"""The evidence of a decision, read back from the log."""

from conftest import result_bytes
from emosieve.judge.result import read_result
from emosieve.judge.ruleset import Evidence, Limits, Observation, RuleSet, judge
from emosieve.proposals import decide
from emosieve.record.evidence import evidence_of
from emosieve.watch.inbox import Survey
from emosieve.watch.wholeness import Settled

ODD = Observation("mixed_task", "the audio is 1 s newer", 1.0, 0)


def settled(*oddities: Observation) -> Settled:
    """A settled task of low confidence."""
    survey = Survey("outputs_1", (1, 2), (), 0, 0)
    return Settled(survey, read_result(result_bytes(0.55)), "digest", oddities)


def test_a_logged_decision_is_judged_as_it_was() -> None:
    """The log keeps all that the rules looked at: the same rules find the same again."""
    task = settled(ODD)
    event = decide(task, RuleSet()).body

    assert judge(Evidence(task.result, task.oddities), RuleSet()) == judge(evidence_of(event), RuleSet())


def test_other_limits_see_the_same_numbers() -> None:
    """Rules of another profile judge the logged numbers."""
    event = decide(settled(), RuleSet()).body

    assert judge(evidence_of(event), RuleSet(Limits(min_confidence=0.5))).name == "normal"


def test_a_line_without_numbers_is_evidence_of_nothing() -> None:
    """An event of another version gives a result without scores, not a crash."""
    assert evidence_of({"event": "restored"}).result.scores == {}


def test_oddities_survive_a_restoration() -> None:
    """A restored event carries the findings of the decision it took back."""
    event = {"event": "restored", "was_findings": decide(settled(ODD), RuleSet()).body["findings"]}

    assert evidence_of(event).oddities == (ODD,)
