"""Noise on the convolutions, then fine-tuning weighted towards the largest class (3rd of the 2023 Challenge, Seif).

    W <- W + N(0, (sigma s)^2) for convolution kernels; s is the kernel's standard deviation, or 1 under ``scale=absolute``
    then, on batches of retain, mean CE times mean w(y); w is 1 for the most frequent class, ``minor_weight`` for all others
    before the last epoch W <- W + N(0, (last_sigma s)^2)

The learning rate has cosine decay. Source: Triantafillou et al. 2024, arXiv:2406.09073. Published settings:
``layers=named scale=absolute sigma=0.6 last_sigma=0.005 minor_weight=0.05``, for data with one dominant class; 4 epochs for a
training of 30, SGD, lr 7e-4, momentum 0.9, weight decay 5e-4, batches of 64.

Compared with ``munl/unlearning/kgltop3.py`` of xcadet/deepunlearn at 6830ff6, a port of the notebook, which is in no
repository:

- Its noise applies to the network's direct children named conv...: in torchvision's ResNet-18 only ``conv1``.
  ``layers=named`` does the same, and uses the first convolution if no child has that name. The default perturbs all
  convolutions in proportion to their spread, since absolute noise suits only one network.
- Its class weights scale the loss of the batch, not of each example; so do ours by default. ``weighting=example`` is the mean
  of w(y) * CE, as the method is described.
- It gives weight 1 to class 0, the dominant one of the Challenge's data (and the port weights classes by inverse frequency);
  here the dominant class is determined from the retain set.
- It sets the learning rate once per epoch; here it decays with every step.

In a network without convolutions, linear layers are used instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pluggy
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options
from harness_unlearners._training import cosine, forward, recipe_optimizer, restored, set_lr, take_step
from harness_unlearners._weights import add_relative_noise, kernels

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS: dict[str, dict[str, Any]] = {
    "lr": {"type": "number", "least": 0, "default": "recipe.lr"},
    "epochs": {"type": "whole", "least": 0, "default": "4/30 x recipe.epochs"},
    "batch_size": {"type": "whole", "least": 1, "default": "recipe.batch_size, at least 64"},
    "sigma": {"type": "number", "least": 0, "default": 0.6},
    "last_sigma": {"type": "number", "least": 0, "default": 0.005},
    "minor_weight": {"type": "number", "least": 0, "most": 1, "default": 0.5},
    "layers": {"choices": ["all", "named"]},
    "scale": {"choices": ["relative", "absolute"]},
    "weighting": {"choices": ["batch", "example"]},
}


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Perturb the convolutions, repair them, perturb them slightly, and repair again.

    Options: ``lr`` (1 x the recipe's), ``epochs`` (4/30 x the recipe's), ``batch_size`` (the recipe's, at least 64), ``sigma``
    (0.6), ``last_sigma`` (0.005), ``minor_weight`` (0.5), ``layers`` (all; or named), ``scale`` (relative; or absolute),
    ``weighting`` (batch; or example).
    """
    options = read_options(context.options, HARNESS_OPTIONS, context.recipe)
    epochs, batch_size = options["epochs"], options["batch_size"]
    optimizer = recipe_optimizer(model.parameters(), context.recipe, options["lr"])
    weights = class_weights(retain, context, options["minor_weight"])
    loss = batch_weighted_loss if options["weighting"] == "batch" else example_weighted_loss
    disturbed = kernels(model) if options["layers"] == "all" else named_kernels(model)
    disturb = add_relative_noise if options["scale"] == "relative" else add_noise
    n_steps = len(retain.loader(batch_size=batch_size))
    disturb(disturbed, options["sigma"])
    clock = Clock(context)
    with restored(model):
        model.train()
        for step, (images, labels) in enumerate(clock.batches(retain, batch_size, epochs)):
            if step == (epochs - 1) * n_steps:
                disturb(disturbed, options["last_sigma"])
            set_lr(optimizer, options["lr"] * cosine((step + 0.5) / (epochs * n_steps)))
            take_step(optimizer, loss(forward(model, images), labels, weights))


def named_kernels(model: nn.Module) -> list[Tensor]:
    """Return the weights of the direct children named conv...; the first kernel of all if there is none."""
    weights = [getattr(child, "weight", None) for name, child in model.named_children() if "conv" in name]
    return [weight for weight in weights if isinstance(weight, Tensor)] or kernels(model)[:1]


@torch.no_grad()
def add_noise(weights: Iterable[Tensor], sigma: float) -> None:
    """Add Gaussian noise of standard deviation ``sigma`` in place."""
    for weight in weights:
        weight.add_(torch.randn_like(weight) * sigma)


def class_weights(split: Any, context: Any, minor_weight: float) -> Tensor:
    """Return 1 for the most frequent class of ``split``, ``minor_weight`` for all others; shape (n_classes,)."""
    counts = torch.bincount(split.labels, minlength=context.n_classes)
    weights = torch.full((context.n_classes,), minor_weight, device=context.device)
    weights[counts.argmax()] = 1.0
    return weights


def batch_weighted_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the mean CE times the mean of w(y): the classes of a batch scale its step, but not its direction."""
    return F.cross_entropy(logits, labels) * weights[labels].mean()


def example_weighted_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of w(y) * CE, not divided by the mean weight."""
    return (weights[labels] * F.cross_entropy(logits, labels, reduction="none")).mean()
