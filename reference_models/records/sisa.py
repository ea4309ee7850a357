"""SISA training (Bourtoule et al. 2021, arXiv:1912.03817): sharded, isolated, sliced, aggregated.

A network has S constituents with separate parameters. A training example's key and a seed determine its shard, and its
slice within the shard, so that removing other examples does not move it. Constituent s is trained on shard s alone, in R
stages. Stage r, from 0, trains on slices 0 to r and restarts the recipe (learning rate, momentum); the state before each
stage is kept. An example of slice r is forgotten by retraining from the state before stage r without it: the resulting
model has the distribution of a model that never saw the example.

As in the paper, a stage has ``2 / (R + 1)`` times the recipe's epochs, at least 1. All stages together then process as
many examples as the recipe's epochs over the whole shard. The outputs are ``log mean_s softmax(logits_s)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reference_models.networks.recipe import ModelSpec, Recipe, derive_seed
from reference_models.networks.sharded import PREFIX, constituent_spec
from reference_models.records.journal import FORMAT, TensorFile, journal_name
from reference_models.training.loop import OnStep, train_chunk
from reference_models.training.mechanism import initial_state
from reference_models.training.schedules import steps_per_epoch
from reference_models.training.states import StackedState


@dataclass(frozen=True)
class Sharding:
    """The shard and slice of each training example.

    Attributes:
        shards: shard of each example; shape (n,), int32.
        slices: slice of each example within its shard; shape (n,), int32.
        n_shards: number of shards S.
        n_slices: number of slices R.
    """

    shards: NDArray[np.int32]
    slices: NDArray[np.int32]
    n_shards: int
    n_slices: int

    def rows(self, shard: int, stage: int) -> NDArray[np.int64]:
        """Return the positions of a stage's training examples in a shard."""
        return np.flatnonzero((self.shards == shard) & (self.slices <= stage))

    def take(self, n_examples: int) -> Sharding:
        """Return the sharding of the first examples."""
        return replace(self, shards=self.shards[:n_examples], slices=self.slices[:n_examples])


def assign(keys: Sequence[str], seed: int, n_shards: int, n_slices: int) -> Sharding:
    """Return the shard and slice of each example: the SHA-256 of seed and key as a number, modulo S and then R.

    Examples with the same key, e.g. the images of one person, stay together.
    """
    drawn = {key: derive_seed("sisa", seed, key) for key in dict.fromkeys(keys)}
    shards = np.array([drawn[key] % n_shards for key in keys], dtype=np.int32)
    slices = np.array([drawn[key] // n_shards % n_slices for key in keys], dtype=np.int32)
    return Sharding(shards, slices, n_shards, n_slices)


def stage_recipe(recipe: Recipe, n_slices: int) -> Recipe:
    """Return the recipe of each stage."""
    return replace(recipe, epochs=max(1, round(2 * recipe.epochs / (n_slices + 1))))


def train_sharded(
    spec: ModelSpec,
    recipe: Recipe,
    inputs: NDArray[Any],
    labels: NDArray[np.int64],
    sharding: Sharding,
    seeds: Sequence[int],
    *,
    device: torch.device | str = "cpu",
    on_step: OnStep | None = None,
    journal_folder: Path | None = None,
) -> StackedState:
    """Train one sharded network per seed, all at once; each constituent on its shard alone, slice by slice.

    Args:
        spec: the sharded network.
        recipe: recipe of a training on all examples; see :func:`stage_recipe`.
        inputs: shape (n, ...), as ``spec`` describes them.
        labels: shape (n,), int64.
        sharding: shard and slice of these examples; stages without examples are skipped.
        seeds: seed of each member.
        device: training device.
        on_step: see :data:`reference_models.training.loop.OnStep`.
        journal_folder: folder for a journal per member, with its state before every stage; None for no journals.

    Returns:
        The trained members as CPU tensors, in the order of ``seeds``.
    """
    state = initial_state(spec, seeds)
    files = [] if journal_folder is None else _journals(journal_folder, state, sharding)
    steps = _Steps(stage_recipe(recipe, sharding.n_slices), sharding, on_step)
    for stage in range(sharding.n_slices):
        _keep(files, state, stage)
        for shard in range(sharding.n_shards):
            rows = sharding.rows(shard, stage)
            if len(rows):
                prefix = f"{PREFIX}.{shard}."
                own = {name[len(prefix) :]: tensor for name, tensor in state.items() if name.startswith(prefix)}
                own_seeds = [derive_seed("sisa", seed, shard, stage) for seed in seeds]
                trained = train_chunk(
                    constituent_spec(spec),
                    steps.recipe,
                    inputs[rows],
                    labels[rows],
                    own_seeds,
                    device=device,
                    on_step=steps.count(shard, stage),
                    initial=own,
                )
                state = state | {prefix + name: tensor for name, tensor in trained.items()}
    for file in files:
        file.close()
    return state


class _Steps:
    """A counter of the steps of all stages as steps of one training."""

    def __init__(self, recipe: Recipe, sharding: Sharding, on_step: OnStep | None) -> None:
        self.recipe, self._on_step = recipe, on_step
        self._before: dict[tuple[int, int], int] = {}
        self._total = 0
        for stage in range(sharding.n_slices):
            for shard in range(sharding.n_shards):
                self._before[shard, stage] = self._total
                n_examples = len(sharding.rows(shard, stage))
                self._total += recipe.epochs * steps_per_epoch(recipe, n_examples) if n_examples else 0

    def count(self, shard: int, stage: int) -> OnStep | None:
        """Return the callback for one constituent's stage."""
        on_step = self._on_step
        if on_step is None:
            return None
        return lambda done, _total: on_step(self._before[shard, stage] + done, self._total)


def _journals(folder: Path, state: StackedState, sharding: Sharding) -> list[TensorFile]:
    """Create a file per member and write the sharding; checkpoints are written later."""
    n_members = len(next(iter(state.values())))
    shape = (len(sharding.shards),)
    layout: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {
        "shards": (torch.int32, shape),
        "slices": (torch.int32, shape),
    }
    for name, tensor in state.items():
        layout[f"checkpoints/{name}"] = (tensor.dtype, (sharding.n_slices, *tensor.shape[1:]))
    names = ",".join(f"{PREFIX}.{shard}" for shard in range(sharding.n_shards))
    metadata = {"format": FORMAT, "constituents": names, "n_slices": str(sharding.n_slices)}
    files = [TensorFile(folder / journal_name(member), layout, metadata) for member in range(n_members)]
    for file in files:
        file.write("shards", torch.from_numpy(sharding.shards))
        file.write("slices", torch.from_numpy(sharding.slices))
    return files


def _keep(files: Sequence[TensorFile], state: StackedState, stage: int) -> None:
    for member, file in enumerate(files):
        for name, tensor in state.items():
            file.write(f"checkpoints/{name}", tensor[member], stage)
