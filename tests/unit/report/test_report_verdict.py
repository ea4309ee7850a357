from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.evaluation import Interval, Metric
from harness.report.model import EvaluatorRecord, ModelRecord, VerdictRecord
from harness.report.verdict import decide_verdict
from tests.unit.report.examples import accuracy_metric, auc_metric, evaluator, outcome, plugin_error, timeout

ALL_OK = [outcome(0), outcome(1), outcome(2)]


def shift_metric(value: float, noop: float) -> Metric:
    return Metric("direction", value, "closer_to_reference", "", control=0.0, noop=noop, smallest_visible=0.1)


def verdict(
    *others: EvaluatorRecord, shift: float | None = None, shift_noop: float = 0.8, outcomes: Any = None, **auc: Any
) -> VerdictRecord:
    metrics = [auc_metric(**auc)] + ([] if shift is None else [shift_metric(shift, shift_noop)])
    models = [ModelRecord.from_outcome(one) for one in outcomes or ALL_OK]
    return decide_verdict([evaluator("lira", *metrics), *others], models)


@pytest.mark.parametrize(
    ("level", "value", "half_width", "more"),
    [
        ("as_retrained", 0.505, 0.02, {}),
        ("as_retrained", 0.53, 0.02, {}),  # intervals overlap, though further off than can be seen
        ("as_retrained", 0.525, 0.001, {}),  # intervals apart, though too near to be seen
        ("unclear", 0.60, 0.15, {}),  # overlaps the control's interval and reaches the no-op
        ("unclear", 0.505, 0.02, {"noop": 0.51}),  # the attack does not see the no-op
        ("unclear", 0.505, 0.02, {"noop": None}),
        ("partial", 0.60, 0.03, {}),
        ("partial", 0.60, 0.03, {"shift": 0.5}),
        ("partial", 0.60, 0.03, {"shift": -0.05}),  # a shift too small to be seen does not turn the verdict
        ("over_forgetting", 0.60, 0.03, {"shift": -0.5}),
        ("over_forgetting", 0.90, 0.03, {"shift": -2.0}),
        ("over_forgetting", 0.60, 0.03, {"shift": -0.5, "noop": 0.505}),
        ("none", 0.70, 0.02, {}),
        ("none", 0.80, 0.02, {"shift": 1.5}),
        ("none", 0.60, 0.03, {"noop": 0.505}),  # leaks more than doing nothing
        ("partial", 0.999, 0.001, {"noop": 1.0, "shift": 6.2, "shift_noop": 9.5}),  # at the attack's ceiling
        ("none", 0.999, 0.001, {"noop": 1.0, "shift": 9.5, "shift_noop": 9.5}),
        ("none", 0.999, 0.001, {"noop": 1.0, "shift": 9.45, "shift_noop": 9.5}),  # too little to be seen
        ("none", 0.98, 0.02, {"noop": 1.0, "shift": 6.2, "shift_noop": 9.5}),  # the attack can rank
    ],
)
def test_the_rule(level: str, value: float, half_width: float, more: dict[str, Any]) -> None:
    given = {"value": value, "interval": Interval(value - half_width, value + half_width), **more}

    assert verdict(**given).level == level


@pytest.mark.parametrize("missing", [{"value": None}, {"control": None}, {"interval": None, "smallest_visible": None}])
def test_without_a_number_its_null_or_its_uncertainty_there_is_no_verdict(missing: dict[str, None]) -> None:
    found = verdict(**missing)

    assert found.level == "unclear"
    assert "No verdict on forgetting" in found.sentence


def test_a_broken_attack_is_named_as_the_reason() -> None:
    broken = evaluator("lira", auc_metric(value=float("nan")))
    found = decide_verdict([broken], [ModelRecord.from_outcome(outcome(0))])

    assert found.level == "unclear"
    assert "the evaluator failed" in found.sentence


@pytest.mark.parametrize("outcomes", [[], [timeout(0), plugin_error(1)]])
def test_a_run_without_a_finished_model_has_failed(outcomes: list[Any]) -> None:
    assert decide_verdict((), [ModelRecord.from_outcome(one) for one in outcomes]).level == "failed"


def test_a_partial_run_says_on_how_many_models_it_rests() -> None:
    assert "2 of 3 models" in verdict(outcomes=[outcome(0), outcome(1), timeout(2)]).sentence


def test_an_auc_without_interval_is_not_said_to_be_missing() -> None:
    found = verdict(value=0.85, interval=None, smallest_visible=None)

    assert found.level == "unclear"
    assert "AUC is 0.850, but nothing says how uncertain that is" in found.sentence
    assert "missing" not in found.sentence


def test_an_auc_without_control_is_not_said_to_be_missing() -> None:
    assert "AUC is 0.580, but no control" in verdict(control=None).sentence


@pytest.mark.parametrize(
    ("failed", "words"),
    [
        ((), "on one model of each of the 2 originals, since repeats are not independent."),
        (
            (3,),
            "on one model of each of the 2 originals, since repeats are not independent; 1 failed model counts nowhere.",
        ),
        ((1, 3), "on one model of each of the 1 of 2 originals that finished"),
    ],
)
def test_repeats_do_not_count_as_models_that_the_verdict_rests_on(failed: tuple[int, ...], words: str) -> None:
    ends = [timeout(number) if number in failed else outcome(number) for number in range(4)]

    assert words in verdict(outcomes=[replace(one, original=one.index % 2) for one in ends]).sentence


def test_a_verdict_on_one_original_says_that_doing_nothing_was_scored_over_many() -> None:
    found = verdict(outcomes=[outcome(number, original=0) for number in range(4)]).sentence

    assert "All models come from one original" in found
    assert "rests on" not in found


def test_a_complete_run_does_not_speak_of_failed_models() -> None:
    assert "models that finished" not in verdict().sentence


def test_lost_accuracy_is_told_beside_success() -> None:
    found = verdict(evaluator("accuracy", accuracy_metric(0.80)), value=0.5, interval=Interval(0.48, 0.52))

    assert found.level == "as_retrained"
    assert "It costs accuracy: 80.0 % on the test set, where retrained models have 88.3 %." in found.sentence


def test_accuracy_within_the_tolerance_is_not_told() -> None:
    assert "costs accuracy" not in verdict(evaluator("accuracy", accuracy_metric(0.87))).sentence


def test_partial_forgetting_says_how_far_it_goes() -> None:
    assert "43 % of the way from doing nothing to perfect unlearning" in verdict(value=0.62, position=0.43).sentence
    assert "of the way" not in verdict(value=0.62, position=None).sentence


def test_the_rule_line_names_the_numbers_it_was_decided_from() -> None:
    rule = verdict().rule

    for number in ("0.580", "0.550 to 0.610", "0.500", "0.480 to 0.520", "0.710", "0.030"):
        assert number in rule
