"""The nine emotion classes, and every label that writers of result.json use for them."""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from emosieve.text import escape

CLASSES = ("angry", "disgusted", "fearful", "happy", "neutral", "other", "sad", "surprised", "unknown")
"""Emotion2Vec+'s classes in the model's own order, which is what an index for a label counts in."""

_SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        synonym: name
        for name, synonyms in {
            "angry": ("anger", "生气", "愤怒"),
            "disgusted": ("disgust", "厌恶"),
            "fearful": ("fear", "恐惧", "害怕"),
            "happy": ("happiness", "开心", "快乐", "高兴"),
            "neutral": ("中立", "中性"),
            "other": ("others", "其他", "其它"),
            "sad": ("sadness", "难过", "悲伤", "伤心"),
            "surprised": ("surprise", "吃惊", "惊讶"),
            "unknown": ("unk", "<unk>", "", "未知"),
        }.items()
        for synonym in (name, *synonyms)
    },
)

_SIDES = re.compile(r"[/|()]")
_DECORATION = re.compile(r"^[^\w<]+|[^\w>]+$")
_UNUSED = re.compile(r"unuse(_?\d+)?")
_LABEL_LIMIT = 64


def class_of(label: str) -> str | None:
    """The class that a label means, ``None`` for the model's ``unuse_N`` placeholders.

    Case, spaces, width, a leading emoji and an index in front do not matter, and
    either side of a bilingual label will do: ``生气/angry``, ``angry/生气``,
    ``😊 快乐 (Happy)``, ``8/<unk>``, ``3``. A label that names no known class, or
    two at once, is a class of its own under its escaped text.
    """
    # Nothing that long is a label; the cache must not keep megabytes of somebody's text.
    return escape(label, _LABEL_LIMIT) if len(label) > _LABEL_LIMIT else _class_of(label)


@lru_cache(maxsize=1024)
def _class_of(label: str) -> str | None:
    text = unicodedata.normalize("NFKC", label).casefold().strip()
    if len(text) == 1 and text.isdecimal() and int(text) < len(CLASSES):
        return CLASSES[int(text)]
    if text in _SYNONYMS:
        return _SYNONYMS[text]
    sides = [side for side in (_DECORATION.sub("", side) for side in _SIDES.split(text)) if side]
    known = {_SYNONYMS[side] for side in sides if side in _SYNONYMS}
    if len(known) == 1:
        return known.pop()
    if any(_UNUSED.fullmatch(side) for side in sides):
        return None
    return escape(text, _LABEL_LIMIT)
