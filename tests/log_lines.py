"""Lines of a decision log: builders, and one short log written by hand."""

from collections.abc import Sequence
from typing import Any

Line = dict[str, Any]


def finding(rule: str, action: str = "reject") -> Line:
    """A finding as the log has it."""
    return {"rule": rule, "action": action, "observed": 0.1, "limit": 0.6, "message": f"{rule} fired"}


def decided(
    task: str,
    time: str,
    verdict: str,
    numbers: tuple[str | None, float | None, float | None],
    findings: Sequence[Line] = (),
) -> Line:
    """A decided event; the numbers are emotion, confidence and gap, and the scores follow from them."""
    emotion, confidence, gap = numbers
    scores: dict[str, float] = {}
    if emotion is not None and confidence is not None and gap is not None:
        scores = {emotion: confidence, "other": round(confidence - gap, 9)}
    return {
        "schema": 1,
        "event": "decided",
        "time": time,
        "task": task,
        "verdict": verdict,
        "findings": list(findings),
        "emotion": emotion,
        "confidence": confidence,
        "gap": gap,
        "scores": scores,
        "destination": f"{verdict}/{task}",
    }


def quarantined(task: str, time: str) -> Line:
    """A quarantined event."""
    return {"schema": 1, "event": "quarantined", "time": time, "task": task, "reason": "is empty"}


def superseding(event: Line, old: Line) -> Line:
    """An event in whose place an older one stood that was never moved."""
    kept = {key: old.get(key) for key in ("time", "emotion", "confidence", "gap", "scores")}
    verdict = "quarantined" if old["event"] == "quarantined" else old["verdict"]
    return {**event, "supersedes": {**kept, "verdict": verdict, "findings": old.get("findings") or []}}


def restored(old: Line, time: str) -> Line:
    """A person's restoration of what an event put somewhere: to the other side, or back to the inbox."""
    was = "quarantined" if old["event"] == "quarantined" else old["verdict"]
    return {
        "schema": 1,
        "event": "restored",
        "time": time,
        "task": old["task"],
        "was": was,
        "was_findings": old.get("findings") or [],
        "decided": old.get("decided") or old["time"],
        "verdict": {"normal": "low_quality", "low_quality": "normal"}.get(was),
        **{key: old.get(key) for key in ("emotion", "confidence", "gap", "scores")},
    }


def reclassified(old: Line, time: str, findings: Sequence[Line]) -> Line:
    """The other verdict by later rules, with their findings."""
    return {**restored(old, time), "event": "reclassified", "findings": list(findings)}


LOW, AMBIGUOUS = finding("low_confidence"), finding("ambiguous")
FIRST = decided("outputs_1", "2024-01-04T10:00:00+08:00", "normal", ("neutral", 0.9, 0.8))
SECOND = decided("outputs_2", "2024-01-04T10:01:00+08:00", "low_quality", ("sad", 0.4, 0.1), [LOW])
THIRD = decided("outputs_3", "2024-01-04T10:02:00+08:00", "low_quality", ("sad", 0.5, 0.02), [LOW, AMBIGUOUS])
FOURTH = decided(
    "outputs_4", "2024-01-04T10:03:00+08:00", "normal", ("happy", 0.7, 0.5), [finding("mixed_task", "flag")]
)
FIFTH = quarantined("outputs_5", "2024-01-04T10:04:00+08:00")
SEVENTH = decided("outputs_7", "2024-01-04T23:59:00+08:00", "low_quality", ("happy", 0.3, 0.2), [LOW])
LOG = [
    FIRST,
    SECOND,
    THIRD,
    FOURTH,
    FIFTH,
    quarantined("outputs_6", "2024-01-04T10:05:00+08:00"),
    SEVENTH,
    superseding(decided("outputs_7", "2024-01-05T00:01:00+08:00", "normal", ("happy", 0.8, 0.6)), SEVENTH),
    restored(SECOND, "2024-01-05T09:00:00+08:00"),
    restored(FIFTH, "2024-01-05T09:01:00+08:00"),
    decided("outputs_5", "2024-01-05T09:02:00+08:00", "low_quality", ("sad", 0.35, 0.05), [LOW]),
    {"schema": 1, "event": "failed", "time": "2024-01-05T09:03:00+08:00", "task": "outputs_9"},
    reclassified(FOURTH, "2024-01-06T09:00:00+08:00", [LOW]),
    decided(
        "outputs_8",
        "2024-01-06T10:00:00+08:00",
        "low_quality",
        (None, None, None),
        [finding("scores_missing")],
    ),
]
"""Where each task stands after it (confidence, gap; findings that still count):

========= ========== =========== ======= ===== ===== =====================
task      day        verdict     emotion conf. gap   findings
========= ========== =========== ======= ===== ===== =====================
outputs_1 2024-01-04 normal      neutral 0.90  0.80
outputs_2 2024-01-04 normal      sad     0.40  0.10  (a person restored it)
outputs_3 2024-01-04 low_quality sad     0.50  0.02  low_confidence, ambiguous
outputs_4 2024-01-04 low_quality happy   0.70  0.50  low_confidence
outputs_6 2024-01-04 quarantined
outputs_5 2024-01-05 low_quality sad     0.35  0.05  low_confidence
outputs_7 2024-01-05 normal      happy   0.80  0.60
outputs_8 2024-01-06 low_quality -       -     -     scores_missing
========= ========== =========== ======= ===== ===== =====================
"""
