"""The spread of a population beside that of retrained models, example by example.

A right method gives the spread of retrained models: too little of it betrays unlearned models as too much does.
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
"""A spread below this share of phi's size is rounding; examples on which retrained models have no more are left out."""


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
        """The mean over examples."""
        value = float(self.per_example.mean())
        if self.left_out is None:
            return value, None
        return value, anova.log_interval(value, [self.left_out.mean(axis=1)])


@dataclass(frozen=True)
class Ratio:
    """A population's variance over that of retrained models, interquartile mean of the logarithm over examples.

    Attributes:
        value: the ratio.
        interval: of it.
        standard_error: of its logarithm; None where the interval is.
    """

    value: float
    interval: Interval | None
    standard_error: float | None


def spread(groups: Groups) -> Spread:
    """The total variance, between originals and within; at least two originals."""
    without = anova.without_each(groups)
    return Spread(anova.squares(groups).total()[0], None if without is None else without.total())


def usable(retrained: Values) -> NDArray[np.bool_]:
    """Examples on which retrained models, phi of shape (N, K), vary by more than rounding; shape (K,)."""
    rounding = ROUNDING * (1 + np.abs(retrained).mean(axis=0))
    return np.asarray(retrained.std(axis=0, ddof=1) > rounding)


def ratio(left: Spread, right: Spread, chosen: NDArray[np.bool_]) -> Ratio:
    """The ratio of two populations' variances over the examples ``chosen``, at least one."""

    def typical(above: Values, below: Values) -> Values:
        # Constant models have the logarithm -inf; where one retrained model is all that varies, leaving it out gives inf.
        with np.errstate(divide="ignore", invalid="ignore"):
            return anova.midmean(np.log(above[..., chosen]) - np.log(below[..., chosen]))

    value = float(np.exp(typical(left.per_example, right.per_example)))
    if left.left_out is None or right.left_out is None:
        return Ratio(value, None, None)
    sides = [typical(left.left_out, right.per_example), typical(left.per_example, right.left_out)]
    interval = anova.log_interval(value, [np.exp(side) for side in sides])
    return Ratio(value, interval, None if interval is None else anova.standard_error(sides))
