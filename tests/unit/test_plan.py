"""The plan of a run: what it takes, in words, and when it is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.errors import NoSpaceError, UsageError
from harness.plugins.discovery import find_task
from harness.report.findings import LEAST_TESTED
from harness.runs.budget import Limit
from harness.runs.config import RunConfig
from harness.runs.plan import Plan
from harness_evaluators.common.evidence_analysis import MIN_MODELS

PLAN = Plan(
    config=RunConfig(plugin="finetune"),
    task=find_task("faces"),
    models=32,
    unlearnings=32,
    to_train=64,
    train_s=90.4,
    measure_s=30.0,
    unlearn_s=12.0,
    score_s=2.0,
    limit=None,
    cache_mib=12.0,
    run_mib=3.5,
    host_mib=18.0,
)


def rows(**changes: Any) -> dict[str, str]:
    return dict(replace(PLAN, **changes).rows())


def test_a_plan_names_every_part_with_its_time() -> None:
    assert rows()["References"] == "32 cached, 64 to train: about 1 min 30 s"
    assert rows()["Limit"] == "20 % of retraining, measured first: about 30 s"
    assert rows()["Unlearning"] == "about 12 s"
    assert rows()["Total"] == "about 2 min 14 s"
    assert PLAN.sentence().startswith(
        "Plan: 96 reference models, 64 to train (about 1 min 30 s); 32 models to unlearn (about 12 s)"
    )


def test_training_that_was_never_done_here_is_estimated() -> None:
    estimated = replace(PLAN, trial=True)

    assert dict(estimated.rows())["References"] == "32 cached, 64 to train: about 1 min 30 s, by a trial step"


def test_a_part_without_history_is_unknown_and_the_total_a_lower_bound() -> None:
    assert rows(unlearn_s=None)["Unlearning"] == "time unknown"
    assert rows(unlearn_s=None)["Total"] == "more than 2 min 02 s"
    assert rows(train_s=None, measure_s=None, unlearn_s=None, score_s=None)["Total"] == "time unknown"


def test_what_probes_take_is_part_of_the_total() -> None:
    assert "Probes" not in rows()
    assert rows(probes=("features",), probe_s=20.0)["Probes"] == "features: about 20 s"
    assert rows(probes=("features",), probe_s=20.0)["Total"] == "about 2 min 34 s"


def test_a_short_run_begins_without_its_plan() -> None:
    short = replace(PLAN, train_s=10.0, measure_s=0.0)

    assert PLAN.is_long
    assert not short.is_long
    assert replace(short, score_s=None).is_long


def test_cached_models_take_no_time() -> None:
    cached = replace(PLAN, to_train=0, train_s=0.0)

    assert "96 reference models from the cache" in cached.sentence()
    assert dict(cached.rows())["References"] == "96 cached, 0 to train: no time"


def test_the_limit_bounds_the_time_of_all_models() -> None:
    config = RunConfig(plugin="finetune", time_limit_s=3.0)

    assert rows(config=config, limit=Limit(3.0))["Limit"] == "3.00 s a model, as given"
    assert rows(config=config, limit=Limit(3.0))["Unlearning"] == "about 12 s; the limit allows 1 min 36 s"
    assert "allows" not in rows(limit=Limit(3.0, clock="cpu"))["Unlearning"]


@pytest.mark.parametrize(
    ("models", "told"),
    [
        (1, "1 model: no verdict will be possible (16 needed, 32 advised: --models 32)."),
        (3, "3 models: no verdict"),
        (4, "4 models: success cannot be shown, only a failure to forget"),
        (15, "15 models: success cannot be shown"),
        (16, ""),
    ],
)
def test_too_few_models_for_a_verdict_are_named(models: int, told: str) -> None:
    notice = replace(PLAN, models=models).verdict_notice()

    assert notice.startswith(told)
    assert bool(notice) == bool(told)


def test_the_fewest_models_of_a_test_are_the_evaluators() -> None:
    assert LEAST_TESTED == MIN_MODELS


def test_a_run_that_the_machine_cannot_hold_is_refused_with_what_it_takes() -> None:
    PLAN.check()
    with pytest.raises(NoSpaceError, match=r"32 models of faces need .* GiB in the cache, but .* are free"):
        replace(PLAN, cache_mib=2.0**40).check()
    with pytest.raises(UsageError, match=r"32 models of faces need .* GiB of memory .* the machine has"):
        replace(PLAN, host_mib=2.0**40).check()


@pytest.mark.parametrize(
    ("models", "told"),
    [(100_000_000, r"400,000,000 models .* 12\.7 years"), (10**5000, "10000")],
    ids=["many", "digits"],
)
def test_an_absurd_number_of_models_is_refused_with_what_it_takes(models: int, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        RunConfig(plugin="finetune", models=models)
