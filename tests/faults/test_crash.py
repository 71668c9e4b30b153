"""The process dies: at every step that touches the disk, one by one, and once more while it recovers."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aftermath import FOLDERS, assert_all_is_accounted_for
from conftest import LONG_AGO, names_in, result_bytes
from emosieve.commands.simulated_webui import write_wav
from emosieve.service import flow
from scenes import ROTATION, Scene, Stage, assert_no_death_matters, stage_across, stage_in, told
from steps import Fault

FULL = bool(os.environ.get("FULL"))
OLD = [f"outputs_20240104_2230{number:02}" for number in range(18)]
FIRST, SECOND, THIRD = (f"outputs_20240104_22310{number}" for number in range(3))
GOOD, POOR = 0.9, 0.4
pytestmark = pytest.mark.timeout(3600 if FULL else 300)


def write_task(stage: Stage, name: str, confidence: float | None = GOOD) -> None:
    """A task in the inbox; without a confidence its result can never be read."""
    (stage.root / name).mkdir()
    result = b'{"emotion": ' if confidence is None else result_bytes(confidence)
    (stage.root / name / "result.json").write_bytes(result)


def two_tasks(stage: Stage) -> None:
    """One of either side."""
    write_task(stage, FIRST, GOOD)
    write_task(stage, SECOND, POOR)


def three_tasks(stage: Stage) -> None:
    """One of either side, and one that goes to quarantine, in a root where emosieve never was."""
    two_tasks(stage)
    write_task(stage, THIRD, None)


def with_audio(stage: Stage) -> None:
    """One task that takes a while to be copied."""
    write_task(stage, FIRST, GOOD)
    write_wav(str(stage.root / FIRST / "processed_audio.wav"), 0.1)
    os.utime(stage.root / FIRST / "processed_audio.wav", (LONG_AGO, LONG_AGO))


def full_files(stage: Stage) -> None:
    """Log and report are just long enough to be rotated by what comes next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "BATCH", len(OLD))
        for number, name in enumerate(OLD):
            write_task(stage, name, GOOD if number % 2 else POOR)
            if number in {11, 17}:
                stage.sweep()
    two_tasks(stage)


def filed(stage: Stage) -> None:
    """One task of either side is filed."""
    two_tasks(stage)
    stage.sweep()


def mended(stage: Stage) -> None:
    """A quarantined result that a person mended."""
    write_task(stage, FIRST, None)
    stage.sweep()
    (stage.folders["quarantine"] / FIRST / "result.json").write_bytes(result_bytes(GOOD))


def late(stage: Stage) -> None:
    """A writer made the directory of a filed task anew, and left two files in it."""
    filed(stage)
    (stage.root / FIRST).mkdir()
    for name in ("embedding.npy", "notes.txt"):
        (stage.root / FIRST / name).write_bytes(name.encode() * 100)


def out_of_date(stage: Stage) -> None:
    """Two tasks that today's rules put on the other side."""
    for name, confidence, limit in ((FIRST, 0.7, 0.8), (SECOND, 0.55, 0.4)):
        write_task(stage, name, confidence)
        assert stage.run(["sweep"], settings={"rules__min_confidence": limit}).status == 0


IN_ROOT, FILE_SYSTEMS, MOUNTS = "in the root", "on other file systems", "on other mounts of one device"
BOTH = {"normal": [FIRST], "low_quality": [SECOND]}
ALL = {
    verdict: [name for number, name in enumerate(OLD) if number % 2 == side] + BOTH[verdict]
    for side, verdict in enumerate(("low_quality", "normal"))
}
SWEEP = Scene(three_tasks, ["sweep"], {**BOTH, "quarantine": [THIRD]})
COPY = Scene(with_audio, ["sweep"], {"normal": [FIRST]})
JOINED = Scene(late, ["sweep"], BOTH)
RESTORED = Scene(
    filed,
    ["restore", f"{{normal}}/{FIRST}"],
    {"low_quality": [FIRST, SECOND]},
    retries=True,
    by_hand=[FIRST],
)
SENT_BACK = Scene(
    mended,
    ["restore", f"{{quarantine}}/{FIRST}"],
    {"normal": [FIRST]},
    retries=True,
    by_hand=[FIRST],
)
RECLASSIFIED = Scene(out_of_date, ["reclassify"], BOTH, retries=True, by_hand=[FIRST, SECOND])


@pytest.fixture
def stage(request: pytest.FixtureRequest, root: Path, tmp_path: Path, mounted: Callable[..., None]) -> Stage:
    """A root with its folders where the test's parameter says."""
    if request.param == IN_ROOT:
        return stage_in(root)
    points = [tmp_path / "mounted" / name for name in FOLDERS]
    for point in points:
        point.mkdir(parents=True)
        if request.param == FILE_SYSTEMS:
            mounted("-t", "tmpfs", "-o", "size=16m", "tmpfs", point)
        else:
            source = tmp_path / "source" / point.name
            source.mkdir(parents=True)
            mounted("--bind", source, point)
            assert point.stat().st_dev == root.stat().st_dev
    return stage_across(root, points)


def in_the_long_form(*parameters: object) -> tuple[object, ...]:
    """Parameters for which the short form has no time."""
    return parameters if FULL else ()


