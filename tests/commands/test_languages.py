"""Answers and errors in the operator's language, and the next step in each of them."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import MakeTask, read_log, result_bytes
from emosieve.commands import cli
from emosieve.commands.cli import EXIT_STATUS
from process import EMOSIEVE, overrides, run

QUICK = overrides(settle__quiet_seconds=0.05)
WRONG = ["--set", "rules.min_gap=5"]
ENGLISH, CHINESE = "write 0.05", "请写 0.05"


@pytest.mark.parametrize(
    ("variables", "toml", "arguments", "expected"),
    [
        ({}, "", [], ENGLISH),
        ({"LANG": "zh_CN.UTF-8"}, "", [], CHINESE),
        ({"LANG": "de_DE.UTF-8"}, "", [], ENGLISH),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "", [], ENGLISH),
        ({"LC_MESSAGES": "en_US.UTF-8", "LC_ALL": "zh_CN"}, "", [], CHINESE),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "", [], CHINESE),
        ({}, 'language = "zh"', [], CHINESE),
        ({}, 'language = "zh"\n[settle', [], "TOML 语法有误"),
        ({"LANG": "zh_CN.UTF-8"}, 'language = "en"', [], ENGLISH),
        ({"EMOSIEVE_LANGUAGE": "en"}, 'language = "zh"', [], ENGLISH),
        ({"EMOSIEVE_LANGUAGE": "zh"}, 'language = "en"', [], CHINESE),
        ({"EMOSIEVE_LANGUAGE": "zh"}, "", ["--set", "language=en"], ENGLISH),
        ({}, "", ["--set", "language=zh"], CHINESE),
    ],
)
def test_an_error_in_the_settings_is_said_in_the_probable_language(
    tmp_path: Path, variables: dict[str, str], toml: str, arguments: list[str], expected: str
) -> None:
    """The command line, EMOSIEVE_LANGUAGE, the file and the locale are asked in this order."""
    config = tmp_path / "emosieve.toml"
    config.write_text(toml)
    locale = {"LC_ALL", "LC_MESSAGES", "LANG"}
    environment = {name: value for name, value in os.environ.items() if name not in locale}
    command = [*EMOSIEVE, "config", "show", "--config", str(config), *WRONG, *arguments]
    ended = subprocess.run(
        command, env={**environment, **variables}, capture_output=True, text=True, check=False
    )

    assert 2 == ended.returncode
    assert expected in ended.stderr


def test_an_error_is_in_the_language_of_the_settings(tmp_path: Path) -> None:
    """Once the settings are read their language counts, whatever the environment says."""
    config = tmp_path / "emosieve.toml"
    config.write_text('language = "zh"')
    english = run("sweep", "-c", config, "--set", "language=en", EMOSIEVE_LANGUAGE="zh", LC_ALL="zh_CN.UTF-8")
    chinese = run("sweep", "--set", "language=zh", LC_ALL="C.UTF-8")

    assert english.stderr.startswith("emosieve: no root: ")
    assert chinese.stderr.startswith("emosieve: 没有指定输出目录：")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["sweep"],
            '没有指定输出目录：请在命令后写上 WebUI 的 outputs 目录，或在配置文件中写 root = "/路径"',
        ),
        (["reclassify", "/nowhere"], "/nowhere：没有这个目录；请检查输出目录的路径"),
        (["report", "rebuild", "."], "这里还没有任何判定，也就没有质量报告；请检查输出目录的路径"),
        (
            ["restore", "x"],
            "x：上级目录中没有 decisions.jsonl；请加 --set root=输出目录，或给出输出目录内的路径",
        ),
        (["sweep", "-c", "no.toml"], "no.toml：没有这个配置文件；请检查 --config 或环境变量 EMOSIEVE_CONFIG"),
        (["sweep", "--profile", "nobody"], "没有名为 'nobody' 的预设；可选：default、customer_service"),
        (["sweep", "--set", "x"], "--set x：请写成 --set section.key=value，例如 --set rules.min_gap=0.1"),
    ],
)
def test_an_error_in_chinese_names_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    """Every error of set-up says in Chinese what to do instead, with status 2."""
    monkeypatch.chdir(tmp_path)
    ended = run(*arguments, EMOSIEVE_LANGUAGE="zh")

    assert (2, "") == (ended.returncode, ended.stdout)
    assert words in ended.stderr


@pytest.mark.parametrize(
    "arguments", [["wach"], ["watch", "--profil"], ["sweep", "--wait", "-1"], ["restore"]]
)
def test_a_usage_error_names_the_next_step(arguments: list[str]) -> None:
    """What typer itself refuses is English, and names the help to look into."""
    ended = run(*arguments)

    assert 2 == ended.returncode
    assert "--help' for help" in ended.stderr


def test_a_passing_error_is_said_in_chinese(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An input/output error names its path, and the language is that of the settings."""

    def fail(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.EIO, "Input/output error", "/outputs/decisions.jsonl")

    (root / "decisions.jsonl").touch()
    monkeypatch.setattr("emosieve.intake.Intake.rebuild_report", fail)
    monkeypatch.setattr(sys, "argv", ["emosieve", "report", "rebuild", str(root)])

    assert 1 == cli.run()
    step = "请查看内核日志（dmesg）：该磁盘或其连接出错，然后重试"
    expected = f"emosieve: /outputs/decisions.jsonl: Input/output error；没有丢失任何结果；{step}\n"
    assert expected == capsys.readouterr().err


