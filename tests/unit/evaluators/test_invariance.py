"""Orders of models and examples do not matter, nor does how phi came about; sizes and edges are handled."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.evaluation import Evidence
from harness_evaluators import accuracy, efficiency, ks, lira
from tests.unit.evaluators.conftest import POPULATIONS, evidence_of, gaussian_evidence
from tests.unit.evaluators.helpers import assert_well_formed, metric, numbers

Make = Callable[..., Evidence]
MODULES = (accuracy, lira, ks)


def _permuted(evidence: Evidence) -> Evidence:
    """Permute models and examples in storage."""
    rng = np.random.default_rng(9)
    order = {split: rng.permutation(len(labels)) for split, labels in evidence.labels.items()}
    models = {name: rng.permutation(len(by["forget"])) for name, by in evidence.logits.items()}
    logits = {
        name: {split: array[models[name]][:, order[split]] for split, array in by.items()}
        for name, by in evidence.logits.items()
    }
    labels = {split: array[order[split]] for split, array in evidence.labels.items()}
    ids = {split: array[order[split]] for split, array in evidence.ids.items()}
    return Evidence(**{**vars(evidence), "logits": logits, "labels": labels, "ids": ids})


@pytest.mark.parametrize("module", MODULES)
def test_permuting_models_and_examples_changes_nothing(gaussian: Make, module: ModuleType) -> None:
    evidence = gaussian(0.4, n_models={"original": 12, "retrained": 14, "control": 13, "unlearned": 9}, n_examples=40)

    first, second = module.evaluate(evidence), module.evaluate(_permuted(evidence))

    for one, other in zip(first.metrics, second.metrics, strict=True):
        assert numbers(one) == pytest.approx(numbers(other), rel=1e-9, abs=1e-9), one.name


@pytest.mark.parametrize("module", MODULES)
def test_the_same_evidence_gives_the_same_result(gaussian: Make, module: ModuleType) -> None:
    evidence = gaussian(0.4, n_models=8, n_examples=30)

    assert module.evaluate(evidence).metrics == module.evaluate(evidence).metrics


def test_another_seed_draws_other_folds(gaussian: Make) -> None:
    evidence = gaussian(0.4, n_models=8, n_examples=30)

    other = Evidence(**{**vars(evidence), "seed": 1})

    assert metric(lira.evaluate(evidence), "auc").value != metric(lira.evaluate(other), "auc").value


@pytest.mark.parametrize("module", MODULES)
@settings(max_examples=12, deadline=None)
@given(sizes=st.tuples(*[st.integers(2, 64)] * 4), examples=st.integers(1, 12), classes=st.integers(2, 5))
def test_any_sizes_give_finite_numbers_or_none(
    module: ModuleType, sizes: tuple[int, ...], examples: int, classes: int
) -> None:
    counts = dict(zip(POPULATIONS, sizes, strict=True))

    assert_well_formed(module.evaluate(gaussian_evidence(0.5, 1.0, counts, examples, classes)))


def test_halves_that_agree_wholly_do_not_make_a_variance_negative() -> None:
    """With two examples the correlation of halves may be computed as slightly more than 1."""
    counts = dict(zip(POPULATIONS, (43, 62, 28, 25), strict=True))

    assert_well_formed(lira.evaluate(gaussian_evidence(0.5, 1.0, counts, 2, 5)))


@pytest.mark.parametrize("module", MODULES)
@settings(max_examples=12, deadline=None)
@given(
    levels=st.lists(st.sampled_from([-1e30, -200.0, -1.0, 0.0, 1.0, 200.0, 1e4, 1e30]), min_size=1, max_size=3),
    size=st.integers(4, 12),
)
def test_ties_and_certain_models_give_finite_numbers(module: ModuleType, levels: list[float], size: int) -> None:
    """Few distinct values of phi, up to probabilities that are 0 or 1 in floating point."""
    rng = np.random.default_rng(size)
    splits = ("retain", "forget", "validation", "test")
    phis = {name: {split: rng.choice(levels, size=(size, 5)) for split in splits} for name in POPULATIONS}

    assert_well_formed(module.evaluate(evidence_of(phis)))


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

    result = module.evaluate(Evidence(**{**vars(evidence), "logits": logits}))

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


def test_single_precision_logits_are_enough(gaussian: Make) -> None:
    evidence = gaussian(0.4, n_models=16)
    double = {name: {s: a.astype(np.float64) for s, a in by.items()} for name, by in evidence.logits.items()}
    wide = Evidence(**{**vars(evidence), "logits": double})

    for module in MODULES:
        for one, other in zip(module.evaluate(evidence).metrics, module.evaluate(wide).metrics, strict=True):
            assert one.value == pytest.approx(other.value, abs=1e-6)


@pytest.mark.parametrize("module", [accuracy, efficiency, ks, lira])
def test_the_evaluator_registers_under_its_modules_name(module: ModuleType) -> None:
    info = module.harness_evaluator()

    assert info.name == module.__name__.rpartition(".")[2]
    assert info.evaluate is module.evaluate
