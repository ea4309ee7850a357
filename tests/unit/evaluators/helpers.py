"""Access to results in tests."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Interval, Metric, Result
from harness_evaluators.common import likelihood_ratio


def metric(result: Result, name: str) -> Metric:
    return next(one for one in result.metrics if one.name == name)


def value(result: Result, name: str) -> float:
    found = metric(result, name).value
    assert found is not None, name
    return found


def numbers(one: Metric) -> list[float]:
    """Return all numbers of a metric that exist."""
    scalars = [one.value, one.control, one.noop, one.position, one.smallest_visible]
    intervals = [
        end for i in (one.interval, one.control_interval) if isinstance(i, Interval) for end in (i.low, i.high)
    ]
    return [number for number in (*scalars, *intervals) if number is not None]


def assert_well_formed(result: Result) -> None:
    """Assert finite values or None with a note, unique names, and shares within [0, 1]."""
    names = [one.name for one in result.metrics]
    assert len(set(names)) == len(names)
    for one in result.metrics:
        assert all(math.isfinite(number) for number in numbers(one)), one
        assert one.value is not None or one.note, one
        anywhere = one.name.endswith("gap") or one.name.startswith(("memory_", "accuracy_gain_"))
        if one.unit == "share" and one.value is not None and not anywhere:
            assert 0 <= one.value <= 1, one
    for name, array in result.arrays.items():
        assert array.ndim in (1, 2), name
        assert np.isfinite(array).all(), name


def fitted(
    left: NDArray[np.float64], right: NDArray[np.float64]
) -> tuple[likelihood_ratio.Gaussians, likelihood_ratio.Gaussians]:
    """Return the Gaussians of two populations, fitted to all their models; phi of shape (N, n) each."""
    sides = left, right
    means, variances = (
        [of(side) for side in sides] for of in (lambda x: x.mean(axis=0), lambda x: x.var(axis=0, ddof=1))
    )
    return likelihood_ratio.gaussians((len(left), len(right)), (means[0], means[1]), (variances[0], variances[1]))
