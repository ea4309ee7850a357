"""EU-k: re-initialise the last k layers and train only them on the retain set: exact unlearning of k layers.

    the layers before the last k keep their weights and BatchNorm statistics; the others are re-initialised and descend CE on
    retain

Source: Goel et al. 2022, arXiv:2201.06640. Memory in the first layers is kept. A layer is a convolution or linear layer with
its norm. The source trains for as long as the original was trained; here for a share of that, with cosine decay of the
learning rate.

Compared, by reading, with ``small_scale_unlearning.ipynb`` of meghdadk/SCRUB at 98ffb11 (SGD without momentum, lr 0.01, the
last block or convolution and the classifier). Deliberate differences: the recipe's optimizer; fresh weights come from a new
initialisation, not from the original's own; BatchNorm statistics of the first layers are kept.
"""

from __future__ import annotations

from typing import Any

import pluggy
import torch
from torch import nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options
from harness_unlearners._training import cosine, recipe_optimizer, restored, train_on
from harness_unlearners._weights import last_layers, train_only

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS = {
    "lr": {"type": "number", "least": 0, "default": "recipe.lr"},
    "epochs": {"type": "whole", "least": 0, "default": "1/3 x recipe.epochs"},
    "batch_size": {"type": "whole", "least": 1, "default": "recipe.batch_size, at least 64"},
    "k": {"type": "whole", "least": 0, "default": 2},
}


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Train the last layers from scratch.

    Options: ``k`` (2), ``lr`` (1 x the recipe's), ``epochs`` (1/3 x the recipe's), ``batch_size`` (the recipe's, at least 64).
    """
    options = read_options(context.options, HARNESS_OPTIONS, context.recipe)
    names = last_layers(model, options.pop("k"))
    reset(model, context.new_model(), names)
    with restored(model):
        optimizer = recipe_optimizer(train_only(model, names), context.recipe, options.pop("lr"))
        train_on(model, retain, Clock(context), optimizer, rate=cosine, **options)


@torch.no_grad()
def reset(model: nn.Module, fresh: nn.Module, names: list[str]) -> None:
    """Copy parameters and buffers of the modules ``names`` from ``fresh``, a network of the same architecture."""
    for name in names:
        model.get_submodule(name).load_state_dict(fresh.get_submodule(name).state_dict())
