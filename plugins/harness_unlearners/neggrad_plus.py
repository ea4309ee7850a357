"""NegGrad+: descend on the retain set and ascend on the forget set in one step (Kurmanji et al. 2023, arXiv:2302.09880).

    loss = alpha * CE(retain batch) - (1 - alpha) * CE(forget batch)

The loss of a forget example is capped at ``max_loss`` nats (our addition). Published settings: lr 0.01, 10 epochs, alpha 0.95,
for ResNet-18 on CIFAR-10; our few steps need a smaller alpha.

Compared with ``train_negrad`` in ``thirdparty/repdistiller/helper/loops.py`` of meghdadk/SCRUB at 98ffb11: the loss is equal
below the cap. Deliberate differences: both batches pass through the network together, so that BatchNorm sees both, while the
published code passes them one after the other; forget batches are small, so that a pass over retain is one over forget.
"""

from __future__ import annotations

from typing import Any

import pluggy
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness_unlearners._clock import Batch, Clock
from harness_unlearners._options import read_options
from harness_unlearners._training import capped_cross_entropy, forward, recipe_optimizer, restored, take_step

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS = {
    "lr": {"type": "number", "least": 0, "default": "0.4 x recipe.lr"},
    "epochs": {"type": "whole", "least": 0, "default": "0.1 x recipe.epochs"},
    "batch_size": {"type": "whole", "least": 1, "default": "recipe.batch_size, at least 64"},
    "alpha": {"type": "number", "least": 0, "most": 1, "default": 0.8},
    "max_loss": {"type": "number", "least": 0, "default": 10.0},
}


@hookimpl
def unlearn(model: nn.Module, retain: Any, forget: Any, context: Any) -> None:
    """Train on the retain set while ascending the loss on the forget set.

    Options: ``lr`` (0.4 x the recipe's), ``epochs`` over the retain set (0.1 x the recipe's), ``batch_size`` (the recipe's, at
    least 64), ``alpha`` (0.8), ``max_loss`` (10 nats an example).
    """
    options = read_options(context.options, HARNESS_OPTIONS, context.recipe)
    optimizer = recipe_optimizer(model.parameters(), context.recipe, options["lr"])
    with restored(model):
        model.train()
        for kept, gone in Clock(context).pairs(retain, forget, options["batch_size"], options["epochs"]):
            take_step(optimizer, neggrad_loss(model, kept, gone, options["alpha"], options["max_loss"]))


def neggrad_loss(model: nn.Module, kept: Batch, gone: Batch, alpha: float, max_loss: float) -> Tensor:
    """Return the method's loss of a retain and a forget batch."""
    logits = forward(model, torch.cat([kept[0], gone[0]]))
    retain_loss = F.cross_entropy(logits[: len(kept[1])], kept[1])
    return alpha * retain_loss - (1 - alpha) * capped_cross_entropy(logits[len(kept[1]) :], gone[1], max_loss)
