"""When waiting ends, and what is odd about a task by then."""

import pytest

from conftest import result_bytes
from emosieve.judge.result import read_result
from emosieve.watch.inbox import Contents
from emosieve.watch.survey import FileStat, Survey
from emosieve.watch.wholeness import Lack, Policy, Settled, assess

RESULT = FileStat("result.json", 100, 10**18, 10**18, 7, 0o100644)
POLICY = Policy(give_up_seconds=600.0)


def survey_of(*files: FileStat) -> Survey:
    """A task of these files."""
    return Survey("outputs_1", (1, 2), files, 10**18, 10**18)


def contents_of(**short: int) -> Contents:
    """A good result, beside wavs that lack so many bytes."""
    names = {f"{name}.wav": count for name, count in short.items()}
    return Contents(read_result(result_bytes()), "d", names, ())


@pytest.mark.parametrize(("age", "kind"), [(599.9, Lack), (600.0, Settled), (600.1, Settled)])
def test_waiting_ends_when_its_time_has_passed(age: float, kind: type) -> None:
    """At the very instant, too."""
    assert kind is type(assess(survey_of(RESULT), contents_of(a=10), age, POLICY))


@pytest.mark.parametrize(
    ("short", "expected"), [({"a": 10, "b": 5}, 15), ({"a": 2**53, "b": 1}, 2**53), ({"a": 2**62}, 2**53)]
)
def test_what_several_lack_is_added_up_as_far_as_numbers_go(short: dict[str, int], expected: int) -> None:
    """Beyond 2**53 no reader of JSON tells a number from its neighbour."""
    settled = assess(survey_of(RESULT), contents_of(**short), 600.0, POLICY)
    assert isinstance(settled, Settled)
    assert {"audio_missing_bytes": expected} == settled.oddities
