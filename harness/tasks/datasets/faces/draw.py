"""Deterministic rendering of faces from parameters to 32x32 colour images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.tasks.datasets.faces.ageing import painted
from harness.tasks.datasets.faces.features import paint_beard, paint_eyes, paint_glasses, paint_hair, paint_mouth
from harness.tasks.datasets.faces.people import Identities, Nuisance, Values, take
from harness.tasks.datasets.faces.scene import Scene, build_scene
from harness.tasks.datasets.faces.shapes import SIZE, Plane, blend, ellipse, hashed
from harness.tasks.datasets.faces.skin import paint_skin

_CHUNK = 128
_LINE: Plane = (np.arange(SIZE, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / SIZE) - 1
_ACROSS, _DOWN = _LINE[None, None, :], _LINE[None, :, None]


def draw_faces(identities: Identities, ages: Values, nuisance: Nuisance, *, noise: float = 0.0) -> NDArray[np.uint8]:
    """Render one image per row.

    Args:
        identities: n persons, one per image.
        ages: apparent ages, years, shape (n,), float32; from about 2 to 100.
        nuisance: n rows of nuisance parameters.
        noise: standard deviation of independent noise on every pixel and channel, grey levels of 255.

    Returns:
        shape (n, 3, 32, 32), uint8. An image depends only on its own row.
    """
    images = np.empty((len(ages), 3, SIZE, SIZE), np.uint8)
    for start in range(0, len(ages), _CHUNK):
        rows = slice(start, start + _CHUNK)
        images[rows] = _draw(take(identities, rows), ages[rows], take(nuisance, rows), noise)
    return images


def _draw(who: Identities, ages: Values, how: Nuisance, noise: float) -> NDArray[np.uint8]:
    scene = build_scene(who, ages, how)
    wall = painted(how.background_hue, how.background_level)
    clothes = painted(how.clothes_hue, how.clothes_level)
    image = wall * (1 + 0.25 * (scene.how.background_slope * (_DOWN + _ACROSS)))[:, None]
    blend(image, ellipse(scene.head, 0, 1.38, 1.1, 0.55), clothes)
    paint_skin(scene, image)
    paint_beard(scene, image)
    paint_mouth(scene, image)
    paint_eyes(scene, image)
    paint_hair(scene, image)
    paint_glasses(scene, image)
    return _photograph(scene, image, how.noise_key, noise)


def _photograph(scene: Scene, image: Plane, key: NDArray[np.uint32], noise: float) -> NDArray[np.uint8]:
    """Apply directional light and a tint, add noise, and round to 8 bits."""
    how = scene.how
    light = how.brightness * (1 + how.light_x * _ACROSS + how.light_y * _DOWN)
    image *= light[:, None]
    image[:, 0] *= how.tint
    image[:, 2] /= how.tint
    image *= 255
    if noise > 0:
        image += np.float32(noise) * _noise(key).reshape(image.shape)
    image += np.float32(0.5)
    np.maximum(image, 0, out=image)
    return np.minimum(image, 255, out=image).astype(np.uint8)


def _noise(key: NDArray[np.uint32]) -> Plane:
    """Return approximately normal noise, standardised sums of four uniform bytes, shape (n, 3 * SIZE * SIZE)."""
    value = hashed(key, 3 * SIZE * SIZE)
    pairs = (value & np.uint32(0x00FF00FF)) + ((value >> np.uint32(8)) & np.uint32(0x00FF00FF))
    total: Plane = ((pairs & np.uint32(0xFFFF)) + (pairs >> np.uint32(16))).astype(np.float32)
    total -= np.float32(510)
    total *= np.float32(1 / 147.8)
    return total
