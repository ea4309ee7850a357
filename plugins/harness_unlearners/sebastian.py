"""Prune and re-initialise small weights, then recover labels and entropies (4th of the 2023 Challenge, Sebastian Oleszko).

    of all convolution and linear weights and biases, the ``share`` with the smallest |theta| is pruned: weights are
    re-initialised, biases become 0
    then CE + mean of (H(student) - H(original))^2 on retain, H being the entropy of the softmax in nats;
    class y has weight n_y^-``class_power`` in CE, n_y being its number of examples in retain
    finally weights and statistics are rounded to half precision and back

Source: Triantafillou et al. 2024, arXiv:2406.09073. Published settings: share 0.99, for a ResNet-18 of 11 million weights;
3.2 epochs for a training of 30, SGD, lr 5e-4, momentum 0.9, weight decay 5e-4, batches of 64.

Compared with ``munl/unlearning/kgltop4.py`` of xcadet/deepunlearn at 6830ff6, a port of the notebook, which is in no
repository: pruning, class weights and loss are equal. Options ``biases=keep class_power=0`` switch off the last two parts of
pruning and loss. Deliberate differences:

- A small network does not recover from the published share, so fewer weights are re-initialised.
- Epochs are whole.
- Fresh weights are those of a new network of the architecture. The port draws them from U(-1, 1) / sqrt(fan-in), which is
  PyTorch's default unless the architecture has an initialisation of its own.
- A value that half precision cannot represent is not changed.
"""

from __future__ import annotations

from typing import Any

import pluggy
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options
from harness_unlearners._training import frozen_copy, recipe_optimizer, restored, train_on
from harness_unlearners._weights import replace_where, selected, weight_layers

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS: dict[str, dict[str, Any]] = {
    "lr": {"type": "number", "least": 0, "default": "recipe.lr"},
    "epochs": {"type": "whole", "least": 0, "default": "3.2/30 x recipe.epochs"},
    "batch_size": {"type": "whole", "least": 1, "default": "recipe.batch_size, at least 64"},
    "share": {"type": "number", "least": 0, "most": 1, "default": 0.4},
    "class_power": {"type": "number", "least": 0, "default": 0.1},
    "biases": {"choices": ["prune", "keep"]},
}


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Re-initialise small weights, then train on the retain set with the original's entropies.

    Options: ``lr`` (1 x the recipe's), ``epochs`` (3.2/30 x the recipe's), ``batch_size`` (the recipe's, at least 64), ``share``
    (0.4), ``class_power`` (0.1), ``biases`` (prune; or keep).
    """
    options = read_options(context.options, HARNESS_OPTIONS, context.recipe)
    original = frozen_copy(model)
    optimizer = recipe_optimizer(model.parameters(), context.recipe, options.pop("lr"))
    weights = class_weights(retain.labels, context.n_classes, options.pop("class_power"))
    restart_small_weights(model, context.new_model(), options.pop("share"), biases=options.pop("biases") == "prune")

    def loss(logits: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        return recovery_loss(logits, original(images), labels, weights)

    with restored(model):
        model.train()
        train_on(model, retain, Clock(context), optimizer, loss=loss, **options)
    round_to_half(model)


def restart_small_weights(model: nn.Module, fresh: nn.Module, share: float, *, biases: bool) -> None:
    """Replace the ``share`` of all layers' weights together with the smallest magnitude by those of ``fresh``.

    Args:
        model: changed in place.
        fresh: a network of the same architecture.
        share: of the weights of convolutions and linear layers, and of their biases if ``biases``.
        biases: whether biases are pruned as well; a pruned bias becomes 0.
    """
    layers, others = weight_layers(model).values(), weight_layers(fresh).values()
    old, new = [layer.weight for layer in layers], [layer.weight.detach() for layer in others]
    if biases:
        old += [layer.bias for layer in layers if layer.bias is not None]
        new += [torch.zeros_like(layer.bias) for layer in others if layer.bias is not None]
    for mask, value, other in zip(
        selected([v.detach().abs() for v in old], share, largest=False), old, new, strict=True
    ):
        replace_where(mask, value, other)


def class_weights(labels: Tensor, n_classes: int, power: float) -> Tensor:
    """Return n_class^-power for each class, 1 for a class without examples; shape (n_classes,)."""
    counts = torch.bincount(labels, minlength=n_classes).clamp(min=1)
    return counts.float() ** -power


def recovery_loss(logits: Tensor, target: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the class-weighted mean of CE plus the mean squared difference of the entropies of ``logits`` and ``target``."""
    return F.cross_entropy(logits, labels, weight=weights) + F.mse_loss(entropy(logits), entropy(target))


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy of each example's softmax, in nats; shape (B,)."""
    log_p = F.log_softmax(logits, 1)
    return -(log_p.exp() * log_p).sum(1)


@torch.no_grad()
def round_to_half(model: nn.Module) -> None:
    """Round every parameter and statistic to half precision; values out of its range are not changed."""
    for value in (*model.parameters(), *model.buffers()):
        if value.is_floating_point():
            rounded = value.half().to(value.dtype)
            value.copy_(torch.where(rounded.isfinite(), rounded, value))
