"""The probe ``difference``: what the change of the weights from a model's original tells.

With weights theta_O of the original, theta of the model, and D = theta - theta_O:

- *distance*: |D|, of the whole network and of each of its children (the modules that it consists of, as ``layer1`` or ``fc``).
- *line*: the mean loss at points of the straight line from theta_O to theta, on retained and on test examples. Running statistics
  of batch normalisation are estimated anew at every point, on the retained examples; else each point had those of its end.
- *slope* of an example: derivative of its loss at theta_O along D / |D|, by a central difference. Unlearning raises the loss of
  what is forgotten, so that a holder of both models sees it even where the step is small.
- *cosine* of an example: with features h and residuals r = p - e_y of the last linear layer at theta_O, and D_W the change of
  its weights, G = H D_W estimates the sum of r h' over the forgotten examples, H being the layer's Hessian on retained examples
  (a Newton step). Row c of G, less that row's sum of r times the mean feature m, is the sum of r_c (h - m) over forgotten
  examples, r_c being below 0 for those of class c alone: minus row y is the reconstruction of a forgotten example of class y.
  The value is its cosine with h - m. In a linear network h is the example itself.

Sources: arXiv 2505.22310 (distance and the loss on the line as predictors of recovery); Jordan et al. 2022 (arXiv 2211.08403)
for the running statistics; Bertran et al. 2024 (arXiv 2405.20272) for the reconstruction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import probed
from harness.probes.features import last_linear
from harness.probes.probe import Arrays, Probe, ProbeInputs
from harness.probes.recovery import weight_names
from harness.tasks.task import Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from reference_models.training.states import StackedState, State

SPLITS = ("forget", "retain", "test")
ON_LINES = ("retain", "test")
AT = "@"
"""Separates the parts of an array's name."""
EXAMPLES = 512
"""Most examples of a split; :func:`harness.evaluation.probed` says which."""
ON_LINE = 256
"""Most examples of a split for the losses on the line."""
POINTS = tuple(step / 10 for step in range(11))
"""Points of the line, from 0, the original, to 1."""
STEP = 1e-3
"""Length of the step for a slope, as a share of the original's norm: small against the network, large against rounding."""
MODELS = 64
BATCH = 256


@dataclass(frozen=True)
class _Batch:
    """Inputs as the network reads them, and their classes."""

    inputs: Tensor
    labels: Tensor


def compute(given: ProbeInputs, state: StackedState) -> Arrays:
    """Return the arrays of all models.

    Returns:
        ``distance`` and, if the network has several children with weights, ``distance@<place>@<child>``, shape (K,);
        ``line_retain`` and ``line_test``, shape (K, points); ``slope@<split>`` of forget, retain and test, and, if the last layer
        is linear, ``cosine@<split>`` of forget and test, shape (K, n). All float32.
    """
    from reference_models.networks.architectures import build_model
    from reference_models.training.arithmetic import reproducible
    from reference_models.training.states import member_state, n_members

    assert given.original is not None  # noqa: S101  (the probe is paired)
    model = build_model(given.spec, None).to(given.device)
    names = weight_names(given.spec)
    batches = {split: list(_batches(given, split, EXAMPLES)) for split in SPLITS}
    line = {split: list(_batches(given, split, ON_LINE)) for split in ON_LINES}
    members, rows = n_members(state), []
    for member in range(members):
        pair = _Pair(model, given.original(member), member_state(state, member), names)
        with reproducible():
            rows.append(
                {
                    **pair.distances(),
                    **pair.lines(line),
                    **{f"slope{AT}{split}": pair.slopes(batches[split]) for split in SPLITS},
                    **pair.cosines(batches, given.recipe.weight_decay, given.spec.n_classes),
                }
            )
        given.on_step(member + 1, members)
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


