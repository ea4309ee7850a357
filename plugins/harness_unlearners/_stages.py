"""Training of one constituent of a sharded network, slice by slice, as for the originals (SISA)."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import nn

from harness_unlearners._clock import Clock
from harness_unlearners._journal import subset
from harness_unlearners._training import forward, learning_rate, recipe_optimizer, set_lr, take_step


def train_stages(
    constituent: nn.Module, retain: Any, sharding: Any, shard: int, first: int, recipe: Any, clock: Clock | None
) -> bool:
    """Train in place from stage ``first`` on; return True if all stages were completed.

    A stage trains by the recipe on the slices up to its own, for ``2 / (R + 1)`` of its epochs, at least 1 (R slices).

    Args:
        constituent: in training mode.
        retain: training data; only the shard's examples are used.
        sharding: from the journal.
        shard: index of the shard.
        first: stage, from 0.
        recipe: of a whole training.
        clock: consulted before every step; None for no time limit.
    """
    shards, slices = sharding.shards[: len(retain)], sharding.slices[: len(retain)]
    epochs = max(1, round(2 * recipe.epochs / (sharding.n_slices + 1)))
    for stage in range(first, sharding.n_slices):
        own = subset(retain, ((shards == shard) & (slices <= stage)).nonzero().flatten())
        if len(own) and not _train(constituent, own, recipe, epochs, clock):
            return False
    return True


def _train(constituent: nn.Module, own: Any, recipe: Any, epochs: int, clock: Clock | None) -> bool:
    optimizer = recipe_optimizer(constituent.parameters(), recipe, recipe.lr)
    batches = own.loader(batch_size=recipe.batch_size, shuffle=True, augment=recipe.augment, drop_last=recipe.drop_last)
    n_steps, step = epochs * len(batches), 0
    for _ in range(epochs):
        for images, labels in batches:
            if clock is not None and not clock.allows_step():
                return False
            set_lr(optimizer, learning_rate(recipe, step, n_steps))
            loss = F.cross_entropy(forward(constituent, images), labels, label_smoothing=recipe.label_smoothing)
            take_step(optimizer, loss)
            step += 1
    return True
