"""What must hold whatever bytes come in: of a result, of the settings, of a decision log.

Each function takes any bytes, and fails by an AssertionError, or by the error
that should never have come out. A fuzzer hunts for such bytes; those that it
found are tried again by every run of the tests.
"""

import contextlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest import mock

import orjson

from emosieve.commands import explain as explain_command
from emosieve.commands import stats_text
from emosieve.commands import status as status_command
from emosieve.commands.decision_line import decision_line
from emosieve.debts import Recovery, inbox_of
from emosieve.errors import BadResult, SetupError
from emosieve.filing import Folders
from emosieve.intake import Intake
from emosieve.judge.keys import is_meaningful
from emosieve.judge.labels import CLASSES
from emosieve.judge.result import FRAME_LIMIT, Result, read_result
from emosieve.judge.rules import Limits
from emosieve.judge.ruleset import Evidence, RuleSet, judge
from emosieve.proposals import decide
from emosieve.record import layout
from emosieve.record.breakdown import Breakdown, Period, count
from emosieve.record.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint, save_checkpoint
from emosieve.record.comparison import Comparison
from emosieve.record.decisions import LOG_NAME, DecisionLog
from emosieve.record.evidence import evidence_of, has_evidence
from emosieve.record.following import Follower
from emosieve.record.lineage import place_of
from emosieve.record.lines import Event, json_bytes, line_of, lines_backwards, parse_line, whole_size
from emosieve.record.outcomes import rows_of
from emosieve.record.report import Report
from emosieve.record.selection import DECISIONS, Selection
from emosieve.record.statistics import Tally
from emosieve.record.unlogged import unlogged_among
from emosieve.revision import reclassify
from emosieve.service.explanation import explain
from emosieve.service.overview import overview
from emosieve.settings import Settings, load
from emosieve.text import Language, escape
from emosieve.watch.lengths import declared_length
from emosieve.watch.survey import Survey
from emosieve.watch.wholeness import Settled

LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
STRICT: Final = RuleSet(Limits(1.0, 1.0, 1.0), profile="strict")
NOW: Final = datetime(2024, 1, 5, tzinfo=UTC)


def assert_can_be_shown(text: str, *, lines: bool = False) -> None:
    """No control character, bidi mark or lone surrogate stands in it; newlines only where ``lines`` allows."""
    assert escape(text.replace("\n", "") if lines else text, len(text)) == (
        text.replace("\n", "") if lines else text
    )


# Results


@mock.patch.dict(os.environ, NO_COLOR="1")
def of_a_result(data: bytes) -> None:
    """Any bytes are a sound result, or refused by one line; what is logged of it is one line that says the same."""
    for name in ("a.wav", "a.npy"):
        length = declared_length(name, data[:4096])
        assert length is None or isinstance(length, int)
    try:
        result = read_result(data)
    except BadResult as refusal:
        reason = str(refusal)
        assert reason
        assert_can_be_shown(reason)
        assert len(reason) < 4096
        return
    assert result == read_result(data)
    _assert_sound(result)
    _assert_round_trip(result)
    for rules in (RuleSet(), STRICT):
        _assert_logged(result, rules)


def _assert_sound(result: Result) -> None:
    numbers = [*result.scores.values(), result.confidence, result.top1, result.top2, result.gap]
    assert all(0.0 <= one <= 1.0 and math.copysign(1.0, one) > 0 for one in numbers if one is not None)
    for text in (result.emotion, result.granularity, result.timestamp, *result.scores):
        assert_can_be_shown(text or "")
    assert len(result.scores) <= 256
    if result.frames is not None:
        assert 1 <= result.frames.count <= FRAME_LIMIT
        assert 1 / len(result.scores) <= result.frames.agreement <= 1
    assert result.emotion is None or result.emotion != ""
    assert (result.confidence is None) <= (not result.scores)


