"""Parts of the attack: folds, cross-fitting, the ROC curve, and the estimated noise."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri

from harness.evaluation import Evidence
from harness_evaluators import lira
from harness_evaluators.common import cross_fit_attack, likelihood_ratio, mean_shift, rank_scores, roc
from tests.unit.evaluators.conftest import gaussian_evidence
from tests.unit.evaluators.helpers import fitted, metric

Values = NDArray[np.float64]


def _auc(left: Values, right: Values, rng: np.random.Generator) -> float:
    where = cross_fit_attack.splits((len(left), len(right)), likelihood_ratio.fold_count(len(left), len(right)), 1, rng)
    return float(roc.numbers(likelihood_ratio.cross_fit(left, right, *where[0]))[0])


@pytest.mark.parametrize("n_models", [4, 8, 16, 64])
def test_the_auc_is_unbiased_where_populations_are_alike(n_models: int) -> None:
    """In-sample it would be far above one half: balanced accuracy .623 at N = 8."""
    rng = np.random.default_rng(n_models)
    found = [_auc(*rng.standard_normal((2, n_models, 60)), rng) for _ in range(1600 // n_models)]

    standard_error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - 0.5) < 3.5 * standard_error
    assert standard_error < 0.003


def test_unequal_populations_are_unbiased_too() -> None:
    rng = np.random.default_rng(0)
    found = [_auc(rng.standard_normal((5, 60)), rng.standard_normal((20, 60)), rng) for _ in range(200)]

    assert np.mean(found) == pytest.approx(0.5, abs=3.5 * np.std(found) / np.sqrt(200))


def test_in_sample_scoring_would_be_caught() -> None:
    """The bias that cross-fitting removes is there in the data: a fit scored on itself exceeds one half by far."""
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((2, 8, 200))
    one, other = fitted(left, right)
    scores = [np.sort(one.log_density(x) - other.log_density(x), axis=None) for x in (left, right)]

    assert roc.auc(*scores) > 0.6
    assert _auc(left, right, rng) < 0.53


def test_a_models_score_does_not_depend_on_the_models_of_its_fold() -> None:
    rng = np.random.default_rng(1)
    left, right = rng.standard_normal((2, 8, 5))
    folds = np.arange(8) % 4
    before = likelihood_ratio.cross_fit(left, right, folds, folds)[2]
    changed = left.copy()
    changed[6] += 100.0  # of fold 2, beside model 2

    after = likelihood_ratio.cross_fit(changed, right, folds, folds)[2]

    assert np.array_equal(before.left[0], after.left[0])
    assert np.array_equal(before.right, after.right)


def test_every_model_is_scored_once() -> None:
    rng = np.random.default_rng(2)
    numbers = likelihood_ratio.fold_numbers(11, 4, rng)

    assert sorted(np.bincount(numbers)) == [2, 3, 3, 3]


def test_resampling_does_not_leak_models_across_folds() -> None:
    """A bootstrap that drew rows of the evidence and ran the attack on them would find the null far from one half."""
    rng = np.random.default_rng(3)
    left, right = rng.standard_normal((2, 16, 200))
    draws = [rng.integers(16, size=(2, 16)) for _ in range(20)]
    leaky = [_auc(left[i], right[j], rng) for i, j in draws]
    result = lira.evaluate(gaussian_evidence(0.0, n_models=16, n_examples=200))
    ours = metric(result, "auc").control_interval

    assert np.mean(leaky) > 0.55
    assert ours is not None
    assert ours.low < 0.5 < ours.high


def test_fewer_than_16_models_have_no_interval() -> None:
    found = lira.evaluate(gaussian_evidence(n_models=15, n_examples=20, seed=0))

    for name in ("auc", "balanced_accuracy", "direction"):
        assert metric(found, name).interval is None
        assert "16 models" in metric(found, name).note


def test_the_true_positive_rate_of_noise_is_the_false_positive_rate() -> None:
    rng = np.random.default_rng(5)
    rates = np.array([0.01, 0.1, 0.5])
    found = [roc.tpr_at(*np.sort(rng.standard_normal((2, 500)), axis=1), rates) for _ in range(300)]

    assert np.mean(found, axis=0) == pytest.approx(rates, rel=0.1)


def test_ties_give_the_chance_line() -> None:
    constant = np.zeros(99)

    assert roc.tpr_at(constant, constant, np.array([0.05, 0.4, 1.0])) == pytest.approx([0.05, 0.4, 1.0])


def test_a_rate_that_cannot_be_resolved_is_not_reported() -> None:
    result = lira.evaluate(gaussian_evidence(0.5, n_models=8, n_examples=10))

    assert metric(result, "tpr_at_01_percent_fpr").value is None
    assert "too few" in metric(result, "tpr_at_01_percent_fpr").note


def test_separated_populations_are_told_apart() -> None:
    """Perfectly by raw confidence; by ranks but for the tails, where densities of normal scores overlap a little."""
    result = lira.evaluate(gaussian_evidence(50.0, n_models=16, n_examples=50))

    assert metric(result, "auc_gaussian").value == pytest.approx(1.0)
    for name, least in {"auc": 0.99, "balanced_accuracy": 0.95, "tpr_at_1_percent_fpr": 0.9}.items():
        assert (metric(result, name).value or 0.0) > least


def test_variances_are_per_example_only_with_many_models() -> None:
    rng = np.random.default_rng(6)
    spreads = np.array([0.5, 2.0])

    few, _ = fitted(*(rng.standard_normal((2, 16, 2)) * spreads))
    many, _ = fitted(*(rng.standard_normal((2, 64, 2)) * spreads))

    assert few.variance[0] == few.variance[1]
    assert many.variance[1] > 4 * many.variance[0]


def test_a_changed_spread_is_seen_though_means_agree() -> None:
    """Two-sided by construction: what differs may be the spread alone."""
    rng = np.random.default_rng(7)
    left, right = 0.3 * rng.standard_normal((64, 100)), rng.standard_normal((64, 100))

    assert _auc(left, right, rng) > 0.7
    assert abs(mean_shift.shift(left, right, np.ones(100)).mean.value) < 0.1


def test_significant_shares_keep_their_level() -> None:
    rng = np.random.default_rng(8)
    left, right = rng.standard_normal((2, 10, 4000))

    found = mean_shift.shift(left, right, np.ones(4000))

    assert found.under == pytest.approx(0.025, abs=0.01)
    assert found.over == pytest.approx(0.025, abs=0.01)


def test_evidence_is_left_as_it_was(gaussian: object) -> None:
    evidence: Evidence = gaussian_evidence(n_models=8, n_examples=10)
    before = {name: by["forget"].copy() for name, by in evidence.logits.items()}

    lira.evaluate(evidence)

    assert all(np.array_equal(before[name], evidence.logits[name]["forget"]) for name in before)


def test_two_scaled_models_do_not_blind_the_attack() -> None:
    """Scaling logits changes no answer: 2 of 32 untouched models scaled by 10,000, the rest by 0.55."""
    rng = np.random.default_rng(1)
    mean, shift = rng.normal(0, 2, 100), np.abs(rng.normal(1.4, 0.8, 100))
    right, noop = (mean + rng.standard_normal((2, 32, 100))) + np.array([0, 1])[:, None, None] * shift
    scaled = 0.55 * noop
    scaled[[3, 17]] *= 1e4 / 0.55
    where = cross_fit_attack.splits((32, 32), 4, 2, rng)

    robust = cross_fit_attack.value(rank_scores.normal_scores(scaled, right), where)[0]

    assert robust > 0.7
    assert robust > cross_fit_attack.value((scaled, right), where)[0] + 0.1


def test_normal_scores_depend_on_order_alone_and_ties_share_a_rank() -> None:
    left, right = np.array([[1.0], [1.0]]), np.array([[1.0], [9e9]])

    scores = np.concatenate(rank_scores.normal_scores(left, right))[:, 0]

    assert scores[:3] == pytest.approx(ndtri((2 - 0.375) / 4.25))
    assert scores[3] == pytest.approx(ndtri((4 - 0.375) / 4.25))


def test_a_scaled_model_does_not_move_the_direction_beyond_measure() -> None:
    rng = np.random.default_rng(2)
    right, left = rng.standard_normal((2, 32, 100))
    cut = mean_shift.winsorised(left, [right])
    left[0] *= 1e6

    assert np.abs(mean_shift.winsorised(left, [right])).max() < 20
    assert np.array_equal(cut[1:], left[1:])
