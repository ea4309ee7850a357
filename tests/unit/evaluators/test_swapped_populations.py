"""Unlearned and retrained models in each other's place: gaps change their sign, ratios are inverted, distances stay."""

from __future__ import annotations

import math
from types import ModuleType

import pytest

from harness.evaluation import Result
from harness_evaluators import accuracy, divergence, efficiency, forgetting_quality, ks, lira, membership, variance
from tests.unit.evaluators.every import name_of, swapped, usual
from tests.unit.evaluators.helpers import metric, value


def _both_ways(module: ModuleType) -> tuple[Result, Result]:
    evidence = usual(0.8, n_models=24, n_examples=40)
    return module.evaluate(evidence), module.evaluate(swapped(evidence))


FLIPPED = {accuracy: ("forget_gap", "test_gap"), lira: ("direction",)}
INVERTED = {efficiency: "ratio", variance: "variance_ratio"}
UNCHANGED = {
    divergence: {"js": 0.005, "js_excess": 0.005, "activation_distance": 0.01, "completeness": 0.02},
    forgetting_quality: {"mean_epsilon_exact": 1e-12, "f_exact": 1e-12},
    ks: {"mean_d": 1e-12, "mean_d_logits": 1e-12, "share_rejected": 1e-12},
    lira: {"auc": 0.03},
}
"""Distances; pairs and folds are drawn anew where the slack is not rounding."""


@pytest.mark.parametrize("module", {**FLIPPED, **INVERTED, **UNCHANGED}, ids=name_of)
def test_swapping_the_populations_flips_signs_inverts_ratios_and_leaves_distances(module: ModuleType) -> None:
    first, second = _both_ways(module)

    for name in FLIPPED.get(module, ()):
        assert value(first, name)
        # Of lira's direction the unit changes as well: the other population's spread.
        assert value(second, name) == pytest.approx(-value(first, name), rel=0.05 if module is lira else 1e-12)
    for name, slack in UNCHANGED.get(module, {}).items():
        assert value(second, name) == pytest.approx(value(first, name), abs=slack), name
    if module in INVERTED:
        ratio, other = (value(found, INVERTED[module]) for found in (first, second))
        assert abs(math.log(ratio)) > 0.01
        assert other == pytest.approx(1 / ratio, rel=1e-9)
    if module is lira:
        assert value(first, "share_under_forgotten") == value(second, "share_over_forgotten")


def test_swapping_the_populations_flips_the_side_of_the_retrained_models() -> None:
    results = _both_ways(membership)

    for name in ("simple_mia", "confidence_mia", "modified_entropy_mia"):
        sides = []
        for one in (metric(result, name) for result in results):
            assert one.value is not None
            sides.append(one.value - float(one.note.split("Retrained models: ")[1].rstrip(".")))
        assert sides[0] > 0.02, name
        assert sides[1] == pytest.approx(-sides[0], abs=0.05), name
