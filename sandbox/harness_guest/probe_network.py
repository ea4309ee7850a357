"""A probe network that records in a buffer of its state how it was treated, for :mod:`harness.conformance`.

Only weights come back from the sandbox. This network inspects its process when its state dict is requested, and returns the
observations with the weights.
"""

from __future__ import annotations

import gc
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness_guest.data import SplitData
from reference_models.networks.architectures import mlp

BUFFER = "seen"
"""Name of the buffer, float32, one entry per name in :data:`OBSERVATIONS`."""

OBSERVATIONS = ("training", "with_data", "initial_seed", "retain", "forget", "validation")
"""Observations, 1 or 0: whether a module is in training mode; whether model and data share a device; whether a split is intact.
``initial_seed`` is the last seed of torch's global stream, modulo 2**24, which float32 represents exactly.
"""


def digest(tensor: Tensor) -> int:
    """Return the CRC-32 of a tensor's bytes."""
    return zlib.crc32(tensor.detach().cpu().contiguous().numpy().tobytes())


def probe_network(
    input_shape: Sequence[int],
    n_classes: int,
    *,
    hidden: Sequence[int],
    digests: Mapping[str, Sequence[int]],
) -> nn.Module:
    """Return a small fully connected probe network.

    Args:
        input_shape, n_classes, hidden: see :func:`reference_models.networks.architectures.mlp`.
        digests: split -> expected digests of its inputs and labels.
    """
    return ProbeNetwork(mlp(input_shape, n_classes, hidden=hidden), digests)


class ProbeNetwork(nn.Sequential):
    """A network that appends observations of its process to its state; see the module's docstring.

    Args:
        network: computes the output.
        digests: see :func:`probe_network`.
    """

    seen: Tensor

    def __init__(self, network: nn.Module, digests: Mapping[str, Sequence[int]]) -> None:
        super().__init__(*network.children())
        self._digests = {name: tuple(pair) for name, pair in digests.items()}
        self.register_buffer(BUFFER, torch.zeros(len(OBSERVATIONS)))

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the state with the current observations."""
        self.seen = torch.tensor(self._look()).to(self.seen)
        return super().state_dict(*args, **kwargs)

    def _look(self) -> list[float]:
        # type(), not isinstance(), which would call __class__ of foreign objects, and some of these raise.
        splits = [thing for thing in gc.get_objects() if type(thing) is SplitData]
        found = {(digest(split.inputs), digest(split.labels)) for split in splits}
        devices = {split.labels.device for split in splits} | {tensor.device for tensor in self.parameters()}
        return [
            float(any(module.training for module in self.modules())),
            float(len(devices) == 1),
            float(torch.initial_seed() % (1 << 24)),
            *(float(self._digests[name] in found) for name in OBSERVATIONS[3:]),
        ]
