"""Deceptions as arrays: what the verdict says of each, and that the rules see a verdict that is deceived."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.answers import on_phi, raised, scaled, wrong_label
from benchmarks.deceptions import catalogue, rules, table
from benchmarks.deceptions.__main__ import main
from benchmarks.deceptions.judging import VERDICT_FROM, Judgement, judge
from benchmarks.deceptions.model import Deception, Submission
from benchmarks.deceptions.study import SYNTHETIC, Plan, stream, synthetic
from benchmarks.judging import evaluators
from benchmarks.populations import Law, World
from harness.evaluation import phi

MODELS = 16


@pytest.fixture(scope="module")
def world() -> World:
    return synthetic(MODELS, seed=0)


def _judged(deception: Deception, world: World) -> Judgement:
    return judge(deception, world, stream(deception, MODELS, 0), evaluators([VERDICT_FROM]))


def test_the_catalogue_is_large_enough_and_names_are_unique() -> None:
    assert len(catalogue.DECEPTIONS) >= 34
    assert len(catalogue.HONEST) >= 12
    assert len({one.name for one in catalogue.ALL}) == len(catalogue.ALL)
    assert all(one.honest == (one.family == "honest") for one in catalogue.ALL)


@pytest.mark.parametrize("deception", catalogue.DECEPTIONS, ids=lambda one: one.name)
def test_no_deception_gets_a_word_that_it_does_not_deserve(deception: Deception, world: World) -> None:
    judgement = _judged(deception, world)

    assert not judgement.breach, judgement.sentence
    assert not judgement.misnamed, judgement.sentence


@pytest.mark.parametrize("deception", catalogue.HONEST, ids=lambda one: one.name)
def test_an_honest_submission_gets_the_right_word(deception: Deception, world: World) -> None:
    judgement = _judged(deception, world)

    assert not judgement.breach, judgement.sentence


@pytest.mark.parametrize("name", ["exact-pictures-obfuscated", "wrong-label-on-top", "mark-in-a-spread"])
def test_a_temperature_does_not_hide_what_queries_and_other_classes_show(name: str, world: World) -> None:
    shown = catalogue.find(name)

    def cooled(world: World, rng: np.random.Generator) -> Submission:
        submission = shown.make(world, rng)
        return replace(submission, answers=submission.answers.everywhere(scaled(0.8), world.labels))

    assert not _judged(replace(shown, make=cooled), world).misnamed


@pytest.mark.slow
@pytest.mark.parametrize("models", [8, 16, 32, 64])
def test_no_rule_is_broken_at_any_number_of_models(models: int) -> None:
    found = list(Plan(synthetic, (models,), 3).judgements(evaluators([VERDICT_FROM])))

    assert rules.broken(found) == []


def test_logits_have_the_confidences_of_the_law() -> None:
    law = Law.draw(SYNTHETIC, np.random.default_rng(3))
    models = law.models(1600, np.random.default_rng(0))
    found = phi(models.splits["forget"], law.labels["forget"])
    residual = (found - law.centre["forget"]) / law.spread["forget"]

    assert np.abs(residual.mean(axis=0)).max() < 0.1
    assert np.abs(residual.std(axis=0) - 1).max() < 0.07
    correlation = np.corrcoef(residual.T)[np.triu_indices(200, 1)].mean()
    assert correlation == pytest.approx(0.01, abs=0.003)


def test_models_have_their_factor_on_every_split() -> None:
    law = Law.draw(SYNTHETIC, np.random.default_rng(3))
    models = law.models(500, np.random.default_rng(0))
    means = [
        ((phi(models.splits[name], law.labels[name]) - law.centre[name]) / law.spread[name]).mean(axis=1)
        for name in ("forget", "test")
    ]

    assert np.corrcoef(means)[0, 1] > 0.5


def test_originals_lie_higher_on_the_forget_set_alone(world: World) -> None:
    means = {
        name: [phi(models.splits[name], world.labels[name]).mean() for models in (world.original, world.retrained)]
        for name in world.labels
    }

    assert means["forget"][0] - means["forget"][1] > 1
    assert all(abs(one - other) < 0.1 for name, (one, other) in means.items() if name != "forget")


def test_a_tenth_left_is_the_original_on_a_tenth_of_the_examples_and_under_every_query(world: World) -> None:
    made = catalogue.find("left-10-percent").make(world, np.random.default_rng(0)).answers
    pairs = [(one.splits["forget"], *one.queries.values()) for one in (made, world.original, world.fresh)]
    for ours, original, fresh in zip(*pairs, strict=True):
        kept = (ours == original).all(axis=(0, 2))

        assert kept.sum() == 20
        assert (ours[:, ~kept] == fresh[:, ~kept]).all()


def test_a_mark_in_a_wrong_class_leaves_the_confidence_as_it_is(world: World) -> None:
    labels = world.labels["forget"]
    marks = wrong_label(labels, world.n_classes, np.random.default_rng(0))
    logits = world.fresh.splits["forget"]
    marked = raised(marks, 3.0)(logits, labels)

    assert (marks != labels).all()
    assert phi(marked, labels) == pytest.approx(phi(logits, labels), abs=1e-4)
    assert np.abs(marked - logits).max() > 2.9


def test_a_change_of_confidences_leaves_wrong_classes_as_they_are(world: World) -> None:
    labels = world.labels["forget"]
    logits = world.fresh.splits["forget"]
    changed = on_phi(lambda values: values + 1)(logits, labels)
    wrong = np.ones(logits.shape[1:], dtype=bool)
    wrong[np.arange(len(labels)), labels] = False

    assert (changed[:, wrong] == logits[:, wrong]).all()
    assert phi(changed, labels) - phi(logits, labels) == pytest.approx(np.ones(logits.shape[:2]), abs=1e-4)


@pytest.fixture(scope="module")
def noop(world: World) -> Judgement:
    return _judged(catalogue.find("noop"), world)


def test_a_deceived_verdict_breaks_the_rules(noop: Judgement) -> None:
    assert rules.broken([noop]) == []
    assert "as_retrained" in rules.broken([replace(noop, level="as_retrained")])[0]
    assert "do not cover" in rules.broken([replace(noop, level="no_difference_seen", memory_bound=0.4)])[0]


def test_a_bound_of_95_percent_may_miss_what_little_is_left_by_chance(noop: Judgement) -> None:
    missed = replace(noop, level="no_difference_seen", left=0.1, memory_bound=0.08, shift_bound=1.0)
    covered = replace(missed, memory_bound=0.12)

    assert rules.broken([missed, *[covered] * 9]) == []
    assert rules.broken([*[missed] * 4, *[covered] * 9]) != []


def test_a_bound_must_cover_the_shift_as_well(noop: Judgement) -> None:
    judgement = replace(noop, level="no_difference_seen", left=0.0, shift=-0.5, memory_bound=0.1, shift_bound=0.2)

    assert judgement.breach
    assert not replace(judgement, shift_bound=0.6).breach


def test_a_wrong_word_for_an_honest_submission_breaks_the_rules_unless_chance_explains_it(world: World) -> None:
    honest = _judged(catalogue.find("retrained"), world)
    wrong = replace(honest, level="none")

    assert rules.broken([wrong, *[honest] * 9]) == []
    assert rules.broken([wrong, wrong, wrong]) != []


def test_the_table_has_a_row_for_each_submission_and_marks_broken_rules(noop: Judgement) -> None:
    found = table.rows([noop, replace(noop, level="as_retrained", models=32)])

    assert found == [["noop", "100 %", "none", "as_retrained (!)"]]


def test_the_command_judges_what_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--models", "8", "--only", "noop", "--only", "retrained"])

    printed = capsys.readouterr().out
    assert status == 0
    assert [line.split()[1] for line in printed.splitlines() if " " in line][:3] == ["submission", "noop", "retrained"]
    assert "0 submissions break a rule." in printed


def test_the_command_fails_where_a_rule_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    praised = replace(catalogue.find("retrained"), name="praised", honest=False, left=1.0)
    monkeypatch.setattr("benchmarks.deceptions.__main__.find", lambda name: praised)

    assert main(["--models", "16", "--only", "retrained"]) == 1
