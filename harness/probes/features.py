"""The probe ``features``: what the last linear layer of a network reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import probed
from harness.probes.probe import Arrays, Probe, ProbeInputs
from harness.tasks.task import Task
from reference_models.networks.recipe import ModelSpec

if TYPE_CHECKING:
    from torch import nn

    from reference_models.training.states import StackedState

SPLITS = ("forget", "retain", "test")
EXAMPLES = 512
"""Largest number of examples of a split; :func:`harness.evaluation.probed` says which."""
BATCH = 256


def last_linear(module: nn.Module, classes: int) -> nn.Module | None:
    """Return the linear layer with one output per class that is registered last; None if there is none."""
    from torch import nn

    found = [part for part in module.modules() if isinstance(part, nn.Linear) and part.out_features == classes]
    return found[-1] if found else None


def compute(given: ProbeInputs, state: StackedState) -> Arrays:
    """Return the features of each split, shape (K, n, d), float32; nothing without a last layer that is linear."""
    import torch

    from reference_models.networks.architectures import build_model
    from reference_models.training.states import member_state, n_members

    model = build_model(given.spec, None).to(given.device).eval()
    layer = last_linear(model, given.spec.n_classes)
    if layer is None:
        return {}
    members = n_members(state)
    chosen = {split: given.inputs[split][probed(len(given.inputs[split]), EXAMPLES)] for split in SPLITS}
    found: dict[str, list[NDArray[np.float32]]] = {split: [] for split in SPLITS}
    with torch.inference_mode():
        for member in range(members):
            model.load_state_dict(member_state(state, member))
            for split in SPLITS:
                found[split].append(_features(model, layer, chosen[split], given.spec, given.device))
            given.on_step(member + 1, members)
    return {split: np.stack(rows) for split, rows in found.items()}


def _features(
    model: nn.Module, layer: nn.Module, inputs: NDArray[Any], spec: ModelSpec, device: str
) -> NDArray[np.float32]:
    """Return what ``layer`` reads for each example, shape (n, d)."""
    import torch

    from reference_models.networks.inputs import normalise

    read: list[torch.Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _module, arguments: read.append(arguments[0].flatten(1).cpu()))
    try:
        for start in range(0, len(inputs), BATCH):
            stored = torch.from_numpy(np.ascontiguousarray(inputs[start : start + BATCH])).to(device)
            model(normalise(stored, spec.mean, spec.std, len(spec.input_shape)))
    finally:
        handle.remove()
    features: NDArray[np.float32] = torch.cat(read).float().numpy()
    return features


def _refuses(task: Task) -> str:
    return "its network has a last layer for each shard" if task.sisa is not None else ""


FEATURES = Probe(
    name="features",
    summary="what the last linear layer reads, on the forget, retain and test set",
    compute=compute,
    epochs=lambda _recipe: 0.1,
    refuses=_refuses,
)
