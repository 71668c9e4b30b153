"""The middle of the house: log first, then move; and what a run that dies leaves behind."""

import errno
import itertools
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from conftest import MakeTask, names_in, read_log, result_bytes
from emosieve.errors import SetupError
from emosieve.filing import Mover
from emosieve.intake import LOCK_GAP_SECONDS, Done, Intake, NotDone
from emosieve.proposals import Proposal, adopt
from emosieve.record import checkpoint
from emosieve.record.checkpoint import load_checkpoint
from emosieve.record.decisions import DecisionLog
from emosieve.record.report import Report
from emosieve.settings import Settings
from emosieve.watch.survey import survey_directory
from emosieve.watch.wholeness import NoResult
from intakes import Killed, intake_of, proposal_for

TASK = "outputs_20240104_223000"


def entries(root: Path) -> int:
    """How many entries the report has."""
    return (root / "quality_report.txt").read_text(encoding="utf-8").count("\n[outputs_")


class TestCommit:
    """A batch of proposals becomes filed decisions."""

    def test_it_is_asked_after_each_move_whether_to_stop(self, root: Path, make_task: MakeTask) -> None:
        """So often the watchdog is answered; a rename is over so soon that a stop cuts no batch of them short."""
        tasks = [make_task(f"outputs_{number}") for number in range(5)]
        asked = iter(range(1000))
        outcomes = intake_of(root).commit([proposal_for(task) for task in tasks], lambda: next(asked) >= 0)

        assert (5, 5) == (len(outcomes), next(asked))

    def test_a_decision_is_logged_filed_and_reported(self, root: Path, make_task: MakeTask) -> None:
        """One line in the log with all that the contract names, one place, one report entry."""
        task = make_task(result=result_bytes(0.41))
        directory = [task.stat().st_dev, task.stat().st_ino]
        (done,) = intake_of(root).commit([proposal_for(task)])

        assert isinstance(done, Done)
        assert (False, True) == (task.exists(), (root / "low_quality" / TASK / "result.json").exists())
        (event,) = read_log(root)
        assert [
            "schema", "event", "time", "task", "directory", "born", "verdict", "findings", "emotion", "confidence",
            "top1", "top2", "gap", "scores", "granularity", "audio", "destination", "profile", "rules_digest",
            "result_digest",
        ] == list(event)  # fmt: skip
        assert (1, "decided", TASK, directory) == (
            event["schema"],
            event["event"],
            event["task"],
            event["directory"],
        )
        assert ("low_quality", f"low_quality/{TASK}") == (event["verdict"], event["destination"])
        assert {
            "rule": "low_confidence",
            "action": "reject",
            "observed": 0.41,
            "limit": 0.6,
            "message": "main confidence 0.410 is below 0.6",
            "because": [{"left": "confidence", "observed": 0.41, "operator": "<", "limit": 0.6}],
        } == event["findings"][0]
        assert 1 == entries(root)

    def test_the_log_comes_before_the_move(
        self,
        root: Path,
        make_task: MakeTask,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """When the log cannot be written nothing is moved, and nothing of the try stays in it."""
        task = make_task()
        intake = intake_of(root)
        monkeypatch.setattr(os, "fdatasync", _raises(OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            intake.commit([proposal_for(task)])

        assert (True, []) == (task.exists(), read_log(root))

    def test_a_taken_name_gets_a_suffix(self, root: Path, make_task: MakeTask) -> None:
        """The same name twice stands side by side, and the log names both places."""
        for confidence in (0.9, 0.8):
            intake_of(root).commit([proposal_for(make_task(result=result_bytes(confidence)))])

        assert [TASK, f"{TASK}.2"] == names_in(root / "normal")
        assert [f"normal/{TASK}", f"normal/{TASK}.2"] == [event["destination"] for event in read_log(root)]

    def test_a_move_that_goes_elsewhere_than_logged_is_logged(
        self,
        root: Path,
        make_task: MakeTask,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """When somebody takes the name between log and move, ``diverted`` says where the task went."""
        task = make_task()
        intake = intake_of(root)
        append = DecisionLog.append

        def append_and_take(log: DecisionLog, events: Any) -> None:
            append(log, events)
            (root / "normal" / TASK).mkdir(exist_ok=True)

        monkeypatch.setattr(DecisionLog, "append", append_and_take)
        (done,) = intake.commit([proposal_for(task)])

        assert isinstance(done, Done)
        assert f"normal/{TASK}.2" == done.destination
        assert ["decided", "diverted"] == [event["event"] for event in read_log(root)]
        assert ["result.json"] == names_in(root / "normal" / f"{TASK}.2")
        assert [] == names_in(root / "normal" / TASK)

    def test_a_diverted_move_that_fails_is_diverted_once(
        self,
        root: Path,
        make_task: MakeTask,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """What was diverted stays so: the next try goes to the same place without another event."""
        task = make_task()
        intake = intake_of(root)
        move = Mover.move

        def refuse(_mover: Mover, source: str, destination: str, _directory: Any) -> None:
            if not destination.endswith(".2"):
                raise FileExistsError(errno.EEXIST, "is taken", destination)
            raise PermissionError(errno.EACCES, "Permission denied", source)

        monkeypatch.setattr(Mover, "move", refuse)
        monkeypatch.setattr(Mover, "choose", lambda _mover, folder, name, _taken: f"{folder}/{name}.2")
        (root / "normal" / TASK).mkdir()
        intake.commit([proposal_for(task)])
        monkeypatch.setattr(Mover, "choose", lambda _mover, folder, name, _taken: f"{folder}/{name}.3")
        intake.commit([proposal_for(task)])
        monkeypatch.setattr(Mover, "move", move)
        (done,) = intake.commit([proposal_for(task)])

        assert isinstance(done, Done)
        assert f"normal/{TASK}.2" == done.destination

    def test_a_malformed_result_goes_to_quarantine_with_its_reason(
        self, root: Path, make_task: MakeTask
    ) -> None:
        """The reason stands in the log and in the report."""
        intake_of(root).commit([proposal_for(make_task(result=b'{"confidence": NaN}'))])

        (event,) = read_log(root)
        assert ("quarantined", f"quarantine/{TASK}") == (event["event"], event["destination"])
        assert "result.json is not JSON" in event["reason"]
        assert "quarantined (result.json is not JSON" in (root / "quality_report.txt").read_text()

    def test_a_folder_that_somebody_removed_is_made_again(self, root: Path, make_task: MakeTask) -> None:
        """A destination deleted while the daemon runs costs nothing."""
        intake = intake_of(root)
        (root / "normal").rmdir()
        intake.commit([proposal_for(make_task())])

        assert [TASK] == names_in(root / "normal")

    def test_a_folder_that_became_a_symlink_is_refused(
        self, root: Path, make_task: MakeTask, tmp_path: Path
    ) -> None:
        """Nothing is logged or moved through a symlink, and the error names its target."""
        task = make_task()
        intake = intake_of(root)
        (root / "normal").rmdir()
        (root / "normal").symlink_to(tmp_path)
        with pytest.raises(SetupError, match=str(tmp_path)):
            intake.commit([proposal_for(task)])

        assert (True, []) == (task.exists(), read_log(root))


class TestFailure:
    """One task that cannot be moved."""

    def test_the_cause_is_logged_once_and_the_task_moved_when_it_goes(
        self,
        root: Path,
        make_task: MakeTask,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A denied rename gives one ``failed`` event however often it is tried, and one decision in the end."""
        task = make_task()
        intake = intake_of(root)
        rename = os.rename
        monkeypatch.setattr(os, "rename", _denies(TASK))
        outcomes = [intake.commit([proposal_for(task)])[0] for _ in range(3)]
        monkeypatch.setattr(os, "rename", rename)
        intake_of(root).commit([proposal_for(task)])

        assert [True, False, False] == [isinstance(one, NotDone) and one.is_news for one in outcomes]
        assert ["decided", "failed"] == [event["event"] for event in read_log(root)]
        assert "EACCES: Permission denied" == read_log(root)[1]["cause"]
        assert ([TASK], 1) == (names_in(root / "normal"), entries(root))

    def test_the_others_of_its_batch_are_filed(
        self,
        root: Path,
        make_task: MakeTask,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """One task that cannot be moved does not keep the rest."""
        tasks = [make_task(f"outputs_{number}") for number in range(3)]
        intake = intake_of(root)
        monkeypatch.setattr(os, "rename", _denies("outputs_1"))
        intake.commit([proposal_for(task) for task in tasks])

        assert ["outputs_0", "outputs_2"] == names_in(root / "normal")

    def test_a_task_that_somebody_deletes_is_let_go(
        self,
        root: Path,
        make_task: MakeTask,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A cron job that deletes a task between log and move leaves nothing owed."""
        task = make_task()
        intake = intake_of(root)
        append = DecisionLog.append

        def append_and_delete(log: DecisionLog, events: Any) -> None:
            append(log, events)
            shutil.rmtree(task, ignore_errors=True)

        monkeypatch.setattr(DecisionLog, "append", append_and_delete)
        (outcome,) = intake.commit([proposal_for(task)])

        assert isinstance(outcome, NotDone)
        assert outcome.gone
        assert load_checkpoint(str(root)) is not None
        assert {} == load_checkpoint(str(root)).owed  # type: ignore[union-attr]

    def test_a_report_that_cannot_be_written_does_not_stop_filing(
        self,
        root: Path,
        make_task: MakeTask,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Filing goes on without the report, which says so once and is mended later."""
        intake = intake_of(root)
        first, second, third = (make_task(f"outputs_{number}") for number in range(3))
        with capture_logs() as events:
            monkeypatch.setattr(Report, "project", _raises(OSError(errno.ENOSPC, "No space left on device")))
            intake.commit([proposal_for(first)])
            intake.commit([proposal_for(second)])
            monkeypatch.undo()
            intake.commit([proposal_for(third)])

        assert ["report.failing", "report.mended"] == [event["event"] for event in events]
        assert (3, 3) == (len(names_in(root / "normal")), entries(root))

    def test_a_checkpoint_that_cannot_be_written_is_only_a_warning(
        self,
        root: Path,
        make_task: MakeTask,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The task is filed, and the next start replays what the checkpoint does not know."""
        intake = intake_of(root)
        with capture_logs() as events:
            monkeypatch.setattr(
                "emosieve.conclusion.save_checkpoint", _raises(OSError(errno.ENOSPC, "No space"))
            )
            intake.commit([proposal_for(make_task())])
            monkeypatch.undo()
        intake_of(root)

        assert ["checkpoint.unwritable"] == [event["event"] for event in events]
        assert (1, 1) == (len(read_log(root)), entries(root))


CRASHES: dict[str, tuple[object, str]] = {
    "before the log": (DecisionLog, "append"),
    "after the log": (Mover, "move"),
    "after the move": (Mover, "sync"),
    "before the report": (Report, "project"),
    "in the report": (Report, "_set_foreign_aside"),
    "before the checkpoint": (DecisionLog, "end"),
}


class TestCrash:
    """Killed between any two steps, then started again."""

    @pytest.mark.parametrize("moment", CRASHES)
    @pytest.mark.parametrize("keep_checkpoint", [True, False], ids=["checkpoint", "no-checkpoint"])
    def test_every_task_is_filed_logged_and_reported_once(
        self,
        root: Path,
        make_task: MakeTask,
        monkeypatch: pytest.MonkeyPatch,
        moment: str,
        *,
        keep_checkpoint: bool,
    ) -> None:
        """After a crash at any moment a restart leaves one place, one decision and one entry a task."""
        intake_of(root).commit([proposal_for(make_task("outputs_0"))])
        tasks = [make_task(f"outputs_{number}", result_bytes(0.5 + number / 10)) for number in (1, 2, 3)]
        intake = intake_of(root)
        monkeypatch.setattr(*CRASHES[moment], _raises(Killed()))
        with pytest.raises(Killed):
            intake.commit([proposal_for(task) for task in tasks])
        monkeypatch.undo()
        if not keep_checkpoint:
            (root / ".emosieve" / "checkpoint").unlink()
        again = intake_of(root)
        again.commit([proposal_for(task) for task in tasks if task.exists()])

        decided = [event["task"] for event in read_log(root) if event["event"] == "decided"]
        assert ["outputs_0", "outputs_1", "outputs_2", "outputs_3"] == sorted(decided)
        assert ["outputs_0", "outputs_1", "outputs_2", "outputs_3"] == sorted(
            names_in(root / "normal") + names_in(root / "low_quality"),
        )
        assert 4 == entries(root)
        before = (root / "quality_report.txt").read_bytes()
        again.rebuild_report()
        assert before == (root / "quality_report.txt").read_bytes()

    def test_a_new_task_of_a_moved_ones_name_is_a_task_of_its_own(
        self,
        root: Path,
        make_task: MakeTask,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Killed after the move, and the WebUI wrote the very same result again: two tasks, two decisions."""
        task = make_task()
        intake = intake_of(root)
        monkeypatch.setattr(Mover, "sync", _raises(Killed()))
        with pytest.raises(Killed):
            intake.commit([proposal_for(task)])
        monkeypatch.undo()
        intake_of(root).commit([proposal_for(make_task())])

        assert ["decided", "decided"] == [event["event"] for event in read_log(root)]
        assert [TASK, f"{TASK}.2"] == names_in(root / "normal")

    def test_a_result_that_changed_before_its_move_is_judged_anew(
        self,
        root: Path,
        make_task: MakeTask,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The new decision says what it supersedes, and the numbers count it once."""
        task = make_task(result=result_bytes(0.3))
        intake = intake_of(root)
        monkeypatch.setattr(os, "rename", _denies(TASK))
        intake.commit([proposal_for(task)])
        monkeypatch.undo()
        (task / "result.json").write_bytes(result_bytes(0.9))
        again = intake_of(root)
        again.commit([proposal_for(task)])

        first, last = read_log(root)[0], read_log(root)[-1]
        kept = ("time", "verdict", "findings", "emotion", "confidence", "gap", "scores", "granularity")
        assert {key: first[key] for key in kept} == last["supersedes"]
        assert ("low_quality", 0.3) == (last["supersedes"]["verdict"], last["supersedes"]["confidence"])
        assert ([TASK], []) == (names_in(root / "normal"), names_in(root / "low_quality"))
        reported = load_checkpoint(str(root)).reported  # type: ignore[union-attr]
        assert (1, 0) == (reported.tally["normal"], reported.tally["low_quality"])

    def test_a_move_by_hand_is_finished_at_the_next_start(
        self,
        root: Path,
        make_task: MakeTask,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A restore that was logged and then killed is carried out, not forgotten."""
        intake = intake_of(root)
        intake.commit([proposal_for(make_task())])
        there = root / "normal" / TASK
        survey = survey_directory(str(there), TASK)
        body = {
            "event": "restored",
            "task": TASK,
            **survey.identity.as_dict(),
            "from": f"normal/{TASK}",
            "to": None,
        }
        monkeypatch.setattr(Mover, "move", _raises(Killed()))
        with pytest.raises(Killed):
            intake.commit([Proposal(body, f"normal/{TASK}", "low_quality", survey)])
        monkeypatch.undo()
        intake_of(root)

        assert ([], [TASK]) == (names_in(root / "normal"), names_in(root / "low_quality"))

    def test_an_unreadable_line_owes_nothing(self, root: Path, make_task: MakeTask) -> None:
        """Lines of another version, or edited by hand, do not stop a start."""
        make_task()
        lines = [
            '{"event":"decided"}',
            '{"event":"diverted","source":"x"}',
            '{"event":"failed"}',
            '{"event":"new"}',
        ]
        (root / "decisions.jsonl").write_text("\n".join(lines) + "\n")
        intake_of(root)

        assert {} == load_checkpoint(str(root)).owed  # type: ignore[union-attr]


class TestJoin:
    """Late files go to the filed task of their name."""

    @staticmethod
    def late(root: Path, files: dict[str, bytes]) -> NoResult:
        """A directory made anew after its task was filed."""
        (root / TASK).mkdir()
        for name, content in files.items():
            (root / TASK / name).write_bytes(content)
        return NoResult(survey_directory(str(root / TASK), TASK))

    @pytest.mark.parametrize("files", [{"embedding.npy": b"late"}, {}], ids=["embedding", "empty"])
    def test_they_join_it(self, root: Path, make_task: MakeTask, files: dict[str, bytes]) -> None:
        """The files move, the empty directory goes, and the log says ``joined``."""
        intake = intake_of(root)
        intake.commit([proposal_for(make_task())])
        proposal = adopt(self.late(root, files), intake.folders, intake.log)
        assert proposal is not None
        intake.commit([proposal])

        assert sorted(["result.json", *files]) == names_in(root / "normal" / TASK)
        assert not (root / TASK).exists()
        assert "joined" == read_log(root)[-1]["event"]
        assert 1 == entries(root)

    def test_a_killed_join_is_finished_without_logging_again(
        self,
        root: Path,
        make_task: MakeTask,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Half of the files moved, then killed: the next start moves the rest."""
        intake = intake_of(root)
        intake.commit([proposal_for(make_task())])
        proposal = adopt(self.late(root, {"a.npy": b"1", "b.npy": b"2"}), intake.folders, intake.log)
        assert proposal is not None
        monkeypatch.setattr(os, "rmdir", _raises(Killed()))
        with pytest.raises(Killed):
            intake.commit([proposal])
        monkeypatch.undo()
        (root / "normal" / TASK / "b.npy").rename(root / TASK / "b.npy")
        (done,) = Intake(str(root), Settings()).commit([])

        assert ["a.npy", "b.npy", "result.json"] == names_in(root / "normal" / TASK)
        assert 1 == [event["event"] for event in read_log(root)].count("joined")
        assert ("joined", TASK) == (done.event["event"], done.event["task"])  # type: ignore[union-attr]
        assert not (root / TASK).exists()

    def test_a_file_that_comes_during_a_join_joins_after_it(
        self,
        root: Path,
        make_task: MakeTask,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A join that found one more file than it was logged for is logged anew with that file, and ends."""
        intake = intake_of(root)
        intake.commit([proposal_for(make_task())])
        proposal = adopt(self.late(root, {"a.npy": b"1"}), intake.folders, intake.log)
        assert proposal is not None
        monkeypatch.setattr(os, "rmdir", _raises(OSError(errno.ENOTEMPTY, "not empty")))
        intake.commit([proposal])
        monkeypatch.undo()
        (root / TASK / "b.npy").write_bytes(b"2")
        again = adopt(NoResult(survey_directory(str(root / TASK), TASK)), intake.folders, intake.log)
        assert again is not None
        intake.commit([again])

        assert ["a.npy", "b.npy", "result.json"] == names_in(root / "normal" / TASK)
        assert [["a.npy"], ["b.npy"]] == [event["files"] for event in read_log(root) if "files" in event]
        assert not (root / TASK).exists()

    def test_a_join_follows_the_task_that_a_person_moved_meanwhile(
        self,
        root: Path,
        make_task: MakeTask,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Late files whose task went to the other side before they came to it are logged anew and go there."""
        intake = intake_of(root)
        intake.commit([proposal_for(make_task())])
        late = self.late(root, {"a.npy": b"1"})
        proposal = adopt(late, intake.folders, intake.log)
        assert proposal is not None
        monkeypatch.setattr(Mover, "join", _raises(OSError(errno.EACCES, "denied")))
        intake.commit([proposal])
        monkeypatch.undo()
        (root / "normal" / TASK).rename(root / "low_quality" / TASK)
        again = adopt(late, intake.folders, intake.log)
        assert again is not None
        intake.commit([again])

        assert ["a.npy", "result.json"] == names_in(root / "low_quality" / TASK)
        assert not (root / TASK).exists()

    def test_a_result_that_comes_during_a_join_takes_nothing_back(
        self,
        root: Path,
        make_task: MakeTask,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The directory turns out to be a task of its own: the decision of the filed one still counts."""
        intake = intake_of(root)
        intake.commit([proposal_for(make_task())])
        proposal = adopt(self.late(root, {}), intake.folders, intake.log)
        assert proposal is not None
        monkeypatch.setattr(os, "rmdir", _raises(OSError(errno.EACCES, "denied")))
        intake.commit([proposal])
        monkeypatch.undo()
        (root / TASK / "result.json").write_bytes(result_bytes(0.8))
        intake.commit([proposal_for(root / TASK)])

        assert ["decided", "joined", "decided"] == [
            event["event"] for event in read_log(root) if event["event"] != "failed"
        ]
        assert "supersedes" not in read_log(root)[-1]
        assert [TASK, f"{TASK}.2"] == names_in(root / "normal")

    def test_files_that_the_task_has_already_stay(self, root: Path, make_task: MakeTask) -> None:
        """A late file of a name that the filed task has belongs to another recognition."""
        intake = intake_of(root)
        intake.commit([proposal_for(make_task(files={"processed_audio.wav": b"one"}))])

        assert adopt(self.late(root, {"processed_audio.wav": b"two"}), intake.folders, intake.log) is None

    def test_two_filed_tasks_of_the_name_are_no_answer(self, root: Path, make_task: MakeTask) -> None:
        """Where it is not certain to which task the files belong, they stay."""
        intake = intake_of(root)
        for confidence in (0.9, 0.8):
            intake.commit([proposal_for(make_task(result=result_bytes(confidence)))])

        assert adopt(self.late(root, {"embedding.npy": b""}), intake.folders, intake.log) is None

    def test_nothing_filed_is_no_answer(self, root: Path) -> None:
        """A directory without a result whose name was never filed stays."""
        intake = intake_of(root)

        assert adopt(self.late(root, {"embedding.npy": b""}), intake.folders, intake.log) is None

    def test_names_that_cannot_be_logged_stay(self, root: Path, make_task: MakeTask) -> None:
        """A file name with a control character is not moved under an escaped one."""
        intake = intake_of(root)
        intake.commit([proposal_for(make_task())])

        assert adopt(self.late(root, {"a\x1b.npy": b""}), intake.folders, intake.log) is None


class TestUnderTheLock:
    """What was looked at before the lock was there may not stand any more."""

    def test_a_result_that_changed_meanwhile_is_not_filed_by_the_old_one(
        self,
        root: Path,
        make_task: MakeTask,
    ) -> None:
        """A task that was rewritten while the lock was waited for is not logged; it settles again."""
        task = make_task(result=result_bytes(0.9))
        intake = intake_of(root)
        proposal = proposal_for(task)
        (task / "result.json").write_bytes(result_bytes(0.4))
        (outcome,) = intake.commit([proposal])

        assert isinstance(outcome, NotDone)
        assert (False, False) == (outcome.gone, outcome.is_news)
        assert ([], True) == (read_log(root), task.exists())

    def test_a_task_that_is_gone_by_then_is_not_logged(self, root: Path, make_task: MakeTask) -> None:
        """Deleted between look and lock, a task leaves no decision and no report entry."""
        task = make_task()
        intake = intake_of(root)
        proposal = proposal_for(task)
        shutil.rmtree(task)
        (outcome,) = intake.commit([proposal])

        assert isinstance(outcome, NotDone)
        assert outcome.gone
        assert [] == read_log(root)

    def test_two_restores_at_once_are_one(self, root: Path, make_task: MakeTask) -> None:
        """The second finds the task moved already, and logs nothing."""
        intake = intake_of(root)
        intake.commit([proposal_for(make_task(result=result_bytes(0.4)))])
        location = f"low_quality/{TASK}"
        survey = survey_directory(str(root / location), TASK)
        body = {
            "event": "restored",
            "task": TASK,
            "directory": survey.directory,
            "from": location,
            "to": None,
        }
        twice = [Proposal(body, location, "normal", survey)] * 2
        first = intake.commit(twice[:1])
        second = intake.commit(twice[1:])

        assert isinstance(first[0], Done)
        assert isinstance(second[0], NotDone)
        assert ["decided", "restored"] == [event["event"] for event in read_log(root)]


class TestForeignLines:
    """The log and the checkpoint may hold what emosieve never wrote."""

    @pytest.mark.parametrize(
        "line",
        [
            '{"event":"decided","task":5,"destination":"x"}',
            '{"event":"restored","task":"t","from":"VICTIM","to":"normal/t"}',
            '{"event":"decided","task":"../victim","destination":"normal/t"}',
            '{"event":"joined","task":"t","destination":"normal/t","files":["../../victim"]}',
            '{"event":"note"}',
            '{"event":"decided","task":"outputs_1","destination":"../victim","time":"2024-01-01"}',
        ],
    )
    def test_nothing_is_moved_for_them(
        self, root: Path, make_task: MakeTask, tmp_path: Path, line: str
    ) -> None:
        """No line of the log moves anything from or to a place outside the inbox and the folders."""
        victim = tmp_path / "victim"
        victim.mkdir()
        make_task("outputs_1")
        (root / "decisions.jsonl").write_text(line.replace("VICTIM", str(victim)) + "\n")
        intake = intake_of(root)

        assert {} == load_checkpoint(str(root)).owed  # type: ignore[union-attr]
        assert victim.is_dir()
        intake.commit([proposal_for(root / "outputs_1")])
        assert ["outputs_1"] == names_in(root / "normal")

    def test_a_foreign_line_does_not_silence_the_day(self, root: Path, make_task: MakeTask) -> None:
        """An event without a time does not keep later days from their blocks."""
        (root / "decisions.jsonl").write_text('{"event":"note"}\n')
        intake_of(root).commit([proposal_for(make_task())])

        assert read_log(root)[-1]["time"][:10] == load_checkpoint(str(root)).reported.day  # type: ignore[union-attr]

    def test_a_checkpoint_of_another_version_is_replayed(self, root: Path, make_task: MakeTask) -> None:
        """A tally with a key that this version does not know means that all is projected anew."""
        intake_of(root).commit([proposal_for(make_task())])
        path = root / ".emosieve" / "checkpoint"
        path.write_bytes(path.read_bytes().replace(b'"quarantined":', b'"unheard_of":1,"quarantined":'))
        assert load_checkpoint(str(root)) is None
        intake_of(root)

        assert 1 == entries(root)

    def test_a_debt_that_a_later_event_paid_is_not_made_again(self, root: Path, make_task: MakeTask) -> None:
        """A quarantined task that was restored stays in the inbox, also when the checkpoint is lost."""
        intake = intake_of(root)
        intake.commit([proposal_for(make_task(result=b"{half"))])
        location = f"quarantine/{TASK}"
        survey = survey_directory(str(root / location), TASK)
        body = {
            "event": "restored",
            "task": TASK,
            "directory": survey.directory,
            "from": location,
            "to": None,
        }
        intake.commit([Proposal(body, location, "", survey)])
        (root / ".emosieve" / "checkpoint").unlink()
        intake_of(root)

        assert {} == load_checkpoint(str(root)).owed  # type: ignore[union-attr]
        assert (root / TASK).is_dir()

    @pytest.mark.parametrize("name", ["decisions.jsonl", ".emosieve/checkpoint", ".emosieve/log.lock"])
    def test_a_fifo_in_place_of_a_file_does_not_hang(
        self, root: Path, make_task: MakeTask, name: str
    ) -> None:
        """It is refused by name, or, for the checkpoint, replaced."""
        make_task()
        (root / ".emosieve").mkdir()
        os.mkfifo(root / name)
        if name == ".emosieve/checkpoint":
            intake_of(root)
            return
        with pytest.raises(OSError, match="is not a plain file"):
            intake_of(root)

    def test_a_checkpoint_is_never_written_through_a_symlink(
        self,
        root: Path,
        make_task: MakeTask,
        tmp_path: Path,
    ) -> None:
        """A symlink under the name of the new checkpoint is replaced; its target stays as it is."""
        victim = tmp_path / "victim"
        victim.write_text("precious")
        (root / ".emosieve").mkdir()
        (root / ".emosieve" / "checkpoint.new").symlink_to(victim)
        intake_of(root).commit([proposal_for(make_task())])

        assert "precious" == victim.read_text()
        assert not (root / ".emosieve" / "checkpoint").is_symlink()


def test_a_preview_writes_nothing(root: Path, make_task: MakeTask) -> None:
    """It says where the tasks would go, suffix included, and leaves the root as it is."""
    task = make_task()
    (root / "normal" / TASK).mkdir(parents=True)
    other = make_task("outputs_low", result_bytes(0.1))
    before = sorted(str(path) for path in root.rglob("*"))
    intake = Intake(str(root), Settings())

    done = intake.preview([proposal_for(task), proposal_for(other)])

    assert [f"normal/{TASK}.2", "low_quality/outputs_low"] == [one.destination for one in done]
    assert before == sorted(str(path) for path in root.rglob("*"))


def test_the_log_is_in_the_settings_time_zone(root: Path, make_task: MakeTask) -> None:
    """Events carry the offset of the zone that the settings name."""
    intake_of(root, timezone="Asia/Shanghai").commit([proposal_for(make_task())])

    assert read_log(root)[0]["time"].endswith("+08:00")


def test_destinations_elsewhere_are_logged_as_absolute_paths(
    root: Path,
    make_task: MakeTask,
    tmp_path: Path,
) -> None:
    """A folder outside the root is written with its whole path, and found by it."""
    elsewhere = tmp_path / "good"
    intake = intake_of(root, filing={"normal": str(elsewhere)})
    intake.commit([proposal_for(make_task())])

    assert f"{elsewhere}/{TASK}" == read_log(root)[0]["destination"]
    assert [TASK] == names_in(elsewhere)
    assert checkpoint.CHECKPOINT == ".emosieve/checkpoint"


def _raises(error: BaseException) -> Callable[..., Any]:
    def call(*_arguments: object, **_more: object) -> None:
        raise error

    return call


def _denies(name: str) -> Callable[..., None]:
    """A rename that may not touch one task."""
    rename = os.rename

    def deny(source: str, destination: str, **more: Any) -> None:
        if os.path.basename(source) == name:
            raise PermissionError(errno.EACCES, "Permission denied", source)
        rename(source, destination, **more)

    return deny


def test_tasks_are_filed_beside_a_rebuild(
    root: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two slices the log is free, and what is filed then stands in the new report as well."""
    daemon = intake_of(root)
    daemon.commit([proposal_for(make_task(f"outputs_{number}")) for number in range(3)])
    daemon.log.patience = 0.0
    numbers = iter(range(3, 6))

    def file_another(seconds: float) -> None:
        assert LOCK_GAP_SECONDS == seconds
        for number in itertools.islice(numbers, 1):
            daemon.commit([proposal_for(make_task(f"outputs_{number}"))])

    monkeypatch.setattr(time, "sleep", file_another)
    by_hand = Intake(str(root), Settings(language="zh"))
    by_hand.report._monotonic = itertools.count().__next__
    by_hand.rebuild_report()
    text = (root / "quality_report.txt").read_text(encoding="utf-8")

    assert [text.count(f"[outputs_{number}]") for number in range(6)] == [1] * 6
    assert 6 == text.count("情感: ")
