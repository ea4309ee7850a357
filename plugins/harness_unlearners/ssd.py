"""Selective synaptic dampening: shrink the weights that matter more to the forget set (Foster et al. 2023, arXiv:2308.07707).

    importance I = mean over batches of the squared gradient of the batch's mean CE, of all training data (D) or of forget (f)
    theta_i <- min(lambda * I_D / I_f, 1) * theta_i   where I_f > alpha * I_D; all others stay

No training and no randomness: batches are drawn in one order, whatever the seed. They are counted by their examples; D is forget
and retain together, each counted by its size, and retain is seen as far as there is time; where there is none for it, nothing is
changed. Published settings: alpha 10, lambda 1, for ResNet-18 and
whole classes or single examples of CIFAR; alpha 50, lambda 0.1 for face identities. What alpha does
depends on the network and the batch size; 10 selects nothing on the task ``faces``.
"""

from __future__ import annotations

from typing import Any

import pluggy
import torch
from torch import Tensor, nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options
from harness_unlearners._training import restored
from harness_unlearners._weights import gradients

hookimpl = pluggy.HookimplMarker("harness")

DEFAULTS = {"alpha": 4.5, "lambda": 1.0, "batch_size": 64}


@hookimpl
def unlearn(model: nn.Module, retain: Any, forget: Any, context: Any) -> None:
    """Dampen what the forget set needs.

    Options: ``alpha`` (4.5), ``lambda`` (1), ``batch_size`` (64).
    """
    options = read_options(context.options, DEFAULTS)
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    clock = Clock(context)
    with restored(model):
        model.eval()
        of_forget, n_forget = squared_gradients(model, weights, forget, clock, options["batch_size"])
        of_retain, n_retain = squared_gradients(model, weights, retain, clock, options["batch_size"])
    if clock.stopped and not n_retain:
        return  # nothing is known of the retain set
    # Each part counts by its size, not by how much of it was seen: a retain set cut short would make D look like forget.
    share = len(forget) / (len(forget) + len(retain))
    for weight, sum_forget, sum_retain in zip(weights, of_forget, of_retain, strict=True):
        importance, other = sum_forget / max(1, n_forget), sum_retain / max(1, n_retain)
        dampen(weight, share * importance + (1 - share) * other, importance, options["alpha"], options["lambda"])


def squared_gradients(
    model: nn.Module, weights: list[nn.Parameter], split: Any, clock: Clock, batch_size: int
) -> tuple[list[Tensor], int]:
    """Sums of squared batch gradients, each times its examples, and the number of examples."""
    sizes: list[int] = []

    def counted() -> Any:
        for images, labels in clock.batches(split, batch_size, generator=torch.Generator().manual_seed(0)):
            sizes.append(len(labels))
            yield images, labels

    sums = [torch.zeros_like(weight) for weight in weights]
    for parts in gradients(model, weights, counted()):
        torch._foreach_addcmul_(sums, parts, parts, value=sizes[-1])
    return sums, sum(sizes)


@torch.no_grad()
def dampen(weight: Tensor, of_all: Tensor, of_forget: Tensor, alpha: float, strength: float) -> None:
    """The method's formula; ``strength`` is its lambda."""
    factor = (strength * of_all / of_forget).clamp(max=1)
    weight.mul_(torch.where(of_forget > alpha * of_all, factor, 1.0))
