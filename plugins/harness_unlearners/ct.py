"""Convolution transpose: transpose every kernel, then fine-tune (5th of the 2023 Challenge, toshi_k and marvelworld).

    W[o, i, y, x] <- W[o, i, x, y] of every convolution; then CE on retain with cosine decay of the learning rate

Sources: Triantafillou et al. 2024, arXiv:2406.09073; as CT in Cadet et al. 2024, arXiv:2410.01276. Kernels that are not square
are not changed; a network without convolutions is only fine-tuned. Published settings: 3 epochs for a training of 30, SGD,
lr 1e-3, momentum 0.9, weight decay 5e-4, batches of 64.

Compared with ``munl/unlearning/kgltop5.py`` of xcadet/deepunlearn at 6830ff6, a port of the notebook, which is in no
repository: the kernels are equal. Deliberate difference: the learning rate decays with every step, not once per epoch.
"""

from __future__ import annotations

from typing import Any

import pluggy
import torch
from torch import nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options
from harness_unlearners._training import cosine, recipe_optimizer, restored, train_on

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS = {
    "lr": {"type": "number", "least": 0, "default": "recipe.lr"},
    "epochs": {"type": "whole", "least": 0, "default": "0.1 x recipe.epochs"},
    "batch_size": {"type": "whole", "least": 1, "default": "recipe.batch_size, at least 64"},
}


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Transpose the kernels, then train on the retain set.

    Options: ``lr`` (1 x the recipe's), ``epochs`` (0.1 x the recipe's), ``batch_size`` (the recipe's, at least 64).
    """
    options = read_options(context.options, HARNESS_OPTIONS, context.recipe)
    optimizer = recipe_optimizer(model.parameters(), context.recipe, options.pop("lr"))
    transpose_kernels(model)
    with restored(model):
        model.train()
        train_on(model, retain, Clock(context), optimizer, rate=cosine, **options)


@torch.no_grad()
def transpose_kernels(model: nn.Module) -> None:
    """Swap height and width of the square kernels of every 2-D convolution, in place."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size[0] == module.kernel_size[1]:
            module.weight.copy_(module.weight.transpose(2, 3).clone())
