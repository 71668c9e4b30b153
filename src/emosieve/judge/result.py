"""result.json, in every form that is known to exist, as one ``Result``.

The forms, with where each was seen: the WebUI's five keys; the same with frame
granularity; lists of frames (``results``, ``frames``, ``frame_results``,
``segments``), aggregated by the mean of the frames' scores; FunASR's raw
``[{key, labels, scores}]``; a dict whose keys are the labels.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, NoReturn

import orjson

from emosieve.errors import BadResult
from emosieve.judge.labels import CLASSES, class_of
from emosieve.text import escape

SIZE_LIMIT = 64 * 1024 * 1024
"""Bytes; a five-minute clip judged frame by frame is 4 MB of indented JSON."""
NODE_LIMIT = 3_000_000
"""Objects, lists and commas, counted before parsing: 64 MiB of ``[],`` would take gigabytes of memory.

An hour of 20 ms frames with nine scores each has 2.2 million.
"""
DEPTH_LIMIT = 64
"""Levels of nesting; the deepest known form has four."""
CLASS_LIMIT = 256
"""Labels of one result; the model has nine classes."""

FRAME_KEYS = ("results", "frames", "frame_results", "segments")
_PERCENT_SUM = (80.0, 120.0)
_PERCENT_FROM = 1.5
_HUNDRED = 100.0
_CLAMP_TO_ONE = 1.02
"""float32 gives confidences such as 1.0000001192, and rounding to three digits gives sums of 1.002."""
_BOM = b"\xef\xbb\xbf"


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
    """

    emotion: str | None
    confidence: float | None
    scores: Mapping[str, float]
    granularity: str | None = None
    timestamp: str | None = None

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
        if self.top1 is None or self.top2 is None:
            return None
        return round(self.top1 - self.top2, 9)


def read_result(data: bytes) -> Result:
    """Read the bytes of a result file.

    Raises:
        BadResult: not JSON, not an object or a list, too large or too deep, or a
            number that cannot be a share; the message says which, and where.
    """
    document = _parse(data)
    if isinstance(document, list):
        if len(document) == 1 and isinstance(document[0], dict):
            return _read_object(document[0])
        return _read_object({"frames": document})
    if isinstance(document, dict):
        return _read_object(document)
    raise BadResult(f"holds {_kind(document)}, not an object or a list")


def _parse(data: bytes) -> Any:
    if len(data) > SIZE_LIMIT:
        raise BadResult(f"is {len(data)} bytes long; more than {SIZE_LIMIT} is not a result")
    if data.count(b"[") + data.count(b"{") + data.count(b",") > NODE_LIMIT:
        raise BadResult(f"has more than {NODE_LIMIT} values")
    data = data.removeprefix(_BOM)
    if not data.strip():
        raise BadResult("is empty")
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        _refuse_other_encodings(data)
        if "surrogate" not in str(error):
            raise BadResult(f"is not JSON: {escape(str(error))}") from None
        document = _parse_leniently(data)
    # Counting the brackets bounds the depth without a walk for every ordinary file.
    if data.count(b"{") + data.count(b"[") > DEPTH_LIMIT:
        _check_depth(document)
    return document


