"""result.json, in every form that is known to exist, as one ``Result``.

``forms`` finds where labels and numbers stand, ``labels`` and ``shares`` read them, and this module
makes one result of them: of the file's own scores, or of the mean of its frames.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from emosieve.errors import BadResult
from emosieve.judge.document import parse
from emosieve.judge.forms import FRAME_LIMIT, Form, recognise
from emosieve.judge.keys import FRAME_KEYS, OwnKeys, roles_of
from emosieve.judge.labels import CLASSES, class_of, is_class, meaning_of_codes
from emosieve.judge.pairs import is_label
from emosieve.judge.shares import (
    AGREEING,
    HUNDRED,
    are_percent,
    clamp,
    is_number,
    kind_of,
    read_number,
    read_share,
    share_beside,
    within,
)
from emosieve.judge.source import source_in
from emosieve.judge.unjudged import refuse_unknown, refuse_unread, start_of_json
from emosieve.text import escape

__all__ = ["FRAME_KEYS", "FRAME_LIMIT", "Frames", "Result", "read_result"]

CLASS_LIMIT = 256
"""Labels of one result; the model has nine classes."""
_PLAIN = frozenset({int, float})
_ORDINARY: Final = frozenset({"emotion", "confidence", "scores", "granularity", "timestamp"})
"""The keys that the WebUI itself writes."""
_NO_KEYS: Final = OwnKeys()
_IF_LOGITS: Final = "if these are logits, write their softmax"


@dataclass(frozen=True, slots=True)
class Frames:
    """What a list of frames says beyond their mean.

    Attributes:
        count: how many frames have scores.
        agreement: the share of them, 0 to 1, whose highest score is of the most frequent class.
    """

    count: int
    agreement: float


@dataclass(frozen=True)
class Result:
    """What one recognition says, in one normal form.

    Attributes:
        emotion: the main emotion's class; ``None`` when the file names none and has no scores.
        confidence: main confidence, 0 to 1; the highest score where the file gives none.
        scores: class to score, 0 to 1, in the order of ``CLASSES``; empty when there are none.
            They are as the file has them: never renormalised.
        granularity: escaped text as the file has it; ``frame`` for an aggregated list of frames.
        timestamp: escaped text as the file has it.
        frames: of the list of frames that the scores are the mean of, if they are.
        source: name of the recording, escaped, where it is known.
    """

    emotion: str | None
    confidence: float | None
    scores: Mapping[str, float]
    granularity: str | None = None
    timestamp: str | None = None
    frames: Frames | None = None
    source: str | None = None

    def __reduce__(self) -> tuple[type["Result"], tuple[Any, ...]]:
        # A read-only view of the scores cannot be sent to another process, and what is cached need not be.
        known = (self.emotion, self.confidence, dict(self.scores), self.granularity, self.timestamp)
        return Result, (*known, self.frames, self.source)

    @cached_property
    def ranking(self) -> tuple[str, ...]:
        """The classes that have scores, the highest first; of equal ones as they stand in ``scores``."""
        return tuple(sorted(self.scores, key=self.scores.__getitem__, reverse=True))

    @cached_property
    def _best(self) -> list[float]:
        return sorted(self.scores.values(), reverse=True)

    @property
    def top1(self) -> float | None:
        """The highest score."""
        return self._best[0] if self._best else None

    @property
    def top2(self) -> float | None:
        """The second highest score; 0 where only one class has a score."""
        if not self._best:
            return None
        return self._best[1] if len(self._best) > 1 else 0.0

    @property
    def gap(self) -> float | None:
        """``top1 - top2`` rounded to 9 digits, since 0.35 - 0.30 is not 0.05 in binary."""
        top1, top2 = self.top1, self.top2
        return None if top1 is None or top2 is None else round(top1 - top2, 9)


def read_result(data: bytes, own: OwnKeys = _NO_KEYS) -> Result:
    """Read the bytes of a result file.

    Args:
        data: the whole file.
        own: keys of an installation's own.

    Raises:
        BadResult: not JSON, not an object or a list, too large or too deep, of several recordings,
            an error's report, nothing that is known as scores, emotion or confidence, or a number that
            cannot be a share; the message says which, and where.
    """
    document = parse(data)
    if not isinstance(document, dict | list):
        raise BadResult(f"holds {kind_of(document)}, not an object or a list")
    if not own.roles and isinstance(document, dict) and document.keys() <= _ORDINARY:
        result = _read_ordinary(document)
        if result is not None:
            return result
    return _read_form(recognise(document, own), own)


def _read_ordinary(document: Mapping[str, Any]) -> Result | None:
    """The WebUI's own form with shares for numbers, as nearly always; any other takes the long way."""
    label: Any = document.get("emotion")
    confidence: Any = document.get("confidence")
    scores: Any = document.get("scores")
    if type(label) is not str or type(confidence) not in _PLAIN or type(scores) is not dict:
        return None
    if not label or not 0 <= confidence <= 1 or len(scores) > CLASS_LIMIT:
        return None
    read = _add_up_plain(scores.items())
    emotion = class_of(label) or "unknown"
    if not read or emotion not in CLASSES or not read.keys() <= _KNOWN:
        return None
    return Result(
        emotion,
        confidence + 0.0,
        MappingProxyType(read),
        _text(document.get("granularity")),
        _text(document.get("timestamp")),
    )


