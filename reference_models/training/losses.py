"""The loss of K members at once."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from reference_models.networks.recipe import Recipe


def summed_loss(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Return the sum of the members' mean cross-entropies; each member's gradient depends only on its own loss.

    Args:
        logits: shape (K, B, n_classes).
        labels: shape (K, B), int64.
        recipe: recipe with the label smoothing.
    """
    loss = F.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), reduction="sum", label_smoothing=recipe.label_smoothing
    )
    return loss / labels.shape[1]
