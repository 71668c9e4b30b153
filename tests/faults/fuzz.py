"""Hunt for bytes that break what must hold of results, settings and logs: ``python tests/faults/fuzz.py``.

A coverage-guided fuzzer (atheris) makes the bytes, from real ones and from
what it learns about the code. Each fault is kept once, by the place where it
came up, as the smallest file that shows it; ``test_finds.py`` tries them all
again. It exits with 1 when it found anything.
"""

import argparse
import hashlib
import importlib
import json
import logging
import os
import random
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

FINDS = Path(__file__).parent / "finds"
SAMPLES = Path(__file__).parents[1] / "samples"
TARGETS = ("result", "settings", "log")
LONGEST = {"result": 4096, "settings": 2048, "log": 8192}
STRANGE: list[Any] = json.loads(r"""[
null, true, false, 0, -1, 1, 8, 9, 100, 9223372036854775808, 18446744073709551616, 0.5, -0.0, 1e-320, 1e308, 1.0000001,
"", " ", "sad", "生气/angry", "50%", "unuse_0", "9", "1e999", "nan", "x\ny", "\u001b[2J", "\u202e", "\u009b", "\u007f",
"\ud800", "normal", "low_quality", "quarantined", "..", "../x", "/etc", "normal/..", "outputs_1", "normal/outputs_1",
"2024-01-04T22:31:20+08:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-01-05",
[], {}, [[]], [{}], {"a": 1}, ["a"], [1, 2], [null]
]""")
STRANGE += [10**400, "a" * 300]
WORDS = re.findall(
    r"\w+",
    """
    emotion label confidence scores labels granularity timestamp frames results segments event time task
    directory verdict findings was_findings rule action observed limit message top1 top2 gap destination
    from to was decided supersedes source cause files reason tally started result_digest rules_digest
    profile before after reported restored reclassified quarantined diverted joined failed swept reject
    flag schema position file offset head size inode layout day last_time owed filed
    """,
)
KEYS = re.findall(
    r"\S+",
    """
root profile language timezone watch.mode watch.rescan_seconds watch.task_glob settle.quiet_seconds
settle.give_up_seconds settle.require rules rules.min_confidence rules.min_gap rules.actions.ambiguous
profiles profiles.mine profiles.mine.min_gap filing.normal filing.quarantine decisions.rotate_bytes
decisions.sync report.keep log.level log.format
""",
)
SETTINGS_SEEDS = (
    b'profile = "mine"\n[profiles.mine]\nmin_gap = 0.1\n[rules.actions]\nambiguous = "flag"\n',
    b'timezone = "Asia/Shanghai"\0EMOSIEVE_SETTLE__QUIET_SECONDS=1\0EMOSIEVE_SETTLE__REQUIRE=["a"]\0rules.min_gap=0.1',
    b"[filing]\nnormal = 'a'\n[watch]\ntask_glob = '*'\n\0EMOSIEVE_LANGUAGE=en\0watch.mode=polling\0profile=mine",
)
MOVES = b"""\
{"event":"diverted","task":"outputs_1","source":"outputs_1","from":"normal/outputs_1","destination":"normal/outputs_1.2"}
{"event":"joined","task":"outputs_1","files":["a.npy"],"destination":"normal/outputs_1"}
{"event":"restored","task":"outputs_1","from":"normal/outputs_1","to":"low_quality/outputs_1","was":"normal"}
{"event":"failed","task":"outputs_1","source":"outputs_1","cause":"EIO: x"}
{"event":"swept","started":"2024-01-04T10:00:00+08:00","tally":{"normal":1,"low_quality":0,"quarantined":0}}
"""
CHECKPOINT = b"""\
{"schema":1,"filed":{"file":"decisions.jsonl","offset":10,"head":"0000000000000000"},\
"owed":[{"event":"restored","task":"outputs_1","source":"normal/outputs_1","destination":"low_quality/outputs_1",\
"directory":[1,2],"result_digest":null,"files":[],"cause":null}],\
"reported":{"position":{"file":"decisions.jsonl","offset":10,"head":"0000000000000000"},"size":10,"inode":1,\
"layout":"","day":"2024-01-04","last_time":null,"tally":{"normal":1}}}"""


