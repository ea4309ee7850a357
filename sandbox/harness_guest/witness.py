"""A network that tells, in a buffer of its own state, how it was treated: for :mod:`harness.conformance`.

Weights are all that comes back from the sandbox. This network looks around at the moment at which its state is asked for, in
the model's own process, and what it sees travels with the weights.
"""

from __future__ import annotations

import gc
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness_guest.data import SplitData
from reference_models.architectures import mlp

BUFFER = "seen"
"""Name of the buffer, float32, one entry for each of :data:`SIGHTS`."""

SIGHTS = ("training", "with_data", "initial_seed", "retain", "forget", "validation")
"""1 or 0: whether a module is in training mode; whether model and data are on one device; whether a split is as it was given.
``initial_seed`` is what torch's global stream was last seeded with, modulo 2**24, which float32 holds exactly."""


def digest(tensor: Tensor) -> int:
    """CRC-32 of the bytes of a tensor."""
    return zlib.crc32(tensor.detach().cpu().contiguous().numpy().tobytes())


def witness(
    in_channels: int,
    image_size: tuple[int, int],
    n_classes: int,
    *,
    hidden: Sequence[int],
    digests: Mapping[str, Sequence[int]],
) -> nn.Module:
    """A small fully connected network that looks around.

    Args:
        in_channels, image_size, n_classes, hidden: as of :func:`reference_models.architectures.mlp`.
        digests: split -> digests of its images and of its labels, as they should be.
    """
    return Witness(mlp(in_channels, image_size, n_classes, hidden=hidden), digests)


class Witness(nn.Sequential):
    """See the module's docstring.

    Args:
        network: what it computes.
        digests: as :func:`witness` has them.
    """

    seen: Tensor

    def __init__(self, network: nn.Module, digests: Mapping[str, Sequence[int]]) -> None:
        super().__init__(*network.children())
        self._digests = {name: tuple(pair) for name, pair in digests.items()}
        self.register_buffer(BUFFER, torch.zeros(len(SIGHTS)))

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The state, with what is seen now."""
        self.seen = torch.tensor(self._look()).to(self.seen)
        return super().state_dict(*args, **kwargs)

    def _look(self) -> list[float]:
        # By its type alone: isinstance would ask objects that are not ours, some of which answer with an error.
        splits = [thing for thing in gc.get_objects() if type(thing) is SplitData]
        found = {(digest(split.images), digest(split.labels)) for split in splits}
        devices = {split.labels.device for split in splits} | {tensor.device for tensor in self.parameters()}
        return [
            float(any(module.training for module in self.modules())),
            float(len(devices) == 1),
            float(torch.initial_seed() % (1 << 24)),
            *(float(self._digests[name] in found) for name in SIGHTS[3:]),
        ]
