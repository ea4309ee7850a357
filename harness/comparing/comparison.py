"""Data of a comparison: frozen dataclasses, independent of presentation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.evaluation import Metric
from harness.report.document import Report, TaskRecord

Kind = Literal["methods", "drift"]
Mark = Literal["better", "worse", "closer", "farther", "differs", ""]
FAMILY_ERROR = 0.05


@dataclass(frozen=True)
class Method:
    """A compared run.

    Attributes:
        label: its unique name in this comparison.
        report: the run's report.
        folder: the run's folder; None if unknown.
    """

    label: str
    report: Report
    folder: Path | None = None


@dataclass(frozen=True)
class Difference:
    """The difference between a run's number and the baseline's.

    Attributes:
        value: this run's value less the first run's, in the metric's unit.
        low: lower end of the 95 % interval of ``value``, not corrected for the number of comparisons.
        high: its upper end.
        p: two-sided p-value, adjusted after Holm for all comparisons.
        mark: the kind of difference; empty if it is not significant.
    """

    value: float
    low: float
    high: float
    p: float
    mark: Mark


@dataclass(frozen=True)
class Cell:
    """A run's number for one metric.

    Attributes:
        metric: the metric's record; None if the run has no metric of that name.
        difference: from the baseline; None for the baseline itself and if it cannot be tested.
        unjudged: why the difference is not tested; empty if it is, and for the baseline.
    """

    metric: Metric | None
    difference: Difference | None = None
    unjudged: str = ""


@dataclass(frozen=True)
class Row:
    """A metric of all runs.

    Attributes:
        evaluator: the metric's evaluator.
        metric: its first record, for name, description, unit, direction.
        cells: one per run, in the order of the methods.
    """

    evaluator: str
    metric: Metric
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        """Return the full name, e.g. "lira.auc", as used on the command line."""
        return f"{self.evaluator}.{self.metric.name}"


@dataclass(frozen=True)
class Point:
    """A run in the plots of forgetting against its costs; None for a missing number.

    Attributes:
        label: the method's label.
        forgetting: 1 as after retraining, 0 as for the no-op: 1 minus the distance to the control, in units of the distance
            between no-op and control.
        forgetting_ends: its 95 % interval.
        utility: a metric's value, e.g. the accuracy on the test set.
        utility_ends: its 95 % interval.
        time_s: median seconds per model.
        time_ends: its 95 % interval.
        dominated_by: labels of methods that are at least as good on all three and better on one.
    """

    label: str
    forgetting: float | None
    forgetting_ends: tuple[float, float] | None
    utility: float | None
    utility_ends: tuple[float, float] | None
    time_s: float | None
    time_ends: tuple[float, float] | None
    dominated_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class TradeOff:
    """Forgetting against utility and time.

    Attributes:
        forgetting: the metric's name, e.g. "lira.auc".
        utility: the metric's name, e.g. "accuracy.test".
        utility_unit: its unit.
        utility_control: value for retrained models.
        utility_noop: value for untouched originals.
        retrain_s: median seconds of retraining; None if not measured.
        points: one per run.
    """

    forgetting: str
    utility: str
    utility_unit: str
    utility_control: float | None
    utility_noop: float | None
    retrain_s: float | None
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side; the first is the baseline.

    Attributes:
        kind: "methods", or "drift" for one method under several versions of torch, oldest first.
        task: the task of all runs.
        models: models per population, the same in all runs.
        methods: the runs.
        rows: the chosen metrics.
        comparisons: number of tested differences, for which p-values are corrected.
        notices: caveats, in whole sentences.
        trade_off: for the plots; None for drift.
    """

    kind: Kind
    task: TaskRecord
    models: int
    methods: tuple[Method, ...]
    rows: tuple[Row, ...]
    comparisons: int
    notices: tuple[str, ...]
    trade_off: TradeOff | None

    @property
    def tested(self) -> tuple[tuple[Row, Method, Difference], ...]:
        """Return all tested differences."""
        return tuple(
            (row, method, cell.difference)
            for row in self.rows
            for method, cell in zip(self.methods, row.cells, strict=True)
            if cell.difference is not None
        )

    @property
    def marked(self) -> tuple[tuple[Row, Method, Difference], ...]:
        """Return all significant differences."""
        return tuple(one for one in self.tested if one[2].mark)
