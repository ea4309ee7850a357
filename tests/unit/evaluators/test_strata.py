"""``strata``: known answers, the null in every stratum, and bad input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from harness.evaluation import SPLITS, Evidence
from harness_evaluators import strata
from harness_evaluators.strata import halvings
from harness_evaluators.strata.halvings import Sides
from tests.unit.evaluators.conftest import evidence_of
from tests.unit.evaluators.helpers import assert_well_formed, metric, value


def remembered(left: Mapping[int, float], n_models: int = 16, examples: int = 60, seed: int = 0) -> Evidence:
    """Return evidence in which originals remember example i by i / 20 of phi.

    Of that, the unlearned models keep the share ``left`` of the tenth of the examples with this number, 0 of the others.
    """
    rng = np.random.default_rng(seed)
    memory, base = np.arange(examples) / 20, -2.0
    shares = np.array([left.get(int(10 * number / examples), 0.0) for number in range(examples)])
    shifts = {"original": memory, "retrained": 0.0, "control": 0.0, "unlearned": shares * memory}
    phis = {
        name: {split: rng.normal(base + shift, 1, (n_models, examples)) for split in SPLITS}
        for name, shift in shifts.items()
    }
    return evidence_of(phis)


def test_what_is_left_shows_in_its_own_stratum_alone() -> None:
    result = strata.evaluate(remembered({9: 1.0}, n_models=32))

    aucs = result.arrays["auc_per_stratum_unlearned"]
    assert len(aucs) == 10
    assert aucs[:8].max() < 0.6
    assert aucs[9] > 0.85
    assert value(result, "auc_most_memorised") == aucs[9]
    assert value(result, "shift_most_memorised") == pytest.approx(2.4, abs=0.5)
    assert result.arrays["examples_per_stratum"].tolist() == [6.0] * 10
    found = metric(result, "auc_most_memorised")
    assert found.interval is not None
    assert found.interval.low > 0.6
    assert result.arrays["auc_interval_per_stratum_unlearned"].max() <= 1
    assert found.position is not None
    assert found.position < 0.3


def test_memory_rises_with_the_stratum() -> None:
    memory = strata.evaluate(remembered({}, n_models=32)).arrays["memory_per_stratum"]

    assert memory[0] < 0.1
    assert memory[-1] > memory[5] > memory[0]


def test_the_same_examples_are_in_a_stratum_wherever_they_are_stored() -> None:
    sides = Sides(
        {"unlearned": np.zeros((8, 4))}, np.zeros((8, 4)), np.tile([0.0, 3.0, 1.0, 2.0], (8, 1)), np.arange(8)
    )

    found = halvings.measured(sides, 4, 0)["unlearned"]

    memory = found[0, 0, halvings.STATISTICS.index("memory")]
    assert memory == pytest.approx(expit([0.0, 1.0, 2.0, 3.0]) - 0.5)


@pytest.mark.parametrize("n_models", [8, 20])
def test_under_the_null_every_stratum_has_chance_and_the_controls_distance(n_models: int) -> None:
    """Means over runs in which examples differ in nothing that a half of the models could teach the other."""
    rows = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        phis = {
            name: {split: rng.normal(0, 1, (n_models, 30)) for split in SPLITS}
            for name in ("original", "retrained", "control", "unlearned")
        }
        arrays = strata.evaluate(evidence_of(phis)).arrays
        rows.append(
            [
                arrays["auc_per_stratum_unlearned"],
                *(arrays[f"mean_d_per_stratum_{r}"] for r in ("unlearned", "control")),
            ]
        )
    aucs, ours, controls = np.moveaxis(np.array(rows), 1, 0)

    error = aucs.std(axis=0) / len(aucs) ** 0.5
    assert (np.abs(aucs.mean(axis=0) - 0.5) < 4 * error).all()
    difference = ours - controls
    assert (np.abs(difference.mean(axis=0)) < 4 * difference.std(axis=0) / len(aucs) ** 0.5).all()


def test_strata_of_the_measured_models_themselves_would_be_wrong() -> None:
    """The reason for halves: the same models in both places make the highest stratum look forgotten too little."""
    shifts = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        original, retrained, unlearned = rng.normal(0, 1, (3, 8, 60))
        memory = expit(original).mean(axis=0) - expit(retrained).mean(axis=0)
        shifts.append((unlearned.mean(axis=0) - retrained.mean(axis=0))[np.argsort(memory)[-6:]].mean())

    assert np.mean(shifts) > 0.2


@pytest.mark.parametrize(
    ("n_models", "examples", "told"),
    [
        (7, 60, "Not computed: 7 unlearned and 7 retrained and 7 noop models; strata come from one half"),
        (3, 60, "a comparison of distributions needs 4"),
        (8, 9, "Not computed: 9 forgotten examples; two strata need 10"),
    ],
)
def test_too_few_models_or_examples_are_a_reason(n_models: int, examples: int, told: str) -> None:
    result = strata.evaluate(remembered({}, n_models=n_models, examples=examples))

    assert_well_formed(result)
    assert all(one.value is None and told in one.note for one in result.metrics)
    assert result.arrays == {}


def test_a_run_without_controls_or_of_one_original_is_measured() -> None:
    evidence = remembered({9: 1.0}, n_models=8)
    logits = {name: by for name, by in evidence.logits.items() if name != "control"}
    none = {split: array[:0] for split, array in evidence.logits["control"].items()}
    single = replace(
        evidence, logits={**logits, "control": none}, design="one-original", unlearned_from=np.zeros(8, dtype=np.int64)
    )

    result = strata.evaluate(single)

    assert value(result, "auc_most_memorised") > 0.62
    assert metric(result, "auc_most_memorised").control is None
    assert metric(result, "auc_most_memorised").interval is None


@pytest.mark.parametrize(
    ("models", "examples", "folds"),
    [(4, 5, 2), (16, 5, 4), (16, 20, 3), (16, 24, 3), (16, 25, 4), (16, 13, 2), (64, 20, 4)],
)
def test_as_many_folds_as_resolve_the_rate(models: int, examples: int, folds: int) -> None:
    assert halvings._fold_count((models, models), examples) == folds


def test_the_true_positive_rate_is_resolved_with_32_models_and_200_examples() -> None:
    result = strata.evaluate(remembered({9: 1.0}, n_models=32, examples=200))

    assert value(result, "tpr_at_1_percent_fpr_most_memorised") > 0.05
    assert metric(result, "tpr_at_1_percent_fpr_most_memorised").control == pytest.approx(0.01, abs=0.02)
