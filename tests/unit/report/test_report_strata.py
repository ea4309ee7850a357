"""The table and the plot by memorisation."""

from __future__ import annotations

import numpy as np
import pytest

from harness.report.document import EvaluatorRecord, Report
from harness.report.page import render_page
from harness.report.strata import strata_of
from harness.report.svg.figure import Figure, Missing
from harness.report.svg.strata_plot import strata_figure
from tests.unit.comparing.samples import report

ARRAYS = {
    "memory_per_stratum": [0.1, 0.5],
    "examples_per_stratum": [6.0, 7.0],
    "auc_per_stratum_unlearned": [0.52, 0.91],
    "auc_per_stratum_control": [0.5, 0.49],
    "auc_per_stratum_noop": [0.7, 0.97],
    "auc_interval_per_stratum_unlearned": [[0.48, 0.85], [0.56, 0.95]],
    "mean_d_per_stratum_unlearned": [0.3, 0.62],
    "shift_per_stratum_unlearned": [0.0, 1.25],
}


def with_strata(**arrays: object) -> Report:
    record = EvaluatorRecord(
        name="strata", version="1", distribution="d", distribution_version="1", seconds=0.1, arrays={**ARRAYS, **arrays}
    )
    return report("finetune").model_copy(update={"evaluators": (record,)})


def test_a_stratum_has_the_numbers_of_its_place() -> None:
    first, last = strata_of(with_strata())

    assert (first.number, first.examples, first.memory) == (1, 6, 0.1)
    assert last.auc == {"control": 0.49, "noop": 0.97, "unlearned": 0.91}
    assert last.auc_interval == (0.85, 0.95)
    assert (last.mean_d, last.shift, last.tpr) == ({"unlearned": 0.62}, {"unlearned": 1.25}, {})


def test_the_page_has_the_table_and_the_plot() -> None:
    page = render_page(with_strata())

    assert "2, most memorised" in page
    assert "0.910" in page
    figure = strata_figure(with_strata())
    assert isinstance(figure, Figure)
    assert figure.kinds == ("control", "noop", "unlearned", "mark")
    assert "0.520, 0.910" in figure.svg
    assert figure.title in page


def test_a_report_without_the_evaluator_shows_neither() -> None:
    assert strata_of(report("finetune")) == []
    assert "By memorisation" not in render_page(report("finetune"))


@pytest.mark.parametrize(
    "arrays",
    [
        {"memory_per_stratum": [0.1]},
        {"memory_per_stratum": [[0.1, 0.2]]},
        {"memory_per_stratum": [], "examples_per_stratum": []},
    ],
    ids=["lengths differ", "two dimensions", "empty"],
)
def test_arrays_that_do_not_fit_are_not_shown(arrays: dict[str, object]) -> None:
    made = with_strata(**arrays)

    assert isinstance(strata_figure(made), Missing)
    assert "most memorised" not in render_page(made)


def test_series_of_another_length_are_left_out() -> None:
    (first, _) = strata_of(
        with_strata(auc_per_stratum_noop=[0.5], auc_interval_per_stratum_unlearned=np.ones(2).tolist())
    )

    assert set(first.auc) == {"control", "unlearned"}
    assert first.auc_interval is None
