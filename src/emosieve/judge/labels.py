"""The nine emotion classes, and every label that writers of result.json use for them."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from functools import lru_cache
from types import MappingProxyType

from emosieve.text import escape

CLASSES = ("angry", "disgusted", "fearful", "happy", "neutral", "other", "sad", "surprised", "unknown")
"""Emotion2Vec+'s classes in the model's own order, which is what an index for a label counts in."""

_SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        synonym: name
        for name, synonyms in {
            "angry": "anger ang angriness mad furious fury rage wut wütend ärger zorn 😠 😡 🤬 "
            "生气 愤怒 恼怒 发怒 气愤 怒气 怒 生氣 憤怒 惱怒 發怒 氣憤 怒氣 怒り 怒る 怒ってる 화남 분노 화",
            "disgusted": "disgust dis disg disgusting ekel angeekelt 🤢 🤮 "
            "厌恶 恶心 反感 嫌恶 憎恶 厭惡 噁心 嫌惡 憎惡 嫌悪 嫌悪感 혐오 역겨움",
            "fearful": "fear fea afraid scared frightened angst furcht ängstlich 😨 😱 😰 "
            "恐惧 害怕 惊恐 惧怕 畏惧 恐 恐懼 驚恐 懼怕 畏懼 恐れ 恐怖 怖い 공포 두려움 무서움",
            "happy": "happiness hap happily joy joyful joyous freude fröhlich glücklich "
            "😊 😀 😃 😄 😁 🙂 😆 🥰 "
            "开心 快乐 高兴 喜悦 愉快 欢快 欢喜 愉悦 喜 開心 快樂 高興 喜悅 歡快 歡喜 愉悅 "
            "喜び 嬉しい うれしい 幸せ 楽しい 기쁨 행복 즐거움",
            "neutral": "neutrality neu neut calm calmness 😐 😶 😌 "
            "中立 中性 平静 冷静 平淡 平和 平静/中性 平靜 冷靜 ニュートラル 普通 무표정 중립 평온",
            "other": "others oth 其他 其它 その他 기타 🤔",
            "sad": "sadness sorrow sorrowful unhappy trauer traurig 😢 😭 😞 😔 ☹ 🙁 "
            "难过 悲伤 伤心 哀伤 悲痛 忧伤 悲 哀 難過 悲傷 傷心 哀傷 憂傷 "
            "悲しみ 悲しい 哀しみ 哀しい 슬픔",
            "surprised": "surprise sur surp surprize surprising astonished astonishment ps "
            "überraschung überrascht 😲 😮 😯 "
            "吃惊 惊讶 惊喜 惊奇 诧异 惊 吃驚 驚訝 驚喜 驚奇 詫異 驚 驚き びっくり 놀람 놀라움",
            # IEMOCAP writes xxx where its listeners did not agree.
            "unknown": "unk <unk> unkown unknow xxx ❓ 未知 不明 不详 未识别 未識別 無法識別 无法识别 알수없음",
        }.items()
        for synonym in (name, *synonyms.split())
    }
    | {"": "unknown", "pleasant surprise": "surprised", "pleasant surprised": "surprised"}
)
"""The words of IEMOCAP, MELD, RAVDESS, CREMA-D, TESS, SAVEE, EMO-DB, ESD, CASIA, M3ED, MER and SenseVoice that mean
one of the nine, in simplified and traditional Chinese, Japanese, Korean, German, and as emoji.

Words that mean none of them, as excited, frustrated, contempt or boredom, stay classes of their own.
"""

CODES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "EMO-DB": MappingProxyType(
            {"w": "angry", "l": "boredom", "e": "disgusted", "a": "fearful", "f": "happy", "t": "sad"}
            | {"n": "neutral"}
        ),
        "MSP-Podcast": MappingProxyType(
            {"a": "angry", "s": "sad", "h": "happy", "u": "surprised", "f": "fearful", "d": "disgusted"}
            | {"c": "contempt", "n": "neutral", "o": "other", "x": "unknown"}
        ),
    }
)
"""Letters by data set: one means fear here and anger there, so only a file's labels together tell."""

_SIDES = re.compile(r"[/|()\[\]<>:,、;=.]")
_NOT_A_WORD = re.compile(r"[\W_]+")
_PREFIX = re.compile(r"(?:emotions?|emo|label|class|male|female) (?=\S)|(?:情感|情绪|情緒) ?(?=\S)")
_UNUSED = re.compile(r"unuse( ?\d+)?")
_EMOJI_STYLE = "\ufe0f"
_LABEL_LIMIT = 64


def class_of(label: str) -> str | None:
    """The class that a label means, ``None`` for the model's ``unuse_N`` placeholders.

    Case, spaces, width, emoji, an index in front and the name of an enumeration do not
    matter, and either side of a bilingual label will do: ``生气/angry``, ``angry/生气``,
    ``😊 快乐 (Happy)``, ``8/<unk>``, ``3``, ``<|HAPPY|>``, ``EMO_UNKNOWN``, ``Emotion.HAPPY``.
    A label that names no known class, or two at once, is a class of its own under its escaped text.
    """
    # Nothing that long is a label; the cache must not keep megabytes of somebody's text.
    return escape(label, _LABEL_LIMIT) if len(label) > _LABEL_LIMIT else _class_of(label)


@lru_cache(maxsize=1024)
def _class_of(label: str) -> str | None:
    text = unicodedata.normalize("NFKC", label).casefold().replace(_EMOJI_STYLE, "").strip()
    if len(text) == 1 and text.isdecimal() and int(text) < len(CLASSES):
        return CLASSES[int(text)]
    if text in _SYNONYMS:
        return _SYNONYMS[text]
    sides = [side for side in map(_plain, _SIDES.split(text)) if side]
    known = {_SYNONYMS[side] for side in sides if side in _SYNONYMS}
    if len(known) == 1:
        return known.pop()
    if any(_UNUSED.fullmatch(side) for side in sides):
        return None
    return escape(text, _LABEL_LIMIT)


def _plain(side: str) -> str:
    """The words of one side of a label, without signs, emoji and what only says that an emotion follows."""
    return _PREFIX.sub("", _NOT_A_WORD.sub(" ", side).strip(), count=1)


def is_class(label: object) -> bool:
    """Whether it is a text that means one of the nine classes; the empty one means nothing here."""
    return isinstance(label, str) and class_of(label) in CLASSES and not (label == "" or label.isspace())


def meaning_of_codes(names: Collection[str]) -> Mapping[str, str]:
    """What the labels of a file mean where all are letters of one data set; empty where they are not, or of two.

    Args:
        names: all that ``class_of`` gave for the labels of one file.
    """
    if not names or any(len(name) > 1 for name in names):
        return {}
    meanings = [
        {name: codes[name] for name in names}
        for codes in CODES.values()
        if all(name in codes for name in names)
    ]
    return meanings[0] if meanings and all(one == meanings[0] for one in meanings) else {}
