"""Confusion taught by wrong labels: known answers, orders and sizes that do not matter, and tasks without wrong labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.evaluation import Evidence, Timings
from harness_evaluators import accuracy, interclass_confusion, ks, lira
from harness_evaluators.interclass_confusion import confusion
from tests.unit.evaluators.conftest import POPULATIONS, gaussian_evidence
from tests.unit.evaluators.helpers import assert_well_formed, metric, value

NAMES = ("cat", "dog", "owl", "eel")
Answers = Mapping[str, Mapping[str, np.ndarray]]


def evidence_of(
    answers: Answers,
    labels: Mapping[str, np.ndarray],
    true: np.ndarray | None,
    n_classes: int = 4,
) -> Evidence:
    """Evidence of models that give every example the class in ``answers`` (population, split, shape (N, n))."""
    logits = {
        name: {split: np.eye(n_classes, dtype=np.float32)[given] * 5 for split, given in by.items()}
        for name, by in answers.items()
    }
    nothing = np.zeros(0)
    return Evidence(
        n_classes=n_classes,
        ids={split: np.array([f"{split}-{i}" for i in range(len(y))]) for split, y in labels.items()},
        labels=labels,
        logits=logits,
        unlearned_from=np.arange(len(answers["unlearned"]["forget"])),
        timings=Timings(nothing, nothing, None, nothing, nothing),
        class_names=NAMES[:n_classes],
        true_labels={} if true is None else {"forget": true},
    )


def swapped(wrong: Mapping[str, float], taken: Mapping[str, float], *, n_models: int = 8) -> Evidence:
    """Cats and owls swapped in twenty forgotten examples.

    Args:
        wrong: by population, share of the forgotten examples that are given the wrong label; the others are called dogs.
        taken: by population, share of the test set's forty cats and owls that are given the other class; the others are
            right, as are the ten dogs.
        n_models: of each population.
    """
    true = np.repeat([0, 2], 10)
    labels = {"retain": np.array([1, 1]), "forget": 2 - true, "validation": np.array([1])}
    labels["test"] = np.concatenate([np.repeat([0, 2], 20), np.full(10, 1)])

    def answers(population: str) -> dict[str, np.ndarray]:
        place, tested = np.arange(20) / 20, np.arange(40) % 20 / 20
        forgotten = np.where(place < wrong[population], labels["forget"], 1)
        test = labels["test"].copy()
        test[:40] = np.where(tested < taken[population], 2 - test[:40], test[:40])
        given = {"forget": forgotten, "test": test, "retain": labels["retain"], "validation": labels["validation"]}
        return {split: np.tile(one, (n_models, 1)) for split, one in given.items()}

    return evidence_of({name: answers(name) for name in POPULATIONS}, labels, true)


WRONG = {"original": 0.9, "unlearned": 0.3, "retrained": 0.1, "control": 0.1}
TAKEN = {"original": 0.5, "unlearned": 0.2, "retrained": 0.1, "control": 0.1}


def test_the_shares_are_those_of_the_confusion_matrix() -> None:
    result = interclass_confusion.evaluate(swapped(WRONG, TAKEN))

    for name, shares in (("forget_wrong", WRONG), ("test_confusion", TAKEN)):
        found = metric(result, name)
        assert (found.value, found.control, found.noop) == pytest.approx(
            (shares["unlearned"], shares["control"], shares["original"])
        )
        assert found.position == pytest.approx(
            (shares["original"] - shares["unlearned"]) / (shares["original"] - shares["control"])
        )
    assert value(result, "forget_true") == 0


def test_the_matrix_among_the_classes_is_kept_for_every_population() -> None:
    arrays = interclass_confusion.evaluate(swapped(WRONG, TAKEN)).arrays

    assert arrays["classes"].tolist() == [0, 2]
    assert arrays["test_matrix_unlearned"] == pytest.approx(np.array([[0.8, 0.2], [0.2, 0.8]]))
    assert arrays["test_matrix_original"] == pytest.approx(np.array([[0.5, 0.5], [0.5, 0.5]]))


def test_notes_name_the_classes_the_examples_and_the_retrained_models() -> None:
    result = interclass_confusion.evaluate(swapped(WRONG, TAKEN))

    assert metric(result, "test_confusion").note == "Classes cat and owl, 40 examples. Retrained models: 0.1000."
    assert metric(result, "forget_wrong").note.startswith("Classes cat and owl, 20 examples.")


def test_answers_outside_the_pair_are_no_confusion() -> None:
    evidence = swapped(WRONG, TAKEN)
    dogs = {**evidence.logits["unlearned"], "test": np.eye(4, dtype=np.float32)[np.full((8, 50), 1)]}

    result = interclass_confusion.evaluate(replace(evidence, logits={**evidence.logits, "unlearned": dogs}))

    assert value(result, "test_confusion") == 0
    assert (result.arrays["test_matrix_unlearned"] == 0).all()


def test_less_confusion_than_retraining_is_as_far_from_perfect_as_more() -> None:
    less, more = (
        metric(interclass_confusion.evaluate(swapped(WRONG, {**taken, "original": 0.9})), "test_confusion").position
        for taken in (
            {"unlearned": 0.2, "retrained": 0.3, "control": 0.3},
            {"unlearned": 0.4, "retrained": 0.3, "control": 0.3},
        )
    )

    assert less == pytest.approx(more)
    assert less == pytest.approx(5 / 6)


def test_an_unlearner_that_does_nothing_stands_at_zero_and_retraining_at_one() -> None:
    rng = np.random.default_rng(0)
    labels = {"forget": np.repeat([1, 0], 50), "test": np.repeat([0, 1], 50), "retain": np.zeros(1, int)}
    true = 1 - labels["forget"]

    def drawn(share_wrong: float) -> dict[str, np.ndarray]:
        forgotten = np.where(rng.random((32, 100)) < share_wrong, labels["forget"], true)
        test = np.where(rng.random((32, 100)) < share_wrong / 2, 1 - labels["test"], labels["test"])
        return {"forget": forgotten, "test": test, "retain": np.zeros((32, 1), int)}

    answers = {"original": drawn(0.8), "retrained": drawn(0.2), "control": drawn(0.2)}
    idle = interclass_confusion.evaluate(evidence_of({**answers, "unlearned": answers["original"]}, labels, true, 2))
    ideal = interclass_confusion.evaluate(evidence_of({**answers, "unlearned": drawn(0.2)}, labels, true, 2))

    for one in idle.metrics:
        assert (one.value, one.position) == pytest.approx((one.noop, 0), abs=1e-9)
    for one in ideal.metrics:
        assert one.position == pytest.approx(1, abs=0.05)
        assert one.interval is not None
        assert one.interval.low <= one.value <= one.interval.high  # type: ignore[operator]


def test_labels_drawn_at_random_confuse_every_pair_that_an_example_hits() -> None:
    """With cat for dog and owl for eel only these two pairs count: a cat called owl is an error, but not taught."""
    labels = {"forget": np.array([0, 2]), "test": np.array([0, 1, 2, 3, 0])}
    true = np.array([1, 3])
    given = {"forget": np.array([[0, 3]]), "test": np.array([[1, 1, 3, 2, 2]])}

    result = interclass_confusion.evaluate(evidence_of(dict.fromkeys(POPULATIONS, given), labels, true))

    assert value(result, "test_confusion") == pytest.approx(3 / 5)
    assert value(result, "forget_wrong") == value(result, "forget_true") == pytest.approx(1 / 2)
    assert "2 pairs of classes, 5 examples." in metric(result, "test_confusion").note


def test_forgotten_examples_with_a_right_label_do_not_count() -> None:
    labels = {"forget": np.array([0, 1, 1, 1]), "test": np.array([0, 1])}
    given = {"forget": np.array([[0, 1, 1, 1]]), "test": np.array([[0, 1]])}

    result = interclass_confusion.evaluate(
        evidence_of(dict.fromkeys(POPULATIONS, given), labels, np.array([0, 0, 1, 1]))
    )

    assert value(result, "forget_wrong") == 1
    assert "1 example." in metric(result, "forget_wrong").note


@pytest.mark.parametrize("true", [None, np.array([0, 1])], ids=["no true labels", "true labels equal to labels"])
def test_a_task_without_wrong_labels_gets_a_note_and_nothing_louder(true: np.ndarray | None) -> None:
    labels = {"forget": np.array([0, 1]), "test": np.array([0, 1])}
    given = {"forget": np.array([[0, 1]]), "test": np.array([[0, 1]])}

    result = interclass_confusion.evaluate(evidence_of(dict.fromkeys(POPULATIONS, given), labels, true))

    assert [(one.value, one.headline, one.note) for one in result.metrics] == [
        (None, False, "Not computed: this task corrupts no labels.")
    ] * 3
    assert not result.warnings
    assert not result.arrays


def test_a_test_set_without_the_classes_leaves_memorisation() -> None:
    evidence = swapped(WRONG, TAKEN)
    labels = {**evidence.labels, "test": np.full(50, 3)}

    result = interclass_confusion.evaluate(replace(evidence, labels=labels))

    assert_well_formed(result)
    assert "no example of the confused classes" in metric(result, "test_confusion").note
    assert value(result, "forget_wrong") == pytest.approx(0.3)


@pytest.mark.parametrize("gone", [("retrained", "control"), ("original",), ("unlearned",)])
def test_missing_populations_are_told(gone: tuple[str, ...]) -> None:
    evidence = swapped(WRONG, TAKEN)
    logits = {
        name: {split: array[: 0 if name in gone else 8] for split, array in by.items()}
        for name, by in evidence.logits.items()
    }

    result = interclass_confusion.evaluate(replace(evidence, logits=logits))

    assert_well_formed(result)
    assert len(result.warnings) == 1
    assert all(one.position is None for one in result.metrics)
    assert all((one.value is None) == ("unlearned" in gone) for one in result.metrics)


def _corrupted(evidence: Evidence, seed: int = 0) -> Evidence:
    """Return the run with wrong labels for some of the forgotten examples."""
    rng = np.random.default_rng(seed)
    labels = evidence.labels["forget"]
    shift = rng.integers(0, evidence.n_classes, len(labels))
    return replace(evidence, true_labels={"forget": (labels + shift) % evidence.n_classes})


@pytest.mark.parametrize("module", [accuracy, ks, lira])
def test_other_evaluators_keep_to_the_label_that_models_were_trained_with(module: ModuleType) -> None:
    evidence = gaussian_evidence(0.4, 1.5, 8, 20)

    assert module.evaluate(_corrupted(evidence)).metrics == module.evaluate(evidence).metrics


@settings(max_examples=20, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(0, 64)] * 4),
    examples=st.integers(1, 12),
    classes=st.integers(2, 30),
    seed=st.integers(0, 99),
)
def test_any_sizes_give_finite_numbers_or_none(sizes: tuple[int, ...], examples: int, classes: int, seed: int) -> None:
    counts = dict(zip(POPULATIONS, sizes, strict=True))
    evidence = _corrupted(gaussian_evidence(0.5, 1.0, counts, examples, classes), seed)

    assert_well_formed(interclass_confusion.evaluate(evidence))


def test_the_pair_is_the_same_in_both_directions() -> None:
    found = confusion.confused(swapped(WRONG, TAKEN))

    assert found is not None
    assert found.classes.tolist() == [0, 2]
    assert (found.pairs == found.pairs.T).all()
    assert found.pairs.sum() == 2


def test_headlines_begin_with_words_that_fit_a_line_of_the_summary() -> None:
    metrics = interclass_confusion.evaluate(swapped(WRONG, TAKEN)).metrics
    headlines = {one.name: one.description.split(":")[0] for one in metrics if one.headline}

    assert set(headlines) == {"forget_wrong", "test_confusion"}
    assert all(len(f"  interclass confusion {name}: {clause}") <= 80 for name, clause in headlines.items()), headlines
