from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.core.outcomes import ModelOutcome
from harness.evaluation import Interval, Metric
from harness.report.document import EvaluatorRecord, VerdictRecord
from harness.report.verdict import decide_verdict
from harness.tasks.task import Margins
from tests.unit.report.examples import accuracy_metric, evaluator, forgetting, judged, outcome, plugin_error, timeout

EQUAL = {
    "difference_p": 0.4,
    "memory_left": (0.0, -0.03, 0.03),
    "memory_left_calibrated": (0.0, -0.03, 0.03),
    "memory_left_queries": (0.0, -0.03, 0.03),
    "memory_left_worst": (0.01, -0.02, 0.04),
    "memory_bound": 0.03,
    "shift_bound": 0.06,
    "shift": (0.0, -0.05, 0.05),
    "shift_calibrated": (0.0, -0.05, 0.05),
    "named_remembered": 0.0,
}
SMALL = {
    "memory_left": (0.0, -0.03, 0.03),
    "memory_left_calibrated": (0.0, -0.03, 0.03),
    "memory_left_queries": (0.0, -0.03, 0.03),
    "memory_left_worst": (0.01, -0.02, 0.04),
    "shift": (0.0, -0.05, 0.05),
    "shift_calibrated": (0.0, -0.05, 0.05),
    "named_remembered": 0.0,
}
BELOW = {
    **{name: (-0.3, -0.4, -0.2) for name in SMALL if name.startswith("memory")},
    "shift": (-0.5, -0.6, -0.4),
    "shift_calibrated": (-0.5, -0.6, -0.4),
    "named_remembered": 0.0,
}
WHOLE = {name: (1.0, 0.9, 1.1) for name in SMALL if name.startswith("memory")}


def durability(
    p: float = 0.001, regained: tuple[float, float, float] | None = (0.6, 0.5, 0.7), before: float = 0.02
) -> EvaluatorRecord:
    """Return the record of models whose memory comes back."""
    value, interval = (None, None) if regained is None else (regained[0], Interval(*regained[1:]))
    note = "After training on the retain set alone; before it: 2 %."
    return evaluator(
        "durability",
        Metric("recovery_p", p, "none", ""),
        Metric("memory_regained", value, "closer_to_reference", "", interval=interval, note=note),
        Metric("memory_before", before, "closer_to_reference", ""),
    )


def models(finished: int, originals: int | None = None) -> list[ModelOutcome]:
    return [outcome(n) if n < finished else timeout(n) for n in range(originals or finished)]


def verdict(
    *others: EvaluatorRecord,
    finished: int = 32,
    originals: int | None = None,
    margins: Margins = Margins(),  # noqa: B008 -- it is frozen
    **numbers: Any,
) -> VerdictRecord:
    return decide_verdict([forgetting(**numbers), *others], models(finished, originals), margins)


