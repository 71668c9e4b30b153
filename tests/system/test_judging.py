"""Rules in force over real tasks: settings in, verdicts out, and every command that speaks of them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

from conftest import MakeTask, names_in, read_log, result_bytes, standing
from process import Watch, overrides, run, until
from watching import status_of
from wavs import wav_of, write_hours

QUICK = overrides(settle__quiet_seconds=0.05)
CHANCE = np.random.default_rng(2)
QUIET = CHANCE.normal(0, 0.001, 48_000)
SPOKEN = QUIET + np.where(np.arange(48_000) // 8_000 % 2, CHANCE.normal(0, 0.1, 48_000), 0)
"""Half a second of noise as loud as speech, then half a second of almost nothing, and so on."""
WAVS = {
    "outputs_1": SPOKEN,
    "outputs_2": SPOKEN[:12_000],
    "outputs_3": np.zeros(32_000),
    "outputs_4": SPOKEN + CHANCE.normal(0, 0.05, 48_000),
    "outputs_5": np.clip(SPOKEN * 20, -1, 1),
    "outputs_6": QUIET * 3,
}
"""As it should be; too short; nothing but zeros; noisy; clipped; a hiss."""
RULES = """
language = "en"
[rules]
min_snr = 8
[rules.actions]
clipped = "reject"
noisy = "off"
[[rules.custom]]
name = "hissing"
when = "speech_seconds == 0 and rms_dbfs > -70"
action = "reject"
message = "只有底噪：{rms_dbfs:.0f} dBFS"
[[rules.custom]]
name = "torn"
when = "frames.agreement < 0.5"
on_missing = "flag"
[profiles.deaf.actions]
hissing = "off"
clipped = "flag"
"""


@pytest.fixture
def spoken(root: Path, make_task: MakeTask) -> Path:
    """A root with a task for each wav, one that has none, and one whose wav is none."""
    for name, samples in WAVS.items():
        make_task(name, result_bytes(0.8), files={"processed_audio.wav": wav_of(samples)})
    make_task("outputs_7", result_bytes(0.8))
    make_task("outputs_8", result_bytes(0.8), files={"processed_audio.wav": b"ID3"})
    return root


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A settings file with rules of one's own."""
    path = tmp_path / "emosieve.toml"
    path.write_text(RULES, encoding="utf-8")
    return path


def found(root: Path) -> dict[str, list[str]]:
    """The rules that fired over each task, as the log has them."""
    return {
        event["task"]: [finding["rule"] for finding in event["findings"]]
        for event in read_log(root)
        if event["event"] == "decided"
    }


def test_audio_is_marked_and_rejects_nobody(spoken: Path) -> None:
    """By default each rule over audio flags what it is meant for, and every verdict stays as it was."""
    assert 0 == run("sweep", spoken, *QUICK).returncode

    assert {
        "outputs_1": [],
        "outputs_2": ["too_short"],
        "outputs_3": ["no_speech", "mostly_silence"],
        "outputs_4": ["noisy"],
        "outputs_5": ["clipped"],
        "outputs_6": ["no_speech", "mostly_silence"],
        "outputs_7": [],
        "outputs_8": ["audio_unreadable"],
    } == found(spoken)
    assert list(found(spoken)) == names_in(spoken / "normal")
    report = (spoken / "quality_report.txt").read_text("utf-8")
    assert "Flags: audio too short (0.750 s)\n" in report
    events = {event["task"]: event for event in read_log(spoken) if event["event"] == "decided"}
    assert {"duration_seconds": 0.75, "sample_rate": 16000}.items() <= events["outputs_2"]["audio"].items()
    assert {"audio_files": 0} == events["outputs_7"]["audio"]