def test_a_busy_root_is_said_in_chinese(root: Path, make_task: MakeTask) -> None:
    """The refusal of a second emosieve names the first and what to do."""
    from emosieve.record.locking import IntakeLock

    make_task()
    lock = IntakeLock(str(root))
    lock.acquire()
    ended = run("sweep", root, EMOSIEVE_LANGUAGE="zh")
    lock.release()

    assert 2 == ended.returncode
    assert f"{root}：另一个 emosieve 正在处理这个输出目录（主机 " in ended.stderr
    assert f"进程 {os.getpid()}" in ended.stderr
    assert "；请先停止它\n" in ended.stderr


def test_a_sweep_answers_in_chinese(root: Path, make_task: MakeTask) -> None:
    """Numbers, reasons and what comes next; the reasons of pending tasks too."""
    make_task("outputs_1", result_bytes(0.3))
    make_task("outputs_2")
    make_task("outputs_3", b"[1,")
    (root / "outputs_4").mkdir()
    ended = run("sweep", root, *QUICK, EMOSIEVE_LANGUAGE="zh")

    head, *lines = ended.stdout.splitlines()
    assert (1, True) == (ended.returncode, head.startswith("已归档 2 个任务，用时 "))
    assert [
        f"  正常    1  {root}/normal",
        f"  低质量  1  {root}/low_quality",
        "剔除率：50.0%",
        f"质量报告：{root}/quality_report.txt",
        "仍在原处的任务：2 个",
    ] == lines[:5]
    assert lines[5].startswith("  outputs_3  结果文件无法解析（result.json is not JSON: ")
    assert [
        "  outputs_4  还没有结果文件",
        "结果文件持续 600 秒无法解析的任务，会在下次 sweep 或 watch 时移入隔离目录",
    ] == lines[-2:]


def test_revisions_answer_in_chinese(root: Path, make_task: MakeTask) -> None:
    """Reclassify and restore say what they did, and what they left alone."""
    make_task("outputs_1", result_bytes(0.7))
    make_task("outputs_2", result_bytes(0.3))
    run("sweep", root, *QUICK)
    chinese = {"EMOSIEVE_LANGUAGE": "zh"}
    stricter = ["--set", "rules.min_gap=0.5"]
    dry = run("reclassify", root, *stricter, "--dry-run", **chinese).stdout
    real = run("reclassify", root, *stricter, **chinese).stdout
    restored = run("restore", root / "low_quality" / "outputs_1", **chinese).stdout
    alone = run("reclassify", root, *stricter, **chinese).stdout

    assert [
        "normal/outputs_1 → low_quality/outputs_1\n重新判定 2 个任务，其中 1 个的判定会改变（尚未移动）\n",
        "normal/outputs_1 → low_quality/outputs_1\n重新判定 2 个任务，其中 1 个改变判定并已移动\n",
        "low_quality/outputs_1 → normal/outputs_1\n",
        (
            "重新判定 2 个任务，其中 0 个改变判定并已移动\n"
            "人工改判过、判定会改变但未移动：1 个（加 --by-hand 可一并处理）\n"
        ),
    ] == [dry, real, restored, alone]


