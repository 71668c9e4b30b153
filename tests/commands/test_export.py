"""``emosieve export`` as an operator meets it."""

import csv
import gc
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from conftest import MakeTask, names_in, result_bytes
from emosieve.commands import export_files, export_rows
from emosieve.commands.export_files import harmless, written, xlsx_rows
from emosieve.commands.export_rows import COLUMNS, GONE, Row
from emosieve.errors import SetupError
from emosieve.record.decisions import DecisionLog
from emosieve.record.standing import standing
from log_lines import LOG, SECOND, Line
from process import EMOSIEVE, overrides, run

QUICK = overrides(settle__quiet_seconds=0.05)
openpyxl = pytest.importorskip("openpyxl", reason="reads workbooks back")


@pytest.fixture
def filed(root: Path, make_task: MakeTask) -> Path:
    """A root with three filed tasks."""
    make_task("outputs_1", result_bytes(0.9, file="agent17_a.wav"))
    make_task("outputs_2", result_bytes(0.41, "sad", file="=1+1"))
    make_task("outputs_3", result_bytes(0.3))
    assert run("sweep", root, *QUICK).returncode == 0
    return root


def write_log(root: Path, log: list[Line]) -> None:
    """A decision log."""
    (root / "decisions.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in log))


def table(*arguments: str | Path, **environment: str) -> list[dict[str, str]]:
    """What a successful export says on stdout, a row each."""
    ended = run("export", *arguments, **environment)
    assert (0, "") == (ended.returncode, ended.stderr)
    return list(csv.DictReader(io.StringIO(ended.stdout.removeprefix("\ufeff"))))


def objects(root: Path, *arguments: str) -> list[dict[str, Any]]:
    """The same as JSON lines."""
    path = root.parent / "objects.jsonl"
    assert run("export", root, "--force", "--output", path, *arguments).returncode == 0
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class TestRows:
    """What stands in them."""

    def test_each_decision_has_its_row(self, filed: Path) -> None:
        """In the order of the log, with what is known of it."""
        rows = table(filed)
        second = rows[1]

        assert list(COLUMNS) == list(second)
        assert ["outputs_1", "outputs_2", "outputs_3"] == [row["task"] for row in rows]
        assert ["agent17_a.wav", "'=1+1", ""] == [row["source"] for row in rows]
        assert ["normal", "low_quality", "low_quality"] == [row["verdict"] for row in rows]
        assert ("decided", "sad", "0.41", "0.59", "0.41", "default") == tuple(
            second[key] for key in ("event", "emotion", "confidence", "top1", "top2", "profile")
        )
        assert ("0.41", "0.59", "") == tuple(second[f"score_{name}"] for name in ("sad", "neutral", "angry"))
        assert str(filed / "low_quality" / "outputs_2") == second["path"]

    @pytest.mark.parametrize(
        ("language", "reason", "flag"),
        [
            ("en", "low main confidence (0.410)", "scores and main emotion disagree (by 0.180)"),
            ("zh", "主情感置信度低 (0.410)", "得分与主情感不一致 (相差0.180)"),
        ],
    )
    def test_reasons_are_in_the_operators_language(
        self, filed: Path, language: str, reason: str, flag: str
    ) -> None:
        """Names of rules, columns and verdicts stay as they are, for programs."""
        second = table(filed, EMOSIEVE_LANGUAGE=language)[1]

        assert (reason, flag) == (second["reasons"], second["flags"])
        assert second["rules"] == "low_confidence; scores_inconsistent"

    def test_they_are_those_that_stand(self, root: Path) -> None:
        """A superseded, restored or reclassified decision is replaced by what followed it."""
        write_log(root, LOG)
        found = {row["task"]: (row["event"], row["verdict"], row["time"]) for row in table(root)}

        assert ("restored", "normal", SECOND["time"]) == found["outputs_2"]
        assert ("reclassified", "low_quality", "2024-01-04T10:03:00+08:00") == found["outputs_4"]
        assert ("quarantined", "quarantined", "2024-01-04T10:05:00+08:00") == found["outputs_6"]
        assert ("decided", "normal", "2024-01-05T00:01:00+08:00") == found["outputs_7"]
        assert {f"outputs_{number}" for number in range(1, 9)} == set(found)

    def test_who_restored_and_why_it_was_quarantined_are_reasons(self, root: Path) -> None:
        """They have no findings."""
        write_log(root, LOG)
        found = {row["task"]: row["reasons"] for row in table(root)}

        assert ("restored by hand", "is empty") == (found["outputs_2"], found["outputs_6"])

    def test_where_they_stand_now(self, filed: Path) -> None:
        """What was restored stands on the other side; nothing stands where it was taken away."""
        assert run("restore", filed / "low_quality" / "outputs_2").returncode == 0
        shutil.rmtree(filed / "normal" / "outputs_1")
        found = {row["task"]: row["path"] for row in table(filed)}

        assert str(filed / "normal" / "outputs_2") == found["outputs_2"]
        assert found["outputs_1"] == GONE

    def test_another_task_in_its_place_is_not_it(self, filed: Path) -> None:
        """A name is used again; the directory tells."""
        shutil.rmtree(filed / "low_quality" / "outputs_3")
        (filed / "low_quality" / "keep").mkdir()
        (filed / "low_quality" / "outputs_3").mkdir()
        (log := filed / "decisions.jsonl").write_bytes(
            log.read_bytes().replace(b'"directory":[', b'"born":1,"directory":[')
        )

        assert {GONE} == {row["path"] for row in table(filed) if row["task"] == "outputs_3"}

    def test_a_move_that_is_still_to_be_made(self, filed: Path) -> None:
        """The very directory still stands in the inbox."""
        (filed / "normal" / "outputs_1").rename(filed / "outputs_1")

        assert str(filed / "outputs_1") == table(filed)[0]["path"]

    def test_json_lines_have_the_same_keys(self, filed: Path) -> None:
        """Lists and objects stay what they are; what is not known is null."""
        first, second, _ = objects(filed)

        assert set(Row.__dataclass_fields__) == set(first) == set(second)
        assert (["low_confidence", "scores_inconsistent"], {"sad": 0.41, "neutral": 0.59}, None) == (
            second["rules"],
            second["scores"],
            second["audio"],
        )
        assert ("agent17_a.wav", 0.9) == (first["source"], first["confidence"])

    def test_the_audio_has_its_columns(self, root: Path) -> None:
        """As it was measured; a negative level is a number and no formula."""
        write_log(root, [{**SECOND, "audio": {"rms_dbfs": -20.5, "snr_db": 12, "audio_files": 1}}])

        assert ("-20.5", "12", "") == tuple(
            table(root)[0][key] for key in ("rms_dbfs", "snr_db", "speech_seconds")
        )

    @pytest.mark.parametrize(
        ("options", "tasks"),
        [
            (["--verdict", "low_quality"], "3458"),
            (["--verdict", "quarantined"], "6"),
            (["--rule", "ambiguous"], "3"),
            (["--emotion", "生气"], ""),
            (["--emotion", "happy"], "47"),
            (["--max-confidence", "0.4"], "25"),
            (["--since", "2024-01-05", "--until", "2024-01-05"], "57"),
            (["--source", "agent?_*"], "1"),
            (["--source", "Agent*"], ""),
        ],
    )
    def test_filters(self, root: Path, options: list[str], tasks: str) -> None:
        """By what stands, and by when it was decided."""
        write_log(root, [{**LOG[0], "source": "agent1_a.wav"}, *LOG[1:]])
        found = table(root, *options, *overrides(timezone="Asia/Shanghai"))

        assert sorted(tasks) == sorted(row["task"].removeprefix("outputs_") for row in found)

    def test_rotated_files_are_read(self, root: Path) -> None:
        """The whole log is exported."""
        write_log(root, LOG[:3])
        (root / "decisions.jsonl").rename(root / "decisions-20240104T000000.000000Z.jsonl")
        write_log(root, LOG[3:])

        assert len(table(root)) == 8

    def test_foreign_lines_are_counted(self, root: Path) -> None:
        """They are left out, and that is said."""
        write_log(root, [SECOND, {**SECOND, "verdict": "splendid"}, {**SECOND, "time": "yesterday"}])
        write_log(root, [{**SECOND, "verdict": 3}, {**SECOND, "time": "x", "task": "outputs_9"}, SECOND])
        ended = run("export", root, "--since", "2020-01-01")

        assert ended.stderr == "emosieve: lines of the log left out, for they are of a foreign shape: 2\n"
        assert len(ended.stdout.splitlines()) == 2

    def test_a_place_of_an_edited_line(self, root: Path) -> None:
        """Whatever it says, nothing stands there."""
        write_log(root, [{**SECOND, "destination": "a\0b"}, {**LOG[0], "destination": None}])

        assert [GONE, GONE] == [row["path"] for row in table(root)]

    def test_nothing_was_decided_yet(self, root: Path) -> None:
        """The headings stand alone."""
        assert [] == table(root)


class TestFiles:
    """How they are written."""

    def test_excel_opens_the_table_as_it_is(self, filed: Path, tmp_path: Path) -> None:
        """A byte order mark, CR LF, and Chinese as UTF-8."""
        path = tmp_path / "a.csv"
        ended = run("export", filed, "-o", path, EMOSIEVE_LANGUAGE="zh")
        data = path.read_bytes()

        assert f"已导出 3 个判定 → {path}\n" == ended.stdout
        assert data.startswith(b"\xef\xbb\xbftime,task,")
        assert data.count(b"\r\n") == data.count(b"\n") == 4
        assert "主情感置信度低".encode() in data
        assert data == run_bytes("export", filed, EMOSIEVE_LANGUAGE="zh")

    @pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
    def test_no_text_is_a_formula(self, sign: str) -> None:
        """An apostrophe stands before one that a spreadsheet would take for it."""
        assert [f"'{sign}1", f"1{sign}", -1.5, None, ""] == [
            harmless(cell) for cell in (f"{sign}1", f"1{sign}", -1.5, None, "")
        ]

    def test_a_source_is_no_formula(self, root: Path) -> None:
        """In the table it is text; in JSON lines it is as it was."""
        write_log(root, [{**SECOND, "source": "=1+1"}])

        assert ("'=1+1", "=1+1") == (table(root)[0]["source"], objects(root)[0]["source"])

    def test_a_workbook_has_numbers_and_text(self, root: Path, tmp_path: Path) -> None:
        """A formula or link in a name stays text, digits too."""
        names = ["=1+1", "https://host/a", "0017", "x" * 40_000]
        log = [{**SECOND, "task": f"outputs_{number}", "source": name} for number, name in enumerate(names)]
        write_log(root, log)
        path = tmp_path / "a.xlsx"
        assert run("export", root, "-o", path).returncode == 0
        (sheet,) = openpyxl.load_workbook(path).worksheets
        head, *rows = [[cell.value for cell in row] for row in sheet.iter_rows()]

        assert list(COLUMNS) == head
        assert [name[:32_767] for name in names] == [row[2] for row in rows]
        assert {"s"} == {sheet.cell(row, 3).data_type for row in range(2, 6)}
        assert (0.4, None) == (rows[0][head.index("confidence")], rows[0][head.index("top1")])

    def test_a_full_sheet_is_followed_by_another(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each has its headings."""
        monkeypatch.setattr(export_files, "SHEET_ROWS", 3)
        write_log(tmp_path, [SECOND])
        (one,) = standing(DecisionLog(str(tmp_path)).read, list)
        row = export_rows.row_of(one, str(tmp_path), "en")
        with written(str(tmp_path / "a.xlsx"), xlsx_rows, may_replace=False) as write:
            for _ in range(5):
                write(row)
        sheets = openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets

        assert [3, 3, 2] == [sheet.max_row for sheet in sheets]
        assert {"time"} == {sheet.cell(1, 1).value for sheet in sheets}

    def test_without_its_writer_a_workbook_is_refused(self, root: Path, tmp_path: Path) -> None:
        """The answer names what to install, and nothing is left."""
        write_log(root, LOG)
        (tmp_path / "lib" / "xlsxwriter").mkdir(parents=True)
        (tmp_path / "lib" / "xlsxwriter" / "__init__.py").write_text("raise ImportError('not here')")
        ended = run("export", root, "-o", tmp_path / "a.xlsx", PYTHONPATH=str(tmp_path / "lib"))

        assert (2, "") == (ended.returncode, ended.stdout)
        assert "pip install 'emosieve[xlsx]'" in ended.stderr
        assert ["lib", "outputs"] == names_in(tmp_path)

    @pytest.mark.parametrize("name", ["a.csv", "a.xlsx", "a.jsonl", "A.CSV"])
    def test_a_file_is_replaced_only_when_asked(self, filed: Path, tmp_path: Path, name: str) -> None:
        """Else it stays as it is."""
        path = tmp_path / name
        path.write_text("mine")
        refused = run("export", filed, "-o", path)
        before = path.read_text()
        forced = run("export", filed, "-o", path, "--force")

        assert (2, "mine", 0) == (refused.returncode, before, forced.returncode)
        assert f"{path}: stands there already; " in refused.stderr
        assert path.read_bytes() != b"mine"
        assert {name, "outputs"} == set(names_in(tmp_path))

    def test_a_file_that_comes_meanwhile_stays(self, tmp_path: Path) -> None:
        """Whoever was there first keeps the name."""
        path = tmp_path / "a.csv"
        with (
            pytest.raises(SetupError, match="stands there already"),
            written(str(path), export_files.csv_rows, may_replace=False),
        ):
            path.write_text("mine")

        assert ("mine", ["a.csv"]) == (path.read_text(), names_in(tmp_path))

    def test_a_file_system_without_links(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The file is renamed, and still takes nobody's name."""

        def refuse(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr("os.link", refuse)
        path = tmp_path / "a.csv"
        with written(str(path), export_files.csv_rows, may_replace=False):
            pass
        first = path.read_bytes()
        with (
            pytest.raises(SetupError, match="stands there already"),
            written(str(path), export_files.csv_rows, may_replace=False),
        ):
            path.write_text("mine")

        assert first.startswith(b"\xef\xbb\xbftime")
        assert ("mine", ["a.csv"]) == (path.read_text(), names_in(tmp_path))

    # XlsxWriter leaves the file behind a sheet open where its book is never closed.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.parametrize("name", ["a.csv", "a.xlsx", "a.jsonl"])
    def test_what_fails_leaves_nothing(self, tmp_path: Path, name: str) -> None:
        """Neither half a file nor what was written aside; what stood there stands."""
        path = tmp_path / name
        path.write_text("old")
        form = export_files.format_of(str(path), may_replace=True)
        with pytest.raises(OSError, match="gone"), written(str(path), form, may_replace=True):
            raise OSError("the log is gone")
        gc.collect()

        assert ("old", [name]) == (path.read_text(), names_in(tmp_path))

    @pytest.mark.parametrize("name", ["a.csv", "a.xlsx", "a.jsonl"])
    def test_a_full_disk_leaves_nothing(self, root: Path, mounted: Any, tmp_path: Path, name: str) -> None:
        """The error is said, with status 1."""
        full = tmp_path / "full"
        full.mkdir()
        mounted("-t", "tmpfs", "-o", "size=64k", "tmpfs", full)
        write_log(
            root,
            [
                {**SECOND, "task": f"outputs_{number}", "time": f"2024-01-04T10:01:00.{number:06d}Z"}
                for number in range(3000)
            ],
        )
        ended = run("export", root, "-o", full / name)

        assert (1, "") == (ended.returncode, ended.stdout)
        assert "No space left on device" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert [] == names_in(full)

    def test_a_stop_leaves_nothing(self, root: Path, tmp_path: Path) -> None:
        """SIGTERM ends it, and what was written aside is removed."""
        line = orjson.dumps(SECOND) + b"\n"
        (root / "decisions.jsonl").write_bytes(line * 300_000)
        target = tmp_path / "target"
        target.mkdir()
        process = subprocess.Popen(
            [*EMOSIEVE, "export", root, "-o", target / "a.csv"], stderr=subprocess.PIPE
        )
        while not names_in(target):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)

        assert (143, b"", []) == (process.returncode, said, names_in(target))

    @pytest.mark.parametrize(
        ("output", "words"),
        [
            ("a.txt", "must end with .csv, .xlsx or .jsonl"),
            ("a", "must end with .csv, .xlsx or .jsonl"),
            ("nowhere/a.csv", "nowhere: there is no such folder"),
            ("outputs", "outputs: is a folder"),
            ("outputs/", "outputs: is a folder"),
        ],
    )
    def test_an_output_that_will_not_do(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, output: str, words: str
    ) -> None:
        """The answer says what to write instead."""
        monkeypatch.chdir(root.parent)
        ended = run("export", root, "-o", output)

        assert (2, "") == (ended.returncode, ended.stdout)
        assert words in ended.stderr

    def test_everybody_may_read_it_whom_the_umask_lets(self, filed: Path, tmp_path: Path) -> None:
        """As any file that a command makes."""
        old = os.umask(0o027)
        try:
            assert run("export", filed, "-o", tmp_path / "a.csv").returncode == 0
        finally:
            os.umask(old)

        assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o640

    def test_a_reader_that_leaves_is_no_error(self, root: Path) -> None:
        """``export | head`` ends in peace."""
        (root / "decisions.jsonl").write_bytes((orjson.dumps(SECOND) + b"\n") * 20_000)
        with subprocess.Popen(
            [*EMOSIEVE, "export", root], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.read(10)
            process.stdout.close()
            assert process.stderr is not None
            said = process.stderr.read()

        assert (0, b"") == (process.returncode, said)

    def test_what_a_daemon_appends_meanwhile_is_not_half_told(self, root: Path) -> None:
        """Both looks at the log end at the same line."""
        from emosieve.commands.export import _Rows
        from emosieve.record.breakdown import Period
        from emosieve.record.selection import Selection
        from log_lines import restored

        write_log(root, [LOG[0], SECOND])
        rows = iter(_Rows(str(root), Period(), Selection(), "en"))
        first = next(rows)
        path = root / "decisions.jsonl"
        path.rename(root / "decisions-20240104T000000.000000Z.jsonl")
        write_log(root, [restored(SECOND, "2024-01-05T09:00:00+08:00")])

        assert ["outputs_1", "outputs_2"] == [first.task, *(row.task for row in rows)]


def run_bytes(*arguments: str | Path, **environment: str) -> bytes:
    """Stdout of a command as it is."""
    command = [*EMOSIEVE, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environment}).stdout


def test_a_user_who_may_not_look_gets_the_logged_place(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be seen is not taken for gone."""

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    from emosieve.record.standing import Standing

    monkeypatch.setattr(export_rows, "identity_at", refuse)

    assert f"{root}/normal/outputs_2" == export_rows.path_of(
        Standing({**SECOND, "directory": [1, 2]}, "", "normal/outputs_2"), str(root)
    )


def test_a_python_without_the_extra_starts() -> None:
    """The command line does not import what only a workbook needs."""
    code = "import sys, emosieve.commands.cli, emosieve.commands.export_files; print('xlsxwriter' in sys.modules)"

    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )
