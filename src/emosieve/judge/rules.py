"""The built-in rules, written in the language of rules, with their limits as named parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from emosieve.judge.expression import Expression, compile_expression
from emosieve.judge.fields import FIELDS
from emosieve.text import Phrase

DefaultAction = Literal["reject", "flag", "off"]


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A rule that every installation has.

    Attributes:
        name: in settings, log and report.
        when: it fires.
        action: what it does then, unless the settings say otherwise; ``off`` is not evaluated at all.
        meaning: when it fires, for people.
        message: what a finding says, a template in either language.
        parameters: its limits with their defaults; as settings they are ``rules.NAME``.
    """

    name: str
    when: str
    action: DefaultAction
    meaning: Phrase
    message: Phrase
    parameters: Mapping[str, float] = field(default_factory=dict)

    def compile(self, limits: Mapping[str, float] = MappingProxyType({})) -> Expression:
        """The rule with these limits; its own parameters alone, the others' are left out.

        Args:
            limits: numbers by the name of a parameter; the default stands where there is none.
        """
        own = {name: limits.get(name, default) for name, default in self.parameters.items()}
        return compile_expression(self.when, FIELDS, own)


BUILT_IN: Final = (
    BuiltIn(
        "low_confidence",
        "confidence < min_confidence",
        "reject",
        Phrase("main confidence below rules.min_confidence", "主情感置信度低于 rules.min_confidence"),
        Phrase(
            "main confidence {confidence:.3f} is below {min_confidence}",
            "主情感置信度 {confidence:.3f} 低于 {min_confidence}",
        ),
        {"min_confidence": 0.6},
    ),
    BuiltIn(
        "ambiguous",
        "gap < min_gap",
        "reject",
        Phrase("the first two scores less than rules.min_gap apart", "前两名得分的差距小于 rules.min_gap"),
        Phrase(
            "the first two scores are {gap:.3f} apart, below {min_gap}",
            "前两名得分的差距 {gap:.3f} 小于 {min_gap}",
        ),
        {"min_gap": 0.05},
    ),
    BuiltIn(
        "no_dominant_emotion",
        "top1_score < min_top",
        "reject",
        Phrase("every score below rules.min_top", "所有得分都低于 rules.min_top"),
        Phrase(
            "no score reaches {min_top}; the highest is {top1_score:.3f}",
            "没有得分达到 {min_top}；最高为 {top1_score:.3f}",
        ),
        {"min_top": 0.3},
    ),
    BuiltIn(
        "scores_missing",
        "scores.count == 0",
        "reject",
        Phrase("the result has no scores at all", "结果里没有任何得分"),
        Phrase("the result has no scores", "结果里没有得分"),
    ),
    BuiltIn(
        "scores_inconsistent",
        "abs(confidence - top1_score) > max_inconsistency or emotion_score < top1_score",
        "flag",
        Phrase("main confidence or emotion contradict the scores", "主情感或其置信度与得分矛盾"),
        Phrase(
            "the emotion is {emotion} ({confidence:.3f}, its score {emotion_score:.3f}), "
            "but the highest score is {top1_score:.3f} ({top1})",
            "主情感是 {emotion}（{confidence:.3f}，其得分 {emotion_score:.3f}），"
            "但最高得分是 {top1_score:.3f}（{top1}）",
        ),
        {"max_inconsistency": 0.02},
    ),
    BuiltIn(
        "too_short",
        "duration_seconds < min_duration",
        "flag",
        Phrase("the audio is shorter than rules.min_duration", "音频时长不足 rules.min_duration"),
        Phrase(
            "the audio lasts {duration_seconds:.2f} s, less than {min_duration}",
            "音频时长 {duration_seconds:.2f} 秒，不足 {min_duration} 秒",
        ),
        {"min_duration": 1.0},
    ),
    BuiltIn(
        "no_speech",
        "speech_seconds < min_speech",
        "flag",
        Phrase("less speech than rules.min_speech", "语音时长不足 rules.min_speech"),
        Phrase(
            "{speech_seconds:.2f} s of speech, less than {min_speech}",
            "语音时长 {speech_seconds:.2f} 秒，不足 {min_speech} 秒",
        ),
        {"min_speech": 0.5},
    ),
    BuiltIn(
        "mostly_silence",
        "silence_ratio > max_silence",
        "flag",
        Phrase("more silence than rules.max_silence", "静音比例高于 rules.max_silence"),
        Phrase(
            "{silence_ratio:.0%} of the audio is silence, more than {max_silence:.0%}",
            "静音占 {silence_ratio:.0%}，高于 {max_silence:.0%}",
        ),
        {"max_silence": 0.8},
    ),
    BuiltIn(
        "noisy",
        "snr_db < min_snr",
        "flag",
        Phrase("signal-to-noise ratio below rules.min_snr", "信噪比低于 rules.min_snr"),
        Phrase(
            "the signal-to-noise ratio is about {snr_db:.1f} dB, below {min_snr}",
            "信噪比约为 {snr_db:.1f} dB，低于 {min_snr} dB",
        ),
        {"min_snr": 10.0},
    ),
    BuiltIn(
        "clipped",
        "clipping_ratio > max_clipping",
        "flag",
        Phrase("more clipped samples than rules.max_clipping", "削波比例高于 rules.max_clipping"),
        Phrase(
            "{clipping_ratio:.1%} of the samples are clipped, more than {max_clipping:.1%}",
            "削波采样点占 {clipping_ratio:.1%}，高于 {max_clipping:.1%}",
        ),
        {"max_clipping": 0.02},
    ),
    BuiltIn(
        "audio_unreadable",
        "unreadable_audio_files > 0",
        "flag",
        Phrase("a wav cannot be read as audio", "有 wav 文件无法当作音频读取"),
        Phrase(
            "{unreadable_audio_files} of {audio_files} wavs cannot be read as audio",
            "{audio_files} 个 wav 文件中有 {unreadable_audio_files} 个无法当作音频读取",
        ),
    ),
    BuiltIn(
        "audio_missing",
        "audio_files == 0",
        "off",
        Phrase("the task has no wav", "任务里没有 wav 文件"),
        Phrase("the task has no wav", "任务里没有 wav 文件"),
    ),
    BuiltIn(
        "mixed_task",
        "audio_newer_seconds > 0",
        "flag",
        Phrase(
            "the audio is newer than the result: two recognitions in one directory",
            "音频比结果新：两次识别写进了同一个目录",
        ),
        Phrase(
            "the audio is {audio_newer_seconds:.3f} s newer than the result",
            "音频比结果新 {audio_newer_seconds:.3f} 秒",
        ),
    ),
    BuiltIn(
        "audio_truncated",
        "audio_missing_bytes > 0",
        "flag",
        Phrase("the wav is shorter than its header says", "wav 比文件头声明的短"),
        Phrase(
            "the wav is {audio_missing_bytes} bytes shorter than its header says",
            "wav 比文件头声明的短 {audio_missing_bytes} 字节",
        ),
    ),
    BuiltIn(
        "stale_embedding",
        "embedding_older_seconds > 0",
        "flag",
        Phrase(
            "the embedding is older than the audio: it is of an earlier recognition",
            "特征文件比音频旧：属于之前的一次识别",
        ),
        Phrase(
            "the embedding is {embedding_older_seconds:.3f} s older than the audio",
            "特征文件比音频旧 {embedding_older_seconds:.3f} 秒",
        ),
    ),
    BuiltIn(
        "embedding_truncated",
        "embedding_missing_bytes > 0",
        "flag",
        Phrase("the npy is shorter than its header says", "npy 比文件头声明的短"),
        Phrase(
            "the npy is {embedding_missing_bytes} bytes shorter than its header says",
            "npy 比文件头声明的短 {embedding_missing_bytes} 字节",
        ),
    ),
    BuiltIn(
        "required_missing",
        "missing_files > 0",
        "flag",
        Phrase("a file of settle.require never came", "settle.require 中的文件一直没有出现"),
        Phrase("{missing_files} required files never came", "缺少 {missing_files} 个必需的文件"),
    ),
    BuiltIn(
        "still_open",
        "open_files > 0",
        "flag",
        Phrase("a process still held a file open for writing", "仍有进程打开着文件写入"),
        Phrase("{open_files} files were still open for writing", "判定时有 {open_files} 个文件仍被打开写入"),
    ),
)
"""Every built-in rule, in the order of the report."""
