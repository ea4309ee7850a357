"""K members of a chain of layers (``nn.Sequential``) on the CPU: the fastest way to train small networks there.

Layers are those of :mod:`reference_models.chain_layers` and :mod:`reference_models.chain_picture_layers`. Few members
are taken at a time, forward and backward, so that what they pass from layer to layer stays in the processor's cache; the
optimizer's step is made for all of them.

Memory, besides K times the weights (weights, gradients, momentum): activations of ``BLOCK_BYTES`` or of one member,
about twice that with their gradients; and up to ``PREPARED_BYTES`` (:mod:`reference_models.chain_inputs`) for the
training set as it is read.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reference_models.chain_inputs import ChainInputs
from reference_models.chain_layers import ChainFlatten, ChainFunction, ChainLinear, ChainReLU, Layer
from reference_models.chain_picture_layers import (
    LEAST_WIDTH,
    ChainBatchNorm,
    ChainConvolution,
    ChainFlattened,
    ChainReadout,
)
from reference_models.chain_pictures import PictureLayer, PictureStack, StoredPictures
from reference_models.examples import Examples
from reference_models.grouped import UnsupportedLayerError
from reference_models.losses import loss_gradient
from reference_models.recipe import ModelSpec
from reference_models.sampling import Batch
from reference_models.states import StackedState, n_members, on_cpu

BLOCK_BYTES = 6 << 20
"""Outputs of the members that are computed at a time; measured: less means more calls, more leaves the cache."""
CACHE_BYTES = 1 << 20
"""Outputs of one member for the pictures that go through the network at a time, where their number is free."""
FLOAT_BYTES = 4
WITH_RELU = (nn.Conv2d, nn.BatchNorm2d)
"""Layers that compute a ReLU behind them as well."""


def named_layers(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The layers of a chain in order, by name; UnsupportedLayerError where ``module`` is none."""
    if type(module) is not nn.Sequential:
        raise UnsupportedLayerError(f"{type(module).__name__} is not a chain of layers")
    for name, child in module.named_children():
        if type(child) is nn.Sequential:
            yield from named_layers(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


@dataclass(frozen=True)
class _Place:
    """Where in a chain a layer is.

    Attributes:
        shape: of one example that comes in, (C, H, W) or (n,).
        flattened: the shape of the picture that was flattened last.
        before: the layer before.
        rectified: whether a ReLU comes next, and is computed with it.
    """

    shape: tuple[int, ...]
    flattened: tuple[int, ...]
    before: Layer | None
    rectified: bool


def _layer(module: nn.Module, k: int, place: _Place) -> Layer:
    """What computes ``module`` for k members."""
    shape, flattened = place.shape, place.flattened
    if type(module) is nn.Conv2d and len(shape) == 3:
        return ChainConvolution(module, k, (shape[1], shape[2]), place.rectified)
    if type(module) is nn.BatchNorm2d:
        return ChainBatchNorm(module, k, place.rectified)
    if type(module) is nn.Linear and isinstance(place.before, ChainFlattened) and shape[0] % LEAST_WIDTH == 0:
        return ChainReadout(module, k, flattened)
    if type(module) is nn.Linear and len(shape) == 1:
        return ChainLinear(module, k, flattened if math.prod(flattened) == shape[0] else ())
    if type(module) is nn.ReLU:
        return ChainReLU()
    if type(module) is nn.Flatten and (module.start_dim, module.end_dim) == (1, -1):
        return ChainFlattened() if isinstance(place.before, PictureLayer) and len(shape) == 3 else ChainFlatten()
    if module.state_dict() or (len(shape) == 1 and flattened):
        raise UnsupportedLayerError(f"no link of a chain for {type(module).__name__}")
    return ChainFunction(module)


def _stacked(layers: Sequence[Layer]) -> list[Layer]:
    """The layers, neighbouring ones of pictures as one."""
    links: list[Layer] = []
    for of_pictures, group in itertools.groupby(layers, lambda layer: isinstance(layer, PictureLayer)):
        if of_pictures:
            links.append(PictureStack([layer for layer in group if isinstance(layer, PictureLayer)], bool(links)))
        else:
            links += group
    return links


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
        self._inputs = ChainInputs(spec, self._links[0])

    @torch.no_grad()
    def _build(self, spec: ModelSpec, template: nn.Module) -> None:
        x, training = torch.zeros(1, spec.in_channels, *spec.image_size), template.training
        flattened: tuple[int, ...] = ()
        template.eval()
        links = [(name, module) for name, module in named_layers(template) if type(module) is not nn.Identity]
        followers = [module for _, module in links[1:]] + [None]
        layer: Layer | None = None
        rectified = False
        for (name, module), follower in zip(links, followers, strict=True):
            if type(module) is nn.ReLU and rectified:  # computed by the layer before
                continue
            rectified = type(module) in WITH_RELU and type(follower) is nn.ReLU
            shape = tuple(x.shape[1:])
            layer = self._layers[name] = _layer(module, self._k, _Place(shape, flattened, layer, rectified))
            x = module(x)
            self._picture_bytes += 2 * FLOAT_BYTES * x[0].numel()
            if isinstance(layer, ChainFlatten | ChainFlattened):
                flattened = shape if len(shape) == 3 else flattened
            elif isinstance(layer, ChainLinear | ChainReadout):
                flattened = ()
        template.train(training)
        self._links = _stacked(list(self._layers.values()))

    def _blocks(self, n_pictures: int) -> Iterator[slice]:
        """Members that are computed at a time."""
        m = max(1, BLOCK_BYTES // max(1, self._picture_bytes * n_pictures))
        return (slice(first, min(first + m, self._k)) for first in range(0, self._k, m))

    def _forward(self, inputs: Tensor | StoredPictures, members: slice) -> Tensor:
        """The outputs of the last layer."""
        first, *others = self._links
        if isinstance(first, PictureStack):
            x = first.forward(inputs, members, self._training)
        else:
            assert isinstance(inputs, Tensor)  # noqa: S101  (see ChainInputs)
            x = first.forward(inputs, members, self._training)
        for layer in others:
            x = layer.forward(x, members, self._training)
        return x

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """See :class:`reference_models.ensembles.Ensemble`."""
        at_once = max(1, CACHE_BYTES // max(1, self._picture_bytes))
        parts = [self._part(images[:, first : first + at_once]) for first in range(0, images.shape[1], at_once)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def _part(self, images: Tensor) -> Tensor:
        shared = len(images) == 1
        outputs = []
        for members in self._blocks(images.shape[1]):
            own = self._inputs.given(images if shared else images[members])
            outputs.append(self._forward(own, members).clone())
        return torch.cat(outputs)

    @torch.no_grad()
    def gradients(self, examples: Examples, batch: Batch) -> None:
        """See :class:`reference_models.ensembles.Ensemble`."""
        for members in self._blocks(batch.index.shape[1]):
            own = batch.of(members)
            logits = self._forward(self._inputs.drawn(examples, own), members)
            gradient: Tensor | None = loss_gradient(logits, examples.targets(own), examples.recipe)
            for place, layer in reversed(list(enumerate(self._links))):
                assert gradient is not None  # noqa: S101  (asked for wherever there is a layer before)
                gradient = layer.backward(gradient, members, place > 0)

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
