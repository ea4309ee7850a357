"""The network that SISA trains: constituents with separate parameters; see :mod:`reference_models.records.sisa`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from reference_models.networks.architectures import find_architecture, made
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec

PREFIX = "constituents"


class Sharded(nn.Module):
    """A network that averages the class probabilities of constituents of the same architecture.

    Args:
        constituents: each maps images to logits (B, n_classes).
    """

    def __init__(self, constituents: Sequence[nn.Module]) -> None:
        super().__init__()
        self.constituents = nn.ModuleList(constituents)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logarithms (B, n_classes) of the constituents' mean probabilities."""
        each = torch.stack([constituent(images).log_softmax(1) for constituent in self.constituents])
        return each.logsumexp(0) - math.log(len(self.constituents))


def sharded_network(
    input_shape: tuple[int, ...],
    n_classes: int,
    in_channels: int | None = None,
    image_size: tuple[int, int] | None = None,
    vocabulary: int | None = None,
    *,
    shards: int,
    name: str,
    options: Mapping[str, Any],
) -> nn.Module:
    """Return a network of ``shards`` constituents of the architecture ``name``, initialised one after another."""
    factory = find_architecture(name)
    values = (input_shape, n_classes, in_channels, image_size, vocabulary)
    names = ("input_shape", "n_classes", "in_channels", "image_size", "vocabulary")
    given = {key: value for key, value in zip(names, values, strict=True) if value is not None}
    return Sharded([made(factory, given, options) for _ in range(shards)])


def constituent_spec(spec: ModelSpec) -> ModelSpec:
    """Return the specification of one constituent of a sharded network."""
    options = spec.architecture.options
    return replace(
        spec, architecture=ArchitectureSpec(options["name"], options["options"], digest=spec.architecture.digest)
    )