@pytest.mark.parametrize(
    ("level", "numbers"),
    [
        ("as_retrained", EQUAL),
        ("no_difference_seen", {**EQUAL, "memory_bound": 0.05}),
        ("no_difference_seen", {**EQUAL, "shift_bound": 0.1}),
        ("unclear", {**EQUAL, "memory_bound": 0.5}),
        ("unclear", {**EQUAL, "noop_p": 0.2}),  # the run could not have seen a failure to forget
        ("unclear", {**EQUAL, "memory_size": (0.1, 0.0, 0.3)}),
        ("partial", {}),
        ("partial", WHOLE | {"memory_left": (0.7, 0.4, 1.0), "memory_left_worst": (0.7, 0.4, 1.0),
                             "memory_left_calibrated": (0.7, 0.4, 1.0), "memory_left_queries": (0.7, 0.4, 1.0)}),
        ("none", WHOLE),
        ("over_forgetting", BELOW),
        ("mixed", {"named_remembered": 0.2, "named_over_forgotten": 0.2}),
        ("partial", {"named_remembered": 0.5, "named_over_forgotten": 0.05}),
        ("partial", {"named_remembered": 0.2, "named_over_forgotten": 0.2, "effective_models": 1.0}),
        ("mixed", SMALL),
        # A few examples are remembered, too few to show on average.
        ("partial", {**SMALL, "named_remembered": 0.005}),
        ("partial", {**SMALL, "named_remembered": 0.015, "named_over_forgotten": 0.005}),
        ("mixed", {**SMALL, "named_remembered": 0.01, "named_over_forgotten": 0.005}),
        ("mixed", {**SMALL, "named_remembered": 0.005, "effective_models": 4.0}),  # by chance, of few different models
        ("mixed", {**BELOW, "named_remembered": 0.015}),
        ("mixed", {**SMALL, "named_remembered": 0.005, "noop_p": 0.2}),
        # The test set differs, and confidences by no more on the forget set: nothing is said of memory.
        ("another_model", {"placebo_p": 0.01, "excess_p": 0.026}),
        ("another_model", {**WHOLE, "placebo_p": 0.01, "excess_p": 0.026, "named_remembered": 0.1}),
        ("another_model", {**BELOW, "placebo_p": 0.01, "excess_p": 0.026}),
        ("partial", {"placebo_p": 0.01, "excess_p": 0.025}),
        ("partial", {"placebo_p": 0.01, "excess_p": None, "excess_wrong_p": None}),  # no test set that is alike
        ("partial", {"placebo_p": 0.011, "excess_p": 0.2}),  # one false alarm in twenty hides no memory
        ("mixed", {"placebo_p": 0.01, "excess_p": 0.026, "excess_wrong_p": 0.025}),  # a mark under a temperature
        ("mixed", {**SMALL, "placebo_p": 0.01, "excess_p": 0.025}),  # the spread, on the forget set alone
        ("another_model", {**SMALL, "placebo_p": 0.04, "excess_p": 0.2}),
        ("another_model", {**SMALL, "placebo_p": 0.01, "excess_p": None, "excess_wrong_p": None}),
        # Another kind of model whose confidence lies elsewhere everywhere, and which remembers nothing in particular.
        ("another_model", {**SMALL, "placebo_p": 0.04, "excess_p": 0.2,
                           "memory_left": (0.3, 0.2, 0.4), "shift": (0.5, 0.4, 0.6)}),
        ("over_forgetting", {**BELOW, "placebo_p": 0.01}),
        ("none", {**WHOLE, "placebo_p": 0.01, "memory_left": (-0.3, -0.4, -0.2)}),  # a temperature
        # It shows under one query alone, by more than the choice of the worst explains.
        ("partial", {**SMALL, "memory_left_worst": (0.5, 0.4, 0.6)}),
        ("mixed", {**SMALL, "memory_left_worst": (0.05, 0.01, 0.09)}),
    ],
)  # fmt: skip
def test_the_rule(level: str, numbers: dict[str, Any]) -> None:
    assert verdict(**{"effective_models": 30.0, **numbers}).level == level


@pytest.mark.parametrize(
    ("level", "finished", "p"),
    [
        ("as_retrained", 16, 0.051),
        ("no_difference_seen", 15, 0.4),
        ("mixed", 32, 0.049),
        ("as_retrained", 64, 0.03),  # a small difference between many models, with equivalence shown
        ("mixed", 64, 0.02),
    ],
)
def test_fewer_models_only_weaken_it(level: str, finished: int, p: float) -> None:
    numbers = {**EQUAL, "difference_p": p, "effective_models": float(finished)}

    assert verdict(finished=finished, **numbers).level == level


@pytest.mark.parametrize(("finished", "level"), [(29, "as_retrained"), (28, "unclear")])
def test_below_nine_tenths_of_the_models_there_is_no_favourable_verdict(finished: int, level: str) -> None:
    assert verdict(finished=finished, originals=32, **EQUAL).level == level


