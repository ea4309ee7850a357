"""Populations whose statistics are known in closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from scipy.special import ndtr

from harness.evaluation import Evidence
from harness_evaluators import accuracy, ks, lira
from tests.unit.evaluators.helpers import metric, value

Make = Callable[..., Evidence]


def test_identical_populations_give_the_null(gaussian: Make) -> None:
    evidence = gaussian(0.0, n_models=64, n_examples=200)

    attacked, compared = lira.evaluate(evidence), ks.evaluate(evidence)

    assert value(attacked, "auc") == pytest.approx(0.5, abs=0.015)
    assert value(attacked, "tpr_at_1_percent_fpr") == pytest.approx(0.01, abs=0.005)
    assert value(attacked, "direction") == pytest.approx(0, abs=0.05)
    assert value(compared, "mean_d") == pytest.approx(0.1461, abs=0.005)
    assert value(compared, "share_rejected") <= 0.01


def test_a_shift_gives_the_auc_of_two_gaussians(gaussian: Make) -> None:
    """AUC = Phi(d / sqrt 2) for the optimal attack; the fitted one comes close from below with many models."""
    expected = float(ndtr(1 / np.sqrt(2)))

    found = value(lira.evaluate(gaussian(1.0, n_models=64, n_examples=200)), "auc")

    assert expected - 0.02 < found < expected + 0.01


def test_a_shift_is_measured_with_its_sign(gaussian: Make) -> None:
    for shift in (0.8, -0.8):
        found = lira.evaluate(gaussian(shift, n_models=64))
        assert value(found, "direction") == pytest.approx(shift, abs=0.1)


def test_a_shift_gives_the_wasserstein_distance_of_two_gaussians(gaussian: Make) -> None:
    """W1 between N(0, 1) and N(d, 1) is d."""
    assert value(ks.evaluate(gaussian(1.5, n_models=64)), "wasserstein") == pytest.approx(1.5, abs=0.1)


def test_a_shift_gives_the_ks_distance_of_two_gaussians(gaussian: Make) -> None:
    """sup |F - G| = 2 Phi(d / 2) - 1, which finite samples exceed a little."""
    exact = float(2 * ndtr(0.75) - 1)

    assert exact < value(ks.evaluate(gaussian(1.5, n_models=64)), "mean_d") < exact + 0.05


@pytest.mark.parametrize("module", [lira, ks])
def test_the_noop_row_is_the_attack_on_the_originals(gaussian: Make, module: ModuleType) -> None:
    """An unlearner that returns the originals scores what the no-op row says, and stands at 0."""
    evidence = gaussian(0.0)
    idle = replace(evidence, logits={**evidence.logits, "unlearned": evidence.logits["original"]})

    for one in module.evaluate(idle).metrics:
        assert one.value == pytest.approx(one.noop, abs=0.02)
        assert one.position is None or one.position == pytest.approx(0, abs=0.1)


POSITIONS = {lira: ("auc", "direction"), ks: ("mean_d", "wasserstein"), accuracy: ("forget", "tow")}


@pytest.mark.parametrize("module", POSITIONS)
def test_over_forgetting_lowers_the_position_as_under_forgetting_does(gaussian: Make, module: ModuleType) -> None:
    results = [module.evaluate(gaussian(shift, n_classes=3, seed=3)) for shift in (0.7, -0.7)]

    for name in POSITIONS[module]:
        positions = [metric(result, name).position for result in results]
        assert all(position is not None and position < 0.92 for position in positions), name
        assert positions[0] == pytest.approx(positions[1], abs=0.25), name


def test_perfect_unlearning_stands_at_one(gaussian: Make) -> None:
    evidence = gaussian(0.0, seed=5)

    for module, name in ((lira, "auc"), (ks, "mean_d"), (accuracy, "forget")):
        assert metric(module.evaluate(evidence), name).position == pytest.approx(1, abs=0.12)


def test_constant_output_is_seen_as_far_from_retrained(gaussian: Make) -> None:
    evidence = gaussian(0.0, noop=3.0)
    constant = {split: np.zeros_like(logits) for split, logits in evidence.logits["unlearned"].items()}
    evidence = replace(evidence, logits={**evidence.logits, "unlearned": constant})

    assert value(lira.evaluate(evidence), "auc") > 0.95
    assert value(ks.evaluate(evidence), "mean_d") > 0.5


def test_no_scale_is_made_of_noise(gaussian: Make) -> None:
    """Where the originals look like retrained models there is no position, and the reader is warned."""
    result = lira.evaluate(gaussian(0.0, noop=0.0))

    assert metric(result, "auc").position is None
    assert any("lira.auc" in warning for warning in result.warnings)


def test_accuracies_are_shares_of_right_answers(with_phi: Make) -> None:
    """Positive and large phi is a right answer, negative and large a wrong one."""

    def population(right: int) -> dict[str, np.ndarray]:
        phi = np.where(np.arange(10) < right, 9.0, -9.0)
        return {split: np.tile(phi, (4, 1)) for split in ("retain", "forget", "validation", "test")}

    phis = {
        name: population(right)
        for name, right in (("original", 10), ("retrained", 6), ("control", 6), ("unlearned", 5))
    }
    result = accuracy.evaluate(with_phi(phis))

    assert value(result, "forget") == pytest.approx(0.5)
    assert value(result, "forget_gap") == pytest.approx(-0.1)
    assert metric(result, "forget").position == pytest.approx(0.75)
    assert value(result, "tow") == pytest.approx(0.9**3)
    assert value(result, "average_gap") == pytest.approx(0.1)
    assert metric(result, "tow").noop == pytest.approx(0.6**3)
