"""Logits of many models on many pictures."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from reference_models.ensembles import Ensemble
from reference_models.mechanism import make_ensemble
from reference_models.recipe import ModelSpec
from reference_models.states import StackedState, n_members, take_members

MEMBERS_AT_ONCE = 8


def stacked_logits(
    spec: ModelSpec,
    state: StackedState,
    images: NDArray[np.uint8],
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 128,
    members_at_once: int = MEMBERS_AT_ONCE,
) -> NDArray[np.float32]:
    """Outputs of every member on every picture, in evaluation mode.

    Args:
        spec: the network.
        state: K members (K may be 1).
        images: shape (n, C, H, W), uint8.
        device: where to compute.
        batch_size: pictures at a time; memory grows with ``batch_size * members_at_once``.
        members_at_once: members at a time.

    Returns:
        Logits of shape (K, n, n_classes), float32.
    """
    k = n_members(state)
    pictures = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
    out = torch.empty((k, len(images), spec.n_classes))
    for first in range(0, k, members_at_once):
        members = slice(first, min(first + members_at_once, k))
        ensemble = make_ensemble(spec, take_members(state, members), device)
        ensemble.train(False)
        _fill(out[members], ensemble, pictures, torch.device(device), batch_size)
    logits: NDArray[np.float32] = out.numpy()
    return logits


@torch.inference_mode()
def _fill(out: torch.Tensor, ensemble: Ensemble, pictures: torch.Tensor, device: torch.device, batch_size: int) -> None:
    for start in range(0, len(pictures), batch_size):
        rows = slice(start, start + batch_size)
        out[:, rows] = ensemble.logits(pictures[rows].to(device)[None]).to("cpu")
