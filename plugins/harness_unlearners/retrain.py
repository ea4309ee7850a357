"""Retrain on the retain set exactly as the originals were trained: the gold standard, at full cost."""

from __future__ import annotations

from typing import Any

import pluggy
import torch.nn.functional as F
from torch import nn

from harness_unlearners._options import read_options
from harness_unlearners._stages import train_stages
from harness_unlearners._training import forward, learning_rate, recipe_optimizer, set_lr, take_step

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS: dict[str, dict[str, Any]] = {}


@hookimpl
def unlearn(retain: Any, context: Any) -> nn.Module:
    """Train a freshly initialised model by the recipe, ignoring the time limit. No options.

    If the originals were trained in shards and slices, so is this model.
    """
    read_options(context.options, HARNESS_OPTIONS)
    recipe = context.recipe
    model: nn.Module = context.new_model()
    model.train()
    sharding = None if context.journal is None else context.journal.sharding
    if sharding is not None:
        for shard, name in enumerate(sharding.constituents):
            train_stages(model.get_submodule(name), retain, sharding, shard, 0, recipe, None)
        return model.eval()
    optimizer = recipe_optimizer(model.parameters(), recipe, recipe.lr)
    batches = retain.loader(
        batch_size=recipe.batch_size, shuffle=True, augment=recipe.augment, drop_last=recipe.drop_last
    )
    total_steps = recipe.epochs * len(batches)
    step = 0
    for _ in range(recipe.epochs):
        for images, labels in batches:
            set_lr(optimizer, learning_rate(recipe, step, total_steps))
            take_step(
                optimizer, F.cross_entropy(forward(model, images), labels, label_smoothing=recipe.label_smoothing)
            )
            step += 1
    return model.eval()
