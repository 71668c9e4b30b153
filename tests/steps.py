"""The real program in a forked process that dies, or whose disk fails, at one step that touches the disk.

A step is one call that changes what is on the disk. A first run without a
fault lists the steps; then each of them is tried. No fault point stands in the
program itself, so none can be forgotten there.
"""

import builtins
import errno
import importlib
import io
import os
import pkgutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal, NoReturn

import emosieve
from emosieve.commands.cli import run

for _module in pkgutil.walk_packages(emosieve.__path__, "emosieve."):
    importlib.import_module(_module.name)  # once for all forks, which would import it late, each for itself

STEPS = (
    *("open", "write", "pwrite", "sendfile", "ftruncate", "rename", "replace", "link", "symlink"),
    *("mkdir", "rmdir", "unlink", "remove", "fsync", "fdatasync", "chown", "chmod", "utime"),
    *("fchown", "fchmod", "setxattr"),
)
_WRITING = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_RDWR
_DIVISIBLE = ("write", "pwrite", "sendfile")
_SIZED = ("open", "ftruncate", "sendfile")
_SYNCS = ("fsync", "fdatasync")
IN_VAIN = " (in vain)"
"""Ends the line of a step that changed nothing that the next run sees, as making a directory that stands."""

for _module in pkgutil.walk_packages(emosieve.__path__, "emosieve."):
    if not _module.name.endswith("__main__"):
        importlib.import_module(_module.name)  # once here, not in every fork

Kind = Literal["dies", "dies in the middle", "fails", "meets"]


@dataclass(frozen=True)
class Fault:
    """What befalls the process at a step.

    Attributes:
        step: the number of the step, from 0.
        kind: ``dies`` by SIGKILL before it, ``dies in the middle`` with half of the bytes written, or
            ``fails`` with an error, or ``meets`` a deed and goes on.
        error: the errno of a step that fails.
        lasts: whether all later steps fail, too.
        deed: what is done just before a step that ``meets`` it.
    """

    step: int
    kind: Kind = "dies"
    error: int = errno.EIO
    lasts: bool = False
    deed: Callable[[], object] = bool


@dataclass(frozen=True)
class Ended:
    """How a forked run ended.

    Attributes:
        signal: which killed it; 0 for none.
        status: its exit status; -1 when it was killed.
        steps: a line for each step that it came to: the call, what it was about, and ``IN_VAIN``.
        output: what it said, on stdout and stderr.
    """

    signal: int
    status: int
    steps: tuple[str, ...]
    output: str

    def deaths(self) -> Iterator[Fault]:
        """Every way to die on the way that this run took: before each change, and in the middle of each write."""
        for number, step in enumerate(self.steps):
            if step.endswith(IN_VAIN):
                continue  # to die before it is to die before the next one
            yield Fault(number, "dies")
            if step.split()[0] in _DIVISIBLE:
                yield Fault(number, "dies in the middle")


def command(
    arguments: Sequence[str], fault: Fault | None = None, beside: Callable[[], object] | None = None
) -> Ended:
    """Run one command of the program in a forked process, with a fault or without.

    Args:
        arguments: the command line, without the program's name.
        fault: what befalls it, if anything.
        beside: what another thread of the process does meanwhile.
    """
    return forked(lambda: _run(arguments, beside), fault)


def forked(work: Callable[[], int], fault: Fault | None = None) -> Ended:
    """Do some work in a forked process, with a fault or without; ``work`` gives its exit status."""
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as output:
        pid = os.fork()
        if pid == 0:
            _work(work, fault, told.fileno(), output.fileno())
        _, ended = os.waitpid(pid, 0)
        killed = os.WIFSIGNALED(ended)
        return Ended(
            os.WTERMSIG(ended) if killed else 0,
            -1 if killed else os.WEXITSTATUS(ended),
            tuple(_text(told).splitlines()),
            _text(output),
        )


def _work(work: Callable[[], int], fault: Fault | None, told: int, output: int) -> NoReturn:
    status = 70
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = io.TextIOWrapper(io.FileIO(1, "w")), io.TextIOWrapper(io.FileIO(2, "w"))
        _make_faulty(told, fault)
        status = work()
    except BaseException:  # noqa: BLE001 - said to the parent; the fork must never go on as the test
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "backslashreplace")


