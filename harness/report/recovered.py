"""What the evaluator ``durability`` found, for the verdict and its sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.results import EvaluatorRecord
from harness.report.words import number

EVALUATOR = "durability"

LEVEL = 0.01
"""Level of the test; taken from the 5 % of the test for a difference if the evaluator ran, so that both err in 5 % of runs."""


@dataclass(frozen=True)
class Recovered:
    """The memory before and after the change of the weights after which most evidently more of it is there.

    Attributes:
        p: family-wise p-value over all changes.
        before, after, low, high: shares of the no-op's memory; the interval of ``after`` holds for all changes at once.
        change: the change, in words.
    """

    p: float
    before: float
    after: float
    low: float
    high: float
    change: str

    @classmethod
    def of(cls, evaluators: Sequence[EvaluatorRecord]) -> Recovered | None:
        """Read the evaluator's record; None if it was not run, failed, or found no memory that could come back."""
        record = next((one for one in evaluators if one.name == EVALUATOR and not one.error), None)
        if record is None:
            return None
        p, before, after = (record.metric(name) for name in ("recovery_p", "memory_before", "memory_regained"))
        if p is None or before is None or after is None:
            return None
        if p.value is None or before.value is None or after.value is None or after.interval is None:
            return None
        change = after.note.partition(";")[0].removeprefix("After ")
        return cls(p.value, before.value, after.value, after.interval.low, after.interval.high, change)

    @property
    def comes_back(self) -> bool:
        """Return True if memory comes back, by the test and by the interval."""
        return self.p <= LEVEL and self.low > 0

    @property
    def sentence(self) -> str:
        """Describe what comes back, in a clause that begins with "after"."""
        return (
            f"after {self.change} {_share(self.after)} of the memory of the forget set is there ({_range(self)}), more than in "
            f"retrained models treated alike; before it, {_share(self.before)}"
        )

    @property
    def numbers(self) -> dict[str, str]:
        """Return the numbers behind the verdict, by name."""
        return {"recovery p": number(self.p), "memory regained": _range(self)}


def _share(value: float) -> str:
    return number(value, "share")


def _range(found: Recovered) -> str:
    return f"{_share(found.low).removesuffix(' %')} to {_share(found.high)}"