def _refuse_other_encodings(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        # The end of a half-written file may cut a character in two; that is not another encoding.
        if error.end < len(data):
            raise BadResult("is not UTF-8 text (GBK, perhaps?)") from None


def _parse_leniently(data: bytes) -> Any:
    """Parse what orjson refuses: lone surrogates, which may stand in a text that does not matter."""
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadResult(f"is not JSON: {escape(str(error))}") from None


def _refuse_constant(constant: str) -> NoReturn:
    raise BadResult(f"is not JSON: {constant} is no number")


def _check_depth(document: Any) -> None:
    level: list[Any] = [document]
    for _ in range(DEPTH_LIMIT):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise BadResult(f"is nested deeper than {DEPTH_LIMIT} levels")


def _read_object(document: Mapping[str, Any]) -> Result:
    scores = _read_scores(document, "")
    granularity = _text(document.get("granularity"))
    if not scores:
        frames = _find_frames(document)
        if frames:
            scores = _mean_scores(frames, document.get("labels") or list(CLASSES))
            granularity = granularity or "frame"
    label = document.get("emotion")
    emotion = _read_emotion(document.get("label") if label is None else label)
    if emotion is None and scores:
        emotion = max(scores, key=scores.__getitem__)
    confidence = document.get("confidence")
    if confidence is not None:
        confidence = _share(*_number(confidence, "confidence"), "confidence")
    elif scores:
        confidence = max(scores.values())
    return Result(
        emotion=emotion,
        confidence=confidence,
        scores=MappingProxyType(scores),
        granularity=granularity,
        timestamp=_text(document.get("timestamp")),
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
    raise BadResult(f"emotion is {_kind(value)}, not a label")


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
    raise BadResult(f"{where}scores is {_kind(scores)}, not an object or a list")


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
    named = [label for label, value in pairs if not label.strip().isdecimal() and _looks_numeric(value)]
    return _add_up(pairs, where) if named else {}


def _read_parallel_lists(labels: Any, scores: Sequence[Any], where: str) -> dict[str, float]:
    if not scores and not labels:
        return {}
    if not isinstance(labels, list) or len(labels) != len(scores):
        count = len(labels) if isinstance(labels, list) else "no"
        raise BadResult(f"{where}scores has {len(scores)} numbers and {count} labels")
    for label in labels:
        if isinstance(label, bool) or not isinstance(label, str | int):
            raise BadResult(f"{where}labels holds {_kind(label)}")
    return _add_up(list(zip(map(str, labels), scores, strict=True)), f"{where}scores.")


def _find_frames(document: Mapping[str, Any]) -> list[Any]:
    for key in FRAME_KEYS:
        frames = document.get(key)
        if isinstance(frames, list) and any(isinstance(frame, dict | list) for frame in frames):
            return frames
    return []


def _mean_scores(frames: Sequence[Any], labels: Any) -> dict[str, float]:
    """The mean of the frames' scores; a class that a frame leaves out counts as 0 there."""
    columns: dict[str, list[float]] = {}
    counted = 0
    for position, frame in enumerate(frames):
        where = f"frame {position}: "
        if isinstance(frame, list):
            scores = _read_parallel_lists(labels, frame, where)
        elif isinstance(frame, dict):
            scores = _read_scores(frame, where)
        else:
            raise BadResult(f"frame {position} is {_kind(frame)}")
        counted += bool(scores)
        for name, score in scores.items():
            columns.setdefault(name, []).append(score)
    return _in_class_order({name: math.fsum(column) / counted for name, column in columns.items()})


def _add_up(pairs: Sequence[tuple[str, Any]], where: str) -> dict[str, float]:
    """Scores by class: percent made shares, labels of one class added."""
    if len(pairs) > CLASS_LIMIT:
        raise BadResult(f"has {len(pairs)} scores; more than {CLASS_LIMIT} is not a result")
    parsed = [
        (name, label, *_number(value, f"{where}{escape(label)}"))
        for label, value in pairs
        if (name := class_of(label)) is not None
    ]
    plain = [value for _, _, value, percent in parsed if not percent]
    in_percent = bool(plain) and max(plain) > _PERCENT_FROM
    in_percent = in_percent and _PERCENT_SUM[0] <= math.fsum(plain) <= _PERCENT_SUM[1]
    sums: dict[str, float] = {}
    for name, label, value, percent in parsed:
        at = f"{where}{escape(label)}"
        share = _within(value, at, _HUNDRED) / _HUNDRED if percent or in_percent else _clamp(value, at)
        sums[name] = sums.get(name, 0.0) + share
    return _in_class_order({name: _clamp(total, f"{where}{name}") for name, total in sums.items()})


def _in_class_order(scores: dict[str, float]) -> dict[str, float]:
    ordered = {name: scores[name] for name in CLASSES if name in scores}
    return ordered if len(ordered) == len(scores) else {**ordered, **scores}


def _looks_numeric(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().endswith(("%", "％"))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any, where: str) -> tuple[float, bool]:
    """A finite number, and whether it was written with a percent sign."""
    percent = False
    if isinstance(value, str):
        text = value.strip()
        percent = text.endswith(("%", "％"))
        try:
            # float() takes "1_0" for ten; no writer means that.
            value = float(text.rstrip("%％").replace("_", "?"))
        except ValueError:
            raise BadResult(f"{where} is {escape(value)!r}, not a number") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadResult(f"{where} is {_kind(value)}, not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadResult(f"{where} is not a finite number")
    return number, percent


def _share(value: float, percent: bool, where: str) -> float:  # noqa: FBT001 - the pair that _number gives
    if percent or _PERCENT_FROM < value <= _HUNDRED:
        return _within(value, where, _HUNDRED) / _HUNDRED
    return _clamp(value, where)


def _clamp(value: float, where: str) -> float:
    return 1.0 if 1.0 < value <= _CLAMP_TO_ONE else _within(value, where, 1.0)


def _within(value: float, where: str, highest: float) -> float:
    if 0.0 <= value <= highest:
        return value
    raise BadResult(f"{where} is {value:g}, out of range 0 to {highest:g}")


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"
