"""Small networks that the tests of this folder train."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe
from reference_models.training.states import StackedState

Examples: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.int64]]


def spec_of(name: str, **options: Any) -> ModelSpec:
    """Return a specification for 16x16 RGB images of four classes."""
    return ModelSpec(ArchitectureSpec(name, options), (3, 16, 16), 4, (0.5, 0.4, 0.3), (0.2, 0.3, 0.25))


SPECS = {
    "patch-cnn": spec_of("patch-cnn", width=4, hidden=[8]),
    "patch-cnn-none": spec_of("patch-cnn", width=4, hidden=[], norm="none"),
    "small-cnn": spec_of("small-cnn", width=4),
    "small-cnn-batch": spec_of("small-cnn", width=4, norm="batch"),
    "small-cnn-group": spec_of("small-cnn", width=4, norm="group"),
    "resnet18": spec_of("resnet18", width=2),
    "resnet9": spec_of("resnet9", width=2),
    "mlp": spec_of("mlp", hidden=[8, 8]),
}


class ChannelMixer(nn.Module):
    """Takes a mean over channels half-way, which members that lie side by side would share."""

    def __init__(self, in_channels: int, n_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 6, 3, stride=4)
        self.head = nn.Linear(16, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(n, C, 16, 16) to (n, n_classes)."""
        hidden = self.conv(x).relu().mean(1)
        out: Tensor = self.head(hidden.flatten(1))
        return out


def channel_mixer(in_channels: int, image_size: tuple[int, int], n_classes: int) -> nn.Module:
    """Return a network that only vmap can run for many members."""
    return ChannelMixer(in_channels, n_classes)


def with_dropout(in_channels: int, image_size: tuple[int, int], n_classes: int) -> nn.Module:
    """Return a network with a random layer."""
    n_inputs = in_channels * image_size[0] * image_size[1]
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(n_inputs, n_classes))


def assert_close(one: StackedState, other: StackedState, tolerance: float = 1e-5) -> None:
    """Assert that two states have the same names and agree to ``tolerance``, relative and absolute."""
    assert list(one) == list(other)
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=tolerance, atol=tolerance)


def assert_steps_agree(one: StackedState, other: StackedState, recipe: Recipe) -> None:
    """Assert that two states are one step of ``recipe`` from the same state: to 1e-5, relative and absolute.

    Adam divides a gradient by its own size, so that a gradient within rounding of 0 makes a step of any sign: of its
    elements one in a thousand may differ.
    """
    if recipe.optimizer == "sgd":
        assert_close(one, other)
        return
    assert list(one) == list(other)
    close = [torch.isclose(one[name], other[name], rtol=1e-5, atol=1e-5).flatten() for name in one]
    assert torch.cat(close).float().mean() >= 0.999


def assert_identical(one: StackedState, other: StackedState) -> None:
    """Assert that two states agree bit by bit."""
    assert_close(one, other, tolerance=0.0)
