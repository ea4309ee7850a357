"""Made-up populations of models whose truth is known.

The logit-scaled confidence of model r on example i is mu_i + s_i (sqrt(c) a_r + sqrt(1 - c) e_ri + shift h_i), with
mu ~ N(0, 4), ln s ~ N(0, .22^2), h = abs(N(1.4, .8^2)), a ~ N(0, 1), and c the correlation of examples. The no-op has a
shift of 1. The first kind has the moments of the bundled task `faces`: correlation .01, tails of a Normal. The second has
correlation .1; the third Student's t with 3 degrees of freedom and ln s ~ N(0, .8^2).
"""

from __future__ import annotations

import functools

import numpy as np

from benchmarks.judging import evidence_of
from benchmarks.populations import Kind, Law
from harness.evaluation import Evidence

SHIFTS = {"null": 0.0, "moderate": 0.25, "no-op": 1.0}
"""What is left in the unlearned models, as a share of the no-op's shift."""

FORGOTTEN, UNSEEN = 100, 300
"""Examples."""

SIZES = {"forget": FORGOTTEN, "test": UNSEEN}
KINDS = (
    Kind("faces-like", SIZES),
    Kind("correlation .1", SIZES, correlation=0.1),
    Kind("t3 tails", SIZES, spread=0.8, tails=3),
)


def evidence(kind: Kind, n_models: int, shift: float, seed: int) -> Evidence:
    """Draw models of all populations anew, unlearned ones with ``shift`` of the no-op's, and another seed of the evaluation."""
    rng = np.random.default_rng([seed, n_models])
    law = _law(KINDS.index(kind))
    return evidence_of(law.models(n_models, rng, remembered=shift), law.world(n_models, rng), seed=seed)


@functools.lru_cache
def _law(number: int) -> Law:
    """Return the examples of a kind, the same ones in every study."""
    return Law.draw(KINDS[number], np.random.default_rng(number))
