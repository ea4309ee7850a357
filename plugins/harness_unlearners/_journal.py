"""Access to the training journal, and helpers shared by the methods that use it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from harness_unlearners._clock import Clock
from harness_unlearners._training import forward


def updates_of(context: Any) -> Any:
    """Return the journal, which must contain updates.

    Raises:
        ValueError: the task keeps none.
    """
    journal = context.journal
    if journal is None or journal.updates == "none":
        raise ValueError(
            "this method needs a task with 'journal: true', whose originals were trained with a record of every batch "
            "that holds a forget example; try --task faces-journal"
        )
    return journal


@torch.no_grad()
def shift_parameters(model: nn.Module, change: Mapping[str, Tensor], sign: float) -> None:
    """Add ``sign * change`` to the parameters; BatchNorm statistics are left alone, since a variance is not a sum of updates."""
    for name, parameter in model.named_parameters():
        parameter.add_(change[name], alpha=sign)


def subset(split: Any, positions: Tensor) -> Any:
    """Return a split of the examples at ``positions``, int64."""
    chosen = copy.copy(split)
    where = positions.to(split.labels.device)
    chosen.inputs, chosen.labels = split.inputs[where], split.labels[where]
    return chosen


@torch.no_grad()
def recompute_statistics(model: nn.Module, split: Any, clock: Clock, batch_size: int) -> None:
    """Recompute BatchNorm statistics as the mean over the batches of one pass; train/eval modes are restored.

    The pass ends when the time does; without time for a single batch the statistics are unchanged.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        return
    modes = [(module, module.training) for module in model.modules()]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    began = False
    for images, _ in clock.batches(split, batch_size):
        if not began:
            for norm in norms:
                norm.reset_running_stats()
                norm.train()
                norm.momentum = None  # a cumulative average
        began = True
        forward(model, images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    for module, mode in modes:
        module.training = mode