def test_own_rules_and_profiles_decide(spoken: Path, config: Path) -> None:
    """Actions, limits and rules of the settings file are those that judge; a profile switches them again."""
    assert 0 == run("sweep", spoken, "--config", config, *QUICK).returncode
    decided = found(spoken)

    assert ["outputs_5", "outputs_6"] == names_in(spoken / "low_quality")
    assert ["clipped", "torn"] == decided["outputs_5"]
    assert ["no_speech", "mostly_silence", "hissing", "torn"] == decided["outputs_6"]
    assert ["audio_missing", "torn"] == decided["outputs_7"]
    assert ["torn"] == decided["outputs_4"]
    again = run("reclassify", spoken, "--config", config, "--profile", "deaf")
    assert 0 == again.returncode, again.stderr
    assert [] == names_in(spoken / "low_quality")


def test_a_finding_shows_what_made_it_fire(spoken: Path, config: Path) -> None:
    """The log has every comparison; explain shows them, the message, and what could not be told."""
    assert 0 == run("sweep", spoken, "--config", config, *QUICK).returncode
    (event,) = [one for one in read_log(spoken) if one.get("task") == "outputs_6"]
    (finding,) = [one for one in event["findings"] if one["rule"] == "hissing"]
    told = run("explain", spoken / "low_quality" / "outputs_6", "--config", config).stdout

    assert ["speech_seconds", "rms_dbfs"] == [one["left"] for one in finding["because"]]
    assert [("==", 0), (">", -70)] == [(one["operator"], one["limit"]) for one in finding["because"]]
    assert re.search(r"^只有底噪：-\d\d dBFS$", told, re.MULTILINE)
    assert re.search(r"^  speech_seconds = 0 == 0, rms_dbfs = -\d\d\.\d+ > -70$", told, re.MULTILINE)
    assert re.search(
        r"^audio 3\.00 s  speech 0\.00 s  silence 100%  SNR - dB  clipped 0\.0%  -", told, re.MULTILINE
    )
    assert "torn not evaluated (no frames.agreement)" in " ".join(told.split())
    assert max(cell_len(line) for line in told.splitlines() if str(spoken) not in line) <= 80


def test_what_is_logged_is_enough_to_judge_again(spoken: Path, config: Path) -> None:
    """Stats tell from the log alone what rules over audio would have done, and reclassify then does that."""
    assert 0 == run("sweep", spoken, *QUICK).returncode
    asked = json.loads(run("stats", spoken, "--json", "--config", config, "--with-profile", "default").stdout)
    done = json.loads(run("reclassify", spoken, "--json", "--config", config).stdout)

    assert 2 == asked["comparison"]["newly_rejected"]
    assert ["outputs_5", "outputs_6"] == names_in(spoken / "low_quality"), done
    after = json.loads(run("stats", spoken, "--json", "--config", config, "--with-profile", "default").stdout)
    assert (0, 0) == (after["comparison"]["newly_rejected"], after["comparison"]["newly_accepted"])


def test_a_pending_task_is_explained_with_its_audio(make_task: MakeTask) -> None:
    """What today's rules say of a task that was not decided yet includes what they hear."""
    task = make_task("outputs_1", files={"processed_audio.wav": wav_of(np.zeros(32_000))})
    rules = {row["rule"]: row["today"] for row in document("explain", task)["rules"]}

    assert {"outcome": "fired", "observed": 0.0, "because": ["speech_seconds = 0 == 0"]}.items() <= rules[
        "no_speech"
    ].items()
    assert ["snr_db"] == rules["noisy"]["missing"]


def document(*arguments: str | Path) -> dict[str, Any]:
    """The answer of a command to a program."""
    ended = run(*arguments, "--json")
    assert (0, "") == (ended.returncode, ended.stderr)
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def test_the_rules_in_force_are_shown(config: Path) -> None:
    """Each rule with its action, its text and the limits that it has now, those of one's own as well."""
    shown = run("explain", "--rules", "--config", config).stdout
    rules = {rule["rule"]: rule for rule in document("explain", "--rules", "--config", config)["rules"]}

    assert re.search(r"^noisy +off +snr_db < min_snr  \(min_snr=8\)$", shown, re.MULTILINE)
    assert re.search(r"^hissing +reject +speech_seconds == 0 and rms_dbfs > -70$", shown, re.MULTILINE)
    assert ("flag", {"min_duration": 1.0}, False) == tuple(
        rules["too_short"][key] for key in ("action", "limits", "own")
    )
    assert ("", True) == (
        rules["torn"]["message"],
        rules["noisy"]["message"].startswith("the signal-to-noise"),
    )
    assert rules["hissing"]["message"] == "只有底噪：{rms_dbfs:.0f} dBFS"
    assert ("flag", "flag", True) == tuple(rules["torn"][key] for key in ("action", "on_missing", "own"))
    assert max(map(cell_len, shown.splitlines())) <= 80


