"""A training set resident on the training device."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reference_models.networks.augmentation import augment
from reference_models.networks.recipe import Recipe
from reference_models.training.sampling import Batch


class Examples:
    """Images and labels resident on a device, with their augmentation.

    Attributes:
        images: shape (n, H, W, C), uint8.
        labels: shape (n,), int64.
        recipe: recipe with the augmentation and the loss.
    """

    def __init__(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64], recipe: Recipe, device: torch.device
    ) -> None:
        self.images = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 2, 3, 1))).to(device)
        self.labels = torch.from_numpy(np.ascontiguousarray(labels)).to(device)
        self.recipe = recipe
        self._flat = self.images.flatten(1)

    def pictures(self, batch: Batch) -> Tensor:
        """Return augmented images (..., B, H, W, C), uint8."""
        drawn = batch.to(self.images.device)
        taken = self._flat.index_select(0, drawn.index.flatten()).view(*drawn.index.shape, *self.images.shape[1:])
        return augment(taken, self.recipe.augment, drawn.draws)

    def targets(self, batch: Batch) -> Tensor:
        """Return labels (..., B), int64."""
        return self.labels[batch.index.to(self.labels.device)]
