"""Fine-tune on the retain set: the simplest method, and the usual baseline."""

from __future__ import annotations

from typing import Any

import pluggy
from torch import nn

from harness_unlearners._options import read_options
from harness_unlearners._training import fine_tune

hookimpl = pluggy.HookimplMarker("harness")

DEFAULTS = {"lr": 0.02, "epochs": 1, "batch_size": 64}


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Train the original on the retain set only.

    Options: ``lr`` (0.02), ``epochs`` (1), ``batch_size`` (64).
    """
    options = read_options(context.options, DEFAULTS)
    fine_tune(model, retain, context, **options)
