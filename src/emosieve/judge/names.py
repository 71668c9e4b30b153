"""What emotions and rules are called in Chinese; the names that are typed and logged stay as they are. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from emosieve.text import Language

EMOTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "angry": "愤怒",
        "disgusted": "厌恶",
        "fearful": "恐惧",
        "happy": "快乐",
        "neutral": "中性",
        "other": "其他",
        "sad": "悲伤",
        "surprised": "惊讶",
        "unknown": "未知",
    }
)
"""The word of each of the nine classes; as a label, each means that class."""
RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "low_confidence": "置信度低",
        "ambiguous": "情感模糊",
        "no_dominant_emotion": "无显著情感",
        "scores_missing": "缺少得分",
        "scores_inconsistent": "得分矛盾",
        "too_short": "音频过短",
        "no_speech": "没有语音",
        "mostly_silence": "静音过多",
        "noisy": "噪声大",
        "clipped": "削波失真",
        "audio_unreadable": "音频无法读取",
        "audio_missing": "缺少音频",
        "mixed_task": "两次识别混杂",
        "reused_directory": "目录被重复使用",
        "audio_truncated": "音频不完整",
        "stale_embedding": "特征文件过旧",
        "embedding_truncated": "特征文件不完整",
        "required_missing": "缺少必需文件",
        "transfer_unfinished": "传输未完成",
        "still_open": "文件仍被占用",
    }
)
"""A short name of each built-in rule."""


def emotion_word(emotion: str, language: Language) -> str:
    """What an emotion is called; a label of another model as it is."""
    return EMOTIONS.get(emotion, emotion) if language == "zh" else emotion


def with_key(name: str, language: Language) -> str:
    """An emotion or a rule by its Chinese word and the name that one types; by that alone where there is no word."""
    word = {**EMOTIONS, **RULES}.get(name) if language == "zh" else None
    return f"{word} {name}" if word else name
