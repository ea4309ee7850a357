"""The limit, what was used of it and what failed models count as: in words, on the terminal and on the page."""

from __future__ import annotations

import io
from typing import Any

import pytest
from pydantic import ValidationError
from rich.console import Console

from harness.core.outcomes import Status
from harness.evaluation import Clock
from harness.report.budget_words import amount, limit_words, slow_sentence, undependable_sentence, used_sentence
from harness.report.document import BudgetRecord, PopulationRecord, PopulationsRecord, Report
from harness.report.page import render_page
from harness.report.summary import render_summary
from tests.unit.report.examples import build_report, outcome, timeout

BECAUSE = "something waited for a core for 40% of the models' time"


def budget(**fields: Any) -> BudgetRecord:
    known = {"limit_s": 1.0, "how": "fraction", "fraction": 0.2, "retrain_s": (5.2, 5.0), "retrain_min_s": 5.0}
    return BudgetRecord(**{**known, **fields})


def shown(report: Report) -> str:
    console = Console(file=io.StringIO(), width=400, color_system=None)
    console.print(render_summary(report, None))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize(
    ("value", "clock", "text"),
    [
        (0.42, "wall", "0.42 s"),
        (0.42, "cpu", "0.42 s of CPU time"),
        (1800.0, "steps", "1,800 examples"),
        (None, "steps", "–"),
    ],
)
def test_an_amount_has_the_clocks_unit(value: float | None, clock: Clock, text: str) -> None:
    assert amount(value, clock) == text


def test_a_limit_in_words() -> None:
    assert limit_words(budget()) == "1.00 s (20 % of retraining)"
    assert limit_words(budget(clock="steps", limit_s=360.0)) == "360 examples (20 % of retraining)"
    assert limit_words(budget(limit_s=None, how="explicit", fraction=None)) == "none"


def test_what_models_used_is_told_in_the_clocks_unit() -> None:
    models = [outcome(n, examples=1000 + 80 * n, clock="steps") for n in range(3)]
    report = build_report(outcomes=models, budget=budget(clock="steps", limit_s=2000.0, retrain_min_s=10_000.0))

    assert used_sentence(report) == (
        "Time: 1,000 to 1,160 examples a model; the limit was 2,000 examples (20 % of retraining's 10,000 examples, the smallest "
        "measured)."
    )
    assert "1,160 examples" in render_page(report)


def test_undependable_times_are_warned_of_and_on_the_page() -> None:
    report = build_report(budget=budget(dependable=False, undependable_because=BECAUSE))

    assert f"Warning: Times are not dependable: {BECAUSE}" in shown(report)
    assert "Times are not dependable: something waited" in render_page(report)


@pytest.mark.parametrize("known", [{}, {"dependable": True}])
def test_of_dependable_times_nothing_is_said(known: dict[str, bool]) -> None:
    report = build_report(budget=budget(**known))

    assert undependable_sentence(report) == ""
    assert "not dependable" not in shown(report) + render_page(report)


def test_a_method_that_ran_into_the_limit_mostly_is_told_by_what_factor() -> None:
    models = [outcome(0, charged_s=0.9), *(outcome(n, Status.TIMEOUT, charged_s=1.2) for n in range(1, 4))]
    report = build_report(outcomes=models, budget=budget())

    assert slow_sentence(report) == (
        "Too slow: 3 of 4 models used the whole limit without finishing, so the method needs more than 1.2 times 1.00 s; the 1 "
        "that finished took 0.90 times the limit (median). To see what it needs, give more with --time-limit 5."
    )
    assert "Too slow: 3 of 4" in shown(report)
    assert "Too slow: 3 of 4" in render_page(report)


def test_a_lower_bound_is_never_below_the_limit_itself() -> None:
    report = build_report(outcomes=[timeout(n) for n in range(3)], budget=budget(retrain_min_s=None, limit_s=2.0))

    assert "more than 1.0 times 2.00 s. To see what it needs, give more with --time-limit 10." in slow_sentence(report)


def test_half_of_the_models_over_the_limit_are_not_most() -> None:
    assert slow_sentence(build_report(outcomes=[outcome(0), timeout(1)])) == ""


def populations(finished: int, failed: int, **fields: Any) -> PopulationsRecord:
    size = PopulationRecord(size=finished + failed)
    return PopulationsRecord(
        original=size, retrained=size, control=size, **{"failed_models": failed, "failed_as": "noop", **fields}
    )


def test_failed_models_that_count_as_their_originals_are_told() -> None:
    made = populations(7, 1, unlearned=PopulationRecord(size=8), substituted=1)
    report = build_report(populations=made)

    assert (report.finished_models, report.status) == (7, "partial")
    assert "Models: 7 of 8 finished. The others count as their originals (--failed-as noop)." in shown(report)
    assert "1 of 8 models failed; each counts as its original in all numbers" in render_page(report)


@pytest.mark.parametrize(
    "fields",
    [
        {"unlearned": PopulationRecord(size=7), "substituted": 1},
        {"unlearned": PopulationRecord(size=8), "substituted": 0},
        {"unlearned": PopulationRecord(size=8), "substituted": 1, "failed_as": "missing"},
        {"unlearned": PopulationRecord(size=7), "substituted": 0},
    ],
)
def test_counts_that_disagree_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        build_report(populations=populations(7, 1, **fields))
