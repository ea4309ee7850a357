"""Reports of evaluators that once read memory that was never written are named wherever they are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.comparing import LoadedReport, compare
from harness.leaderboards import find_reports, rank_all
from harness.report.document import Report
from harness.report.faults import LAST_FAULTY, fault, faulty
from harness.report.writing import write_report
from harness_evaluators import (
    class_forgetting,
    collateral,
    difference,
    durability,
    forgetting,
    joint,
    representation,
    strata,
)
from tests.unit.comparing.samples import report
from tests.unit.evaluators.every import ON_LOGITS


def of_size(name: str, size: int, version: str = "1", split: str = "retain", **changes: Any) -> Report:
    made = report(name, **changes)
    evaluators = tuple(one.model_copy(update={"version": version}) for one in made.evaluators)
    sizes = {**made.task.split_sizes, split: size}
    return made.model_copy(
        update={"evaluators": evaluators, "task": made.task.model_copy(update={"split_sizes": sizes})}
    )


@pytest.mark.parametrize(
    ("retain", "version", "names"),
    [
        (10_000, "1", ()),
        (10_001, "1", ("accuracy",)),  # lira read the forget set alone
        (10_001, "2", ()),
        (10_001, "1.dev", ()),  # a version that was never published
    ],
)
def test_only_old_versions_on_large_splits_are_wrong(retain: int, version: str, names: tuple[str, ...]) -> None:
    made = of_size("finetune", retain, version)

    assert faulty(made) == names
    assert bool(fault(made)) is bool(names)


def test_an_evaluator_of_the_forget_set_is_wrong_where_that_is_large() -> None:
    assert faulty(of_size("finetune", 10_001, split="forget")) == ("lira", "accuracy")


def test_a_strangers_evaluator_of_that_name_is_not_meant() -> None:
    made = of_size("finetune", 50_000)
    foreign = tuple(one.model_copy(update={"distribution": "other"}) for one in made.evaluators)

    assert faulty(made.model_copy(update={"evaluators": foreign})) == ()


def test_every_bundled_evaluator_of_logits_has_gone_beyond_its_faulty_version() -> None:
    younger = (class_forgetting, collateral, difference, durability, forgetting, joint, representation, strata)
    infos = [module.harness_evaluator() for module in ON_LOGITS if module not in younger]

    assert {info.name for info in infos} == set(LAST_FAULTY)
    assert all(int(info.version) > LAST_FAULTY[info.name] for info in infos)


def test_a_comparison_warns_of_them() -> None:
    old = [LoadedReport(of_size(name, 45_000)) for name in ("finetune", "scrub")]

    assert sum("Numbers of accuracy are wrong" in text for text in compare(old).notices) == 2


def test_a_leaderboard_does_not_rank_them(tmp_path: Path) -> None:
    for name, version in (("finetune", "1"), ("scrub", "2")):
        (tmp_path / name).mkdir()
        write_report(of_size(name, 45_000, version, "forget"), tmp_path / name)

    rows = [row for board in rank_all(find_reports([tmp_path])).boards for row in board.rows]
    ranks = {row.report.plugin.name: (row.rank is not None, "harness evaluate" in row.unranked) for row in rows}

    assert ranks == {"finetune": (False, True), "scrub": (True, False)}


def test_a_run_that_costs_too_much_accuracy_has_no_rank(tmp_path: Path) -> None:
    made = report("finetune")
    costly = made.model_copy(update={"verdict": made.verdict.model_copy(update={"below_floor": True})})
    for name, one in (("a", made), ("b", costly)):
        (tmp_path / name).mkdir()
        write_report(one.model_copy(update={"run_id": name}), tmp_path / name)

    rows = rank_all(find_reports([tmp_path])).boards[0].rows

    assert sorted(row.unranked for row in rows) == [
        "",
        "not ranked: its accuracy is too far below that of retrained models",
    ]
