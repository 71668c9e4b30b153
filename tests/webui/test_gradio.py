"""A real Gradio never notices emosieve: no recognition fails, and what two wrote to one directory is flagged."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from conftest import read_log, standing
from process import Watch, until

PYTHON = os.environ.get("GRADIO_PYTHON", sys.executable)
"""A Python that has gradio, which need not be the one of these tests."""
WEBUI = Path(__file__).parents[1] / "gradio_webui.py"
SOURCE = Path(__file__).parents[2] / "src"
MIXED = {"reused_directory", "mixed_task", "stale_embedding"}


def has_gradio() -> bool:
    """Whether that Python has it."""
    command = [PYTHON, "-c", "import importlib.util as u, sys; sys.exit(not u.find_spec('gradio'))"]
    return subprocess.run(command, check=False).returncode == 0


pytestmark = pytest.mark.skipif(
    not has_gradio(), reason="gradio is not installed (GRADIO_PYTHON may name a Python that has it)"
)


@pytest.mark.parametrize(("concurrency", "pause"), [(1, 0.5), (3, 0.0), (3, 3.0)])
def test_no_recognition_fails_and_every_shared_directory_is_flagged(
    root: Path, tmp_path: Path, concurrency: int, pause: float
) -> None:
    """With tasks of their own, and with several in each second; nothing that one recognition wrote is flagged."""
    environment = os.environ | {
        "PYTHONPATH": str(SOURCE),
        "GRADIO_TEMP_DIR": str(tmp_path / "cache"),
        "GRADIO_ANALYTICS_ENABLED": "False",
    }
    # An inference takes less than a second here, and need not be waited for longer than that.
    settings = {"settle__quiet_seconds": 2.0, "settle__reused_quiet_seconds": 4.0}
    with Watch(root, **settings) as watch:
        watch.wait_for("watch.ready")
        command = [PYTHON, str(WEBUI), str(root), str(concurrency), "40", str(pause)]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        until(lambda: not standing(root), 30)
    told = json.loads(ended.stdout)
    wrote = Counter(name for name, _ in told["written"])
    flagged = {
        event["task"]: bool(MIXED & {finding["rule"] for finding in event["findings"]})
        for event in read_log(root)
        if event["event"] == "decided"
    }

    assert ([], 40) == (told["failed"], len(told["written"]))
    assert len(wrote) == len(set(map(tuple, told["written"])))
    assert {name: count > 1 for name, count in wrote.items()} == flagged
