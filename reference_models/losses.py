"""The loss of K members at once, and its gradient."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reference_models.recipe import Recipe


def summed_loss(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Sum over members of each one's mean cross-entropy, so that every member's gradient is its own.

    Args:
        logits: shape (K, B, n_classes).
        labels: shape (K, B), int64.
        recipe: for its label smoothing.
    """
    loss = F.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), reduction="sum", label_smoothing=recipe.label_smoothing
    )
    return loss / labels.shape[1]


def loss_gradient(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """The gradient (K, B, n_classes) of :func:`summed_loss`: softmax less target, over B.

    With label smoothing s the target of a class is s / n_classes, and 1 - s more for the right one.
    """
    gradient = torch.softmax(logits, -1)
    if recipe.label_smoothing:
        gradient -= recipe.label_smoothing / logits.shape[-1]
    right = labels[..., None]
    gradient.scatter_add_(-1, right, gradient.new_full((1, 1, 1), recipe.label_smoothing - 1).expand(right.shape))
    return gradient.div_(labels.shape[1])
