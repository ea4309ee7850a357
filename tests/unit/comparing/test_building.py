from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.comparing import LoadedReport, compare, drift, load_reports
from harness.comparing.comparability import torch_of
from harness.errors import RunNotFoundError, UsageError
from harness.report.document import PluginRecord
from harness.report.writing import write_report
from tests.unit.comparing.samples import loaded, metric, records, report, under_torch
from tests.unit.report.examples import PLUGIN, accuracy_metric, evaluator, timeout


def marks(made: object, name: str) -> list[str]:
    rows = {row.name: row for row in made.rows}  # type: ignore[attr-defined]
    return [cell.difference.mark if cell.difference else "" for cell in rows[name].cells]


def test_what_differs_by_more_than_its_interval_is_marked_in_the_metrics_own_direction() -> None:
    made = compare([loaded("finetune", 0.8), loaded("scrub", 0.7), loaded("noise", 0.9), loaded("alike", 0.81)])

    assert marks(made, "lira.auc") == ["", "better", "worse", ""]


def test_closer_to_the_control_is_worded_so() -> None:
    runs = [
        loaded("a", evaluators=records(0.8, direction="closer_to_reference")),
        loaded("b", evaluators=records(0.6, direction="closer_to_reference")),
        loaded("c", evaluators=records(0.95, direction="closer_to_reference")),
    ]

    assert marks(compare(runs), "lira.auc") == ["", "closer", "farther"]


def test_without_an_interval_nothing_is_marked_however_large_the_difference() -> None:
    made = compare([loaded("finetune", 0.9, None), loaded("scrub", 0.1, None)])

    cell = made.rows[0].cells[1]
    assert cell.difference is None
    assert cell.unjudged == "no interval"


def test_the_same_difference_is_no_longer_marked_among_many_others() -> None:
    few = [loaded("a", 0.8), loaded("b", 0.729)]
    many = [*few, *(loaded(f"method{index}", 0.8) for index in range(30))]

    assert marks(compare(few, metrics=["lira.auc"]), "lira.auc")[1] == "better"
    assert marks(compare(many, metrics=["lira.auc"]), "lira.auc")[1] == ""


def test_how_many_differences_were_judged_is_said() -> None:
    assert compare([loaded("a"), loaded("b"), loaded("c")]).comparisons == 4  # two headline metrics, two runs


def test_headline_metrics_are_compared_unless_others_are_asked_for() -> None:
    runs = [loaded("a"), loaded("b")]

    assert [row.name for row in compare(runs).rows] == ["lira.auc", "accuracy.test"]
    assert [row.name for row in compare(runs, metrics=["accuracy.test"]).rows] == ["accuracy.test"]
    assert "efficiency.unlearn_median" in [row.name for row in compare(runs, everything=True).rows]


def test_an_unknown_metric_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r"lira\.auk.*e\.g\. lira\.auc"):
        compare([loaded("a"), loaded("b")], metrics=["lira.auk"])


def test_all_metrics_and_some_by_name_contradict_each_other() -> None:
    with pytest.raises(UsageError, match="only one of"):
        compare([loaded("a"), loaded("b")], metrics=["lira.auc"], everything=True)


@pytest.mark.parametrize("option", ["forgetting", "utility"])
def test_an_unknown_metric_for_the_plots_is_refused(option: str) -> None:
    with pytest.raises(UsageError, match=r"no\.such"):
        compare([loaded("a"), loaded("b")], **{option: "no.such"})  # type: ignore[arg-type]


def test_one_run_alone_is_no_comparison() -> None:
    with pytest.raises(UsageError, match="two finished runs or more; 1 given"):
        compare([loaded()])


def test_a_metric_that_one_run_lacks_stays_for_the_others() -> None:
    made = compare([loaded("a"), loaded("b", evaluators=(evaluator("accuracy", accuracy_metric()),)), loaded("c", 0.5)])

    cells = made.rows[0].cells
    assert (cells[1].metric, cells[1].unjudged) == (None, "no value")
    assert marks(made, "lira.auc")[2] == "better"


def test_a_run_of_which_no_model_finished_has_no_numbers_and_is_named() -> None:
    failed = loaded(
        "broken", outcomes=[timeout(index) for index in range(8)], evaluators=(evaluator("lira", metric(None)),)
    )

    made = compare([loaded(), failed])

    assert [cell.metric.value if cell.metric else None for cell in made.rows[0].cells] == [0.8, None]
    assert "broken: no model finished, so it has no numbers." in made.notices


def test_drift_is_held_against_the_oldest_torch_whatever_the_order() -> None:
    made = drift([under_torch("2.13.0"), under_torch("2.4.1"), under_torch("2.6.0+cpu", 0.6)])

    assert [method.label for method in made.methods] == ["torch 2.4.1", "torch 2.6.0+cpu", "torch 2.13.0"]
    assert marks(made, "lira.auc") == ["", "differs", ""]
    assert [(row.name, torch_of(method.report)) for row, method, _ in made.marked] == [("lira.auc", "2.6.0+cpu")]


def test_drift_tells_a_move_that_is_as_far_from_perfect_on_the_other_side() -> None:
    turned = {"direction": "closer_to_reference"}
    runs = [
        under_torch("2.4.1", evaluators=records(0.3, **turned)),
        under_torch("2.6.0", evaluators=records(0.7, **turned)),
    ]

    assert marks(drift(runs), "lira.auc") == ["", "differs"]


def test_times_are_never_drift() -> None:
    made = drift([under_torch("2.4.1"), under_torch("2.6.0")], everything=True)

    cell = next(row for row in made.rows if row.name == "efficiency.unlearn_median").cells[1]
    assert cell.difference is None
    assert "other load on the machine" in cell.unjudged


def labels_of(*runs: LoadedReport) -> list[str]:
    return [method.label for method in compare(runs).methods]


def with_plugin(folder: str, options: dict[str, object] | None = None, **changes: str) -> LoadedReport:
    plugin = PluginRecord.from_facts(replace(PLUGIN, **changes), options or {})  # type: ignore[arg-type]
    return LoadedReport(report(plugin=plugin), Path("/runs") / folder)


def test_runs_of_one_method_are_told_apart_by_what_differs() -> None:
    assert labels_of(loaded("finetune"), loaded("scrub")) == ["finetune", "scrub"]
    assert labels_of(with_plugin("a", version="1"), with_plugin("b", version="2")) == ["finetune 1", "finetune 2"]
    by_option = with_plugin("a", {"lr": 0.1}), with_plugin("b", {"lr": 0.2})
    assert labels_of(*by_option) == ["finetune lr=0.1", "finetune lr=0.2"]
    assert labels_of(with_plugin("a"), with_plugin("b")) == ["finetune (a)", "finetune (b)"]
    assert labels_of(with_plugin("a"), with_plugin("a")) == ["finetune #1", "finetune #2"]


def test_reports_are_found_in_runs_files_and_folders_of_runs_each_once(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        write_report(report(name), tmp_path / name)
    (tmp_path / "empty").mkdir()

    found = load_reports([tmp_path / "b" / "report.json", tmp_path, tmp_path / "a"])

    assert [one.report.plugin.name for one in found] == ["b", "a"]


def test_a_folder_without_any_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError, match="or in a folder directly below it"):
        load_reports([tmp_path])
