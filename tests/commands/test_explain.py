"""``emosieve explain`` as an operator meets it: every task says why it stands where it stands."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from conftest import MakeTask, read_log, result_bytes
from emosieve.judge.rules import DEFAULT_ACTIONS
from emosieve.record.lines import line_of
from process import Watch, overrides, run

GOOD, BAD, TORN = "outputs_20240104_220000", "outputs_20240104_220001", "outputs_20240104_220002"
QUICK = overrides(settle__quiet_seconds=0.05)


@pytest.fixture
def swept(root: Path, make_task: MakeTask) -> Path:
    """A root with one normal task of confidence 0.65 and one of low quality."""
    make_task(GOOD, result_bytes(0.65))
    make_task(BAD, result_bytes(0.41, "sad"))
    assert 0 == run("sweep", root, *QUICK).returncode
    return root


def told(path: Path | str, *options: str, **environment: str) -> str:
    """What explain says of a path."""
    ended = run("explain", path, *options, **environment)
    assert (0, "") == (ended.returncode, ended.stderr)
    return ended.stdout


def document(path: Path | str, *options: str) -> dict[str, Any]:
    """What explain says of a path to a program."""
    found: dict[str, Any] = json.loads(told(path, "--json", *options))
    return found


def test_a_rejected_task_says_why(swept: Path) -> None:
    """Verdict, place, reason, when, by which settings, and the next step."""
    path = swept / "low_quality" / BAD
    text = told(path)

    assert text.startswith(f"{BAD}: low_quality\nlow main confidence (0.410)\n")
    (event,) = [event for event in read_log(swept) if event.get("task") == BAD]
    assert f"{event['time'][:19].replace('T', ' ')}  decided  → low_quality/{BAD}" in text
    assert f"Decided with profile default, rules {event['rules_digest']}." in text
    digest = event["rules_digest"]
    assert f"Today's rules (default; {digest}) decide the same." in text
    assert text.endswith(f"to overrule it: emosieve restore {path}\n")


def test_every_rule_is_listed_with_its_outcome(swept: Path) -> None:
    """Fired, passed and not evaluated rules alike, with observed value, limit and action."""
    rules = {row["rule"]: row["then"] for row in document(swept / "low_quality" / BAD)["rules"]}

    assert [rule for rule in DEFAULT_ACTIONS if rule != "audio_missing"] == list(rules)
    fired = {"outcome": "fired", "observed": 0.41, "limit": 0.6, "action": "reject"}
    assert fired.items() <= rules["low_confidence"].items()
    assert {"outcome": "passed", "observed": 0.18, "limit": 0.05}.items() <= rules["ambiguous"].items()


def test_rules_without_their_number_are_not_evaluated(root: Path, make_task: MakeTask) -> None:
    """A result without scores leaves the rules over scores open."""
    make_task(GOOD, b'{"emotion": "sad", "confidence": 0.9}')
    assert 0 == run("sweep", root, *QUICK).returncode
    found = document(root / "low_quality" / GOOD)

    outcomes = {row["rule"]: row["then"]["outcome"] for row in found["rules"]}
    assert ("not_evaluated", "fired") == (outcomes["ambiguous"], outcomes["scores_missing"])


def test_other_rules_of_today_are_shown_beside(swept: Path) -> None:
    """What was decided by other rules is shown as it was, with today's outcome, limit and verdict."""
    found = document(swept / "normal" / GOOD, "--profile", "customer_service")
    row = next(row for row in found["rules"] if row["rule"] == "low_confidence")

    assert ("passed", None) == (row["then"]["outcome"], row["then"]["limit"])
    assert ("fired", 0.7) == (row["today"]["outcome"], row["today"]["limit"])
    assert ("low_quality", True) == (found["today"]["verdict"], found["today"]["differs"])
    text = told(swept / "normal" / GOOD, "--profile", "customer_service")
    assert "would decide otherwise: low_quality" in " ".join(text.split())
    assert f"next: emosieve reclassify --dry-run --profile customer_service {swept}" in " ".join(text.split())


def test_the_old_path_finds_a_filed_task(swept: Path) -> None:
    """The WebUI's log shows where a result was written, not where it went."""
    for old in (swept / BAD, swept / BAD / "result.json"):
        assert str(swept / "low_quality" / BAD) == document(old)["path"]


def test_a_name_is_enough(swept: Path) -> None:
    """A bare name is looked up under the root, wherever the task stands."""
    assert "low_quality" == document(BAD, "--set", f"root={swept}")["verdict"]


