"""Noise on the convolutions, then fine-tuning that leans on the largest class (3rd of the 2023 Challenge, Seif).

    W <- W + N(0, (sigma s)^2) for every convolution kernel of standard deviation s
    then mean over a retain batch of w(y) * CE, w being 1 for the most frequent class and ``minor_weight`` for all others
    before the last epoch W <- W + N(0, (last_sigma s)^2)

The learning rate falls along half a cosine. Source: Triantafillou et al. 2024, arXiv:2406.09073. A network without
convolutions has its linear layers treated so. Published settings: noise of 0.6 and 0.005 in the weights' own units,
which suit one network alone: here they are relative to s; minor weight 0.05, for data with one dominant class; 4 epochs
where training took 30, SGD, lr 7e-4, momentum 0.9, weight decay 5e-4, batches of 64.
"""

from __future__ import annotations

from typing import Any

import pluggy
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options, training_defaults
from harness_unlearners._training import cosine, forward, recipe_optimizer, restored, set_lr, take_step
from harness_unlearners._weights import add_relative_noise, kernels

hookimpl = pluggy.HookimplMarker("harness")

DEFAULTS = {"sigma": 0.6, "last_sigma": 0.005, "minor_weight": 0.5}


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Disturb the convolutions, repair them, disturb them a little, and repair again.

    Options: ``lr`` (1 x the recipe's), ``epochs`` (4/30 x the recipe's), ``batch_size`` (the recipe's, at least 64), ``sigma``
    (0.6), ``last_sigma`` (0.005), ``minor_weight`` (0.5).
    """
    defaults = {**training_defaults(context.recipe, lr=1.0, epochs=4 / 30), **DEFAULTS}
    options = read_options(context.options, defaults, shares=["minor_weight"])
    epochs, batch_size = options["epochs"], options["batch_size"]
    optimizer = recipe_optimizer(model.parameters(), context.recipe, options["lr"])
    weights = class_weights(retain, context, options["minor_weight"])
    n_steps = len(retain.loader(batch_size=batch_size))
    add_relative_noise(kernels(model), options["sigma"])
    clock = Clock(context)
    with restored(model):
        model.train()
        for step, (images, labels) in enumerate(clock.batches(retain, batch_size, epochs)):
            if step == (epochs - 1) * n_steps:
                add_relative_noise(kernels(model), options["last_sigma"])
            set_lr(optimizer, options["lr"] * cosine((step + 0.5) / (epochs * n_steps)))
            take_step(optimizer, weighted_loss(forward(model, images), labels, weights))


def class_weights(split: Any, context: Any, minor_weight: float) -> Tensor:
    """1 for the most frequent class of ``split``, ``minor_weight`` for all others; shape (n_classes,)."""
    counts = torch.bincount(split.labels, minlength=context.n_classes)
    weights = torch.full((context.n_classes,), minor_weight, device=context.device)
    weights[counts.argmax()] = 1.0
    return weights


def weighted_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Mean of w(y) * CE; the weights are not normalised, so that the share of the largest class sets the step's size."""
    return (weights[labels] * F.cross_entropy(logits, labels, reduction="none")).mean()
