"""Helpers of methods that train: restored modes, the recipe's optimizer, a step, and a plain loop on the retain set."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from harness_unlearners._clock import Clock

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Function of logits (B, n_classes), images (B, C, H, W) and labels (B,); returns a scalar."""
Rate = Callable[[float], float]
"""Factor on the learning rate as a function of training progress in (0, 1), taken at the middle of a step."""


@contextmanager
def restored(model: nn.Module) -> Iterator[None]:
    """Context manager: restore train/eval modes and ``requires_grad`` on exit, and drop gradients."""
    modes = [(module, module.training) for module in model.modules()]
    trainable = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, requires_grad in trainable:
            parameter.requires_grad_(requires_grad).grad = None


def frozen_copy(model: nn.Module) -> nn.Module:
    """Return a frozen copy in eval mode: the original as a teacher."""
    return copy.deepcopy(model).eval().requires_grad_(False)


def forward(model: nn.Module, images: Tensor) -> Tensor:
    """Return logits (B, n_classes), in float32 also if the network computes in bfloat16.

    For a single image, BatchNorm uses its running statistics, since there is no variance.
    """
    if len(images) > 1:
        logits: Tensor = model(images)
        return logits.float()
    training = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.training]
    for module in training:
        module.eval()
    logits = model(images)
    for module in training:
        module.train()
    return logits.float()


def recipe_optimizer(
    parameters: Iterable[Tensor], recipe: Any, lr: float, weight_decay: float | None = None
) -> torch.optim.Optimizer:
    """Return the recipe's kind of optimizer with another learning rate, and the recipe's weight decay unless another is given.

    Raises:
        ValueError: an unknown optimizer.
    """
    decay = recipe.weight_decay if weight_decay is None else weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, lr=lr, momentum=recipe.momentum, nesterov=recipe.nesterov, weight_decay=decay
        )
    if recipe.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=lr, weight_decay=decay)
    raise ValueError(f"unknown optimizer {recipe.optimizer!r} in the recipe")


def learning_rate(recipe: Any, step: int, total_steps: int) -> float:
    """Return the recipe's learning rate of step ``step``, from 0, out of ``total_steps``.

    Raises:
        ValueError: an unknown schedule.
    """
    lr = float(recipe.lr)
    if recipe.schedule == "constant":
        return lr
    if recipe.schedule == "cosine":
        return lr * 0.5 * (1 + math.cos(math.pi * step / total_steps))
    if recipe.schedule == "one-cycle":
        warm_steps = round(float(recipe.warmup) * total_steps)
        if step < warm_steps:
            return lr * (step + 1) / warm_steps
        return lr * (total_steps - step) / (total_steps - warm_steps)
    raise ValueError(f"unknown schedule {recipe.schedule!r} in the recipe")


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of every parameter."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def take_step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one descent step on ``loss``."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def cross_entropy(logits: Tensor, images: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG001
    """Return the mean cross-entropy, in nats."""
    return F.cross_entropy(logits, labels)


def capped_cross_entropy(logits: Tensor, labels: Tensor, max_loss: float) -> Tensor:
    """Return the mean of per-example cross-entropies capped at ``max_loss`` nats, so that ascent ends."""
    return F.cross_entropy(logits, labels, reduction="none").clamp(max=max_loss).mean()


def divergence(target: Tensor, logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Return KL(softmax(target / T) || softmax(logits / T)) per example, in nats; shape (B,)."""
    log_p, log_q = F.log_softmax(target / temperature, 1), F.log_softmax(logits / temperature, 1)
    return (log_p.exp() * (log_p - log_q)).sum(1)


def constant(done: float) -> float:  # noqa: ARG001
    """Return 1: a constant learning rate."""
    return 1.0


def cosine(done: float) -> float:
    """Return the cosine decay from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * done))


def triangle(done: float) -> float:
    """Return a linear rise to 1 at half of the steps, then a linear fall."""
    return 2 * min(done, 1 - done)


def train_on(
    model: nn.Module,
    split: Any,
    clock: Clock,
    optimizer: torch.optim.Optimizer,
    *,
    epochs: int,
    batch_size: int,
    loss: Loss = cross_entropy,
    rate: Rate = constant,
) -> int:
    """Train ``model`` in place, in its current mode, while there is time; return the number of steps taken."""
    peak_lr = optimizer.param_groups[0]["lr"]
    n_steps = epochs * len(split.loader(batch_size=batch_size))
    steps = 0
    for images, labels in clock.batches(split, batch_size, epochs):
        set_lr(optimizer, peak_lr * rate((steps + 0.5) / n_steps))
        take_step(optimizer, loss(forward(model, images), images, labels))
        steps += 1
    return steps


def fine_tune(model: nn.Module, split: Any, context: Any, *, epochs: int, lr: float, batch_size: int) -> int:
    """Train ``model`` in place on ``split`` with SGD (momentum 0.9) and cross-entropy; return the number of steps taken.

    Stop early, with a line in the log, if another step would leave less than a tenth of the time limit.

    Args:
        model: on ``context.device``.
        split: a split with ``loader(batch_size, shuffle)``.
        context: the hook's context.
        epochs: passes over the split; 0 takes no step.
        lr: learning rate, constant.
        batch_size: examples per step.

    Raises:
        ValueError: the batch size is 0.
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    with restored(model):
        model.train()
        return train_on(model, split, Clock(context), optimizer, epochs=epochs, batch_size=batch_size)
