"""One settled task judged: its audio measured, its evidence held against the rules. A function of that task alone."""

from collections.abc import Callable

from emosieve.errors import AudioStopped, cause_of
from emosieve.judge.audio import Audio
from emosieve.judge.ruleset import RuleSet
from emosieve.proposals import Proposal, decide
from emosieve.watch.listening import listen, wavs_of
from emosieve.watch.wholeness import Lack, Settled


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