@pytest.mark.parametrize("arguments", [[], ["outputs_1", "--rules"]])
def test_a_task_or_the_rules_are_asked_for(arguments: list[str]) -> None:
    """Neither and both are refused, with what to type."""
    ended = run("explain", *arguments)

    assert (2, "emosieve: give the path of a task, or --rules and no path\n") == (
        ended.returncode,
        ended.stderr,
    )


def test_a_reload_takes_rules_along(spoken: Path, config: Path, make_task: MakeTask) -> None:
    """A rule that is added while the daemon runs judges the next task, and a wrong one leaves all as it was."""
    config.write_text('language = "en"\n')
    with Watch(spoken, "--config", str(config), settle__quiet_seconds=0.05) as watch:
        watch.wait_until(lambda: len(names_in(spoken / "normal")) == len(WAVS) + 2)
        config.write_text(RULES.replace("rms_dbfs >", "rms_db >") + "\n[log]\nlevel = 1", encoding="utf-8")
        watch.process.send_signal(1)
        refused = watch.wait_for("settings.refused")
        config.write_text(RULES, encoding="utf-8")
        watch.process.send_signal(1)
        watch.wait_for("settings.reloaded")
        make_task("outputs_9", result_bytes(0.8), files={"processed_audio.wav": wav_of(WAVS["outputs_6"])})
        watch.wait_until(lambda: names_in(spoken / "low_quality") == ["outputs_9"])
        assert 0 == watch.stop()
    assert (
        f"{config.name}: rules.custom.0.when: column 25: there is no field rms_db; did you mean rms_dbfs?; "
        f"{config.name}: log.level = 1: must be 'debug', 'info', 'warning' or 'error'"
    ) == refused["cause"]


LISTED = """
language = "en"
[[rules.custom]]
name = "hardly_a_feeling"
when = 'scores.unknown > 0.4 or (top1 in ("other", "unknown") and confidence < 0.9)'
action = "reject"
[[rules.custom]]
name = "vast"
when = "audio_files * 10000000000000000000000 >= 0 and duration_seconds < 100000000000000000000"
"""


def test_every_rule_that_can_be_written_can_be_logged_and_explained(
    root: Path, config: Path, make_task: MakeTask
) -> None:
    """Lists of texts and numbers beyond what JSON knows go through log, explain and stats like all others."""
    config.write_text(LISTED)
    scores = b'{"emotion": "other", "confidence": 0.8, "scores": {"other": 0.8, "sad": 0.2}}'
    make_task("outputs_1", scores, files={"processed_audio.wav": wav_of(SPOKEN)})
    assert 0 == run("sweep", root, "--config", config, *QUICK).returncode

    (event,) = [one for one in read_log(root) if one["event"] == "decided"]
    fired = {finding["rule"]: finding for finding in event["findings"]}
    assert ["other", "unknown"] == fired["hardly_a_feeling"]["because"][0]["limit"]
    assert 1e20 == fired["vast"]["because"][1]["limit"]
    path = root / "low_quality" / "outputs_1"
    plain = run("explain", path, "--config", config)
    assert (0, "") == (plain.returncode, plain.stderr)
    assert 'top1 = "other" in ("other", "unknown")' in plain.stdout
    rules = {row["rule"]: row["then"] for row in document("explain", path, "--config", config)["rules"]}
    assert ["other", "unknown"] == rules["hardly_a_feeling"]["limit"]