OVERRIDDEN = {
    "as_retrained": EQUAL,
    "no_difference_seen": {**EQUAL, "memory_bound": 0.05},
    "unclear": {**EQUAL, "memory_bound": 0.5},
    "over_forgetting": BELOW,
    "another_model": {**SMALL, "placebo_p": 0.01, "excess_p": 0.2},
}


@pytest.mark.parametrize("numbers", OVERRIDDEN.values(), ids=OVERRIDDEN)
def test_memory_that_comes_back_overrides_the_words_that_see_none(numbers: dict[str, Any]) -> None:
    found = verdict(durability(), **{**numbers, "effective_models": 30.0})

    assert found.level == "not_durable"
    assert (
        "after training on the retain set alone 60.0 % of the memory of the forget set is there (50.0 to 70.0 %)"
        in found.sentence
    )
    assert "before it, 2.0 %" in found.sentence
    assert "recovery p 0.001" in found.rule


@pytest.mark.parametrize("changes", [{"p": 0.011}, {"regained": (0.6, -0.1, 1.3)}, {"regained": None}])
@pytest.mark.parametrize("level", OVERRIDDEN)
def test_it_must_be_significant_and_above_nothing(level: str, changes: dict[str, Any]) -> None:
    assert verdict(durability(**changes), **OVERRIDDEN[level]).level == level


def test_copies_of_one_model_are_not_tested_for_it() -> None:
    numbers = {**OVERRIDDEN["another_model"], "effective_models": 3.0}
    found = verdict(durability(), **numbers)
    assert found.level == "another_model"
    assert "comes back" not in found.sentence


def test_beside_the_other_words_it_is_said() -> None:
    found = verdict(durability(), effective_models=30.0)

    assert found.level == "partial"
    assert "More comes back: after training on the retain set alone" in found.sentence
    assert "More comes back" not in verdict(durability(p=0.5)).sentence


@pytest.mark.parametrize(("p", "level"), [(0.041, "as_retrained"), (0.04, "mixed")])
def test_both_tests_together_err_in_five_per_cent(p: float, level: str) -> None:
    numbers = {**EQUAL, "effective_models": 30.0, "difference_p": p}

    assert verdict(durability(p=0.5), **numbers).level == level
    assert verdict(**numbers).level == "mixed"


def test_margins_are_the_tasks() -> None:
    assert verdict(margins=Margins(memory=0.02), **EQUAL).level == "no_difference_seen"
    assert verdict(margins=Margins(shift_sd=0.05), **EQUAL).level == "no_difference_seen"


def test_what_may_be_left_is_said() -> None:
    found = verdict(**{**EQUAL, "memory_bound": 0.12, "shift_bound": 0.21}).sentence

    assert "up to 12.0 % of the memory of the forget set and a mean shift of 0.210 sd may be left" in found


def test_failed_models_count_as_untouched_in_a_second_line() -> None:
    found = verdict(finished=24, originals=32).sentence

    assert "This rests on the 24 of 32 models that finished." in found
    assert "With failed models counted as untouched, 56.5 % of the memory is left." in found  # (24 x 42 % + 8) / 32


@pytest.mark.parametrize("numbers", [{"difference_p": None}])
def test_without_the_test_there_is_no_verdict(numbers: dict[str, None]) -> None:
    found = verdict(**numbers)

    assert found.level == "unclear"
    assert "No verdict on forgetting" in found.sentence


def test_a_broken_evaluator_is_named_as_the_reason() -> None:
    broken = judged("forgetting", Metric("difference_p", float("nan"), "none", ""))

    assert "the evaluator failed" in decide_verdict([broken], models(3)).sentence
    assert "the evaluator forgetting was not run" in decide_verdict([], models(3)).sentence


@pytest.mark.parametrize("outcomes", [[], [timeout(0), plugin_error(1)]])
def test_a_run_without_a_finished_model_has_failed(outcomes: list[Any]) -> None:
    assert decide_verdict((), outcomes).level == "failed"


