"""Reports as tables: one row per metric, numbers as floats, what does not exist as NaN."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

import harness
from harness import RunReport
from harness.errors import LibraryMissingError
from tests.unit.report.examples import auc_metric, build_report, evaluator, outcome, plugin_error


def of(**changes: object) -> RunReport:
    return RunReport.of(build_report(**changes), None)


def test_without_pandas_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)  # as an import of what is not there

    with pytest.raises(LibraryMissingError, match="pip install pandas"):
        of().to_pandas()


def test_a_row_has_the_number_and_what_it_must_be_read_with() -> None:
    pytest.importorskip("pandas")
    row = of().to_pandas().set_index(["evaluator", "metric"]).loc[("lira", "auc")]

    assert {name: row[name] for name in ("value", "low", "high", "control", "control_low", "noop", "direction")} == {
        "value": 0.58,
        "low": 0.55,
        "high": 0.61,
        "control": 0.5,
        "control_low": 0.48,
        "noop": 0.71,
        "direction": "closer_to_reference",
    }


def test_a_number_that_does_not_exist_is_nan_in_a_column_of_floats() -> None:
    pytest.importorskip("pandas")
    nothing = auc_metric(value=None, interval=None, control=None, noop=None, note="too few models")
    frame = of(evaluators=(evaluator("lira", nothing),)).to_pandas()

    assert frame[["value", "low", "high", "control", "noop"]].isna().all(axis=None)
    assert frame["value"].dtype == "float64"


def test_a_report_without_metrics_is_an_empty_table_with_its_columns() -> None:
    pytest.importorskip("pandas")
    frame = of(evaluators=(), outcomes=[plugin_error(0)]).to_pandas()

    assert len(frame) == 0
    assert {"evaluator", "metric", "value"} <= set(frame.columns)


def test_models_have_a_row_each_with_status_seconds_and_error() -> None:
    pytest.importorskip("pandas")
    frame = of(outcomes=[outcome(0), plugin_error(1)]).models_to_pandas()

    assert list(frame["status"]) == ["ok", "plugin_error"]
    assert list(frame["charged_s"]) == pytest.approx([0.4, 0.41])
    assert list(frame["error_type"].isna()) == [True, False]
    assert frame["error_type"][1] == "ValueError"


def test_many_reports_are_one_table_that_says_whose_each_row_is() -> None:
    pytest.importorskip("pandas")
    first, second = of(run_id="a"), of(run_id="b")
    frame = harness.to_pandas([first, second])

    assert list(frame.groupby("run_id")["metric"].count()) == [len(first.to_pandas())] * 2
    assert set(frame["plugin"]) == {"finetune"}
    assert set(frame["verdict"]) == {first.verdict.level}


def test_one_report_may_stand_for_many() -> None:
    pytest.importorskip("pandas")

    assert len(harness.to_pandas(of())) == len(of().to_pandas())


def test_every_metric_has_a_name_of_its_own() -> None:
    pytest.importorskip("pandas")
    frame = of().to_pandas()

    assert frame["name"].is_unique
    assert "lira.auc" in set(frame["name"])
    assert list(frame["name"]) == list(frame["evaluator"] + "." + frame["metric"])


def test_options_and_tags_of_each_run_are_columns() -> None:
    pandas = pytest.importorskip("pandas")
    made = of(tags=("a", "b"), note="why")
    other = made.model_copy(
        update={"plugin": replace(made.plugin, options={"lr": 0.1, "layers": [1, 2], "value": 7}), "tags": ()}
    )
    frame = harness.to_pandas([made, other])
    first, second = (frame[frame["tags"] == tags].iloc[0] for tags in ("a,b", ""))

    assert {name for name in frame.columns if name.startswith("options.")} == {
        *("options.epochs", "options.lr", "options.layers", "options.value")
    }
    assert frame["options.lr"].dtype == "float64"
    assert (first["options.epochs"], second["options.lr"], second["options.layers"]) == (1, 0.1, "[1, 2]")
    assert pandas.isna(first["options.lr"])
    assert first["value"] == made.evaluators[0].metrics[0].value


def test_one_generator_of_reports_is_read_once() -> None:
    pytest.importorskip("pandas")

    assert len(harness.to_pandas(one for one in [of(), of()])) == 2 * len(of().to_pandas())


def test_a_metric_is_found_by_its_full_name() -> None:
    assert of().metric("lira.auc") == of().metric("lira", "auc") is not None
    assert of().metric("lira.nothing") is None
    assert of().metric("lira") is None
