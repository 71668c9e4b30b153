"""The errors that have consequences.

::

    EmosieveError
    ├── SetupError      the operator must change something: exit 2
    │   └── RootBusy    another emosieve has the intake of this root
    └── BadResult       this result can never be read: quarantine, in the end

A transient failure (disk full, permission, a vanished directory) stays the
``OSError`` it is: it is retried with back-off, and no task is dropped for it.
"""

from emosieve.text import Language, Message


class EmosieveError(Exception):
    """Base of everything that emosieve raises on purpose."""


class SetupError(EmosieveError):
    """Something is set up wrongly; each message says in one line what to write or do instead.

    As ``str`` it is English, the language of logs.
    """

    def __init__(self, *messages: Message | str) -> None:
        super().__init__(*messages)

    def text(self, language: Language) -> str:
        """All of its messages in one language, one a line; plain text stays as it is."""
        return "\n".join(one.text(language) if isinstance(one, Message) else one for one in self.args)

    def __str__(self) -> str:
        return self.text("en")


class RootBusy(SetupError):  # noqa: N818 - a state of the root, named as the operator would say it
    """Another process holds the intake lock of this root."""


class BadResult(EmosieveError):  # noqa: N818 - the domain's word, see the design
    """A result file that is not, and will not become, a result; the message is the reason."""
