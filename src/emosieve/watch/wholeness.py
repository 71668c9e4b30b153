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
from emosieve.patterns import TEMPORARY, IsNamed, matcher
from emosieve.text import escape
from emosieve.watch.inbox import Contents
from emosieve.watch.reuse import frames_off_seconds, is_copied_after, reused_ns, written_over_ns
from emosieve.watch.survey import RESULT_NAMES, FileStat, Survey

_SECOND_NS = 1_000_000_000
_MOST = 2**53
_IS_TEMPORARY = matcher(TEMPORARY)
_COPY_SECONDS = 0.1
"""An embedding that is older than the audio by less is of a copy, where no birth time tells."""


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
    reused_quiet_seconds: float = 30.0
    is_temporary: IsNamed = _IS_TEMPORARY


@dataclass(frozen=True, slots=True)
class Settled:
    """A whole task with a result that can be read.

    Attributes:
        survey: what stands in it.
        result: what its result file says.
        digest: of that file.
        oddities: what is odd about it, by the names of fields that rules look at; but for what an
            earlier recognition left, only where waiting ended in vain.
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
    source: str | None = None


@dataclass(frozen=True, slots=True)
class NoResult:
    """An overdue task without a result: it stays, unless its files belong to a filed task."""

    survey: Survey


@dataclass(frozen=True, slots=True)
class Lack:
    """What a quiet task still lacks: a reason code, words for people, and for how long, where that is known."""

    reason: str
    message: str
    seconds: float | None = None


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
        refused = Malformed(survey, reason, contents.digest, contents.source)
        return refused if overdue else Lack("malformed", reason)
    wavs = _named(survey, ".wav")
    oddities = tuple(_oddities(survey, wavs, contents, policy))
    if oddities and not overdue:
        return oddities[0].lack
    later = _written_over(survey, wavs, contents)
    if not overdue and later and age < policy.reused_quiet_seconds:
        seconds = min(policy.reused_quiet_seconds, policy.give_up_seconds) - age
        if lack := _may_be_inferring(later, seconds, policy):
            return lack
    found: dict[str, float] = {}
    for oddity in oddities:
        # Several headers together can lie beyond what every reader of JSON takes for a number.
        found[oddity.field] = min(found.get(oddity.field, 0) + oddity.value, _MOST)
    reused = _reused_ns(later, survey, policy) if later else 0
    remains = _remains(survey, wavs, contents, contents.result, reused)
    found |= {name: value for name, value in remains if value}
    return Settled(survey, contents.result, contents.digest or "", found)


def _oddities(survey: Survey, wavs: list[FileStat], contents: Contents, policy: Policy) -> Iterator[_Oddity]:
    present = {file.name for file in survey.own_files}
    missing = [name for name in policy.require if name not in present and name != RESULT_NAMES[0]]
    if missing:
        lack = Lack("required_missing", f"{escape(', '.join(missing))} is missing")
        yield _Oddity("missing_files", len(missing), lack)
    for name, count in contents.short.items():
        kind = "audio" if name.lower().endswith(".wav") else "embedding"
        lack = Lack(f"{kind}_truncated", f"{escape(name)} is {count} bytes shorter than its header says")
        yield _Oddity(f"{kind}_missing_bytes", count, lack)
    result_file = survey.result_file
    newer = [wav for wav in wavs if result_file and _is_newer(wav, result_file, contents)]
    if result_file and newer:
        # The WebUI reuses the directory for a second task within the same second: it is at work.
        seconds = _seconds(max(wav.mtime_ns for wav in newer) - result_file.mtime_ns)
        words = f"the audio is {seconds:.3f} s newer than {result_file.name}: another recognition is at work"
        yield _Oddity("audio_newer_seconds", seconds, Lack("mixed_task", words))
    if temporary := [file.name for file in survey.own_files if policy.is_temporary(file.name)]:
        lack = Lack("transfer", f"{escape(', '.join(temporary))} is still under a temporary name")
        yield _Oddity("temporary_files", len(temporary), lack)
    if contents.open_files:
        lack = Lack("still_open", f"{escape(', '.join(contents.open_files))} is open for writing")
        yield _Oddity("open_files", len(contents.open_files), lack)


def _written_over(survey: Survey, wavs: list[FileStat], contents: Contents) -> dict[str, int]:
    """By how many ns each wav and the result was written over, by name; without those that were not."""
    result_file = survey.result_file
    return {
        file.name: later
        for file in (*wavs, *((result_file,) if result_file else ()))
        if (born_ns := contents.born_ns.get(file.name))
        and (later := written_over_ns(file, born_ns, is_result=file is result_file))
    }


def _may_be_inferring(later: dict[str, int], seconds: float, policy: Policy) -> Lack | None:
    """Whether another recognition that wrote here may be at work without any file: it makes no event."""
    for name, later_ns in later.items():
        if later_ns <= policy.give_up_seconds * _SECOND_NS:
            words = f"{escape(name)} was last written {_seconds(later_ns):.3f} s after it was made"
            return Lack("reused", f"{words}: another recognition may be at work", seconds)
    return None


def _reused_ns(later: dict[str, int], survey: Survey, policy: Policy) -> int:
    """How long after they were made the files were certainly written over by another recognition; 0 for none."""
    result_file = survey.result_file
    if result_file is None:
        return 0
    by_wavs = max((later_ns for name, later_ns in later.items() if name != result_file.name), default=0)
    most_ns = policy.give_up_seconds * _SECOND_NS
    return reused_ns(by_wavs, later.get(result_file.name, 0), result_file, most_ns)


def _remains(
    survey: Survey, wavs: list[FileStat], contents: Contents, result: Result, reused: int
) -> Iterator[tuple[str, float]]:
    """What an earlier recognition left, by the fields that rules look at; 0 for what it did not.

    Nothing of it is waited for.
    """
    if reused:
        yield "written_over_seconds", _seconds(reused)
    if contents.audio_seconds is not None:
        if result.frames:
            off = frames_off_seconds(result.frames.count, contents.audio_seconds, is_reused=bool(reused))
            yield "frames_off_seconds", off
        rows = contents.embedding_frames or 0
        off = frames_off_seconds(rows, contents.audio_seconds, is_reused=bool(reused))
        yield "embedding_off_seconds", off
    yield "embedding_older_seconds", _embedding_older(survey, wavs, contents)


def _embedding_older(survey: Survey, wavs: list[FileStat], contents: Contents) -> float:
    """By how many seconds the embedding is older than the audio, which is written before it; 0 where it is not.

    A later recognition without an embedding leaves that of the earlier one for ever.
    """
    embeddings = _named(survey, ".npy")
    if not wavs or not embeddings:
        return 0
    wav = max(wavs, key=_modified)
    embedding = max(embeddings, key=_modified)
    seconds = _seconds(wav.mtime_ns - embedding.mtime_ns)
    born_ns = contents.born_ns.get(wav.name, 0)
    # A copy that keeps times keeps those of both files: one that is older than the directory says nothing of a copy.
    if born_ns and born_ns <= wav.mtime_ns and embedding.mtime_ns >= survey.born_ns:
        return 0 if is_copied_after(wav, born_ns, embedding) else max(0.0, seconds)
    return seconds if seconds > _COPY_SECONDS else 0


def _is_newer(wav: FileStat, result_file: FileStat, contents: Contents) -> bool:
    """Whether a wav is of a later recognition than the result, by its times."""
    if wav.mtime_ns <= result_file.mtime_ns:
        return False
    return not is_copied_after(wav, contents.born_ns.get(wav.name, 0), result_file)


def _named(survey: Survey, ending: str) -> list[FileStat]:
    """The files of one kind."""
    return [file for file in survey.own_files if file.is_regular and file.name.lower().endswith(ending)]


def _modified(file: FileStat) -> int:
    return file.mtime_ns


def _seconds(nanoseconds: int) -> float:
    return round(nanoseconds / _SECOND_NS, 6)
