"""Lower confidence bounds on epsilon and delta from the errors of an attack on models that did not choose it.

These errors are binomial, so Clopper and Pearson's upper limits (1934) hold for the attack's error rates. With the limits FPR
and FNR, at the same time,

    epsilon >= max(ln((1 - delta - FPR) / FNR), ln((1 - delta - FNR) / FPR)),
    delta >= max(1 - FPR - e^epsilon FNR, 1 - FNR - e^epsilon FPR),

and 0 if that is negative. The second is a bound of the hockey-stick divergence sup_A P(A) - e^epsilon Q(A), which is at most
delta for both orders of the populations if and only if they are (epsilon, delta)-indistinguishable. Source: Jagielski, Ullman and
Oprea, "Auditing Differentially Private Machine Learning" (2020); Barthe and Olmedo (2013) for the divergence.

If both halves of the models are tested in turn, the larger of the two bounds is used, and each of the four limits holds at
1 - 0.05 / 4 (Bonferroni).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from harness.evaluation import Interval

Values = NDArray[np.float64]
Counts = NDArray[np.integer]

LEVEL = 0.95
"""Confidence level of a bound."""

DELTA = 1e-5
"""The delta at which epsilon is bounded."""

_TAIL = (1 - LEVEL) / 4


def upper(errors: Counts, n_models: int) -> Values:
    """Return Clopper and Pearson's upper limit of a rate, at 1 - 0.05 / 4, from errors among n models."""
    counts = np.asarray(errors, dtype=np.float64)
    inside = np.minimum(counts, n_models - 1)
    return np.where(counts >= n_models, 1.0, betaincinv(inside + 1, n_models - inside, 1 - _TAIL))


def interval(hits: float, n: int) -> Interval:
    """Return the exact two-sided 95 % interval of a rate from hits among n; a broken number of hits widens it to both sides."""
    low, high = math.floor(hits), math.ceil(hits)
    tail = (1 - LEVEL) / 2
    return Interval(
        float(betaincinv(low, n - low + 1, tail)) if low > 0 else 0.0,
        float(betaincinv(high + 1, n - high, 1 - tail)) if high < n else 1.0,
        LEVEL,
        "Clopper and Pearson",
    )


def epsilon_bound(unlearned_errors: Counts, retrained_errors: Counts, sizes: tuple[int, int]) -> Values:
    """Return the lower confidence bound of epsilon from errors among so many models; at least 0."""
    one, other = upper(unlearned_errors, sizes[0]), upper(retrained_errors, sizes[1])
    right = [np.log(np.maximum(1 - DELTA - rate, np.finfo(np.float64).tiny)) for rate in (one, other)]
    return np.asarray(np.maximum(np.maximum(right[0] - np.log(other), right[1] - np.log(one)), 0.0))


def delta_bound(unlearned_errors: Counts, retrained_errors: Counts, sizes: tuple[int, int], epsilon: Values) -> Values:
    """Return the lower confidence bound of delta at each ``epsilon`` from errors among so many models; at least 0."""
    one, other = upper(unlearned_errors, sizes[0]), upper(retrained_errors, sizes[1])
    return np.asarray(np.maximum(np.maximum(1 - one - np.exp(epsilon) * other, 1 - other - np.exp(epsilon) * one), 0.0))


def certifiable(n_models: int) -> float:
    """Return the largest bound of epsilon that n models of each population can give: no error in the tested half."""
    half, none = n_models // 2, np.zeros(1, dtype=np.int64)
    return float(epsilon_bound(none, none, (n_models - half, n_models - half))[0])
