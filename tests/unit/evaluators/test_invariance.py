"""Orders of models and examples do not matter, nor does how phi came about; sizes and edges are handled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import pytest

from harness.evaluation import Evidence
from harness_evaluators import accuracy, ks, lira
from tests.unit.evaluators.conftest import POPULATIONS, gaussian_evidence
from tests.unit.evaluators.helpers import assert_well_formed, metric

Make = Callable[..., Evidence]
MODULES = (accuracy, lira, ks)


@pytest.mark.parametrize("module", MODULES)
def test_the_same_evidence_gives_the_same_result(gaussian: Make, module: ModuleType) -> None:
    evidence = gaussian(0.4, n_models=8, n_examples=30)

    assert module.evaluate(evidence).metrics == module.evaluate(evidence).metrics


def test_another_seed_draws_other_folds(gaussian: Make) -> None:
    evidence = gaussian(0.4, n_models=8, n_examples=30)

    other = replace(evidence, seed=1)

    assert metric(lira.evaluate(evidence), "auc").value != metric(lira.evaluate(other), "auc").value


def test_halves_that_agree_wholly_do_not_make_a_variance_negative() -> None:
    """With two examples the correlation of halves may be computed as slightly more than 1."""
    counts = dict(zip(POPULATIONS, (43, 62, 28, 25), strict=True))

    assert_well_formed(lira.evaluate(gaussian_evidence(0.5, 1.0, counts, 2, 5)))


@pytest.mark.parametrize("module", [lira, ks])
def test_too_few_models_are_said_to_be_too_few(gaussian: Make, module: ModuleType) -> None:
    result = module.evaluate(gaussian(n_models={"original": 8, "retrained": 8, "control": 8, "unlearned": 3}))

    assert_well_formed(result)
    assert all(one.value is None and "3 unlearned" in one.note for one in result.metrics)
    assert result.warnings


@pytest.mark.parametrize("module", MODULES)
def test_no_finished_model_is_no_error(gaussian: Make, module: ModuleType) -> None:
    result = module.evaluate(gaussian(n_models={"original": 8, "retrained": 8, "control": 8, "unlearned": 0}))

    assert_well_formed(result)
    assert all(one.value is None for one in result.metrics)


@pytest.mark.parametrize("module", MODULES)
def test_missing_references_leave_the_value_and_take_the_position(gaussian: Make, module: ModuleType) -> None:
    evidence = gaussian(0.4, n_models=8)
    logits = {name: evidence.logits[name] for name in ("unlearned", "retrained")}

    result = module.evaluate(replace(evidence, logits=logits))

    assert_well_formed(result)
    assert all(one.position is None and one.control is None for one in result.metrics)
    assert any(one.value is not None for one in result.metrics)
    assert result.warnings


@pytest.mark.parametrize("module", [lira, ks])
def test_references_are_cut_to_the_number_of_unlearned_models(gaussian: Make, module: ModuleType) -> None:
    """The null and the ceiling depend on N: they must be those of the N that the value rests on."""
    many = gaussian(0.0, n_models={"original": 40, "retrained": 40, "control": 40, "unlearned": 8}, n_examples=200)

    result = ks.evaluate(many)

    mean_d = metric(result, "mean_d")
    assert mean_d.value == pytest.approx(mean_d.control, abs=0.03)
