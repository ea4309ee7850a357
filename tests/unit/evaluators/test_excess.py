"""The comparison of forget and test set, and the effective number of models."""

from __future__ import annotations

import numpy as np
import pytest

from harness_evaluators.forgetting import effective_models, excess_test
from harness_evaluators.forgetting.excess_test import Distances

FORGET, TEST, MODELS = 60, 120, 12


def _distances(rng: np.random.Generator) -> Distances:
    return Distances.of(rng.normal(size=(3 * MODELS, FORGET + TEST)), MODELS)


def test_examples_that_are_alike_stand_out_in_a_twentieth_of_draws() -> None:
    p = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        found = excess_test.test(
            {"": _distances(rng)}, excess_test.by_difficulty(rng.normal(size=FORGET + TEST)), FORGET, rng
        )
        assert found is not None
        p.append(found.p)

    assert sum(one <= 0.05 for one in p) <= 10  # at a level of 5 %, 11 or more have a probability of 1 %
    assert 0.4 < np.mean(p) < 0.7  # ties count against a difference, so that it lies above 0.5


def test_copies_of_one_model_stand_out_no_more_often() -> None:
    p = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(3 * MODELS, FORGET + TEST))
        values[:MODELS] = values[0]
        found = excess_test.test(
            {"": Distances.of(values, MODELS)}, np.zeros(FORGET + TEST, dtype=np.int64), FORGET, rng
        )
        p.append(1.0 if found is None else found.p)

    assert sum(one <= 0.05 for one in p) <= 6


def test_what_difficulty_explains_does_not_stand_out() -> None:
    rng = np.random.default_rng(0)
    difficulty = np.concatenate([rng.normal(0.7, 1, FORGET), rng.normal(0, 1, TEST)])
    values = rng.normal(size=(3 * MODELS, FORGET + TEST))
    values[:MODELS] += difficulty
    strata = excess_test.by_difficulty(difficulty)
    seen = [
        excess_test.test({"": Distances.of(values, MODELS)}, one, FORGET, rng)
        for one in (strata, np.zeros_like(strata))
    ]

    assert [one is not None and one.p > 0.05 for one in seen] == [True, False]


@pytest.mark.parametrize("classes", [1, 4])
def test_a_difference_on_forgotten_examples_alone_stands_out(classes: int) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3 * MODELS, FORGET + TEST, classes))
    values[:MODELS, :FORGET, 0] += 1
    distances = Distances.of(values if classes > 1 else values[..., 0], MODELS)
    found = excess_test.test({"": distances}, np.arange(FORGET + TEST) % 3, FORGET, rng)

    assert found is not None
    assert found.p == 0.001
    assert distances.signed is (classes == 1)


def test_without_unseen_examples_that_are_alike_nothing_is_said() -> None:
    rng = np.random.default_rng(0)
    strata = np.concatenate([np.zeros(FORGET, dtype=np.int64), np.ones(TEST, dtype=np.int64)])

    assert excess_test.test({"": _distances(rng)}, strata, FORGET, rng) is None


def test_as_many_of_each_stratum_are_exchanged_as_are_forgotten() -> None:
    strata = np.arange(FORGET + TEST) % 5
    chosen = excess_test._exchanged(strata, FORGET, np.random.default_rng(0))
    counts = {tuple(np.bincount(strata[row])) for row in chosen}

    assert counts == {tuple(np.bincount(strata[:FORGET]))}
    assert set(chosen[0]) == set(range(FORGET))
    assert all(len(set(row)) == FORGET for row in chosen)


@pytest.mark.parametrize("spread", [1.0, 0.05, 0.5])
def test_models_that_hardly_differ_are_worth_few(spread: float) -> None:
    rng = np.random.default_rng(0)
    retrained, models = rng.normal(size=(2, 32, 200))
    near = models[0] + spread * (models - models[0])

    expected = {1.0: 32, 0.05: 1, 0.5: 8}[spread]
    assert effective_models.independent(near, retrained) == pytest.approx(expected, rel=0.1)
