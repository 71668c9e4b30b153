"""Numbers over decisions by the group in their recording's name: an agent, a line. Pure."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from emosieve.judge.source import first_group
from emosieve.record.selection import source_of
from emosieve.record.statistics import Effect, Tally
from emosieve.text import escape

GROUP_LIMIT: Final = 10_000
"""Different groups that are counted each for itself; a pattern that takes in too much makes one of every recording."""
OTHERS: Final = "…"
"""Stands for all groups beyond ``GROUP_LIMIT``."""


class Sources:
    """Tallies by group.

    Args:
        pattern: a regular expression with one group.
    """

    def __init__(self, pattern: str) -> None:
        self._cells: dict[str | None, dict[str, Effect]] = {}
        # A decision that is taken back is mostly of a recording that was just asked about.
        self._group_of = lru_cache(maxsize=1024)(lambda source: first_group(pattern, source))

    def take(self, sign: int, decision: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Count a decision in or out.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is none; nothing was counted.
            TooSlow: the pattern takes too long over the name.
        """
        verdict, source = decision["verdict"], source_of(decision)
        group = None if source is None else self._group_of(source)
        if group not in self._cells and len(self._cells) >= GROUP_LIMIT:
            group = OTHERS
        self._cells.setdefault(group, {}).setdefault(verdict, Effect()).add(decision, sign)

    def groups(self) -> dict[str | None, Tally]:
        """By group, escaped, the most frequent first; ``None`` where the recording is not known or has no group."""
        tallies: dict[str | None, Tally] = {}
        for group, cells in self._cells.items():
            tally = tallies.setdefault(group and escape(group, len(group)), Tally())
            for verdict, cell in cells.items():
                tally.merge(verdict, cell)
        decided = {group: tally for group, tally in tallies.items() if tally.total}
        return dict(sorted(decided.items(), key=lambda pair: (-pair[1].total, pair[0] or "")))
