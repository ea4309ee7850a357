"""KL divergence of margins: histograms in closed form, and the largest sample, which public code drops."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.evaluation import Evidence
from harness_evaluators import klom
from harness_evaluators.klom import histograms, released
from tests.unit.evaluators.helpers import metric, value

Make = Callable[..., Evidence]


def _by_definition(left: np.ndarray, right: np.ndarray) -> float:
    """Return the divergence of one example from numpy's histogram, with its closed last bin."""
    sides = [np.clip(side, -100, 100) for side in (left, right)]
    both = np.concatenate(sides)
    p, q = (np.histogram(s, bins=20, range=(both.min(), both.max()))[0] / s.size for s in sides)
    q = np.where(p > 0, np.maximum(q, 1e-5), q)
    q = q / q.sum()
    held = p > 0
    return float((p[held] * np.log(p[held] / q[held])).sum())


def test_it_is_the_divergence_of_numpys_histograms() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((40, 50)) + 1, rng.standard_normal((60, 50))

    expected = [_by_definition(left[:, s], right[:, s]) for s in range(50)]

    assert histograms.divergences(left, right) == pytest.approx(expected, abs=1e-12)


def test_two_bins_give_the_divergence_of_two_coins() -> None:
    """Shares of 3/4 and 1/4 against 1/2 and 1/2: KL = 3/4 log(3/2) + 1/4 log(1/2)."""
    left, right = np.array([[0.0], [0.0], [0.0], [1.0]]), np.array([[0.0], [0.0], [1.0], [1.0]])

    expected = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)

    assert histograms.divergences(left, right)[0] == pytest.approx(expected, abs=1e-12)


def test_the_largest_sample_is_not_lost() -> None:
    """A histogram by half-open bins alone would drop it: all that is left would be alike, and the divergence 0."""
    left, right = np.array([[0.0], [0.0], [0.0], [1.0]]), np.zeros((4, 1))
    dropped = np.digitize(left[:, 0], np.linspace(0, 1, 21)) > 20

    assert dropped.sum() == 1
    assert histograms.counts(histograms.places(left, right)[0])[0, -1] == 1
    assert histograms.divergences(left, right)[0] > 1


def test_margins_are_clipped_at_100() -> None:
    left, right = np.array([[-1e30], [-500.0], [100.0], [1e30]]), np.array([[-100.0], [-100.0], [150.0], [100.0]])

    assert histograms.divergences(left, right)[0] == pytest.approx(0, abs=1e-12)


def test_a_bin_without_retrained_models_costs_what_the_floor_says() -> None:
    left, right = np.ones((5, 1)), np.zeros((5, 1))

    assert histograms.divergences(left, right)[0] == pytest.approx(np.log(1 / 1e-5 * (1 + 1e-5)), abs=1e-9)


def test_constant_margins_do_not_differ() -> None:
    assert histograms.divergences(np.full((4, 3), 2.0), np.full((6, 3), 2.0)) == pytest.approx(0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), sizes=st.tuples(st.integers(2, 16), st.integers(2, 16)))
def test_it_is_never_negative_and_does_not_depend_on_order(seed: int, sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    left, right = (rng.integers(-3, 4, (size, 6)).astype(float) for size in sizes)

    found = histograms.divergences(left, right)

    assert (found >= -1e-12).all()
    assert histograms.divergences(rng.permutation(left), rng.permutation(right)) == pytest.approx(found, abs=1e-12)


def test_swapping_the_populations_turns_the_divergence_round() -> None:
    """KL(3/4, 1/4 || 1/2, 1/2) is not KL(1/2, 1/2 || 3/4, 1/4): the direction is unlearned from retrained."""
    skewed, even = np.array([[0.0], [0.0], [0.0], [1.0]]), np.array([[0.0], [0.0], [1.0], [1.0]])

    expected = 0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25)

    assert histograms.divergences(even, skewed)[0] == pytest.approx(expected, abs=1e-12)


def test_alike_populations_score_as_the_control_does(gaussian: Make) -> None:
    median = metric(klom.evaluate(gaussian(0.0, n_models=32, n_examples=300)), "forget_median")

    assert median.value == pytest.approx(median.control, abs=0.1)
    assert median.position == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("shift", [0.8, -0.8])
def test_forgetting_too_little_and_too_much_both_raise_it(gaussian: Make, shift: float) -> None:
    median = metric(klom.evaluate(gaussian(shift, n_models=32)), "forget_median")

    assert median.value is not None
    assert median.control is not None
    assert median.smallest_visible is not None
    assert median.value > median.control + median.smallest_visible


