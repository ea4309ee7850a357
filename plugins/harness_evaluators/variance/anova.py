"""One-way random-effects analysis of variance: unlearned models within originals.

The model for repeat j of original i is y = mean + a_i + e_ij: a_i is due to the original's training seed, e_ij to the
unlearning method's own. With I originals, n_i repeats of each and N models in all,

    MSB = sum n_i (mean_i - mean)^2 / (I - 1),   MSW = sum (y_ij - mean_i)^2 / (N - I),
    var a = (MSB - MSW) / n0,   var e = MSW,   n0 = (N - sum n_i^2 / N) / (I - 1).

Both are unbiased for any n_i; the estimate of var a may be below 0. Source: Searle, Casella and McCulloch, "Variance
Components" (1992), chapter 3.

Errors come from the jackknife over originals, each with all its repeats, and Student's t. Ratios are jackknifed on the
logarithmic scale. Source: Arvesen and Schmitz, "Robust procedures for variance component problems using the jackknife"
(1970).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from harness.evaluation import Interval
from harness_evaluators.common.bootstrap import LEVEL
from harness_evaluators.common.evidence_analysis import MIN_MODELS

Values = NDArray[np.float64]
Back = Callable[[float], float]


@dataclass(frozen=True)
class Groups:
    """Values of models by original: I originals, K columns such as examples.

    Attributes:
        sizes: repeats of each original, shape (I,).
        means: mean over each original's repeats, less a constant per column, shape (I, K).
        scatter: sum of squares of the repeats' deviations from it, shape (I, K); exactly 0 for equal repeats.
    """

    sizes: Values
    means: Values
    scatter: Values

    @property
    def models(self) -> int:
        """Return N, the number of models over all originals."""
        return int(self.sizes.sum())

    @property
    def repeated(self) -> bool:
        """Return True if any original was unlearned more than once."""
        return self.models > len(self.sizes)


@dataclass(frozen=True)
class Squares:
    """Mean squares of S selections of originals, for K columns.

    Attributes:
        between: MSB, shape (S, K).
        within: MSW, shape (S, K); 0 if no original was repeated.
        n0: shape (S, 1).
    """

    between: Values
    within: Values
    n0: Values

    def total(self) -> Values:
        """Return var a + var e, which is never below 0; shape (S, K)."""
        return self.between / self.n0 + self.within * (1 - 1 / self.n0)

    def component(self) -> Values:
        """Return var a, which may be below 0; shape (S, K)."""
        return (self.between - self.within) / self.n0

    def pooled(self) -> Squares:
        """Return means over columns, K = 1: the components of their mean variance."""
        return Squares(self.between.mean(axis=1, keepdims=True), self.within.mean(axis=1, keepdims=True), self.n0)


def grouped(values: Values, origins: NDArray[np.int64]) -> Groups:
    """Group values of N models, shape (N, K), N at least 1, by their originals, shape (N,)."""
    order = np.argsort(origins, kind="stable")
    sizes = np.unique(origins, return_counts=True)[1]
    if len(sizes) == len(origins):
        ordered = values[order]
        return Groups(sizes.astype(np.float64), ordered - ordered[0], np.zeros_like(ordered))
    means, scatters = [], []
    for rows in np.split(order, np.cumsum(sizes)[:-1]):
        own = values[rows]
        # Deviations from an existing row, not from a rounded mean, are exactly 0 for equal rows.
        deviations = own - own[0]
        shift = deviations.mean(axis=0)
        means.append(own[0] + shift)
        scatters.append(((deviations - shift) ** 2).sum(axis=0))
    return Groups(sizes.astype(np.float64), np.array(means) - means[0], np.array(scatters))


def single(values: Values) -> Groups:
    """Return groups in which each model of (N, K) is its own original, so that the total is the variance."""
    return grouped(values, np.arange(len(values)))


def squares(groups: Groups) -> Squares:
    """Return mean squares over all originals, S = 1; needs two originals or more."""
    return _squares(groups, lambda values: values.sum(axis=0, keepdims=True))


def without_each(groups: Groups) -> Squares | None:
    """Return mean squares with each original left out once, S = I; None if they do not all exist or originals are few."""
    n_originals = len(groups.sizes)
    if n_originals < MIN_MODELS:
        return None
    if groups.repeated and (groups.models - groups.sizes <= n_originals - 1).any():
        return None
    return _squares(groups, sums_of_others)


def sums_of_others(values: Values) -> Values:
    """Return sums over all rows but each, shape (I, K), as sums of rows before and after; differences would lose digits."""
    found = np.zeros_like(values)
    np.cumsum(values[:-1], axis=0, out=found[1:])
    found[:-1] += np.cumsum(values[:0:-1], axis=0)[::-1]
    return found


def _squares(groups: Groups, summed: Callable[[Values], Values]) -> Squares:
    """Return mean squares over S selections of originals; ``summed`` sums values of shape (I, K) over each selection."""
    sizes = groups.sizes[:, None]
    n, originals = summed(sizes), summed(np.ones_like(sizes))
    weighted = sizes * groups.means
    between = summed(weighted * groups.means)
    between -= summed(weighted) ** 2 / n
    n0 = (n - summed(sizes**2) / n) / (originals - 1)
    within = summed(groups.scatter) / np.maximum(n - originals, 1) if groups.repeated else np.zeros_like(between)
    return Squares(np.maximum(between, 0.0) / (originals - 1), within, n0)


def share(squares: Squares) -> float | None:
    """Return var a / (var a + var e) of pooled squares, var a cut at 0; None if nothing varies."""
    between, within = max(0.0, float(squares.component()[0, 0])), float(squares.within[0, 0])
    return between / (between + within) if between + within > 0 else None


def share_interval(whole: Squares, without: Squares | None) -> Interval | None:
    """Return the interval of :func:`share` from that of ln(MSB / MSW); pooled squares."""
    if without is None or not (whole.within > 0).all() or not (without.within > 0).all():
        return None
    n0 = float(whole.n0[0, 0])

    def of_ratio(ratio: float) -> float:
        excess = max(0.0, ratio - 1)
        return excess / (excess + n0)

    ratio, ratios = whole.between / whole.within, without.between / without.within
    return _mapped(log_interval(float(ratio[0, 0]), [ratios[:, 0]]), of_ratio)


def component_interval(whole: Squares, without: Squares | None) -> Interval | None:
    """Return the interval of var a, cut at 0, from that of ln MSB with MSW fixed; pooled squares."""
    if without is None:
        return None
    within, n0 = float(whole.within[0, 0]), float(whole.n0[0, 0])
    ends = log_interval(float(whole.between[0, 0]), [without.between[:, 0]])
    return _mapped(ends, lambda between: max(0.0, (between - within) / n0))


def _mapped(ends: Interval | None, to: Back) -> Interval | None:
    """Return an interval with an increasing function applied to its ends."""
    return None if ends is None else replace(ends, low=to(ends.low), high=to(ends.high))


def log_interval(whole: float, without: list[Values]) -> Interval | None:
    """Return the interval of a number above 0, computed on the logarithmic scale; arguments as for :func:`interval`."""
    if not whole > 0:
        return None
    return interval(math.log(whole), [_logs(values) for values in without], math.exp)


def interval(whole: float, without: list[Values], back: Back = float) -> Interval | None:
    """Return the interval of Student's t over jackknifed originals.

    Args:
        whole: the statistic.
        without: the statistic with each unit left out, one array for each population that it depends on.
        back: applied to the ends; increasing.

    Returns:
        None if a population cannot be jackknifed.
    """
    error = standard_error(without)
    if error is None or not math.isfinite(whole):
        return None
    freedom = min(len(values) for values in without) - 1
    reach = float(stdtrit(freedom, (1 + LEVEL) / 2)) * error
    method = "jackknife over originals, Student's t"
    return Interval(float(back(whole - reach)), float(back(whole + reach)), LEVEL, method)


def standard_error(without: list[Values]) -> float | None:
    """Return the jackknife standard error of a statistic of independent populations; None if it does not exist."""
    if not without or not all(len(values) >= MIN_MODELS and np.isfinite(values).all() for values in without):
        return None
    variances = [(len(values) - 1) * float(np.var(values)) for values in without]
    return math.sqrt(sum(variances))


def midmean(values: Values) -> Values:
    """Return the mean of the middle half of the last axis: as robust as the median, and smooth enough for the jackknife."""
    n = values.shape[-1]
    middle = np.sort(values, axis=-1)[..., n // 4 : n - n // 4]
    with np.errstate(invalid="ignore"):
        return np.asarray(middle.mean(axis=-1))


def _logs(values: Values) -> Values:
    """Return logarithms; -inf for 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(values))
