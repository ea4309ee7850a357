"""Logits of many models, each computed by an ordinary torch module."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reference_models.networks.architectures import build_model
from reference_models.networks.inputs import normalise
from reference_models.networks.recipe import ModelSpec
from reference_models.training.arithmetic import reproducible
from reference_models.training.states import StackedState, member_state, n_members


@torch.inference_mode()
def stacked_logits(
    spec: ModelSpec,
    state: StackedState,
    inputs: Any,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 256,
) -> NDArray[np.float32]:
    """Return the outputs of every member on every input, in evaluation mode.

    Unlearned and reference models are computed in the same way, so that their logits are comparable: in float32, whatever the
    recipe's precision.

    Args:
        spec: the network.
        state: K members (K may be 1).
        inputs: shape (n, ...), as ``spec`` describes them: an array, or rows of a mapped one, which are read batch by batch.
        device: device of the computation.
        batch_size: examples per forward pass.

    Returns:
        Logits of shape (K, n, n_classes), float32.
    """
    model = build_model(spec, None).to(device).eval()
    out = torch.empty((n_members(state), len(inputs), spec.n_classes))
    with reproducible():
        for member, found in enumerate(out):
            model.load_state_dict(member_state(state, member))
            for start in range(0, len(inputs), batch_size):
                rows = slice(start, start + batch_size)
                stored = torch.from_numpy(np.ascontiguousarray(inputs[rows])).to(device)
                found[rows] = model(normalise(stored, spec.mean, spec.std, len(spec.input_shape))).cpu()
    logits: NDArray[np.float32] = out.numpy()
    return logits
