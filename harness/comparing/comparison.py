"""What a comparison is made of: frozen dataclasses, free of anything about how they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.report.document import MetricRecord, TaskRecord

Kind = Literal["methods", "drift"]
Mark = Literal["better", "worse", "closer", "farther", "differs", ""]
FAMILY_ERROR = 0.05


@dataclass(frozen=True)
class RunFacts:
    """What comparisons and leaderboards alike say of a run.

    Attributes:
        plugin: name of the entry point.
        distribution: its distribution.
        version: the distribution's version.
        options: handed to the plugin.
        torch: version of torch that the plugin ran with; empty where not known.
        runner: docker or process.
        finished: how many models came back and count.
        models: how many were to be unlearned.
        limit_s: the limit per model, in the unit of ``clock``; None where there was none.
        limit: the limit in words.
        clock: what the limit counted: wall, cpu or steps.
        dependable: whether the run's times can be relied on; None where not known.
        failed_as: what failed models count as, in ranks too: missing (nowhere) or noop (their originals).
        verdict: the run's verdict in one word.
        run_id: of the report.
        created: when the run began, UTC.
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
    """One run that is compared.

    Attributes:
        label: what it is called here, unlike all others.
        isolation: one sentence.
        hardware: the machine in words.
        folder: the run's folder as it was given; empty where not known.
    """

    label: str
    isolation: str
    hardware: str
    folder: str


@dataclass(frozen=True)
class Difference:
    """How one run's number differs from the first run's.

    Attributes:
        value: this run's value less the first run's, in the metric's unit.
        low: lower end of the 95 % interval of ``value``, not corrected for the number of comparisons.
        high: its upper end.
        p: two-sided, adjusted after Holm for all comparisons that were made.
        mark: what may be said; empty where chance explains the difference.
    """

    value: float
    low: float
    high: float
    p: float
    mark: Mark


@dataclass(frozen=True)
class Cell:
    """One run's number.

    Attributes:
        metric: the metric's record; None where the run has none of that name.
        difference: from the first run; None for the first run itself and where none can be judged.
        unjudged: why no difference is judged; empty where one is, and for the first run.
    """

    metric: MetricRecord | None
    difference: Difference | None = None
    unjudged: str = ""


@dataclass(frozen=True)
class Row:
    """One metric, of all runs.

    Attributes:
        evaluator: whose metric it is.
        metric: the first record of it, for name, description, unit, direction.
        cells: one per run, in the order of the methods.
    """

    evaluator: str
    metric: MetricRecord
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        """E.g. "lira.auc", as it is asked for on the command line."""
        return f"{self.evaluator}.{self.metric.name}"


@dataclass(frozen=True)
class Point:
    """One run in the plots of forgetting against what it costs; None where the run lacks a number.

    Attributes:
        label: the method's.
        forgetting: 1 as retraining, 0 as if nothing was done; 1 less the distance to the control in units of the distance
            between no-op and control.
        forgetting_ends: of its 95 % interval.
        utility: a metric's value, e.g. the accuracy on the test set.
        utility_ends: of its 95 % interval.
        time_s: median seconds per model.
        time_ends: of its 95 % interval.
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
        utility_control: what retrained models have.
        utility_noop: what untouched originals have.
        retrain_s: median seconds of retraining; None where it was not measured.
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
    """Runs side by side. The first run is the one that all others are held against.

    Attributes:
        kind: "methods", or "drift" for one method under several versions of torch, oldest first.
        task: what all runs share.
        models: models per population, what all runs share.
        methods: the runs.
        rows: the chosen metrics.
        comparisons: how many differences were judged, and corrected for.
        notices: what the reader must know, in whole sentences.
        trade_off: for the plots; None under drift.
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
    def marked(self) -> tuple[tuple[Row, Method, Difference], ...]:
        """All differences that chance does not explain."""
        return tuple(
            (row, method, cell.difference)
            for row in self.rows
            for method, cell in zip(self.methods, row.cells, strict=True)
            if cell.difference is not None and cell.difference.mark
        )
