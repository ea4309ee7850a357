"""``representation``: known answers, the null of its statistics, and evidence that it cannot use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.evaluation import Evidence, Result
from harness_evaluators import representation
from harness_evaluators.common import bootstrap
from harness_evaluators.representation import pairs, refit, similarity
from tests.unit.evaluators.conftest import POPULATIONS, gaussian_evidence
from tests.unit.evaluators.helpers import assert_well_formed, metric, value

EXAMPLES, WIDTH, CLASSES = 60, 12, 4
Arrays = dict[str, NDArray[np.float32]]


def evidence_with(memory: Mapping[str, float], n_models: int = 16, seed: int = 0, layer: str = "") -> Evidence:
    """Return evidence with features; a population's forgotten examples are moved to their classes by its memory.

    Every model has features of its own orientation, scale and noise, as independently trained networks have.
    """
    found = gaussian_evidence(0.0, 1.5, n_models, EXAMPLES, CLASSES, seed)
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((CLASSES, WIDTH))
    common = {split: means[found.labels[split]] + rng.standard_normal((EXAMPLES, WIDTH)) for split in found.labels}

    def features(population: str) -> Arrays:
        made: Arrays = {}
        turns = np.linalg.qr(rng.standard_normal((n_models, WIDTH, WIDTH)))[0]
        scales = np.exp(0.3 * rng.standard_normal((n_models, 1, WIDTH)))
        for split in ("forget", "retain", "test"):
            one = common[split] + 0.7 * rng.standard_normal((n_models, EXAMPLES, WIDTH))
            if split == "forget":
                one += memory.get(population, 0.0) * means[found.labels[split]]
            made[split] = np.matmul(one * scales, turns).astype(np.float32)
            if layer and split != "test":
                made[f"{split}@{layer}"] = made[split]
        return made

    return replace(found, probes={"features": {population: features(population) for population in POPULATIONS}})


def changed(evidence: Evidence, population: str, arrays: Mapping[str, NDArray[Any]]) -> Evidence:
    known = {name: dict(by) for name, by in evidence.probes["features"].items()}
    return replace(evidence, probes={"features": {**known, population: dict(arrays)}})


PERFECT = evidence_with({"original": 1.0}, seed=1, layer="2")


def test_a_new_head_on_the_features_of_the_original_is_unmasked() -> None:
    """Logits are those of retrained models, as far as metrics of logits can see; only the features are the original's."""
    deceiving = changed(PERFECT, "unlearned", PERFECT.probes["features"]["original"])
    found = representation.evaluate(deceiving)

    assert value(found, "feature_memory") == pytest.approx(1, abs=0.2)
    assert metric(found, "feature_memory").position == pytest.approx(0, abs=0.2)
    assert metric(found, "refit_phi").position == pytest.approx(0, abs=0.2)
    assert value(found, "refit_gain") > metric(found, "refit_gain").control_interval.high  # type: ignore[operator, union-attr]
    assert metric(found, "cka_excess").position == pytest.approx(0, abs=0.2)


def test_equal_features_in_all_populations_have_no_memory() -> None:
    equal = dict.fromkeys(PERFECT.probes["features"], PERFECT.probes["features"]["control"])
    found = representation.evaluate(replace(PERFECT, probes={"features": equal}))

    assert metric(found, "feature_memory").value is None
    assert "beyond noise" in metric(found, "feature_memory").note


def test_layers_are_in_the_order_of_their_numbers() -> None:
    arrays = {
        population: dict(
            sorted(
                {
                    **by,
                    **{
                        f"{split}@{name}": by[f"{split}@2"]
                        for split in ("forget", "retain")
                        for name in ("10", "layer3")
                    },
                }.items()
            )
        )
        for population, by in PERFECT.probes["features"].items()
    }
    found = representation.evaluate(replace(PERFECT, probes={"features": arrays}))
    named = [one.name for one in found.metrics if one.name.startswith("refit_phi_layer")]

    assert named == ["refit_phi_layer_1_2", "refit_phi_layer_2_10", "refit_phi_layer_3_layer3"]


def test_an_early_layer_of_the_original_under_a_retrained_end_is_unmasked() -> None:
    both = dict(PERFECT.probes["features"]["unlearned"])
    both |= {name: PERFECT.probes["features"]["original"][name] for name in both if "@" in name}
    found = representation.evaluate(changed(PERFECT, "unlearned", both))

    assert value(found, "feature_memory") == pytest.approx(1, abs=0.2)
    assert metric(found, "feature_memory").note == "Layer: 2."
    assert metric(found, "refit_phi").position == pytest.approx(1, abs=0.2)
    assert metric(found, "refit_phi_layer_1_2").position == pytest.approx(0, abs=0.2)
    assert metric(found, "cka_excess_layer_1_2").position == pytest.approx(0, abs=0.2)


