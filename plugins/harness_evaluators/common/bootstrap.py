"""Confidence intervals by resampling models, without computing a statistic anew for each resample.

Every statistic here is a mean over models, to first order. A resample that gives model i the weight w_i / N changes it
by the mean of (w_i - 1) c_i, where c_i is the model's contribution (its influence, up to a constant). So 1000 resamples
cost one product of matrices. Nothing is fitted to a resample, so no model is in the fit and in the test of the same
fold; a naive bootstrap of a cross-fitted attack leaks in that way. Source: Efron and Tibshirani, "An Introduction to
the Bootstrap" (1993), chapters 20 and 22.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence, Interval

Values = NDArray[np.float64]

RESAMPLES = 1000
LEVEL = 0.95
FEWEST_FOR_T = 4
"""Fewest models for which Student's t has a variance."""

METHOD = f"bootstrap over models, {RESAMPLES} resamples"


@dataclass(frozen=True)
class Linear:
    """A statistic of two populations with each model's contribution to it.

    Attributes:
        value: the statistic.
        left: contributions of the compared population's models, shape (N_left,); None if unknown.
        right: contributions of the retrained models, shape (N_retrained,); None if unknown.
        deviations: used instead of contributions: deviations between halves of the models, shape (n_halvings,), see
            :mod:`harness_evaluators.common.half_samples`.
    """

    value: float
    left: Values | None = None
    right: Values | None = None
    deviations: Values | None = None


@dataclass(frozen=True)
class Sampled:
    """A statistic with its value in each resample.

    Attributes:
        value: the statistic.
        replicates: shape (RESAMPLES,); None if a population is too small to be resampled.
    """

    value: float
    replicates: Values | None

    @property
    def sd(self) -> float | None:
        """Return the standard deviation over resamples."""
        return None if self.replicates is None else float(np.std(self.replicates, ddof=1))

    def interval(self, bounds: tuple[float, float] = (-math.inf, math.inf)) -> Interval | None:
        """Return the central share LEVEL of the replicates, cut to the values that the statistic can take."""
        if self.replicates is None:
            return None
        ends = np.quantile(self.replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        low, high = np.clip(ends, *bounds)
        return Interval(float(low), float(high), LEVEL, METHOD)


@dataclass(frozen=True)
class Resamples:
    """The resamples of one run, common to all statistics, so that rows can be compared resample by resample.

    Attributes:
        weights: per row of the report (unlearned, retrained, control, noop), deviations of the models' weights from
            1/N, shape (RESAMPLES, N), widened so that means of normal numbers have intervals of Student's t.
    """

    weights: Mapping[str, Values]

    def linear(self, row: str, statistic: Linear) -> Sampled:
        """Return the replicates of a statistic of ``row`` against the retrained models."""
        if statistic.deviations is not None:
            return Sampled(
                statistic.value, statistic.value + _product(_mixtures(len(statistic.deviations)), statistic.deviations)
            )
        left, right = self.weights[row], self.weights["retrained"]
        if statistic.left is None or statistic.right is None or min(left.shape[1], right.shape[1]) < 2:
            return Sampled(statistic.value, None)
        change = _product(left, statistic.left) + _product(right, statistic.right)
        return Sampled(statistic.value, statistic.value + change)

    def mean(self, row: str, per_model: Values) -> Sampled:
        """Return the replicates of the mean over the models of ``row``, shape (N,)."""
        value, weights = float(per_model.mean()), self.weights[row]
        return Sampled(value, None if weights.shape[1] < 2 else value + _product(weights, per_model))


@functools.cache
def _mixtures(n: int) -> Values:
    """Return multipliers of n deviations, shape (RESAMPLES, n): sums then have Student's t with n degrees of freedom."""
    rng = np.random.default_rng(n)
    normal, square = rng.standard_normal((RESAMPLES, n)), rng.chisquare(n, (RESAMPLES, 1))
    return np.asarray(normal / np.sqrt(square))


def _product(weights: Values, per_model: Values) -> Values:
    """Return ``weights @ per_model`` computed in this thread: BLAS threads would contend for the processors with ours."""
    return np.asarray(np.einsum("ij,j->i", weights, per_model))


def resamples(evidence: Evidence, sizes: Mapping[str, int]) -> Resamples:
    """Draw the resamples of a run for populations of the given sizes."""
    return Resamples({name: _deviations(evidence.rng(f"bootstrap-{name}"), n) for name, n in sizes.items()})


def _deviations(rng: np.random.Generator, n: int) -> Values:
    """Return weights of n models drawn with replacement, less 1/n, shape (RESAMPLES, n).

    The factor sqrt(n / (n - 1)) makes the variance unbiased. From FEWEST_FOR_T models on, each resample is also multiplied
    by sqrt((n - 1) / chi2), chi2 drawn with n - 1 degrees of freedom: the spread of few models is itself uncertain.
    """
    if n < 2:
        return np.zeros((RESAMPLES, n))
    counts = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    widths = np.full((RESAMPLES, 1), math.sqrt(n / (n - 1)))
    if n >= FEWEST_FOR_T:
        widths *= np.sqrt((n - 1) / rng.chisquare(n - 1, (RESAMPLES, 1)))
    return np.asarray((counts - 1) / n * widths)
