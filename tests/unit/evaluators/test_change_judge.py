"""The compiled attack on pairs of models gives what NumPy gives, however scores lie and whatever changes between axes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from harness_evaluators import (
    _before_after,
    _change,
    _change_judge,
    _examples,
    _populations,
    _shared,
    _weighted_auc,
)
from tests.unit.evaluators.every import usual

pytest.importorskip("numba")

Sides = tuple[np.ndarray, np.ndarray]
Axes = tuple[np.ndarray, np.ndarray]

N_MODELS, N_FEATURES, N_AXES, N_SETS = 3, 5, 4, 4
SINGLE, TWIN = 1, 3
"""The feature set that is one feature, and the one that is the same as the first."""


def _features(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    x = rng.normal(size=(N_MODELS, N_FEATURES, n))
    if kind == "tails":
        x = x / np.abs(rng.normal(size=x.shape)) ** 3
    if kind == "spike":
        x[:, :, rng.random(n) < 0.9] *= 1e-6
    if kind == "spikes apart":
        x = np.sign(x) + 1e-6 * x
    if kind == "ties":
        x = x.round()
    if kind == "constant":
        x[:] = 1
    return x.astype(np.float32)


def _axes(change: float, rng: np.random.Generator) -> Axes:
    """Axes that hardly differ, or do, of which the last turns round the set of one feature."""
    weights = np.repeat(rng.normal(size=(1, N_SETS, N_FEATURES)), N_AXES, axis=0)
    weights += change * rng.normal(size=weights.shape)
    weights[:, SINGLE, 1:] = 0
    weights[-1, SINGLE] *= -1
    offsets = rng.normal(size=(N_AXES, N_SETS))
    weights[:, TWIN], offsets[:, TWIN] = weights[:, 0], offsets[:, 0]
    return weights.astype(np.float32), offsets.astype(np.float32)


def _judge(sides: Sides, columns: list[tuple[int, int]], weights: Sides, axes: Axes, keep: np.ndarray) -> np.ndarray:
    kernels = _shared._kernels("_change_judge_kernels")
    assert kernels is not None
    ends = columns[0], columns[1]
    return _change_judge.judge(kernels, sides, np.array([2, 0]), ends, weights, axes, keep, (2, 0))


@pytest.mark.parametrize("kind", ["normal", "tails", "spike", "spikes apart", "ties", "constant"])
@pytest.mark.parametrize("change", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("sizes", [(200, 161), (60, 40), (1, 2)])
def test_scores_are_judged_as_by_numpy(kind: str, change: float, sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(sizes[0])
    sides = _features(kind, sizes[0] + 7, rng), _features(kind, sizes[1] + 3, rng)
    columns = [(7, sizes[0] + 7), (0, sizes[1])]
    weights = rng.dirichlet(np.ones(sizes[0])), rng.dirichlet(np.ones(sizes[1]))
    axes, keep = _axes(change, rng), np.ones((N_AXES, 2), dtype=np.bool_)
    keep[0, 1] = keep[2, 0] = False

    found = _judge(sides, columns, weights, axes, keep)

    for k, s in np.ndindex(N_AXES, 2):
        x = [side[[2, 0][s], :, slice(*ends)] for side, ends in zip(sides, columns, strict=True)]
        scores = [_scores(one, axes[0][k], axes[1][k]) for one in x]
        aucs = [_weighted_auc.aucs(one[None], other[None], weights)[0] for one, other in zip(*scores, strict=True)]
        expected = np.array([*aucs, *_gains(scores, weights)])
        assert found[k, s, :-1] == pytest.approx(expected[:-1] if keep[k, s] else 0, abs=1e-6), (k, s)
        if kind == "normal":  # elsewhere probabilities are all but equal, and rounding decides which is the larger
            assert found[k, s, -1] == pytest.approx(expected[-1] if keep[k, s] else 0, abs=0.01), (k, s)


def _scores(x: np.ndarray, weights: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """In single precision, one feature after another, each product rounded with the sum alone."""
    found = np.zeros((len(weights), x.shape[1]), dtype=np.float32)
    for feature, weight in zip(x, weights.T, strict=True):
        found = (found.astype(np.float64) + feature.astype(np.float64) * weight[:, None]).astype(np.float32)
    return found + offsets[:, None]


def _gains(scores: list[np.ndarray], weights: Sides) -> tuple[float, float]:
    gains = [
        (expit(sign * one[2].astype(np.float64)) - expit(sign * one[0].astype(np.float64))).astype(np.float32)
        for sign, one in zip((1, -1), scores, strict=True)
    ]
    pairs = list(zip(gains, weights, strict=True))
    counted = [(np.sign(g) * (np.abs(g) > _before_after.LEAST_GAIN), w) for g, w in pairs]
    return sum(float(g @ w) / 2 for g, w in pairs), sum(float((1 + g) / 2 @ w) / 2 for g, w in counted)


def test_a_plan_knows_single_features_and_sets_that_are_the_same() -> None:
    axes = _axes(0.1, np.random.default_rng(0))

    single, first = _change_judge.plan(axes)
    axes[1][2, TWIN] += 1

    assert single.tolist() == [0, 1, 0, 0]
    assert first.tolist() == [0, 1, 2, 0]
    assert _change_judge.plan(axes)[1].tolist() == [0, 1, 2, 3]


def test_an_order_that_was_without_ties_says_nothing_of_one_with_ties() -> None:
    """The first axis of a single feature rounds all scores to one; the second keeps them apart."""
    rng = np.random.default_rng(0)
    sides = rng.normal(size=(1, 1, 40)).astype(np.float32), rng.normal(size=(1, 1, 30)).astype(np.float32)
    axes = np.array([[[1e-9]], [[1.0]], [[1e-9]]], dtype=np.float32), np.ones((3, 1), dtype=np.float32)
    weights = np.full(40, 1 / 40), np.full(30, 1 / 30)
    kernels = _shared._kernels("_change_judge_kernels")
    assert kernels is not None

    keep = np.ones((3, 1), dtype=np.bool_)
    found = _change_judge.judge(kernels, sides, np.array([0]), ((0, 40), (0, 30)), weights, axes, keep, (0, 0))

    apart = (sides[0][0, 0][:, None] > sides[1][0, 0]).mean()
    assert found[:, 0, 0] == pytest.approx([0.5, apart, 0.5], abs=1e-12)


@pytest.mark.parametrize("d", [7, 8, 25])
def test_moments_are_sums_over_the_chosen_examples(d: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shared, "LEAST", 0)
    rng = np.random.default_rng(d)
    x, weights = rng.normal(size=(3, d, 700)).astype(np.float32), rng.random(700)

    found = _change.moments(x, weights, slice(100, 690))

    wide, own = x[:, :, 100:690].astype(np.float64), weights[100:690]
    assert found.mean == pytest.approx(wide @ own, rel=1e-11, abs=1e-11)
    assert found.square == pytest.approx(np.einsum("sai,sbi,i->sab", wide, wide, own), rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("least", [0, 10**12], ids=["compiled", "numpy"])
def test_what_was_found_of_the_models_before_holds_for_other_models_after(
    least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unlearned and retrained models are paired with the same originals; no-op pairs them in another order."""
    monkeypatch.setattr(_shared, "LEAST", least)
    evidence = usual(n_models=12)
    examples = _examples.matched(evidence, np.random.default_rng(0))
    assert examples is not None
    known: _before_after.Known = {}

    def statistic(outcome: _before_after.Outcome) -> np.ndarray:
        return np.array([*outcome.auc.values(), outcome.gain, outcome.share])

    for row in _before_after.pairs(_populations.models(evidence)).values():
        tried = _before_after.trial(evidence, row, examples)
        alone = _before_after.contributions(tried, statistic)
        assert (_before_after.contributions(tried, statistic, known) == alone).all()

    assert len(known) == 2
