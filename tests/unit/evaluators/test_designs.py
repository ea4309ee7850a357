"""The unlearned models that take part under either design, for every evaluator, on trained classifiers."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.evaluation import SPLITS, Design, Evidence, Timings
from harness_evaluators import (
    accuracy,
    before_after,
    divergence,
    efficiency,
    forgetting_quality,
    klom,
    ks,
    lira,
    membership,
    variance,
)
from harness_evaluators.common.evidence_analysis import Analysis
from tests.unit.evaluators.every import name_of
from tests.unit.evaluators.helpers import assert_well_formed, metric, numbers

Values = NDArray[np.float64]

DISTRIBUTIONS = (before_after, divergence, forgetting_quality, klom, ks, lira)
SINGLES = (accuracy, membership)
N_CLASSES, N_FEATURES, N_EXAMPLES, N_MODELS = 3, 6, 24, 8


def _descended(weights: Values, x: Values, y: NDArray[np.int64], steps: int, seed: int | None) -> Values:
    """Return softmax regression by gradient descent, on random halves of the examples with a seed, else on all."""
    rng = None if seed is None else np.random.default_rng(seed)
    for _ in range(steps):
        rows = np.arange(len(x)) if rng is None else rng.choice(len(x), len(x) // 2, replace=False)
        z = x[rows] @ weights
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        weights = weights - 0.5 * x[rows].T @ (p - np.eye(N_CLASSES)[y[rows]]) / len(rows)
    return weights


class _World:
    """Blobs of three classes, originals, retrained and control models, and an unlearner that fine-tunes on retain."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        centres = 0.7 * rng.standard_normal((N_CLASSES, N_FEATURES))
        self.y = {split: rng.integers(N_CLASSES, size=N_EXAMPLES) for split in SPLITS}
        self.x = {s: centres[y] + rng.standard_normal((N_EXAMPLES, N_FEATURES)) for s, y in self.y.items()}
        everything = np.concatenate([self.x["retain"], self.x["forget"]])
        labels = np.concatenate([self.y["retain"], self.y["forget"]])
        self.originals = [_descended(_begin(seed), everything, labels, 60, seed) for seed in range(N_MODELS)]
        self.others = [
            _descended(_begin(seed), self.x["retain"], self.y["retain"], 60, seed) for seed in range(100, 116)
        ]

    def logits(self, models: list[Values]) -> dict[str, NDArray[np.float32]]:
        return {split: np.stack([x @ one for one in models]).astype(np.float32) for split, x in self.x.items()}

    def evidence(self, origins: list[int], design: Design, deterministic: bool = False) -> Evidence:
        seeds = [None if deterministic else 1000 + i for i in range(len(origins))]
        retain = self.x["retain"], self.y["retain"]
        unlearned = [_descended(self.originals[o], *retain, 10, seed) for o, seed in zip(origins, seeds, strict=True)]
        populations = {
            "original": self.originals,
            "retrained": self.others[:8],
            "control": self.others[8:],
            "unlearned": unlearned,
        }
        times = np.linspace(1.0, 2.0, len(origins))
        unknown = np.full(len(origins), np.nan)
        return Evidence(
            n_classes=N_CLASSES,
            ids={split: np.array([f"{split}-{i}" for i in range(N_EXAMPLES)]) for split in SPLITS},
            labels=self.y,
            logits={name: self.logits(models) for name, models in populations.items()},
            unlearned_from=np.array(origins),
            timings=Timings(times, np.array([10.0]), None, unknown, unknown),
            design=design,
        )


def _begin(seed: int) -> Values:
    return 0.5 * np.random.default_rng(seed).standard_normal((N_FEATURES, N_CLASSES))


@pytest.fixture(scope="module")
def world() -> _World:
    return _World()


ONCE = list(range(N_MODELS))


def _kept(evidence: Evidence, rows: NDArray[np.int64]) -> Evidence:
    """Return the run with some of its unlearned models."""
    unlearned = {split: logits[rows] for split, logits in evidence.logits["unlearned"].items()}
    logits = {**evidence.logits, "unlearned": unlearned}
    return replace(evidence, logits=logits, unlearned_from=evidence.unlearned_from[rows])


@pytest.mark.parametrize("module", [*DISTRIBUTIONS, *SINGLES], ids=name_of)
def test_of_each_original_the_first_model_takes_part(world: _World, module: ModuleType) -> None:
    twice = world.evidence([*ONCE, *ONCE], "per-original")

    result = module.evaluate(twice)

    once = module.evaluate(_kept(twice, np.arange(N_MODELS)))
    assert result.metrics == once.metrics
    assert any(one.value is not None for one in result.metrics)


@pytest.mark.parametrize("module", [*DISTRIBUTIONS, *SINGLES], ids=name_of)
def test_a_repeat_stands_in_for_a_first_model_that_failed(world: _World, module: ModuleType) -> None:
    twice = world.evidence([*ONCE, *ONCE], "per-original")
    failed = _kept(twice, np.delete(np.arange(2 * N_MODELS), 3))

    used = np.array([0, 1, 2, 4, 5, 6, 7, N_MODELS + 3])
    assert module.evaluate(failed).metrics == module.evaluate(_kept(twice, used)).metrics


