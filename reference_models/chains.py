"""K members of a chain of linear layers (``nn.Sequential``) on the CPU: the fastest way to train small networks there.

Layers are those of :mod:`reference_models.chain_layers`. Few members are taken at a time, forward and backward, so
that what they pass from layer to layer stays in the processor's cache; the optimizer's step is made for all of them.

Memory, besides K times the weights (weights, gradients, momentum): activations of ``BLOCK_BYTES`` or of one member,
about twice that with their gradients; and up to ``PREPARED_BYTES`` for the training set, normalised.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from reference_models.chain_layers import (
    ChainFlatten,
    ChainFunction,
    ChainLinear,
    ChainReLU,
    Layer,
)
from reference_models.examples import Examples
from reference_models.grouped import UnsupportedLayerError
from reference_models.images import Normaliser
from reference_models.losses import loss_gradient
from reference_models.recipe import ModelSpec
from reference_models.sampling import Batch
from reference_models.scratch import Scratch, unflatten
from reference_models.states import StackedState, n_members, on_cpu

BLOCK_BYTES = 12 << 20
"""Outputs of the members that are computed at a time; measured: less means more calls, more leaves the cache."""
PREPARED_BYTES = 256 << 20
FLOAT_BYTES = 4


def named_layers(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The layers of a chain in order, by name; UnsupportedLayerError where ``module`` is none."""
    if type(module) is not nn.Sequential:
        raise UnsupportedLayerError(f"{type(module).__name__} is not a chain of layers")
    for name, child in module.named_children():
        if type(child) is nn.Sequential:
            yield from named_layers(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def _layer(module: nn.Module, k: int, shape: tuple[int, ...], flattened: tuple[int, ...]) -> Layer:
    """A layer for inputs of ``shape``; ``flattened`` is the shape of the picture that was flattened last."""
    if type(module) is nn.Linear and len(shape) == 1:
        return ChainLinear(module, k, flattened if math.prod(flattened) == shape[0] else ())
    if type(module) is nn.ReLU:
        return ChainReLU()
    if type(module) is nn.Flatten and (module.start_dim, module.end_dim) == (1, -1):
        return ChainFlatten()
    if module.state_dict() or (len(shape) == 1 and flattened):
        raise UnsupportedLayerError(f"no link of a chain for {type(module).__name__}")
    return ChainFunction(module)


class ChainEnsemble:
    """Members of a chain, on the CPU."""

    def __init__(self, spec: ModelSpec, template: nn.Module, state: StackedState, device: torch.device) -> None:
        if device.type != "cpu":
            raise UnsupportedLayerError("chains are computed on the CPU")
        self._k, self._names, self._training = n_members(state), list(state), True
        self._layers: dict[str, Layer] = {}
        self._picture_bytes = 0
        self._build(spec, template)
        for name, tensor in state.items():
            layer, own = name.rsplit(".", 1)
            self._layers[layer].load(own, tensor)
        self._normaliser = Normaliser(spec.mean, spec.std, device)
        self._scratch = Scratch()
        self._prepared: tuple[Examples, Tensor | None] | None = None

    @torch.no_grad()
    def _build(self, spec: ModelSpec, template: nn.Module) -> None:
        x, training = torch.zeros(1, spec.in_channels, *spec.image_size), template.training
        flattened: tuple[int, ...] = ()
        template.eval()
        for name, module in named_layers(template):
            if type(module) is not nn.Identity:
                shape = tuple(x.shape[1:])
                self._layers[name] = layer = _layer(module, self._k, shape, flattened)
                flattened = shape if isinstance(layer, ChainFlatten) and len(shape) == 3 else flattened
                x = module(x)
                self._picture_bytes += 2 * FLOAT_BYTES * x[0].numel()
                flattened = () if isinstance(layer, ChainLinear) else flattened
        template.train(training)

    def _blocks(self, n_pictures: int) -> Iterator[slice]:
        """Members that are computed at a time."""
        m = max(1, BLOCK_BYTES // max(1, self._picture_bytes * n_pictures))
        return (slice(first, min(first + m, self._k)) for first in range(0, self._k, m))

    def _forward(self, x: Tensor, members: slice) -> Tensor:
        for layer in self._layers.values():
            x = layer.forward(x, members, self._training)
        return x

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """See :class:`reference_models.ensembles.Ensemble`."""
        shared = len(images) == 1
        outputs = []
        for members in self._blocks(images.shape[1]):
            own = images if shared else images[members]
            outputs.append(self._forward(self._normaliser.channels_last(own), members).clone())
        return torch.cat(outputs)

    @torch.no_grad()
    def gradients(self, examples: Examples, batch: Batch) -> None:
        """See :class:`reference_models.ensembles.Ensemble`."""
        layers = list(self._layers.values())
        for members in self._blocks(batch.index.shape[1]):
            own = batch.of(members)
            logits = self._first(layers[0], examples, own, members)
            for layer in layers[1:]:
                logits = layer.forward(logits, members, self._training)
            gradient: Tensor | None = loss_gradient(logits, examples.targets(own), examples.recipe)
            for place, layer in reversed(list(enumerate(layers))):
                assert gradient is not None  # noqa: S101  (asked for wherever there is a layer before)
                gradient = layer.backward(gradient, members, place > 0)

    def _first(self, layer: Layer, examples: Examples, batch: Batch, members: slice) -> Tensor:
        """Outputs of the first layer."""
        if self._prepared is None or self._prepared[0] is not examples:
            self._prepared = (examples, self._prepare(examples))
        table = self._prepared[1]
        if table is None:
            return layer.forward(self._normaliser.channels_last(examples.pictures(batch)), members, self._training)
        rows = batch.index if not batch.draws else batch.index + len(examples.labels) * batch.draws[0]
        taken = self._scratch.take("inputs", (rows.numel(), *table.shape[1:]))
        taken = unflatten(torch.index_select(table, 0, rows.flatten(), out=taken), 0, tuple(rows.shape))
        return layer.forward(taken, members, self._training)

    def _prepare(self, examples: Examples) -> Tensor | None:
        """Every normalised picture, and every mirrored one after them; None where that is too much."""
        if examples.recipe.augment not in ((), ("horizontal-flip",)):
            return None
        pictures = [examples.images, examples.images.flip(2)] if examples.recipe.augment else [examples.images]
        n_pictures = len(pictures) * len(examples.images)
        if FLOAT_BYTES * examples.images[0].numel() * n_pictures > PREPARED_BYTES:
            return None
        table = torch.empty((n_pictures, *examples.images.shape[1:]))
        for first, images in enumerate(pictures):
            for start in range(0, len(images), 64):
                rows = images[start : start + 64]
                begin = first * len(images) + start
                table[begin : begin + len(rows)] = self._normaliser.channels_last(rows[None])[0]
        return table

    def train(self, training: bool) -> None:
        """See :class:`reference_models.ensembles.Ensemble`."""
        self._training = training

    def parameters(self) -> Iterator[Tensor]:
        """See :class:`reference_models.ensembles.Ensemble`."""
        return (tensor for layer in self._layers.values() for tensor in layer.parameters.values())

    def state(self) -> StackedState:
        """See :class:`reference_models.ensembles.Ensemble`."""
        return {name: on_cpu(self._plain(name, None)) for name in self._names}

    def plain(self, values: Iterator[Tensor]) -> StackedState:
        """Values shaped as :meth:`parameters`, by name in the ordinary layout: gradients or an optimizer's moments."""
        names = [f"{layer}.{own}" for layer, link in self._layers.items() for own in link.parameters]
        return {name: self._plain(name, own) for name, own in zip(names, values, strict=True)}

    def _plain(self, name: str, values: Tensor | None) -> Tensor:
        layer_name, own = name.rsplit(".", 1)
        layer = self._layers[layer_name]
        return layer.plain(own, {**layer.parameters, **layer.buffers}[own] if values is None else values)
