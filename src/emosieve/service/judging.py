"""Settled tasks judged: their audio measured, their evidence held against the rules. Each of itself alone."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, Protocol

from emosieve.errors import AudioStopped, cause_of
from emosieve.judge.audio import Audio, Steps, finish, prepare
from emosieve.judge.ruleset import RuleSet
from emosieve.proposals import Proposal, decide
from emosieve.watch.listening import listening, wav_of, wavs_of
from emosieve.watch.settle import Outcome, Waiting
from emosieve.watch.survey import FILE_LIMIT, survey_directory
from emosieve.watch.wholeness import Lack, Settled

LONG_BYTES: Final = 1 << 24
"""A wav of so many bytes takes some tenths of a second; a longer one is measured in slices."""
SLICE_SECONDS: Final = 0.25
"""How long other tasks, a stop and signs of life wait for a slice of a long wav."""

Look = tuple[Outcome, bool]
"""What a look at a task gave, and whether waiting for a settled one has to end."""
Judged = tuple[Outcome, Proposal | Lack | None]
"""The same, with what should become of a settled one; ``None`` for one of which that comes later."""


class Judges(Protocol):
    """Who judges what the looks give, in their order but for tasks with a long wav."""

    @property
    def is_ahead(self) -> bool:
        """Whether there are judgements that are still to be given."""

    def judged(
        self, looks: Iterator[Look], rules: RuleSet, should_stop: Callable[[], bool]
    ) -> Iterator[Judged]:
        """Each look with its judgement; whoever stops asking may go on later."""


class Judge:
    """Judges a task at once, or, where that takes long, in slices when nothing else is to be done.

    Args:
        root: the folder that the tasks stand in.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._later: dict[str, tuple[Settled, bool]] = {}
        self._files = 0
        self._begun: tuple[RuleSet, Settled, Steps[Proposal | Lack]] | None = None

    @property
    def is_behind(self) -> bool:
        """Whether a task is still to be judged."""
        return bool(self._later)

    def judge(
        self, settled: Settled, rules: RuleSet, should_stop: Callable[[], bool], *, gives_up: bool
    ) -> Proposal | Lack | None:
        """Say what should become of a task; ``None`` where ``go_on`` will.

        Args:
            settled: the task.
            rules: in force.
            should_stop: asked again and again within its audio.
            gives_up: whether audio that cannot be read is judged as such, for waiting has to end.
        """
        # One that was looked at again meanwhile takes the place of what it was.
        self._forget(settled.survey.name)
        files = len(settled.survey.files)
        # All that is known of a task is remembered until its turn comes, which is bounded by its files.
        if _is_long(settled, rules) and self._files + files <= FILE_LIMIT:
            self._files += files
            self._later[settled.survey.name] = settled, gives_up
            return None
        try:
            return finish(_judging(self._root, settled, rules, gives_up=gives_up), should_stop)
        except AudioStopped:
            return Lack("quiet", "a stop came while its audio was measured")

    def go_on(
        self, rules: RuleSet, should_stop: Callable[[], bool]
    ) -> tuple[Settled, Proposal | Lack] | None:
        """Measure the next slice of a long wav; gives the task and its judgement when that was the last one."""
        if not self._later:
            return None
        settled, gives_up = next(iter(self._later.values()))
        if self._begun is None or self._begun[0] is not rules or self._begun[1] is not settled:
            self._begun = rules, settled, _judging(self._root, settled, rules, gives_up=gives_up)
        until = time.monotonic() + SLICE_SECONDS
        try:
            while not should_stop():
                next(self._begun[2])
                if time.monotonic() >= until:
                    break
        except StopIteration as end:
            self._forget(settled.survey.name)
            self._begun = None
            return settled, end.value
        return None

    def _forget(self, name: str) -> None:
        if name in self._later:
            settled, _ = self._later.pop(name)
            self._files -= len(settled.survey.files)


class Alone:
    """Judges each task when it is looked at, in this process.

    Args:
        root: the folder that the tasks stand in.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._judge = Judge(root)
        self._is_prepared = False

    @property
    def is_ahead(self) -> bool:
        """Whether there are judgements that are still to be given."""
        return self._judge.is_behind

    def judged(
        self, looks: Iterator[Look], rules: RuleSet, should_stop: Callable[[], bool]
    ) -> Iterator[Judged]:
        """Each look with its judgement, then that of a task with a long wav if it is done."""
        for outcome, gives_up in looks:
            if isinstance(outcome, Settled):
                yield outcome, self._judge.judge(outcome, rules, should_stop, gives_up=gives_up)
                self._is_prepared = True
            else:
                if not self._is_prepared and isinstance(outcome, Waiting) and outcome.reason == "quiet":
                    self._prepare(outcome.name, rules)
                yield outcome, None
        done = self._judge.go_on(rules, should_stop)
        if done is not None:
            yield done

    def _prepare(self, name: str, rules: RuleSet) -> None:
        """Import numpy for the first wav while its task is still in its quiet time, which is time enough."""
        if rules.depth != "samples":
            return
        with suppress(OSError):
            if wavs_of(survey_directory(f"{self._root}/{name}", name)):
                prepare()
                self._is_prepared = True


def _is_long(settled: Settled, rules: RuleSet) -> bool:
    """Whether a task takes longer to judge than others should wait."""
    if rules.depth != "samples":
        return False
    wav = wav_of(settled.survey)
    return wav is not None and wav.size >= LONG_BYTES


def _judging(root: str, settled: Settled, rules: RuleSet, *, gives_up: bool) -> Steps[Proposal | Lack]:
    """What should become of a settled task, or why that cannot be said yet."""
    try:
        audio = yield from _listening(root, settled, rules, gives_up=gives_up)
        return decide(settled, rules, audio.as_dict() if audio else None)
    except FileNotFoundError:
        return Lack("quiet", "changed while it was looked at")
    except OSError as error:
        return Lack("unreadable", f"its audio cannot be read: {error.strerror or error}")
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one task, the others go on
        return Lack("internal", f"{type(error).__name__}: {error}")


def _listening(root: str, settled: Settled, rules: RuleSet, *, gives_up: bool) -> Steps[Audio | None]:
    survey = settled.survey
    try:
        return (yield from listening(f"{root}/{survey.name}", survey, rules.depth))
    except FileNotFoundError:
        raise
    except OSError as error:
        if not gives_up:
            raise
        return Audio(len(wavs_of(survey)), unreadable=f"cannot be read: {cause_of(error)}")
