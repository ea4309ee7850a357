"""Masked small gradients: re-initialise weights with small gradients (2nd of the 2023 Challenge, Kookmin).

    g = sum over batches of the gradient of CE(retain) - CE(forget), from as many retain as forget batches
    in each convolution the ``share`` of the weights with the smallest |g| is re-initialised
    then CE on retain, with the gradients of the other convolution weights scaled by ``slowdown``

The learning rate rises and falls linearly. Sources: Triantafillou et al. 2024, arXiv:2406.09073; as MSG in Cadet et al. 2024,
arXiv:2410.01276. In a network without convolutions, linear layers are used instead. Published settings: share 0.3, slowdown
0.1, 5 epochs for a training of 30, SGD, lr 1e-3, momentum 0.9, weight decay 5e-4, batches of 64.

Compared with ``munl/unlearning/kgltop2.py`` of xcadet/deepunlearn at 6830ff6, a port of the notebook, which is in no
repository: the order of the weights and the slowdown are equal. Deliberate differences: fresh weights are those of a new
network of the architecture, while the port draws them from He's normal distribution by fan-out, as ``init=he`` does; biases
of convolutions are kept, while the port redraws them (ResNet-18 has none); the learning rate changes with every step, not once
per epoch; the gradient on retain uses as many batches as forget has, not as many examples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any

import pluggy
import torch
from torch import Tensor, nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options
from harness_unlearners._training import recipe_optimizer, restored, train_on, triangle
from harness_unlearners._weights import gradients, kernels, replace_where, selected

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS: dict[str, dict[str, Any]] = {
    "lr": {"type": "number", "least": 0, "default": "recipe.lr"},
    "epochs": {"type": "whole", "least": 0, "default": "5/30 x recipe.epochs"},
    "batch_size": {"type": "whole", "least": 1, "default": "recipe.batch_size, at least 64"},
    "share": {"type": "number", "least": 0, "most": 1, "default": 0.3},
    "slowdown": {"type": "number", "least": 0, "most": 1, "default": 0.1},
    "init": {"choices": ["architecture", "he"]},
}


@hookimpl
def unlearn(model: nn.Module, retain: Any, forget: Any, context: Any) -> None:
    """Re-initialise the weights with small gradients, then train on the retain set.

    Options: ``lr`` (1 x the recipe's), ``epochs`` (1/6 x the recipe's), ``batch_size`` (the recipe's, at least 64), ``share``
    (0.3), ``slowdown`` (0.1), ``init`` of fresh weights (architecture; or he).
    """
    options = read_options(context.options, HARNESS_OPTIONS, context.recipe)
    init, share, slowdown = options.pop("init"), options.pop("share"), options.pop("slowdown")
    optimizer = recipe_optimizer(model.parameters(), context.recipe, options.pop("lr"))
    weights, clock = kernels(model), Clock(context)
    fresh = kernels(context.new_model()) if init == "architecture" else he_weights(weights)
    with restored(model), ExitStack() as hooks:
        pulls = opposed_gradients(model.eval(), weights, retain, forget, clock, options["batch_size"])
        if clock.stopped:
            return
        for weight, new, pull in zip(weights, fresh, pulls, strict=True):
            (mask,) = selected([pull.abs()], share, largest=False)
            replace_where(mask, weight, new)
            hooks.callback(slow_down(weight, mask, slowdown))
        model.train()
        train_on(model, retain, clock, optimizer, rate=triangle, **options)


def he_weights(weights: Sequence[Tensor]) -> list[Tensor]:
    """Return a normal draw of variance 2 / fan-out for each of ``weights``, fan-out being outputs times kernel size."""
    return [nn.init.kaiming_normal_(torch.empty_like(weight), mode="fan_out") for weight in weights]


def opposed_gradients(
    model: nn.Module, weights: Sequence[Tensor], retain: Any, forget: Any, clock: Clock, batch_size: int
) -> list[Tensor]:
    """Return sums over batches of the gradient of CE(retain) - CE(forget)."""
    sums = [torch.zeros_like(weight) for weight in weights]
    n_batches = math.ceil(len(forget) / batch_size)
    for parts in gradients(model, weights, islice(clock.batches(retain, batch_size), n_batches)):
        torch._foreach_add_(sums, parts)
    for parts in gradients(model, weights, clock.batches(forget, batch_size)):
        torch._foreach_sub_(sums, parts)
    return sums


def slow_down(weight: Tensor, mask: Tensor, factor: float) -> Callable[[], None]:
    """Scale the gradients of ``weight`` outside ``mask`` from now on; return a handle that undoes it."""
    scale = torch.where(mask, 1.0, factor)
    handle = weight.register_hook(lambda gradient: gradient * scale)  # type: ignore[no-untyped-call]
    take_back: Callable[[], None] = handle.remove
    return take_back
