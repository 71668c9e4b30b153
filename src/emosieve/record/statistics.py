"""Running numbers over decisions. Pure: events in, numbers out; what was taken back is subtracted."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from emosieve.record.evidence import taken_back


@dataclass(slots=True)
class Effect:
    """Means over some results: one column of the effect table."""

    count: int = 0
    confidence_sum: float = 0.0
    confidence_count: int = 0
    gap_sum: float = 0.0
    gap_count: int = 0
    neutral: int = 0

    def add(self, event: Mapping[str, Any], sign: int) -> None:
        """Count one result in (``sign`` 1) or out again (-1).

        Raises:
            TypeError, ValueError: confidence or gap is no share; nothing was counted.
        """
        confidence, gap = event.get("confidence"), event.get("gap")
        for share in (confidence, gap):
            if share is not None and not 0 <= share <= 1:
                raise ValueError(f"{share} is no share")  # sums of such numbers may have no end
        if confidence is not None:
            self.confidence_sum += sign * confidence
            self.confidence_count += sign
        if gap is not None:
            self.gap_sum += sign * gap
            self.gap_count += sign
        self.count += sign
        if event.get("emotion") == "neutral":
            self.neutral += sign

    def merge(self, other: "Effect") -> None:
        """Count in all results of another."""
        self.count += other.count
        self.confidence_sum += other.confidence_sum
        self.confidence_count += other.confidence_count
        self.gap_sum += other.gap_sum
        self.gap_count += other.gap_count
        self.neutral += other.neutral

    @property
    def mean_confidence(self) -> float | None:
        """Mean main confidence; ``None`` over nothing."""
        return self.confidence_sum / self.confidence_count if self.confidence_count else None

    @property
    def mean_gap(self) -> float | None:
        """Mean gap between the first two scores; ``None`` over nothing."""
        return self.gap_sum / self.gap_count if self.gap_count else None

    @property
    def neutral_share(self) -> float | None:
        """Share of results whose emotion is neutral; ``None`` over nothing."""
        return self.neutral / self.count if self.count else None


@dataclass
class Tally:
    """Counts by verdict, and the effect table: all results before filtering, the normal ones after."""

    normal: int = 0
    low_quality: int = 0
    quarantined: int = 0
    before: Effect = field(default_factory=Effect)
    after: Effect = field(default_factory=Effect)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """What ``as_dict`` gave."""
        counts = {key: value for key, value in document.items() if key not in {"before", "after"}}
        before, after = document.get("before", {}), document.get("after", {})
        return cls(**counts, before=Effect(**before), after=Effect(**after))

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, for the checkpoint and the log."""
        return asdict(self)

    def count(self, event: Mapping[str, Any], *, day: str | None = None) -> None:
        """Take one event of the log.

        Args:
            event: any event; those that decide nothing are passed over.
            day: count for this day alone (YYYY-MM-DD): what takes an older decision
                back then leaves the numbers alone, for they never held it.
        """
        match event["event"]:
            case "decided" | "quarantined" as kind:
                superseded = event.get("supersedes")
                if superseded and _is_of(superseded.get("time"), day):
                    self._add(superseded, -1)
                self._add({"verdict": kind} if kind == "quarantined" else event, 1)
            case "restored" | "reclassified" if _is_of(event.get("decided"), day):
                self._add(taken_back(event), -1)
                self._add(event, 1)
            case _:
                pass

    def _add(self, event: Mapping[str, Any], sign: int) -> None:
        match event.get("verdict"):
            case "normal":
                self.normal += sign
                self.after.add(event, sign)
                self.before.add(event, sign)
            case "low_quality":
                self.low_quality += sign
                self.before.add(event, sign)
            case "quarantined":
                self.quarantined += sign
            case _:
                pass

    def merge(self, verdict: str, effect: Effect) -> None:
        """Count in many results of one verdict."""
        match verdict:
            case "normal":
                self.normal += effect.count
                self.after.merge(effect)
                self.before.merge(effect)
            case "low_quality":
                self.low_quality += effect.count
                self.before.merge(effect)
            case "quarantined":
                self.quarantined += effect.count
            case _:
                pass

    @property
    def verdicts(self) -> dict[str, int]:
        """The three counts by name."""
        return {"normal": self.normal, "low_quality": self.low_quality, "quarantined": self.quarantined}

    @property
    def total(self) -> int:
        """Decided results; quarantined ones are counted apart."""
        return self.normal + self.low_quality

    @property
    def rejection_rate(self) -> float | None:
        """Share of decided results that are low_quality; ``None`` over nothing."""
        return self.low_quality / self.total if self.total else None


def _is_of(time: str | None, day: str | None) -> bool:
    return day is None or (time is not None and time[:10] == day)
