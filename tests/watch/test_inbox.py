import errno
import hashlib
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeTask, result_bytes
from emosieve.commands.simulated_webui import npy_bytes, write_wav
from emosieve.errors import BadResult
from emosieve.judge.document import SIZE_LIMIT
from emosieve.judge.keys import OwnKeys
from emosieve.judge.result import Result
from emosieve.watch.inbox import SYMLINK, UNPRINTABLE, Contents, Inbox
from emosieve.watch.listening import wavs_of
from emosieve.watch.survey import FILE_LIMIT, survey_directory

NAME = "outputs_20240104_223000"
RESERVED = frozenset({"normal", "low_quality", "quarantine", "outputs_normal", ".emosieve"})
_NOBODY = 65534

Plant = Callable[[Path], None]


def _inbox(root: Path, glob: str = "outputs_*", *, ask_lease: bool = True) -> Inbox:
    return Inbox(str(root), glob, RESERVED, ask_lease=ask_lease)


def _read(root: Path, name: str = NAME) -> Contents:
    inbox = _inbox(root)
    return inbox.read(inbox.survey(name))


def _open_below(root: Path) -> list[str]:
    """Every file or directory under a root that this process holds open."""
    targets = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            targets.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return [target for target in targets if target.startswith(str(root))]


def _symlink(path: Path) -> None:
    target = path.parent.parent / "outside.json"
    target.write_bytes(result_bytes())
    path.symlink_to(target)


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))


def _socket(path: Path) -> None:
    # The name of a socket may be no longer than 107 bytes, so it is bound elsewhere and moved.
    with tempfile.TemporaryDirectory(dir=path.parent.parent) as folder, socket.socket(socket.AF_UNIX) as one:
        previous = os.open(".", os.O_RDONLY)
        try:
            os.chdir(folder)
            one.bind("s")
        finally:
            os.fchdir(previous)
            os.close(previous)
        os.rename(f"{folder}/s", path)


def _directory(path: Path) -> None:
    path.mkdir()


NOT_FILES = [
    pytest.param(_symlink, "a symlink", id="symlink"),
    pytest.param(_fifo, "a FIFO", id="FIFO"),
    pytest.param(_device, "a device or socket", id="device"),
    pytest.param(_socket, "a device or socket", id="socket"),
    pytest.param(_directory, "a directory", id="directory"),
]


def test_a_result_is_read_by_the_keys_that_the_settings_name(root: Path, make_task: MakeTask) -> None:
    """What an installation calls its scores reaches the reader of results."""
    make_task(NAME, b'{"emotion": "happy", "confidence": 0.9, "vector": {"happy": 0.6, "sad": 0.4}}')
    assert "has scores under vector" in str(_read(root).result)
    inbox = Inbox(str(root), "outputs_*", RESERVED, ask_lease=False, result_keys=OwnKeys(scores=("vector",)))
    result = inbox.read(inbox.survey(NAME)).result
    assert isinstance(result, Result)
    assert {"happy": 0.6, "sad": 0.4} == dict(result.scores)


def test_a_listing_shows_task_directories_alone_oldest_first(root: Path) -> None:
    """Directories that match the pattern are tasks, in the order of their names; all else is passed over."""
    for name in ("outputs_2", "outputs_10", "outputs_1", "normal", "outputs_normal", ".emosieve", "other"):
        (root / name).mkdir()
    (root / "outputs_file").write_bytes(b"")
    os.mkfifo(root / "outputs_fifo")
    listing = _inbox(root).list()
    assert listing.tasks == ["outputs_1", "outputs_10", "outputs_2"]
    assert listing.left_alone == {}


def test_the_pattern_is_the_setting_s(root: Path) -> None:
    """Only what the pattern matches as a whole is a task, and another pattern may be taken."""
    for name in ("run_1", "run_12", "outputs_1"):
        (root / name).mkdir()
    inbox = _inbox(root, "run_?")
    assert inbox.list().tasks == ["run_1"]
    inbox.select("outputs_*")
    assert inbox.list().tasks == ["outputs_1"]


def test_a_symlinked_task_is_left_alone_with_a_reason(root: Path, tmp_path: Path) -> None:
    """A symlink of a task's name is never a task, wherever it leads, and is told."""
    (tmp_path / "elsewhere").mkdir()
    (root / "outputs_link").symlink_to(tmp_path / "elsewhere")
    (root / "outputs_dead").symlink_to(tmp_path / "nowhere")
    listing = _inbox(root).list()
    assert listing.tasks == []
    assert listing.left_alone == {"outputs_link": SYMLINK(), "outputs_dead": SYMLINK()}


