"""Is a quiet task whole? Pure: what stands in it and what its files say, in; settled, overdue or a lack, out.

No single sign proves that nobody writes any more: a parsed result says nothing
of its sibling files, a close may be followed by an open, a stable size may be a
writer at rest, a lease does not see a file that is not yet created. Taken
together, with a quiet time by ctime (mtimes lie: copies keep them), they do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from emosieve.errors import BadResult
from emosieve.judge.result import Result
from emosieve.judge.ruleset import Observation
from emosieve.text import escape
from emosieve.watch.inbox import RESULT_NAMES, Contents, FileStat, Survey

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings of settling; seconds throughout.

    ``trust_ctime`` is for a local file system, whose change times are this machine's own.
    """

    quiet_seconds: float = 2.0
    give_up_seconds: float = 600.0
    rescan_seconds: float = 30.0
    require: tuple[str, ...] = ("result.json",)
    trust_ctime: bool = True


@dataclass(frozen=True, slots=True)
class Settled:
    """A whole task with a result that can be read, and what was odd when waiting ended in vain."""

    survey: Survey
    result: Result
    digest: str
    oddities: tuple[Observation, ...] = ()


@dataclass(frozen=True, slots=True)
class Malformed:
    """An overdue task whose result can never be read."""

    survey: Survey
    reason: str
    digest: str | None


@dataclass(frozen=True, slots=True)
class NoResult:
    """An overdue task without a result: it stays, unless its files belong to a filed task."""

    survey: Survey


@dataclass(frozen=True, slots=True)
class Lack:
    """What a quiet task still lacks: a reason code, and words for people."""

    reason: str
    message: str


def assess(
    survey: Survey, contents: Contents, age: float, policy: Policy
) -> Settled | Malformed | NoResult | Lack:
    """Judge the wholeness of a task that has been quiet.

    Args:
        survey: what stands in the task.
        contents: what its files say.
        age: seconds since its last change.
        policy: the settings.
    """
    overdue = age >= policy.give_up_seconds
    if contents.result is None:
        return NoResult(survey) if overdue else Lack("no_result", "no result yet")
    if isinstance(contents.result, BadResult):
        reason = str(contents.result)
        return Malformed(survey, reason, contents.digest) if overdue else Lack("malformed", reason)
    oddities = tuple(_oddities(survey, contents, policy))
    if oddities and not overdue:
        return Lack(oddities[0].rule, oddities[0].message)
    return Settled(survey, contents.result, contents.digest or "", oddities)


def _oddities(survey: Survey, contents: Contents, policy: Policy) -> Iterator[Observation]:
    present = {file.name for file in survey.files}
    missing = [name for name in policy.require if name not in present and name != RESULT_NAMES[0]]
    if missing:
        yield Observation("required_missing", f"{escape(', '.join(missing))} is missing", len(missing), 0)
    for name, count in contents.short.items():
        rule = "audio_truncated" if name.lower().endswith(".wav") else "embedding_truncated"
        yield Observation(rule, f"{escape(name)} is {count} bytes shorter than its header says", count, 0)
    result_file = survey.result_file
    newest_wav = max((file.mtime_ns for file in survey.files if _is_wav(file)), default=None)
    if result_file and newest_wav is not None and newest_wav > result_file.mtime_ns:
        # The WebUI reuses the directory for a second task within the same second: it is at work.
        seconds = (newest_wav - result_file.mtime_ns) / _SECOND_NS
        message = (
            f"the audio is {seconds:.3f} s newer than {result_file.name}: another recognition is at work"
        )
        yield Observation("mixed_task", message, round(seconds, 6), 0)
    if contents.open_files:
        names = escape(", ".join(contents.open_files))
        yield Observation("still_open", f"{names} is open for writing", len(contents.open_files), 0)


def _is_wav(file: FileStat) -> bool:
    return file.name.lower().endswith(".wav")
