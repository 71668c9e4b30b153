"""Why a result file holds nothing to judge: an error, several recordings, or words that nobody knows. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from emosieve.errors import BadResult
from emosieve.judge.keys import OBJECT_LIMIT, Entries, roles_of
from emosieve.judge.labels import is_class
from emosieve.judge.shares import is_number, kind_of
from emosieve.text import TEXT_LIMIT, escape

ONE_RECORDING: Final = "a task is one recording: write a directory with a result.json for each"
_SHOWN: Final = 12
_WORD_LIMIT: Final = 40
_FEWEST_LABELS: Final = 2
_FAILED: Final = frozenset({"error", "failed", "failure", "fail", "exception", "错误", "失败", "异常"})
_SUCCESSFUL_CODES: Final = frozenset({"0", "200", "20000", "20000000"})
_LOGITS: Final = "holds logits, which are no scores; write their softmax"


def refuse_failure(entries: Entries) -> None:
    """Refuse a file that reports an error, whatever numbers stand beside it.

    Raises:
        BadResult: with the error's text.
    """
    error = next(
        (value for _, value in entries.of("error") if value and isinstance(value, str | dict | list)), None
    )
    has_failed = any(value is False for _, value in entries.of("success")) or any(
        isinstance(value, str) and value.strip().casefold() in _FAILED for _, value in entries.of("status")
    )
    if error is None and not has_failed:
        return
    if isinstance(error, dict):
        error = next((value for key, value in error.items() if "message" in roles_of(key)), error)
    words = error or next((value for _, value in entries.of("message") if value), None)
    raise BadResult(f"reports an error: {_start_of(words)}" if words else "reports an error")


def refuse_objects_of_recordings(results: Mapping[str, Any]) -> None:
    """Refuse results that stand under names, as of files, if there are several.

    Raises:
        BadResult: with their names.
    """
    if len(results) > 1:
        refuse_recordings(results)


def refuse_lists_of_recordings(entries: Entries) -> None:
    """Refuse labels and numbers that stand beside a list of files, one for each.

    Raises:
        BadResult: with the files' names.
    """
    for _, value in entries.of("identity"):
        names = dict.fromkeys(map(_name, value)) if isinstance(value, list) else {}
        if len(names) > 1 and not any(map(is_class, names)):
            refuse_recordings(names)


def refuse_recordings(names: Iterable[str]) -> None:
    """Refuse the results of several recordings: the mean of them would be a verdict about none.

    Raises:
        BadResult: always.
    """
    names = list(names)
    raise BadResult(f"holds the results of {len(names)} recordings ({_listed(names)}); {ONE_RECORDING}")


def identities(frame: Mapping[str, Any]) -> Iterator[str]:
    """The names of recordings that a frame gives."""
    for key, value in frame.items():
        if isinstance(value, str | int) and value != "" and "identity" in roles_of(key):
            yield _name(value)


def refuse_unknown(entries: Entries) -> None:
    """Refuse a file without scores, an emotion or a confidence that is known, and tell what it has.

    Raises:
        BadResult: always.
    """
    if entries.of("logits"):
        raise BadResult(_LOGITS)
    code = next((value for _, value in entries.of("code") if str(value) not in _SUCCESSFUL_CODES), None)
    words = next((value for _, value in entries.of("message") if value and isinstance(value, str)), None)
    if words and isinstance(code, int | str):
        raise BadResult(f"reports an error: {_start_of(words)} (code {_start_of(code)})")
    keys = [key for key in entries.document if key]
    if not keys:
        raise BadResult("holds no scores, no emotion and no confidence")
    raise BadResult(
        f"has the keys {_listed(keys)}, and among them no scores that emosieve knows; "
        "if yours have a key of their own, name it in results.score_keys"
    )


def refuse_unread(entries: Entries) -> None:
    """Refuse a file without known scores in which something unknown looks like them.

    Raises:
        BadResult: with the key.
    """
    if entries.of("logits"):
        raise BadResult(_LOGITS)
    for key, value in entries.of("number"):
        if isinstance(value, dict | list) and value:
            raise BadResult(f"{escape(key, _WORD_LIMIT)} holds no labels with numbers")
        if (
            key == "scores"
            and value is not None
            and not isinstance(value, dict | list)
            and not is_number(value)
        ):
            raise BadResult(f"scores is {kind_of(value)}, not an object or a list")
    for key, value in entries.document.items():
        if _has_labels(value):
            raise BadResult(
                f"has scores under {escape(key, _WORD_LIMIT)}, a key that emosieve does not know; "
                "if they are, name it in results.score_keys"
            )


def _has_labels(value: Any) -> bool:
    if isinstance(value, list):
        # The values of each entry: of a list of pairs, one of them is the label.
        entries = [list(one.values()) if isinstance(one, dict) else one for one in value[:OBJECT_LIMIT]]
        return (
            sum(isinstance(one, list) and any(map(is_class, one[:_SHOWN])) for one in entries)
            >= _FEWEST_LABELS
        )
    is_small = isinstance(value, dict) and len(value) <= OBJECT_LIMIT
    return is_small and sum(map(is_class, value)) >= _FEWEST_LABELS


def _name(value: Any) -> str:
    return value if isinstance(value, str) else _start_of(value)


def _listed(words: Iterable[str]) -> str:
    words = list(words)
    shown = ", ".join(escape(word, _WORD_LIMIT) for word in words[:_SHOWN])
    return f"{shown} and {len(words) - _SHOWN} more" if len(words) > _SHOWN else shown


def _start_of(value: Any) -> str:
    return escape(value if isinstance(value, str) else start_of_json(value))


def start_of_json(value: Any) -> str:
    """As much of a value's JSON as will be kept; the whole may be megabytes."""
    text = ""
    for piece in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        text += piece
        if len(text) > TEXT_LIMIT:
            break
    return text
