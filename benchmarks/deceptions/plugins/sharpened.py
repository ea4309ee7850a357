"""Scale all logits of the original up."""

from __future__ import annotations

import pluggy
from torch import nn

from . import _tools

hookimpl = pluggy.HookimplMarker("harness")


@hookimpl
def unlearn(model: nn.Module) -> None:
    """Multiply the logits by 3."""
    _tools.scale_logits(model, 3.0)
