"""What follows a batch: report, moves forced to the disk, checkpoint. None of it may undo what is filed."""

import structlog

from emosieve.errors import cause_of
from emosieve.filing import Mover
from emosieve.record.checkpoint import Checkpoint, Owed, Reported, save_checkpoint
from emosieve.record.decisions import LOG_NAME, DecisionLog
from emosieve.record.report import Report

log = structlog.get_logger()


class Conclusion:
    """Brings report and checkpoint of one root up to its log.

    Args:
        decisions: the log.
        report: its projection.
    """

    def __init__(self, decisions: DecisionLog, report: Report) -> None:
        self._log = decisions
        self._report = report
        self._causes: dict[str, str | None] = {}
        self.behind: OSError | None = None
        """Why report, checkpoint or a removal are behind, if they are: the next conclusion goes on there."""

    def conclude(self, before: Checkpoint, owed: dict[str, Owed], mover: Mover) -> None:
        """Do it; call it only while the log is locked. What fails is told once per change of cause.

        Args:
            before: the checkpoint by which the batch began.
            owed: the moves that are still to be made.
            mover: what made the others.
        """
        reported, self.behind = before.reported, mover.left_over
        try:
            reported = self._report.project(self._log, reported)
        except OSError as error:
            self._tell_report(error)
        else:
            self._tell_report(None)
        try:
            self._save(before, owed, reported, mover)
        except OSError as error:
            if self._is_news("checkpoint", error):
                log.warning("checkpoint.unwritable", path=self._log.root, cause=self._cause(error))
        else:
            self._is_news("checkpoint", None)

    def _save(self, before: Checkpoint, owed: dict[str, Owed], reported: Reported, mover: Mover) -> None:
        if mover.has_moved and self._log.sync != "never":
            mover.sync()  # first: what the checkpoint calls filed is not asked for again
        after = Checkpoint(self._log.end(), owed, reported)
        if after != before:
            save_checkpoint(self._log.root, after)

    def _tell_report(self, error: OSError | None) -> None:
        if not self._is_news("report", error):
            return
        if error:
            log.warning(
                "report.failing", path=self._log.root, cause=self._cause(error), hint="filing goes on"
            )
        else:
            log.info("report.mended", path=self._log.root)

    def _is_news(self, file: str, error: OSError | None) -> bool:
        """Whether a file fails by another cause than the last time, or no longer."""
        self.behind = error or self.behind
        was = self._causes.get(file)
        self._causes[file] = self._cause(error) if error else None
        return was != self._causes[file]

    def _cause(self, error: OSError) -> str:
        return cause_of(error, f"{self._log.root}/{LOG_NAME}")
