"""The features of a face on the bare skin, each painted onto a chunk of images in place.

A feature is painted only on the rows that it can reach, and glasses and beards only on the images that have them. The rest
would be painted with coverage 0, so an image does not depend on the others of its chunk.
"""

from __future__ import annotations

import numpy as np

from harness.tasks.datasets.faces.scene import Scene
from harness.tasks.datasets.faces.shapes import Frame, Plane, band, below, blend, ellipse, inside, unit
from harness.tasks.datasets.faces.skin import outline

_RED, _BLACK, _WHITE, _TEETH, _RIM = (
    np.array(colour, np.float32)[None, :, None, None]
    for colour in ((0.72, 0.25, 0.25), (0.07, 0.05, 0.06), (0.93, 0.92, 0.90), (0.9, 0.88, 0.84), (0.3, 0.28, 0.29))
)


def paint_mouth(scene: Scene, image: Plane) -> None:
    """Paint the lips, and the line or opening between them."""
    who, how, signs = scene.who, scene.how, scene.signs
    rows = band(scene.face, 0.2, 0.8)
    face = scene.face.rows(rows)
    half = (0.21 + 0.03 * who.mouth_width - 0.06 * signs.child) * (1 + 0.12 * how.smile)
    full = (0.085 + 0.025 * who.lip_fullness) * (1 - 0.5 * signs.old) * (1 + 0.5 * how.mouth_open)
    bend = 0.5 * signs.old - 0.9 * how.smile
    bent = Frame(face.x, face.y - scene.mouth_level - bend * (face.x * face.x - 0.02), face.pixel)
    lips = scene.skin + (_RED - scene.skin) * (0.62 - 0.36 * signs.old)[:, None]
    blend(image[:, :, rows], ellipse(bent, 0, 0, half, full), lips)
    opening = ellipse(bent, 0, 0, 0.85 * half, 0.025 + 0.07 * how.mouth_open)
    dark = scene.skin * np.float32(0.36)
    teeth = (0.8 * np.maximum(how.smile, 0) * how.mouth_open)[:, None]
    blend(image[:, :, rows], opening * np.float32(0.9), dark + (_TEETH - dark) * teeth)


def paint_beard(scene: Scene, image: Plane) -> None:
    """Paint the beard of adults who have one, on jaw, chin and upper lip."""
    amount = scene.who.beard * scene.signs.grown
    chosen = np.flatnonzero(amount[:, 0, 0] > 0)
    face, level = scene.face.take(chosen), scene.mouth_level[chosen]
    area = unit((face.y + 0.9 * face.x * face.x - level + 0.18) * 6)
    area *= outline(scene)[chosen]
    part = image[chosen]
    blend(part, unit(area) * (0.85 * amount[chosen]), scene.hair[chosen] * np.float32(0.9))
    image[chosen] = part


def paint_eyes(scene: Scene, image: Plane) -> None:
    """Paint the white, iris, pupil and upper lid of both eyes, and the brows."""
    who, how, signs = scene.who, scene.how, scene.signs
    rows = band(scene.face, -0.5, 0.4)
    face, image = scene.face.rows(rows), image[:, :, rows]
    half = 0.125 * (1 + 0.12 * who.eye_size + 0.26 * signs.child - 0.12 * signs.old)
    tall = 0.085 * (1 + 0.15 * who.eye_size + 0.42 * signs.child - 0.40 * signs.old) * (1 - 0.75 * how.lids)
    folded = face.mirrored().shifted(scene.eye_distance, scene.eye_level)
    slanted = Frame(folded.x, folded.y + (0.15 * who.eye_slant - 0.25 * signs.old) * folded.x, folded.pixel)
    lid = ellipse(slanted, 0, -0.025, half + 0.03, tall + 0.02)
    blend(image, lid * np.float32(0.75), scene.skin * np.float32(0.42))
    white = ellipse(slanted, 0, 0, half, tall)
    blend(image, white, _WHITE)
    _paint_irises(scene, face, image, white)
    _paint_brows(scene, folded, image)


def _paint_irises(scene: Scene, face: Frame, image: Plane, white: Plane) -> None:
    radius = 0.072 * (1 + 0.3 * scene.signs.child + 0.06 * scene.who.eye_size)
    eyes = Frame(np.abs(face.x - 0.035 * scene.how.gaze), face.y - scene.eye_level, face.pixel)
    blend(image, ellipse(eyes, scene.eye_distance, 0, radius, radius) * white, scene.iris)
    blend(image, ellipse(eyes, scene.eye_distance, 0, 0.032, 0.032) * white, _BLACK)


def _paint_brows(scene: Scene, folded: Frame, image: Plane) -> None:
    who, signs = scene.who, scene.signs
    lift = 0.21 + 0.02 * who.brow_height + 0.03 * signs.child - 0.04 * signs.old
    thick = (0.036 + 0.014 * who.brow_thickness) * (0.7 + 0.3 * signs.grown)
    tilt = 0.18 * who.brow_slant + 0.15 * signs.old - 0.1 * scene.how.smile
    arch = Frame(folded.x, folded.y + lift - (tilt + 1.2 * folded.x) * folded.x, folded.pixel)
    blend(image, ellipse(arch, 0.01, 0, 0.17, thick) * (0.55 + 0.35 * signs.grown), scene.brow)


def paint_hair(scene: Scene, image: Plane) -> None:
    """Paint the hair around an arch that leaves the face free; the arch rises and widens as the hairline recedes."""
    who, signs, head = scene.who, scene.signs, scene.head
    gone = signs.receding
    bulk = 0.06 + 0.09 * who.hair_volume - 0.05 * signs.old
    wide = scene.width + bulk + 0.10 * np.maximum(who.hair_length - 0.4, 0)
    crown = Frame(head.x, np.minimum(head.y, 0), head.pixel)
    hair = ellipse(crown, 0, 0, wide, scene.height + 0.02 + bulk)
    hair *= 1 - below(head, -0.12 + 1.3 * who.hair_length - 0.1 * gone)
    up = np.minimum(head.y + 0.1, 0)
    parted = Frame(head.x + 0.18 * who.parting * (1 - gone) * up, up, head.pixel)
    rise = 0.42 - 0.11 * who.hairline + 0.70 * gone
    hair *= 1 - ellipse(parted, 0, 0, scene.width * (0.80 + 0.15 * gone), rise)
    sheen = 0.85 - 0.35 * np.minimum(head.y, 0) + 0.1 * np.abs(np.mod(head.x * 6 + head.y, 1) - 0.5)
    blend(image, hair, scene.hair * sheen[:, None])


def paint_glasses(scene: Scene, image: Plane) -> None:
    """Paint the rims of those who wear glasses."""
    chosen = np.flatnonzero(scene.who.glasses[:, 0, 0] > 0)
    folded = scene.face.take(chosen).mirrored().shifted(scene.eye_distance[chosen], scene.eye_level[chosen])
    rim = ellipse(folded, 0, 0.02, 0.235, 0.19)
    rim -= ellipse(folded, 0, 0.02, 0.175, 0.13)
    rim += inside(folded.y, -0.03, 0.03, folded.pixel) * (folded.x < -0.2)
    part = image[chosen]
    blend(part, unit(rim) * np.float32(0.8), _RIM)
    image[chosen] = part
