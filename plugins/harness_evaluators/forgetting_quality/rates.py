"""Epsilon of one attack as a function of its numbers of errors on unlearned and on retrained models.

Source: Triantafillou et al., "Are we making progress in unlearning? Findings from the first NeurIPS unlearning
competition" (2024), and the competition's description of its metric (2023), equation 1: with the attack's false
positive rate FPR and false negative rate FNR,

    epsilon = max(ln(1 - delta - FPR) - ln FNR, ln(1 - delta - FNR) - ln FPR).

The formula is symmetric, so either population may be called positive. Special cases, as in the competition: both rates 0
give infinity; exactly one of them 0 discards the attack, as an artefact of too few models; a logarithm of a negative number
drops its half.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike, NDArray

from harness_evaluators.common.clopper_pearson import DELTA as DELTA

Counts = NDArray[np.integer]
Logs = NDArray[np.floating]
Values = NDArray[np.float64]
Sides = tuple[Logs, Logs]
""":func:`logs` of the unlearned and of the retrained models."""

Out = tuple[Values, Values, Values, NDArray[np.bool_]]
"""Arrays that a search over n examples fills, shape (n,) each: the largest epsilon found, at least 0; the lower and the upper
end of its closed interval, the lower one above the upper one if no attack reaches anything; and whether values inside are
predicted as unlearned.
"""

CAP = 50.0
BUCKET = 0.5
"""Width of the buckets of epsilon; each is worth half the points of the one below it."""


def logs(n_models: int, delta: float, dtype: DTypeLike) -> Logs:
    """Return ln(1 - delta - k/n) and ln(k/n) for k = 0..n errors among n models, shape (2, n + 1), computed in ``dtype``.

    Entries that must never be selected have infinite values: for k = 0 they are -inf and +inf (a discarded attack), and -inf
    replaces the logarithm of a negative number.
    """
    rates = np.arange(n_models + 1).astype(dtype) / np.asarray(n_models, dtype=dtype)
    right = (1 - float(delta)) - rates
    table = np.full((2, n_models + 1), -math.inf, dtype=dtype)
    positive = right > 0
    table[0, positive] = np.log(right[positive])
    table[1, 1:] = np.log(rates[1:])
    table[:, 0] = -math.inf, math.inf
    return table


def epsilons(one_logs: Logs, other_logs: Logs, one_errors: Counts, other_errors: Counts) -> Logs:
    """Return epsilon of attacks by their errors on either population; inf without any error, -inf for a discarded attack."""
    found = np.maximum(
        one_logs[0][one_errors] - other_logs[1][other_errors],
        other_logs[0][other_errors] - one_logs[1][one_errors],
    )
    found[(one_errors == 0) & (other_errors == 0)] = math.inf
    return np.asarray(found)


def points(epsilon: Values, n_models: int) -> Values:
    """Return points per example: 1, 1/2, 1/4... for epsilon in [0, 0.5), [0.5, 1), [1, 1.5)...; 0 from ceil(ln(N - 1)) on.

    Args:
        epsilon: at least 0, any shape.
        n_models: N, at least 2: models of each population behind epsilon.
    """
    end = math.ceil(math.log(n_models - 1))
    return np.where(epsilon < end, 0.5 ** np.floor(np.minimum(epsilon, CAP) / BUCKET), 0.0)