_KNOWN: Final = frozenset(CLASSES)


def _read_form(form: Form, own: OwnKeys) -> Result:
    entries = form.entries
    scores, frames, are_in_percent = _read_rows(form)
    emotion = _read_emotion(form, scores, own)
    confidence = _read_confidence(form, scores, emotion, own, is_percent=are_in_percent)
    if not scores:
        _refuse_nothing(form, emotion)
    granularity = _text(entries.document.get("granularity"))
    meanings = meaning_of_codes({*scores, *([emotion] if emotion else [])} - _KNOWN)
    if meanings and not _KNOWN & scores.keys():
        scores = _in_class_order({meanings[name]: score for name, score in scores.items()})
        emotion = meanings.get(emotion or "", emotion)
    return Result(
        emotion=emotion,
        confidence=confidence,
        scores=MappingProxyType(scores),
        granularity=granularity or ("frame" if frames else None),
        timestamp=_text(entries.document.get("timestamp")),
        frames=frames,
        source=source_in(entries.document),
    )


def _refuse_nothing(form: Form, emotion: str | None) -> None:
    """Leave to the rules only what says an emotion, by a word that is known or with a confidence."""
    for entries in form.levels:
        refuse_unread(entries)
    if emotion is None or (emotion not in _KNOWN and form.entries.first("confidence") is None):
        refuse_unknown(form.entries)


def _read_emotion(form: Form, scores: Mapping[str, float], own: OwnKeys) -> str | None:
    """The main emotion: what the file names, or else the class with the highest score."""
    for key, value in form.entries.of("emotion"):
        if key in own.roles or key in {"emotion", "label"}:
            if value is not None and not (isinstance(value, dict | list) and scores):
                return _class_of_emotion(value)
        elif is_label(value) and (is_class(value) or class_of(str(value)) in scores):
            return class_of(str(value))
    if scores:
        return max(scores, key=scores.__getitem__)
    others = form.entries.of("weak_label", "wrapper", "frames")
    return next((class_of(value) for _, value in others if is_class(value)), None)


