"""A report that is made anew beside the one that stands: in slices, after deaths, and when the log was cut."""

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from conftest import names_in
from emosieve.record.checkpoint import Checkpoint, Reported, save_checkpoint
from emosieve.record.decisions import DecisionLog
from emosieve.record.loss import Loss, loss_of
from emosieve.record.report import Report
from projected import EVENTS, Projected, event, files_of


def ticking(step: float = 1.0) -> Callable[[], float]:
    """A clock by which every event takes so many seconds: one of them is longer than a slice."""
    return itertools.count(0.0, step).__next__


def projected_of(root: Path, numbers: range = range(12), **shape: Any) -> Projected:
    """A log of several files and its report of several files, one batch an event."""
    projected = Projected(root, Report(str(root), "en", **{"rotate_bytes": 400, **shape}))
    projected.log.rotate_bytes = 700
    for number in numbers:
        projected.take(event(number))
    return projected


def own(files: dict[str, bytes]) -> dict[str, bytes]:
    """Those of some report files that are no kept ones."""
    return {name: content for name, content in files.items() if "before" not in name}


def kept(files: dict[str, bytes]) -> list[bytes]:
    """The contents of the kept ones, in the order of their numbers."""
    names = [name for name in files if name.startswith("quality_report-before-log-loss")]
    return [files[name] for name in sorted(names, key=lambda name: (len(name), name))]


def rotated_logs(root: Path) -> list[Path]:
    """The rotated files of the log, oldest first."""
    return sorted(root.glob("decisions-*.jsonl"))


def new_inode(root: Path) -> None:
    """Save the report as an editor does: another file with the same content."""
    path = root / "quality_report.txt"
    shutil.copy(path, root / "copy")
    (root / "copy").rename(path)


class TestSlices:
    """The log is held for a slice at a time, and the old report stands until the new one is whole."""

    def test_the_old_report_stands_until_the_new_one_is_whole(self, root: Path) -> None:
        """While another language is on its way what is logged is not reported; then all of it is there."""
        projected = projected_of(root)
        before = files_of(root)
        projected.report = Report(str(root), "zh", rotate_bytes=400, monotonic=ticking())
        shares: list[float] = []
        for number in range(12, 15):
            projected.take(event(number))
            shares.append(projected.report.pending or 0.0)
            assert before == files_of(root)
        while projected.report.pending is not None:
            projected.take()

        assert sorted(shares) == shares
        assert 0 < shares[0] < shares[2] < 1
        whole = files_of(root)
        assert whole.keys() == own(whole).keys()
        projected.report = Report(str(root), "zh", rotate_bytes=400)
        projected.rebuild()
        assert whole == files_of(root)
        assert 15 == sum(content.count(b"[outputs_") for content in whole.values())

    def test_a_report_far_behind_catches_up_in_slices(self, root: Path) -> None:
        """After it could not be written for long, what is missing is appended a slice at a time."""
        projected = projected_of(root, range(2))
        with projected.log.locked():
            projected.log.append([event(number) for number in range(2, 5)])
        projected.report._monotonic = ticking()
        counts = []
        for _ in range(3):
            projected.take()
            counts.append(
                (
                    sum(c.count(b"[outputs_") for c in files_of(root).values()),
                    projected.report.pending is None,
                )
            )

        assert [(3, False), (4, False), (5, True)] == counts

    def test_another_process_goes_on_with_it(self, root: Path) -> None:
        """A daemon that was killed goes on where its rebuild stood, for the progress lies beside the files."""
        projected = projected_of(root)
        slices = 0
        projected.reported = Reported()
        while True:
            projected.report = Report(str(root), "en", rotate_bytes=400, monotonic=ticking())
            projected.take()
            slices += 1
            if projected.report.pending is None:
                break

        assert 12 == slices

    def test_what_another_process_ended_is_not_waited_for(self, root: Path) -> None:
        """A run whose rebuild somebody else brought to its end has nothing more to do."""
        projected = projected_of(root)
        waiting = Report(str(root), "zh", rotate_bytes=400, monotonic=ticking())
        with projected.log.locked():
            waiting.project(projected.log, projected.reported)
            ended = Report(str(root), "zh", rotate_bytes=400).project(projected.log, projected.reported)
            pending = waiting.pending
            assert ended == waiting.project(projected.log, ended)

        assert (True, None) == (pending is not None, waiting.pending)

    def test_an_abandoned_rebuild_is_cleaned_up(self, root: Path) -> None:
        """At the start nothing is left of a rebuild to a shape that nobody wants, but what is under way stays."""
        projected = projected_of(root)
        wanted = Report(str(root), "zh", rotate_bytes=400, monotonic=ticking())
        with projected.log.locked():
            for report in (wanted, Report(str(root), "en", rotate_bytes=500, monotonic=ticking())):
                report.project(projected.log, projected.reported)
            assert 2 == len(names_in(root / ".emosieve" / "rebuild"))
            wanted.clean(projected.log, projected.reported)
            assert [wanted.shape.layout] == names_in(root / ".emosieve" / "rebuild")
            projected.report.clean(projected.log, projected.reported)
            assert not (root / ".emosieve" / "rebuild").exists()

    def test_a_rebuild_asked_for_begins_anew(self, root: Path) -> None:
        """What an earlier one left is not believed: somebody who edits the log asks for all of it."""
        projected = projected_of(root, range(3), rotate_bytes=10_000)
        report = Report(str(root), "en", rotate_bytes=10_000, monotonic=ticking())
        with projected.log.locked():
            assert report.rebuild(projected.log, projected.reported) is None
        path = next((root / ".emosieve" / "rebuild").iterdir()) / "quality_report.txt"
        path.write_bytes(path.read_bytes().replace(b"outputs_0", b"outputs_X"))
        projected.rebuild()

        assert "outputs_X" not in (root / "quality_report.txt").read_text()

    def test_damaged_progress_begins_anew(self, root: Path) -> None:
        """Files that are shorter than their progress says, or are gone, or progress that cannot be read."""
        projected = projected_of(root)
        whole = files_of(root)
        for damage in ("shorter", "gone", "replaced", "unreadable", "another tally"):
            projected.report = Report(str(root), "en", rotate_bytes=400, monotonic=ticking())
            projected.reported = Reported()
            projected.take()
            directory = next((root / ".emosieve" / "rebuild").iterdir())
            path, progress = directory / "quality_report.txt", directory / "progress"
            if damage == "shorter":
                os.truncate(path, 30)
            elif damage == "gone":
                path.unlink()
            elif damage == "replaced":
                shutil.copy(path, directory / "copy")
                (directory / "copy").rename(path)
            elif damage == "unreadable":
                progress.write_bytes(b"{")
            else:
                progress.write_bytes(progress.read_bytes().replace(b'"normal":', b'"normally":'))
            while projected.report.pending is not None:
                projected.take()
            assert whole == files_of(root)


