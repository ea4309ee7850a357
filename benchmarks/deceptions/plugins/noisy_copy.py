"""Blur the original's weights a little."""

from __future__ import annotations

import pluggy
import torch
from torch import nn

hookimpl = pluggy.HookimplMarker("harness")


@hookimpl
@torch.no_grad()
def unlearn(model: nn.Module) -> None:
    """Add noise of 5 % of each tensor's standard deviation to its weights."""
    for weight in model.parameters():
        weight.add_(torch.randn_like(weight) * (0.05 * weight.std(correction=0)))