@pytest.mark.parametrize(
    "name",
    [
        b"outputs_\xff\xfe",
        b"outputs_\n[outputs_forged]",
        b"outputs_\x1b[31m",
        b"outputs_\x7f",
        "outputs_\u202egnp".encode(),
        "outputs_\u2028".encode(),
        "outputs_\x85".encode(),
    ],
)
def test_a_name_that_cannot_be_shown_is_left_alone_with_a_reason(root: Path, name: bytes) -> None:
    """Names that are not UTF-8, or hold controls or bidi marks, are no tasks, and are told."""
    os.mkdir(os.fsencode(root) + b"/" + name)
    listing = _inbox(root).list()
    assert listing.tasks == []
    assert {os.fsdecode(name): UNPRINTABLE()} == listing.left_alone


def test_chinese_names_are_tasks(root: Path) -> None:
    """Printable names in any script are fine."""
    (root / "outputs_客服_1").mkdir()
    assert _inbox(root).list().tasks == ["outputs_客服_1"]


def test_a_root_that_is_gone_cannot_be_listed(root: Path) -> None:
    """A missing root is an error, not an empty inbox: nothing may be forgotten for it."""
    root.rmdir()
    with pytest.raises(FileNotFoundError):
        _inbox(root).list()


def test_a_survey_tells_every_file_without_opening_one(root: Path, make_task: MakeTask) -> None:
    """Names, sizes and kinds of all that stands in a task, subdirectories included, FIFOs untouched."""
    task = make_task(files={"a.wav": b"12345"})
    (task / "more").mkdir()
    (task / "more" / "deep.txt").write_bytes(b"1")
    os.mkfifo(task / "pipe")
    (task / "link").symlink_to("/etc")
    survey = _inbox(root).survey(NAME)
    status = task.stat()
    assert (status.st_dev, status.st_ino) == survey.directory
    assert [file.name for file in survey.files] == [
        "a.wav",
        "link",
        "more",
        "more/deep.txt",
        "pipe",
        "result.json",
    ]
    assert [file.name for file in survey.files if file.is_regular] == [
        "a.wav",
        "more/deep.txt",
        "result.json",
    ]
    found = survey.find("a.wav")
    assert found is not None
    assert found.size == 5
    assert survey.find("missing") is None


def test_the_newest_change_is_that_of_the_newest_file_at_any_depth(root: Path, make_task: MakeTask) -> None:
    """changed_ns is the newest ctime of the directory and all in it; a copied old mtime hides nothing."""
    task = make_task()
    (task / "more").mkdir()
    deep = task / "more" / "deep.txt"
    deep.write_bytes(b"1")
    os.utime(task / "result.json", (0, 0))
    survey = _inbox(root).survey(NAME)
    every = [task, task / "more", deep, task / "result.json"]
    assert max(path.stat().st_ctime_ns for path in every) == survey.changed_ns
    assert task.stat().st_ctime_ns == survey.directory_changed_ns
    assert task.stat().st_ctime_ns == _inbox(root).directory_changed_ns(NAME)


def _append(task: Path) -> None:
    with (task / "a.wav").open("ab") as file:
        file.write(b"6")


def _replace(task: Path) -> None:
    (task / "new").write_bytes(b"12345")
    os.utime(task / "new", ns=(0, (task / "a.wav").stat().st_mtime_ns))
    (task / "new").rename(task / "a.wav")


def _rewrite_and_hide(task: Path) -> None:
    status = (task / "a.wav").stat()
    (task / "a.wav").write_bytes(b"54321")
    os.utime(task / "a.wav", ns=(status.st_atime_ns, status.st_mtime_ns))


def _add(task: Path) -> None:
    (task / "new.npy").write_bytes(b"")


def _take_away(task: Path) -> None:
    (task / "a.wav").unlink()


def _rename(task: Path) -> None:
    (task / "a.wav").rename(task / "b.wav")


def _write_deep(task: Path) -> None:
    (task / "more" / "deep.txt").write_bytes(b"22")


