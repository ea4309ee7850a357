"""Start afresh with small weights, then recover labels and certainty (4th of the 2023 Challenge, Sebastian Oleszko).

    the ``share`` of all convolution and linear weights with the smallest |theta| is initialised anew
    then CE + mean of (H(student) - H(original))^2 on retain, H being the entropy of the softmax in nats
    finally weights are rounded to half precision and back

Source: Triantafillou et al. 2024, arXiv:2406.09073. Published settings: share 0.99, for a ResNet-18 of 11 million weights;
3.2 epochs where training took 30, SGD, lr 5e-4, momentum 0.9, weight decay 5e-4, batches of 64. A small network does not recover
from that share, so that fewer weights start afresh here.
"""

from __future__ import annotations

from typing import Any

import pluggy
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options, training_defaults
from harness_unlearners._training import cross_entropy, frozen_copy, recipe_optimizer, restored, train_on
from harness_unlearners._weights import replace_where, selected, weight_layers

hookimpl = pluggy.HookimplMarker("harness")


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Re-initialise small weights, then train on the retain set with the original's entropies.

    Options: ``lr`` (1 x the recipe's), ``epochs`` (3.2/30 x the recipe's), ``batch_size`` (the recipe's, at least 64), ``share``
    (0.4).
    """
    defaults = {**training_defaults(context.recipe, lr=1.0, epochs=3.2 / 30), "share": 0.4}
    options = read_options(context.options, defaults, shares=["share"])
    original = frozen_copy(model)
    optimizer = recipe_optimizer(model.parameters(), context.recipe, options.pop("lr"))
    restart_small_weights(model, context.new_model(), options.pop("share"))

    def loss(logits: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(logits, images, labels) + F.mse_loss(entropy(logits), entropy(original(images)))

    with restored(model):
        model.train()
        train_on(model, retain, Clock(context), optimizer, loss=loss, **options)
    round_to_half(model)


def restart_small_weights(model: nn.Module, fresh: nn.Module, share: float) -> None:
    """Replace the ``share`` of all layers' weights together that are smallest by those of ``fresh``, of the same architecture."""
    weights = [layer.weight for layer in weight_layers(model).values()]
    others = [layer.weight for layer in weight_layers(fresh).values()]
    masks = selected([weight.detach().abs() for weight in weights], share, largest=False)
    for mask, weight, other in zip(masks, weights, others, strict=True):
        replace_where(mask, weight, other)


def entropy(logits: Tensor) -> Tensor:
    """Of each example's softmax, in nats; shape (B,)."""
    log_p = F.log_softmax(logits, 1)
    return -(log_p.exp() * log_p).sum(1)


@torch.no_grad()
def round_to_half(model: nn.Module) -> None:
    """Round every parameter to what half precision can hold; what it cannot hold stays."""
    for parameter in model.parameters():
        rounded = parameter.half().to(parameter.dtype)
        parameter.copy_(torch.where(rounded.isfinite(), rounded, parameter))
