"""Examples to forget that the retain set teaches again are warned of first, and nothing is said of other twins."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from harness.report.document import Report
from harness.report.page import render_page
from harness.report.summary import render_summary
from harness.report.twin_words import twin_sentence
from harness.tasks.twins import Twins
from tests.unit.comparing.samples import evaluator, metric

from .examples import build_report


def report_with(**counts: Any) -> Report:
    report = build_report()
    twins = Twins(**{"split": "forget", "twin_in": "retain", "equal": 0, "near": 0, "other_label": 0, **counts})
    return report.model_copy(update={"task": report.task.model_copy(update={"twins": (twins,)})})


def shown(report: Report) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(render_summary(report, None))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_twin_in_the_retain_set_is_the_first_warning_and_on_the_page() -> None:
    report = report_with(equal=2, near=1)

    words = "3 of 200 examples to forget have a twin in the retain set: no method can forget them"
    assert f"Warning: {words}" in shown(report)
    assert words in render_page(report)


@pytest.mark.parametrize("counts", [{}, {"split": "test", "equal": 5}])
def test_without_one_nothing_is_said(counts: dict[str, Any]) -> None:
    report = report_with(**counts)

    assert "no method can forget" not in shown(report) + render_page(report)
    assert "no method can forget" not in shown(build_report())


def test_the_main_numbers_with_and_without_them_are_told() -> None:
    report = report_with(equal=3)
    records = (
        evaluator("forgetting", metric(0.2, name="memory_left"), metric(0.5, name="memory_left_without_twins")),
        evaluator("lira", metric(0.6), metric(None, name="auc_without_twins")),
    )

    told = twin_sentence(report.model_copy(update={"evaluators": records}))

    assert told.endswith("includes them. With and without them: memory left 0.200 and 0.500.")
    assert "With and without" not in twin_sentence(report)
