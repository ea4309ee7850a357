"""A few original models, as cheaply as they can be had, for looking at a plugin rather than for judging it."""

from __future__ import annotations

import numpy as np

from harness.progress import Progress
from harness.references import Population, References, member_seeds
from reference_models.architectures import build_model


def few_originals(references: References, models: int | None, progress: Progress) -> Population:
    """Originals of a task: those that runs have left in the cache, else newly trained ones.

    Args:
        references: of the task.
        models: how many; None for the cache's first chunk, or one where it has none.
        progress: told of training.
    """
    task = references.task
    whole = min(task.models, task.recipe.chunk)
    if models is None:
        models = whole if references.holds("original", whole) else 1
    if references.holds("original", models):
        return references.population("original", models)
    references.check_network()
    with progress.step(f"training {models} original model{'s' if models > 1 else ''}", None):
        return references.population("original", models)


def untrained(references: References) -> Population:
    """One network as it is before training, in the place of an original."""
    references.check_network()
    seeds = member_seeds(references.task, "original", 1)
    state = build_model(references.spec, seeds[0]).state_dict()
    weights = {name: np.array(tensor.numpy())[None] for name, tensor in state.items()}
    return Population("original", seeds, {}, weights, (), from_cache=False)
