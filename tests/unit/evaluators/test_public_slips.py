"""Slips of public evaluators, by name: each has a test here, on the whole evaluator, that the slip would fail.

Formulas in parts are held to closed forms in the modules on each evaluator. One slip lies in a method, not in an evaluator:
SCRUB with its optimiser on the teacher's parameters, see the tests of the methods.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from harness.evaluation import SPLITS, Evidence
from harness_evaluators import before_after, divergence, forgetting_quality, klom, lira, membership
from harness_evaluators.membership import threshold_mia
from tests.unit.evaluators.conftest import evidence_of, logits_with_phi
from tests.unit.evaluators.every import POPULATIONS, usual
from tests.unit.evaluators.helpers import fitted, metric, value


def _of_phi(shifts: dict[str, float], n_models: int, n_examples: int, spread: float = 1.0) -> Evidence:
    """Return standard normal phi on every split; on forget, populations are shifted, and unlearned models have ``spread``."""
    rng = np.random.default_rng(11)

    def draw(name: str, split: str) -> np.ndarray:
        z = rng.standard_normal((n_models, n_examples))
        if split != "forget":
            return z
        return shifts.get(name, 0.0) + (spread if name == "unlearned" else 1.0) * z

    return evidence_of({name: {split: draw(name, split) for split in SPLITS} for name in POPULATIONS}, n_classes=3)


@pytest.mark.parametrize("n_examples", [1, 2, 40])
def test_slip_assert_on_an_array_stops_the_released_metric(n_examples: int) -> None:
    """``assert`` on an array of more than one attack raises; the metric must come out for any number of examples."""
    result = forgetting_quality.evaluate(usual(n_models=8, n_examples=n_examples))

    assert result.arrays["epsilon_official_unlearned"].shape == (n_examples,)
    assert value(result, "f_official") >= 0


def _undecided_and_certain(n_classes: int) -> Evidence:
    """Return unlearned models that are certain of the first class, and uniform posteriors of all others."""
    n_models, n = 5, 6
    even = np.zeros((n_models, n, n_classes), dtype=np.float32)
    certain = even.copy()
    certain[..., 0] = 60.0
    found = usual(n_models=n_models, n_examples=n)
    return replace(
        found,
        n_classes=n_classes,
        labels={split: np.zeros(n, dtype=np.int64) for split in SPLITS},
        logits={name: dict.fromkeys(SPLITS, certain if name == "unlearned" else even) for name in POPULATIONS},
        true_labels={},
    )


@pytest.mark.parametrize("n_classes", [10, 100])
def test_slip_zrf_with_the_default_reduction_divides_by_the_classes_as_well(n_classes: int) -> None:
    """It shows nearly 1 for every model; the truth for a certain model is 1 - JS(certain, even) in bits."""
    p, q = np.eye(n_classes)[0], np.full(n_classes, 1 / n_classes)
    middle = (p + q) / 2
    js = -(middle * np.log2(middle)).sum() - np.log2(n_classes) / 2

    found = metric(divergence.evaluate(_undecided_and_certain(n_classes)), "zrf_uniform")

    assert found.value == pytest.approx(1 - js, abs=1e-5)
    assert found.value < 0.4 < 0.9 < 1 - js / n_classes
    assert found.control == pytest.approx(1, abs=1e-6)


def test_slip_zrf_with_the_direction_reversed_is_not_bounded() -> None:
    """KL(mixture || posterior) grows with the certainty of the model; Jensen-Shannon ends at one bit."""
    found = divergence.evaluate(_undecided_and_certain(10))

    assert value(found, "js") == pytest.approx(1 - value(found, "zrf_uniform"), abs=1e-5)
    assert value(found, "js") <= 1


def test_slip_modified_entropy_indexed_over_the_whole_batch() -> None:
    """Indexing columns by all labels at once lets one example's label change another one's feature."""
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((3, 7, 4)), rng.integers(4, size=7)
    whole = threshold_mia.features(logits, labels)

    for i in range(7):
        alone = threshold_mia.features(logits[:, i : i + 1], labels[i : i + 1])
        assert whole[:, :, i : i + 1] == pytest.approx(alone, rel=1e-12)


def test_slip_modified_entropy_without_log_of_1_less_p_cannot_tell_right_from_wrong() -> None:
    """Members certain and right, others certain and wrong: plain entropy is blind to it, modified entropy is not."""
    phi = {"forget": 8.0, "test": -8.0, "retain": 8.0, "validation": -8.0}
    rng = np.random.default_rng(3)
    phis = {
        name: {split: level + 0.01 * rng.standard_normal((6, 60)) for split, level in phi.items()}
        for name in POPULATIONS
    }
    result = membership.evaluate(evidence_of(phis, n_classes=2))

    assert value(result, "modified_entropy_mia") == pytest.approx(1, abs=1e-9)
    assert value(result, "entropy_mia") == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("n_models", [16, 48])
def test_slip_the_in_spread_taken_for_the_out_spread(n_models: int) -> None:
    """Pooled or per example, each population has its own variance: with one for both, a change of spread is invisible."""
    rng = np.random.default_rng(1)
    left, right = 0.25 * rng.standard_normal((n_models, 200)), rng.standard_normal((n_models, 200))

    one, other = fitted(left, right)

    assert one.variance.mean() == pytest.approx(0.0625, rel=0.1)
    assert other.variance.mean() == pytest.approx(1, rel=0.1)
    assert value(lira.evaluate(_of_phi({}, n_models, 60, spread=0.25)), "auc") > 0.75


def test_slip_right_or_wrong_in_place_of_the_confidence() -> None:
    """Models that are all right, some barely and some by far: as booleans they have no spread, and no attack sees them."""
    rng = np.random.default_rng(2)
    level = {"unlearned": 6.0, "original": 8.0, "retrained": 4.0, "control": 4.0}
    phis = {name: {split: of + 0.3 * rng.standard_normal((16, 30)) for split in SPLITS} for name, of in level.items()}
    evidence = evidence_of(phis)

    assert all((by["forget"].argmax(axis=2) == evidence.labels["forget"]).all() for by in evidence.logits.values())
    result = lira.evaluate(evidence)
    assert value(result, "auc_gaussian") == pytest.approx(1, abs=1e-6)
    assert value(result, "auc") > 0.99  # densities of normal scores overlap a little, however far apart the models are


def test_slip_the_largest_sample_dropped_from_the_histogram() -> None:
    """All unlearned models equal retrained ones but for one at the top: half-open bins lose just that one."""
    rng = np.random.default_rng(4)
    phi = {split: np.tile(rng.normal(0, 0.1, 10), (16, 1)) for split in SPLITS}
    phis = {name: {split: array.copy() for split, array in phi.items()} for name in POPULATIONS}
    phis["unlearned"]["forget"][0] += 5.0
    labels_seed = evidence_of(phis)
    # The same other logits for all models: phi alone differs.
    others = np.random.default_rng(5)
    logits = {
        name: {
            split: logits_with_phi(array, labels_seed.labels[split], 4, np.random.default_rng(others.integers(1)))
            for split, array in by.items()
        }
        for name, by in phis.items()
    }

    found = klom.evaluate(replace(labels_seed, logits=logits))

    # 1/16 of the models in a bin without retrained ones, which counts as 1e-5.
    expected = 15 / 16 * np.log(15 / 16) + 1 / 16 * np.log(1 / 16 / 1e-5)
    assert value(found, "forget_median") == pytest.approx(expected, abs=1e-4)
    assert value(found, "test_median") == pytest.approx(0, abs=1e-12)


def test_slip_negatives_with_the_same_output_before_and_after_inflate_the_attack() -> None:
    """Every model changed by the same noise on all examples: a test set that is not run through the model after, as if it
    had not changed, would give the forgotten examples away completely."""
    rng = np.random.default_rng(6)
    before = {split: rng.standard_normal((8, 80)) for split in SPLITS}
    phis = {name: {split: rng.standard_normal((8, 80)) for split in SPLITS} for name in POPULATIONS}
    phis["original"] = before
    phis["unlearned"] = {split: array + 0.5 * rng.standard_normal(array.shape) for split, array in before.items()}
    honest = evidence_of(phis, n_classes=2)
    still = {**honest.logits["unlearned"], "test": honest.logits["original"]["test"]}
    slipped = replace(honest, logits={**honest.logits, "unlearned": still})

    assert value(before_after.evaluate(slipped), "auc_l2") > 0.99
    assert value(before_after.evaluate(honest), "auc_l2") == pytest.approx(0.5, abs=0.06)


SHIFT = 1.0
"""Between two Normal populations of unit spread, in the closed forms below."""


@pytest.fixture(scope="module")
def shifted() -> Evidence:
    return _of_phi({"unlearned": SHIFT, "original": 2 * SHIFT}, 96, 150)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("auc", ndtr(SHIFT / np.sqrt(2))),
        ("balanced_accuracy", ndtr(SHIFT / 2)),
        ("direction", SHIFT),
    ],
)
def test_shifted_gaussians_give_lira_s_closed_forms(shifted: Evidence, name: str, expected: float) -> None:
    assert value(lira.evaluate(shifted), name) == pytest.approx(expected, rel=0.05, abs=0.004)


def test_shifted_gaussians_give_a_true_positive_rate_below_the_closed_form(shifted: Evidence) -> None:
    """Phi(d - z) is that of known densities; estimated ones lose some of it in the tail, and can gain nothing."""
    best = ndtr(SHIFT - ndtri(1 - 0.01))
    result = lira.evaluate(shifted)

    assert 0.7 * best < value(result, "tpr_at_1_percent_fpr") < 1.05 * best
    # Folds of few models and few examples hold less than 1,000 scores, which one in a thousand needs.
    assert metric(result, "tpr_at_01_percent_fpr").value is None
    assert "too few models and examples" in metric(result, "tpr_at_01_percent_fpr").note


def test_shifted_gaussians_give_the_closed_form_of_an_attack_by_threshold(shifted: Evidence) -> None:
    """Forgotten N(d, 1) against unseen N(0, 1): balanced accuracy Phi(d / 2) at the threshold d / 2; that of originals,
    where it is learned, lies at d: Phi(d)/2 + Phi(0)/2."""
    result = membership.evaluate(shifted)

    assert metric(result, "confidence_mia").noop == pytest.approx(ndtr(SHIFT), abs=0.02)
    assert value(result, "confidence_mia") == pytest.approx((ndtr(SHIFT) + ndtr(0)) / 2, abs=0.03)


def test_separated_gaussians_give_the_cap_and_alike_ones_little() -> None:
    apart, alike = (
        forgetting_quality.evaluate(_of_phi({"unlearned": shift}, 32, 30)).arrays["epsilon_exact_unlearned"]
        for shift in (12.0, 0.0)
    )

    assert (apart == 50).all()
    assert (alike < 4).all()


def test_a_threshold_on_shifted_gaussians_reaches_the_epsilon_of_its_rates() -> None:
    """With many models the threshold at the middle alone gives ln(TPR / FPR) = ln(Phi(d/2) / Phi(-d/2)): a lower bound."""
    rng = np.random.default_rng(8)
    left, right = 2 + rng.standard_normal((1000, 40)), rng.standard_normal((1000, 40))

    found = forgetting_quality.epsilons(left, right, attack="exact")

    assert (found > np.log(ndtr(1) / ndtr(-1)) - 0.25).all()
