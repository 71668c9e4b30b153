"""What must be true after a torture, by what the torture itself made and took away.

The log is replayed here by a reader of its own; nothing of emosieve is
imported. Each fault is one sentence.

Where a person took old files of the log away, only what is left of it is
counted: ``stats`` is the sum over the lines that are left, where a line that
takes a decision back subtracts it even if the decision itself went with an old
file; the report may still tell of what went. All other facts are asked of the
whole log, for the torture keeps what it took away.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RESULT = "result.json"
VERDICTS = ("normal", "low_quality", "quarantined")
FORGED = "outputs_forged"
"""Task of the lines that no emosieve wrote; they move nothing and count for nothing."""
STATE_FILES = {"checkpoint", "destinations.json", "intake.lock", "log.lock"}
_FILING = {"decided", "quarantined"}
_BY_HAND = {"restored", "reclassified"}
_ENTRY = re.compile(r"^\[(outputs_[^]]+)\]$", re.MULTILINE)

Event = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A task that the writer made.

    Attributes:
        number: unique; twins have the bytes of another number.
        root: number of the root that it was made in.
        name: of its directory.
        files: name to bytes; each has the task's mark in it, a twin that of its elder.
    """

    number: int
    root: int
    name: str
    files: Mapping[str, bytes]

    @property
    def digest(self) -> str | None:
        """Of its result, as the log has it; ``None`` for a recognition that died before it had one."""
        return digest_of(self.files)


@dataclass(frozen=True)
class Late:
    """A file that came after its task was whole."""

    task: Task
    name: str
    content: bytes


@dataclass(frozen=True)
class Taken:
    """A filed task that a person archived (``to``) or deleted (``None``), and where it stood."""

    place: str
    digest: str | None
    files: Mapping[str, bytes]
    to: Path | None


@dataclass
class Ledger:
    """What the torture did to the tasks."""

    made: list[Task] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)


@dataclass(frozen=True)
class Aftermath:
    """What stands on the disk at the end of all, read from outside.

    Attributes:
        inboxes: for each root the path and files of each directory of its inbox.
        filed: the same of each directory in all folders that tasks were ever filed to.
        archived: the same of what the person archived.
        logs: for each root name to bytes of the log's files that are left.
        logs_taken: for each root the same of those that the person took away.
        reports: for each root the text of each report file.
        stats: for each root what ``stats --json`` says.
        roots: their paths.
    """

    roots: Sequence[Path]
    inboxes: Sequence[Mapping[str, Mapping[str, bytes]]]
    filed: Mapping[str, Mapping[str, bytes]]
    archived: Mapping[str, Mapping[str, bytes]]
    logs: Sequence[Mapping[str, bytes]]
    logs_taken: Sequence[Mapping[str, bytes]]
    reports: Sequence[Sequence[str]]
    stats: Sequence[Mapping[str, Any]]


@dataclass
class Record:
    """A decision that stands, by the log."""

    task: str
    time: str
    place: str
    verdict: str | None
    digest: str | None
    last: str


def digest_of(files: Mapping[str, bytes]) -> str | None:
    """Of the result among some files, as the log has it."""
    return hashlib.sha256(files[RESULT]).hexdigest()[:32] if RESULT in files else None