def _assert_round_trip(result: Result) -> None:
    """Written in the WebUI's form, and read again, it says the same; what was escaped may only be cut once more.

    A label of another model may be one of the words for keys, and would be read as such.
    """
    if any(map(is_meaningful, result.scores)) or not result.scores:
        return
    document = {key: getattr(result, key) for key in ("emotion", "confidence", "granularity", "timestamp")}
    again = read_result(orjson.dumps({**document, "scores": dict(result.scores)}))
    assert (result.confidence, result.top1, result.top2) == (again.confidence, again.top1, again.top2)
    for key in ("granularity", "timestamp"):
        text = document[key]
        assert getattr(again, key) == (None if text is None else escape(text))
    if all(name in CLASSES for name in result.scores):
        assert result.scores == again.scores


def _assert_logged(result: Result, rules: RuleSet) -> None:
    survey = Survey("outputs_1", (1, 2), (), 0, 0)
    settled = Settled(survey, result, "d" * 32)
    event = {**decide(settled, rules).body, "schema": 1, "time": "2024-01-04T22:31:20.123456+08:00"}
    assert event == {**decide(settled, rules).body, "schema": 1, "time": event["time"]}
    event["destination"] = f"{event['verdict']}/outputs_1"
    line = line_of(event)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert_can_be_shown(line.decode()[:-1])
    parsed = parse_line(line)
    assert json.loads(json.dumps(event)) == parsed
    assert parsed is not None
    assert has_evidence(parsed)
    assert judge(evidence_of(parsed), rules) == judge(Evidence(result), rules)
    for language in LANGUAGES:
        entry = layout.entry(parsed, language)
        assert entry is not None
        assert_can_be_shown(entry, lines=True)
        lines = entry.split("\n")[:-1]
        # A source that is known has a line of its own.
        assert (5 + ("source" in parsed), "[outputs_1]") == (len(lines), lines[0])
        assert_can_be_shown(decision_line(parsed, language, NOW))
    tally = Tally()
    tally.count(parsed)
    assert Tally.from_dict(orjson.loads(orjson.dumps(tally.as_dict()))) == tally
    assert tally.total == 1


# Settings


def of_settings(data: bytes) -> None:
    """Any sources are settings that can be used and written down, or refused by lines that can be shown.

    Args:
        data: parts between NUL bytes: a TOML file, then variables (``EMOSIEVE_KEY=value``) and ``--set`` texts.
    """
    toml, *rest = data.split(b"\0")
    texts = list(map(os.fsdecode, rest))
    variables = dict(text.split("=", 1) for text in texts if text.startswith("EMOSIEVE_") and "=" in text)
    variables.pop("EMOSIEVE_CONFIG", None)
    overrides = [text for text in texts if not text.startswith("EMOSIEVE_")]
    with tempfile.TemporaryDirectory(dir=_memory()) as folder, mock.patch.dict(os.environ, variables):
        path = f"{folder}/emosieve.toml"
        Path(path).write_bytes(toml)
        try:
            loaded = load(config=path, overrides=overrides)
        except SetupError as refusal:
            _assert_said(refusal)
            return
        assert loaded == load(config=path, overrides=overrides)
    settings = loaded.settings
    for _, value, _ in loaded.rows():
        assert_can_be_shown(json_bytes(value).decode())
    _assert_usable(settings)


def _assert_said(refusal: SetupError) -> None:
    """One line a message, in either language."""
    for language in LANGUAGES:
        text = refusal.text(language)
        assert_can_be_shown(text, lines=True)
        assert text.count("\n") + 1 == len(refusal.args)


def _assert_usable(settings: Settings) -> None:
    assert settings == Settings(**settings.model_dump())
    rules = settings.rule_set
    assert rules.digest == Settings(**settings.model_dump()).rule_set.digest
    assert all(
        0.0 <= one <= 1.0 for one in (rules.limits.min_confidence, rules.limits.min_gap, rules.limits.min_top)
    )
    assert 0 < settings.settle.quiet_seconds < settings.settle.give_up_seconds
    datetime.now(settings.zone).astimezone(settings.zone).isoformat(timespec="microseconds")
    judge(Evidence(Result("sad", 0.5, {"sad": 0.5})), rules)
    folders = [settings.filing.normal, settings.filing.low_quality, settings.filing.quarantine]
    assert len(set(folders)) == 3
    for folder in folders:
        assert os.path.isabs(folder) or os.path.basename(folder) == folder not in {"", ".", ".."}


# Logs


