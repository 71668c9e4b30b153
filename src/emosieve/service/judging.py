"""One settled task judged: its audio measured, its evidence held against the rules. A function of that task alone."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

from emosieve.errors import AudioStopped, cause_of
from emosieve.judge.audio import Audio, prepare
from emosieve.judge.ruleset import RuleSet
from emosieve.proposals import Proposal, decide
from emosieve.watch.inbox import survey_directory
from emosieve.watch.listening import listen, wavs_of
from emosieve.watch.settle import Outcome, Waiting
from emosieve.watch.wholeness import Lack, Settled

Look = tuple[Outcome, bool]
"""What a look at a task gave, and whether waiting for a settled one has to end."""
Judged = tuple[Outcome, Proposal | Lack | None]
"""The same, with what should become of a settled one."""


class Judges(Protocol):
    """Who judges what the looks give, in their order."""

    @property
    def is_ahead(self) -> bool:
        """Whether looks were taken that are still to be given."""

    def judged(
        self, looks: Iterator[Look], rules: RuleSet, should_stop: Callable[[], bool]
    ) -> Iterator[Judged]:
        """Each look with its judgement; whoever stops asking may go on later."""


class Alone:
    """Judges each task when it is looked at, in this process.

    Args:
        root: the folder that the tasks stand in.
    """

    is_ahead = False

    def __init__(self, root: str) -> None:
        self._root = root
        self._is_prepared = False

    def judged(
        self, looks: Iterator[Look], rules: RuleSet, should_stop: Callable[[], bool]
    ) -> Iterator[Judged]:
        """Each look with its judgement."""
        for outcome, gives_up in looks:
            if isinstance(outcome, Settled):
                yield outcome, judge_task(self._root, outcome, rules, should_stop, gives_up=gives_up)
                self._is_prepared = True
            else:
                if not self._is_prepared and isinstance(outcome, Waiting) and outcome.reason == "quiet":
                    self._prepare(outcome.name, rules)
                yield outcome, None

    def _prepare(self, name: str, rules: RuleSet) -> None:
        """Import numpy for the first wav while its task is still in its quiet time, which is time enough."""
        if rules.depth != "samples":
            return
        with suppress(OSError):
            if wavs_of(survey_directory(f"{self._root}/{name}", name)):
                prepare()
                self._is_prepared = True


def judge_task(
    root: str, settled: Settled, rules: RuleSet, should_stop: Callable[[], bool], *, gives_up: bool = False
) -> Proposal | Lack:
    """What should become of a settled task, or why that cannot be said yet.

    Args:
        root: the folder that the task stands in.
        settled: the task.
        rules: in force.
        should_stop: asked again and again within long audio.
        gives_up: whether audio that cannot be read is judged as such, for waiting has to end.
    """
    try:
        audio = _listen(root, settled, rules, should_stop, gives_up=gives_up)
        return decide(settled, rules, audio.as_dict() if audio else None)
    except AudioStopped:
        return Lack("quiet", "a stop came while its audio was measured")
    except FileNotFoundError:
        return Lack("quiet", "changed while it was looked at")
    except OSError as error:
        return Lack("unreadable", f"its audio cannot be read: {error.strerror or error}")
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one task, the others go on
        return Lack("internal", f"{type(error).__name__}: {error}")


def _listen(
    root: str, settled: Settled, rules: RuleSet, should_stop: Callable[[], bool], *, gives_up: bool
) -> Audio | None:
    survey = settled.survey
    try:
        return listen(f"{root}/{survey.name}", survey, rules.depth, should_stop)
    except FileNotFoundError:
        raise
    except OSError as error:
        if not gives_up:
            raise
        return Audio(len(wavs_of(survey)), unreadable=f"cannot be read: {cause_of(error)}")
