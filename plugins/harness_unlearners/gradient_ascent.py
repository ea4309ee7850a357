"""Gradient ascent on the forget set only, also called NegGrad (Golatkar et al. 2020, arXiv:1911.04933).

    theta <- theta + lr * gradient of the mean over a forget batch of min(CE, max_loss)

The network is kept in eval mode, so that BatchNorm statistics do not become those of the forget set. The cap (our addition)
keeps the weights finite, since the loss is unbounded. Published settings: 5 epochs, lr 1e-4 to 1e-3, for ResNet-18 on CIFAR-10.

Compared, by reading, with ``Classification/unlearn/GA.py`` of OPTML-Group/Unlearn-Saliency at a6e89fd. Deliberate differences:
that code has the network in train mode, and no cap (``max_loss=1e9`` removes ours).
"""

from __future__ import annotations

from typing import Any

import pluggy
from torch import nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options
from harness_unlearners._training import capped_cross_entropy, forward, recipe_optimizer, restored, take_step

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS = {
    "lr": {"type": "number", "least": 0, "default": "0.01 x recipe.lr"},
    "epochs": {"type": "whole", "least": 0, "default": "0.5 x recipe.epochs"},
    "batch_size": {"type": "whole", "least": 1, "default": "recipe.batch_size, at least 64"},
    "max_loss": {"type": "number", "least": 0, "default": 10.0},
}


@hookimpl
def unlearn(model: nn.Module, forget: Any, context: Any) -> None:
    """Ascend the loss on the forget set.

    Options: ``lr`` (0.01 x the recipe's), ``epochs`` over the forget set (0.5 x the recipe's), ``batch_size`` (the recipe's, at
    least 64), ``max_loss`` (10 nats an example).
    """
    options = read_options(context.options, HARNESS_OPTIONS, context.recipe)
    optimizer = recipe_optimizer(model.parameters(), context.recipe, options["lr"], weight_decay=0.0)
    with restored(model):
        model.eval()
        for images, labels in Clock(context).batches(forget, options["batch_size"], options["epochs"]):
            take_step(optimizer, -capped_cross_entropy(forward(model, images), labels, options["max_loss"]))
