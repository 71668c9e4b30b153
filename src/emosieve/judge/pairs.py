"""Labels with their numbers, in every way that an object or a list can hold them. Pure.

Each function looks for one way: a map of labels, lists side by side, a list of pairs, labels as the
object's own keys, one label with its number.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

from emosieve.errors import BadResult
from emosieve.judge.keys import OBJECT_LIMIT, Entries, OwnKeys, collect, is_meaningful, roles_of
from emosieve.judge.labels import CLASSES, is_class
from emosieve.judge.shares import is_number, is_plain, is_whole, kind_of
from emosieve.text import escape

Pairs = list[tuple[str, Any]]

_MOST_OF_ONE: Final = 1.1
_DIMENSIONS: Final = frozenset({"valence", "arousal", "dominance", "activation"})


def scores_in(entries: Entries, own: OwnKeys, labels: Sequence[Any] = CLASSES) -> tuple[str, Pairs]:
    """Labels with their numbers that an object itself carries, and the key that they stand under.

    Args:
        entries: of the object.
        own: keys of an installation's own.
        labels: of a list of as many numbers that has no labels beside it.

    Raises:
        BadResult: there are numbers, and not as many labels.
    """
    trouble: BadResult | None = None
    for key, value in entries.of("number", "confidence", "emotion", "wrapper", "frames", "weak_number"):
        try:
            pairs = _pairs_under(key, squeeze(value), entries, own, labels)
        except BadResult as error:
            trouble = trouble or error
            continue
        if pairs:
            _refuse_several_moments(key, value, pairs, entries)
            return key, pairs
    if trouble is not None:
        raise trouble
    return "", flat(entries) or single(entries)


def _refuse_several_moments(key: str, value: Any, pairs: Pairs, entries: Entries) -> None:
    """Refuse pairs that make more than a whole, and numbers beside as many times: they may be of several moments."""
    if not isinstance(value, list):
        return
    if any(isinstance(one, list) and 1 < len(one) == len(pairs) for _, one in entries.of("moment")):
        raise BadResult(
            f"{escape(key)} has a score for each of {len(pairs)} times; write each of them as a frame"
        )
    if is_row(squeeze(value)) or entries.first("confidence") is not None or label_of(entries) is not None:
        return
    total = math.fsum(one for _, one in pairs if is_plain(one) and 0 <= one <= 1)
    if total > _MOST_OF_ONE:
        raise BadResult(
            f"{escape(key) or 'its list'} has scores that sum to {total:.2f}, of several moments or recordings; "
            'moments stand under "frames", and a task is one recording'
        )


def _pairs_under(key: str, value: Any, entries: Entries, own: OwnKeys, labels: Sequence[Any]) -> Pairs:
    roles = own.roles.get(key) or roles_of(key)
    if isinstance(value, dict):
        return _pairs_of_map(value, own, may_be_foreign="number" in roles)
    if not isinstance(value, list) or not value:
        return []
    if is_row(value):
        # A word that can mean anything counts only beside labels.
        is_labelled = any(isinstance(squeeze(one), list) for _, one in entries.of("emotion"))
        is_meant = "number" in roles or "confidence" in roles or ("weak_number" in roles and is_labelled)
        return side_by_side(key, value, entries, labels) if is_meant else []
    return pairs_in_list(value, own)


def _pairs_of_map(value: Mapping[str, Any], own: OwnKeys, *, may_be_foreign: bool) -> Pairs:
    """An object of labels, each with its number, or with an object that holds it."""
    known = any(map(is_class, value)) if len(value) <= OBJECT_LIMIT else False
    if not known and (not may_be_foreign or not _DIMENSIONS.isdisjoint(map(str.casefold, value))):
        return []
    if any(is_meaningful(label) and not is_class(label) for label in value):
        return []
    if known and any(isinstance(one, dict | list) for one in value.values()):
        within = [(label, _number_in(one, own)) for label, one in value.items()]
        return within if all(number is not None for _, number in within) else []
    return list(value.items()) if may_be_foreign or all(map(is_number, value.values())) else []


def _number_in(value: Any, own: OwnKeys) -> Any:
    """The number of {"score": 0.9}; a number itself as it is."""
    if not isinstance(value, dict):
        return value if is_number(value) else None
    numbers = collect(value, own).of("number", "confidence", "weak_number")
    return next((one for _, one in numbers if is_number(one)), None)


def side_by_side(key: str, numbers: Sequence[Any], entries: Entries, labels: Sequence[Any]) -> Pairs:
    """A list of numbers with the list of as many labels that stands beside it."""
    lists = [squeeze(value) for _, value in entries.of("emotion", "weak_label") if value is not None]
    beside = [one if isinstance(one, list) else [one] for one in lists if one != []]
    matching: Sequence[Any] | None = next((one for one in beside if len(one) == len(numbers)), None)
    if matching is None and not any(isinstance(one, list) for one in lists):
        matching = next((one for one in (labels, CLASSES) if len(one) == len(numbers)), None)
    if matching is None:
        count = next((len(one) for one in lists if isinstance(one, list)), "no")
        raise BadResult(f"{escape(key)} has {len(numbers)} numbers and {count} labels")
    for label in matching:
        if isinstance(label, bool) or not isinstance(label, str | int):
            raise BadResult(f"labels holds {kind_of(label)}")
    return list(zip(map(str, matching), numbers, strict=True))


def is_row(values: Sequence[Any]) -> bool:
    """Whether a list is of numbers; what a placeholder's number is does not matter."""
    return any(map(is_number, values)) and all(
        one is None or isinstance(one, bool) or is_number(one) for one in values
    )