@pytest.mark.parametrize(
    ("stage", "scene"),
    [
        pytest.param(IN_ROOT, SWEEP, id="a sweep"),
        pytest.param(IN_ROOT, JOINED, id="a late directory"),
        pytest.param(IN_ROOT, RESTORED, id="restore"),
        pytest.param(IN_ROOT, SENT_BACK, id="restore to the inbox"),
        pytest.param(IN_ROOT, RECLASSIFIED, id="reclassify"),
        pytest.param(FILE_SYSTEMS, COPY, id="a copy"),
        pytest.param(FILE_SYSTEMS, JOINED, id="a late directory, copied"),
        pytest.param(MOUNTS, COPY, id="a copy to another mount"),
        *in_the_long_form(
            pytest.param(FILE_SYSTEMS, RESTORED, id="restore, copied"),
            pytest.param(FILE_SYSTEMS, SENT_BACK, id="restore to the inbox, copied"),
        ),
    ],
    indirect=["stage"],
)
def test_killed_at_each_step_nothing_is_lost_doubled_or_left_over(stage: Stage, scene: Scene) -> None:
    """Wherever a command dies, doing it again leaves every task in one place, decided and reported once."""
    assert_no_death_matters(stage, scene)


def test_killed_at_each_step_of_several_batches_and_rotations(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does so, too, where every task is a batch of its own, and log and report are rotated in between."""
    monkeypatch.setattr(flow, "BATCH", 1)
    assert_no_death_matters(stage_in(root, **ROTATION), Scene(full_files, ["sweep"], ALL))
    assert [3, 2] == [len(list(root.glob(f"{name}*"))) for name in ("decisions", "quality_report")]


@pytest.mark.parametrize("retries", [False, True])
def test_killed_at_each_step_of_a_rebuild_the_report_is_whole(root: Path, retries: bool) -> None:  # noqa: FBT001
    """A rebuild to another size that dies anywhere leaves no mixture: the next sweep, or rebuild, mends it."""
    other = {"report__rotate_bytes": 5000}
    scene = Scene(full_files, ["report", "rebuild"], ALL, retries=retries, settings=other)
    assert_no_death_matters(stage_in(root, **ROTATION), scene)


def pairs_of_deaths(stage: Stage, scene: Scene) -> Iterator[tuple[Fault, Fault]]:
    """One death halfway, or ten in the long form, each with every death of the sweep that follows."""
    deaths = list(scene.deaths(stage))
    for first in random.Random(7).sample(deaths, 10) if FULL else [deaths[len(deaths) // 2]]:
        scene.begin(stage)
        scene.die(stage, first)
        for second in stage.run(["sweep"]).deaths():
            yield first, second


@pytest.mark.parametrize(
    ("stage", "scene"),
    [
        pytest.param(IN_ROOT, SWEEP, id="a sweep"),
        *in_the_long_form(
            pytest.param(FILE_SYSTEMS, COPY, id="a copy"),
            pytest.param(IN_ROOT, RECLASSIFIED, id="reclassify"),
        ),
    ],
    indirect=["stage"],
)
def test_killed_again_while_it_recovers_nothing_is_lost_doubled_or_left_over(
    stage: Stage, scene: Scene
) -> None:
    """A sweep that dies where another run had died before it leaves no more to do than that one."""
    for first, second in pairs_of_deaths(stage, scene):
        before = scene.begin(stage)
        with told(scene.die(stage, first), stage.die(["sweep"], second)):
            scene.end(stage, before)


@pytest.mark.parametrize("stage", [IN_ROOT, FILE_SYSTEMS, *in_the_long_form(MOUNTS)], indirect=True)
def test_a_new_result_after_the_death_is_a_task_of_its_own(stage: Stage) -> None:
    """What is written under the name of a task whose move died is judged itself, and what was filed stays."""
    for fault in COPY.deaths(stage):
        COPY.begin(stage)
        died = COPY.die(stage, fault)
        if not (stage.root / "decisions.jsonl").exists():
            continue
        filed = FIRST in names_in(stage.folders["normal"])
        (stage.root / FIRST).mkdir(exist_ok=True)
        (stage.root / FIRST / "result.json").write_bytes(result_bytes(POOR))
        stage.sweep()
        with told(died):
            assert ([FIRST] if filed else []) == names_in(stage.folders["normal"])
            assert [FIRST] == names_in(stage.folders["low_quality"])
            tasks = [FIRST, FIRST] if filed else [FIRST]
            assert_all_is_accounted_for(stage.root, tasks, stage.settings, list(stage.folders.values()))


@pytest.mark.parametrize("stage", [FILE_SYSTEMS, *in_the_long_form(IN_ROOT, MOUNTS)], indirect=True)
def test_a_late_file_after_the_death_comes_to_its_task(stage: Stage) -> None:
    """What is written beside the result of a task whose move died ends in the same place, by one decision."""
    for fault in COPY.deaths(stage):
        before = COPY.begin(stage)
        died = COPY.die(stage, fault)
        if not (stage.root / "decisions.jsonl").exists():
            continue
        (stage.root / FIRST).mkdir(exist_ok=True)
        (stage.root / FIRST / "embedding.npy").write_bytes(b"late")
        with told(died):
            COPY.end(stage, {**before, f"{FIRST}/embedding.npy": b"late"})
