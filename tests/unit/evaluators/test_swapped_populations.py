"""Unlearned and retrained models in each other's place: gaps change their sign, ratios are inverted, distances stay."""

from __future__ import annotations

import math
from types import ModuleType

import pytest

from harness.evaluation import Metric
from harness_evaluators import accuracy, divergence, efficiency, forgetting_quality, ks, lira, membership, variance
from tests.unit.evaluators.every import swapped, usual
from tests.unit.evaluators.helpers import metric


def _both_ways(module: ModuleType, name: str) -> tuple[Metric, Metric]:
    evidence = usual(0.8, n_models=24, n_examples=40)
    return metric(module.evaluate(evidence), name), metric(module.evaluate(swapped(evidence)), name)


FLIPPED = [
    (accuracy, "forget_gap"),
    (accuracy, "test_gap"),
    (lira, "direction"),
]


@pytest.mark.parametrize(("module", "name"), FLIPPED, ids=lambda x: getattr(x, "__name__", str(x)))
def test_swapping_the_populations_flips_the_sign(module: ModuleType, name: str) -> None:
    one, other = _both_ways(module, name)

    assert one.value
    # Of lira's direction the unit changes as well: the other population's spread.
    assert other.value == pytest.approx(-one.value, rel=0.05 if module is lira else 1e-12)


@pytest.mark.parametrize(("module", "name"), [(efficiency, "ratio"), (variance, "variance_ratio")], ids=str)
def test_swapping_the_populations_inverts_a_ratio(module: ModuleType, name: str) -> None:
    one, other = _both_ways(module, name)

    assert one.value is not None
    assert abs(math.log(one.value)) > 0.01
    assert other.value == pytest.approx(1 / one.value, rel=1e-9)


UNCHANGED = [
    (divergence, "js", 0.005),
    (divergence, "js_excess", 0.005),
    (divergence, "activation_distance", 0.01),
    (divergence, "completeness", 0.02),
    (forgetting_quality, "mean_epsilon_exact", 1e-12),
    (forgetting_quality, "f_exact", 1e-12),
    (ks, "mean_d", 1e-12),
    (ks, "mean_d_logits", 1e-12),
    (ks, "share_rejected", 1e-12),
    (lira, "auc", 0.03),
]


@pytest.mark.parametrize(("module", "name", "slack"), UNCHANGED, ids=lambda x: getattr(x, "__name__", str(x)))
def test_swapping_the_populations_leaves_a_distance(module: ModuleType, name: str, slack: float) -> None:
    """Pairs and folds are drawn anew where the slack is not rounding."""
    one, other = _both_ways(module, name)

    assert one.value is not None
    assert other.value == pytest.approx(one.value, abs=slack)


@pytest.mark.parametrize("name", ["simple_mia", "confidence_mia", "modified_entropy_mia"])
def test_swapping_the_populations_flips_the_side_of_the_retrained_models(name: str) -> None:
    sides = []
    for one in _both_ways(membership, name):
        assert one.value is not None
        sides.append(one.value - float(one.note.split("Retrained models: ")[1].rstrip(".")))

    assert sides[0] > 0.02
    assert sides[1] == pytest.approx(-sides[0], abs=0.05)
