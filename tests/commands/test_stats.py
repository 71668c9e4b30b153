"""``emosieve stats`` as an operator meets it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.cells import cell_len

from conftest import MakeTask, read_log, result_bytes
from emosieve.commands.stats_text import ROWS_SHOWN
from emosieve.judge.rules import DEFAULT_ACTIONS
from log_lines import LOG, LOW, SECOND, Line, decided, finding, quarantined, superseding
from process import overrides, run

ZONE = overrides(timezone="Asia/Shanghai")


def write_log(root: Path, log: Sequence[Line], name: str = "decisions.jsonl") -> None:
    """Make a file of the decision log."""
    (root / name).write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in log))


def answer(*arguments: str | Path, **environment: str) -> str:
    """What a successful command says on stdout, while stderr stays silent."""
    ended = run("stats", *arguments, **environment)
    assert (0, "") == (ended.returncode, ended.stderr)
    return ended.stdout


def document(*arguments: str | Path) -> Any:
    """The same as JSON."""
    return json.loads(answer(*arguments, "--json"))


def rows(text: str) -> list[list[str]]:
    """Lines of a table, cell by cell."""
    return [re.split(r" {2,}", line.strip()) for line in text.splitlines()]


class TestPlain:
    """For people."""

    def test_the_tables(self, root: Path) -> None:
        """The numbers of the log written by hand, in English."""
        write_log(root, LOG)
        said = rows(answer(root))

        assert [[str(root)], ["Decisions: 7, 2024-01-04 10:00:00 – 2024-01-06 10:00:00"]] == said[:2]
        assert ["results", "7", "3"] in said
        assert ["mean confidence", "0.608", "0.700"] in said  # 3.65 / 6 and 2.10 / 3
        assert ["mean gap", "0.345", "0.500"] in said  # 2.07 / 6 and 1.50 / 3
        assert ["neutral share", "14.3%", "33.3%"] in said  # 1 of 7 and 1 of 3
        assert ["rejected", "57.1%", "-"] in said  # 4 of 7
        assert ["sad", "3", "1", "2", "66.7%", "0.417"] in said  # 1.25 / 3
        assert ["2024-01-04", "4", "2", "2", "50.0%", "1"] in said
        assert ["low_confidence", "3", "3", "0", "2"] in said

    def test_in_chinese(self, root: Path) -> None:
        """The same numbers under Chinese headings, and no English sentence."""
        write_log(root, LOG)
        said = answer(root, EMOSIEVE_LANGUAGE="zh")

        assert "7 个判定，2024-01-04 10:00:00 – 2024-01-06 10:00:00" in said
        assert ["平均置信度", "0.608", "0.700"] in rows(said)
        assert ["日期", "判定数", "正常", "低质量", "剔除率", "已隔离"] in rows(said)
        labels = {"sad", "happy", "neutral", "low_confidence", "ambiguous", "scores_missing"}
        assert labels == set(re.findall("[a-z_]{2,}", said.replace(str(root), "")))

    @pytest.mark.parametrize("language", ["en", "zh"])
    @pytest.mark.parametrize("options", [[], ["--with-profile", "psych_screening"]])
    def test_eighty_columns_hold_it(self, root: Path, language: str, options: list[str]) -> None:
        """No line is wider, whatever emotions and rules are called; but a path or command is never cut."""
        wide = finding("规则" * 40)
        hostile = ("\x1b[31m" * 12, 0.1, 0.1)
        lines = [
            decided(
                f"t{number}", f"{2024 + number}-01-04T10:00:00+08:00", "low_quality", numbers, [wide, LOW]
            )
            for number, numbers in enumerate([hostile, ("极度愤怒" * 16, 0.1, 0.1), ("x" * 64, 0.1, 0.1)])
        ]
        write_log(root, lines)
        said = answer(root, *options, EMOSIEVE_LANGUAGE=language)

        assert [] == [line for line in said.splitlines() if cell_len(line) > 80 and str(root) not in line]
        assert said.replace("\n", "").isprintable()

    def test_the_last_days_are_shown(self, root: Path) -> None:
        """Two weeks of days, the latest last, and how many are left out."""
        days = [{**SECOND, "time": f"2024-01-{day:02}T10:00:00+08:00"} for day in range(1, ROWS_SHOWN + 4)]
        write_log(root, days)
        said = answer(root)

        shown = re.findall(r"^2024-01-(\d\d) ", said, re.MULTILINE)
        assert [f"{day:02}" for day in range(4, ROWS_SHOWN + 4)] == shown
        assert "Earlier days not shown: 3; --json has all" in said
        assert ROWS_SHOWN + 3 == len(document(root)["days"])

    def test_rare_emotions_are_not_shown(self, root: Path) -> None:
        """A log full of labels of their own does not fill the screen."""
        labels = [{**SECOND, "emotion": f"label {number:02}"} for number in range(ROWS_SHOWN + 2)]
        write_log(root, labels)

        assert "Rarer emotions not shown: 2;" in answer(root)

    def test_foreign_lines_are_counted(self, root: Path) -> None:
        """Lines that hold no decision are told of, below the numbers."""
        write_log(root, [*LOG, {"event": "decided"}])

        assert "of a foreign shape: 1\n" in answer(root)
        assert (7, 1) == (document(root)["decided"], document(root)["unreadable"])

    @pytest.mark.parametrize(
        ("language", "words"),
        [("en", "No decisions yet. To file what stands there:"), ("zh", "还没有任何判定。分拣已有的任务：")],
    )
    @pytest.mark.parametrize("log", [None, []])
    def test_nothing_was_decided_yet(
        self, root: Path, log: list[Line] | None, language: str, words: str
    ) -> None:
        """Without a log, or with an empty one, it says so and what to do next; status 0."""
        if log is not None:
            write_log(root, log)

        expected = [str(root), words, f"  emosieve sweep {root}"]
        assert expected == answer(root, EMOSIEVE_LANGUAGE=language).splitlines()

    def test_a_root_that_is_not_there(self, root: Path) -> None:
        """Status 2, as for every command."""
        assert 2 == run("stats", root / "nowhere").returncode


class TestJson:
    """For programs."""

    def test_the_document(self, root: Path) -> None:
        """Every table, with its schema on top; numbers of the log written by hand."""
        write_log(root, LOG)
        said = document(root)

        assert ("schema", 1) == next(iter(said.items()))
        assert (None, None, str(root)) == (said["since"], said["until"], said["root"])
        assert ("2024-01-04T10:00:00+08:00", "2024-01-06T10:00:00+08:00") == (said["first"], said["last"])
        assert (7, 3, 4, 1, 0) == tuple(
            said[key] for key in ("decided", "normal", "low_quality", "quarantined", "unreadable")
        )
        assert pytest.approx(4 / 7) == said["rejection_rate"]
        assert {
            "count": 3,
            "mean_confidence": pytest.approx(0.7),
            "mean_gap": pytest.approx(0.5),
            "neutral_share": pytest.approx(1 / 3),
        } == said["effect"]["after"]
        assert {
            "emotion": "sad",
            "decided": 3,
            "normal": 1,
            "low_quality": 2,
            "rejection_rate": pytest.approx(2 / 3),
            "mean_confidence": pytest.approx(1.25 / 3),
        } == said["emotions"][0]
        assert {
            "day": "2024-01-05",
            "decided": 2,
            "normal": 1,
            "low_quality": 1,
            "rejection_rate": 0.5,
            "quarantined": 0,
        } == said["days"][1]
        assert {"rule": "ambiguous", "fired": 1, "rejects": 1, "flags": 0, "alone": 0} == said["rules"][1]
        assert said["comparison"] is None

    def test_an_empty_log_has_the_same_shape(self, root: Path) -> None:
        """Zeros, nulls and empty lists under the same keys."""
        empty = document(root)
        write_log(root, LOG)

        assert list(document(root)) == list(empty)
        assert (0, None, None, []) == (
            empty["decided"],
            empty["rejection_rate"],
            empty["first"],
            empty["days"],
        )

    def test_rotated_files_are_read(self, root: Path) -> None:
        """A log in three files gives the numbers of the same log in one."""
        write_log(root, LOG)
        whole = document(root, "--with-profile", "psych_screening")
        write_log(root, LOG[:3], "decisions-20240104T022000.000000Z.jsonl")
        write_log(root, LOG[3:9], "decisions-20240105T012000.000000Z.jsonl")
        write_log(root, LOG[9:])

        assert whole == document(root, "--with-profile", "psych_screening")


class TestPeriod:
    """``--since`` and ``--until``."""

    @pytest.mark.parametrize(
        ("options", "decisions"),
        [
            (["--since", "2024-01-05"], 3),
            (["--until", "2024-01-04"], 4),  # the 4th included
            (["--until", "2024-01-04T00:00"], 0),
            (["--since", "2024-01-04T10:02", "--until", "2024-01-05"], 4),
            (["--until", "2024-01-04T10:02:00"], 2),  # the decision of 10:02:00 is out
            (["--since", "2024-01-04T02:02:00Z", "--until", "2024-01-04T10:02:01"], 1),
            (["--since", "7d"], 0),
        ],
    )
    def test_decisions_of_a_period(self, root: Path, options: list[str], decisions: int) -> None:
        """Dates are those of the settings' time zone."""
        write_log(root, LOG)

        assert decisions == document(root, *options, *ZONE)["decided"]

    def test_the_time_zone_is_that_of_the_settings(self, root: Path) -> None:
        """The same date begins later in Europe: the 5th, 09:02 in Shanghai, is the 5th, 02:02 in Berlin."""
        write_log(root, LOG)
        berlin = document(root, "--since", "2024-01-05", *overrides(timezone="Europe/Berlin"))

        assert ("2024-01-05T00:00:00+01:00", 2) == (berlin["since"], berlin["decided"])

    def test_a_logged_time_without_offset_is_utc(self, root: Path) -> None:
        """As everywhere in the log, whatever the machine's zone."""
        write_log(root, [{**SECOND, "time": "2024-01-04T10:00:00"}])
        said = answer(root, "--since", "2024-01-04T10:00Z", TZ="Asia/Shanghai")

        assert "Decisions: 1, 2024-01-04 10:00:00" in said

    def test_a_period_without_decisions(self, root: Path) -> None:
        """It says so, and how to see more; status 0."""
        write_log(root, LOG)

        assert "No decisions in this period." in answer(root, "--since", "2025-01-01")

    def test_a_wrong_value(self, root: Path) -> None:
        """Status 2, and one line that shows what may be written."""
        ended = run("stats", root, "--since", "soon")

        assert (2, "", 1) == (ended.returncode, ended.stdout, ended.stderr.count("\n"))
        assert ended.stderr.startswith("emosieve: --since soon: write a date (2024-01-04)")


