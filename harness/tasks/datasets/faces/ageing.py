"""Effects of age on a face, and the colours of faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.tasks.datasets.faces.people import Identities, Values
from harness.tasks.datasets.faces.shapes import ramp

Colour = NDArray[np.float32]
"""Shape (n, 3, 1, 1), red, green and blue in [0, 1]."""

_SKIN = ((255, 222, 196), (241, 196, 158), (215, 160, 118), (160, 104, 70), (98, 62, 44))
_HAIR = ((24, 20, 22), (62, 40, 28), (112, 66, 36), (168, 116, 62), (222, 188, 122))
_EYES = ((58, 34, 20), (92, 66, 36), (88, 112, 76), (84, 124, 150), (110, 160, 205))
_HUES = ((196, 92, 84), (206, 168, 96), (108, 158, 92), (92, 150, 188), (118, 104, 178), (196, 92, 84))


@dataclass(frozen=True)
class Ageing:
    """The strength of each sign of age; every field has shape (n,), float32, in [0, 1].

    Attributes:
        child: 1 small child to 0 adult (proportions).
        grown: 0 before puberty to 1 adult (beard, brows).
        old: 0 young to 1 very old (sagging, thin lips, drooping lids).
        wrinkles: 0 smooth skin to 1 deeply lined.
        grey: share of grey hair.
        receding: 0 full hair to 1 bald.
    """

    child: Values
    grown: Values
    old: Values
    wrinkles: Values
    grey: Values
    receding: Values


def ageing(who: Identities, ages: Values) -> Ageing:
    """Return the signs of age of persons with the apparent ages ``ages``, shape (n,), years."""
    ages = ages.astype(np.float32)
    onset = 30 + 10 * who.greying
    return Ageing(
        child=np.clip((21 - ages) / 17, 0, 1),
        grown=ramp(ages, 12, 24),
        old=np.clip((ages - 30) / 54, 0, 1),
        wrinkles=np.clip((ages - 20) / 60, 0, 1),
        grey=np.clip((ages - onset) / 34, 0, 1),
        receding=who.balding * np.clip((ages - 24) / 46, 0, 1),
    )


def skin_colour(who: Identities, signs: Ageing) -> Colour:
    """Return the skin colour: by tone and hue, pinker for children, duller for old persons."""
    colour = _palette(_SKIN, who.skin_tone)
    colour[:, 0] += (0.02 * signs.child - 0.02 * signs.old)[:, None, None]
    colour[:, 1] += (0.012 * who.skin_hue - 0.01 * signs.child)[:, None, None]
    colour[:, 2] += (-0.03 * who.skin_hue + 0.015 * signs.old)[:, None, None]
    return colour


def hair_colour(who: Identities, signs: Ageing, share: float = 1.0) -> Colour:
    """Return the hair colour: by tone, mixed with grey that whitens with age; ``share`` scales the grey (less for brows)."""
    own = _palette(_HAIR, who.hair_tone)
    white = (0.66 + 0.22 * signs.grey * signs.old)[:, None, None, None]
    grey = white * np.array([1.0, 1.0, 1.02], np.float32)[None, :, None, None]
    return np.asarray(own + (grey - own) * (share * signs.grey)[:, None, None, None], np.float32)


def eye_colour(who: Identities) -> Colour:
    """Return the colour of the iris."""
    return _palette(_EYES, who.eye_tone)


def painted(hue: Values, level: Values) -> Colour:
    """Return a muted colour of background or clothes: ``hue`` around the circle, ``level`` from dark to light."""
    colour = _palette(_HUES, hue)
    mean = colour.mean(axis=1, keepdims=True)
    return np.asarray((mean + 0.6 * (colour - mean)) * (0.35 + 1.1 * level)[:, None, None, None], np.float32)


def _palette(colours: tuple[tuple[int, int, int], ...], position: Values) -> Colour:
    """Interpolate linearly between evenly spaced colours, ``position`` in [0, 1]."""
    table = np.array(colours, np.float32) / 255
    place = np.clip(position, 0, 1) * np.float32(len(colours) - 1)
    index = np.minimum(place.astype(np.int64), len(colours) - 2)
    weight = (place - index).astype(np.float32)[:, None]
    mixed = table[index] * (1 - weight) + table[index + 1] * weight
    return np.asarray(mixed[:, :, None, None], np.float32)
