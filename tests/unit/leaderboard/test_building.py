from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.core.outcomes import Status
from harness.errors import UsageError
from harness.leaderboards import Board, Row, find_reports, rank_all, words
from harness.leaderboards.building import MAX_DRAWN
from harness.leaderboards.page import page_text
from harness.leaderboards.rows import row_facts
from harness.report.document import DesignRecord
from tests.unit.comparing.samples import metric, records, report
from tests.unit.leaderboard.ground import board_of, runner, saved
from tests.unit.report.examples import evaluator, outcome, timeout


def only(root: Path) -> Board:
    (board,) = board_of(root).boards
    return board


def row_of(board: Board, label: str) -> Row:
    return next(row for row in board.rows if row.label == label)


def test_runs_are_ranked_by_their_way_to_perfect(tmp_path: Path) -> None:
    for name, auc in (("far", 0.85), ("near", 0.55), ("middle", 0.7)):
        saved(tmp_path, name, auc)

    board = only(tmp_path)
    assert [(row.label, row.rank and row.rank.first) for row in board.rows] == [("near", 1), ("middle", 2), ("far", 3)]
    assert board.rows[0].way.value == pytest.approx(0.875)
    assert (board.rows[0].way.low, board.rows[0].way.high) == pytest.approx((0.825, 0.925))


@pytest.mark.parametrize("named", [False, True], ids=["unchanged weights", "by its name"])
def test_what_does_nothing_never_stands_between_methods_of_its_rank(tmp_path: Path, named: bool) -> None:
    same = [outcome(index, unchanged=True) for index in range(8)]
    for name, auc in (("best", 0.55), ("tied", 0.85), ("worse", 0.95), ("also-tied", 0.87)):
        saved(tmp_path, name, auc)
    saved(tmp_path, "noop" if named else "idle", 0.86, **({} if named else {"outcomes": same}))

    board = only(tmp_path)
    assert [row.label for row in board.rows] == ["best", "tied", "also-tied", "noop" if named else "idle", "worse"]
    assert [row.rank and row.rank.first for row in board.rows] == [1, 2, 2, 2, 5]


def test_without_ranks_what_does_nothing_follows_the_methods(tmp_path: Path) -> None:
    for name in ("a", "noop", "z"):
        saved(tmp_path, name, 0.6, None, evaluators=(evaluator("lira", metric(0.6, None)),))

    assert [row.label for row in only(tmp_path).rows] == ["a", "z", "noop"]


def test_what_overshoots_is_no_better_than_what_falls_short(tmp_path: Path) -> None:
    saved(tmp_path, "short", 0.6)
    saved(tmp_path, "over", 0.4)

    board = only(tmp_path)
    assert [row.rank and row.rank.first for row in board.rows] == [1, 1]
    assert row_of(board, "over").way.value == pytest.approx(0.75)
    assert row_of(board, "over").overshoots
    assert not row_of(board, "short").overshoots


def test_a_run_without_interval_or_without_models_has_no_rank_and_says_why(tmp_path: Path) -> None:
    saved(tmp_path, "good", 0.6)
    saved(tmp_path, "bare", 0.6, None, evaluators=(evaluator("lira", metric(0.6, None)),))
    saved(tmp_path, "failed", outcomes=[timeout(index) for index in range(8)], evaluators=())

    board = only(tmp_path)
    assert [(row.label, row.rank is None, row.unranked) for row in board.rows] == [
        ("bare", True, "not ranked: lira.auc has no interval"),
        ("good", False, ""),
        ("failed", True, "not ranked: no model finished"),
    ]


DIFFERENT: dict[str, dict[str, Any]] = {
    "task": {"task": report().task.model_copy(update={"name": "other"})},
    "data": {"task": report().task.model_copy(update={"data_digest": "cd" * 32})},
    "recipe": {"recipe": {"epochs": 11}},
    "architecture": {"architecture": report().architecture.model_copy(update={"name": "vit"})},
    "design": {"design": DesignRecord(name="one-original", originals=1, repeats=8)},
    "metric version": {
        "evaluators": (records(0.7)[0].model_copy(update={"version": "2"}), *records(0.7)[1:]),
    },
    "metric unit": {"evaluators": (evaluator("lira", metric(0.7, unit="share")), *records(0.7)[1:])},
    "references": {
        "populations": report().populations.model_copy(
            update={"control": report().populations.control.model_copy(update={"cache_key": "other"})}
        )
    },
    "number of models": {
        "populations": report().populations.model_copy(
            update={"retrained": report().populations.retrained.model_copy(update={"size": 16})}
        )
    },
}


@pytest.mark.parametrize("what", sorted(DIFFERENT))
def test_what_cannot_be_compared_stands_in_tables_of_its_own(tmp_path: Path, what: str) -> None:
    saved(tmp_path, "one", 0.6)
    saved(tmp_path, "two", 0.7)
    saved(tmp_path, "odd", 0.5, **DIFFERENT[what])

    boards = board_of(tmp_path).boards
    assert sorted(sorted(row.label for row in board.rows) for board in boards) == [["odd"], ["one", "two"]]
    assert len({board.name for board in boards}) == 2
    assert [row.rank and row.rank.first for board in boards for row in board.rows if row.label == "one"] == [1]
    if what != "task":
        assert all(board.apart for board in boards)


