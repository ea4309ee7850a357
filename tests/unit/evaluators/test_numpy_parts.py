"""Parts of evaluators, compared with SciPy, the public function or a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from harness.evaluation import phi
from harness_evaluators.before_after import change, weighted_auc
from harness_evaluators.common import evidence_analysis, posterior_distances, roc
from harness_evaluators.forgetting_quality import strongest_attack
from harness_evaluators.ks import sample_distances
from harness_evaluators.membership import simple_mia, threshold_mia


@pytest.mark.parametrize("scale", [1.0, 40.0, 1e4, 1e38])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_phi_is_that_of_the_public_function(scale: float, n_classes: int) -> None:
    rng = np.random.default_rng(0)
    logits = (scale * rng.uniform(-1, 1, (3, 300, n_classes))).astype(np.float32)
    labels = rng.integers(n_classes, size=300)

    assert evidence_analysis.phi_of(logits, labels) == pytest.approx(phi(logits, labels), rel=1e-12, abs=1e-12)


def test_the_answer_is_the_first_of_the_largest() -> None:
    logits = np.random.default_rng(0).integers(0, 4, (5, 70, 6)).astype(np.float32)

    assert (evidence_analysis.largest(logits) == logits.argmax(axis=2)).all()


def test_divergences_of_logits_are_those_of_their_posteriors() -> None:
    logits = (3 * np.random.default_rng(0).standard_normal((2, 6, 40, 5))).astype(np.float32)
    left, right = (posterior_distances.side_of(one, np.arange(6)) for one in logits)
    p, q = (posterior_distances.softmax(one) for one in logits)
    every = np.array([[posterior_distances.jensen_shannon(a, b).mean() for b in q] for a in p])
    apart = np.linalg.norm(p[:, None].astype(np.float64) - q[None], axis=3)

    assert posterior_distances.mean_jensen_shannon(left, right).value == pytest.approx(every.mean(), abs=1e-7)
    assert posterior_distances.mean_activation_distance(left, right).value == pytest.approx(apart.mean(), abs=1e-7)


@pytest.mark.parametrize("decimals", [1, 9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [1, 12, 13])
def test_distances_are_those_of_scipy(decimals: int, dtype: type, columns: int) -> None:
    """With many ties and without, of even and odd numbers of columns."""
    rng = np.random.default_rng(decimals)
    left, right = (rng.normal(loc, 1, (n, columns)).round(decimals).astype(dtype) for loc, n in ((0.3, 9), (0, 14)))

    found = sample_distances.compared(left, right)

    for one, other, signed in zip(left.T, right.T, found.signed, strict=True):
        assert abs(signed) == pytest.approx(ks_2samp(one, other).statistic, abs=1e-12)
        same_side = ks_2samp(one, other, "greater" if signed > 0 else "less")
        assert abs(signed) == pytest.approx(same_side.statistic, abs=1e-12)


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

    assert roc.auc(left, right) == pytest.approx((1 + pairs.mean()) / 2, abs=1e-12)


@pytest.mark.parametrize("kind", ["normal", "ties", "zeros", "constant"])
@pytest.mark.parametrize("sizes", [(200, 161), (1, 2)])
def test_a_weighted_area_is_the_sum_over_pairs(kind: str, sizes: tuple[int, int]) -> None:
    """Scores of either sign, some rows with ties and some without, and zeros of both signs, which are equal."""
    rng = np.random.default_rng(sizes[0])
    positive, negative = (rng.normal(size=(5, size)).astype(np.float32) for size in sizes)
    for side in (positive, negative):
        if kind == "ties":
            side[1:4] = side[1:4].round()
        if kind == "zeros":
            side[:] = np.where(side > 0, np.float32(0.0), np.float32(-0.0))
        if kind == "constant":
            side[:] = 1
    weights = rng.dirichlet(np.ones(sizes[0])), rng.dirichlet(np.ones(sizes[1]))
    won = (np.sign(positive[:, :, None] - negative[:, None, :]) + 1) / 2

    assert weighted_auc.aucs(positive, negative, weights) == pytest.approx(
        np.einsum("bij,i,j->b", won, *weights), abs=1e-12
    )


@pytest.mark.parametrize("attack", ["official-grid", "exact"])
@pytest.mark.parametrize("scale", [0.02, 1.0, 30.0])
@pytest.mark.parametrize("decimals", [1, 9])
def test_some_models_of_a_pool_are_attacked_as_if_they_were_alone(
    attack: strongest_attack.AttackName, scale: float, decimals: int
) -> None:
    """The same attacks; and without a say in which of equal ones, the same epsilons."""
    rng = np.random.default_rng(decimals)
    left, right = (scale * rng.normal(loc, 1, (60, 40)).round(decimals) for loc in (0.5, 0.0))
    keep_left, keep_right = np.arange(60) % 5 > 0, np.arange(60) % 7 > 0
    both, chosen = strongest_attack.pool(left, right), strongest_attack.codes(keep_left, keep_right)
    alone = strongest_attack.strongest(left[keep_left], right[keep_right], attack, 1e-5)

    found = strongest_attack.strongest_of(both, chosen, attack, 1e-5)
    without_ends = strongest_attack.strongest_of(both, chosen, attack, 1e-5, ends=False)

    for name, values in vars(alone).items():
        assert (getattr(found, name) == values).all(), name
    assert (without_ends.epsilon == alone.epsilon).all()


@pytest.mark.parametrize("decimals", [1, 9])
def test_models_of_a_pool_are_counted_inside(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    left, right = (rng.normal(loc, 1, (30, 300)).round(decimals) for loc in (0.5, 0.0))
    both = strongest_attack.pool(left, right)
    chosen = strongest_attack.codes(np.arange(30) % 2 > 0, np.arange(30) % 3 > 0)
    attacks = strongest_attack.strongest_of(both, chosen, "exact", 1e-5)
    sides = left[np.arange(30) % 2 > 0], right[np.arange(30) % 3 > 0]

    found = strongest_attack.inside(attacks, both, chosen)

    assert np.array_equal(found, [((attacks.low <= side) & (side <= attacks.high)).sum(axis=0) for side in sides])


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 300.0])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_thresholds_see_features_as_defined_however_sure_models_are(scale: float, n_classes: int) -> None:
    """In twice as many digits, of some models and examples."""
    rng = np.random.default_rng(0)
    logits = (scale * rng.standard_normal((3, 31, n_classes))).astype(np.float32)
    labels, models, examples = rng.integers(n_classes, size=20), np.array([2, 0]), rng.permutation(31)[:20]

    found = threshold_mia.features_of(logits, models, examples, labels)

    z = logits[models][:, examples].astype(np.longdouble)
    p = np.exp(z - z.max(axis=2, keepdims=True))
    rest = np.stack([np.delete(p, k, axis=2).sum(axis=2) for k in range(n_classes)], axis=2) / p.sum(
        axis=2, keepdims=True
    )
    p /= p.sum(axis=2, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_p, log_rest = np.log(p), np.log(rest)
        each = np.arange(20)
        own = (slice(None), each, labels)
        entropy = np.where(p > 0, p * log_p, 0).sum(axis=2)
        others = np.where(p > 0, p * log_rest, 0)
        others[own] = 0
        modified = rest[own] * log_p[own] + others.sum(axis=2)
    seen = np.isfinite(log_p[own]) & np.isfinite(modified.astype(np.float64))
    for values, expected in zip(found, ((log_p - log_rest)[own], entropy, modified), strict=True):
        assert values[seen] == pytest.approx(expected[seen].astype(np.float64), rel=1e-10, abs=1e-12)


def test_ties_do_not_decide_where_a_threshold_lies() -> None:
    """Members and others in any order among equal scores."""
    rng = np.random.default_rng(0)
    members, others = rng.integers(0, 6, 400) + 0.5, rng.integers(-1, 5, 300) + 0.5
    thresholds = {
        threshold_mia.best_threshold(rng.permutation(members), rng.permutation(others), np.ones(300)) for _ in range(20)
    }

    assert len(thresholds) == 1


@pytest.mark.parametrize("order", ["C", "F"])
def test_accuracies_do_not_depend_on_how_numbers_lie_in_memory(order: str) -> None:
    rng = np.random.default_rng(0)
    unseen, forgotten = rng.exponential(1.0, (9, 30)), rng.exponential(np.geomspace(0.01, 50, 9)[:, None], (9, 30))
    splits = simple_mia.shuffle_splits(30, rng)
    sides = [np.asarray(side, order=order) for side in (unseen, forgotten)]

    assert simple_mia.accuracies(*sides, splits) == pytest.approx(simple_mia.accuracies(unseen, forgotten, splits))


@pytest.mark.parametrize("d", [7, 8, 25])
def test_moments_are_sums_over_the_chosen_examples(d: int) -> None:
    rng = np.random.default_rng(d)
    x, weights = rng.normal(size=(3, d, 700)).astype(np.float32), rng.random(700)

    found = change.moments(x, weights, slice(100, 690))

    wide, own = x[:, :, 100:690].astype(np.float64), weights[100:690]
    assert found.mean == pytest.approx(wide @ own, rel=1e-11, abs=1e-11)
    assert found.square == pytest.approx(np.einsum("sai,sbi,i->sab", wide, wide, own), rel=1e-11, abs=1e-11)
