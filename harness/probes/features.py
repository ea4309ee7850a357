"""The probe ``features``: what the last linear layer of a network reads, and outputs of its layers.

Memory is bounded by a rule that depends on the network alone: the first :data:`MODELS` models of a population, and as many
examples of a split as have :data:`VALUES` features, but at least :data:`FEWEST` and at most :data:`EXAMPLES`. Outputs of
convolutions are averaged over positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import TaskInvalidError
from harness.evaluation import probed
from harness.probes.probe import Arrays, Probe, ProbeInputs
from harness.tasks.task import Task
from reference_models.networks.naming import near_match
from reference_models.networks.recipe import ModelSpec

if TYPE_CHECKING:
    import torch
    from torch import nn

    from reference_models.training.states import StackedState

SPLITS = ("forget", "retain", "test")
OF_LAYERS = ("forget", "retain")
"""Splits on which outputs of layers before the last are computed."""
EXAMPLES, FEWEST = 512, 64
"""Largest and smallest number of examples of a split; :func:`harness.evaluation.probed` says which."""
VALUES = 1 << 17
"""Most features of a split, examples times width."""
MODELS = 64
"""Models of each population, rounded up to whole chunks."""
BATCH = 256
TRIED = 2
"""Examples in the trial of layers."""
AT = "@"
"""Separates the split from the layer in an array's name."""


def array_name(split: str, layer: str = "") -> str:
    """Return the name of an array: the split, and the layer unless it is what the last linear layer reads."""
    return f"{split}{AT}{layer}" if layer else split


def last_linear(module: nn.Module, classes: int) -> nn.Module | None:
    """Return the linear layer with one output per class that is registered last; None if there is none."""
    from torch import nn

    found = [part for part in module.modules() if isinstance(part, nn.Linear) and part.out_features == classes]
    return found[-1] if found else None


def layers_of(model: nn.Module, named: Sequence[str], bundled: bool) -> list[str]:
    """Return the names of the layers whose outputs are compared, in order.

    Args:
        model: the network.
        named: names of modules that the task gives; empty for the rule of bundled networks.
        bundled: the network is bundled: its activations are taken (of ``resnet18``, its four stages), except the one that the
            last linear layer reads.

    Raises:
        ValueError: the network has no module of a name in ``named``.
    """
    from torch import nn

    modules = dict(model.named_modules())
    if unknown := [name for name in named if not name or name not in modules]:
        raise ValueError(f"there is no module {unknown[0]!r}{near_match(unknown[0], [one for one in modules if one])}")
    if named or not bundled:
        return list(named)
    if stages := [name for name in modules if name.startswith("layer") and name.removeprefix("layer").isdigit()]:
        return stages
    return [name for name, part in modules.items() if isinstance(part, nn.ReLU)][:-1]


def check_layers(task: Task, spec: ModelSpec) -> None:
    """Try the layers that a task names, before anything is trained.

    Raises:
        TaskInvalidError: the network has no module of that name, does not call it, or it returns no features.
    """
    import torch

    from reference_models.networks.architectures import build_model
    from reference_models.networks.inputs import normalise
    from reference_models.training.mechanism import probe_inputs

    if not task.layers:
        return
    model = build_model(spec, 0).eval()
    try:
        layers_of(model, task.layers, bundled=False)
        returned: dict[str, object] = {}
        for name, part in model.named_modules():
            if name in task.layers:
                part.register_forward_hook(lambda _part, _read, output, name=name: returned.update({name: output}))
        with torch.inference_mode():
            model(normalise(probe_inputs(spec, TRIED), spec.mean, spec.std, len(spec.input_shape)))
        for name in task.layers:
            if name not in returned:
                raise ValueError(f"the network does not call the module {name!r}")
            output = returned[name]
            if not isinstance(output, torch.Tensor) or output.dim() < 2 or len(output) != TRIED:
                raise ValueError(f"the module {name!r} does not return a tensor with a row for each example")
    except ValueError as error:
        raise TaskInvalidError(f"The task {task.name!r}: architecture.layers: {error}.") from error


