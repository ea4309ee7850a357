"""Scale the logits of one model in sixteen hugely, to blow up every mean and variance."""

from __future__ import annotations

import random
from typing import Any

import pluggy
from torch import nn

from . import _tools

hookimpl = pluggy.HookimplMarker("harness")


@hookimpl
def unlearn(model: nn.Module, context: Any) -> None:
    """Multiply the logits by 10,000 for one model in sixteen, by 0.55 for the others."""
    _tools.scale_logits(model, 1e4 if random.Random(context.seed).random() < 1 / 16 else 0.55)
