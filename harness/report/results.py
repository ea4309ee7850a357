"""The report's records of evaluators' results, made from the dataclasses of the public evaluation API."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

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


class EvaluatorRecord(Record):
    """The result of one evaluator, or why there is none."""

    name: str = Field(description="Entry-point name.")
    version: str = Field(description="Version of the evaluator; changes with every change that can affect its numbers.")
    distribution: str = Field(description="Distribution that provides the evaluator.")
    distribution_version: str = Field(description="Version of that distribution.")
    seconds: float = Field(ge=0, description="Run time of the evaluator, seconds.")
    error: str | None = Field(None, description="Why there is no result; null if there is one.")
    metrics: tuple[Metric, ...] = Field((), description="Metrics in display order.")
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
            content = {
                "metrics": [_plain_metric(metric) for metric in result.metrics],
                "arrays": {name: _nested_list(name, array) for name, array in result.arrays.items()},
                "warnings": result.warnings,
            }
            empty = cls.from_error(info, distribution, distribution_version, seconds, None)
            return cls.model_validate({**dict(empty), **content})
        except (ValueError, TypeError, AttributeError) as error:  # a subclass of Result may raise any of these
            reason = f"the result is invalid: {_short(error)}"
            return cls.from_error(info, distribution, distribution_version, seconds, reason)

    @classmethod
    def from_error(
        cls, info: EvaluatorInfo, distribution: str, distribution_version: str, seconds: float, error: str | None
    ) -> EvaluatorRecord:
        """Return the record of an evaluator without a result; ``error`` is the reason."""
        return cls(
            name=info.name,
            version=info.version,
            distribution=distribution,
            distribution_version=distribution_version,
            seconds=seconds,
            error=error,
        )

    def metric(self, name: str) -> Metric | None:
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


def _plain_metric(metric: Metric) -> dict[str, Any]:
    """Return a metric's fields with Python's numbers; raise ValueError for a value that is not a finite number."""
    numbers = {field: _number(f"{metric.name}.{field}", getattr(metric, field)) for field in _NUMBERS}
    return {
        **vars(metric),
        **numbers,
        "interval": _plain_interval(metric.interval),
        "control_interval": _plain_interval(metric.control_interval),
    }


def _plain_interval(interval: Interval | None) -> dict[str, Any] | None:
    if interval is None:
        return None
    return {**vars(interval), "low": _number("low", interval.low), "high": _number("high", interval.high)}


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
