"""The exact supremum, compared with exhaustive search."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness_evaluators.forgetting_quality import epsilons, strongest_attack

Values = NDArray[np.float64]


def _epsilon_of(fnr: float, fpr: float, delta: float) -> float:
    """Return epsilon of one attack; 0 if it is discarded."""
    if fnr == fpr == 0:
        return 50.0
    if fnr == 0 or fpr == 0:
        return 0.0
    pairs = ((1 - delta - fpr, fnr), (1 - delta - fnr, fpr))
    return max([0.0, *(math.log(top) - math.log(bottom) for top, bottom in pairs if top > 0)])


def brute_force(u: Values, r: Values, delta: float = 1e-5) -> float:
    """Search every threshold in both directions and every closed interval, with either population predicted inside."""
    ends = np.unique(np.concatenate([u, r]))
    regions = [(low, high) for i, low in enumerate(ends) for high in ends[i:]]
    regions += [(t, math.inf) for t in ends] + [(-math.inf, t) for t in ends]
    found = []
    for low, high in regions:
        in_u, in_r = (float(np.mean((low <= side) & (side <= high))) for side in (u, r))
        out_u, out_r = (float(np.mean((side < low) | (side > high))) for side in (u, r))
        found += [_epsilon_of(out_u, in_r, delta), _epsilon_of(out_r, in_u, delta)]
    return min(max(found), 50.0)


def _expected(u: Values, r: Values, delta: float = 1e-5) -> list[float]:
    return [brute_force(one, other, delta) for one, other in zip(u.T, r.T, strict=True)]


@pytest.mark.parametrize("sizes", [(2, 2), (3, 9), (9, 3), (12, 12), (20, 17)])
@pytest.mark.parametrize("shift", [0.0, 1.0, -6.0])
def test_the_supremum_is_that_of_trying_everything(sizes: tuple[int, int], shift: float) -> None:
    rng = np.random.default_rng(sum(sizes))
    u, r = rng.normal(shift, 1, (sizes[0], 8)), rng.normal(0, 1.5, (sizes[1], 8))

    assert epsilons(u, r, attack="exact") == pytest.approx(_expected(u, r), abs=1e-12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    u=st.lists(st.sampled_from([-2.0, -1.0, -0.0, 0.0, 0.5, 1.0, 3.0]), min_size=2, max_size=9),
    r=st.lists(st.sampled_from([-1.0, 0.0, 1.0, 2.0, 3.0]), min_size=2, max_size=9),
)
def test_ties_within_and_between_populations_are_respected(u: list[float], r: list[float]) -> None:
    left, right = np.array(u)[:, None], np.array(r)[:, None]

    assert epsilons(left, right, attack="exact") == pytest.approx(_expected(left, right), abs=1e-12)


@pytest.mark.parametrize("delta", [0.0, 1e-5, 0.2])
def test_delta_is_taken_off_the_true_rates(delta: float) -> None:
    rng = np.random.default_rng(4)
    u, r = rng.normal(0.5, 1, (11, 6)), rng.normal(0, 1, (13, 6))

    assert epsilons(u, r, attack="exact", delta=delta) == pytest.approx(_expected(u, r, delta), abs=1e-12)


def test_more_examples_than_a_block_are_all_attacked() -> None:
    rng = np.random.default_rng(5)
    n = 2 * strongest_attack.BLOCK + 5
    u, r = rng.normal(0.5, 1, (6, n)), rng.normal(0, 1, (6, n))

    assert epsilons(u, r, attack="exact") == pytest.approx(_expected(u, r), abs=1e-12)
