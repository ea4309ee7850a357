"""Learning-rate schedules."""

from __future__ import annotations

import math

from reference_models.networks.recipe import Recipe


def steps_per_epoch(recipe: Recipe, n_examples: int) -> int:
    """Return the number of optimizer steps per epoch; raise ValueError if it is 0."""
    whole, rest = divmod(n_examples, recipe.batch_size)
    steps = whole if recipe.drop_last or not rest else whole + 1
    if steps == 0:
        raise ValueError(
            f"{n_examples} examples make no step of {recipe.batch_size}: lower batch_size or set drop_last to false"
        )
    return steps


def learning_rate(recipe: Recipe, step: int, total_steps: int) -> float:
    """Return the learning rate of step ``step`` (from 0) of ``total_steps``.

    "cosine" is lr (1 + cos(pi step / total)) / 2. "one-cycle" rises linearly to lr over the first ``warmup`` share of
    the steps (rounded to whole steps), then falls linearly to lr / (number of remaining steps) at the last step. No
    step has a learning rate of 0.
    """
    if recipe.schedule == "cosine":
        return recipe.lr * 0.5 * (1 + math.cos(math.pi * step / total_steps))
    if recipe.schedule == "one-cycle":
        warm_steps = round(recipe.warmup * total_steps)
        if step < warm_steps:
            return recipe.lr * (step + 1) / warm_steps
        return recipe.lr * (total_steps - step) / (total_steps - warm_steps)
    return recipe.lr
