"""What a run that died, or a person, left behind: a name proves nothing, only the directory and its result do."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from conftest import MakeTask, Mount, names_in, read_log, result_bytes, standing
from emosieve import debts
from emosieve.copies import Copies
from emosieve.filing import Mover
from emosieve.intake import Intake
from emosieve.judge.ruleset import RuleSet
from emosieve.proposals import adopt
from emosieve.record.checkpoint import CHECKPOINT, load_checkpoint
from emosieve.record.long_work import Work
from emosieve.revision import reclassify, restore
from emosieve.settings import Settings
from emosieve.watch.identity import identity_at
from emosieve.watch.survey import survey_directory
from emosieve.watch.wholeness import NoResult
from intakes import Killed, intake_of, proposal_for

TASK = "outputs_20241027_023000"
GOOD, BAD = result_bytes(0.9), result_bytes(0.3)


def kinds(root: Path) -> list[str]:
    """Which events the log has."""
    return [event["event"] for event in read_log(root)]


@pytest.fixture
def die(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object], str], None]:
    """Call something that dies before, or right after, its first move."""

    def call(deed: Callable[[], object], when: str) -> None:
        move = Mover.move

        def killed(*arguments: Any) -> None:
            if when == "after":
                move(*arguments)
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(Mover, "move", killed)
            with pytest.raises(Killed):
                deed()

    return call


Die = Callable[[Callable[[], object], str], None]


class TestNames:
    """A name comes again: clocks are set back, and filed tasks are archived."""

    @pytest.fixture
    def archive(self, tmp_path: Path) -> Path:
        """Where people take filed tasks to."""
        folder = tmp_path / "archive"
        folder.mkdir()
        return folder

    @pytest.mark.parametrize("loss", ["lost", "old"])
    def test_an_old_restore_is_not_made_again(
        self, root: Path, make_task: MakeTask, archive: Path, loss: str
    ) -> None:
        """Of an archived task, whose name another one has by now; without a checkpoint, or with an old one."""
        intake = intake_of(root)
        old = (root / CHECKPOINT).read_bytes()
        intake.commit([proposal_for(make_task(TASK, BAD))])
        restore(intake, [str(root / "low_quality" / TASK)])
        (root / "normal" / TASK).rename(archive / TASK)
        intake.commit([proposal_for(make_task(TASK, result_bytes(0.2)))])
        (root / CHECKPOINT).unlink() if loss == "lost" else (root / CHECKPOINT).write_bytes(old)
        before = kinds(root)
        intake_of(root)

        assert ([], [TASK]) == (names_in(root / "normal"), names_in(root / "low_quality"))
        assert before == kinds(root)
        assert {} == load_checkpoint(str(root)).owed  # type: ignore[union-attr]

    @pytest.mark.parametrize("result", [GOOD, BAD], ids=["same bytes", "other bytes"])
    @pytest.mark.parametrize("is_deleted", [False, True], ids=["archived", "deleted"])
    def test_a_filed_task_is_not_superseded(
        self, *, root: Path, make_task: MakeTask, archive: Path, die: Die, result: bytes, is_deleted: bool
    ) -> None:
        """A run that died right after the move had filed it: the next task of its name is another one."""
        intake = intake_of(root)
        first = proposal_for(make_task(TASK, GOOD))
        die(lambda: intake.commit([first]), "after")
        filed = root / "normal" / TASK
        shutil.rmtree(filed) if is_deleted else filed.rename(archive / TASK)
        task = make_task(TASK, result)
        again = intake_of(root)
        again.commit([proposal_for(task)])

        events = read_log(root)
        assert ["decided", "decided"] == [event["event"] for event in events]
        assert not any("supersedes" in event for event in events)
        assert [TASK] == names_in(root / ("normal" if result == GOOD else "low_quality"))

    def test_what_is_pending_is_made_without_another_decision(
        self, root: Path, make_task: MakeTask, die: Die
    ) -> None:
        """The very directory that was decided about still stands there."""
        intake = intake_of(root)
        task = make_task(TASK, GOOD)
        die(lambda: intake.commit([proposal_for(task)]), "before")
        (root / CHECKPOINT).unlink()
        intake_of(root).commit([proposal_for(task)])

        assert ["decided"] == kinds(root)
        assert [TASK] == names_in(root / "normal")


class TestSettingsChanged:
    """Another folder is named while moves are pending."""

    @pytest.mark.parametrize("is_lost", [False, True], ids=["checkpoint", "no checkpoint"])
    @pytest.mark.parametrize(
        ("result", "folder"), [(GOOD, "normal"), (BAD, "low_quality"), (b"{", "quarantine")]
    )
    def test_pending_moves_go_to_the_new_folder(
        self,
        *,
        root: Path,
        make_task: MakeTask,
        tmp_path: Path,
        die: Die,
        result: bytes,
        folder: str,
        is_lost: bool,
    ) -> None:
        """Each with one decision, and an event that says where it went instead."""
        intake = intake_of(root, filing={folder: str(tmp_path / "first")})
        task = make_task(TASK, result)
        die(lambda: intake.commit([proposal_for(task)]), "before")
        if is_lost:
            (root / CHECKPOINT).unlink()
        second = intake_of(root, filing={folder: str(tmp_path / "second")})
        second.commit([proposal_for(task)])

        first, diverted = read_log(root)
        assert "diverted" == diverted["event"]
        assert (first["destination"], str(tmp_path / "second" / TASK)) == (
            diverted["from"],
            diverted["destination"],
        )
        assert [TASK] == names_in(tmp_path / "second")
        assert {} == load_checkpoint(str(root)).owed  # type: ignore[union-attr]

    def test_a_pending_restore_goes_there_by_itself(
        self, root: Path, make_task: MakeTask, tmp_path: Path, die: Die
    ) -> None:
        """What a person decided is carried out at the next start."""
        intake = intake_of(root, filing={"normal": str(tmp_path / "first")})
        intake.commit([proposal_for(make_task(TASK, BAD))])
        die(lambda: restore(intake, [str(root / "low_quality" / TASK)]), "before")
        intake_of(root, filing={"normal": str(tmp_path / "second")})

        assert ["decided", "restored", "diverted"] == kinds(root)
        assert ([TASK], []) == (names_in(tmp_path / "second"), names_in(root / "low_quality"))

    @pytest.mark.parametrize("is_lost", [False, True], ids=["checkpoint", "no checkpoint"])
    def test_so_does_one_out_of_a_folder_that_is_no_more_named(
        self, root: Path, make_task: MakeTask, die: Die, *, is_lost: bool
    ) -> None:
        """The log put the task there."""
        intake = intake_of(root)
        intake.commit([proposal_for(make_task(TASK, BAD))])
        die(lambda: restore(intake, [str(root / "low_quality" / TASK)]), "before")
        if is_lost:
            (root / CHECKPOINT).unlink()
        intake_of(root, filing={"low_quality": "rejected"})

        assert ["decided", "restored"] == kinds(root)
        assert ([TASK], []) == (names_in(root / "normal"), names_in(root / "low_quality"))


def test_one_task_by_two_spellings_is_restored_once(root: Path, make_task: MakeTask, tmp_path: Path) -> None:
    """By a symlink to the root, and by a path that comes back to where it was."""
    intake = intake_of(root)
    intake.commit([proposal_for(make_task(TASK, BAD))])
    (tmp_path / "link").symlink_to(root)
    place = f"low_quality/{TASK}"
    paths = [f"{root}/{place}", f"{tmp_path}/link/{place}", f"{root}/{place}/../{TASK}", f"{root}//{place}"]
    outcomes = restore(intake, paths)

    assert 1 == len(outcomes)
    assert ["decided", "restored"] == kinds(root)
    assert [TASK] == names_in(root / "normal")


class TestEditedLines:
    """A line moves nothing that the scanner would not take for a task, whatever directory it names."""

    @pytest.mark.parametrize(
        ("source", "destination"),
        [
            ("normal", "low_quality/outputs_x"),
            (".emosieve", "low_quality/outputs_x"),
            ("decisions.jsonl", "low_quality/outputs_x"),
            ("notes", "low_quality/outputs_x"),
            ("outputs_link", "low_quality/outputs_x"),
            ("normal/.hidden", "low_quality/outputs_x"),
            ("notes/inner", "low_quality/outputs_x"),
        ],
    )
    @pytest.mark.parametrize("event", ["restored", "reclassified", "joined"])
    def test_our_own_files_stay(
        self, root: Path, make_task: MakeTask, source: str, destination: str, event: str
    ) -> None:
        """Folders, log, state, hidden directories, symlinks, and what is named otherwise than a task."""
        intake = intake_of(root)
        intake.commit([proposal_for(make_task(TASK, GOOD))])
        for folder in ("notes/inner", "normal/.hidden"):
            (root / folder).mkdir(parents=True)
        (root / "outputs_link").symlink_to(root / "notes")
        directory = identity_at(str(root / source))
        named = directory.as_dict() if directory else {"directory": [1, 2], "born": 3}
        line = {"event": event, "task": "outputs_x", **named, "from": source, "to": destination}
        with open(root / "decisions.jsonl", "ab") as log:
            log.write(orjson.dumps(line) + b"\n")
        before = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
        intake_of(root)

        assert before == sorted(str(path.relative_to(root)) for path in root.rglob("*"))
        assert {} == load_checkpoint(str(root)).owed  # type: ignore[union-attr]

    @pytest.mark.parametrize("folder", ["VICTIM", "../victim", ".emosieve"])
    def test_nothing_outside_is_moved_though_two_lines_agree(
        self, root: Path, tmp_path: Path, folder: str
    ) -> None:
        """The log may belong to a user who may not do there what emosieve may."""
        intake_of(root)
        place = folder.replace("VICTIM", str(tmp_path / "victim"))
        victim = root / place / TASK
        victim.mkdir(parents=True)
        directory = identity_at(str(victim))
        assert directory is not None
        decided = {"event": "decided", "task": TASK, **directory.as_dict(), "destination": f"{place}/{TASK}"}
        restored = {"event": "restored", "task": TASK, **directory.as_dict(), "to": f"normal/{TASK}"}
        lines = (decided, {**restored, "from": f"{place}/{TASK}"})
        (root / "decisions.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
        intake_of(root)

        assert victim.is_dir()
        assert [] == names_in(root / "normal")

    @pytest.mark.parametrize("name", ["decisions.jsonl", ".emosieve", "normal", ".hidden"])
    def test_a_task_never_gets_a_name_of_ours(self, root: Path, make_task: MakeTask, name: str) -> None:
        """A line that sends one back to the inbox under such a name sends it there under its own."""
        intake = intake_of(root)
        intake.commit([proposal_for(make_task(TASK, b"{"))])
        directory = identity_at(str(root / "quarantine" / TASK))
        assert directory is not None
        line = {
            "event": "restored",
            "task": TASK,
            **directory.as_dict(),
            "from": f"quarantine/{TASK}",
            "to": name,
        }
        with open(root / "decisions.jsonl", "ab") as log:
            log.write(orjson.dumps(line) + b"\n")
        intake_of(root)

        assert (root / TASK).is_dir()
        assert not (root / name).is_symlink()


class TestSharedFolder:
    """Two roots file into one folder elsewhere, and use the same names."""

    @pytest.fixture
    def filing(self, tmp_path: Path) -> dict[str, str]:
        """The folders that both use."""
        folders = {name: tmp_path / "shared" / name for name in ("normal", "low_quality", "quarantine")}
        for folder in folders.values():
            folder.mkdir(parents=True)
        return {name: str(folder) for name, folder in folders.items()}

    @pytest.fixture
    def other(self, tmp_path: Path) -> Path:
        """The other root."""
        folder = tmp_path / "other"
        folder.mkdir()
        return folder

    def file_theirs(self, other: Path, filing: dict[str, str], result: bytes) -> None:
        """The other root files a task of the same name."""
        (other / TASK).mkdir()
        (other / TASK / "result.json").write_bytes(result)
        intake_of(other, filing=filing).commit([proposal_for(other / TASK)])

    def late(self, root: Path) -> NoResult:
        """A directory without a result."""
        (root / TASK).mkdir()
        (root / TASK / "input.mp3").write_bytes(b"somebody's audio")
        return NoResult(survey_directory(str(root / TASK), TASK))

    def test_late_files_join_no_task_of_another_root(
        self, root: Path, other: Path, make_task: MakeTask, filing: dict[str, str]
    ) -> None:
        """No task of that name was ever filed from here: they stay."""
        intake_of(root, filing=filing).commit([proposal_for(make_task(TASK))])
        mine = intake_of(other, filing=filing)

        assert adopt(self.late(other), mine.folders, mine.log) is None

    def test_nor_one_that_took_the_place_of_ours(
        self, root: Path, other: Path, make_task: MakeTask, filing: dict[str, str]
    ) -> None:
        """Ours was archived, and the other root filed another one under the same name since."""
        intake = intake_of(root, filing=filing)
        intake.commit([proposal_for(make_task(TASK, GOOD))])
        shutil.rmtree(f"{filing['normal']}/{TASK}")
        self.file_theirs(other, filing, result_bytes(0.95))

        assert adopt(self.late(root), intake.folders, intake.log) is None

    def test_late_files_join_no_older_task_of_their_name(self, root: Path, make_task: MakeTask) -> None:
        """Two of one name stand in two folders, one under a suffix: it is not certain whose the files are."""
        intake = intake_of(root)
        for result in (BAD, GOOD, BAD):
            intake.commit([proposal_for(make_task(TASK, result))])
        shutil.rmtree(root / "low_quality" / TASK)
        late = self.late(root)

        assert adopt(late, intake.folders, intake.log) is None
        shutil.rmtree(root / "low_quality" / f"{TASK}.2")
        assert adopt(late, intake.folders, intake.log) is None

    def test_late_files_join_the_only_one_though_it_has_a_suffix(
        self, root: Path, make_task: MakeTask
    ) -> None:
        """The name was taken when it was filed, and is free by now."""
        intake = intake_of(root)
        for _ in range(2):
            intake.commit([proposal_for(make_task(TASK, BAD))])
        shutil.rmtree(root / "low_quality" / TASK)
        proposal = adopt(self.late(root), intake.folders, intake.log)
        assert proposal is not None
        intake.commit([proposal])

        assert ["input.mp3", "result.json"] == names_in(root / "low_quality" / f"{TASK}.2")

    def test_a_restore_of_theirs_takes_no_decision_of_ours_back(
        self, root: Path, other: Path, make_task: MakeTask, filing: dict[str, str]
    ) -> None:
        """What stands where ours stood is unlogged here."""
        intake = intake_of(root, filing=filing)
        intake.commit([proposal_for(make_task(TASK, BAD))])
        shutil.rmtree(f"{filing['low_quality']}/{TASK}")
        self.file_theirs(other, filing, result_bytes(0.2))
        assert [one.left_alone for one in reclassify(intake, RuleSet())] == []
        restore(intake, [f"{filing['low_quality']}/{TASK}"])

        restored = read_log(root)[-1]
        assert (None, []) == (restored["decided"], restored["was_findings"])

    def test_a_pending_join_asks_again(
        self,
        root: Path,
        other: Path,
        make_task: MakeTask,
        filing: dict[str, str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Between its logging and its making the task may have been taken away, and another one put there."""
        intake = intake_of(root, filing=filing)
        intake.commit([proposal_for(make_task(TASK, GOOD))])
        proposal = adopt(self.late(root), intake.folders, intake.log)
        assert proposal is not None
        monkeypatch.setattr(os, "rmdir", lambda *_, **__: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            intake.commit([proposal])
        monkeypatch.undo()
        (Path(filing["normal"]) / TASK / "input.mp3").rename(root / TASK / "input.mp3")
        shutil.rmtree(f"{filing['normal']}/{TASK}")
        self.file_theirs(other, filing, result_bytes(0.95))
        intake_of(root, filing=filing)

        assert ["result.json"] == names_in(Path(filing["normal"]) / TASK)
        assert ["input.mp3"] == names_in(root / TASK)
        assert {} == load_checkpoint(str(root)).owed  # type: ignore[union-attr]

    def test_late_files_find_their_task_on_another_file_system(
        self, root: Path, make_task: MakeTask, filing: dict[str, str], mounted: Mount
    ) -> None:
        """A copy is another directory; the digest of its result tells that it is ours."""
        mounted("-t", "tmpfs", "tmpfs", filing["normal"])
        intake = intake_of(root, filing=filing)
        intake.commit([proposal_for(make_task(TASK, GOOD))])
        late = self.late(root)
        assert adopt(late, intake.folders, intake.log) is not None
        (Path(filing["normal"]) / TASK / "result.json").write_bytes(BAD)

        assert adopt(late, intake.folders, intake.log) is None
        (Path(filing["normal"]) / TASK / "result.json").unlink()
        assert adopt(late, intake.folders, intake.log) is None


def test_a_task_whose_copy_was_finished_is_pending_no_more(
    root: Path, make_task: MakeTask, tmp_path: Path, mounted: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A late file kept its directory in the inbox; a recognition that uses it again supersedes nothing."""
    (tmp_path / "disk").mkdir()
    mounted("-t", "tmpfs", "tmpfs", tmp_path / "disk")
    filing = {"normal": str(tmp_path / "disk" / "normal")}
    intake = intake_of(root, filing=filing)
    task = make_task(TASK, GOOD)
    with monkeypatch.context() as patch:
        patch.setattr(Copies, "_remove", lambda *_, **__: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            intake.commit([proposal_for(task)])
    (task / "late.npy").write_bytes(b"late")
    again = intake_of(root, filing=filing)
    assert ["late.npy"] == names_in(task)
    (task / "result.json").write_bytes(BAD)
    again.commit([proposal_for(task)])

    assert ["decided", "decided"] == kinds(root)
    assert "supersedes" not in read_log(root)[-1]


def test_a_stop_while_the_log_is_replayed_leaves_the_tasks_as_they_are(
    root: Path, make_task: MakeTask
) -> None:
    """Half of a replay says nothing of what is pending; the next run goes on there."""
    proposal = proposal_for(make_task(TASK))
    (root / "decisions.jsonl").write_bytes(b'{"event":"note"}\n' * 2500)
    asked: list[Work | None] = []
    intake = Intake(str(root), Settings())

    def should_stop() -> bool:
        asked.append(intake.work)
        return len(asked) == 2

    assert [] == intake.commit([proposal], should_stop)
    assert ([TASK], 2500) == (standing(root), len(read_log(root)))
    assert [Work("replaying", 0.4), Work("replaying", 0.8)] == asked
    assert 2000 * len('{"event":"note"}\n') == load_checkpoint(str(root)).filed.offset  # type: ignore[union-attr]
    intake.commit([proposal])
    assert [TASK] == names_in(root / "normal")


def test_a_long_replay_goes_on_where_it_was_killed(
    root: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all moves that it had found until then."""
    monkeypatch.setattr(debts, "_SAVED_EVENTS", 10)
    task = make_task(TASK)
    intake = intake_of(root)
    with monkeypatch.context() as patch:
        patch.setattr(Mover, "move", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            intake.commit([proposal_for(task)])
    (root / CHECKPOINT).unlink()
    with open(root / "decisions.jsonl", "ab") as log:
        log.write(b'{"event":"note"}\n' * 15)
    with monkeypatch.context() as patch:
        patch.setattr(debts, "HEED_EVENTS", 12)
        with pytest.raises(Killed):
            Intake(str(root), Settings()).commit([], lambda: (_ for _ in ()).throw(Killed()))

    assert [TASK] == list(load_checkpoint(str(root)).owed)  # type: ignore[union-attr]
    intake_of(root).commit([proposal_for(task)])
    assert ([TASK], 1) == (names_in(root / "normal"), kinds(root).count("decided"))
