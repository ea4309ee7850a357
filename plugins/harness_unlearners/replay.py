"""Replay: repeat the training from its journal and compute only the batches that held forget examples.

    theta <- theta_0;  for every step t of the original's training, in order:
        untouched batch:  theta <- theta + recorded update of step t
        touched batch:    one step of the recipe on the batch without its forget examples

It starts from the initial weights that Amnesiac unlearning's journal keeps (Graves et al. 2021, arXiv:2010.10981); Wu et al.
2020, DeltaGrad, arXiv:2006.14755, do the same with corrected gradients. Needs a task with ``journal: {updates: all}``. With
``journal: true`` the updates of untouched batches are not kept, only their sum (the original minus the touched updates): it is
added at once, and the cleaned batches are trained afterwards, in order. With momentum, recorded updates still contain
gradients of touched batches. BatchNorm statistics are recomputed on the retain set.

Not compared with released code: written from the paper.
"""

from __future__ import annotations

from typing import Any

import pluggy
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness_unlearners._clock import Clock
from harness_unlearners._journal import recompute_statistics, shift_parameters, subset, updates_of
from harness_unlearners._options import read_options
from harness_unlearners._training import forward, learning_rate, recipe_optimizer, restored, set_lr, take_step

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS = {
    "strength": {"type": "number", "least": 0, "default": 1.0},
}


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Repeat the training without forget examples.

    Options: ``strength`` (1): factor on the recipe's learning rate for the cleaned batches.
    """
    options = read_options(context.options, HARNESS_OPTIONS)
    journal, clock = updates_of(context), Clock(context)
    if not clock.allows_step():
        return
    in_order = len(journal.stored) == len(journal.batches)
    if in_order:
        model.load_state_dict(journal.initial())
    else:
        shift_parameters(model, journal.total(journal.touched), -1)
    with restored(model):
        model.train()
        _replay(model, retain, context.recipe, journal, clock, options["strength"], in_order=in_order)
    recompute_statistics(model, retain, clock, max(64, context.recipe.batch_size))


def _replay(
    model: nn.Module, retain: Any, recipe: Any, journal: Any, clock: Clock, strength: float, *, in_order: bool
) -> None:
    optimizer = recipe_optimizer(model.parameters(), recipe, recipe.lr)
    n_steps, done = len(journal.batches), 0
    rest = journal.total(_untouched(journal)) if in_order else {}
    for step in journal.touched.tolist():
        kept, _ = journal.batch(step)
        if not clock.allows_step():
            break
        if in_order and step > done:
            between = journal.total(torch.arange(done, step))
            shift_parameters(model, between, 1)
            for name, change in between.items():
                rest[name] -= change
        done = step + 1
        if len(kept):
            set_lr(optimizer, strength * learning_rate(recipe, step, n_steps))
            _train_on(model, subset(retain, kept), recipe, optimizer)
    if in_order:  # all that is left, at once, whether the time is over or not
        shift_parameters(model, rest, 1)


def _untouched(journal: Any) -> Tensor:
    steps = torch.arange(len(journal.batches))
    return steps[~torch.isin(steps, journal.touched)]


def _train_on(model: nn.Module, batch: Any, recipe: Any, optimizer: torch.optim.Optimizer) -> None:
    for images, labels in batch.loader(batch_size=len(batch), shuffle=True, augment=recipe.augment):
        take_step(optimizer, F.cross_entropy(forward(model, images), labels, label_smoothing=recipe.label_smoothing))
