"""Whole models: the test's level and power, the relative test, and bounds of epsilon and delta by hand."""

from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
import pytest
from scipy.stats import binom

from harness.evaluation import Evidence
from harness_evaluators import joint
from harness_evaluators.common import clopper_pearson
from harness_evaluators.joint import kernel_test, model_attack
from harness_evaluators.joint.kernel_test import Kernels
from tests.unit.evaluators.conftest import evidence_of
from tests.unit.evaluators.every import POPULATIONS
from tests.unit.evaluators.helpers import metric, value

NONE = np.zeros(1, dtype=np.int64)


def _evidence(n_models: int, n_examples: int = 40, seed: int = 0, shift: float = 0.0, common: float = 0.0) -> Evidence:
    """Return standard normal phi; that of unlearned models is shifted, or shares a part ``common`` of its variance in a model."""
    rng = np.random.default_rng(seed)

    def draw(name: str) -> np.ndarray:
        z = rng.standard_normal((n_models, n_examples))
        if name == "original":
            return z + 2
        if name != "unlearned":
            return z
        return shift + np.sqrt(1 - common) * z + np.sqrt(common) * rng.standard_normal((n_models, 1))

    return evidence_of({name: {"forget": draw(name)} for name in POPULATIONS}, n_classes=2, seed=seed)


def test_p_values_of_perfect_unlearning_are_uniform() -> None:
    """Of 60 runs, P(p <= .2) = .2: between 4 and 21 (99.9 %); the bounds hold in 95 % of runs or more."""
    results = [joint.evaluate(_evidence(8, 12, seed)) for seed in range(60)]

    for name in ("p", "relative_p"):
        low = sum(value(result, name) <= 0.2 for result in results)
        assert binom.ppf(0.0005, 60, 0.2) <= low <= binom.ppf(0.9995, 60, 0.2), name
    assert sum(value(result, "epsilon_lower_bound") > 0 for result in results) <= 6
    distances = [value(result, "distance") for result in results]
    assert abs(np.mean(distances)) < 3.5 * np.std(distances) / np.sqrt(60)


def test_separated_models_reach_the_most_that_their_number_can_show() -> None:
    result = joint.evaluate(_evidence(32, shift=5.0))
    epsilon, delta = metric(result, "epsilon_lower_bound"), metric(result, "delta_lower_bound")

    rate = float(clopper_pearson.upper(NONE, 16)[0])
    assert (
        epsilon.value
        == pytest.approx(np.log((1 - 1e-5 - rate) / rate))
        == pytest.approx(clopper_pearson.certifiable(32))
    )
    assert delta.value == pytest.approx(1 - rate - np.e * rate)
    assert epsilon.control == delta.control == 0
    assert (
        "not (epsilon, 1e-05)-indistinguishable for any epsilon below 1.16; 32 models can show at most 1.16"
        in epsilon.note
    )
    assert value(result, "p") == value(result, "relative_p") == 1 / (kernel_test.PERMUTATIONS + 1)
    distance = metric(result, "distance")
    assert distance.interval is not None
    assert distance.interval.low > distance.control_interval.high


def test_a_trace_in_the_joint_law_alone_is_seen() -> None:
    """Each example's confidence is distributed as a retrained model's, but those of one model move together."""
    result = joint.evaluate(_evidence(24, 80, shift=0.0, common=0.6))

    assert value(result, "p") <= 0.01


def test_few_models_have_a_p_value_and_no_bound() -> None:
    """With 5 unlearned models among 15, the smallest p is about 1 / C(15, 5); nothing is certified."""
    result = joint.evaluate(_evidence(5, shift=5.0))

    assert value(result, "p") <= 1 / comb(15, 5) + 2 / (kernel_test.PERMUTATIONS + 1)
    assert "8 models per population" in metric(result, "epsilon_lower_bound").note
    assert "half samples" in metric(result, "distance").note


def test_without_a_control_there_is_no_relative_test() -> None:
    evidence = _evidence(8, shift=3.0)
    logits = {name: by for name, by in evidence.logits.items() if name != "control"}

    result = joint.evaluate(replace(evidence, logits=logits))

    assert "no control" in metric(result, "relative_p").note
    assert value(result, "p") < 0.01


def test_models_that_are_all_the_same_differ_in_nothing() -> None:
    evidence = _evidence(16, 5)
    one = evidence.logits["retrained"]["forget"][:1]
    logits = {name: {"forget": np.repeat(one, 16, axis=0)} for name in POPULATIONS}

    result = joint.evaluate(replace(evidence, logits=logits))

    assert value(result, "distance") == 0
    assert value(result, "p") == value(result, "relative_p") == 1
    assert value(result, "epsilon_lower_bound") == 0


def test_a_control_that_is_further_away_is_no_reason_to_reject() -> None:
    """The relative test is one-sided: unlearned models at the retrained ones, the control beside them."""
    rng = np.random.default_rng(3)
    near, fixed, far = (shift + rng.standard_normal((16, 20)) for shift in (0.0, 0.0, 1.0))
    kernels = Kernels.of({"unlearned": near, "retrained": fixed, "control": far})

    assert kernel_test.p_value(kernels, "unlearned", ["control"], rng) <= 0.01
    assert kernel_test.relative_p_value(kernels, "unlearned", "control", "retrained", rng) > 0.5
    assert kernel_test.relative_p_value(kernels, "control", "unlearned", "retrained", rng) <= 0.01


def test_the_squared_distance_by_hand() -> None:
    """Kernel 1 within, a between: 1 + 1 - 2 a, without the diagonal."""
    kernel = np.full((4, 4), 0.25)
    kernel[:2, :2] = kernel[2:, 2:] = [[1.0, 0.5], [0.5, 1.0]]

    assert kernel_test.squared_distance(kernel, np.arange(2), np.arange(2, 4)) == pytest.approx(0.5 + 0.5 - 2 * 0.25)


@pytest.mark.parametrize(("errors", "size"), [((0, 0), 16), ((2, 1), 16), ((5, 0), 40)])
def test_the_bound_of_delta_is_that_of_the_rates_limits(errors: tuple[int, int], size: int) -> None:
    """The limit of a rate is where so few errors have a probability of 0.05 / 4; at the bound of epsilon, delta is 1e-5."""
    counts = [np.array([one]) for one in errors]
    limits = [float(clopper_pearson.upper(one, size)[0]) for one in counts]
    for error, limit in zip(errors, limits, strict=True):
        assert binom.cdf(error, size, limit) == pytest.approx(0.05 / 4)

    found = clopper_pearson.delta_bound(*counts, (size, size), np.array([0.0, 1.0]))
    fnr, fpr = limits
    assert found == pytest.approx([max(0, 1 - fnr - np.exp(e) * fpr, 1 - fpr - np.exp(e) * fnr) for e in (0.0, 1.0)])

    epsilon = clopper_pearson.epsilon_bound(*counts, (size, size))
    assert epsilon[0] == 0 or clopper_pearson.delta_bound(*counts, (size, size), epsilon)[0] == pytest.approx(1e-5)


def test_an_attack_is_tested_on_models_that_did_not_choose_it() -> None:
    """Populations that differ in the first half of the models alone: chosen there, the attack errs on the other half."""
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((2, 20, 30))
    left[:10] += 8
    folds = (np.repeat([1, 0], 10), np.repeat([1, 0], 10))

    tested = {half.sizes: half for half in model_attack.tested(left, right, folds, rng)[:1]}[10, 10]

    assert tested.errors == (10, 0)  # all unlearned models of the other half look retrained
