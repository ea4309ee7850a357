"""Distances between posteriors in closed form, and errors of public code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from harness.evaluation import Evidence
from harness_evaluators import divergence
from harness_evaluators.common import model_pairs, posterior_distances
from tests.unit.evaluators.helpers import metric, value

Make = Callable[..., Evidence]


def _single(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_a_certain_and_an_undecided_coin_are_a_known_divergence_apart() -> None:
    """JS((1, 0), (1/2, 1/2)) = H(3/4, 1/4) - 1/2 bit = 0.3113 bit."""
    expected = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25)) - 0.5

    assert posterior_distances.jensen_shannon(_single(1, 0), _single(0.5, 0.5)) == pytest.approx(expected, abs=1e-6)


def test_opposite_certainties_are_one_bit_apart() -> None:
    assert posterior_distances.jensen_shannon(_single(1, 0), _single(0, 1)) == pytest.approx(1, abs=1e-6)


def test_it_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(7), (2, 40)).astype(np.float32)

    expected = [jensenshannon(one, other, base=2) ** 2 for one, other in zip(p, q, strict=True)]

    assert posterior_distances.jensen_shannon(p, q) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    classes=st.integers(2, 16),
    scale=st.sampled_from([0.1, 1.0, 30.0, 1e4, 1e30]),
    seed=st.integers(0, 10_000),
)
def test_it_is_symmetric_bounded_and_zero_for_itself(classes: int, scale: float, seed: int) -> None:
    z = scale * np.random.default_rng(seed).standard_normal((2, 5, classes))
    p, q = (posterior_distances.softmax(one) for one in z)

    found = posterior_distances.jensen_shannon(p, q)

    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()
    assert found == pytest.approx(posterior_distances.jensen_shannon(q, p), abs=1e-7)
    assert (posterior_distances.jensen_shannon(p, p) == 0).all()


@pytest.mark.parametrize("n_classes", [10, 100])
def test_zrf_does_not_divide_by_the_number_of_classes(n_classes: int) -> None:
    """Certain models are far from the undecided one; a mean over classes as well would put every model near 1."""
    certain = np.zeros((2, 5, n_classes), dtype=np.float32)
    certain[..., 0] = 1
    even = np.full(n_classes, 1 / n_classes, dtype=np.float32)
    peak = (1 + 1 / n_classes) / 2
    middle = -peak * np.log2(peak) - (n_classes - 1) / (2 * n_classes) * np.log2(1 / (2 * n_classes))
    expected = 1 - (middle - np.log2(n_classes) / 2)

    found = posterior_distances.zero_retrain_forgetting(certain, even)

    assert found == pytest.approx([expected, expected], abs=1e-5)
    assert found.max() < 0.4


def test_zrf_mixes_before_it_measures() -> None:
    """With the direction reversed, KL(mixture || posterior) is infinite where a posterior is 0; ours is bounded by 1."""
    found = posterior_distances.zero_retrain_forgetting(_single(1, 0)[None, None], _single(0, 1))

    assert found == pytest.approx([0.0], abs=1e-6)


def test_the_reference_itself_scores_one() -> None:
    even = np.full((3, 4, 5), 0.2, dtype=np.float32)

    assert posterior_distances.zero_retrain_forgetting(even, even[0, 0]) == pytest.approx([1, 1, 1])


@pytest.mark.parametrize(("left", "right"), [(4, 4), (8, 64), (64, 8), (5, 7), (100, 100)])
def test_no_pair_is_taken_twice_and_no_retrained_model_is_left_out(left: int, right: int) -> None:
    lists = model_pairs.partners(left, right)
    pairs = {(i, int(j)) for row in lists for i, j in enumerate(row)}

    assert len(pairs) == left * len(lists)
    assert {j for _, j in pairs} == set(range(right))


def test_activation_distance_and_completeness_of_known_posteriors() -> None:
    left = np.tile(_single(1, 0), (4, 3, 1))
    right = np.tile(_single(0, 1), (4, 3, 1))
    right[:, 0] = _single(1, 0)

    assert posterior_distances.mean_activation_distance(left, right).value == pytest.approx(2 / 3 * np.sqrt(2))
    assert posterior_distances.mean_completeness(left, right).value == pytest.approx(1 / 3)


def test_the_excess_of_two_constant_populations_is_twice_their_divergence() -> None:
    left, right = np.tile(_single(1, 0), (6, 3, 1)), np.tile(_single(0, 1), (5, 3, 1))
    across = posterior_distances.mean_jensen_shannon(left, right)
    within = [posterior_distances.jensen_shannon_within(side) for side in (left, right)]

    assert posterior_distances.excess(across, *within).value == pytest.approx(2, abs=1e-6)


@pytest.mark.parametrize("n_models", [5, 16])
def test_the_excess_is_unbiased_where_populations_are_alike(n_models: int) -> None:
    rng = np.random.default_rng(n_models)
    found = []
    for _ in range(60):
        left, right = posterior_distances.softmax(rng.standard_normal((2, n_models, 20, 4)))
        within = [posterior_distances.jensen_shannon_within(side) for side in (left, right)]
        found.append(posterior_distances.excess(posterior_distances.mean_jensen_shannon(left, right), *within).value)

    assert abs(np.mean(found)) < 3.5 * np.std(found) / np.sqrt(60)
    assert np.std(found) < 0.02


@pytest.mark.parametrize("shift", [0.7, -0.7])
def test_too_little_and_too_much_forgetting_both_raise_the_excess(gaussian: Make, shift: float) -> None:
    """The plain divergence falls for surer models, which is why it has no position."""
    result = divergence.evaluate(gaussian(shift, n_models=16))
    excess = metric(result, "js_excess")

    assert excess.value is not None
    assert excess.smallest_visible is not None
    assert excess.value > excess.smallest_visible
    assert excess.position is not None
    assert excess.position < 0.95
    assert metric(result, "js").position is None


def test_alike_populations_score_as_the_control_does(gaussian: Make) -> None:
    result = divergence.evaluate(gaussian(0.0, n_models=32))

    assert metric(result, "js_excess").position == pytest.approx(1, abs=0.1)
    for name in ("js", "activation_distance", "completeness", "zrf_uniform"):
        assert value(result, name) == pytest.approx(metric(result, name).control, abs=0.02)


def test_contributions_are_the_change_when_a_model_gains_weight() -> None:
    """A model whose pairs are far apart raises the mean when it gains weight."""
    rng = np.random.default_rng(3)
    left, right = posterior_distances.softmax(rng.standard_normal((2, 6, 30, 4)))
    found = posterior_distances.mean_jensen_shannon(left, right)
    every = np.array([[posterior_distances.jensen_shannon(a, b).mean() for b in right] for a in left])

    assert found.value == pytest.approx(every.mean(), abs=1e-9)
    assert found.left == pytest.approx(every.mean(axis=1) - every.mean(), abs=1e-9)
    assert found.right == pytest.approx(every.mean(axis=0) - every.mean(), abs=1e-9)
