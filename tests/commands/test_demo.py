"""The demo: the main job shown, in the operator's language, and what to try next."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from process import EMOSIEVE, PATIENCE, run


@pytest.mark.parametrize(
    ("locale", "title"), [("C.UTF-8", "Status: ✅ normal"), ("zh_CN.UTF-8", "状态: ✅ 正常")]
)
def test_the_demo_shows_the_main_job(tmp_path: Path, locale: str, title: str) -> None:
    """Decisions scroll by, the report is shown, it is said that the results are invented, and status is 0."""
    ended = run("demo", LC_ALL=locale, EMOSIEVE_LANGUAGE="", TMPDIR=str(tmp_path))

    assert 0 == ended.returncode, ended.stderr
    assert ("invented" in ended.stdout) != ("虚构" in ended.stdout)
    assert title in ended.stdout
    assert "✗ low_quality outputs_" in ended.stdout
    assert "normal/ 9   low_quality/ 3   quarantine/ 1" in ended.stdout
    folder = re.search(r"cd (\S+)", ended.stdout)
    task = re.search(r"  emosieve explain (\S+)  ", ended.stdout)
    assert folder
    assert task
    assert (Path(folder[1]) / task[1] / "result.json").exists()
    assert ["tail", "status", "stats"] == re.findall(r"  emosieve (\w+) \. ", ended.stdout)


@pytest.mark.parametrize(
    ("language", "words"), [("en", "stopped; what was made"), ("zh", "已中断；已生成的内容")]
)
def test_ctrl_c_says_where_the_folder_is(tmp_path: Path, language: str, words: str) -> None:
    """An interrupted demo names its folder, has the shell's status, and leaves no daemon behind."""
    environment = {
        **os.environ,
        "EMOSIEVE_LANGUAGE": language,
        "TMPDIR": str(tmp_path),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        [*EMOSIEVE, "demo"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "outputs_" in line:
            break
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=PATIENCE)
    (folder,) = tmp_path.glob("emosieve-demo-*")

    assert (130, "") == (process.returncode, errors)
    assert words in rest
    assert rest.endswith(f" {folder}/outputs\n")
