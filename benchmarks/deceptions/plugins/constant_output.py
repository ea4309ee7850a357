"""Answer nothing at all."""

from __future__ import annotations

import pluggy
from torch import nn

from . import _tools

hookimpl = pluggy.HookimplMarker("harness")


@hookimpl
def unlearn(model: nn.Module) -> None:
    """Set the last layer to 0, so that all logits are."""
    _tools.scale_logits(model, 0.0)
