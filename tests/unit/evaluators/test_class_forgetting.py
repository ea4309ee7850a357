"""Forgotten classes: statistics by hand, the null, methods that only suppress the class, and other forget sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from harness.evaluation import Evidence, Result
from harness_evaluators import class_forgetting
from harness_evaluators.class_forgetting import classes as statistics
from harness_evaluators.class_forgetting.classes import Classes
from tests.unit.evaluators.conftest import evidence_of
from tests.unit.evaluators.every import POPULATIONS, of_whole_classes, usual
from tests.unit.evaluators.helpers import assert_well_formed, metric, value

LAST = Classes(np.array([3]), np.array([0, 1, 2]))
Values = np.ndarray

# The world: class 3 is forgotten; class 2 resembles it.
FORGOTTEN, SIMILAR, N = 3, 2, 40
BIAS = -6.0
"""Logit of a class that a retrained model never saw."""


def _retrained(labels: Values, rng: np.random.Generator) -> Values:
    """Return logits (n, 4) of one model that never saw the forgotten class: on its inputs the similar one is likelier."""
    z = rng.normal(0, 0.5, (len(labels), 4)) + rng.normal(0, 0.2, 4)  # each model has preferences of its own
    z[np.arange(len(labels)), labels] += np.where(labels == FORGOTTEN, 0.0, 5.0)
    z[labels == FORGOTTEN, SIMILAR] += 1.5
    z[:, FORGOTTEN] += BIAS
    return z


def _original(labels: Values, rng: np.random.Generator) -> Values:
    z = rng.normal(0, 0.5, (len(labels), 4)) + rng.normal(0, 0.2, 4)
    z[np.arange(len(labels)), labels] += 5.0
    return z


def _masked(labels: Values, rng: np.random.Generator) -> Values:
    """Return an original's logits with the forgotten class's lowered: its inputs keep no trace of the similar class."""
    z = _original(labels, rng)
    z[:, FORGOTTEN] -= 30.0
    return z


def _world(unlearned: Callable[[Values, np.random.Generator], Values], n_models: int = 24, seed: int = 0) -> Evidence:
    rng = np.random.default_rng(seed)
    labels = {"forget": np.full(N, FORGOTTEN), "retain": np.arange(N) % 3, "test": np.arange(N) % 4}
    made = {"original": _original, "retrained": _retrained, "control": _retrained, "unlearned": unlearned}
    logits = {
        name: {
            split: np.stack([of(one, rng) for _ in range(n_models)]).astype(np.float32) for split, one in labels.items()
        }
        for name, of in made.items()
    }
    bare = evidence_of({name: {split: np.zeros((n_models, N)) for split in labels} for name in POPULATIONS}, seed=seed)
    return replace(bare, labels=labels, logits=logits, class_names=("a", "b", "c", "d"))


@pytest.fixture(scope="module")
def masked() -> Result:
    return class_forgetting.evaluate(_world(_masked))


@pytest.mark.parametrize("name", ["neighbour_auc", "outsider_auc"])
def test_a_method_that_only_suppresses_the_class_is_recognised(masked: Result, name: str) -> None:
    found = metric(masked, name)

    assert found.value > 0.7
    assert found.interval is not None
    assert found.interval.low > found.control_interval.high


def test_a_suppressed_class_has_a_lower_logit_and_no_similar_class(masked: Result) -> None:
    """Logits are exact: retrained models' bias is -6, that of originals 0, that of masked ones -30, on average."""
    bias, share = metric(masked, "head_bias"), metric(masked, "neighbour_share")

    assert bias.value == pytest.approx(-30, abs=0.3)
    assert bias.control == pytest.approx(BIAS, abs=0.3)
    assert bias.noop == pytest.approx(0, abs=0.3)
    assert share.value == pytest.approx(1 / 3, abs=0.05)
    assert share.control > 0.55
    assert "Forgotten: d (most similar: c)." in share.note


def test_an_outsider_names_the_class_of_masked_and_of_retrained_models_alike(masked: Result) -> None:
    named = metric(masked, "class_named")

    assert named.value == named.control == 1
    assert 0 <= named.noop <= 0.6
    assert "random guess: 0.2500" in named.note