def _class_of_emotion(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value < len(CLASSES):
            return CLASSES[value]
        raise BadResult(f"emotion is {value}, not an index from 0 to {len(CLASSES) - 1}")
    if isinstance(value, str):
        return class_of(value) or "unknown"
    raise BadResult(f"emotion is {kind_of(value)}, not a label")


def _read_confidence(
    form: Form, scores: Mapping[str, float], emotion: str | None, own: OwnKeys, *, is_percent: bool
) -> float | None:
    """The main confidence in the unit of the scores; the highest score where the file gives none."""
    score = scores.get(emotion or "", max(scores.values(), default=0.0))
    for key, value in form.entries.of("confidence", "number"):
        is_own = key in own.roles or key == "confidence"
        if value is None or (isinstance(value, dict | list) and (scores or not is_own)):
            continue
        if not is_own and not is_number(value):
            continue
        number, has_sign = read_number(value, "", key)
        is_whole = isinstance(value, int) or (isinstance(value, str) and value.strip().isdecimal())
        share = read_share(number, has_sign, key, beside_percent=is_percent)
        if not has_sign and number <= 1:
            share = share_beside(share, is_percent=is_percent, is_whole=is_whole, score=score)
        # A "score" may be of anything; it is the confidence where the scores have it, too.
        if (
            is_own
            or "confidence" in roles_of(key)
            or any(abs(share - one) <= AGREEING for one in scores.values())
        ):
            return share
    return max(scores.values(), default=None)


# Numbers


def _read_rows(form: Form) -> tuple[dict[str, float], Frames | None, bool]:
    """The scores of the file, or the mean of its frames; how these agree; and whether they are percent."""
    read, is_percent = _add_up(form)
    if not form.is_framed:
        return (read[0] if read else {}), None, is_percent
    columns: dict[str, list[float]] = {}
    highest: Counter[str] = Counter()
    for scores in read:
        if scores:
            highest[max(scores, key=scores.__getitem__)] += 1
        for name, score in scores.items():
            columns.setdefault(name, []).append(score)
        if len(columns) > CLASS_LIMIT:
            raise BadResult(f"has more than {CLASS_LIMIT} classes")
    count = highest.total()
    means = _in_class_order({name: math.fsum(column) / count for name, column in columns.items()})
    return means, Frames(count, max(highest.values()) / count) if count else None, is_percent


def _add_up(form: Form) -> tuple[list[dict[str, float]], bool]:
    """Scores by class of each row: percent made shares, labels of one class added; and whether they were percent."""
    for row in form.rows:
        if len(row.pairs) > CLASS_LIMIT:
            raise BadResult(f"has {len(row.pairs)} scores; more than {CLASS_LIMIT} is not a result")
    plain: list[dict[str, float]] = []
    for row in form.rows:
        scores = _add_up_plain(row.pairs)
        if scores is None:
            return _add_up_any(form)
        plain.append(scores)
    return plain, False


def _add_up_any(form: Form) -> tuple[list[dict[str, float]], bool]:
    parsed = [
        [
            (name, label, *read_number(value, row.where, label))
            for label, value in row.pairs
            if (name := class_of(label)) is not None
        ]
        for row in form.rows
    ]
    plain = [[value for _, _, value, has_sign in row if not has_sign] for row in parsed]
    is_percent = are_percent(plain, None if form.is_framed else _confidence_as_written(form))
    read = []
    for row, numbers in zip(form.rows, parsed, strict=True):
        sums: dict[str, float] = {}
        for name, label, value, has_sign in numbers:
            share = (
                within(value, HUNDRED, row.where, label) / HUNDRED
                if is_percent or has_sign
                else clamp(value, row.where, label, hint=_IF_LOGITS)
            )
            sums[name] = sums.get(name, 0.0) + share
        read.append(_in_class_order({name: clamp(total, row.where, name) for name, total in sums.items()}))
    return read, is_percent or any(has_sign for row in parsed for *_, has_sign in row)


def _confidence_as_written(form: Form) -> float | None:
    value = next((value for _, value in form.entries.of("confidence") if is_number(value)), None)
    return None if value is None else read_number(value, "", "confidence")[0]


def _add_up_plain(pairs: Iterable[tuple[str, Any]]) -> dict[str, float] | None:
    """The same where every score is a share already, as nearly always: there is nothing to refuse or explain."""
    sums: dict[str, float] = {}
    for label, value in pairs:
        if type(value) not in _PLAIN or not 0 <= value <= 1:
            return None
        name = class_of(label)
        if name is not None:
            sums[name] = sums.get(name, 0.0) + value
    return _in_class_order(sums) if all(total <= 1 for total in sums.values()) else None


def _in_class_order(scores: dict[str, float]) -> dict[str, float]:
    ordered = {name: scores[name] for name in CLASSES if name in scores}
    return ordered if len(ordered) == len(scores) else {**ordered, **scores}


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return escape(value if isinstance(value, str) else start_of_json(value))