def test_a_file_in_a_task_means_the_task(swept: Path) -> None:
    """The path of a filed result explains its task."""
    assert BAD == document(swept / "low_quality" / BAD / "result.json")["task"]


def test_a_restored_task_tells_its_history(swept: Path) -> None:
    """Who decided what, in order, and that the last word was a person's."""
    assert 0 == run("restore", swept / "low_quality" / BAD).returncode
    found = document(swept / "normal" / BAD)

    assert ["decided", "restored"] == [event["event"] for event in found["history"]]
    assert ("normal", True) == (found["verdict"], found["by_hand"])
    assert "A person decided last" in told(swept / "normal" / BAD)


def test_a_name_used_twice_is_two_histories(swept: Path, make_task: MakeTask) -> None:
    """A second task of the same name has its own decision and not the first one's."""
    make_task(BAD, result_bytes(0.2, "angry"))
    assert 0 == run("sweep", swept, *QUICK).returncode

    first, second = (document(swept / "low_quality" / name) for name in (BAD, f"{BAD}.2"))
    assert ([0.41], [0.2]) == ([first["confidence"]], [second["confidence"]])
    assert 1 == len(first["history"]) == len(second["history"])


def test_a_task_that_was_taken_away_is_still_explained(swept: Path, tmp_path: Path) -> None:
    """The log knows of a task that somebody moved or deleted."""
    (swept / "low_quality" / BAD).rename(tmp_path / "elsewhere")
    found = document(swept / "low_quality" / BAD)

    assert ("gone", "low_quality", 0.41) == (found["state"], found["verdict"], found["confidence"])


def test_a_result_changed_after_the_decision_is_told(swept: Path) -> None:
    """The decision was about another result than the one that stands there."""
    path = swept / "low_quality" / BAD
    assert not document(path)["result_changed"]
    (path / "result.json").write_bytes(result_bytes(0.99))

    assert document(path)["result_changed"]


def test_an_unlogged_task_is_judged_by_todays_rules(swept: Path, make_task: MakeTask) -> None:
    """What the article's script filed has no decision; what the rules would say is shown."""
    make_task("outputs_old", result_bytes(0.3)).rename(swept / "normal" / "outputs_old")
    found = document(swept / "normal" / "outputs_old")

    assert ("unlogged", None, "low_quality") == (found["state"], found["decision"], found["today"]["verdict"])
    assert "reclassify --unlogged --dry-run" in told(swept / "normal" / "outputs_old")


def test_a_quarantined_task_says_its_reason(root: Path, make_task: MakeTask) -> None:
    """The reason of the quarantine, and how to get the task back."""
    make_task(TORN, b"{")
    with Watch(root, settle__give_up_seconds=0.5) as watch:
        watch.wait_for("task.quarantined")
    path = root / "quarantine" / TORN
    found = document(path)

    assert ("quarantined", "quarantined") == (found["state"], found["verdict"])
    assert "is not JSON" in found["reason"]
    assert f"when its result is mended: emosieve restore {path}" in " ".join(told(path).split())


def test_a_pending_task_says_what_it_waits_for_and_how_long(root: Path, make_task: MakeTask) -> None:
    """The reason, and the seconds until waiting ends; no decision was ever taken here."""
    task = make_task(TORN, b"{")
    (waiting,) = [document(task, *QUICK)["waiting"]]

    assert waiting["reason"] in {"quiet", "malformed"}
    os.utime(task)
    with Watch(root) as watch:
        watch.wait_for("watch.ready")
        # On stderr it says that the daemon's settings are in force.
        waiting = json.loads(run("explain", task, "--json").stdout)["waiting"]
    assert "malformed" == waiting["reason"]
    assert 500 < waiting["ends_in_seconds"] <= 600
    assert "goes to quarantine in" in " ".join(told(task, *QUICK).split())


def test_a_task_without_a_result_is_pending(root: Path) -> None:
    """Its end of waiting is no quarantine: it stays."""
    (root / GOOD).mkdir()

    assert "counts as overdue" in " ".join(told(root / GOOD, *overrides(settle__quiet_seconds=1e-6)).split())


def test_a_whole_task_is_only_to_be_looked_at(make_task: MakeTask) -> None:
    """A settled task in the inbox says so, with what the rules say of it."""
    task = make_task(GOOD, result_bytes(0.41))
    found = document(task, *overrides(settle__quiet_seconds=1e-6))

    assert ("pending", "settled", "low_quality") == (
        found["state"],
        found["waiting"]["reason"],
        found["today"]["verdict"],
    )


