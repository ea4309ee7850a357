"""The time of one training step, to estimate training that was never done on this machine."""

from __future__ import annotations

import math
import time

from harness.references.populations import References

STEPS = 3
"""Number of steps that are timed; the fastest counts, because the first one sets up the libraries."""


def estimated_training_s(references: References, models: int) -> float:
    """Return the estimated wall-clock seconds of training so many reference models, one after another, on all cores.

    An estimate: models are trained together, one core for each group, and with the steps of an optimizer.
    """
    recipe, data = references.task.recipe, references.data
    n_train = len(data.retain) + len(data.forget)
    steps = recipe.epochs * math.ceil(n_train / recipe.batch_size)
    return models * steps * step_s(references, min(recipe.batch_size, n_train))


def step_s(references: References, batch_size: int) -> float:
    """Return the seconds of the fastest of a few forward and backward passes of a network that has passed its trial."""
    import torch

    from reference_models.networks.architectures import build_model
    from reference_models.networks.inputs import normalise
    from reference_models.training.mechanism import probe_inputs

    spec, device = references.spec, references.device
    taken = []
    with torch.random.fork_rng():
        model = build_model(spec, 0).to(device).train()
        inputs = normalise(probe_inputs(spec, batch_size).to(device), spec.mean, spec.std, len(spec.input_shape))
        labels = torch.zeros(batch_size, dtype=torch.int64, device=device)
        for _ in range(STEPS):
            began_s = time.monotonic()
            loss = torch.nn.functional.cross_entropy(model(inputs), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            loss.item()  # waits for a GPU
            taken.append(time.monotonic() - began_s)
    return min(taken)
