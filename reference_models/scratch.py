"""Memory that is used again in every step: asking the system for it anew costs more than much of the arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


class Scratch:
    """Float32 tensors on the CPU by name; a tensor is valid until its name is asked for again."""

    def __init__(self) -> None:
        self._flat: dict[str, Tensor] = {}
        self._zeros: dict[str, Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """A contiguous tensor of any content."""
        return _part(self._flat, name, shape, torch.empty)

    def zeros(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """A contiguous tensor of zeros, except for what was written to it by the same name before."""
        return _part(self._zeros, name, shape, torch.zeros)


def _part(kept: dict[str, Tensor], name: str, shape: tuple[int, ...], new: Callable[[int], Tensor]) -> Tensor:
    n_values = math.prod(shape)
    flat = kept.get(name)
    if flat is None or len(flat) < n_values:
        flat = kept[name] = new(n_values)
    return flat[:n_values].view(shape)


def unflatten(tensor: Tensor, dim: int, sizes: tuple[int, ...]) -> Tensor:
    """As ``Tensor.unflatten``, with a type; a view."""
    return tensor.view(*tensor.shape[:dim], *sizes, *tensor.shape[dim + 1 :])
