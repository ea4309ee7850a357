"""Compiled loops give what NumPy, SciPy or a plain loop gives; whole evaluators give the same numbers by either."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
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
@pytest.mark.parametrize("columns", [1, 12, 13])
def test_distances_are_those_of_scipy(decimals: int, dtype: type, columns: int) -> None:
    """With many ties and without, of even and odd numbers of columns."""
    rng = np.random.default_rng(decimals)
    left, right = (rng.normal(loc, 1, (n, columns)).round(decimals).astype(dtype) for loc, n in ((0.3, 9), (0, 14)))

    found = _ks.compared(left, right)

    for one, other, signed in zip(left.T, right.T, found.signed, strict=True):
        assert abs(signed) == pytest.approx(ks_2samp(one, other).statistic, abs=1e-12)
        same_side = ks_2samp(one, other, "greater" if signed > 0 else "less")
        assert abs(signed) == pytest.approx(same_side.statistic, abs=1e-12)


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
@pytest.mark.parametrize("sizes", [(40, 30), (3, 50), (50, 1), (1, 1), (401, 399)])
@pytest.mark.parametrize("step", [1.0, 1e-9])
@pytest.mark.parametrize("shift", [-20, 0.5, 20])
def test_the_area_under_a_curve_counts_ties_by_half(sizes: tuple[int, int], step: float, shift: float) -> None:
    """With many ties and without, of populations that overlap and that do not."""
    rng = np.random.default_rng(0)
    left, right = (
        np.sort(np.round(rng.normal(loc, 2, n) / step) * step) for loc, n in zip((shift, 0), sizes, strict=True)
    )
    pairs = np.sign(left[:, None] - right[None])

    assert _roc.auc(left, right) == pytest.approx((1 + pairs.mean()) / 2, abs=1e-12)


@pytest.mark.parametrize(("m", "n"), [(40, 40), (7, 5), (30, 51), (51, 30), (1, 3)])
def test_tails_of_the_null_are_the_same(m: int, n: int) -> None:
    levels = np.unique(np.random.default_rng(0).integers(-3, m * n + 2, 40))
    kernels = _shared._kernels("_ks_kernels")

    assert kernels is not None
    assert (_ks_null._compiled_tails(kernels, levels, m, n) == _ks_null._tails(levels, m, n)).all()


@pytest.mark.parametrize("attack", ["official-grid", "exact"])
@pytest.mark.parametrize("scale", [0.02, 1.0, 30.0])
@pytest.mark.parametrize("decimals", [1, 9])
def test_some_models_of_a_pool_are_attacked_as_if_they_were_alone(
    attack: _epsilon.AttackName, scale: float, decimals: int
) -> None:
    """The same attacks; and without a say in which of equal ones, the same epsilons."""
    rng = np.random.default_rng(decimals)
    left, right = (scale * rng.normal(loc, 1, (60, 40)).round(decimals) for loc in (0.5, 0.0))
    keep_left, keep_right = np.arange(60) % 5 > 0, np.arange(60) % 7 > 0
    both, chosen = _epsilon.pool(left, right), _epsilon.codes(keep_left, keep_right)
    alone = _epsilon.strongest(left[keep_left], right[keep_right], attack, 1e-5)

    found = _epsilon.strongest_of(both, chosen, attack, 1e-5)
    without_ends = _epsilon.strongest_of(both, chosen, attack, 1e-5, ends=False)

    for name, values in vars(alone).items():
        assert (getattr(found, name) == values).all(), name
    assert (without_ends.epsilon == alone.epsilon).all()


@pytest.mark.parametrize("decimals", [1, 9])
def test_models_of_a_pool_are_counted_inside_by_either_engine(decimals: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(decimals)
    left, right = (rng.normal(loc, 1, (30, 300)).round(decimals) for loc in (0.5, 0.0))
    both = _epsilon.pool(left, right)
    chosen = _epsilon.codes(np.arange(30) % 2 > 0, np.arange(30) % 3 > 0)
    attacks = _epsilon.strongest_of(both, chosen, "exact", 1e-5)
    sides = left[np.arange(30) % 2 > 0], right[np.arange(30) % 3 > 0]
    expected = [((attacks.low <= side) & (side <= attacks.high)).sum(axis=0) for side in sides]

    compiled = _epsilon.inside(attacks, both, chosen)
    monkeypatch.setattr(_epsilon, "kernels", lambda: (_epsilon._grid, _epsilon._epsilon_exact))
    plain = _epsilon.inside(attacks, both, chosen)

    assert np.array_equal(compiled, expected)
    assert np.array_equal(plain, expected)


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
