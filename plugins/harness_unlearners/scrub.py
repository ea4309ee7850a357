"""SCRUB: match the original on the retain set, diverge from it on the forget set (Kurmanji et al. 2023, arXiv:2302.09880).

    up:    -KL(teacher || student) * T^2 on forget, in the first ``max_share`` of the epochs
    down:  gamma * CE + alpha * KL(teacher || student) * T^2 on retain, in every epoch after that

The teacher is the original, frozen in eval mode; KL is between softmaxes at temperature T; the loss of a forget example is
capped at ``max_loss`` (our addition). Published settings (``small_scale_unlearning.ipynb``): ``optimizer=adam lr=5e-4
weight_decay=0.1 decay=0.1 epochs=10 max_share=0.3 alpha=0.5 gamma=1 temperature=2`` (4 in the paper).

Compared with ``thirdparty/repdistiller`` of meghdadk/SCRUB at 98ffb11: both losses and their order are equal. Deliberate
differences: by default the recipe's optimizer at a constant rate, fewer epochs, and one batch size for both sets.
``max_loss=1e9`` removes the cap.
"""

from __future__ import annotations

from typing import Any

import pluggy
import torch
from torch import Tensor, nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options
from harness_unlearners._training import (
    cross_entropy,
    divergence,
    forward,
    frozen_copy,
    recipe_optimizer,
    restored,
    set_lr,
    take_step,
    train_on,
)

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS: dict[str, dict[str, Any]] = {
    "lr": {"type": "number", "least": 0, "default": "0.5 x recipe.lr"},
    "epochs": {"type": "whole", "least": 0, "default": "0.1 x recipe.epochs"},
    "batch_size": {"type": "whole", "least": 1, "default": "recipe.batch_size, at least 64"},
    "alpha": {"type": "number", "least": 0, "default": 0.1},
    "gamma": {"type": "number", "least": 0, "default": 1.0},
    "temperature": {"type": "number", "above": 0, "default": 4.0},
    "max_share": {"type": "number", "least": 0, "most": 1, "default": 0.6},
    "max_loss": {"type": "number", "least": 0, "default": 10.0},
    "decay": {"type": "number", "least": 0, "most": 1, "default": 1.0},
    "weight_decay": {"type": "number", "least": 0, "default": "recipe.weight_decay"},
    "optimizer": {"choices": ["recipe", "adam"]},
}

MILESTONES = (0.5, 0.8, 0.9)
"""Shares of the epochs after which the learning rate is multiplied by ``decay``."""


@hookimpl
def unlearn(model: nn.Module, retain: Any, forget: Any, context: Any) -> None:
    """Alternate between ascent on the forget set and descent on the retain set.

    Options: ``lr`` (0.5 x the recipe's), ``epochs`` (0.1 x the recipe's), ``batch_size`` (the recipe's, at least 64), ``alpha``
    (0.1), ``gamma`` (1), ``temperature`` (4), ``max_share`` (0.6), ``max_loss`` (10), ``optimizer`` (recipe; or adam),
    ``weight_decay`` (the recipe's), ``decay`` of the learning rate after 0.5, 0.8 and 0.9 of the epochs (1).
    """
    options = read_options(context.options, HARNESS_OPTIONS, context.recipe)
    alpha: float = options["alpha"]
    gamma: float = options["gamma"]
    temperature: float = options["temperature"]
    teacher = frozen_copy(model)
    optimizer = optimizer_of(model, context.recipe, options)
    clock = Clock(context)

    def obey(logits: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        distilled = distillation(teacher(images), logits, temperature).mean()
        return gamma * cross_entropy(logits, images, labels) + alpha * distilled

    with restored(model):
        model.train()
        for epoch in clock.epochs(options["epochs"]):
            set_lr(optimizer, options["lr"] * options["decay"] ** milestones_passed(epoch, options["epochs"]))
            if epoch < options["max_share"] * options["epochs"]:
                for images, _ in clock.batches(forget, options["batch_size"]):
                    distance = distillation(teacher(images), forward(model, images), temperature)
                    take_step(optimizer, -distance.clamp(max=options["max_loss"]).mean())
            train_on(model, retain, clock, optimizer, epochs=1, batch_size=options["batch_size"], loss=obey)


def optimizer_of(model: nn.Module, recipe: Any, options: dict[str, Any]) -> torch.optim.Optimizer:
    """Return Adam or the recipe's kind of optimizer, with learning rate and weight decay from ``options``."""
    if options["optimizer"] == "adam":
        return torch.optim.Adam(model.parameters(), lr=options["lr"], weight_decay=options["weight_decay"])
    return recipe_optimizer(model.parameters(), recipe, options["lr"], options["weight_decay"])


def milestones_passed(epoch: int, n_epochs: int) -> int:
    """Return the number of decays before ``epoch``, counted from 0."""
    return sum(epoch >= share * n_epochs for share in MILESTONES)


def distillation(target: Tensor, logits: Tensor, temperature: float) -> Tensor:
    """Return KL(target || logits) at ``temperature``, times its square, per example; shape (B,)."""
    scaled: Tensor = divergence(target, logits, temperature) * temperature**2
    return scaled
