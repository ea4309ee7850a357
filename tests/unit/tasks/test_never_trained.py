"""Requests for data that was never trained on: what methods get, what is measured, and bad input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from harness.errors import DatasetInvalidError, TaskInvalidError
from harness.evaluation import Evidence
from harness.references.populations import Population
from harness.runs.budget import Limit
from harness.runs.scoring import make_evidence
from harness.runs.unlearning_setup import guest_data
from harness.tasks.loading import task_from_text
from harness.tasks.never_trained import altered_copies, handed_over
from harness.tasks.task import Split, TaskData
from harness_evaluators import accuracy
from tests.unit.evaluators.conftest import gaussian_evidence
from tests.unit.evaluators.helpers import metric, value

TASK = "extends: faces\nname: asked\ndataset: {persons: 20}\nforget: {count: 2}\n"


def data(more: str = "never_trained: {count: 3, seed: 5}\n") -> TaskData:
    return task_from_text(TASK + more, "asked.yaml", Path()).load()


def test_methods_get_the_examples_in_the_forget_set_and_not_for_validation() -> None:
    asked = data()
    assert asked.never_trained is not None
    extra = asked.validation.ids[asked.never_trained].tolist()

    given = handed_over(asked)

    assert len(extra) == 3
    assert sorted(given.forget.ids) == sorted([*asked.forget.ids, *extra])
    assert set(given.validation.ids) == set(asked.validation.ids) - set(extra)
    assert given.forget.ids.tolist()[-3:] != extra  # at random places
    position = {name: number for number, name in enumerate(given.forget.ids)}
    for split, ids in ((asked.forget, asked.forget.ids), (asked.validation, np.array(extra))):
        for name in ids:
            here = int(np.flatnonzero(split.ids == name)[0])
            assert (given.forget.inputs[position[name]] == split.inputs[here]).all()
            assert given.forget.labels[position[name]] == split.labels[here]
    assert (given.retain, given.test) == (asked.retain, asked.test)


def test_only_the_guests_file_has_them_in_the_forget_set() -> None:
    asked = data()

    arrays = load_file(guest_data(asked, asked.digest()))

    assert (len(asked.forget), len(asked.validation)) == (8, 8)
    assert (len(arrays["forget.labels"]), len(arrays["validation.labels"])) == (11, 5)


def test_a_task_without_such_requests_is_what_it_was_and_another_choice_is_other_data() -> None:
    plain = data("")

    assert handed_over(plain) is plain
    assert len({plain.digest(), data().digest(), data("never_trained: {count: 3, seed: 6}\n").digest()}) == 3


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("never_trained: {}\n", "count or fraction is missing"),
        ("never_trained: {count: 3, from: test}\n", "never_trained.from: unknown key"),
        ("never_trained: {count: 3}\njournal: true\n", "never_trained cannot be combined with journal"),
        ("never_trained: {count: 3}\nsisa: {shards: 2}\n", "never_trained cannot be combined with sisa"),
        ("never_trained: {count: 3, noise: 0}\n", "never_trained.noise: found 0"),
    ],
)
def test_a_wrong_section_is_refused(more: str, told: str) -> None:
    with pytest.raises(TaskInvalidError) as caught:
        data(more)
    assert told in str(caught.value)


def test_noise_on_texts_is_refused_before_they_are_read() -> None:
    text = (
        "schema: 1\nname: texts\ndataset: {kind: text, file: none.csv}\nforget: {by: random, count: 3}\n"
        "architecture: {name: embedding-bag}\nnever_trained: {count: 3, noise: 0.5}\n"
    )
    with pytest.raises(TaskInvalidError, match=r"never_trained\.noise cannot be added to token ids"):
        task_from_text(text, "texts.yaml", Path())


@pytest.mark.parametrize(("count", "told"), [(8, "leave none for validation"), (9, "there are only 8")])
def test_a_choice_of_all_validation_examples_is_refused(count: int, told: str) -> None:
    with pytest.raises(DatasetInvalidError) as caught:
        data(f"never_trained: {{count: {count}}}\n")
    assert told in str(caught.value)


def test_the_evidence_marks_them_in_the_validation_set() -> None:
    asked = data()
    assert asked.never_trained is not None

    none = {"original": Population("original", (), {}, {}, (), from_cache=True)}

    marked = make_evidence(asked, none, [], {}, Limit(1.0), 0).never_trained

    assert np.flatnonzero(marked).tolist() == asked.never_trained.tolist()
    assert make_evidence(data(""), none, [], {}, Limit(1.0), 0).never_trained.size == 0


def damaged(evidence: Evidence) -> Evidence:
    """Return evidence in which unlearned models get every second validation example wrong, and all others get all right."""
    logits = {name: dict(by) for name, by in evidence.logits.items()}
    labels = evidence.labels["validation"]
    for name, by in logits.items():
        by["validation"] = np.zeros_like(by["validation"])
        answers = np.where(
            (name == "unlearned") & (np.arange(len(labels)) % 2 == 0), (labels + 1) % evidence.n_classes, labels
        )
        by["validation"][:, np.arange(len(labels)), answers] = 5
    return replace(evidence, logits=logits, never_trained=np.arange(len(labels)) % 2 == 0)


def test_damage_shows_on_the_requested_examples() -> None:
    result = accuracy.evaluate(damaged(gaussian_evidence(n_models=6)))

    assert value(result, "validation") == 0.5
    found = metric(result, "never_trained")
    assert (found.value, found.control, found.noop) == (0.0, 1.0, 1.0)
    assert value(result, "never_trained_gap") == -1.0
    plain = accuracy.evaluate(gaussian_evidence(n_models=6))
    assert not any(one.name.startswith(("never", "damage")) for one in plain.metrics)


ALTERED = "never_trained: {count: 5, seed: 2, noise: 0.2}\n"


def test_altered_copies_are_requested_beside_their_originals_which_stay() -> None:
    asked = data(ALTERED)
    given = handed_over(asked)

    assert asked.altered is not None
    assert len(given.forget) == len(asked.forget) + 5
    assert (given.retain, given.validation, given.altered) == (asked.retain, asked.validation, None)
    spread = np.asarray(asked.retain.inputs[:], dtype=np.float64).std()
    for name in asked.altered.ids.tolist():
        copy = int(np.flatnonzero(given.forget.ids == name)[0])
        original = int(np.flatnonzero(asked.retain.ids == name.removesuffix(" altered"))[0])
        assert given.forget.labels[copy] == asked.retain.labels[original]
        moved = np.asarray(given.forget.inputs[copy], dtype=np.float64) - asked.retain.inputs[original]
        assert 0.12 < moved.std() / spread < 0.22  # 0.2, less what is clipped
    assert (
        make_evidence(
            asked, {"original": Population("original", (), {}, {}, (), from_cache=True)}, [], {}, Limit(1), 0
        ).altered
        == 5
    )
    others = (data(ALTERED.replace("0.2", "0.3")), data(ALTERED.replace("seed: 2", "seed: 3")), data(""))
    assert len({one.digest() for one in (asked, data(ALTERED), *others)}) == 4


def test_noise_is_in_standard_deviations_of_each_column() -> None:
    rng = np.random.default_rng(0)
    inputs = (rng.normal(size=(4000, 2)) * [1.0, 100.0] + 7).astype(np.float32)
    columns = Split(np.array([f"{i}" for i in range(4000)]), inputs, np.zeros(4000, np.int64))

    copies = altered_copies(columns, 4000, 0.5, seed=1)

    originals = inputs[[int(name.split()[0]) for name in copies.ids.tolist()]]
    np.testing.assert_allclose((copies.inputs - originals).std(axis=0), [0.5, 50], rtol=0.05)


@pytest.mark.parametrize(
    ("inputs", "told"),
    [(np.zeros((8, 4), np.int64), "inputs of type int64"), (np.ones((8, 1, 2, 2), np.uint8), "copies as they were")],
)
def test_inputs_that_noise_cannot_alter_are_refused(inputs: np.ndarray, told: str) -> None:
    some = Split(np.array(list("abcdefgh")), inputs, np.zeros(8, np.int64))
    with pytest.raises(DatasetInvalidError, match=told):
        altered_copies(some, 4, 0.001, seed=0)


def test_damage_is_the_accuracy_lost_by_requested_example_beyond_that_of_the_control() -> None:
    evidence = gaussian_evidence(n_models=6)
    logits = {name: dict(by) for name, by in evidence.logits.items()}
    labels = evidence.labels["test"]
    for name, by in logits.items():
        wrong = (name == "unlearned") & (np.arange(len(labels)) % 2 == 0)
        by["test"] = np.zeros_like(by["test"])
        by["test"][:, np.arange(len(labels)), np.where(wrong, (labels + 1) % evidence.n_classes, labels)] = 5

    found = metric(accuracy.evaluate(replace(evidence, logits=logits, altered=20)), "damage_test")

    assert found.value == pytest.approx(2.5)  # half of the accuracy, 50 percentage points, by 20 requests
    assert (found.control, found.noop) == (0.0, 0.0)
    null = metric(accuracy.evaluate(replace(evidence, altered=20)), "damage_retain")
    assert None not in (null.value, null.control_interval)
