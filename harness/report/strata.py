"""The strata of memory of the evaluator ``strata``, for the page's table and plot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.report.document import EvaluatorRecord, Report

STRATA = "strata"
ROWS = ("control", "noop", "unlearned")


@dataclass(frozen=True)
class Stratum:
    """A stratum of the forget set; numbers by row (unlearned, control, noop), without those that do not exist.

    Attributes:
        number: from 1, the least memorised, to the number of strata.
        examples: number of examples.
        memory: mean probability of the class under originals, less that under retrained models.
        auc: of the likelihood-ratio attack.
        auc_interval: ends of the 95 % interval of the unlearned models' AUC; None without one.
        tpr: true positive rate at a false positive rate of 1 %.
        mean_d: mean Kolmogorov-Smirnov distance.
        shift: mean shift of the confidence, in standard deviations of retrained models.
    """

    number: int
    examples: int
    memory: float
    auc: dict[str, float]
    auc_interval: tuple[float, float] | None
    tpr: dict[str, float]
    mean_d: dict[str, float]
    shift: dict[str, float]


def strata_of(report: Report) -> list[Stratum]:
    """Return the strata of a report, least memorised first; empty if it has none."""
    record = report.evaluator(STRATA)
    if record is None:
        return []
    memory, examples = _array(record, "memory_per_stratum"), _array(record, "examples_per_stratum")
    if memory.ndim != 1 or memory.shape != examples.shape:
        return []
    count = len(memory)
    ends = _array(record, "auc_interval_per_stratum_unlearned")
    by_name = {name: _by_row(record, name, count) for name in ("auc", "tpr_at_1_percent_fpr", "mean_d", "shift")}
    return [
        Stratum(
            number=place + 1,
            examples=int(examples[place]),
            memory=float(memory[place]),
            auc=_at(by_name["auc"], place),
            auc_interval=(float(ends[0, place]), float(ends[1, place])) if ends.shape == (2, count) else None,
            tpr=_at(by_name["tpr_at_1_percent_fpr"], place),
            mean_d=_at(by_name["mean_d"], place),
            shift=_at(by_name["shift"], place),
        )
        for place in range(count)
    ]


def _array(record: EvaluatorRecord, name: str) -> np.ndarray:
    return np.asarray(record.arrays.get(name, []), dtype=np.float64)


def _by_row(record: EvaluatorRecord, name: str, count: int) -> dict[str, np.ndarray]:
    arrays = {row: _array(record, f"{name}_per_stratum_{row}") for row in ROWS}
    return {row: values for row, values in arrays.items() if values.shape == (count,)}


def _at(by_row: dict[str, np.ndarray], place: int) -> dict[str, float]:
    return {row: float(values[place]) for row, values in by_row.items()}
