"""The report's record of evaluators' results, made from the public evaluation API's dataclasses."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from harness.bounds import FINITE, NumberError
from harness.evaluation import EvaluatorInfo, Interval, Metric, Result
from harness.keys import KeyTextError, key
from harness.report.records import Record

MOST_METRICS = 1000
_NUMBERS = ("value", "control", "noop", "position", "smallest_visible")


class IntervalRecord(Record):
    """A confidence interval; mirrors :class:`harness.evaluation.Interval`."""

    low: float = Field(description="Lower end.")
    high: float = Field(description="Upper end.")
    level: float = Field(0.95, gt=0, lt=1, description="Coverage, e.g. 0.95.")
    method: str = Field("", description="How the interval was made.")

    @classmethod
    def from_interval(cls, interval: Interval | None) -> IntervalRecord | None:
        """Return the record of an interval; None stays None."""
        if interval is None:
            return None
        return cls(**{**vars(interval), "low": _number("low", interval.low), "high": _number("high", interval.high)})


class MetricRecord(Record):
    """One number with all that is needed to read it; mirrors :class:`harness.evaluation.Metric`."""

    name: str = Field(description="Unique within the evaluator.")
    value: float | None = Field(description="The unlearned models' value; null where it does not exist, see note.")
    direction: Literal["higher", "lower", "closer_to_reference", "none"] = Field(description="Which way is better.")
    description: str = Field(description="One sentence for a reader who does not know the metric.")
    unit: str = Field("", description="Unit of value, control and noop; empty for a pure number.")
    interval: IntervalRecord | None = Field(None, description="Of value, over models.")
    control: float | None = Field(None, description="The same statistic for control models: what perfect scores.")
    control_interval: IntervalRecord | None = Field(None, description="Of control.")
    noop: float | None = Field(None, description="The same statistic for the untouched originals.")
    position: float | None = Field(None, description="0 = as the no-op, 1 = as the control; null where undefined.")
    smallest_visible: float | None = Field(None, description="Smallest difference from control that could be told.")
    headline: bool = Field(False, description="Shown in the terminal summary.")
    note: str = Field("", description="What the reader must know of this number.")

    @classmethod
    def from_metric(cls, metric: Metric) -> MetricRecord:
        """Return the record of a metric.

        Raises:
            TypeError: it is no Metric.
            ValueError: a number that is no finite number, or a name that is no name.
        """
        if not isinstance(metric, Metric):
            raise TypeError(f"a metric must be a Metric, not {type(metric).__name__}")
        try:
            name = key(metric.name, separators=False)
        except (KeyTextError, TypeError, AttributeError) as error:
            raise ValueError(f"a metric's name {error}") from error
        numbers = {field: _number(f"{name}.{field}", getattr(metric, field)) for field in _NUMBERS}
        nested = {
            "interval": IntervalRecord.from_interval(metric.interval),
            "control_interval": IntervalRecord.from_interval(metric.control_interval),
        }
        return cls(**{**vars(metric), "name": name, **numbers, **nested})


class EvaluatorRecord(Record):
    """What one evaluator said, or why it said nothing."""

    name: str = Field(description="Entry-point name.")
    version: str = Field(description="The evaluator's own version; changes whenever its numbers could.")
    distribution: str = Field(description="Distribution that provides the evaluator.")
    distribution_version: str = Field(description="Version of that distribution.")
    seconds: float = Field(ge=0, description="How long the evaluator took, seconds.")
    error: str | None = Field(None, description="Why there is no result; null when there is one.")
    metrics: tuple[MetricRecord, ...] = Field((), description="In the order in which they should be shown.")
    arrays: dict[str, list[float] | list[list[float]]] = Field(
        default_factory=dict, description="Small arrays for plots, by name, 1-D or 2-D."
    )
    warnings: tuple[str, ...] = Field((), description="Sentences for the reader.")

    @classmethod
    def from_result(
        cls, info: EvaluatorInfo, distribution: str, distribution_version: str, seconds: float, result: Result
    ) -> EvaluatorRecord:
        """The record of a result; one that breaks the rules (NaN, 3-D array, doubled name) becomes an error record."""
        try:
            return cls(
                name=info.name,
                version=info.version,
                distribution=distribution,
                distribution_version=distribution_version,
                seconds=seconds,
                metrics=_metrics(result),
                arrays={name: _nested_list(name, array) for name, array in result.arrays.items()},
                warnings=result.warnings,
            )
        except (ValueError, TypeError) as error:
            reason = f"the result cannot be used: {_short(error)}"
            return cls.from_error(info, distribution, distribution_version, seconds, reason)

    @classmethod
    def from_error(
        cls, info: EvaluatorInfo, distribution: str, distribution_version: str, seconds: float, error: str
    ) -> EvaluatorRecord:
        """The record of an evaluator that failed; ``error`` says why."""
        return cls(
            name=info.name,
            version=info.version,
            distribution=distribution,
            distribution_version=distribution_version,
            seconds=seconds,
            error=error,
        )

    def metric(self, name: str) -> MetricRecord | None:
        """The metric of that name, or None."""
        return next((metric for metric in self.metrics if metric.name == name), None)


def _metrics(result: Result) -> tuple[MetricRecord, ...]:
    if not isinstance(result, Result):
        raise TypeError(f"an evaluator must return a Result, not {type(result).__name__}")
    if len(result.metrics) > MOST_METRICS:
        raise ValueError(f"{len(result.metrics)} metrics; at most {MOST_METRICS} are taken")
    records = tuple(MetricRecord.from_metric(metric) for metric in result.metrics)
    doubled = [name for name, times in Counter(one.name for one in records).items() if times > 1]
    if doubled:
        raise ValueError(f"metric names are not unique: {', '.join(sorted(doubled))}")
    return records


def _number(what: str, value: object) -> float | None:
    if value is None:
        return None
    try:
        return FINITE.check(value)
    except NumberError as error:
        raise ValueError(f"{what} {error}") from error


def _nested_list(name: str, array: NDArray[np.float64]) -> list[Any]:
    values = np.asarray(array, dtype=np.float64)
    if values.ndim not in (1, 2):
        raise ValueError(f"array {name!r} has {values.ndim} dimensions; 1 or 2 are allowed")
    if not np.isfinite(values).all():
        raise ValueError(f"array {name!r} holds NaN or infinity")
    nested: list[Any] = values.tolist()
    return nested


def _short(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