def contents(directory: Path) -> dict[str, bytes]:
    """Name to bytes of the files of one directory."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def events_in(files: Mapping[str, bytes]) -> list[Event]:
    """All events of some files of a log, oldest first."""
    names = sorted(files, key=lambda name: (name == "decisions.jsonl", name))
    events = [json.loads(line) for name in names for line in files[name].splitlines()]
    return [event for event in events if event["task" if "task" in event else "event"] != FORGED]


def faults_in(ledger: Ledger, after: Aftermath) -> list[str]:
    """All that is not as it must be, one sentence each."""
    faults = [*_faults_in_files(ledger, after)]
    records: list[Record] = []
    for number, root in enumerate(after.roots):
        events = events_in({**after.logs_taken[number], **after.logs[number]})
        standing, misreplayed = replay(events, root, is_whole=not after.logs_taken[number])
        records += standing
        faults += [f"root {number}: {fault}" for fault in misreplayed]
        faults += [f"root {number}: {fault}" for fault in _faults_in_counts(number, ledger, after, standing)]
    return faults + _faults_in_places(ledger, after, records)


def _faults_in_files(ledger: Ledger, after: Aftermath) -> Iterable[str]:
    """Every task is in one place and whole, with nothing of another's; every late file too."""
    late = {one.name: one for one in ledger.late}
    places = [*after.inboxes, after.filed, after.archived]
    found = [(path, files) for place in places for path, files in place.items()]
    found += [(f"(deleted from {one.place})", one.files) for one in ledger.taken if one.to is None]
    bodies = [(path, _body(files, late)) for path, files in found]
    yield from _faults_in_bodies(ledger, [(path, body) for path, body in bodies if body])
    for one in late.values():
        where = [(path, files) for path, files in found if files.get(one.name) == one.content]
        if len(where) != 1:
            paths = [path for path, _ in where]
            yield f"late file {one.name} of {_name(one.task)} stands in {paths}, and not in one place"
        for path, files in where:
            if _body(files, late) not in {frozenset(), frozenset(one.task.files.items())}:
                yield f"mixed: late file {one.name} of {_name(one.task)} lies with another task in {path}"
    for number, inbox in enumerate(after.inboxes):
        for path, files in inbox.items():
            if RESULT in files:
                yield f"root {number}: never filed: {path}"


Body = frozenset[tuple[str, bytes]]


def _body(files: Mapping[str, bytes], late: Mapping[str, Late]) -> Body:
    """What of a directory did not come late; nothing for late files that stand on their own."""
    return frozenset((name, content) for name, content in files.items() if name not in late)


def _name(task: Task) -> str:
    return f"task {task.number} ({task.name})"


def _faults_in_bodies(ledger: Ledger, bodies: Sequence[tuple[str, Body]]) -> Iterable[str]:
    """Every task stands as often as it was made: twins are one task that was made twice."""
    made = Counter(frozenset(task.files.items()) for task in ledger.made)
    names = {frozenset(task.files.items()): _name(task) for task in ledger.made}
    standing = Counter(body for _, body in bodies)
    for path, body in bodies:
        if body not in made:
            yield f"torn or mixed: {path} holds {sorted(name for name, _ in body)}, as no task was made"
    for body, count in made.items():
        if standing[body] != count:
            kind = "lost" if standing[body] < count else "doubled"
            yield f"{kind}: {names[body]} was made {count} times and stands {standing[body]} times"


def replay(events: Iterable[Event], root: Path, *, is_whole: bool) -> tuple[list[Record], list[str]]:
    """The decisions that stand after some events, and what among them cannot be.

    Args:
        events: oldest first.
        root: whose log it is.
        is_whole: whether no file of the log was ever taken away, so that emosieve knew all of it.
    """
    replayed = _Replay(root, is_whole=is_whole)
    for event in events:
        match event["event"]:
            case "decided" | "quarantined":
                replayed.decide(event)
            case "diverted":
                replayed.divert(event)
            case "restored" | "reclassified":
                replayed.move(event)
            case _:
                pass
    return replayed.records, replayed.faults


