"""Amnesiac unlearning: take back what batches with forget examples did, then repair (Graves et al. 2021, arXiv:2010.10981).

    theta <- theta - sum over touched steps t of (theta_after_t - theta_before_t), from the record of training
    then descend CE(R) for a short while

Needs a task with ``journal: true``. What it takes back is whole updates: with a momentum, a step's update holds the
gradients of earlier batches, and later updates go on holding this batch's, so that a share ``momentum`` of it stays;
and where most batches are touched, most of the training is taken back. BatchNorm's statistics are computed anew on the
retain set, for a variance is no sum of updates. Published: ResNet-18 on MNIST and CIFAR, Adam, batches of 64, a whole
class or up to 1 % of the examples.

Not compared with released code: written from the paper.
"""

from __future__ import annotations

from typing import Any

import pluggy
from torch import nn

from harness_unlearners._clock import Clock
from harness_unlearners._journal import recompute_statistics, shift_parameters, updates_of
from harness_unlearners._options import read_options, training_defaults
from harness_unlearners._training import cosine, recipe_optimizer, restored, train_on

hookimpl = pluggy.HookimplMarker("harness")


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Subtract the touched updates, then train on the retain set.

    Options: ``strength`` (1) of the subtraction, ``lr`` (the recipe's), falling along a cosine, ``epochs`` (0.12 times
    the recipe's), ``batch_size`` (the recipe's).
    """
    defaults = training_defaults(context.recipe, lr=1.0, epochs=0.12)
    defaults |= {"strength": 1.0, "batch_size": context.recipe.batch_size}
    options = read_options(context.options, defaults)
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
