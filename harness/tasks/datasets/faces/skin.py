"""The bare head: neck, ears, outline and shading of the skin."""

from __future__ import annotations

import numpy as np

from harness.tasks.datasets.faces.scene import Scene
from harness.tasks.datasets.faces.shapes import Frame, Plane, band, below, blend, ellipse, hashed, inside, soft, unit


def paint_skin(scene: Scene, image: Plane) -> None:
    """Paint neck, ears and head with shading."""
    head, width = scene.head, scene.width
    neck = inside(head.x, -0.62 * width, 0.62 * width, head.pixel) * below(head, 0.3)
    blend(image, neck, scene.skin * np.float32(0.74))
    ear = ellipse(head.mirrored(), width, 0.05 + scene.eye_level, 0.09, 0.13 + 0.03 * scene.signs.old)
    blend(image, ear, scene.skin * np.float32(0.84))
    blend(image, outline(scene), scene.skin * _shade(scene)[:, None])


def outline(scene: Scene) -> Plane:
    """Return the coverage of the head: an ellipse that narrows towards the chin."""
    frame, signs = scene.head, scene.signs
    v = frame.y * (1 / scene.height)
    taper = 0.16 - 0.05 * scene.who.jaw - 0.08 * signs.child - 0.07 * signs.old
    u = frame.x / (scene.width * (1 - taper * v))
    u *= u
    v *= v
    u += v
    np.subtract(1, u, out=u)
    u *= scene.width / (2 * frame.pixel)
    return soft(u)


def _shade(scene: Scene) -> Plane:
    """Return the lightness of the skin relative to its colour: roundness, wrinkles, nose, spots."""
    frame = scene.head
    u = frame.x * (1 / scene.width)
    shade = 1.06 - 0.24 * u * u
    shade -= 0.10 * below(frame, 0.62 * scene.height)
    shade -= _spots(scene)
    for low, high, part in ((-0.8, -0.2, _forehead), (-0.4, 0.6, _eye_lines), (-0.2, 0.5, _nose), (0.1, 0.8, _folds)):
        rows = band(scene.face, low, high)
        shade[:, rows] -= part(scene, scene.face.rows(rows))
    return shade


def _stroke(distance: Plane, half_width: float, pixel: Plane) -> Plane:
    """Return a soft line at ``distance`` 0, at least a pixel wide so that it is visible at this resolution."""
    return np.maximum(1 - np.abs(distance) * (1 / (half_width + 0.85 * pixel)), 0)


def _forehead(scene: Scene, face: Frame) -> Plane:
    """Return up to three lines across the forehead, which appear one by one with age."""
    arch = face.y + 0.12 * face.x * face.x
    lines = np.zeros_like(arch)
    for level, start in ((-0.40, 0.0), (-0.50, 0.25), (-0.60, 0.5)):
        strength = unit((scene.signs.wrinkles - start) * 1.6) * np.float32(0.26)
        lines += strength * _stroke(arch - level, 0.02, face.pixel)
    lines *= unit((0.44 - np.abs(face.x)) * 10)
    return lines


def _eye_lines(scene: Scene, face: Frame) -> Plane:
    """Return bags under the eyes and crow's feet at their corners."""
    folded, deep = face.mirrored().shifted(scene.eye_distance, scene.eye_level), scene.signs.wrinkles
    x, y = folded.x, folded.y
    ring = np.square(x * (1 / 0.17)) + np.square((y - 0.02) / (0.14 + 0.06 * deep))
    lines: Plane = np.maximum(1 - np.abs(ring - 1) * 2.2, 0)
    lines *= unit((y - 0.03) * 16)
    lines *= 0.02 + 0.40 * deep
    beyond = x - 0.15
    fan = _stroke(np.abs(y) - 0.5 * beyond, 0.02, face.pixel)
    fan *= unit(beyond * 20)
    fan *= unit((0.17 - beyond) * 14)
    lines += 0.28 * deep * fan
    return lines


def _folds(scene: Scene, face: Frame) -> Plane:
    """Return folds from nose to mouth, and sunken cheeks."""
    x, y, signs = np.abs(face.x), face.y, scene.signs
    fold = _stroke(x - 0.02 - 0.55 * y - 0.10 * signs.old, 0.025, face.pixel)
    fold *= inside(y, 0.20, 0.56, face.pixel)
    fold *= 0.38 * signs.wrinkles + 0.05 * np.maximum(scene.how.smile, 0)
    sunken = np.square((x - 0.40) * (1 / 0.14)) + np.square((y - 0.42) * (1 / 0.2))
    fold += 0.22 * signs.old * np.maximum(1 - sunken, 0)
    return fold


def _nose(scene: Scene, face: Frame) -> Plane:
    """Return the shadows along the bridge and under the tip, and nostrils; the nose grows with age."""
    who, signs = scene.who, scene.signs
    size = 1 - 0.42 * signs.child + 0.15 * signs.old
    tip = scene.eye_level + (0.31 + 0.04 * who.nose_length) * size
    half = (0.105 + 0.03 * who.nose_width) * size
    shadow = _stroke(np.abs(face.x - 0.02) - 0.45 * half, 0.02, face.pixel)
    shadow *= inside(face.y, scene.eye_level - 0.05, tip - 0.04, face.pixel) * (0.10 - 0.05 * signs.child)
    shadow += ellipse(face, 0, tip, half, 0.05) * np.float32(0.16)
    shadow += ellipse(face.mirrored(), 0.6 * half, tip + 0.02, 0.035, 0.03) * np.float32(0.28)
    shadow -= ellipse(face, 0, tip - 0.08, 0.4 * half, 0.09) * np.float32(0.07)
    return shadow


def _spots(scene: Scene) -> Plane:
    """Return freckles and age spots: the person's pattern on a grid that moves with the face."""
    face = scene.face
    column, row = unit((face.x + 1) * 0.5) * 15, unit((face.y + 1) * 0.5) * 15
    cell = row.astype(np.int64) * 16 + column.astype(np.int64)
    pattern = hashed(scene.who.spot_key[:, 0, 0].astype(np.uint32), 256) >> np.uint32(24)
    dark = unit((pattern.astype(np.float32) - 150) * np.float32(1 / 80))
    dark *= ((0.03 + 0.09 * scene.who.spots) * (0.25 + scene.signs.wrinkles))[:, 0]
    return np.take_along_axis(dark, cell.reshape(len(cell), -1), axis=1).reshape(cell.shape)
