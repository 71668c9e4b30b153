"""What is changed after the fact, by a person or by today's rules."""

from pathlib import Path
from typing import Any

import pytest

from conftest import MakeTask, names_in, read_log, result_bytes
from emosieve.errors import SetupError
from emosieve.intake import Done, Intake
from emosieve.judge.rules import Limits
from emosieve.judge.ruleset import RuleSet
from emosieve.proposals import adopt
from emosieve.revision import in_batches, reclassify, restore, root_of
from emosieve.service.flow import Flow
from emosieve.settings import Settings
from emosieve.watch.survey import survey_directory
from emosieve.watch.wholeness import NoResult

STRICT = RuleSet(Limits(min_confidence=0.8))


@pytest.fixture
def filed(root: Path, make_task: MakeTask) -> Intake:
    """One normal task of confidence 0.7, one of low quality of 0.4, one in quarantine."""
    make_task("outputs_1", result_bytes(0.7))
    make_task("outputs_2", result_bytes(0.4))
    make_task("outputs_3", b"{half")
    settings = Settings.model_validate(
        {"language": "en", "settle": {"quiet_seconds": 0.001, "give_up_seconds": 0.002}},
    )
    flow = Flow(str(root), settings)
    flow.open()
    flow.scan()
    while flow.settling.pending_count:
        flow.step()
    return flow.intake


class TestRestore:
    """A person knows better."""

    def test_a_low_quality_task_becomes_normal(self, root: Path, filed: Intake) -> None:
        """It goes to the other side, with an event that says from, to, and what was decided."""
        (done,) = restore(filed, [str(root / "low_quality" / "outputs_2")])

        assert isinstance(done, Done)
        assert (["outputs_1", "outputs_2"], []) == (names_in(root / "normal"), names_in(root / "low_quality"))
        event = read_log(root)[-1]
        assert ("restored", "outputs_2") == (event["event"], event["task"])
        assert ("low_quality/outputs_2", "normal/outputs_2") == (event["from"], event["to"])
        assert ("low_quality", "normal", 0.4) == (event["was"], event["verdict"], event["confidence"])
        assert read_log(root)[1]["time"] == event["decided"]
        assert read_log(root)[1]["findings"] == event["was_findings"]

    def test_a_quarantined_task_goes_back_to_the_inbox(self, root: Path, filed: Intake) -> None:
        """It stands under the root again, to be judged anew."""
        restore(filed, [str(root / "quarantine" / "outputs_3")])

        assert ["result.json"] == names_in(root / "outputs_3")
        assert (None, "outputs_3") == (read_log(root)[-1]["verdict"], read_log(root)[-1]["to"])

    def test_what_joined_the_task_hides_no_decision(self, root: Path, filed: Intake) -> None:
        """A task whose files came late is restored with the numbers and findings of its decision."""
        (root / "outputs_2").mkdir()
        late = adopt(
            NoResult(survey_directory(str(root / "outputs_2"), "outputs_2")), filed.folders, filed.log
        )
        assert late is not None
        filed.commit([late])
        restore(filed, [str(root / "low_quality" / "outputs_2")])

        event = read_log(root)[-1]
        decision = read_log(root)[1]
        assert (0.4, decision["time"]) == (event["confidence"], event["decided"])
        assert decision["findings"] == event["was_findings"]

    def test_twice_restored_is_where_it_was(self, root: Path, filed: Intake) -> None:
        """A second restore takes the first one back, which found nothing, and keeps the decision's time."""
        restore(filed, [str(root / "low_quality" / "outputs_2")])
        restore(filed, [str(root / "normal" / "outputs_2")])

        assert ["outputs_2"] == names_in(root / "low_quality")
        assert [] == read_log(root)[-1]["was_findings"]
        assert read_log(root)[-2]["decided"] == read_log(root)[-1]["decided"]

    @pytest.mark.parametrize(
        ("path", "words"),
        [
            ("outputs_9", "is not a filed task"),
            ("normal/outputs_9", "no such task"),
            ("normal", "is not a filed"),
        ],
    )
    def test_what_is_not_filed_is_refused(self, root: Path, filed: Intake, path: str, words: str) -> None:
        """A path that is no filed task moves nothing, not even the others named with it."""
        with pytest.raises(SetupError, match=words):
            restore(filed, [str(root / "low_quality" / "outputs_2"), str(root / path)])

        assert ["outputs_2"] == names_in(root / "low_quality")

    def test_a_file_in_a_folder_is_no_task(self, root: Path, filed: Intake) -> None:
        """Something that is not a directory is refused with a reason."""
        (root / "normal" / "note.txt").touch()
        with pytest.raises(SetupError, match="cannot be looked at"):
            restore(filed, [str(root / "normal" / "note.txt")])

    def test_a_name_that_cannot_be_logged_is_refused(self, root: Path, filed: Intake) -> None:
        """A filed directory with a control character in its name stays, and is shown escaped."""
        (root / "normal" / "x\n\x1b[31m").mkdir()
        with pytest.raises(SetupError) as refusal:
            restore(filed, [str(root / "normal" / "x\n\x1b[31m")])

        assert str(refusal.value).isprintable()

    def test_an_unlogged_task_can_be_restored(self, root: Path, filed: Intake) -> None:
        """A task that the article's script filed changes sides as well; its numbers are not known."""
        (root / "low_quality" / "outputs_old").mkdir()
        restore(filed, [str(root / "low_quality" / "outputs_old")])

        assert "outputs_old" in names_in(root / "normal")
        assert read_log(root)[-1]["confidence"] is None