def test_sizes_that_no_json_can_say_are_filed(root: Path, make_task: MakeTask) -> None:
    """Several headers that promise as much as a header can are flagged like one."""
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1152921504606846000,), }".ljust(117) + b"\n"
    npy = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head
    task = make_task("outputs_1", files={f"{number}.npy": npy for number in range(9)})
    for path in task.iterdir():
        os.utime(path, (1, 1))
    soon = overrides(settle__quiet_seconds=0.01, settle__give_up_seconds=0.02)
    assert 0 == run("sweep", root, *soon).returncode
    assert ["embedding_truncated"] == found(root)["outputs_1"]


def test_reclassify_judges_by_what_was_decided_about(spoken: Path, config: Path) -> None:
    """A wav that somebody deleted since, or that cannot be measured here, changes no verdict under the same rules."""
    assert 0 == run("sweep", spoken, "--config", config, *QUICK).returncode
    for path in spoken.glob("*/*/*.wav"):
        path.unlink()

    again = json.loads(run("reclassify", spoken, "--json", "--dry-run", "--config", config).stdout)
    assert [] == again["moved"]
    assert 0 == deaf("reclassify", spoken, "--config", config).returncode
    assert ["outputs_5", "outputs_6"] == names_in(spoken / "low_quality")


def test_reclassify_knows_what_was_waited_for(root: Path, make_task: MakeTask) -> None:
    """A file that never came was seen to be missing when the task was settled, and never again."""
    rules = overrides(rules__actions__required_missing="reject", settle__require='["embedding.npy"]')
    soon = overrides(settle__quiet_seconds=0.01, settle__give_up_seconds=0.02)
    make_task("outputs_1")
    assert 0 == run("sweep", root, *rules, *soon).returncode
    assert ["outputs_1"] == names_in(root / "low_quality")

    assert 0 == run("reclassify", root, *rules).returncode
    assert ["outputs_1"] == names_in(root / "low_quality")


@pytest.mark.parametrize("ask", ["log", "file"])
def test_audio_that_nobody_asked_for_is_measured_when_somebody_does(spoken: Path, ask: str) -> None:
    """explain and reclassify agree; stats say that the log alone cannot tell; without the wav nobody can."""
    off = [
        f"rules.actions.{rule}=off"
        for rule in ("too_short", "no_speech", "mostly_silence", "noisy", "clipped")
    ]
    silent = [word for one in (*off, "rules.actions.audio_unreadable=off") for word in ("--set", one)]
    assert 0 == run("sweep", spoken, *QUICK, *silent).returncode
    if ask == "log":
        (spoken / "normal" / "outputs_3" / "processed_audio.wav").unlink()
    strict = ["--profile", "social_robot"]

    told = run("explain", spoken / "normal" / "outputs_3", *strict).stdout
    says_otherwise = "would decide otherwise: low_quality" in " ".join(told.split())
    assert (ask == "file") is says_otherwise
    assert (ask == "log") is ("was not measured, and cannot be any more" in " ".join(told.split()))
    asked = json.loads(run("stats", spoken, "--json", "--with-profile", "social_robot").stdout)["comparison"]
    assert (8, 0) == (asked["undecided"], asked["newly_rejected"])
    assert 0 == run("reclassify", spoken, *strict).returncode
    rejected = ["outputs_3", "outputs_4", "outputs_6"]
    assert [one for one in rejected if ask == "file" or one != "outputs_3"] == names_in(
        spoken / "low_quality"
    )


def test_a_result_that_was_changed_is_subtracted_as_it_was(root: Path, make_task: MakeTask) -> None:
    """Numbers by emotion, verdict and rule never fall below zero, whatever stands in the file by now."""
    make_task("outputs_1", result_bytes(0.3, "sad"))
    assert 0 == run("sweep", root, *QUICK).returncode
    (root / "low_quality" / "outputs_1" / "result.json").write_bytes(result_bytes(0.9, "happy"))
    assert 0 == run("reclassify", root).returncode
    stats = json.loads(run("stats", root, "--json", "--with-profile", "default").stdout)

    assert {"happy"} == {row["emotion"] for row in stats["emotions"]}
    assert (1, 0, 0) == (stats["normal"], stats["low_quality"], stats["comparison"]["newly_accepted"])


