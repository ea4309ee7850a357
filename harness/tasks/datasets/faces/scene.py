"""A chunk of faces to render: parameters, coordinate frames and positions of the features."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from harness.tasks.datasets.faces.ageing import Ageing, Colour, ageing, eye_colour, hair_colour, skin_colour
from harness.tasks.datasets.faces.people import Identities, Nuisance, Values
from harness.tasks.datasets.faces.shapes import Frame, Plane, head_frame

T = TypeVar("T", Identities, Nuisance, Ageing)


@dataclass(frozen=True)
class Scene:
    """A chunk of n images; the fields of ``who``, ``how`` and ``signs`` have shape (n, 1, 1).

    Attributes:
        who, how, signs: identity, nuisance parameters and signs of age.
        head: coordinate frame of the head's outline.
        face: coordinate frame of the features, also shifted by yaw and pitch.
        skin, hair, brow, iris: colours, shape (n, 3, 1, 1).
        width, height: semi-axes of the head.
        eye_level, eye_distance: y of the eyes, and x of the right eye, in the frame ``face``.
        mouth_level: y of the mouth, in the frame ``face``.
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
    """Return the scene of persons with the apparent ages ``ages``, years."""
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
    """Return the table with fields of shape (n, 1, 1) instead of (n,)."""
    return type(table)(**{item.name: getattr(table, item.name)[:, None, None] for item in fields(table)})