class TestDeaths:
    """Whatever step a rebuild dies at, the next run ends it, and no file of another report is left."""

    @pytest.mark.parametrize("keep", [0, 2])
    def test_rotations_of_a_slice_that_died_are_undone(self, root: Path, keep: int) -> None:
        """Where several files were rotated since the progress was saved, they get the same names again."""
        projected = projected_of(root, rotate_bytes=150, keep=keep)
        whole = files_of(root)
        new_inode(root)
        projected.report._monotonic = ticking(0.13)
        projected.take()
        (progress,) = root.glob(".emosieve/rebuild/*/progress")
        saved = progress.read_bytes()
        projected.take()
        assert saved != progress.read_bytes()
        progress.write_bytes(saved)
        while projected.report.pending is not None:
            projected.take()

        assert whole == files_of(root)

    def test_a_swap_that_died_is_ended_first(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """At each of its renames and removals, by a run that wants another shape, nothing is kept aside."""
        whole = self._rebuilt(root / "whole", 300, -1, monkeypatch)
        deaths = 0
        while True:
            found = self._rebuilt(root / str(deaths), 300, deaths, monkeypatch)
            if found is None:
                break
            assert whole == found
            deaths += 1

        assert deaths > len(whole or {})

    def _rebuilt(
        self, root: Path, rotate_bytes: int, death: int, monkeypatch: pytest.MonkeyPatch
    ) -> dict[str, bytes] | None:
        """Report files after a rebuild that died at some rename or removal, and a batch; None without a death."""
        root.mkdir(parents=True)
        projected = projected_of(root)
        report = Report(str(root), "en", rotate_bytes=600)
        count = itertools.count()
        died = False

        def mortal(real: Callable[..., None]) -> Callable[..., None]:
            def call(*arguments: Any, **more: Any) -> None:
                nonlocal died
                if next(count) == death:
                    died = True
                    raise KeyboardInterrupt
                real(*arguments, **more)

            return call

        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", mortal(os.rename))
            patch.setattr(os, "unlink", mortal(os.unlink))
            try:
                with projected.log.locked():
                    projected.reported = report.rebuild(projected.log, projected.reported) or Reported()
            except KeyboardInterrupt:
                pass
        if death >= 0 and not died:
            return None
        projected.report = Report(str(root), "en", rotate_bytes=rotate_bytes)
        projected.take(event(12))
        while projected.report.pending is not None:
            projected.take()
        assert not (root / ".emosieve" / "rebuild").exists() or death >= 0
        return files_of(root)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(1, 9)), max_size=4), max_size=6),
    st.sampled_from([150, 400, 10_000]),
    st.sampled_from([0, 1, 2]),
    st.tuples(st.lists(st.booleans(), max_size=12), st.sampled_from([1.0, 0.2, 0.07])),
)
def test_slices_with_deaths_between_give_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[tuple[str, int]]],
    rotate_bytes: int,
    keep: int,
    pace: tuple[list[bool], float],
) -> None:
    """Rebuilt a few events at a time, and from an older progress where a run died before it saved its own."""
    root = tmp_path_factory.mktemp("outputs")
    projected = Projected(root, Report(str(root), "zh", rotate_bytes=rotate_bytes, keep=keep))
    projected.take_batches(batches)
    live = files_of(root)
    if (root / "quality_report.txt").exists():
        new_inode(root)
    dying, step = iter(pace[0]), pace[1]
    while True:
        projected.report = Report(
            str(root), "zh", rotate_bytes=rotate_bytes, keep=keep, monotonic=ticking(step)
        )
        made = [
            *root.glob(".emosieve/rebuild/*/progress"),
            *root.glob(".emosieve/rebuild/*/quality_report-*"),
        ]
        saved = [(path, path.read_bytes()) for path in made]
        projected.take()
        if projected.report.pending is None:
            break
        if next(dying, False):
            for path, content in saved:
                # Old rotated files are dropped after the progress is saved, so a run that died before has them all.
                if path.name == "progress" or not path.exists():
                    path.write_bytes(content)

    assert live == files_of(root)


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink()