CHANGES = [_append, _replace, _rewrite_and_hide, _add, _take_away, _rename, _write_deep]


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_changes_the_signature(root: Path, make_task: MakeTask, change: Plant) -> None:
    """No write, rename, removal or replacement leaves the signature as it was; looking at it does."""
    task = make_task(files={"a.wav": b"12345"})
    (task / "more").mkdir()
    (task / "more" / "deep.txt").write_bytes(b"1")
    inbox = _inbox(root)
    before = inbox.survey(NAME)
    inbox.read(before)
    assert before.signature == inbox.survey(NAME).signature
    change(task)
    assert before.signature != inbox.survey(NAME).signature


def test_another_directory_of_the_same_files_has_another_signature(root: Path, make_task: MakeTask) -> None:
    """Nor does one have it whose own change time moved alone, as when a file came and went."""
    make_task()
    survey = _inbox(root).survey(NAME)
    others = (
        replace(survey, directory=(survey.directory[0], survey.directory[1] + 1)),
        replace(survey, directory_changed_ns=survey.directory_changed_ns + 1),
    )
    assert [] == [other for other in others if other.signature == survey.signature]


def test_a_survey_goes_no_deeper_than_its_limit(root: Path, make_task: MakeTask) -> None:
    """A tower of directories is looked at to sixteen levels, and costs no more."""
    task = make_task()
    (task / "/".join("d" * 20)).mkdir(parents=True)
    assert max(file.name.count("/") for file in _inbox(root).survey(NAME).files) == 16


@pytest.mark.parametrize("act", ["survey", "read"])
def test_a_task_that_became_a_symlink_is_not_followed(root: Path, make_task: MakeTask, act: str) -> None:
    """Neither a survey nor a reading enters a symlink that took a task's place."""
    task = make_task()
    inbox = _inbox(root)
    survey = inbox.survey(NAME)
    task.rename(root / "moved")
    task.symlink_to(root / "moved")
    with pytest.raises(NotADirectoryError):
        inbox.survey(NAME) if act == "survey" else inbox.read(survey)


@pytest.mark.parametrize("act", ["stat", "survey", "read"])
def test_a_task_that_is_gone_is_not_found(root: Path, make_task: MakeTask, act: str) -> None:
    """Whatever is asked of a task that vanished, the answer is that it is not there."""
    task = make_task()
    inbox = _inbox(root)
    survey = inbox.survey(NAME)
    shutil.rmtree(task)
    ask: dict[str, Callable[[], object]] = {
        "stat": lambda: inbox.directory_changed_ns(NAME),
        "survey": lambda: inbox.survey(NAME),
        "read": lambda: inbox.read(survey),
    }
    with pytest.raises(FileNotFoundError):
        ask[act]()


def test_reading_gives_result_and_digest(root: Path, make_task: MakeTask) -> None:
    """A good result file is read whole, and known by the first 32 hex digits of its SHA-256."""
    make_task(result=result_bytes(0.7, "sad"))
    contents = _read(root)
    assert isinstance(contents.result, Result)
    assert (contents.result.emotion, contents.result.confidence) == ("sad", 0.7)
    assert hashlib.sha256(result_bytes(0.7, "sad")).hexdigest()[:32] == contents.digest
    assert (contents.short, contents.open_files) == ({}, ())


def test_result_frame_json_is_another_name_of_the_result(root: Path, make_task: MakeTask) -> None:
    """A task with result_frame.json alone has a result."""
    task = make_task()
    (task / "result.json").rename(task / "result_frame.json")
    assert isinstance(_read(root).result, Result)


def test_of_two_result_files_result_json_wins(root: Path, make_task: MakeTask) -> None:
    """result_frame.json is only read where result.json is missing."""
    make_task(result=result_bytes(0.7, "sad"), files={"result_frame.json": result_bytes(0.9, "happy")})
    contents = _read(root)
    assert isinstance(contents.result, Result)
    assert contents.result.emotion == "sad"


def test_a_result_in_a_subdirectory_is_none(root: Path) -> None:
    """Only a result directly in the task counts."""
    (root / NAME / "result").mkdir(parents=True)
    (root / NAME / "result" / "result.json").write_bytes(result_bytes())
    assert Contents(None, None, {}, ()) == _read(root)


