"""The tasks that stand directly under the root: safe listing, signatures, and the reading of their files.

Nothing here follows a symlink, opens a FIFO or a device, or reads past a size cap.
"""

import errno
import fnmatch
import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from emosieve.errors import BadAudio, BadResult
from emosieve.judge.document import SIZE_LIMIT, parse
from emosieve.judge.keys import OwnKeys
from emosieve.judge.result import Result, read_result
from emosieve.judge.source import source_in
from emosieve.judge.wav import read_header
from emosieve.patterns import IGNORE, matcher
from emosieve.text import Message, Phrase
from emosieve.watch.filesystem import MOMENT_NS, birth_time_ns, is_open_for_writing
from emosieve.watch.identity import READ_DIRECTORY
from emosieve.watch.lengths import HEAD_BYTES, declared_length, rows_of
from emosieve.watch.process_log import PROCESS_LOG, ProcessLog
from emosieve.watch.survey import AUDIO_NAME, FILE_LIMIT, FileStat, Survey, open_file, survey_directory

UNPRINTABLE = Phrase("its name is not printable UTF-8", "名字不是可显示的 UTF-8 文本")
SYMLINK = Phrase("it is a symlink", "它是符号链接")

_NO_KEYS = OwnKeys()
_REFUSED_LIMIT = 1 << 16
"""Bytes of a result that is read once more to know which recording it is of."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What reading a task's files showed.

    Attributes:
        result: the result, or why there is none that can be read; ``None`` without a result file.
        digest: SHA-256 of the result file's bytes, 32 hex digits; ``None`` where they were not read.
        short: name to bytes still missing, for every wav and npy shorter than its own header says.
        open_files: names that some process holds open for writing.
        born_ns: name to birth time, in ns since the epoch, for the result and every wav, where the file
            system tells; that of the directory for what was last written within a moment of it.
        audio_seconds: length of the wav that the result is about, where there are frames to compare it with.
        embedding_frames: rows of an npy that has more than one dimension; ``None`` where there is none.
        source: name of the recording, escaped, where the result file or process.log tells.
    """

    result: Result | BadResult | None
    digest: str | None
    short: dict[str, int]
    open_files: tuple[str, ...]
    born_ns: Mapping[str, int] = field(default_factory=dict)
    audio_seconds: float | None = None
    embedding_frames: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """One listing of the root: task names in order, and names that are left alone, with the reason."""

    tasks: list[str]
    left_alone: dict[str, Message]


class Inbox:
    """The root, seen as the place where tasks appear.

    Args:
        root: an absolute path without symlinks.
        task_glob: which directory names are tasks.
        reserved: names under the root that are never tasks: the destinations and emosieve's own.
        ask_lease: whether a read lease tells writers here (a local file system).
        result_keys: what an installation calls keys of its result files.
        ignore: shell patterns for the names of files that are no part of a task.
    """

    def __init__(  # noqa: PLR0913 - what settings say of the inbox
        self,
        root: str,
        task_glob: str,
        reserved: frozenset[str],
        *,
        ask_lease: bool,
        result_keys: OwnKeys = _NO_KEYS,
        ignore: tuple[str, ...] = IGNORE,
    ) -> None:
        self.root = root
        self.result_keys = result_keys
        self.select(task_glob, ignore)
        self.reserved = reserved
        self._ask_lease = ask_lease
        self.tells_writers: bool | None = None if ask_lease else False
        """Whether the kernel told of the file read last if somebody writes it; ``None`` before the first."""
        self.process_log = ProcessLog()
        """What finds the name of the recording in a task's process.log."""

    def select(self, task_glob: str, ignore: tuple[str, ...] = IGNORE) -> None:
        """Take another glob for which directory names are tasks, and other patterns for what is no part of one."""
        self.matches = re.compile(fnmatch.translate(task_glob)).match
        self._is_ignored = matcher(ignore)

    def list(self) -> Listing:
        """Names only, sorted: the WebUI's names sort by time, so the oldest comes first.

        Raises:
            OSError: the root cannot be listed.
        """
        tasks: list[str] = []
        left_alone: dict[str, Message] = {}
        with os.scandir(self.root) as entries:
            for entry in entries:
                name = entry.name
                if not self.matches(name) or name in self.reserved:
                    continue
                if not name.isprintable():
                    left_alone[name] = UNPRINTABLE()
                elif entry.is_dir(follow_symlinks=False):
                    tasks.append(name)
                elif entry.is_symlink():
                    left_alone[name] = SYMLINK()
        tasks.sort()
        return Listing(tasks, left_alone)

    def directory_changed_ns(self, name: str) -> int:
        """The directory's own ctime, by one stat: it moves when a file appears or goes.

        Raises:
            FileNotFoundError: the task is gone.
        """
        return os.lstat(f"{self.root}/{name}").st_ctime_ns

    def survey(self, name: str) -> Survey:
        """Look at a task without opening a file.

        Raises:
            FileNotFoundError: the task, or a part of it, is gone; look again.
            OSError: it cannot be listed.
        """
        return survey_directory(f"{self.root}/{name}", name, is_ignored=self._is_ignored)

    def read(self, survey: Survey) -> Contents:
        """Open what a survey saw: parse the result, ask wav and npy for their length and all for writers.

        Raises:
            FileNotFoundError: a file went between the survey and now; look again.
            OSError: a file cannot be read.
        """
        if survey.is_crowded:
            return Contents(BadResult(f"the task holds more than {FILE_LIMIT} files"), None, {}, ())
        descriptor = os.open(f"{self.root}/{survey.name}", READ_DIRECTORY)
        try:
            return self._read_files(descriptor, survey)
        finally:
            os.close(descriptor)

    def _read_files(self, directory: int, survey: Survey) -> Contents:
        result: Result | BadResult | None = None
        digest = None
        short: dict[str, int] = {}
        open_files: list[str] = []
        born: dict[str, int] = {}
        rows: int | None = None
        result_file, process_log = survey.result_file, b""
        for file in survey.own_files:
            if not file.is_regular:
                if file is result_file:
                    result = BadResult(f"{file.name} is {_kind(file.mode)}, not a file")
                continue
            descriptor = open_file(directory, file, must=file is result_file)
            if descriptor is None:
                continue
            try:
                if self._ask_lease and self._has_writer(descriptor):
                    open_files.append(file.name)
                is_wav = file.name.lower().endswith(".wav")
                if file is result_file:
                    result, digest = _read_result(descriptor, file, self.result_keys)
                elif file.name == PROCESS_LOG:
                    process_log = self.process_log.read(descriptor)
                elif is_wav or file.name.lower().endswith(".npy"):
                    rows = _read_head(descriptor, file, short) or rows
                if survey.born_ns and (is_wav or file is result_file):
                    born[file.name] = _birth_of(descriptor, file, survey.born_ns)
            finally:
                os.close(descriptor)
        seconds = _seconds_of(directory, survey) if rows or getattr(result, "frames", None) else None
        result, source = self._with_source(result, process_log)
        return Contents(result, digest, short, tuple(open_files), born, seconds, rows, source)

    def _with_source(
        self, result: Result | BadResult | None, process_log: bytes
    ) -> tuple[Result | BadResult | None, str | None]:
        """The result with the recording's name, from process.log where it names none itself, and that name."""
        source = result.source if result else None
        if source is not None or not process_log:
            return result, source
        source = self.process_log.source_in(process_log)
        return (replace(result, source=source) if isinstance(result, Result) else result), source

    def _has_writer(self, descriptor: int) -> bool:
        told = is_open_for_writing(descriptor)
        self.tells_writers = told is not None
        return bool(told)


