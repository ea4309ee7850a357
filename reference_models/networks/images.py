"""Normalisation of uint8 images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def channel_scale(mean: Sequence[float], std: Sequence[float], device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Return ``(scale, shift)``, float32 of shape (C,), with x * scale + shift = (x / 255 - mean) / std."""
    mean_by_channel = torch.tensor(tuple(mean), dtype=torch.float64)
    std_by_channel = torch.tensor(tuple(std), dtype=torch.float64)
    scale = 1 / (255 * std_by_channel)
    shift = -mean_by_channel / std_by_channel
    return scale.to(device, torch.float32), shift.to(device, torch.float32)


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Return (x / 255 - mean) / std as float32, for uint8 images (..., C, H, W); shape and memory layout are kept."""
    scale, shift = (value.view(-1, 1, 1) for value in channel_scale(mean, std, images.device))
    return torch.addcmul(shift, images.to(torch.float32), scale)


class Normaliser:
    """A normalisation of uint8 images with channels last."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device | str) -> None:
        self._scale, self._shift = channel_scale(mean, std, device)

    def apply(self, values: Tensor) -> Tensor:
        """Normalise contiguous float32 (B, H, ..., C) in place; whole rows at once, since a dimension of length C is slow."""
        rows = values.flatten(2)
        repeats = rows.shape[2] // len(self._scale)
        rows.mul_(self._scale.repeat(repeats)).add_(self._shift.repeat(repeats))
        return values

    def channels_side_by_side(self, images: Tensor) -> Tensor:
        """Normalise (K, B, H, W, C) into (B, K * C, H, W), channels last in memory."""
        k, n, height, width, channels = images.shape
        values = torch.empty((n, height, width, k, channels), device=images.device)
        values.copy_(images.permute(1, 2, 3, 0, 4))
        return self.apply(values).view(n, height, width, k * channels).permute(0, 3, 1, 2)

    def channels_last(self, images: Tensor) -> Tensor:
        """Normalise (..., H, W, C) into contiguous float32 of the same shape."""
        values = images.to(torch.float32, memory_format=torch.contiguous_format)
        return self.apply(values.flatten(0, -4)).view(images.shape)
