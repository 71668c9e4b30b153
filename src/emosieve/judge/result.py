"""result.json, in every form that is known to exist, as one ``Result``.

The forms, with where each was seen: the WebUI's five keys; the same with frame
granularity; lists of frames (``results``, ``frames``, ``frame_results``,
``segments``), aggregated by the mean of the frames' scores; FunASR's raw
``[{key, labels, scores}]``; a dict whose keys are the labels.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from emosieve.errors import BadResult
from emosieve.judge.document import parse
from emosieve.judge.labels import CLASSES, class_of
from emosieve.judge.shares import (
    HUNDRED,
    PERCENT_FROM,
    clamp,
    kind_of,
    looks_numeric,
    read_number,
    read_share,
    within,
)
from emosieve.text import TEXT_LIMIT, escape

FRAME_LIMIT = 50_000
"""Frames of one result, which may take a second at most: a quarter of an hour of 20 ms each."""
LABEL_LIMIT = 1024
"""Different keys of all frames together, as many as their classes are remembered for."""
CLASS_LIMIT = 256
"""Labels of one result; the model has nine classes."""

FRAME_KEYS = ("results", "frames", "frame_results", "segments")
_PERCENT_SUM = (80.0, 120.0)
_PLAIN = frozenset({int, float})


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
    """

    emotion: str | None
    confidence: float | None
    scores: Mapping[str, float]
    granularity: str | None = None
    timestamp: str | None = None
    frames: Frames | None = None

    def __reduce__(self) -> tuple[type["Result"], tuple[Any, ...]]:
        # A read-only view of the scores cannot be sent to another process, and what is cached need not be.
        known = (self.emotion, self.confidence, dict(self.scores), self.granularity, self.timestamp)
        return Result, (*known, self.frames)

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


def read_result(data: bytes) -> Result:
    """Read the bytes of a result file.

    Raises:
        BadResult: not JSON, not an object or a list, too large or too deep, or a
            number that cannot be a share; the message says which, and where.
    """
    document = parse(data)
    if isinstance(document, list):
        if len(document) == 1 and isinstance(document[0], dict):
            return _read_object(document[0])
        return _read_object({"frames": document})
    if isinstance(document, dict):
        return _read_object(document)
    raise BadResult(f"holds {kind_of(document)}, not an object or a list")


def _read_object(document: Mapping[str, Any]) -> Result:
    scores = _read_scores(document, "")
    granularity = _text(document.get("granularity"))
    frames = None
    if not scores and (listed := _find_frames(document)):
        scores, frames = _read_frames(listed, document.get("labels") or list(CLASSES))
        granularity = granularity or "frame"
    label = document.get("emotion")
    emotion = _read_emotion(document.get("label") if label is None else label)
    if emotion is None and scores:
        emotion = max(scores, key=scores.__getitem__)
    confidence = document.get("confidence")
    if confidence is not None:
        confidence = read_share(*read_number(confidence, "", "confidence"), "confidence")
    elif scores:
        confidence = max(scores.values())
    return Result(
        emotion=emotion,
        confidence=confidence,
        scores=MappingProxyType(scores),
        granularity=granularity,
        timestamp=_text(document.get("timestamp")),
        frames=frames,
    )


