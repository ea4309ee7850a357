"""The table of metrics: what counts as fooled, the plain metrics, and the page."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import judging
from benchmarks.deceptions import page, published
from benchmarks.deceptions.catalogue import ALL, DECEPTIONS, HONEST, find
from benchmarks.deceptions.fooled import Matrix
from benchmarks.deceptions.judging import VERDICT_FROM, evidence_of, judge
from benchmarks.deceptions.model import Submission
from benchmarks.deceptions.study import stream, synthetic
from benchmarks.judging import evaluators
from benchmarks.pages import Table
from benchmarks.populations import World


@pytest.fixture(scope="module")
def world() -> World:
    return synthetic(8, seed=1)


def _values(name: str, world: World) -> dict[str, float]:
    evidence = evidence_of(find(name).make(world, np.random.default_rng(0)), world)
    return {metric: compute(evidence) for metric, compute in published.METRICS.items()}


def test_plain_metrics_of_the_retrained_models_themselves_are_perfect(world: World) -> None:
    evidence = evidence_of(Submission(world.retrained), world)

    assert published.average_gap(evidence) == 0
    assert published.logit_distance(evidence) == 0
    assert published.mean_loss_p(evidence) == 1
    assert published.gaussian_lira(evidence) == pytest.approx(0.5, abs=0.02)


def test_plain_metrics_see_that_nothing_was_done(world: World) -> None:
    noop, fresh = _values("noop", world), _values("retrained", world)

    assert noop["average gap"] > fresh["average gap"] + 0.05
    assert noop["MIA accuracy (loss threshold)"] > fresh["MIA accuracy (loss threshold)"] + 0.05
    assert noop["KS p of mean losses"] < 0.01 < fresh["KS p of mean losses"]
    assert noop["LiRA AUC (Gaussian)"] > 0.7


def test_a_loss_threshold_tells_perfect_separation_and_none() -> None:
    world = synthetic(8, seed=2)
    labels = world.labels["forget"]
    sure = world.fresh.on_forget(
        lambda logits, _: 100 * np.eye(10, dtype=np.float32)[labels] + 0 * logits, world.labels
    )

    assert published.loss_attack(evidence_of(Submission(sure), world)) > 0.99
    flat = evidence_of(find("constant-0").make(world, np.random.default_rng(0)), world)
    assert published.loss_attack(flat) == 0.5


def test_huge_outputs_give_finite_numbers(world: World) -> None:
    assert np.isfinite(list(_values("constant-huge", world).values())).all()


def test_bundled_metrics_that_are_published_have_their_usual_name(world: World) -> None:
    evidence = evidence_of(find("noop").make(world, np.random.default_rng(0)), world)
    found = judging.forgetting_metrics(judging.evaluate(evaluators(["accuracy", "divergence"]), evidence))

    assert set(published.BUNDLED) <= set(found)


MATRIX = Matrix(
    8,
    {"good": (0.4, 0.6), "blind": (0.0, 1.0)},
    {one.name: {"good": 0.5 if one.honest else 0.9, "blind": 0.5} for one in ALL},
)


def test_a_metric_is_fooled_where_its_value_is_as_for_retrained_models() -> None:
    assert MATRIX.metrics() == ["good", "blind"]
    assert MATRIX.fooled("good") == []
    assert len(MATRIX.fooled("blind")) == len(DECEPTIONS)
    assert MATRIX.wolf("good") == []
    assert MATRIX.inside("unknown", "noop") is None


def test_a_metric_that_tells_an_honest_submission_cries_wolf() -> None:
    odd = Matrix(8, MATRIX.ranges, {**MATRIX.values, "dropout": {"good": 0.39, "blind": 0.5}})

    assert odd.wolf("good") == ["dropout"]


def test_the_page_counts_what_fools_each_metric_by_family(world: World) -> None:
    judgements = [
        judge(find(name), world, stream(find(name), 8, 0), evaluators([VERDICT_FROM])) for name in ("noop", "retrained")
    ]
    found = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.metrics(MATRIX, judgements).splitlines()]
    rows = {cells[0]: dict(zip(found[0], cells, strict=True)) for cells in found}

    assert rows["`blind`"][f"fooled of {len(DECEPTIONS)}"] == str(len(DECEPTIONS))
    assert rows["`blind`"]["scales"] == str(sum(one.family == "scales" for one in ALL))
    assert set(list(rows["`good`"].values())[1:]) == {"0"}
    blind = Table("blind-spots", ("metric", "value"), [["lira.auc", 0.5]])
    assert "- a fact" in page.text(judgements, MATRIX, blind, "- a fact", 11)


def test_the_tables_have_every_metric_and_what_each_judged_submission_does(world: World) -> None:
    judgement = judge(find("noop"), world, stream(find("noop"), 8, 0), evaluators([VERDICT_FROM]))
    metrics, verdicts = page.tables([judgement], MATRIX)
    rows = {row[0]: row for row in metrics.rows}

    assert rows["blind"] == ["blind", len(DECEPTIONS), 0, *[1] * len(DECEPTIONS), *[0] * len(HONEST)]
    assert rows["good"] == ["good", 0, 0, *[0] * len(ALL)]
    assert rows["the verdict, as_retrained"].count(None) == len(ALL) - 1
    assert verdicts.rows == [["noop", "mixtures", "Return the originals, untouched.", "100 %", "none"]]


def test_the_verdict_has_rows_of_its_own(world: World) -> None:
    noop = judge(find("noop"), world, stream(find("noop"), 8, 0), evaluators([VERDICT_FROM]))
    praised = replace(noop, level="no_difference_seen")
    seen, fooled = ([row[1] for row in page.tables([one], MATRIX)[0].rows[:2]] for one in (noop, praised))

    assert seen == [0, 0]
    assert fooled == [0, 1]