def test_perfect_unlearning_is_as_the_control() -> None:
    found = representation.evaluate(PERFECT)
    assert_well_formed(found)

    for name in (
        "feature_memory",
        "refit_phi",
        "refit_accuracy",
        "cka_excess",
        "cka_forget",
        "knn_excess",
        "knn_forget",
    ):
        one = metric(found, name)
        assert one.value is not None
        assert one.control is not None
        assert one.smallest_visible is not None
        assert abs(one.value - one.control) <= 1.5 * one.smallest_visible, name
    for name in ("feature_memory", "refit_phi", "cka_excess", "knn_excess"):
        assert metric(found, name).position == pytest.approx(1, abs=0.2), name
    assert metric(found, "cka_excess").noop > 0.01  # type: ignore[operator]


def test_over_forgetting_is_told_from_forgetting() -> None:
    found = representation.evaluate(evidence_with({"original": 1.0, "unlearned": -1.0}, seed=5))
    assert value(found, "refit_phi") < metric(found, "refit_phi").control_interval.low  # type: ignore[operator, union-attr]
    assert value(found, "cka_excess") > metric(found, "cka_excess").control_interval.high  # type: ignore[operator, union-attr]


@pytest.mark.parametrize("n_models", [8, 16, 32, 64])
def test_intervals_of_equal_populations_hold_zero(n_models: int) -> None:
    """Pairs share models, and unit vectors that depend on one model alone have the least favourable null: no first-order term."""
    misses, unseen = 0, 0
    for seed in range(100):
        rng = np.random.default_rng([n_models, seed])
        vectors = 0.8 + 0.4 * rng.standard_normal((3 * n_models, 30))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        both = vectors @ vectors.T
        left, right, control = np.split(np.arange(3 * n_models), 3)
        draws = bootstrap.resamples(PERFECT, dict.fromkeys(("unlearned", "retrained", "control"), n_models))
        one, other = (
            draws.linear(
                row, pairs.distance(both[np.ix_(own, own)], both[np.ix_(own, right)], both[np.ix_(right, right)])
            )
            for row, own in (("unlearned", left), ("control", control))
        )
        interval = one.interval()
        assert interval is not None
        assert other.sd is not None
        misses += not interval.low <= 0 <= interval.high
        unseen += abs(one.value - other.value) > 1.96 * np.sqrt(2) * other.sd
    assert misses <= 10  # of 100, at a level of 95 %
    assert unseen <= 10


def test_the_distance_is_that_of_the_mean_embeddings_without_bias() -> None:
    rng = np.random.default_rng(1)
    centre = np.array([0.5, -0.2, 0.1])
    many = [rng.standard_normal((5, 3)), rng.standard_normal((7, 3)) + centre]
    for _ in range(400):
        many[0] = np.concatenate([many[0], rng.standard_normal((5, 3))])
        many[1] = np.concatenate([many[1], rng.standard_normal((7, 3)) + centre])
    values = []
    for at in range(400):
        left, right = many[0][5 * at : 5 * at + 5], many[1][7 * at : 7 * at + 7]
        values.append(pairs.distance(left @ left.T, left @ right.T, right @ right.T).value)
    assert np.mean(values) == pytest.approx(centre @ centre, abs=4 * np.std(values) / 20)


def test_cka_ignores_rotation_scale_and_shift_and_is_unbiased_if_features_outnumber_examples() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((20, 5))
    turned = 3 * x @ np.linalg.qr(rng.standard_normal((5, 5)))[0] + 7
    same = similarity.between(similarity.alignment(np.stack([x, turned]).astype(np.float32)))
    assert same == pytest.approx(1, abs=1e-4)
    wide = rng.standard_normal((60, 20, 500)).astype(np.float32)
    independent = similarity.between(similarity.alignment(wide))[np.triu_indices(60, 1)]
    assert independent.mean() == pytest.approx(0, abs=0.01)  # the biased estimate is above 0.9


def test_cka_is_the_ratio_of_the_published_unbiased_estimates() -> None:
    """Song et al. 2012, equation 5: (tr(KL) + 1'K11'L1 / ((n-1)(n-2)) - 2 1'KL1 / (n-2)) / (n(n-3)), diagonals 0."""
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((12, 3)), rng.standard_normal((12, 4))

    def hsic(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
        k, m = one @ one.T, other @ other.T
        np.fill_diagonal(k, 0)
        np.fill_diagonal(m, 0)
        n = len(k)
        both = np.trace(k @ m) + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 * (k @ m).sum() / (n - 2)
        return float(both / (n * (n - 3)))

    one, other = (similarity.alignment(z[None].astype(np.float32))[0] for z in (x, y))
    assert one @ other == pytest.approx(hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y)), abs=1e-5)


def test_neighbours_of_equal_features_agree_and_those_of_independent_ones_by_chance() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((40, 41, 6)).astype(np.float32)
    both = similarity.between(similarity.neighbours(np.concatenate([x, 2 * x])))
    assert np.diag(both[:40, 40:]) == pytest.approx(1, abs=1e-5)
    assert both[:40, :40][np.triu_indices(40, 1)].mean() == pytest.approx(10 / 40, abs=0.02)


