"""What every evaluator owes: the null where nothing differs, the same numbers in any order."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from harness.evaluation import Evidence
from harness_evaluators import (
    accuracy,
    before_after,
    divergence,
    efficiency,
    forgetting,
    forgetting_quality,
    interclass_confusion,
    klom,
    ks,
    lira,
    membership,
    representation,
    variance,
)
from tests.unit.evaluators.conftest import gaussian_evidence
from tests.unit.evaluators.every import (
    EVERY,
    name_of,
    suited,
    usual,
    with_population,
)
from tests.unit.evaluators.helpers import metric, numbers, value
from tests.unit.evaluators.recovered import taken

SINGLE_PRECISION = {before_after: 1e-4, divergence: 1e-6, forgetting: 2e-3, representation: 1e-6}
"""Evaluators that compute in single precision, where another order of sums shows; the others hold to 1e-9. A p-value of
``forgetting`` moves by one permutation of 1,000."""


def test_every_registered_evaluator_is_held_to_this() -> None:
    points = importlib.metadata.entry_points(group="harness.evaluators")

    assert {name_of(module) for module in EVERY} == {
        point.name for point in points if point.module.startswith("harness_evaluators.")
    }


@pytest.mark.parametrize("module", EVERY, ids=name_of)
def test_an_evaluator_registers_under_its_modules_name(module: ModuleType) -> None:
    info = module.harness_evaluator()

    assert info.name == name_of(module)
    assert info.evaluate is module.evaluate


def _permuted(evidence: Evidence) -> tuple[Evidence, dict[str, np.ndarray]]:
    """Permute models and examples in storage; return the evidence and the order of examples."""
    rng = np.random.default_rng(9)
    order = {split: rng.permutation(len(labels)) for split, labels in evidence.labels.items()}
    rows = {name: rng.permutation(len(by["forget"])) for name, by in evidence.logits.items()}
    origins = np.argsort(rows["original"])[evidence.unlearned_from[rows["unlearned"]]]
    times = evidence.timings
    return replace(
        evidence,
        logits={n: {s: a[rows[n]][:, order[s]] for s, a in by.items()} for n, by in evidence.logits.items()},
        labels={split: array[order[split]] for split, array in evidence.labels.items()},
        ids={split: array[order[split]] for split, array in evidence.ids.items()},
        true_labels={split: array[order[split]] for split, array in evidence.true_labels.items()},
        probes=taken(evidence, rows, order),
        unlearned_from=origins,
        timings=replace(
            times,
            unlearn_s=times.unlearn_s[rows["unlearned"]],
            retrain_s=times.retrain_s[::-1],
            peak_rss_mib=times.peak_rss_mib[rows["unlearned"]],
        ),
    ), order


SIZES = {"original": 12, "retrained": 14, "control": 13, "unlearned": 9}


PER_EXAMPLE = {
    forgetting_quality: ("epsilon_official_unlearned", "epsilon_exact_unlearned"),
    klom: ("kl_unlearned",),
    ks: ("d_unlearned", "p_unlearned"),
    lira: ("shift_unlearned",),
    variance: ("variance_unlearned", "variance_retrained"),
}


@pytest.mark.parametrize("module", EVERY, ids=name_of)
def test_the_order_of_models_of_examples_and_of_ids_changes_no_number(module: ModuleType) -> None:
    """Numbers of examples follow the ids."""
    evidence = suited(module, usual(n_models=SIZES))
    tolerance = SINGLE_PRECISION.get(module, 1e-9)
    permuted, order = _permuted(evidence)

    first, second = module.evaluate(evidence), module.evaluate(permuted)

    assert any(one.value is not None for one in first.metrics)
    for one, other in zip(first.metrics, second.metrics, strict=True):
        assert numbers(one) == pytest.approx(numbers(other), rel=tolerance, abs=tolerance), one.name
    for name in PER_EXAMPLE.get(module, ()):
        assert np.ptp(first.arrays[name]) > 0
        assert second.arrays[name] == pytest.approx(first.arrays[name][order["forget"]], abs=1e-9), name


EXACTLY_NOTHING = {
    accuracy: {"forget_gap": 0.0, "tow": 1.0, "average_gap": 0.0},
    before_after: {"excess_auc": 0.0},
    efficiency: {"ratio": 1.0},
    forgetting_quality: {"mean_epsilon_exact": 0.0, "f_exact": 1.0},
    klom: {"forget_median": 0.0, "test_p95": 0.0},
    ks: {"mean_d": 0.0, "mean_d_logits": 0.0, "share_rejected": 0.0, "wasserstein": 0.0},
    lira: {"direction": 0.0, "share_under_forgotten": 0.0, "share_over_forgotten": 0.0},
    variance: {"variance_ratio": 1.0},
}


@pytest.mark.parametrize("module", EXACTLY_NOTHING, ids=name_of)
def test_the_very_same_models_differ_in_nothing(module: ModuleType) -> None:
    evidence = with_population(usual(n_models=20), "unlearned", "retrained")
    evidence = replace(evidence, timings=replace(evidence.timings, unlearn_s=evidence.timings.retrain_s))

    result = module.evaluate(evidence)

    for name, expected in EXACTLY_NOTHING[module].items():
        assert value(result, name) == pytest.approx(expected, abs=1e-7), name


REFERENCED = {
    divergence: ("zrf_uniform",),
    interclass_confusion: ("forget_wrong", "forget_true"),
    membership: ("simple_mia", "confidence_mia"),
}


@pytest.mark.parametrize("module", REFERENCED, ids=name_of)
def test_retrained_models_in_place_of_unlearned_ones_score_what_the_note_says_of_retrained(module: ModuleType) -> None:
    """Of a number whose ideal is the retrained models' own; folds may differ, so that attacks agree but for their fit."""
    result = module.evaluate(with_population(usual(n_models=20), "unlearned", "retrained"))

    for name in REFERENCED[module]:
        found = metric(result, name)
        retrained = float(found.note.split("Retrained models: ")[1].rstrip("."))
        assert found.value == pytest.approx(retrained, abs=1e-4 if name != "confidence_mia" else 0.05), name


SLACK = {
    before_after: {"excess_auc": 0.03},
    divergence: {"js_excess": 0.004},
    forgetting_quality: {"mean_epsilon_exact": 0.15, "mean_epsilon_official": 0.25},
    interclass_confusion: {"forget_wrong": 0.06},
    klom: {"forget_median": 0.12},
    ks: {"mean_d": 0.02, "wasserstein": 0.05},
    lira: {"auc": 0.02, "direction": 0.1},
    membership: {"confidence_mia": 0.03},
    variance: {"variance_ratio": 0.2},
}


@pytest.mark.parametrize("module", SLACK, ids=name_of)
def test_identical_populations_give_the_control_s_number(module: ModuleType) -> None:
    """Unlearned models drawn as retrained ones are."""
    result = module.evaluate(usual(0.0, n_models=24, n_examples=80, seed=2))

    for name, slack in SLACK[module].items():
        found = metric(result, name)
        assert found.value == pytest.approx(found.control, abs=slack), name
        if found.noop is not None:
            assert abs(found.noop - found.control) > slack or module in (interclass_confusion, variance), name


def test_p_values_in_the_report_are_flat_where_populations_are_alike() -> None:
    """P(p <= a) = a at every value that p takes: no larger than chance allows, and no smaller."""
    p = ks.evaluate(gaussian_evidence(0.0, n_models=32, n_examples=4000)).arrays["p_unlearned"]

    for level in np.unique(p)[::2]:
        assert (p <= level + 1e-12).mean() == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 4000) + 2e-3)
