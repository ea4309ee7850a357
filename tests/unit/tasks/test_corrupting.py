"""Labels made wrong on purpose: which, how many, and what stays as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import DatasetInvalidError
from harness.tasks import forget_sections
from harness.tasks.datasets import corrupting
from harness.tasks.loading import bundled_file, load_task, task_from_text
from harness.tasks.task import Split, TaskData

NAMES = ("a", "b", "c", "d")


def split_of(labels: list[int]) -> Split:
    size = len(labels)
    ids = np.array([f"e{number:04d}" for number in range(size)])
    return Split(ids=ids, images=np.zeros((size, 1, 1, 1), np.uint8), labels=np.array(labels, dtype=np.int64))


def corrupted(labels: list[int], **rule: object) -> Split:
    kind = forget_sections.CorruptSwap if rule["how"] == "swap" else forget_sections.CorruptRandom
    return corrupting.corrupted(split_of(labels), kind.model_validate(rule), NAMES)


def load(corrupt: str, more: str = "") -> TaskData:
    text = (
        "schema: 1\nname: mine\ndataset: {kind: faces, persons: 60, pictures: 3}\n"
        f"splits: {{validation: 0.1, test: 0.2}}\n{corrupt}\n{more}"
    )
    return task_from_text(text, "mine.yaml", Path()).load()


CLEAN = "forget: {by: random, count: 9}"
RANDOM = "corrupt: {how: random, fraction: 0.25}\nforget: {by: corrupted}"


def test_a_swap_gives_the_same_share_of_each_class_the_others_label() -> None:
    labels = [0] * 40 + [1] * 20 + [2] * 20

    split = corrupted(labels, how="swap", classes=("a", 2), fraction=0.25)

    assert split.true_labels is not None
    assert split.true_labels.tolist() == labels
    assert np.bincount(split.labels[:40], minlength=3).tolist() == [30, 0, 10]
    assert split.labels[40:60].tolist() == [1] * 20
    assert np.bincount(split.labels[60:], minlength=3).tolist() == [5, 0, 15]


def test_a_count_is_of_each_of_the_two_classes() -> None:
    split = corrupted([0] * 40 + [1] * 20, how="swap", classes=("a", "b"), count=7)

    assert np.bincount(split.labels).tolist() == [40, 20]
    assert corrupting.corrupted_examples(split).size == 14


def test_random_labels_are_wrong_and_every_other_class_is_as_likely() -> None:
    split = corrupted([1] * 4000, how="random", fraction=0.75)

    counts = np.bincount(split.labels, minlength=4)

    assert counts[1] == 1000
    assert counts[[0, 2, 3]] == pytest.approx([1000] * 3, abs=100)


@pytest.mark.parametrize("rule", [{"how": "random"}, {"how": "swap", "classes": ("a", "d")}])
def test_the_choice_depends_on_seed_and_ids_and_not_on_their_order(rule: dict[str, object]) -> None:
    labels = np.random.default_rng(0).integers(0, 4, 200).tolist()
    kind = forget_sections.CorruptSwap if rule["how"] == "swap" else forget_sections.CorruptRandom
    order = np.random.default_rng(1).permutation(200)

    def apply(split: Split, seed: int) -> Split:
        return corrupting.corrupted(split, kind.model_validate({**rule, "fraction": 0.3, "seed": seed}), NAMES)

    first = apply(split_of(labels), 3)

    assert apply(split_of(labels).take(order), 3).labels.tolist() == first.take(order).labels.tolist()
    assert apply(split_of(labels), 4).labels.tolist() != first.labels.tolist()


def test_the_corrupted_examples_are_forgotten_and_no_others() -> None:
    data = load(RANDOM)

    assert data.forget.true_labels is not None
    assert data.retain.true_labels is not None
    assert len(data.forget) == round(0.25 * (len(data.forget) + len(data.retain)))
    assert (data.forget.labels != data.forget.true_labels).all()
    assert (data.retain.labels == data.retain.true_labels).all()


def test_true_labels_and_held_out_examples_are_those_of_the_task_that_corrupts_nothing() -> None:
    clean, wrong = load(CLEAN), load(RANDOM)
    true = dict(zip([*clean.retain.ids, *clean.forget.ids], [*clean.retain.labels, *clean.forget.labels], strict=True))

    for name in ("retain", "forget"):
        split = wrong.split(name)
        assert split.true_labels is not None
        assert split.true_labels.tolist() == [true[one] for one in split.ids.tolist()]
    for name in ("validation", "test"):
        assert wrong.split(name).true_labels is None
        assert wrong.split(name).labels.tolist() == clean.split(name).labels.tolist()
    assert (wrong.mean, wrong.std) == (clean.mean, clean.std)


def test_a_task_that_corrupts_nothing_has_no_true_labels_and_the_digest_it_had() -> None:
    data = load(CLEAN)

    assert all(data.split(name).true_labels is None for name in ("retain", "forget", "validation", "test"))
    assert data.digest() == load(CLEAN, "corrupt: null\n").digest()


@pytest.mark.parametrize("change", ["fraction: 0.3", "fraction: 0.25, seed: 1"])
def test_another_corruption_gives_other_data(change: str) -> None:
    assert load(RANDOM.replace("fraction: 0.25", change)).digest() != load(RANDOM).digest()


def test_a_class_that_does_not_exist_is_told_with_the_nearest() -> None:
    with pytest.raises(DatasetInvalidError, match=r"corrupt\.classes: no class '4-12'; did you mean '4-11'\?; allowed"):
        load("corrupt: {how: swap, classes: [4-12, 20-27], count: 2}\nforget: {by: corrupted}")


def test_one_class_under_two_names_is_told() -> None:
    with pytest.raises(DatasetInvalidError, match=r"corrupt\.classes: both are 'b'; name two different classes"):
        corrupted([0, 1], how="swap", classes=(1, "b"), count=1)


def test_more_examples_than_a_class_has_are_told() -> None:
    with pytest.raises(DatasetInvalidError, match="corrupt: class 'a': 3 were requested, but there are only 2"):
        corrupted([0, 0, 1, 1, 1], how="swap", classes=("a", "b"), count=3)


def test_a_share_that_comes_to_no_example_is_told() -> None:
    with pytest.raises(DatasetInvalidError, match=r"corrupt: 0\.01 of 5 selects 0"):
        corrupted([0, 0, 1, 1, 1], how="random", fraction=0.01)


def test_corrupted_examples_of_clean_data_are_refused() -> None:
    with pytest.raises(DatasetInvalidError, match="needs a task with a corrupt section"):
        corrupting.corrupted_examples(split_of([0, 1]))


def test_the_bundled_task_swaps_the_same_number_both_ways() -> None:
    data = load_task(bundled_file("faces-mislabelled")).load()

    assert data.forget.true_labels is not None
    assert np.bincount(data.forget.labels, minlength=10)[[3, 4]].tolist() == [60, 60]
    assert (data.forget.labels + data.forget.true_labels == 7).all()
    assert (len(data.forget), len(data.retain)) == (120, 1440)


def test_the_bundled_task_that_forgets_a_class_leaves_none_of_it_to_retain() -> None:
    data = load_task(bundled_file("faces-class")).load()

    assert set(data.forget.labels.tolist()) == {3}
    assert 3 not in data.retain.labels
    assert (len(data.forget), len(data.retain)) == (160, 1400)
    assert {3} <= set(data.test.labels.tolist()) & set(data.validation.labels.tolist())
