"""Data of a comparison: frozen dataclasses, independent of presentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.evaluation import Metric
from harness.report.document import TaskRecord

Kind = Literal["methods", "drift"]
Mark = Literal["better", "worse", "closer", "farther", "differs", ""]
FAMILY_ERROR = 0.05


@dataclass(frozen=True)
class RunFacts:
    """Properties of a run that comparisons and leaderboards show.

    Attributes:
        plugin: name of the entry point.
        distribution: its distribution.
        version: the distribution's version.
        options: the plugin's options.
        torch: the plugin's version of torch; empty if unknown.
        runner: docker or process.
        finished: number of models that finished.
        models: number of models to unlearn.
        limit_s: the limit per model, in the unit of ``clock``; None for no limit.
        limit: the limit in words.
        clock: unit of the limit: wall, cpu or steps.
        dependable: True if the run's times are reliable; None if unknown.
        failed_as: how failed models count, also for ranks: missing (not at all) or noop (as their originals).
        verdict: the run's verdict in one word.
        run_id: the run's id.
        created: start of the run, UTC.
    """

    plugin: str
    distribution: str
    version: str
    options: Mapping[str, Any]
    torch: str
    runner: str
    finished: int
    models: int
    limit_s: float | None
    limit: str
    clock: str
    dependable: bool | None
    failed_as: str
    verdict: str
    run_id: str
    created: str


@dataclass(frozen=True)
class Method(RunFacts):
    """A compared run.

    Attributes:
        label: its unique name in this comparison.
        isolation: description, one sentence.
        hardware: the machine in words.
        folder: the run's folder; empty if unknown.
    """

    label: str
    isolation: str
    hardware: str
    folder: str


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
