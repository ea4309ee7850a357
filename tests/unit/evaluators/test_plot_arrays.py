"""Arrays for the page's plots."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.evaluation import SPLITS, Evidence
from harness_evaluators import accuracy, ks
from harness_evaluators.ks import null_distribution, sample_distances
from tests.unit.evaluators.helpers import metric

LEVELS = (0.025, 0.5, 0.975)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 4), (16, 16)])
def test_null_quantiles_are_the_smallest_distances_whose_probability_suffices(m: int, n: int) -> None:
    for level, distance in zip(LEVELS, null_distribution.null_quantiles(m, n, LEVELS), strict=True):
        count = round(distance * m * n)
        beyond, at_least = null_distribution.tail_probabilities(np.array([count + 1, count]), m, n)
        assert 1 - beyond >= level - 1e-9 or distance == 1
        assert 1 - at_least < level


def test_null_quantiles_of_many_possible_distances_are_those_of_alike_samples_within_the_grid() -> None:
    rng = np.random.default_rng(5)
    signed = sample_distances.distances(rng.standard_normal((32, 4000)), rng.standard_normal((31, 4000)))
    expected = np.quantile(np.abs(signed), LEVELS)

    assert null_distribution.null_quantiles(32, 31, LEVELS) == pytest.approx(expected, abs=0.01)


def test_ks_says_what_distances_alike_models_have(gaussian: Callable[..., Evidence]) -> None:
    found = ks.evaluate(gaussian(n_models=16))

    assert found.arrays["d_null_quantiles"] == pytest.approx([0.125, 0.25, 0.5])


def test_accuracy_has_every_model_and_their_mean_is_the_metric(gaussian: Callable[..., Evidence]) -> None:
    found = accuracy.evaluate(gaussian(n_models=8))

    for split in SPLITS:
        each = found.arrays[f"{split}_per_model_unlearned"]
        assert each.shape == (8,)
        assert each.mean() == pytest.approx(metric(found, split).value)
