"""Errors of set-up speak to the operator, in either language."""

from emosieve.errors import SetupError
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