class _Replay:
    """The decisions that stand, event by event."""

    def __init__(self, root: Path, *, is_whole: bool) -> None:
        self._root = root
        self._is_whole = is_whole
        self.records: list[Record] = []
        self.faults: list[str] = []

    def _place(self, location: str) -> str:
        return str(self._root / location)

    def _at(self, location: str) -> Record | None:
        """What came last to a place: what was there before was taken away from it."""
        place = self._place(location)
        return next((one for one in reversed(self.records) if one.place == place), None)

    def decide(self, event: Event) -> None:
        """A new decision, which may take the place of one whose move was never made."""
        name, old = event["task"], event.get("supersedes")
        if old:
            same = [one for one in self.records if (one.task, one.time) == (name, old.get("time"))]
            if same:
                self.records.remove(same[-1])
            elif self._is_whole:
                self.faults.append(f"a decision of {name} supersedes none that stands: {old}")
        verdict = event.get("verdict", event["event"])
        place = self._place(event["destination"])
        self.records.append(
            Record(name, event["time"], place, verdict, event["result_digest"], event["event"])
        )

    def divert(self, event: Event) -> None:
        """A task went elsewhere than its decision says."""
        if record := self._at(event["from"]):
            record.place = self._place(event["destination"])
        else:
            self.faults.append(f"{event['task']} diverted from {event['from']}, where nothing stood")

    def move(self, event: Event) -> None:
        """A task was moved after the fact; back in the inbox it is judged anew."""
        kind, record = event["event"], self._at(event["from"])
        if record is None:
            self.faults.append(f"{kind} from {event['from']} to {event['to']}, where nothing stood")
            return
        if (kind, record.last) == ("reclassified", "restored"):
            self.faults.append(f"{event['task']} was reclassified though a person had restored it")
        if event["verdict"] is None:
            self.records.remove(record)
        record.place, record.verdict, record.last = self._place(event["to"]), event["verdict"], kind


def tally_of(events: Iterable[Event]) -> dict[str, int]:
    """Decisions by verdict, where what is taken back is subtracted."""
    tally: Counter[str | None] = Counter()
    for event in events:
        if event["event"] in _FILING:
            tally[event.get("verdict", event["event"])] += 1
            if old := event.get("supersedes"):
                tally[old["verdict"]] -= 1
        elif event["event"] in _BY_HAND:
            tally[event["verdict"]] += 1
            if event.get("decided"):
                tally[event["was"]] -= 1
    return {verdict: tally[verdict] for verdict in VERDICTS}


def _faults_in_counts(
    number: int, ledger: Ledger, after: Aftermath, records: Sequence[Record]
) -> Iterable[str]:
    """One decision for each filed task; stats and report say the same."""
    waiting = Counter(digest_of(files) for files in after.inboxes[number].values())
    made = Counter(task.digest for task in ledger.made if task.root == number) - waiting
    decided = Counter(record.digest for record in records)
    names = {task.digest: f"task {task.number} ({task.name})" for task in ledger.made}
    for digest in (made.keys() | decided.keys()) - {None}:
        # A decision that was taken away before its move was made is taken anew, and that is right.
        if decided[digest] < made[digest] or (
            decided[digest] > made[digest] and not after.logs_taken[number]
        ):
            yield (
                f"{names.get(digest, digest)} of this root was filed {made[digest]} times, "
                f"and {decided[digest]} decisions stand"
            )
    left = events_in(after.logs[number])
    told = {verdict: after.stats[number][verdict] for verdict in VERDICTS}
    if told != tally_of(left):
        yield f"stats says {told}, its lines sum up to {tally_of(left)}"
    standing = Counter(record.verdict for record in records)
    if not after.logs_taken[number] and told != {verdict: standing[verdict] for verdict in VERDICTS}:
        yield f"stats says {told}, by the decisions that stand it is {dict(standing)}"
    entries = Counter(event["task"] for event in left if event["event"] in _FILING | _BY_HAND)
    written = Counter(name for text in after.reports[number] for name in _ENTRY.findall(text))
    del written[FORGED]
    missing, surplus = entries - written, written - entries
    if missing or (surplus and not after.logs_taken[number]):
        yield f"the report lacks {dict(missing)} and has {dict(surplus)} too many, by the log"


def _faults_in_places(ledger: Ledger, after: Aftermath, records: Sequence[Record]) -> list[str]:
    """Each filed task stands where a decision says, and each decision says where one stands, or stood last."""
    there = Counter((path, digest_of(files)) for path, files in after.filed.items())
    there += Counter((one.place, one.digest) for one in ledger.taken)
    said = Counter((record.place, record.digest) for record in records)
    faults = [
        f"no decision says that the task {digest} stands (or stood last) in {place}"
        for place, digest in (there - said).elements()
    ]
    if any(after.logs_taken):
        return faults
    return faults + [
        f"a decision says that the task {digest} stands in {place}, and it does not"
        for place, digest in (said - there).elements()
    ]
