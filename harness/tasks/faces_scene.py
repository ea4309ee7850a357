"""One chunk of faces about to be drawn: parameters, frames and the places of the features."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from harness.tasks.faces_ageing import Ageing, Colour, ageing, eye_colour, hair_colour, skin_colour
from harness.tasks.faces_people import Identities, Nuisance, Values
from harness.tasks.faces_shapes import Frame, Plane, head_frame

T = TypeVar("T", Identities, Nuisance, Ageing)


@dataclass(frozen=True)
class Scene:
    """A chunk of n pictures; the fields of ``who``, ``how`` and ``signs`` have shape (n, 1, 1).

    Attributes:
        who, how, signs: identity, circumstances and signs of age.
        head: frame that moves with the head's outline.
        face: frame that also turns with the features.
        skin, hair, brow, iris: colours, shape (n, 3, 1, 1).
        width, height: half axes of the head.
        eye_level, eye_distance: y of the eyes, and x of the right one, in the face's frame.
        mouth_level: y of the mouth.
    """

    who: Identities
    how: Nuisance
    signs: Ageing
    head: Frame
    face: Frame
    skin: Colour
    hair: Colour
    brow: Colour
    iris: Colour
    width: Plane
    height: Plane
    eye_level: Plane
    eye_distance: Plane
    mouth_level: Plane


def build_scene(who: Identities, ages: Values, how: Nuisance) -> Scene:
    """Place the heads of persons who look ``ages`` years old."""
    signs = ageing(who, ages)
    skin, hair, brow = skin_colour(who, signs), hair_colour(who, signs), hair_colour(who, signs, share=0.8)
    iris = eye_colour(who)
    who, how, signs = _spread(who), _spread(how), _spread(signs)
    child, old = signs.child, signs.old
    scale = how.scale * (np.float32(1.1) - np.float32(0.08) * child)
    head = head_frame(how.shift_x, how.shift_y + np.float32(0.07), how.roll, scale)
    return Scene(
        who=who, how=how, signs=signs, head=head, face=head.shifted(how.yaw, how.pitch),
        skin=skin, hair=hair, brow=brow, iris=iris,
        width=0.61 + 0.045 * who.face_width + 0.06 * child + 0.02 * old,
        height=0.80 + 0.045 * who.face_length - 0.07 * child + 0.02 * old,
        eye_level=-0.06 + 0.19 * child,
        eye_distance=0.265 + 0.025 * who.eye_spacing + 0.01 * child,
        mouth_level=0.46 + 0.03 * who.mouth_height + 0.05 * child,
    )  # fmt: skip


def _spread(table: T) -> T:
    """Every field with shape (n, 1, 1) instead of (n,)."""
    return type(table)(**{item.name: getattr(table, item.name)[:, None, None] for item in fields(table)})
