"""The study of the verdict's errors: its populations, its submissions, and a few of its figures, loosely."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.verdict import judging, writing
from benchmarks.verdict.drawing import picture
from benchmarks.verdict.plan import QUICK, Results, study
from benchmarks.verdict.populations import KINDS, Kind, Pool, World
from benchmarks.verdict.submissions import ALL, NOTHING_LEFT, TENTH_LEFT, UNTOUCHED, Submission
from benchmarks.verdict.tables import Share, coverage, false_alarms, stream, words
from harness.evaluation import Evidence, phi
from harness_evaluators import forgetting

TWO_CLASSES, TEN_CLASSES = KINDS[:2]
BY_NAME = {one.name: one for one in ALL}


def _world(kind: Kind = TWO_CLASSES, models: int = 8) -> World:
    rng = stream("test")
    return kind.law(rng).draw(models, rng)


def _pool() -> Pool:
    world = _world(TEN_CLASSES, 32)
    originals = np.concatenate([world.logits["original"], world.logits["knowing"]])
    retrained = np.concatenate([world.logits[role] for role in ("retrained", "control", "fresh")])
    return Pool.of_logits(originals, retrained, world.labels, world.forget)


def _metric(shown: Evidence, name: str) -> float | None:
    return next(one.value for one in forgetting.evaluate(shown).metrics if one.name == name)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_originals_are_more_confident_on_what_they_saw_and_nowhere_else(kind: Kind) -> None:
    world = _world(kind, 256)
    shift = phi(world.logits["original"], world.labels) - phi(world.logits["retrained"], world.labels)

    assert shift[:, : world.forget].mean() > 0.5
    assert abs(shift[:, world.forget :].mean()) < 0.1


def test_a_pool_gives_each_model_to_one_population() -> None:
    world = _pool().draw(16, stream("pool"))
    models = np.concatenate([one.reshape(len(one), -1) for one in world.logits.values()])

    assert len(np.unique(models, axis=0)) == 5 * 16


def test_a_pool_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="too small for populations of 33"):
        _pool().draw(33, stream("pool"))


def test_a_pool_measures_what_its_models_remember() -> None:
    assert _pool().memory.mean() == pytest.approx(_world(TEN_CLASSES, 32).memory.mean(), abs=0.2)


def test_a_tenth_left_is_the_original_on_a_tenth_of_the_examples() -> None:
    world = _world()
    made = TENTH_LEFT.make(world, stream("choice"))
    kept = (made[:, : world.forget] == world.logits["original"][:, : world.forget]).all(axis=(0, 2))

    assert kept.sum() == 20
    assert (made[:, : world.forget][:, ~kept] == world.logits["fresh"][:, : world.forget][:, ~kept]).all()


def test_a_shift_moves_phi_by_deviations_on_the_forget_set_alone() -> None:
    world = _world(TEN_CLASSES)
    made = BY_NAME["all shifted by 0.2 sd"].make(world, stream("choice"))
    moved = phi(made, world.labels) - phi(world.logits["fresh"], world.labels)

    np.testing.assert_allclose(moved[:, : world.forget], np.tile(0.2 * world.deviation, (world.models, 1)), atol=1e-4)
    assert np.abs(moved[:, world.forget :]).max() == 0


@pytest.mark.parametrize("submission", [NOTHING_LEFT, TENTH_LEFT], ids=lambda one: one.name)
def test_the_shortcuts_give_what_the_evaluator_reports(submission: Submission) -> None:
    world = _world(models=16)
    shown = judging.evidence(world, submission.make(world, stream("choice")), 3)
    found = judging.bounds(shown)

    assert judging.difference_p(shown) == _metric(shown, "difference_p")
    assert found.plain.value == _metric(shown, "memory_left")
    assert found.calibrated.value == _metric(shown, "memory_left_calibrated")
    assert (found.memory, found.shift) == (_metric(shown, "memory_bound"), _metric(shown, "shift_bound"))
    assert judging.slope_as_seen_from_test(shown) == pytest.approx(found.calibrated.value)


def test_control_models_count_as_references_wherever_they_stand() -> None:
    world = _world(models=16)
    merged = judging.evidence(world, world.logits["fresh"])
    n = world.forget
    apart = {
        role: {"forget": world.logits[role][:, :n], "test": world.logits[role][:, n:]}
        for role in ("retrained", "control")
    }

    assert _metric(replace(merged, logits={**merged.logits, **apart}), "memory_bound") == pytest.approx(
        _metric(merged, "memory_bound")
    )


def test_perfect_unlearning_is_seldom_told() -> None:
    share = false_alarms(TWO_CLASSES.name, TWO_CLASSES.law, 8, 60)

    assert share.interval[0] <= 0.05 <= share.interval[1]


@pytest.mark.parametrize(
    ("submission", "word"),
    [
        (NOTHING_LEFT, "as_retrained"),
        (BY_NAME["20 % of examples left"], "partial"),
        (UNTOUCHED, "none"),
        (BY_NAME["over-forgotten by 0.5 sd"], "over_forgetting"),
        (BY_NAME["originals x .55, one in 16 x 10,000"], "none"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_the_word_that_most_draws_get_with_32_models(submission: Submission, word: str) -> None:
    found = words(TWO_CLASSES.name, TWO_CLASSES.law, submission, 32, 5)

    assert next(iter(found.counts)) == word


def test_intervals_hold_a_fifth_that_is_left_in_most_draws() -> None:
    found = coverage(TWO_CLASSES.name, TWO_CLASSES.law, 0.2, (16,), tasks=2, draws=10)[16]

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
    counted = {one.name: sum(int(row[4] or 0) for row in rows if row[:2] == ["synthetic", one.name]) for one in ALL}

    assert counted == {one.name: results.plan.words for one in ALL}


def test_the_picture_is_well_formed_and_has_a_bar_for_every_share(results: Results) -> None:
    svg = ElementTree.fromstring(picture(results))  # noqa: S314
    texts = {element.text for element in svg.iter()}

    assert {"0 %", "1 %", "20 %", "100 %", "N = 8"} <= texts
