"""What is left of the forget set by class and by subject, and which examples are named by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.report.examples import GroupRecord
from harness.report.findings import EVALUATOR, LEVEL
from harness.report.results import EvaluatorRecord
from harness.tasks.model import TaskData

Values = NDArray[np.float64]

MOST = 20
"""Most groups of a kind in a report."""

LEAST_MEMORY = 0.1
"""Mean square of the no-op's shift, in squared standard deviations, below which a group has no memory to speak of."""


@dataclass(frozen=True)
class Single:
    """What the evaluator ``forgetting`` found on each forgotten example, shape (n,) each.

    Attributes:
        z: how far unlearned models lie above retrained ones, in standard deviations.
        p: family-wise p-value.
        left, memory: parts of the slope that says what is left; None without a no-op.
    """

    z: Values
    p: Values
    left: Values | None
    memory: Values | None

    @classmethod
    def of(cls, evaluators: Sequence[EvaluatorRecord], examples: int) -> Single | None:
        """Read the evaluator's arrays; None where they are missing or of other examples."""
        record = next((one for one in evaluators if one.name == EVALUATOR and not one.error), None)
        found = {} if record is None else {name: np.array(values) for name, values in record.arrays.items()}
        if any(found.get(name, np.zeros(0)).shape != (examples,) for name in ("example_z", "example_p")):
            return None
        return cls(found["example_z"], found["example_p"], found.get("example_left"), found.get("example_memory"))

    @property
    def named(self) -> NDArray[np.bool_]:
        """Which examples differ by themselves."""
        return np.asarray(self.p <= LEVEL)

    def word(self, index: int) -> Literal["", "remembered", "over_forgotten"]:
        """Name one example."""
        if self.p[index] > LEVEL:
            return ""
        return "remembered" if self.z[index] > 0 else "over_forgotten"


def groups(data: TaskData, single: Single | None) -> tuple[GroupRecord, ...]:
    """Gather the forgotten examples by class and by subject, at most MOST of a kind, those with most named examples first."""
    if single is None:
        return ()
    forget = data.forget
    names = np.array(data.class_names)[forget.labels]
    found = _by("class", names, single)
    return found if forget.subjects is None else found + _by("subject", forget.subjects, single)


def _by(kind: Literal["class", "subject"], names: NDArray[np.str_], single: Single) -> tuple[GroupRecord, ...]:
    made = [_group(kind, str(name), names == name, single) for name in np.unique(names)]
    made.sort(key=lambda one: (-one.remembered - one.over_forgotten, -(one.left or 0.0), one.name))
    return tuple(made[:MOST])


def _group(kind: Literal["class", "subject"], name: str, mine: NDArray[np.bool_], single: Single) -> GroupRecord:
    named = single.named & mine
    return GroupRecord(
        kind=kind,
        name=name,
        examples=int(mine.sum()),
        left=_left(single, mine),
        remembered=int((named & (single.z > 0)).sum()),
        over_forgotten=int((named & (single.z <= 0)).sum()),
    )


def _left(single: Single, mine: NDArray[np.bool_]) -> float | None:
    """Return the slope over a group's examples."""
    if single.left is None or single.memory is None or single.memory[mine].mean() < LEAST_MEMORY:
        return None
    return round(float(single.left[mine].sum() / single.memory[mine].sum()), 4)
