"""A command that dies at each of its steps, and what must stand when it was done again."""

import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aftermath import FOLDERS, assert_all_is_accounted_for, contents_of, moves_of
from conftest import names_in
from process import overrides
from steps import Ended, Fault, command

SETTINGS = {"settle__quiet_seconds": 0.001, "settle__give_up_seconds": 0.002}
ROTATION = {"decisions__rotate_bytes": 4096, "report__rotate_bytes": 4096}


@dataclass(frozen=True)
class Stage:
    """A root and its three folders, wherever they are mounted.

    Attributes:
        root: the root.
        folders: verdict, or ``quarantine``, to folder.
        settings: with which every command runs.
    """

    root: Path
    folders: Mapping[str, Path]
    settings: Mapping[str, object]

    def run(
        self, words: Sequence[str], fault: Fault | None = None, settings: Mapping[str, object] | None = None
    ) -> Ended:
        """Run a command of these words, in which ``{normal}`` stands for that folder.

        Args:
            words: of the command line.
            fault: what befalls the command, if anything.
            settings: beside those of the stage.
        """
        spoken = [word.format(**self.folders) for word in words]
        chosen = {"root": self.root, **self.settings, **(settings or {})}
        return command([*spoken, *overrides(**chosen)], fault)

    def die(self, words: Sequence[str], fault: Fault, settings: Mapping[str, object] | None = None) -> str:
        """Let a command die; gives how."""
        died = self.run(words, fault, settings)
        assert died.signal == signal.SIGKILL, died.output
        return f"{fault.kind} at {died.steps[-1]}"

    def sweep(self) -> None:
        """File the inbox, without a fault."""
        ended = self.run(["sweep"])
        assert ended.status == 0, ended.output

    def clear(self) -> None:
        """As if nothing had ever been here; mount points stay."""
        for folder in (self.root, *self.folders.values()):
            for name in names_in(folder):
                shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()

    def contents(self) -> dict[str, bytes]:
        """Every file of every task by task and name, wherever the task stands."""
        places = (self.root, *self.folders.values())
        return {
            f"{name}/{path}": content
            for place in places
            for name in names_in(place)
            if name.startswith("outputs_")
            for path, content in contents_of(place / name).items()
        }


def stage_in(root: Path, **settings: object) -> Stage:
    """A root with its folders in it."""
    return Stage(root, {name: root / name for name in FOLDERS}, SETTINGS | settings)


def stage_across(root: Path, folders: Sequence[Path], **settings: object) -> Stage:
    """A root with its folders elsewhere."""
    chosen = dict(zip(FOLDERS, folders, strict=True))
    return Stage(root, chosen, SETTINGS | {f"filing__{name}": chosen[name] for name in FOLDERS} | settings)


@dataclass(frozen=True)
class Scene:
    """A command, what stands before it, and what must stand after it died and all was done again.

    Attributes:
        prepare: makes what stands before.
        killed: the words of the command that dies.
        after: folder to the tasks that must stand in it.
        retries: whether the operator gives the same command again, before the sweep.
        by_hand: tasks that were moved by hand, each once.
        settings: with which the command dies, beside those of the stage.
    """

    prepare: Callable[[Stage], None]
    killed: Sequence[str]
    after: Mapping[str, Sequence[str]]
    retries: bool = False
    by_hand: Sequence[str] = ()
    settings: Mapping[str, object] = field(default_factory=dict)

    def begin(self, stage: Stage) -> dict[str, bytes]:
        """Make what stands before, from nothing; gives the tasks' contents."""
        stage.clear()
        self.prepare(stage)
        return stage.contents()

    def deaths(self, stage: Stage) -> Iterator[Fault]:
        """All ways for its command to die."""
        self.begin(stage)
        whole = stage.run(self.killed, settings=self.settings)
        assert whole.status == 0, whole.output
        return whole.deaths()

    def die(self, stage: Stage, fault: Fault) -> str:
        """Let its command die; gives how."""
        return stage.die(self.killed, fault, self.settings)

    def end(self, stage: Stage, before: Mapping[str, bytes]) -> None:
        """Do all again, and look whether all is there, once, whole, and nothing else.

        Args:
            stage: where.
            before: the tasks' contents before the command died.
        """
        if self.retries:
            again = stage.run(self.killed, settings=self.settings)
            assert again.status in {0, 2}, again.output  # 2: what was asked for is done already
        stage.sweep()
        assert before == stage.contents()
        standing = {name: names_in(stage.folders[name]) for name in FOLDERS}
        assert {name: sorted(self.after.get(name, ())) for name in FOLDERS} == standing
        tasks = [task for tasks in self.after.values() for task in tasks]
        folders = list(stage.folders.values())
        assert_all_is_accounted_for(stage.root, tasks, stage.settings, folders)
        assert Counter(self.by_hand) == moves_of(stage.root)


def assert_no_death_matters(stage: Stage, scene: Scene) -> None:
    """However its command dies, what must stand after a scene does."""
    for fault in scene.deaths(stage):
        before = scene.begin(stage)
        with told(scene.die(stage, fault)):
            scene.end(stage, before)


@contextmanager
def told(*deaths: str) -> Iterator[None]:
    """Say with a failure how the command had died before."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"before, it {' and '.join(deaths)}")
        raise
