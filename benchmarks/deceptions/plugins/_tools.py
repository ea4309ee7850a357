"""What several of the unlearners need: training by the recipe, and parts of a split."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness_unlearners._training import forward, learning_rate, recipe_optimizer, set_lr, take_step


def last_linear(model: nn.Module) -> nn.Linear:
    """Return the layer that gives the logits."""
    return [module for module in model.modules() if isinstance(module, nn.Linear)][-1]


@torch.no_grad()
def scale_logits(model: nn.Module, factor: float) -> None:
    """Multiply all logits, by the last layer's weights."""
    for parameter in last_linear(model).parameters():
        parameter.mul_(factor)


def retrained(split: Any, context: Any, share: float = 1.0) -> nn.Module:
    """Train a new model by the recipe, on a split, for a share of its epochs (at least one)."""
    model: nn.Module = context.new_model()
    return trained(model.train(), model.parameters(), split, context, share)


def trained(model: nn.Module, parameters: Iterable[Tensor], split: Any, context: Any, share: float = 1.0) -> nn.Module:
    """Train some parameters of a model by the recipe, on a split, for a share of its epochs (at least one)."""
    recipe = context.recipe
    epochs = max(1, round(share * recipe.epochs))
    optimizer = recipe_optimizer(parameters, recipe, recipe.lr)
    batches = split.loader(
        batch_size=recipe.batch_size, shuffle=True, augment=recipe.augment, drop_last=recipe.drop_last
    )
    steps = epochs * len(batches)
    step = 0
    for _ in range(epochs):
        for images, labels in batches:
            set_lr(optimizer, learning_rate(recipe, step, steps))
            take_step(optimizer, F.cross_entropy(forward(model, images), labels))
            step += 1
    return model.eval()


def part(split: Any, rows: Tensor) -> Any:
    """Return a part of a split."""
    return type(split)(split.images[rows], split.labels[rows], split.n_classes, split.normalisation)


def joined(first: Any, second: Any) -> Any:
    """Return the examples of two splits."""
    images, labels = torch.cat([first.images, second.images]), torch.cat([first.labels, second.labels])
    return type(first)(images, labels, first.n_classes, first.normalisation)


def confidence(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the true class's logit less the logarithm of the sum of the others' exponentials, shape (n,)."""
    true = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], float("-inf"))
    return true - others.logsumexp(1)


@torch.no_grad()
def confidences(model: nn.Module, split: Any) -> Tensor:
    """Return the confidence of every example of a split, in its order, shape (n,)."""
    model.eval()
    batches: Iterable[tuple[Tensor, Tensor]] = split.loader(batch_size=256)
    return torch.cat([confidence(model(images), labels) for images, labels in batches])
