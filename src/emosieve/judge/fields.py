"""What rules may look at: every field of the evidence with its kind, unit, range and meaning, and its value."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from emosieve.judge.labels import CLASSES
from emosieve.judge.result import Result
from emosieve.text import Phrase

Kind = Literal["number", "text"]
Origin = Literal["result", "files", "header", "samples", "settling"]
"""Who knows a field: the result file, the names of the task's files, the first bytes of its wav, all
samples of it, or settling. The three over audio are in the order of what they cost."""
Value = float | str | None
"""``None``: the task does not tell."""
Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a rule may look at.

    Attributes:
        name: as rules write it.
        kind: what it may be compared with.
        origin: who knows it.
        meaning: for people, in half a sentence.
        unit: of a number.
        lowest: no number is below it; ``None`` where there is no bound.
        highest: no number is above it.
        texts: all that a text can be as far as this program knows; empty where it can be anything.
    """

    name: str
    kind: Kind
    origin: Origin
    meaning: Phrase
    unit: Phrase | None = None
    lowest: float | None = None
    highest: float | None = None
    texts: tuple[str, ...] = ()


_SHARE = Phrase("share", "比例")
_SECONDS = Phrase("s", "秒")
_DECIBELS = Phrase("dB", "dB")
_FULL_SCALE = Phrase("dBFS", "dBFS")
_HERTZ = Phrase("Hz", "Hz")
_BYTES = Phrase("bytes", "字节")
_COUNT = Phrase("count", "个")


def _label(name: str, meaning: Phrase) -> Field:
    return Field(name, "text", "result", meaning, texts=CLASSES)


def _share(name: str, meaning: Phrase, origin: Origin = "result") -> Field:
    return Field(name, "number", origin, meaning, _SHARE, 0.0, 1.0)


def _amount(name: str, meaning: Phrase, origin: Origin, unit: Phrase = _COUNT) -> Field:
    return Field(name, "number", origin, meaning, unit, 0.0)


_SCORE: Final = Phrase(
    "score of this class; 0 where the result leaves it out", "该类别的得分；结果里没有该类别时为 0"
)
_ALL: Final = (
    _label("emotion", Phrase("the main emotion, as the result names it", "结果所写的主情感")),
    _share("confidence", Phrase("main confidence", "主情感置信度")),
    _label("top1", Phrase("the class with the highest score", "得分最高的类别")),
    _share("top1_score", Phrase("the highest score", "最高得分")),
    _label("top2", Phrase("the class with the second highest score", "得分第二高的类别")),
    _share(
        "top2_score",
        Phrase("the second highest score; 0 where there is only one", "第二高的得分；只有一个得分时为 0"),
    ),
    _share("gap", Phrase("top1_score - top2_score", "top1_score - top2_score，前两名的差距")),
    _share(
        "entropy",
        Phrase(
            "how evenly the scores are spread: 0 all on one class, 1 the same on all nine",
            "得分的分散程度：0 全部集中在一个类别，1 九个类别完全相同",
        ),
    ),
    _share(
        "emotion_score",
        Phrase(
            "score of the main emotion; 0 where it has none, missing where it is a foreign label without one",
            "主情感自己的得分；没有得分时为 0；主情感是得分里没有的其他标签时缺少",
        ),
    ),
    _amount("scores.count", Phrase("how many classes have a score", "有得分的类别数"), "result"),
    *(_share(f"scores.{name}", _SCORE) for name in CLASSES),
    Field("granularity", "text", "result", Phrase("as the result names it", "结果所写的识别粒度")),
    Field(
        "source",
        "text",
        "result",
        Phrase("name of the recording's file, where it is known", "录音的文件名（已知时）"),
    ),
    _amount("frames.count", Phrase("how many frames have scores", "有得分的帧数"), "result"),
    _share(
        "frames.agreement",
        Phrase(
            "share of the frames whose highest score is of the most frequent class",
            "最高分类别与多数帧一致的帧所占的比例",
        ),
    ),
    _amount("audio_files", Phrase("how many wavs stand in the task", "任务里 wav 文件的个数"), "files"),
    _amount(
        "unreadable_audio_files",
        Phrase("1 where the wav cannot be read as audio, else 0", "wav 无法当作音频读取时为 1，否则为 0"),
        "header",
    ),
    Field(
        "audio_problem", "text", "header", Phrase("why the wav cannot be read as audio", "wav 无法读取的原因")
    ),
    _amount(
        "duration_seconds",
        Phrase("length by the wav's header", "按 wav 文件头计算的时长"),
        "header",
        _SECONDS,
    ),
    _amount("sample_rate", Phrase("samples a second", "采样率"), "header", _HERTZ),
    _amount("channels", Phrase("how many channels", "声道数"), "header"),
    _amount("speech_seconds", Phrase("how much of it is speech", "其中的语音时长"), "samples", _SECONDS),
    _share("silence_ratio", Phrase("share without speech", "没有语音的比例"), "samples"),
    Field(
        "snr_db", "number", "samples", Phrase("estimated signal-to-noise ratio", "估计的信噪比"), _DECIBELS
    ),
    _share("clipping_ratio", Phrase("share of clipped samples", "削波采样点的比例"), "samples"),
    Field("rms_dbfs", "number", "samples", Phrase("mean level", "平均电平"), _FULL_SCALE),
    _amount(
        "audio_newer_seconds",
        Phrase("by how much the audio is newer than the result", "音频比结果新多少秒"),
        "settling",
        _SECONDS,
    ),
    _amount(
        "frames_off_seconds",
        Phrase(
            "by how much the audio is longer or shorter than the result's frames",
            "音频与结果的帧数相差多少秒",
        ),
        "settling",
        _SECONDS,
    ),
    _amount(
        "written_over_seconds",
        Phrase(
            "how long after they were made another recognition wrote over the files",
            "文件在创建多少秒后被另一次识别覆盖",
        ),
        "settling",
        _SECONDS,
    ),
    _amount(
        "audio_missing_bytes",
        Phrase("by how much the wav is shorter than its header says", "wav 比文件头声明的短多少字节"),
        "settling",
        _BYTES,
    ),
    _amount(
        "embedding_older_seconds",
        Phrase("by how much the embedding is older than the audio", "特征文件比音频旧多少秒"),
        "settling",
        _SECONDS,
    ),
    _amount(
        "embedding_off_seconds",
        Phrase(
            "by how much the audio is longer or shorter than the embedding's frames",
            "音频与特征文件的帧数相差多少秒",
        ),
        "settling",
        _SECONDS,
    ),
    _amount(
        "embedding_missing_bytes",
        Phrase("by how much the npy is shorter than its header says", "npy 比文件头声明的短多少字节"),
        "settling",
        _BYTES,
    ),
    _amount(
        "missing_files",
        Phrase("how many files of settle.require never came", "settle.require 中有几个文件一直没有出现"),
        "settling",
    ),
    _amount(
        "temporary_files",
        Phrase(
            "how many files still have a name of settle.temporary", "仍使用 settle.temporary 临时名的文件个数"
        ),
        "settling",
    ),
    _amount(
        "open_files", Phrase("how many files are open for writing", "仍被打开写入的文件个数"), "settling"
    ),
)
FIELDS: Final[Mapping[str, Field]] = MappingProxyType({field.name: field for field in _ALL})
"""Every field, in the order of the README's table."""


