from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.comparing import LoadedReport, compare, drift, is_drift
from harness.core.hardware import Hardware
from harness.errors import NotComparableError
from harness.report.document import (
    ArchitectureRecord,
    BudgetRecord,
    DesignRecord,
    EvaluatorRecord,
    PopulationRecord,
    Report,
    RunnerRecord,
)
from tests.unit.comparing.samples import loaded, metric, records, report, under_torch
from tests.unit.report.examples import RUNNER, accuracy_metric, evaluator, outcome, timeout


def task(**changes: Any) -> dict[str, Any]:
    return {"task": report().task.model_copy(update=changes)}


def populations(**changes: Any) -> dict[str, Any]:
    return {"populations": report().populations.model_copy(update=changes)}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "task": (task(name="cifar10"), "Other task: faces (finetune); cifar10 (scrub)."),
    "data": (task(data_digest="cd" * 32), "Other data (digest): abababababababab (finetune)"),
    "splits": (task(split_sizes={"retain": 1}), "Other sizes of the splits"),
    "architecture": ({"architecture": ArchitectureRecord(name="resnet18")}, "name small-cnn"),
    "recipe": (
        {"recipe": {"epochs": 12, "lr": 0.1}},
        "Other training recipe: epochs 10 (finetune); epochs 12 (scrub).",
    ),
    "models": (populations(retrained=PopulationRecord(size=64, cache_key="r")), "retrained 8 (finetune); retrained 64"),
    "design": ({"design": DesignRecord(name="one-original", originals=1, repeats=8)}, "name one-original"),
    "references": (populations(control=PopulationRecord(size=8, cache_key="other")), "Other reference models"),
    "unknown references": (populations(control=PopulationRecord(size=8)), "unknown (scrub)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_runs_whose_numbers_mean_other_things_are_refused_with_the_reason(name: str) -> None:
    changes, reason = REFUSED[name]

    with pytest.raises(NotComparableError) as refused:
        compare([loaded(), loaded("scrub", **changes)])

    assert reason in str(refused.value)


def test_every_reason_is_named_at_once_with_what_to_do() -> None:
    other = loaded("scrub", recipe={"epochs": 1}, **task(name="cifar10"))

    with pytest.raises(NotComparableError, match=r"Other task.*harness run --task.*Other training recipe"):
        compare([loaded(), other])


def with_version(version: str, name: str = "scrub") -> LoadedReport:
    first, *rest = records(0.7)
    return loaded(name, evaluators=(first.model_copy(update={"version": version}), *rest))


def test_an_evaluator_of_another_version_is_left_out_and_named() -> None:
    made = compare([loaded(), with_version("2")])

    assert [row.evaluator for row in made.rows] == ["accuracy"]
    assert any(
        "lira is left out" in text and "version 2 of unlearning-harness (scrub)" in text for text in made.notices
    )


def test_runs_that_share_no_evaluator_version_are_refused() -> None:
    def judged(version: str) -> tuple[EvaluatorRecord, ...]:
        return tuple(one.model_copy(update={"version": version}) for one in records())

    with pytest.raises(NotComparableError, match="harness evaluate RUN"):
        compare([loaded(evaluators=judged("1")), loaded("scrub", evaluators=judged("2"))])


def test_a_metric_that_changes_its_direction_is_left_out() -> None:
    turned = (evaluator("lira", metric(0.7, direction="higher")), evaluator("accuracy", accuracy_metric()))

    made = compare([loaded(), loaded("scrub", evaluators=turned)])

    assert "lira" not in {row.evaluator for row in made.rows}
    assert any("differs in unit or direction" in text for text in made.notices)


OTHER_MACHINE = Hardware(cpu_model="Other", cores=64, memory_mib=1, platform="Linux")
NOTED: dict[str, tuple[dict[str, Any], str]] = {
    "torch": (
        {"runner": RunnerRecord.from_facts(replace(RUNNER, torch="2.6.0"), "run")},
        "Other version of torch: 2.13.0",
    ),
    "machine": ({"hardware": OTHER_MACHINE}, "Other machine: AMD EPYC, 2 cores (finetune); Other, 64 cores"),
    "runner": ({"runner": RunnerRecord.from_facts(replace(RUNNER, name="process"), "run")}, "Other runner: docker"),
    "limit": (
        {"budget": BudgetRecord(limit_s=9, how="explicit")},
        "Other time limit: 20 % of retraining (finetune); 9.00 s",
    ),
    "harness": ({"harness_version": "0.2.0"}, "Other version of the harness: 0.1.0 (finetune); 0.2.0 (scrub)."),
    "failures": (
        {"outcomes": [*(outcome(index) for index in range(7)), timeout(7)]},
        "scrub: its numbers are based on the 7 of 8 models that finished.",
    ),
}


@pytest.mark.parametrize("name", NOTED)
def test_what_differs_and_is_allowed_is_said(name: str) -> None:
    changes, notice = NOTED[name]

    made = compare([loaded(), loaded("scrub", **changes)])

    assert any(text.startswith(notice) for text in made.notices), made.notices


def test_like_runs_need_no_notice() -> None:
    assert compare([loaded(), loaded("scrub")]).notices == ()


def test_times_are_never_marked_for_their_intervals_do_not_know_of_other_load() -> None:
    made = compare([loaded(), loaded("scrub")], everything=True)

    cells = {row.name: row.cells[1] for row in made.rows}
    assert cells["efficiency.unlearn_median"].difference is None
    assert "other load on the machine" in cells["efficiency.unlearn_median"].unjudged
    assert cells["lira.auc"].difference is not None


def trained_with(version: str) -> Report:
    made = under_torch(version).report
    keys = made.populations.model_copy(update={"control": PopulationRecord(size=8, cache_key=version)})
    return made.model_copy(update={"populations": keys, "libraries": {"torch": version}})


def test_under_drift_references_may_have_been_trained_with_another_torch() -> None:
    runs = [LoadedReport(trained_with("2.6.0")), LoadedReport(trained_with("2.13.0"))]

    assert any("trained again" in text for text in drift(runs).notices)
    with pytest.raises(NotComparableError, match="Other reference models"):
        compare(runs)


def test_under_drift_other_references_with_the_same_torch_on_the_host_are_refused() -> None:
    other = under_torch("2.6.0", **populations(control=PopulationRecord(size=8, cache_key="other")))

    with pytest.raises(NotComparableError, match="Other reference models"):
        drift([under_torch("2.13.0"), other])


def test_drift_is_that_of_one_method() -> None:
    with pytest.raises(NotComparableError, match="leave --drift out"):
        drift([loaded(), loaded("scrub")])


def test_drift_is_recognised_where_nothing_but_torch_differs() -> None:
    assert is_drift([under_torch("2.6.0"), under_torch("2.13.0")])
    assert not is_drift([under_torch("2.6.0"), under_torch("2.6.0")])
    assert not is_drift([loaded(), loaded("scrub")])