def _read_emotion(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value < len(CLASSES):
            return CLASSES[value]
        raise BadResult(f"emotion is {value}, not an index from 0 to {len(CLASSES) - 1}")
    if isinstance(value, str):
        return class_of(value) or "unknown"
    raise BadResult(f"emotion is {kind_of(value)}, not a label")


def _read_scores(document: Mapping[str, Any], where: str) -> dict[str, float]:
    """The scores that an object itself carries; empty when it has none."""
    scores = document.get("scores")
    if scores is None:
        return _read_flat_scores(document, where)
    if isinstance(scores, dict):
        return _add_up(list(scores.items()), f"{where}scores.")
    if isinstance(scores, list):
        labels = document.get("labels")
        if labels is None and len(scores) == len(CLASSES):
            labels = list(CLASSES)
        return _read_parallel_lists(labels, scores, where)
    raise BadResult(f"{where}scores is {kind_of(scores)}, not an object or a list")


def _read_flat_scores(document: Mapping[str, Any], where: str) -> dict[str, float]:
    if len(document) > CLASS_LIMIT:
        return {}
    pairs = [
        (label, value)
        for label, value in document.items()
        # An "other": "remark" is an extra, not a score.
        if class_of(label) in CLASSES and not (label == "other" and isinstance(value, str))
    ]
    # Only named classes make the form: a lone index beside other keys is an extra.
    named = [label for label, value in pairs if not label.strip().isdecimal() and looks_numeric(value)]
    return _add_up(pairs, where) if named else {}


def _read_parallel_lists(labels: Any, scores: Sequence[Any], where: str) -> dict[str, float]:
    if not scores and not labels:
        return {}
    if not isinstance(labels, list) or len(labels) != len(scores):
        count = len(labels) if isinstance(labels, list) else "no"
        raise BadResult(f"{where}scores has {len(scores)} numbers and {count} labels")
    for label in labels:
        if isinstance(label, bool) or not isinstance(label, str | int):
            raise BadResult(f"{where}labels holds {kind_of(label)}")
    return _add_up(list(zip(map(str, labels), scores, strict=True)), f"{where}scores.")


def _find_frames(document: Mapping[str, Any]) -> list[Any]:
    for key in FRAME_KEYS:
        frames = document.get(key)
        if isinstance(frames, list) and any(isinstance(frame, dict | list) for frame in frames):
            return frames
    return []


def _read_frames(frames: Sequence[Any], labels: Any) -> tuple[dict[str, float], Frames | None]:
    """The mean of the frames' scores, where a class that a frame leaves out counts as 0, and how they agree."""
    if len(frames) > FRAME_LIMIT:
        raise BadResult(f"has {len(frames)} frames; more than {FRAME_LIMIT} is not a result")
    columns: dict[str, list[float]] = {}
    keys: set[str] = set()
    highest: Counter[str] = Counter()
    for position, frame in enumerate(frames):
        where = f"frame {position}: "
        if isinstance(frame, list):
            scores = _read_parallel_lists(labels, frame, where)
        elif isinstance(frame, dict):
            _add_keys(frame, keys)
            scores = _read_scores(frame, where)
        else:
            raise BadResult(f"frame {position} is {kind_of(frame)}")
        if scores:
            highest[max(scores, key=scores.__getitem__)] += 1
        for name, score in scores.items():
            columns.setdefault(name, []).append(score)
        if len(columns) > CLASS_LIMIT:
            raise BadResult(f"has more than {CLASS_LIMIT} classes")
    count = highest.total()
    means = _in_class_order({name: math.fsum(column) / count for name, column in columns.items()})
    return means, Frames(count, max(highest.values()) / count) if count else None


def _add_keys(frame: Mapping[str, Any], keys: set[str]) -> None:
    """Take the keys of a frame to those of all before it, and refuse what has no end of new ones."""
    keys.update(frame)
    if isinstance(scores := frame.get("scores"), dict):
        keys.update(scores)
    if len(keys) > LABEL_LIMIT:
        raise BadResult(f"has more than {LABEL_LIMIT} different labels")


def _add_up(pairs: Sequence[tuple[str, Any]], where: str) -> dict[str, float]:
    """Scores by class: percent made shares, labels of one class added."""
    if len(pairs) > CLASS_LIMIT:
        raise BadResult(f"has {len(pairs)} scores; more than {CLASS_LIMIT} is not a result")
    plain_scores = _add_up_plain(pairs)
    if plain_scores is not None:
        return plain_scores
    parsed = [
        (name, label, *read_number(value, where, label))
        for label, value in pairs
        if (name := class_of(label)) is not None
    ]
    plain = [value for _, _, value, percent in parsed if not percent]
    in_percent = bool(plain) and min(plain) >= 0 and PERCENT_FROM < max(plain) <= _PERCENT_SUM[1]
    in_percent = in_percent and _PERCENT_SUM[0] <= math.fsum(plain) <= _PERCENT_SUM[1]
    sums: dict[str, float] = {}
    for name, label, value, percent in parsed:
        is_percent = percent or in_percent
        share = within(value, HUNDRED, where, label) / HUNDRED if is_percent else clamp(value, where, label)
        sums[name] = sums.get(name, 0.0) + share
    return _in_class_order({name: clamp(total, where, name) for name, total in sums.items()})


def _add_up_plain(pairs: Sequence[tuple[str, Any]]) -> dict[str, float] | None:
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
    return escape(value if isinstance(value, str) else _start_of_json(value))


def _start_of_json(value: Any) -> str:
    """As much of a value's JSON as will be kept; the whole may be megabytes."""
    text = ""
    for piece in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        text += piece
        if len(text) > TEXT_LIMIT:
            break
    return text