def values_of(
    result: Result, measured: Values = MappingProxyType({}), names: Iterable[str] = FIELDS
) -> dict[str, Value]:
    """The values of fields for one task.

    Args:
        result: the result file's own numbers.
        measured: what audio and settling tell, by the names of their fields; others are left out.
        names: of the fields that are asked for.
    """
    return {
        name: _READ[name](result) if name in _READ else measured.get(name, _UNTOLD[name]) for name in names
    }


_UNTOLD: Final[Mapping[str, Value]] = MappingProxyType(
    {name: 0 if field.origin == "settling" else None for name, field in FIELDS.items()}
)
"""What is known of a task that nobody measured: settling tells only what is odd, so silence means nothing was."""


def _of_scores(read: Callable[[Result], Value]) -> Callable[[Result], Value]:
    """What only a result with scores has."""
    return lambda result: read(result) if result.scores else None


def _score_of(name: str) -> Callable[[Result], Value]:
    return _of_scores(lambda result: result.scores.get(name, 0.0))


def _emotion_score(result: Result) -> float | None:
    """The score of the main emotion; a word that is none of the nine may be a score's under another spelling."""
    is_foreign = result.emotion is not None and result.emotion not in CLASSES
    return result.scores.get(result.emotion or "", None if is_foreign else 0.0)


_READ: Final[Mapping[str, Callable[[Result], Value]]] = MappingProxyType(
    {
        "emotion": lambda result: result.emotion,
        "confidence": lambda result: result.confidence,
        "top1": lambda result: result.ranking[0] if result.ranking else None,
        "top1_score": lambda result: result.top1,
        "top2": lambda result: result.ranking[1] if len(result.ranking) > 1 else None,
        "top2_score": lambda result: result.top2,
        "gap": lambda result: result.gap,
        "entropy": lambda result: entropy(result.scores),
        "emotion_score": _of_scores(_emotion_score),
        "scores.count": lambda result: len(result.scores),
        **{f"scores.{name}": _score_of(name) for name in CLASSES},
        "granularity": lambda result: result.granularity,
        "source": lambda result: result.source,
        "frames.count": lambda result: result.frames.count if result.frames else None,
        "frames.agreement": lambda result: result.frames.agreement if result.frames else None,
    }
)
"""How each field of the result is read."""


def entropy(scores: Mapping[str, float]) -> float | None:
    """Shannon's entropy of the scores over that of nine equal ones, 0 to 1; ``None`` where all are 0.

    Scores that do not sum to 1 are divided by their sum, here alone: no other field is renormalised.
    """
    total = math.fsum(scores.values())
    if total <= 0:
        return None
    # A subnormal score divided by its sum may be 0.
    shares = [share for score in scores.values() if (share := score / total) > 0]
    # More classes than the model's nine have a higher greatest entropy.
    greatest = math.log(max(len(CLASSES), len(scores)))
    return min(1.0, round(abs(math.fsum(share * math.log(share) for share in shares)) / greatest, 9))