class _Pair:
    """A model and its original.

    Args:
        model: the network, whose weights are overwritten.
        before: state of the original.
        after: state of the model.
        names: names of the weights; the rest of a state, as running statistics, is not compared.
    """

    def __init__(self, model: nn.Module, before: State, after: State, names: frozenset[str]) -> None:
        self._model, self._before, self._after, self._names = model, before, after, names
        self.distance = self._distance(names)
        self.size = _norm(before[name].double() for name in names)

    def _load(self, share: float, rest: State) -> None:
        """Load theta_O + share D; what is no weight comes from ``rest``."""
        between = {name: _between(self._before[name], self._after[name], share) for name in self._names}
        self._model.load_state_dict({**rest, **between})

    def distances(self) -> Arrays:
        """Return the distance of all weights, and of each child's if there are several."""
        of: dict[str, list[str]] = {}
        for name, _ in self._model.named_parameters():
            if name in self._names:
                of.setdefault(name.partition(".")[0], []).append(name)
        found = {"distance": np.float32(self.distance)}
        for place, (child, names) in enumerate(of.items() if len(of) > 1 else (), start=1):
            # Arrays are stored in the order of their names.
            found[f"distance{AT}{place:03d}{AT}{child}"] = np.float32(self._distance(names))
        return {name: np.asarray(value) for name, value in found.items()}

    def _distance(self, names: Collection[str]) -> float:
        return _norm(self._after[name].double() - self._before[name].double() for name in names)

    def lines(self, batches: Mapping[str, Sequence[_Batch]]) -> Arrays:
        """Return the mean loss at each point of the line, in nats, on each split's examples."""
        losses: dict[str, list[float]] = {split: [] for split in batches}
        for share in POINTS:
            self._load(share, self._after)
            _estimate_statistics(self._model, batches["retain"])
            for split, of in batches.items():
                losses[split].append(float(np.mean(_losses(self._model, of))))
        return {f"line_{split}": np.asarray(values, dtype=np.float32) for split, values in losses.items()}

    def slopes(self, batches: Sequence[_Batch]) -> NDArray[np.float32]:
        """Return the slope of each example's loss, shape (n,), in nats per unit of length; 0 if nothing was changed."""
        if self.distance == 0:
            return np.zeros(sum(len(one.labels) for one in batches), dtype=np.float32)
        length = STEP * self.size
        share = length / self.distance
        ends = []
        for sign in (1, -1):
            self._load(sign * share, self._before)
            ends.append(_losses(self._model, batches))
        return np.asarray((ends[0] - ends[1]) / (2 * length), dtype=np.float32)

    def cosines(self, batches: Mapping[str, Sequence[_Batch]], decay: float, classes: int) -> Arrays:
        """Return the cosine of examples with the reconstruction of their class; nothing without a last linear layer."""
        import torch

        last = last_linear(self._model, classes)
        if last is None:
            return {}
        name = next(name for name, part in self._model.named_modules() if part is last)
        self._model.load_state_dict(self._before)
        change = self._of_layer(self._after, name) - self._of_layer(self._before, name)
        known, residuals = _read(self._model, last, batches["retain"])
        probabilities = residuals + torch.nn.functional.one_hot(_labels(batches["retain"]), classes)
        moved = known @ change.T
        inner = probabilities * (moved - (probabilities * moved).sum(1, keepdim=True))
        total = inner.T @ known / len(known) + decay * change
        centre = known.mean(0)
        # The column of the bias is the sum of r; a layer without bias has none, and loses the whole direction of the mean.
        along = total[:, -1] if last.bias is not None else total @ centre / centre.square().sum().clamp_min(1e-30)
        wanted = torch.nn.functional.normalize(torch.outer(along, centre) - total, dim=1)
        found = {}
        for split in ("forget", "test"):
            read, _ = _read(self._model, last, batches[split])
            own = torch.nn.functional.normalize(read - centre, dim=1)
            found[f"cosine{AT}{split}"] = (own * wanted[_labels(batches[split])]).sum(1).float().cpu().numpy()
        return found

    def _of_layer(self, state: State, name: str) -> Tensor:
        """Return the layer's weights with its bias as a last column, which reads a constant feature of 1."""
        import torch

        device = next(self._model.parameters()).device
        weight = state[f"{name}.weight"].double()
        bias = state.get(f"{name}.bias", torch.zeros(len(weight))).double()
        return torch.cat([weight, bias[:, None]], dim=1).to(device)


