"""The data of the ``faces`` task: generated face images, classified into ten age groups.

It follows the scenario of the NeurIPS 2023 Machine Unlearning Challenge without a download: several images per person, a
fixed age per person, and (by the task's ``forget`` section) all images of certain persons to be forgotten.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.tasks.datasets.faces.draw import draw_faces
from harness.tasks.datasets.faces.people import sample_identities, sample_nuisance, take
from harness.tasks.task import Split

YOUNGEST, OLDEST, GROUPS = 4, 84, 10
"""Ages in years, divided into equal groups: [4, 12), [12, 20), ... [76, 84)."""

CLASS_NAMES = tuple(f"{low}-{low + 7}" for low in range(YOUNGEST, OLDEST, (OLDEST - YOUNGEST) // GROUPS))


def faces_examples(
    *,
    persons: int,
    pictures: int,
    seed: int,
    label_noise: float = 0.0,
    looks_spread: float = 1.0,
    nuisance: float = 0.5,
    noise: float = 4.0,
) -> Split:
    """Return all images of all persons, person by person.

    Args:
        persons: number of persons; the first k persons are the same for any number of persons >= k.
        pictures: number of images per person.
        seed: seed of all random numbers.
        label_noise: share of images with a label replaced by another class, in [0, 1].
        looks_spread: standard deviation of apparent age minus true age, years.
        nuisance: strength of pose, light and expression; 0 none, 1 strong, at most 2.
        noise: standard deviation of the pixel noise, grey levels of 255.

    Returns:
        ``persons * pictures`` examples with ids ``p0123-07``, images of shape (3, 32, 32), the age group as label and
        ``p0123`` as subject.

    Raises:
        ValueError: a number is out of range.
    """
    _check(persons=persons, pictures=pictures, label_noise=label_noise, nuisance=nuisance, noise=noise)
    streams = [np.random.Generator(np.random.PCG64([seed, purpose])) for purpose in range(4)]
    identities, ages = sample_identities(persons, streams[0]), _ages(persons, pictures, streams[1])
    owner = np.repeat(np.arange(persons), pictures)
    who = take(identities, owner)
    looks = (ages + np.float32(looks_spread) * who.looks).astype(np.float32)
    images = draw_faces(who, looks, sample_nuisance(persons * pictures, nuisance, streams[2]), noise=noise)
    names = np.array([f"p{person:04d}" for person in range(persons)])
    ids = np.array([f"{name}-{picture:02d}" for name in names for picture in range(pictures)])
    labels = _corrupt(age_group(ages), label_noise, streams[3])
    return Split(ids=ids, inputs=images, labels=labels, subjects=names[owner])


def age_group(ages: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the class of each age in years."""
    return np.clip((ages - YOUNGEST) * GROUPS // (OLDEST - YOUNGEST), 0, GROUPS - 1).astype(np.int64)


def _ages(persons: int, pictures: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the age on each image, years: one age per person, uniform over the groups' middle five years, +- 0.5 years.

    All images of a person therefore have the same class.
    """
    table = rng.random((persons, 1 + pictures), dtype=np.float32)
    width = (OLDEST - YOUNGEST) / GROUPS
    group = np.floor(table[:, :1] * GROUPS)
    within = table[:, :1] * GROUPS - group
    middle = YOUNGEST + width * (group + 0.5)
    ages = middle + (within - np.float32(0.5)) * 5 + (table[:, 1:] - np.float32(0.5))
    return np.asarray(ages.reshape(-1), np.float32)


def _corrupt(labels: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Replace a share of the labels by another class, uniformly."""
    chosen, step = rng.random(len(labels)) < share, rng.integers(1, GROUPS, len(labels))
    return np.where(chosen, (labels + step) % GROUPS, labels)


def _check(*, persons: int, pictures: int, label_noise: float, nuisance: float, noise: float) -> None:
    if persons < 1 or pictures < 1:
        raise ValueError(f"persons and pictures must be at least 1, not {persons} and {pictures}")
    if not 0 <= label_noise <= 1:
        raise ValueError(f"label_noise must be in [0, 1], not {label_noise}")
    if not 0 <= nuisance <= 2:
        raise ValueError(f"nuisance must be in [0, 2], not {nuisance}")
    if noise < 0:
        raise ValueError(f"noise must not be negative, not {noise}")
