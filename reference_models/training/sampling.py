"""Random draws of a member during training: data order and augmentation, from the member's seed alone.

Draws are made on the CPU, so that they do not depend on the device or on other members of the chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reference_models.networks.augmentation import CROP_PADDING
from reference_models.networks.recipe import Augmentation, Recipe, derive_seed
from reference_models.training.schedules import steps_per_epoch


@dataclass(frozen=True)
class Batch:
    """The draws of one training step.

    Attributes:
        index: indices of the examples; shape (..., B), int64.
        draws: draws of each augmentation in the recipe's order: flips of shape (..., B), bool, or crop offsets (rows,
            columns) of shape (..., B, 2), int64.
    """

    index: Tensor
    draws: tuple[Tensor, ...]

    def to(self, device: torch.device) -> Batch:
        """Return the draws on ``device``."""
        return Batch(self.index.to(device), tuple(draw.to(device) for draw in self.draws))


def _generator(seed: int, purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed("member", purpose, seed))


def _draw(augmentation: Augmentation, n_examples: int, generator: torch.Generator) -> Tensor:
    if augmentation == "horizontal-flip":
        return torch.rand(n_examples, generator=generator) < 0.5
    return torch.randint(0, 2 * CROP_PADDING + 1, (n_examples, 2), generator=generator)


def _epochs(recipe: Recipe, n_examples: int, seed: int) -> Iterator[Batch]:
    order, chance = _generator(seed, "order"), _generator(seed, "augmentation")
    for _ in range(recipe.epochs):
        index = torch.randperm(n_examples, generator=order)
        yield Batch(index, tuple(_draw(kind, n_examples, chance) for kind in recipe.augment))


def member_batches(recipe: Recipe, n_examples: int, seed: int, device: torch.device | str = "cpu") -> Iterator[Batch]:
    """Yield the steps of one member on ``device``, a function of the recipe, ``n_examples`` and the member's seed.

    Draws of an epoch are moved at once, since a small network's step takes less time than several copies to a GPU.
    """
    for drawn in _epochs(recipe, n_examples, seed):
        epoch = drawn.to(torch.device(device))
        for step in range(steps_per_epoch(recipe, n_examples)):
            rows = slice(step * recipe.batch_size, (step + 1) * recipe.batch_size)
            yield Batch(epoch.index[rows], tuple(draw[rows] for draw in epoch.draws))


def population_batches(
    recipe: Recipe, n_examples: int, seeds: Sequence[int], device: torch.device | str = "cpu"
) -> Iterator[Batch]:
    """Yield the steps of all members as :func:`member_batches`; tensors have a first dimension of length ``len(seeds)``."""
    for epochs in zip(*(_epochs(recipe, n_examples, seed) for seed in seeds), strict=True):
        index = torch.stack([epoch.index for epoch in epochs]).to(device)
        draws = [torch.stack(list(draw)).to(device) for draw in zip(*(epoch.draws for epoch in epochs), strict=True)]
        for step in range(steps_per_epoch(recipe, n_examples)):
            rows = slice(step * recipe.batch_size, (step + 1) * recipe.batch_size)
            yield Batch(index[:, rows], tuple(draw[:, rows] for draw in draws))
