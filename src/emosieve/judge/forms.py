"""The forms of a result file: whether its scores are the file's own, of frames, or within a wrapper. Pure."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emosieve.errors import BadResult
from emosieve.judge.document import DEPTH_LIMIT
from emosieve.judge.keys import OBJECT_LIMIT, Entries, OwnKeys, collect, roles_of
from emosieve.judge.labels import CLASSES
from emosieve.judge.pairs import Pairs, flat, is_row, pairs_in_list, scores_in, side_by_side, single, squeeze
from emosieve.judge.shares import AGREEING, HUNDRED, is_plain, is_whole, kind_of
from emosieve.judge.unjudged import (
    ONE_RECORDING,
    identities,
    refuse_failure,
    refuse_lists_of_recordings,
    refuse_objects_of_recordings,
    refuse_recordings,
)
from emosieve.text import escape

FRAME_LIMIT = 50_000
"""Frames of one result, which may take a second at most: a quarter of an hour of 20 ms each."""
LABEL_LIMIT = 1024
"""Different keys of all frames together, as many as their classes are remembered for."""


@dataclass(frozen=True, slots=True)
class Row:
    """Labels with their numbers, of the file or of one frame; ``where`` goes before a label in a refusal."""

    where: str
    pairs: Collection[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Form:
    """What a file says, before its numbers are read.

    Attributes:
        entries: of the object that the scores stand in, with those of all that is wrapped around it.
        levels: of the whole file, and of what is within each wrapper.
        rows: one of the file itself, or one of each frame that has scores; empty without scores.
        is_framed: whether the rows are frames.
    """

    entries: Entries
    rows: list[Row]
    is_framed: bool = False
    levels: Sequence[Entries] = ()


def recognise(document: Mapping[str, Any] | list[Any], own: OwnKeys) -> Form:
    """Find the scores of a result.

    Raises:
        BadResult: it reports an error, holds several recordings, or its scores cannot be told apart.
    """
    current: Mapping[str, Any] = _of_list(document) if isinstance(document, list) else document
    entries = collect(current, own)
    levels = [entries]
    for _ in range(DEPTH_LIMIT):
        refuse_failure(entries)
        refuse_lists_of_recordings(entries)
        key, pairs = scores_in(entries, own)
        if pairs:
            return Form(entries, [Row(f"{escape(key)}." if key else "", pairs)])
        rows = _frames_in(entries, own)
        if rows:
            return Form(entries, rows, is_framed=True)
        inner = _unwrapped(entries, own)
        if inner is None:
            break
        entries = collect(inner, own)
        levels.append(entries)
    return Form(entries, [], levels=levels)


def _of_list(document: list[Any]) -> Mapping[str, Any]:
    """An object for a file that is a list: its only object, as FunASR writes it, or else one that holds the list."""
    only = document[0] if len(document) == 1 else None
    return only if isinstance(only, dict) and "scores" in only else {"": squeeze(document)}


# Frames


def _frames_in(entries: Entries, own: OwnKeys) -> list[Row]:
    """The scores of each frame of the first list of frames; empty where there is none with scores."""
    labels = next((value for _, value in entries.of("emotion") if isinstance(value, list)), None) or CLASSES
    for key, value in entries.of("frames", "wrapper", "number", "emotion"):
        frames = squeeze(value, to_rows=True)
        if not isinstance(frames, list) or not any(isinstance(frame, dict | list) for frame in frames):
            continue
        may_wrap = "wrapper" in roles_of(key)
        # What wraps a single object is no list of frames.
        if may_wrap and len(frames) == 1:
            continue
        if "frames" not in roles_of(key):
            _refuse_rows(key, frames, entries)
        rows = _read_rows(frames, own, labels, may_wrap=may_wrap)
        if rows:
            if may_wrap or "frames" not in roles_of(key):
                _refuse_bare_labels(frames, rows, own)
            return rows
    return []


def _refuse_bare_labels(frames: Sequence[Any], rows: Sequence[Row], own: OwnKeys) -> None:
    """Refuse labels with one number each, of which nothing tells a time: a batch of recordings looks the same."""
    first = frames[0]
    has_more = (
        not isinstance(first, dict)
        or len(first) == 1
        or any(isinstance(one, dict | list) for one in first.values())
    )
    bare = not has_more and all(len(row.pairs) == 1 for row in rows)
    if bare and not collect(frames[0], own).of("moment"):
        raise BadResult(
            f"holds {len(rows)} labels with a number each, of several moments or recordings; {ONE_RECORDING}"
        )


def _refuse_rows(key: str, frames: Sequence[Any], entries: Entries) -> None:
    """Refuse rows of numbers of which nothing says that they are frames: a batch of recordings looks the same."""
    granularity = str(entries.first("granularity") or "")
    if all(isinstance(frame, list) for frame in frames) and "frame" not in granularity.casefold():
        raise BadResult(
            f"{escape(key)} has {len(frames)} rows, of frames or of several recordings; "
            'frames stand under "frames", and a task is one recording'
        )


def _read_rows(frames: Sequence[Any], own: OwnKeys, labels: Sequence[Any], *, may_wrap: bool) -> list[Row]:
    if len(frames) > FRAME_LIMIT:
        raise BadResult(f"has {len(frames)} frames; more than {FRAME_LIMIT} is not a result")
    rows = []
    keys: set[str] = set()
    recordings: dict[str, None] = {}
    utterances = 0
    for position, frame in enumerate(frames):
        where = f"frame {position}: "
        if isinstance(frame, list):
            row = Row(where, _pairs_of_row(frame, own, labels, where, may_wrap=may_wrap))
        elif isinstance(frame, dict):
            row = _row_of(frame, own, labels, where)
            recordings.update(dict.fromkeys(identities(frame) if row.pairs else ()))
            utterances += bool(row.pairs) and frame.get("granularity") == "utterance"
            keys.update(frame)
        else:
            raise BadResult(f"frame {position} is {kind_of(frame)}")
        keys.update(label for label, _ in row.pairs)
        if len(keys) > LABEL_LIMIT:
            raise BadResult(f"has more than {LABEL_LIMIT} different labels")
        if row.pairs:
            rows.append(row)
    if rows and len(recordings) > 1:
        refuse_recordings(recordings)
    if utterances > 1:
        raise BadResult(f"holds {utterances} results of whole utterances, not frames of one; {ONE_RECORDING}")
    return rows


def _row_of(frame: Mapping[str, Any], own: OwnKeys, labels: Sequence[Any], where: str) -> Row:
    scores = frame.get("scores")
    # As nearly always, and cheaper than to ask for every other way.
    if isinstance(scores, dict) and scores and not own.roles:
        return Row(f"{where}scores.", scores.items())
    entries = collect(frame, own)
    try:
        for _ in range(DEPTH_LIMIT):
            key, pairs = scores_in(entries, own, labels)
            pairs = pairs or single(entries, by_confidence=True)
            inner = None if pairs else _unwrapped(entries, own)
            if inner is None:
                return Row(f"{where}{escape(key)}." if key else where, pairs)
            entries = collect(inner, own)
    except BadResult as error:
        raise BadResult(f"{where}{error}") from None
    return Row(where, [])


def _pairs_of_row(
    row: list[Any], own: OwnKeys, labels: Sequence[Any], where: str, *, may_wrap: bool
) -> Pairs:
    row = squeeze(row)
    if is_row(row):
        try:
            return side_by_side("scores", row, Entries({}), labels)
        except BadResult as error:
            raise BadResult(f"{where}{error}") from None
    pairs = pairs_in_list(row, own)
    if pairs and may_wrap:
        raise BadResult(f"holds several lists of labels with scores, each of a recording; {ONE_RECORDING}")
    return pairs


# Wrappers


def _unwrapped(entries: Entries, own: OwnKeys) -> dict[str, Any] | None:
    """The object with the entries of what it wraps in place of the wrapper; ``None`` where it wraps nothing."""
    document = entries.document
    if len(document) > OBJECT_LIMIT:
        return None
    for key, value in entries.of("wrapper", "number", "confidence", "emotion", "frames"):
        inner = _object_in(squeeze(value))
        if inner:
            return {**{name: one for name, one in document.items() if name != key}, **inner}
    unknown = [key for key in document if key and key not in own.roles and not roles_of(key)]
    objects = {key: inner for key in unknown if (inner := _object_in(document[key]))}
    results = {key: inner for key, inner in objects.items() if _says_so(inner, own)}
    labelled = {key: inner for key, inner in objects.items() if flat(collect(inner, own))}
    refuse_objects_of_recordings({**results, **labelled})
    within = results or {
        key: inner
        for key, inner in labelled.items()
        if _must_be_scores(inner, entries, own, is_lone=len(unknown) == 1)
    }
    for key, inner in within.items():
        return {**{name: one for name, one in document.items() if name != key}, **inner}
    return None


def _object_in(value: Any) -> dict[str, Any] | None:
    """An object, or the only object of a list."""
    if isinstance(value, list):
        objects = [one for one in value if isinstance(one, dict)]
        return objects[0] if len(objects) == 1 else None
    return value if isinstance(value, dict) else None


def _says_so(value: Mapping[str, Any], own: OwnKeys) -> bool:
    """Whether an object under an unknown key is a result by its words."""
    return len(value) <= OBJECT_LIMIT and bool(collect(value, own).of("emotion", "number"))


def _must_be_scores(value: Mapping[str, Any], around: Entries, own: OwnKeys, *, is_lone: bool) -> bool:
    """Whether labels under an unknown key can be nothing but the scores: they make a whole, and agree with the rest."""
    numbers = [
        number for _, number in flat(collect(value, own)) if is_plain(number) and 0 <= number <= HUNDRED
    ]
    total = math.fsum(numbers)
    confidence = around.first("confidence")
    if not is_plain(confidence):
        agrees = is_lone and confidence is None
    else:
        agrees = any(
            abs(max(numbers, default=0.0) - one) <= AGREEING for one in (confidence, confidence * HUNDRED)
        )
    return agrees and (is_whole(total) or is_whole(total / HUNDRED))
