"""Retrain honestly, for a part of the epochs: another kind of model that never saw the forget set."""

from __future__ import annotations

from typing import Any

import pluggy
from torch import nn

from . import _tools

hookimpl = pluggy.HookimplMarker("harness")


@hookimpl
def unlearn(retain: Any, context: Any) -> nn.Module:
    """Train anew on the retain set for 15 % of the epochs."""
    return _tools.retrained(retain, context, share=0.15)