class TestReclassify:
    """Today's rules over what is filed."""

    def test_only_what_changes_sides_is_given(self, root: Path, filed: Intake) -> None:
        """A task on which today's rules decide as before is left alone."""
        (change,) = reclassify(filed, STRICT)
        filed.commit([change.proposal])

        assert ([], ["outputs_1", "outputs_2"]) == (names_in(root / "normal"), names_in(root / "low_quality"))
        event = read_log(root)[-1]
        assert ("reclassified", "normal", "low_quality") == (event["event"], event["was"], event["verdict"])
        assert ("normal/outputs_1", "low_quality/outputs_1") == (event["from"], event["to"])
        assert [0.8] == [finding["limit"] for finding in event["findings"]]
        assert [] == event["was_findings"]

    def test_scores_that_are_read_only_now_decide(
        self, root: Path, make_task: MakeTask, filed: Intake
    ) -> None:
        """A task without scores is judged by those that its file has under a key that is named since."""
        make_task(
            "outputs_4", b'{"emotion": "tense", "confidence": 0.9, "vector": {"tense": 0.9, "dull": 0.1}}'
        )
        settings = Settings.model_validate({"settle": {"quiet_seconds": 0.001, "give_up_seconds": 0.002}})
        flow = Flow(str(root), settings)
        flow.scan()
        while flow.settling.pending_count:
            flow.step()
        assert ["outputs_2", "outputs_4"] == names_in(root / "low_quality")
        assert [] == list(reclassify(filed, RuleSet()))
        filed.apply(Settings.model_validate({"results": {"score_keys": ["vector"]}}))
        (change,) = reclassify(filed, RuleSet())
        assert ("low_quality/outputs_4", "normal") == (change.proposal.source, change.proposal.folder)
        assert {"tense": 0.9, "dull": 0.1} == change.proposal.body["scores"]

    def test_the_findings_that_are_taken_back_are_logged(self, root: Path, filed: Intake) -> None:
        """A task that the rules let go says which rules had held it."""
        (change,) = reclassify(filed, RuleSet(Limits(min_confidence=0.3)))
        filed.commit([change.proposal])

        event = read_log(root)[-1]
        rules = [[finding["rule"] for finding in event[key]] for key in ("was_findings", "findings")]
        assert [["low_confidence", "scores_inconsistent"], ["scores_inconsistent"]] == rules

    def test_the_same_rules_change_nothing(self, filed: Intake) -> None:
        """Under the rules by which it was filed everything stays."""
        assert [] == list(reclassify(filed, RuleSet()))

    def test_a_result_that_was_changed_since_is_judged_by_what_it_says_now(
        self, root: Path, filed: Intake
    ) -> None:
        """The numbers of the log are those of another result."""
        (root / "normal" / "outputs_1" / "result.json").write_bytes(result_bytes(0.2))
        (change,) = reclassify(filed, RuleSet())

        assert ("low_quality", 0.2) == (change.proposal.folder, change.proposal.body["confidence"])

    def test_what_a_person_restored_stays(self, root: Path, filed: Intake) -> None:
        """A restored task is left alone unless asked."""
        restore(filed, [str(root / "low_quality" / "outputs_2")])

        assert ["restored"] == [one.left_alone for one in reclassify(filed, RuleSet())]
        assert [None] == [one.left_alone for one in reclassify(filed, RuleSet(), by_hand=True)]

    def test_what_a_person_reviewed_stays(self, root: Path, filed: Intake) -> None:
        """A reviewed task is left alone unless asked; reviews that cannot be read are none."""
        (root / "reviews.jsonl").write_text('{"task":"outputs_1","keep":true}\n\n[]\n')
        assert ["reviewed"] == [one.left_alone for one in reclassify(filed, STRICT)]
        (root / "reviews.jsonl").write_text("{half\n")

        assert [None] == [one.left_alone for one in reclassify(filed, STRICT)]

    def test_unlogged_tasks_are_taken_on_request(self, root: Path, filed: Intake) -> None:
        """A task without an event is left alone unless asked."""
        old = root / "normal" / "outputs_old"
        old.mkdir()
        (old / "result.json").write_bytes(result_bytes(0.1))

        assert ["unlogged"] == [one.left_alone for one in reclassify(filed, RuleSet())]
        assert [None] == [one.left_alone for one in reclassify(filed, RuleSet(), unlogged=True)]

    def test_a_diverted_task_is_known_by_where_it_stands(self, root: Path, filed: Intake) -> None:
        """What went elsewhere than decided is not taken for unlogged."""
        (root / "normal" / "outputs_1").rename(root / "normal" / "outputs_1.2")
        with filed.log.locked():
            moved: dict[str, Any] = {"event": "diverted", "task": "outputs_1", "time": ""}
            filed.log.append([moved | {"from": "normal/outputs_1", "destination": "normal/outputs_1.2"}])

        assert [None] == [one.left_alone for one in reclassify(filed, STRICT)]

    def test_what_cannot_be_judged_is_passed_over(self, root: Path, filed: Intake) -> None:
        """A filed task without a readable result, or without read permission, stays where it is."""
        (root / "normal" / "outputs_1" / "result.json").write_text("{half")
        (root / "low_quality" / "outputs_2" / "result.json").unlink()

        assert [] == list(reclassify(filed, STRICT))

    def test_a_missing_folder_is_an_empty_one(self, root: Path) -> None:
        """Before anything is filed there is nothing to reclassify."""
        assert [] == list(reclassify(Intake(str(root), Settings()), STRICT))


