"""Distances, their exact distribution and the choice among many tests, against scipy and by counting."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from harness_evaluators import _ks, _ks_null, _multiple

SIZES = [(8, 8), (7, 12), (4, 30), (64, 64), (63, 64)]


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_distance_and_p_agree_with_scipy(m: int, n: int) -> None:
    rng = np.random.default_rng(m * n)
    left, right = rng.standard_normal((m, 20)) + 0.4, rng.standard_normal((n, 20))

    distance = np.abs(_ks.distances(left, right)[0])
    p = _ks_null.p_values(distance, m, n)

    for s in range(20):
        expected = stats.ks_2samp(left[:, s], right[:, s], method="exact")
        assert distance[s] == pytest.approx(expected.statistic, abs=1e-12)
        assert p[s] == pytest.approx(expected.pvalue, rel=1e-9)


def test_ties_count_as_ties() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.integers(-2, 3, (10, 30)).astype(float), rng.integers(-1, 4, (13, 30)).astype(float)

    expected = [stats.ks_2samp(left[:, s], right[:, s], method="asymp").statistic for s in range(30)]

    assert np.abs(_ks.distances(left, right)[0]) == pytest.approx(expected, abs=1e-12)


def test_negative_and_positive_zero_are_equal() -> None:
    signed, _ = _ks.distances(np.zeros((4, 1)), -np.zeros((4, 1)))

    assert signed[0] == 0


def test_the_distribution_is_that_of_all_orders() -> None:
    """Every choice of 3 places among 7 is equally likely: enumerate them."""
    distances = []
    for places in combinations(range(7), 3):
        left = np.array(places, dtype=float)[:, None]
        right = np.array([i for i in range(7) if i not in places], dtype=float)[:, None]
        distances.append(abs(_ks.distances(left, right)[0][0]))

    for level in range(13):
        expected = np.mean(np.array(distances) * 12 >= level - 1e-9)
        assert _ks_null.tail_probabilities(np.array([level]), 3, 4)[0] == pytest.approx(expected, abs=1e-12)
    assert _ks_null.null_mean(3, 4) == pytest.approx(np.mean(distances), abs=1e-12)


@pytest.mark.parametrize(("m", "n", "tolerance"), [(64, 64, 0.002), (63, 64, 0.004)])
def test_the_null_mean_is_what_alike_samples_show(m: int, n: int, tolerance: float) -> None:
    rng = np.random.default_rng(1)
    signed, _ = _ks.distances(rng.standard_normal((m, 3000)), rng.standard_normal((n, 3000)))

    assert _ks_null.null_mean(m, n) == pytest.approx(np.abs(signed).mean(), abs=tolerance)


def test_p_values_of_alike_samples_are_flat() -> None:
    """P(p <= a) <= a for every a, and close to it where a is a value that p can take."""
    rng = np.random.default_rng(2)
    signed, _ = _ks.distances(*rng.standard_normal((2, 32, 4000)))
    p = _ks_null.p_values(np.abs(signed), 32, 32)

    for level in np.unique(p)[:8]:
        share = (p <= level + 1e-12).mean()
        assert share == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 4000) + 1e-3)


def test_separated_samples_keep_a_p_value_above_zero() -> None:
    """2 / C(128, 64) is about 8e-38, far below what one less a probability could show."""
    assert _ks_null.p_values(np.array([1.0]), 64, 64)[0] == pytest.approx(2 / 2.395e37, rel=1e-3)


def test_more_levels_than_tabulated_give_no_smaller_p() -> None:
    counts = np.arange(1, 20 * 21 + 1)
    distance = counts / (20 * 21)

    rounded = _ks_null.p_values(distance, 20, 21)

    assert len(counts) > _ks_null.MAX_LEVELS
    assert (rounded >= _ks_null.tail_probabilities(counts, 20, 21) - 1e-12).all()


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_the_wasserstein_distance_agrees_with_scipy(m: int, n: int) -> None:
    rng = np.random.default_rng(3)
    left, right, scale = rng.standard_normal((m, 10)), rng.standard_normal((n, 10)), rng.uniform(1, 2, 10)

    expected = np.mean([stats.wasserstein_distance(left[:, s], right[:, s]) / scale[s] for s in range(10)])

    assert _ks.mean_wasserstein(left, right, scale).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["mean_distance", "mean_wasserstein"])
def test_contributions_are_the_change_when_a_model_gains_weight(name: str) -> None:
    """Doubling every model but one is a small change of weights: the statistic moves as the contributions say, and up to a
    fifth more, since contributions are scaled to the noise of the mean."""
    rng = np.random.default_rng(4)
    left, right = rng.standard_normal((9, 300)) + 1, rng.standard_normal((11, 300))
    scale = (np.ones(300),) if name == "mean_wasserstein" else ()
    statistic = getattr(_ks, name)
    base = statistic(left, right, *scale)
    assert base.left is not None

    repeats = 40
    heavy = np.concatenate([np.repeat(left, repeats, axis=0), left[:1]])
    moved = statistic(heavy, right, *scale).value - base.value
    predicted = (base.left[0] - base.left.mean()) / (9 * repeats + 1)

    assert 0.8 < predicted / moved < 1.05


def test_the_claimed_noise_is_no_less_than_the_true_one() -> None:
    rng = np.random.default_rng(5)
    found, claimed = [], []
    for _ in range(150):
        common = rng.standard_normal((2, 16, 1))
        left, right = 0.9 * rng.standard_normal((2, 16, 50)) + 0.4 * common
        one = _ks.mean_distance(left + 0.5, right)
        assert one.left is not None
        assert one.right is not None
        found.append(one.value)
        claimed.append(one.left.var(ddof=1) / 16 + one.right.var(ddof=1) / 16)

    assert 0.8 < np.sqrt(np.mean(claimed)) / np.std(found) < 1.5


def test_benjamini_hochberg_rejects_up_to_the_last_value_below_the_line() -> None:
    """The line is .0125, .025, .0375, .05: .04 is above its own point, but .045 is below the last."""
    assert _multiple.rejected_share(np.array([0.04, 0.001, 0.045, 0.03])) == 1.0
    assert _multiple.rejected_share(np.array([0.04, 0.001, 0.06, 0.03])) == 0.25
    assert _multiple.rejected_share(np.array([0.9, 0.8])) == 0.0