def seeds(target: str) -> Iterator[bytes]:
    """Real bytes of a target, from which the fuzzer begins."""
    if target == "result":
        yield from (path.read_bytes()[:4096] for path in sorted(SAMPLES.glob("*.json")))
    elif target == "settings":
        yield (Path(__file__).parents[2] / "config.example.toml").read_bytes()[:1500]
        yield from SETTINGS_SEEDS
    else:
        # Not above: what is imported before the fuzzer is ready, it does not see.
        from emosieve.record.lines import line_of
        from log_lines import LOG

        lines = [line_of(event) for event in LOG]
        yield b"".join(lines)
        yield from (b"".join(lines[start : start + 3]) for start in range(0, len(lines), 3))
        yield lines[0] + MOVES + b"\0" + lines[1] + b"\0" + CHECKPOINT


def mutated(data: bytes, longest: int, seed: int, mutate: Callable[[bytes, int], bytes]) -> bytes:
    """Another input: half of the time a JSON document in it is changed as a document, else bytes are."""
    chance = random.Random(seed)
    if chance.random() < 0.5:
        return mutate(data, longest)
    pieces = re.split(rb"([\n\0])", data) if b"\n{" in data or b"\0" in data else [data]
    where = chance.randrange(len(pieces))
    try:
        document = json.loads(pieces[where])
    except (ValueError, RecursionError):
        return mutate(data, longest)
    for _ in range(chance.randint(1, 3)):
        document = _changed(document, chance)
    pieces[where] = json.dumps(document, ensure_ascii=chance.random() < 0.5, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )
    return b"".join(pieces)[:longest]


def with_another_setting(data: bytes, longest: int, seed: int) -> bytes:
    """One more setting, in the file, the environment or on the command line; its value is rarely right."""
    chance = random.Random(seed)
    toml, *others = data.split(b"\0")
    key, value = chance.choice(KEYS), chance.choice([*STRANGE, *KEYS])
    text = (
        json.dumps(value).replace("null", "nan").encode()
        if chance.random() < 0.8
        else f"{value}".encode("utf-8", "replace")
    )
    match chance.randrange(3):
        case 0:
            toml = key.encode() + b" = " + text + b"\n" + toml
        case 1:
            others.append(f"EMOSIEVE_{key.upper().replace('.', '__')}=".encode() + text)
        case _:
            others.append(f"{key}=".encode() + text)
    return b"\0".join([toml, *others[-6:]])[:longest]


def _changed(document: Any, chance: random.Random) -> Any:
    """A document with one value, somewhere in it, replaced, added, doubled or taken out."""
    if isinstance(document, dict) and document and chance.random() < 0.8:
        key = chance.choice(list(document))
        if chance.random() < 0.6:
            return {**document, key: _changed(document[key], chance)}
        if chance.random() < 0.3:
            return {name: value for name, value in document.items() if name != key}
        return {**document, chance.choice(WORDS): chance.choice([*STRANGE, document[key]])}
    if isinstance(document, list) and document and chance.random() < 0.8:
        place = chance.randrange(len(document))
        if chance.random() < 0.3:
            return document + document[place : place + 1]
        return [*document[:place], _changed(document[place], chance), *document[place + 1 :]]
    return chance.choice([*STRANGE, *WORDS])


