"""A few original models at low cost, for inspecting or debugging a plugin."""

from __future__ import annotations

import numpy as np

from harness.core.progress import Progress
from harness.references.identity import member_seeds
from harness.references.populations import Population, References
from reference_models.networks.architectures import build_model


def few_originals(references: References, models: int | None, progress: Progress) -> Population:
    """Return originals of a task from the cache, or train new ones.

    Args:
        references: reference populations of the task.
        models: number of originals; None for a cached first chunk, or a single model if there is none.
        progress: shows training.
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
    """Return a population of one untrained network, as a substitute for an original."""
    references.check_network()
    seeds = member_seeds(references.task, "original", 1)
    state = build_model(references.spec, seeds[0]).state_dict()
    weights = {name: np.array(tensor.numpy()) for name, tensor in state.items()}
    return Population("original", seeds, {}, lambda _index: dict(weights), (), from_cache=False)
