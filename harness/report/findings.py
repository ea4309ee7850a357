"""The metrics of the evaluator ``forgetting`` that the verdict uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.evaluation import Metric
from harness.report import recovered
from harness.report.recovered import Recovered
from harness.report.results import EvaluatorRecord
from harness.tasks.task import Margins

EVALUATOR = "forgetting"

LEVEL = 0.05
"""Significance level of every test."""

EXCESS_LEVEL = LEVEL / 2
"""Level of each of the two tests for an excess of the forget set over the test set."""

SURE_LEVEL = 0.01
"""Level of the test-set test where it alone rules out memory of the forget set: stricter, because at 5 % one run in twenty
would lose real memory to a false alarm."""

LEAST_TESTED = 4
"""Fewest models for any test of a difference; the evaluators' own."""

LEAST_MODELS = 16
"""Fewest models for equivalence."""

LEAST_FINISHED = 0.9
"""Share of models that must finish for a favourable verdict."""


MOSTLY = 3
"""Minimum ratio of examples named as remembered to those named as over-forgotten for the difference to count as memory."""


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Left:
    """The memory left, over all estimates that count.

    Attributes:
        value: the largest estimate.
        low: the lower end of its interval.
        high: the upper end of its interval.
        least_high: the smallest upper end of all intervals.
    """

    value: float
    low: float
    high: float
    least_high: float