@mock.patch.dict(os.environ, NO_COLOR="1")
def of_a_log(data: bytes) -> None:
    """Any bytes under the names of a root's log are read to their end, each line taken or passed over.

    Args:
        data: parts between NUL bytes: ``decisions.jsonl``, a rotated file, a checkpoint.
    """
    current, *older = data.split(b"\0", 2)
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        root = Path(folder) / "outputs"
        (root / ".emosieve").mkdir(parents=True)
        for name in ("normal", "low_quality", "quarantine"):
            (root / name / "outputs_1").mkdir(parents=True)
            (root / name / "outputs_1" / "result.json").write_bytes(b'{"emotion":"sad","scores":{"sad":0.5}}')
        (root / LOG_NAME).write_bytes(current)
        for name, content in zip(
            ("decisions-20240101T000000.000000Z.jsonl", CHECKPOINT), older, strict=False
        ):
            (root / name).write_bytes(content)
        log = DecisionLog(str(root))
        events = list(log.read())
        lines = list(log.lines_before(log.end()))[::-1]
        faults: list[Exception] = []
        checks: list[Callable[[], None]] = [
            partial(_assert_same_both_ways, log, events, [*older[:1], current]),
            partial(_assert_found, log, events, lines),
            partial(_assert_counted, events, str(root)),
            partial(_assert_asked, str(root), events),
            partial(_assert_moves_stay_within, str(root), log),
            partial(_assert_followed, current),
            partial(_assert_projected, str(root), log),
            partial(_assert_rotated, str(root), events, lines),
        ]
        for check in checks:
            try:
                check()
            except Exception as fault:  # noqa: BLE001 - one fault must not hide another
                faults.append(fault)
    if faults:
        raise ExceptionGroup("what does not hold of this log", faults)


def _assert_same_both_ways(log: DecisionLog, events: list[Event], parts: list[bytes]) -> None:
    whole = [part[: part.rfind(b"\n") + 1] for part in parts]
    backwards = list(log.lines_before(log.end()))
    if whole[-1] or len(parts) == 1:
        expected = [line for part in whole for line in part.split(b"\n")[:-1]]
        assert [line + b"\n" for line in expected] == backwards[::-1]
        assert events == [event for event in map(parse_line, backwards[::-1]) if event]
    end = log.end()
    assert log.knows(end)
    assert list(log.read(end)) == [] or not end.offset
    with tempfile.TemporaryFile(dir=_memory()) as file:
        file.write(parts[-1])
        file.flush()
        assert len(whole[-1]) == whole_size(file.fileno())
        assert whole[-1] == b"".join(reversed(list(lines_backwards(file.fileno(), len(whole[-1])))))


def _assert_found(log: DecisionLog, events: list[Event], lines: list[bytes]) -> None:
    for event in events:
        for key in ("task", "destination", "to", "from"):
            value = event.get(key)
            if isinstance(value, str):
                about, every = log.about(value), [one for one in events if one.get("task") == value]
                # What somebody's editor wrote with other blanks is not found by a search for our own lines.
                assert all(one in every for one in about)
                assert len(every) == len(about) or any(line_of(one) not in lines for one in every)
                last = log.last_about(value)
                assert last is None or value in map(last.get, ("destination", "to"))


def _assert_projected(root: str, log: DecisionLog) -> None:
    """A report in two steps is that in one, and holds nothing raw."""
    for language in LANGUAGES:
        report = Report(root, language, rotate_bytes=4096)
        reported = report.project(log, Checkpoint().reported)
        save_checkpoint(root, Checkpoint(log.end(), {}, reported))
        before = _reports(root)
        loaded = load_checkpoint(root)
        assert loaded is not None
        report.project(log, loaded.reported)
        assert before == _reports(root)
        report.rebuild(log, loaded.reported)
        assert before == _reports(root)
        for text in before.values():
            assert_can_be_shown(text.decode(), lines=True)


def _reports(root: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(root).glob("quality_report*.txt")}


def _assert_counted(events: list[Event], root: str) -> None:
    breakdown, comparison = Breakdown(), Comparison(STRICT)
    count(events, Period(), breakdown.take, comparison.take)
    count(events, Period(NOW, NOW), Breakdown().take)
    for language in LANGUAGES:
        for compared in (None, comparison):
            _assert_lines(stats_text.answer(root, Period(), breakdown, compared, language))