def test_a_decided_task_that_cannot_be_moved_says_so(root: Path, make_task: MakeTask) -> None:
    """The cause of the failed move stands beside the decision."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a directory immutable")
    make_task(GOOD)
    task = make_task(BAD, result_bytes(0.41))
    subprocess.run(["chattr", "+i", task], check=True)
    try:
        run("sweep", root, *QUICK)
        found = document(task, *overrides(settle__quiet_seconds=1e-6))
        assert "EPERM" in found["reason"]
        assert "low_quality" == found["decision"]["verdict"]
    finally:
        subprocess.run(["chattr", "-i", task], check=True)


@pytest.mark.parametrize("name", ["foo", "outputs_link"])
def test_what_is_no_task_is_left_alone(root: Path, name: str) -> None:
    """A directory of another name, or a symlink, says why emosieve does not touch it."""
    (root / "foo").mkdir()
    (root / "outputs_link").symlink_to(root / "foo")
    found = document(name, "--set", f"root={root}")

    assert "left_alone" == found["state"]
    assert found["reason"]


@pytest.mark.parametrize("file", ["", "result.json"])
def test_a_folder_of_earlier_settings_is_told(swept: Path, file: str) -> None:
    """A task in a folder that today's settings do not name is left alone, and its decision is still shown."""
    found = document(swept / "low_quality" / BAD / file, "--set", "filing.low_quality=rejected")

    assert (BAD, "left_alone") == (found["task"], found["state"])
    assert "it stands in no folder that filing.normal" in found["reason"]
    assert "low_quality" == found["decision"]["verdict"]


def test_a_file_in_a_task_elsewhere_means_the_task(root: Path, make_task: MakeTask, tmp_path: Path) -> None:
    """Also where the destination is an absolute path out of the root."""
    make_task(GOOD)
    settings = ["--set", f"root={root}", *overrides(filing__normal=tmp_path / "elsewhere")]
    assert 0 == run("sweep", *settings, *QUICK).returncode

    assert GOOD == document(tmp_path / "elsewhere" / GOOD / "result.json", *settings)["task"]


def test_a_path_that_nobody_knows_is_an_error(swept: Path) -> None:
    """It names the path and the next step, with status 2."""
    ended = run("explain", swept / "outputs_nobody")

    assert (2, "") == (ended.returncode, ended.stdout)
    assert "outputs_nobody: there is no such task" in ended.stderr
    assert "emosieve tail" in ended.stderr


def test_a_name_without_a_root_is_an_error(tmp_path: Path) -> None:
    """Nothing says where to look it up."""
    ended = run("explain", tmp_path / "outputs_nobody")

    assert 2 == ended.returncode
    assert "--set root=" in ended.stderr


FOREIGN = {
    "no-findings": {"findings": 5},
    "no-rule": {"findings": [{"action": "reject"}]},
    "other-action": {"findings": [{"rule": "ambiguous", "action": "\x1b[31m", "message": ""}]},
    "limit-in-a-table": {"findings": [{"rule": "ambiguous", "action": "flag", "limit": {}, "message": ""}]},
    "no-scores": {"scores": [0.5]},
    "score-in-words": {"scores": {"happy": "high"}},
    "confidence-in-words": {"confidence": "high"},
    "emotions": {"emotion": ["happy"]},
}


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN)
def test_an_edited_line_of_the_log_is_told(swept: Path, change: dict[str, Any]) -> None:
    """A decision that somebody's editor changed is shown by its place and history, without its numbers."""
    lines = [event | change if event.get("task") == BAD else event for event in read_log(swept)]
    (swept / "decisions.jsonl").write_bytes(b"".join(map(line_of, lines)))
    text = told(swept / "low_quality" / BAD)

    assert text.startswith(f"{BAD}: low_quality\n{swept / 'low_quality' / BAD}\n")
    assert "Why cannot be said: the log line of its decision has another shape" in text
    assert "\x1b" not in text


def test_a_line_without_its_task_is_no_decision_of_it(swept: Path) -> None:
    """A task whose line lost its name counts as unlogged."""
    lines = [{key: event[key] for key in event if key != "task"} for event in read_log(swept)]
    (swept / "decisions.jsonl").write_bytes(b"".join(map(line_of, lines)))

    assert "unlogged" == document(swept / "low_quality" / BAD)["state"]


