"""The study on intervals: perfect unlearning that is called different, and tables that are kept from an earlier page."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import pages
from benchmarks.intervals import __main__ as study
from benchmarks.intervals import alarms, perfect
from benchmarks.intervals.study import Cell
from harness.evaluation import Metric

DIFFERENCE = Metric("auc", 0.6, "lower", "AUC.", control=0.5, smallest_visible=0.05)


@pytest.mark.parametrize(
    ("name", "metric", "called"),
    [
        ("strata.auc", DIFFERENCE, True),
        ("strata.auc", replace(DIFFERENCE, value=0.54), False),
        ("strata.auc", replace(DIFFERENCE, value=0.4), True),
        ("strata.auc", replace(DIFFERENCE, smallest_visible=None), None),
        ("strata.auc", replace(DIFFERENCE, value=None), None),
        ("joint.p", replace(DIFFERENCE, value=0.05), True),
        ("joint.p", replace(DIFFERENCE, value=0.06), False),
    ],
)
def test_a_difference_counts_from_the_smallest_visible_one_and_a_p_value_from_its_level(
    name: str, metric: Metric, called: bool | None
) -> None:
    assert alarms.different(name, metric) is called


@pytest.mark.parametrize(
    ("evaluator", "make"), perfect.EVALUATORS.items(), ids=lambda one: getattr(one, "__name__", "")
)
def test_every_metric_of_the_study_has_a_value_under_perfect_unlearning(evaluator, make) -> None:  # type: ignore[no-untyped-def]
    name = evaluator.harness_evaluator().name
    found = {metric.name: metric.value for metric in evaluator.evaluate(make(8, 0)).metrics}

    assert all(found[metric] is not None for metric in alarms.METRICS[name] if "tpr" not in metric)


def test_draws_are_of_new_models_on_the_same_examples() -> None:
    first, second, again = (perfect.features(4, seed) for seed in (0, 1, 0))

    assert (first.labels["forget"] == second.labels["forget"]).all()
    assert not np.allclose(first.logits["unlearned"]["forget"], second.logits["unlearned"]["forget"])
    for one in ("forget", "test"):
        assert (first.probes["features"]["control"][one] == again.probes["features"]["control"][one]).all()


def test_a_cell_has_the_share_called_different_and_that_of_intervals_that_miss() -> None:
    row = alarms.Alarms("joint.p", 8, 40, 0.2, 0.09, 0.36, 0, None)
    text = alarms.text([row, alarms.Alarms("strata.auc_most_memorised", 16, 40, 0.05, 0.0, 0.2, 80, 0.0375)])

    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]] == [
        ["`strata.auc_most_memorised`", "–", "5, 4"],
        ["`joint.p`", "20 (!), –", "–"],
    ]


def test_cells_are_kept_as_they_are_written_and_only_from_the_same_evaluators(tmp_path: Path) -> None:
    shutil.copytree(pages.DOCS / "coverage", tmp_path / "coverage")
    page = tmp_path / "coverage.md"
    page.write_text((pages.DOCS / "coverage.md").read_text())
    table = study._table("cells", Cell, study.kept(tmp_path))
    pages.write(tmp_path / "coverage", "again", "", [table])

    again, written = tmp_path / "coverage" / "again" / "cells.csv", pages.DOCS / "coverage" / "cells.csv"
    assert again.read_text() == written.read_text()
    assert "--draws" in study.kept_command(tmp_path)
    page.write_text(page.read_text().replace("lira 2", "lira 1"))
    with pytest.raises(SystemExit, match="not made with lira 2; run without --keep"):
        study.kept(tmp_path)
