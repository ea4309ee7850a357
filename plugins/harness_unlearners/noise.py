"""Add Gaussian noise to the weights, then repair the damage with a short fine-tuning."""

from __future__ import annotations

from typing import Any

import pluggy
from torch import nn

from harness_unlearners._options import read_options
from harness_unlearners._training import fine_tune
from harness_unlearners._weights import add_relative_noise

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS = {
    "sigma": {"type": "number", "least": 0, "default": 0.3},
    "lr": {"type": "number", "least": 0, "default": 0.02},
    "epochs": {"type": "whole", "least": 0, "default": 1},
    "batch_size": {"type": "whole", "least": 1, "default": 64},
}


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Add N(0, (sigma s)^2) to every weight, s being the standard deviation of its tensor, then train on the retain set.

    Options: ``sigma`` (0.3), and of the repair ``lr`` (0.02), ``epochs`` (1), ``batch_size`` (64).
    """
    options = read_options(context.options, HARNESS_OPTIONS)
    add_relative_noise(model.parameters(), options.pop("sigma"))
    fine_tune(model, retain, context, **options)
