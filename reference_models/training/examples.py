"""A training set resident on the training device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reference_models.networks.augmentation import augment
from reference_models.networks.recipe import ModelSpec, Recipe
from reference_models.training.sampling import Batch


class Examples:
    """Inputs and labels resident on a device, with their augmentation.

    Attributes:
        inputs: shape (n, H, W, C) for pictures, else (n, ...); as stored. On a CPU, mapped inputs other than pictures are
            not copied.
        labels: shape (n,), int64.
        recipe: recipe with the augmentation and the loss.
    """

    def __init__(
        self, inputs: NDArray[Any], labels: NDArray[np.int64], recipe: Recipe, device: torch.device, spec: ModelSpec
    ) -> None:
        if spec.is_picture:
            inputs = inputs.transpose(0, 2, 3, 1)
        self.inputs = torch.from_numpy(np.ascontiguousarray(inputs)).to(device)
        self.labels = torch.from_numpy(np.ascontiguousarray(labels)).to(device)
        self.recipe = recipe
        self._flat = self.inputs.flatten(1)

    def drawn(self, batch: Batch) -> Tensor:
        """Return augmented inputs as stored: (..., B, H, W, C) for pictures, else (..., B, ...)."""
        drawn = batch.to(self.inputs.device)
        taken = self._flat.index_select(0, drawn.index.flatten()).view(*drawn.index.shape, *self.inputs.shape[1:])
        return augment(taken, self.recipe.augment, drawn.draws)

    def targets(self, batch: Batch) -> Tensor:
        """Return labels (..., B), int64."""
        return self.labels[batch.index.to(self.labels.device)]
