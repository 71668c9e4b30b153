"""Is a quiet task whole? Pure: what stands in it and what its files say, in; settled, overdue or a lack, out.

No single sign proves that nobody writes any more: a parsed result says nothing
of its sibling files, a close may be followed by an open, a stable size may be a
writer at rest, a lease does not see a file that is not yet created. Taken
together, with a quiet time by ctime (mtimes lie: copies keep them), they do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from emosieve.errors import BadResult
from emosieve.judge.result import Result
from emosieve.text import escape
from emosieve.watch.inbox import RESULT_NAMES, Contents, Survey

_SECOND_NS = 1_000_000_000
_MOST = 2**53


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
    """A whole task with a result that can be read.

    Attributes:
        survey: what stands in it.
        result: what its result file says.
        digest: of that file.
        oddities: what is odd about it, by the names of fields that rules look at; but for an
            embedding of an earlier recognition only where waiting ended in vain.
    """

    survey: Survey
    result: Result
    digest: str
    oddities: Mapping[str, float] = field(default_factory=dict)


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


@dataclass(frozen=True, slots=True)
class _Oddity:
    """What a writer at work would leave, as a field that rules look at, and as a lack."""

    field: str
    value: float
    lack: Lack


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
        return oddities[0].lack
    found: dict[str, float] = {}
    for oddity in oddities:
        # Several headers together can lie beyond what every reader of JSON takes for a number.
        found[oddity.field] = min(found.get(oddity.field, 0) + oddity.value, _MOST)
    if older := _embedding_older(survey):
        found["embedding_older_seconds"] = older
    return Settled(survey, contents.result, contents.digest or "", found)


def _oddities(survey: Survey, contents: Contents, policy: Policy) -> Iterator[_Oddity]:
    present = {file.name for file in survey.files}
    missing = [name for name in policy.require if name not in present and name != RESULT_NAMES[0]]
    if missing:
        lack = Lack("required_missing", f"{escape(', '.join(missing))} is missing")
        yield _Oddity("missing_files", len(missing), lack)
    for name, count in contents.short.items():
        kind = "audio" if name.lower().endswith(".wav") else "embedding"
        lack = Lack(f"{kind}_truncated", f"{escape(name)} is {count} bytes shorter than its header says")
        yield _Oddity(f"{kind}_missing_bytes", count, lack)
    result_file, newest_wav = survey.result_file, _newest(survey, ".wav")
    if result_file and newest_wav is not None and newest_wav > result_file.mtime_ns:
        # The WebUI reuses the directory for a second task within the same second: it is at work.
        seconds = _seconds(newest_wav - result_file.mtime_ns)
        words = f"the audio is {seconds:.3f} s newer than {result_file.name}: another recognition is at work"
        yield _Oddity("audio_newer_seconds", seconds, Lack("mixed_task", words))
    if contents.open_files:
        lack = Lack("still_open", f"{escape(', '.join(contents.open_files))} is open for writing")
        yield _Oddity("open_files", len(contents.open_files), lack)


def _embedding_older(survey: Survey) -> float:
    """By how many seconds the embedding is older than the audio, which is written before it; 0 where it is not.

    Nothing is waited for: a later recognition without an embedding leaves that of the earlier one for ever.
    """
    wav, embedding = _newest(survey, ".wav"), _newest(survey, ".npy")
    return 0 if wav is None or embedding is None else max(0.0, _seconds(wav - embedding))


def _newest(survey: Survey, ending: str) -> int | None:
    """The newest modification time of files of one kind, in ns since the epoch."""
    times = (file.mtime_ns for file in survey.files if file.is_regular and file.name.lower().endswith(ending))
    return max(times, default=None)


def _seconds(nanoseconds: int) -> float:
    return round(nanoseconds / _SECOND_NS, 6)