@pytest.mark.parametrize("n_models", [8, 16])
def test_perfect_unlearning_has_the_control_s_numbers(n_models: int) -> None:
    results = [class_forgetting.evaluate(_world(_retrained, n_models, seed)) for seed in range(4)]

    for name in ("neighbour_auc", "outsider_auc"):
        values = [value(result, name) for result in results]
        assert np.mean(values) == pytest.approx(0.5, abs=3 * np.std(values) / np.sqrt(4) + 0.005), name
    for result in results:
        assert value(result, "head_bias") == pytest.approx(metric(result, "head_bias").control, abs=0.5)
        assert value(result, "neighbour_share") == pytest.approx(metric(result, "neighbour_share").control, abs=0.1)
        assert_well_formed(result)


def test_doing_nothing_scores_what_the_no_op_does() -> None:
    result = class_forgetting.evaluate(_world(_original))

    assert metric(result, "head_bias").position == pytest.approx(0, abs=0.05)
    assert value(result, "head_bias") == pytest.approx(metric(result, "head_bias").noop, abs=0.3)


@pytest.mark.parametrize(
    ("retain", "forget", "why"),
    [
        ([0, 1, 2, 3], [3, 3], "1 of 1 classes of the forget set remain"),
        ([0, 1, 2], [2, 3], "1 of 2 classes of the forget set remain"),
        ([0, 0], [3, 3], "only 1 class remains"),
        ([], [3], "Without the classes of the retain set"),
    ],
)
def test_other_forget_sets_have_no_number_and_a_reason(retain: list[int], forget: list[int], why: str) -> None:
    labels = {"retain": np.array(retain, dtype=np.int64), "forget": np.array(forget)}
    found = statistics.classes_of(replace(usual(n_models=4), labels=labels))

    assert isinstance(found, str)
    assert why.lower() in found.lower()


def test_a_run_that_forgets_examples_has_notes_and_no_warning() -> None:
    result = class_forgetting.evaluate(usual(n_models=8))

    assert all(one.value is None and "no whole class is forgotten" in one.note for one in result.metrics)
    assert result.warnings == ()


def test_without_a_test_set_only_the_similar_classes_are_attacked() -> None:
    evidence = _world(_masked, 8)
    logits = {name: {split: a for split, a in by.items() if split != "test"} for name, by in evidence.logits.items()}

    result = class_forgetting.evaluate(replace(evidence, logits=logits))

    assert value(result, "neighbour_auc") > 0.5
    for name in ("outsider_auc", "head_bias", "class_named"):
        assert "test set" in metric(result, name).note


def test_several_forgotten_classes_have_a_similar_one_each() -> None:
    evidence = of_whole_classes(usual(n_models=8))
    result = class_forgetting.evaluate(evidence)

    assert result.arrays["forgotten_classes"].tolist() == [2, 3]
    assert set(result.arrays["nearest_classes"]) <= {0, 1}
    assert "2 classes, among them" in metric(result, "neighbour_auc").note
    shares = [array for name, array in result.arrays.items() if name.startswith("remaining_per_class")]
    assert all(one.sum() == pytest.approx(1) for one in shares)


def test_log_odds_and_bias_by_hand() -> None:
    """One model, one input of class 0, logits 1, 2, 3 and 10 for the forgotten class."""
    logits = np.array([[[1.0, 2.0, 3.0, 10.0]]], dtype=np.float32)
    e = np.exp([1.0, 2.0, 3.0])

    assert statistics.remaining_shares(logits, LAST)[0, 0] == pytest.approx(e / e.sum())
    assert statistics.neighbour_odds(logits, np.array([2]), LAST)[0, 0] == pytest.approx(3 - np.log(e[0] + e[1]))
    assert statistics.forgotten_odds(logits, LAST)[0, 0] == pytest.approx(10 - np.log(e.sum()))
    assert statistics.head_bias(logits, np.array([0]), LAST)[0] == pytest.approx(10 - 2.5)
    assert statistics.nearest(logits, np.array([3]), LAST).tolist() == [2]


def test_the_least_probable_class_is_named_and_ties_are_shared() -> None:
    """Three inputs of class 0 weigh as much as the one of class 1: their mean prefers neither."""
    tied = np.zeros((1, 4, 4), dtype=np.float32)
    never = tied.copy()
    never[:, :, 3] = -9
    rare = tied.copy()
    rare[0, :3] = [0, 0, -2, -1]
    rare[0, 3] = [
        0,
        0,
        -1,
        -3,
    ]  # more than makes up for the others: class 3 is the least probable on average over classes
    labels = np.array([0, 0, 0, 1])

    assert statistics.named(tied, labels, LAST)[0] == pytest.approx(1 / 4)
    assert statistics.named(never, labels, LAST)[0] == 1
    assert statistics.named(rare, labels, LAST)[0] == 1
