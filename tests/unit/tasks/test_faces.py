"""The examples of the faces task: ids, labels, subjects, determinism, and what pictures have in common."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from harness.tasks.datasets.faces.faces import CLASS_NAMES, GROUPS, age_group, faces_examples
from harness.tasks.task import Split


@pytest.fixture(scope="module")
def examples() -> Split:
    return faces_examples(persons=120, pictures=3, seed=5)


def _digest(split: Split) -> str:
    parts = (split.images.tobytes(), split.labels.tobytes(), "".join(split.ids.tolist()).encode())
    return hashlib.sha256(b"|".join(parts)).hexdigest()


def test_arrays_have_the_shapes_and_types_of_a_split(examples: Split) -> None:
    assert examples.images.shape == (360, 3, 32, 32)
    assert examples.images.dtype == np.uint8
    assert examples.labels.shape == (360,)
    assert examples.labels.dtype == np.int64


def test_ids_are_unique_and_name_person_and_picture(examples: Split) -> None:
    assert len(set(examples.ids.tolist())) == 360
    assert examples.ids[:4].tolist() == ["p0000-00", "p0000-01", "p0000-02", "p0001-00"]


def test_every_picture_has_its_person_as_subject(examples: Split) -> None:
    assert examples.subjects is not None
    assert [identifier.split("-")[0] for identifier in examples.ids.tolist()] == examples.subjects.tolist()


def test_same_seed_gives_the_same_bytes(examples: Split) -> None:
    assert _digest(faces_examples(persons=120, pictures=3, seed=5)) == _digest(examples)


def test_another_seed_gives_other_pictures_and_labels(examples: Split) -> None:
    other = faces_examples(persons=120, pictures=3, seed=6)
    assert not np.array_equal(other.labels, examples.labels)
    assert (other.images != examples.images).mean() > 0.9


def test_more_persons_leave_the_first_ones_as_they_were(examples: Split) -> None:
    fewer = faces_examples(persons=40, pictures=3, seed=5)
    assert np.array_equal(fewer.images, examples.images[:120])
    assert np.array_equal(fewer.labels, examples.labels[:120])


def test_every_age_group_occurs_and_has_a_name(examples: Split) -> None:
    assert np.unique(examples.labels).tolist() == list(range(GROUPS))
    assert len(CLASS_NAMES) == GROUPS
    assert (CLASS_NAMES[0], CLASS_NAMES[-1]) == ("4-11", "76-83")


def test_all_pictures_of_a_person_belong_to_one_age_group(examples: Split) -> None:
    of_person = examples.labels.reshape(-1, 3)
    assert np.array_equal(of_person.min(axis=1), of_person.max(axis=1))


def test_age_groups_are_cut_where_their_names_say() -> None:
    ages = np.array([4, 11.9, 12, 75.9, 76, 83.9], np.float32)
    assert age_group(ages).tolist() == [0, 0, 1, 8, 9, 9]


def test_pictures_of_one_person_are_nearer_than_those_of_others(examples: Split) -> None:
    centre = examples.images[:, :, 6:28, 8:24].reshape(120, 3, -1).astype(np.float32)
    one, two = centre[:, 0], centre[:, 1]
    distance = np.sqrt(np.square(one[:, None] - two[None]).mean(axis=2))
    own, others = np.diag(distance).mean(), distance[~np.eye(120, dtype=bool)].mean()
    assert own < 0.7 * others


def test_pictures_of_one_person_differ(examples: Split) -> None:
    of_person = examples.images.reshape(120, 3, -1)
    assert ((of_person[:, 0] != of_person[:, 1]).mean(axis=1) > 0.5).all()


def test_label_noise_changes_its_share_of_labels_and_no_picture(examples: Split) -> None:
    noisy = faces_examples(persons=120, pictures=3, seed=5, label_noise=0.25)
    assert np.array_equal(noisy.images, examples.images)
    assert 0.15 < (noisy.labels != examples.labels).mean() < 0.35
    assert set(noisy.labels.tolist()) <= set(range(GROUPS))


@pytest.mark.parametrize(
    "wrong", [{"persons": 0}, {"pictures": 0}, {"label_noise": 1.5}, {"nuisance": -1.0}, {"noise": -1.0}]
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.*must"):
        faces_examples(**({"persons": 2, "pictures": 2, "seed": 0} | wrong))  # type: ignore[arg-type]
