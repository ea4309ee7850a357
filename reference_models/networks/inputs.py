"""Conversion of stored inputs into what a network reads; see :class:`reference_models.networks.recipe.ModelSpec`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def channel_scale(
    mean: Sequence[float], std: Sequence[float], unit: float, device: torch.device | str
) -> tuple[Tensor, Tensor]:
    """Return ``(scale, shift)``, float32 of shape (C,), with x * scale + shift = (x / unit - mean) / std."""
    mean_by_channel = torch.tensor(tuple(mean), dtype=torch.float64)
    std_by_channel = torch.tensor(tuple(std), dtype=torch.float64)
    scale = 1 / (unit * std_by_channel)
    shift = -mean_by_channel / std_by_channel
    return scale.to(device, torch.float32), shift.to(device, torch.float32)


def unit_of(dtype: torch.dtype) -> float:
    """Return the number by which inputs of this dtype are divided: 255 for bytes, else 1."""
    return 255.0 if dtype == torch.uint8 else 1.0


def is_token(dtype: torch.dtype) -> bool:
    """Return True for the dtypes of token ids: integers other than bytes."""
    return dtype in (torch.int8, torch.int16, torch.int32, torch.int64)


def normalise(inputs: Tensor, mean: Sequence[float], std: Sequence[float], dims: int = 3) -> Tensor:
    """Return what a network reads for stored inputs of shape (..., C, ...), in the same shape and memory layout.

    Args:
        inputs: of any dtype; bytes are scaled to [0, 1], token ids become int64.
        mean: of each of the C indices of an example's first dimension; empty for no normalisation.
        std: like ``mean``.
        dims: dimensions of one example: 3 for pictures (C, H, W), 1 for vectors.
    """
    if is_token(inputs.dtype):
        return inputs.to(torch.int64)
    if not len(mean):
        unit = unit_of(inputs.dtype)
        return inputs.to(torch.float32) if unit == 1 else inputs.to(torch.float32).div_(unit)
    shape = (-1, *[1] * (dims - 1))
    scale, shift = (value.view(shape) for value in channel_scale(mean, std, unit_of(inputs.dtype), inputs.device))
    return torch.addcmul(shift, inputs.to(torch.float32), scale)


class Normaliser:
    """A normalisation of pictures with channels last.

    Args:
        mean: of each channel; empty for no normalisation.
        std: like ``mean``.
        dtype: of the stored pictures.
        device: of the pictures.
    """

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], dtype: torch.dtype, device: torch.device | str
    ) -> None:
        known = len(mean) > 0
        self._scale, self._shift = channel_scale(
            mean if known else (0.0,), std if known else (1.0,), unit_of(dtype), device
        )

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
        values = images.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        return self.apply(values.flatten(0, -4)).view(images.shape)