def compute(given: ProbeInputs, state: StackedState) -> Arrays:
    """Return features, float32: ``split`` (K, n, d) if the last layer is linear, and ``split@layer`` (K, n, d') by layer."""
    import torch

    from reference_models.networks.architectures import ARCHITECTURES, build_model
    from reference_models.training.states import member_state, n_members

    model = build_model(given.spec, None).to(given.device).eval()
    last = last_linear(model, given.spec.n_classes)
    names = layers_of(model, given.options["layers"], given.spec.architecture.name in ARCHITECTURES)
    modules = dict(model.named_modules())
    members = n_members(state)
    batches = {split: list(_batches(given, split)) for split in SPLITS}
    found: dict[str, list[NDArray[np.float32]]] = {}
    with torch.inference_mode():
        for member in range(members):
            model.load_state_dict(member_state(state, member))
            for split in SPLITS:
                reader = _Reader(last, {name: modules[name] for name in names} if split in OF_LAYERS else {})
                for name, features in reader.read(model, batches[split]).items():
                    chosen = _cut(features, len(given.inputs[split]))
                    found.setdefault(array_name(split, name), []).append(chosen)
            given.on_step(member + 1, members)
    return {name: np.stack(rows) for name, rows in found.items()}


def _batches(given: ProbeInputs, split: str) -> Iterator[torch.Tensor]:
    """Yield the inputs of the examples of a split that may be used, as the network reads them."""
    import torch

    from reference_models.networks.inputs import normalise

    spec = given.spec
    inputs = given.inputs[split][probed(len(given.inputs[split]), EXAMPLES)]
    for start in range(0, len(inputs), BATCH):
        stored = torch.from_numpy(np.ascontiguousarray(inputs[start : start + BATCH])).to(given.device)
        yield normalise(stored, spec.mean, spec.std, len(spec.input_shape))


class _Reader:
    """Records what a layer reads, and what others return.

    Args:
        last: the last linear layer; None if there is none.
        layers: further layers by name.
    """

    def __init__(self, last: nn.Module | None, layers: Mapping[str, nn.Module]) -> None:
        self._last, self._layers = last, layers
        self._rows: dict[str, list[torch.Tensor]] = {}

    def read(self, model: nn.Module, batches: Sequence[torch.Tensor]) -> Arrays:
        """Return features by layer, shape (n, d); those of the last linear layer have an empty name."""
        import torch

        handles = [part.register_forward_hook(self._returned(name)) for name, part in self._layers.items()]
        if self._last is not None:
            handles.append(self._last.register_forward_pre_hook(lambda _part, read: self._keep("", read[0].flatten(1))))
        try:
            for batch in batches if handles else ():
                model(batch)
        finally:
            for handle in handles:
                handle.remove()
        return {name: torch.cat(rows).float().numpy() for name, rows in self._rows.items()}

    def _returned(self, name: str) -> Callable[..., None]:
        def hook(_part: nn.Module, _read: Any, output: torch.Tensor) -> None:
            self._keep(name, output.flatten(2).mean(2) if output.dim() > 2 else output.flatten(1))

        return hook

    def _keep(self, name: str, features: torch.Tensor) -> None:
        self._rows.setdefault(name, []).append(features.cpu().clone())


def _cut(features: NDArray[np.float32], examples: int) -> NDArray[np.float32]:
    """Return the rows of the examples that the rule chooses among those of the largest number."""
    most = min(EXAMPLES, max(FEWEST, VALUES // max(1, features.shape[1])))
    rows = np.searchsorted(probed(examples, EXAMPLES), probed(examples, most))
    return np.ascontiguousarray(features[rows])


def _refuses(task: Task) -> str:
    return "its network has a last layer for each shard" if task.sisa is not None else ""


FEATURES = Probe(
    name="features",
    summary="what the last linear layer reads, on the forget, retain and test set, and outputs of layers",
    compute=compute,
    epochs=lambda _recipe: 0.1,
    options=lambda task: {"layers": list(task.layers)},
    refuses=_refuses,
    models=MODELS,
    light=True,
    nothing="its network has no linear layer with an output for each class, and the task names no layers",
)
