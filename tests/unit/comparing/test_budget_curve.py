"""Quality against compute: the numbers, table and picture of one method under several budgets."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.comparing.budget_curve import budget_curve, curve_page, curve_rows, curve_svg, render_curve, write_curve
from harness.evaluation import Interval, Metric
from harness.report.document import BudgetRecord, Report
from tests.unit.comparing.samples import HOSTILE, hostile, metric, records, report
from tests.unit.report.examples import evaluator


def _under(fraction: float, auc: float | None, **changes: Any) -> tuple[str, Report]:
    budget = BudgetRecord(limit_s=fraction, how="fraction", fraction=fraction, retrain_min_s=2.0)
    return f"budget-{fraction:g}", report("slow", auc, **changes).model_copy(update={"budget": budget})


CURVE = budget_curve([_under(0.5, 0.5), _under(0.1, 0.8)])


def test_points_are_ordered_by_budget_and_have_the_runs_numbers() -> None:
    assert [one.fraction for one in CURVE.points] == [0.1, 0.5]
    assert [one.forgotten for one in CURVE.points] == pytest.approx([0.25, 1.0])  # (0.9 - AUC) / (0.9 - 0.5)
    assert [one.used for one in CURVE.points] == pytest.approx([0.2, 0.2])  # 0.4 s of 2 s
    assert CURVE.points[0].used_ends == pytest.approx((0.175, 0.225))
    assert (CURVE.forgetting, CURVE.utility, CURVE.points[0].folder) == ("lira.auc", "accuracy.test", "budget-0.1")


def test_the_table_has_what_is_known_and_dashes_for_the_rest() -> None:
    rows = curve_rows(budget_curve([_under(0.1, 0.8), _under(0.5, None)]))

    assert rows[0][:3] == ("10 %", "20.0 %", "25 % (20 to 30)")
    assert (rows[1][2], rows[1][4]) == ("–", "–")


def test_durability_is_shown_where_it_was_measured() -> None:
    found = Metric("gain", 0.2, "lower", "What comes back.", position=0.7, headline=True)
    lasting = evaluator("durability", found, position_interval_gain=[0.6, 0.8])
    curve = budget_curve([_under(0.1, 0.8, evaluators=(*records(), lasting)), _under(0.5, 0.7)])
    durable = curve.points[0].durability

    assert durable is not None
    assert (durable.value, durable.interval) == (pytest.approx(0.7), Interval(pytest.approx(0.6), pytest.approx(0.8)))
    assert curve.points[0].durability_name == "durability.gain"
    assert curve.points[1].durability is None
    assert 'class="line utility"' in curve_svg(curve)
    assert 'class="spot durability"' in curve_svg(curve)


def test_durability_has_the_interval_of_its_metric_on_the_scale_from_noop_to_control() -> None:
    found = Metric(
        "regained", 0.2, "lower", "", "share", Interval(0.1, 0.4), control=0.0, noop=1.0, position=0.8, headline=True
    )
    durable = budget_curve([_under(0.1, 0.8, evaluators=(evaluator("durability", found),))]).points[0].durability

    assert durable is not None
    assert durable.interval == Interval(pytest.approx(0.6), pytest.approx(0.9))


def test_a_curve_is_written_as_json_and_page(tmp_path: Path) -> None:
    write_curve(CURVE, tmp_path)

    document = json.loads((tmp_path / "curve.json").read_text())
    assert [one["fraction"] for one in document["points"]] == [0.1, 0.5]
    page = (tmp_path / "curve.html").read_text()
    assert page.count("<svg") == 1
    assert 'href="budget-0.1/report.html"' in page
    assert all(word in page for word in ("--unlearned:", ".line.utility {"))


def test_text_of_a_plugin_stays_text(tmp_path: Path) -> None:
    budget = BudgetRecord(limit_s=1.0, how="fraction", fraction=0.1, retrain_min_s=2.0)
    bad = hostile()[0].report.model_copy(update={"budget": budget})
    curve = budget_curve([(HOSTILE, bad), _under(0.5, 0.7)])

    assert "<script>" not in curve_page(curve)
    console = Console(width=80, file=io.StringIO())
    console.print(render_curve(curve, tmp_path))
    assert "\x1b" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_runs_without_a_number_make_a_table_without_a_picture() -> None:
    bare = evaluator("lira", metric(None))
    curve = budget_curve([_under(0.1, 0.8, evaluators=(bare,)), _under(0.5, 0.8, evaluators=(bare,))])

    assert curve_svg(curve) == ""
    assert "<svg" not in curve_page(curve)