class TestComparison:
    """What other rules would do."""

    def test_a_profile_is_compared(self, root: Path) -> None:
        """At 0.5 the task of 0.50 is only flagged as ambiguous; that of 0.70, reclassified before, is normal."""
        write_log(root, LOG)
        said = answer(root, "--with-profile", "psych_screening")

        assert "Now:  profile psych_screening: min_confidence 0.5, ambiguous flag\n" in said
        assert "Left out: 1, since what a person decided stays\n" in said
        assert ["low_quality", "4", "2"] in rows(said)
        assert ["rejected", "66.7%", "33.3%"] in rows(said)
        assert ["low_quality → normal", "2"] in rows(said)
        assert said.endswith(f"  emosieve reclassify {root} --dry-run --profile psych_screening\n")

    def test_in_chinese(self, root: Path) -> None:
        """The comparison speaks Chinese too."""
        write_log(root, LOG)
        said = answer(root, "--with-profile", "psych_screening", EMOSIEVE_LANGUAGE="zh")

        assert "现在：预设 psych_screening：min_confidence 0.5、ambiguous 标记\n" in said
        assert ["低质量 → 正常", "2"] in rows(said)

    def test_rules_of_the_command_line_are_compared(self, root: Path) -> None:
        """--set on a rule asks the same question, and the next step repeats it."""
        write_log(root, LOG)
        said = answer(root, "--set", "rules.min_confidence=0.85")

        assert ["normal → low_quality", "1"] in rows(said)
        assert f"emosieve reclassify {root} --dry-run --set rules.min_confidence=0.85\n" in said

    def test_rules_as_by_default_are_told_by_their_profile(self, root: Path) -> None:
        """Where nothing differs from the defaults the profile's name says it all."""
        write_log(root, LOG)

        assert "Now:  profile default\n" in answer(root, "--set", "rules.min_gap=0.05")

    def test_the_actions_are_those_in_force(self, root: Path) -> None:
        """For a program every rule has what it does, auto resolved; people read what differs, wrapped."""
        write_log(root, LOG)
        own = 'rules.custom=[{name = "mine", when = "gap < 0.1"}]'
        options = ("--with-profile", "customer_service", "--set", own, "--set", "rules.min_top=0.3004")
        actions = document(root, *options)["comparison"]["actions"]
        said = answer(root, *options)

        assert [*DEFAULT_ACTIONS, "mine"] == list(actions)
        assert ("flag", "reject", "flag") == (actions["audio_missing"], actions["noisy"], actions["mine"])
        assert (
            "Now: profile customer_service: min_confidence 0.7, min_top 0.3004, too_short reject, no_speech "
            "reject, noisy reject, audio_missing flag, mine flag Left out: 1"
        ) in " ".join(said.split())
        (now,) = [line for line in said.splitlines() if line.startswith("Now:")]
        assert cell_len(now) <= 80

    @pytest.mark.parametrize("options", [["--profile", "customer_service"], ["--set", "log.level=error"]])
    def test_other_options_compare_nothing(self, root: Path, options: list[str]) -> None:
        """A profile of the settings is no question."""
        assert document(root, *options)["comparison"] is None

    def test_an_unknown_profile(self, root: Path) -> None:
        """Status 2, with the one that was meant."""
        ended = run("stats", root, "--with-profile", "custumer_service")

        assert 2 == ended.returncode
        assert "did you mean customer_service?" in ended.stderr

    def test_it_foretells_what_reclassify_does(self, root: Path, make_task: MakeTask) -> None:
        """On a root that was swept, restored and reclassified, both name the same number; nothing is written."""
        for number, confidence in enumerate([0.2, 0.45, 0.55, 0.59, 0.65, 0.68, 0.75, 0.95]):
            make_task(f"outputs_{number}", result_bytes(confidence))
        assert 0 == run("sweep", root, *overrides(settle__quiet_seconds=0.05)).returncode
        assert (
            0 == run("restore", root / "low_quality" / "outputs_0", root / "normal" / "outputs_4").returncode
        )
        assert 0 == run("reclassify", root, "--set", "rules.min_confidence=0.57").returncode
        log = read_log(root)
        said = document(root, "--with-profile", "customer_service")["comparison"]
        foretold = run("reclassify", root, "--dry-run", "--profile", "customer_service")

        # 0.59 and 0.68 stand in normal and would go; 0.65 stays where a person put it.
        assert (2, 0, 2) == (said["newly_rejected"], said["newly_accepted"], said["by_hand"])
        assert "would change sides: 2" in foretold.stdout
        assert {"outputs_3", "outputs_5"} == set(re.findall(r"normal/(outputs_\d)", foretold.stdout))
        assert log == read_log(root)


