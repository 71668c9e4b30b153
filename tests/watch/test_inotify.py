"""What is said of the kernel's limits; that they are reached for real is tried in tests/faults/test_watching.py."""

import errno
import os
from pathlib import Path

import pytest

from emosieve.watch.inotify import INSTANCES, WATCHES, limit_of, refusal_words, watches_of


@pytest.mark.parametrize(("number", "what"), [(errno.EMFILE, INSTANCES), (errno.ENOSPC, WATCHES)])
def test_a_limit_is_named_with_its_present_value(number: int, what: str) -> None:
    """Where the kernel is out of instances or watches, the words name the sysctl and what it says now."""
    value = Path(f"/proc/sys/fs/inotify/max_user_{what}").read_text(encoding="ascii").strip()
    assert f"the limit fs.inotify.max_user_{what} = {value} is reached; raise it with sysctl" == str(
        refusal_words(OSError(number, "limit reached"))
    )
    assert (f"fs.inotify.max_user_{what}", int(value)) == limit_of(what)


def test_any_other_refusal_is_told_in_the_kernels_words() -> None:
    """An error that is no limit of inotify keeps its own text, if it has one."""
    assert "the kernel refused a watch: Permission denied" == str(
        refusal_words(OSError(errno.EACCES, "Permission denied"))
    )
    assert "the kernel refused a watch: no number" == str(refusal_words(OSError("no number")))


def test_a_limit_that_does_not_exist_is_unknown() -> None:
    """Where there is no such sysctl its value is ``None``, as off Linux."""
    assert ("fs.inotify.max_user_wishes", None) == limit_of("wishes")


def test_a_process_that_is_gone_has_no_watches_to_tell_of() -> None:
    """Nobody tells of a process that does not exist; one without inotify has an empty list."""
    assert watches_of(1 << 30) is None
    pid = os.fork()
    if pid == 0:
        os.closerange(3, 1024)
        os._exit(70 if watches_of("self") else 0)
    assert 0 == os.waitpid(pid, 0)[1]
