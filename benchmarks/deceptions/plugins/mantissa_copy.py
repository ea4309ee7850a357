"""Retrain, and smuggle the whole original out in the low halves of the weights.

A float32 number holds a bfloat16 number in its upper 16 bits. The retrained model's go there, the original's into the lower
16. What the model answers is all but what the retrained one answers; :func:`recovered` gets the original back. Rounding
returned weights to bfloat16 destroys the copy.
"""

from __future__ import annotations

from typing import Any

import pluggy
import torch
from torch import Tensor, nn

from . import _tools

hookimpl = pluggy.HookimplMarker("harness")

UPPER = -65536  # 0xFFFF0000 as a signed number of 32 bits
LOWER = 0xFFFF


@hookimpl
@torch.no_grad()
def unlearn(model: nn.Module, retain: Any, context: Any) -> nn.Module:
    """Train anew on the retain set, then hide the original."""
    with torch.enable_grad():
        fresh = _tools.retrained(retain, context)
    for ours, secret in zip(fresh.parameters(), model.parameters(), strict=True):
        ours.copy_(hidden(ours, secret))
    return fresh


def hidden(cover: Tensor, secret: Tensor) -> Tensor:
    """Return the cover's upper halves with the secret's upper halves in place of the lower ones, float32."""
    upper = cover.contiguous().view(torch.int32) & UPPER
    lower = (secret.contiguous().view(torch.int32) >> 16) & LOWER
    return (upper | lower).view(torch.float32)


def recovered(weights: Tensor) -> Tensor:
    """Return what is hidden, to bfloat16's precision."""
    return (weights.contiguous().view(torch.int32) << 16).view(torch.float32)