class TestSources:
    """By recording."""

    LOG = tuple(
        {**line, "source": source}
        for line, source in zip(
            LOG[:4], ("agent1_a.wav", "agent2_a.wav", "agent2_b.wav", "x.wav"), strict=True
        )
    )
    GROUP = ("--set", r"source.group=agent(\d)_")

    def test_the_table(self, root: Path) -> None:
        """By the group in their names, in place of the other tables; what has none stands together."""
        write_log(root, self.LOG)
        said = rows(answer(root, "--by", "source", *self.GROUP))

        assert [
            ["source", "decided", "normal", "low_quality", "rejected", "confidence"],
            ["2", "2", "0", "2", "100.0%", "0.450"],
            ["-", "1", "1", "0", "0.0%", "0.700"],
            ["1", "1", "1", "0", "0.0%", "0.900"],
        ] == said[3:]

    def test_in_chinese(self, root: Path) -> None:
        """The same in the operator's language."""
        write_log(root, self.LOG)
        said = rows(answer(root, "--by", "source", *self.GROUP, EMOSIEVE_LANGUAGE="zh"))

        assert ["来源", "判定数", "正常", "低质量", "剔除率", "平均置信度"] == said[3]

    def test_the_document(self, root: Path) -> None:
        """It has them beside all else, when they are asked for."""
        write_log(root, self.LOG)
        asked = document(root, "--by", "source", *self.GROUP)
        first = {"source": "2", "decided": 2, "normal": 0, "low_quality": 2, "rejection_rate": 1.0}

        assert {**first, "mean_confidence": 0.45} == asked.pop("sources")[0]
        assert document(root, *self.GROUP) == asked

    def test_rare_ones_are_not_shown(self, root: Path) -> None:
        """Their number is."""
        log = [
            {**SECOND, "task": str(number), "source": f"agent{number}_"} for number in range(ROWS_SHOWN + 2)
        ]
        write_log(root, log)
        said = answer(root, "--by", "source", "--set", r"source.group=agent(\d+)_")

        assert said.endswith("Sources with fewer decisions not shown: 2; --json has all\n")

    def test_decisions_of_some_recordings(self, root: Path) -> None:
        """What is taken back of others is not subtracted either."""
        newer = superseding({**SECOND, "source": "agent2_a.wav", "time": "2024-01-05T10:00:00+08:00"}, SECOND)
        write_log(
            root, [*self.LOG, {**newer, "supersedes": {**newer["supersedes"], "source": "agent2_a.wav"}}]
        )

        assert [2, 3, 0] == [
            document(root, "--source", glob)["decided"] for glob in ("agent2_*", "agent*", "Agent*")
        ]

    def test_quarantined_tasks_of_some_recordings(self, root: Path) -> None:
        """They are chosen by their recording as well."""
        write_log(root, [{**quarantined("outputs_5", SECOND["time"]), "source": "agent2_a.wav"}])

        assert [1, 0] == [document(root, "--source", glob)["quarantined"] for glob in ("agent2_*", "x*")]

    def test_a_comparison_stands_below(self, root: Path) -> None:
        """Both may be asked for at once."""
        write_log(root, self.LOG)
        said = answer(root, "--by", "source", *self.GROUP, "--with-profile", "customer_service")

        assert said.index("source  decided") < said.index("verdict")

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ([], "--by source needs source.group"),
            (["--set", "source.group=agent"], "has 0 groups"),
            (["--set", "source.group=("], "is no regular expression: "),
            (["--set", "source.group=(a|aa)+$"], "takes too long"),
        ],
    )
    def test_a_group_that_will_not_do(self, root: Path, options: list[str], words: str) -> None:
        """The answer says what to write."""
        write_log(root, [{**SECOND, "source": "a" * 200 + "!"}])
        ended = run("stats", root, "--by", "source", *options)

        assert (2, "") == (ended.returncode, ended.stdout)
        assert words in ended.stderr
