"""A plain training loop on the retain set that stops in time."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

RESERVE = 0.1
"""Share of the time limit that is kept for handing the weights over."""


def fine_tune(model: nn.Module, split: Any, context: Any, *, epochs: int, lr: float, batch_size: int) -> int:
    """Train ``model`` in place on ``split`` with SGD (momentum 0.9) and cross-entropy; returns the number of steps taken.

    Stops early, with a line in the log, when only a tenth of the time limit is left.

    Args:
        model: on ``context.device``.
        split: a split with ``loader(batch_size, shuffle)``.
        context: the hook's context.
        epochs: passes over the split; 0 takes no step.
        lr: learning rate, constant.
        batch_size: examples a step.

    Raises:
        ValueError: a batch size of 0.
    """
    reserve_s = RESERVE * (context.time_limit_s or 0.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    model.train()
    steps = 0
    for epoch in range(epochs):
        for images, labels in split.loader(batch_size=batch_size, shuffle=True):
            if context.remaining_s <= reserve_s:
                print(f"stopped in epoch {epoch + 1} of {epochs} after {steps} steps: the time is nearly over")
                return steps
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            steps += 1
    return steps
