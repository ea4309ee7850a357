"""Queries beyond the exact picture: fixed changes of the forget set's pictures or of the weights, the same for all models.

A method could hide memory from an attack that looks at the exact pictures alone, or keep the original's weights in low bits
that no exact picture brings out. So every model is asked for its logits on the forget set under further queries:

============  ===========================================  =============================================================
query         asked where                                  what is changed
============  ===========================================  =============================================================
``flip``      the recipe augments by "horizontal-flip"     each picture is mirrored left to right
``shift``     the recipe augments by "crop-pad-4"          each picture is moved one pixel to the right; the free column
                                                           is 0, as the recipe's crop pads
``noise``     always                                       Gaussian noise of standard deviation ``NOISE_SD``, the same
                                                           noise for all models, rounded and clipped to 0 to 255
``bfloat16``  always                                       the weights are rounded to bfloat16; the pictures are exact
============  ===========================================  =============================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reference_models.recipe import Augmentation, ModelSpec, Recipe, derive_seed

if TYPE_CHECKING:
    from reference_models.states import StackedState

Pictures = Mapping[str, NDArray[np.uint8]]
"""By query, what the models are shown: shape (n_forget, C, H, W)."""

Logits = dict[str, NDArray[np.float32]]

DEFINITION = 1
"""The version of the queries, part of cache keys and of a run's identity; raise it if what a query computes changes."""

NOISE_SD = 0.05
"""In the network's input scale, where each channel has a standard deviation of 1.

About three grey levels of 256. A model's confidence hardly moves, so memory stays as visible as on the exact picture; yet nearly
every pixel differs from the one that a method could have fitted. Larger noise would itself hide memory.
"""

_AUGMENTED: dict[Augmentation, str] = {"horizontal-flip": "flip", "crop-pad-4": "shift"}
_PREFIX = "query."


@dataclass(frozen=True)
class QueryPlan:
    """Which queries the models of a task are asked.

    Attributes:
        names: of the queries, in the order of the table above; empty for none.
        noise_seed: of the noise; it depends on the task's data alone.
        definition: the version of what a query computes.
    """

    names: tuple[str, ...]
    noise_seed: int = 0
    definition: int = DEFINITION

    @classmethod
    def of(cls, recipe: Recipe, data_digest: str) -> QueryPlan:
        """Return the queries of a task.

        The digest covers the test set, so a plugin cannot derive the noise from the data that it is given.
        """
        augmented = tuple(name for kind, name in _AUGMENTED.items() if kind in recipe.augment)
        return cls((*augmented, "noise", "bfloat16"), derive_seed("query noise", data_digest))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> QueryPlan:
        """Return the inverse of :meth:`to_json`."""
        return cls(tuple(data["names"]), data["noise_seed"], data["definition"])

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON values."""
        return {**asdict(self), "names": list(self.names)}

    def pictures(self, spec: ModelSpec, images: NDArray[np.uint8]) -> Pictures:
        """Return what each query shows in place of ``images``, shape (n, C, H, W)."""
        makers: dict[str, Callable[[], NDArray[np.uint8]]] = {
            "flip": lambda: flipped(images),
            "shift": lambda: shifted(images),
            "noise": lambda: noisy(images, spec.std, self.noise_seed),
            "bfloat16": lambda: images,
        }
        return {name: makers[name]() for name in self.names}


NO_QUERIES = QueryPlan(())
"""The plan of runs begun before there were queries."""


def flipped(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mirror images (n, C, H, W) left to right."""
    return np.ascontiguousarray(images[..., ::-1])


def shifted(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Move images (n, C, H, W) one pixel to the right; the first column becomes 0."""
    moved = np.zeros_like(images)
    moved[..., 1:] = images[..., :-1]
    return moved


def noisy(images: NDArray[np.uint8], std: tuple[float, ...], seed: int) -> NDArray[np.uint8]:
    """Add the same Gaussian noise to images (n, C, H, W) whenever the seed is the same.

    Args:
        images: the exact pictures.
        std: per channel, of images scaled to [0, 1]. The noise has a standard deviation of ``255 * std * NOISE_SD`` grey levels,
            and at least of one level, which rounding would else remove.
        seed: of the noise.
    """
    levels = np.maximum(1.0, 255 * NOISE_SD * np.array(std))[:, None, None]
    # NumPy changes the streams of Generator between versions, never that of RandomState: cached populations stay comparable.
    random = np.random.RandomState(seed % 2**32)
    changed = np.empty_like(images)
    for row, image in enumerate(images):  # one by one: float64 noise for all would take 8 times the pictures' memory
        changed[row] = np.clip(np.rint(image + levels * random.standard_normal(image.shape)), 0, 255)
    return changed


def rounded(state: StackedState) -> StackedState:
    """Return a state whose floating tensors are rounded to the nearest bfloat16, ties to even, in their own dtypes."""
    import torch

    return {
        name: tensor.to(torch.bfloat16).to(tensor.dtype) if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }


def answers(spec: ModelSpec, state: StackedState, pictures: Pictures, device: str) -> Logits:
    """Return the logits (K, n_forget, C) of K models under each query, by :func:`key`.

    Args:
        spec: the network.
        state: K members.
        pictures: of :meth:`QueryPlan.pictures`.
        device: where to compute.
    """
    from reference_models.prediction import stacked_logits

    return {
        key(name): stacked_logits(spec, rounded(state) if name == "bfloat16" else state, images, device=device)
        for name, images in pictures.items()
    }


def key(name: str) -> str:
    """Return the name of a query's logits in files that hold logits by split as well."""
    return _PREFIX + name


def queries_in(logits: Mapping[str, NDArray[np.float32]]) -> Logits:
    """Return the queries' logits, by query, out of a file's logits."""
    return {name.removeprefix(_PREFIX): array for name, array in logits.items() if name.startswith(_PREFIX)}
