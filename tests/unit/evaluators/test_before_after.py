"""The attack with both models: what it must detect, what it must not, and how models are paired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from harness.evaluation import SPLITS, Evidence
from harness_evaluators import before_after
from harness_evaluators.before_after import change, cross_fit
from harness_evaluators.before_after.change import Moments
from harness_evaluators.common import example_sets
from harness_evaluators.common.evidence_analysis import Analysis
from tests.unit.evaluators.conftest import evidence_of, gaussian_evidence
from tests.unit.evaluators.helpers import assert_well_formed, metric, value

Make = Callable[..., Evidence]


def _paired_evidence(
    forget_drop: float, noise: float, n_models: int = 8, n_examples: int = 120, models_seed: int | None = None
) -> Evidence:
    """Return unlearned models that are their originals plus noise on every split, with lower confidence on forget."""
    rng = np.random.default_rng(7)
    centres = {split: rng.normal(1, 1, n_examples) for split in SPLITS}
    rng = rng if models_seed is None else np.random.default_rng(models_seed)

    def independent() -> dict[str, np.ndarray]:
        return {s: centres[s] + rng.standard_normal((n_models, n_examples)) for s in SPLITS}

    phis = {name: independent() for name in ("original", "retrained", "control")}
    drops = {split: forget_drop if split == "forget" else 0.0 for split in SPLITS}
    phis["unlearned"] = {
        s: phis["original"][s] - drops[s] + noise * rng.standard_normal((n_models, n_examples)) for s in SPLITS
    }
    return evidence_of(phis, n_classes=2)


def test_equal_treatment_of_all_examples_reveals_nothing() -> None:
    """Unseen examples pass through both models as forgotten ones do. With the same output twice for unseen examples, any
    change
    would reveal the forgotten ones, and the attack by distance would be perfect.
    """
    result = before_after.evaluate(_paired_evidence(0.0, noise=0.5))

    for name in ("auc_l2", "auc_sorted_diff", "auc_direct_diff", "auc"):
        assert value(result, name) == pytest.approx(0.5, abs=0.06)


def test_a_method_that_changes_forgotten_examples_alone_is_caught() -> None:
    """The pair reveals more than retraining does, though each model alone may look innocent."""
    result = before_after.evaluate(_paired_evidence(1.5, noise=0.01))

    assert value(result, "auc") > 0.95
    assert value(result, "excess_auc") > 0.3
    assert value(result, "auc_gain") > 0.3
    assert value(result, "deg_rate") > 0.2
    assert value(result, "deg_count") > 0.8


def test_intervals_know_that_the_attack_was_fitted_to_the_models() -> None:
    """Over fresh models on the same examples. The spread of single models' results alone would be half of the true one, since
    the fit
    varies with the models too.
    """
    values, claimed = [], []
    for seed in range(20):
        evidence = _paired_evidence(0.05, noise=0.1, n_examples=40, models_seed=seed)
        examples = example_sets.matched(evidence, np.random.default_rng(0))
        assert examples is not None
        row = cross_fit.pairs(Analysis(evidence).models)["unlearned"]
        found = cross_fit.contributions(
            cross_fit.trial(Analysis(evidence), row, examples),
            lambda outcome: np.array([outcome.auc["l2"], outcome.gain]),
        )
        values.append(found.mean(axis=0))
        claimed.append(found.var(axis=0, ddof=1) / len(found))

    assert (np.std(values, axis=0, ddof=1) < 1.1 * np.sqrt(np.mean(claimed, axis=0))).all()


def test_contributions_leave_the_value_as_it_is() -> None:
    evidence = _paired_evidence(0.5, 0.5, n_models=9, n_examples=40)
    examples = example_sets.matched(evidence, np.random.default_rng(0))
    assert examples is not None
    row = cross_fit.pairs(Analysis(evidence).models)["unlearned"]

    found = cross_fit.contributions(
        cross_fit.trial(Analysis(evidence), row, examples), lambda outcome: np.array([outcome.auc["all"]])
    )

    assert found.shape == (9, 1)
    assert found.mean() == pytest.approx(
        cross_fit.attack(Analysis(evidence), row, examples).auc["all"].mean(), rel=1e-12
    )


def test_doing_nothing_adds_nothing(gaussian: Make) -> None:
    evidence = gaussian(0.0, n_models=8, n_examples=80)
    idle = replace(evidence, logits={**evidence.logits, "unlearned": evidence.logits["original"]})

    result = before_after.evaluate(idle)

    for name in ("auc_sorted_diff", "auc_direct_diff", "auc_l2"):
        assert value(result, name) == pytest.approx(0.5, abs=1e-9)
    assert value(result, "auc_gain") == pytest.approx(0, abs=1e-9)
    assert value(result, "deg_rate") == pytest.approx(0, abs=1e-9)
    assert value(result, "deg_count") == pytest.approx(0.5, abs=1e-9)
    assert value(result, "auc") == pytest.approx(metric(result, "auc").noop)
    assert metric(result, "auc").noop > 0.55


def test_retraining_is_the_reference(gaussian: Make) -> None:
    result = before_after.evaluate(gaussian(0.0, n_models=16, n_examples=200))

    assert value(result, "excess_auc") == pytest.approx(0, abs=0.02)
    assert value(result, "auc") > 0.6
    assert f"{value(result, 'auc') - value(result, 'excess_auc'):.3f}"[:4] in metric(result, "auc").note


def test_an_unlearned_model_is_paired_with_its_own_original() -> None:
    """Shuffled origins break the pairs, and with them the attack on tiny changes."""
    evidence = _paired_evidence(0.3, noise=0.01)
    shuffled = replace(evidence, unlearned_from=(evidence.unlearned_from + 3) % 8)

    assert value(before_after.evaluate(evidence), "auc_direct_diff") > 0.9
    assert value(before_after.evaluate(shuffled), "auc_direct_diff") < 0.75


def test_models_of_one_original_share_a_fold(gaussian: Make) -> None:
    """Eight originals, two unlearned models each: a fit to one must not be tested on its sibling."""
    evidence = gaussian(0.3, n_models={"original": 8, "retrained": 16, "control": 16, "unlearned": 16}, n_examples=20)
    evidence = replace(evidence, unlearned_from=np.arange(16) % 8)

    for row in cross_fit.pairs(Analysis(evidence).models).values():
        folds = {original: set(row.folds[row.before == original]) for original in row.before}
        assert all(len(of_one) == 1 for of_one in folds.values())
        assert len(set(row.folds)) == 4


def test_one_original_is_attacked_with_a_warning(gaussian: Make) -> None:
    evidence = gaussian(0.3, n_models={"original": 1, "retrained": 8, "control": 8, "unlearned": 8}, n_examples=30)
    origins = np.zeros(8, dtype=np.int64)
    evidence = replace(evidence, unlearned_from=origins, design="one-original")

    result = before_after.evaluate(evidence)

    assert_well_formed(result)
    assert metric(result, "auc").value is not None
    assert metric(result, "auc").position is None
    assert any("one original" in warning for warning in result.warnings)


def test_missing_originals_leave_no_attack(gaussian: Make) -> None:
    evidence = gaussian(0.3, n_models=8, n_examples=30)
    logits = {name: by for name, by in evidence.logits.items() if name != "original"}

    result = before_after.evaluate(replace(evidence, logits=logits))

    assert_well_formed(result)
    assert all(one.value is None for one in result.metrics)


def test_features_are_those_of_the_posteriors() -> None:
    before = np.log(np.array([[[0.2, 0.7, 0.1]]])).astype(np.float32)
    after = np.log(np.array([[[0.3, 0.5, 0.2]]])).astype(np.float32)
    sets = change.columns(3)

    found = change.features(before, after, np.array([0]))[0, 0]

    assert found[sets["before"]] == pytest.approx([0.7, 0.2, 0.1, 0.2, np.log(0.2 / 0.8)], abs=1e-6)
    assert found[sets["sorted_diff"]] == pytest.approx([0.2, -0.1, -0.1], abs=1e-6)
    assert found[sets["direct_diff"]] == pytest.approx([-0.1], abs=1e-6)
    assert found[sets["l2"]] == pytest.approx([np.sqrt(0.06)], abs=1e-6)
    assert len(sets["all"]) == len(found)


def test_the_discriminant_is_the_log_odds_of_two_gaussians() -> None:
    """Means +-1, unit variance: the log odds of x are 2 x."""
    unit = np.array([[2.0]])  # E x^2 = mean^2 + variance

    weights, offset = change.discriminant(
        Moments(np.array([1.0]), unit), Moments(np.array([-1.0]), unit), np.array([0])
    )

    assert weights[0] == pytest.approx(2, rel=2 * change.RIDGE)
    assert offset == pytest.approx(0, abs=1e-12)


def test_constant_features_are_left_out() -> None:
    same = Moments(np.array([3.0]), np.array([[9.0]]))

    weights, offset = change.discriminant(same, same, np.array([0]))

    assert weights[0] == 0
    assert offset == 0


def test_an_attack_scored_on_what_it_learned_from_would_be_caught() -> None:
    """With few examples the fit finds spurious differences, which are absent on other examples."""
    found = []
    for seed in range(10):
        evidence = gaussian_evidence(0.0, 0.0, n_models=4, n_examples=30, n_classes=3, seed=seed)
        found.append(value(before_after.evaluate(evidence), "auc"))

    assert abs(np.mean(found) - 0.5) < 3.5 * np.std(found) / np.sqrt(10)


def test_the_count_of_gains_does_not_hang_on_the_last_bit() -> None:
    """Kernels differ in the last bit between processors; gains of a method that changes nothing are of that size."""
    base = _paired_evidence(0.5, 0.5, n_models=8, n_examples=60)
    idle = {**base.logits, "unlearned": base.logits["original"]}
    shaken = {
        name: (logits * (1 + 1e-7 * np.random.default_rng(0).choice([-1, 1], logits.shape))).astype(np.float32)
        for name, logits in base.logits["original"].items()
    }

    def counted(unlearned: dict[str, np.ndarray]) -> float:
        evidence = replace(base, logits={**idle, "unlearned": unlearned})
        return value(before_after.evaluate(evidence), "deg_count")

    assert counted(shaken) == pytest.approx(counted(dict(base.logits["original"])), abs=2e-3)
