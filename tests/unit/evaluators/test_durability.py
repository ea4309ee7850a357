"""``durability``: known answers, the null of its test, and evidence that it cannot use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.evaluation import Evidence, probed
from harness_evaluators import durability
from harness_evaluators.common.evidence_analysis import Analysis
from harness_evaluators.durability import recovery_test
from harness_evaluators.durability.conditions import SURE, Answers, Condition, conditions, described
from tests.unit.evaluators.conftest import gaussian_evidence
from tests.unit.evaluators.helpers import assert_well_formed, metric, value
from tests.unit.evaluators.recovered import GIVEN, NAMES, TESTED, with_recovery

Values = NDArray[np.float64]


def suppressed(**sizes: Any) -> Evidence:
    """Return models that answer as retrained ones, and three quarters of whose memory comes back after training on retain."""
    return with_recovery(gaussian_evidence(shift=0.0, noop=2.0, **sizes), {"retain": {"unlearned": 1.5}})


def test_memory_that_comes_back_is_seen_and_measured() -> None:
    found = durability.evaluate(suppressed(n_models=16))
    assert value(found, "recovery_p") == pytest.approx(1 / (recovery_test.PERMUTATIONS + 1))
    regained = metric(found, "memory_regained")
    assert regained.value == pytest.approx(0.75, abs=0.05)
    assert regained.interval is not None
    assert regained.interval.low > 0.6
    assert regained.noop == pytest.approx(1, abs=0.05)
    assert regained.position == pytest.approx(0.25, abs=0.08)
    assert abs(value(found, "memory_before")) < 0.1
    assert "training on the retain set alone" in regained.note
    assert value(found, "gain_retain") == pytest.approx(1.5, abs=0.05)
    assert abs(value(found, "memory_bits_8")) < 0.1
    assert value(found, "accuracy_gain_retain") > 0.05
    assert_well_formed(found)


def test_a_no_op_has_nothing_to_regain() -> None:
    evidence = gaussian_evidence(shift=2.0, noop=2.0, n_models=16)
    found = durability.evaluate(with_recovery(evidence, {}))
    assert value(found, "recovery_p") > 0.05
    assert value(found, "memory_before") == pytest.approx(1, abs=0.1)


def test_over_forgotten_models_that_return_to_retrained_ones_show_no_memory() -> None:
    """They gain more than retrained models, but do not end above them."""
    evidence = gaussian_evidence(shift=-1.0, noop=2.0, n_models=16)
    found = durability.evaluate(with_recovery(evidence, {"retain": {"unlearned": 1.0}}))
    assert value(found, "recovery_p") > 0.05
    assert value(found, "gain_retain") == pytest.approx(1.0, abs=0.05)


def test_a_gain_on_all_examples_is_no_memory() -> None:
    """A model of another kind that becomes more sure of the test set as well."""
    evidence = with_recovery(gaussian_evidence(noop=2.0, n_models=16), {"retain": {"unlearned": 1.0}})
    arrays = dict(evidence.probes["recovery"]["unlearned"])
    test = probed(len(evidence.labels["test"]), TESTED)
    phi = evidence.phi("unlearned", "test")[:, test] + 1.0
    arrays["retain/test"] = phi
    probes = {"recovery": {**evidence.probes["recovery"], "unlearned": arrays}}
    assert value(durability.evaluate(replace(evidence, probes=probes)), "recovery_p") > 0.05


def test_only_examples_that_were_not_trained_on_are_judged() -> None:
    evidence = gaussian_evidence(noop=2.0, n_models=8)
    evidence = with_recovery(evidence, {})
    arrays = dict(evidence.probes["recovery"]["unlearned"])
    changed = np.array(arrays["retain_5/forget"])
    changed[:, :GIVEN] = 20.0
    arrays["retain_5/forget"] = changed
    probes = {"recovery": {**evidence.probes["recovery"], "unlearned": arrays}}
    found = durability.evaluate(replace(evidence, probes=probes))
    assert abs(value(found, "gain_retain_5")) < 0.05


@pytest.mark.parametrize("models", [8, 16, 32, 64])
def test_perfect_unlearning_is_rejected_at_the_level(models: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """False alarms at 5 % and 1 %: models that differ in what they answer, and in how they react to each condition."""
    monkeypatch.setattr(recovery_test, "PERMUTATIONS", 199)
    rng = np.random.default_rng(models)
    runs = 150
    p = []
    for _ in range(runs):
        names = ("unlearned", "retrained", "control")
        before = {name: _answers(rng.standard_t(3, models)) for name in names}
        found = [
            Condition(
                name,
                before,
                {one: _answers(before[one].excess * 0.8 + 0.3 * rng.standard_t(2, models) + 0.5) for one in names},
            )
            for name in NAMES
        ]
        p.append(recovery_test.test(found, "unlearned", ("retrained", "control"), rng).p)
    assert (np.array(p) <= 0.05).mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)
    assert (np.array(p) <= 0.01).mean() <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / runs)


def _answers(excess: Values) -> Answers:
    return Answers(phi=excess, excess=excess, accuracy=excess)


def test_intervals_of_perfect_unlearning_cover_zero() -> None:
    """The interval that holds for all conditions at once misses 0 in about 5 % of runs."""
    missed = 0
    for seed in range(16):
        evidence = with_recovery(gaussian_evidence(noop=2.0, n_models=8, n_examples=30, seed=seed), {}, seed)
        interval = metric(durability.evaluate(evidence), "memory_regained").interval
        assert interval is not None
        missed += not interval.low <= 0 <= interval.high
    assert missed <= 3


def test_conditions_are_sorted_by_kind_and_size() -> None:
    found = conditions(Analysis(suppressed(n_models=4)).models)
    assert [one.name for one in found] == ["retain", "retain_5", "bits_8", "bits_4", "noise_20"]
    assert described("retain_5") == "training on the retain set and 5 of the forgotten examples"
    assert described("bits_4") == "rounding the weights to 4 bits"


def test_broken_models_cannot_dominate_a_mean() -> None:
    evidence = suppressed(n_models=16)
    arrays = dict(evidence.probes["recovery"]["control"])
    for number, broken in enumerate((np.nan, np.inf, 1e38)):
        changed = np.array(arrays["bits_4/forget"])
        changed[number] = broken
        arrays["bits_4/forget"] = changed
    found = durability.evaluate(
        replace(evidence, probes={"recovery": {**evidence.probes["recovery"], "control": arrays}})
    )
    assert_well_formed(found)
    assert abs(metric(found, "gain_bits_4").control or 0.0) < SURE


def test_a_model_that_answers_nan_is_ignored_with_its_probe() -> None:
    evidence = suppressed(n_models=16)
    logits = {name: dict(by) for name, by in evidence.logits.items()}
    broken = np.array(logits["unlearned"]["forget"])
    broken[3] = np.nan
    logits["unlearned"]["forget"] = broken
    found = durability.evaluate(replace(evidence, logits=logits))
    assert value(found, "recovery_p") < 0.01
    assert any("NaN" in text for text in found.warnings)


def test_too_few_models_and_nothing_to_regain_are_told() -> None:
    few = durability.evaluate(suppressed(n_models=3))
    assert metric(few, "recovery_p").value is None
    assert "3 unlearned" in metric(few, "recovery_p").note
    nothing = durability.evaluate(with_recovery(gaussian_evidence(noop=0.0, n_models=8, seed=4), {}))
    assert metric(nothing, "memory_regained").value is None
    assert "no more" in metric(nothing, "memory_regained").note
    assert value(nothing, "recovery_p") > 0.01


def test_without_control_or_no_op_there_is_still_a_test() -> None:
    sizes = {"unlearned": 16, "retrained": 16, "control": 0, "original": 0}
    found = durability.evaluate(suppressed(n_models=sizes))
    assert value(found, "recovery_p") < 0.01
    assert metric(found, "recovery_p").control is None
    assert metric(found, "memory_regained").value is None
    assert_well_formed(found)
