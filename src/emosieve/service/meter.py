"""What the flow and the daemon tell of what happens, for whoever counts it: nobody, or Prometheus."""

from collections.abc import Callable, Sequence
from typing import Literal

from emosieve.errors import SetupError
from emosieve.intake import Done, NotDone
from emosieve.proposals import Proposal
from emosieve.record.decisions import DecisionLog
from emosieve.service.liveness import Status
from emosieve.settings import Settings
from emosieve.text import Phrase
from emosieve.watch.settle import Settling
from emosieve.watch.survey import Survey

ErrorKind = Literal["move", "blocked", "behind"]
"""A task that was not moved; nothing could be filed; report, checkpoint or a removal were left behind."""

_NOT_INSTALLED = Phrase(
    "metrics.listen is set, but {module} is not installed; pip install 'emosieve[metrics]' where emosieve is, "
    'or write listen = ""',
    "已设置 metrics.listen，但没有安装 {module}；请在 emosieve 的环境中运行 pip install 'emosieve[metrics]'，"
    '或写 listen = ""',
)


class Meter:
    """Takes what is told, in the working loop's own thread, and does nothing with it."""

    def committed(
        self,
        proposals: Sequence[Proposal],
        outcomes: Sequence[Done | NotDone],
        still_for: Callable[[Survey], float],
    ) -> None:
        """A batch went through.

        Args:
            proposals: what the batch was to do.
            outcomes: what became of it.
            still_for: seconds since the last write to a task that is not forgotten yet.
        """

    def failed(self, kind: ErrorKind, code: str | None) -> None:
        """An error was met, or met again; ``code`` is the system's name of it, where it has one."""

    def rescanned(self) -> None:
        """The root was listed though nothing had announced anything."""

    def found_unannounced(self, tasks: int) -> None:
        """Such a listing found so many tasks that an event should have announced."""

    def overflowed(self) -> None:
        """The kernel lost events."""

    def beat(self) -> None:
        """The working loop turned."""

    def publish(self, status: Status, settling: Settling | None) -> None:
        """There is a new status; ``None`` while no root is open."""

    def prime(self, decisions: DecisionLog) -> None:
        """A root was opened, with this log."""

    def close(self) -> None:
        """It is over."""


def meter_for(settings: Settings) -> Meter:
    """The meter that these settings ask for.

    Raises:
        SetupError: metrics are asked for, and cannot be given.
    """
    if settings.metrics.address is None:
        return Meter()
    try:
        from emosieve.service.metrics import Metrics  # noqa: PLC0415 - an extra, needed here alone
    except ModuleNotFoundError as error:
        raise SetupError(_NOT_INSTALLED(module=error.name)) from None
    return Metrics(settings)
