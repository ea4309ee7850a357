"""Similarities between the features of two models: centred kernel alignment, and agreement of nearest neighbours.

Both are inner products of an array that depends on one model alone, so that all pairs of models are one product of matrices.

- *CKA*, linear kernel. K = X X' is centred without bias: with its diagonal set to 0, A_ij = K_ij - (row sum i + row sum j) /
  (n - 2) + total / ((n - 1) (n - 2)), and 0 on the diagonal. <A, B> / (n (n - 3)) is the unbiased estimate of HSIC, and CKA is
  <A, B> / sqrt(<A, A> <B, B>). The biased estimate tends to 1 as the number of features exceeds that of examples.
- *Neighbours*: mean over examples of the share of the k nearest neighbours, by the cosine of centred features, that two
  models have in common.

Sources: Kornblith et al., "Similarity of Neural Network Representations Revisited" (2019); Song et al., "Feature Selection via
Dependence Maximization" (2012), for the unbiased estimate; Huh et al., "The Platonic Representation Hypothesis" (2024), for
mutual neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_evaluators.common import parallel
from harness_evaluators.representation.refit import bounded

Values = NDArray[np.float64]
Singles = NDArray[np.float32]

EXAMPLES = 128
"""Most examples that are compared: the noise of pairs of models exceeds that of examples."""
NEIGHBOURS = 10
LEAST_FOR_CKA = 4
"""Fewest examples for which the centred kernel has degrees of freedom."""

CONSTANT = 1e-6
"""Features that vary less than this, relative to their size, are rounding errors of constant ones."""
_BLOCK = 16
"""Models compared at once by a thread."""


def used(examples: int) -> NDArray[np.int64]:
    """Return the positions of the examples that are compared: at most EXAMPLES, evenly spaced."""
    return np.unique(np.linspace(0, examples - 1, min(examples, EXAMPLES)).astype(np.int64))


def alignment(features: Singles) -> Singles:
    """Return the centred kernels' upper triangles as unit vectors, shape (N, n (n - 1) / 2), of features (N, n, d).

    The vector is 0 for constant features.
    """
    n_models, n, _ = features.shape
    upper = np.triu_indices(n, 1)
    found = parallel.unfilled((n_models, len(upper[0])), np.float32)

    def work(model: int) -> None:
        kernel = _kernel(features[model])
        np.fill_diagonal(kernel, 0)
        sums = kernel.sum(axis=0)
        kernel -= (sums[:, None] + sums) / (n - 2)
        kernel += sums.sum() / ((n - 1) * (n - 2))
        half = kernel[upper]
        found[model] = half / (np.sqrt((half**2).sum()) or 1.0)

    parallel.in_threads(work, range(n_models))
    return found


def neighbours(features: Singles) -> Singles:
    """Return which examples are neighbours, shape (N, n n), scaled so that inner products are the mean shares in common."""
    n_models, n, _ = features.shape
    k = min(NEIGHBOURS, n - 1)
    found = np.zeros((n_models, n, n), dtype=np.float32)

    def work(model: int) -> None:
        kernel = _kernel(features[model])
        lengths = np.sqrt(np.maximum(np.diag(kernel), 1e-30))
        distances = -kernel / lengths / lengths[:, None]
        np.fill_diagonal(distances, np.inf)
        nearest = np.argpartition(distances, k - 1, axis=1)[:, :k]
        np.put_along_axis(found[model], nearest, np.float32(1 / np.sqrt(n * k)), axis=1)

    parallel.in_threads(work, range(n_models))
    return found.reshape(n_models, -1)


def _kernel(features: Singles) -> Values:
    """Return the inner products of centred features of unit mean square, shape (n, n)."""
    x = bounded(features)
    size = np.sqrt((x**2).sum(axis=1).mean())
    x = x - x.mean(axis=0)
    spread = np.sqrt((x**2).sum(axis=1).mean())
    if spread <= CONSTANT * size:
        return np.zeros((len(x), len(x)))
    x /= spread
    return np.asarray(np.einsum("id,jd->ij", x, x))


def between(embedded: Singles) -> Values:
    """Return the similarities of all pairs of models, shape (N, N); not by BLAS, whose threads would contend with ours."""
    found = np.empty((len(embedded), len(embedded)))

    def work(rows: slice) -> None:
        found[rows, rows.start :] = np.einsum("ik,jk->ij", embedded[rows], embedded[rows.start :])
        found[rows.start :, rows] = found[rows, rows.start :].T

    parallel.in_threads(work, parallel.slices(len(embedded), _BLOCK))
    return found
