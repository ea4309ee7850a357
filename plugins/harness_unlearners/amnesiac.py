"""Amnesiac unlearning: subtract the updates of batches with forget examples, then repair (Graves et al. 2021, arXiv:2010.10981).

    theta <- theta - sum over touched steps t of (theta_after_t - theta_before_t), from the training journal
    then descend CE on retain for a short time

Needs a task with ``journal: true``. It subtracts whole updates: with momentum, a step's update contains gradients of earlier
batches, and later updates contain this batch's, so a share ``momentum`` of it remains; if most batches are touched, most of the
training is undone. BatchNorm statistics are recomputed on the retain set, since a variance is not a sum of updates. Published:
ResNet-18 on MNIST and CIFAR, Adam, batches of 64, a whole class or up to 1 % of the examples.

Not compared with released code: written from the paper.
"""

from __future__ import annotations

from typing import Any

import pluggy
from torch import nn

from harness_unlearners._clock import Clock
from harness_unlearners._journal import recompute_statistics, shift_parameters, updates_of
from harness_unlearners._options import read_options
from harness_unlearners._training import cosine, recipe_optimizer, restored, train_on

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS = {
    "strength": {"type": "number", "least": 0, "default": 1.0},
    "lr": {"type": "number", "least": 0, "default": "recipe.lr"},
    "epochs": {"type": "whole", "least": 0, "default": "0.12 x recipe.epochs"},
    "batch_size": {"type": "whole", "least": 1, "default": "recipe.batch_size"},
}


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Subtract the touched updates, then train on the retain set.

    Options: ``strength`` (1) of the subtraction, ``lr`` (the recipe's, with cosine decay), ``epochs`` (0.12 x the recipe's),
    ``batch_size`` (the recipe's).
    """
    options = read_options(context.options, HARNESS_OPTIONS, context.recipe)
    journal, clock = updates_of(context), Clock(context)
    if not clock.allows_step():
        return
    shift_parameters(model, journal.total(journal.touched), -options["strength"])
    optimizer = recipe_optimizer(model.parameters(), context.recipe, options["lr"])
    recompute_statistics(model, retain, clock, options["batch_size"])
    with restored(model):
        model.train()
        epochs, batch_size = options["epochs"], options["batch_size"]
        train_on(model, retain, clock, optimizer, epochs=epochs, batch_size=batch_size, rate=cosine)
