"""Errors of set-up speak to the operator, in either language."""

import errno
import os

import pytest

from emosieve.errors import SetupError, cause_of, code_of, is_passing, naming, next_step
from emosieve.text import Phrase

MISSING = Phrase("{path}: is missing; make it", "{path}：不存在；请创建")


def test_a_set_up_error_has_a_line_for_each_message() -> None:
    """Several messages are told together; as str they are English."""
    error = SetupError(MISSING(path="/a"), MISSING(path="/b"))

    assert "/a: is missing; make it\n/b: is missing; make it" == str(error)
    assert "/a：不存在；请创建\n/b：不存在；请创建" == error.text("zh")


def test_plain_text_is_the_same_in_either_language() -> None:
    """What somebody else says, such as the system, is passed on as it is."""
    error = SetupError("no space left", MISSING(path="/a"))

    assert ("no space left\n/a: is missing; make it", "no space left\n/a：不存在；请创建") == (
        error.text("en"),
        error.text("zh"),
    )


@pytest.mark.parametrize(
    "code",
    ["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EIO", "ESTALE", "ENOTCONN", "ETIMEDOUT", "EHOSTDOWN"],
)
def test_a_frequent_error_has_a_next_step(code: str) -> None:
    """What an operator can do is said in either language."""
    number = getattr(errno, code)
    step = next_step(code_of(OSError(number, os.strerror(number))))

    assert step is not None
    assert step.text("en") != step.text("zh")


def test_an_error_without_a_next_step_has_none() -> None:
    """Of what is rare, or no error of the system, nothing is made up."""
    assert (None, None) == (next_step("EDOM"), next_step(code_of(SetupError("no"))))


def test_what_passes_by_itself_is_told_from_what_must_be_set_up() -> None:
    """A full or failing disk, a mount that is gone and a lock that is held pass; rights and wrong paths do not."""
    passing = ["ENOSPC", "EDQUOT", "EROFS", "EIO", "ESTALE", "ENOTCONN", "ETIMEDOUT", "EHOSTDOWN"]
    passing += ["ENODEV", "EHOSTUNREACH", "EAGAIN", "ENOMEM", "ENFILE", "EMFILE"]
    lasting = ("EACCES", "EPERM", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EISDIR", "EINVAL", "EEXIST", "ENOENT")

    assert set(passing) == {
        code for code in (*passing, *lasting) if is_passing(OSError(getattr(errno, code), ""))
    }
    assert not is_passing(SetupError("full"))


def test_a_cause_is_one_line_with_its_path() -> None:
    """Name, meaning and path; where the error names no path it is that of who asks."""
    full = OSError(errno.ENOSPC, "No space left on device", b"/a\n")

    assert "ENOSPC: No space left on device: /a\\u000a" == cause_of(full)
    assert "EIO: Input/output error: /b" == cause_of(OSError(errno.EIO, "Input/output error"), "/b")
    assert "EIO: Input/output error" == cause_of(OSError(errno.EIO, "Input/output error", 7))
    assert "is missing; make it" == cause_of(SetupError("is missing; make it"), "/b")


def test_a_path_is_named_where_none_is() -> None:
    """An error of a write by descriptor gets its path, and one that has a path keeps it."""
    with pytest.raises(OSError, match="/a") as first, naming("/a"):
        raise OSError(errno.EIO, "Input/output error")
    with pytest.raises(OSError, match="/b") as second, naming("/a"):
        raise OSError(errno.EIO, "Input/output error", "/b")

    assert ("/a", "/b") == (first.value.filename, second.value.filename)
