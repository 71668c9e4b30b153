"""The built-in rules, written in the language of rules, with their limits as named parameters."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from emosieve.judge.expression import Expression, compile_expression
from emosieve.judge.fields import FIELDS
from emosieve.text import Language, Phrase, escape, number

Action = Literal["reject", "flag", "off"]
"""What a rule does when it fires; one that is off is not even evaluated."""
Choice = Literal["reject", "flag", "off", "auto"]
"""What may be chosen for a rule; ``auto`` flags where another rule rejects by the audio, and is off elsewhere."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers of the built-in rules; as settings they are ``rules.NAME``.

    The first three are those of the one-shot script that users of the WebUI know. Those over
    audio flag alone by default, and none of them separates good audio from bad in earnest.

    Attributes:
        min_confidence: share of 1.
        min_gap: share of 1.
        min_top: share of 1.
        min_duration: seconds.
        max_silence: share of the audio, 0 to 1.
        min_snr: dB, as ``audio.AudioMeasures.snr_db``.
        max_clipping: share of the samples, 0 to 1.
    """

    min_confidence: float = 0.6
    min_gap: float = 0.05
    min_top: float = 0.3
    min_duration: float = 1.0
    max_silence: float = 0.8
    min_snr: float = 10.0
    max_clipping: float = 0.02


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A rule that every installation has.

    Attributes:
        name: in settings, log and report.
        when: it fires.
        action: what it does then, unless the settings say otherwise.
        meaning: when it fires, for people who choose.
        message: what a finding says in the log, a template in English.
        words: what the report says, with the ``{observed}`` value of the first comparison.
        parameters: the names of its limits.
    """

    name: str
    when: str
    action: Choice
    meaning: Phrase
    message: str
    words: Phrase
    parameters: tuple[str, ...] = ()

    def compile(self, limits: Limits) -> Expression:
        """The rule with these limits; its own parameters alone, the others' are left out."""
        numbers = asdict(limits)
        return compile_expression(self.when, FIELDS, {name: numbers[name] for name in self.parameters})


