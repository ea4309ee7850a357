"""Random parameters of generated faces: identities and nuisance parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Table = TypeVar("Table", "Identities", "Nuisance")


@dataclass(frozen=True)
class Identities:
    """Parameters that are constant over all images of a person; every field has shape (n,), float32.

    Attributes:
        skin_tone: 0 light to 1 dark.
        skin_hue: -1 pink to 1 yellow.
        face_width, face_length: -1 narrow or short to 1 wide or long.
        jaw: -1 pointed to 1 square.
        hair_tone: 0 black to 1 blond, before greying.
        hair_length: 0 cropped to 1 below the shoulders.
        hair_volume: 0 flat to 1 full.
        hairline: -1 high forehead to 1 fringe.
        parting: -1 left to 1 right.
        balding: 0 no hair loss to 1 bald in old age.
        greying: 0 early to 1 late.
        eye_tone: 0 brown over green to 1 blue.
        eye_size, eye_spacing, eye_slant: -1 to 1.
        brow_thickness, brow_height, brow_slant: -1 to 1.
        nose_length, nose_width: -1 to 1.
        mouth_width, mouth_height, lip_fullness: -1 to 1.
        beard: 0 shaven to 1 full beard; adults only.
        glasses: 0 or 1.
        spots: 0 to 1, strength of freckles and age spots.
        spot_key: whole number below 2**16, seed of the pattern of spots.
        looks: standard score of apparent minus true age; about -1.7 to 1.7.
    """

    skin_tone: Values
    skin_hue: Values
    face_width: Values
    face_length: Values
    jaw: Values
    hair_tone: Values
    hair_length: Values
    hair_volume: Values
    hairline: Values
    parting: Values
    balding: Values
    greying: Values
    eye_tone: Values
    eye_size: Values
    eye_spacing: Values
    eye_slant: Values
    brow_thickness: Values
    brow_height: Values
    brow_slant: Values
    nose_length: Values
    nose_width: Values
    mouth_width: Values
    mouth_height: Values
    lip_fullness: Values
    beard: Values
    glasses: Values
    spots: Values
    spot_key: Values
    looks: Values


@dataclass(frozen=True)
class Nuisance:
    """Parameters that vary over the images of a person; every field has shape (n,), float32 unless stated.

    Attributes:
        shift_x, shift_y: shift of the head, in half image widths.
        roll: tangent of half the tilt of the head.
        scale: relative size of the head.
        yaw, pitch: shift of the features on the head when it turns, in half image widths.
        light_x, light_y: strength of the light's gradient towards the right and the bottom.
        brightness: factor of all channels.
        tint: factor of red; blue is divided by it.
        smile: -1 frown to 1 smile.
        mouth_open: 0 to 1.
        gaze: -1 left to 1 right.
        lids: 0 eyes wide open to 1 nearly closed.
        background_hue, background_level, background_slope: colour, lightness and gradient behind the head.
        clothes_hue, clothes_level: colour and lightness.
        noise_key: seed of the pixel noise, shape (n,), uint32.
    """

    shift_x: Values
    shift_y: Values
    roll: Values
    scale: Values
    yaw: Values
    pitch: Values
    light_x: Values
    light_y: Values
    brightness: Values
    tint: Values
    smile: Values
    mouth_open: Values
    gaze: Values
    lids: Values
    background_hue: Values
    background_level: Values
    background_slope: Values
    clothes_hue: Values
    clothes_level: Values
    noise_key: NDArray[np.uint32]


def take(table: Table, index: NDArray[np.int64] | slice) -> Table:
    """Return the rows at ``index`` of every field."""
    return type(table)(**{item.name: getattr(table, item.name)[index] for item in fields(table)})


def sample_identities(persons: int, rng: np.random.Generator) -> Identities:
    """Sample persons; the first k are the same for every ``persons`` >= k."""
    u = dict(
        zip((item.name for item in fields(Identities)), _columns(rng, persons, len(fields(Identities))), strict=True)
    )
    signed = {name: 2 * value - 1 for name, value in u.items()}
    plain = ("skin_tone", "hair_volume", "balding", "greying", "spots")
    long_haired = u["hair_length"] > 0.55
    values = signed | {name: u[name] for name in plain}
    values["hair_tone"] = u["hair_tone"] * (1 - 0.85 * u["skin_tone"])
    values["eye_tone"] = u["eye_tone"] * (1 - 0.9 * u["skin_tone"])
    values["hair_length"] = np.where(long_haired, u["hair_length"], 0.4 * u["hair_length"]).astype(np.float32)
    values["balding"] = np.where(long_haired, 0.15 * u["balding"], u["balding"]).astype(np.float32)
    values["beard"] = np.where(long_haired, 0, np.clip(2.5 * u["beard"] - 1.5, 0, 1)).astype(np.float32)
    values["glasses"] = (u["glasses"] > 0.75).astype(np.float32)
    values["spot_key"] = np.floor(u["spot_key"] * 65536)
    values["looks"] = signed["looks"] * 1.7320508
    return Identities(**values)


def sample_nuisance(pictures: int, strength: float, rng: np.random.Generator) -> Nuisance:
    """Sample nuisance parameters; ``strength`` scales pose, light and expression (1 as designed, 0 none)."""
    names = [item.name for item in fields(Nuisance)]
    u = dict(zip(names, _columns(rng, pictures, len(names)), strict=True))
    signed = {name: (2 * value - 1) * np.float32(strength) for name, value in u.items()}
    spread = {
        "shift_x": 0.10, "shift_y": 0.08, "roll": 0.10, "yaw": 0.12, "pitch": 0.06, "light_x": 0.35, "light_y": 0.2,
        "smile": 1.0, "gaze": 1.0,
    }  # fmt: skip
    values = {name: signed[name] * np.float32(width) for name, width in spread.items()}
    values |= {name: 1 + signed[name] * np.float32(width) for name, width in _FACTORS.items()}
    values |= {name: u[name] for name in ("background_hue", "background_level", "clothes_hue", "clothes_level")}
    values["mouth_open"] = np.clip(3 * u["mouth_open"] - 2, 0, 1) * np.float32(strength)
    values["lids"] = np.clip(2.5 * u["lids"] - 1.5, 0, 1) * np.float32(strength)
    values["background_slope"] = 2 * u["background_slope"] - 1
    key = np.floor(u["noise_key"] * np.float32(2**24)).astype(np.uint32)
    return Nuisance(**values, noise_key=key)


_FACTORS = {"scale": 0.08, "brightness": 0.22, "tint": 0.10}


def _columns(rng: np.random.Generator, rows: int, columns: int) -> list[Values]:
    """Return uniform numbers in [0, 1), an array of shape (rows,) per column; further rows do not change earlier ones."""
    table = rng.random((rows, columns), dtype=np.float32)
    return list(np.ascontiguousarray(table.T))