def _read_result(descriptor: int, file: FileStat, own: OwnKeys) -> tuple[Result | BadResult, str | None]:
    status = os.fstat(descriptor)
    if (status.st_ino, status.st_size, status.st_mtime_ns) != (file.inode, file.size, file.mtime_ns):
        raise FileNotFoundError(errno.ESTALE, "changed while it was read", file.name)
    if file.size > SIZE_LIMIT:
        return BadResult(
            f"{file.name} is {file.size} bytes long; more than {SIZE_LIMIT} is not a result"
        ), None
    data = os.read(descriptor, file.size + 1)
    if len(data) != file.size:
        raise FileNotFoundError(errno.ESTALE, "changed while it was read", file.name)
    digest = hashlib.sha256(data).hexdigest()[:32]
    try:
        return read_result(data, own), digest
    except BadResult as error:
        refused = BadResult(f"{file.name} {error}")
        refused.source = _source_of_refused(data)
        return refused, digest


def _source_of_refused(data: bytes) -> str | None:
    """The recording that a refused result names, as the report of a failed recognition may."""
    if len(data) > _REFUSED_LIMIT:
        return None
    try:
        document = parse(data)
    except BadResult:
        return None
    return source_in(document[0] if isinstance(document, list) and len(document) == 1 else document)


def _read_head(descriptor: int, file: FileStat, short: dict[str, int]) -> int | None:
    """Note a wav or npy that is shorter than its header says; gives the rows of an npy of several dimensions."""
    head = os.pread(descriptor, HEAD_BYTES, 0)
    length = declared_length(file.name, head)
    if length is not None and file.size < length:
        short[file.name] = length - file.size
    return rows_of(head)


def _birth_of(descriptor: int, file: FileStat, directory_born_ns: int) -> int:
    """The birth time of an open file, asked for only where it can tell that the file was written over."""
    if file.mtime_ns - directory_born_ns <= MOMENT_NS:
        return directory_born_ns
    return birth_time_ns(descriptor)


def _seconds_of(directory: int, survey: Survey) -> float | None:
    """The length of the audio by its header; ``None`` where that does not tell."""
    others = (file for file in survey.own_files if file.name.lower().endswith(".wav"))
    wav = survey.find(AUDIO_NAME) or next(others, None)
    if wav is None or not wav.is_regular:
        return None
    descriptor = open_file(directory, wav, must=False)
    if descriptor is None:
        return None
    try:
        return read_header(partial(os.pread, descriptor), wav.size).duration_seconds
    except BadAudio:
        return None
    finally:
        os.close(descriptor)


def _kind(mode: int) -> str:
    kinds = {stat.S_IFLNK: "a symlink", stat.S_IFIFO: "a FIFO", stat.S_IFDIR: "a directory"}
    return kinds.get(stat.S_IFMT(mode), "a device or socket")