@pytest.mark.parametrize("width", [3, 200])
def test_a_new_head_separates_separated_classes(width: int) -> None:
    """Also where features outnumber examples."""
    rng = np.random.default_rng(width)
    labels = np.arange(40) % 4
    means = 8 * rng.standard_normal((4, width)) / np.sqrt(width / 3)
    train, judged = (means[labels] + rng.standard_normal((2, 40, width)) / np.sqrt(width) for _ in range(2))
    found = refit.refit(train.astype(np.float32), labels, judged.astype(np.float32), labels)
    assert found.accuracy == pytest.approx(1)
    assert (found.phi > 3).all()
    wrong = refit.refit(train.astype(np.float32), labels, judged.astype(np.float32), (labels + 1) % 4)
    assert wrong.accuracy == pytest.approx(0)


def test_the_new_head_is_bayes_rule_for_gaussians_of_one_covariance() -> None:
    rng = np.random.default_rng(6)
    labels = np.repeat([0, 1], 4000)
    means = np.array([[0.0, 0.0], [1.0, 0.0]])
    x = (means[labels] + rng.standard_normal((1, 8000, 2))).astype(np.float32)
    at = np.array([[[1.5, 0.0], [0.5, 3.0]]], dtype=np.float32)
    found = refit.refit(x, labels, at[:, :1], np.array([1]))
    assert found.phi[0] == pytest.approx(1.0, abs=0.1)  # x - 1/2
    assert refit.refit(x, labels, at[:, 1:], np.array([1])).phi[0] == pytest.approx(0.0, abs=0.1)


def test_classes_that_are_not_retained_are_left_out_and_named() -> None:
    labels = {**PERFECT.labels, "retain": np.where(PERFECT.labels["retain"] == 3, 0, PERFECT.labels["retain"])}
    found = representation.evaluate(replace(PERFECT, labels=labels))
    assert metric(found, "refit_phi").value is not None
    assert "fewer than 2 retained examples: 3" in metric(found, "refit_phi").note
    alone = {**labels, "forget": np.full(EXAMPLES, 3)}
    none = representation.evaluate(replace(PERFECT, labels=alone))
    assert metric(none, "refit_phi").value is None
    assert "Not computed: no new head" in metric(none, "refit_phi").note
    assert metric(none, "cka_excess").value is not None
    assert_well_formed(none)


def test_without_a_linear_last_layer_named_layers_are_compared() -> None:
    layers = {
        name: {key: array for key, array in by.items() if "@" in key} for name, by in PERFECT.probes["features"].items()
    }
    found = representation.evaluate(replace(PERFECT, probes={"features": layers}))
    assert metric(found, "refit_phi").value is None
    assert "not linear" in metric(found, "refit_phi").note
    assert metric(found, "refit_phi_layer_1_2").value is not None
    assert value(found, "feature_memory") == pytest.approx(0, abs=0.2)
    assert_well_formed(found)


def test_without_features_or_models_the_reason_is_told() -> None:
    without = representation.evaluate(replace(PERFECT, probes={}))
    assert all(one.value is None and "weights" in one.note for one in without.metrics)
    few = representation.evaluate(evidence_with({}, n_models=3))
    assert all(one.value is None and "3 unlearned" in one.note for one in few.metrics)


def test_a_probe_of_the_first_models_is_enough() -> None:
    first = {name: {key: array[:8] for key, array in by.items()} for name, by in PERFECT.probes["features"].items()}
    found = representation.evaluate(replace(PERFECT, probes={"features": first}))
    assert value(found, "feature_memory") == pytest.approx(0, abs=0.4)
    assert_well_formed(found)


def _metrics(result: Result) -> list[tuple[str, float | None]]:
    return [(one.name, None if one.value is None else round(one.value, 4)) for one in result.metrics]


def test_the_order_of_models_does_not_matter() -> None:
    order = np.random.default_rng(0).permutation(16)
    logits = {
        name: {split: array[order] if name == "retrained" else array for split, array in by.items()}
        for name, by in PERFECT.logits.items()
    }
    turned = {key: array[order] for key, array in PERFECT.probes["features"]["retrained"].items()}
    again = changed(replace(PERFECT, logits=logits), "retrained", turned)
    assert _metrics(representation.evaluate(again)) == _metrics(representation.evaluate(PERFECT))


@pytest.mark.parametrize("odd", [np.nan, np.inf, 3e38, 0.0])
def test_any_features_give_numbers(odd: float) -> None:
    arrays = {key: np.array(array) for key, array in PERFECT.probes["features"]["unlearned"].items()}
    for array in arrays.values():
        array[::2] = odd
    assert_well_formed(representation.evaluate(changed(PERFECT, "unlearned", arrays)))


def test_models_whose_logits_are_no_numbers_are_left_out_with_their_features() -> None:
    logits = {name: {split: np.array(array) for split, array in by.items()} for name, by in PERFECT.logits.items()}
    logits["unlearned"]["forget"][0] = np.nan
    arrays = {key: np.array(array) for key, array in PERFECT.probes["features"]["unlearned"].items()}
    for array in arrays.values():
        array[0] = 1e30
    found = representation.evaluate(changed(replace(PERFECT, logits=logits), "unlearned", arrays))
    assert value(found, "feature_memory") == pytest.approx(0, abs=0.25)
