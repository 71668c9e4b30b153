"""Whether the decision log was cut, as far as the checkpoint and kept reports tell. Writes nothing."""

from dataclasses import dataclass
from typing import Final

from emosieve.record.checkpoint import Checkpoint, load_checkpoint
from emosieve.record.decisions import DecisionLog
from emosieve.record.report import is_cut
from emosieve.record.report_files import kept_in


@dataclass(frozen=True, slots=True)
class Loss:
    """What is known to be missing in the decision log.

    Attributes:
        is_cut: whether it no longer holds all that was once reported: files of it are gone, or lines.
        kept: names of the reports that were kept because of that.
    """

    is_cut: bool = False
    kept: tuple[str, ...] = ()


NOTHING_LOST: Final = Loss()


def loss_of(decisions: DecisionLog) -> Loss:
    """Return what is known to be missing in a log.

    Raises:
        OSError: the root cannot be listed, or the log not be read.
    """
    reported = (load_checkpoint(decisions.root) or Checkpoint()).reported
    return Loss(reported.is_cut or is_cut(decisions, reported), tuple(kept_in(decisions.root)))