@pytest.mark.parametrize(
    ("failed", "words"),
    [
        ((), "One model of each of the 2 originals is judged, since repeats are not independent."),
        ((3,), "since repeats are not independent; 1 failed model is left out."),
        ((1, 3), "This rests on the 1 of 2 models that finished."),
    ],
)
def test_repeats_do_not_count_as_models(failed: tuple[int, ...], words: str) -> None:
    ends = [timeout(number) if number in failed else outcome(number) for number in range(4)]
    records = [replace(one, original=one.index % 2) for one in ends]

    assert words in decide_verdict([forgetting()], records).sentence


def test_a_verdict_on_one_original_says_that_doing_nothing_was_scored_over_many() -> None:
    records = [outcome(number, original=0) for number in range(4)]
    found = decide_verdict([forgetting()], records).sentence

    assert "All models come from one original" in found
    assert "rests on" not in found


def test_a_complete_run_does_not_speak_of_failed_models() -> None:
    assert "models that finished" not in verdict().sentence


def test_what_it_cost_is_always_said() -> None:
    assert "Cost: 87.0 % of the test set right (retrained models 88.3 %)." in verdict(
        evaluator("accuracy", accuracy_metric(0.87)), **EQUAL
    ).sentence  # fmt: skip


@pytest.mark.parametrize(("accuracy", "below"), [(0.864, False), (0.80, True)])
def test_below_the_utility_floor_there_is_no_rank(accuracy: float, below: bool) -> None:
    found = verdict(evaluator("accuracy", accuracy_metric(accuracy)), **EQUAL)

    assert found.level == "as_retrained"
    assert found.below_floor is below
    assert ("no rank" in found.sentence) is below


def test_times_that_are_not_dependable_are_named_first() -> None:
    found = decide_verdict([forgetting()], models(32), undependable="the machine was busy")

    assert found.sentence.startswith("Times are not dependable. ")


def test_examples_that_are_remembered_are_named_where_the_average_does_not_show_them() -> None:
    found = verdict(**{**SMALL, "named_remembered": 0.015, "named_over_forgotten": 0.005, "effective_models": 30.0})

    assert "1.5 % of the forgotten examples are named as remembered and 0.5 % as over-forgotten" in found.sentence
    assert "(-3.0 to 3.0 % of the memory)" in found.sentence


@pytest.mark.parametrize(("diversity", "said"), [(1.0, True), (16.0, True), (16.1, False)])
def test_collapsed_diversity_is_a_finding_of_its_own(diversity: float, said: bool) -> None:
    numbers = {**SMALL, "placebo_p": 0.001, "excess_p": 0.6, "effective_models": diversity}

    assert ("Collapsed diversity: the 32 models are worth" in verdict(**numbers).sentence) is said
    assert "Collapsed diversity" not in verdict(**{**numbers, "difference_p": 0.2}).sentence


def test_another_kind_of_model_says_what_its_numbers_mean() -> None:
    numbers = {"placebo_p": 0.001, "excess_p": 0.6}
    none, some = verdict(**SMALL, **numbers).sentence, verdict(**numbers).sentence

    assert "by no more on the forget set (p = 0.600), which shows no memory (-3.0 to 3.0 % as seen" in none
    assert "the 32.0 to 52.0 % that seem left are no more than that explains" in some


def test_a_mark_in_wrong_classes_of_another_kind_of_model_is_named() -> None:
    found = verdict(**{**SMALL, "placebo_p": 0.001, "excess_p": 0.6, "excess_wrong_p": 0.001}).sentence

    assert "the order of wrong classes differs by more than there (p = 0.001)" in found


def test_the_rule_line_names_the_numbers_it_was_decided_from() -> None:
    rule = verdict().rule

    for number in (
        "difference p 0.001",
        "30.0 to 50.0 %",
        "memory bound 52.0 % (margin 5.0 %)",
        "shift bound 0.700 sd",
    ):
        assert number in rule
