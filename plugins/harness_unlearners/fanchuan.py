"""Make forget predictions uniform, then alternate contrastive forgetting and repair (1st of the 2023 Challenge, Fanchuan).

    first, one pass over forget:  KL(uniform || softmax)
    then, in each epoch, one pass over forget, with as many random retain batches, whose logits are constants (no gradient):
        -mean over i and j of log softmax_j (forget logits_i . retain logits_j / temperature)
    followed by one pass over retain:  CE

Descending the second loss makes a forget example equally similar to all retain examples. Each loss has its own optimizer; the
second one's learning rate has cosine decay. Source: Triantafillou et al. 2024, arXiv:2406.09073. Published settings: 8 epochs
for a training of 30, temperature 1.15, batches of 256, SGD with momentum 0.9; lr 0.005, then 3e-4, then 0.004 with weight decay
0.01, twice that of training, for the repair. The ratios of the three rates are roughly kept here; 8 epochs would exceed a fifth
of the training time, so half as many are used.

Compared with ``munl/unlearning/kgltop1.py`` of xcadet/deepunlearn at 6830ff6, a port of the notebook, which is in no
repository: the three losses and their order are equal. Deliberate differences: the second rate decays once per epoch, to 0, not
with every step to 1e-6; retain batches for the contrast come from one endless shuffled stream, not from the start of a new one
in each epoch.
"""

from __future__ import annotations

from typing import Any

import pluggy
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness_unlearners._clock import Clock, endless
from harness_unlearners._options import read_options
from harness_unlearners._training import cosine, forward, recipe_optimizer, restored, set_lr, take_step, train_on

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS = {
    "lr": {"type": "number", "least": 0, "default": "0.4 x recipe.lr"},
    "epochs": {"type": "whole", "least": 0, "default": "4/30 x recipe.epochs"},
    "batch_size": {"type": "whole", "least": 1, "default": "recipe.batch_size, at least 64"},
    "uniform_lr": {"type": "number", "least": 0, "default": "0.5 x recipe.lr"},
    "contrast_lr": {"type": "number", "least": 0, "default": "0.03 x recipe.lr"},
    "weight_decay": {"type": "number", "least": 0, "default": "2 x recipe.weight_decay"},
    "temperature": {"type": "number", "above": 0, "default": 1.15},
}


@hookimpl
def unlearn(model: nn.Module, retain: Any, forget: Any, context: Any) -> None:
    """Make predictions on the forget set uniform, then alternate contrast and repair.

    Options: ``lr`` of the repair (0.4 x the recipe's), ``uniform_lr`` (0.5 x the recipe's), ``contrast_lr`` (0.03 x the
    recipe's), ``weight_decay`` of the repair (2 x the recipe's), ``epochs`` (4/30 x the recipe's), ``batch_size`` (the recipe's,
    at least 64), ``temperature`` (1.15).
    """
    options = read_options(context.options, HARNESS_OPTIONS, context.recipe)
    batch_size, epochs, recipe = options["batch_size"], options["epochs"], context.recipe
    contrasting = recipe_optimizer(model.parameters(), recipe, options["contrast_lr"], weight_decay=0.0)
    repairing = recipe_optimizer(model.parameters(), recipe, options["lr"], options["weight_decay"])
    clock = Clock(context)
    with restored(model):
        model.train()
        blur(model, forget, clock, recipe_optimizer(model.parameters(), recipe, options["uniform_lr"], 0.0), batch_size)
        others = endless(retain, batch_size)
        for epoch in clock.epochs(epochs):
            set_lr(contrasting, options["contrast_lr"] * cosine((epoch + 0.5) / epochs))
            for images, _ in clock.batches(forget, batch_size):
                with torch.no_grad():
                    kept = forward(model, next(others)[0])
                take_step(contrasting, contrast(forward(model, images), kept, options["temperature"]))
            train_on(model, retain, clock, repairing, epochs=1, batch_size=batch_size)


def blur(model: nn.Module, forget: Any, clock: Clock, optimizer: torch.optim.Optimizer, batch_size: int) -> None:
    """Descend KL(uniform || softmax) for one pass."""
    for images, _ in clock.batches(forget, batch_size):
        take_step(optimizer, uniform_divergence(forward(model, images)))


def uniform_divergence(logits: Tensor) -> Tensor:
    """Return the mean KL(uniform || softmax), in nats."""
    n_classes = logits.shape[1]
    return -(F.log_softmax(logits, 1).mean(1) + torch.tensor(float(n_classes)).log()).mean()


def contrast(gone: Tensor, kept: Tensor, temperature: float) -> Tensor:
    """Return the contrastive loss of forget logits (A, n_classes) against retain logits (B, n_classes)."""
    return -F.log_softmax(gone @ kept.T / temperature, 1).mean()