def test_other_machines_torch_and_limits_stand_in_one_table(tmp_path: Path) -> None:
    saved(tmp_path, "one", 0.6)
    saved(tmp_path, "two", 0.7, runner=runner("2.6.0"), budget=report().budget.model_copy(update={"limit_s": 9.0}))

    assert [row.label for row in only(tmp_path).rows] == ["one", "two"]


def test_a_run_whose_evaluator_failed_stands_with_the_others(tmp_path: Path) -> None:
    saved(tmp_path, "whole", 0.6)
    broken = records(0.7)[1].model_copy(update={"error": "boom", "metrics": (), "arrays": {}})
    saved(tmp_path, "broken", 0.7, evaluators=(records(0.7)[0], broken))

    assert row_of(only(tmp_path), "broken").metrics["lira.auc"].value == pytest.approx(0.7)
    assert "accuracy.test" not in row_of(only(tmp_path), "broken").metrics


def test_a_row_says_on_what_it_rests(tmp_path: Path) -> None:
    outcomes = [*(outcome(index) for index in range(5)), timeout(5), timeout(6), outcome(7, Status.OOM)]
    gpu = runner("2.6.0+cu124", gpu={"path": "cdi"}, isolation_level="model")
    hardware = replace(report().hardware, gpus=("NVIDIA H100", "NVIDIA H100"))
    saved(tmp_path, "scrub", outcomes=outcomes, runner=gpu, hardware=hardware)
    (row,) = only(tmp_path).rows

    facts = row_facts(row)

    assert (facts["finished"], facts["models"]) == (5, 8)
    assert words.failures(row.report) == "2 over the time limit, 1 out of memory"
    assert (facts["isolation"], facts["device"]) == ("docker, a guest per model", "NVIDIA H100")
    assert (facts["torch"], words.torch_release(row)) == ("2.6.0+cu124", "2.6.0")
    assert facts["isolation_sentence"] == "No network, read-only root, no capabilities."
    assert facts["limit"] == "1.00 s (20 % of retraining)"


def test_what_was_not_isolated_is_called_so(tmp_path: Path) -> None:
    saved(tmp_path, "scrub", runner=runner(name="process", isolation="none: an ordinary process"))

    assert row_facts(only(tmp_path).rows[0])["isolation"] == "not isolated (process)"


def test_rows_of_unknown_torch_can_be_filtered_by_that(tmp_path: Path) -> None:
    saved(tmp_path, "scrub", runner=runner(torch=""), libraries={})

    text = page_text(board_of(tmp_path))
    assert '<option value="unknown">' in text
    assert 'data-torch="unknown"' in text


def test_the_ends_of_the_scale_are_the_lowest_and_the_highest_of_all_rows(tmp_path: Path) -> None:
    saved(tmp_path, "one", evaluators=records(0.6, control=0.5))
    saved(tmp_path, "two", evaluators=records(0.7, control=0.48))

    column = only(tmp_path).columns[0]
    assert (column.name, column.control, column.noop) == ("lira.auc", (0.48, 0.5), (0.9, 0.9))


def test_another_metric_may_rank(tmp_path: Path) -> None:
    arrays = {"position_interval_mean_d": np.array([0.2, 0.4])}
    for name, position in (("one", 0.3), ("two", 0.9)):
        ks = evaluator("ks", metric(0.5, name="mean_d", position=position, headline=False), **arrays)
        saved(tmp_path, name, evaluators=(*records(0.6), ks))

    made = rank_all(find_reports([tmp_path]), ranked_by="ks.mean_d")
    assert [row.label for row in made.boards[0].rows] == ["two", "one"]
    assert made.boards[0].columns[0].name == "ks.mean_d"
    for wrong in ({"ranked_by": "ks.nothing"}, {"utility": "nothing"}):
        with pytest.raises(UsageError, match=r"evaluator\.metric"):
            rank_all(find_reports([tmp_path]), **wrong)


def test_the_pictures_hold_as_many_runs_as_can_be_read_and_all_of_the_frontier(tmp_path: Path) -> None:
    for index in range(MAX_DRAWN + 10):
        auc = 0.51 + 0.01 * index
        seconds = [outcome(one, charged_s=10.0 - 0.1 * index) for one in range(8)]
        saved(tmp_path, f"method{index}", evaluators=records(auc)[:2], outcomes=seconds)

    board = only(tmp_path)
    assert board.drawn == MAX_DRAWN
    assert board.trade_off is not None
    drawn = {point.label for point in board.trade_off.points}
    assert len(drawn) == MAX_DRAWN
    assert "method0" in drawn


def test_the_order_of_folders_does_not_matter(tmp_path: Path) -> None:
    for name, auc in (("b", 0.6), ("a", 0.7)):
        saved(tmp_path, name, auc)
    folders = [tmp_path / "a", tmp_path / "b"]

    assert rank_all(find_reports(folders)) == rank_all(find_reports(folders[::-1]))
