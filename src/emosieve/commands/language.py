"""Which language a command speaks: that of its settings, or as much of it as is known without them."""

import os
from contextvars import ContextVar

TYPE_CHECKING = False  # a type checker takes it for typing's own, which ``emosieve health`` has no time for
if TYPE_CHECKING:
    from collections.abc import Sequence

    from emosieve.text import Language

VARIABLE = "EMOSIEVE_LANGUAGE"
_spoken: "ContextVar[Language]" = ContextVar("spoken", default="en")


def speak(language: "Language") -> None:
    """From now on this command says its errors in this language."""
    _spoken.set(language)


def spoken() -> "Language":
    """The language for an error that ends the command."""
    return _spoken.get()


def environment_language() -> "Language":
    """The language of the environment: ``EMOSIEVE_LANGUAGE``, else the locale's, else English."""
    asked = _known(os.environ.get(VARIABLE, "").strip())
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return asked or ("zh" if locale.startswith("zh") else "en")


def language_without_settings(path: str | None, overrides: "Sequence[str]") -> "Language":
    """The language that settings would have, had they not been refused.

    Args:
        path: of the settings file.
        overrides: ``section.key=value`` texts of the command line.
    """
    from emosieve.settings.loading import written_language  # noqa: PLC0415 - only an error needs it

    for override in reversed(overrides):
        key, _, value = override.partition("=")
        if key.strip() == "language" and (language := _known(value.strip(" \"'"))):
            return language
    asked = _known(os.environ.get(VARIABLE, "").strip())
    written = None if asked or path is None else written_language(path)
    return written or environment_language()


def _known(word: str) -> "Language | None":
    return "zh" if word == "zh" else "en" if word == "en" else None