@pytest.mark.parametrize("module", [*DISTRIBUTIONS, *SINGLES], ids=name_of)
def test_under_one_original_every_model_takes_part(world: _World, module: ModuleType) -> None:
    evidence = world.evidence([0] * N_MODELS, "one-original")

    result = module.evaluate(evidence)

    assert_well_formed(result)
    assert len(Analysis(evidence).models.order["unlearned"]) == N_MODELS
    fewer = module.evaluate(_kept(evidence, np.arange(N_MODELS - 1)))
    assert result.metrics[0].value is not None
    assert [one.value for one in result.metrics] != [one.value for one in fewer.metrics]


@pytest.mark.parametrize("design", ["per-original", "one-original"])
def test_efficiency_counts_every_model(world: _World, design: Design) -> None:
    origins = [0] * 16 if design == "one-original" else [*ONCE, *ONCE]

    result = efficiency.evaluate(world.evidence(origins, design))

    assert metric(result, "unlearn_total").value == pytest.approx(24.0)


@pytest.mark.parametrize("module", DISTRIBUTIONS, ids=name_of)
def test_a_deterministic_method_on_one_original_is_said_not_scored(world: _World, module: ModuleType) -> None:
    result = module.evaluate(world.evidence([0] * N_MODELS, "one-original", deterministic=True))

    expected = (
        "all 8 unlearned models are the same model: this method is deterministic, and the design one-original cannot judge "
        "it; use --design per-original"
    )
    assert all(one.value is None and expected in one.note for one in result.metrics)
    assert any(expected in warning for warning in result.warnings)


@pytest.mark.parametrize("module", SINGLES, ids=name_of)
def test_what_is_a_mean_over_single_models_is_scored_with_a_warning(world: _World, module: ModuleType) -> None:
    evidence = world.evidence([0] * N_MODELS, "one-original", deterministic=True)

    result = module.evaluate(evidence)

    assert_well_formed(result)
    assert all(one.value is not None for one in result.metrics)
    assert any("this method is deterministic" in warning for warning in result.warnings)


@pytest.mark.parametrize("module", [*DISTRIBUTIONS, *SINGLES], ids=name_of)
def test_a_deterministic_method_on_several_originals_is_scored(world: _World, module: ModuleType) -> None:
    result = module.evaluate(world.evidence(ONCE, "per-original", deterministic=True))

    assert any(one.value is not None for one in result.metrics)
    assert not any("deterministic" in warning for warning in result.warnings)


def test_what_rounding_does_is_no_second_model(world: _World) -> None:
    """The order of summation on a GPU changes the seventh digit."""
    evidence = world.evidence([0] * N_MODELS, "one-original", deterministic=True)
    rng = np.random.default_rng(1)

    def shaken(by_share: float) -> str:
        noisy = {
            split: (logits * (1 + by_share * rng.uniform(-1, 1, logits.shape))).astype(np.float32)
            for split, logits in evidence.logits["unlearned"].items()
        }
        return Analysis(replace(evidence, logits={**evidence.logits, "unlearned": noisy})).models.same

    assert shaken(2e-7) != ""
    assert shaken(1e-4) == ""


def test_models_that_differ_on_one_split_alone_are_not_the_same(world: _World) -> None:
    evidence = world.evidence([0] * N_MODELS, "one-original", deterministic=True)
    test = evidence.logits["unlearned"]["test"].copy()
    test[3, 5, 1] += 0.1
    logits = {**evidence.logits, "unlearned": {**evidence.logits["unlearned"], "test": test}}

    assert Analysis(replace(evidence, logits=logits)).models.same == ""


def test_variance_takes_every_model_of_every_original(world: _World) -> None:
    twice = world.evidence([*ONCE, *ONCE], "per-original")

    result = variance.evaluate(twice)

    assert_well_formed(result)
    share = metric(result, "phi_share_original").value
    assert share is not None
    assert 0 < share < 1


def test_variance_calls_a_repeated_deterministic_method_so(world: _World) -> None:
    result = variance.evaluate(world.evidence([*ONCE, *ONCE], "per-original", deterministic=True))

    assert metric(result, "phi_share_original").value == 1
    assert metric(result, "phi_within").value == 0
    assert metric(result, "phi_optimal_repeats").value == 1
    assert "deterministic" in metric(result, "phi_optimal_repeats").note


def test_the_order_of_rows_changes_nothing_in_variance(world: _World) -> None:
    twice = world.evidence([*ONCE, *ONCE, 0, 1], "per-original")

    first = variance.evaluate(twice)
    second = variance.evaluate(_kept(twice, np.random.default_rng(0).permutation(18)))

    for one, other in zip(first.metrics, second.metrics, strict=True):
        assert numbers(one) == pytest.approx(numbers(other), rel=1e-9, abs=1e-12), one.name
