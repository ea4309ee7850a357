"""Augmentation of training images with given random draws; images are uint8 with channels last, (..., H, W, C)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from reference_models.networks.recipe import Augmentation

CROP_PADDING = 4
"""Pixels added on each side by "crop-pad-4"."""


def flip(images: Tensor, flips: Tensor) -> Tensor:
    """Mirror the images (..., H, W, C) left to right where ``flips`` (...), bool, is true."""
    return torch.where(flips[..., None, None, None], images.flip(-2), images)


def crop(images: Tensor, offsets: Tensor) -> Tensor:
    """Pad the images with four zeros on each side, and return a window of the original size from each.

    Args:
        images: shape (..., H, W, C).
        offsets: top row and left column of each window, shape (..., 2), int64, in 0..8.
    """
    height, width, channels = images.shape[-3:]
    flat = images.reshape(-1, height, width, channels)
    padded = F.pad(flat, (0, 0, CROP_PADDING, CROP_PADDING, CROP_PADDING, CROP_PADDING))
    windows = padded.unfold(1, height, 1).unfold(2, width, 1)
    top, left = offsets.reshape(-1, 2).unbind(-1)
    taken = windows[torch.arange(len(flat), device=images.device), top, left]
    return taken.permute(0, 2, 3, 1).reshape(images.shape)


def augment(images: Tensor, kinds: Sequence[Augmentation], draws: Sequence[Tensor]) -> Tensor:
    """Apply ``kinds`` in order with their ``draws``; shapes as in :func:`flip` and :func:`crop`."""
    for kind, draw in zip(kinds, draws, strict=True):
        images = flip(images, draw) if kind == "horizontal-flip" else crop(images, draw)
    return images
