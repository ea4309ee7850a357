"""The spread of a population relative to that of retrained models, example by example.

Perfect unlearning gives the spread of retrained models; a smaller or larger one reveals unlearned models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Interval
from harness_evaluators.variance import anova
from harness_evaluators.variance.anova import Groups

Values = NDArray[np.float64]

ROUNDING = 1e-6
"""Spreads below this share of phi's size are rounding errors; examples on which retrained models vary less are skipped."""


@dataclass(frozen=True)
class Spread:
    """Variances of a population of models on every example.

    Attributes:
        per_example: total variance, shape (K,).
        left_out: the same with each original left out, shape (I, K); None where they are too few.
    """

    per_example: Values
    left_out: Values | None

    def mean(self) -> tuple[float, Interval | None]:
        """Return the mean over examples with its interval."""
        value = float(self.per_example.mean())
        if self.left_out is None:
            return value, None
        return value, anova.log_interval(value, [self.left_out.mean(axis=1)])


@dataclass(frozen=True)
class Ratio:
    """A population's variance over that of retrained models, interquartile mean of the logarithm over examples.

    Attributes:
        value: the ratio.
        interval: of the ratio.
        standard_error: of its logarithm; None without an interval.
    """

    value: float
    interval: Interval | None
    standard_error: float | None


def spread(groups: Groups) -> Spread:
    """Return the total variance, between originals and within; needs two originals or more."""
    without = anova.without_each(groups)
    return Spread(anova.squares(groups).total()[0], None if without is None else without.total())


def usable(retrained: Values) -> NDArray[np.bool_]:
    """Return a mask of the examples on which retrained models, phi (N, K), vary by more than rounding; shape (K,)."""
    rounding = ROUNDING * (1 + np.abs(retrained).mean(axis=0))
    return np.asarray(retrained.std(axis=0, ddof=1) > rounding)


def ratio(left: Spread, right: Spread, chosen: NDArray[np.bool_]) -> Ratio:
    """Return the ratio of two populations' variances over the examples ``chosen``, at least one."""

    def typical(above: Values, below: Values) -> Values:
        # Constant models give -inf. If a single retrained model varies, leaving it out gives inf.
        with np.errstate(divide="ignore", invalid="ignore"):
            return anova.midmean(np.log(above[..., chosen]) - np.log(below[..., chosen]))

    value = float(np.exp(typical(left.per_example, right.per_example)))
    if left.left_out is None or right.left_out is None:
        return Ratio(value, None, None)
    sides = [typical(left.left_out, right.per_example), typical(left.per_example, right.left_out)]
    interval = anova.log_interval(value, [np.exp(side) for side in sides])
    return Ratio(value, interval, None if interval is None else anova.standard_error(sides))
