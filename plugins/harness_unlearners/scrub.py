"""SCRUB: obey the original on the retain set, contradict it on the forget set (Kurmanji et al. 2023, arXiv:2302.09880).

    up:    -KL(teacher || student) * T^2 on forget, in the first ``max_share`` of the epochs
    down:  gamma * CE + alpha * KL(teacher || student) * T^2 on retain, in every epoch after that

The teacher is the original, frozen in eval mode; KL is between softmaxes at temperature T; a forget example counts at most
``max_loss``, which is ours. Published settings: lr 5e-4, 5 epochs of which 3 climb, alpha 0.1 to 0.5, gamma 0.99 to 1, T 4 (2 in
a later version), batches of 64 (forget) and 32 (retain).
"""

from __future__ import annotations

from typing import Any

import pluggy
from torch import Tensor, nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options, training_defaults
from harness_unlearners._training import (
    cross_entropy,
    divergence,
    forward,
    frozen_copy,
    recipe_optimizer,
    restored,
    take_step,
    train_on,
)

hookimpl = pluggy.HookimplMarker("harness")

DEFAULTS = {"alpha": 0.1, "gamma": 1.0, "temperature": 4.0, "max_share": 0.6, "max_loss": 10.0}


@hookimpl
def unlearn(model: nn.Module, retain: Any, forget: Any, context: Any) -> None:
    """Alternate between climbing on the forget set and descending on the retain set.

    Options: ``lr`` (0.5 x the recipe's), ``epochs`` (0.1 x the recipe's), ``batch_size`` (the recipe's, at least 64), ``alpha``
    (0.1), ``gamma`` (1), ``temperature`` (4), ``max_share`` (0.6), ``max_loss`` (10).
    """
    defaults = {**training_defaults(context.recipe, lr=0.5, epochs=0.1), **DEFAULTS}
    options = read_options(context.options, defaults, shares=["max_share"], positive=["temperature"])
    alpha: float = options["alpha"]
    gamma: float = options["gamma"]
    temperature: float = options["temperature"]
    teacher = frozen_copy(model)
    optimizer = recipe_optimizer(model.parameters(), context.recipe, options["lr"])
    clock = Clock(context)

    def obey(logits: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        distilled = distillation(teacher(images), logits, temperature).mean()
        return gamma * cross_entropy(logits, images, labels) + alpha * distilled

    with restored(model):
        model.train()
        for epoch in clock.epochs(options["epochs"]):
            if epoch < options["max_share"] * options["epochs"]:
                for images, _ in clock.batches(forget, options["batch_size"]):
                    distance = distillation(teacher(images), forward(model, images), temperature)
                    take_step(optimizer, -distance.clamp(max=options["max_loss"]).mean())
            train_on(model, retain, clock, optimizer, epochs=1, batch_size=options["batch_size"], loss=obey)


def distillation(target: Tensor, logits: Tensor, temperature: float) -> Tensor:
    """KL(target || logits) at ``temperature``, times its square, of each example; shape (B,)."""
    scaled: Tensor = divergence(target, logits, temperature) * temperature**2
    return scaled
