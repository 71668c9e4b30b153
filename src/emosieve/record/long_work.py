"""Long work over the decision log: what it is, how far it is, and that a stop is heard within it."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field

HEED_EVENTS: Final = 1000
"""Between so many events of a replay a stop is asked for; they take some ten milliseconds."""


@dataclass(frozen=True, slots=True)
class Work:
    """Long work over the decision log.

    Attributes:
        kind: ``replaying``, for the moves that are owed, or ``reporting``.
        share: of the log that it has passed, from 0 to 1.
    """

    kind: Literal["replaying", "reporting"]
    share: Annotated[float, Field(ge=0, le=1)]
