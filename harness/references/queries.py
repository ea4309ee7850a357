"""Queries besides the exact inputs: fixed changes of the forget set's inputs or of the weights, the same for all models.

A method could hide memorisation from an attack that uses only the exact inputs, or keep the original's weights in low-order
bits that do not affect exact inputs. Therefore every model's logits on the forget set are also computed under these queries:

============  ===========================================  =============================================================
query         used if                                      change
============  ===========================================  =============================================================
``flip``      the recipe augments by "horizontal-flip"     each picture is mirrored left to right
``shift``     the recipe augments by "crop-pad-4"          each picture is moved one pixel to the right; the free column
                                                           is 0, as the recipe's crop pads
``noise``     inputs are bytes or floating-point numbers   Gaussian noise of standard deviation ``NOISE_SD``, the same
                                                           noise for all models; bytes are rounded and clipped
``bfloat16``  always                                       the weights are rounded to bfloat16; the inputs are exact
============  ===========================================  =============================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reference_models.networks.recipe import Augmentation, ModelSpec, Recipe, derive_seed

if TYPE_CHECKING:
    from reference_models.training.states import StackedState

Pictures = Mapping[str, NDArray[Any]]
"""Query -> modified inputs, shape (n_forget, ...)."""

Logits = dict[str, NDArray[np.float32]]

DEFINITION = 1
"""Version of the queries, part of cache keys and of a run's identity; increment it if a query's computation changes."""

NOISE_SD = 0.05
"""Standard deviation of the noise on the network's input scale, where each channel has standard deviation 1.

This is about three of 256 grey levels. It hardly changes a model's confidence, so memorisation stays as visible as on the exact
picture, yet nearly every pixel differs from the one that a method could have fitted. Larger noise would itself hide memorisation.
"""

_AUGMENTED: dict[Augmentation, str] = {"horizontal-flip": "flip", "crop-pad-4": "shift"}
_PREFIX = "query."


@dataclass(frozen=True)
class QueryPlan:
    """The queries of a task.

    Attributes:
        names: names of the queries, in the order of the table above; empty for none.
        noise_seed: seed of the noise; depends only on the task's data.
        definition: version of the queries' computation.
    """

    names: tuple[str, ...]
    noise_seed: int = 0
    definition: int = DEFINITION

    @classmethod
    def of(cls, recipe: Recipe, spec: ModelSpec, data_digest: str) -> QueryPlan:
        """Return the queries of a task; token ids and booleans have no noise.

        The digest covers the test set, so a plugin cannot derive the noise from its own data.
        """
        augmented = tuple(name for kind, name in _AUGMENTED.items() if kind in recipe.augment)
        noise = ("noise",) if spec.dtype == "uint8" or spec.dtype.startswith("float") else ()
        return cls((*augmented, *noise, "bfloat16"), derive_seed("query noise", data_digest))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> QueryPlan:
        """Parse the result of :meth:`to_json`."""
        return cls(tuple(data["names"]), data["noise_seed"], data["definition"])

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON values."""
        return {**asdict(self), "names": list(self.names)}

    def pictures(self, spec: ModelSpec, inputs: NDArray[Any]) -> Pictures:
        """Return ``inputs``, shape (n, ...), as modified by each query."""
        makers: dict[str, Callable[[], NDArray[Any]]] = {
            "flip": lambda: flipped(inputs),
            "shift": lambda: shifted(inputs),
            "noise": lambda: noisy(inputs, spec.std, self.noise_seed),
            "bfloat16": lambda: inputs,
        }
        return {name: makers[name]() for name in self.names}


NO_QUERIES = QueryPlan(())
"""The plan of runs started by versions of the harness without queries."""


def flipped(images: NDArray[Any]) -> NDArray[Any]:
    """Mirror images (n, C, H, W) left to right."""
    return np.ascontiguousarray(images[..., ::-1])


def shifted(images: NDArray[Any]) -> NDArray[Any]:
    """Move images (n, C, H, W) one pixel to the right; the first column becomes 0."""
    moved = np.zeros_like(images)
    moved[..., 1:] = images[..., :-1]
    return moved


def noisy(inputs: NDArray[Any], std: tuple[float, ...], seed: int) -> NDArray[Any]:
    """Add Gaussian noise, determined by the seed, to bytes or floating-point inputs (n, ...).

    Args:
        inputs: the exact inputs.
        std: standard deviation of each index of an example's first dimension, of bytes scaled to [0, 1]; if it is empty, that
            of ``inputs``. The noise has a standard deviation of ``std * NOISE_SD``, for bytes at least 1 grey level, since
            rounding would remove smaller noise.
        seed: seed of the noise.
    """
    levels = NOISE_SD * _spread(inputs, std).reshape(-1, *[1] * (inputs.ndim - 2))
    # NumPy may change Generator's streams between versions but never RandomState's, so cached populations stay comparable.
    random = np.random.RandomState(seed % 2**32)
    changed = np.empty_like(inputs)
    if inputs.dtype == np.uint8:
        levels = np.maximum(1.0, levels)
    for row, one in enumerate(inputs):  # one by one: float64 noise for all would take 8 times the bytes' memory
        values = one + levels * random.standard_normal(one.shape)
        changed[row] = np.clip(np.rint(values), 0, 255) if inputs.dtype == np.uint8 else values
    return changed


def _spread(inputs: NDArray[Any], std: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the standard deviation of the stored inputs, per index of an example's first dimension."""
    if std:
        return np.array(std) * (255 if inputs.dtype == np.uint8 else 1)
    values = inputs.reshape(*inputs.shape[:2], -1)
    return np.asarray(values.std(axis=(0, 2), dtype=np.float64))


def rounded(state: StackedState) -> StackedState:
    """Round a state's floating-point tensors to the nearest bfloat16, ties to even, keeping their dtypes."""
    import torch

    return {
        name: tensor.to(torch.bfloat16).to(tensor.dtype) if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }


def answers(spec: ModelSpec, state: StackedState, pictures: Pictures, device: str) -> Logits:
    """Return the logits (K, n_forget, C) of K models under each query, keyed by :func:`key`.

    Args:
        spec: specification of the network.
        state: stacked states of K models.
        pictures: result of :meth:`QueryPlan.pictures`.
        device: "cpu" or "cuda".
    """
    from reference_models.training.prediction import stacked_logits

    return {
        key(name): stacked_logits(spec, rounded(state) if name == "bfloat16" else state, inputs, device=device)
        for name, inputs in pictures.items()
    }


def key(name: str) -> str:
    """Return the key of a query's logits in files that also have logits by split."""
    return _PREFIX + name


def queries_in(logits: Mapping[str, NDArray[np.float32]]) -> Logits:
    """Return query -> logits from a file's logits."""
    return {name.removeprefix(_PREFIX): array for name, array in logits.items() if name.startswith(_PREFIX)}