@dataclass(frozen=True)
class Findings:
    """Values of the evaluator's metrics; None if a metric is missing.

    Attributes:
        difference_p, noop_p, placebo_p: family-wise p-values: of the unlearned models, of the no-op, and on the test set.
        excess_p, excess_wrong_p: p-values for an excess of the forget set over the test set, by confidences and by the order
            of wrong classes.
        plain, calibrated, queries: share of the memory that is left: raw, relative to the test set, mean over queries.
        both: mean over queries, relative to the test set.
        worst: the largest of these and of each query.
        memory_bound, shift_bound: upper 95 % bounds.
        shift, shift_calibrated: mean shift, in standard deviations.
        under, over: shares of examples named as remembered, and as over-forgotten.
        size_low: lower end of the interval of the no-op's memory.
        diversity: effective number of independent unlearned models.
        most: the evaluator's description of the statistic with the strongest difference.
        recovered: the memory that comes back after small changes of the weights; None if that was not measured.
    """

    difference_p: float | None = None
    noop_p: float | None = None
    placebo_p: float | None = None
    excess_p: float | None = None
    excess_wrong_p: float | None = None
    plain: Estimate | None = None
    calibrated: Estimate | None = None
    queries: Estimate | None = None
    both: Estimate | None = None
    worst: Estimate | None = None
    memory_bound: float | None = None
    shift_bound: float | None = None
    shift: Estimate | None = None
    shift_calibrated: Estimate | None = None
    under: float | None = None
    over: float | None = None
    size_low: float | None = None
    diversity: float | None = None
    most: str = ""
    recovered: Recovered | None = None

    @classmethod
    def of(cls, evaluators: Sequence[EvaluatorRecord]) -> Findings:
        """Read the evaluator's record; all fields are None if it is missing or failed."""
        record = next((one for one in evaluators if one.name == EVALUATOR and not one.error), None)
        if record is None:
            return cls()
        difference = record.metric("difference_p")
        size = record.metric("memory_size")
        return cls(
            difference_p=_value(difference),
            noop_p=None if difference is None else difference.noop,
            placebo_p=_value(record.metric("placebo_p")),
            excess_p=_value(record.metric("excess_p")),
            excess_wrong_p=_value(record.metric("excess_wrong_p")),
            plain=_estimate(record.metric("memory_left")),
            calibrated=_estimate(record.metric("memory_left_calibrated")),
            queries=_estimate(record.metric("memory_left_queries")),
            both=_estimate(record.metric("memory_left_calibrated_queries")),
            worst=_estimate(record.metric("memory_left_worst")),
            memory_bound=_value(record.metric("memory_bound")),
            shift_bound=_value(record.metric("shift_bound")),
            shift=_estimate(record.metric("shift")),
            shift_calibrated=_estimate(record.metric("shift_calibrated")),
            under=_value(record.metric("named_remembered")),
            over=_value(record.metric("named_over_forgotten")),
            size_low=None if size is None or size.interval is None else size.interval.low,
            diversity=_value(record.metric("effective_models")),
            most="" if difference is None else difference.note,
            recovered=Recovered.of(evaluators),
        )

    @property
    def level(self) -> float:
        """Return the level of the test for a difference; with that for memory that comes back, it is 5 % in all."""
        return LEVEL if self.recovered is None else LEVEL - recovered.LEVEL

    @property
    def visible(self) -> bool:
        """Return True if this run can detect a failure to forget: both the no-op's memory and its difference are significant."""
        seen = self.noop_p is not None and self.noop_p <= LEVEL
        return seen and self.size_low is not None and self.size_low > 0

    @property
    def other_kind(self) -> bool:
        """Return True if models differ on the test set as well."""
        return self.placebo_p is not None and self.placebo_p <= LEVEL

    @property
    def wrong_classes_stand_out(self) -> bool:
        """Return True if the order of wrong classes differs more on the forget set than on the test set."""
        return self.excess_wrong_p is not None and self.excess_wrong_p <= EXCESS_LEVEL

    @property
    def stands_out(self) -> bool:
        """Return True if the forget set differs more than the test set in confidences or wrong classes."""
        confidence = self.excess_p is not None and self.excess_p <= EXCESS_LEVEL
        return confidence or self.wrong_classes_stand_out

    @property
    def unmarked(self) -> bool:
        """Return True if models clearly differ on the test set, and their confidences no more on the forget set."""
        surely = self.placebo_p is not None and self.placebo_p <= SURE_LEVEL
        return surely and self.excess_p is not None and self.excess_p > EXCESS_LEVEL

    @property
    def mostly_remembered(self) -> bool:
        """Return True if examples are named as remembered, and few or none as over-forgotten."""
        return (self.under or 0.0) > 0 and MOSTLY * (self.over or 0.0) <= (self.under or 0.0)

    def collapsed(self, models: int) -> bool:
        """Return True if the effective number of models is at most half of ``models``."""
        return self.diversity is not None and self.diversity <= models / 2

    def comes_back(self, models: int) -> bool:
        """Return True if memory comes back; of near-copies of a few models the test, which exchanges models, is not valid."""
        return self.recovered is not None and self.recovered.comes_back and not self.collapsed(models)

    def equivalent(self, margins: Margins) -> bool:
        """Return True if both bounds are below the margins."""
        if self.memory_bound is None or self.shift_bound is None:
            return False
        return self.memory_bound < margins.memory and self.shift_bound < margins.shift_sd

    def left(self) -> Left | None:
        """Return the memory left; only relative to the test set if models differ there as well."""
        ways = list(self._ways())
        if not ways:
            return None
        most = max(ways, key=lambda one: one.value)
        lows = [one.low for one in ways if one.low > 0]
        return Left(most.value, max(lows, default=most.low), most.high, min(one.high for one in ways))

    def _ways(self) -> Iterator[Estimate]:
        if self.other_kind and self.calibrated is not None:
            yield from (one for one in (self.calibrated, self.both) if one is not None)
            return
        yield from (one for one in (self.plain, self.calibrated, self.queries) if one is not None)
        # The maximum of several estimates is biased upwards, so its interval must clear 0 by half its lower arm.
        if self.worst is not None and self.worst.value > 1.5 * (self.worst.value - self.worst.low):
            yield self.worst


def _value(metric: Metric | None) -> float | None:
    return None if metric is None else metric.value


def _estimate(metric: Metric | None) -> Estimate | None:
    if metric is None or metric.value is None or metric.interval is None:
        return None
    return Estimate(metric.value, metric.interval.low, metric.interval.high)