def test_settling_counts_where_a_pending_task_is_explained(root: Path, make_task: MakeTask) -> None:
    """An embedding that is older than the audio is told before the task is filed, as it will be judged."""
    task = make_task("outputs_1", files={"embedding.npy": b"", "processed_audio.wav": wav_of(SPOKEN)})
    os.utime(task / "embedding.npy", (1, 1))
    rules = overrides(rules__actions__stale_embedding="reject")
    told = json.loads(run("explain", task, "--json", *rules).stdout)

    assert "low_quality" == told["today"]["verdict"]
    assert 0 == run("sweep", root, *rules, *QUICK).returncode
    assert ["outputs_1"] == names_in(root / "low_quality")


def test_why_a_wav_is_no_audio_is_said(spoken: Path) -> None:
    """The finding in the log and explain give the reason."""
    assert 0 == run("sweep", spoken, *QUICK).returncode
    (event,) = [one for one in read_log(spoken) if one.get("task") == "outputs_8"]

    reason = "processed_audio.wav is not a wav: it starts with b'ID3'"
    assert f"the wav cannot be read as audio: {reason}" == event["findings"][0]["message"]
    assert f"audio: {reason}" in run("explain", spoken / "normal" / "outputs_8").stdout


def test_long_audio_keeps_nobody_waiting(root: Path, make_task: MakeTask) -> None:
    """Hours of silence among good tasks: those are filed meanwhile, and the daemon ends when it is told to.

    What was not measured to the end by then is left to the next one.
    """
    for number in range(3):
        path = make_task(f"outputs_{number}") / "processed_audio.wav"
        write_hours(path)
        os.utime(path, (1, 1))
    with Watch(root, settle__quiet_seconds=0.05) as watch:
        watch.wait_for("watch.ready")
        until(lambda: "measuring" in (status_of(root).get("daemon") or {}).get("reasons", {}))
        make_task("outputs_9")
        watch.wait_for("task.filed", task="outputs_9")
        assert 0 == watch.stop()
    assert "outputs_9" == read_log(root)[0]["task"]
    assert "outputs_2" in standing(root)


WRONG: Mapping[str, tuple[str, str]] = {
    "field": (
        'name = "mine"\nwhen = "confidense < 0.6"',
        """rules.custom.0.when: column 1: there is no field confidense; did you mean confidence?
emosieve:   confidense < 0.6
emosieve:   ^^^^^^^^^^
""",
    ),
    "chinese": (
        'name = "mine"\nwhen = \'top1 == "开心"\'',
        """rules.custom.0.when: column 9: top1 is never "开心"; did you mean "happy"?
emosieve:   top1 == "开心"
emosieve:           ^^^^^^
""",
    ),
    "message": (
        'name = "mine"\nwhen = "gap < 0.1"\nmessage = "{gab}"',
        """rules.custom.0.message: column 2: there is no field gab; did you mean gap?
emosieve:   {gab}
emosieve:    ^^^
""",
    ),
    "name": (
        'name = "Mine!"\nwhen = "gap < 0.1"',
        "rules.custom.0.name = Mine!: write small letters, digits and _",
    ),
    "built-in": (
        'name = "noisy"\nwhen = "gap < 0.1"',
        "rules.custom.0.name = noisy: noisy is a built-in rule",
    ),
    "when": ('name = "mine"', "rules.custom.0.when: is missing; every rule of your own needs it\n"),
    "key": (
        'name = "mine"\nwhen = "gap < 0.1"\nwehn = "x"',
        "rules.custom.0.wehn is not a setting; did you mean rules.custom.0.when?\n",
    ),
    "twice": (
        'name = "mine"\nwhen = "gap < 0.1"\n[[rules.custom]]\nname = "mine"\nwhen = "gap < 0.2"',
        "rules.custom: two rules are named mine; rename one\n",
    ),
    "action": (
        'name = "mine"\nwhen = "gap < 0.1"\n[rules.actions]\nmime = "off"',
        "rules.actions.mime is not a setting; did you mean rules.actions.mine?\n",
    ),
    "auto": (
        'name = "mine"\nwhen = "gap < 0.1"\n[rules.actions]\nmine = "auto"',
        "rules.actions.mine = auto: must be 'reject', 'flag' or 'off'\n",
    ),
}


