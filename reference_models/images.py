"""From stored pictures to what a network reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def channel_scale(mean: Sequence[float], std: Sequence[float], device: torch.device | str) -> tuple[Tensor, Tensor]:
    """``(scale, shift)``, float32 of shape (C,), with x * scale + shift = (x / 255 - mean) / std."""
    mean_by_channel = torch.tensor(tuple(mean), dtype=torch.float64)
    std_by_channel = torch.tensor(tuple(std), dtype=torch.float64)
    scale = 1 / (255 * std_by_channel)
    shift = -mean_by_channel / std_by_channel
    return scale.to(device, torch.float32), shift.to(device, torch.float32)


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(x / 255 - mean) / std of uint8 images of shape (..., C, H, W); float32, same shape and memory layout."""
    scale, shift = (value.view(-1, 1, 1) for value in channel_scale(mean, std, images.device))
    return torch.addcmul(shift, images.to(torch.float32), scale)