def test_files_of_subdirectories_are_asked_as_all_others_are(root: Path, make_task: MakeTask) -> None:
    """Deep in a task a short wav is told, and so is a file that a process holds open for writing."""
    task = make_task()
    (task / "a" / "b").mkdir(parents=True)
    (task / "a" / "short.wav").write_bytes(b"RIFF\x00\xff\x00\x00WAVE")
    with (task / "a" / "b" / "log").open("ab"):
        contents = _read(root)
    assert ({"a/short.wav": 65276}, ("a/b/log",)) == (contents.short, contents.open_files)


def test_no_symlink_is_followed_on_the_way_to_a_file(root: Path, make_task: MakeTask, tmp_path: Path) -> None:
    """A subdirectory that became a symlink since the survey is a change, and nothing is read through it."""
    task = make_task()
    (task / "a").mkdir()
    (task / "a" / "short.wav").write_bytes(b"RIFF\x00\xff\x00\x00WAVE")
    inbox = _inbox(root)
    survey = inbox.survey(NAME)
    (task / "a").rename(tmp_path / "a")
    (task / "a").symlink_to(tmp_path / "a")
    with pytest.raises(FileNotFoundError, match="changed while it was looked at"):
        inbox.read(survey)
    assert _open_below(root) == []


@pytest.mark.parametrize(("plant", "kind"), NOT_FILES)
@pytest.mark.parametrize("name", ["result.json", "result_frame.json"])
def test_what_is_no_file_in_place_of_the_result_is_malformed(
    root: Path, plant: Plant, kind: str, name: str
) -> None:
    """A symlink, FIFO, device, socket or directory named as the result is refused unopened, by its kind."""
    (root / NAME).mkdir()
    plant(root / NAME / name)
    contents = _read(root)
    assert isinstance(contents.result, BadResult)
    assert f"{name} is {kind}, not a file" == str(contents.result)
    assert contents.digest is None


@pytest.mark.parametrize(("plant", "kind"), NOT_FILES)
def test_what_is_no_file_in_place_of_the_wav_is_passed_over(
    root: Path, make_task: MakeTask, plant: Plant, kind: str
) -> None:
    """The reading neither blocks on nor fails for a wav that is no file."""
    plant(make_task() / "processed_audio.wav")
    contents = _read(root)
    assert isinstance(contents.result, Result), kind
    assert (contents.short, contents.open_files) == ({}, ())


def test_an_oversize_result_is_refused_before_it_is_read(root: Path, make_task: MakeTask) -> None:
    """One byte above the cap, and nothing of the file comes into memory: there is no digest."""
    os.truncate(make_task() / "result.json", SIZE_LIMIT + 1)
    contents = _read(root)
    assert isinstance(contents.result, BadResult)
    reason = f"result.json is {SIZE_LIMIT + 1} bytes long; more than {SIZE_LIMIT} is not a result"
    assert reason == str(contents.result)
    assert contents.digest is None


def test_a_malformed_result_has_reason_and_digest(root: Path, make_task: MakeTask) -> None:
    """A result that does not parse is told by its file's name and the cause, and has a digest."""
    make_task(result=b"{")
    contents = _read(root)
    assert isinstance(contents.result, BadResult)
    assert str(contents.result).startswith("result.json is not JSON")
    assert hashlib.sha256(b"{").hexdigest()[:32] == contents.digest


def test_short_wav_and_npy_are_told_with_what_is_missing(root: Path, make_task: MakeTask) -> None:
    """Every wav or npy shorter than its own header says is named with the bytes that it lacks."""
    task = make_task(files={"embedding.npy": npy_bytes()[:-100], "whole.npy": npy_bytes()})
    write_wav(str(task / "processed_audio.wav"), 0.1)
    os.truncate(task / "processed_audio.wav", (task / "processed_audio.wav").stat().st_size - 7)
    assert _read(root).short == {"embedding.npy": 100, "processed_audio.wav": 7}


def test_every_open_file_is_told(root: Path, make_task: MakeTask) -> None:
    """Each file that a process holds open for writing is named, the result included."""
    task = make_task(files={"a.wav": b"", "b.txt": b"", "c.txt": b""})
    with (task / "b.txt").open("ab"), (task / "result.json").open("ab"):
        contents = _read(root)
    assert contents.open_files == ("b.txt", "result.json")


def test_nobody_is_asked_for_writers_where_leases_tell_nothing(root: Path, make_task: MakeTask) -> None:
    """Without ask_lease an open file is not noticed."""
    task = make_task()
    inbox = _inbox(root, ask_lease=False)
    with (task / "result.json").open("ab"):
        assert inbox.read(inbox.survey(NAME)).open_files == ()


