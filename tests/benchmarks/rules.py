"""What the language of rules costs: ``PYTHONPATH=tests python tests/benchmarks/rules.py``; prints one table.

Each rule beside a bare Python function that makes the same comparisons over the
same values, without rounding or missing evidence; the two are timed in turn.
``--fuzz N`` then gives the language N random texts, of which each must be
refused by a rule error or come out true, false or undecided; it ends at the first that does not.
"""

import argparse
import random
import statistics
import subprocess
import sys
import time
import timeit
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from emosieve.errors import RuleError
from emosieve.judge.expression import Expression, compile_expression
from emosieve.judge.fields import FIELDS, Values, values_of
from emosieve.judge.result import Result
from emosieve.judge.rules import BUILT_IN, Limits
from rule_texts import random_text, random_values

_SCORES = {"angry": 0.01, "happy": 0.62, "neutral": 0.2, "other": 0.05, "sad": 0.1, "unknown": 0.02}
_MEASURED = {
    "duration_seconds": 6.2,
    "speech_seconds": 4.1,
    "silence_ratio": 0.34,
    "snr_db": 18.2,
    "clipping_ratio": 0.0,
    "rms_dbfs": -21.5,
    "sample_rate": 16000,
    "channels": 1,
    "audio_files": 1,
    "unreadable_audio_files": 0,
    "audio_newer_seconds": 0,
    "frames_off_seconds": 0,
    "written_over_seconds": 0,
    "audio_missing_bytes": 0,
    "embedding_older_seconds": 0,
    "embedding_off_seconds": 0,
    "embedding_missing_bytes": 0,
    "missing_files": 0,
    "temporary_files": 0,
    "open_files": 0,
}
_IMPORT = """
import sys, time
before = time.perf_counter()
import emosieve.judge.result
between = time.perf_counter()
import emosieve.judge.{module}
print(time.perf_counter() - between)
"""

Bare = Callable[[Mapping[str, Any]], object]


def _bare_built_in(v: Mapping[str, Any]) -> list[bool]:
    return [
        v["confidence"] < 0.6,
        v["gap"] < 0.05,
        v["top1_score"] < 0.3,
        v["scores.count"] == 0,
        abs(v["confidence"] - v["top1_score"]) > 0.02 or v["top1_score"] - v["emotion_score"] > 0,
        v["duration_seconds"] < 1.0,
        v["speech_seconds"] == 0,
        v["silence_ratio"] > 0.8,
        v["snr_db"] < 10.0,
        v["clipping_ratio"] > 0.02,
        v["unreadable_audio_files"] > 0,
        v["audio_files"] == 0,
        v["audio_newer_seconds"] > 0 or v["frames_off_seconds"] > 0,
        v["written_over_seconds"] > 0,
        v["audio_missing_bytes"] > 0,
        v["embedding_older_seconds"] > 0 or v["embedding_off_seconds"] > 0,
        v["embedding_missing_bytes"] > 0,
        v["missing_files"] > 0,
        v["temporary_files"] > 0,
        v["open_files"] > 0,
    ]


SINGLE: dict[str, Bare] = {
    "confidence < 0.6": lambda v: v["confidence"] < 0.6,
    'scores.unknown > 0.4 or (top1 in ("other", "unknown") and confidence < 0.8)': lambda v: (
        v["scores.unknown"] > 0.4 or (v["top1"] in ("other", "unknown") and v["confidence"] < 0.8)
    ),
    "speech_seconds < 0.5 and snr_db < 8": lambda v: v["speech_seconds"] < 0.5 and v["snr_db"] < 8,
    "speech_seconds / duration_seconds < 0.2": lambda v: v["speech_seconds"] / v["duration_seconds"] < 0.2,
    "abs(confidence - top1_score) > 0.02 or emotion_score < top1_score": lambda v: (
        abs(v["confidence"] - v["top1_score"]) > 0.02 or v["emotion_score"] < v["top1_score"]
    ),
}


def _seconds(function: Callable[[Any], object], values: Values) -> float:
    """Seconds of this process a call, over enough calls for the clock; what others do on the machine is left out."""
    calls = 20_000
    names = {"function": function, "values": values}
    return timeit.timeit("function(values)", timer=time.process_time, globals=names, number=calls) / calls


