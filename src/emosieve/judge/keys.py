"""What the keys of a result file mean: the words of every writer that is known, by their role. Pure.

``WORDS`` is the table; ``collect`` sorts an object's entries by it.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, Final, Literal

Role = Literal[
    "emotion", "confidence", "number", "frames", "wrapper", "weak_label", "weak_number", "identity",
    "moment", "granularity", "timestamp", "error", "success", "status", "code", "message", "logits",
]  # fmt: skip
Items = list[tuple[str, Any]]

WORDS: Final[Mapping[Role, str]] = MappingProxyType(
    {
        # A text is the main emotion; a list of texts, the labels; an object or a list of pairs, the scores.
        "emotion": "emotion label class category mood sentiment prediction predicted pred lab text_lab candidate "
        "情感 情绪 情緒 标签 標籤 类别 類別 心情",
        # A number is the main confidence; a list of them, an object or a list of pairs, the scores.
        "confidence": "confidence conf certainty 置信度 可信度 信心 把握",
        "number": "score prob probability proba softmax distribution dist likelihood posterior percentage percent "
        "out_prob output_prob 得分 分数 分數 评分 評分 概率 機率 概率分布 分布 百分比",
        "frames": "result frame segment timeline window chunk interval utterance sentence 帧 片段 分段 时间线 句子",
        "wrapper": "topk top_k top2 top3 top5 top9 ranking "
        "data result output response resp payload body content item detail info analysis return value "
        "数据 數據 结果 結果 返回 输出 輸出 响应 详情 识别结果 分析结果 内容",
        # In a list of pairs alone: {"name": "happy", "value": 0.9}.
        "weak_label": "name key tag type title id 名称 名稱",
        "weak_number": "value val weight p 值 数值 數值",
        "identity": "key file filename file_name filepath file_path path wav wav_path wav_file wav_id audio audio_path "
        "audio_file audio_id source utt utt_id uttid uid recording recording_id call_id clip clip_id 文件 文件名 录音 "
        "音频 音频文件",
        "moment": "start end begin stop from to time start_time end_time begin_time stop_time start_sec end_sec "
        "stop_sec start_ms end_ms offset onset duration frame frame_index frame_id segment segment_id t 开始 结束 时间 "
        "起始 开始时间 结束时间",
        "granularity": "granularity",
        "timestamp": "timestamp",
        "error": "error err errmsg err_msg error_msg error_message exception traceback 错误 错误信息 异常",
        "success": "success succeeded ok",
        "status": "status state 状态",
        "code": "code errcode err_code error_code status_code retcode ret",
        "message": "message msg detail reason 消息 信息 提示",
        "logits": "logit",
    }
)
"""The words that mean each role, in the singular; of a word in two roles, the value's kind tells."""
_ROLES: Final[Mapping[str, tuple[Role, ...]]] = MappingProxyType(
    {
        word: tuple(role for role in WORDS if word in WORDS[role].split())
        for words in WORDS.values()
        for word in words.split()
    }
    # A list that is the whole file stands under no key.
    | {"": ("frames", "wrapper")}
)
_QUALIFIED: Final[frozenset[Role]] = frozenset(
    {"emotion", "confidence", "number", "frames", "wrapper", "logits"}
)
"""Roles whose words may have others in front: emotion_scores, dominant_emotion_confidence, topk_labels."""
_QUALIFYING: Final = (
    "all avg average class classification category detailed detected dominant emo emotion emotional ser final full "
    "highest k label main max mean model out output overall per pred predict predicted prediction primary prob "
    "probability raw result score top top1 topk utterance frame segment softmax recognition analysis"
)
_QUALIFIERS: Final = frozenset(_QUALIFYING.split())
_CHINESE: Final = re.compile(
    r"(?:主要?|各[类个种]?|所有|全部|情感|情绪|情緒|预测|識別|识别|最高|最终|[类類]别?|详细|平均|语音|總|总|的)+(?=.)"
)
_MEANINGFUL: Final[frozenset[Role]] = _QUALIFIED | {"identity", "granularity", "timestamp"}
_FIRST: Final = MappingProxyType(
    {
        key: rank
        for rank, key in enumerate(
            ("emotion", "label", "confidence", "scores", "labels", "frames", "results")
        )
    }
)
"""The keys that the most common writers use, in the order in which they are believed."""
_KEY_LIMIT = 64
OBJECT_LIMIT = 256
"""Keys of an object beyond which none is searched for but the standard ones."""
FRAME_KEYS: Final = ("results", "frames", "frame_results", "segments")