def pairs_in_list(entries: Sequence[Any], own: OwnKeys) -> Pairs:
    """A list of pairs, each an object with a label and a number, a list of both, or an object of one label."""
    pairs: Pairs = []
    labels: set[str] = set()
    # One more than is allowed is enough for a refusal.
    for entry in islice(entries, OBJECT_LIMIT + 1):
        pair = _pair_of(entry, own)
        # The same label twice: these are no scores of one moment.
        if pair is None or pair[0] in labels:
            return []
        labels.add(pair[0])
        pairs.append(pair)
    return pairs


def _pair_of(entry: Any, own: OwnKeys) -> tuple[str, Any] | None:
    match entry:
        case [str(label), number] | [number, str(label)] if is_number(number) and not is_number(label):
            return label, number
        case {"label": str(label), "score": float(number)} if len(entry) == 2:  # noqa: PLR2004 - as nearly always
            return label, number
        case dict() if len(entry) == 1:
            ((label, number),) = entry.items()
            return (label, number) if is_class(label) and is_number(number) else None
        case dict():
            return _pair_of_object(collect(entry, own))
        case _:
            return None


def _pair_of_object(entries: Entries) -> tuple[str, Any] | None:
    """The label and the number of an object that has no more than these, and no time of its own."""
    numbers = entries.of("number", "confidence", "weak_number")
    if entries.of("moment") or any(isinstance(value, dict | list) for _, value in numbers):
        return None
    label = next((value for _, value in entries.of("emotion") if is_label(value)), None)
    if label is not None and entries.of("identity"):
        return None
    label = label_of(entries)
    number = next((value for _, value in numbers if value is not None), None)
    return None if label is None or number is None else (str(label), number)


def flat(entries: Entries) -> Pairs:
    """Labels that are the object's own keys."""
    document = entries.document
    if len(document) > OBJECT_LIMIT:
        return []
    pairs = [
        (label, value)
        for label, value in document.items()
        # An "other": "remark" is an extra, not a score.
        if is_class(label) and not (label == "other" and isinstance(value, str) and not is_number(value))
    ]
    # Only named classes make the form: a lone index beside other keys is an extra.
    if not any(is_number(value) and not label.strip().isdecimal() for label, value in pairs):
        return []
    return pairs + _rest_of_whole(document, pairs)


def _rest_of_whole(document: Mapping[str, Any], pairs: Pairs) -> Pairs:
    """Labels of another model beside known ones, where the shares make a whole only with theirs."""
    total = float(sum(value for _, value in pairs if is_plain(value) and 0 <= value <= 1))
    if is_whole(total):
        return []
    rest = [
        (label, value)
        for label, value in document.items()
        if is_plain(value) and 0 <= value <= 1 and not roles_of(label) and not is_class(label)
    ]
    whole = total + float(sum(value for _, value in rest))
    return rest if is_whole(whole) else []


def single(entries: Entries, *, by_confidence: bool = False) -> Pairs:
    """One label with its number; a confidence is the number of a frame alone, which has no other verdict."""
    if not by_confidence and entries.first("confidence") is not None:
        return []
    label = label_of(entries)
    numbers = entries.of("number", "confidence") if by_confidence else entries.of("number")
    number = next((value for _, value in numbers if is_number(value)), None)
    return [] if label is None or number is None else [(str(label), number)]


def label_of(entries: Entries) -> Any:
    """The label of an object; words that can mean anything count only where a known class stands there."""
    label = next((value for _, value in entries.of("emotion") if is_label(value)), None)
    return (
        label
        if label is not None
        else next((value for _, value in entries.of("weak_label") if is_class(value)), None)
    )


def is_label(value: Any) -> bool:
    """Whether it can be a label: a text that is not empty, or an index."""
    return (isinstance(value, str) and value.strip() != "") or (
        isinstance(value, int) and not isinstance(value, bool)
    )


def squeeze(value: Any, *, to_rows: bool = False) -> Any:
    """A list without the leading dimensions of 1 that a batch of one gives it; ``to_rows`` leaves a list of rows."""
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        if to_rows and not any(isinstance(one, dict | list) for one in value[0]):
            break
        value = value[0]
    return value