def _run(arguments: Sequence[str], beside: Callable[[], object] | None) -> int:
    os.environ["EMOSIEVE_LANGUAGE"] = "en"
    sys.argv = ["emosieve", *arguments]
    if beside is not None:
        threading.Thread(target=beside, daemon=True).start()
    try:
        return run() or 0
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1


def _make_faulty(told: int, fault: Fault | None) -> None:
    """Replace every call of ``STEPS`` by one that counts, tells, and meets the fault."""
    real = {name: getattr(os, name) for name in STEPS if hasattr(os, name)}
    real_write, real_open = os.write, builtins.open
    count = 0

    def tell(text: str) -> None:
        real_write(told, text.encode(errors="backslashreplace"))

    def meet(name: str, about: str, arguments: tuple[Any, ...], act: Callable[[], Any]) -> Any:
        nonlocal count
        tell(f"{name} {about}")
        number, count = count, count + 1
        size, changes = _size(about), False
        try:
            if fault is not None and (number == fault.step or (fault.lasts and number > fault.step)):
                _befall(fault, name, arguments, real)
            answer = act()
            changes = name not in _SYNCS and (name not in _SIZED or size != _size(about))
        finally:
            tell("\n" if changes else f"{IN_VAIN}\n")
        return answer

    def wrapped(name: str) -> Callable[..., Any]:
        def step(*arguments: Any, **keywords: Any) -> Any:
            about = _about(arguments, keywords)
            if about is None or (name == "open" and not arguments[1] & _WRITING):
                return real[name](*arguments, **keywords)
            return meet(name, about, arguments, lambda: real[name](*arguments, **keywords))

        return step

    def opened(path: Any, mode: str = "r", *arguments: Any, **keywords: Any) -> Any:
        # By which shutil makes the copy of a file.
        if isinstance(path, int) or not set(mode) & set("wax+"):
            return real_open(path, mode, *arguments, **keywords)
        return meet("open", os.fsdecode(path), (), lambda: real_open(path, mode, *arguments, **keywords))

    for name in real:
        setattr(os, name, wrapped(name))
    builtins.open = opened  # type: ignore[assignment]


def _befall(fault: Fault, name: str, arguments: tuple[Any, ...], real: dict[str, Any]) -> None:
    if fault.kind == "meets":
        fault.deed()
        return
    if fault.kind == "fails":
        # A close, and so a descriptor's end, never fails here: what is undone after an error may fail again.
        raise OSError(fault.error, os.strerror(fault.error))
    if fault.kind == "dies in the middle":
        if name == "sendfile":
            target, source, offset, _ = arguments
            real[name](target, source, offset, (os.fstat(source).st_size - offset) // 2)
        elif name in _DIVISIBLE:
            descriptor, content, *rest = arguments
            real[name](descriptor, bytes(content)[: len(content) // 2], *rest)
    os.kill(os.getpid(), signal.SIGKILL)


def _size(path: str) -> int | None:
    try:
        return os.lstat(path).st_size
    except OSError:
        return None


def _about(arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> str | None:
    """The path that a call is about; ``None`` where it is no file's, as a pipe's."""
    first = arguments[0]
    if not isinstance(first, int):
        folder = keywords.get("dir_fd", keywords.get("src_dir_fd"))
        parent = "" if folder is None else os.readlink(f"/proc/self/fd/{folder}")
        return os.path.join(parent, os.fsdecode(first))
    path = os.readlink(f"/proc/self/fd/{first}")
    return path if path.startswith("/") and not path.startswith(("/dev", "/proc")) else None


def killed_before_the_move_of(name: str, work: Callable[[], object]) -> None:
    """Do some work in a forked process that is killed when it comes to rename this name."""

    def until_then() -> int:
        rename = os.rename

        def dies(source: Any, *arguments: Any, **keywords: Any) -> None:
            if source == name:
                os.kill(os.getpid(), signal.SIGKILL)
            rename(source, *arguments, **keywords)

        setattr(os, "rename", dies)  # noqa: B010 - mypy would have it take all that rename takes
        work()
        return 0

    ended = forked(until_then)
    assert ended.signal == signal.SIGKILL, ended.output
