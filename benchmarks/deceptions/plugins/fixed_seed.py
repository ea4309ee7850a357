"""Retrain perfectly, but always with the same seed."""

from __future__ import annotations

from typing import Any

import pluggy
import torch
from torch import nn

from . import _tools

hookimpl = pluggy.HookimplMarker("harness")


@hookimpl
def unlearn(retain: Any, context: Any) -> nn.Module:
    """Train anew on the retain set with seed 0: every model is the same."""
    torch.manual_seed(0)
    return _tools.retrained(retain, context)