def _between(before: Tensor, after: Tensor, share: float) -> Tensor:
    """Return before + share (after - before), computed in double precision."""
    return (before.double() + share * (after.double() - before.double())).to(before.dtype)


def _norm(parts: Iterator[Tensor]) -> float:
    return float(sum(float(part.square().sum()) for part in parts) ** 0.5)


def _batches(given: ProbeInputs, split: str, most: int) -> Iterator[_Batch]:
    import torch

    from reference_models.networks.inputs import normalise

    spec, places = given.spec, probed(len(given.labels[split]), min(most, len(given.labels[split])))
    for start in range(0, len(places), BATCH):
        chosen = places[start : start + BATCH]
        stored = torch.from_numpy(np.ascontiguousarray(given.inputs[split][chosen])).to(given.device)
        labels = torch.from_numpy(np.ascontiguousarray(given.labels[split][chosen])).to(given.device)
        yield _Batch(normalise(stored, spec.mean, spec.std, len(spec.input_shape)), labels)


def _labels(batches: Sequence[_Batch]) -> Tensor:
    import torch

    return torch.cat([one.labels for one in batches])


def _losses(model: nn.Module, batches: Sequence[_Batch]) -> NDArray[np.float64]:
    """Return the cross-entropy of each example in evaluation mode, in nats, in double precision from the logits on."""
    import torch

    model.eval()
    with torch.inference_mode():
        found = [
            torch.nn.functional.cross_entropy(model(one.inputs).double(), one.labels, reduction="none")
            for one in batches
        ]
    return torch.cat(found).cpu().numpy()


def _estimate_statistics(model: nn.Module, batches: Sequence[_Batch]) -> None:
    """Set the running statistics of batch normalisations to the mean over ``batches``."""
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    norms = [part for part in model.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    if not norms:
        return
    before = [part.momentum for part in norms]
    model.eval()
    for part in norms:
        part.train().reset_running_stats()
        part.momentum = None
    with torch.no_grad():
        for one in batches:
            if len(one.labels) > 1:
                model(one.inputs)
    for part, momentum in zip(norms, before, strict=True):
        part.momentum = momentum


def _read(model: nn.Module, last: nn.Module, batches: Sequence[_Batch]) -> tuple[Tensor, Tensor]:
    """Return what the last layer reads with a constant 1, (n, d + 1), and residuals p - e_y, (n, C); double precision."""
    import torch

    model.eval()
    read: list[Tensor] = []
    residuals = []
    with _reading(last, read), torch.inference_mode():
        for one in batches:
            shares = model(one.inputs).double().softmax(1)
            residuals.append(shares - torch.nn.functional.one_hot(one.labels, shares.shape[1]))
    features = torch.cat(read)
    return torch.cat([features, torch.ones_like(features[:, :1])], dim=1), torch.cat(residuals)


@contextmanager
def _reading(last: nn.Module, kept: list[Tensor]) -> Iterator[None]:
    handle = last.register_forward_pre_hook(lambda _part, read: kept.append(read[0].flatten(1).double()))
    try:
        yield
    finally:
        handle.remove()


def _refuses(task: Task) -> str:
    return "its network has a last layer for each shard" if task.sisa is not None else ""


DIFFERENCE = Probe(
    name="difference",
    summary="the change of the weights from a model's original: distance, losses between them, slopes of losses, reconstructions",
    compute=compute,
    epochs=lambda _recipe: 1.0,
    refuses=_refuses,
    models=MODELS,
    paired=True,
)