def _vanish(task: Path) -> None:
    (task / "result.json").unlink()


def _wav_vanishes(task: Path) -> None:
    (task / "a.wav").unlink()


def _grow(task: Path) -> None:
    with (task / "result.json").open("ab") as file:
        file.write(b" ")


def _same_size(task: Path) -> None:
    before = (task / "result.json").stat().st_mtime_ns
    (task / "result.json").write_bytes(result_bytes(0.8))
    os.utime(task / "result.json", ns=(before + 1, before + 1))


def _another_file(task: Path) -> None:
    status = (task / "result.json").stat()
    (task / "new").write_bytes(result_bytes(0.8))
    os.utime(task / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (task / "new").rename(task / "result.json")


def _fifo_instead(task: Path) -> None:
    (task / "result.json").unlink()
    os.mkfifo(task / "result.json")


def _another_task(task: Path) -> None:
    task.rename(task.parent / "gone")
    task.mkdir()
    (task / "a.wav").write_bytes(b"")
    (task / "result.json").write_bytes(result_bytes(0.8))


CHANGES_BEFORE_READING = [
    _vanish,
    _wav_vanishes,
    _grow,
    _same_size,
    _another_file,
    _fifo_instead,
    _another_task,
]


@pytest.mark.parametrize("change", CHANGES_BEFORE_READING)
def test_what_changed_since_the_survey_is_not_read(root: Path, make_task: MakeTask, change: Plant) -> None:
    """A file that vanished, grew, or became another since the survey asks for a new look, without a hang."""
    task = make_task(files={"a.wav": b""})
    inbox = _inbox(root)
    survey = inbox.survey(NAME)
    change(task)
    with pytest.raises(FileNotFoundError):
        inbox.read(survey)
    assert _open_below(root) == []


@pytest.mark.parametrize("plant", [_symlink, _fifo])
def test_a_wav_that_became_something_else_since_the_survey_is_an_error_not_a_hang(
    root: Path, make_task: MakeTask, plant: Plant
) -> None:
    """A symlink that took a wav's place is not followed, and a FIFO does not block: look again later."""
    task = make_task(files={"a.wav": b""})
    inbox = _inbox(root)
    survey = inbox.survey(NAME)
    (task / "a.wav").unlink()
    plant(task / "a.wav")
    with pytest.raises(OSError, match=r"Too many levels|Illegal seek"):
        inbox.read(survey)
    assert _open_below(root) == []


def test_a_result_that_grows_under_the_reading_is_not_taken(
    root: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that come between the last stat and the read ask for a new look."""
    task = make_task()
    read = os.read

    def grow_first(descriptor: int, count: int) -> bytes:
        _grow(task)
        return read(descriptor, count)

    monkeypatch.setattr("emosieve.watch.inbox.os.read", grow_first)
    with pytest.raises(FileNotFoundError):
        _read(root)
    monkeypatch.undo()
    assert _open_below(root) == []


@pytest.fixture
def public_root() -> Iterator[Path]:
    """A root that any user may enter."""
    path = Path(tempfile.mkdtemp(prefix="emosieve-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@contextmanager
def _ordinary_user() -> Iterator[None]:
    """For a while nobody, where the tests run as root: root may read everything."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


def _public_task(root: Path) -> Path:
    task = root / NAME
    task.mkdir()
    (task / "result.json").write_bytes(result_bytes())
    (task / "a.wav").write_bytes(b"")
    for path in (task, task / "result.json", task / "a.wav"):
        path.chmod(0o755)
    return task


def test_an_unreadable_wav_does_not_keep_a_task(public_root: Path) -> None:
    """Reading beside the result is a courtesy: a wav without permission is passed over."""
    (_public_task(public_root) / "a.wav").chmod(0)
    with _ordinary_user():
        contents = _read(public_root)
    assert isinstance(contents.result, Result)


def test_an_unreadable_result_is_an_error_that_may_pass(public_root: Path) -> None:
    """A result without permission is no malformed result: the error goes up, to be tried again."""
    (_public_task(public_root) / "result.json").chmod(0)
    with _ordinary_user(), pytest.raises(PermissionError):
        _read(public_root)
    assert _open_below(public_root) == []


def test_another_users_open_file_is_not_called_busy(public_root: Path) -> None:
    """Where the kernel does not tell about writers, nothing is said, and quiet time alone decides."""
    if os.geteuid() != 0:
        pytest.skip("only root can have a file of another user")
    task = _public_task(public_root)
    with (task / "a.wav").open("ab"), _ordinary_user():
        contents = _read(public_root)
    assert contents.open_files == ()


def test_no_descriptor_stays_open(root: Path, make_task: MakeTask) -> None:
    """Listing, surveying and reading leave nothing open, whatever stands there."""
    task = make_task(files={"a.wav": b"RIFF", "b.npy": npy_bytes(), "sub.txt": b""})
    (task / "more" / "deep").mkdir(parents=True)
    for plant, name in ((_fifo, "f.wav"), (_symlink, "l.npy"), (_directory, "d.wav")):
        plant(task / name)
    inbox = _inbox(root)
    inbox.list()
    inbox.read(inbox.survey(NAME))
    survey_directory(str(task), NAME)
    assert _open_below(root) == []


def test_a_subdirectory_that_may_not_be_seen_hides_nothing_else(
    make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed subdirectory stands for itself; the task beside it can be judged."""
    task = make_task()
    (task / "closed").mkdir()
    real = os.open

    def deny(path: Any, *arguments: Any, **more: Any) -> int:
        if path == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, "open", deny)
    survey = survey_directory(str(task), task.name)
    assert [file.name for file in survey.files] == ["closed", "result.json"]


def test_a_crowd_of_files_is_no_task(root: Path, make_task: MakeTask) -> None:
    """Of a task with too many files so many are looked at, none is opened, and its result counts as malformed."""
    task = make_task(files={f"{number}.wav": b"" for number in range(FILE_LIMIT)})
    inbox = _inbox(root)
    survey = inbox.survey(NAME)
    assert (FILE_LIMIT + 1, True) == (len(survey.files), survey.is_crowded)
    contents = inbox.read(survey)
    assert f"the task holds more than {FILE_LIMIT} files" == str(contents.result)
    (task / "0.wav").unlink()
    assert isinstance(_read(root).result, Result)


# Files of other programs


LITTER = ["._processed_audio.wav", ".DS_Store", "Thumbs.db", "thumbs.DB", "desktop.ini"]


def test_litter_is_no_part_of_a_task(root: Path, make_task: MakeTask) -> None:
    """What a NAS or a desktop keeps beside the files neither counts nor changes anything, at any depth."""
    task = make_task()
    before = _inbox(root).survey(NAME)
    (task / "@eaDir").mkdir()
    (task / "@eaDir" / "processed_audio.wav").write_bytes(b"RIFF")
    for name in LITTER:
        (task / name).write_bytes(b"x")
    survey = _inbox(root).survey(NAME)

    assert ["result.json"] == [file.name for file in survey.own_files]
    assert len(LITTER) + 3 == len(survey.files)
    assert before.own_files == survey.own_files
    assert task.stat().st_ctime_ns == survey.changed_ns
    assert [] == wavs_of(survey)


def test_a_change_of_litter_starts_no_quiet_time(root: Path, make_task: MakeTask) -> None:
    """An indexer that comes back to its file again and again holds up nothing."""
    task = make_task(files={"._result.json": b"", "own.txt": b""})
    before = _inbox(root).survey(NAME)
    (task / "._result.json").write_bytes(b"again")
    os.utime(task / "._result.json", ns=(1, 1))
    after = _inbox(root).survey(NAME)

    assert (before.changed_ns, before.signature) == (after.changed_ns, after.signature)
    assert before != after


def test_litter_is_never_opened(root: Path, make_task: MakeTask) -> None:
    """Nobody is waited for who holds it open, and its length is nobody's concern."""
    task = make_task(files={"._a.wav": b"RIFF\xff\x00\x00\x00WAVE"})
    with (task / "._a.wav").open("ab"):
        contents = _read(root)

    assert ((), {}) == (contents.open_files, contents.short)


def test_what_is_ignored_can_be_chosen(root: Path, make_task: MakeTask) -> None:
    """By other patterns at the start, and from then on by others again."""
    make_task(files={"._a.wav": b"", "a.bak": b""})
    inbox = Inbox(str(root), "outputs_*", frozenset(), ask_lease=True, ignore=("*.bak",))
    assert {"a.bak"} == inbox.survey(NAME).ignored
    inbox.select("outputs_*", ())
    assert frozenset() == inbox.survey(NAME).ignored
