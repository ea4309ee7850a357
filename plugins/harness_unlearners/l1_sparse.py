"""L1-sparse: fine-tune on the retain set with a sparsity penalty (Jia et al. 2023, arXiv:2304.04934).

    loss = CE(retain batch) + gamma * (1 - t / steps) * sum of |theta|     in step t, from 0

The penalty decays linearly to 0. Published settings: gamma 5e-4, lr 0.01, 10 epochs, for ResNet-18 on CIFAR-10. That gamma has
no effect within our few steps, so the default is larger.

Compared, by reading, with ``Classification/unlearn/FT.py`` of OPTML-Group/Unlearn-Saliency at a6e89fd. Deliberate difference:
there the penalty decays once per epoch, here with every step.
"""

from __future__ import annotations

from typing import Any

import pluggy
import torch
from torch import Tensor, nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options
from harness_unlearners._training import cross_entropy, recipe_optimizer, restored, train_on

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS = {
    "lr": {"type": "number", "least": 0, "default": "0.4 x recipe.lr"},
    "epochs": {"type": "whole", "least": 0, "default": "0.1 x recipe.epochs"},
    "batch_size": {"type": "whole", "least": 1, "default": "recipe.batch_size, at least 64"},
    "gamma": {"type": "number", "least": 0, "default": 0.01},
}


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Fine-tune with a decaying L1 penalty.

    Options: ``lr`` (0.4 x the recipe's), ``epochs`` (0.1 x the recipe's), ``batch_size`` (the recipe's, at least 64), ``gamma``
    (0.01).
    """
    options = read_options(context.options, HARNESS_OPTIONS, context.recipe)
    optimizer = recipe_optimizer(model.parameters(), context.recipe, options.pop("lr"))
    gamma = options.pop("gamma")
    n_steps = options["epochs"] * len(retain.loader(batch_size=options["batch_size"]))
    steps = iter(range(n_steps))

    def penalised(logits: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(logits, images, labels) + penalty(model, gamma, next(steps) / n_steps)

    with restored(model):
        model.train()
        train_on(model, retain, Clock(context), optimizer, loss=penalised, **options)


def penalty(model: nn.Module, gamma: float, done: float) -> Tensor:
    """Return the L1 term after the share ``done`` of the steps."""
    return gamma * (1 - done) * torch.stack([parameter.abs().sum() for parameter in model.parameters()]).sum()
