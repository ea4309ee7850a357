"""Effective number of independent models of a population; copies of one model count once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.forgetting import memory_regression

Values = NDArray[np.float64]

ALIKE = 0.01
"""Two models are identical if their squared distance is below this share of that between two retrained models."""


def independent(models: Values, retrained: Values) -> float:
    """Return an upper limit on the number of independent models, from their variance and from the number of distinct models.

    Args:
        models: phi, shape (N, n).
        retrained: of retrained models, shape (M, n), M >= 2.
    """
    return min(memory_regression.effective(models, retrained), _different(models, retrained))


def _different(models: Values, retrained: Values) -> float:
    centred = models - models.mean(axis=0)
    products = centred @ centred.T
    norms = np.diag(products)
    distances = norms[:, None] + norms[None, :] - 2 * products
    alike = distances <= ALIKE * 2 * retrained.var(axis=0, ddof=1).sum()
    np.fill_diagonal(alike, True)  # rounding may leave a distance of a model from itself
    return float((1 / alike.sum(axis=1)).sum())
