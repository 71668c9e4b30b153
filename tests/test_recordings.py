"""Which recording a task is of, from its files to log, report, answers and rules."""

import json
from pathlib import Path

import pytest

from conftest import MakeTask, read_log, result_bytes
from process import Watch, overrides, run

QUICK = overrides(settle__quiet_seconds=0.05)
NAME = "call_17.wav"


@pytest.fixture
def filed(root: Path, make_task: MakeTask) -> Path:
    """A task of a known recording in low_quality/, and one of an unknown one in normal/."""
    make_task("outputs_1", result_bytes(0.41, audio_path=f"/uploads/{NAME}"))
    make_task("outputs_2")
    assert run("sweep", root, *QUICK).returncode == 0
    return root


def test_the_log_has_it_where_it_is_known(filed: Path) -> None:
    """A decision about an unknown recording has no such key."""
    assert [NAME, None] == [event.get("source") for event in read_log(filed)[:2]]
    assert "source" not in read_log(filed)[1]


@pytest.mark.parametrize(("language", "word"), [("en", "Source"), ("zh", "来源")])
def test_the_report_has_a_line_of_its_own(filed: Path, language: str, word: str) -> None:
    """Behind the task's name; all other lines are those of an entry without it."""
    run("report", "rebuild", filed, "--set", f"language={language}")
    lines = (filed / "quality_report.txt").read_text(encoding="utf-8").splitlines()
    first, second = lines.index("[outputs_1]"), lines.index("[outputs_2]")

    assert f"{word}: {NAME}" == lines[first + 1]
    assert (6, 5) == (second - first, lines.index("-" * 40, second) - second + 1)


def test_explain_and_tail_say_it(filed: Path) -> None:
    """Of a filed task."""
    said = run("explain", filed / "low_quality" / "outputs_1").stdout
    known, unknown = (
        json.loads(run("explain", filed / place, "--json").stdout)["source"]
        for place in ("low_quality/outputs_1", "normal/outputs_2")
    )

    assert f"\nsource: {NAME}\n" in said
    assert (NAME, None) == (known, unknown)
    assert f"  outputs_1  {NAME}  happy 0.410  low_confidence" in run("tail", filed).stdout


def test_explain_says_it_of_a_pending_task(make_task: MakeTask) -> None:
    """Even of one whose result cannot be read."""
    task = make_task(result=b"[1,", files={"process.log": f"input: {NAME}\n".encode()})

    assert f"\nsource: {NAME}\n" in run("explain", task).stdout


def test_tail_shows_decisions_about_some_recordings(filed: Path) -> None:
    """By a shell pattern, in the same case."""
    assert [1, 0] == [
        len(run("tail", filed, "--source", glob).stdout.splitlines()) for glob in ("call_*", "CALL_*")
    ]


def test_a_revision_keeps_it(filed: Path) -> None:
    """Restored, restored back by hand, and judged anew: each event says it, and so do their entries."""
    run("restore", filed / "low_quality" / "outputs_1")
    run("reclassify", filed, "--by-hand")
    events = read_log(filed)

    assert [(event["event"], event["source"]) for event in events if event.get("task") == "outputs_1"] == [
        ("decided", NAME),
        ("restored", NAME),
        ("reclassified", NAME),
    ]
    assert (filed / "quality_report.txt").read_text(encoding="utf-8").count(NAME) == 3


def test_a_revision_of_an_older_decision_finds_it_out(filed: Path) -> None:
    """What was decided before the log knew of recordings is taken back without one."""
    log = filed / "decisions.jsonl"
    log.write_bytes(log.read_bytes().replace(f'"source":"{NAME}",'.encode(), b""))
    run(
        "reclassify",
        filed,
        "--set",
        "rules.min_confidence=0.1",
        "--set",
        "rules.actions.scores_inconsistent=off",
    )
    event = read_log(filed)[-1]

    assert ("reclassified", NAME, {"source": None}) == (
        event["event"],
        event["source"],
        event["was_evidence"],
    )


def test_a_quarantined_task_has_it(root: Path, make_task: MakeTask) -> None:
    """In log and report: it is the recording to be recognised again."""
    make_task(result=b"[1,", files={"process.log": f"input: {NAME}\n".encode()})
    run("sweep", root, "--wait", "3", *QUICK, *overrides(settle__give_up_seconds=0.2))

    assert ("quarantined", NAME) == (read_log(root)[0]["event"], read_log(root)[0]["source"])
    assert f"Source: {NAME}\n" in (root / "quality_report.txt").read_text(encoding="utf-8")


def test_a_rule_may_look_at_it(root: Path, make_task: MakeTask) -> None:
    """As at any text; of an unknown one it says nothing."""
    make_task("outputs_1", result_bytes(file=NAME))
    make_task("outputs_2")
    rules = f'[{{name = "test_call", when = "source == \'{NAME}\'", action = "reject"}}]'
    run("sweep", root, *QUICK, "--set", f"rules.custom={rules}")

    assert ["low_quality", "normal"] == [event["verdict"] for event in read_log(root)[:2]]


def test_a_pattern_of_the_settings_finds_it(root: Path, make_task: MakeTask) -> None:
    """In a daemon as well; and explain goes by the daemon's patterns."""
    task = make_task("outputs_1", b"[1,", files={"process.log": b"job=17\n"})
    with Watch(root, source__patterns='["job=(.+)"]') as watch:
        watch.wait_for("watch.ready")
        pending = run("explain", task).stdout
        (task / "result.json").unlink()  # to write over it would look like another recognition
        (task / "result.json").write_bytes(result_bytes())
        watch.wait_for("task.filed")

    assert "\nsource: 17\n" in pending
    assert read_log(root)[0]["source"] == "17"
