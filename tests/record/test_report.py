"""The report as a projection: appended live, mended, and rebuilt to the same bytes."""

import errno
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from emosieve.record.report import Report
from emosieve.record.report_rebuild import Rebuild
from projected import EVENTS, Projected, event, files_of


class TestProjection:
    """What stands in the report follows from the log alone."""

    def test_entries_are_appended(self, root: Path) -> None:
        """Each batch adds its entries behind the title and those before."""
        projected = Projected(root)
        projected.take(event(1))
        projected.take(event(2))

        text = (root / "quality_report.txt").read_text()
        assert text.startswith("emosieve quality report\n")
        assert 0 < text.index("[outputs_1]") < text.index("[outputs_2]")

    def test_nothing_decided_makes_no_report(self, root: Path) -> None:
        """Before the first event there is no file."""
        Projected(root).take()

        assert {} == files_of(root)

    def test_a_first_report_is_made_in_its_place(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beside another one it is made where that stands, or was."""
        made: list[str] = []
        monkeypatch.setattr(Rebuild, "advance", lambda *_: made.append("beside"))
        projected = Projected(root)
        projected.take()
        projected.take(event(1))

        assert [] == made
        assert "[outputs_1]" in (root / "quality_report.txt").read_text()

    def test_a_block_stands_before_the_first_event_of_a_later_day(self, root: Path) -> None:
        """The day's block comes when the next day begins, by the events' own dates."""
        projected = Projected(root)
        projected.take(event(1, day=4))
        assert "Summary" not in (root / "quality_report.txt").read_text()
        projected.take(event(2, day=6))

        text = (root / "quality_report.txt").read_text()
        assert text.index("[outputs_1]") < text.index("Summary (2024-01-04)") < text.index("[outputs_2]")

    def test_a_clock_that_went_back_makes_no_second_block(self, root: Path) -> None:
        """An event dated the day before counts to the day at hand."""
        projected = Projected(root)
        projected.take(event(1, day=4), event(2, day=3), event(3, day=5))

        text = (root / "quality_report.txt").read_text()
        assert 1 == text.count("Summary")
        assert "Total tasks: 2\n" in text

    def test_a_clock_that_was_far_ahead_ends_no_later_day(self, root: Path) -> None:
        """An event dated more than a day before begins a day, so that one wrong date is not the last of all."""
        projected = Projected(root)
        wrong = {**event(2), "time": "2500-01-01T00:00:00+00:00"}
        projected.take(event(1, day=4), wrong, event(3, day=4), event(4, day=5))

        days = re.findall(r"Summary \((.*)\)", (root / "quality_report.txt").read_text())
        assert ["2024-01-04", "2500-01-01", "2024-01-04"] == days

    def test_a_date_that_is_none_begins_no_day(self, root: Path) -> None:
        """A line edited by hand counts to the day at hand."""
        projected = Projected(root)
        projected.take(event(1, day=4), {**event(2), "time": "2024-00-31T00:00:00+00:00"}, event(3, day=5))

        assert "Total tasks: 2\n" in (root / "quality_report.txt").read_text()

    def test_a_day_without_decisions_has_no_block(self, root: Path) -> None:
        """A day on which something failed and nothing else is not summed up."""
        projected = Projected(root)
        projected.take(event(1, "failed", day=4), event(2, day=5))

        assert "Summary" not in (root / "quality_report.txt").read_text()

    def test_a_sweep_has_its_block_at_once(self, root: Path) -> None:
        """The block of a sweep stands where the sweep ended."""
        projected = Projected(root)
        projected.take(event(1), event(2, "swept"))

        assert "Summary (sweep" in (root / "quality_report.txt").read_text()


class TestMending:
    """A report that is not as it was left is made right."""

    def test_what_a_dead_run_wrote_is_written_again_not_doubled(self, root: Path) -> None:
        """Bytes beyond the checkpoint's size are replaced by the same projection."""
        projected = Projected(root)
        projected.take(event(1))
        before = projected.reported
        projected.take(event(2))
        with (root / "quality_report.txt").open("ab") as file:
            file.write(b"[outputs_3]\nhalf an ent")
        projected.reported = before
        projected.take()

        text = (root / "quality_report.txt").read_text()
        assert (1, 1, 0) == (text.count("[outputs_1]"), text.count("[outputs_2]"), text.count("outputs_3"))

    @pytest.mark.parametrize("damage", ["missing", "shortened", "replaced"])
    def test_a_damaged_report_is_rebuilt(self, root: Path, damage: str) -> None:
        """A report that was deleted, cut or replaced comes back whole with the next batch."""
        projected = Projected(root)
        projected.take(event(1))
        path = root / "quality_report.txt"
        whole = path.read_bytes()
        path.unlink()
        if damage != "missing":
            path.write_bytes(whole[:-40] if damage == "shortened" else whole + b"more")
        projected.take(event(2))

        text = path.read_text()
        assert text.startswith(whole.decode())
        assert 1 == text.count("[outputs_2]")

    def test_what_only_adds_keeps_the_layout_that_stands(self, root: Path) -> None:
        """Another language, size and number of files kept change nothing: one entry is added, as their own would be."""
        projected = Projected(root, Report(str(root), "zh", 400))
        projected.take(*map(event, range(1, 5)))
        before = files_of(root)
        adding = Report(str(root), "en", 4096, keep=1)
        adding.keeps_layout = True
        projected.report, own = adding, projected.report
        projected.take(*map(event, range(5, 9)))
        after = files_of(root)
        projected.report = own
        projected.take()

        assert 1 < len(before) < len(after)
        assert after == files_of(root)
        projected.rebuild()
        assert after == files_of(root)

    def test_what_only_adds_in_the_same_layout_removes_nothing(self, root: Path) -> None:
        """How many files are kept is the daemon's to say."""
        projected = Projected(root, Report(str(root), "en", 400))
        projected.take(*map(event, range(1, 5)))
        projected.report = Report(str(root), "en", 400, keep=1)
        projected.report.keeps_layout = True
        projected.take(*map(event, range(5, 9)))

        assert 8 == sum(data.count(b"[outputs_") for data in files_of(root).values())

    def test_what_only_adds_mends_in_the_layout_that_stands(self, root: Path) -> None:
        """A report that somebody deleted comes back as it was."""
        projected = Projected(root, Report(str(root), "zh"))
        projected.take(event(1))
        before = files_of(root)
        (root / "quality_report.txt").unlink()
        projected.report = Report(str(root), "en")
        projected.report.keeps_layout = True
        projected.take()

        assert before == files_of(root)

    def test_what_only_adds_begins_a_report_in_its_own_language(self, root: Path) -> None:
        """Where none stands there is nothing to keep."""
        projected = Projected(root)
        projected.report.keeps_layout = True
        projected.take(event(1))

        assert "en" == projected.reported.language
        assert files_of(root)["quality_report.txt"].startswith(b"emosieve quality report")

    @pytest.mark.parametrize(
        "unknown", [{"language": None}, {"rotate_bytes": None}, {"language": "en"}, {"rotate_bytes": 5000}]
    )
    def test_a_layout_of_another_version_is_left_to_the_daemon(
        self, root: Path, unknown: dict[str, Any]
    ) -> None:
        """What only adds does not know how to go on, and rewrites nothing; the daemon goes on from there."""
        projected = Projected(root, Report(str(root), "zh"))
        projected.take(event(1))
        before, reported = files_of(root), projected.reported
        projected.reported = replace(reported, **unknown)
        own, projected.report = projected.report, Report(str(root), "en")
        projected.report.keeps_layout = True
        projected.take(event(2))
        assert (before, replace(reported, **unknown)) == (files_of(root), projected.reported)

        projected.report = own
        projected.take()
        assert 2 == files_of(root)["quality_report.txt"].count(b"[outputs_")

    def test_another_language_rebuilds(self, root: Path) -> None:
        """After the language is changed the whole report speaks it."""
        projected = Projected(root)
        projected.take(event(1))
        projected.report.language = "zh"
        projected.take(event(2))

        text = (root / "quality_report.txt").read_text()
        assert "Emotion" not in text
        assert 2 == text.count("情感: sad")

    @pytest.mark.parametrize("kind", ["file", "symlink", "directory"])
    def test_a_foreign_report_is_set_aside(self, root: Path, kind: str) -> None:
        """The article's report, or anything in its place, is kept under another name, never overwritten."""
        path = root / "quality_report.txt"
        (root / "quality_report-before-emosieve.txt").write_text("an older one")
        if kind == "file":
            path.write_text("语音情感识别质量报告\n")
        elif kind == "symlink":
            path.symlink_to("/etc/hostname")
        else:
            path.mkdir()
        with capture_logs() as events:
            Projected(root).take(event(1))

        aside = root / "quality_report-before-emosieve.2.txt"
        assert (kind == "symlink", kind == "directory") == (
            aside.is_symlink(),
            aside.is_dir() and kind != "symlink",
        )
        assert ["report.set_aside"] == [one["event"] for one in events]
        assert path.read_text().startswith("emosieve quality report")
        assert "an older one" == (root / "quality_report-before-emosieve.txt").read_text()

    @pytest.mark.parametrize("also", [[], [event(9)]], ids=["gone", "begun anew"])
    def test_a_report_without_its_log_is_set_aside(self, root: Path, also: list[dict[str, Any]]) -> None:
        """When somebody takes the log away, all of its report files are kept, and a new one begins."""
        projected = Projected(root, Report(str(root), "en", rotate_bytes=300))
        for number in range(5):
            projected.take(event(number))
        before = files_of(root)
        (root / "decisions.jsonl").unlink()
        projected.take(*also)
        projected.take(event(8))

        kept = {name: content for name, content in files_of(root).items() if "before-log-loss" in name}
        assert len(before) > 1
        assert sorted(before.values()) == sorted(kept.values())
        assert "[outputs_1]" not in (root / "quality_report.txt").read_text()
        assert "[outputs_8]" in (root / "quality_report.txt").read_text()

    def test_a_rebuild_that_fails_leaves_the_old_report(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A full disk in the middle of a rebuild costs nothing but the try."""
        projected = Projected(root)
        projected.take(event(1))
        before = files_of(root)

        def refuse(*_arguments: object, **_more: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("emosieve.record.report_writer.Writer.flush", refuse)
        with pytest.raises(OSError, match="No space"):
            projected.rebuild()

        assert before == files_of(root)
        assert not (root / ".emosieve" / "rebuild").exists()


class TestRotation:
    """By size, the same way live and rebuilt."""

    def test_a_full_report_is_rotated_under_its_last_events_time(self, root: Path) -> None:
        """Each file has the title, and the rotated one the UTC time of its last event."""
        projected = Projected(root, Report(str(root), "en", rotate_bytes=250))
        for number in range(3):
            projected.take(event(number))

        files = files_of(root)
        assert ["quality_report-20240104T143000.000001Z.txt", "quality_report.txt"] == list(files)
        assert all(content.startswith(b"emosieve quality report\n") for content in files.values())

    def test_only_so_many_are_kept(self, root: Path) -> None:
        """With ``keep`` the oldest rotated files go."""
        projected = Projected(root, Report(str(root), "en", rotate_bytes=100, keep=2))
        for number in range(8):
            projected.take(event(number))

        rotated = [name for name in files_of(root) if name != "quality_report.txt"]
        assert 2 == len(rotated)
        assert "[outputs_6]" in (root / rotated[-1]).read_text()

    def test_a_crash_after_a_rotation_is_mended(self, root: Path) -> None:
        """When a run dies between rotating and its checkpoint, the files come out as if it had not."""
        projected = Projected(root, Report(str(root), "en", rotate_bytes=300))
        projected.take(event(1), event(2))
        before = projected.reported
        projected.take(*[event(number) for number in range(3, 9)])
        whole = files_of(root)
        projected.reported = before
        projected.take()

        assert whole == files_of(root)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(1, 9)), max_size=4), max_size=6),
    st.sampled_from([150, 400, 10_000]),
    st.sampled_from([0, 1, 2]),
)
def test_a_rebuild_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[tuple[str, int]]],
    rotate_bytes: int,
    keep: int,
) -> None:
    """Whatever happened, in whatever batches, rebuilding from the log gives the very files of the live run."""
    root = tmp_path_factory.mktemp("outputs")
    projected = Projected(root, Report(str(root), "zh", rotate_bytes=rotate_bytes, keep=keep))
    projected.take_batches(batches)
    live = files_of(root)
    before = projected.reported
    projected.rebuild()

    assert live == files_of(root)
    assert (before.size, before.position) == (projected.reported.size, projected.reported.position)
    assert not os.path.lexists(root / ".emosieve" / "rebuild")
