"""Train anew on the retain set, exactly as the originals were trained: the gold standard, at full price."""

from __future__ import annotations

import math
from typing import Any

import pluggy
import torch.nn.functional as F
from torch import nn

from harness_unlearners._options import read_options
from harness_unlearners._training import forward, recipe_optimizer, set_lr, take_step

hookimpl = pluggy.HookimplMarker("harness")


@hookimpl
def unlearn(retain: Any, context: Any) -> nn.Module:
    """Train a freshly initialised model by the recipe; the time limit is not looked at. Takes no options."""
    read_options(context.options, {})
    recipe = context.recipe
    model: nn.Module = context.new_model()
    model.train()
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


def learning_rate(recipe: Any, step: int, total_steps: int) -> float:
    """The recipe's learning rate of step ``step``, from 0, out of ``total_steps``.

    Raises:
        ValueError: a schedule that this method does not know.
    """
    lr = float(recipe.lr)
    if recipe.schedule == "constant":
        return lr
    if recipe.schedule == "cosine":
        return lr * 0.5 * (1 + math.cos(math.pi * step / total_steps))
    if recipe.schedule == "one-cycle":
        warm_steps = round(float(recipe.warmup) * total_steps)
        if step < warm_steps:
            return lr * (step + 1) / warm_steps
        return lr * (total_steps - step) / (total_steps - warm_steps)
    raise ValueError(f"unknown schedule {recipe.schedule!r} in the recipe")
