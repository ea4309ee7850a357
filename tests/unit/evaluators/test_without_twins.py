"""Metrics with and without forgotten examples that have a twin in another split."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.evaluation import SPLITS, Evidence
from harness_evaluators import forgetting, lira
from tests.unit.evaluators.conftest import evidence_of
from tests.unit.evaluators.helpers import assert_well_formed, metric, value

EXAMPLES = 40
TWINS = np.arange(EXAMPLES) < 30
"""Three of four examples have a twin in the retain set, so that retrained models know them as well."""


def half_left(twins: dict[str, np.ndarray], left: float = 0.5) -> Evidence:
    """Return evidence in which originals remember examples without a twin, and unlearned models the share ``left`` of that."""
    rng = np.random.default_rng(0)
    memory = np.where(TWINS, 0.0, 3.0)
    shifts = {"original": memory, "retrained": 0.0, "control": 0.0, "unlearned": left * memory}
    phis = {
        name: {split: rng.normal(shift if split == "forget" else 0.0, 1, (16, EXAMPLES)) for split in SPLITS}
        for name, shift in shifts.items()
    }
    return replace(evidence_of(phis), twins=twins)


def test_examples_with_a_twin_hide_what_is_left_of_the_others() -> None:
    evidence = half_left({"retain": TWINS})

    attack, memory = lira.evaluate(evidence), forgetting.evaluate(evidence)

    assert value(attack, "auc") < 0.65
    assert value(attack, "auc_without_twins") > 0.8
    assert metric(attack, "auc_without_twins").control == pytest.approx(0.5, abs=0.12)
    assert value(memory, "memory_left_without_twins") == pytest.approx(0.5, abs=0.12)
    told = "Without the 30 of 40 forgotten examples that have a twin: 30 in the retain set."
    assert metric(memory, "memory_left_without_twins").note == told
    assert metric(attack, "auc_without_twins").note.startswith(told)


def test_without_twins_perfect_unlearning_is_the_null() -> None:
    evidence = half_left({"retain": TWINS, "test": ~TWINS & (np.arange(EXAMPLES) > 38)}, left=0.0)

    attack, memory = lira.evaluate(evidence), forgetting.evaluate(evidence)

    found = metric(attack, "auc_without_twins")
    assert found.interval is not None
    assert found.interval.low <= 0.5 <= found.interval.high
    left = metric(memory, "memory_left_without_twins")
    assert left.interval is not None
    assert left.interval.low <= 0 <= left.interval.high
    assert "31 of 40" in left.note


def test_a_run_without_twins_has_neither_metric() -> None:
    evidence = half_left({"retain": np.zeros(EXAMPLES, dtype=bool)})

    names = [one.name for module in (lira, forgetting) for one in module.evaluate(evidence).metrics]
    assert not any("twins" in name for name in names)


def test_if_every_example_has_a_twin_the_reason_is_told() -> None:
    evidence = half_left({"validation": np.ones(EXAMPLES, dtype=bool)})

    for module, name in ((lira, "auc_without_twins"), (forgetting, "memory_left_without_twins")):
        result = module.evaluate(evidence)
        assert_well_formed(result)
        assert metric(result, name).value is None
        assert metric(result, name).note.startswith("Not computed: 0 examples are left. Without the 40 of 40")
