"""Precision and reproducibility of what networks compute."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from reference_models.networks.recipe import Recipe


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """Return a context manager in which networks compute in the recipe's precision.

    Its cache of converted weights is off: within one context, weights may be updated.
    """
    return torch.autocast(device.type, torch.bfloat16, recipe.precision == "bfloat16", cache_enabled=False)


@contextlib.contextmanager
def reproducible() -> Iterator[None]:
    """Context manager: on a GPU, use deterministic convolution algorithms, and no TF32 where float32 is asked for."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
