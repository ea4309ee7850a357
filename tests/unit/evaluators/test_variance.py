"""The evaluator ``variance``: known variances recovered, missing values by design, and recommendations."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.evaluation import SPLITS, Evidence, Result
from harness_evaluators import variance
from harness_evaluators.variance import reporting
from tests.unit.evaluators.conftest import POPULATIONS, evidence_of, gaussian_evidence
from tests.unit.evaluators.helpers import assert_well_formed, metric, numbers, value

PAGE = Path(__file__).parents[3] / "docs/reference/evaluators.md"
Make = Callable[..., Evidence]
TIMES = {"unlearn_s": np.full(4, 1.0), "retrain_s": np.full(2, 10.0)}


def _nested(
    sizes: list[int], between: float, within: float, n_examples: int = 150, seed: int = 1, **timings: Any
) -> Evidence:
    """Return unlearned models with the given variances of phi, example by example; the references have variance 1."""
    rng = np.random.default_rng(seed)
    origins = np.repeat(np.arange(len(sizes)), sizes)
    centres = {split: rng.normal(1, 2, n_examples) for split in SPLITS}

    def unlearned(split: str) -> np.ndarray:
        effects = math.sqrt(between) * rng.standard_normal((len(sizes), n_examples))[origins]
        return centres[split] + effects + math.sqrt(within) * rng.standard_normal((len(origins), n_examples))

    phis = {
        name: {split: centres[split] + rng.standard_normal((len(sizes), n_examples)) for split in SPLITS}
        for name in ("original", "retrained", "control")
    }
    phis["unlearned"] = {split: unlearned(split) for split in SPLITS}
    evidence = evidence_of(phis, seed=seed, **{**TIMES, **timings})
    return replace(evidence, unlearned_from=origins)


def _covers(result: Result, name: str, truth: float) -> bool:
    interval = metric(result, name).interval
    assert interval is not None
    return interval.low <= truth <= interval.high


@pytest.mark.parametrize("sizes", [[2] * 16, [3, 1, 2, 2] * 4])
def test_both_parts_of_the_variance_are_recovered(sizes: list[int]) -> None:
    result = variance.evaluate(_nested(sizes, between=0.6, within=0.4))

    assert_well_formed(result)
    assert value(result, "phi_between") == pytest.approx(0.6, abs=0.06)
    assert value(result, "phi_within") == pytest.approx(0.4, abs=0.04)
    for name, truth in (("phi_between", 0.6), ("phi_within", 0.4), ("phi_share_original", 0.6), ("phi_total", 1.0)):
        assert _covers(result, name, truth), name
    assert value(result, "phi_intraclass_correlation") == pytest.approx(0.6, abs=0.12)


@pytest.mark.parametrize("seed", range(5))
def test_no_interval_of_the_correlation_goes_beyond_what_a_correlation_can_be(seed: int) -> None:
    metrics = variance.evaluate(_nested([2] * 4, between=1.0, within=0.3, n_examples=8, seed=seed)).metrics
    found = next(one.interval for one in metrics if one.name == "phi_intraclass_correlation")

    assert found is not None
    assert -1.0 <= found.low <= found.high <= 1.0


def test_the_mean_over_examples_has_components_of_its_own() -> None:
    """Independent examples: the mean of 150 has a 150th of the variance, and the same share."""
    result = variance.evaluate(_nested([2] * 64, between=0.6, within=0.4))

    assert value(result, "mean_phi_within") == pytest.approx(0.4 / 150, rel=0.3)
    assert _covers(result, "mean_phi_share_original", 0.6)


def test_accuracy_is_analysed_on_every_split() -> None:
    result = variance.evaluate(_nested([2] * 8, between=0.6, within=0.4))

    for split in SPLITS:
        assert metric(result, f"{split}_accuracy_between").value is not None
        assert 0 <= value(result, f"{split}_accuracy_share_original") <= 1


def test_zero_within_is_a_deterministic_method() -> None:
    evidence = _nested([3] * 8, between=1.0, within=0.0)
    equal = {split: logits[::3].repeat(3, axis=0) for split, logits in evidence.logits["unlearned"].items()}

    result = variance.evaluate(replace(evidence, logits={**evidence.logits, "unlearned": equal}))

    assert value(result, "phi_share_original") == 1
    assert value(result, "phi_optimal_repeats") == 1
    assert value(result, "mean_phi_optimal_repeats") == 1
    assert "deterministic" in metric(result, "phi_share_original").note


def test_zero_between_is_the_methods_own_variance() -> None:
    result = variance.evaluate(_nested([3] * 12, between=0.0, within=1.0))

    assert value(result, "phi_share_original") < 0.05
    assert value(result, "phi_within") == pytest.approx(1.0, abs=0.08)


def test_a_negative_estimate_is_cut_and_said() -> None:
    """Repeats that lie further apart than originals do: -1 and 1 for each."""
    evidence = _nested([2] * 8, between=0.0, within=1.0)
    logits = evidence.logits["unlearned"]["forget"].copy()
    logits[0::2], logits[1::2] = 0.0, 1.0 + np.arange(4)

    mirrored = {**evidence.logits["unlearned"], "forget": logits}
    result = variance.evaluate(replace(evidence, logits={**evidence.logits, "unlearned": mirrored}))

    assert value(result, "phi_between") == 0
    assert value(result, "phi_share_original") == 0
    assert "estimate, -" in metric(result, "phi_between").note
    assert value(result, "phi_intraclass_correlation") == pytest.approx(-1)
    assert "spend on repeats" in metric(result, "phi_optimal_repeats").note


def test_the_best_number_of_repeats_is_that_of_costs_and_components() -> None:
    result = variance.evaluate(_nested([4] * 16, between=0.4, within=0.6))

    expected = math.sqrt(10 * value(result, "phi_within") / value(result, "phi_between"))
    assert value(result, "phi_optimal_repeats") == pytest.approx(expected)
    assert _covers(result, "phi_optimal_repeats", math.sqrt(10 * 0.6 / 0.4))
    assert value(result, "phi_standard_error_optimal") <= value(result, "phi_standard_error")
    assert value(result, "phi_standard_error") == pytest.approx(math.sqrt(0.4 / 16 + 0.6 / 64), rel=0.1)


@pytest.mark.parametrize(
    ("sizes", "between", "within", "words"),
    [([4] * 16, 0.9, 0.1, "more originals and fewer repeats"), ([2] * 16, 0.1, 0.9, "more repeats of fewer originals")],
)
def test_the_advice_says_what_to_spend_on(sizes: list[int], between: float, within: float, words: str) -> None:
    result = variance.evaluate(_nested(sizes, between, within))

    note = metric(result, "phi_optimal_repeats").note
    assert words in note
    assert f"{value(result, 'phi_standard_error'):.3g}" in note
    assert f"{value(result, 'phi_standard_error_optimal'):.3g}" in note


def test_a_run_that_can_hardly_be_bettered_is_left_as_it_is() -> None:
    result = variance.evaluate(_nested([2] * 16, 0.6, 0.4))

    assert "No other number of repeats" in metric(result, "phi_optimal_repeats").note


def test_without_times_there_is_no_advice_but_a_standard_error() -> None:
    result = variance.evaluate(_nested([2] * 8, 0.5, 0.5, retrain_s=np.zeros(0)))

    assert metric(result, "phi_optimal_repeats").value is None
    assert "times" in metric(result, "phi_optimal_repeats").note
    assert value(result, "phi_standard_error") > 0


def test_without_repeats_only_the_total_is_told(gaussian: Make) -> None:
    result = variance.evaluate(gaussian(0.3, n_models=32, n_examples=80))

    assert_well_formed(result)
    told = {one.name for one in result.metrics if one.value is not None}
    assert told == {"phi_total", "variance_ratio", "phi_standard_error", "mean_phi_standard_error"}
    assert all("--repeats 2 or more" in one.note for one in result.metrics if one.value is None)
    assert result.warnings == ()


def test_the_spread_of_retraining_stands_at_one(gaussian: Make) -> None:
    result = variance.evaluate(gaussian(0.0, n_models=32, n_examples=300))

    ratio = metric(result, "variance_ratio")
    assert ratio.value == pytest.approx(1, abs=0.12)
    assert ratio.control == pytest.approx(1, abs=0.12)
    assert _covers(result, "variance_ratio", 1.0)
    assert ratio.smallest_visible is not None
    assert abs(ratio.value - ratio.control) < ratio.smallest_visible


@pytest.mark.parametrize(("between", "within"), [(0.1, 0.15), (3.0, 1.0)])
def test_too_small_and_too_large_a_spread_are_seen(between: float, within: float) -> None:
    result = variance.evaluate(_nested([2] * 24, between, within))

    ratio = metric(result, "variance_ratio")
    assert ratio.value == pytest.approx(between + within, rel=0.15)
    assert _covers(result, "variance_ratio", between + within)
    assert not _covers(result, "variance_ratio", 1.0)


def test_one_original_tells_the_methods_own_variance_alone(gaussian: Make) -> None:
    evidence = gaussian(0.0, n_models=24, n_examples=100)
    origins = np.zeros(24, dtype=np.int64)

    result = variance.evaluate(replace(evidence, unlearned_from=origins, design="one-original"))

    assert_well_formed(result)
    assert value(result, "phi_within") == pytest.approx(1.0, abs=0.1)
    assert value(result, "phi_within") == pytest.approx(value(result, "phi_total"))
    assert _covers(result, "phi_within", 1.0)
    for name in ("phi_between", "phi_share_original", "phi_optimal_repeats", "phi_standard_error"):
        assert metric(result, name).value is None
        assert "one original" in metric(result, name).note


def test_a_deterministic_method_on_one_original_has_no_variance(gaussian: Make) -> None:
    evidence = gaussian(0.0, n_models=8, n_examples=20)
    same = {split: logits[:1].repeat(8, axis=0) for split, logits in evidence.logits["unlearned"].items()}
    changes = {
        "logits": {**evidence.logits, "unlearned": same},
        "unlearned_from": np.zeros(8, dtype=np.int64),
        "design": "one-original",
    }

    result = variance.evaluate(replace(evidence, **changes))

    assert_well_formed(result)
    assert value(result, "phi_within") == 0
    assert any("this method is deterministic" in warning for warning in result.warnings)


def test_few_originals_are_said_to_be_few() -> None:
    result = variance.evaluate(_nested([2] * 5, 0.5, 0.5))

    assert any("5 originals are few" in warning for warning in result.warnings)


def test_permuting_models_and_examples_changes_nothing() -> None:
    evidence = _nested([2, 3, 1, 4, 2, 2], 0.5, 0.5, n_examples=30)
    rng = np.random.default_rng(9)
    rows = {name: rng.permutation(len(by["forget"])) for name, by in evidence.logits.items()}
    columns = rng.permutation(30)
    other = {
        "logits": {n: {s: a[rows[n]][:, columns] for s, a in by.items()} for n, by in evidence.logits.items()},
        "labels": {split: labels[columns] for split, labels in evidence.labels.items()},
        "ids": {split: ids[columns] for split, ids in evidence.ids.items()},
        "unlearned_from": evidence.unlearned_from[rows["unlearned"]],
    }

    first, second = variance.evaluate(evidence), variance.evaluate(replace(evidence, **other))

    for one, two in zip(first.metrics, second.metrics, strict=True):
        assert numbers(one) == pytest.approx(numbers(two), rel=1e-8, abs=1e-10), one.name


def test_components_per_example_are_given_in_the_order_of_ids() -> None:
    result = variance.evaluate(_nested([2] * 8, 0.5, 0.5, n_examples=30))

    assert result.arrays["between"].shape == result.arrays["within"].shape == (30,)
    total = result.arrays["between"] + result.arrays["within"]
    assert total == pytest.approx(result.arrays["variance_unlearned"])
    assert result.arrays["within"].mean() == pytest.approx(value(result, "phi_within"))


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(0, 12)] * 4),
    repeats=st.integers(1, 4),
    examples=st.integers(1, 8),
    classes=st.integers(2, 5),
    one=st.booleans(),
)
def test_any_sizes_give_finite_numbers_or_none(
    sizes: tuple[int, ...], repeats: int, examples: int, classes: int, one: bool
) -> None:
    counts = dict(zip(POPULATIONS, sizes, strict=True))
    evidence = gaussian_evidence(0.5, 1.0, counts, examples, classes)
    origins = np.arange(counts["unlearned"]) // repeats * (not one)
    design = "one-original" if one else "per-original"

    result = variance.evaluate(replace(evidence, unlearned_from=origins, design=design))

    assert_well_formed(result)
    assert all(
        found.value >= 0 for found in result.metrics if found.value and found.name.endswith(("between", "within"))
    )


@settings(max_examples=15, deadline=None)
@given(
    levels=st.lists(st.sampled_from([-1e30, -200.0, 0.0, 1.0, 200.0, 1e4, 1e30]), min_size=1, max_size=3),
    size=st.integers(4, 12),
)
def test_ties_and_certain_models_give_finite_numbers(levels: list[float], size: int) -> None:
    rng = np.random.default_rng(size)
    phis = {name: {split: rng.choice(levels, size=(size, 5)) for split in SPLITS} for name in POPULATIONS}
    evidence = evidence_of(phis, **TIMES)

    assert_well_formed(variance.evaluate(replace(evidence, unlearned_from=np.arange(size) // 2)))


def test_the_reference_page_names_every_metric_and_array() -> None:
    part = PAGE.read_text(encoding="utf-8").split("\n## `variance`\n", 1)[1].split("\n## ", 1)[0]
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", part, flags=re.MULTILINE) for name in re.findall(r"`(.*?)`", row)
    }
    written = {name.replace("*", quantity) for name in named for quantity in reporting.QUANTITIES if "*" in name} | {
        name for name in named if "*" not in name
    }
    result = variance.evaluate(_nested([2] * 8, 0.5, 0.5, n_examples=10))

    assert written == {one.name for one in result.metrics}
    assert set(result.arrays) == {
        *(f"variance_{row}" for row in ("unlearned", "retrained", "control", "noop")),
        "between",
        "within",
    }
    assert all(f"`{quantity}`" in part for quantity in reporting.QUANTITIES)
