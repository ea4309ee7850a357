"""Logits of many models, each computed by an ordinary torch module."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from reference_models.networks.architectures import build_model
from reference_models.networks.images import normalise
from reference_models.networks.recipe import ModelSpec
from reference_models.training.states import StackedState, member_state, n_members


@torch.inference_mode()
def stacked_logits(
    spec: ModelSpec,
    state: StackedState,
    images: NDArray[np.uint8],
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 256,
) -> NDArray[np.float32]:
    """Return the outputs of every member on every image, in evaluation mode.

    Unlearned and reference models are computed in the same way, so that their logits are comparable.

    Args:
        spec: the network.
        state: K members (K may be 1).
        images: shape (n, C, H, W), uint8.
        device: device of the computation.
        batch_size: images per forward pass.

    Returns:
        Logits of shape (K, n, n_classes), float32.
    """
    model = build_model(spec, None).to(device).eval()
    pictures = torch.from_numpy(np.ascontiguousarray(images))
    out = torch.empty((n_members(state), len(images), spec.n_classes))
    for member, found in enumerate(out):
        model.load_state_dict(member_state(state, member))
        for start in range(0, len(images), batch_size):
            rows = slice(start, start + batch_size)
            found[rows] = model(normalise(pictures[rows].to(device), spec.mean, spec.std)).cpu()
    logits: NDArray[np.float32] = out.numpy()
    return logits
