"""Which recording a task is of: its file's name in result.json, in the words of a log, and its group. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from emosieve.errors import EmosieveError
from emosieve.text import escape

if TYPE_CHECKING:
    import regex

NAME_LIMIT: Final = 255
"""Characters kept of a name: no file's name is longer."""
PATTERN_LIMIT: Final = 500
"""Characters of one pattern."""
MATCH_SECONDS: Final = 0.1
"""How long one pattern may look at one text; no honest one takes a hundredth of it."""
LINE_LIMIT: Final = 1000
"""Characters of one line that patterns look at."""
LINES: Final = 200
"""Lines of a log that patterns look at: the recording is named where the recognition begins."""

KEYS: Final = (
    *("source", "source_file", "source_path", "source_audio", "source_name"),
    *("original_filename", "original_file_name", "original_name", "original_file", "original_path"),
    *("orig_name", "filename", "file_name", "file", "file_path", "filepath"),
    *("audio_file", "audio_filename", "audio_path", "audio_name", "audio", "wav", "wav_path", "wav_file"),
    *("input_file", "input_path", "input_audio", "input", "path", "uri", "url"),
    *("recording", "recording_name", "recording_file", "recording_id", "call_id", "clip", "clip_id"),
    *("utt", "utt_id", "uttid", "key"),
    *("文件名", "文件", "原始文件", "录音", "录音文件", "音频", "音频文件"),
)
"""Keys of result.json that name the recording, the one that is believed first before the others."""
_RANK: Final[Mapping[str, int]] = MappingProxyType({key: rank for rank, key in enumerate(KEYS)})
_KEY_LIMIT: Final = 32
_OBJECT_LIMIT: Final = 256
"""Keys of an object beyond which it is no result that names its recording."""
_VALUE_LIMIT: Final = 4096
"""Characters of a path; what is longer is the audio itself."""
_NUMBER_LIMIT: Final = 10**20
_OWN_NAMES: Final = re.compile(r"processed_audio(\.\w+)?|embedding\.npy|result(_frame)?\.json", re.IGNORECASE)
"""What the WebUI calls the files of every task, which tells none from another."""
_RANDOM_KEY: Final = re.compile(r"rand_key_\w*", re.ASCII)
"""What FunASR calls audio that came without a name."""

_ENDING: Final = r"\.(?:wav|mp3|m4a|flac|ogg|oga|opus|amr|aac|wma|webm|mp4|3gp|pcm|silk)(?![\w.])"
_LABELS: Final = (
    "file(?:[ _]?name|[ _]?path)?|audio|path|source|input|upload(?:ed)?|processing|loading|"
    "文件名?|路径|音频|录音|来源|上传|输入|处理|加载"
)
PATTERNS: Final = (
    # A name in quotation marks, in which blanks may stand.
    rf"""(?i)["'“‘「《]([^"'”’」》]{{1,400}}?{_ENDING})["'”’」》]""",
    # One behind a colon, to the end of the line.
    rf"(?i)(?:{_LABELS})\s{{0,4}}[:：=]\s{{0,4}}(\S.{{0,400}}?{_ENDING})",
    # One between blanks, brackets or commas.
    rf"""(?i)([^\s"'“”‘’<>：=,，;；()（）\[\]【】]{{1,400}}{_ENDING})""",
)
"""How the lines of a log name the recording, as far as it is known."""


class TooSlow(EmosieveError):  # noqa: N818 - says what is wrong with a pattern
    """A pattern that takes too long over a text."""


class WrongPattern(EmosieveError):  # noqa: N818 - the same
    """A text that is no regular expression; the message says why, in English."""


def base_name(text: str) -> str | None:
    """The name of a recording in a path or URL, escaped; ``None`` where it tells nothing.

    Args:
        text: from outside, of any length.
    """
    if len(text) > _VALUE_LIMIT or text[:5].casefold() == "data:":
        return None
    if "://" in text[:16]:
        text = re.split(r"[?#]", text, maxsplit=1)[0]  # a query may hold a password
    name = re.split(r"[/\\]", text.strip().rstrip("/\\"))[-1].strip()
    if not any(map(str.isalnum, name)) or _OWN_NAMES.fullmatch(name) or _RANDOM_KEY.fullmatch(name):
        return None
    return escape(name, NAME_LIMIT)


def source_in(document: Any) -> str | None:
    """The recording that a result file names; ``None`` where it names none.

    Args:
        document: the parsed file, or the only object of its list.
    """
    if not isinstance(document, Mapping) or len(document) > _OBJECT_LIMIT:
        return None
    named = [(rank, value) for key, value in document.items() if (rank := _rank_of(key)) is not None]
    named.sort(key=lambda pair: pair[0])
    return next(filter(None, (_name_of(value) for _, value in named)), None)


def _rank_of(key: str) -> int | None:
    """The place of a key among those that name the recording; ``fileName`` and ``File-Name`` are file_name."""
    rank = _RANK.get(key)
    if rank is not None or len(key) > _KEY_LIMIT:
        return rank
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key)
    return _RANK.get(re.sub(r"[\s-]+", "_", split).casefold())


def _name_of(value: Any) -> str | None:
    if isinstance(value, Mapping):  # as Gradio describes a file
        value = value.get("orig_name") or value.get("path")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _NUMBER_LIMIT:
        value = str(value)
    return base_name(value) if isinstance(value, str) else None


def group_count(pattern: str) -> int:
    """How many groups a regular expression has.

    Raises:
        WrongPattern: it is none.
    """
    import regex  # noqa: PLC0415 - most installations have no patterns of their own

    try:
        return _compiled(pattern).groups
    except (regex.error, RecursionError, OverflowError) as error:
        raise WrongPattern(getattr(error, "msg", "") or str(error)) from None


def first_group(pattern: str, text: str) -> str | None:
    """What the group of a pattern holds where it first matches; ``None`` for no match, or an empty group.

    Raises:
        TooSlow: that takes longer than ``MATCH_SECONDS``.
    """
    return next(_groups(pattern, text), None)


def source_in_lines(pattern: str, lines: Sequence[str]) -> str | None:
    """The first recording that a pattern finds in the lines of a log.

    Raises:
        TooSlow: that takes longer than ``MATCH_SECONDS`` over one line.
    """
    names = (base_name(found) for line in lines for found in _groups(pattern, line))
    return next(filter(None, names), None)


def lines_of(data: bytes) -> list[str]:
    """The first lines of a log as text; what is no UTF-8 is read as GB 18030, which any bytes are."""
    try:
        text = data[: data.rfind(b"\n") + 1 or len(data)].decode()
    except UnicodeDecodeError:
        text = data.decode("gb18030", "replace")
    return [line[:LINE_LIMIT] for line in text.splitlines()[:LINES]]


def _groups(pattern: str, text: str) -> Iterator[str]:
    try:
        # Python's own expressions know no limit of time, and ``(a|aa)+$`` takes for ever.
        for match in _compiled(pattern).finditer(text, timeout=MATCH_SECONDS):
            if match[1]:
                yield match[1]
    except TimeoutError:
        raise TooSlow(pattern) from None


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> "regex.Pattern[str]":
    import regex  # noqa: PLC0415 - slow to import, and most tasks name their recording elsewhere or nowhere

    return regex.compile(pattern)
