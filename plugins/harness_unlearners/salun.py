"""SalUn: random labels, training only the weights salient for the forget set (Fan et al. 2023, arXiv:2310.12508).

    mask = the ``share`` of all weights with the largest |sum over forget batches of the gradient of CE|
    then random labels, with every weight outside the mask held at its value

The mask is applied after the step, not to the gradient, so that momentum and weight decay cannot move a masked weight either.
Published settings: ``labels=any order=forget_first share=0.5 lr=0.013 epochs=10``, for ResNet-18 and a tenth of CIFAR-10.

Compared with ``Classification/generate_mask.py`` and ``Classification/unlearn/RL.py`` of OPTML-Group/Unlearn-Saliency at
a6e89fd: mask and masked step are equal. Deliberate differences: the published code draws from all labels, so that a forget
example keeps its own with probability 1/C, and for CIFAR-10 and SVHN passes over forget before retain. By default labels are
wrong ones and each batch holds both sets, as its branch for CIFAR-100 does.
"""

from __future__ import annotations

from typing import Any

import pluggy
import torch
from torch import Tensor, nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options
from harness_unlearners._relabelling import any_labels, train_relabelled, wrong_labels
from harness_unlearners._training import recipe_optimizer, restored
from harness_unlearners._weights import gradients, replace_where, selected

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS: dict[str, dict[str, Any]] = {
    "lr": {"type": "number", "least": 0, "default": "0.3 x recipe.lr"},
    "epochs": {"type": "whole", "least": 0, "default": "0.1 x recipe.epochs"},
    "batch_size": {"type": "whole", "least": 1, "default": "recipe.batch_size, at least 64"},
    "share": {"type": "number", "least": 0, "most": 1, "default": 0.5},
    "labels": {"choices": ["wrong", "any"]},
    "order": {"choices": ["together", "forget_first"]},
}

LABELS = {"wrong": wrong_labels, "any": any_labels}


@hookimpl
def unlearn(model: nn.Module, retain: Any, forget: Any, context: Any) -> None:
    """Find the salient weights, then train only those.

    Options: ``lr`` (0.3 x the recipe's), ``epochs`` (0.1 x the recipe's), ``batch_size`` (the recipe's, at least 64), ``share``
    of the weights (0.5), ``labels`` of forget examples (wrong; or any), ``order`` of an epoch (together; or forget_first).
    """
    options = read_options(context.options, HARNESS_OPTIONS, context.recipe)
    relabel = LABELS[options.pop("labels")]
    how = {"relabel": relabel, "forget_first": options.pop("order") == "forget_first"}
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = recipe_optimizer(weights, context.recipe, options.pop("lr"))
    clock = Clock(context)
    with restored(model):
        masks = salient(model.eval(), weights, forget, clock, options["batch_size"], options.pop("share"))
        kept = [weight.detach().clone() for weight in weights]

        def hold() -> None:
            for mask, weight, value in zip(masks, weights, kept, strict=True):
                replace_where(~mask, weight, value)

        model.train()
        train_relabelled(model, retain, forget, clock, optimizer, context.n_classes, after_step=hold, **how, **options)


def salient(
    model: nn.Module, weights: list[nn.Parameter], forget: Any, clock: Clock, batch_size: int, share: float
) -> list[Tensor]:
    """Return masks of the ``share`` of all weights with the largest magnitude of the summed gradient."""
    sums = [torch.zeros_like(weight) for weight in weights]
    for parts in gradients(model, weights, clock.batches(forget, batch_size)):
        torch._foreach_add_(sums, parts)
    return selected([total.abs() for total in sums], share, largest=True)