class Hunt:
    """One target's hunt, in a process of its own: the fuzzer never comes back."""

    def __init__(self, target: str, seconds: int, place: Path) -> None:
        self.target = target
        self.seconds = seconds
        self.place = place
        self.folder = FINDS / target
        self.known: dict[str, int] = {}

    def run(self) -> None:
        """Hunt until the time is over."""
        atheris: Any = importlib.import_module("atheris")
        with atheris.instrument_imports(include=["emosieve"]):
            invariants = importlib.import_module("invariants")
        _silence()
        check = invariants.TARGETS[self.target]
        self.folder.mkdir(parents=True, exist_ok=True)
        corpus, words = self.place / "corpus", self.place / "words.dict"
        corpus.mkdir()
        for number, seed in enumerate([*seeds(self.target), *self._finds()]):
            (corpus / f"seed-{number:03}").write_bytes(seed)
        words.write_text("".join(f'"\\"{word}\\""\n' for word in WORDS), encoding="utf-8")
        options = [
            *(f"-max_total_time={self.seconds}", f"-max_len={LONGEST[self.target]}", "-timeout=20"),
            *("-rss_limit_mb=2048", f"-dict={words}", "-print_final_stats=1", "-verbosity=0"),
            f"-artifact_prefix={self.folder}/",  # what hangs, or eats all memory, ends the hunt and is kept
        ]

        def another(data: bytes, longest: int, seed: int) -> bytes:
            if self.target == "settings" and seed % 2:
                return with_another_setting(data, longest, seed)
            return mutated(data, longest, seed, atheris.Mutate)

        atheris.Setup(
            [sys.argv[0], *options, str(corpus)], lambda data: self._try(check, data), custom_mutator=another
        )
        atheris.Fuzz()

    def _finds(self) -> Iterator[bytes]:
        for path in sorted(self.folder.glob("*")):
            yield path.read_bytes()

    def _try(self, check: Callable[[bytes], None], data: bytes) -> None:
        try:
            check(data)
        except ExceptionGroup as several:
            for error in several.exceptions:
                self._keep(error, data)
        except Exception as error:  # noqa: BLE001 - whatever comes out is a fault
            self._keep(error, data)

    def _keep(self, error: Exception, data: bytes) -> None:
        """Keep an input as the find of its place in the code, if it is the smallest so far."""
        frames = traceback.extract_tb(error.__traceback__)
        ours = [one for one in frames if one.filename.endswith("invariants.py")] + frames[-1:]
        way = " > ".join(f"{Path(one.filename).stem}.{one.name}: {one.line}" for one in ours[1:])
        place = f"{type(error).__name__} {way}"
        name = hashlib.sha256(place.encode()).hexdigest()[:12]
        if len(data) >= self.known.get(name, 1 << 30):
            return
        if name not in self.known:
            print(f"FOUND {self.target} {name} {place}: {str(error)[:200]!r}", flush=True)
        self.known[name] = len(data)
        (self.folder / name).write_bytes(data)


def _silence() -> None:
    import structlog

    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def hunt(target: str, seconds: int) -> bool:
    """Hunt in a process of its own and print what came of it; gives whether anything did."""
    with tempfile.TemporaryDirectory(prefix="emosieve-fuzz-") as place:
        ended = subprocess.run(
            [sys.executable, __file__, "--seconds", str(seconds), "--hunt", target, "--place", place],
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
    executions = re.search(r"stat::number_of_executed_units:\s+(\d+)", ended.stderr)
    found = [line for line in ended.stdout.splitlines() if line.startswith("FOUND")]
    print(
        f"{target}: {executions[1] if executions else 0} executions in {seconds} s, {len(found)} findings",
        flush=True,
    )
    for line in found:
        print(f"  {line}", flush=True)
    if ended.returncode or not executions:
        print(ended.stdout[-4000:], ended.stderr[-4000:], flush=True)
        return True
    return bool(found)


def main() -> None:
    """Hunt each target for a while."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=20, help="for each target")
    parser.add_argument("--hunt", choices=TARGETS, help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="all where none is given")
    asked = parser.parse_args()
    if asked.hunt:
        Hunt(asked.hunt, asked.seconds, asked.place).run()
        return
    results = [hunt(target, asked.seconds) for target in asked.targets or TARGETS]
    sys.exit(any(results))


if __name__ == "__main__":
    main()