@dataclass(frozen=True)
class OwnKeys:
    """Names that an installation's own writer gives to keys of result.json; they go before all others."""

    emotion: tuple[str, ...] = ()
    confidence: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()

    @cached_property
    def roles(self) -> Mapping[str, tuple[Role, ...]]:
        """Each of the keys with its role."""
        return (
            dict.fromkeys(self.emotion, ("emotion",))
            | dict.fromkeys(self.confidence, ("confidence",))
            | dict.fromkeys(self.scores, ("number",))
        )


def roles_of(key: str) -> tuple[Role, ...]:
    """The roles that a key's words can have, whatever their case, number and qualifiers; empty for none."""
    return _roles_of(key) if len(key) <= _KEY_LIMIT else ()


def is_meaningful(key: str) -> bool:
    """Whether a key says what stands under it, so that it is no label."""
    return not _MEANINGFUL.isdisjoint(roles_of(key))


@lru_cache(maxsize=2048)
def _roles_of(key: str) -> tuple[Role, ...]:
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", unicodedata.normalize("NFKC", key))
    words = [_singular(word) for word in re.split(r"[\W_]+", split.casefold()) if word]
    whole = "_".join(words)
    if whole in _ROLES:
        return _ROLES[whole]
    if not words:
        return ()
    *before, head = words
    if not before:
        head = _CHINESE.sub("", head)
        return tuple(role for role in _ROLES.get(head, ()) if role in _QUALIFIED)
    qualifies = all(word in _QUALIFIERS or word.isdecimal() for word in before)
    return tuple(role for role in _ROLES.get(head, ()) if role in _QUALIFIED) if qualifies else ()


def _singular(word: str) -> str:
    """``score`` of ``scores``, ``category`` of ``categories``; other words as they are."""
    for ending, single in (("ies", "y"), ("sses", "ss"), ("s", "")):
        if word.endswith(ending) and word[: -len(ending)] + single in _SINGULARS:
            return word[: -len(ending)] + single
    return word


_SINGULARS: Final = frozenset(word for key in _ROLES for word in key.split("_") if word) | _QUALIFIERS


@dataclass(slots=True)
class Entries:
    """An object's entries by the role of their keys, those that the most common forms use first."""

    document: Mapping[str, Any]
    by_role: dict[Role, Items] = field(default_factory=dict)

    def of(self, *roles: Role) -> Items:
        """The entries of some roles, in their order."""
        by_role = self.by_role
        return [item for role in roles if role in by_role for item in by_role[role]]

    def first(self, *roles: Role) -> Any:
        """The first value of a role that is not null."""
        return next((value for _, value in self.of(*roles) if value is not None), None)


def collect(document: Mapping[str, Any], own: OwnKeys) -> Entries:
    """Sort the entries of an object by role."""
    entries = Entries(document)
    keys = (
        document
        if len(document) <= OBJECT_LIMIT
        else [key for key in (*own.roles, *_FIRST) if key in document]
    )
    last = len(_FIRST)
    for key in sorted(keys, key=lambda key: -1 if key in own.roles else _FIRST.get(key, last)):
        for role in own.roles.get(key) or roles_of(key):
            entries.by_role.setdefault(role, []).append((key, document[key]))
    return entries
