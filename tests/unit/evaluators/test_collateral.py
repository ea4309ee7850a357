"""Retained examples: the attack's null and its closed form, direction, membership, and evidence without a retain set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from harness.evaluation import SPLITS, Evidence
from harness_evaluators import collateral, lira
from harness_evaluators.common import example_sample
from harness_evaluators.common.separation import share_above
from tests.unit.evaluators.conftest import evidence_of, gaussian_evidence
from tests.unit.evaluators.every import POPULATIONS
from tests.unit.evaluators.helpers import metric, value


def _retained(shift: float, n_models: int = 32, n_examples: int = 100, seed: int = 0) -> Evidence:
    """Return standard normal phi on every split, but for retained examples of unlearned models, which are shifted."""
    rng = np.random.default_rng(seed)

    def draw(name: str, split: str) -> np.ndarray:
        moved = shift if (name, split) == ("unlearned", "retain") else 0.0
        return moved + rng.standard_normal((n_models, n_examples))

    return evidence_of({name: {split: draw(name, split) for split in SPLITS} for name in POPULATIONS}, seed=seed)


@pytest.mark.parametrize("shift", [0.8, -0.8])
def test_a_shift_on_retained_examples_alone_gives_the_closed_forms(shift: float) -> None:
    """Between N(d, 1) and N(0, 1) the attack's AUC is Phi(|d| / sqrt 2), and so is that of retained against test examples."""
    evidence = _retained(shift)
    result = collateral.evaluate(evidence)
    change = metric(result, "change")

    assert value(result, "auc") == pytest.approx(ndtr(0.8 / np.sqrt(2)), abs=0.02)
    assert value(result, "direction") == pytest.approx(shift, abs=0.1)
    assert value(result, "exposure") == pytest.approx(ndtr(shift / np.sqrt(2)), abs=0.02)
    assert change.value == pytest.approx(value(result, "auc") - metric(result, "auc").control)
    assert change.interval is not None
    assert change.interval.low > 0
    assert change.control == 0
    assert change.value > change.smallest_visible > 0
    assert value(lira.evaluate(evidence), "auc") == pytest.approx(0.5, abs=0.02)  # which sees forgotten examples alone


@pytest.mark.parametrize("n_models", [8, 20])
def test_perfect_unlearning_has_no_collateral(n_models: int) -> None:
    results = [collateral.evaluate(_retained(0.0, n_models, 60, seed)) for seed in range(6)]
    auc, exposed = ([value(result, name) for result in results] for name in ("auc", "exposure"))

    assert np.mean(auc) == pytest.approx(0.5, abs=3 * np.std(auc) / np.sqrt(6) + 0.003)
    assert np.mean(exposed) == pytest.approx(0.5, abs=3 * np.std(exposed) / np.sqrt(6) + 0.01)
    intervals = [metric(result, "change").interval for result in results]
    assert all(one is None for one in intervals) == (n_models < 16)
    assert sum(one.low <= 0 <= one.high for one in intervals if one is not None) >= (n_models >= 16) * 4


def test_a_shift_of_the_forget_set_is_no_collateral() -> None:
    change = metric(collateral.evaluate(gaussian_evidence(2.0, n_models=24)), "change")

    assert change.interval is not None
    assert change.interval.low <= 0 <= change.interval.high


def test_without_a_retain_set_there_is_no_number() -> None:
    evidence = gaussian_evidence(n_models=8, n_examples=10)
    logits = {name: {"forget": by["forget"], "test": by["test"]} for name, by in evidence.logits.items()}

    result = collateral.evaluate(replace(evidence, logits=logits))

    assert all(one.value is None and "no logits on a retain set" in one.note for one in result.metrics)


def test_without_a_control_there_is_no_change_and_without_a_test_set_no_membership() -> None:
    evidence = gaussian_evidence(n_models={"original": 8, "retrained": 8, "control": 0, "unlearned": 8}, n_examples=10)
    logits = {name: {split: a for split, a in by.items() if split != "test"} for name, by in evidence.logits.items()}

    result = collateral.evaluate(replace(evidence, logits=logits))

    assert value(result, "auc") > 0
    assert "no control" in metric(result, "change").note
    assert "test set" in metric(result, "exposure").note


def test_a_large_retain_set_is_sampled_by_id() -> None:
    evidence = gaussian_evidence(n_models=4, n_examples=700)
    turned = replace(evidence, ids={split: ids[::-1] for split, ids in evidence.ids.items()})
    everyone = np.arange(700)

    first, second = (example_sample.sample(one, "retain", everyone) for one in (evidence, turned))

    assert len(set(first)) == example_sample.MOST
    assert (np.diff(first) > 0).all()
    assert set(evidence.ids["retain"][first]) == set(turned.ids["retain"][second])
    assert "500 of 700 retained examples" in metric(collateral.evaluate(evidence), "auc").note


def test_the_share_above_counts_ties_as_halves() -> None:
    found = share_above(np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[1.0, 3.0, 0.0], [0.0, 0.0, 0.0]]))

    assert found == pytest.approx([((1 + 0.5) / 3 + 2 / 3) / 2, 0.5])
