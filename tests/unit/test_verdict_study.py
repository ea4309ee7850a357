"""The study of the verdict's errors: its populations, its submissions, and a few of its figures, loosely."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.answers import Answers
from benchmarks.deceptions.catalogue import find
from benchmarks.deceptions.model import Deception
from benchmarks.judging import evidence_of, merged
from benchmarks.populations import Kind, Law, Pool, World
from benchmarks.verdict import judging, writing
from benchmarks.verdict.drawing import picture
from benchmarks.verdict.plan import (
    KINDS,
    NOTHING_LEFT,
    QUICK,
    SUBMISSIONS,
    TENTH_LEFT,
    UNTOUCHED,
    Results,
    source_of,
    study,
)
from benchmarks.verdict.tables import Share, coverage, false_alarms, stream, words
from harness.evaluation import Evidence, phi
from harness_evaluators import forgetting

TWO_CLASSES, TEN_CLASSES = KINDS[:2]


def _world(kind: Kind = TWO_CLASSES, models: int = 8) -> World:
    return source_of(kind)(models, stream("test"))


def _pool() -> Pool:
    rng = stream("test")
    law = Law.draw(TEN_CLASSES, rng)
    world = law.world(1, rng)
    return Pool(10, world.labels, world.ids, law.models(32, rng, remembered=1.0), law.models(96, rng))


def _metric(shown: Evidence, name: str) -> float | None:
    return next(one.value for one in forgetting.evaluate(shown).metrics if one.name == name)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_originals_are_more_confident_on_what_they_saw_and_nowhere_else(kind: Kind) -> None:
    world = _world(kind, 256)
    shifts = {
        split: phi(world.original.splits[split], labels) - phi(world.retrained.splits[split], labels)
        for split, labels in world.labels.items()
    }

    assert shifts["forget"].mean() > 0.5
    assert abs(shifts["test"].mean()) < 0.1


def test_a_pool_gives_each_model_to_one_population() -> None:
    world = _pool().world(16, stream("pool"))
    populations = (world.original, world.retrained, world.control, world.fresh)
    models = np.concatenate([one.splits["forget"].reshape(16, -1) for one in populations])

    assert len(np.unique(models, axis=0)) == 4 * 16


def test_a_pool_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="too small for populations of 33"):
        _pool().world(33, stream("pool"))


def test_a_pool_measures_what_its_models_remember() -> None:
    assert _pool().world(8, stream("pool")).memory.mean() == pytest.approx(
        _world(TEN_CLASSES, 32).memory.mean(), abs=0.2
    )


@pytest.mark.parametrize("submission", [NOTHING_LEFT, TENTH_LEFT], ids=lambda one: one.name)
def test_the_shortcuts_give_what_the_evaluator_reports(submission: Deception) -> None:
    world = judging.without_queries(_world(models=16))
    made = submission.make(world, stream("choice")).answers
    shown = evidence_of(made, merged(world), seed=3)
    found = judging.bounds(world, made, 3)

    assert judging.difference_p(world, made, 3) == _metric(shown, "difference_p")
    assert found.plain.value == _metric(shown, "memory_left")
    assert found.calibrated.value == _metric(shown, "memory_left_calibrated")
    assert (found.memory, found.shift) == (_metric(shown, "memory_bound"), _metric(shown, "shift_bound"))
    assert judging.slope_as_seen_from_test(world, made) == pytest.approx(found.calibrated.value)


def test_control_models_count_as_references_wherever_they_stand() -> None:
    world = _world(models=16)
    apart, together = (evidence_of(world.fresh, one) for one in (world, merged(world)))

    assert together.logits["retrained"]["forget"].shape[0] == 32
    assert _metric(apart, "memory_bound") == pytest.approx(_metric(together, "memory_bound"))


def test_queries_are_left_out() -> None:
    world = _world(replace(TEN_CLASSES, queries={"flip": 0.8}))

    assert set(evidence_of(world.fresh, world).queries) == {"flip"}
    assert evidence_of(Answers(world.fresh.splits, {}), judging.without_queries(world)).queries == {}


def test_perfect_unlearning_is_seldom_told() -> None:
    share = false_alarms(TWO_CLASSES.name, source_of(TWO_CLASSES), 8, 60)

    assert share.interval[0] <= 0.05 <= share.interval[1]


@pytest.mark.parametrize(
    ("submission", "word"),
    [
        (NOTHING_LEFT, "as_retrained"),
        (find("left-20-percent"), "partial"),
        (UNTOUCHED, "none"),
        (find("over-forgotten-0.5"), "over_forgetting"),
        (find("heavy-tail-0.55"), "none"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_the_word_that_most_draws_get_with_32_models(submission: Deception, word: str) -> None:
    found = words(TWO_CLASSES.name, source_of(TWO_CLASSES), submission, 32, 5)

    assert next(iter(found.counts)) == word
    assert found.wrong.trials == 5


def test_a_word_that_does_not_describe_a_submission_is_a_false_claim() -> None:
    honest = replace(find("noop"), name="honest", honest=True, words=frozenset({"as_retrained"}))
    found = words(TWO_CLASSES.name, source_of(TWO_CLASSES), honest, 16, 2)

    assert found.wrong.hits == found.draws == 2


def test_intervals_hold_a_fifth_that_is_left_in_most_draws() -> None:
    found = coverage(TWO_CLASSES, 0.2, (16,), tasks=2, draws=10)[16]

    assert min(found.plain.hits, found.calibrated.hits, found.memory.hits, found.shift.hits) >= 16


def test_a_share_has_the_interval_of_clopper_and_pearson() -> None:
    assert Share(0, 32).interval == pytest.approx((0.0, 1 - 0.025 ** (1 / 32)))


@pytest.fixture(scope="module")
def results() -> Results:
    plan = replace(QUICK, sizes=(8,), alarms=2, perfect=1, words=1, tasks=1, repeats=2, faces=1)
    return study(plan, _pool(), lambda _: None)


def test_the_page_shows_the_findings_and_the_words_on_faces(results: Results) -> None:
    page = writing.page(results, "## Made with\n")

    assert all(f"| {name} " in page for name in results.faces)
    assert writing.findings(results) in page


def test_the_table_of_words_counts_every_draw_of_every_submission(results: Results) -> None:
    rows = {table.name: table for table in writing.tables(results)}["words"].rows
    counted = {
        one.name: sum(int(row[4] or 0) for row in rows if row[:2] == ["synthetic", one.name]) for one in SUBMISSIONS
    }

    assert counted == {one.name: results.plan.words for one in SUBMISSIONS}


def test_the_picture_is_well_formed_and_has_a_bar_for_every_share(results: Results) -> None:
    svg = ElementTree.fromstring(picture(results))  # noqa: S314
    texts = {element.text for element in svg.iter()}

    assert {"0 %", "1 %", "20 %", "100 %", "N = 8"} <= texts
