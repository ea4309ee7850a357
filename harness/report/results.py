"""The report's records of evaluators' results, made from the dataclasses of the public evaluation API."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from harness.core.bounds import FINITE, NumberError
from harness.evaluation import EvaluatorInfo, Interval, Metric, Result
from harness.report.records import Record

MAX_METRICS, MAX_NUMBERS, MAX_CHARS = 1_000, 2_000_000, 5_000
"""Maximum number of metrics of an evaluator, of numbers in its arrays, and of characters in one text."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")
_NUMBERS = ("value", "control", "noop", "position", "smallest_visible")


class IntervalRecord(Record):
    """A confidence interval; mirrors :class:`harness.evaluation.Interval`."""

    low: float = Field(description="Lower end.")
    high: float = Field(description="Upper end.")
    level: float = Field(0.95, gt=0, lt=1, description="Coverage, e.g. 0.95.")
    method: str = Field("", description="How the interval was computed.")

    @classmethod
    def from_interval(cls, interval: Interval | None) -> IntervalRecord | None:
        """Return the record of an interval; None stays None."""
        if interval is None:
            return None
        return cls(**{**vars(interval), "low": _number("low", interval.low), "high": _number("high", interval.high)})


class MetricRecord(Record):
    """A number with everything needed to read it; mirrors :class:`harness.evaluation.Metric`."""

    name: str = Field(description="Unique within the evaluator.")
    value: float | None = Field(description="Value of the unlearned models; null: not available, see note.")
    direction: Literal["higher", "lower", "closer_to_reference", "none"] = Field(description="Which way is better.")
    description: str = Field(description="One sentence for readers who do not know the metric.")
    unit: str = Field("", description="Unit of value, control and noop; empty for a pure number.")
    interval: IntervalRecord | None = Field(None, description="Interval of value, over models.")
    control: float | None = Field(
        None, description="The same statistic of the control: the score of perfect unlearning."
    )
    control_interval: IntervalRecord | None = Field(None, description="Interval of control.")
    noop: float | None = Field(None, description="The same statistic of the untouched originals.")
    position: float | None = Field(None, description="0 = as the no-op, 1 = as the control; null where undefined.")
    smallest_visible: float | None = Field(None, description="Smallest detectable difference from the control.")
    headline: bool = Field(False, description="Shown in the terminal summary.")
    note: str = Field("", description="What a reader must know about this number.")

    @classmethod
    def from_metric(cls, metric: Metric) -> MetricRecord:
        """Return the record of a metric.

        Raises:
            ValueError: a value is not a finite number.
        """
        numbers = {field: _number(f"{metric.name}.{field}", getattr(metric, field)) for field in _NUMBERS}
        nested = {
            "interval": IntervalRecord.from_interval(metric.interval),
            "control_interval": IntervalRecord.from_interval(metric.control_interval),
        }
        return cls(**{**vars(metric), **numbers, **nested})


class EvaluatorRecord(Record):
    """The result of one evaluator, or why there is none."""

    name: str = Field(description="Entry-point name.")
    version: str = Field(description="Version of the evaluator; changes with every change that can affect its numbers.")
    distribution: str = Field(description="Distribution that provides the evaluator.")
    distribution_version: str = Field(description="Version of that distribution.")
    seconds: float = Field(ge=0, description="Run time of the evaluator, seconds.")
    error: str | None = Field(None, description="Why there is no result; null if there is one.")
    metrics: tuple[MetricRecord, ...] = Field((), description="Metrics in display order.")
    arrays: dict[str, list[float] | list[list[float]]] = Field(
        default_factory=dict, description="Small arrays for plots, by name, 1-D or 2-D."
    )
    warnings: tuple[str, ...] = Field((), description="Sentences for the reader.")

    @classmethod
    def from_result(
        cls, info: EvaluatorInfo, distribution: str, distribution_version: str, seconds: float, result: Result
    ) -> EvaluatorRecord:
        """Return the record of a result, or an error record if the result is invalid (NaN, 3-D array, duplicate name)."""
        try:
            _check(result)
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
        except (ValueError, TypeError, AttributeError) as error:  # a subclass of Result may raise any of these
            reason = f"the result is invalid: {_short(error)}"
            return cls.from_error(info, distribution, distribution_version, seconds, reason)

    @classmethod
    def from_error(
        cls, info: EvaluatorInfo, distribution: str, distribution_version: str, seconds: float, error: str
    ) -> EvaluatorRecord:
        """Return the record of a failed evaluator; ``error`` is the reason."""
        return cls(
            name=info.name,
            version=info.version,
            distribution=distribution,
            distribution_version=distribution_version,
            seconds=seconds,
            error=error,
        )

    def metric(self, name: str) -> MetricRecord | None:
        """Return the metric of that name, or None."""
        return next((metric for metric in self.metrics if metric.name == name), None)


def _check(result: Any) -> None:
    """Check that a result can be read back unchanged and makes a report of reasonable size.

    Raises:
        TypeError, ValueError: the result is invalid; the message names the limit.
    """
    if not isinstance(result, Result):
        raise TypeError(f"it is a {type(result).__name__}; return a harness.evaluation.Result")
    if len(result.metrics) > MAX_METRICS:
        raise ValueError(
            f"it has {len(result.metrics):,} metrics, more than {MAX_METRICS:,}; put many numbers into arrays"
        )
    for number, metric in enumerate(result.metrics, start=1):
        if not isinstance(metric, Metric):
            raise TypeError(f"metric {number} is a {type(metric).__name__}; use harness.evaluation.Metric")
        _check_metric(metric, number)
    names = Counter(metric.name for metric in result.metrics)
    if doubled := sorted(name for name, times in names.items() if times > 1):
        raise ValueError(f"metric names are not unique: {', '.join(doubled)}")
    if (numbers := sum(np.size(array) for array in result.arrays.values())) > MAX_NUMBERS:
        raise ValueError(f"its arrays hold {numbers:,} numbers, more than {MAX_NUMBERS:,}; keep only what plots need")


def _check_metric(metric: Metric, number: int) -> None:
    if not isinstance(metric.name, str) or not _NAME.fullmatch(metric.name):
        raise ValueError(
            f"the name of metric {number}, {str(metric.name)[:40]!r}, is invalid; use at most 80 lower-case letters, digits and "
            "underscores, beginning with a letter"
        )
    for field in ("description", "note", "unit"):
        if len(getattr(metric, field)) > MAX_CHARS:
            raise ValueError(f"the {field} of metric {metric.name!r} is longer than {MAX_CHARS:,} characters")


def _metrics(result: Result) -> tuple[MetricRecord, ...]:
    return tuple(MetricRecord.from_metric(metric) for metric in result.metrics)


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
