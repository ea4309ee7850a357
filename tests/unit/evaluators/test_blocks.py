"""Computation in blocks, on both sides of each block limit, compared with plain computations."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from harness.evaluation import Evidence, Timings, phi
from harness_evaluators import accuracy, ks, membership
from harness_evaluators import divergence as divergence_evaluator
from harness_evaluators.common import evidence_analysis, parallel, posterior_distances
from harness_evaluators.common.evidence_analysis import Analysis
from harness_evaluators.ks import sample_distances
from harness_evaluators.membership import threshold_mia
from tests.unit.evaluators.every import ON_LOGITS, name_of
from tests.unit.evaluators.helpers import value

BLOCKED = [
    module
    for module in ON_LOGITS
    if not module.harness_evaluator().probes
    and name_of(module) not in ("class_forgetting", "interclass_confusion", "strata", "variance")
]


def evidence(n: int, n_classes: int, models: int = 4, seed: int = 0) -> Evidence:
    """Return splits of ``n`` examples; logits are normal noise plus a bonus on the true class of training examples."""
    rng = np.random.default_rng(seed)
    splits = ("retain", "forget", "test")
    labels = {split: rng.integers(0, n_classes, n) for split in splits}
    logits = {}
    for population in ("unlearned", "retrained", "control", "original"):
        logits[population] = {}
        for split in splits:
            made = rng.normal(size=(models, n, n_classes)).astype(np.float32)
            trained = split == "retain" or (split == "forget" and population == "original")
            made[:, np.arange(n), labels[split]] += 3 if trained else 1
            made.flags.writeable = False
            logits[population][split] = made
    ids = {split: np.array([f"{split}{i}" for i in range(n)]) for split in splits}
    times = Timings(np.ones(models), np.ones(3), 1.0, np.ones(models), np.ones(models))
    names = tuple(map(str, range(n_classes)))
    return Evidence(n_classes, ids, labels, logits, np.arange(models), times, 0, names)


@pytest.mark.parametrize("step", [-1, 0, 1, 2, 6, 7, 8])
@pytest.mark.parametrize("length", [0, 1, 7])
def test_slices_cover_everything_once(length: int, step: int) -> None:
    parts = parallel.slices(length, step)

    assert np.concatenate([np.arange(length)[part] for part in parts] or [np.arange(0)]).tolist() == list(range(length))
    assert all(part.stop - part.start <= max(1, step) for part in parts)


@pytest.mark.parametrize(("n", "n_classes"), [(9_999, 10), (10_000, 10), (10_001, 10), (100, 1000), (101, 1000)])
def test_what_all_evaluators_rest_on_is_what_it_is_without_blocks(n: int, n_classes: int) -> None:
    given = evidence(n, n_classes, models=3)
    logits, labels = given.logits["unlearned"]["test"], given.labels["test"]

    found = Analysis(given).phi("unlearned", "test")

    assert found == pytest.approx(phi(logits, labels), abs=1e-5)
    assert (evidence_analysis.largest(logits) == logits.argmax(axis=2)).all()
    assert len(set(Analysis(given).models.order["unlearned"].tolist())) == 3


@pytest.mark.parametrize(("n", "n_classes"), [(4_999, 10), (5_001, 10), (10_001, 10), (101, 1000)])
def test_posteriors_are_whole(n: int, n_classes: int) -> None:
    logits = evidence(n, n_classes, models=2).logits["unlearned"]["test"]
    whole = np.exp(logits.astype(np.float64))
    whole /= whole.sum(axis=2, keepdims=True)

    side = posterior_distances.side_of(logits, np.arange(2))

    assert 2 * side.halves.transpose(0, 2, 1) == pytest.approx(whole, abs=1e-5)
    assert side.entropies == pytest.approx(-(whole * np.log(whole)).sum(axis=2), abs=1e-4)


@pytest.mark.parametrize(("n", "n_classes"), [(10_001, 10), (101, 1000)])
def test_numbers_above_the_limit_are_those_of_plain_numpy(n: int, n_classes: int) -> None:
    given = evidence(n, n_classes)
    hits = given.logits["unlearned"]["retain"].argmax(axis=2) == given.labels["retain"]
    left, right = (phi(given.logits[name]["forget"], given.labels["forget"]) for name in ("unlearned", "retrained"))
    grid = np.sort(np.concatenate([left, right]), axis=0)[:, None]
    gaps = np.abs((left[None] <= grid).mean(axis=1) - (right[None] <= grid).mean(axis=1)).max(axis=0)

    assert value(accuracy.evaluate(given), "retain") == pytest.approx(hits.mean())
    assert value(ks.evaluate(given), "mean_d") == pytest.approx(gaps.mean(), abs=1e-6)


def test_retained_examples_that_all_models_get_right_are_right() -> None:
    """As many examples as the bundled task cifar10 retains."""
    n, n_classes = 45_000, 10
    given = evidence(40, n_classes, models=8)
    labels = np.arange(n) % n_classes
    right = np.tile(5 * np.eye(n_classes, dtype=np.float32)[labels], (8, 1, 1))
    right.flags.writeable = False
    logits = {name: {**by, "retain": right} for name, by in given.logits.items()}
    ids = {**given.ids, "retain": np.array([f"r{i}" for i in range(n)])}
    made = replace(given, logits=logits, ids=ids, labels={**given.labels, "retain": labels})

    assert value(accuracy.evaluate(made), "retain") == 1.0


COSTLY = ("before_after", "forgetting", "forgetting_quality")
CASES = [
    pytest.param(
        module, *size, id=f"{name_of(module)}-{size[0]}", marks=[pytest.mark.slow] if costly and size[0] > 1000 else []
    )
    for module in BLOCKED
    for costly in [name_of(module) in COSTLY]
    for size in ((10_001, 10), (101, 1000))
]


@pytest.mark.parametrize(("module", "n", "n_classes"), CASES)
def test_no_number_depends_on_the_size_of_blocks(
    module: ModuleType, n: int, n_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = module.evaluate(evidence(n, n_classes))
    for shared in (evidence_analysis, posterior_distances, threshold_mia, sample_distances):
        monkeypatch.setattr(shared, "_BLOCK", 10**9)
    second = module.evaluate(evidence(n, n_classes))

    assert any(one.value is not None for one in first.metrics)
    assert module is not membership or 0 < value(first, "simple_mia") < 1
    for one, other in zip(first.metrics, second.metrics, strict=True):
        assert one.value == (other.value if other.value is None else pytest.approx(other.value, rel=1e-4, abs=1e-4))


def test_nothing_is_left_of_a_size_that_once_failed() -> None:
    assert value(divergence_evaluator.evaluate(evidence(5_001, 10)), "js_excess") is not None