def test_config_show_names_origins_in_chinese() -> None:
    """Values stay as they are written; where they come from is said."""
    ended = run("config", "show", "/data", "--profile", "customer_service", EMOSIEVE_LANGUAGE="zh")

    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in ended.stdout.splitlines()}
    assert ['"/data"', "命令行"] == rows["root"]
    assert ['"zh"', "环境变量"] == rows["language"]
    assert ["0.7", "预设 customer_service"] == rows["rules.min_confidence"]
    assert ["0.05", "默认值"] == rows["rules.min_gap"]


def test_the_help_names_the_exit_statuses() -> None:
    """The table of exit statuses stands in the program's own help."""
    words = " ".join(run("--help").stdout.split())

    assert [] == [phrase.en for phrase in EXIT_STATUS.values() if phrase.en not in words]


@pytest.mark.parametrize("encoding", ["gbk", "latin-1"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_locale_without_a_sign_gets_an_escape(
    root: Path, make_task: MakeTask, language: str, encoding: str
) -> None:
    """GBK has no cross, Latin-1 no Chinese: the line is shown all the same."""
    make_task("outputs_1", result_bytes(0.41))
    assert 0 == run("sweep", root, *QUICK).returncode
    ended = subprocess.run(
        [*EMOSIEVE, "tail", root],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": encoding, "EMOSIEVE_LANGUAGE": language},
    )

    assert b"\\u2717" in ended.stdout
    assert b"outputs_1" in ended.stdout


@pytest.fixture
def gbk_locale(tmp_path: Path) -> dict[str, str]:
    """The variables of a terminal in a Chinese locale of old."""
    built = subprocess.run(
        ["localedef", "-i", "zh_CN", "-f", "GBK", tmp_path / "zh_CN.gbk"], check=False, capture_output=True
    )
    if not (tmp_path / "zh_CN.gbk").is_dir():
        pytest.skip(f"no locale can be made here: {built.stderr!r}")
    return {"LOCPATH": str(tmp_path), "LC_ALL": "zh_CN.gbk"}


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("locale", ["gbk", "ascii"])
@pytest.mark.parametrize("folder", ["输出目录", "€价"])
def test_names_are_utf8_in_any_locale(
    tmp_path: Path, gbk_locale: dict[str, str], locale: str, folder: str
) -> None:
    """Neither the names on the disk nor the arguments nor the answers depend on the locale's encoding."""
    root = tmp_path / folder
    task = root / "outputs_客服_01"
    task.mkdir(parents=True)
    (task / "result.json").write_bytes(result_bytes())
    variables = gbk_locale if locale == "gbk" else ASCII
    swept = run("sweep", root, *QUICK, **variables)
    explained = run("explain", root / "normal" / task.name, **variables)

    assert 0 == swept.returncode, swept.stderr
    assert f"report: {root}/quality_report.txt" in swept.stdout
    assert [task.name] == [one["task"] for one in read_log(root) if "task" in one]
    assert explained.stdout.startswith(f"{task.name}: normal")
    assert f"[{task.name}]" in (root / "quality_report.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("locale", ["gbk", "utf-8"])
def test_a_name_that_is_not_utf8_is_shown_escaped(
    root: Path, gbk_locale: dict[str, str], locale: str
) -> None:
    """A task named in GBK is shown by its bytes, also where the locale could read it."""
    task = os.fsencode(root) + "/outputs_测试".encode("gbk")
    os.mkdir(task)
    with open(task + b"/result.json", "wb") as file:
        file.write(result_bytes())
    ended = run("sweep", root, *QUICK, **(gbk_locale if locale == "gbk" else {}))

    assert r"outputs_\\udcb2\\udce2\\udcca\\udcd4" in ended.stderr
    assert os.path.isdir(task)


def test_an_explicit_mode_of_python_is_kept(root: Path) -> None:
    """Whoever gives -X utf8=0 gets it, and no endless chain of new beginnings."""
    command = [EMOSIEVE[0], "-X", "utf8=0", *EMOSIEVE[1:], "health", str(root)]
    ended = subprocess.run(command, env={**os.environ, **ASCII}, capture_output=True, check=False)

    assert ended.stdout.startswith(b"unhealthy")