def _replace_all(root: Path) -> None:
    for path in rotated_logs(root):
        path.write_bytes(b"")
    (root / "decisions.jsonl").write_text("{}\n")


def _cut_line(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[1:]))


LOSSES: dict[str, Callable[[Path], None]] = {
    "rotated files archived": lambda root: _remove(*rotated_logs(root)),
    "the oldest file gone": lambda root: _remove(rotated_logs(root)[0]),
    "a file in the middle gone": lambda root: _remove(rotated_logs(root)[1]),
    "the newest file gone": lambda root: _remove(root / "decisions.jsonl"),
    "the newest file emptied": lambda root: os.truncate(root / "decisions.jsonl", 0),
    "all files gone": lambda root: _remove(*root.glob("decisions*.jsonl")),
    "another log": _replace_all,
    "a line cut out": lambda root: _cut_line(rotated_logs(root)[1]),
    "a line cut out of the newest file": lambda root: _cut_line(root / "decisions.jsonl"),
}


class TestLosses:
    """No entry of a report is lost with the log that held it."""

    @pytest.mark.parametrize("loss", LOSSES)
    @pytest.mark.parametrize("trigger", ["an editor", "a lost checkpoint", "another size", "by hand"])
    def test_a_report_that_says_more_than_the_log_is_kept(self, root: Path, loss: str, trigger: str) -> None:
        """Whatever was lost of the log, and whyever the report is rebuilt, its files are kept, and it is told once."""
        projected = projected_of(root)
        before = files_of(root)
        LOSSES[loss](root)
        if trigger == "an editor":
            new_inode(root)
        elif trigger == "a lost checkpoint":
            projected.reported = Reported()
        elif trigger == "another size":
            projected.report.rotate_bytes = 600
        with capture_logs() as told:
            if trigger == "by hand":
                projected.rebuild()
            for number in range(20, 23):
                projected.take(event(number))
        whole = files_of(root)

        assert sorted(before.values()) == sorted(kept(whole))
        assert before["quality_report.txt"] == kept(whole)[-1]
        assert 1 == [one["event"] for one in told].count("report.kept")
        assert [one["event"] for one in told].count("decisions.cut") <= 1
        assert projected.reported.is_cut
        present = b"".join(own(whole).values())
        assert [1, 1, 1] == [present.count(b"[outputs_%d]" % number) for number in range(20, 23)]
        projected.rebuild()
        assert own(whole) == own(files_of(root))
        assert kept(whole) == kept(files_of(root))

    @pytest.mark.parametrize("death", range(4))
    def test_a_death_while_old_reports_are_kept_loses_none(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, death: int
    ) -> None:
        """Whichever of the renames a run dies at, all of the old files are kept in the end, each once."""
        projected = projected_of(root)
        before = files_of(root)
        LOSSES["the oldest file gone"](root)
        new_inode(root)
        rename, numbers = os.rename, itertools.count()

        def mortal(source: str, target: str) -> None:
            if "log-loss" in target and next(numbers) == death:
                raise KeyboardInterrupt
            rename(source, target)

        monkeypatch.setattr(os, "rename", mortal)
        with pytest.raises(KeyboardInterrupt):
            projected.take()
        projected.take(event(12))

        assert sorted(before.values()) == sorted(kept(files_of(root)))
        assert b"[outputs_12]" in files_of(root)["quality_report.txt"]

    @pytest.mark.parametrize(
        "change", ["language", "rotate_bytes", "keep", "checkpoint", "editor", "by hand"]
    )
    def test_nothing_is_kept_while_the_log_is_whole(self, root: Path, change: str) -> None:
        """A rebuild from all that was ever logged replaces the report without a word."""
        projected = projected_of(root)
        if change == "language":
            projected.report.language = "zh"
        elif change == "rotate_bytes":
            projected.report.rotate_bytes = 900
        elif change == "keep":
            projected.report.keep = 1
            new_inode(root)
        elif change == "checkpoint":
            projected.reported = Reported()
        elif change == "editor":
            new_inode(root)
        with capture_logs() as told:
            if change == "by hand":
                projected.rebuild()
            projected.take(event(12))

        assert [] == told
        assert files_of(root) == own(files_of(root))
        assert not projected.reported.is_cut
        assert b"[outputs_12]" in files_of(root)["quality_report.txt"]

    @pytest.mark.parametrize("loss", [None, "the oldest file gone", "a line cut out"])
    @pytest.mark.parametrize("slices", range(10))
    def test_a_report_that_is_replaced_in_the_middle_is_compared_anew(
        self, root: Path, loss: str | None, slices: int
    ) -> None:
        """An editor that saves the report between two slices hides no entry of it, and makes up none."""
        projected = projected_of(root)
        before = files_of(root)
        if loss is not None:
            LOSSES[loss](root)
        projected.report = Report(str(root), "en", rotate_bytes=600, monotonic=ticking())
        for number in range(slices):
            projected.take()
            if number == slices - 1:
                new_inode(root)
        while projected.report.pending is not None or not slices:
            projected.take()
            slices = 1

        assert (sorted(before.values()) if loss else []) == sorted(kept(files_of(root)))

    def test_a_log_that_is_lost_in_the_middle_begins_anew(self, root: Path) -> None:
        """What was made from the log that was there goes, and the old report, which has all of it, is kept."""
        projected = projected_of(root)
        before = files_of(root)
        projected.report = Report(str(root), "zh", rotate_bytes=10_000, monotonic=ticking())
        for _ in range(5):
            projected.take()
        LOSSES["all files gone"](root)
        projected.take(event(12))
        while projected.report.pending is not None:
            projected.take()

        assert sorted(before.values()) == sorted(kept(files_of(root)))
        assert 1 == files_of(root)["quality_report.txt"].count(b"[outputs_")

    def test_reports_that_were_dropped_need_no_log(self, root: Path) -> None:
        """With ``keep`` the log may have lost what the oldest reports said, as long as it holds the rest."""
        projected = projected_of(root, keep=1)
        logs = rotated_logs(root)
        for path in logs[:2]:
            path.unlink()
        projected.take(event(12))
        new_inode(root)
        with capture_logs() as told:
            projected.take(event(13))

        assert [] == told
        assert files_of(root) == own(files_of(root))

    def test_a_lost_beginning_is_told_while_the_report_goes_on(self, root: Path) -> None:
        """Nothing is rewritten because rotated logs were archived, but it is said, once."""
        projected = projected_of(root)
        before = files_of(root)
        for path in rotated_logs(root)[:-1]:
            path.rename(path.with_suffix(".jsonl.gz"))
        with capture_logs() as told:
            for number in range(12, 20):
                projected.take(event(number))

        assert ["decisions.cut"] == [one["event"] for one in told]
        whole = files_of(root)
        assert before["quality_report.txt"] in b"".join(whole.values())
        assert 20 == sum(content.count(b"[outputs_") for content in whole.values())

    def test_the_beginning_is_found_under_its_rotated_name(self, root: Path) -> None:
        """A log that was rotated for the first time begins where it did."""
        projected = projected_of(root, range(1))
        with capture_logs() as told:
            for number in range(1, 12):
                projected.take(event(number))

        assert [] == told
        assert rotated_logs(root)[0].name == projected.reported.origin.file

    def test_a_second_loss_is_kept_beside_the_first(self, root: Path) -> None:
        """Kept reports are never written over, and never counted as reports again."""
        projected = projected_of(root, range(2), rotate_bytes=10_000)
        kept_before = []
        for number in range(2, 5):
            kept_before.append((root / "quality_report.txt").read_bytes())
            (root / "decisions.jsonl").unlink()
            projected.take(event(number))

        assert kept_before == kept(files_of(root))
        assert ["quality_report.txt"] == [*own(files_of(root))]

    @pytest.mark.parametrize("size", [0, 1, 12, 60, 200])
    def test_a_report_that_was_cut_is_written_again(self, root: Path, size: int) -> None:
        """Cut to nothing, in its title or in an entry, it is still ours, and nothing is set aside."""
        projected = projected_of(root, range(3), rotate_bytes=10_000)
        whole = files_of(root)
        os.truncate(root / "quality_report.txt", size)
        with capture_logs() as told:
            projected.take()

        assert [] == told
        assert whole == files_of(root)

    def test_a_foreign_report_beside_a_lost_log_is_named_as_what_it_is(self, root: Path) -> None:
        """Somebody's own file in the place of the report is none of the reports that are kept for the log."""
        projected = projected_of(root, range(3), rotate_bytes=10_000)
        (root / "decisions.jsonl").unlink()
        (root / "quality_report.txt").write_text("语音情感识别质量报告\n[outputs_1]\n")
        projected.take(event(3))

        assert ["quality_report-before-emosieve.txt", "quality_report.txt"] == [*files_of(root)]

    def test_a_report_that_another_program_wrote_over_is_set_aside(self, root: Path) -> None:
        """The very file that is ours, with what is not ours in it, is neither appended to nor cut."""
        projected = projected_of(root, range(3), rotate_bytes=10_000)
        foreign = "语音情感识别质量报告\n" * 100
        (root / "quality_report.txt").write_text(foreign)
        projected.take(event(3))

        files = files_of(root)
        assert foreign == files["quality_report-before-emosieve.txt"].decode()
        assert 4 == files["quality_report.txt"].count(b"[outputs_")

    def test_a_foreign_file_with_a_rotated_name_is_set_aside(self, root: Path) -> None:
        """A rebuild removes old reports of ours alone."""
        projected = projected_of(root, range(3), rotate_bytes=10_000)
        (root / "quality_report-20200101T000000.000000Z.txt").write_text("mine")
        projected.rebuild()

        assert b"mine" == files_of(root)["quality_report-before-emosieve.txt"]

    def test_old_rotated_reports_go_with_a_larger_size(self, root: Path) -> None:
        """Files that the new report does not have are removed, for it holds what they say."""
        projected = projected_of(root)
        projected.report.rotate_bytes = 10_000
        projected.take()

        assert ["quality_report.txt"] == [*files_of(root)]


