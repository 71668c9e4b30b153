"""What tests of committing share: an opened intake, a plan for a task as the flow makes it, and a death."""

from pathlib import Path
from typing import Any

from emosieve.intake import Intake
from emosieve.judge.ruleset import RuleSet
from emosieve.proposals import Proposal, decide, refuse
from emosieve.settings import Settings
from emosieve.watch.inbox import Inbox
from emosieve.watch.wholeness import Malformed, Settled


class Killed(BaseException):
    """The process dies here."""


def intake_of(root: Path, **settings: Any) -> Intake:
    """An intake of a root, opened as at a start."""
    intake = Intake(str(root), Settings(**{"language": "en", **settings}))
    intake.open()
    return intake


def proposal_for(task: Path) -> Proposal:
    """What the flow would propose for a settled task."""
    inbox = Inbox(str(task.parent), "outputs_*", frozenset(), ask_lease=False)
    survey = inbox.survey(task.name)
    contents = inbox.read(survey)
    if contents.result is None or isinstance(contents.result, Exception):
        return refuse(Malformed(survey, str(contents.result), contents.digest))
    return decide(Settled(survey, contents.result, contents.digest or ""), RuleSet())
