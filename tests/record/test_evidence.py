"""The evidence of a decision, read back from the log."""

from dataclasses import replace

import orjson
import pytest

from conftest import result_bytes
from emosieve.judge.audio import Audio, AudioMeasures
from emosieve.judge.result import Frames, read_result
from emosieve.judge.rules import Limits
from emosieve.judge.ruleset import OwnRule, RuleSet, judge
from emosieve.proposals import decide
from emosieve.record.evidence import evidence_of, has_evidence
from emosieve.record.lines import line_of
from emosieve.watch.survey import Survey
from emosieve.watch.wholeness import Settled

SURVEY = Survey("outputs_1", (1, 2), (), 0, 0)
RESULT = replace(read_result(result_bytes(0.55)), frames=Frames(250, 0.4))
ODD = Settled(SURVEY, RESULT, "digest", {"audio_newer_seconds": 1.5, "open_files": 2})
LOUD = Audio(1, AudioMeasures(0.8, 16_000, 1, 0.3, 0.61, 4.25, 0.03, -12.5, None))
RULES = RuleSet(
    own=(
        OwnRule("torn", "frames.agreement < 0.5 and frames.count > 100"),
        OwnRule("odd", 'emotion in ("happy", "sad") or entropy > 0.1', "reject"),
    )
)


@pytest.mark.parametrize("audio", [None, LOUD, Audio(0), Audio(2, unreadable="a.wav is empty")])
def test_a_logged_decision_is_judged_as_it_was(audio: Audio | None) -> None:
    """The log keeps all that the rules looked at: the same rules find the very same again."""
    decision = decide(ODD, RULES, audio.as_dict() if audio else None).body
    logged = orjson.loads(line_of(decision))

    assert logged["findings"]
    assert logged["findings"] == [
        orjson.loads(orjson.dumps(finding.as_dict()))
        for finding in judge(evidence_of(logged), RULES).findings
    ]
    assert has_evidence(logged)


def test_other_limits_see_the_same_numbers() -> None:
    """Rules of another profile judge the logged numbers."""
    settled = Settled(SURVEY, RESULT, "digest")
    event = decide(settled, RuleSet()).body

    assert judge(evidence_of(event), RuleSet(Limits(min_confidence=0.5))).name == "normal"


def test_a_line_without_numbers_is_evidence_of_nothing() -> None:
    """An event of another version gives a result without scores, not a crash."""
    assert evidence_of({"event": "restored"}).result.scores == {}


@pytest.mark.parametrize(
    "edited",
    [{"audio": [1]}, {"audio": {"snr_db": [1]}}, {"oddities": "none"}, {"frames": {"count": "two"}}],
)
def test_what_is_not_as_we_write_it_is_no_evidence(edited: dict[str, object]) -> None:
    """A line whose evidence has another shape is known for one."""
    assert not has_evidence(dict(decide(ODD, RULES, LOUD.as_dict()).body) | edited)