class TestLossOf:
    """What ``status`` and ``check`` are told, which read and write nothing."""

    def test_a_whole_log_has_lost_nothing(self, root: Path) -> None:
        """Neither before the first event nor later."""
        assert Loss() == loss_of(DecisionLog(str(root)))
        projected = projected_of(root)
        save_checkpoint(str(root), Checkpoint(reported=projected.reported))

        assert Loss() == loss_of(projected.log)

    @pytest.mark.parametrize("loss", ["rotated files archived", "the newest file emptied", "all files gone"])
    def test_a_log_that_was_cut_is_found(self, root: Path, loss: str) -> None:
        """Before any other event, and after the report was made anew, where the kept ones are named as well."""
        projected = projected_of(root)
        save_checkpoint(str(root), Checkpoint(reported=projected.reported))
        LOSSES[loss](root)
        assert Loss(is_cut=True) == loss_of(projected.log)
        new_inode(root)
        projected.take(event(12))
        save_checkpoint(str(root), Checkpoint(reported=projected.reported))
        found = loss_of(projected.log)

        assert found.is_cut
        assert "quality_report-before-log-loss.txt" == found.kept[0]
        assert len(kept(files_of(root))) == len(found.kept)

    def test_what_was_seen_to_is_told_no_more(self, root: Path) -> None:
        """After a rebuild by hand, and once the kept reports lie elsewhere."""
        projected = projected_of(root)
        LOSSES["rotated files archived"](root)
        projected.rebuild()
        projected.rebuild()
        save_checkpoint(str(root), Checkpoint(reported=projected.reported))
        for path in root.glob("quality_report-before-log-loss*"):
            path.unlink()

        assert Loss() == loss_of(projected.log)