def measure(
    ours: Callable[[Any], object], bare: Bare, values: Values, rounds: int
) -> tuple[list[float], list[float]]:
    """Seconds a call of both, timed in turn."""
    both = [(_seconds(ours, values), _seconds(bare, values)) for _ in range(rounds)]
    return [one for one, _ in both], [other for _, other in both]


def _row(name: str, ours: list[float], bare: list[float]) -> str:
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    shown = f"{statistics.median(ratios):.1f} ({min(ratios):.1f}-{max(ratios):.1f})"
    return f"| {name} | {_micro(ours)} | {_micro(bare)} | {shown} |"


def _micro(seconds: list[float]) -> str:
    low, high = min(seconds) * 1e6, max(seconds) * 1e6
    return f"{statistics.median(seconds) * 1e6:.2f} ({low:.2f}-{high:.2f})"


def _import_seconds(module: str) -> float:
    command = [sys.executable, "-c", _IMPORT.format(module=module)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def fuzz(count: int, seed: int) -> Counter[str]:
    """How so many random texts came out; whatever else they bring out ends this."""
    chance, outcomes = random.Random(seed), Counter[str]()
    slowest, slowest_text, kinds = 0.0, "", set[object]()
    for _ in range(count):
        text = random_text(chance)
        began = time.perf_counter()
        try:
            rule = compile_expression(text, FIELDS, {"min_snr": 10.0})
        except RuleError as error:
            outcomes["refused"] += 1
            problem = error.message.values.get("problem", error.message)
            kinds.add(getattr(problem, "phrase", None))
        else:
            values = random_values(chance)
            outcome = rule.evaluate(values)
            assert outcome in {True, False, None}, text
            assert bool(rule.missing(values)) is (outcome is None), text
            assert bool(rule.reasons(values)) is (outcome is not None), text
            outcomes[str(outcome)] += 1
        seconds = time.perf_counter() - began
        if seconds > slowest:
            slowest, slowest_text = seconds, text
    print(f"{len(kinds)} kinds of refusal")
    print(f"slowest: {slowest * 1e3:.1f} ms for {slowest_text[:60]!a}")
    return outcomes


def main() -> None:
    """Time the rules, and then the texts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each is timed")
    parser.add_argument("--fuzz", type=int, default=0, help="random texts to compile")
    parser.add_argument("--seed", type=int, default=1, help="of the random texts")
    given = parser.parse_args()
    values = values_of(Result("happy", 0.62, _SCORES, "utterance"), _MEASURED)
    print("| rule | µs in the language | µs in bare Python | ratio |\n| --- | --- | --- | --- |")
    for text, bare in SINGLE.items():
        rule = compile_expression(text, FIELDS)
        print(_row(f"`{text}`", *measure(rule.evaluate, bare, values, given.rounds)))
    rules = [rule.compile(Limits()) for rule in BUILT_IN]
    print(
        _row(f"all {len(rules)} built-in rules", *measure(_all(rules), _bare_built_in, values, given.rounds))
    )
    texts = [*SINGLE, *(rule.when for rule in BUILT_IN)]
    limits = asdict(Limits())
    costs = [
        timeit.timeit(lambda text=text: compile_expression(text, FIELDS, limits), number=200) / 200  # type: ignore[misc]
        for text in texts
    ]
    result = Result("happy", 0.62, _SCORES, "utterance")
    gathering = [
        timeit.timeit(lambda: values_of(result, _MEASURED), number=5000) / 5000 for _ in range(given.rounds)
    ]
    imports = [_import_seconds("rules") * 1e6 for _ in range(given.rounds)]
    print(f"\nto compile one: {_micro(costs)} µs over {len(texts)} rules")
    print(f"to gather the values of one task: {_micro(gathering)} µs")
    print(f"to import it after the result's reader: {statistics.median(imports) / 1e3:.1f} ms")
    if given.fuzz:
        print(dict(fuzz(given.fuzz, given.seed)))


def _all(rules: list[Expression]) -> Callable[[Values], list[bool | None]]:
    return lambda values: [rule.evaluate(values) for rule in rules]


if __name__ == "__main__":
    main()
