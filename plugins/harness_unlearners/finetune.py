"""Fine-tune on the retain set: the simplest method, and the usual baseline."""

from __future__ import annotations

from typing import Any

import pluggy
from torch import nn

from harness_unlearners._options import read_options
from harness_unlearners._training import fine_tune

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS = {
    "lr": {"type": "number", "least": 0, "default": 0.02},
    "epochs": {"type": "whole", "least": 0, "default": 1},
    "batch_size": {"type": "whole", "least": 1, "default": 64},
}


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Train the original on the retain set only.

    Options: ``lr`` (0.02), ``epochs`` (1), ``batch_size`` (64).
    """
    options = read_options(context.options, HARNESS_OPTIONS)
    fine_tune(model, retain, context, **options)
