"""Drawing: what age, identity and circumstances do to the pixels, everything else being equal."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.tasks.datasets.faces.draw import draw_faces
from harness.tasks.datasets.faces.people import Identities, Nuisance, sample_identities, sample_nuisance, take
from harness.tasks.datasets.faces.scene import build_scene

N = 96
FRONT = sample_nuisance(N, 0.0, np.random.default_rng(2))
PEOPLE = sample_identities(N, np.random.default_rng(1))


def _at(age: float, people: Identities = PEOPLE, how: Nuisance = FRONT, noise: float = 0.0) -> NDArray[np.float32]:
    return draw_faces(people, np.full(N, age, np.float32), how, noise=noise).astype(np.float32)


def _colourfulness(images: NDArray[np.float32]) -> float:
    return float((images.max(axis=1) - images.min(axis=1)).mean())


def _roughness(images: NDArray[np.float32]) -> float:
    grey = images.mean(axis=1)
    return float(np.abs(np.diff(grey, n=2, axis=1)).mean() / grey.mean())


def test_hair_turns_grey_with_age() -> None:
    haired = replace(PEOPLE, balding=np.zeros(N, np.float32), hair_tone=np.full(N, 0.6, np.float32))
    crown = [_colourfulness(_at(age, haired)[:, :, 3:7, 12:20]) for age in (25, 45, 60, 80)]
    assert crown == sorted(crown, reverse=True)
    assert crown[-1] < 0.4 * crown[0]


def test_hair_gets_lighter_with_age() -> None:
    dark = replace(PEOPLE, balding=np.zeros(N, np.float32), hair_tone=np.zeros(N, np.float32))
    crown = [_at(age, dark)[:, :, 3:7, 12:20].mean() for age in (25, 45, 60, 80)]
    assert crown == sorted(crown)


def test_foreheads_get_lined_with_age() -> None:
    none = np.zeros(N, np.float32)
    clear = replace(PEOPLE, hairline=np.full(N, -1, np.float32), balding=none, spots=none)
    forehead = [_roughness(_at(age, clear)[:, :, 8:13, 14:18]) for age in (20, 40, 60, 80)]
    assert forehead == sorted(forehead)
    assert forehead[-1] > 3 * forehead[0]


def test_children_have_larger_eyes() -> None:
    none, full = np.zeros(N, np.float32), np.ones(N, np.float32)
    dark = replace(PEOPLE, skin_tone=full, hair_tone=none, greying=full, glasses=none)
    white = [(_at(age, dark)[:, :, 10:24, 10:22].min(axis=1) > 150).sum() for age in (5, 14, 25)]
    assert white == sorted(white, reverse=True)
    assert white[0] > 1.5 * white[-1]


def test_ages_a_group_apart_are_visible() -> None:
    steps = [np.abs(_at(age + 8) - _at(age)).mean() for age in range(8, 76, 8)]
    assert min(steps) > 1


@pytest.mark.parametrize("name", [item.name for item in fields(Identities) if item.name != "looks"])
def test_every_trait_shows(name: str) -> None:
    people = sample_identities(N, np.random.default_rng(3))
    other = replace(PEOPLE, **{name: getattr(people, name)})
    assert not np.array_equal(_at(60), _at(60, other))


@pytest.mark.parametrize("name", [item.name for item in fields(Nuisance)])
def test_every_circumstance_shows(name: str) -> None:
    taken = sample_nuisance(N, 1.0, np.random.default_rng(4))
    how = replace(taken, mouth_open=np.ones(N, np.float32))
    strange = sample_nuisance(N, 1.0, np.random.default_rng(5))
    other = replace(how, **{name: getattr(strange, name)})
    assert not np.array_equal(_at(30, how=how, noise=5), _at(30, how=other, noise=5))


def test_noise_has_the_standard_deviation_asked_for() -> None:
    difference = (_at(30, noise=8) - _at(30))[:, :, 8:24, 8:24]
    inner = difference[(_at(30)[:, :, 8:24, 8:24] > 60) & (_at(30)[:, :, 8:24, 8:24] < 200)]
    assert inner.std() == pytest.approx(8, rel=0.05)
    assert inner.mean() == pytest.approx(0, abs=0.2)


def test_a_picture_does_not_depend_on_its_neighbours() -> None:
    index = np.random.default_rng(0).permutation(N)[:7]
    ages = np.linspace(4, 84, N, dtype=np.float32)
    how = sample_nuisance(N, 1.0, np.random.default_rng(4))
    together = draw_faces(PEOPLE, ages, how, noise=3)
    assert np.array_equal(draw_faces(take(PEOPLE, index), ages[index], take(how, index), noise=3), together[index])


def test_everything_is_computed_in_single_precision() -> None:
    scene = build_scene(PEOPLE, np.full(N, 40, np.float32), FRONT)
    planes = [scene.skin, scene.hair, scene.brow, scene.iris, scene.width, scene.eye_level, scene.face.x, scene.head.y]
    assert {plane.dtype for plane in planes} == {np.dtype(np.float32)}
