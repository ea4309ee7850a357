"""The starting kit's attack, compared with scikit-learn's optimum, and the thresholds on features in closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from harness.evaluation import Evidence
from harness_evaluators import membership
from harness_evaluators.common import example_sets
from harness_evaluators.membership import logistic, simple_mia, threshold_mia
from tests.unit.evaluators.helpers import assert_well_formed, metric, value

Make = Callable[..., Evidence]


def _losses(seed: int, size: int = 100) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.exponential(1.0, (3, size)), rng.exponential([[0.5], [1.0], [8.0]], (3, size))


def _objective(parameters: np.ndarray, x: np.ndarray, y: np.ndarray, penalty: float) -> float:
    """Return the sum of log losses and half the squared slope times the penalty; the intercept is free."""
    z = parameters[0] * x + parameters[1]
    return float(np.logaddexp(0, np.where(y > 0.5, -z, z)).sum() + penalty * parameters[0] ** 2 / 2)


@pytest.mark.parametrize("penalty", [1.0, 0.01, 100.0])
def test_the_optimum_is_that_of_the_penalised_likelihood(penalty: float) -> None:
    unseen, forgotten = _losses(0)
    x, y = np.concatenate([unseen, forgotten], axis=1), np.repeat([0.0, 1.0], 100)

    found = logistic.fit(x, y, np.full(3, penalty))

    for row, parameters in zip(x, found, strict=True):
        best = minimize(_objective, np.zeros(2), (row, y, penalty), method="Nelder-Mead", options={"xatol": 1e-8})
        assert _objective(parameters, row, y, penalty) <= best.fun + 1e-7


def test_separated_classes_still_have_a_finite_fit() -> None:
    x, y = np.array([[-1.0, -1.0, 1.0, 1.0]]), np.array([0.0, 0.0, 1.0, 1.0])

    found = logistic.fit(x, y, np.array([1e-12]))

    assert np.isfinite(found).all()
    assert ((x * found[:, :1] + found[:, 1:] > 0) == (y > 0.5)).all()


def test_accuracy_is_that_of_scikit_learn_on_the_same_splits() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    selection = pytest.importorskip("sklearn.model_selection")
    unseen, forgotten = _losses(1)
    y = np.repeat([0, 1], 100)
    rule = selection.StratifiedShuffleSplit(n_splits=10, random_state=0)

    ours = simple_mia.accuracies(unseen, forgotten, list(rule.split(np.zeros((200, 1)), y)))

    for i in range(3):
        x = np.concatenate([unseen[i], forgotten[i]])[:, None]
        theirs = selection.cross_val_score(linear_model.LogisticRegression(), x, y, cv=rule).mean()
        assert ours[i] == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("size", [6, 7, 13, 100])
def test_splits_are_stratified_and_hold_a_tenth_out(size: int) -> None:
    for train, test in simple_mia.shuffle_splits(size, np.random.default_rng(0)):
        assert sorted(np.concatenate([train, test])) == list(range(2 * size))
        assert len(test) == int(np.ceil(0.2 * size))
        assert abs((test >= size).sum() - (test < size).sum()) <= 1


def test_losses_are_cross_entropies() -> None:
    phi = np.log(np.array([0.9, 0.5, 0.1]) / np.array([0.1, 0.5, 0.9]))

    assert simple_mia.losses(phi) == pytest.approx(-np.log([0.9, 0.5, 0.1]))


def test_memorised_examples_are_told_apart_to_the_known_accuracy() -> None:
    """Losses of 0 and of 1 are separated; equal ones are not."""
    splits = simple_mia.shuffle_splits(50, np.random.default_rng(0))

    assert simple_mia.accuracies(np.ones((1, 50)), np.zeros((1, 50)), splits) == pytest.approx([1.0])
    assert simple_mia.accuracies(np.ones((1, 50)), np.ones((1, 50)), splits) == pytest.approx([0.5])


def test_losses_beyond_all_measure_are_no_obstacle() -> None:
    unseen, forgotten = np.full((1, 20), 1e30), np.linspace(0, 1, 20)[None]
    splits = simple_mia.shuffle_splits(20, np.random.default_rng(0))

    assert simple_mia.accuracies(unseen, forgotten, splits) == pytest.approx([1.0])


def test_the_subsample_does_not_depend_on_the_order_of_examples() -> None:
    ids = np.array([f"x{i}" for i in range(30)])
    order = np.random.default_rng(1).permutation(30)

    first = ids[simple_mia.subsamples(ids, 9, 2, np.random.default_rng(0))]
    second = ids[order][simple_mia.subsamples(ids[order], 9, 2, np.random.default_rng(0))]

    assert first.tolist() == second.tolist()
    assert first.shape == (2, 9)
    assert all(len(set(draw)) == 9 for draw in first)


POSTERIORS = np.array([[0.7, 0.2, 0.1], [0.05, 0.15, 0.8], [0.3, 0.3, 0.4]])
LABELS = np.array([0, 1, 2])


def test_features_are_those_of_the_formulas_example_by_example() -> None:
    """A batch of three with different labels: a feature that indexes columns over the whole batch would be wrong."""
    confidence, entropy, modified = threshold_mia.features(np.log(POSTERIORS)[None], LABELS)[:, 0]

    for i, (p, y) in enumerate(zip(POSTERIORS, LABELS, strict=True)):
        others = sum(p[k] * np.log(1 - p[k]) for k in range(3) if k != y)
        assert confidence[i] == pytest.approx(np.log(p[y] / (1 - p[y])))
        assert entropy[i] == pytest.approx((p * np.log(p)).sum())
        assert modified[i] == pytest.approx((1 - p[y]) * np.log(p[y]) + others)


def test_modified_entropy_tells_certain_and_right_from_certain_and_wrong() -> None:
    """Without log(1 - p) both have none, as the plain entropy has."""
    logits = np.array([[[50.0, 0.0], [50.0, 0.0]]])

    _, entropy, modified = threshold_mia.features(logits, np.array([0, 1]))[:, 0]

    assert entropy == pytest.approx([0, 0], abs=1e-12)
    assert modified == pytest.approx([0, -100], abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(classes=st.integers(2, 16), scale=st.sampled_from([0.1, 10.0, 1e3, 1e30]), seed=st.integers(0, 10_000))
def test_features_are_finite_for_any_logits(classes: int, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = threshold_mia.features(scale * rng.standard_normal((2, 6, classes)), rng.integers(classes, size=6))

    assert np.isfinite(found).all()


def test_the_best_threshold_lies_between_the_classes() -> None:
    members, others = np.array([3.0, 4.0, 5.0]), np.array([0.0, 1.0, 4.5])

    assert threshold_mia.best_threshold(members, others, np.ones(3)) == 2.0
    assert threshold_mia.best_threshold(np.ones(3), np.ones(3), np.ones(3)) == np.inf


def test_unseen_examples_weigh_as_the_classes_of_the_forgotten_ones() -> None:
    weights = example_sets.class_weights(np.array([0, 0, 0, 2]), np.array([0, 1, 2, 2]))

    assert weights == pytest.approx([0.75, 0, 0.125, 0.125])


def test_members_that_are_no_members_are_told_apart_by_chance(gaussian: Make) -> None:
    """Thresholds come from other examples, so that retrained models score one half on average and not above it."""
    found = []
    for seed in range(12):
        evidence = gaussian(0.0, n_models=4, n_examples=60, n_classes=2, seed=seed)
        found.append([metric(membership.evaluate(evidence), f"{n}_mia").control for n in threshold_mia.FEATURES])

    error = np.std(found, axis=0) / np.sqrt(12)
    assert (np.abs(np.mean(found, axis=0) - 0.5) < 3.5 * error).all()


def test_more_confident_models_are_caught_and_less_confident_ones_fall_below(gaussian: Make) -> None:
    under, over = (membership.evaluate(gaussian(shift, n_models=8, n_examples=300)) for shift in (2.0, -2.0))

    for name in ("confidence_mia", "modified_entropy_mia"):
        assert value(under, name) > metric(under, name).control + 0.1
        assert value(over, name) < metric(over, name).control - 0.02
        for result in (under, over):
            assert metric(result, name).position < 0.95
    assert value(under, "simple_mia") > metric(under, "simple_mia").control + 0.1


def test_the_noop_stands_at_zero_and_perfect_unlearning_at_one(gaussian: Make) -> None:
    perfect = membership.evaluate(gaussian(0.0, n_models=16, n_examples=200))
    idle = membership.evaluate(gaussian(1.5, n_models=16, n_examples=200))

    for name in ("simple_mia", "confidence_mia", "modified_entropy_mia"):
        assert metric(perfect, name).position == pytest.approx(1, abs=0.25)
        assert metric(idle, name).position == pytest.approx(0, abs=0.25)


def test_a_forget_set_of_one_class_is_compared_with_that_class(gaussian: Make) -> None:
    """The kit's attack then tells classes apart, and the reader is told."""
    evidence = gaussian(0.0, n_models=4, n_examples=80)
    labels = {**evidence.labels, "forget": np.zeros(80, dtype=np.int64)}

    result = membership.evaluate(replace(evidence, labels=labels))

    assert any("other shares" in warning for warning in result.warnings)
    assert_well_formed(result)


def test_classes_that_the_test_set_lacks_leave_no_threshold(gaussian: Make) -> None:
    evidence = gaussian(0.0, n_models=4, n_examples=40)
    labels = {**evidence.labels, "forget": np.zeros(40, dtype=np.int64), "test": np.ones(40, dtype=np.int64)}

    result = membership.evaluate(replace(evidence, labels=labels))

    assert metric(result, "confidence_mia").value is None
    assert metric(result, "simple_mia").value is not None
    assert_well_formed(result)


def test_constant_outputs_give_finite_numbers(gaussian: Make) -> None:
    evidence = gaussian(0.0, n_models=4, n_examples=30)
    constant = {split: np.zeros_like(logits) for split, logits in evidence.logits["unlearned"].items()}

    result = membership.evaluate(replace(evidence, logits={**evidence.logits, "unlearned": constant}))

    assert_well_formed(result)
    assert value(result, "simple_mia") == pytest.approx(0.5, abs=1e-12)
