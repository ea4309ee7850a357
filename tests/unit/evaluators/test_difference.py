"""``difference``: known answers, nulls, and evidence that it cannot use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from harness.evaluation import Evidence
from harness_evaluators import difference
from harness_evaluators.common import bootstrap
from harness_evaluators.difference import outsider
from tests.unit.evaluators.changed_weights import with_differences
from tests.unit.evaluators.conftest import gaussian_evidence
from tests.unit.evaluators.helpers import assert_well_formed, metric, value

EXAMPLES = 60


def _evidence(shift: float = 0.0, models: int = 16, seed: int = 0) -> Evidence:
    made = gaussian_evidence(0.0, 1.5, models, EXAMPLES, seed=seed)
    return with_differences(made, {"unlearned": shift}, seed)


def test_known_separations_are_found() -> None:
    found = difference.evaluate(_evidence(1.0))

    expected = ndtr(1 / np.sqrt(2))
    assert value(found, "removed_auc") == pytest.approx(expected, abs=0.02)
    assert metric(found, "removed_auc").control == pytest.approx(0.5, abs=0.03)
    assert value(found, "reconstruction_auc") == pytest.approx(expected, abs=0.02)
    assert value(found, "reconstruction_cosine") == pytest.approx(0.1, abs=0.01)
    assert value(found, "distance") == pytest.approx(0.3, abs=0.01)
    assert metric(found, "distance").noop == 0
    assert metric(found, "removed_auc").position is None  # an untouched model gives nothing away
    assert metric(found, "distance").position == pytest.approx(0.3, abs=0.02)
    assert_well_formed(found)


def test_perfect_unlearning_is_like_the_control() -> None:
    found = difference.evaluate(_evidence(seed=3))

    for name in ("removed_auc", "reconstruction_auc", "outsider_auc", "barrier", "barrier_test"):
        one = metric(found, name)
        assert one.interval is not None
        assert one.control is not None
        assert one.interval.low <= one.control + one.smallest_visible  # type: ignore[operator]
        assert one.interval.high >= one.control - one.smallest_visible  # type: ignore[operator]


def test_the_removed_class_is_named_by_the_steepest_slope() -> None:
    evidence = _evidence()
    labels = {**evidence.labels, "forget": np.full(EXAMPLES, 2)}
    arrays = {name: dict(by) for name, by in evidence.probes["difference"].items()}
    for population in ("unlearned", "control"):
        slopes = np.array(arrays[population]["slope@test"])
        rows = slice(None) if population == "unlearned" else slice(0, 4)
        slopes[rows, labels["test"] == 2] += 9
        arrays[population]["slope@test"] = slopes
    found = difference.evaluate(replace(evidence, labels=labels, probes={"difference": arrays}, class_names=()))

    assert value(found, "removed_class") == 1
    assert metric(found, "removed_class").control == pytest.approx(4 / 16, abs=0.3)
    assert metric(found, "removed_class").note.startswith("Class: 2; by chance: ")


def test_the_rate_of_a_named_class_has_an_exact_interval() -> None:
    """A bootstrap of equal values has no width: 8 of 8 would be certain."""
    evidence = _evidence(models=8)
    labels = {**evidence.labels, "forget": np.full(EXAMPLES, 2)}
    arrays = {name: dict(by) for name, by in evidence.probes["difference"].items()}
    slopes = np.array(arrays["unlearned"]["slope@test"])
    slopes[:, labels["test"] == 2] += 9
    arrays["unlearned"]["slope@test"] = slopes
    arrays["original"]["slope@test"] = np.zeros_like(slopes)
    found = metric(
        difference.evaluate(replace(evidence, labels=labels, probes={"difference": arrays})), "removed_class"
    )

    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (pytest.approx(0.025 ** (1 / 8)), 1)
    assert found.smallest_visible is not None
    assert found.smallest_visible > 0.2
    assert found.noop == pytest.approx(1 / len(np.unique(labels["test"])))  # an untouched model names any class


def test_a_barrier_is_the_excess_over_the_straight_line_between_the_ends() -> None:
    losses = np.array([[0.0, 3.0, 2.0], [1.0, 0.5, 0.0], [0.0, 0.0, 4.0]], dtype=np.float32)

    assert difference.evaluator.barriers(losses) == pytest.approx([2.0, 0.0, 0.0])


def test_parts_of_the_network_and_the_line_are_in_the_report() -> None:
    found = difference.evaluate(_evidence())

    names = [one.name for one in found.metrics]
    assert names[:3] == ["distance", "distance_part_1_fc", "distance_part_2_0"]
    assert value(found, "distance_part_2_0") == pytest.approx(value(found, "distance"), rel=1e-6)
    mean, low, high = found.arrays["unlearned_on_line_test"]
    assert mean[[0, 5, 10]] == pytest.approx([0.1, 1.2, 0.3], abs=0.15)
    assert (low <= mean).all()
    assert (mean <= high).all()


def test_forgotten_subjects_are_told_from_retained_ones() -> None:
    evidence = _evidence(0.5)
    subjects = {
        "forget": np.array([f"f{index // 6}" for index in range(EXAMPLES)]),
        "retain": np.array([f"r{index // 6}" for index in range(EXAMPLES)]),
    }
    found = difference.evaluate(replace(evidence, subjects=subjects))

    assert value(found, "removed_subject_auc") == pytest.approx(ndtr(0.5 * np.sqrt(6) / np.sqrt(2)), abs=0.05)


def test_what_cannot_be_computed_is_told() -> None:
    found = difference.evaluate(_evidence())

    assert metric(found, "removed_class").note == "Not computed: no class has half of the forget set."
    assert metric(found, "removed_subject_auc").note == "Not computed: the examples have no subjects."
    arrays = {
        population: {name: array for name, array in by.items() if not name.startswith("cosine")}
        for population, by in _evidence().probes["difference"].items()
    }
    headless = difference.evaluate(replace(_evidence(), probes={"difference": arrays}))
    assert metric(headless, "reconstruction_auc").note == difference.evaluator.NO_HEAD
    assert metric(headless, "removed_auc").value is not None
    nothing = difference.evaluate(gaussian_evidence(0.0, 1.5, 16, EXAMPLES))
    assert metric(nothing, "removed_auc").note.startswith("Not computed: there are no differences of weights")
    assert metric(nothing, "outsider_auc").value is not None


def test_an_outsider_sees_models_that_answer_the_test_set_otherwise() -> None:
    evidence = _evidence(seed=5)
    logits = {name: dict(by) for name, by in evidence.logits.items()}
    changed = np.array(logits["unlearned"]["test"])
    changed[:, np.arange(EXAMPLES), evidence.labels["test"]] += 1
    logits["unlearned"]["test"] = changed
    found = difference.evaluate(replace(evidence, logits=logits))

    assert value(found, "outsider_auc") > 0.95
    assert metric(found, "outsider_auc").control == pytest.approx(0.5, abs=0.25)


def test_the_outsider_s_interval_covers_one_half_for_equal_populations() -> None:
    """The docs have the rates of 400 runs each at N = 16, 32 and 64."""
    rng, missed, runs, models = np.random.default_rng(11), 0, 30, 16
    for run in range(runs):
        one, other = rng.standard_normal((2, models, 40))
        far = rng.standard_normal((models, 40)) + 3
        statistic = outsider.recognised(outsider._Sides(one, other, far, paired=False), np.random.default_rng(run))
        weights = {"unlearned": np.zeros((1, models)), "retrained": np.zeros((1, models))}
        interval = bootstrap.Resamples(weights).linear("unlearned", statistic).interval()
        assert interval is not None
        missed += not interval.low <= 0.5 <= interval.high
    assert missed <= 5


def test_untouched_originals_do_not_give_themselves_away() -> None:
    """They are unlike retrained models, but nothing was removed from them."""
    evidence = _evidence(seed=5)
    logits = {name: dict(by) for name, by in evidence.logits.items()}
    longer = np.array(logits["original"]["test"])
    longer[:, np.arange(EXAMPLES), evidence.labels["test"]] += 1
    logits["original"]["test"] = longer
    logits["unlearned"]["test"] = longer[evidence.unlearned_from]

    found = difference.evaluate(replace(evidence, logits=logits))
    assert value(found, "outsider_auc") == pytest.approx(0.5, abs=1e-9)


def test_few_models_give_the_outsider_no_interval() -> None:
    one = metric(difference.evaluate(_evidence(models=8)), "outsider_auc")

    assert one.value is not None
    assert one.interval is None
    assert "16 models" in one.note
    assert metric(difference.evaluate(_evidence(models=6)), "outsider_auc").note.startswith(
        "Not computed: it needs 8 models"
    )
