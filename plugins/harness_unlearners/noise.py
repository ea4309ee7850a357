"""Add noise to the weights to blur what is remembered, then repair the damage with a little fine-tuning."""

from __future__ import annotations

from typing import Any

import pluggy
import torch
from torch import nn

from harness_unlearners._options import read_options
from harness_unlearners._training import fine_tune

hookimpl = pluggy.HookimplMarker("harness")

DEFAULTS = {"sigma": 0.3, "lr": 0.02, "epochs": 1, "batch_size": 64}


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Add N(0, (sigma s)^2) to every weight, s being the standard deviation of its tensor, then train on the retain set.

    Options: ``sigma`` (0.3), and of the repair ``lr`` (0.02), ``epochs`` (1), ``batch_size`` (64).
    """
    options = read_options(context.options, DEFAULTS)
    add_noise(model, options.pop("sigma"))
    fine_tune(model, retain, context, **options)


@torch.no_grad()
def add_noise(model: nn.Module, sigma: float) -> None:
    """Add to every parameter Gaussian noise of ``sigma`` times its tensor's standard deviation (0 for a single value)."""
    for parameter in model.parameters():
        spread = parameter.std(correction=0)
        parameter.add_(torch.randn_like(parameter) * (sigma * spread))
