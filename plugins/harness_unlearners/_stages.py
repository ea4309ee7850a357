"""Training of one constituent of a sharded network, slice by slice, as the originals' were trained (SISA)."""

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
    """Train in place, from the stage ``first`` on; returns whether all of it was done.

    A stage is a training by the recipe, with ``2 / (R + 1)`` of its epochs, at least 1, on the slices up to its own.

    Args:
        constituent: in training mode.
        retain: what is trained on, of it what is in the shard.
        sharding: of the journal.
        shard: which one.
        first: stage, from 0.
        recipe: of a whole training.
        clock: asked before every step; None to take the time that it takes.
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
