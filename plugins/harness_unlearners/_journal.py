"""Reading the record of training, and what methods on it have in common."""

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
    """The journal, which must hold updates.

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
    """Add ``sign * change`` to the parameters; BatchNorm's statistics, a variance among them, are no sums of updates."""
    for name, parameter in model.named_parameters():
        parameter.add_(change[name], alpha=sign)


def subset(split: Any, positions: Tensor) -> Any:
    """A split of the examples at ``positions``, int64, alone."""
    chosen = copy.copy(split)
    where = positions.to(split.labels.device)
    chosen.images, chosen.labels = split.images[where], split.labels[where]
    return chosen


@torch.no_grad()
def recompute_statistics(model: nn.Module, split: Any, clock: Clock, batch_size: int) -> None:
    """BatchNorm's statistics anew, as the mean over the batches of one pass; the modes stay as they were.

    As far as there is time: where there is none for a single batch, they stay as they were.
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
