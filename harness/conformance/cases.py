"""Small tasks for the checks: random inputs and untrained networks, a few milliseconds each."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from harness.core.cache import Cache
from harness.runners.session.weights import State
from harness_guest.probe_network import digest
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe

Arrays = dict[str, NDArray[Any]]
SPLITS = ("retain", "forget", "validation")
PICTURE, N_CLASSES = (1, 8, 8), 4
RECIPE = Recipe(epochs=10, batch_size=16, lr=0.02, weight_decay=0.0)
ENDLESS = replace(RECIPE, epochs=100_000)
"""Recipe that takes minutes even on these networks, for methods that run the recipe's epochs."""


@dataclass(frozen=True)
class Case:
    """A small task.

    Attributes:
        name: unique name.
        architecture: key of :data:`reference_models.networks.architectures.ARCHITECTURES`, or "probe" for the probe network,
            which records how the plugin uses it.
        options: options of the architecture, as (name, value) pairs.
        sizes: numbers of examples of retain, forget and validation.
        recipe: training recipe passed to the plugin; the original is not trained.
        shape: shape of an example.
        dtype: of the inputs: "uint8", "float32" or "int64".
        vocabulary: number of token ids, for inputs of "int64".
    """

    name: str
    architecture: str = "probe"
    options: tuple[tuple[str, Any], ...] = ()
    sizes: tuple[int, int, int] = (64, 16, 16)
    recipe: Recipe = RECIPE
    shape: tuple[int, ...] = PICTURE
    dtype: str = "uint8"
    vocabulary: int | None = None

    def spec(self) -> ModelSpec:
        """Return the architecture and the shape of the data."""
        name, options = self.architecture, dict(self.options)
        if name == "probe":
            name, options = "harness_guest.probe_network:probe_network", {"hidden": [8], "digests": self._digests()}
        mean, std = ((0.5,), (0.25,)) if self.dtype == "uint8" else ((), ())
        return ModelSpec(ArchitectureSpec(name, options), self.shape, N_CLASSES, mean, std, self.dtype, self.vocabulary)

    def original(self) -> State:
        """Return the state to unlearn; it is untrained, since no check depends on training."""
        return dict(_original(self))

    def arrays(self) -> Arrays:
        """Return ``{split}.inputs``, shape (n, ...), and ``{split}.labels``, shape (n,), int64."""
        return _arrays(self.sizes, self.shape, self.dtype, self.vocabulary)

    def data_file(self) -> Path:
        """Return the cached safetensors file of the arrays, which a guest reads."""

        def build(folder: Path) -> None:
            save_file(self.arrays(), folder / "data.safetensors")

        content = {"sizes": self.sizes, "shape": self.shape, "dtype": self.dtype, "vocabulary": self.vocabulary}
        folder, _ = Cache("conformance").get_or_build({"format": 2, **content}, build)
        return folder / "data.safetensors"

    def _digests(self) -> dict[str, list[int]]:
        arrays = self.arrays()
        return {
            split: [digest(torch.from_numpy(arrays[f"{split}.{part}"])) for part in ("inputs", "labels")]
            for split in SPLITS
        }


@functools.cache
def _original(case: Case) -> State:
    return {name: tensor.numpy() for name, tensor in build_model(case.spec(), 0).state_dict().items()}


@functools.cache
def _arrays(sizes: tuple[int, int, int], shape: tuple[int, ...], dtype: str, vocabulary: int | None) -> Arrays:
    random = np.random.default_rng(0)
    arrays: Arrays = {}
    for split, n_examples in zip(SPLITS, sizes, strict=True):
        inputs = (n_examples, *shape)
        if dtype == "float32":
            arrays[f"{split}.inputs"] = random.standard_normal(inputs, np.float32)
        else:
            arrays[f"{split}.inputs"] = random.integers(0, vocabulary or 256, inputs, dtype=dtype)
        arrays[f"{split}.labels"] = random.integers(0, N_CLASSES, n_examples)
    return arrays


MLP = Case("mlp")
SMALL_CNN = Case("small-cnn", "small-cnn", (("width", 2),))
RESNET18 = Case("resnet18", "resnet18", (("width", 2),))
EMPTY_VALIDATION = replace(SMALL_CNN, name="small-cnn with an empty validation set", sizes=(64, 16, 0))
# One more than a multiple of every usual batch size; BatchNorm over a single 1x1 image has no variance.
LEFT_OVER = replace(RESNET18, name="resnet18 with one example left over", sizes=(129, 65, 16))
FORGET_ONE = Case("a forget set of one", sizes=(64, 1, 16))
VECTORS = Case("vectors", "mlp", (("hidden", (8,)),), shape=(12,), dtype="float32")
TOKENS = Case("token ids", "embedding-bag", (("width", 4), ("hidden", (8,))), shape=(6,), dtype="int64", vocabulary=20)
LONG = Case("a long recipe", recipe=ENDLESS)

SHORT_CASES = (MLP, EMPTY_VALIDATION, LEFT_OVER, FORGET_ONE, VECTORS, TOKENS)
"""Cases that a conforming plugin runs, except the long one."""


def outputs_are_finite(case: Case, state: State) -> bool:
    """Return True if the network's logits, in eval mode, are finite for all examples of the case."""
    model = build_model(case.spec(), None)
    model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in state.items()})
    arrays = case.arrays()
    inputs = np.concatenate([arrays[f"{split}.inputs"] for split in SPLITS])
    with torch.no_grad():
        logits = model.eval()((torch.from_numpy(inputs) / 255 - 0.5) / 0.25)
    return bool(logits.isfinite().all())