def test_every_split_has_its_quantiles(gaussian: Make) -> None:
    result = klom.evaluate(gaussian(0.5, n_models=8, n_examples=30))

    for split in ("retain", "forget", "validation", "test"):
        assert value(result, f"{split}_median") <= value(result, f"{split}_p95")
    assert result.arrays["kl_unlearned"].shape == (30,)


def test_few_models_have_no_interval(gaussian: Make) -> None:
    few, enough = (metric(klom.evaluate(gaussian(0.5, n_models=n, n_examples=20)), "forget_median") for n in (15, 16))

    assert few.interval is None
    assert few.smallest_visible is None
    assert enough.interval is not None


def test_the_claimed_noise_is_no_less_than_the_true_one() -> None:
    rng = np.random.default_rng(1)
    found, claimed = [], []
    for _ in range(40):
        common = rng.standard_normal((2, 16, 1))
        one = histograms.summary(*(0.9 * rng.standard_normal((2, 16, 60)) + 0.4 * common)).quantiles[0]
        assert one.left is not None
        assert one.right is not None
        found.append(one.value)
        claimed.append(one.left.var(ddof=1) / 16 + one.right.var(ddof=1) / 16)

    assert 0.8 < np.sqrt(np.mean(claimed)) / np.std(found) < 3


def test_the_released_estimate_drops_the_largest_margin_and_divides_by_the_rest() -> None:
    """Bins of width .1 from 0 to 2. Unlearned 0, 0, .5, 2: the 2 is dropped, so 2/3 and 1/3. Retrained 0, .5, .5, 1: 1/4, 1/2 and
    1/4. KL = 2/3 ln((2/3) / (1/4)) + 1/3 ln((1/3) / (1/2))."""
    left, right = np.array([[0.0], [0.0], [0.5], [2.0]]), np.array([[0.0], [0.5], [0.5], [1.0]])

    expected = 2 / 3 * np.log(8 / 3) + 1 / 3 * np.log(2 / 3)

    assert released.divergences(left, right)[0] == pytest.approx(expected, abs=1e-12)
    assert histograms.divergences(left, right)[0] > expected + 1  # ours counts the 2, where no retrained model is


def test_the_released_estimate_does_not_scale_the_floor_and_can_be_negative() -> None:
    """Unlearned at 0 alone, retrained at 1 alone: the largest margins, those at 1, are dropped on both sides."""
    zeros, ones = np.zeros((4, 1)), np.ones((4, 1))
    half = np.array([[0.0], [0.0], [1.0], [1.0]])

    assert released.divergences(zeros, ones)[0] == pytest.approx(np.log(1e5), abs=1e-12)
    assert released.divergences(ones, zeros)[0] == 0  # nothing is left of the unlearned side
    assert released.divergences(half, half)[0] == 0
    assert released.divergences(np.full((3, 1), 2.0), np.full((3, 1), 2.0))[0] == pytest.approx(0, abs=1e-12)
    assert released.divergences(np.array([[0.0], [200.0]]), np.array([[0.0], [100.0]]))[0] == pytest.approx(
        0, abs=1e-12
    )


def _by_loop(left: np.ndarray, right: np.ndarray) -> float:
    """Return the released estimate of one example by its definition, value by value."""
    left, right = (np.clip(side, -100, 100) for side in (left, right))
    low, high = min(left.min(), right.min()), max(left.max(), right.max())
    edges = np.linspace(low, high if high > low else low + 1, 21)
    p, q = (
        np.array([sum(1 for x in side if a <= x < b) for a, b in pairwise(edges)], dtype=float)
        for side in (left, right)
    )
    p, q = (side / side.sum() if side.sum() else side for side in (p, q))
    return sum(a * np.log(a / max(b, 1e-5)) for a, b in zip(p, q, strict=True) if a > 0)


def test_the_released_estimate_is_that_of_its_definition() -> None:
    rng = np.random.default_rng(3)
    left, right = (rng.standard_normal((30, 25)) * 2 + shift for shift in (1, 0))
    left[:, 0] *= 100

    found = released.divergences(left, right)

    assert found == pytest.approx([_by_loop(left[:, i], right[:, i]) for i in range(25)], abs=1e-12)


def test_the_released_estimate_stands_beside_ours(gaussian: Make) -> None:
    result = klom.evaluate(gaussian(0.8, n_models=20, n_examples=40))

    for split in ("retain", "forget", "validation", "test"):
        theirs = metric(result, f"{split}_p95_easydub")
        assert theirs.interval is None
        assert theirs.value != pytest.approx(value(result, f"{split}_p95"), abs=1e-6)
        assert theirs.control is not None