def test_a_root_is_the_nearest_parent_with_a_log(root: Path, filed: Intake) -> None:
    """A task's root is found from its path alone."""
    assert str(root) == root_of(str(root / "normal" / "outputs_1"))
    assert filed.root == root_of(str(root / "anything"))
    assert root_of("/proc/self/status") is None


def test_a_state_directory_without_a_log_does_not_hide_the_root(root: Path, filed: Intake) -> None:
    """What a start on a folder of filed tasks, or on a task, left there is passed over; a new root has no log yet."""
    (root / "normal" / "outputs_1" / ".emosieve").mkdir()
    (root / "normal" / ".emosieve").mkdir()
    assert filed.root == root_of(str(root / "normal" / "outputs_1" / "result.json"))
    (root / "decisions.jsonl").unlink()
    (root / "normal" / "outputs_1" / ".emosieve").rmdir()
    assert str(root / "normal") == root_of(str(root / "normal" / "outputs_1" / "result.json"))


@pytest.mark.parametrize("folder", ["normal", "low_quality", "quarantine"])
def test_nothing_is_made_where_a_folder_will_not_do(tmp_path: Path, folder: str) -> None:
    """A root that emosieve never saw stays as it is when restore or reclassify is refused."""
    root = tmp_path / "fresh"
    (root / "good" / "outputs_1").mkdir(parents=True)
    (root / folder).symlink_to(tmp_path)
    names = {"normal": "good", "low_quality": "low_quality", "quarantine": "quarantine"}
    settings = Settings(filing={**names, folder: folder})
    intake = Intake(str(root), settings)
    with pytest.raises(SetupError, match="is a symlink"):
        restore(intake, [f"{root}/{settings.filing.normal}/outputs_1"])
    with pytest.raises(SetupError, match="is a symlink"):
        list(reclassify(intake, STRICT, unlogged=True))

    assert sorted(["good", folder]) == names_in(root)


def test_batches_are_bounded(filed: Intake) -> None:
    """However many change sides, the lock is held for so many at a time."""
    (change,) = reclassify(filed, STRICT)

    assert [256, 44] == [len(batch) for batch in in_batches([change.proposal] * 300)]
