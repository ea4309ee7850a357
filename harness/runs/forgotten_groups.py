"""Remaining memorisation of the forget set by class and by subject, and individually significant examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence
from harness.report.examples import GroupRecord
from harness.report.findings import EVALUATOR, LEVEL
from harness.report.results import EvaluatorRecord

Values = NDArray[np.float64]

MOST = 20
"""Maximum number of groups of each kind in a report."""

LEAST_MEMORY = 0.1
"""Mean square of the no-op's shift, in squared standard deviations, below which a group's memorisation is negligible."""


@dataclass(frozen=True)
class Single:
    """Per-example results of the evaluator ``forgetting``, shape (n,) each.

    Attributes:
        z: mean of unlearned minus mean of retrained models, in standard deviations.
        p: family-wise p-value.
        left, memory: numerator and denominator of the slope that estimates the remaining memorisation; None without a no-op.
    """

    z: Values
    p: Values
    left: Values | None
    memory: Values | None

    @classmethod
    def of(cls, evaluators: Sequence[EvaluatorRecord], examples: int) -> Single | None:
        """Read the evaluator's arrays; return None if they are missing or have another length."""
        record = next((one for one in evaluators if one.name == EVALUATOR and not one.error), None)
        found = {} if record is None else {name: np.array(values) for name, values in record.arrays.items()}
        if any(found.get(name, np.zeros(0)).shape != (examples,) for name in ("example_z", "example_p")):
            return None
        return cls(found["example_z"], found["example_p"], found.get("example_left"), found.get("example_memory"))

    @property
    def named(self) -> NDArray[np.bool_]:
        """Return a mask of the individually significant examples."""
        return np.asarray(self.p <= LEVEL)

    def word(self, index: int) -> Literal["", "remembered", "over_forgotten"]:
        """Return the example's label in the report; "" if it is not significant."""
        if self.p[index] > LEVEL:
            return ""
        return "remembered" if self.z[index] > 0 else "over_forgotten"


def groups(evidence: Evidence, single: Single | None) -> tuple[GroupRecord, ...]:
    """Group the forgotten examples by class and by subject; at most MOST per kind, most significant examples first."""
    if single is None:
        return ()
    found: tuple[GroupRecord, ...] = ()
    if not evidence.phi_only:
        found = _by("class", np.array(evidence.class_names)[evidence.labels["forget"]], single)
    subjects = evidence.subjects.get("forget")
    return found if subjects is None else found + _by("subject", subjects, single)


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
    """Return the slope over a group's examples; None if unknown or if the group's memorisation is negligible."""
    if single.left is None or single.memory is None or single.memory[mine].mean() < LEAST_MEMORY:
        return None
    return round(float(single.left[mine].sum() / single.memory[mine].sum()), 4)