BUILT_IN: Final = (
    BuiltIn(
        "low_confidence",
        "confidence < min_confidence",
        "reject",
        Phrase("main confidence below rules.min_confidence", "主情感置信度低于 rules.min_confidence"),
        "main confidence {confidence:.3f} is below {min_confidence}",
        Phrase("low main confidence ({observed})", "主情感置信度低 ({observed})"),
        ("min_confidence",),
    ),
    BuiltIn(
        "ambiguous",
        "gap < min_gap",
        "reject",
        Phrase("the first two scores less than rules.min_gap apart", "前两名得分的差距小于 rules.min_gap"),
        "the first two scores are {gap:.3f} apart, below {min_gap}",
        Phrase("ambiguous (top1-top2 gap={observed})", "情感倾向模糊 (Top1-Top2差距={observed})"),
        ("min_gap",),
    ),
    BuiltIn(
        "no_dominant_emotion",
        "top1_score < min_top",
        "reject",
        Phrase("every score below rules.min_top", "所有得分都低于 rules.min_top"),
        "no score reaches {min_top}; the highest is {top1_score:.3f}",
        Phrase("no dominant emotion (highest={observed})", "无显著情感 (最高分={observed})"),
        ("min_top",),
    ),
    BuiltIn(
        "scores_missing",
        "scores.count == 0",
        "reject",
        Phrase("the result has no scores at all", "结果里没有任何得分"),
        "the result has no scores",
        Phrase("no scores", "缺少情感得分"),
    ),
    BuiltIn(
        "scores_inconsistent",
        "abs(confidence - top1_score) > 0.02 or top1_score - emotion_score > 0",
        "flag",
        Phrase("main confidence or emotion contradict the scores", "主情感或其置信度与得分矛盾"),
        "the emotion is {emotion}, with confidence {confidence:.3f} and score {emotion_score:.3f}; "
        "the highest score is {top1_score:.3f} ({top1})",
        Phrase("scores and main emotion disagree (by {observed})", "得分与主情感不一致 (相差{observed})"),
    ),
    BuiltIn(
        "too_short",
        "duration_seconds < min_duration",
        "flag",
        Phrase("the audio is shorter than rules.min_duration", "音频时长不足 rules.min_duration"),
        "the audio lasts {duration_seconds:.2f} s, less than {min_duration}",
        Phrase("audio too short ({observed} s)", "音频过短 ({observed}秒)"),
        ("min_duration",),
    ),
    BuiltIn(
        "no_speech",
        "speech_seconds == 0",
        "flag",
        Phrase(
            "no speech: digital silence, or sound without any dynamics",
            "没有语音：全零静音，或毫无起伏的声音",
        ),
        "the audio holds no speech: digital silence, or sound without any dynamics",
        Phrase("no speech", "没有语音"),
    ),
    BuiltIn(
        "mostly_silence",
        "silence_ratio > max_silence",
        "flag",
        Phrase("more silence than rules.max_silence", "静音比例高于 rules.max_silence"),
        "{silence_ratio:.0%} of the audio is silence, more than {max_silence:.0%}",
        Phrase("mostly silence ({observed})", "大部分是静音 (静音占比={observed})"),
        ("max_silence",),
    ),
    BuiltIn(
        "noisy",
        "snr_db < min_snr",
        "flag",
        Phrase("signal-to-noise ratio below rules.min_snr", "信噪比低于 rules.min_snr"),
        "the signal-to-noise ratio is about {snr_db:.1f} dB, below {min_snr}",
        Phrase("noisy ({observed} dB)", "噪声大 (信噪比约{observed}dB)"),
        ("min_snr",),
    ),
    BuiltIn(
        "clipped",
        "clipping_ratio > max_clipping",
        "flag",
        Phrase("more clipped samples than rules.max_clipping", "削波比例高于 rules.max_clipping"),
        "{clipping_ratio:.1%} of the samples are clipped, more than {max_clipping:.1%}",
        Phrase("clipped ({observed})", "音量过载削波 (占比={observed})"),
        ("max_clipping",),
    ),
    BuiltIn(
        "audio_unreadable",
        "unreadable_audio_files > 0",
        "flag",
        Phrase("the wav cannot be read as audio", "wav 文件无法当作音频读取"),
        "the wav cannot be read as audio: {audio_problem}",
        Phrase("audio unreadable", "音频无法读取"),
    ),
    BuiltIn(
        "audio_missing",
        "audio_files == 0",
        "auto",
        Phrase("the task has no wav", "任务里没有 wav 文件"),
        "the task has no wav",
        Phrase("audio missing", "缺少音频"),
    ),
    BuiltIn(
        "mixed_task",
        "audio_newer_seconds > 0 or frames_off_seconds > 0",
        "flag",
        Phrase(
            "audio and result do not belong together: two recognitions in one directory",
            "音频与结果不属于同一次识别：两次识别写进了同一个目录",
        ),
        "the audio is {audio_newer_seconds:.3f} s newer than the result, and its length {frames_off_seconds:.3f} s "
        "off the result's frames: two recognitions wrote here",
        Phrase(
            "two recognitions in one directory (audio and result {observed} s apart)",
            "疑似两次识别混在同一目录 (音频与结果相差{observed}秒)",
        ),
    ),
    BuiltIn(
        "reused_directory",
        "written_over_seconds > 0",
        "flag",
        Phrase(
            "a later recognition wrote over the files of an earlier one, whose result is gone",
            "后一次识别覆盖了前一次的文件，前一次的结果已丢失",
        ),
        "the files were written over {written_over_seconds:.3f} s after they were made: at least 2 recognitions "
        "wrote here; the earlier results are gone",
        Phrase(
            "at least 2 recognitions wrote here, the earlier results are gone (written over {observed} s later)",
            "至少 2 次识别写进了同一个目录，之前的结果已丢失 (创建{observed}秒后被覆盖)",
        ),
    ),
    BuiltIn(
        "audio_truncated",
        "audio_missing_bytes > 0",
        "flag",
        Phrase("the wav is shorter than its header says", "wav 比文件头声明的短"),
        "the wav is {audio_missing_bytes} bytes shorter than its header says",
        Phrase("audio cut short ({observed} bytes missing)", "音频不完整 (缺{observed}字节)"),
    ),
    BuiltIn(
        "stale_embedding",
        "embedding_older_seconds > 0 or embedding_off_seconds > 0",
        "flag",
        Phrase(
            "the embedding is of an earlier recognition: older than the audio, or of another length",
            "特征文件属于之前的一次识别：比音频旧，或时长不同",
        ),
        "the embedding is {embedding_older_seconds:.3f} s older than the audio, and its length "
        "{embedding_off_seconds:.3f} s off: it is of an earlier recognition",
        Phrase(
            "embedding of an earlier recognition ({observed} s off the audio)",
            "特征文件属于之前的识别 (与音频相差{observed}秒)",
        ),
    ),
    BuiltIn(
        "embedding_truncated",
        "embedding_missing_bytes > 0",
        "flag",
        Phrase("the npy is shorter than its header says", "npy 比文件头声明的短"),
        "the npy is {embedding_missing_bytes} bytes shorter than its header says",
        Phrase("embedding cut short ({observed} bytes missing)", "特征文件不完整 (缺{observed}字节)"),
    ),
    BuiltIn(
        "required_missing",
        "missing_files > 0",
        "flag",
        Phrase("a file of settle.require never came", "settle.require 中的文件一直没有出现"),
        "{missing_files} required files never came",
        Phrase("required files missing ({observed})", "缺少必需的文件 ({observed}个)"),
    ),
    BuiltIn(
        "transfer_unfinished",
        "temporary_files > 0",
        "flag",
        Phrase(
            "a file never lost its temporary name (settle.temporary)",
            "文件一直是 settle.temporary 中的临时名",
        ),
        "{temporary_files} files were still under a temporary name",
        Phrase("a file still had a temporary name", "判定时文件仍是传输中的临时名"),
    ),
    BuiltIn(
        "still_open",
        "open_files > 0",
        "flag",
        Phrase("a process still held a file open for writing", "仍有进程打开着文件写入"),
        "{open_files} files were still open for writing",
        Phrase("a file was still open for writing", "判定时文件仍被占用"),
    ),
)
"""Every built-in rule, in the order of the report."""
DEFAULT_ACTIONS: Final[Mapping[str, Choice]] = MappingProxyType({rule.name: rule.action for rule in BUILT_IN})
_UNDECIDED: Final = Phrase("{rule} not evaluated (no {fields})", "{rule} 未评估 (缺少 {fields})")
_MESSAGE_LIMIT: Final = 2000
"""Characters of an own rule's message, which may be 500 long before the task's values stand in it."""
_WORDS: Final = MappingProxyType({rule.name: rule.words for rule in BUILT_IN})


def finding_words(finding: Mapping[str, Any], language: Language) -> str:
    """A logged finding as one phrase of the report, from its rule and observed value alone.

    A rule that this version does not know, such as one of somebody's own, is shown by its logged message.
    """
    if missing := finding.get("missing"):
        return _UNDECIDED(rule=str(finding["rule"]), fields=", ".join(map(str, missing))).text(language)
    phrase = _WORDS.get(finding["rule"])
    if phrase is None:
        return escape(str(finding.get("message") or finding["rule"]), _MESSAGE_LIMIT)
    observed = finding.get("observed")
    shown = number(observed) if isinstance(observed, float) else escape(str(observed))
    return phrase(observed=shown).text(language)
