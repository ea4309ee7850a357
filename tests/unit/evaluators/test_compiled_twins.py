"""Compiled loops give what NumPy, SciPy or a plain loop gives; whole evaluators give the same numbers by either."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import ks_2samp, wasserstein_distance

from harness.evaluation import Result, phi
from harness_evaluators import (
    _change,
    _epsilon,
    _ks,
    _ks_null,
    _populations,
    _posteriors,
    _roc,
    _shared,
    _threshold_mia,
    _weighted_auc,
)
from tests.unit.evaluators.every import EVERY, usual
from tests.unit.evaluators.helpers import numbers

pytest.importorskip("numba")

SINGLE_PRECISION = {"before_after": 2e-5, "divergence": 1e-5}
"""Evaluators that compute in single precision; positions divide small numbers by small ones."""


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled loops, however little there is to do."""
    monkeypatch.setattr(_shared, "LEAST", 0)


def _numbers(result: Result) -> dict[str, list[float]]:
    found = {one.name: numbers(one) for one in result.metrics}
    return found | {name: np.ravel(array).tolist() for name, array in result.arrays.items()}


@pytest.mark.parametrize("module", EVERY, ids=[module.__name__.rpartition(".")[2] for module in EVERY])
def test_an_evaluator_gives_the_same_numbers_by_compiled_code(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"original": 34, "retrained": 36, "control": 35, "unlearned": 33}
    by_numpy = _numbers(module.evaluate(usual(n_models=sizes)))
    monkeypatch.setattr(_shared, "LEAST", 0)

    by_compiled = _numbers(module.evaluate(usual(n_models=sizes)))

    tolerance = SINGLE_PRECISION.get(module.__name__.rpartition(".")[2], 1e-9)
    assert by_compiled.keys() == by_numpy.keys()
    for name, values in by_compiled.items():
        assert values == pytest.approx(by_numpy[name], rel=tolerance, abs=tolerance), name


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("scale", [1.0, 40.0, 1e4, 1e38])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_phi_is_that_of_the_public_function(scale: float, n_classes: int) -> None:
    rng = np.random.default_rng(0)
    logits = (scale * rng.uniform(-1, 1, (3, 300, n_classes))).astype(np.float32)
    labels = rng.integers(n_classes, size=300)
    kernels = _shared.kernels("_phi_kernels", 1)
    found = np.empty((3, 300))

    assert kernels is not None
    kernels.set_phi(logits, labels, found)

    assert found == pytest.approx(phi(logits, labels), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("least", [0, 10**12], ids=["compiled", "numpy"])
def test_the_answer_is_the_first_of_the_largest(least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shared, "LEAST", least)
    logits = np.random.default_rng(0).integers(0, 4, (5, 70, 6)).astype(np.float32)

    assert (_populations.largest(logits) == logits.argmax(axis=2)).all()


@pytest.mark.usefixtures("compiled")
def test_divergences_of_logits_are_those_of_their_posteriors() -> None:
    logits = (3 * np.random.default_rng(0).standard_normal((2, 6, 40, 5))).astype(np.float32)
    left, right = (_posteriors.side_of(one, np.arange(6)) for one in logits)
    p, q = (_posteriors.softmax(one) for one in logits)
    every = np.array([[_posteriors.jensen_shannon(a, b).mean() for b in q] for a in p])
    apart = np.linalg.norm(p[:, None].astype(np.float64) - q[None], axis=3)

    assert _posteriors.mean_jensen_shannon(left, right).value == pytest.approx(every.mean(), abs=1e-7)
    assert _posteriors.mean_activation_distance(left, right).value == pytest.approx(apart.mean(), abs=1e-7)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("decimals", [1, 9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distances_are_those_of_scipy(decimals: int, dtype: type) -> None:
    """With many ties and without."""
    rng = np.random.default_rng(decimals)
    left, right = (rng.normal(loc, 1, (n, 12)).round(decimals).astype(dtype) for loc, n in ((0.3, 9), (0, 14)))

    found = _ks.compared(left, right)

    for one, other, signed in zip(left.T, right.T, found.signed, strict=True):
        assert abs(signed) == pytest.approx(ks_2samp(one, other).statistic, abs=1e-12)
        same_side = ks_2samp(one, other, "greater" if signed > 0 else "less")
        assert abs(signed) == pytest.approx(same_side.statistic, abs=1e-12)


@pytest.mark.parametrize("least", [0, 10**12], ids=["compiled", "numpy"])
def test_the_last_bit_of_a_number_does_not_decide_a_models_contribution(
    least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model at the very point where D is reached counts as below it, odd or even."""
    monkeypatch.setattr(_shared, "LEAST", least)
    values = np.random.default_rng(0).normal(3, 1, (20, 30)).view(np.int64)
    odd, even = (values | 1).view(np.float64), (values & -2).view(np.float64)

    one, other = (_ks.compared(each[:9], each[9:]).mean for each in (odd, even))

    assert one.left == pytest.approx(other.left, abs=1e-12)
    assert one.right == pytest.approx(other.right, abs=1e-12)


@pytest.mark.usefixtures("compiled")
def test_wasserstein_distances_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.normal(0.3, 1, (9, 12)), rng.normal(0, 1, (14, 12)).round(1)
    scale = rng.uniform(0.5, 2, 12)

    found = _ks.mean_wasserstein(left, right, scale)

    expected = [wasserstein_distance(*pair) for pair in zip(left.T, right.T, strict=True)]
    assert found.value == pytest.approx((expected / scale).mean(), abs=1e-12)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).normal(0, 3, 5000),
        np.random.default_rng(1).normal(0, 1e-9, 3000) + 7,
        np.random.default_rng(2).integers(-3, 3, 500).astype(np.float64),
        np.array([0.0, -0.0, 1e300, -1e300, 5e-324, -5e-324]),
        np.arange(3000)[::-1] * 1e-13 + 1,
    ],
    ids=["normal", "all but equal", "tied", "extreme", "backwards and all but equal"],
)
def test_scores_are_sorted(values: np.ndarray) -> None:
    assert (_roc._sorted(values) == np.sort(values)).all()


@pytest.mark.usefixtures("compiled")
def test_the_area_under_a_curve_counts_ties_by_half() -> None:
    rng = np.random.default_rng(0)
    left, right = np.sort(rng.integers(0, 9, 40) * 1.0), np.sort(rng.integers(-2, 7, 30) * 1.0)
    pairs = np.sign(left[:, None] - right[None])

    assert _roc.auc(left, right) == pytest.approx((1 + pairs.mean()) / 2, abs=1e-12)


@pytest.mark.parametrize("scale", [1, 1000])
def test_attacks_on_pairs_are_judged_alike(scale: int) -> None:
    """With many ties and without, by one feature and by all, where a pair is left out, and where axes change or hardly do."""
    rng = np.random.default_rng(scale)
    sides = tuple(rng.integers(-4 * scale, 4 * scale, (3, 5, n)).astype(np.float32) / scale for n in (50, 45))
    axes = rng.integers(-3, 4, (4, 3, 5)).astype(np.float32), rng.integers(-2, 3, (4, 3)).astype(np.float32)
    axes[0][:, 1, 1:] = 0
    columns, keep = ((10, 30), (20, 45)), rng.random((4, 2)) < 0.7
    weights, models = (rng.dirichlet(np.ones(20)), rng.dirichlet(np.ones(25))), np.array([2, 0])
    found = np.empty((4, 2, 5))
    kernels = _shared._kernels("_pair_kernels")

    assert kernels is not None
    kernels.judge(sides, models, columns, weights, axes, keep, (2, 0), found)

    for k, s in np.ndindex(4, 2):
        values = [x[models[s], :, slice(*ends)] for x, ends in zip(sides, columns, strict=True)]
        scores = [(axes[0][k] @ x + axes[1][k][:, None])[:, None] for x in values]
        expected = np.concatenate(
            [
                [_weighted_auc.aucs(*pair, weights)[0] for pair in zip(*scores, strict=True)],
                _gains([one[2, 0] for one in scores], [one[0, 0] for one in scores], weights),
            ]
        )
        assert found[k, s] == pytest.approx(expected if keep[k, s] else 0, abs=1e-6)


def _gains(whole: list[np.ndarray], base: list[np.ndarray], weights: tuple[np.ndarray, np.ndarray]) -> list[float]:
    """Mean and share of gains in the truth's probability."""
    gains = [expit(sign * one) - expit(sign * two) for sign, one, two in zip((1, -1), whole, base, strict=True)]
    return [
        sum(float(gain @ weight) / 2 for gain, weight in zip(gains, weights, strict=True)),
        sum(float((1 + np.sign(gain)) / 2 @ weight) / 2 for gain, weight in zip(gains, weights, strict=True)),
    ]


@pytest.mark.parametrize(("m", "n"), [(40, 40), (7, 5), (30, 51), (51, 30), (1, 3)])
def test_tails_of_the_null_are_the_same(m: int, n: int) -> None:
    levels = np.unique(np.random.default_rng(0).integers(-3, m * n + 2, 40))
    kernels = _shared._kernels("_ks_kernels")

    assert kernels is not None
    assert (_ks_null._compiled_tails(kernels, levels, m, n) == _ks_null._tails(levels, m, n)).all()


@pytest.mark.parametrize("attack", ["official-grid", "exact"])
@pytest.mark.parametrize("decimals", [1, 9])
def test_where_the_search_for_an_attack_begins_decides_nothing(attack: _epsilon.AttackName, decimals: int) -> None:
    """By attacks that were chosen on other models, on other examples, and by the strongest one itself."""
    rng = np.random.default_rng(decimals)
    left, right = (_epsilon.side(rng.normal(loc, 1, (60, 40)).round(decimals)) for loc in (0.5, 0.0))
    keep = np.arange(60) % 5 > 0
    sides = left.only(keep), right.only(keep)
    found = _epsilon.strongest_of(*sides, attack, 1e-5)
    whole = _epsilon.strongest_of(left, right, attack, 1e-5)
    others = replace(whole, low=whole.low[::-1].copy(), high=whole.high[::-1].copy())

    for near in (whole, others, found):
        again = _epsilon.strongest_of(*sides, attack, 1e-5, near)

        for name, values in vars(found).items():
            assert (getattr(again, name) == values).all(), name


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("n_classes", [3, 14])
def test_thresholds_see_the_same_features(n_classes: int) -> None:
    rng = np.random.default_rng(0)
    logits = (5 * rng.standard_normal((4, 300, n_classes))).astype(np.float32)
    labels = rng.integers(n_classes, size=300)
    classes_first = np.ascontiguousarray(logits.transpose(2, 0, 1), dtype=np.float64)

    found = _threshold_mia.features(logits, labels)

    assert found == pytest.approx(_threshold_mia._features(classes_first, labels), rel=1e-12, abs=1e-13)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("n_classes", [3, 14])
def test_pairs_of_models_have_the_same_features(n_classes: int) -> None:
    """Also where posteriors are equal: of equal ones the later class comes first."""
    rng = np.random.default_rng(0)
    logits = rng.integers(-3, 4, (2, 4, 300, n_classes)).astype(np.float32)
    labels, every = rng.integers(n_classes, size=300), np.arange(300)
    phis = tuple(phi(one, labels) for one in logits)
    found = np.empty((4, _change.width(n_classes), 300), dtype=np.float32)
    kernels = _shared.kernels("_change_kernels", 1)

    assert kernels is not None
    kernels.set_features(
        (logits[0], logits[1]), phis, (np.arange(4), np.arange(4)), (every, labels), _change.CLIP, found
    )

    assert found.transpose(0, 2, 1) == pytest.approx(_change.features(logits[0], logits[1], labels), abs=1e-6)


def test_nothing_is_compiled_for_a_small_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """32 models, 300 examples: NumPy is done before compiled code has been loaded. Epsilons alone always count compiled."""

    def asked(name: str) -> ModuleType | None:
        raise AssertionError(f"{name} was loaded")

    monkeypatch.setattr(_shared, "_kernels", asked)
    evidence = usual(n_models=32, n_examples=300)

    assert all(module.evaluate(evidence).metrics for module in EVERY)
