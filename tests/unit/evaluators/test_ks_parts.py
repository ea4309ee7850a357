"""Distances, their exact distribution and the multiple tests, compared with scipy and with enumeration."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from harness.evaluation import Evidence
from harness_evaluators import ks
from harness_evaluators.common import half_samples, mean_shift
from harness_evaluators.common.bootstrap import Linear
from harness_evaluators.ks import null_distribution, sample_distances
from tests.unit.evaluators.helpers import value

SIZES = [(8, 8), (7, 12), (4, 30), (64, 64), (63, 64)]


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_distance_and_p_agree_with_scipy(m: int, n: int) -> None:
    rng = np.random.default_rng(m * n)
    left, right = rng.standard_normal((m, 20)) + 0.4, rng.standard_normal((n, 20))

    distance = np.abs(sample_distances.distances(left, right))
    p = null_distribution.p_values(distance, m, n)

    for s in range(20):
        expected = stats.ks_2samp(left[:, s], right[:, s], method="exact")
        assert distance[s] == pytest.approx(expected.statistic, abs=1e-12)
        assert p[s] == pytest.approx(expected.pvalue, rel=1e-9)


def test_ties_count_as_ties() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.integers(-2, 3, (10, 30)).astype(float), rng.integers(-1, 4, (13, 30)).astype(float)

    expected = [stats.ks_2samp(left[:, s], right[:, s], method="asymp").statistic for s in range(30)]

    assert np.abs(sample_distances.distances(left, right)) == pytest.approx(expected, abs=1e-12)


def test_negative_and_positive_zero_are_equal() -> None:
    signed = sample_distances.distances(np.zeros((4, 1)), -np.zeros((4, 1)))

    assert signed[0] == 0


def test_the_distribution_is_that_of_all_orders() -> None:
    """Every choice of 3 places among 7 is equally likely: enumerate them."""
    distances = []
    for places in combinations(range(7), 3):
        left = np.array(places, dtype=float)[:, None]
        right = np.array([i for i in range(7) if i not in places], dtype=float)[:, None]
        distances.append(abs(sample_distances.distances(left, right)[0]))

    for level in range(13):
        expected = np.mean(np.array(distances) * 12 >= level - 1e-9)
        assert null_distribution.tail_probabilities(np.array([level]), 3, 4)[0] == pytest.approx(expected, abs=1e-12)
    assert null_distribution.null_mean(3, 4) == pytest.approx(np.mean(distances), abs=1e-12)


@pytest.mark.parametrize(("m", "n", "tolerance"), [(64, 64, 0.002), (63, 64, 0.004)])
def test_the_null_mean_is_what_alike_samples_show(m: int, n: int, tolerance: float) -> None:
    rng = np.random.default_rng(1)
    signed = sample_distances.distances(rng.standard_normal((m, 3000)), rng.standard_normal((n, 3000)))

    assert null_distribution.null_mean(m, n) == pytest.approx(np.abs(signed).mean(), abs=tolerance)


def test_p_values_of_alike_samples_are_flat() -> None:
    """P(p <= a) <= a for every a, and close to it where a is a value that p can take."""
    rng = np.random.default_rng(2)
    signed = sample_distances.distances(*rng.standard_normal((2, 32, 4000)))
    p = null_distribution.p_values(np.abs(signed), 32, 32)

    for level in np.unique(p)[:8]:
        share = (p <= level + 1e-12).mean()
        assert share == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 4000) + 1e-3)


def test_separated_samples_keep_a_p_value_above_zero() -> None:
    """2 / C(128, 64) is about 8e-38, far below what one less a probability could show."""
    assert null_distribution.p_values(np.array([1.0]), 64, 64)[0] == pytest.approx(2 / 2.395e37, rel=1e-3)


def test_more_levels_than_tabulated_give_no_smaller_p() -> None:
    counts = np.arange(1, 20 * 21 + 1)
    distance = counts / (20 * 21)

    rounded = null_distribution.p_values(distance, 20, 21)

    assert len(counts) > null_distribution.MAX_LEVELS
    assert (rounded >= null_distribution.tail_probabilities(counts, 20, 21) - 1e-12).all()


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_the_wasserstein_distance_agrees_with_scipy(m: int, n: int) -> None:
    rng = np.random.default_rng(3)
    left, right, scale = rng.standard_normal((m, 10)), rng.standard_normal((n, 10)), rng.uniform(1, 2, 10)

    expected = np.mean([stats.wasserstein_distance(left[:, s], right[:, s]) / scale[s] for s in range(10)])

    assert sample_distances.mean_wasserstein(left, right, scale).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize("name", ["D", "Wasserstein"])
def test_halves_show_the_noise_of_a_mean_distance(name: str, shift: float) -> None:
    """Between models that are alike, where a distance has no first-order term, and between others."""
    rng = np.random.default_rng(5)

    def drawn() -> Linear:
        common = rng.standard_normal((2, 16, 1))
        left, right = 0.9 * rng.standard_normal((2, 16, 50)) + 0.4 * common
        if name == "D":
            return sample_distances.compared(left + shift, right).mean
        return sample_distances.mean_wasserstein(left + shift, right, mean_shift.spread(right, 32))

    found = [drawn() for _ in range(150)]
    true = np.std([one.value for one in found])
    claimed = np.sqrt(np.mean([one.deviations**2 for one in found if one.deviations is not None]))

    assert 0.75 < claimed / true < 1.3


def test_a_mean_over_more_examples_than_were_halved_has_less_noise_of_their_own() -> None:
    """Of 400 independent examples, of which every second one is looked at."""
    own = np.random.default_rng(0).standard_normal((16, 200))

    assert np.square(half_samples.of_mean(own, 400)).mean() == pytest.approx(1 / 400, rel=0.5)
    assert half_samples.of_mean(own, 200) == pytest.approx(own.mean(axis=1))


def test_benjamini_hochberg_rejects_up_to_the_last_value_below_the_line(gaussian: Callable[..., Evidence]) -> None:
    """Source: the definition of 1995; rejected are the k smallest of n for the largest k with p_(k) <= 0.05 k / n."""
    result = ks.evaluate(gaussian(1.0, n_models=32))
    ordered = np.sort(result.arrays["p_unlearned"])
    below = np.flatnonzero(ordered <= 0.05 * np.arange(1, ordered.size + 1) / ordered.size)

    assert 0.1 < value(result, "share_rejected") < 0.9
    assert value(result, "share_rejected") == pytest.approx((below[-1] + 1) / ordered.size)
