"""Splitting: every choice is a seeded, disjoint, complete division, and impossible ones are told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import DatasetInvalidError
from harness.tasks import splitting
from harness.tasks.task import Split


def make_split(n: int, *, subjects: int | None = None, classes: int = 3) -> Split:
    index = np.arange(n)
    return Split(
        ids=np.asarray([f"e{i:04d}" for i in index]),
        images=(index % 251).astype(np.uint8)[:, None, None, None] * np.ones((1, 1, 2, 2), np.uint8),
        labels=index % classes,
        subjects=None if subjects is None else np.asarray([f"s{i % subjects}" for i in index]),
    )


seeds = st.integers(0, 2**63 - 1)
shares = st.floats(0.05, 0.4)


@given(n=st.integers(30, 120), validation=shares, test=shares, seed=seeds)
def test_held_out_parts_are_disjoint_and_together_the_whole(n: int, validation: float, test: float, seed: int) -> None:
    parts = splitting.hold_out(make_split(n), validation=validation, test=test, by_subject=False, seed=seed)

    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(n))
    assert (len(parts[0]), len(parts[1])) == (round(validation * n), round(test * n))


@given(n=st.integers(60, 200), subjects=st.integers(10, 20), seed=seeds)
def test_held_out_subjects_stand_on_one_side_only(n: int, subjects: int, seed: int) -> None:
    pool = make_split(n, subjects=subjects)
    assert pool.subjects is not None

    parts = splitting.hold_out(pool, validation=2, test=3, by_subject=True, seed=seed)

    sides = [set(pool.subjects[part].tolist()) for part in parts]
    assert [len(side) for side in sides] == [2, 3, subjects - 5]
    assert len(set.union(*sides)) == subjects
    assert sum(len(part) for part in parts) == n


@given(seed=seeds, kept=st.sets(st.integers(0, 39), min_size=1, max_size=20))
def test_what_must_be_kept_is_never_held_out(seed: int, kept: set[int]) -> None:
    keep = np.isin(np.arange(40), list(kept))

    _, _, rest = splitting.hold_out(make_split(40), validation=5, test=5, by_subject=False, seed=seed, keep=keep)

    assert kept <= set(rest.tolist())


@given(n=st.integers(2, 100), seed=seeds, data=st.data())
def test_random_forgetting_takes_the_count_asked_for_and_leaves_the_rest(
    n: int, seed: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, n - 1))
    train = make_split(n)

    retain, forget = splitting.part_forget(train, splitting.forget_random(train, count, seed=seed))

    assert (len(retain), len(forget)) == (n - count, count)
    assert sorted([*retain.ids, *forget.ids]) == sorted(train.ids)


@given(seed=seeds, order=st.permutations(range(30)))
def test_a_choice_does_not_depend_on_the_order_of_examples(seed: int, order: list[int]) -> None:
    train = make_split(30)
    shuffled = train.take(np.asarray(order))

    first = train.ids[splitting.forget_random(train, 10, seed=seed)]
    second = shuffled.ids[splitting.forget_random(shuffled, 10, seed=seed)]

    assert set(first.tolist()) == set(second.tolist())


def test_a_seeded_choice_is_the_same_for_ever() -> None:
    chosen = splitting.forget_random(make_split(20), 5, seed=3)

    assert chosen.tolist() == [3, 7, 8, 14, 15]


def test_another_seed_chooses_others() -> None:
    train = make_split(200)

    choices = {tuple(splitting.forget_random(train, 20, seed=seed).tolist()) for seed in range(10)}

    assert len(choices) == 10


def test_every_example_is_chosen_equally_often_over_seeds() -> None:
    train = make_split(20)

    counts = np.bincount(np.concatenate([splitting.forget_random(train, 5, seed=seed) for seed in range(2000)]))

    # 2000 draws of probability 1/4: standard deviation 19.4
    assert np.abs(counts - 500).max() < 5 * 19.4


def test_forgetting_a_class_takes_all_its_examples() -> None:
    train = make_split(31)

    forget = splitting.forget_classes(train, [1], None, seed=0)

    assert np.array_equal(forget, np.flatnonzero(train.labels == 1))


def test_forgetting_some_of_a_class_takes_the_fraction_within_it() -> None:
    train = make_split(60)

    forget = splitting.forget_classes(train, [0, 2], 0.5, seed=0)

    assert len(forget) == 20
    assert set(train.labels[forget].tolist()) == {0, 2}


def test_forgetting_a_fraction_of_subjects_takes_all_their_examples() -> None:
    train = make_split(60, subjects=10)
    assert train.subjects is not None

    forget = splitting.forget_subjects(train, None, 0.3, seed=1)

    chosen = set(train.subjects[forget].tolist())
    assert len(chosen) == 3
    assert np.array_equal(forget, np.flatnonzero(np.isin(train.subjects, list(chosen))))


def test_forgetting_named_subjects_takes_exactly_them() -> None:
    train = make_split(60, subjects=10)

    forget = splitting.forget_subjects(train, ["s3", "s7"], None, seed=0)

    assert sorted({int(i) % 10 for i in forget}) == [3, 7]


def test_forgetting_ids_takes_them_once_whatever_their_order() -> None:
    forget = splitting.forget_ids(make_split(9), ["e0007", "e0002", "e0007"])

    assert forget.tolist() == [2, 7]


def test_label_noise_changes_the_share_asked_for_always_to_another_class() -> None:
    train = make_split(200)

    noisy = splitting.with_label_noise(train, 0.25, n_classes=3, seed=5)

    assert (noisy.labels != train.labels).sum() == 50
    assert set(noisy.labels.tolist()) == {0, 1, 2}
    assert np.array_equal(noisy.images, train.images)


def test_class_names_and_numbers_mean_the_same() -> None:
    assert splitting.class_number("b", ("a", "b")) == splitting.class_number(1, ("a", "b")) == 1


IMPOSSIBLE: dict[str, tuple[Callable[[], object], str]] = {
    "no such subject": (
        lambda: splitting.forget_subjects(make_split(6, subjects=3), ["s9"], None, seed=0),
        "no training example shows 's9'.*there are 3",
    ),
    "no subjects at all": (
        lambda: splitting.forget_subjects(make_split(6), None, 1, seed=0),
        "this data has no subjects",
    ),
    "no subjects to hold out by": (
        lambda: splitting.hold_out(make_split(6), validation=1, test=1, by_subject=True, seed=0),
        "splits.by: subject: this data has no subjects",
    ),
    "empty class": (lambda: splitting.forget_classes(make_split(6), [5], None, seed=0), "class '5' has no example"),
    "unknown class name": (lambda: splitting.class_number("Trousers", ("Trouser", "Bag")), "did you mean 'Trouser'"),
    "a number that is another class's name": (
        lambda: splitting.class_number(1, ("1", "2")),
        "1 is ambiguous: it is also the name of class number 0.*in quotes",
    ),
    "class number too high": (lambda: splitting.class_number(2, ("a", "b")), "no class 2.*or 0 to 1"),
    "unknown id": (
        lambda: splitting.forget_ids(make_split(6), ["e0001", "x"]),
        "1 of 2 ids are not in the training set",
    ),
    "too many": (lambda: splitting.forget_random(make_split(6), 7, seed=0), "7 were requested, but there are only 6"),
    "a fraction of nothing": (lambda: splitting.forget_random(make_split(6), 0.01, seed=0), "0.01 of 6 selects 0"),
    "nothing to forget": (
        lambda: splitting.part_forget(make_split(6), np.asarray([], np.int64)),
        "forget set is empty",
    ),
    "nothing to retain": (lambda: splitting.part_forget(make_split(6), np.arange(6)), "retain set is empty"),
    "more held out than there are": (
        lambda: splitting.hold_out(make_split(6), validation=4, test=3, by_subject=False, seed=0),
        r"need 7 examples, but only 6",
    ),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_an_impossible_division_is_told(case: str) -> None:
    attempt, words = IMPOSSIBLE[case]

    with pytest.raises(DatasetInvalidError, match=words):
        attempt()


def test_a_number_that_is_the_name_and_the_number_of_one_class_is_that_class() -> None:
    assert splitting.class_number(1, ("0", "1")) == splitting.class_number("1", ("0", "1")) == 1