@pytest.mark.parametrize(("wrong", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_rule_is_refused_before_anything_runs(
    spoken: Path, config: Path, wrong: str, words: str
) -> None:
    """The key, the column and what was probably meant are told, with status 2, and no task is touched."""
    config.write_text(f'language = "en"\n[[rules.custom]]\n{wrong}\n', encoding="utf-8")
    ended = run("sweep", spoken, "--config", config)

    assert (2, "") == (ended.returncode, ended.stdout)
    assert words in ended.stderr
    assert [] == read_log(spoken)


def has_numpy(watch: Watch) -> bool:
    """Whether the daemon has loaded it."""
    return "numpy" in Path(f"/proc/{watch.process.pid}/maps").read_text()


def test_numpy_comes_with_the_first_wav(root: Path, make_task: MakeTask) -> None:
    """Neither a start nor a task without a wav loads it into the daemon."""
    with Watch(root, settle__quiet_seconds=0.05) as watch:
        watch.wait_for("watch.ready")
        make_task("outputs_1")
        watch.wait_for("task.filed", task="outputs_1")
        before = has_numpy(watch)
        make_task("outputs_2", files={"processed_audio.wav": wav_of(SPOKEN)})
        watch.wait_for("task.filed", task="outputs_2")
        assert (False, True) == (before, has_numpy(watch))
        assert 0 == watch.stop()


def test_numpy_comes_while_the_first_wav_is_waited_for(root: Path, make_task: MakeTask) -> None:
    """When that is to be judged nothing is left to be loaded, and nobody else has to wait for it."""
    with Watch(root, settle__quiet_seconds=3600, settle__give_up_seconds=7200) as watch:
        watch.wait_for("watch.ready")
        make_task("outputs_2", files={"processed_audio.wav": wav_of(SPOKEN)})
        watch.wait_until(lambda: has_numpy(watch))
        assert 0 == watch.stop()
    assert ["outputs_2"] == standing(root)


WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
sys.argv[0] = "emosieve"
from emosieve.commands.cli import run
sys.exit(run())
"""


def deaf(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command where numpy cannot be imported."""
    command = [sys.executable, "-c", WITHOUT_NUMPY, *map(str, arguments), "--set", "language=en"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_without_numpy_the_header_alone_is_judged(spoken: Path) -> None:
    """Length is known all the same; rules over samples are not evaluated, and nobody is flagged for it."""
    assert 0 == deaf("sweep", spoken, *QUICK).returncode

    fired = found(spoken)
    assert {"too_short", "audio_unreadable"} == {rule for rules in fired.values() for rule in rules}
    assert ["too_short"] == fired["outputs_2"]


@pytest.mark.parametrize(("action", "level"), [("flag", "ok"), ("reject", "warning")])
def test_check_says_how_to_get_numpy(spoken: Path, action: str, level: str) -> None:
    """What needs it is named; it is worth a warning where somebody counts on it."""
    ended = deaf("check", spoken, "--json", "--set", f"rules.actions.noisy={action}")
    (line,) = [line for line in json.loads(ended.stdout)["lines"] if line["subject"] == "audio"]

    assert level == line["level"]
    assert "no_speech, mostly_silence, noisy, clipped" in line["message"]
    assert f"{sys.executable} -m pip install 'emosieve[audio]'" in line["hint"]


def test_check_lists_what_rejects(spoken: Path, config: Path) -> None:
    """The effective set: how many rules reject, flag and are one's own."""
    lines = document("check", spoken, "--config", config)["lines"]
    (line,) = [line for line in lines if line["subject"] == "actions"]

    names = "low_confidence, ambiguous, no_dominant_emotion, scores_missing, clipped, hissing"
    assert line["message"].startswith(f"6 reject ({names}), 15 flag, 2 of all are your own;")