def _assert_lines(lines: Any) -> None:
    for line in lines:
        assert_can_be_shown(line, lines=True)


def _assert_asked(root: str, events: list[Event]) -> None:
    settings = Settings(root=root)
    chosen = [
        Selection(),
        Selection("normal"),
        Selection(rule="ambiguous"),
        Selection(emotion="sad"),
        Selection(max_confidence=0.5),
    ]
    for event in events:
        for one in chosen:
            assert one.takes(event) in {True, False}
        if event["event"] in DECISIONS:
            for language in LANGUAGES:
                _assert_lines([decision_line(event, language, NOW), decision_line(event, language, NOW, 60)])
        if has_evidence(event):
            evidence = evidence_of(event)
            judge(evidence, STRICT)
            rows_of(evidence, STRICT, event if "findings" in event else None)
    found = overview(root, settings)
    for language in LANGUAGES:
        _assert_lines(status_command._Page(found, language, UTC, NOW.timestamp(), "").lines())
    _assert_json(status_command._document(found, UTC, NOW.timestamp()))
    places = {place for event in events if isinstance(place := place_of(event), str)}
    for path in sorted(places | {"normal/outputs_1", "outputs_1"})[:3]:
        with contextlib.suppress(SetupError, OSError):
            explanation = explain(os.path.join(root, path), settings)
            for language in LANGUAGES:
                _assert_lines(explain_command._lines(explanation, language, ""))
            _assert_json(explain_command._document(explanation))
    unlogged_among(DecisionLog(root), places)


def _assert_json(document: Any) -> None:
    assert_can_be_shown(json_bytes(document).decode())


def _assert_moves_stay_within(root: str, log: DecisionLog) -> None:
    """Whatever log and checkpoint say, no move leads anywhere but between the inbox and the folders."""
    folders = Folders(root, {"normal": "normal", "low_quality": "low_quality", "quarantined": "quarantine"})
    checkpoint = load_checkpoint(root) or Checkpoint()
    with contextlib.suppress(OSError):
        Report(root).project(log, checkpoint.reported)
    recovery = Recovery(folders, log, inbox_of(root, Settings(root=root), ask_lease=False))
    owed = recovery.pending(Checkpoint(owed=checkpoint.owed))
    assert owed is not None
    for debt in owed.values():
        assert os.path.dirname(debt.source).count("/") == 0
        assert not os.path.dirname(debt.source).startswith(".")
        assert os.path.lexists(os.path.join(root, debt.source))
        for name in (os.path.basename(debt.source), os.path.basename(debt.destination), debt.task):
            assert name not in {"", ".", ".."}
    save_checkpoint(root, Checkpoint(log.end(), owed))
    loaded = load_checkpoint(root)
    assert loaded is not None
    assert loaded.owed == owed
    for _ in reclassify(Intake(root, Settings(root=root)), STRICT, unlogged=True):
        pass


def _assert_followed(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        follower = Follower(DecisionLog(folder))
        half = len(data) // 2
        given = b""
        for start, end in ((0, half), (half, len(data))):
            with open(f"{folder}/{LOG_NAME}", "ab") as file:
                file.write(data[start:end])
            given += b"".join(follower.lines())
        assert data[: data.rfind(b"\n") + 1] == given


def _assert_rotated(root: str, events: list[Event], lines: list[bytes]) -> None:
    """A rotation loses no line, and what is appended then comes last."""
    log = DecisionLog(root, rotate_bytes=1)
    with log.locked():
        log.append([{"event": "swept", "time": NOW.isoformat()}])
        log.append([{"event": "swept", "time": NOW.isoformat()}])
    assert len(events) + 2 == len(list(log.read()))
    if lines:
        assert lines == list(log.lines_before(log.end()))[::-1][: len(lines)]


def _memory() -> str | None:
    """Where small files cost nothing."""
    return "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 - the directories in it are ours


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "result": of_a_result,
    "settings": of_settings,
    "log": of_a_log,
}
"""By name, what must hold of any bytes."""