def test_names_in_the_log_are_shown_escaped(swept: Path) -> None:
    """Neither a task nor a rule of an edited line reaches the terminal raw."""
    rule = {"rule": "\x1b]0;rule", "action": "reject", "message": ""}
    lines = [event | {"task": "\x1b]0;task", "findings": [rule]} for event in read_log(swept)]
    (swept / "decisions.jsonl").write_bytes(b"".join(map(line_of, lines)))
    text = told(swept / "low_quality" / BAD)

    assert "\x1b" not in text
    assert "\\u001b]0;task: low_quality" in text
    assert "\n\\u001b]0;rule " in text


def test_todays_rules_are_named_by_what_differs(swept: Path) -> None:
    """Limits, actions and rules of one's own that are not as by default, whatever profile they come by."""
    options = ("--set", "rules.min_snr=8", "--set", "rules.actions.noisy=off")
    path = swept / "normal" / GOOD

    assert "Today's rules (default: min_snr 8, noisy off; " in " ".join(told(path, *options).split())
    chinese = told(path, *options, EMOSIEVE_LANGUAGE="zh")
    assert "按当前规则（default：min_snr 8、noisy 关闭；" in "".join(chinese.split("\n"))


def test_limits_are_shown_as_they_are(root: Path, make_task: MakeTask) -> None:
    """A limit keeps its digits, and a value beside it gets as many as tell on which side of it it lies."""
    make_task(GOOD, result_bytes(0.5999))
    own = 'rules.custom=[{name = "close", when = "confidence < 0.6"}, {name = "large", when = "gap * 1e6 < 1234567"}]'
    options = ("--set", "rules.min_confidence=0.6004", "--set", own, "--set", "language=en")
    text = told(root / GOOD, *options)
    rows = {cells[0]: cells[1:] for line in text.splitlines() if (cells := line.split()) and len(cells) > 3}

    assert ["fired", "0.600", "0.6004", "reject"] == rows["low_confidence"]
    assert ["fired", "0.5999", "0.6", "flag"] == rows["close"]
    assert "1234567" == rows["large"][2]
    assert "  confidence = 0.5999 < 0.6\n" in text
    assert "(min_confidence=0.6004)" in told("--rules", *options)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_it_fits_eighty_columns(swept: Path, language: str) -> None:
    """Every line but those with a path does, in either language."""
    run("restore", swept / "low_quality" / BAD)
    for path in (swept / "normal" / GOOD, swept / "normal" / BAD):
        text = told(path, "--profile", "customer_service", EMOSIEVE_LANGUAGE=language)
        assert [] == [line for line in text.splitlines() if cell_len(line) > 80 and str(swept) not in line]


def test_it_speaks_chinese(swept: Path) -> None:
    """Verdict, reason, outcomes and notes in the operator's language."""
    text = told(swept / "low_quality" / BAD, EMOSIEVE_LANGUAGE="zh")

    assert f"{BAD}：低质量\n主情感置信度低 (0.410)\n" in text
    assert "命中" in text
    assert "如需改判" in text


def test_explaining_writes_nothing(swept: Path) -> None:
    """No file of the root changes, and none comes."""
    before = sorted((path, path.stat().st_mtime_ns) for path in swept.rglob("*"))
    told(swept / "low_quality" / BAD)
    told(swept / BAD)

    assert before == sorted((path, path.stat().st_mtime_ns) for path in swept.rglob("*"))


def test_what_to_type_next_keeps_the_settings(swept: Path, tmp_path: Path) -> None:
    """The next command is given with the options of this one, or it would answer otherwise."""
    config = tmp_path / "stricter.toml"
    config.write_text("[rules]\nmin_confidence = 0.7\n")

    text = told(swept / "normal" / GOOD, "--config", str(config), "--set", "rules.min_gap=0.1")
    assert f"reclassify --dry-run --config {config} --set rules.min_gap=0.1 {swept}\n" in text


def test_a_pending_task_that_nobody_watches_says_so(root: Path, make_task: MakeTask) -> None:
    """Without a daemon nothing happens by itself."""
    assert "No emosieve watches this root" in told(make_task(GOOD))
    assert "No emosieve watches" not in told(root / GOOD, EMOSIEVE_LANGUAGE="zh")


@pytest.mark.parametrize("command", ["status", "stats", "reclassify"])
def test_a_folder_of_filed_tasks_is_no_root(swept: Path, command: str) -> None:
    """One level too deep is an error that names the folder above."""
    ended = run(command, swept / "normal")

    assert 2 == ended.returncode
    assert f"give the outputs folder above it, {swept}" in ended.stderr
